#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`synward join`: what a router did to a thousand connections, by the lines of both ends (kit/middle.py); the same when
lines are missing; the same by SQL; and how it is shown. SW_TEST_SHOW=1 prints what the command prints."""
import collections
import datetime
import functools
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs, engines, random_places, lines as kl  # noqa: E402  pylint: disable=wrong-import-position
from kit.browser import Browser  # noqa: E402  pylint: disable=wrong-import-position
from kit.middle import KIND, KINDS, NO_ANSWER, PORTS, Middle, events, whole as close_all  # noqa: E402  pylint: disable=wrong-import-position

OK, USAGE, INPUT = 0, 2, 8
EACH = int(os.environ.get("SW_TEST_EACH", "67"))
CLOCK = 0.5  # seconds that the files have to begin before, and end after, what only one of them has
SCHEMA = n.TOP / "docs/schema/join.schema.json"


@functools.cache
def ground():
    """A, B and R of EACH connections of every kind."""
    m = Middle()
    m.start("--ladder", router=True)
    m.run(EACH)
    m.R = m.R[0]
    return m


def join(*args, code=OK, lang="C", stdin=None):
    """What it prints, and what is on standard error."""
    r = subprocess.run([n.SYNWARD, "join", "--clock", str(CLOCK), *map(str, args)], input=stdin, capture_output=True, text=True, check=False,
                       env={**os.environ, "LC_ALL": lang})
    n.equal(f"exit code of join {args} ({r.stderr.strip()})", r.returncode, code)
    return r.stdout, r.stderr


def verdicts(*args, **kw):
    """Its JSON lines, valid against their schema: verdicts, and the summary."""
    out, err = join("--json", *args, **kw)
    n.equal("standard error", err, "")
    rows = out.encode().splitlines(keepends=True)
    check(rows)
    *found, summary = [json.loads(x) for x in rows]
    n.equal("events", {x["event"] for x in found} | {"verdict"}, {"verdict"})
    n.equal("the last", summary["event"], "summary")
    return found, summary


def check(rows):
    module, _ = kl.schema()
    validator = module.validator_of(SCHEMA)
    for raw in random.Random(1).sample(rows, min(len(rows), 200)) + rows[-1:]:
        error = next(validator.iter_errors(json.loads(raw)), None)
        n.equal(f"schema of {raw.decode()[:300]}", error and f"{error.json_path}: {error.message}", None)


def kind_of(verdict):
    return KIND[verdict["views"][0]["resp_port"]]


def known_facts(verdict):
    return [(f["verdict"], f["what"], f["side"]) for p in verdict["pairs"] for f in p["facts"] if f["doubt"] is None]


def right():
    """each of 1,072 connections gets the verdict of what the router did to it, for the right reason"""
    m = ground()
    found, summary = verdicts(m.A, m.B)
    n.equal("connections", collections.Counter(kind_of(x).name for x in found), {x.name: EACH for x in KINDS})
    for x in found:
        kind = kind_of(x)
        n.equal(f"verdict of {kind.name}: {json.dumps(x)}", x["verdict"], kind.verdict)
        if kind.what:
            n.equal(f"fact of {kind.name} in {known_facts(x)}", (kind.verdict, kind.what, kind.side) in known_facts(x), True)
        n.equal("views", [v["file"] for v in x["views"]], ["A"] if kind.verdict == "absent" else ["A", "B"])
        if len(x["views"]) == 2:
            n.equal("nearer to the originator", x["pairs"][0]["nearer_orig"], "A")
            n.equal("translated", x["views"][0]["orig_ip"] != x["views"][1]["orig_ip"], True)
    want = collections.Counter(x.verdict for x in KINDS for _ in range(EACH))
    n.equal("summary", {x: summary[x] for x in want}, dict(want))
    n.equal("cannot tell", summary["cannot_tell"], 0)


def turned():
    """the order of the files does not matter: the same verdicts, and B is then nearer to the originator"""
    m = ground()
    found, _ = verdicts(m.B, m.A)
    for x in found:
        n.equal(f"verdict of {kind_of(x).name}", x["verdict"], kind_of(x).verdict)
        if len(x["views"]) == 2:
            n.equal("nearer to the originator", x["pairs"][0]["nearer_orig"], "B")


def three():
    """with the router's own file in the middle each verdict is the same, and says that it was between A and the way out"""
    m = ground()
    found, summary = verdicts(m.A, m.R, m.B)
    for x in found:
        kind = kind_of(x)
        n.equal(f"verdict of {kind.name}: {json.dumps(x)}", x["verdict"], kind.verdict)
        between = ["".join(p["between"]) for p in x["pairs"] if any(f["verdict"] == kind.verdict for f in p["facts"])]
        n.equal(f"where, of {kind.name}", between, ["AB"] if kind.what else [])
    n.equal("connections", sum(summary[x.verdict] for x in {x.verdict: x for x in KINDS}.values()), len(found))


