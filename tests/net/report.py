#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`synward report`: lines of real traffic and of a real flood, on the host of kit/place.py, become a page that a headless
Chromium opens. What it shows is what jq says of the same file. SW_TEST_SHOW=DIR keeps pictures of it."""
import datetime
import functools
import gzip
import json
import os
import pathlib
import subprocess
import sys
import urllib.parse

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit.browser import Browser  # noqa: E402  pylint: disable=wrong-import-position
from kit.place import Place  # noqa: E402  pylint: disable=wrong-import-position

OK, USAGE, INPUT, OUTPUT = 0, 2, 8, 9
OUTCOMES = ("closed", "reset", "refused", "unanswered", "timeout", "other")
RUNS = ("sudo synward run -i eth0 --timeout-syn-sent 2 > plain.ndjson",
        "sudo synward run -i eth0 --guard auto --engage half-open=200 --hold 1 --grace 1 --interval 1 > guard.ndjson")
OWN = {"toString": 1}
HOSTILE = "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>\u2028'\"&<!--"


@functools.cache
def ground():
    """A folder with events.ndjson of all kinds of connections, and of a flood that the guard met."""
    place = Place()
    folder = place.folder()
    for run in RUNS:
        place.statement("", run, folder)
    (folder / "events.ndjson").write_bytes(b"".join((folder / f"{x}.ndjson").read_bytes() for x in ("plain", "guard")))
    return folder


@functools.cache
def browser():
    return Browser()


def report(*args, code=OK, stdin=None, out=None):
    """The page, and what is on standard error."""
    with open(out, "wb") if out else open(os.devnull, "wb") as f:
        r = subprocess.run([n.SYNWARD, "report", *map(str, args)], input=stdin, stdout=f if out else subprocess.PIPE,
                           stderr=subprocess.PIPE, check=False)
    n.equal(f"exit code of report {args} ({r.stderr.decode().strip()})", r.returncode, code)
    return None if out else r.stdout.decode(), r.stderr.decode()


def jq(path, program):
    return json.loads(n.sh("jq", "-nc", program, str(path)).stdout)


def page(name, *args, **kw):
    """The page of these arguments, opened."""
    out = ground() / f"{name}.html"
    err = report(*args, out=out, **kw)[1]
    b = browser()
    b.errors.clear()
    b.look(1280)
    b.open(f"file://{out}")
    check(b, out)
    return b, out, err


def check(b, out):
    """No script fails, the policy blocks nothing of ours, and nothing but the page itself is asked for."""
    n.equal("errors of the page", b.errors, [])
    n.equal("what it loads", [x for x in b.events if x != "about:blank"], [f"file://{out}"])


def number(text):
    return int(text.replace(",", ""))


def figures():
    """outcomes, percentiles, top lists, guard and drops are jq's over the same file"""
    events = ground() / "events.ndjson"
    b, _, err = page("figures", events)
    n.equal("standard error", err, "")
    reasons = dict(jq(events, '[inputs | select(.event == "conn").reason] | group_by(.) | map([.[0], length])'))
    for reason in ("fin", "reset", "refused", "unanswered"):
        n.at_least(f"connections that end by {reason}", reasons.get(reason, 0), 1)
    want = {"closed": reasons.pop("fin", 0), "reset": reasons.pop("reset", 0) + reasons.pop("aborted", 0),
            **{x: reasons.pop(x, 0) for x in ("refused", "unanswered", "timeout")}}
    want["other"] = sum(reasons.values())
    got = dict(zip(OUTCOMES, (number(x.split()[-1]) for x in b.texts("#outcomes .legend button"))))
    n.equal("outcomes", got, want)
    n.equal("connections", number(b.text("#tile-connections b")), sum(want.values()))
    n.equal("lost", b.text("#tile-lost b"), "0")
    bars = b.run("[...document.querySelectorAll('#outcomes rect')].filter((r) => r.getAttribute('fill') === 'var(--refused)').length")
    n.at_least("bars of refused connections", bars, 1)

    by_server = jq(events, '[inputs | select(.event == "established" and .handshake_ns)] | group_by([.resp_ip, .resp_port])[] |'
                           '(map(.handshake_ns) | sort) as $ns | ($ns | length) as $n | {at: .[0], n: $n, p50: $ns[($n * 0.5 | ceil) - 1],'
                           'p90: $ns[($n * 0.9 | ceil) - 1], p99: $ns[($n * 0.99 | ceil) - 1], max: $ns[-1]}'.join(("[", "]")))
    want = {}
    for x in by_server:
        ip = x["at"]["resp_ip"]
        want[f"[{ip}]:{x['at']['resp_port']}" if ":" in ip else f"{ip}:{x['at']['resp_port']}"] = {k: x[k] for k in ("n", "p50", "p90", "p99", "max")}
    n.at_least("servers", len(want), 3)
    got = b.run("Object.fromEntries([...document.querySelectorAll('#servers tr[data-server]')].map((r) => [r.dataset.server,"
                "Object.fromEntries(['n', 'p50', 'p90', 'p99', 'max'].map((c) => [c, +r.querySelector(`[data-column=${c}]`).dataset.value]))]))")
    n.equal("handshakes by server", got, want)

    refused = jq(events, '[inputs | select(.event == "conn" and .reason == "refused")] | group_by(.orig_ip) | map([.[0].orig_ip, length]) | sort_by(-.[1])')
    got = [x.split("\n") for x in b.texts("#top-refused-clients li")]
    n.equal("refused clients", sorted((x[0], number(x[1].split()[0])) for x in got), sorted((ip, c) for ip, c in refused))

    changes = jq(events, '[inputs | select(.event == "guard") | [.service, .from, .to, .cause, .half_open]]')
    n.at_least("changes of the guard", len(changes), 1)
    got = b.run("[...document.querySelectorAll('.service[data-service]')].flatMap((s) => [...s.querySelectorAll('tbody tr')].map((r) => "
                "[s.dataset.service, ...r.cells[1].textContent.split(' → '), r.cells[2].textContent, +r.cells[3].textContent.replaceAll(',', '')]))")
    n.equal("changes of the guard", sorted(got), sorted(changes))
    n.at_least("bands of the engaged guard", b.run("document.querySelectorAll('rect.state.engaged').length"), 1)
    peak = jq(events, '[inputs | select(.event == "guard" or .event == "service").half_open] | max')
    n.equal("peak of half-open handshakes", b.run("Math.max(...data.services.flatMap((s) => s.line.halfOpen))"), peak)
    drops = jq(events, '[inputs | select(.event == "drop" and .dry_run == false)] | group_by(.reason) | map([.[0].reason, (map(.count) | add)])')
    got = [x.split("\n") for x in b.texts("#drops li")]
    n.equal("drops", sorted((x[0], number(x[1].split()[0])) for x in got), sorted((r, c) for r, c in drops))


