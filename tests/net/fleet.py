#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""docs/fleet.md and docs/sql: its commands and files against rsyslog, kcat with librdkafka's mock cluster, ClickHouse, PostgreSQL,
DuckDB and promtool. Each engine is a process of this test's, of a user without privileges, in the namespace f.

    +------- a -------+         +------- b -------+        +------- f -------+
    | clients         |  veth   | servers         |        | brokers         |
    | 10.72.0.1  fla0 o=========o flb0  10.72.0.2 | lines  | databases       |
    +-----------------+         +-----------------+ =====> +-----------------+
      synward, dc fra1            synward, dc ams1, one of 2
"""
import collections
import ctypes
import functools
import json
import math
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs, engines  # noqa: E402  pylint: disable=wrong-import-position
from prometheus import Prometheus  # noqa: E402  pylint: disable=wrong-import-position

PAGE = n.TOP / "docs/fleet.md"
PORT, CLOSED, BACKLOG = 7200, range(7300, 7315), 40
SERVER, SILENT = "10.72.0.2", "10.72.0.9"
FAILED = ("refused", "unanswered", "reset", "aborted")


@functools.cache
def quiet_place():
    ns = n.new_ns("f")
    n.sh("ip", "link", "set", "lo", "up", ns=ns)
    return ns


def refused(a, port):
    try:
        n.connect(a, SERVER, port)
    except ConnectionRefusedError:
        return
    raise AssertionError(f"port {port} is open")


@functools.cache
def lines():
    """The folder with both files: connections that end well, by RST, are refused, and are not answered; and a loss."""
    a, b = n.new_ns("a"), n.new_ns("b")
    for ns in (a, b):
        n.quiet(ns)
    n.veth(a, "fla0", b, "flb0")
    n.addr(a, "fla0", "10.72.0.1/24")
    n.addr(b, "flb0", f"{SERVER}/24")
    n.warm(a, SERVER)
    n.sh("ip", "neigh", "replace", SILENT, "lladdr", "02:00:00:00:00:09", "dev", "fla0", ns=a)
    listener = n.listen(b, SERVER, PORT)
    common = ("--close-delay", 0.05, "--timeout-syn-sent", 0.5)
    sws = [n.Synward(a, "fla0", args=(*common, "--label", "dc=fra1", "--label", 'note="\\ é'), full=False),
           n.Synward(b, "flb0", args=(*common, "--label", "dc=ams1", "--sample", 2), full=False)]
    n.talk(a, listener, BACKLOG)
    for _ in range(5):
        c, s = n.open_pair(a, listener)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
        s.close()
    for port in CLOSED:
        refused(a, port)
    with n.Inside(a):
        silent = socket.socket()
    silent.setblocking(False)
    silent.connect_ex((SILENT, 80))
    sws[0].wait_for(lambda x: x["event"] == "opening" and x["resp_ip"] == SILENT)
    silent.close()
    sws[0].wait_for(lambda x: x["event"] == "conn" and x["resp_ip"] == SILENT)
    n.settled(a, b)
    for sw in sws:
        n.equal(f"exit code ({sw.err()})", sw.stop(), 0)
    folder = engines.folder("lines")
    for sw, name in zip(sws, ("client", "server")):
        rows = pathlib.Path(sw.path).read_text(encoding="utf-8")
        if name == "server":
            last = json.loads(rows.splitlines()[-1])
            rows += json.dumps({"schema": 3, "seq": last["seq"] + 8, "sample": 2, "ts": last["ts"], "event": "loss", "labels": {"dc": "ams1"},
                                "host": last["host"], "lost": 7, "lost_conn": 7}) + "\n"
        (folder / f"{name}.ndjson").write_text(rows, encoding="utf-8")
    return folder


def rows_of():
    return [json.loads(x) for path in sorted(lines().glob("*.ndjson")) for x in path.read_text(encoding="utf-8").splitlines()]


# What the queries have to answer, of the lines.

def sums(rows, key, *values):
    out = collections.defaultdict(lambda: [0] * len(values))
    for x in rows:
        for i, value in enumerate(values):
            out[key(x)][i] += x.get("sample", 1) * value(x)
    return out


def volume(x):
    return x["orig_bytes"] + x["resp_bytes"]


def of_reasons(*reasons):
    return lambda x: x["reason"] in reasons


def one(_):
    return 1


def server(x):
    return x["resp_ip"], x["resp_port"]


def expected():
    conns = [x for x in rows_of() if x["event"] == "conn"]
    tried = [x for x in conns if x["reason"] in ("refused", "unanswered")]
    targets = collections.defaultdict(set)
    for x in tried:
        targets[x["orig_ip"]].add(server(x))
    failing = sums(conns, server, one, of_reasons("refused"), of_reasons("unanswered"), of_reasons("reset", "aborted"))
    attempts = sums(tried, lambda x: x["orig_ip"], one)
    sites = sums(conns, lambda x: x["labels"]["dc"], one, lambda x: 1 / x.get("sample", 1), volume)
    host = rows_of()[0]["host"]
    return {
        "talkers": {(k, *v) for k, v in sums(conns, lambda x: x["orig_ip"], one, volume).items()},
        "failing": {(*k, *v) for k, v in failing.items() if sum(v[1:])},
        "begun": {(k, *v) for k, v in sums(conns, lambda x: x["ts"][:16].replace("T", " ") + ":00", one, of_reasons(*FAILED)).items()},
        "sites": {(k, v[0], round(v[1]), v[2]) for k, v in sites.items()},
        "lossy": {(host, "ams1", 1, 7)},
        "scanners": {(k, attempts[k][0], len(v)) for k, v in targets.items() if len(v) >= 10},
    }


def number(value):
    return int(float(value)) if isinstance(value, float) or (isinstance(value, str) and re.fullmatch(r"\d+(\.0)?", value)) else value


def check(engine, rows):
    """rows(query): what the engine answers."""
    of = engines.queries(engine)
    want = expected()
    n.equal("failing and scanners have rows", (len(want["failing"]) > 10, len(want["scanners"])), (True, 1))
    n.equal("queries", set(of), {*want, "slow"})
    for name, answer in want.items():
        got = [tuple(number(v) for v in x) for x in rows(of[name])]
        n.equal(f"{engine}: {name}", set(got), {tuple(number(v) for v in x) for x in answer})
        n.equal(f"{engine}: rows of {name}", len(got), len(answer))
    got = [tuple(number(v) for v in x) for x in rows(of["slow"])]
    times = collections.defaultdict(list)
    again = collections.Counter()
    for x in rows_of():
        if x["event"] == "conn" and x["handshake_ns"] is not None:
            times[server(x)].append(x["handshake_ns"])
            again[server(x)] += x["syn_rexmit"] + x["synack_rexmit"]
    n.equal(f"{engine}: slow", {(x[:3], x[5:]) for x in got}, {((*k, len(v)), (max(v), again[k])) for k, v in times.items()})
    for x in got:
        exact = sorted(times[x[:2]])
        for share, value in ((0.5, x[3]), (0.99, x[4])):  # engines take the rank below or above
            rank = math.ceil(share * len(exact)) - 1
            assert value in exact[max(rank - 1, 0):rank + 2], (engine, share, value)


def blocks(kind, heading):
    """The blocks of the page with this info string, below this heading."""
    text = PAGE.read_text(encoding="utf-8")
    part = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)
    return re.findall(rf"^```{kind}\n(.*?)^```$", part, re.M | re.S)


def typed(where, heading, programs, folder=None, **env):
    """The commands of a part, in the folder with the lines and the file of docs/sql; programs: what stands for some."""
    folder = folder or lines()
    path = folder / "bin"
    path.mkdir(exist_ok=True)
    for name, text in programs.items():
        (path / name).write_text(f"#!/bin/sh\nexec {text} \"$@\"\n", encoding="utf-8")
        (path / name).chmod(0o755)
    for sql in (n.TOP / "docs/sql").glob("*.sql"):
        shutil.copy(sql, folder)
    block, = blocks("sh", heading)
    r = n.run(["bash", "-euc", block], where, text=True, cwd=folder, timeout=60, env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}", **env})
    n.equal(f"{heading}: exit code ({r.stdout[-300:]}{r.stderr[-800:]})", r.returncode, 0)
    return r.stdout


def shows_failing(text):
    n.equal("lines with a refused port", sum(str(port) in text for port in CLOSED), len(CLOSED))


def clickhouse():
    """ClickHouse: the commands of the page load the lines, and each query answers what the lines say"""
    c = engines.Clickhouse(quiet_place())
    shows_failing(typed(quiet_place(), "ClickHouse", {"clickhouse-client": f"/usr/bin/clickhouse-client --port {c.port}"}))
    n.equal("lines", number(c.rows("SELECT count() FROM synward")[0][0]), len(rows_of()))
    check("clickhouse", c.rows)
    c.server.stop()


def clickhouse_now():
    """ClickHouse's engine of today takes the same schema and lines, and answers the same"""
    docs.needs_chdb()
    block, = blocks("sh", "ClickHouse")
    flat, = re.findall(r"^FLAT=.*\n", block, re.M)
    folder = engines.folder("chdb")
    r = n.run(["bash", "-euc", f'{flat}jq -c "$FLAT" {lines()}/*.ndjson > flat.ndjson'], text=True, cwd=folder)
    n.equal(f"jq ({r.stderr})", r.returncode, 0)
    of = engines.parts("clickhouse")
    got, = engines.chdb(folder, folder / "tables", of["schema"], "SET input_format_skip_unknown_fields = 1",
                        "INSERT INTO synward FROM INFILE 'flat.ndjson' FORMAT JSONEachRow", "SELECT count() AS n FROM synward")
    n.equal("lines", number(got["n"]), len(rows_of()))
    check("clickhouse", lambda query: [tuple(x.values()) for x in engines.chdb(folder, folder / "tables", query)])


