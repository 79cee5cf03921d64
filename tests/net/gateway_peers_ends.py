#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""A gateway that translates, and how connections begin and end when something goes wrong.

    a client ==== r gateway ==== b host (kit/peers.py; SW_TEST_PLAIN=1 leaves the gateway out)
"""
import errno
import os
import select
import socket
import time

import kit as n
from kit import guard as k
from kit import peers as p

DATA = os.urandom(8 << 20)
SPORT = 45678


def refused():
    """a port that nobody listens on: the client is refused, or connected and reset, at once; an open one is not"""
    g = p.Ground(8080, 8081)
    listeners = g.listen()
    for x in g.listen(8081).values():
        x.close()
    for v in (4, 6):
        for _ in range(3):
            began = time.monotonic()
            c = n.tcp(g.a, v == 6)
            try:
                c.connect((p.HOST[v], 8081))
                c.sendall(b"x")
                got = c.recv(1)
                raise AssertionError(f"v{v}: neither refused nor reset: {got!r}")
            except (ConnectionRefusedError, ConnectionResetError):
                pass
            n.at_most(f"v{v} seconds", time.monotonic() - began, 2 * n.SLOW)
            c.close()
        c, s = g.open(listeners[v])
        k.speak(c, s)
        p.close(c, s)
    through = 0 if p.PLAIN else g.counter("refused")  # the next SYNs pass, for a while
    if not p.PLAIN:
        n.at_least("refusals that became a reset", through, 2)
    g.end(2 + through, states=("SF", "RSTR"))


def drop(ns, where, rule):
    """An nft rule in a chain of its own."""
    n.sh("nft", f"add table inet hole; add chain inet hole c {{ type filter hook {where} priority 0; }}; "
         f"add rule inet hole c {rule}", ns=ns)


def hits(ns):
    """Packets that this rule has counted."""
    words = n.sh("nft", "list", "table", "inet", "hole", ns=ns).stdout.split()
    return int(words[words.index("packets") + 1])


def silent():
    """a host that never answers: the client gives up by its own time-out, and nothing of it stays"""
    g = p.Ground()
    g.listen()
    drop(g.b, "input", f"tcp dport {p.PORT} counter drop")
    for v in (4, 6):
        c = n.tcp(g.a, v == 6)
        c.settimeout(1.5)
        try:
            c.connect((p.HOST[v], p.PORT))
            c.sendall(b"x")
            raise AssertionError(f"v{v}: the host answers {c.recv(1)!r}")
        except TimeoutError:
            pass
        if not p.PLAIN:
            n.until(lambda: g.pending() == 1, 5, evidence=g.shown)
        n.reset(c)
        if not p.PLAIN:
            n.until(lambda: not g.pending(), 10, evidence=g.shown)
    n.at_least("SYNs that the host dropped", hits(g.b), 4)
    g.end(0 if p.PLAIN else 2, states=("RSTO", "RSTOS0"))


def bound(g, v):
    """A client's socket with always the same port."""
    c = n.tcp(g.a, v == 6)
    c.bind((p.CLIENT[v], SPORT))
    return c


def again(g, v, listener):
    """A connection from that port; the client speaks first."""
    def connected():
        """the client's own TIME_WAIT lets the port be used"""
        try:
            c.connect((p.HOST[v], p.PORT))
            return True
        except OSError as e:
            if e.errno != errno.EADDRNOTAVAIL:
                raise
            return False

    c = bound(g, v)
    n.until(connected, 5)
    c.sendall(b"request")
    s = k.accepted(listener, 10)
    assert s, f"v{v}: no connection"
    n.equal("request", n.read_n(s, 7), b"request")
    s.sendall(b"answer")
    n.equal("answer", n.read_n(c, 6), b"answer")
    return c, s


def port_used_again():
    """the same port again: after a RST, after TIME_WAIT of the host, after TIME_WAIT of the client"""
    g = p.Ground()
    listeners = g.listen()
    n.sh("sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1", ns=g.a)
    for v in (4, 6):
        for _ in range(3):
            c, s = again(g, v, listeners[v])
            n.reset(c)
            n.equal("reset", reads_reset(s), True)
        for _ in range(3):
            c, s = again(g, v, listeners[v])
            s.close()
            n.equal("end", c.recv(1), b"")
            c.close()
            n.until(lambda v=v: n.sh("ss", f"-{v}tHn", "state", "time-wait", ns=g.b).stdout, 5)
        for _ in range(2):
            c, s = again(g, v, listeners[v])
            p.close(c, s)
            n.until(lambda v=v: n.sh("ss", f"-{v}tHn", "state", "time-wait", ns=g.a).stdout, 5)
    g.end(16, states=("SF", "RSTO"))


def reads_reset(s):
    """Reading says that the other end has reset it."""
    try:
        got = s.recv(1)
    except ConnectionResetError:
        return True
    raise AssertionError(f"no reset, but {got!r}")


def half_closed():
    """one side has said all and the other goes on: by the host after the client's FIN, and by the client after the host's"""
    g = p.Ground()
    listeners = g.listen()
    for v in (4, 6):
        for client_first in (True, False):
            c, s = g.open(listeners[v])
            k.speak(c, s)
            first, last = (c, s) if client_first else (s, c)
            first.shutdown(socket.SHUT_WR)
            n.equal("end", last.recv(1), b"")
            ns = g.a if client_first else g.b
            n.until(lambda ns=ns, v=v: n.sh("ss", f"-{v}tHn", "state", "fin-wait-2", ns=ns).stdout, 5)
            for _ in range(3):
                flow = p.Flow(last, first, DATA[:1 << 20])
                flow.start()
                p.check_flows(g, (flow,))
            last.close()
            n.equal("end", first.recv(1), b"")
            first.close()
    g.end(4)


