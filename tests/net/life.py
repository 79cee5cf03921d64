#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections between real kernels: every way to open and to end one, as the lines show it."""
import json
import pathlib
import select
import socket
import time

import kit as n

V = {4: ("10.66.0.1", "10.66.0.2"), 6: ("fd66::1", "fd66::2")}


class Ground:
    """A pair, synward in b, and a listener; finish() ends it and returns all lines."""

    def __init__(self, v=4, role="server", args=(), full=True):
        self.a, self.b = n.pair()
        self.v, self.role = v, role
        self.client, self.server = V[v]
        watched = (self.b, "srv0") if role == "server" else (self.a, "cli0")
        self.listener = n.listen(self.b, self.server, 7777)
        self.sw = n.Synward(*watched, args=args, full=full)

    def finish(self):
        n.settled(self.a, self.b)
        n.equal("exit code", self.sw.stop(), 0)
        lines = self.sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        final = lines[-1]
        n.fields(final, event="stats", final=True, lost_total=0)
        n.equal("stderr", self.sw.err(), "")
        return lines


def plain(v, role):
    g = Ground(v, role)
    c, s = n.open_pair(g.a, g.listener)
    who = c.getsockname()
    c.sendall(b"x" * 1000)
    n.equal("received", n.read_n(s, 1000), b"x" * 1000)
    s.sendall(b"y" * 3000)
    n.equal("received", n.read_n(c, 3000), b"y" * 3000)
    c.close()
    n.equal("end", s.recv(1), b"")
    s.close()
    lines = g.finish()
    events = n.events_of(lines, who)
    n.equal("events", [e for e in events if e != "half_closed"], ["opening", "established", "closed", "conn"])
    conn = n.one(n.of(lines, who, "conn"))
    n.fields(conn, resp_ip=g.server, resp_port=7777, conn_state="SF", reason="fin", closed_by="orig",
             direction_by="syn", orig_state="TIME_WAIT", resp_state="CLOSED", orig_bytes=1000, resp_bytes=3000,
             via="stack", inferred=False, syn_rexmit=0, synack_rexmit=0, orig_sack=True, resp_sack=True, orig_ts=True,
             resp_ts=True, orig_gaps=0, resp_gaps=0, handshake="normal",
             orig_mss=1460 if v == 4 else 1440, resp_mss=1460 if v == 4 else 1440)
    header = 40 if v == 4 else 60
    for side, payload in (("orig", 1000), ("resp", 3000)):
        packets = conn[f"{side}_pkts"]
        # SYN: 20 bytes of options; all others carry timestamps, 12 bytes
        n.equal(f"{side}_ip_bytes", conn[f"{side}_ip_bytes"], packets * (header + 12) + 8 + payload)
    est = n.one(n.of(lines, who, "established"))
    if not (est["handshake_ns"] == est["server_ns"] + est["client_ns"] and 0 < est["handshake_ns"] < 10**9):
        raise AssertionError(f"handshake_ns {est['handshake_ns']} {est['server_ns']} {est['client_ns']}")
    for x in n.of(lines, who, "opening"):
        n.fields(x, orig_state="SYN_SENT", resp_state="LISTEN", history="S",
                 hook="xdp_ingress" if role == "server" else "tc_egress")
    n.equal("connections logged", len([x for x in lines if x["event"] == "conn"]), 1)


def brief():
    """without --full-events: a line has what is new with its event, and `conn` everything; bytes of a connection's lines"""
    g = Ground(args=("--close-delay", 0.1), full=False)
    for _ in range(20):
        c, s = n.open_pair(g.a, g.listener)
        c.sendall(b"x" * 1000)
        n.read_n(s, 1000)
        c.close()
        n.equal("end", s.recv(1), b"")
        s.close()
    lines = g.finish()
    conns = [x for x in lines if x["event"] == "conn"]
    n.equal("connections", len(conns), 20)
    for conn in conns:
        for x in lines:
            if x.get("uid") != conn["uid"] or x["event"] == "conn":
                continue
            extra = x.keys() - conn.keys()
            n.equal(f"keys of {x['event']} that conn has not", extra, set())
            if "community_id" in x or "history" in x:
                raise AssertionError(f"{x['event']} has what only conn has: {x}")
    size = sum(len(json.dumps(x, separators=(",", ":"))) + 1 for x in lines if "uid" in x) / len(conns)
    print(f"# {size:.0f} bytes a connection", flush=True)
    if size > 2600:
        raise AssertionError(f"{size} bytes a connection")