def postgresql():
    """PostgreSQL: the same, and each line is kept as it is"""
    p = engines.Postgres(quiet_place())
    shows_failing(typed(quiet_place(), "PostgreSQL", {}, PGHOST=str(p.path), PGUSER="postgres", PGDATABASE="postgres"))
    kept = [json.loads(x) for x in p.ask("SELECT line FROM synward_lines").stdout.splitlines()]
    n.equal("lines", sorted(map(canonical, kept)), sorted(map(canonical, rows_of())))
    check("postgresql", p.rows)
    p.server.stop()


LABEL = "it's \\ \" \t\n\x7f é\u2028 {1} $x `y` %s"


def value(of, defs, low):
    """One that the schema allows: null, or the least, or one of the larger ones."""
    if "$ref" in of:
        return value(defs[of["$ref"].split("/")[-1]], defs, low)
    if "const" in of:
        return of["const"]
    kinds = of.get("type", ["string"])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "enum" in of:
        return None if low and None in of["enum"] else [x for x in of["enum"] if x is not None][-1]
    if low and "null" in kinds:
        return None
    kind = [x for x in kinds if x != "null"][0]
    if kind == "integer":
        return of.get("minimum", 0) if low else min(of.get("maximum", 2**53), 2**53)
    return {"boolean": not low, "array": [], "object": {}, "number": 1.5}.get(kind, "x")