EVENTS = ("opening", "established", "half_closed", "closed", "reset", "refused", "timeout", "reused", "midstream", "anomaly",
          "update", "conn")


def torn(path, share, draw, with_loss):
    """The file without some lines, in a new one. with_loss: a loss line says what is missing before it."""
    out, gone, seq = [], [], 0
    for raw in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        x = json.loads(raw)
        if draw.random() < share and (not with_loss or x["event"] in EVENTS):
            gone.append(x)
            continue
        if gone and with_loss:
            seq += len(gone) + 1
            by_kind = collections.Counter(g["event"] for g in gone)
            out.append({"schema": 3, "seq": seq, "ts": x["ts"], "event": "loss", "host": x["host"], "iface": None, "hook": None,
                        "lost": len(gone), **{f"lost_{k}": by_kind[k] for k in EVENTS}, "lost_guard": 0})
        gone = []
        seq += 1
        out.append({**x, "seq": seq} if with_loss else x)
    to = f"{n.tmp.name}/torn-{next(numbers)}"
    pathlib.Path(to).write_text("".join(json.dumps(x) + "\n" for x in out), encoding="utf-8")
    return to


numbers = itertools.count()


def honest(a, b):
    """No verdict but the right one or cannot_tell; how many are right."""
    found, _ = verdicts(a, b)
    for x in found:
        if x["verdict"] not in (kind_of(x).verdict, "cannot_tell"):
            raise AssertionError(f"{kind_of(x).name} is called {x['verdict']}: {json.dumps(x)}")
        if x["verdict"] == "cannot_tell" and x["missing"]:
            n.equal("why", x["missing"][0]["why"] != "none", True)
    return sum(x["verdict"] != "cannot_tell" for x in found), found


def missing():
    """lines that are missing at random, from either file or both: no verdict is wrong, and cannot_tell says what is missing"""
    draw = random.Random(n.seed())
    m = ground()
    for with_loss in (False, True):
        for share in (0.001, 0.01, 0.1, 0.5):
            for a, b in ((share, 0), (0, share), (share, share)):
                right, found = honest(torn(m.A, a, draw, with_loss), torn(m.B, b, draw, with_loss))
                why = collections.Counter(y["why"] for x in found for y in x["missing"] if x["verdict"] == "cannot_tell")
                print(f"# {'loss lines' if with_loss else 'gaps'}, {a:g} of A, {b:g} of B: {right} of {len(found)} decided; {dict(why)}")
                if share < 0.01:
                    n.at_least("decided", right, 800)
                if share == 0.5 and b:
                    n.at_least("losses or gaps", why["loss" if with_loss else "gap"], 100)


