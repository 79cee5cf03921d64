#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Listeners of every kind behind the guard: both families in one, several on one port, with buffers of their own, full
ones; and that the clock of a connection's timestamps continues from its cookie."""
import contextlib
import fcntl
import resource
import socket
import threading
import time

import kit as n
from kit import guard as k

DIRECT = 7778
SO_REUSEPORT, TCP_WINDOW_CLAMP, TCP_REPAIR = 15, 10, 19


@contextlib.contextmanager
def user(uid):
    """Sockets that this thread makes are this user's."""
    n.libc.setfsuid(uid)
    try:
        yield
    finally:
        n.libc.setfsuid(0)


def listener(g, ip, port, *options, backlog=1024, uid=0):
    with n.Inside(g.b), user(uid):
        s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(10)
    for level, name, value in options:
        s.setsockopt(level, name, value)
    s.bind((ip, port))
    s.listen(backlog)
    return s


def look(g, c):
    mine, its = c.getsockname()[1], c.getpeername()[1]
    return k.sockets(g.a)[mine, its], k.sockets(g.b)[its, mine]


def bare(*args, **kw):
    return k.Ground(*args, ports=(), start=False, **kw)


def both_families():
    """one listener for IPv4 and IPv6 ([::]), and one for all IPv4 addresses"""
    g = bare()
    dual = listener(g, "::", k.PORT, (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0))
    any4 = listener(g, "0.0.0.0", DIRECT)
    g.start()
    for port, where, families in ((k.PORT, dual, (4, 6)), (DIRECT, any4, (4,))):
        for v in families * 2:
            c = n.connect(g.a, k.SERVER[v], port)
            s = k.accepted(where)
            assert s, f"v{v}: no connection to port {port}"
            k.exchange([(c, s)])
            k.end(c, s)
    fig = k.services(g.sw)
    n.equal("services", {x: s["cookies_accepted"] for x, s in fig.items()}, {"*:7777": 4, "0.0.0.0:7778": 2})
    g.finish()


def an_address_and_any():
    """a listener on an address beside one on all: each gets its own"""
    g = bare()
    n.addr(g.b, "srv0", "10.66.0.3/16")
    wide = listener(g, "0.0.0.0", k.PORT, (socket.SOL_SOCKET, SO_REUSEPORT, 1))
    own = listener(g, "10.66.0.2", k.PORT, (socket.SOL_SOCKET, SO_REUSEPORT, 1))
    g.start()
    for ip, where in (("10.66.0.2", own), ("10.66.0.3", wide)) * 3:
        c = n.connect(g.a, ip, k.PORT)
        s = k.accepted(where)
        assert s, f"{ip}: the other listener got it"
        k.speak(c, s)
        k.end(c, s)
    n.equal("cookies", {x: s["cookies_accepted"] for x, s in k.services(g.sw).items()},
            {"10.66.0.2:7777": 3, "0.0.0.0:7777": 3})
    g.finish()


def bound_to_a_device():
    """a listener that is bound to one of two devices: cookies that come back by the other do not switch its guard off"""
    k.needs_reqsk("are what comes back to nobody")
    g = bare("-i", "srv1", "--mode", "generic")
    n.veth(g.a, "cli1", g.b, "srv1")
    n.addr(g.a, "cli1", "10.67.0.1/16")
    n.addr(g.b, "srv1", "10.67.0.2/16")
    where = listener(g, "0.0.0.0", k.PORT, (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"srv0"))
    g.start()
    ends, again = [], 0  # how the others ended; SYNs that a client sent again: each has its cookie, and perhaps its ACK

    def figures():
        return k.services(g.sw)["0.0.0.0:7777"]

    for i in range(1, 4):
        other = n.tcp(g.a)
        other.settimeout(5)
        try:  # its SYN gets a cookie, and its ACK a RST
            other.connect(("10.67.0.2", k.PORT))
            n.equal("from nobody", other.recv(1), b"")
            ends.append("read")
        except ConnectionError as e:
            ends.append(repr(e))
        again += n.retransmitted(other)
        other.close()
        n.until(lambda i=i: i <= figures()["cookie_no_listener"] <= i + again,
                evidence=lambda: f"{ends}, {again} SYNs again, {figures()}, stderr {g.sw.err()!r}")
        c = n.connect(g.a, "10.66.0.2", k.PORT)
        again += n.retransmitted(c)
        s = k.accepted(where)
        assert s, "no connection"
        k.speak(c, s)
        k.end(c, s)
    fig = figures()
    n.equal("left to the listener", fig["opened"], 0)
    n.at_least("cookies sent", fig["cookies_sent"], 6)
    n.at_most("cookies sent", fig["cookies_sent"], 6 + again)
    g.finish()


