-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- What `synward join A.ndjson B.ndjson` decides, in SQL: the same verdicts (docs/join.md). DuckDB 1.5.
--     duckdb -c ".read join-duckdb.sql"      in the folder with A.ndjson and B.ndjson
-- The last statement gives a row a connection. For a fleet, put what read_ndjson_objects reads here into a table.
SET VARIABLE delay_ns = 100000000; -- --delay
SET VARIABLE clock_ns = 2000000000; -- --clock
SET VARIABLE window_ns = 7800000000000; -- --window

CREATE OR REPLACE TEMP MACRO to_ns(t) AS epoch_ns(t::TIMESTAMP_NS);
CREATE OR REPLACE TEMP MACRO overlap(a, b, slack) AS a.start <= b."end" + slack AND b.start <= a."end" + slack;
CREATE OR REPLACE TEMP MACRO same_tuple(a, b) AS
    a.o.ip = b.o.ip AND a.r.ip = b.r.ip AND a.o.port = b.o.port AND a.r.port = b.r.port;
CREATE OR REPLACE TEMP MACRO one_end(a, b) AS
    (a.o.ip = b.o.ip AND a.o.port = b.o.port) OR (a.r.ip = b.r.ip AND a.r.port = b.r.port);
-- where a SYN was lost between they began at different times, and were complete at the same one
CREATE OR REPLACE TEMP MACRO apart(a, b) AS least(abs(a.start - b.start), abs(a.start + a.handshake - b.start - b.handshake));
CREATE OR REPLACE TEMP MACRO same_bytes(a, b) AS a.o.bytes = b.o.bytes AND a.r.bytes = b.r.bytes;
-- how much later than v's the other's first segment came: the middle one of what SYN, SYN-ACK and ACK say
CREATE OR REPLACE TEMP MACRO later(v, other) AS
    CASE WHEN v.server IS NOT NULL AND other.server IS NOT NULL AND v.handshake IS NOT NULL AND other.handshake IS NOT NULL
         THEN list_sort([0, v.server - other.server, v.handshake - other.handshake])[2]
         WHEN v.o.again > other.o.again THEN v.duration ELSE 0 END;
-- was v watched until the other had its last segment, and that had come?
CREATE OR REPLACE TEMP MACRO covers(v, other, way) AS
    v.watched >= other.duration + later(v, other) + coalesce(way, 0) + 1000000000;