def cut():
    """files that begin or end in the middle, a small window, few that may wait: no verdict is wrong"""
    m = ground()
    lines = [pathlib.Path(x).read_text(encoding="utf-8").splitlines(keepends=True) for x in (m.A, m.B)]
    for i, part in itertools.product((0, 1), (slice(None, 1500), slice(1500, None), slice(700, 2500))):
        path = f"{n.tmp.name}/part-{next(numbers)}"
        pathlib.Path(path).write_text("".join(lines[i][part]), encoding="utf-8")
        files = [m.A, m.B]
        files[i] = path
        honest(*files)
    honest_with(m, "--window", 1)
    out, err = join("--json", "--pending", 5, m.A, m.B)
    n.equal("it says so", "were decided early: more than 5 waited" in err, True)
    for x in map(json.loads, out.splitlines()):
        if x["event"] == "verdict" and x["verdict"] not in (kind_of(x).verdict, "cannot_tell"):
            raise AssertionError(f"{kind_of(x).name} is called {x['verdict']}")


def rewritten(path, change):
    """The file with its lines as change makes them, numbered anew: what another run would have written. None: left out."""
    lines = [x for x in map(change, (json.loads(x) for x in pathlib.Path(path).read_text(encoding="utf-8").splitlines())) if x]
    to = f"{n.tmp.name}/changed-{next(numbers)}"
    pathlib.Path(to).write_text("".join(json.dumps({**x, "seq": i + 1}) + "\n" for i, x in enumerate(lines)), encoding="utf-8")
    return to


def runs():
    """files of runs without --log-open-at-exit, with --events conn, with a filter: nothing is missing by seq, and no verdict is wrong"""
    m = ground()

    def leaves_open(x):
        if x["event"] == "stats" and x["final"]:
            return {**x, "flows": EACH}
        return None if x["event"] == "conn" and x["reason"] == "end_of_input" else x

    def conn_only(x):
        return x if x["event"] == "conn" else None

    def filtered(x):
        if x.get("resp_port") == PORTS["plain"]:
            return None
        return {**x, "filtered": 100} if x["event"] == "stats" else x

    for change, of, why in (
            (leaves_open, "reset_client", {"open"}),
            (conn_only, "refused_between", {"open", "before"}),  # its first line comes when the first connection is over
            (filtered, "plain", {"unfollowed"})):
        _, found = honest(m.A, rewritten(m.B, change))
        some = [x for x in found if kind_of(x).name == of]
        n.at_least("such verdicts", len(some), 1)
        n.equal(f"{change.__name__}", {(x["verdict"], x["missing"][0]["why"]) for x in some} - {("cannot_tell", x) for x in why}, set())
        honest(rewritten(m.A, change), m.B)


def memory():
    """two files of 200,000 lines, many of them of one file alone: right, and in 64 MB"""
    r = n.run([str(n.TOP / "tests/bench/join.py"), "--lines", "200000"], text=True, timeout=120)
    n.equal(f"exit code ({r.stderr[-500:]})", r.returncode, 0)
    print(f"# {r.stdout.strip()}")
    if "SW_TEST_SYNWARD" not in os.environ:
        n.at_most("MB", float(re.search(r"peak ([\d.]+) MB", r.stdout)[1]), 64)


@functools.cache
def over_restart():
    """A, and B of two processes, the first of which was killed: what ground() began is gone then."""
    n.cleanup()
    m = Middle()
    m.start()
    for name in ("plain", "reset_client", "mss", "fin"):
        m.one_kind(name, 20)
    lasting = m.pairs(PORTS["sack"], 20)
    n.until(lambda: m.lines_of(m.B, {PORTS["plain"], PORTS["mss"]}) == 40)
    first = m.restart_server()
    for c, s in lasting:
        s.sendall(b"w")
        n.read_n(c, 1)
    close_all(m, lasting)
    m.end_with({"plain": 20, "reset_server": 20, "lost_data": 20})
    both = f"{n.tmp.name}/both"
    pathlib.Path(both).write_bytes(pathlib.Path(first).read_bytes() + pathlib.Path(m.B).read_bytes())
    return m.A, both