def v4_accepted():
    """IPv4, this host accepts: all events, exact bytes"""
    plain(4, "server")


def v6_accepted():
    """IPv6, this host accepts"""
    plain(6, "server")


def v4_opened():
    """IPv4, this host opens"""
    plain(4, "client")


def v6_opened():
    """IPv6, this host opens"""
    plain(6, "client")


def server_closes_first():
    """the server closes first: closed_by resp, TIME_WAIT on its side"""
    g = Ground()
    c, s = n.open_pair(g.a, g.listener)
    who = c.getsockname()
    s.close()
    n.equal("end", c.recv(1), b"")
    c.close()
    conn = n.one(n.of(g.finish(), who, "conn"))
    n.fields(conn, conn_state="SF", closed_by="resp", resp_state="TIME_WAIT", orig_state="CLOSED", orig_bytes=0,
             resp_bytes=0)


def half_close():
    """half-close, with data flowing the other way for a while"""
    g = Ground()
    c, s = n.open_pair(g.a, g.listener)
    who = c.getsockname()
    c.sendall(b"request")
    n.read_n(s, 7)
    c.shutdown(socket.SHUT_WR)
    n.equal("end", s.recv(1), b"")
    half = g.sw.wait_for(lambda x: x["event"] == "half_closed")
    n.fields(half, orig_state="FIN_WAIT_2", resp_state="CLOSE_WAIT", closed_by="orig")
    for _ in range(20):
        s.sendall(b"z" * 1000)
        n.read_n(c, 1000)
    s.close()
    n.equal("end", c.recv(1), b"")
    lines = g.finish()
    n.equal("events", n.events_of(lines, who), ["opening", "established", "half_closed", "closed", "conn"])
    n.fields(n.one(n.of(lines, who, "conn")), conn_state="SF", orig_bytes=7, resp_bytes=20000, orig_state="TIME_WAIT",
             resp_state="CLOSED")


def refused():
    """a port without a listener: refused, logged once"""
    g = Ground()
    c = n.tcp(g.a)
    try:
        c.connect((g.server, 7778))
        raise AssertionError("it was not refused")
    except ConnectionRefusedError:
        pass
    who = c.getsockname()
    lines = g.finish()
    logged = [x for x in lines if x.get("resp_port") == 7778]
    n.equal("events", [x["event"] for x in logged], ["opening", "refused", "conn"])
    n.fields(logged[1], reason="refused", orig_state="CLOSED", resp_state="CLOSED", rst_by="resp")
    n.fields(logged[2], conn_state="REJ", reason="refused", history="Sr", orig_pkts=1, resp_pkts=1)
    assert who


def unanswered():
    """a black hole: timeout, reason unanswered, with its retransmissions"""
    g = Ground(args=("--timeout-syn-sent", 3))
    n.sh("nft", "add table ip hole; add chain ip hole in { type filter hook input priority 0; }; "
         "add rule ip hole in tcp dport 9999 drop", ns=g.b)
    c = n.tcp(g.a)
    c.settimeout(2.5)
    try:
        c.connect((g.server, 9999))
        raise AssertionError("another process answered")
    except (TimeoutError, socket.timeout):
        pass
    c.close()
    g.sw.wait_for(lambda x: x["event"] == "conn", timeout=15)
    logged = [x for x in g.finish() if x.get("resp_port") == 9999]
    n.equal("events", [x["event"] for x in logged], ["opening", "timeout", "conn"])
    n.fields(logged[1], reason="unanswered", orig_state="SYN_SENT")
    n.fields(logged[2], conn_state="S0", history="S", reason="unanswered", resp_pkts=0, handshake="incomplete")
    n.equal("SYNs", logged[2]["orig_pkts"], logged[2]["syn_rexmit"] + 1)
    if logged[2]["syn_rexmit"] < 1:
        raise AssertionError("no retransmission within 2.5 s")