def of_every_kind():
    """Lines with every key of the schema, each event with as little and with as much as it allows, as --full-events has them."""
    defs = json.loads((n.TOP / "docs/schema/event.schema.json").read_text(encoding="utf-8"))["$defs"]
    events = [("connection", x) for x in defs["connection"]["properties"]["event"]["enum"]]
    events += [(x, x) for x in ("loss", "stats", "guard", "drop", "service")]
    found = []
    for kind, event in events:
        for low in (True, False):
            x = {k: value(v, defs, low) for k, v in defs[kind]["properties"].items()}
            for k in {"ts", "start", "end"} & set(x):
                x[k] = "2026-11-28T00:00:00.123456789Z"
            for k in {"orig_ip", "resp_ip"} & set(x):
                x[k] = "::" if low else "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"
            x.update(event=event, seq=len(found) + 1, labels={"dc": LABEL, "a_1": "", "Z" * 63: LABEL * 4})
            if low:
                del x["labels"], x["sample"]
            found.append(x)
    return found


def loaded(heading, programs, **env):
    """The statements of a part that load lines, in a folder with one of every kind; of each file of docs/sql."""
    folder = engines.folder("every-kind")
    rows = of_every_kind()
    (folder / "every.ndjson").write_text("".join(json.dumps(x) + "\n" for x in rows), encoding="utf-8")
    typed(None if heading == "DuckDB and Parquet" else quiet_place(), heading, programs, folder=folder, **env)
    return folder, rows