def restarted():
    """the server's synward is killed in the middle and begun again: connections that lasted are cannot_tell, none is wrong"""
    decided, found = honest(*over_restart())
    by_kind = {x.name: collections.Counter(y["verdict"] for y in found if kind_of(y).name == x.name) for x in KINDS}
    n.equal("before and after", [by_kind[x] for x in ("plain", "mss", "reset_server")], [{"agree": 40}, {"rewritten": 20}, {"reset_injected": 20}])
    n.equal("over it", [by_kind[x] for x in ("sack", "reset_client", "fin")], [{"cannot_tell": 20}] * 3)
    n.at_least("decided", decided, 80)


def honest_with(m, *args):
    for x in verdicts(*args, m.A, m.B)[0]:
        if x["verdict"] not in (kind_of(x).verdict, "cannot_tell"):
            raise AssertionError(f"{kind_of(x).name} is called {x['verdict']} with {args}: {json.dumps(x)}")


def twice(path):
    """The file of a router that follows both its interfaces: each connection of both ISNs again, by other addresses."""
    out = []
    for x in (json.loads(x) for x in pathlib.Path(path).read_text(encoding="utf-8").splitlines()):
        out.append(x)
        if x["event"] == "conn" and None not in (x["orig_isn"], x["resp_isn"]):
            out.append({**x, "uid": "D" + x["uid"][1:], "orig_ip": "10.66.0.1", "orig_port": 9})
    to = f"{n.tmp.name}/twice-{next(numbers)}"
    pathlib.Path(to).write_text("".join(json.dumps({**x, "seq": i + 1}) + "\n" for i, x in enumerate(out)), encoding="utf-8")
    return to


def apart(path, seconds):
    """The file of a host whose clock is so much ahead."""
    def later(text):
        at = datetime.datetime.fromisoformat(text[:26] + "+00:00") + datetime.timedelta(seconds=seconds)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + text[26:]

    return rewritten(path, lambda x: {**x, **{k: later(x[k]) for k in ("ts", "start", "end") if x.get(k)}})


def doubles():
    """a router's second line of a connection makes nothing absent; a clock that is 100 s ahead changes no verdict into a wrong one"""
    m = ground()
    right, found = honest(m.A, twice(m.B))
    n.equal("connections", (right, len(found)), (EACH * len(KINDS),) * 2)
    for seconds in (100, -100):
        right, found = honest(m.A, apart(m.B, seconds))
        both = [x for x in found if len(x["views"]) == 2 and x["matched_by"] == "isn"]
        n.at_least("by both ISNs", len(both), EACH * 10)
        _, summary = verdicts(m.A, apart(m.B, seconds))
        n.equal("clocks", [round(x["clock_apart_ns"] / 1e9) for x in summary["files"]], [100, 100])
        print(f"# {seconds} s: {right} of {len(found)} decided")


def duckdb(script, folder):
    r = n.run(["node", str(n.TOP / "tests/lib/duckdb.mjs"), "-json", ":memory:", script], text=True, cwd=folder, timeout=120)
    n.equal(f"DuckDB ({r.stderr[-500:]})", r.returncode, 0)
    return json.loads(r.stdout)


def clickhouse(script, folder):
    return engines.chdb(folder, folder / "tables", script, timeout=120)


# The script, what runs it, and where it has --clock.
ENGINES = {"duckdb": (duckdb, "clock_ns = {}"), "clickhouse": (clickhouse, "toInt64({}) AS clock_ns")}


def chosen_engines():
    return {k: v for k, v in ENGINES.items() if k == "duckdb" or docs.has_chdb()}