def was_reset(s):
    """Its kernel has seen the RST, which passed synward before."""
    try:
        raise AssertionError(f"no reset: read {s.recv(1)!r}")
    except ConnectionResetError:
        s.close()


def resets():
    """reset by either side (SO_LINGER 0), and what the other had sent stays counted"""
    g = Ground()
    c, s = n.open_pair(g.a, g.listener)
    who1 = c.getsockname()
    c.sendall(b"12345")
    n.read_n(s, 5)
    n.reset(c)
    was_reset(s)
    c, s2 = n.open_pair(g.a, g.listener)
    who2 = c.getsockname()
    s2.sendall(b"123")
    n.read_n(c, 3)
    n.reset(s2)
    was_reset(c)
    lines = g.finish()
    n.equal("events", n.events_of(lines, who1), ["opening", "established", "reset", "conn"])
    n.equal("events", n.events_of(lines, who2), ["opening", "established", "reset", "conn"])
    n.fields(n.one(n.of(lines, who1, "reset")), rst_by="orig", rst_state="ESTABLISHED", orig_state="CLOSED")
    n.fields(n.one(n.of(lines, who2, "reset")), rst_by="resp", rst_state="ESTABLISHED")
    n.fields(n.one(n.of(lines, who1, "conn")), conn_state="RSTO", reason="reset", closed_by="orig", orig_bytes=5)
    n.fields(n.one(n.of(lines, who2, "conn")), conn_state="RSTR", reason="reset", closed_by="resp", resp_bytes=3)


def transfer(v):
    g = Ground(v)
    size = 1 << 20
    data = bytes(i * 7 & 255 for i in range(size))
    c, s = n.open_pair(g.a, g.listener)
    who = c.getsockname()
    got = {c: bytearray(), s: bytearray()}
    left = {c: memoryview(data), s: memoryview(data)}
    for x in (c, s):
        x.setblocking(False)
    while any(len(b) < size for b in got.values()):
        r, w, _ = select.select([x for x in got if len(got[x]) < size], [x for x in left if left[x]], [], 10)
        for x in w:
            left[x] = left[x][x.send(left[x][:60000]):]
        for x in r:
            got[x] += x.recv(65536)
        if not r and not w:
            raise RuntimeError("the transfer stands still")
    assert got[c] == data and got[s] == data
    s.settimeout(10)
    c.close()
    n.equal("end", s.recv(1), b"")
    s.close()
    conn = n.one(n.of(g.finish(), who, "conn"))
    n.fields(conn, conn_state="SF", orig_gaps=0, resp_gaps=0)
    header = (40 if v == 4 else 60) + 12
    for side in ("orig", "resp"):
        if not conn[f"{side}_rexmit"]:
            n.equal(f"{side}_bytes", conn[f"{side}_bytes"], size)
        extra = conn[f"{side}_ip_bytes"] - conn[f"{side}_pkts"] * header - 8 - conn[f"{side}_bytes"]
        if extra % 4 or not 0 <= extra <= 40 * conn[f"{side}_pkts"]:  # SACK blocks, if any
            raise AssertionError(f"{side}_ip_bytes is off by {extra}")


def transfer_v4():
    """1 MiB each way at once, IPv4: bytes exact"""
    transfer(4)


def transfer_v6():
    """1 MiB each way at once, IPv6: bytes exact"""
    transfer(6)


def two_interfaces():
    """two interfaces, one synward: each line names its own"""
    a, b = n.pair()
    n.veth(a, "cli1", b, "srv1")
    n.addr(a, "cli1", "10.99.0.1/24")
    n.addr(b, "srv1", "10.99.0.2/24")
    n.warm(a, "10.99.0.2")
    sw = n.Synward(b, "srv0", "srv1")
    who = []
    for ip in ("10.66.0.2", "10.99.0.2"):
        c, s = n.open_pair(a, n.listen(b, ip, 7777))
        who.append(c.getsockname())
        c.close()
        n.equal("end", s.recv(1), b"")
        s.close()
    n.settled(a, b)
    sw.stop()
    lines = sw.lines()
    for w, dev in zip(who, ("srv0", "srv1")):
        n.equal("iface", {x["iface"] for x in n.of(lines, w)}, {dev})
        n.fields(n.one(n.of(lines, w, "conn")), conn_state="SF")