def same_rows(got, rows):
    """(event, labels.dc, sample) of each line."""
    want = collections.Counter((x["event"], x.get("labels", {}).get("dc") or None, x.get("sample", 1)) for x in rows)
    n.equal("rows", collections.Counter((x, y or None, number(z)) for x, y, z in got), want)


def every_kind():
    """a line of each kind, with null in each key that may be, a label of any characters: each engine takes them all, as they are"""
    docs.needs_duckdb()
    c = engines.Clickhouse(quiet_place(), 19001)
    _, rows = loaded("ClickHouse", {"clickhouse-client": f"/usr/bin/clickhouse-client --port {c.port}"})
    same_rows(c.rows("SELECT event, label_dc, sample FROM synward"), rows)
    c.server.stop()
    p = engines.Postgres(quiet_place())
    loaded("PostgreSQL", {}, PGHOST=str(p.path), PGUSER="postgres", PGDATABASE="postgres")
    same_rows([(x[0], x[1]["dc"] if x[1] else None, x[2]) for x in p.rows("SELECT event, labels, sample FROM synward")], rows)
    n.equal("every column of the view", len(p.rows("SELECT * FROM synward")), len(rows))
    p.server.stop()
    folder, _ = loaded("DuckDB and Parquet", {"duckdb": " ".join(engines.DUCKDB)})
    for file in ("synward", "'synward.parquet'"):
        same_rows(engines.duckdb(folder, "fleet.duckdb", f"SELECT event, labels['dc'], sample FROM {file}"), rows)


def canonical(line):
    return json.dumps(line, sort_keys=True)


def duckdb():
    """DuckDB: the same of its own file, and of Parquet"""
    docs.needs_duckdb()
    shows_failing(typed(None, "DuckDB and Parquet", {"duckdb": " ".join(engines.DUCKDB)}))
    for file, view in (("fleet.duckdb", ()), (":memory:", ("CREATE TEMP VIEW synward AS FROM 'synward.parquet'",))):
        # pylint: disable-next=cell-var-from-loop
        check("duckdb", lambda query: engines.duckdb(lines(), file, *view, query))
    n.equal("lines", number(engines.duckdb(lines(), "fleet.duckdb", "SELECT count(*) FROM synward")[0][0]), len(rows_of()))
    exact = engines.duckdb(lines(), ":memory:", "SELECT count(*) FROM 'synward.parquet' WHERE epoch_ns(logged) % 1000 <> 0")
    n.at_least("times with nanoseconds in Parquet", number(exact[0][0]), 1)


class Brokers:
    """librdkafka's mock cluster in this process, in the namespace where; it keeps 5 MB of a partition."""

    def __init__(self, where):
        engines.needs("kcat")
        self.where = where
        lib = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(lib, name).restype = ctypes.c_void_p
        lib.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        error = ctypes.create_string_buffer(512)
        with n.Inside(where):
            conf = ctypes.c_void_p(lib.rd_kafka_conf_new())
            lib.rd_kafka_conf_set(conf, b"log_level", b"3", error, 512)  # that it has no other brokers it needs not say
            client = lib.rd_kafka_new(0, conf, error, 512)
            assert client, error.value
            cluster = lib.rd_kafka_mock_cluster_new(ctypes.c_void_p(client), 2)
        assert cluster
        self.lib, self.cluster = lib, cluster
        self.text = lib.rd_kafka_mock_cluster_bootstraps(ctypes.c_void_p(cluster)).decode()

    def topic(self, name):
        n.equal("topic", self.lib.rd_kafka_mock_topic_create(ctypes.c_void_p(self.cluster), name.encode(), 3, 1), 0)

    def consumed(self, topic):
        return n.sh("kcat", "-C", "-b", self.text, "-t", topic, "-o", "beginning", "-e", "-q", ns=self.where).stdout.splitlines()

    def has(self, topic, want):
        """Every line, once, and no other."""
        got = []

        def all_there():
            """as many messages as lines"""
            got[:] = self.consumed(topic)
            return len(got) >= len(want)

        n.until(all_there, 30, 0.1, lambda: f"{len(got)} of {len(want)}")
        n.equal("missing or changed", sorted((collections.Counter(want) - collections.Counter(got)).elements())[:2], [])
        n.equal("too many", sorted((collections.Counter(got) - collections.Counter(want)).elements())[:2], [])