def by_sql(a, b):
    """Verdicts by both uids, as each script has them, by engine; and as the command has."""
    folder = pathlib.Path(n.tmp.name, f"sql-{next(numbers)}")
    folder.mkdir()
    for name, path in (("A", a), ("B", b)):
        (folder / f"{name}.ndjson").symlink_to(path)
    rows, whole = {}, {}
    for name, (engine, clock) in chosen_engines().items():
        script = (n.TOP / f"docs/sql/join-{name}.sql").read_text(encoding="utf-8")
        n.equal("where --clock is", script.count(clock.format(2000000000)), 1)
        found = engine(script.replace(clock.format(2000000000), clock.format(int(CLOCK * 1e9))), folder)
        rows[name] = {(x["uid_a"], x["uid_b"]): x["verdict"] for x in found}
        whole[name] = {(x["uid_a"], x["uid_b"]): (x["matched_by"] or None, x["missing"] or None, sorted((x["facts"] or "").split(", "))) for x in found}
        n.equal(f"{name}: a row each", len(found), len(rows[name]))
    differ = {k: (whole["duckdb"].get(k), v) for k, v in whole.get("clickhouse", {}).items() if whole["duckdb"].get(k) != v}
    n.equal("facts, matches and reasons that differ by engine", differ, {})
    want = {}
    for x in verdicts(a, b)[0]:
        uid = {v["file"]: v["uid"] for v in x["views"]}
        want[uid.get("A"), uid.get("B")] = x["verdict"]
    return rows, want


def compare(rows, want):
    for name, found in rows.items():
        n.equal(f"{name}: connections", set(found), set(want))
        n.equal(f"{name}: differ", {k: (found[k], want[k]) for k in want if found[k] != want[k]}, {})


def same_by_sql(a, b):
    rows, want = by_sql(a, b)
    compare(rows, want)
    print(f"# {dict(collections.Counter(want.values()))}")


def sql():
    """docs/sql/join-*.sql have the command's verdicts, of whole files, torn ones, with connections twice, with clocks apart"""
    docs.needs_duckdb()
    draw = random.Random(n.seed())
    m = ground()
    for share, with_loss in ((0, False), (0.02, False), (0.2, False), (0.05, True)):
        same_by_sql(torn(m.A, share, draw, with_loss), torn(m.B, share, draw, with_loss))
    same_by_sql(m.A, twice(m.B))
    same_by_sql(m.A, apart(m.B, 100))


def sql_random():
    """random files of an hour, in which lines lack, processes begin, clocks are apart and anything is rewritten: both engines say the
    same, with the same facts and reasons, and the command nothing else, but that one of them cannot tell"""
    docs.needs_duckdb()
    draw = random.Random(n.seed())
    for _ in range(4):
        folder = pathlib.Path(n.tmp.name, f"random-{next(numbers)}")
        folder.mkdir()
        print(f"# {random_places.write(folder, draw)}")
        rows, want = by_sql(folder / "A.ndjson", folder / "B.ndjson")
        both = {k: (v, want[k]) for k, v in rows["duckdb"].items() if k in want}
        n.equal("contradictions", {k: v for k, v in both.items() if v[0] != v[1] and "cannot_tell" not in v}, {})
        n.at_least("of the same verdict", sum(x == y for x, y in both.values()), 0.7 * len(want))
        print(f"# {sum(x == y for x, y in both.values())} of {len(want)} the same: {dict(collections.Counter(want.values()))}")


def sql_scan():
    """one ISN for all connections to a port that does not answer, behind NAT: the scripts know as little as the command which is which"""
    docs.needs_duckdb()
    m = ground()

    def scan(x):
        silent = x["event"] == "conn" and KIND[x["resp_port"]].name in NO_ANSWER
        return {**x, "orig_isn": x["resp_port"]} if silent else x

    def by_uid(of):
        return {uid: v for both, v in of.items() for uid in both if uid}

    rows, want = by_sql(rewritten(m.A, scan), rewritten(m.B, scan))
    want = by_uid(want)
    compare({k: by_uid(v) for k, v in rows.items()}, want)
    silent = collections.Counter(want[x["uid"]] for path in (m.A, m.B) for x in events(path)
                                 if x["event"] == "conn" and KIND[x["resp_port"]].name in NO_ANSWER)
    n.equal("of the scan", silent, {"cannot_tell": 5 * EACH})  # which the router refused is one of these, as far as lines say