def router():
    """a forwarding host with both interfaces watched logs each connection once"""
    a, r, b = n.routed()
    sw = n.Synward(r, "rta", "rtb")
    who = []
    for ip in ("10.67.0.2", "fd67::2"):
        listener = n.listen(b, ip, 7777)
        for _ in range(10):
            c, s = n.open_pair(a, listener)
            who.append(c.getsockname())
            c.sendall(b"q" * 500)
            n.read_n(s, 500)
            s.sendall(b"a" * 1500)
            n.read_n(c, 1500)
            c.close()
            n.equal("end", s.recv(1), b"")
            s.close()
    n.settled(a, b)
    sw.stop()
    lines = sw.lines()
    n.equal("events lost", n.check_seq(lines), 0)
    for w in who:
        for event in ("opening", "established", "closed"):
            n.one(n.of(lines, w, event), event)
        n.fields(n.one(n.of(lines, w, "conn")), conn_state="SF", orig_bytes=500, resp_bytes=1500, orig_rexmit=0,
                 resp_rexmit=0, orig_gaps=0, resp_gaps=0)
    n.equal("connections logged", len([x for x in lines if x["event"] == "conn"]), 20)
    if lines[-1]["forwarded_twice"] < 20 * 6:
        raise AssertionError(f"forwarded_twice {lines[-1]['forwarded_twice']}")


def reuse():
    """the same four-tuple again: another connection"""
    g = Ground()
    for i in range(3):
        c = n.tcp(g.a)
        c.bind((g.client, 5555))
        c.connect((g.server, 7777))
        s = g.listener.accept()[0]
        s.close()  # the server keeps TIME_WAIT, so the client's port is free
        n.equal("end", c.recv(1), b"")
        c.close()
        time.sleep(1.1)  # RFC 6191: the server takes a SYN in TIME_WAIT if its timestamp is newer
    lines = g.finish()
    who = (g.client, 5555)
    n.equal("conn lines", len(n.of(lines, who, "conn")), 3)
    n.equal("reused lines", len(n.of(lines, who, "reused")), 2)
    n.equal("uids", len({x["uid"] for x in n.of(lines, who, "conn")}), 3)
    for x in n.of(lines, who, "conn"):
        n.fields(x, conn_state="SF", closed_by="resp")


def older_and_idle():
    """a connection older than synward on which this host sends: idle for longer than a guess may be, and one connection"""
    a, b = n.pair()
    c, s = n.open_pair(a, n.listen(b, "10.66.0.2", 7777))
    sw = n.Synward(b, "srv0", args=("--timeout-midstream", 1, "--interval", 1))
    c.sendall(b"before")
    n.equal("at the server", n.read_n(s, 6), b"before")
    for _ in range(4):  # seconds of synward's own clock, and with them four sweeps
        done = len(pathlib.Path(sw.path).read_bytes())
        n.until(lambda: b'"event":"stats"' in pathlib.Path(sw.path).read_bytes()[done:])  # pylint: disable=cell-var-from-loop
    c.sendall(b"after")
    n.equal("at the server", n.read_n(s, 5), b"after")
    who = c.getsockname()
    c.close()
    n.equal("end", s.recv(1), b"")
    s.close()
    n.settled(a, b)
    n.equal("exit code", sw.stop(), 0)
    lines = sw.lines()
    n.equal("events", n.events_of(lines, who), ["midstream", "closed", "conn"])
    n.fields(n.one(n.of(lines, who, "conn")), reason="fin", orig_bytes=11, direction_by="midstream")


if __name__ == "__main__":
    n.main(v4_accepted, v6_accepted, v4_opened, v6_opened, server_closes_first, half_close, refused, unanswered, resets,
           brief, transfer_v4, transfer_v6, two_interfaces, router, reuse, older_and_idle)
