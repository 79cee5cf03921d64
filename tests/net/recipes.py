#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every recipe of docs/recipes.md, typed as it is there, against what Python reads in the same lines. kit/place.py has
the host and its traffic. SW_TEST_SHOW=1 prints what each command prints, for the document."""
import collections
import json
import math
import os
import pathlib
import re
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs, place  # noqa: E402  pylint: disable=wrong-import-position

EVENTS, GUARD = "Write a file of events", "Write what the guard does"
ATTACK = "Is there an attack now, and on which service?"
ROOTLESS = "Run it without root"
SERVICE = f"{place.V4}:80"


class Shown:
    """What a recipe printed, and what it was about."""

    def __init__(self, files, folder, out):
        self.out, self.folder = out, folder
        self.rows = [x.split() for x in out.splitlines()]
        self.files = files

    @property
    def events(self):
        return self.files["events.ndjson"]

    @property
    def guard(self):
        return self.files["guard.ndjson"]

    def of(self, *kinds, lines=None):
        return [x for x in (self.events if lines is None else lines) if x["event"] in kinds]


def lines_of(path):
    return [json.loads(x) for x in path.read_text().splitlines()]


def same(shown, want, by=None):
    """These rows, as text, in any order; column `by` does not grow."""
    n.equal("rows", sorted(shown.rows), sorted([str(x) for x in row] for row in want))
    n.at_least("rows", len(want), 1)
    if by is not None:
        column = [float(x[by]) for x in shown.rows]
        n.equal("order", column, sorted(column, reverse=True))


def counted(shown, things):
    """As by sort | uniq -c | sort -rn."""
    same(shown, [(count, *row) for row, count in collections.Counter(things).items()], by=0)


def summed(things):
    total = collections.Counter()
    for key, value in things:
        total[key] += value
    return [(value, *key) for key, value in total.items()]


def both(x):
    return x["orig_ip_bytes"] + x["resp_ip_bytes"]


def server(x):
    return x["resp_ip"], x["resp_port"]


def rank(values, share):
    """Nearest rank."""
    return sorted(values)[math.ceil(len(values) * share) - 1]


def grouped(things, key):
    found = collections.defaultdict(list)
    for x in things:
        found[key(x)].append(x)
    return found


# --- what each must print ---

def event_file(s):
    lines = lines_of(s.folder / "events.ndjson")
    n.equal("on standard output", s.out, "")
    reasons = collections.Counter(x["reason"] for x in lines if x["event"] == "conn")
    for reason in ("fin", "reset", "refused", "unanswered"):
        n.at_least(f"conn lines with reason {reason}", reasons[reason], 1)


def guard_file(s):
    kinds = collections.Counter(x["event"] for x in lines_of(s.folder / "guard.ndjson"))
    for kind in ("guard", "drop", "service", "conn"):
        n.at_least(f"{kind} lines", kinds[kind], 1)


def complete(s):
    n.equal("whole", json.loads(s.out), {"missing": 0, "lost": 0})


def busiest_seconds(s):
    want = collections.Counter(x["ts"][:19] for x in s.of("established"))
    n.equal("counts", [int(count) for count, _ in s.rows], sorted(want.values(), reverse=True)[:5])
    n.equal("seconds", {second: int(count) for count, second in s.rows}, {second: want[second] for _, second in s.rows})


def one_connection(s):
    uid = s.of("reset")[0]["uid"]
    same(s, [(x["ts"][11:29], x["event"], x["orig_state"], x["resp_state"], x.get("reason") or "-") for x in s.events
             if x.get("uid") == uid])


def longest(s):
    conns = sorted(s.of("conn"), key=lambda x: -x["duration_ns"])[:5]
    n.equal("connections", [x[1] for x in s.rows], [x["uid"] for x in conns])
    n.equal("seconds", [round(float(x[0]) * 1e9) for x in s.rows], [x["duration_ns"] for x in conns])


def failing(s):
    want = []
    for who, all_of in grouped(s.of("conn"), server).items():
        why = collections.Counter(x["reason"] for x in all_of)
        bad = sum(why[x] for x in ("refused", "reset", "unanswered"))
        if bad:
            want.append((bad, "of", len(all_of), *who, "refused", why["refused"], "reset", why["reset"], "unanswered",
                         why["unanswered"]))
    same(s, want, by=0)


def slow(s):
    want = []
    for who, all_of in grouped([x for x in s.of("established") if x["handshake_ns"]], server).items():
        us = [int(x["handshake_ns"] / 1000 + 0.5) for x in all_of]
        want.append((rank(us, 0.99), rank(us, 0.5), len(us), *who))
    same(s, want, by=0)


def whose_fault(s):
    both_known = [x for x in s.of("established") if x["server_ns"] and x["client_ns"]]
    same(s, [(port, len(x), *(int(max(y[k] for y in x) / 1000 + 0.5) for k in ("server_ns", "client_ns")))
             for port, x in grouped(both_known, lambda x: x["resp_port"]).items()])


def sent_again(s):
    keys = ("syn_rexmit", "synack_rexmit", "orig_rexmit", "resp_rexmit")
    same(s, [(x["uid"], x["orig_ip"], *server(x), *(x[k] for k in keys)) for x in s.of("conn") if any(x[k] for k in keys)])


def full(s):
    ends = [(x[f"{side}_ip"], x[f"{side}_zero_windows"]) for x in s.of("conn") for side in ("orig", "resp")]
    same(s, [(len(all_of), "connections", sum(x[1] for x in all_of), "times", ip) for ip, all_of in
             grouped([x for x in ends if x[1]], lambda x: x[0]).items()], by=0)


def live(s):
    shown = [x for x in s.out.splitlines() if not x.startswith("#")]
    n.equal("lines", len(shown), 5)
    for x in shown:
        if not re.search(r"^[\d:.]+ (opening|established|half_closed|closed|reset) .*:80\b", x):
            raise AssertionError(f"not of port 80: {x}")


def half_open(s):
    n.equal("half-open", [x[:4] for x in s.rows], [["10.0.0.2", place.V4, str(place.ABSENT), "S0"]])
    n.at_most("age", int(s.rows[0][4]), 60)


def fill(s):
    got = json.loads(s.out)
    n.equal("keys", list(got), ["flows", "flows_max", "half_open", "half_open_max", "half_open_evicted", "events_emitted",
                                "events_lost"])
    n.equal("numbers", [got[x] for x in ("flows", "half_open", "half_open_evicted", "events_lost")], [2, 1, 0, 0])
    n.equal("sizes", (got["flows_max"], got["half_open_max"], got["events_emitted"]), (131072, 32768, 5))


def histogram(s):
    head, blank, whose, figures, heading, *rows = s.out.splitlines()
    n.equal("whose", (head.split()[0], blank, whose), ("synward", "", "role server"))
    n.equal("handshakes", re.match(r"handshake: 2, p50 [0-9.]+ [num]s, p90 [0-9.]+ [num]s, p99 [0-9.]+ [num]s$", figures) and 2, 2)
    n.equal("heading", heading.split(), ["nsecs", ":", "count", "distribution"])
    n.equal("in the rows", sum(int(x.split(":")[1].split("|")[0]) for x in rows), 2)


def prometheus(s):
    got = {}
    for x in (s.folder / "synward.prom").read_text().splitlines():
        form = re.fullmatch(r'([a-z_]+(?:\{[^{}]+\})?) ([0-9.]+)', x)
        if form:
            got[form[1]] = float(form[2])
        elif not x.startswith("# "):
            raise AssertionError(f"no sample: {x}")
    want = {"synward_flows": 2, "synward_half_open": 1, 'synward_events_lost_total{event="conn"}': 0,
            'synward_events_total{event="opening"}': 3, 'synward_events_total{event="established"}': 2,
            'synward_events_total{event="conn"}': 0, f'synward_guard_state{{service="{SERVICE}"}}': 0}
    n.equal("samples", {k: got.get(k) for k in want}, want)
    shown = dict(x.rsplit(" ", 1) for x in s.out.splitlines())
    n.equal("shown", {k: got.get(k) for k in shown}, {k: float(v) for k, v in shown.items()})
    n.equal("of these", [shown.get(x) for x in ("synward_flows", "synward_half_open")], ["2", "1"])


def attack(s):
    row = n.one([x for x in s.rows if x[0] == SERVICE], "rows of the service")
    n.equal("engaged", [x[0] for x in s.rows if x[1] == "engaged"], [SERVICE])
    n.equal("cause", row[2] in ("half_open", "syn_rate", "kernel_queue"), True)
    n.at_least("SYNs a second", int(row[4]), 500)


def acted(s):
    keys = ("service", "from", "to", "cause", "half_open", "syn_rate")
    same(s, [(x["ts"][:19], *(x[k] for k in keys), str(x["dry_run"]).lower()) for x in s.of("guard", lines=s.guard)])
    n.equal("first", s.rows[0][1:4], [SERVICE, "calm", "engaged"])


def services(s):
    keys = ("service", "syns", "cookies_sent", "cookies_accepted", "dropped")
    same(s, [[x[k] for k in keys] for x in s.of("service", lines=s.guard) if x["final"]])


def dropped(s):
    want = collections.Counter()
    for x in s.of("drop", lines=s.guard):
        want[x["reason"]] += x["count"]
    n.equal("drops", json.loads(s.out), dict(want))
    n.at_least("drops", want["cookie_bad"], 1)


def too_many(s):
    often = collections.Counter(x["orig_ip"] for x in s.of("established"))
    same(s, [[ip] for ip, count in often.items() if count >= 10])
    n.equal("file", (s.folder / "block.txt").read_text(), s.out)


def block_list(s):
    n.equal("list", [row for row in s.rows if row[0] != "synward"], [["198.51.100.0/24", "command"]])


def database(s):
    want = [(*who, len(all_of), sum(x["orig_bytes"] + x["resp_bytes"] for x in all_of)) for who, all_of in
            grouped(s.of("conn"), server).items()]
    want = [[str(y) for y in x] for x in sorted(want, key=lambda x: (-x[3], x[1]))[:5]]
    n.equal("rows", [re.split(r"[,\t]", x) for x in s.out.splitlines() if "connections" not in x], want)


def duckdb(s):
    n.equal("heading", s.out.splitlines()[0], "resp_ip,resp_port,connections,bytes")
    database(s)


def zeeks(events):
    """A conn.log of Zeek's, in JSON, for the connections of events; it has not seen those that were refused."""
    return "".join(json.dumps({"uid": "CZeek" + x["uid"][5:], "community_id": x["community_id"],
                               **({"service": "http"} if x["resp_port"] == 80 else {})}) + "\n"
                   for x in events if x["event"] == "conn" and x["reason"] != "refused")


