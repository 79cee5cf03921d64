#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""What a gateway that translates says: a line for what goes wrong, and one story of each connection.

    a client ==== r gateway ==== b host behind, unchanged (kit/gateway.py)
"""
import socket

import kit as n
from kit import gateway as g
from kit import guard as k

SPORT = 40001


def ground(*args, **kw):
    """Client, gateway, host with a listener of each family; the gateway knows the host."""
    a, r, b = n.routed()
    listeners = {v: n.listen(b, g.HOST[v], g.PORT) for v in (4, 6)}
    sw = g.translate(r, "rta", *args, **kw)
    g.taught(a, listeners.values())
    return a, r, b, listeners, sw


def nft(ns, text):
    n.sh("nft", text, ns=ns)


def is_reset(ns, v=4):
    """A client gets a connection, and its end; that may come before it knows of the first. Its name."""
    c = n.tcp(ns, v == 6)
    c.bind(("10.66.0.1" if v == 4 else "fd66::1", 0))
    name = c.getsockname()
    try:
        c.connect((g.HOST[v], g.PORT))
        c.recv(1)
    except ConnectionResetError:
        return name
    raise AssertionError("no reset")


def ended(sw):
    """Its lines, all of them."""
    n.equal("exit code", sw.stop(hurry=True), 0)
    lines = sw.lines()
    n.equal("events lost", n.check_seq(lines), 0)
    return lines


def lines_of(lines, what):
    return [x for x in lines if x["event"] == "gateway" and x["what"] == what]


def reported(sw, *whats):
    """Waits until all of these that were counted are in lines."""
    def all_are():
        have, lines = g.counts(sw), sw.lines()
        return all(sum(x["count"] for x in lines_of(lines, what)) == have[what] for what in whats)
    n.until(all_are, 10, evidence=lambda: (g.counts(sw), [x for x in sw.lines() if x["event"] == "gateway"]))


def refused():
    """a closed port: who was refused, by which host, on which way; in text and in ECS, too"""
    a, r, b, listeners, sw = ground()
    for x in listeners.values():
        x.close()
    names = {v: is_reset(a, v) for v in (4, 6)}
    reported(sw, "refused")
    lines = ended(sw)
    for v in (4, 6):
        where = dict(orig_ip=names[v][0], orig_port=names[v][1], resp_ip=g.HOST[v], resp_port=g.PORT)
        n.fields(n.one([x for x in lines if x["event"] == "conn" and x["orig_port"] == names[v][1] and x["via"] == "cookie"]),
                 reason="reset", conn_state="RSTR", **where)
    n.fields(lines_of(lines, "refused")[0], hook="tc_egress", iface="rta", count=1, orig_ip="10.66.0.1", resp_ip=g.HOST[4])


def silent():
    """a host that is gone: the client is reset, and its connection has its end, with the reset in it"""
    a, r, b, listeners, sw = ground("--gateway-pending", 2, "--close-delay", 0.1)
    nft(r, "table inet t { chain f { type filter hook forward priority 0; "
           f"iifname rta tcp dport {g.PORT} drop; }}; }}")
    names = {v: is_reset(a, v) for v in (4, 6)}
    for v in (4, 6):
        conn = n.until(lambda v=v: [x for x in sw.lines() if x["event"] == "conn" and x["orig_port"] == names[v][1]], 10)
        n.fields(n.one(conn), via="cookie", reason="reset", conn_state="RSTR", resp_ip=g.HOST[v], resp_pkts=2)
    reported(sw, "silent", "again", "dead_reset")
    lines = ended(sw)
    at = lines_of(lines, "silent")
    n.fields(at[0], hook="sweep", iface=None, count=1, orig_ip=names[4][0], orig_port=names[4][1], resp_ip=g.HOST[4],
             resp_port=g.PORT)
    n.equal("connections that the host was silent for", sum(x["count"] for x in at), 2)


def port_reuse():
    """a client has lost its connection, and uses its port again while the host still has the old one: a line for each of
    the two, with its own numbers"""
    a, r, b, listeners, sw = ground("--close-delay", 0.1)

    def from_port(v):
        c = n.tcp(a, v == 6)
        c.bind(("10.66.0.1" if v == 4 else "fd66::1", SPORT))
        c.connect((g.HOST[v], g.PORT))
        s = k.accepted(listeners[v], n.PATIENCE)
        assert s, f"v{v}: no connection"
        return c, s

    for v in (4, 6):
        c, s = from_port(v)
        c.sendall(b"first")
        n.equal("first", n.read_n(s, 5), b"first")
        # the client forgets it without a word
        nft(a, "table inet t { chain o { type filter hook output priority 0; tcp flags & rst == rst drop; }; }")
        n.reset(c)
        n.sh("nft", "flush", "ruleset", ns=a)
        c2, s2 = from_port(v)
        c2.sendall(b"another")
        n.equal("another", n.read_n(s2, 7), b"another")
        s2.sendall(b"yes")
        n.equal("answer", n.read_n(c2, 3), b"yes")
        k.end(c2, s2)
        s.close()
        lines = n.until(lambda v=v: len(found := [x for x in sw.lines() if x["event"] == "conn" and x["orig_port"] == SPORT
                                                  and x["resp_ip"] == g.HOST[v]]) == 2 and found, 10,
                        evidence=lambda: [x for x in sw.lines() if x["event"] in ("conn", "reused")])
        n.fields(lines[0], via="cookie", reason="reused", orig_bytes=5, resp_bytes=0)
        n.fields(lines[1], via="cookie", reason="fin", conn_state="SF", orig_bytes=7, resp_bytes=3)
        n.equal("two connections", len({x["uid"] for x in lines}), 2)
    n.equal("the host still had it", (g.counts(sw)["reused"], g.counts(sw)["challenged"]), (2, 2))
    reported(sw, "reused", "challenged")
    lines = ended(sw)
    n.equal("reused", len([x for x in lines if x["event"] == "reused" and x["orig_port"] == SPORT]), 2)
    n.equal("anomalies", [x["anomaly"] for x in lines if x["event"] == "anomaly"], [])


def drained():
    """no more cookies: a line with the connections that are left, and one when there are none"""
    a, r, b, listeners, sw = ground("--gateway-linger", 1)
    c, s = n.open_pair(a, listeners[4])
    k.speak(c, s)
    n.sh(n.SYNWARD, "gateway", "drain", "--pid", sw.p.pid)
    n.until(lambda: lines_of(sw.lines(), "draining"), 10)
    n.fields(n.one(lines_of(sw.lines(), "draining")), connections=1, count=1, orig_ip=None, resp_port=None, iface=None)
    n.equal("not yet", lines_of(sw.lines(), "drained"), [])
    k.end(c, s)
    n.until(lambda: lines_of(sw.lines(), "drained"), 10)
    n.fields(n.one(lines_of(sw.lines(), "drained")), connections=0, count=1)
    n.equal("once", len(lines_of(ended(sw), "draining")), 1)


def changed():
    """a host that grants something else than before: what, and which host"""
    a, r, b, listeners, sw = ground()
    n.sh("sysctl", "-qw", "net.ipv4.tcp_timestamps=0", ns=b)
    is_reset(a)
    reported(sw, "changed", "no_timestamps")
    at = lines_of(ended(sw), "changed")[-1]
    n.fields(at, resp_ip=g.HOST[4], resp_port=g.PORT, timestamps=False, sack=True, ecn=False, mss=1460)


def readers():
    """`synward events` by the address of a host; and none where they are not wanted"""
    a, r, b, listeners, sw = ground("--events", "all,-conn")
    for x in listeners.values():
        x.close()
    ears = {v: n.popen([n.SYNWARD, "events", "--pid", str(sw.p.pid), "--events", "gateway", "--net", g.HOST[v], "-c", "1"],
                       r, stdout=-1, stderr=-1) for v in (4, 6)}
    for x in ears.values():
        n.equal("admitted", b"reading events of" in x.stderr.readline(), True)
    for v in (4, 6):
        is_reset(a, v)
    for v in (4, 6):
        out = ears[v].communicate(timeout=20)[0].decode()
        n.equal(f"v{v}", (f'"resp_ip":"{g.HOST[v]}"' in out, out.count("\n")), (True, 1))


def inner():
    """the inner interface is followed, too: each connection has one line, with both ends' bytes in the client's numbers;
    what comes in there is not guarded"""
    nets = {4: f"10.67.0.0/24:{g.PORT}", 6: f"[fd67::]/64:{g.PORT}", 0: f"10.66.0.0/24:{g.PORT}"}
    a, r, b, listeners, sw = ground("--close-delay", 0.1, inner=("rtb",), nets=nets)
    assert "'rta' is the outer interface" in sw.err(), sw.err()
    wanted = {}

    def one(src, host, listener, via):
        c = n.connect(src, host, g.PORT)
        s = k.accepted(listener)
        name = c.getsockname()
        k.exchange([(c, s)], 1 << 20)
        k.end(c, s)
        wanted[name[1]] = (via, name[0], host)

    for v in (4, 6):
        one(a, g.HOST[v], listeners[v], "cookie")
    one(b, "10.66.0.1", n.listen(a, "10.66.0.1", g.PORT), "stack")
    n.settled(a, b)
    n.until(lambda: len([x for x in sw.lines() if x["event"] == "conn" and x["orig_port"] in wanted]) >= len(wanted), 10)
    n.equal("counters", (g.counts(sw)["opened"], g.counts(sw)["failed"]), (2, 0))
    lines = ended(sw)
    for port, (via, orig, resp) in wanted.items():
        n.fields(n.one([x for x in lines if x["event"] == "conn" and x["orig_port"] == port]), via=via, conn_state="SF",
                 orig_ip=orig, resp_ip=resp, orig_bytes=1 << 20, resp_bytes=1 << 20, missed_bytes=0)
    n.equal("anomalies", [x["anomaly"] for x in lines if x["event"] == "anomaly" and x["anomaly"] != "window_recision"], [])


def inner_auto():
    """the inner interface is followed, too: handshakes are counted as without, and it engages by them"""
    a, r, b, listeners, sw = ground("--engage", "half-open=30,syn-rate=1000000", mode="auto", inner=("rtb",))
    nft(a, "table inet t { chain o { type filter hook output priority 0; "
           f"tcp dport {g.PORT} tcp flags & (syn|ack|rst) == ack meta mark 7 drop; }}; }}")
    stuck = []
    for _ in range(40):  # handshakes that never complete
        x = n.tcp(a)
        x.setsockopt(socket.SOL_SOCKET, 36, 7)  # SO_MARK
        x.setblocking(False)
        x.connect_ex((g.HOST[4], g.PORT))
        stuck.append(x)
    n.until(lambda: g.service(sw)["state"] == "engaged", 10, evidence=lambda: g.service(sw))
    for x in stuck:
        x.close()


def data_at_once():
    """a client that takes its window of 0 for a large one: its acknowledgement has data, and opens the connection; the data is
    sent again"""
    speak_first("native")


def data_at_once_generic():
    """the same with generic XDP"""
    speak_first("generic")


def speak_first(mode):
    a, r, b, listeners, sw = ground("--mode", mode)
    nft(a, "table inet t { chain p { type filter hook prerouting priority -300; "
           f"tcp sport {g.PORT} tcp flags & (syn|ack) == syn|ack tcp window set 60000; }}; }}")
    for v in (4, 6):
        c = n.tcp(a, v == 6)
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)  # the acknowledgement waits for data
        c.connect((g.HOST[v], g.PORT))
        c.sendall(b"at once")
        s = k.accepted(listeners[v], n.PATIENCE)
        assert s, f"v{v}: no connection"
        n.equal("data", n.read_n(s, 7), b"at once")
        k.exchange([(c, s)], 1 << 20)
        k.end(c, s)
    n.equal("counters", [g.counts(sw)[x] for x in ("begun", "opened", "failed", "refused")], [2, 2, 0, 0])
    ended(sw)


def held_back(*args):
    """A client whose acknowledgement is held back until another synward is there, with the same arguments."""
    a, r, b = n.routed()
    listener = n.listen(b, g.HOST[4], g.PORT)
    sw = g.translate(r, "rta", *args)
    g.taught(a, [listener])
    nft(a, "table inet hole { chain c { type filter hook output priority 0; "
           f"tcp dport {g.PORT} tcp flags & (syn|ack) == ack counter drop; }}; }}")
    c = n.tcp(a)
    for what, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 100)):
        c.setsockopt(socket.IPPROTO_TCP, what, value)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    c.connect((g.HOST[4], g.PORT))
    n.equal("nothing has come back", g.counts(sw)["begun"], 0)
    n.equal("exit code", sw.stop(hurry=True), 0)
    sw = g.translate(r, "rta", *args)
    n.sh("nft", "flush", "ruleset", ns=a)
    return c, listener, sw


def key_file():
    """with a key file a cookie is good for the process that comes after"""
    c, listener, sw = held_back("--key-file", g.key_file())
    s = k.accepted(listener, n.PATIENCE)
    assert s, "no connection"
    k.exchange([(c, s)], 1 << 20)
    k.end(c, s)
    n.equal("counters", [g.counts(sw)[x] for x in ("begun", "opened", "failed")], [1, 1, 0])


def no_key_file():
    """without one it is not: the client is reset"""
    c, _, sw = held_back()
    try:
        c.recv(1)
        raise AssertionError("a cookie of keys that are no more was good")
    except ConnectionResetError:
        n.equal("counter", g.counts(sw)["begun"], 0)


n.main(refused, silent, port_reuse, drained, changed, readers, inner, inner_auto, data_at_once, data_at_once_generic, key_file,
       no_key_file)