def reuseport():
    """four listeners on one port (SO_REUSEPORT): every connection reaches one of them"""
    g = bare()
    group = [listener(g, "10.66.0.2", k.PORT, (socket.SOL_SOCKET, SO_REUSEPORT, 1)) for _ in range(4)]
    g.start()
    clients = [n.connect(g.a, "10.66.0.2", k.PORT) for _ in range(60)]
    got = []
    for one in group:
        mine = []
        while True:
            s = k.accepted(one, 0.2)
            if not s:
                break
            mine.append(s)
        got.append(mine)
    n.equal("accepted", sum(map(len, got)), 60)
    n.at_least("listeners that got some", len([x for x in got if x]), 3)
    ports = {s.getpeername()[1]: s for mine in got for s in mine}
    for c in clients:
        s = ports[c.getsockname()[1]]
        k.speak(c, s, 10)
        k.end(c, s)
    n.equal("by cookie", k.services(g.sw)["10.66.0.2:7777"]["cookies_accepted"], 60)
    g.finish()


def buffers():
    """SO_RCVBUF of a listener decides window scale and window, as without the guard"""
    for size in (4096, 60000, 300000, 3000000):
        g = bare("--protect", k.PORT)
        n.sh("sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 33554432", ns=g.b)
        opt = (socket.SOL_SOCKET, 33, size)  # SO_RCVBUFFORCE
        for v in (4, 6):
            for port in (k.PORT, DIRECT):
                g.listeners[v, port] = listener(g, k.SERVER[v], port, opt)
        g.start()
        for v in (4, 6):
            p = k.Peer(g, v)
            p.syn(k.TS)
            pairs = [g.open(v, port) for port in (k.PORT, DIRECT)]
            got, direct = (look(g, c) for c, _ in pairs)
            for end, a, b in zip(("client", "server"), got, direct):
                for word in ("ts", "sack", "wscale", "mss", "advmss", "pmtu"):
                    n.equal(f"v{v} SO_RCVBUF {size} {end} {word}", a[word], b[word])
            k.exchange(pairs[:1], 100000)
            for c, s in pairs:
                k.end(c, s)
            n.equal(f"v{v} by cookie", g.counted("cookies_accepted", v), 1)
        g.finish()
        n.cleanup()


def full_accept_queue():
    """nobody accepts: who cannot be taken is taken when there is room, with all its data"""
    g = bare()
    few = listener(g, "10.66.0.2", k.PORT, backlog=1)
    g.start()
    clients = []
    for i in range(5):
        c = n.connect(g.a, "10.66.0.2", k.PORT)
        c.sendall(b"number %d" % i)
        clients.append(c)
    n.until(lambda: sum(n.retransmitted(c) > 0 for c in clients) == 3)  # whom the listener has no room for
    n.equal("waiting", len(n.sh("ss", "-tHn", "state", "established", ns=g.b).stdout.splitlines()), 2)
    seen = set()
    for _ in clients:
        s = k.accepted(few, 10)
        assert s, f"only {len(seen)} were accepted"
        seen.add(n.read_n(s, 8))
        s.close()
    n.equal("all", seen, {b"number %d" % i for i in range(5)})
    g.finish()


def first_flights():
    """three segments right behind the third packet, from many clients at once: one batch to the driver, and none is lost"""
    g = bare()
    wide = listener(g, "10.66.0.2", k.PORT)
    g.start("--mode", "native")
    stop, failed, done = threading.Event(), [], []

    def serve():
        try:
            while not stop.is_set():
                s = k.accepted(wide, 0.2)
                if s:
                    s.sendall(n.read_n(s, 4000))
                    s.close()
        except (OSError, RuntimeError) as e:
            failed.append(f"server: {e}")
            wide.close()

    def talk():
        for _ in range(300):
            try:
                c = n.connect(g.a, "10.66.0.2", k.PORT)
                c.sendall(b"x" * 4000)
                done.append(len(n.read_n(c, 4000)))
                c.close()
            except (OSError, RuntimeError) as e:
                failed.append(str(e))
                return

    server = threading.Thread(target=serve)
    clients = [threading.Thread(target=talk) for _ in range(4)]
    server.start()
    for t in clients:
        t.start()
    for t in clients:
        t.join()
    stop.set()
    server.join()
    fig = k.services(g.sw)["10.66.0.2:7777"]
    n.equal("failed", failed, [])
    n.equal("echoes", (len(done), set(done)), (1200, {4000}))
    n.equal("cookies accepted, segments dropped", (fig["cookies_accepted"], fig["dropped"]), (1200, 0))
    g.finish()