def suricatas(events):
    """An eve.json of Suricata's: flow records, and others of the same flows, which must not be taken."""
    out = ""
    for i, x in enumerate(x for x in events if x["event"] == "conn" and x["reason"] != "refused"):
        one = {"event_type": "flow", "flow_id": 10 ** 15 + i, "community_id": x["community_id"],
               **({"app_proto": "http"} if x["resp_port"] == 80 else {})}
        out += "".join(json.dumps(y) + "\n" for y in (one, {**one, "event_type": "alert", "flow_id": 0}))
    return out


def clients(events):
    """What a synward at the clients' end would have written, beyond a router that translates addresses and has reset one."""
    out, killed = "", None
    for x in events:
        if not x.get("orig_ip"):
            out += json.dumps(x) + "\n"
            continue
        here = {k: v for k, v in x.items() if not k.startswith("resp_") or k.split("_", 1)[1] not in ("socket_cookie", "cgroup")}
        here.update(uid="CUser" + x["uid"][5:], orig_ip="fd77::7" if ":" in x["orig_ip"] else "192.168.7.7")
        if x["event"] == "conn":
            here.update(orig_socket_cookie=1, orig_cgroup="/")
            if not killed and x["reason"] == "fin" and x["resp_port"] == 80 and x["ip_version"] == 4:
                killed = x["uid"]
                here.update(reason="reset", rst_by="resp", rst_state="FIN_WAIT_1", history=x["history"] + "r")
        out += json.dumps(here) + "\n"
    return out