def sql_restarted():
    """the scripts have the same verdicts of a file of two processes, the first of which was killed"""
    docs.needs_duckdb()
    same_by_sql(*over_restart())


def text():
    """text has at most 80 columns, a block a connection, and the summary's numbers; filters choose, the summary counts all"""
    m = ground()
    out, err = join(m.A, m.B)
    n.equal("standard error", err, "")
    n.equal("columns", max(map(len, out.splitlines())), 80)
    body, summary = out.rsplit("\n\n", 1)
    heads = collections.Counter(re.findall(r"^([a-z_]+) ", body, re.M))
    want = collections.Counter(x.verdict for x in KINDS for _ in range(EACH))
    n.equal("blocks", heads, want)
    n.equal("summary", {k: int(v) for k, v in re.findall(r"^  ([a-z_]+) +(\d+)$", summary, re.M)}, dict(want))
    for said in ("A saw a RST of the responder, B did not: made between", "A saw a FIN of the originator, B did not: lost between",
                 "520 bytes of the originator passed A, 20 arrived at B", "MSS of the originator: 1460 at A, 1200 at B",
                 "SYN was sent again: 1 at A, 0 at B", "which lost nothing then: it did not come by there"):
        n.equal(said, body.count(said) >= EACH, True)
    if os.environ.get("SW_TEST_SHOW"):
        print(re.sub("^", "# ", out, flags=re.M))
    chosen, _ = join("--verdict", "reset_injected", "--port", PORTS["reset_client"], m.A, m.B)
    n.equal("chosen", re.findall(r"^([a-z_]+) ", chosen, re.M), ["reset_injected"] * EACH)
    n.equal("the summary counts all", chosen.rsplit("\n\n", 1)[1], summary)
    chosen, _ = join("--outcome", "refused", m.A, m.B)
    n.equal("by outcome", collections.Counter(re.findall(r"^([a-z_]+) ", chosen, re.M)), {"absent": EACH, "agree": EACH})


def ladder():
    """--ladder: three columns, by uid; the RST that was made between ends there, and so does what was dropped"""
    m = ground()
    found, _ = verdicts(m.A, m.B)
    uid = {kind_of(x).name: x["views"][0]["uid"] for x in found}
    out, err = join("--ladder", uid["reset_client"], m.A, m.B)
    n.equal("standard error", err, "")
    n.equal("columns", max(map(len, out.splitlines())) <= 80, True)
    n.equal("one", len(re.findall(r"^C\w{17} ", out, re.M)), 1)
    n.equal("of both", len(re.findall(r"^ +[\d.]+ [num]?s \|-+ SYN seq 0 -+>\| [\d.]+ [num]?s$", out, re.M)), 1)
    n.equal("made between", len(re.findall(r"^ +[\d.]+ ms \|<-+ RST.* -+x +\|$", out, re.M)), 1)
    out, _ = join("--ladder", uid["fin"], m.A, m.B)
    n.at_least("lost between", len(re.findall(r"^ +[\d.]+ m?s \|-+ FIN,ACK.* -+x +\|$", out, re.M)), 1)
    out, _ = join("--ladder", uid["reset_server"], m.A, m.B)
    n.equal("made between, for B", len(re.findall(r"^ +\| +x-+ RST.* -+>\| [\d.]+ ms$", out, re.M)), 1)
    out, _ = join("--ladder", uid["lost_syn"], m.A, m.B)
    n.equal("the first one is lost", re.findall(r" SYN seq 0 -+(.)", out), ["x", ">"])
    out, _ = join("--ladder", uid["synack"], m.B, m.A)
    n.equal("A is left", re.findall(r"^ +(\w) +between +(\w)$", out, re.M), [("B", "A")])
    out, _ = join("--ladder", uid["reset_client"], m.A, m.B, lang="C.UTF-8")
    n.equal("boxes", ("\u25b6\u2502" in out, "\u00d7" in out), (True, True))