def table():
    """search and outcomes filter the table; a click opens the picture of a connection, a second one shuts it"""
    events = ground() / "events.ndjson"
    b, out, _ = page("table", events)
    conns = jq(events, '[inputs | select(.event == "conn")]')
    rows = "document.querySelectorAll('#rows tr.row').length"
    n.equal("all rows", b.text("#found"), str(len(conns)))
    b.type("#q", "port:443 reason:refused")
    want = [x["uid"] for x in conns if 443 in (x["resp_port"], x["orig_port"]) and x["reason"] == "refused"]
    n.at_least("refused at 443", len(want), 1)
    n.equal("rows found", sorted(b.run("[...document.querySelectorAll('#rows tr.row')].map((r) => r.dataset.uid)")), sorted(want))
    n.equal("count", b.text("#found"), f"{len(want)} of {len(conns)}")
    b.open(f"file://{out}#q=10.0.0.1%20history:s")
    check(b, out)
    n.equal("by the address", b.run(rows), len([x for x in conns if x["history"] == "S" and "10.0.0.1" in (x["orig_ip"], x["resp_ip"])]))
    b.open(f"file://{out}#q=no-such-thing")
    n.equal("nothing", (b.run(rows), b.text("#found")), (0, f"0 of {len(conns)}"))

    b.open(f"file://{out}")
    b.click(".chips button[data-outcome=reset]")
    n.equal("reset ones", b.run(rows), sum(x["reason"] in ("reset", "aborted") for x in conns))
    b.click(".chips button[data-outcome=reset]")
    one = next(x for x in conns if x["history"].startswith("ShAD") and x["reason"] == "fin" and x["handshake_ns"] and x["ip_version"] == 4)
    b.type("#q", one["uid"])
    b.click("#rows tr.row td.ends")
    n.equal("pictures", b.run("document.querySelectorAll('svg.ladder').length"), 1)
    n.equal("arrows", b.run("document.querySelectorAll('svg.ladder g').length"), len(one["history"].replace("^", "")))
    text = b.run("document.querySelector('svg.ladder').textContent")
    for word in ("SYN-ACK", f"mss {one['orig_mss']}", "both sides closed", "FIN"):
        n.equal(f"{word!r} in the picture", word in text, True)
    n.equal("times: SYN, SYN-ACK, ACK", len(b.run(TIMES)), 3)
    n.equal("dashed arrows", b.run(DASHED), 0)
    n.equal("parties", b.texts(".parties b"), [f"{one['orig_ip']}:{one['orig_port']}", f"{one['resp_ip']}:{one['resp_port']}"])
    n.equal("the line", json.loads(b.run("document.querySelector('.story pre').textContent")), one)
    n.equal("the address", b.run("location.hash"), f"#q={one['uid']}&open={one['uid']}")
    n.equal("errors", b.errors, [])
    b.click("#rows tr.row td.ends")
    n.equal("pictures", b.run("document.querySelectorAll('svg.ladder').length"), 0)
    for pictures in (1, 0):  # by the keyboard, which stays where it is
        b.run("document.querySelector('#rows td.at button').focus()" if pictures else "0")
        for kind in ("keyDown", "keyUp"):
            b.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r" if kind == "keyDown" else "")
        n.equal("pictures", b.run("document.querySelectorAll('svg.ladder').length"), pictures)
        n.equal("focus", b.run("document.activeElement.dataset.key"), one["uid"])

    silent = next(x for x in conns if x["reason"] == "unanswered")
    b.open(f"file://{out}#open={silent['uid']}")
    n.equal("no answer", "no answer" in b.run("document.querySelector('svg.ladder').textContent"), True)
    cookie = next(x for x in conns if x["via"] == "cookie")
    b.open(f"file://{out}#open={cookie['uid']}")
    n.equal("times through a cookie", (b.run(TIMES), b.run(DASHED)), ([], 2))