def killer(s):
    killed = n.one([x for x in s.of("conn") if f"CUser{x['uid'][5:]}" in s.out and x["uid"] in s.out], "connections shown")
    head, at, why = s.out.splitlines()[:3]
    n.equal("block", (head.split(), at.split(), why.strip()), (
        ["reset_injected", f"192.168.7.7:{killed['orig_port']}", "->", f"{killed['resp_ip']}:80", "CUser" + killed["uid"][5:]],
        ["at", "B", f"{killed['orig_ip']}:{killed['orig_port']}", "->", f"{killed['resp_ip']}:80", killed["uid"]],
        "A saw a RST of the responder, B did not: made between"))
    shown = dict(re.findall(r"^  ([a-z_]+) +(\d+)$", s.out, re.M))
    n.equal("summary", shown, {"reset_injected": "1", "agree": str(len(s.of("conn")) - 1)})


def joined(s):
    same(s, [(x["community_id"], x["uid"], "CZeek" + x["uid"][5:], "http" if x["resp_port"] == 80 else "-", x["reason"])
             for x in s.of("conn") if x["reason"] != "refused"])


def joined_flows(s):
    same(s, [(x["community_id"], x["uid"], 10 ** 15 + i, "http" if x["resp_port"] == 80 else "-", x["reason"])
             for i, x in enumerate(x for x in s.of("conn") if x["reason"] != "refused")])


