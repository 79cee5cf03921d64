-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Lines of a fleet in PostgreSQL (docs/fleet.md), and what people ask of them. PostgreSQL 15.
--     cat *.ndjson | psql -c "COPY synward_lines (line) FROM STDIN WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
-- The two characters are in no line: each is one value as it is. A view has the columns; index what is asked often.

-- schema
CREATE TABLE synward_lines (line jsonb NOT NULL);
CREATE VIEW synward AS
SELECT line ->> 'event' AS event, line ->> 'host' AS host, (line ->> 'seq')::numeric AS seq, (line ->> 'ts')::timestamptz AS logged,
    line ->> 'uid' AS uid, line -> 'labels' AS labels, coalesce((line ->> 'sample')::bigint, 1) AS sample,
    line ->> 'orig_ip' AS orig_ip, (line ->> 'orig_port')::int AS orig_port, line ->> 'resp_ip' AS resp_ip, (line ->> 'resp_port')::int AS resp_port,
    (line ->> 'start')::timestamptz AS start, line ->> 'reason' AS reason, line ->> 'conn_state' AS conn_state,
    (line ->> 'duration_ns')::numeric AS duration_ns, (line ->> 'handshake_ns')::numeric AS handshake_ns,
    (line ->> 'server_ns')::numeric AS server_ns, (line ->> 'client_ns')::numeric AS client_ns,
    (line ->> 'syn_rexmit')::bigint AS syn_rexmit, (line ->> 'synack_rexmit')::bigint AS synack_rexmit,
    (line ->> 'orig_bytes')::numeric AS orig_bytes, (line ->> 'resp_bytes')::numeric AS resp_bytes,
    (line ->> 'orig_rexmit')::numeric AS orig_rexmit, (line ->> 'resp_rexmit')::numeric AS resp_rexmit, (line ->> 'lost')::numeric AS lost
FROM synward_lines;
CREATE INDEX ON synward_lines ((line ->> 'event'), (line ->> 'resp_ip'));

-- query talkers: which clients moved most bytes?
SELECT orig_ip, sum(sample) AS connections, sum(sample * (orig_bytes + resp_bytes)) AS bytes
FROM synward WHERE event = 'conn' GROUP BY orig_ip ORDER BY bytes DESC, orig_ip LIMIT 10;

-- query failing: which servers fail their clients, and how?
SELECT resp_ip, resp_port, sum(sample) AS connections, coalesce(sum(sample) FILTER (WHERE reason = 'refused'), 0) AS refused,
    coalesce(sum(sample) FILTER (WHERE reason = 'unanswered'), 0) AS unanswered, coalesce(sum(sample) FILTER (WHERE reason IN ('reset', 'aborted')), 0) AS reset
FROM synward WHERE event = 'conn' GROUP BY resp_ip, resp_port
HAVING count(*) FILTER (WHERE reason IN ('refused', 'unanswered', 'reset', 'aborted')) > 0
ORDER BY sum(sample) FILTER (WHERE reason IN ('refused', 'unanswered', 'reset', 'aborted')) DESC, resp_ip, resp_port LIMIT 20;

-- query slow: how long do handshakes with each server take, and how often is a SYN sent again?
SELECT resp_ip, resp_port, count(*) AS n, percentile_disc(0.5) WITHIN GROUP (ORDER BY handshake_ns) AS p50, percentile_disc(0.99) WITHIN GROUP (ORDER BY handshake_ns) AS p99,
    max(handshake_ns) AS most, sum(syn_rexmit + synack_rexmit) AS sent_again
FROM synward WHERE event = 'conn' AND handshake_ns IS NOT NULL GROUP BY resp_ip, resp_port ORDER BY p99 DESC, resp_ip, resp_port LIMIT 20;

-- query begun: when did it begin? Connections of each minute, and those that failed.
SELECT to_char(date_trunc('minute', logged AT TIME ZONE 'UTC'), 'YYYY-MM-DD HH24:MI:SS') AS minute, sum(sample) AS connections,
    coalesce(sum(sample) FILTER (WHERE reason IN ('refused', 'unanswered', 'reset', 'aborted')), 0) AS failed
FROM synward WHERE event = 'conn' GROUP BY 1 ORDER BY minute;

-- query sites: what does each site see? By a label.
SELECT labels ->> 'dc' AS dc, sum(sample) AS connections, count(*) AS lines, sum(sample * (orig_bytes + resp_bytes)) AS bytes
FROM synward WHERE event = 'conn' GROUP BY 1 ORDER BY dc;

-- query lossy: where do lines lack, and how many?
SELECT host, labels ->> 'dc' AS dc, count(*) AS times, sum(lost) AS events FROM synward WHERE event = 'loss' GROUP BY 1, 2 ORDER BY host, dc;

-- query scanners: who tries many servers or ports, and gets no answer or a refusal?
SELECT orig_ip, sum(sample) AS attempts, count(DISTINCT (resp_ip, resp_port)) AS targets
FROM synward WHERE event = 'conn' AND reason IN ('refused', 'unanswered') GROUP BY orig_ip HAVING count(DISTINCT (resp_ip, resp_port)) >= 10 ORDER BY targets DESC, orig_ip LIMIT 20;