@functools.cache
def brokers():
    return Brokers(quiet_place())


def long_line():
    """One of 12 kB, of which a default of 8 kB would cut some."""
    return json.dumps({"schema": 3, "event": "x", "labels": {"long": "y" * 12000}})


def kcat():
    """kcat: every line of a file, and of a running synward, arrives identical"""
    file, live = blocks("sh", "Kafka's protocol")
    text = (lines() / "client.ndjson").read_text(encoding="utf-8") + long_line() + "\n"
    path = lines() / "kcat.txt"
    path.write_text(text, encoding="utf-8")
    env = {**os.environ, "BROKERS": brokers().text}
    brokers().topic("synward")
    r = n.run(["bash", "-euc", file.replace("/var/log/synward/eth0.ndjson", str(path))], quiet_place(), text=True, env=env)
    n.equal(f"exit code ({r.stderr})", r.returncode, 0)
    brokers().has("synward", text.splitlines())
    brokers().topic("live")
    a = n.new_ns("k")
    n.quiet(a)
    n.sh("ip", "link", "set", "lo", "up", ns=a)
    sw = n.Synward(a, "lo", args=("--close-delay", 0.05))
    out = path.with_suffix(".err")
    command = live.replace("-t synward", "-t live").replace("synward events", f"tee_of() {{ tee '{path}'; }}; {n.SYNWARD} events --pid {sw.p.pid}")
    command = command.replace("--follow ", "").replace("| kcat", "| tee_of | kcat")
    with out.open("wb") as err:
        p = n.popen(["bash", "-euc", command], quiet_place(), stderr=err, stdout=err, stdin=subprocess.DEVNULL, env=env)
    n.started.append(p)
    n.until(lambda: "reading events of" in out.read_text() or p.poll() is not None)
    n.talk(a, n.listen(a, "127.0.0.1", PORT), 20)
    n.equal("exit code of synward", sw.stop(), 0)
    n.equal(f"exit code ({out.read_text()})", p.wait(timeout=n.PATIENCE), 0)
    brokers().has("live", path.read_text(encoding="utf-8").splitlines())
    n.at_least("lines", len(path.read_text(encoding="utf-8").splitlines()), 21)


def rsyslogd(path):
    return engines.Server(quiet_place(), path, "rsyslogd", "-n", "-i", path / "pid", "-f", path / "rsyslog.conf",
                          is_up=lambda: (path / "pid").exists())