def rotating(s):
    code, out, _ = s.files["place"].sh("cat /var/log/synward/eth0.ndjson")
    n.equal("exit code", code, 0)
    n.at_least("conn lines", sum(json.loads(x)["event"] == "conn" for x in out.splitlines()), 10)


def rotated(s):
    n.equal("files", s.out.split(), ["eth0.ndjson", "eth0.ndjson.1"])


def without_root(s):
    n.at_least("conn lines", sum(x["event"] == "conn" for x in lines_of(s.folder / "events.ndjson")), 10)


EXPECTED = {
    EVENTS: event_file,
    "What is in it, and why did connections end?": lambda s: counted(s, [
        (x["event"], x.get("reason") or "-") for x in s.events if x["event"] != "stats"]),
    "Is it complete?": complete,
    "Who has the most bytes?": lambda s: same(s, summed(((x["orig_ip"],), both(x)) for x in s.of("conn")), by=0),
    "Which servers have the most bytes?": lambda s: same(s, summed((server(x), both(x)) for x in s.of("conn")), by=0),
    "Which containers and services serve the most?": lambda s: same(s, summed(
        ((x.get("resp_container") or x["resp_cgroup"],), both(x)) for x in s.of("conn") if x.get("resp_cgroup")), by=0),
    "How many connections a second?": busiest_seconds,
    "What did one host do?": lambda s: same(s, [
        (x["start"][11:19], x["orig_ip"], *server(x), x["reason"], x["orig_bytes"], x["resp_bytes"]) for x in s.of("conn")
        if "203.0.113.7" in (x["orig_ip"], x["resp_ip"])]),
    "What became of one connection?": one_connection,
    "Which connections lasted longest?": longest,
    "Which servers refuse, reset or do not answer?": failing,
    "Who was refused, by minute?": lambda s: same(s, [(c, *row) for row, c in collections.Counter(
        (x["ts"][:16], x["orig_ip"], *server(x)) for x in s.of("refused")).items()]),
    "Who resets, and in which state?": lambda s: counted(s, [
        (x[x["rst_by"] + "_ip"], x["resp_port"], x["rst_by"], x["rst_state"]) for x in s.of("reset")]),
    "Who got no answer?": lambda s: counted(s, [(x["orig_ip"], *server(x), 1 + x["syn_rexmit"]) for x in s.of("timeout")
                                                if x["reason"] == "unanswered"]),
    "Where are handshakes slow?": slow,
    "Is it the server that is slow, or the way?": whose_fault,
    "Where is data sent again?": sent_again,
    "Whose receiver is full?": full,
    "Who closes first?": lambda s: counted(s, [(x["resp_port"], x["closed_by"]) for x in s.of("conn") if x["closed_by"]]),
    "Who killed a connection: client, server, or something between?": killer,
    "What comes and goes on one port?": live,
    "Which connections are half-open now?": half_open,
    "Which processes have connections now?": lambda s: same(s, [
        (2, pathlib.Path("/proc/self/comm").read_text(encoding="utf-8").strip())]),
    "How long do handshakes take?": histogram,
    "How full is it, and is something lost?": fill,
    "Figures for Prometheus": prometheus,
    GUARD: guard_file,
    ATTACK: attack,
    "When did it act, and why?": acted,
    "What did each service see?": services,
    "What was dropped?": dropped,
    "Who came through a cookie?": lambda s: counted(s, [(x["orig_ip"],) for x in s.of("conn", lines=s.guard)
                                                        if x["via"] == "cookie"]),
    "Block who opens too many connections": too_many,
    "Change the block list while it runs": block_list,
    "Load it into SQLite": database,
    "Load it into DuckDB": duckdb,
    "Find the same connections in Zeek": joined,
    "Find the same connections in Suricata": joined_flows,
    "Rotate files by size or time": rotating,
    "Let logrotate do it": rotated,
    ROOTLESS: without_root,
}


# --- the cases ---

files = {}


def ground():
    """The place, and the two files that most recipes read, made by their own recipes."""
    if files:
        return files
    files["recipes"], files["place"] = docs.recipes(), place.Place()
    files["folder"] = files["place"].folder()
    for heading in (EVENTS, GUARD):
        files[heading] = typed(heading, files["folder"])
    for name in ("events.ndjson", "guard.ndjson"):
        files[name] = lines_of(files["folder"] / name)
    (files["folder"] / "conn.log").write_text(zeeks(files["events.ndjson"]))
    (files["folder"] / "client.ndjson").write_text(clients(files["events.ndjson"]))
    (files["folder"] / "eve.json").write_text(suricatas(files["events.ndjson"]))
    return files


