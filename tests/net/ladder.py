#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ladders of real connections: in conn lines, and drawn by `synward ladder` from the tables, a pipe, and a file; the SVG in
Chromium. SW_TEST_SHOW=DIR keeps pictures.

    a  cli0 o=====o srv0  b   synward on srv0
"""
import os
import re
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import guard as k  # noqa: E402  pylint: disable=wrong-import-position
from kit import pin as p  # noqa: E402  pylint: disable=wrong-import-position
from kit.browser import Browser  # noqa: E402  pylint: disable=wrong-import-position

OK, USAGE, INPUT, NOT_RUNNING = 0, 2, 8, 11
SERVER = {4: "10.66.0.2", 6: "fd66::2"}
PORT = 7777
ARROW = re.compile(r"^([A-Z_0-9]+) *\|(<?)-* (.*?) -*(>?)\| +([A-Z_0-9]+)$", re.M)
OPEN = [("orig", "SYN", "SYN_SENT", "LISTEN"), ("resp", "SYN,ACK", "SYN_SENT", "SYN_RECEIVED"),
        ("orig", "ACK", "ESTABLISHED", "ESTABLISHED")]


def draw(ns, *args, code=OK, lang="C", **kw):
    """What it prints, and what is on standard error."""
    r = n.run([n.SYNWARD, "ladder", *map(str, args)], ns, text=True, env={**os.environ, "LC_ALL": lang}, **kw)
    n.equal(f"exit code of ladder {args} ({r.stderr.strip()})", r.returncode, code)
    return r.stdout, r.stderr


def arrows(text):
    """[(sender, flags, state of the originator, of the responder)] of a drawing in ASCII."""
    return [("resp" if left else "orig", label.split(" seq ")[0], orig, resp)
            for orig, left, label, _, resp in ARROW.findall(text)]


def steps(conn):
    return [(x["from"], x["flags"], x["orig_state"], x["resp_state"]) for x in conn["ladder"]]


def without_push(all_steps):
    """Whether a stack pushes is its own choice."""
    return [(who, flags.replace("PSH,", ""), *states) for who, flags, *states in all_steps]


class Ground:
    def __init__(self, *args):
        self.a, self.b = n.pair()
        self.listener = {v: n.listen(self.b, SERVER[v], PORT) for v in (4, 6)}
        self.sw = n.Synward(self.b, "srv0", args=("--ladder", "--close-delay", 0.1, *args))

    def open(self, v=4):
        return n.open_pair(self.a, self.listener[v])


def lines():
    """conn lines have the handshake, the first data of each side and the close, with states and times; also over IPv6"""
    g = Ground()
    names = {}
    for v in (4, 6):
        c, s = g.open(v)
        names[v] = c.getsockname()
        k.speak(c, s, 100)
        k.end(c, s)
    g.sw.stop()
    for v in (4, 6):
        conn = n.one(n.of(g.sw.lines(), names[v], "conn"))
        n.equal("more", conn["ladder_more"], 0)
        got = without_push(steps(conn))
        n.equal("handshake", got[:3], OPEN)
        for who in ("orig", "resp"):
            first = next(x for x in conn["ladder"] if x["from"] == who and x["len"])
            n.equal(f"first data of {who}", (first["len"], first["seq"]), (100, (conn[f"{who}_isn"] + 1) & 0xffffffff))
        n.equal("FINs", [x[0] for x in got if "FIN" in x[1]], ["orig", "resp"])
        n.equal("the end", got[-1][2:], (conn["orig_state"], conn["resp_state"]))
        times = [x["ns"] for x in conn["ladder"]]
        n.equal("times", times, sorted(times))
        n.equal("server time", times[1], conn["server_ns"])
        n.equal("handshake time", times[2], conn["handshake_ns"])
        n.equal("the last one", times[-1] <= conn["duration_ns"], True)


def tables():
    """an open connection is drawn from the tables: by uid, by filter, as text and as an image; a filter that leaves it out says so"""
    g = Ground()
    c, s = g.open()
    k.speak(c, s, 100)
    port = c.getsockname()[1]
    text, _ = draw(g.b, "-p", g.sw.p.pid)
    n.equal("handshake", arrows(text)[:3], OPEN)
    n.equal("columns", max(map(len, text.splitlines())), 80)
    for piece in (f"10.66.0.1:{port}", "10.66.0.2:7777", "SYN seq 0 -", "SYN,ACK seq 0 ack 1 -", " len 100 -", "open, last segment after"):
        n.equal(f"{piece!r} in {text}", piece in text, True)
    uid = text.split()[0]
    for args in ((uid,), ("--port", port), ("--uid", uid), ("--state", "ESTABLISHED")):
        n.equal(f"by {args}", arrows(draw(g.b, "-p", g.sw.p.pid, *args)[0]), arrows(text))
    said = draw(g.b, "-p", g.sw.p.pid, "--not-port", port)
    n.equal("nothing", (said[0], "no connection in the tables fits" in said[1]), ("", True))
    image, _ = draw(g.b, "-p", g.sw.p.pid, "--svg")
    n.equal("image", (image.startswith("<svg "), image.count('class="arrow"')), (True, len(arrows(text))))
    boxes, _ = draw(g.b, "-p", g.sw.p.pid, lang="C.UTF-8")
    n.equal("arrows of UTF-8", boxes.count("\u25b6\u2502") + boxes.count("\u2502\u25c0"), len(arrows(text)))
    n.reset(c)
    s.close()
    g.sw.stop()
    conn = n.one([x for x in g.sw.lines() if x["event"] == "conn"])
    n.equal("and then", steps(conn)[:len(arrows(text))], arrows(text))
    n.equal("reset", conn["ladder"][-1]["flags"], "RST,ACK")


def in_file():
    """lines of a file and of a pipe: the drawing has what the line says; uids, filters and a count choose"""
    g = Ground()
    names = []
    for _ in range(2):
        c, s = g.open()
        names.append(c.getsockname())
        k.speak(c, s, 100)
        k.end(c, s)
    n.until(lambda: len([x for x in g.sw.lines() if x["event"] == "conn"]) == 2)
    g.sw.stop()
    conns = [n.one(n.of(g.sw.lines(), x, "conn")) for x in names]
    text, err = draw(None, g.sw.path)
    n.equal("standard error", err, "")
    n.equal("all", sorted(arrows(text)), sorted(steps(conns[0]) + steps(conns[1])))
    with open(g.sw.path, encoding="utf-8") as f:
        raw = f.read()
    for args in ((conns[1]["uid"],), ("--port", conns[1]["orig_port"])):
        n.equal(f"by {args}", arrows(draw(None, *args, "-", input=raw)[0]), steps(conns[1]))
    text, err = draw(None, g.sw.path, "-c", 1)
    n.equal("one", (len(re.findall(r"^C\w{17} ", text, re.M)), "1 more connections fit" in err), (1, True))
    said = draw(None, g.sw.path, "--port", 1)
    n.equal("none", (said[0], "no `conn` line fits" in said[1]), ("", True))
    said = draw(None, "-", input=raw + "{\n" + raw.replace('"from":"orig"', '"from":7'))
    n.equal("broken ones", "1 lines are no event lines, and 2 have a ladder of another form" in said[1], True)


def without():
    """without --ladder: the line has none, and the command says what to do; a wrong use is refused"""
    g = Ground()
    g.sw.stop()
    sw = n.Synward(g.b, "srv0", args=("--close-delay", 0.1))
    c, s = g.open()
    k.speak(c, s, 100)
    n.equal("live", "it runs without --ladder" in draw(g.b, "-p", sw.p.pid, code=NOT_RUNNING)[1], True)
    k.end(c, s)
    sw.stop()
    n.equal("keys", [x for x in sw.lines() if "ladder" in x or "ladder_more" in x], [])
    n.equal("file", "none has a ladder" in draw(None, sw.path, code=INPUT)[1], True)
    draw(None, "/nowhere", code=INPUT)
    draw(None, sw.path, "-p", 1, code=USAGE)
    draw(g.b, "-p", sw.p.pid, code=NOT_RUNNING)


def pinned():
    """state that was pinned with --ladder is refused without it, and goes on with it: the ladder has both daemons' segments"""
    a, b = n.pair()
    listener = n.listen(b, SERVER[4], PORT)
    with p.Pins(b, "srv0") as pins:
        one = pins.start("--ladder", "--close-delay", 0.1)
        c, s = n.open_pair(a, listener)
        k.speak(c, s, 100)
        one.stop()
        pins.refused(p.PINS, "--pin=" + pins.name, says="(--ladder)")
        two = pins.start("--ladder", "--close-delay", 0.1)
        name = c.getsockname()
        k.end(c, s)
        n.until(lambda: n.of(two.whole(), name, "conn"))
        two.stop()
        conn = n.one(n.of(two.whole(), name, "conn"))
        got = without_push(steps(conn))
        n.equal("handshake", got[:3], OPEN)
        n.equal("FINs", [x[0] for x in got if "FIN" in x[1]], ["orig", "resp"])
        n.equal("more", conn["ladder_more"], 0)