def image():
    """--svg in Chromium: the same segments as the text, nothing outside, nothing upon another, in light and dark, nothing loaded"""
    m = ground()
    uid = {}
    for x in verdicts(m.A, m.B)[0]:
        uid.setdefault(kind_of(x).name, x["views"][0]["uid"])
    args = (",".join(uid[x] for x in ("reset_client", "reset_server", "fin", "synack", "lost_syn")), m.A, m.B)
    path = f"{n.tmp.name}/join.svg"
    svg, err = join("--svg", *args)
    n.equal("standard error", err, "")
    pathlib.Path(path).write_text(svg, encoding="utf-8")
    text, _ = join("--ladder", *args)
    b = Browser()
    for scheme, color in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 28)")):
        b.look(800, scheme)
        b.open(f"file://{path}")
        n.equal("errors", b.errors, [])
        n.equal("what it loads", [x for x in b.events if x != "about:blank"], [f"file://{path}"])
        n.equal("background", b.run("getComputedStyle(document.documentElement).backgroundColor"), color)
        if os.environ.get("SW_TEST_SHOW"):
            b.shot(pathlib.Path(os.environ["SW_TEST_SHOW"]) / f"join-{scheme}.png")
    n.equal("outside", b.run("""(() => { const all = document.documentElement.getBoundingClientRect();
        return [...document.querySelectorAll('text')].filter((t) => { const r = t.getBoundingClientRect();
            return r.left < all.left || r.right > all.right || r.bottom > all.bottom; }).map((t) => t.textContent); })()"""), [])
    n.equal("upon another", b.run("""(() => { const all = [...document.querySelectorAll('text')].filter((t) => t.textContent);
        const box = all.map((t) => t.getBoundingClientRect()); const found = [];
        for (let i = 0; i < all.length; i++) for (let k = 0; k < i; k++) if (box[i].left < box[k].right && box[k].left < box[i].right &&
            box[i].top + 3 < box[k].bottom - 3 && box[k].top + 3 < box[i].bottom - 3) found.push(all[k].textContent + ' / ' + all[i].textContent);
        return found; })()"""), [])
    n.equal("arrows", b.run("document.querySelectorAll('.arrow').length"), len(re.findall(r" seq \d", text)))
    n.equal("ends between", sum(path.count(" l10,10 ") for path in re.findall(r'd="(.*?)"', svg)), len(re.findall(r"-x |\| +x-", text)))
    join("--svg", "--json", m.A, m.B, code=USAGE)
    n.equal("a hundred", join("--svg", m.A, m.B)[0].count(">A</text>"), 100)