def typed(heading, folder, change=lambda text: text):
    """What the recipe prints there."""
    p, out = files["place"], ""
    p.clean()
    flood = p.attacked() if heading == ATTACK else None
    for known, text in files["recipes"][heading].statements():
        out += p.statement(change(known), change(text), folder)
    if flood:
        p.over(flood, stop=True)
    p.look_away()
    if os.environ.get("SW_TEST_SHOW"):
        print("\n".join(f"#   {x}" for x in (heading, *out.splitlines())))
    return out


def ours():
    """A working directory of a recipe's own."""
    return files["place"].folder(*ground()["folder"].iterdir())


def recipe(heading):
    def case():
        if "DuckDB" in heading:
            docs.needs_duckdb()
        ground()
        folder = files["folder"] if heading in files else ours()
        out = files[heading] if heading in files else typed(heading, folder)
        EXPECTED[heading](Shown(files, folder, out))

    case.__name__ = re.sub(r"\W+", "_", heading).strip("_").lower()
    case.__doc__ = heading
    return case


def all_of_them():
    """each recipe has an expectation, and shows what it prints"""
    n.equal("recipes", list(EXPECTED), list(docs.recipes()))
    shown = {x.heading for x in docs.blocks(docs.RECIPES) if x.info == "console"}
    n.equal("without output", [x for x in EXPECTED if x not in shown], [])


def doctored(change):
    """events.ndjson with its lines changed: the folder, and the recipes' view of it."""
    folder = ours()
    lines = change([dict(x) for x in files["events.ndjson"]])
    (folder / "events.ndjson").write_text("".join(json.dumps(x) + "\n" for x in lines))
    return folder, {**files, "events.ndjson": lines}


def huge(lines):
    for x in lines:
        if "orig_ip_bytes" in x:
            x["orig_ip_bytes"] += 1 << 40
    return lines


def torn(lines):
    """Three lines are missing; of two of them a loss line speaks, which is a line itself."""
    return lines[:5] + [{**lines[8], "event": "loss", "lost": 2}] + lines[9:]


def large_numbers():
    """sums above 2^31 are whole numbers, in mawk too"""
    ground()
    folder, view = doctored(huge)
    for heading in ("Who has the most bytes?", "Which servers have the most bytes?"):
        EXPECTED[heading](Shown(view, folder, typed(heading, folder)))


def losses():
    """a file with missing lines is not called complete"""
    ground()
    folder, _ = doctored(torn)
    n.equal("missing", json.loads(typed("Is it complete?", folder)), {"missing": 3, "lost": 2})
    for change, missing in ((lambda lines: lines[10:] + lines, 0), (lambda lines: lines + lines[1:], 1)):
        folder, _ = doctored(change)
        n.equal("missing of two runs", json.loads(typed("Is it complete?", folder)), {"missing": missing, "lost": 0})


BROKEN = (  # recipe, what is changed in it, to what, in which lines
    ("Who was refused, by minute?", "| sort | uniq", "| uniq", lambda lines: lines[::-1] + lines),
    ("Who has the most bytes?", "%.0f", "%.6g", huge),  # as print does in the mawk of Debian 12
    ("Who closes first?", "sort | uniq -c", "uniq -c", lambda lines: lines[::-1] + lines),
    ("What did one host do?", "203.0.113.7", "203.0.113.8", None),
    ("Where are handshakes slow?", "0.99", "0.5", None),
    ("Who resets, and in which state?", '"orig"', '"resp"', None),
    ("Load it into SQLite", "sum(orig_bytes + resp_bytes)", "sum(orig_bytes)", None),
)


def broken():
    """a recipe that is wrong is found; as it is, it is right about the same lines"""
    ground()
    for heading, old, new, change in BROKEN:
        folder, view = doctored(change) if change else (ours(), files)
        n.equal(f"{heading} has {old}", old in files["recipes"][heading].text, True)
        EXPECTED[heading](Shown(view, folder, typed(heading, folder)))
        (folder / "synward.db").unlink(missing_ok=True)
        shown = typed(heading, folder, lambda x, a=old, b=new: x.replace(a, b))
        try:
            EXPECTED[heading](Shown(view, folder, shown))
        except (AssertionError, ValueError, IndexError):
            continue
        raise AssertionError(f"{heading}: {new} in place of {old} was not found")


if __name__ == "__main__":
    n.main(all_of_them, *(recipe(x) for x in EXPECTED), large_numbers, losses, broken, keep=True)
