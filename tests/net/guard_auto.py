#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How `auto` engages and disengages, and that `monitor` does nothing."""
import select
import socket
import time

import kit as n
from kit import guard as k
from scapy.layers.inet import fragment

OTHER = 7778


def engage_and_stand_down():
    """half-open handshakes engage; quiet leads to grace, where cookies still count; then calm"""
    g = k.ground("--engage", "half-open=100,syn-rate=1000000", "--hold", 1, "--grace", 2, mode="auto",
               ports=(k.PORT, OTHER))
    g.talk(4)
    n.equal("state", g.figures()["state"], "calm")
    k.finished(k.flood(g, 2000, 1000))
    n.equal("state", g.figures()["state"], "engaged")
    n.equal("the other services", {g.figures(4, OTHER)["state"], g.figures(6)["state"]}, {"calm"})
    n.equal("begun by the other listener", g.counted("opened", 4, OTHER), 0)
    n.at_most("begun by the listener", g.counted("opened"), 400)
    for _ in range(5):
        g.talk(4)
        g.talk(4, OTHER)
    p = k.Peer(g, 4)
    answer = k.stamp(p.syn(k.TS))
    n.until(lambda: g.figures()["state"] == "grace", 8)
    p.say("A", options=answer)
    s = k.accepted(g.listeners[4, k.PORT])
    assert s, "a cookie was not taken in grace"
    sent = g.counted("cookies_sent")
    g.talk(4)
    n.equal("cookies issued in grace", g.counted("cookies_sent") - sent, 0)
    n.until(lambda: g.figures()["state"] == "calm", 5)
    g.talk(4)
    lines = g.finish()
    logged = [x for x in lines if x["event"] == "guard"]
    n.equal("changes", [(x["service"], x["from"], x["to"], x["cause"]) for x in logged],
            [("10.66.0.2:7777", "calm", "engaged", "half_open"), ("10.66.0.2:7777", "engaged", "grace", "below_threshold"),
             ("10.66.0.2:7777", "grace", "calm", "grace_ended")])
    for x in logged:
        n.fields(x, mode="auto", dry_run=False, half_open_threshold=100, syn_rate_threshold=1000000, backend="reqsk")
    n.at_least("half-open when it engaged", logged[0]["half_open"], 100)
    n.at_most("half-open when it engaged", logged[0]["half_open"], 400)
    n.at_most("half-open when it disengaged", logged[1]["half_open"], 50)
    for x, least, most in ((logged[1], 1.0, 9.0), (logged[2], 2.0, 3.5)):
        n.at_least(f"seconds in {x['from']}", x["in_state_ns"] / 1e9, least)
        n.at_most(f"seconds in {x['from']}", x["in_state_ns"] / 1e9, most)
    via = [x["via"] for x in lines if x["event"] == "conn" and x["resp_port"] == k.PORT and x["orig_ip"] == k.CLIENT[4]]
    n.equal("ways in", (via.count("cookie"), via.count("stack")), (5, 3))
    n.equal("ways into the other service", {x["via"] for x in lines if x["event"] == "conn" and
                                            x["resp_port"] == OTHER}, {"stack"})


def by_rate():
    """a rate of SYNs that do not complete engages, and while it lasts it stays engaged"""
    g = k.ground("--engage", "half-open=1000000,syn-rate=500", "--hold", 1, "--grace", 1, mode="auto")
    g.talk(4)
    p = k.flood(g, 8000, 2000)
    n.until(lambda: g.figures()["state"] == "engaged", 3)
    time.sleep(2)  # twice the hold, while the flood lasts: nothing must happen
    n.equal("state", g.figures()["state"], "engaged")
    g.talk(4)
    k.finished(p)
    n.until(lambda: g.figures()["state"] == "calm", 10)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged],
            [("engaged", "syn_rate"), ("grace", "below_threshold"), ("calm", "grace_ended")])
    n.at_least("rate when it engaged", logged[0]["syn_rate"], 500)
    n.at_most("rate when it disengaged", logged[1]["syn_rate"], 250)