def resets():
    """SO_LINGER 0 by the client, by the host, and by the client at once: the other end hears it"""
    g = p.Ground()
    listeners = g.listen()
    for v in (4, 6):
        for by_client in (True, False):
            c, s = g.open(listeners[v])
            k.speak(c, s)
            one, other = (c, s) if by_client else (s, c)
            n.reset(one)
            n.equal("reset", reads_reset(other), True)
            other.close()
        c = n.connect(g.a, p.HOST[v], p.PORT)
        n.reset(c)
        with_luck = k.accepted(listeners[v], 0.5)  # the host may have heard of it or not
        if with_luck:
            n.equal("reset", reads_reset(with_luck), True)
    g.end(6, states=("RSTO", "RSTR"))


def half_of_syns_lost():
    """every second SYN does not reach the host, which speaks first: each client gets its greeting"""
    g = p.Ground()
    listeners = g.listen()
    for v, family in ((4, "ip version 4"), (6, "ip6 version 6")):
        n.sh("nft", f"add table netdev hole{v}; add chain netdev hole{v} c {{ type filter hook ingress device srv0 priority 0; }}; "
             f"add rule netdev hole{v} c {family} tcp flags & (syn|ack) == syn numgen inc mod 2 == 0 counter drop",
             ns=g.b)
    waiting, greeted = {}, 0
    for v in (4, 6):
        for _ in range(4):
            c = n.tcp(g.a, v == 6)
            c.setblocking(False)
            n.equal("connect", c.connect_ex((p.HOST[v], p.PORT)), errno.EINPROGRESS)
            waiting[c] = v
    deadline = time.monotonic() + 20 * n.SLOW
    done = []
    while greeted < len(waiting):
        left = deadline - time.monotonic()
        n.at_least(f"seconds left, {greeted} of {len(waiting)} greeted", left, 0)
        ready, _, _ = select.select([*listeners.values(), *(x for x in waiting if x not in done)], [], [], left)
        for x in ready:
            if x in waiting:
                n.equal("greeting", x.recv(100), b"220 ready\r\n")
                x.settimeout(10)
                greeted += 1
                done.append(x)
            else:
                x.accept()[0].sendall(b"220 ready\r\n")
    for c in waiting:
        c.close()
    for v in (4, 6):
        words = n.sh("nft", "list", "table", "netdev", f"hole{v}", ns=g.b).stdout.split()
        n.at_least(f"v{v} SYNs lost", int(words[words.index("packets") + 1]), 2)
    if not p.PLAIN:
        n.at_least("SYNs again", g.counter("again"), 4)
    g.end(len(waiting))


def lost_ack(then, doc):
    def case():
        g = p.Ground()
        listeners = g.listen()
        for v in (4, 6):
            drop(g.a, "output", f"tcp dport {p.PORT} tcp flags & (syn|ack) == ack counter drop")
            c = n.tcp(g.a, v == 6)
            for what, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
                c.setsockopt(socket.IPPROTO_TCP, what, value)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(then == "idle"))
            c.connect((p.HOST[v], p.PORT))
            n.until(lambda: hits(g.a), 5)
            if then == "data":
                c.sendall(b"hello")
                n.until(lambda: hits(g.a) >= 2, 5)
            n.sh("nft", "delete table inet hole", ns=g.a)
            s = k.accepted(listeners[v], 10)
            assert s, f"v{v}: no connection"
            s.sendall(b"220 ready\r\n")
            n.equal("greeting", n.read_n(c, 11), b"220 ready\r\n")
            if then == "data":
                n.equal("what was lost", n.read_n(s, 5), b"hello")
            k.speak(c, s)
            p.close(c, s)
        g.end(2)

    case.__name__, case.__doc__ = f"ack_lost_{then}", doc
    return case


ack_lost_idle = lost_ack("idle", "the client's third packet is lost, and the host has to speak first: its keepalive opens it")
ack_lost_data = lost_ack("data", "the client's third packet is lost, and it has data to say: what it sends again opens it")


def answers_lost():
    """the host's first segments after its SYN are lost once each: SYN-ACK, greeting; all comes in the end"""
    g = p.Ground()
    listeners = g.listen()
    for v in (4, 6):
        n.sh("nft", "add table inet hole; add chain inet hole c { type filter hook output priority 0; }; "
             f"add rule inet hole c tcp sport {p.PORT} numgen inc mod 2 == 0 counter drop", ns=g.b)
        c = n.connect(g.a, p.HOST[v], p.PORT)
        c.sendall(b"request")
        s = k.accepted(listeners[v], 10)
        assert s, f"v{v}: no connection"
        s.settimeout(10)
        n.equal("request", n.read_n(s, 7), b"request")
        s.sendall(b"answer")
        n.equal("answer", n.read_n(c, 6), b"answer")
        n.at_least("lost", hits(g.b), 2)
        n.sh("nft", "delete table inet hole", ns=g.b)
        p.close(c, s)
    g.end(2)


if __name__ == "__main__":
    n.main(refused, silent, port_used_again, half_closed, resets, half_of_syns_lost,
           ack_lost_idle, ack_lost_data, answers_lost)
