#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real clients and connections that began before: what the engaged guard must not disturb."""
import errno
import re
import select
import socket
import time

import kit as n
from kit import guard as k


def open_by_hand(g, v, sport):
    p = k.Peer(g, v, sport=sport)
    answer = k.stamp(p.syn(k.TS))
    p.say("A", options=answer)
    return p, answer, k.accepted(g.listeners[v, k.PORT])


def before_start():
    """connections that began before synward started continue, idle ones and busy ones, and end as they should"""
    g = k.Ground(start=False)
    idle = [g.open(v) for v in (4, 6) for _ in range(20)]
    byhand = [open_by_hand(g, v, 43000) for v in (4, 6)]
    g.start()
    for v in (4, 6):
        g.talk(v)
        n.equal("state", g.figures(v)["state"], "engaged")
    for c, s in idle[::2]:
        k.speak(c, s)
    k.exchange(idle[1::2])
    for c, s in idle:
        k.end(c, s)
    for p, answer, s in byhand:
        s.sendall(b"first words")
        assert p.hear(want=lambda t: bytes(t.payload)[:11] == b"first words"), "the server's data did not come"
        p.say("A", ack=p.ack + 11, options=answer)
        p.say("R", seq=p.seq)
        try:
            raise AssertionError(f"no reset: read {s.recv(1)!r}")
        except ConnectionResetError:
            pass
    for v in (4, 6):
        fig = g.figures(v)
        n.at_least(f"v{v} passed for a socket", fig["passed_socket"], 20)
        n.equal(f"v{v} dropped", fig["dropped"], 0)
    g.finish()


def reboot_before_start():
    """a client that reboots on a four-tuple from before synward: challenge ACK, RST, new connection"""
    g = k.Ground(start=False)
    byhand = [open_by_hand(g, v, 43001) for v in (4, 6)]
    g.start()
    for (p, answer, s), v in zip(byhand, (4, 6)):
        g.talk(v)
        p.drain()
        p.seq = 0x60000000
        p.say("S", ack=0, options=k.TS)
        got = p.hear()
        assert got, "no challenge ACK"
        n.equal("flags", str(got.flags), "A")
        p.say("R", seq=got.ack)
        try:
            raise AssertionError(f"no reset: read {s.recv(1)!r}")
        except ConnectionResetError:
            pass
        answer = k.stamp(p.syn(k.TS))
        p.say("A", options=answer)
        assert k.accepted(g.listeners[v, k.PORT]), "no new connection"
    g.finish()


def half_open_before_start():
    """the listener's own SYN-ACK from before the guard: its ACK, and the SYN again, are for the listener"""
    g = k.Ground(start=False)
    peers = []
    for v in (4, 6):
        for sport in (43010, 43011):
            p = k.Peer(g, v, sport=sport)
            peers.append((p, p.syn(k.TS)))
    n.equal("half-open", g.syn_recv(), 4)
    g.start()
    for p, first in peers:
        if p.sport == 43010:
            g.talk(p.v)
        else:
            p.drain()
            p.say("S", seq=p.seq - 1, ack=0, options=k.TS)
            again = p.hear()
            assert again, "the second SYN was not answered"
            n.equal("ISN of the second SYN-ACK", again.seq, first.seq)
        answer = k.stamp(first)
        p.say("A", options=answer)
        s = k.accepted(g.listeners[p.v, k.PORT])
        assert s, f"v{p.v}: no connection"
        s.sendall(b"x")
        assert p.hear(want=lambda t: bytes(t.payload)[:1] == b"x"), "the server's data did not come"
    g.finish()


def before_engaging():
    """auto: connections that began when it was calm continue when it is engaged, half-open ones complete"""
    g = k.Ground("--engage", "half-open=20", mode="auto")
    early = [g.open(4) for _ in range(10)]
    p = k.Peer(g, 4, sport=43020)
    answer = k.stamp(p.syn(k.TS))
    flood = k.Peer(g, 4, ip="10.66.0.98", isn=7)
    for i in range(60):
        flood.sport = 20000 + i
        flood.say("S", options=k.TS)

    def engaged():
        """a SYN finds it engaged, once it is evaluated again"""
        flood.sport -= 1
        flood.say("S", options=k.TS)
        return g.figures(4)["state"] == "engaged"

    flood.sport = 20000
    n.until(engaged, 3, 0.1)
    p.say("A", options=answer)
    assert k.accepted(g.listeners[4, k.PORT]), "the half-open connection was lost"
    for c, s in early:
        k.speak(c, s)
        k.end(c, s)
    g.talk(4)
    n.equal("accepted by cookie", g.counted("cookies_accepted"), 1)
    n.equal("the other family", g.figures(6)["state"], "calm")
    g.finish()