def image():
    """the SVG in Chromium: every text within the picture and not upon another, in light and dark; nothing is loaded"""
    g = Ground()
    c, s = g.open(6)
    k.speak(c, s, 100)
    n.reset(c)
    s.close()
    g.sw.stop()
    path = os.path.join(n.tmp.name, "ladder.svg")
    svg, _ = draw(None, g.sw.path, "--svg")
    with open(path, "w", encoding="utf-8") as f:
        f.write(svg)
    b = Browser()
    for scheme, color in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 28)")):
        b.look(800, scheme)
        b.open(f"file://{path}")
        n.equal("errors", b.errors, [])
        n.equal("what it loads", [x for x in b.events if x != "about:blank"], [f"file://{path}"])
        n.equal("background", b.run("getComputedStyle(document.documentElement).backgroundColor"), color)
        if os.environ.get("SW_TEST_SHOW"):
            b.shot(os.path.join(os.environ["SW_TEST_SHOW"], f"ladder-{scheme}.png"))
    outside = """(() => { const all = document.documentElement.getBoundingClientRect();
        return [...document.querySelectorAll('text')].filter((t) => t.textContent).filter((t) => { const r = t.getBoundingClientRect();
            return r.left < all.left || r.right > all.right || r.bottom > all.bottom; }).map((t) => t.textContent); })()"""
    n.equal("outside", b.run(outside), [])
    upon = """(() => { const all = [...document.querySelectorAll('text')].filter((t) => t.textContent);
        const box = all.map((t) => t.getBoundingClientRect()); const found = [];
        for (let i = 0; i < all.length; i++) for (let k = 0; k < i; k++) if (box[i].left < box[k].right && box[k].left < box[i].right &&
            box[i].top + 3 < box[k].bottom - 3 && box[k].top + 3 < box[i].bottom - 3) found.push(all[k].textContent + ' / ' + all[i].textContent);
        return found; })()"""
    n.equal("upon another", b.run(upon), [])
    conn = n.one([x for x in g.sw.lines() if x["event"] == "conn"])
    labels = b.run("[...document.querySelectorAll('text')].map((t) => t.textContent)")
    n.equal("labels", [x.split(" seq ")[0] for x in labels if " seq " in x], [x["flags"] for x in conn["ladder"]])
    n.equal("arrows", b.run("document.querySelectorAll('.arrow').length"), len(conn["ladder"]))
    n.equal("resets", b.run("document.querySelectorAll('.rst').length"), 1)


n.main(lines, tables, in_file, without, pinned, image)
