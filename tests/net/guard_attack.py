#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone, for it measures
"""Floods of every kind against a listener while real clients connect, talk and close."""
import time

import kit as n
from kit import guard as k

KINDS = (("SA", "synack"), ("R", "rst"), ("RA", "rst"), ("F", "fin"), ("FA", "fin"), ("", "null"), ("FPU", "xmas"),
         ("A", "cookie_bad"), ("PA", "cookie_bad"), ("P", "no_ack"), ("SF", "bad_flags"))


def clients(g, seconds, v=4, port=k.PORT):
    """Connects, talks and closes for so long; how long each handshake took. The client speaks first: a veth that the
    flood fills loses real packets before any program sees them, and after the third one only data comes again."""
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        start = time.monotonic()
        c = n.connect(g.a, k.SERVER[v], port)
        took.append(time.monotonic() - start)
        c.sendall(b"1")
        s = k.accepted(g.listeners[v, port])
        assert s, "connected and sent something, but never accepted"
        n.equal("first byte", n.read_n(s, 1), b"1")
        k.speak(c, s)
        k.end(c, s)
    return took


def by_reason():
    """each kind of flood is dropped by its reason, exactly; real connections continue; no state is left"""
    g = k.ground("--close-delay", "0.5")
    frames = {}
    for v in (4, 6):
        g.talk(v)
        p = k.Peer(g, v)
        for i, (flags, _) in enumerate(KINDS):
            made = []
            for x in range(50):
                p.sport = 20000 + 100 * i + x
                stamps = [("NOP", None), ("NOP", None), ("Timestamp", (6000, x * 1000))] if x & 1 else []
                made.append(p.packet(flags, seq=x * 77777, ack=x * 99999 + 5, options=stamps))
            frames[v, i] = [bytes(k.Ether(src=g.macs[0], dst=g.macs[1]) / f) for f in made]
        open_ones = [g.open(v) for _ in range(5)]
        before = g.figures(v)
        for i, _ in enumerate(KINDS):
            for f in frames[v, i] * 4:
                p.out.send(f)
            g.talk(v)
        for c, s in open_ones:
            k.speak(c, s)
            k.end(c, s)
        after = g.figures(v)
        want = {}
        for flags, reason in KINDS:
            want[reason] = want.get(reason, 0) + 200
        got = {r: after[f"drop_{r}"] - before[f"drop_{r}"] for r in want}
        n.equal(f"v{v} drops", got, want)
        n.equal(f"v{v} drops, all", after["dropped"] - before["dropped"], sum(want.values()))
        p.drain()
        n.equal(f"v{v} answers to a flood", p.hear(0.1), None)
    n.until(lambda: not k.counters(g.sw)["flows"])  # real connections wait for the close delay
    got = k.counters(g.sw)
    n.equal("flows left", (got["flows"], got["half_open"]), (0, 0))
    lines = g.finish()
    drops = [x for x in lines if x["event"] == "drop"]
    n.equal("reasons logged", {x["reason"] for x in drops}, {r for _, r in KINDS})
    n.equal("dry_run", {x["dry_run"] for x in drops}, {False})
    n.at_most("drop lines", len(drops), 400)
    final = lines[-1]
    for reason in {r for _, r in KINDS}:
        logged = sum(x["count"] for x in drops if x["reason"] == reason)
        n.at_most(f"logged of {reason}", logged, final[f"guard_drop_{reason}"])
        n.at_least(f"logged of {reason}", logged, 1)


def syn_flood():
    """200,000 SYNs while real clients connect: all answered, none of the listener's queue used, nothing remembered"""
    g = k.ground()
    for v in (4, 6):
        g.talk(v)
    before, opens = g.figures(4), g.passive_opens()
    p = k.flood(g, 200000)
    most, took, turn = 0, [], 0
    while p.poll() is None:
        took += clients(g, 0.1, (4, 6)[turn & 1])
        turn += 1
        most = max(most, g.syn_recv())
    k.finished(p)
    n.until(lambda: g.counted("syns") - before["syns"] >= 150000, 3)
    n.equal("sockets in SYN_RECV, at most", most, 0)
    n.at_least("real connections", len(took), 5)
    n.at_most("longest handshake, s", max(took), 0.9)  # a SYN that was lost comes again after 1 s
    after = g.figures(4)
    n.equal("begun by the listener", after["opened"], 0)
    n.equal("answered", after["cookies_sent"] - before["cookies_sent"], after["syns"] - before["syns"])
    n.at_least("passive opens", g.passive_opens() - opens, 0)
    got = k.counters(g.sw)
    n.at_most("flows, which are real ones", got["flows"] + got["half_open"], len(took) + 10)
    n.equal("half_open", got["half_open"], 0)
    lines = g.finish()
    n.equal("conn lines of the flood", len([x for x in lines if x.get("orig_ip", "").startswith("198.")]), 0)


def budget():
    """--reply-budget: no more cookies than that a second, and the rest is dropped"""
    g = k.ground("--reply-budget", "500/s")
    g.talk(4)
    time.sleep(0.3)  # the budget is whole again
    before = g.figures()
    start = time.monotonic()
    k.finished(k.flood(g, 6000, 3000))
    took = time.monotonic() - start
    after = g.figures()
    sent = after["cookies_sent"] - before["cookies_sent"]
    n.at_most("cookies", sent, 500 * took + 100)
    n.at_least("cookies", sent, 500 * took * 0.7)
    n.equal("dropped", after["drop_budget"] - before["drop_budget"], 6000 - sent)
    g.finish()


if __name__ == "__main__":
    n.main(by_reason, syn_flood, budget)