def a_thousand():
    """1,000 real clients at once, three times, do not engage, though over the rate: they complete"""
    g = k.ground("--engage", "half-open=1024,syn-rate=200", mode="auto")
    for _ in range(3):
        socks = []
        for _ in range(1000):
            c = n.tcp(g.a)
            c.setblocking(False)
            c.connect_ex((k.SERVER[4], k.PORT))
            socks.append(c)
        servers = [k.accepted(g.listeners[4, k.PORT], 5) for _ in socks]
        n.equal("accepted", len([s for s in servers if s]), 1000)
        _, w, _ = select.select([], socks[:500], [], 1)
        n.equal("connected", len(w), 500)
        n.equal("errors", [c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for c in socks if
                           c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)], [])
        for s in socks + servers:
            n.reset(s)
        time.sleep(0.2)  # a service is evaluated every 100 ms: each thousand is evaluated by itself
    n.equal("state", g.figures()["state"], "calm")
    fig = g.figures()
    n.equal("completed", (fig["syns"], fig["opened"], fig["completed"]), (3000, 3000, 3000))
    n.equal("changes", [x for x in g.finish() if x["event"] == "guard"], [])


def slow_decline():
    """engaged and still over half a mark: it does not disengage"""
    g = k.ground("--engage", "half-open=1000000,syn-rate=1000", "--hold", 1, "--grace", 1, mode="auto")
    k.finished(k.flood(g, 3000, 3000))
    n.equal("state", g.figures()["state"], "engaged")
    p = k.flood(g, 2100, 700)  # under the mark, over half of it
    time.sleep(2.7)  # more than twice the hold, while the flood lasts: nothing must happen
    n.equal("state", g.figures()["state"], "engaged")
    k.finished(p)
    n.until(lambda: g.figures()["state"] != "engaged", 6)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [x["to"] for x in logged][:2], ["engaged", "grace"])


def dropped_floods():
    """engaged: a slow flood of SYNs that are all dropped (SYN and FIN, fragments) is no quiet, and none gets in"""
    g = k.ground("--engage", "half-open=100,syn-rate=1000000", "--hold", 1, "--grace", 1, mode="auto")
    k.finished(k.flood(g, 1000, 2000))
    n.equal("state", g.figures()["state"], "engaged")
    p = k.Peer(g, 4, sport=20000)
    made = [p.packet("SF", options=k.TS)]
    made += fragment(p.packet("S", b"x" * 40, options=k.TS), fragsize=24)[:1]
    opened, queue = g.counted("opened"), g.syn_recv()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        p.send(*made)
        time.sleep(0.005)  # the rate of the flood
    n.equal("state", g.figures()["state"], "engaged")
    n.equal("begun by the listener", g.counted("opened"), opened)
    n.at_most("sockets in SYN_RECV", g.syn_recv(), queue)
    g.talk()
    n.until(lambda: g.figures()["state"] == "calm", 8)
    n.equal("changes", [x["to"] for x in g.finish() if x["event"] == "guard"], ["engaged", "grace", "calm"])


def monitor():
    """monitor: the same decisions logged as dry_run, and every packet is treated as without a guard"""
    g = k.ground("--engage", "half-open=100,syn-rate=1000000", "--hold", 1, "--grace", 1, mode="monitor")
    c, s = g.open(4)
    k.finished(k.flood(g, 1000, 2000))
    n.equal("state", g.figures()["state"], "engaged")
    n.at_least("sockets in SYN_RECV", g.syn_recv(), 900)
    p = k.Peer(g, 4)
    p.say("A", seq=7, ack=9)
    got = p.hear()
    n.equal("the kernel's answer to a stray ACK", got and str(got.flags), "R")
    p.say("SA", seq=7, ack=9)
    got = p.hear()
    n.equal("the kernel's answer to a stray SYN-ACK", got and str(got.flags), "R")
    got = p.syn(k.TS)
    p.say("A", options=k.stamp(got))
    assert k.accepted(g.listeners[4, k.PORT]), "no connection"
    k.speak(c, s)
    k.end(c, s)
    for _ in range(5):
        g.talk(4)
    fig = g.figures()
    n.equal("cookies", (fig["cookies_accepted"], fig["probes_sent"]), (0, 0))
    n.equal("would have been dropped", (fig["drop_cookie_bad"], fig["drop_synack"]), (1, 1))
    lines = g.finish()
    logged = [x for x in lines if x["event"] in ("guard", "drop")]
    n.equal("dry_run", {x["dry_run"] for x in logged}, {True})
    n.equal("first change", [(x["to"], x["cause"]) for x in logged if x["event"] == "guard"][0], ("engaged", "half_open"))
    n.equal("drops", {x["reason"] for x in logged if x["event"] == "drop"}, {"cookie_bad", "synack"})
    n.equal("ways in", {x["via"] for x in lines if x["event"] == "conn"}, {"stack"})


if __name__ == "__main__":
    n.main(engage_and_stand_down, by_rate, a_thousand, slow_decline, dropped_floods, monitor)