def closed_port():
    """a closed port refuses, also while another is engaged"""
    g = k.Ground()
    for v in (4, 6):
        g.talk(v)
        p = k.Peer(g, v, port=7999)
        p.say("S", options=k.TS)
        got = p.hear()
        assert got, "no answer"
        n.equal("flags", str(got.flags), "RA")
        c = n.tcp(g.a, v == 6)
        n.equal("connect", c.connect_ex((k.SERVER[v], 7999)), errno.ECONNREFUSED)
        n.equal("engaged", g.figures(v)["state"], "engaged")
    g.finish()


def port_reuse():
    """the server closed first and keeps TIME_WAIT: the same client port again at once"""
    g = k.Ground()
    for v in (4, 6):
        g.talk(v)
        for i in range(3):
            c = n.tcp(g.a, v == 6)
            c.bind((k.CLIENT[v], 5555))
            start = time.monotonic()
            c.connect((k.SERVER[v], k.PORT))
            n.at_most(f"v{v} seconds to connect", time.monotonic() - start, 0.5)
            s = g.listeners[v, k.PORT].accept()[0]
            k.speak(c, s)
            s.close()
            n.equal("end", c.recv(1), b"")
            c.close()
            assert i >= 0
        n.equal(f"v{v} TIME_WAIT", len(n.sh("ss", f"-{v}tHn", "state", "time-wait", ns=g.b).stdout.splitlines()), 1)
        n.equal(f"v{v} SYNs passed for a socket", g.counted("passed_known", v), 2)
    g.finish()


def late_fin():
    """after the end, when the flow is forgotten, TIME_WAIT still answers a FIN"""
    g = k.Ground("--close-delay", "0.5")
    peers = []
    for v in (4, 6):
        g.talk(v)
        p = k.Peer(g, v)
        answer = k.stamp(p.syn(k.TS))
        p.say("A", options=answer)
        s = k.accepted(g.listeners[v, k.PORT])
        s.close()
        assert p.hear(want=lambda t: "F" in t.flags), "no FIN came"
        p.ack += 1
        p.say("FA", options=answer)
        p.drain()
        peers.append((p, answer))
    n.until(lambda: k.counters(g.sw)["flows"] == 0)
    for p, answer in peers:
        before = g.figures(p.v)
        p.say("FA", options=answer)
        assert p.hear(want=lambda t: t.ack == p.seq + 1), f"v{p.v}: the FIN was not acknowledged"
        after = g.figures(p.v)
        n.equal(f"v{p.v} passed for a socket", after["passed_socket"] - before["passed_socket"], 1)
    g.finish()


def server_first():
    """the server speaks first, the client only then"""
    g = k.Ground()
    for v in (4, 6):
        g.talk(v)
        c, s = g.open(v)
        s.sendall(b"220 ready\r\n")
        n.equal("at the client", n.read_n(c, 11), b"220 ready\r\n")
        c.sendall(b"HELO\r\n")
        n.equal("at the server", n.read_n(s, 6), b"HELO\r\n")
        k.end(c, s)
    g.finish()


def closes_at_once():
    """a client that connects and closes at once"""
    g = k.Ground()
    for v in (4, 6):
        g.talk(v)
        for _ in range(20):
            c = n.connect(g.a, k.SERVER[v], k.PORT)
            who = c.getsockname()
            c.close()
            s = k.accepted(g.listeners[v, k.PORT])
            assert s, "no connection"
            n.equal("end", s.recv(1), b"")
            s.close()
    lines = g.finish()
    n.fields(n.one(n.of(lines, who, "conn")), conn_state="SF", via="cookie")


def only_acks_dropped(g):
    n.sh("nft", "add table inet hole; add chain inet hole out { type filter hook output priority 0; }; "
         f"add rule inet hole out tcp dport {k.PORT} tcp flags & (syn|ack) == ack counter drop", ns=g.a)


def dropped(g):
    return int(re.search(r"packets (\d+)", n.sh("nft", "list", "table", "inet", "hole", ns=g.a).stdout).group(1))


def kernel_client(name, doc, then):
    def case():
        if then is lost_then_idle:
            k.needs_reqsk("alone can be known from a probe")
        g = k.Ground()
        for v in (4, 6):
            g.talk(v)
            only_acks_dropped(g)
            c = n.tcp(g.a, v == 6)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            c.connect((k.SERVER[v], k.PORT))
            k.nothing_waits(g.listeners[v, k.PORT])
            then(g, c)
            n.sh("nft", "delete table inet hole", ns=g.a)
            s = k.accepted(g.listeners[v, k.PORT], 5)
            assert s, f"v{v}: no connection"
            if then is lost_then_data:
                n.equal("at the server", n.read_n(s, 5), b"hello")
            k.speak(c, s)
            k.end(c, s)
        g.finish()

    case.__name__, case.__doc__ = name, doc
    return case