TIMES = "[...document.querySelectorAll('svg.ladder > text[text-anchor=end]')].map((t) => t.textContent)"
DASHED = "document.querySelectorAll('svg.ladder g line[stroke-dasharray]').length"


def looks():
    """nothing is wider than the window, at 360 and 1280 pixels, light and dark, and text stands out from its ground"""
    keep = os.environ.get("SW_TEST_SHOW")
    _, out, _ = page("looks", ground() / "events.ndjson")
    b = browser()
    uid = b.run("document.querySelector('#rows tr.row').dataset.uid")
    grounds = set()
    for scheme in ("light", "dark"):
        for width in (360, 1280):
            b.look(width, scheme)
            b.open(f"file://{out}#open={uid}")
            b.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            n.equal(f"width, {scheme}", b.run("document.documentElement.scrollWidth"), width)
            n.equal("too wide", b.run("[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)"
                                      ".map((e) => `${e.tagName} ${e.textContent.slice(0, 40)}`)"), [])
            for selector in ("h1", "#about", ".what", "#rows td", ".tile span", "svg text", "footer p", ".story dt", ".badge", ".bars .n", "th"):
                n.at_least(f"contrast of {selector}, {scheme}", b.run(CONTRAST % json.dumps(selector)), 4.5)
            grounds.add(b.run("getComputedStyle(document.body).backgroundColor"))
            if keep:
                b.shot(pathlib.Path(keep) / f"report-{width}-{scheme}.png")
    n.equal("grounds", len(grounds), 2)
    b.look(1280)


