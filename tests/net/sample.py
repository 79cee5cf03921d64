#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""--label and --sample of a running synward and of its readers: which connections, whole, without a gap, and what others
say of such files.

    +------- a -------+         +------- b -------+
    | clients         |  veth   | servers         |
    | 10.71.0.1  lsa0 o=========o lsb0  10.71.0.2 |---- /run/synward/readers/PID ---> synward events
    +-----------------+         +-----------------+
      synward, one of 3           synward, all; or one of 4
"""
import collections
import itertools
import json
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs, engines  # noqa: E402  pylint: disable=wrong-import-position
from kit import pin  # noqa: E402  pylint: disable=wrong-import-position

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CONNECTIONS = 120
LABELS = ("--label", "dc=fra1", "--label", 'note=a "b", \t= 5')
WANT = {"dc": "fra1", "note": 'a "b", \t= 5'}
numbers = itertools.count()


def chosen(uid, one_of):
    """As docs/events.md says it."""
    number = 0
    for digit in uid[-8:]:
        number = 62 * number + DIGITS.index(digit)
    return number % one_of == 0


def ground():
    a, b = n.new_ns("a"), n.new_ns("b")
    for ns in (a, b):
        n.quiet(ns)
    n.veth(a, "lsa0", b, "lsb0")
    n.addr(a, "lsa0", "10.71.0.1/24")
    n.addr(b, "lsb0", "10.71.0.2/24")
    n.warm(a, "10.71.0.2")
    return a, b, n.listen(b, "10.71.0.2", 7100)


def start(ns, iface, *args, **kw):
    return n.Synward(ns, iface, args=("--close-delay", 0.05, *args), full=False, **kw)


class Reader:
    def __init__(self, sw, *args):
        self.path = pathlib.Path(n.tmp.name) / f"sample-{next(numbers)}"
        with self.path.open("wb") as out, self.path.with_suffix(".err").open("wb") as err:
            self.p = n.popen([n.SYNWARD, "events", "--pid", str(sw.p.pid), *map(str, args)], stdout=out, stderr=err,
                             stdin=subprocess.DEVNULL)
        n.started.append(self.p)
        n.until(lambda: "reading events of" in self.err() or self.p.poll() is not None)
        n.equal(f"has ended ({self.err()})", self.p.poll(), None)

    def err(self):
        return self.path.with_suffix(".err").read_text()

    def text(self):
        n.equal(f"exit code ({self.err()})", self.p.wait(timeout=n.PATIENCE), 0)
        return self.path.read_text()

    def lines(self):
        return [json.loads(x) for x in self.text().splitlines()]


def stopped(*sws):
    for sw in sws:
        n.equal(f"exit code ({sw.err()})", sw.stop(), 0)


def by_uid(lines):
    """The events of each connection, in order."""
    out = collections.defaultdict(list)
    for x in lines:
        if "uid" in x:
            out[x["uid"]].append(x["event"])
    return dict(out)


def check_sample(lines, everything, one_of):
    """They are those of the connections that their uids choose, whole; seq has no gap, and nothing is lost."""
    want = {uid: events for uid, events in everything.items() if chosen(uid, one_of)}
    n.equal(f"one of {one_of}", by_uid(lines), want)
    n.equal("lost", n.check_seq(lines), 0)
    n.equal("sample", [x for x in lines if x.get("sample") != one_of][:3], [])
    return want


def readers():
    """output and readers, each with its own sample, have the same connections, all lines of them, and the labels; none is lost"""
    a, b, listener = ground()
    sw = start(b, "lsb0", *LABELS, "--sample", 4)
    everything, same, twice = Reader(sw), Reader(sw, "--sample", 4), Reader(sw, "--sample", 2)
    ecs, text = Reader(sw, "--sample", 4, "--format", "ecs"), Reader(sw, "--sample", 2, "--format", "text", "--utc")
    n.talk(a, listener, CONNECTIONS)
    n.settled(a, b)
    stopped(sw)
    lines = everything.lines()
    whole = by_uid(lines)
    n.equal("connections", len(whole), CONNECTIONS)
    n.equal("lost", n.check_seq(lines), 0)
    n.equal("sample of all", {x.get("sample") for x in lines}, {None})
    own = sw.lines()
    kept = check_sample(own, whole, 4)
    assert 5 < len(kept) < CONNECTIONS / 2, len(kept)
    n.equal("lines without a connection", [x["event"] for x in own if "uid" not in x][-1], "stats")
    n.fields(own[-1], final=True, emitted_conn=CONNECTIONS, lost_conn=0)
    check_sample(same.lines(), whole, 4)
    assert set(kept) < set(check_sample(twice.lines(), whole, 2))
    n.equal("labels", [x["labels"] for x in lines + own if x.get("labels") != WANT], [])
    documents = [json.loads(x) for x in ecs.text().splitlines()]
    n.equal("documents", [x["synward"]["uid"] for x in documents if "uid" in x["synward"]],
            [x["uid"] for x in own if "uid" in x])
    for x in documents:
        n.equal("of ECS", (x["labels"], x["synward"]["sample"]), (WANT, 4))
    said = text.text()
    n.equal("heading", re.match(r"# \d{4}-\d\d-\d\d, times in UTC, one of 2 connections\n", said) is not None, True)
    n.equal("text", said.count(" opening "), sum(chosen(uid, 2) for uid in whole))


def open_in(sw):
    """no connection is without its conn line"""
    counters = json.loads(n.sh(n.SYNWARD, "status", "--json", "--pid", sw.p.pid).stdout)
    return counters["flows"] + counters["half_open"]


def pinned():
    """restarts with --pin, also after a kill, go on with seq without a gap, though most records make no line"""
    a, b, listener = ground()
    args = ("--sample", 4, "--interval", 0, "--close-delay", 0.05)
    with pin.Pins(b, "lsb0") as pins:
        for kill in (False, True, False):
            sw = pins.start(*args)
            n.talk(a, listener, CONNECTIONS)
            n.settled(a, b)
            if kill:
                sw.kill()
                continue
            n.until(lambda: not open_in(sw))  # pylint: disable=cell-var-from-loop
            stopped(sw)
        files = [sw.whole() for sw in pins.daemons]
    lines = [x for file in files for x in file]
    n.equal("a gap", [(x["seq"], y["seq"]) for x, y in zip(lines, lines[1:]) if y["seq"] > x["seq"] + 1], [])
    n.fields(lines[-1], final=True, emitted_conn=3 * CONNECTIONS, lost_total=0)
    unique = {(x["uid"], x["event"]): x for x in lines if "uid" in x}  # those after the kill are logged again
    kept = by_uid(unique.values())
    n.equal("not of the sample", [x for x in kept if not chosen(x, 4)], [])
    n.equal("not whole", [x for x in kept.values() if not {"opening", "established", "closed", "conn"} <= set(x)], [])
    assert CONNECTIONS / 4 < len(kept) < 3 * CONNECTIONS / 2, len(kept)


def sampled_and_whole():
    """Two files of the same connections: A one of 3, B all."""
    a, b, listener = ground()
    first = start(a, "lsa0", "--sample", 3, "--label", "end=client")
    second = start(b, "lsb0", "--label", "end=server")
    n.talk(a, listener, CONNECTIONS)
    n.settled(a, b)
    stopped(first, second)
    return first, second


def joined():
    """join says of what a sample lacks that it cannot tell, by `sampled`, and nothing wrong; so do the scripts for DuckDB and ClickHouse"""
    first, second = sampled_and_whole()
    kept = {x["orig_port"] for x in first.lines() if x["event"] == "conn"}
    for files in ((first.path, second.path), (second.path, first.path)):
        out = n.sh(n.SYNWARD, "join", "--json", *files).stdout
        verdicts = [x for x in map(json.loads, out.splitlines()) if x["event"] == "verdict"]
        n.equal("connections", len(verdicts), CONNECTIONS)
        for x in verdicts:
            port = x["views"][0]["orig_port"]
            n.equal(f"port {port}", x["verdict"], "agree" if port in kept else "cannot_tell")
            if port not in kept:
                n.equal("why", [(y["why"], y["count"]) for y in x["missing"]], [("sampled", 3)])
    said = n.sh(n.SYNWARD, "join", second.path, first.path).stdout
    n.equal("in text", " ".join(said.split()).count("not in B, which is a sample, one of 3 connections"),
            CONNECTIONS - len(kept))
    by_sql(first.path, second.path, kept, {x["uid"]: x["orig_port"] for s in (first, second) for x in s.lines() if "uid" in x})


def by_sql(a, b, kept, ports):
    docs.needs_duckdb()
    folder = pathlib.Path(n.tmp.name) / f"sql-{next(numbers)}"
    folder.mkdir()
    for name, path in (("A", a), ("B", b)):
        (folder / f"{name}.ndjson").symlink_to(path)
    duck, click = ((n.TOP / f"docs/sql/join-{x}.sql").read_text(encoding="utf-8") for x in ("duckdb", "clickhouse"))
    r = n.run(["node", str(n.TOP / "tests/lib/duckdb.mjs"), "-json", ":memory:", duck], text=True, cwd=folder, timeout=120)
    n.equal(f"DuckDB ({r.stderr[-500:]})", r.returncode, 0)
    found = {"DuckDB": json.loads(r.stdout)}
    if docs.has_chdb():
        found["ClickHouse"] = engines.chdb(folder, folder / "tables", click, timeout=120)
    for name, rows in found.items():
        n.equal(f"rows of {name}", len(rows), CONNECTIONS)
        for x in rows:
            port = ports[x["uid_a"] or x["uid_b"]]
            n.equal(f"by {name}", (x["verdict"], x["missing"] or None), ("agree", None) if port in kept else ("cannot_tell", "sampled"))


def reported():
    """synward report counts the lines of a sample as one, and finds nothing missing; what the page says of it: report.py"""
    first, second = sampled_and_whole()
    for path, sample in ((first.path, 3), (second.path, 0)):
        page = n.sh(n.SYNWARD, "report", path).stdout
        n.equal("data", re.search(r'"sample":(\d+)', page).group(1), str(sample))
        n.equal("loss", re.search(r'"loss":\{"lost":(\d+),"missing":(\d+)', page).groups(), ("0", "0"))


def refused():
    """what is no label, too many, a number that is none, and formats that could not say it: one line, exit code 2"""
    many = [x for i in range(17) for x in ("--label", f"k{i}=v")]
    for args, want in ((("--label", "dc"), "that is not KEY=VALUE"), (("--label", "a-b=c"), "letters, digits and _"),
                       (("--label", "a=1", "--label", "a=2"), "'a' is given twice"), (many, "more than 16 labels"),
                       (("--label", "a=" + "x" * 5000), "4096 bytes"), (("--sample", 0), "is not a number from 1"),
                       (("--format", "zeek", "--sample", 2), "cannot say it"), (("--format", "zeek", "--label", "a=b"), "no place"),
                       (("--format", "text", "--label", "a=b"), "no place")):
        for command in (("run", "-i", "lo"), ("replay", "x.pcap")):
            r = n.sh(n.SYNWARD, *command, *args, check=False)
            n.equal(f"{args[:4]}: {r.stderr}", (r.returncode, r.stderr.count("\n"), want in r.stderr, r.stdout), (2, 1, True, ""))
    r = n.sh(n.SYNWARD, "events", "--format", "zeek", "--sample", 2, check=False)
    n.equal("events", (r.returncode, "cannot say it" in r.stderr), (2, True))


n.main(readers, pinned, joined, reported, refused)
