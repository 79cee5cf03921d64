-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Lines of a fleet in ClickHouse (docs/fleet.md), and what people ask of them. Debian's 18.16, and so no type of later versions;
-- 26.7 takes it as well.
--     jq -c "$FLAT" *.ndjson | clickhouse-client --input_format_skip_unknown_fields=1 --query "INSERT INTO synward FORMAT JSONEachRow"
-- A label is a column, and sample is 1 where there is none: jq makes both (FLAT, docs/fleet.md), as 18.16 reads no objects and has no default.

-- schema
CREATE TABLE synward (
    event String, host String, seq UInt64, ts String, uid String,
    label_dc String, sample UInt32,
    orig_ip String, orig_port UInt16, resp_ip String, resp_port UInt16,
    start String, reason Nullable(String), conn_state String, duration_ns UInt64,
    handshake_ns Nullable(UInt64), server_ns Nullable(UInt64), client_ns Nullable(UInt64),
    syn_rexmit UInt32, synack_rexmit UInt32,
    orig_bytes UInt64, resp_bytes UInt64, orig_rexmit UInt64, resp_rexmit UInt64,
    lost UInt64,
    logged DateTime MATERIALIZED toDateTime(substring(ts, 1, 19)),
    day Date MATERIALIZED toDate(substring(ts, 1, 10))
) ENGINE = MergeTree PARTITION BY day ORDER BY (event, logged, resp_ip, resp_port);

-- query talkers: which clients moved most bytes?
SELECT orig_ip, sum(sample) AS connections, sum(sample * (orig_bytes + resp_bytes)) AS bytes
FROM synward WHERE event = 'conn' GROUP BY orig_ip ORDER BY bytes DESC, orig_ip LIMIT 10;

-- query failing: which servers fail their clients, and how?
SELECT resp_ip, resp_port, sum(sample) AS connections, sum(sample * (reason = 'refused')) AS refused,
    sum(sample * (reason = 'unanswered')) AS unanswered, sum(sample * (reason IN ('reset', 'aborted'))) AS reset
FROM synward WHERE event = 'conn' GROUP BY resp_ip, resp_port HAVING refused + unanswered + reset > 0
ORDER BY refused + unanswered + reset DESC, resp_ip, resp_port LIMIT 20;

-- query slow: how long do handshakes with each server take, and how often is a SYN sent again?
SELECT resp_ip, resp_port, count() AS n, quantileExact(0.5)(handshake_ns) AS p50, quantileExact(0.99)(handshake_ns) AS p99,
    max(handshake_ns) AS most, sum(syn_rexmit + synack_rexmit) AS sent_again
FROM synward WHERE event = 'conn' AND handshake_ns IS NOT NULL GROUP BY resp_ip, resp_port ORDER BY p99 DESC, resp_ip, resp_port LIMIT 20;

-- query begun: when did it begin? Connections of each minute, and those that failed.
SELECT toString(toStartOfMinute(logged)) AS minute, sum(sample) AS connections,
    sum(sample * (reason IN ('refused', 'unanswered', 'reset', 'aborted'))) AS failed
FROM synward WHERE event = 'conn' GROUP BY minute ORDER BY minute;

-- query sites: what does each site see? By a label.
SELECT label_dc AS dc, sum(sample) AS connections, count() AS lines, sum(sample * (orig_bytes + resp_bytes)) AS bytes
FROM synward WHERE event = 'conn' GROUP BY dc ORDER BY dc;

-- query lossy: where do lines lack, and how many?
SELECT host, label_dc AS dc, count() AS times, sum(lost) AS events FROM synward WHERE event = 'loss' GROUP BY host, dc ORDER BY host, dc;

-- query scanners: who tries many servers or ports, and gets no answer or a refusal?
SELECT orig_ip, sum(sample) AS attempts, uniqExact(resp_ip, resp_port) AS targets
FROM synward WHERE event = 'conn' AND reason IN ('refused', 'unanswered') GROUP BY orig_ip HAVING targets >= 10 ORDER BY targets DESC, orig_ip LIMIT 20;