def documented():
    """every `synward join` of docs/join.md's first block, as it is there: each says what it is for"""
    m = ground()
    uid = {kind_of(x).name: x["views"][0]["uid"] for x in verdicts(m.A, m.B)[0]}
    folder = pathlib.Path(n.tmp.name, "documented")
    (folder / "bin").mkdir(parents=True)
    for name, path in (("client", m.A), ("server", m.B), ("router", m.R)):
        (folder / f"{name}.ndjson").symlink_to(path)
    for name, path in (("client.ndjson.gz", m.A), ("eth0.ndjson.gz", m.B)):
        with open(folder / name, "wb") as f:
            subprocess.run(["gzip", "-c", path], stdout=f, check=True)
    for name, text in (("synward", f'exec {n.SYNWARD} "$@"'), ("ssh", 'shift; exec "$@"')):
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        (folder / "bin" / name).chmod(0o755)
    block, = [x for x in docs.blocks(n.TOP / "docs/join.md") if x.info == "sh"]
    said = []
    for _, text in block.statements():
        if not text.startswith("synward join "):
            continue  # two runs: the files
        known = text.replace("CEptiDakz5pG7kbEAJ", uid["reset_client"]).replace("443", str(PORTS["reset_client"])).replace("/var/log/synward", str(folder))
        r = n.run(["bash", "-euc", known], text=True, cwd=folder, env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "LC_ALL": "C"})
        n.equal(f"exit code, standard error of {known}", (r.returncode, r.stderr), (0, ""))
        said.append(r.stdout)
    n.equal("statements", len(said), 6)
    all_of, chosen, uids, drawn, image_of, three_of = said
    n.equal("the summary of all", f"{EACH * len(KINDS)} connections" in all_of, True)
    n.equal("chosen", re.findall(r"^([a-z_]+) ", chosen, re.M), ["reset_injected"] * EACH)
    n.equal("uids", (len(uids.split()), uid["reset_client"] in uids), (2 * EACH, True))
    n.equal("ladder", (drawn.split()[0], "RST" in drawn), (uid["reset_client"], True))
    n.equal("image", (image_of, (folder / "connection.svg").read_text(encoding="utf-8").startswith("<svg")), ("", True))
    n.equal("of three", re.findall(r"^([A-C]): ", three_of.rsplit("\n\n", 1)[1], re.M), ["A", "B", "C"])


def inputs():
    """gzip and standard input; what is broken or missing has its line and exit code; stdout has data only"""
    m = ground()
    want = join(m.A, m.B)[0].rsplit("\n\n", 1)[0]
    packed = f"{n.tmp.name}/a.gz"
    with open(packed, "wb") as f:
        subprocess.run(["gzip", "-c", m.A], stdout=f, check=True)
    raw = pathlib.Path(m.B).read_text(encoding="utf-8")
    n.equal("gzip and a pipe", join(packed, "-", stdin=raw)[0].rsplit("\n\n", 1)[0], want)
    whole = pathlib.Path(packed).read_bytes()
    pathlib.Path(packed).write_bytes(whole[:len(whole) // 2])
    out, err = join("--json", packed, m.B, code=INPUT)
    n.equal("damaged", (err.count("damaged gzip data after line"), json.loads(out.splitlines()[-1])["event"]), (1, "summary"))
    _, err = join(m.A, "-", stdin="{\n" + raw + '{"schema":2,"event":"conn"}\n')
    n.equal("two lines", len(err.splitlines()), 2)
    n.equal("broken", "standard input: 1 of" in err and "1 lines are not of schema 3" in err, True)
    out, err = join(m.A, "-", stdin="what?\n", code=INPUT)
    n.equal("no event line", "has no event line" in err, True)
    for name, lines in (("empty", ""), ("schema", '{"schema":2,"event":"conn"}\n'), ("\x1b[31m", "")):
        path = pathlib.Path(n.tmp.name, name)
        path.write_text(lines, encoding="utf-8")
        _, err = join("--json", m.A, path, code=INPUT)
        n.equal("no event line", ("has no event line" in err, "\x1b" in err), (True, False))
    for args, code in (((m.A,), USAGE), ((m.A, "/nowhere"), INPUT), ((m.A, m.B, "--json", "--ladder"), USAGE), (("-", "-"), USAGE),
                       ((m.A,) * 9, USAGE), ((m.A, m.B, "--verdict", "guilty"), USAGE), ((m.A, m.B, "--comm", "x"), USAGE)):
        out, err = join(*args, code=code)
        n.equal(f"{args}", (out, len(err.splitlines())), ("", 1))
    with open("/dev/full", "wb") as full:
        n.equal("full", subprocess.run([n.SYNWARD, "join", m.A, m.B], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode, 9)


n.main(right, turned, three, missing, cut, runs, doubles, sql, sql_random, sql_scan, text, ladder, image, documented, inputs, memory, restarted, sql_restarted, keep=True)