def rsyslog():
    """rsyslog: every line of two files arrives identical, once, also what comes later, after a rotation, and while it does not run"""
    engines.needs("rsyslogd")
    brokers().topic("rsyslog")
    path = engines.folder("rsyslog")
    watched = path / "lines"
    watched.mkdir()
    text, = blocks("rsyslog", "Kafka's protocol")
    names = ", ".join(f'"{x}"' for x in brokers().text.split(","))
    text = text.replace('"kafka-1:9092", "kafka-2:9092"', names).replace("/var/log/synward", str(watched)).replace('topic="synward"', 'topic="rsyslog"')
    (path / "rsyslog.conf").write_text(f'global(workDirectory="{path}")\n' + text, encoding="utf-8")
    want = []
    for name in ("client", "server"):
        shutil.copy(lines() / f"{name}.ndjson", watched)
        want += (watched / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()
    s = rsyslogd(path)
    brokers().has("rsyslog", want)
    with (watched / "client.ndjson").open("a", encoding="utf-8") as f:
        f.write(long_line() + "\n")
    brokers().has("rsyslog", want + [long_line()])
    (watched / "client.ndjson").rename(watched / "client.ndjson.1")
    shutil.copy(lines() / "server.ndjson", watched / "client.ndjson")
    want += [long_line(), *(lines() / "server.ndjson").read_text(encoding="utf-8").splitlines()]
    brokers().has("rsyslog", want)
    s.stop()
    with (watched / "client.ndjson").open("a", encoding="utf-8") as f:
        f.write('{"after":"a restart"}\n')
    s = rsyslogd(path)
    brokers().has("rsyslog", want + ['{"after":"a restart"}'])
    s.stop()


def prometheus():
    """promtool takes the configurations of the page; a mistake in one it finds"""
    folder = engines.folder("prometheus")
    shutil.copy(n.TOP / "src/dist/prometheus.rules.yml", folder / "synward.rules.yml")
    found = blocks("yaml", "Prometheus")
    n.equal("configurations", len(found), 2)
    for i, text in enumerate(found):
        for good in (True, False):
            path = folder / f"{i}.yml"
            path.write_text(text if good else text.replace("targets", "target"), encoding="utf-8")
            r = n.run(["promtool", "check", "config", str(path)], text=True)
            n.equal(f"promtool ({r.stdout}{r.stderr})", not r.returncode, good)
    names = set(re.search(r"synward_\(([a-z_|]+)\)", found[1]).group(1).split("|"))
    known = (n.TOP / "src/output/metrics_table.c").read_text(encoding="utf-8") + (n.TOP / "docs/metrics.md").read_text(encoding="utf-8")
    n.equal("unknown", [x for x in names if x.removesuffix("_bucket").removesuffix("_total") not in known], [])


def federation():
    """two Prometheus with the configurations of the page, and a synward: the one of all sites has its numbers, as the site's has them"""
    a, b = n.new_ns("p"), n.new_ns("q")
    n.quiet(a)
    n.quiet(b)
    n.sh("ip", "link", "set", "lo", "up", ns=b)
    n.veth(a, "fpa0", b, "fpb0")
    n.addr(a, "fpa0", "10.72.1.1/24")
    n.addr(b, "fpb0", "10.72.1.2/24")
    n.warm(a, "10.72.1.2")
    sw = n.Synward(b, "fpb0", args=("--close-delay", 0.05, "--label", "dc=of-lines", "--metrics", 9435))
    folder = engines.folder("federation")
    shutil.copy(n.TOP / "src/dist/prometheus.rules.yml", folder / "synward.rules.yml")
    site, center = blocks("yaml", "Prometheus")
    site = site.replace("15s", "1s").replace("synward.rules.yml", str(folder / "synward.rules.yml")).replace('"edge-1:9435", "edge-2:9435"', '"127.0.0.1:9435"')
    center = "global:\n  scrape_interval: 1s\n" + center.replace('"prometheus-fra1:9090", "prometheus-ams1:9090"', '"127.0.0.1:9090"')
    one, every = Prometheus(b, site), Prometheus(b, center, 9091)
    n.talk(a, n.listen(b, "10.72.1.2", PORT), 30)
    established = 'synward_handshake_duration_seconds_bucket{role="server", le="+Inf"}'
    n.until(lambda: every.value(established) == 30, 30, evidence=every.log.read_text)
    for name in re.search(r"synward_\(([a-z_|]+)\)", center).group(1).split("|"):
        name = f"synward_{name}"
        if name == "synward_guard_state":
            continue  # of the guard, which does not run here
        # as the site's says, with the label that is its own
        n.until(lambda: {x.replace('"dc": "fra1", ', "") for x in every.values(name)} == set(one.values(name)) != set(),
                30, evidence=lambda: (every.values(name), one.values(name)))  # pylint: disable=cell-var-from-loop
        n.equal(f"{name} with dc", all('"dc": "fra1"' in x and '"job": "synward"' in x and "127.0.0.1:9435" in x for x in every.values(name)), True)
    n.equal("what was not asked for", every.values("synward_packets_total"), {})
    n.equal("and is there", bool(one.values("synward_packets_total")), True)
    for x in (every, one):
        x.stop()
    n.equal("exit code", sw.stop(), 0)


if __name__ == "__main__":
    n.main(clickhouse, clickhouse_now, postgresql, duckdb, every_kind, kcat, rsyslog, prometheus, federation, keep=True)