def lost_then_data(g, c):
    before = dropped(g)
    c.sendall(b"hello")
    n.until(lambda: dropped(g) >= before + 2)  # and its first retransmission


def lost_then_idle(g, c):
    assert g and c


lost_data = kernel_client("lost_data", "a kernel's third packet and first data are lost: its retransmission opens",
                          lost_then_data)
lost_idle = kernel_client("lost_idle", "a kernel's third packet is lost: its keepalive opens, and the server may speak",
                          lost_then_idle)


def fast_open():
    """a Fast Open client (RFC 7413), with and without a cookie of its own: data in the SYN is sent again"""
    g = k.Ground(start=False)
    for ns in (g.a, g.b):
        n.sh("sysctl", "-qw", "net.ipv4.tcp_fastopen=0x407", ns=ns)
    for listener in g.listeners.values():
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    g.start()
    for v in (4, 6):
        g.talk(v)
        for _ in range(3):
            c = n.tcp(g.a, v == 6)
            c.sendto(b"in the SYN", socket.MSG_FASTOPEN, (k.SERVER[v], k.PORT))
            s = k.accepted(g.listeners[v, k.PORT])
            assert s, "no connection"
            n.equal("at the server", n.read_n(s, 10), b"in the SYN")
            k.speak(c, s)
            k.end(c, s)
        n.equal(f"v{v} cookies accepted", g.counted("cookies_accepted", v), 4)
    g.finish()


def lossy():
    """one packet of ten is lost, each way: 80 connections through cookies, all complete, 16 KiB each way"""
    g = k.Ground()
    k.talks(g, 1)
    n.sh("nft", "add table inet loss; add chain inet loss out { type filter hook output priority 0; }; "
         "add chain inet loss in { type filter hook input priority 0; }; "
         f"add rule inet loss out tcp dport {k.PORT} numgen random mod 10 == 0 drop; "
         f"add rule inet loss in tcp sport {k.PORT} numgen random mod 10 == 0 drop", ns=g.a)
    clients, servers = [], {}
    for ts in (1, 0):
        n.sh("sysctl", "-qw", f"net.ipv4.tcp_timestamps={ts}", ns=g.a)
        for i in range(40):
            v = (4, 6)[i & 1]
            c = n.tcp(g.a, v == 6)
            c.setblocking(False)
            c.connect_ex((k.SERVER[v], k.PORT))
            clients.append((v, c))
    for v, c in clients:  # who hears a SYN-ACK speaks, so a lost ACK is repaired
        assert select.select([], [c], [], 20)[1], "not connected within 20 s"
        n.equal("error of connect", c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
        c.send(b"first")
    for v, c in clients:
        s = k.accepted(g.listeners[v, k.PORT], 20)
        assert s, f"v{v}: {len(servers)} of {len(clients)} were accepted"
        servers[v, s.getpeername()[1]] = s
    both = [(c, servers[v, c.getsockname()[1]]) for v, c in clients]
    for _, s in both:
        s.settimeout(20)
        n.equal("at the server", n.read_n(s, 5), b"first")
    k.exchange(both, 16384)
    lines = g.finish()
    n.equal("drops", [x["reason"] for x in lines if x["event"] == "drop" and x["reason"] != "cookie_bad"], [])
    n.equal("via a cookie", len([x for x in lines if x["event"] == "established" and x["via"] == "cookie"]), 82)


def maps_full():
    """the table of flows is full: connections through cookies live all the same, and it is counted"""
    g = k.Ground("--max-flows", 16)
    k.talks(g, 1)
    pairs = [g.open((4, 6)[i & 1]) for i in range(60)]
    k.exchange(pairs, 20000)
    for c, s in pairs:
        k.end(c, s)
    k.talks(g, 2)
    n.at_least("connections that were not followed", k.counters(g.sw)["flows_full"], 20)
    fig = [g.figures(v) for v in (4, 6)]
    n.equal("dropped", sum(x["dropped"] for x in fig), 0)
    g.finish()


if __name__ == "__main__":
    n.main(before_start, reboot_before_start, half_open_before_start, before_engaging, closed_port, port_reuse,
           late_fin, server_first, closes_at_once, lost_data, lost_idle, fast_open, lossy,
           maps_full)
