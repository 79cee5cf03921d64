-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- What `synward join A.ndjson B.ndjson` decides, in SQL: the same verdicts (docs/join.md). ClickHouse 26.7.
--     clickhouse local --queries-file join-clickhouse.sql      in the folder with A.ndjson and B.ndjson
-- The last statement gives a row a connection. It makes tables in the database that is used: take an empty one. For a fleet,
-- put the lines of a table in their order in the place of what file() reads here.

DROP TABLE IF EXISTS setting;
CREATE TABLE setting ENGINE = Memory AS SELECT
    toInt64(100000000) AS delay_ns, -- of --delay
    toInt64(2000000000) AS clock_ns, -- of --clock
    toInt64(7800000000000) AS window_ns; -- of --window

-- Each line of both files, in order, and what is before it; process: how many have begun since the first, stats_here: of this one.
DROP TABLE IF EXISTS line;
CREATE TABLE line ENGINE = MergeTree ORDER BY (file, n) AS
SELECT *, max(if(event = 'stats', ts, NULL)) OVER (PARTITION BY file, process ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS stats_here,
    max(toNullable(ts)) OVER (PARTITION BY file ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS last_before,
    max(if(event = 'stats', ts, NULL)) OVER (PARTITION BY file ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS stats_before
FROM (SELECT *, countIf(seq <= seq_before) OVER (PARTITION BY file ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS process
FROM (SELECT *, max(seq) OVER (PARTITION BY file ORDER BY n ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS seq_before
FROM (
    SELECT file, n, v.event AS event, assumeNotNull(at) AS ts, v.seq AS seq, v.lost AS lost, v.lost_conn + v.lost_opening AS lost_conns,
        v.dry_run AS dry_run, v.guard_dropped AS dropped, v.guard_cookies_sent + v.filtered + v.guard_dropped AS unfollowed,
        v.final AND event = 'stats' AS final, v.flows + v.half_open AS open, v.emitted_conn AS emitted, v.sample AS sample,
        if(event = 'conn', json, '') AS json
    FROM (SELECT file, n, json, JSONExtract(json, 'Tuple(schema Int64, event String, ts String, seq Nullable(Int64), lost UInt64, lost_conn UInt64,
                lost_opening UInt64, dry_run Bool, guard_dropped UInt64, guard_cookies_sent UInt64, filtered UInt64, final Bool, flows UInt64,
                half_open UInt64, emitted_conn UInt64, sample UInt64)') AS v,
            toUnixTimestamp64Nano(parseDateTime64BestEffortOrNull(v.ts, 9, 'UTC')) AS at
        FROM (SELECT 'A' AS file, rowNumberInAllBlocks() AS n, line AS json FROM file('A.ndjson', 'LineAsString', 'line String')
              UNION ALL SELECT 'B', rowNumberInAllBlocks(), line FROM file('B.ndjson', 'LineAsString', 'line String')))
    WHERE v.schema = 3 AND at IS NOT NULL)))
SETTINGS max_threads = 1, input_format_parallel_parsing = 0;

-- A conn line. o and r: its sides; rst and fin: y, n, or u for unknown.
DROP TABLE IF EXISTS conn_line;
CREATE TABLE conn_line ENGINE = MergeTree ORDER BY (file, n) AS
WITH 'Tuple(ip String, port Int32, isn Nullable(Int64), mss Nullable(Int64), wscale Nullable(Int64), sack Nullable(Bool), ts Nullable(Bool),
        ecn Nullable(String), tfo Nullable(String), mptcp Nullable(Bool), bytes UInt64, payload UInt64, pkts UInt64, rexmit UInt64, again UInt64,
        local Bool, holes Bool, rst String, fin String)' AS side
SELECT file, n, ts, v.uid AS uid, assumeNotNull(toUnixTimestamp64Nano(parseDateTime64BestEffortOrNull(v.start, 9, 'UTC'))) AS start,
    v.duration_ns AS duration, start + duration AS end, greatest(ts - start, 0) AS watched, v.server_ns AS server, v.handshake_ns AS handshake,
    v.client_ns AS client, v.via = 'cookie' AS cookie, v.handshake = 'unseen' AS unseen, v.handshake NOT IN ('unseen', 'incomplete') AS established,
    match(v.history, '[AD]') AS acked,
    match(v.history, '[RI]') OR v.rst_by IN ('orig', 'both') AS o_rst, match(v.history, '[ri]') OR v.rst_by IN ('resp', 'both') AS r_rst,
    match(v.history, '[FI]') OR (v.closed_by IN ('orig', 'both') AND NOT o_rst)
        OR v.orig_state IN ('FIN_WAIT_1', 'FIN_WAIT_2', 'CLOSING', 'LAST_ACK', 'TIME_WAIT') AS o_fin,
    match(v.history, '[fi]') OR (v.closed_by IN ('resp', 'both') AND NOT r_rst)
        OR v.resp_state IN ('FIN_WAIT_1', 'FIN_WAIT_2', 'CLOSING', 'LAST_ACK', 'TIME_WAIT') AS r_fin,
    if(v.history_full, 'u', 'n') AS not_seen,
    CAST((v.orig_ip, v.orig_port, v.orig_isn, v.orig_mss, v.orig_wscale, v.orig_sack, v.orig_ts, v.orig_ecn, v.orig_tfo, v.orig_mptcp, v.orig_bytes,
        v.orig_payload_bytes, v.orig_pkts, v.orig_rexmit, v.syn_rexmit, v.orig_socket_cookie IS NOT NULL, v.orig_gaps > 0 OR v.inferred,
        if(o_rst, 'y', not_seen), if(o_fin, 'y', not_seen)), side) AS o,
    CAST((v.resp_ip, v.resp_port, v.resp_isn, v.resp_mss, v.resp_wscale, v.resp_sack, v.resp_ts, v.resp_ecn, v.resp_tfo, v.resp_mptcp, v.resp_bytes,
        v.resp_payload_bytes, v.resp_pkts, v.resp_rexmit, v.synack_rexmit, v.resp_socket_cookie IS NOT NULL, v.resp_gaps > 0 OR v.inferred,
        if(r_rst, 'y', not_seen), if(r_fin, 'y', not_seen)), side) AS r,
    o.isn AS o_isn, r.isn AS r_isn
FROM (SELECT file, n, ts, JSONExtract(json, 'Tuple(uid String, start String, duration_ns Int64, server_ns Nullable(Int64), handshake_ns Nullable(Int64),
        client_ns Nullable(Int64), via String, handshake String, history String, history_full Bool, rst_by String, closed_by String, inferred Bool,
        syn_rexmit UInt64, synack_rexmit UInt64,
        orig_ip String, orig_port Int32, orig_isn Nullable(Int64), orig_mss Nullable(Int64), orig_wscale Nullable(Int64), orig_sack Nullable(Bool),
        orig_ts Nullable(Bool), orig_ecn Nullable(String), orig_tfo Nullable(String), orig_mptcp Nullable(Bool), orig_bytes UInt64,
        orig_payload_bytes UInt64, orig_pkts UInt64, orig_rexmit UInt64, orig_gaps UInt64, orig_socket_cookie Nullable(UInt64), orig_state String,
        resp_ip String, resp_port Int32, resp_isn Nullable(Int64), resp_mss Nullable(Int64), resp_wscale Nullable(Int64), resp_sack Nullable(Bool),
        resp_ts Nullable(Bool), resp_ecn Nullable(String), resp_tfo Nullable(String), resp_mptcp Nullable(Bool), resp_bytes UInt64,
        resp_payload_bytes UInt64, resp_pkts UInt64, resp_rexmit UInt64, resp_gaps UInt64, resp_socket_cookie Nullable(UInt64), resp_state String)') AS v
    FROM line WHERE event = 'conn');

-- Times that are about a file. Does one of them meet the time from x to y? As many as begin by y, less those that end before x:
-- two looks into a sorted table, by ASOF JOIN below.
DROP TABLE IF EXISTS span;
CREATE TABLE span (file String, kind String, lo Int64, hi Int64) ENGINE = MergeTree ORDER BY (file, kind);

-- When the guard of its host dropped segments.
INSERT INTO span SELECT file, 'guard', ts - 2000000000, ts + 1000000000 FROM line WHERE event = 'drop' AND NOT dry_run;
INSERT INTO span SELECT file, 'guard', was - 1000000000, ts + 1000000000 FROM (
    SELECT file, ts, ifNull(stats_here, min(ts) OVER (PARTITION BY file)) AS was, dropped,
        max(toNullable(dropped)) OVER (PARTITION BY file, process ORDER BY n ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS dropped_before
    FROM line WHERE event = 'stats')
WHERE dropped > ifNull(dropped_before, 0);
INSERT INTO span SELECT file, 'guard', max(ts), 9223372036854775807 FROM line WHERE event = 'stats' GROUP BY file HAVING max(dropped) > 0;

-- A clock that was set, or a line ahead of its time.
DROP TABLE IF EXISTS clock_step;
CREATE TABLE clock_step ENGINE = Memory AS
SELECT file, n, least(ts, last_before) - 1000000000 AS lo, greatest(ts, last_before) + 1000000000 AS hi
FROM (SELECT *, min(if(event = 'stats' AND NOT final AND ts > stats_here, ts - stats_here, NULL))
          OVER (PARTITION BY file, process ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS every FROM line)
WHERE (seq > seq_before OR seq IS NULL) AND (ts + 1000000000 < last_before OR ts - last_before > greatest(30000000000, 3 * ifNull(every, 0)));

-- Times of which a file may lack lines.
INSERT INTO span
SELECT file, multiIf(seq IS NULL, 'broken', seq <= seq_before, 'restart', 'gap'),
    least(ts, ifNull(last_before, ts), if(seq <= seq_before, ifNull(stats_before, ts), ts)) - 1000000000, greatest(ts, ifNull(last_before, ts)) + 1000000000
FROM line WHERE seq IS NULL OR seq <= seq_before OR (seq > seq_before + 1 AND NOT (event = 'loss' AND lost >= seq - seq_before - 1));
INSERT INTO span SELECT file, 'loss', least(ts - 20000000000, ifNull(last_before, ts)), ts + 1000000000 FROM line WHERE event = 'loss' AND lost_conns > 0;
INSERT INTO span SELECT file, 'clock', assumeNotNull(lo), assumeNotNull(hi) FROM clock_step;
INSERT INTO span SELECT file, 'midstream', start, ts FROM conn_line WHERE o_isn IS NULL AND r_isn IS NULL;
-- seconds of which connections have no conn line
INSERT INTO span SELECT file, 'open', second * 1000000000, second * 1000000000 + 999999999 FROM (
    SELECT file, intDiv(ts, 1000000000) AS second, 1 AS d FROM line WHERE event = 'opening'
    UNION ALL SELECT file, intDiv(start, 1000000000), -1 FROM conn_line WHERE o_isn IS NOT NULL OR r_isn IS NOT NULL)
GROUP BY file, second HAVING sum(d) > 0;

-- Of two lines of one file with the same ISNs the first one counts: a router has two interfaces.
DROP TABLE IF EXISTS conn;
CREATE TABLE conn ENGINE = MergeTree ORDER BY (file, n) AS
SELECT c.file AS file, c.* EXCEPT (file), begun.k > ended.k AS guarded
FROM (SELECT *, row_number() OVER (PARTITION BY file, o_isn, r_isn ORDER BY n) AS nth FROM conn_line) c
    ASOF LEFT JOIN (SELECT file, lo, count() OVER (PARTITION BY file ORDER BY lo) AS k FROM span WHERE kind = 'guard') begun
        ON begun.file = c.file AND begun.lo <= c.ts
    ASOF LEFT JOIN (SELECT file, hi, count() OVER (PARTITION BY file ORDER BY hi) AS k FROM span WHERE kind = 'guard') ended
        ON ended.file = c.file AND ended.hi < c.start
WHERE nth = 1 OR o_isn IS NULL OR r_isn IS NULL;

DROP TABLE IF EXISTS source;
CREATE TABLE source ENGINE = Memory AS
SELECT file, argMin(ts, n) AS first, max(ts) AS last, max(event = 'opening') AS has_opening,
    argMax(final AND open = 0, n) AND countIf(event = 'conn' AND is_of_last) >= greatest(1, argMax(emitted, n)) AS complete,
    maxIf(ts, event = 'stats') AS stats, max(if(event = 'stats', unfollowed, 0)) > 0 AS unfollowed, max(sample) > 1 AS sampled
FROM (SELECT *, process = max(process) OVER (PARTITION BY file) AS is_of_last FROM line) GROUP BY file;

-- What the clocks differ by: as was said, or as far as both ISNs of connections show. met: one since both were set last.
DROP TABLE IF EXISTS clocks;
CREATE TABLE clocks ENGINE = Memory AS
WITH since AS (SELECT file, n FROM clock_step UNION ALL SELECT file, n FROM line WHERE seq <= seq_before)
SELECT (SELECT clock_ns FROM setting) + if(max(apart) > (SELECT clock_ns FROM setting), max(apart), 0) AS slack,
    max(an >= (SELECT maxIf(n, file = 'A') FROM since) AND bn >= (SELECT maxIf(n, file = 'B') FROM since)) AS met
FROM (SELECT a.n AS an, b.n AS bn, abs(a.start - b.start) AS apart
      FROM (SELECT * FROM conn WHERE file = 'A' AND o.again = 0) a JOIN (SELECT * FROM conn WHERE file = 'B' AND o.again = 0) b
          ON a.o_isn = b.o_isn AND a.r_isn = b.r_isn
      WHERE abs(a.ts - b.ts) <= (SELECT window_ns FROM setting));

-- Which lines are of one connection: 4, by both ISNs; 3, by one of them; 2, one where the other is rewritten; 1, perhaps. Where a
-- SYN was lost between they began at different times, and were complete at the same one.
DROP TABLE IF EXISTS fit;
CREATE TABLE fit ENGINE = MergeTree ORDER BY (an, bn) AS
SELECT a.n AS an, b.n AS bn, a.o.ip = b.o.ip AND a.o.port = b.o.port AS same_o, a.r.ip = b.r.ip AND a.r.port = b.r.port AS same_r,
    same_o AND same_r AS same, same_o OR same_r AS one,
    least(abs(a.start - b.start), abs(a.start + a.handshake - b.start - b.handshake)) AS apart,
    multiIf(a.o_isn = b.o_isn AND a.r_isn = b.r_isn, if(abs(a.ts - b.ts) <= (SELECT window_ns FROM setting), 4, 0),
        NOT (a.start <= b.end + (SELECT slack FROM clocks) AND b.start <= a.end + (SELECT slack FROM clocks)), 0,
        (a.o_isn = b.o_isn AND (a.r_isn IS NULL OR b.r_isn IS NULL)) OR (a.r_isn = b.r_isn AND (a.o_isn IS NULL OR b.o_isn IS NULL)), 3,
        same OR (a.o.bytes = b.o.bytes AND a.r.bytes = b.r.bytes AND a.o.bytes > 0 AND a.r.bytes > 0 AND apart <= (SELECT slack FROM clocks)), 2,
        one, 1, 0) AS how
FROM (SELECT a.n AS an, b.n AS bn FROM conn a JOIN conn b ON a.o_isn = b.o_isn WHERE a.file = 'A' AND b.file = 'B'
      UNION DISTINCT SELECT a.n, b.n FROM conn a JOIN conn b ON a.r_isn = b.r_isn WHERE a.file = 'A' AND b.file = 'B') ids
    JOIN (SELECT * FROM conn WHERE file = 'A') a ON a.n = ids.an JOIN (SELECT * FROM conn WHERE file = 'B') b ON b.n = ids.bn;

-- By one ISN: those that fit several, or no end of which is equal. Which is which nobody can say.
DROP TABLE IF EXISTS unsure;
CREATE TABLE unsure ENGINE = MergeTree ORDER BY (file, n) AS
SELECT file, n FROM (SELECT 'A' AS file, an AS n, how, same, one FROM fit WHERE how > 0 UNION ALL SELECT 'B', bn, how, same, one FROM fit WHERE how > 0)
GROUP BY file, n HAVING NOT max(how = 4 OR same) AND (count() > 1 OR NOT min(one) OR min(how) = 1 OR (SELECT max(sampled) FROM source));
INSERT INTO span SELECT file, 'ambiguous', start, end FROM conn WHERE (file, n) IN (SELECT file, n FROM unsure);

DROP TABLE IF EXISTS pair;
CREATE TABLE pair ENGINE = MergeTree ORDER BY (an, bn) AS
SELECT an, bn, how FROM (
    SELECT an, bn, how, row_number() OVER (PARTITION BY an ORDER BY how DESC, same DESC, apart, bn) AS of_a,
        row_number() OVER (PARTITION BY bn ORDER BY how DESC, same DESC, apart, an) AS of_b
    FROM fit WHERE how = 4 OR (how > 1 AND one))
WHERE of_a = 1 AND of_b = 1;

-- What only one file has. Could the other one lack it? The first of the reasons, or none.
DROP TABLE IF EXISTS alone;
CREATE TABLE alone ENGINE = MergeTree ORDER BY (file, n) AS
SELECT c.file AS file, c.n AS n, c.start AS start, c.end AS end, c.watched AS watched, least(c.ts + (SELECT window_ns FROM setting), other.last) AS until,
    other.file AS of, other.* EXCEPT (file)
FROM (SELECT * FROM conn WHERE (o_isn IS NOT NULL OR r_isn IS NOT NULL)
          AND NOT (file = 'A' AND n IN (SELECT an FROM pair)) AND NOT (file = 'B' AND n IN (SELECT bn FROM pair))) c
    CROSS JOIN source other WHERE other.file != c.file;

DROP TABLE IF EXISTS missing;
CREATE TABLE missing ENGINE = MergeTree ORDER BY (file, n) AS
WITH met_spans AS (
    SELECT q.file AS file, q.n AS n, groupArray(q.kind) AS kinds
    FROM (SELECT file, n, of, complete, arrayJoin(['gap', 'loss', 'broken', 'restart', 'clock', 'midstream', 'ambiguous', 'open']) AS kind,
              start - slack - if(kind = 'open', 1000000000, 0) AS x, if(kind = 'open', end + slack + 1000000000, until + slack) AS y
          FROM alone CROSS JOIN clocks WHERE (of, kind) IN (SELECT file, kind FROM span)) q
        ASOF LEFT JOIN (SELECT file, kind, lo, count() OVER (PARTITION BY file, kind ORDER BY lo) AS k FROM span) begun
            ON begun.file = q.of AND begun.kind = q.kind AND begun.lo <= q.y
        ASOF LEFT JOIN (SELECT file, kind, hi, count() OVER (PARTITION BY file, kind ORDER BY hi) AS k FROM span) ended
            ON ended.file = q.of AND ended.kind = q.kind AND ended.hi < q.x
    WHERE begun.k > ended.k GROUP BY file, n)
SELECT file, n, arrayFirst(x -> has(why, x), ['sampled', 'gap', 'loss', 'broken', 'restart', 'after', 'before', 'clock', 'open', 'midstream',
        'unfollowed', 'ambiguous', 'no_stats', 'window', 'met']) AS why
FROM (SELECT a.file AS file, a.n AS n, arrayFilter(x -> x != '', arrayConcat(
        arrayFilter(x -> x != 'open' OR NOT a.complete, m.kinds),
        [if(a.start - slack < a.first, 'before', ''), if(a.end + slack > a.last, 'after', ''), if(NOT a.complete AND NOT a.has_opening, 'open', ''),
         if(a.sampled, 'sampled', ''), if(a.unfollowed, 'unfollowed', ''), if(a.stats < a.end + slack, 'no_stats', ''),
         if((a.file, a.n) IN (SELECT file, n FROM unsure), 'ambiguous', ''), if(met, '', 'met'), -- nothing shows that the clocks are alike
         if(a.watched + slack + 1000000000 >= (SELECT window_ns FROM setting), 'window', '')])) AS why
      FROM alone a LEFT JOIN met_spans m ON m.file = a.file AND m.n = a.n CROSS JOIN clocks);

-- 1: both ISNs are rewritten, and addresses, ports and bytes are not; only where neither file lacks anything then.
INSERT INTO pair
SELECT an, bn, 1 FROM (
    SELECT a.n AS an, b.n AS bn, count() OVER (PARTITION BY a.n) AS of_a, count() OVER (PARTITION BY b.n) AS of_b
    FROM (SELECT conn.*, o.ip AS o_ip, r.ip AS r_ip, o.port AS o_port, r.port AS r_port, o.bytes AS o_bytes, r.bytes AS r_bytes FROM conn
            WHERE file = 'A' AND n IN (SELECT n FROM missing WHERE file = 'A'
                AND why IN ('', 'open', 'midstream', 'unfollowed', 'ambiguous', 'no_stats', 'window', 'met'))) a
        JOIN (SELECT conn.*, o.ip AS o_ip, r.ip AS r_ip, o.port AS o_port, r.port AS r_port, o.bytes AS o_bytes, r.bytes AS r_bytes FROM conn
            WHERE file = 'B' AND n IN (SELECT n FROM missing WHERE file = 'B'
                AND why IN ('', 'open', 'midstream', 'unfollowed', 'ambiguous', 'no_stats', 'window', 'met'))) b
        ON a.o_ip = b.o_ip AND a.r_ip = b.r_ip AND a.o_port = b.o_port AND a.r_port = b.r_port AND a.o_bytes = b.o_bytes AND a.r_bytes = b.r_bytes
    WHERE a.start <= b.end + (SELECT slack FROM clocks) AND b.start <= a.end + (SELECT slack FROM clocks)
        AND least(abs(a.start - b.start), abs(a.start + a.handshake - b.start - b.handshake)) <= (SELECT slack FROM clocks) AND (a.o_bytes > 0 OR a.r_bytes > 0))
WHERE of_a = 1 AND of_b = 1;

-- Which file is nearer to the originator: whose host it is, else the times of the handshake.
DROP TABLE IF EXISTS oriented;
CREATE TABLE oriented ENGINE = MergeTree ORDER BY (an, bn) AS
SELECT p.an AS an, p.bn AS bn, (a.o.local AND NOT b.o.local) OR (b.r.local AND NOT a.r.local) AS first,
    (b.o.local AND NOT a.o.local) OR (a.r.local AND NOT b.r.local) AS second,
    if(abs(a.server - b.server) >= 20000, a.server > b.server, NULL) AS by_server,
    if(abs(a.client - b.client) >= 20000, a.client < b.client, NULL) AS by_client,
    multiIf(first AND second, NULL, first OR second, if(by_server = by_client AND by_server != first, NULL, first), by_server = by_client, by_server, NULL) AS a_first,
    if(a.r.again = 0 AND b.r.again = 0 AND a_first IS NOT NULL AND a.server IS NOT NULL AND b.server IS NOT NULL AND a.client IS NOT NULL AND b.client IS NOT NULL,
       if(a_first, least(greatest(a.server - b.server, 0), greatest(b.client - a.client, 0)),
                   least(greatest(b.server - a.server, 0), greatest(a.client - b.client, 0))), NULL) AS round_trip
FROM pair p JOIN (SELECT * FROM conn WHERE file = 'A') a ON a.n = p.an JOIN (SELECT * FROM conn WHERE file = 'B') b ON b.n = p.bn;

-- Each side's segments pass `near`, then `far`. Where it is not known, both ways round; turned is the second. p and q: that side,
-- as either has it; later: how much later than the one's the other's first segment came, the middle one of what SYN, SYN-ACK and
-- ACK say; lacks: why it is no proof that one has not seen what the other has.
DROP TABLE IF EXISTS way;
CREATE TABLE way ENGINE = MergeTree ORDER BY (an, bn) AS
SELECT w.an AS an, w.bn AS bn, w.side AS side, w.turned AS turned, w.known AS known, w.round_trip AS round_trip,
    if(side = 'orig', near.o, near.r) AS p, if(side = 'orig', far.o, far.r) AS q,
    near.o.again + near.r.again + far.o.again + far.r.again > 0 AS sent_again, near.cookie OR far.cookie AS cookie, far.cookie AS far_cookie,
    near.established AND NOT far.established AND NOT far.unseen AND near.r.isn IS NOT NULL AND far.r.isn IS NOT NULL AS ack_is_lost,
    near.established AS near_established, far.established AS far_established, far.acked AS far_acked,
    near.server IS NOT NULL AND far.server IS NOT NULL AND near.handshake IS NOT NULL AND far.handshake IS NOT NULL AS aligned,
    multiIf(aligned, arraySort([0, far.server - near.server, far.handshake - near.handshake])[2], far.o.again > near.o.again, far.duration, 0) AS far_later,
    multiIf(aligned, arraySort([0, near.server - far.server, near.handshake - far.handshake])[2], near.o.again > far.o.again, near.duration, 0) AS near_later,
    multiIf(q.holes, 'holes', far.guarded, 'guard', far.watched < near.duration + far_later + ifNull(round_trip, 0) + 1000000000, 'ended', '') AS far_lacks,
    multiIf(p.holes, 'holes', near.guarded, 'guard', near.watched < far.duration + near_later + ifNull(round_trip, 0) + 1000000000, 'ended', '') AS near_lacks,
    q.pkts = 0 AND (p.isn IS NOT NULL OR p.bytes > 0) AS far_is_deaf, p.pkts = 0 AND (q.isn IS NOT NULL OR q.bytes > 0) AS near_is_deaf
FROM (SELECT *, side, turned, a_first IS NOT NULL AS known, if(known, assumeNotNull(a_first) = (side = 'orig'), NOT turned) AS a_is_near,
          if(a_is_near, 'A', 'B') AS near_file, if(a_is_near, an, bn) AS near_n, if(a_is_near, 'B', 'A') AS far_file, if(a_is_near, bn, an) AS far_n
      FROM oriented ARRAY JOIN ['orig', 'resp', 'orig', 'resp'] AS side, [false, false, true, true] AS turned
      WHERE a_first IS NULL OR NOT turned) w
    JOIN conn near ON near.file = w.near_file AND near.n = w.near_n JOIN conn far ON far.file = w.far_file AND far.n = w.far_n;

-- Kinds of facts: 1 delayed, 2 retransmitted, 3 rewritten, 4 swallowed, 5 reset_injected. An empty doubt: it is certain.
DROP TABLE IF EXISTS fact;
CREATE TABLE fact ENGINE = MergeTree ORDER BY (an, bn) AS
SELECT an, bn, side, found.2 AS what, toUInt8(found.3) AS kind, found.4 AS doubt FROM (
    SELECT an, bn, side, multiIf(known, '', 'direction') AS unknown,
        multiIf(unknown != '', unknown, far_is_deaf, 'one_sided', far_lacks) AS far, multiIf(unknown != '', unknown, near_is_deaf, 'one_sided', near_lacks) AS near,
        p.isn IS NOT NULL AND q.isn IS NOT NULL AS both, both AND NOT turned AS once,
        once AND NOT cookie AND p.sack IS NOT NULL AND q.sack IS NOT NULL AND p.ts IS NOT NULL AND q.ts IS NOT NULL AS options,
        options AND NOT sent_again AS all_options, multiIf(sent_again, 'sent_again', '') AS again,
        arrayJoin(arrayFilter(x -> x.1, [
            (NOT turned AND q.rst = 'y' AND p.rst != 'y', 'rst', 5, multiIf(near NOT IN ('direction', 'one_sided') AND p.rst = 'u', 'history', near)),
            (NOT turned AND p.rst = 'y' AND q.rst != 'y', 'rst', if(known, 4, 5), multiIf(far NOT IN ('direction', 'one_sided') AND q.rst = 'u', 'history', far)),
            (NOT turned AND q.fin = 'y' AND p.fin != 'y', 'fin', 5, multiIf(near NOT IN ('direction', 'one_sided') AND p.fin = 'u', 'history', near)),
            (NOT turned AND p.fin = 'y' AND q.fin != 'y', 'fin', if(known, 4, 5), multiIf(far NOT IN ('direction', 'one_sided') AND q.fin = 'u', 'history', far)),
            (once AND p.bytes > q.bytes AND p.payload > q.payload, 'bytes', 4, far),
            (once AND q.bytes > p.bytes AND q.payload > p.payload, 'bytes', if(known, 3, 4), near),
            (both AND p.again > q.again AND NOT far_cookie, if(side = 'orig', 'syn', 'synack'), 2, far),
            (both AND p.payload > q.payload AND p.bytes <= q.bytes AND p.rexmit > 0, 'data', 2, far),
            (side = 'orig' AND ack_is_lost, 'ack', 4, multiIf(unknown != '', unknown, far_acked, 'history', far_lacks)),
            (side = 'resp' AND p.isn IS NOT NULL AND q.isn IS NULL AND NOT far_established AND q.bytes = 0, 'synack', 4,
                multiIf(unknown != '', unknown, near_established, 'one_sided', far_lacks)),
            (once AND ifNull(p.isn != q.isn, false), 'isn', 3, ''),
            (options AND ifNull(p.mss, -1) != ifNull(q.mss, -1), 'mss', 3, again),
            (options AND ifNull(p.wscale, -1) != ifNull(q.wscale, -1), 'wscale', 3, again),
            (options AND ifNull(p.sack != q.sack, false), 'sack', 3, again),
            (options AND ifNull(p.ts != q.ts, false), 'ts', 3, again),
            (all_options AND ifNull(p.ecn, '') != ifNull(q.ecn, ''), 'ecn', 3, ''),
            (all_options AND ifNull(p.tfo, '') != ifNull(q.tfo, ''), 'tfo', 3, ''),
            (all_options AND ifNull(toInt8(p.mptcp), -1) != ifNull(toInt8(q.mptcp), -1), 'mptcp', 3, ''),
            (side = 'orig' AND ifNull(round_trip >= (SELECT delay_ns FROM setting), false), 'handshake', 1, '')])) AS found
    FROM way);

SELECT * FROM (
    SELECT toNullable(a.uid) AS uid_a, toNullable(b.uid) AS uid_b,
        multiIf(p.an IN (SELECT n FROM unsure WHERE file = 'A') OR p.bn IN (SELECT n FROM unsure WHERE file = 'B') OR (f.kind > 0 AND NOT f.certain), 'cannot_tell',
            f.kind = 0, 'agree', ['delayed', 'retransmitted', 'rewritten', 'swallowed', 'reset_injected'][f.kind]) AS verdict,
        f.facts AS facts, ['tuple', 'payload', 'one_isn', 'isn'][p.how] AS matched_by, '' AS missing
    FROM pair p JOIN (SELECT n, uid FROM conn WHERE file = 'A') a ON a.n = p.an JOIN (SELECT n, uid FROM conn WHERE file = 'B') b ON b.n = p.bn
        LEFT JOIN (
            SELECT an, bn, max(fact.kind) AS kind, maxIf(fact.kind, doubt = '') = kind AS certain,
                arrayStringConcat(arraySort(groupUniqArray(concat(what, ' of ', side, if(doubt = '', '', concat(' (', doubt, ')'))))), ', ') AS facts
            FROM fact GROUP BY an, bn) f ON f.an = p.an AND f.bn = p.bn
    UNION ALL
    SELECT if(m.file = 'A', toNullable(c.uid), NULL), if(m.file = 'B', toNullable(c.uid), NULL), if(m.why = '', 'absent', 'cannot_tell'), '', '', m.why
    FROM missing m JOIN (SELECT file, n, uid FROM conn) c ON c.file = m.file AND c.n = m.n
    WHERE NOT (m.file = 'A' AND m.n IN (SELECT an FROM pair)) AND NOT (m.file = 'B' AND m.n IN (SELECT bn FROM pair)))
ORDER BY uid_a, uid_b;
