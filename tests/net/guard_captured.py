#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A captured third packet, sent again by somebody on the path: what it opens is counted."""
import kit as n
from kit import guard as k

TIMES = 10


def opened(p, listener, options):
    """Sends the captured segment; the server's socket, which has its data."""
    p.say("PA", b"captured", options=options)
    s = k.accepted(listener)
    assert s, "no connection was opened"
    n.equal("data", n.read_n(s, 8), b"captured")
    assert p.hear(2, lambda t: t.ack == p.seq + 8), "the data was not acknowledged"
    return s


def reset(p, s):
    p.say("R", seq=p.seq + 8)
    try:
        got = s.recv(1)
        raise AssertionError(f"the server read {got!r} and no reset")
    except ConnectionResetError:
        s.close()


def replayed(g, v, sport, syn):
    """Ten times right after its connection was reset, twice when synward has forgotten the connection."""
    p = k.Peer(g, v, sport=sport)
    before = g.figures(v)
    options = k.stamp(p.syn(syn))
    for i in range(1 + TIMES + 2):
        if i > TIMES:
            n.until(lambda: not k.counters(g.sw)["flows"])
        reset(p, opened(p, g.listeners[v, k.PORT], options))
    after = g.figures(v)
    p.close()
    n.equal(f"v{v}: SYN-ACKs, cookies, connections that a used one opened",
            tuple(after[x] - before[x] for x in ("cookies_sent", "cookies_accepted", "cookies_replayed")),
            (1, 1, TIMES + 2))


def counted(g):
    """Both families; then the sums agree with the kernel and with the lines."""
    passive, before = g.passive_opens(), k.counters(g.sw)
    for v, sport, syn in ((4, 41000, k.TS), (6, 41001, k.TS), (4, 41002, k.TS[:1])):
        replayed(g, v, sport, syn)
    sums = {x: v - before[x] for x, v in k.counters(g.sw).items() if x.startswith("guard_cookies_")}
    n.equal("connections of the kernel", g.passive_opens() - passive, 3 * (TIMES + 3))
    n.equal("sums", sums, {"guard_cookies_sent": 3, "guard_cookies_accepted": 3,
                           "guard_cookies_replayed": 3 * (TIMES + 2)})
    lines = g.finish()
    logged = [x for x in lines if x["event"] == "established" and 41000 <= x["orig_port"] <= 41002]
    n.equal("connections logged", [x["via"] for x in logged], ["cookie"] * 3 * (TIMES + 3))


def ours():
    """a cookie of ours, ten times after a reset, and when its flow has gone"""
    k.needs_reqsk("are what is sent again")
    counted(k.Ground("--close-delay", "0.5"))


def the_kernels():
    """a cookie of the kernel's (--cookie listener), the same"""
    g = k.Ground("--close-delay", "0.5", "--cookie", "listener", start=False)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", "net.ipv4.tcp_timestamps=2", ns=g.b)
    g.start()
    counted(g)


n.main(ours, the_kernels)