-- Each line of both files, in order, and what is before it; process: how many have begun since the first, stats_here: of this one.
CREATE OR REPLACE TEMP TABLE line AS
WITH raw AS (
    SELECT 'A' AS file, row_number() OVER () AS n, json FROM read_ndjson_objects('A.ndjson')
    UNION ALL SELECT 'B', row_number() OVER (), json FROM read_ndjson_objects('B.ndjson')
), typed AS (
    SELECT file, n, json, json ->> 'event' AS event, to_ns(json ->> 'ts') AS ts, (json ->> 'seq')::BIGINT AS seq
    FROM raw WHERE (json ->> 'schema') = '3' AND (json ->> 'ts') IS NOT NULL
), numbered AS (
    SELECT *, lag(seq) OVER (PARTITION BY file ORDER BY n) AS seq_before FROM typed
), begun AS (
    SELECT *, count(*) FILTER (seq <= seq_before) OVER (PARTITION BY file ORDER BY n) AS process FROM numbered
)
SELECT *,
    max(CASE event WHEN 'stats' THEN ts END) OVER (PARTITION BY file, process ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS stats_here,
    max(ts) OVER (PARTITION BY file ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS last_before,
    max(CASE event WHEN 'stats' THEN ts END) OVER (PARTITION BY file ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS stats_before
FROM begun;

-- One side of a conn line; rst and fin: y, n, or u for unknown.
CREATE OR REPLACE TEMP MACRO side_of(j, s, up) AS {
    'ip': j ->> (s || '_ip'), 'port': (j ->> (s || '_port'))::INT, 'isn': (j ->> (s || '_isn'))::BIGINT,
    'mss': j ->> (s || '_mss'), 'wscale': j ->> (s || '_wscale'), 'sack': j ->> (s || '_sack'), 'ts': j ->> (s || '_ts'),
    'ecn': j ->> (s || '_ecn'), 'tfo': j ->> (s || '_tfo'), 'mptcp': j ->> (s || '_mptcp'),
    'bytes': (j ->> (s || '_bytes'))::HUGEINT, 'payload': (j ->> (s || '_payload_bytes'))::HUGEINT,
    'pkts': (j ->> (s || '_pkts'))::HUGEINT, 'rexmit': (j ->> (s || '_rexmit'))::BIGINT,
    'again': (j ->> CASE s WHEN 'orig' THEN 'syn_rexmit' ELSE 'synack_rexmit' END)::BIGINT,
    'local': (j ->> (s || '_socket_cookie')) IS NOT NULL,
    'holes': coalesce((j ->> (s || '_gaps'))::BIGINT > 0, false) OR coalesce((j ->> 'inferred') = 'true', false),
    'rst': CASE WHEN regexp_matches(j ->> 'history', CASE up WHEN 1 THEN '[RI]' ELSE '[ri]' END) OR (j ->> 'rst_by') IN (s, 'both') THEN 'y'
                WHEN (j ->> 'history_full') = 'false' THEN 'n' ELSE 'u' END,
    'fin': CASE WHEN regexp_matches(j ->> 'history', CASE up WHEN 1 THEN '[FI]' ELSE '[fi]' END)
                  OR ((j ->> 'closed_by') IN (s, 'both') AND NOT (regexp_matches(j ->> 'history', CASE up WHEN 1 THEN '[RI]' ELSE '[ri]' END)
                                                                 OR coalesce((j ->> 'rst_by') IN (s, 'both'), false)))
                  OR (j ->> (s || '_state')) IN ('FIN_WAIT_1', 'FIN_WAIT_2', 'CLOSING', 'LAST_ACK', 'TIME_WAIT') THEN 'y'
                WHEN (j ->> 'history_full') = 'false' THEN 'n' ELSE 'u' END};

-- When the guard of its host dropped segments.
CREATE OR REPLACE TEMP TABLE guard AS
SELECT file, ts - 2000000000 AS lo, ts + 1000000000 AS hi FROM line WHERE event = 'drop' AND coalesce(json ->> 'dry_run', 'false') <> 'true'
UNION ALL
SELECT file, was - 1000000000, ts + 1000000000 FROM (
    SELECT file, ts, coalesce(stats_here, min(ts) OVER (PARTITION BY file)) AS was, dropped, lag(dropped, 1, 0) OVER (PARTITION BY file, process ORDER BY n) AS dropped_before
    FROM (SELECT file, n, ts, process, stats_here, coalesce((json ->> 'guard_dropped')::BIGINT, 0) AS dropped FROM line WHERE event = 'stats'))
WHERE dropped > dropped_before
UNION ALL
SELECT file, max(ts), 9223372036854775807 FROM line WHERE event = 'stats' GROUP BY file HAVING max((json ->> 'guard_dropped')::BIGINT) > 0;

CREATE OR REPLACE TEMP TABLE conn_line AS
SELECT c.*, c.start + c.duration AS "end",
    EXISTS (FROM guard WHERE guard.file = c.file AND guard.lo <= c.ts AND guard.hi >= c.start) AS guarded FROM (
    SELECT file, n, json ->> 'uid' AS uid, ts, to_ns(json ->> 'start') AS start, (json ->> 'duration_ns')::BIGINT AS duration,
        greatest(ts - to_ns(json ->> 'start'), 0) AS watched, json ->> 'reason' AS reason,
        (json ->> 'server_ns')::BIGINT AS server, (json ->> 'handshake_ns')::BIGINT AS handshake, (json ->> 'client_ns')::BIGINT AS client,
        (json ->> 'via') = 'cookie' AS cookie, (json ->> 'handshake') = 'unseen' AS unseen,
        (json ->> 'handshake') NOT IN ('unseen', 'incomplete') AS established,
        coalesce(regexp_matches(json ->> 'history', '[AD]'), false) AS acked,
        side_of(json, 'orig', 1) AS o, side_of(json, 'resp', 0) AS r
    FROM line WHERE event = 'conn') c;

-- Of two lines of one file with the same ISNs the first one counts: a router has two interfaces.
CREATE OR REPLACE TEMP TABLE conn AS
SELECT * FROM conn_line
QUALIFY o.isn IS NULL OR r.isn IS NULL OR row_number() OVER (PARTITION BY file, o.isn, r.isn ORDER BY n) = 1;

-- A clock that was set, or a line ahead of its time.
CREATE OR REPLACE TEMP TABLE clock_step AS
SELECT file, n, least(ts, last_before) - 1000000000 AS lo, greatest(ts, last_before) + 1000000000 AS hi
FROM (SELECT *, min(CASE WHEN event = 'stats' AND (json ->> 'final') IS DISTINCT FROM 'true' AND ts > stats_here THEN ts - stats_here END)
          OVER (PARTITION BY file, process ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS every FROM line)
WHERE (seq > seq_before OR seq IS NULL) AND (ts + 1000000000 < last_before OR ts - last_before > greatest(30000000000, 3 * coalesce(every, 0)));

-- Times of which a file may lack lines; the kinds are in the order of their strength.
CREATE OR REPLACE TEMP TABLE hole AS
SELECT file, least(ts, coalesce(last_before, ts), CASE WHEN seq <= seq_before THEN coalesce(stats_before, ts) ELSE ts END) - 1000000000 AS lo, greatest(ts, coalesce(last_before, ts)) + 1000000000 AS hi,
    CASE WHEN seq IS NULL THEN 'broken' WHEN seq <= seq_before THEN 'restart' ELSE 'gap' END AS kind
FROM line WHERE seq IS NULL OR seq <= seq_before OR (seq > seq_before + 1 AND NOT (event = 'loss' AND (json ->> 'lost')::HUGEINT >= seq - seq_before - 1))
UNION ALL
SELECT file, least(ts - 20000000000, coalesce(last_before, ts)), ts + 1000000000, 'loss'
FROM line WHERE event = 'loss' AND (json ->> 'lost_conn')::HUGEINT + (json ->> 'lost_opening')::HUGEINT > 0
UNION ALL
SELECT file, lo, hi, 'clock' FROM clock_step
UNION ALL
SELECT file, start, ts, 'midstream' FROM conn_line WHERE o.isn IS NULL AND r.isn IS NULL;

CREATE OR REPLACE TEMP TABLE source AS
SELECT file, min(ts) FILTER (seq_before IS NULL AND last_before IS NULL) AS first, max(ts) AS last, bool_or(event = 'opening') AS has_opening,
    coalesce(bool_or(event = 'stats' AND (json ->> 'final') = 'true' AND (json ->> 'flows') = '0' AND (json ->> 'half_open') = '0')
        FILTER (is_last), false)
        AND count(*) FILTER (event = 'conn' AND is_of_last) >= greatest(1, coalesce(max((json ->> 'emitted_conn')::BIGINT) FILTER (is_last), 0)) AS complete,
    coalesce(max(ts) FILTER (event = 'stats'), 0) AS stats,
    coalesce(max(CASE event WHEN 'stats' THEN (json ->> 'filtered')::HUGEINT + (json ->> 'guard_dropped')::HUGEINT
        + (json ->> 'guard_cookies_sent')::HUGEINT END), 0) > 0 AS unfollowed,
    coalesce(max((json ->> 'sample')::BIGINT), 1) > 1 AS sampled
FROM (SELECT *, n = max(n) OVER (PARTITION BY file) AS is_last, process = max(process) OVER (PARTITION BY file) AS is_of_last FROM line) GROUP BY file;

CREATE OR REPLACE TEMP TABLE opened AS
SELECT file, second, sum(d) AS n FROM (
    SELECT file, ts // 1000000000 AS second, 1 AS d FROM line WHERE event = 'opening'
    UNION ALL SELECT file, start // 1000000000, -1 FROM conn_line WHERE o.isn IS NOT NULL OR r.isn IS NOT NULL)
GROUP BY ALL HAVING sum(d) > 0;

-- What the clocks differ by: as was said, or as far as both ISNs of connections show; met: one since both were set last.
CREATE OR REPLACE TEMP TABLE clocks AS
WITH since AS (SELECT file, max(n) AS n FROM (SELECT file, n FROM clock_step UNION ALL SELECT file, n FROM line WHERE seq <= seq_before) GROUP BY file)
SELECT getvariable('clock_ns') + CASE WHEN max(d) > getvariable('clock_ns') THEN max(d) ELSE 0 END AS slack, coalesce(bool_or(since_set), false) AS met
FROM (SELECT abs(a.start - b.start) AS d,
          a.n >= coalesce((SELECT n FROM since WHERE file = 'A'), 0) AND b.n >= coalesce((SELECT n FROM since WHERE file = 'B'), 0) AS since_set
      FROM conn a JOIN conn b ON a.o.isn = b.o.isn AND a.r.isn = b.r.isn
      WHERE a.file = 'A' AND b.file = 'B' AND a.o.again = 0 AND b.o.again = 0 AND abs(a.ts - b.ts) <= getvariable('window_ns'));

-- Which lines are of one connection: 4, both ISNs; 3, one of them; 2, one where the other is rewritten; 1, perhaps.
CREATE OR REPLACE TEMP TABLE fit AS
SELECT a, b, CASE WHEN a.o.isn = b.o.isn AND a.r.isn = b.r.isn THEN CASE WHEN abs(a.ts - b.ts) <= getvariable('window_ns') THEN 4 END
                  WHEN NOT overlap(a, b, slack) THEN NULL
                  WHEN (a.o.isn = b.o.isn AND (a.r.isn IS NULL OR b.r.isn IS NULL)) OR (a.r.isn = b.r.isn AND (a.o.isn IS NULL OR b.o.isn IS NULL)) THEN 3
                  WHEN same_tuple(a, b) OR (same_bytes(a, b) AND a.o.bytes > 0 AND a.r.bytes > 0 AND apart(a, b) <= slack) THEN 2
                  WHEN one_end(a, b) THEN 1
                  END AS how
FROM (SELECT a, b FROM (SELECT conn AS a FROM conn WHERE file = 'A') JOIN (SELECT conn AS b FROM conn WHERE file = 'B') ON a.o.isn = b.o.isn
      UNION SELECT a, b FROM (SELECT conn AS a FROM conn WHERE file = 'A') JOIN (SELECT conn AS b FROM conn WHERE file = 'B') ON a.r.isn = b.r.isn), clocks;

-- By one ISN: those that fit several, or no end of which is equal. Which is which nobody can say.
CREATE OR REPLACE TEMP TABLE unsure AS
SELECT file, n FROM (
    SELECT 'A' AS file, a.n AS n, how, same_tuple(a, b) AS same, one_end(a, b) AS one FROM fit WHERE how IS NOT NULL
    UNION ALL SELECT 'B', b.n, how, same_tuple(a, b), one_end(a, b) FROM fit WHERE how IS NOT NULL)
GROUP BY file, n HAVING NOT bool_or(how = 4 OR same) AND (count(*) > 1 OR NOT bool_and(one) OR bool_or(how = 1) OR EXISTS (FROM source WHERE sampled));

CREATE OR REPLACE TEMP TABLE pair AS
SELECT a, b, how FROM fit WHERE how = 4 OR (how > 1 AND one_end(a, b))
QUALIFY row_number() OVER (PARTITION BY a.n ORDER BY how DESC, same_tuple(a, b) DESC, apart(a, b)) = 1
    AND row_number() OVER (PARTITION BY b.n ORDER BY how DESC, same_tuple(a, b) DESC, apart(a, b)) = 1;

CREATE OR REPLACE TEMP TABLE alone AS
SELECT c, other, least(c.ts + getvariable('window_ns'), other.last) AS until, slack, met
FROM clocks, (SELECT conn AS c FROM conn WHERE (o.isn IS NOT NULL OR r.isn IS NOT NULL)
        AND NOT EXISTS (FROM pair WHERE (pair.a.n = conn.n AND conn.file = 'A') OR (pair.b.n = conn.n AND conn.file = 'B')))
    JOIN (SELECT source AS other FROM source) ON other.file <> c.file;

-- Could the other file lack it?
CREATE OR REPLACE TEMP TABLE missing AS
SELECT c, list_filter(['sampled', 'gap', 'loss', 'broken', 'restart', 'after', 'before', 'clock', 'open', 'midstream', 'unfollowed', 'ambiguous', 'no_stats', 'window', 'met'], lambda x: list_contains(why, x))[1] AS why FROM (
    SELECT c, list_concat(
        coalesce((SELECT list(DISTINCT kind) FROM hole WHERE hole.file = other.file AND lo <= until + slack
                    AND hi >= c.start - slack), []),
        CASE WHEN c.start - slack < other.first THEN ['before'] ELSE [] END,
        CASE WHEN c."end" + slack > other.last THEN ['after'] ELSE [] END,
        CASE WHEN NOT other.complete AND (NOT other.has_opening OR EXISTS (FROM opened WHERE opened.file = other.file
                AND second BETWEEN (c.start - slack - 1000000000) // 1000000000
                               AND (c."end" + slack + 1000000000) // 1000000000)) THEN ['open'] ELSE [] END,
        CASE WHEN other.sampled THEN ['sampled'] ELSE [] END,
        CASE WHEN other.unfollowed THEN ['unfollowed'] ELSE [] END,
        CASE WHEN other.stats < c."end" + slack THEN ['no_stats'] ELSE [] END,
        CASE WHEN EXISTS (FROM unsure JOIN conn u ON u.file = unsure.file AND u.n = unsure.n WHERE unsure.file = other.file
                AND u.start <= until + slack AND u."end" >= c.start - slack) OR EXISTS (FROM unsure WHERE unsure.file = c.file AND unsure.n = c.n)
            THEN ['ambiguous'] ELSE [] END,
        CASE WHEN NOT met THEN ['met'] ELSE [] END, -- nothing shows that the clocks are alike
        CASE WHEN c.watched + slack + 1000000000 >= getvariable('window_ns') THEN ['window'] ELSE [] END) AS why
    FROM alone);

INSERT INTO pair
SELECT a, b, 1 FROM (SELECT c AS a, why AS why_a FROM missing WHERE c.file = 'A') JOIN (SELECT c AS b, why AS why_b FROM missing WHERE c.file = 'B')
    ON same_tuple(a, b) AND same_bytes(a, b), clocks
WHERE overlap(a, b, slack) AND apart(a, b) <= slack AND (a.o.bytes > 0 OR a.r.bytes > 0)
    AND coalesce(why_a, 'window') IN ('open', 'midstream', 'unfollowed', 'ambiguous', 'no_stats', 'window', 'met') AND coalesce(why_b, 'window') IN ('open', 'midstream', 'unfollowed', 'ambiguous', 'no_stats', 'window', 'met')
QUALIFY count(*) OVER (PARTITION BY a.n) = 1 AND count(*) OVER (PARTITION BY b.n) = 1;

-- Which file is nearer to the originator: whose host it is, else the times of the handshake.
CREATE OR REPLACE TEMP TABLE oriented AS
SELECT *, CASE WHEN first AND second THEN NULL
               WHEN first OR second THEN CASE WHEN by_server = by_client AND by_server <> first THEN NULL ELSE first END
               WHEN by_server = by_client THEN by_server END AS a_first
FROM (SELECT a, b, how, (a.o.local AND NOT b.o.local) OR (b.r.local AND NOT a.r.local) AS first,
             (b.o.local AND NOT a.o.local) OR (a.r.local AND NOT b.r.local) AS second,
             CASE WHEN abs(a.server - b.server) >= 20000 THEN a.server > b.server END AS by_server,
             CASE WHEN abs(a.client - b.client) >= 20000 THEN a.client < b.client END AS by_client FROM pair);

-- Each side's segments pass `near`, then `far`. Where it is not known, both ways round; turned is the second.
CREATE OR REPLACE TEMP TABLE way AS
SELECT a, b, side, known, turned, near, far, round_trip,
    CASE side WHEN 'orig' THEN near.o ELSE near.r END AS p, CASE side WHEN 'orig' THEN far.o ELSE far.r END AS q
FROM (SELECT a, b, side, a_first IS NOT NULL AS known, turned, round_trip,
             CASE WHEN a_is_near THEN a ELSE b END AS near, CASE WHEN a_is_near THEN b ELSE a END AS far
      FROM (SELECT a, b, side, a_first, turned,
                CASE WHEN a.r.again = 0 AND b.r.again = 0 AND a.server - b.server + a.client - b.client IS NOT NULL AND a_first IS NOT NULL
                     THEN CASE WHEN a_first THEN least(greatest(a.server - b.server, 0), greatest(b.client - a.client, 0))
                               ELSE least(greatest(b.server - a.server, 0), greatest(a.client - b.client, 0)) END END AS round_trip,
                CASE WHEN a_first IS NULL THEN NOT turned ELSE a_first = (side = 'orig') END AS a_is_near
            FROM oriented, (VALUES ('orig'), ('resp')) s(side), (VALUES (false), (true)) t(turned)
            WHERE NOT turned OR a_first IS NULL));

CREATE OR REPLACE TEMP MACRO not_watched(v, other, v_side, way) AS
    CASE WHEN v_side.holes THEN 'holes' WHEN v.guarded THEN 'guard' WHEN NOT covers(v, other, way) THEN 'ended' END;
CREATE OR REPLACE TEMP MACRO lacks(v, other, v_side, other_side, saw, way) AS
    CASE WHEN v_side.pkts = 0 AND (other_side.isn IS NOT NULL OR other_side.bytes > 0) THEN 'one_sided'
         WHEN saw = 'u' THEN 'history' ELSE not_watched(v, other, v_side, way) END;

CREATE OR REPLACE TEMP TABLE fact AS
WITH ends AS (
    SELECT *, 'rst' AS what, p.rst AS at_near, q.rst AS at_far FROM way WHERE NOT turned
    UNION ALL SELECT *, 'fin', p.fin, q.fin FROM way WHERE NOT turned
), found AS (
    SELECT a, b, side, known, what, 5 AS kind, lacks(near, far, p, q, at_near, round_trip) AS doubt FROM ends WHERE at_far = 'y' AND at_near <> 'y'
    UNION ALL SELECT a, b, side, known, what, CASE WHEN known THEN 4 ELSE 5 END, lacks(far, near, q, p, at_far, round_trip) FROM ends WHERE at_near = 'y' AND at_far <> 'y'
    UNION ALL SELECT a, b, side, known, 'bytes', 4, lacks(far, near, q, p, 'n', round_trip) FROM way
        WHERE NOT turned AND p.isn IS NOT NULL AND q.isn IS NOT NULL AND p.bytes > q.bytes AND p.payload > q.payload
    UNION ALL SELECT a, b, side, known, 'bytes', CASE WHEN known THEN 3 ELSE 4 END, lacks(near, far, p, q, 'n', round_trip) FROM way
        WHERE NOT turned AND p.isn IS NOT NULL AND q.isn IS NOT NULL AND q.bytes > p.bytes AND q.payload > p.payload
    UNION ALL SELECT a, b, side, known, CASE side WHEN 'orig' THEN 'syn' ELSE 'synack' END, 2, lacks(far, near, q, p, 'n', round_trip) FROM way
        WHERE p.isn IS NOT NULL AND q.isn IS NOT NULL AND p.again > q.again AND NOT far.cookie
    UNION ALL SELECT a, b, side, known, 'data', 2, lacks(far, near, q, p, 'n', round_trip) FROM way
        WHERE p.isn IS NOT NULL AND q.isn IS NOT NULL AND p.payload > q.payload AND p.bytes <= q.bytes AND p.rexmit > 0
    UNION ALL SELECT a, b, side, known, 'ack', 4, CASE WHEN far.acked THEN 'history' ELSE not_watched(far, near, q, round_trip) END FROM way
        WHERE side = 'orig' AND near.established AND NOT far.established AND NOT far.unseen AND near.r.isn IS NOT NULL AND far.r.isn IS NOT NULL
    UNION ALL SELECT a, b, side, known, 'synack', 4, CASE WHEN near.established THEN 'one_sided' ELSE not_watched(far, near, q, round_trip) END FROM way
        WHERE side = 'resp' AND p.isn IS NOT NULL AND q.isn IS NULL AND NOT far.established AND q.bytes = 0
), options AS (
    SELECT way.*, a.o.again + b.o.again + a.r.again + b.r.again > 0 AS sent_again FROM way
    WHERE NOT turned AND p.isn IS NOT NULL AND q.isn IS NOT NULL
), rewritten AS (
    SELECT a, b, side, 'isn' AS what, false AS sent_again FROM options WHERE p.isn <> q.isn
    UNION ALL SELECT a, b, side, unnest(list_filter([
            CASE WHEN p.mss IS DISTINCT FROM q.mss THEN 'mss' END, CASE WHEN p.wscale IS DISTINCT FROM q.wscale THEN 'wscale' END,
            CASE WHEN p.sack <> q.sack THEN 'sack' END, CASE WHEN p.ts <> q.ts THEN 'ts' END,
            CASE WHEN NOT sent_again AND p.ecn IS DISTINCT FROM q.ecn THEN 'ecn' END,
            CASE WHEN NOT sent_again AND p.tfo IS DISTINCT FROM q.tfo THEN 'tfo' END,
            CASE WHEN NOT sent_again AND p.mptcp IS DISTINCT FROM q.mptcp THEN 'mptcp' END], lambda x: x IS NOT NULL)), sent_again
        FROM options WHERE p.sack IS NOT NULL AND q.sack IS NOT NULL AND p.ts IS NOT NULL AND q.ts IS NOT NULL AND NOT near.cookie AND NOT far.cookie
)
SELECT a.n AS an, b.n AS bn, side, what, kind, CASE WHEN known THEN doubt ELSE 'direction' END AS doubt FROM found
UNION ALL SELECT a.n, b.n, side, what, 3, CASE WHEN sent_again THEN 'sent_again' END FROM rewritten
UNION ALL SELECT a.n, b.n, side, 'handshake', 1, NULL FROM way
    WHERE side = 'orig' AND round_trip >= getvariable('delay_ns');

SELECT * FROM (
    SELECT pair.a.uid AS uid_a, pair.b.uid AS uid_b,
        CASE WHEN EXISTS (FROM unsure WHERE (unsure.file = 'A' AND unsure.n = pair.a.n) OR (unsure.file = 'B' AND unsure.n = pair.b.n)) THEN 'cannot_tell'
             WHEN f.kind IS NULL THEN 'agree' WHEN NOT f.certain THEN 'cannot_tell'
             ELSE (['delayed', 'retransmitted', 'rewritten', 'swallowed', 'reset_injected'])[f.kind] END AS verdict,
        f.facts, (['tuple', 'payload', 'one_isn', 'isn'])[how] AS matched_by, NULL AS missing
    FROM pair LEFT JOIN (
        SELECT an, bn, max(kind) AS kind, bool_or(doubt IS NULL) FILTER (kind = strongest) AS certain,
            string_agg(DISTINCT what || ' of ' || side || CASE WHEN doubt IS NULL THEN '' ELSE ' (' || doubt || ')' END, ', ') AS facts
        FROM (SELECT *, max(kind) OVER (PARTITION BY an, bn) AS strongest FROM fact) GROUP BY an, bn) f
        ON f.an = pair.a.n AND f.bn = pair.b.n
    UNION ALL
    SELECT CASE c.file WHEN 'A' THEN c.uid END, CASE c.file WHEN 'B' THEN c.uid END, CASE WHEN why IS NULL THEN 'absent' ELSE 'cannot_tell' END,
        NULL, NULL, why FROM missing
    WHERE NOT EXISTS (FROM pair WHERE (pair.a.n = missing.c.n AND missing.c.file = 'A') OR (pair.b.n = missing.c.n AND missing.c.file = 'B')))
ORDER BY uid_a, uid_b;
