#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernel's own cookies (--cookie listener), and MPTCP listeners, which take no other."""
import re
import socket
import time

import kit as n
from kit import guard as k

IPPROTO_MPTCP = 262
LATER = 7779


def ground(syncookies, timestamps, *args, **kw):
    g = k.Ground("--cookie", "listener", *args, start=False, **kw)
    n.sh("sysctl", "-qw", f"net.ipv4.tcp_syncookies={syncookies}", f"net.ipv4.tcp_timestamps={timestamps}", ns=g.b)
    g.start()
    k.talks(g, 1)
    return g


def words(g, c):
    mine, its = c.getsockname()[1], c.getpeername()[1]
    return k.sockets(g.a)[mine, its], k.sockets(g.b)[its, mine]


def client(g, ts=1, sack=1, wscale=1):
    n.sh("sysctl", "-qw", f"net.ipv4.tcp_timestamps={ts}", f"net.ipv4.tcp_sack={sack}",
         f"net.ipv4.tcp_window_scaling={wscale}", ns=g.a)


def compared(g, v, keep):
    """A guarded connection and a direct one, whose port nobody protects."""
    sent = g.counted("cookies_accepted", v)
    pairs = [g.open(v, k.PORT), g.open(v, LATER)]
    n.equal(f"v{v} accepted by cookie", g.counted("cookies_accepted", v) - sent, 1)
    got, direct = (words(g, c) for c, _ in pairs)
    for end, a, b in zip(("client", "server"), got, direct):
        for word in keep:
            n.equal(f"v{v} {end} {word}", a[word], b[word])
    k.exchange(pairs[:1])
    for c, s in pairs:
        k.end(c, s)
    return got


def whole():
    """tcp_syncookies=2, tcp_timestamps=2: with timestamps all options survive, 1 MiB each way"""
    g = ground(2, 2, "--protect", k.PORT, ports=(k.PORT, LATER))
    for v in (4, 6):
        for sack in (1, 0):
            for wscale in (1, 0):
                client(g, 1, sack, wscale)
                got = compared(g, v, ("ts", "sack", "wscale", "advmss", "pmtu"))
                n.equal("as asked for", (got[1]["ts"], got[1]["sack"], bool(got[1]["wscale"])),
                        (True, bool(sack), bool(wscale)))
        client(g, 0)
        got = compared(g, v, ("ts", "advmss", "pmtu"))
        n.equal("without timestamps only the MSS", (got[0]["sack"], got[0]["wscale"]), (False, None))
    n.equal("backends", {x["backend"] for x in k.services(g.sw).values()}, {"listener"})
    g.finish()


def poor():
    """tcp_timestamps=1: connections live with an MSS alone, and the start says which sysctl would restore the rest"""
    g = ground(2, 1, "--protect", k.PORT, ports=(k.PORT, LATER))
    for v in (4, 6):
        got = compared(g, v, ("pmtu",))
        n.equal("options", (got[0]["ts"], got[0]["sack"], got[0]["wscale"]), (False, False, None))
    assert "tcp_timestamps" in g.sw.err(), g.sw.err()
    g.finish()


def third_packets():
    """data instead of the third packet, FIN, wrong cookies, duplicates: as with the other backend"""
    g = ground(2, 2)
    before = {v: g.figures(v) for v in (4, 6)}
    for v in (4, 6):
        listener = g.listeners[v, k.PORT]
        p = k.Peer(g, v, sport=48000)
        answer = k.stamp(p.syn(k.TS))
        p.say("A", ack=p.ack ^ 1 << 20, options=answer)
        k.nothing_waits(listener)
        n.equal("answer to a wrong cookie", p.hear(0.1), None)
        p.say("PA", b"GET /", options=answer)
        s = k.accepted(listener)
        assert s, f"v{v}: no connection"
        n.equal("at the server", n.read_n(s, 5), b"GET /")
        p.say("R", seq=p.seq + 5)
        p = k.Peer(g, v, sport=48001)
        answer = k.stamp(p.syn(k.TS))
        p.say("FA", options=answer)
        s = k.accepted(listener)
        assert s, f"v{v}: no connection by FIN"
        n.equal("at the server", s.recv(1), b"")
        s.close()
        p = k.Peer(g, v, sport=48002)
        answer = k.stamp(p.syn(k.TS))
        p.say("A", options=answer)
        p.say("A", options=answer)
        s = k.accepted(listener)
        assert s, f"v{v}: no connection"
        k.nothing_waits(listener)
        s.sendall(b"hello")
        assert p.hear(want=lambda t: bytes(t.payload)[:5] == b"hello"), "the server's data did not come"
        after = g.figures(v)
        n.equal("accepted", after["cookies_accepted"] - before[v]["cookies_accepted"], 3)
        n.equal("dropped", after["drop_cookie_bad"] - before[v]["drop_cookie_bad"], 1)
    g.finish()


