-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Lines of a fleet in DuckDB and as Parquet (docs/fleet.md), and what people ask of them. DuckDB 1.5.
--     duckdb fleet.duckdb, in the folder with the lines: *.ndjson, or *.ndjson.gz

-- schema
CREATE TABLE synward AS
SELECT * EXCLUDE (ts, sample), ts::TIMESTAMP_NS AS logged, coalesce(sample, 1) AS sample
FROM read_ndjson('*.ndjson*', columns = {
    event: 'VARCHAR', host: 'VARCHAR', seq: 'UBIGINT', ts: 'VARCHAR', uid: 'VARCHAR', labels: 'MAP(VARCHAR, VARCHAR)', sample: 'UINTEGER',
    orig_ip: 'VARCHAR', orig_port: 'USMALLINT', resp_ip: 'VARCHAR', resp_port: 'USMALLINT',
    "start": 'VARCHAR', reason: 'VARCHAR', conn_state: 'VARCHAR', duration_ns: 'UBIGINT',
    handshake_ns: 'UBIGINT', server_ns: 'UBIGINT', client_ns: 'UBIGINT', syn_rexmit: 'UINTEGER', synack_rexmit: 'UINTEGER',
    orig_bytes: 'UBIGINT', resp_bytes: 'UBIGINT', orig_rexmit: 'UBIGINT', resp_rexmit: 'UBIGINT', lost: 'UBIGINT'});

-- parquet
COPY synward TO 'synward.parquet' (FORMAT parquet, COMPRESSION zstd);

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
SELECT resp_ip, resp_port, count(*) AS n, quantile_disc(handshake_ns, 0.5) AS p50, quantile_disc(handshake_ns, 0.99) AS p99,
    max(handshake_ns) AS most, sum(syn_rexmit + synack_rexmit) AS sent_again
FROM synward WHERE event = 'conn' AND handshake_ns IS NOT NULL GROUP BY resp_ip, resp_port ORDER BY p99 DESC, resp_ip, resp_port LIMIT 20;

-- query begun: when did it begin? Connections of each minute, and those that failed.
SELECT strftime(date_trunc('minute', logged), '%Y-%m-%d %H:%M:%S') AS minute, sum(sample) AS connections,
    coalesce(sum(sample) FILTER (WHERE reason IN ('refused', 'unanswered', 'reset', 'aborted')), 0) AS failed
FROM synward WHERE event = 'conn' GROUP BY 1 ORDER BY minute;

-- query sites: what does each site see? By a label.
SELECT labels['dc'] AS dc, sum(sample) AS connections, count(*) AS lines, sum(sample * (orig_bytes + resp_bytes)) AS bytes
FROM synward WHERE event = 'conn' GROUP BY 1 ORDER BY dc;

-- query lossy: where do lines lack, and how many?
SELECT host, labels['dc'] AS dc, count(*) AS times, sum(lost) AS events FROM synward WHERE event = 'loss' GROUP BY 1, 2 ORDER BY host, dc;

-- query scanners: who tries many servers or ports, and gets no answer or a refusal?
SELECT orig_ip, sum(sample) AS attempts, count(DISTINCT (resp_ip, resp_port)) AS targets
FROM synward WHERE event = 'conn' AND reason IN ('refused', 'unanswered') GROUP BY orig_ip HAVING count(DISTINCT (resp_ip, resp_port)) >= 10 ORDER BY targets DESC, orig_ip LIMIT 20;