def clock_goes_on():
    """the server's timestamps continue from the cookie's, in milliseconds"""
    g = k.Ground()
    for v in (4, 6):
        p = k.Peer(g, v)
        first = p.syn(k.TS)
        start = time.monotonic()
        p.say("A", options=k.stamp(first))
        s = k.accepted(g.listeners[v, k.PORT])
        assert s, "no connection"
        last = k.tsval(first.options)[0]
        for wait in (0, 0.3, 0.5):
            time.sleep(wait)  # the clock must tick
            s.sendall(b"tick")
            got = p.hear(want=lambda t: bytes(t.payload)[:4] == b"tick")
            assert got, "the server's data did not come"
            val, echo = k.tsval(got.options)
            passed = (val - k.tsval(first.options)[0]) & 0xffffffff
            n.at_most(f"v{v} ms since the SYN-ACK", passed, (time.monotonic() - start) * 1000 + 20)
            n.at_least(f"v{v} ms since the last", (val - last) & 0xffffffff, int(wait * 1000) - 20)
            n.equal("echo", echo, 6000)
            last = val
            p.ack += 4
            p.say("A", options=[("NOP", None), ("NOP", None), ("Timestamp", (6000, val))])
    g.finish()


def crowded():
    """a user who listens on 1,100 ports keeps neither a later service of root nor another user's from its place"""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    g = bare()
    many = []
    for i in range(1100):  # with high numbers: select() takes those below 1024
        with listener(g, "10.66.0.2", 20000 + i, uid=1000, backlog=1) as s:
            many.append(socket.socket(fileno=fcntl.fcntl(s, fcntl.F_DUPFD_CLOEXEC, 2000)))
    g.start()
    n.equal("not protected", k.counters(g.sw)["services_unprotected"], 77)
    late = {443: listener(g, "10.66.0.2", 443), 8443: listener(g, "10.66.0.2", 8443, uid=1001)}
    for port, where in late.items():
        name = f"10.66.0.2:{port}"
        n.until(lambda name=name: k.services(g.sw).get(name, {}).get("state") == "engaged",
                evidence=lambda: f"{len(k.services(g.sw))} services, stderr {g.sw.err()!r}")
        c = n.connect(g.a, "10.66.0.2", port)
        s = k.accepted(where)
        assert s, f"no connection to port {port}"
        k.speak(c, s)
        k.end(c, s)
        n.equal(f"cookies of port {port}", k.services(g.sw)[name]["cookies_accepted"], 1)
    got = k.counters(g.sw)
    n.equal("services, active, not protected",
            (len(got["services"]), got["services_active"], got["services_unprotected"]), (1023, 1023, 79))
    lines = g.finish(r"77 listening sockets are not protected: the limit is 1023 \(1023 are of uid 1000\)")
    n.equal("warnings", g.sw.err().count("are not protected"), 1)
    n.fields(lines[-1], event="stats", services_unprotected=79)
    for s in many:
        s.close()


def forgotten():
    """--stray reset: the client of a connection that this host has forgotten fails at once, while engaged; else it waits"""
    for args, want in (((), TimeoutError), (("--stray", "reset"), ConnectionResetError)):
        g = bare(*args)
        ends = []
        for v in (4, 6):
            where = listener(g, k.SERVER[v], k.PORT)
            ends.append((n.open_pair(g.a, where), where))
        g.start()
        for v, ((c, s), where) in zip((4, 6), ends):
            n.until(lambda g=g, v=v: g.figures(v)["state"] == "engaged")
            s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            s.close()  # says nothing
            c.settimeout(1)
            try:
                c.sendall(b"are you there?")
                got = c.recv(1)
            except OSError as e:
                got = type(e)
            n.equal(f"v{v} {args}: to the client", got, want)
            fig = g.figures(v)
            n.equal(f"v{v} {args}: RSTs", fig["resets_sent"], int(want is ConnectionResetError))
            n.at_least(f"v{v} {args}: dropped", fig["drop_cookie_bad"], 1)
            c.close()
            n.equal("others", k.accepted(where, 0), None)
            g.listeners[v, k.PORT] = where
            k.talks(g, 1, (v,))
        g.finish()
        n.cleanup()


if __name__ == "__main__":
    n.main(both_families, an_address_and_any, bound_to_a_device, reuseport, buffers, full_accept_queue, first_flights, clock_goes_on,
           crowded, forgotten)