def flood():
    """a flood with tcp_syncookies=2: nothing of it reaches the listener's queue, real clients continue"""
    g = k.ground("--cookie", "listener", start=False)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", ns=g.b)
    g.start()
    k.talks(g, 1)
    p, most, count = k.flood(g, 50000), 0, 0
    while p.poll() is None or count < 10:
        k.talks(g, 1)
        count += 1
        most = max(most, g.syn_recv())
    k.finished(p)
    n.equal("sockets in SYN_RECV, at most", most, 0)
    n.equal("begun by the listener", g.counted("opened"), 0)
    g.finish()


def full_queue_only():
    """tcp_syncookies=1: a listener with room answers itself; when its queue is full, cookies; real clients continue"""
    g = k.ground("--cookie", "listener", "--protect", k.PORT, start=False, backlog=64)
    g.start()
    k.talks(g, 2)
    fig = g.figures()
    n.equal("cookies while there is room", (fig["cookies_sent"], fig["passed_backend"]), (0, 2))
    k.finished(k.flood(g, 5000, 20000))
    n.at_most("sockets in SYN_RECV", g.syn_recv(), 128)
    k.talks(g, 5)
    fig = g.figures()
    n.at_least("cookies when it is full", fig["cookies_sent"], 4000)
    n.equal("of real clients, by cookie", fig["cookies_accepted"], 5)
    g.finish()


def mptcp_listener(g, v, port):
    with n.Inside(g.b):
        try:
            s = socket.socket(socket.AF_INET if v == 4 else socket.AF_INET6, socket.SOCK_STREAM, IPPROTO_MPTCP)
        except OSError as e:
            raise n.Skip(f"no MPTCP in this kernel: {e}") from e
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((k.SERVER[v], port))
    s.listen(1024)
    return s


def mptcp():
    """an MPTCP listener (as Go opens them) gets the backend listener beside others with reqsk, and works"""
    g = k.Ground(start=False)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", ns=g.b)
    for v in (4, 6):
        g.listeners[v, LATER] = mptcp_listener(g, v, LATER)
    g.start()
    fig = k.services(g.sw)
    n.equal("backends", {x: (s["backend"], s["mptcp"]) for x, s in fig.items()},
            {"10.66.0.2:7777": ("reqsk", False), "[fd66::2]:7777": ("reqsk", False),
             "10.66.0.2:7779": ("listener", True), "[fd66::2]:7779": ("listener", True)})
    for v in (4, 6):
        for _ in range(5):
            g.talk(v, LATER)
            g.talk(v, k.PORT)
        pair = g.open(v, LATER)
        k.exchange([pair])
        k.end(*pair)
        for port in (LATER, k.PORT):  # a client that speaks MPTCP, too
            with n.Inside(g.a):
                c = socket.socket(socket.AF_INET if v == 4 else socket.AF_INET6, socket.SOCK_STREAM, IPPROTO_MPTCP)
            c.settimeout(10)
            c.connect((k.SERVER[v], port))
            s = k.accepted(g.listeners[v, port])
            assert s, f"v{v}: an MPTCP client has no connection to port {port}"
            k.speak(c, s)
            k.end(c, s)
        got = g.figures(v, LATER)
        n.equal(f"v{v} by cookie", (got["cookies_accepted"], got["cookie_refused"], got["opened"]), (7, 0, 0))
        n.equal(f"v{v} by cookie, the other port", g.counted("cookies_accepted", v), 6)
    assert re.search(r"reqsk 2, by listener 2", g.sw.err()), g.sw.err()
    g.finish()


def mptcp_default():
    """an MPTCP listener with tcp_syncookies=1, the default: works before, in and after a flood"""
    g = k.ground("--protect", LATER, start=False)
    g.listeners[4, LATER] = mptcp_listener(g, 4, LATER)
    g.start()
    for _ in range(3):
        g.talk(4, LATER)
    p = k.flood(g, 1_000_000, 20000, LATER)
    n.until(lambda: g.counted("cookies_sent", 4, LATER) > 1000)
    for _ in range(10):  # the kernel halves its queue each second, and the flood fills it again in some 30 ms
        g.talk(4, LATER)
        time.sleep(0.1)  # the ten are spread over a second
    p.kill()
    p.wait()
    got = g.figures(4, LATER)
    n.at_least("cookies", got["cookies_sent"], 10000)
    n.at_least("of ten real clients, by cookie", got["cookies_accepted"], 8)
    for _ in range(5):
        g.talk(4, LATER)
    g.finish()


if __name__ == "__main__":
    n.main(whole, poor, third_packets, flood, full_queue_only, mptcp, mptcp_default)
