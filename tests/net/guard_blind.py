#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Somebody off the path who knows the four-tuple of a live connection, and not its numbers: he neither ends it, nor fills
the log with it, nor floods the listener by it. And flows that only he has claimed let nothing of him in."""
import time

import kit as n
from kit import attacks
from kit import guard as k

MANY = 20000
SEED = n.seed()
FLAGS = ("R", "S", "A", "SA", "FPU")


def blind(g, c):
    name = c.getsockname()
    return attacks.Blind(attacks.Forger(g), name, f"{SEED} {name}")


def frames(b, flags, count):
    """With other numbers each."""
    return [bytes(k.Ether(src=b.f.g.macs[0], dst=b.f.g.macs[1]) / b.segment(flags)) for _ in range(count)]


def one_connection_does_not_fill_the_log():
    """frames of each kind on one four-tuple: a line for the first of a kind, and for the 10th, 100th ... of all"""
    g = k.Ground()
    c, s = g.open()
    k.speak(c, s)
    b = blind(g, c)
    some = [x for flags in FLAGS for x in frames(b, flags, 40)]
    for i in range(MANY):
        b.f.out.send(some[i % len(some)])
    k.speak(c, s)
    k.end(c, s)
    g.sw.wait_for(lambda x: x["event"] == "closed")
    lines = n.of(g.finish(), b.ends[0][0])
    logged = sum(x["event"] == "anomaly" for x in lines)
    n.at_least("anomalies logged", logged, 4)
    n.at_most("anomalies logged", logged, 2 * len(FLAGS) + 5)
    conn = n.one([x for x in lines if x["event"] == "conn"])
    n.fields(conn, reason="fin")
    n.at_least("anomalies counted", conn["anomalies"], MANY // 2)


def known_four_tuples_are_limited():
    """SYNs on a four-tuple that has a socket: within --pass-rate, and each takes a token of its source's limit"""
    g = k.Ground("--pass-rate", "200/s", "--limit-source", "10/s")
    c, s = g.open()
    k.speak(c, s)
    b = blind(g, c)
    some, before, began = frames(b, "S", 50), g.figures(), time.monotonic()
    for i in range(MANY):
        b.f.out.send(some[i % len(some)])
    after, took = g.figures(), time.monotonic() - began
    did = {x: after[x] - before[x] for x in ("syns", "passed_known", "drop_rate_passed", "cookies_sent", "over_limit")}
    n.at_least(f"SYNs ({did})", did["syns"], MANY // 2)
    n.at_most(f"passed ({did})", did["passed_known"], 200 * (took + 1.2))
    n.at_least(f"passed ({did})", did["passed_known"], 1)
    n.equal(f"passed or dropped ({did})", did["passed_known"] + did["drop_rate_passed"], did["syns"])
    for i in range(50):  # of the same source, others
        b.f.send(b.segment("S", sport=2000 + i))
    n.until(lambda: g.counted("over_limit") >= 50 - 10 * (time.monotonic() - began))
    k.speak(c, s)
    k.end(c, s)
    g.finish()


def guesses_end_no_connection():
    """data with guessed numbers, both ways, then RSTs with others: none of 40 connections is reported as reset"""
    g = k.Ground(mode="auto")
    pairs = [g.open(4) for _ in range(40)]
    for c, s in pairs:
        k.speak(c, s)
        b = blind(g, c)
        for who in (0, 1) * 8:
            b.say("PA", b"x" * 100, who)
        for who in (0, 1):
            b.say("R", who=who)
    for c, s in pairs:
        k.speak(c, s)
    names = [c.getsockname() for c, _ in pairs]
    for c, s in pairs:
        k.end(c, s)
    n.until(lambda: not k.counters(g.sw)["established"],
            evidence=lambda: f"{sum(x['event'] == 'reset' for x in g.sw.lines())} reported as reset")
    lines = g.finish()
    n.equal("reported as reset", [x["orig_port"] for x in lines if x["event"] == "reset"], [])
    for name in names:
        n.fields(n.one(n.of(lines, name, "conn")), reason="fin")


def drops_strays(g, v, again):
    """again(flags): a stray on each of the 100 four-tuples."""
    k.guard(g.sw, "always")
    n.until(lambda: g.figures(v)["state"] == "engaged")
    for flags, reason in (("A", "cookie_bad"), ("PA", "cookie_bad"), ("FA", "fin"), ("R", "rst"), ("FPU", "xmas")):
        before = g.figures(v)[f"drop_{reason}"]
        again(flags)
        n.until(lambda reason=reason, before=before: g.figures(v)[f"drop_{reason}"] == before + 100,
                evidence=lambda: (flags, g.figures(v)))


def claimed_in(inside, by):
    g = k.Ground("--decap", mode="auto")
    f, wrap = attacks.Forger(g), attacks.WORDS[inside]
    f.burst(100, lambda f, src: f.send(*[wrap(x) for x in attacks.claimed(f, src, by)]))
    n.until(lambda: k.counters(g.sw)["established"] == 100, evidence=lambda: k.counters(g.sw))

    def again(flags):
        f.next = 0
        f.burst(100, lambda f, src: f.send(f.segment(src, flags, seq=attacks.ISN + 1, ack=5001)))

    drops_strays(g, 4, again)
    n.equal("established", k.counters(g.sw)["established"], 100)
    g.finish()


def claims_have_a_share():
    """connections of nobody, in a tunnel: half of the table at most, and real ones have their place"""
    g = k.Ground("--decap", "--max-flows", 256, mode="auto")
    f, wrap = attacks.Forger(g), attacks.WORDS["ip_in_ip"]
    f.burst(200, lambda f, src: f.send(*[wrap(x) for x in attacks.claimed(f, src, "synack")]))
    n.until(lambda: k.counters(g.sw)["flows_held"] == 72, evidence=lambda: k.counters(g.sw))
    n.until(lambda: k.counters(g.sw)["established"] == 128, evidence=lambda: k.counters(g.sw))
    real = [g.open() for _ in range(100)]
    for c, s in real:
        k.speak(c, s)
    n.until(lambda: k.counters(g.sw)["established"] == 228, evidence=lambda: k.counters(g.sw))
    for c, s in real:
        k.end(c, s)
    n.until(lambda: k.counters(g.sw)["established"] == 128)
    g.finish()


def quarter_while_silent(g, real):
    """Of 100 connections 64 have a place in a table of 256, and all once their sockets have sent."""
    n.until(lambda: k.counters(g.sw)["flows_held"] == 36, evidence=lambda: k.counters(g.sw))
    n.until(lambda: k.counters(g.sw)["established"] == 64, evidence=lambda: k.counters(g.sw))
    for c, s in real:
        k.speak(c, s)
    n.until(lambda: k.counters(g.sw)["established"] == 100, evidence=lambda: k.counters(g.sw))
    g.finish()


def ports_without_a_service():
    """a port that is not protected: silent connections have a quarter of the table, and those whose sockets send a place"""
    g = k.Ground("--protect", k.PORT + 1, "--max-flows", 256, mode="auto")
    real = [g.open() for _ in range(100)]
    quarter_while_silent(g, real)


def served_in_a_tunnel():
    """an end of a tunnel that serves in it: the same, with sockets whose segments leave in VXLAN"""
    g = k.Ground("--decap", "--max-flows", 256, mode="auto", start=False)
    for ns, dev, mine, other, inner in ((g.a, "cli0", k.CLIENT[4], k.SERVER[4], "10.99.0.1"),
                                        (g.b, "srv0", k.SERVER[4], k.CLIENT[4], "10.99.0.2")):
        n.sh("ip", "link", "add", "vx0", "type", "vxlan", "id", "5", "dstport", "4789", "dev", dev, "local", mine,
             "remote", other, ns=ns)
        n.sh("ip", "addr", "add", f"{inner}/24", "dev", "vx0", ns=ns)
        n.sh("ip", "link", "set", "vx0", "up", ns=ns)
    listener = n.listen(g.b, "10.99.0.2", k.PORT, 4096)
    g.start()
    real = [n.open_pair(g.a, listener) for _ in range(100)]
    quarter_while_silent(g, real)


def claimed_in_ip_in_ip():
    """both ends of a handshake, in a tunnel (--decap): strays on it without one are dropped"""
    claimed_in("ip_in_ip", "synack")


def claimed_in_vxlan():
    """the same in VXLAN"""
    claimed_in("vxlan", "synack")


def claimed_by_two_syns():
    """the same in GRE, by a SYN of either end"""
    claimed_in("gre", "syn")


def claimed_by_acks():
    """the same in IP, without a SYN in the listener's name"""
    claimed_in("ip_in_ip", "ack")


def claimed_from_the_servers_address():
    """the same from the LAN, IPv6, of which the kernel drops no such address, and in clear"""
    g = k.Ground(mode="auto")
    out = k.Peer(g).out

    def send(src, dst, flags, **kw):
        out.send(bytes(k.Ether(src=g.macs[0], dst=g.macs[1]) / attacks.IPv6(src=src, dst=dst) /
                       attacks.TCP(flags=flags, **kw)))

    def again(flags):
        for src in sources:
            send(src, k.SERVER[6], flags, sport=3000, dport=k.PORT, seq=attacks.ISN + 1, ack=5001)

    sources = [f"2001:db8:77::{i:x}" for i in range(1, 101)]
    for src in sources:
        send(k.SERVER[6], src, "SA", sport=k.PORT, dport=3000, seq=5000, ack=attacks.ISN + 1)
        send(src, k.SERVER[6], "A", sport=3000, dport=k.PORT, seq=attacks.ISN + 1, ack=5001)
    n.until(lambda: k.counters(g.sw)["established"] == 100)
    drops_strays(g, 6, again)
    g.finish()


def claimed_flows_let_nothing_in():
    """strays on flows that only their sender has claimed: while engaged, what has no socket is dropped"""
    g = k.Ground(mode="auto")  # no way back to 198.18.0.0/15
    f = attacks.Forger(g)
    f.burst(100, lambda f, src: f.send(f.segment(src, "PA", seq=attacks.ISN, ack=5000) / b"x",
                                       f.answer(src, "A", seq=5000, ack=attacks.ISN + 1)))
    n.until(lambda: k.counters(g.sw)["half_open"] == 100)
    k.guard(g.sw, "always")
    n.until(lambda: g.figures()["state"] == "engaged")
    for flags, reason in (("A", "cookie_bad"), ("PA", "cookie_bad"), ("FA", "fin"), ("R", "rst"), ("RA", "rst"),
                          ("FPU", "xmas"), ("", "null")):
        f.next, before = 0, g.counted(f"drop_{reason}")
        f.burst(100, lambda f, src, flags=flags: f.send(f.segment(src, flags, seq=attacks.ISN + 1, ack=5000)))
        n.until(lambda reason=reason, before=before: g.counted(f"drop_{reason}") == before + 100)
    g.finish()


if __name__ == "__main__":
    n.main(one_connection_does_not_fill_the_log, known_four_tuples_are_limited, guesses_end_no_connection,
           claimed_flows_let_nothing_in, claims_have_a_share, ports_without_a_service, served_in_a_tunnel, claimed_in_ip_in_ip,
           claimed_in_vxlan, claimed_by_two_syns, claimed_by_acks, claimed_from_the_servers_address)