# WCAG 2's contrast of an element's text with what is behind it.
CONTRAST = """(() => {
  const rgb = (c) => c.match(/[0-9.]+/g).map(Number), e = document.querySelector(%s);
  let at = e, ground = [0, 0, 0, 0];
  for (; at && (ground.length === 4 && ground[3] === 0); at = at.parentElement) ground = rgb(getComputedStyle(at).backgroundColor);
  const style = getComputedStyle(e), text = rgb(e instanceof SVGElement ? style.fill : style.color);
  const light = (c) => { const [r, g, b] = c.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const [a, b] = [light(text.slice(0, 3)), light(ground.slice(0, 3))].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
})()"""


def early():
    """a connection that began days ago makes no narrow strip of the log, and the page says that it is not drawn"""
    lines = (ground() / "plain.ndjson").read_text().splitlines()
    old = next(json.loads(x) for x in reversed(lines) if '"event":"conn"' in x)
    path = ground() / "early.ndjson"
    path.write_text("\n".join([*lines, json.dumps({**old, "uid": "C" + "0" * 17, "seq": old["seq"] + 1, "start": "2026-01-01T00:00:00.000000000Z"}),
                               json.dumps({**old, "uid": "C" + "1" * 17, "seq": old["seq"] + 2, "start": lines_time(lines, -240)})]) + "\n")
    b, _, _ = page("early", path)
    n.equal("what it says", b.text("#outcomes .sub"), "Not drawn: 2 connections that began long before the first line.")
    n.equal("counted", number(b.text("#tile-connections b")), sum('"event":"conn"' in x for x in lines) + 2)
    n.at_most("milliseconds of a bin", b.run("data.line.width"), 500)
    b, _, _ = page("figures", ground() / "events.ndjson")
    n.equal("what it says", b.text("#outcomes .sub"), "")


def lines_time(lines, seconds):
    """So long after the first line."""
    first = datetime.datetime.fromisoformat(json.loads(lines[0])["ts"][:19])
    return (first + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")


def losses():
    """losses are red, broken lines are counted, on the page and once on standard error"""
    lines = (ground() / "events.ndjson").read_text().splitlines()
    count = next(i for i, x in enumerate(lines) if '"event":"conn"' in x) + 1
    some, seq = lines[:count], json.loads(lines[count - 1])["seq"]
    some.append(json.dumps({"schema": 3, "seq": seq + 41, "ts": json.loads(lines[0])["ts"], "event": "loss", "lost": 40, "lost_conn": 25, "lost_opening": 15, "sample": 10}))
    some.insert(2, lines[2][:70])
    some.insert(5, '{"schema":2,"event":"conn"}')
    path = ground() / "torn.ndjson"
    path.write_text("\n".join(some) + "\n" + lines[count][:90])
    b, _, err = page("losses", path)
    n.equal("lines on standard error", len(err.splitlines()), 2)
    n.equal("what it says", f"2 of {count + 4} lines are no event lines and are left out, the first is line 3 of {path}" in err, True)
    n.equal("lost", b.text("#tile-lost b"), "40")
    n.equal("by kind", b.texts("#lost-by li"), ["conn\n25 63 %", "opening\n15 38 %"])
    red = b.run("getComputedStyle(document.querySelector('#lost-total')).color")
    r, g, blue = (int(x) for x in red[4:-1].split(","))
    n.equal(f"red ({red})", r > 2 * g and r > 2 * blue, True)
    n.equal("the same red", b.run("getComputedStyle(document.querySelector('#tile-lost b')).color"), red)
    n.at_least("marks of losses", b.run("document.querySelectorAll('rect.lost').length"), 1)
    notices = "\n".join(b.texts("#notices p"))
    for word in ("40 events were lost", f"2 lines of {count + 4} could not be read", "1 line of another schema", "a sample, of about one of 10 connections"):
        n.equal(f"{word!r} in {notices!r}", word in notices, True)


def hostile():
    """text from the lines is text: it runs nothing, loads nothing, and is shown as it is"""
    conn = json.loads(next(x for x in (ground() / "events.ndjson").read_text().splitlines() if '"event":"conn"' in x))
    rows = [{**conn, "seq": 1, "host": HOSTILE, "iface": HOSTILE, "reason": HOSTILE, "uid": HOSTILE, "history": HOSTILE, "orig_ip": HOSTILE,
             "community_id": HOSTILE, "conn_state": HOSTILE, "ladder": [HOSTILE], "new_key": HOSTILE},
            {**conn, "seq": 2, "uid": None, "history": 7, "start": {}, "orig_bytes": "x", "resp_port": [], "duration_ns": -5, "vlan": {"a": 1}},
            {**conn, "seq": 3, "uid": "__proto__", "reason": "constructor", "host": "toString"},
            {"schema": 3, "seq": 4, "event": "guard", "ts": conn["ts"], "service": HOSTILE, "mode": HOSTILE, "from": HOSTILE, "to": "engaged",
             "cause": HOSTILE, "host": HOSTILE},
            {"schema": 3, "seq": 5, "event": "drop", "ts": conn["ts"], "reason": HOSTILE, "count": 2**64 - 1, "dry_run": False},
            {"schema": 3, "seq": 6, "event": "anomaly", "ts": conn["ts"], "anomaly": HOSTILE},
            {"schema": 3, "seq": 7, "event": HOSTILE},
            {**conn, "seq": 8, **{x: OWN for x in ("uid", "host", "history", "reason", "conn_state", "orig_ip", "orig_port", "start", "ts", "syn_rexmit",
                                                   "orig_pkts", "orig_bytes", "handshake_ns", "duration_ns", "community_id")}, "vlan": [OWN, 5],
             "ladder": [{"from": "orig", "ns": OWN, "flags": OWN, "payload": OWN}]}]
    path = ground() / "hostile <script><b>.ndjson"
    path.write_text("".join(json.dumps(x) + "\n" for x in rows))
    b, out, _ = page("hostile", path)
    n.equal("rows", b.run("document.querySelectorAll('#rows tr.row').length"), 4)
    n.equal("elements of theirs", b.run("document.querySelectorAll('img, b b, main script').length"), 0)
    n.equal("shown as it is", HOSTILE[:20] in b.text("#about"), True)
    n.equal("the file's name", "hostile <script><b>.ndjson" in b.text("#foot"), True)
    for i in range(4):
        b.open(f"file://{out}")
        b.run(f"document.querySelectorAll('#rows tr.row td.ends')[{i}].click()")
        n.equal("pictures", b.run("document.querySelectorAll('.story svg').length"), 1)
    own = json.dumps(OWN, separators=(",", ":"))
    for text, found in (("syn_rexmit:x", 0), (f"uid:{own}", 1), (f"vlan:{own},5", 1), ("ladder:x", 0)):
        b.open(f"file://{out}#q={urllib.parse.quote(text)}")
        n.equal(f"rows of {text}", b.run("document.querySelectorAll('#rows tr.row').length"), found)
    b.open(f"file://{out}")
    b.type("#q", HOSTILE)
    n.equal("ran", b.run("typeof window.broken"), "undefined")
    n.equal("errors", b.errors, [])
    n.equal("what it loads", {x for x in b.events if x != "about:blank"}, {f"file://{out}"})


def changes():
    """after the changes that are kept nothing is known of a service's state, and the page claims nothing of it"""
    def at(second):
        return (datetime.datetime(2026, 11, 28) + datetime.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")

    states = [("engaged", "calm") if i % 2 == 0 else ("calm", "engaged") for i in range(402)]
    states[0] = ("calm", "calm")
    lines = [json.dumps({"schema": 3, "seq": i + 1, "event": "guard", "ts": at(i), "service": "10.0.0.1:80", "mode": "auto", "from": x, "to": y,
                         "cause": "syn_rate", "half_open": 1, "syn_rate": 1, "completed_rate": 1}) for i, (x, y) in enumerate(states)]
    last = "statesOf(services[0], ...guardTimes()).at(-1).end - services[0].changes.at(-1).at"
    for count, text, rest in ((402, "engaged for at least 3 min 19 s", 0), (400, "engaged for 63 min 20 s", 3600)):
        path = ground() / f"changes{count}.ndjson"
        path.write_text("\n".join([*lines[:count], json.dumps({"schema": 3, "seq": count + 1, "event": "stats", "ts": at(4000)})]) + "\n")
        b, _, _ = page(f"changes{count}", path)
        said = b.text(".service .sub")
        n.equal(f"{text!r} in {said!r}", text in said, True)
        n.equal("seconds after the last change", b.run(last) > 0, rest > 0)


def recorded():
    """a line with `ladder` is drawn from it, and one of a form that is not known from the rest of the line"""
    conn = json.loads(next(x for x in (ground() / "events.ndjson").read_text().splitlines() if '"event":"conn"' in x))
    good = [{"from": "orig", "ns": 0, "flags": "SYN", "seq": 1}, {"from": "resp", "ns": 5000, "flags": "SYN,ACK", "seq": 9, "ack": 2},
            {"from": "orig", "ns": 7000, "flags": "ACK", "ack": 10}, {"from": "orig", "ns": 9000, "flags": "PSH,ACK", "len": 12}]
    path = ground() / "ladder.ndjson"
    path.write_text("".join(json.dumps({**conn, "seq": i + 1, "uid": f"C{i:017}", "ladder": x}) + "\n" for i, x in enumerate((good, "S>h<", [1, 2]))))
    b, out, _ = page("recorded", path)
    for i, arrows in enumerate((4, len(conn["history"]), len(conn["history"]))):
        b.open(f"file://{out}#open=C{i:017}")
        n.equal("arrows", b.run("document.querySelectorAll('svg.ladder g').length"), arrows)
    b.open(f"file://{out}#open=C{0:017}")
    n.equal("times", "+5.00 µs" in b.run("document.querySelector('svg.ladder').textContent"), True)


def own_ladder():
    """the ladder of a line that synward has made, as the page draws it: each segment, relative numbers, what is missing"""
    state = {"orig_state": "ESTABLISHED", "resp_state": "ESTABLISHED"}
    conn = json.loads(next(x for x in (ground() / "events.ndjson").read_text().splitlines() if '"event":"conn"' in x))
    conn.update(orig_isn=4294967295, resp_isn=1000, ladder_more=3, ladder=[
        {"ns": 0, "from": "orig", "flags": "SYN", "seq": 4294967295, "ack": None, "len": 0, **state},
        {"ns": 1500, "from": "resp", "flags": "SYN,ACK", "seq": 1000, "ack": 0, "len": 0, **state},
        {"ns": 2500000, "from": "orig", "flags": "PSH,ACK", "seq": 0, "ack": 1001, "len": 77, **state}])
    path = ground() / "own_ladder.ndjson"
    path.write_text("".join(json.dumps({**conn, "seq": i + 1, "uid": f"C{i:017}", "ladder_more": x}) + "\n" for i, x in enumerate((3, None, 0))))
    b, out, _ = page("own_ladder", path)
    for i, said in enumerate(("3 more were not kept.", "What came before is not known.", "since the first one.")):
        b.open(f"file://{out}#open=C{i:017}")
        n.equal(f"{said!r}", b.text(".story .sub").endswith(said), True)
        text = b.run("document.querySelector('svg.ladder').textContent")
        for piece in ("SYN  seq 0", "SYN,ACK  seq 0, ack 1", "PSH,ACK  seq 1, ack 1, 77 B", "+1.50 µs", "+2.50 ms"):
            n.equal(f"{piece!r} in {text!r}", piece in text, True)


def inputs():
    """several files, gzip, standard input: the same page; what cannot be read is an error and no page"""
    events = ground() / "events.ndjson"
    raw = events.read_bytes()
    half = raw.index(b"\n", len(raw) // 2) + 1
    parts = ground() / "one.ndjson", ground() / "two.ndjson.gz"
    parts[0].write_bytes(raw[:half])
    parts[1].write_bytes(gzip.compress(raw[half:]))

    def rest(text):
        """But for the names of the files, and the numbering, which is followed within a file."""
        data = json.loads(text.split('id="data">')[1].split("</script>")[0])
        data.pop("files")
        return data, sorted(text.split('id="lines">')[1].split("</script>")[0].splitlines())

    whole = rest(report(events)[0])
    n.equal("two files", rest(report(*parts)[0]), whole)
    n.equal("standard input", rest(report("-", stdin=gzip.compress(raw))[0]), whole)
    n.equal("nothing", report("-", stdin=b"")[1], "")
    for args, code, word in (((), USAGE, "which event lines"), (("/nowhere",), INPUT, "/nowhere: No such file"), (("/tmp",), INPUT, "Is a directory"),
                             ((events, "/nowhere"), INPUT, "No such file"), (("--rows", "x", events), USAGE, "rows")):
        text, err = report(*args, code=code)
        n.equal(f"page of {args}", text, "")
        n.equal(f"{word!r} in {err!r}", word in err and len(err.splitlines()) <= 2, True)
    for noise in (b"Nov 28 host kernel: hello\n" * 3, b"Nov 28 host kernel: hello\n\n", b'{"@timestamp":"2026-11-29","event":{"kind":"event"}}\n'):
        text, err = report("-", stdin=noise, code=INPUT)
        n.equal("no event line", (text, "no event line" in err), ("", True))
    n.equal("non-blocking", rest(late(raw)), whole)
    text, err = report("-", stdin=gzip.compress(raw)[:-4000], code=INPUT)
    n.equal("damaged", ("damaged gzip data after line" in err, text.endswith("</html>\n"), '"damaged":"standard input"' in text), (True, True, True))
    with open("/dev/full", "wb") as full:
        n.equal("full disk", subprocess.run([n.SYNWARD, "report", events], stdout=full, stderr=subprocess.PIPE, check=False).returncode, OUTPUT)


def late(raw):
    """The page of standard input that is non-blocking, and empty when it is first read."""
    r, w = os.pipe()
    os.set_blocking(r, False)
    out = ground() / "late.html"
    with open(out, "wb") as f:
        p = subprocess.Popen([n.SYNWARD, "report", "-"], stdin=r, stdout=f)
    n.started.append(p)
    os.close(r)
    n.until(lambda: p.poll() is not None or "poll" in pathlib.Path(f"/proc/{p.pid}/wchan").read_text(encoding="ascii"))
    n.equal("exit code so far", p.poll(), None)
    with os.fdopen(w, "wb") as f:
        f.write(raw)
    n.equal("exit code", p.wait(60 * n.SLOW), OK)
    return out.read_text()


def memory():
    """200,000 connections of 40,000 servers take no more than 64 MB, and the page stays small"""
    conn = next(x for x in (ground() / "events.ndjson").read_text().splitlines() if '"event":"conn"' in x and '"reason":"fin"' in x)
    row = json.loads(conn)
    head, tail = conn.split(f'"resp_ip":"{row["resp_ip"]}","resp_port":{row["resp_port"]}')
    r, w = os.pipe()
    out = ground() / "large.html"
    with open(out, "wb") as f:
        p = subprocess.Popen([n.SYNWARD, "report", "-"], stdin=r, stdout=f)
    n.started.append(p)
    os.close(r)
    with os.fdopen(w, "w") as f:
        for i in range(200000):
            f.write(f'{head}"resp_ip":"10.{i % 160}.{i % 250}.9","resp_port":{i % 40000 + 1}{tail}\n')
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    n.equal("exit code", p.returncode, OK)
    if "SW_TEST_SYNWARD" not in os.environ:
        n.at_most("MB", used.ru_maxrss / 1024, 64)
    n.at_most("bytes of the page", out.stat().st_size, 2_000_000)
    data = json.loads(out.read_text().split('id="data">')[1].split("</script>")[0])
    n.equal("counted", sum(data["outcomes"]), 200000)


n.main(figures, table, looks, early, losses, hostile, changes, recorded, own_ladder, inputs, memory, keep=True)
