#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""An edge answers SYNs for hosts behind it, and they take the cookies: real clients, real servers, each with its counters.

    a client ==== r edge ==== b host behind (kit/gateway.py)
"""
import hashlib
import json
import os
import pathlib
import re
import select

import kit as n
from kit import attacks
from kit import gateway as g
from kit import guard as k

FILE = os.urandom(1 << 22)


def folder():
    path = pathlib.Path(n.tmp.name) / "www"
    path.mkdir(exist_ok=True)
    (path / "big").write_bytes(FILE)
    (path / "small").write_text("hello\n", encoding="ascii")
    return path


def same(got):
    n.equal("sha256", hashlib.sha256(got).hexdigest(), hashlib.sha256(FILE).hexdigest())


def by_cookie(lines, port=g.PORT):
    return [x for x in lines if x["event"] == "conn" and x["resp_port"] == port and x.get("via") == "cookie"]


def http():
    """curl and a web server, both families, 4 MiB: the edge answers each SYN, the calm host takes each cookie"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    key = g.key_file()
    g.web(b, folder())
    edge, host = g.edge(r, "rta", key), g.behind(b, "srv0", key=key)
    for v in (4, 6):
        n.equal("small", g.fetch(a, v, "small"), b"hello\n")
        same(g.fetch(a, v, "big"))
        at, there = g.service(edge, v), g.taken(host, v)
        n.equal(f"v{v} sent by the edge", at["cookies_sent"], 2)
        n.equal(f"v{v} seen to come back there", at["cookies_accepted"], 2)
        n.equal(f"v{v} dropped by the edge", at["dropped"], 0)
        n.equal(f"v{v} no listener is looked for", at["no_listener"], False)
        n.equal("state of the host", there["state"], "calm")
        n.equal(f"v{v} sent by the host", there["cookies_sent"], 0)
    n.equal("taken by the host", g.taken(host)["cookies_accepted"], 4)
    n.equal("stray ACKs", g.taken(host)["stray_acks"], 0)
    n.equal("SYNs that the host's listener answered", k.netstat(b, "TcpExtSyncookiesSent"), 0)
    n.settled(a, b)
    at, there = g.ends(edge, host)
    for where, lines in (("edge", at), ("host", there)):
        conns = by_cookie(lines)
        n.equal(f"connections by cookie at the {where}", len(conns), 4)
        n.equal(f"how they end at the {where}", {x["conn_state"] for x in conns}, {"SF"})


def options_survive():
    """window scale, SACK, timestamps and MSS are on both sockets what the SYN and the options of the edge say"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    key = g.key_file()
    listener = n.listen(b, g.HOST[4], g.PORT)
    edge = g.edge(r, "rta", key, "--wscale", 9, "--mss", 1300)
    host = g.behind(b, "srv0", key=key, args=("--wscale", 9))
    c, s = n.open_pair(a, listener)
    k.speak(c, s)
    mine, theirs = (next(iter(k.sockets(x).values())) for x in (a, b))
    n.equal("client's options", {x: mine[x] for x in ("ts", "sack")}, {"ts": True, "sack": True})
    n.equal("server's options", {x: theirs[x] for x in ("ts", "sack")}, {"ts": True, "sack": True})
    n.equal("window scale, client", mine["wscale"].split(",")[0], "9")
    n.equal("window scale, server", theirs["wscale"].split(",")[1], "9")
    n.at_most("MSS of the client", int(mine["mss"]), 1300)
    k.exchange([(c, s)])
    k.end(c, s)
    n.equal("taken", g.taken(host)["cookies_accepted"], 1)
    g.ends(edge, host)


def server_first():
    """a server that speaks first, as ssh and smtp do: nothing but the client's bare ACK opens it"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    key = g.key_file()
    listeners = {v: n.listen(b, g.HOST[v], g.PORT) for v in (4, 6)}
    edge, host = g.edge(r, "rta", key), g.behind(b, "srv0", key=key)
    for v in (4, 6):
        for _ in range(5):
            c = n.connect(a, g.HOST[v], g.PORT)
            s = k.accepted(listeners[v])
            s.sendall(b"220 ready\r\n")
            n.equal("banner", n.read_n(c, 11), b"220 ready\r\n")
            k.end(c, s)
        n.equal(f"v{v} sent", g.service(edge, v)["cookies_sent"], 5)
        n.equal(f"v{v} taken", g.taken(host, v)["cookies_accepted"], 5)
    g.ends(edge, host)


def other_way_back():
    """DSR: the answers take another link, so the edge sees the client alone, and still what comes back"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    g.dsr(a, b)
    key = g.key_file()
    g.web(b, folder())
    edge, host = g.edge(r, "rta", key), g.behind(b, "srv0", "dsr0", key=key)
    before = int(json.loads(n.sh("ip", "-j", "-s", "link", "show", "dev", "rtb", ns=r).stdout)[0]["stats64"]["rx"]["bytes"])
    for v in (4, 6):
        same(g.fetch(a, v, "big"))
        n.equal(f"v{v} sent", g.service(edge, v)["cookies_sent"], 1)
        n.equal(f"v{v} came back", g.service(edge, v)["cookies_accepted"], 1)
    after = int(json.loads(n.sh("ip", "-j", "-s", "link", "show", "dev", "rtb", ns=r).stdout)[0]["stats64"]["rx"]["bytes"])
    n.at_most("bytes that came back by the edge", after - before, 10000)
    n.equal("taken", g.taken(host)["cookies_accepted"], 2)
    n.settled(a, b)
    g.ends(edge, host)


def calm_passes():
    """auto and calm: SYNs pass, the hosts answer, and what is followed is what is forwarded"""
    a, r, b = n.routed()
    key = g.key_file()
    listeners = {v: n.listen(b, g.HOST[v], g.PORT) for v in (4, 6)}
    edge = g.edge(r, "rta", key, mode="auto")
    for v in (4, 6):
        for _ in range(3):
            c, s = n.open_pair(a, listeners[v])
            k.speak(c, s)
            k.end(c, s)
        fig = g.service(edge, v)
        n.equal("state", fig["state"], "calm")
        for name, want in (("syns", 3), ("opened", 3), ("completed", 3), ("cookies_sent", 0), ("dropped", 0)):
            n.equal(f"v{v} {name}", fig[name], want)
    n.settled(a, b)
    lines, = g.ends(edge)
    conns = [x for x in lines if x["event"] == "conn" and x["resp_port"] == g.PORT]
    n.equal("connections", [x["conn_state"] for x in conns], ["SF"] * 6)
    n.equal("by cookie", by_cookie(lines), [])


def provoke(flags, seq):
    """A SYN, and what its request answers with a bare ACK."""
    return lambda f, src: f.send(f.syn(src), f.segment(src, flags, seq=seq))


BEYOND = attacks.ISN + (1 << 30)
ANSWERED = {"push": provoke("P", BEYOND), "fin": provoke("F", BEYOND), "null": provoke(0, BEYOND),
            "second_syn": provoke("S", attacks.ISN - 1)}


def hidden_floods():
    """what comes before or after a SYN hides nothing at an edge either: the host's SYN-ACKs count, and engage it; its
    answers for requests complete nothing"""
    kinds = {**attacks.HIDDEN, **ANSWERED}
    a, r, b = n.routed()
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.67.0.254", ns=b)
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.66.0.1", ns=r)
    n.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.rta.rp_filter=0", ns=r)
    n.sh("ip", "addr", "add", f"{k.SERVER[4]}/32", "dev", "lo", ns=b)  # to which the kit's attacks go
    n.sh("ip", "route", "add", k.SERVER[4], "via", g.HOST[4], ns=r)
    ports = dict(zip(kinds, range(g.PORT, g.PORT + 10)))
    listeners = [n.listen(b, k.SERVER[4], port, 4096) for port in ports.values()]
    nets = {port: f"{k.SERVER[4]}:{port}" for port in ports.values()}
    edge = g.edge(r, "rta", g.key_file(), "--engage", "half-open=100,syn-rate=1000000", mode="auto", nets=nets)
    for name, port in ports.items():
        attacks.Forger(Way(a, "cli0", r, b), port).burst(130, kinds[name])

    def states():
        now = k.services(edge)
        return {name: [now[nets[port]][x] for x in ("state", "opened", "completed")] for name, port in ports.items()}

    n.until(lambda: all(x[0] == "engaged" for x in states().values()), 20, evidence=states)
    for name, (_, opened, completed) in states().items():
        n.at_least(f"{name}: begun", opened, 100)
        n.equal(f"{name}: completed", completed, 0)
    g.ends(edge)
    for x in listeners:
        x.close()


def own_port():
    """this router's own port in a protected prefix is not the hosts': it is served as if there were no guard"""
    a, r, _ = n.routed()
    key = g.key_file()
    edge = g.edge(r, "rta", key, nets={4: f"10.66.0.0/15:{g.PORT}", 6: f"[fd66::]/15:{g.PORT}"})
    for v, ip in ((4, "10.66.0.254"), (6, "fd66::fe")):
        listener = n.listen(r, ip, g.PORT)
        c, s = n.open_pair(a, listener)
        k.speak(c, s)
        k.end(c, s)
        n.equal(f"v{v} SYNs of the prefix", k.services(edge)[edge_name(v)]["syns"], 0)
    later(a, r, edge)
    g.ends(edge)


def later(a, r, edge):
    """An address that it gets while it runs, and SYNs to it have been answered."""
    ip = "10.67.0.99"
    n.connect(a, ip, g.PORT).close()
    n.sh("ip", "addr", "add", f"{ip}/32", "dev", "lo", ns=r)
    listener = n.listen(r, ip, g.PORT)
    # until it is seen, a SYN gets a cookie that nobody takes
    n.until(lambda: served(a, ip, listener), 20)
    before = k.services(edge)[edge_name(4)]["syns"]
    c, s = n.open_pair(a, listener)
    k.speak(c, s)
    k.end(c, s)
    n.equal("SYNs of the prefix", k.services(edge)[edge_name(4)]["syns"], before)


def served(a, ip, listener):
    """a connection there is accepted"""
    c = n.tcp(a)
    c.settimeout(5)
    try:
        c.connect((ip, g.PORT))
        s = k.accepted(listener, 0.2)
    except ConnectionResetError:
        s = None
    c.close()
    if s:
        s.close()
    return bool(s)


def edge_name(v):
    return f"10.66.0.0/15:{g.PORT}" if v == 4 else f"[fd66::]/15:{g.PORT}"


class Way:
    """What k.Peer needs of a way to a host: the link, and both Ethernet addresses on it."""

    def __init__(self, a, dev, r, b, theirs="rta"):
        self.a, self.b = a, b
        self.macs = [json.loads(n.sh("ip", "-j", "link", "show", "dev", x, ns=ns).stdout)[0]["address"]
                     for ns, x in ((a, dev), (r, theirs))]


def half_by_each(a, edges, b, listener):
    """The SYN by one edge, and the cookie comes back by the other: no edge has state."""
    one, other = (k.Peer(Way(a, dev, r, b), port=g.PORT, dev=dev) for dev, r in zip(("cli0", "cli1"), edges))
    for p in (one, other):
        p.dst = "192.0.2.1"
    answer = k.stamp(one.syn(k.TS))
    other.seq, other.ack = one.seq, one.ack
    other.say("A", options=answer)
    s = k.accepted(listener, 5)
    assert s, "the other edge did not let it pass, or the host did not take it"
    n.equal("who came", s.getpeername(), (k.PEER[4], one.sport))
    n.reset(s)
    one.close()
    other.close()


def two_and_two():
    """two edges and two hosts with one key file: a cookie of either edge opens a connection at either host"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    r2, b2 = n.new_ns("s"), n.new_ns("c")
    for ns in (r2, b2):
        n.quiet(ns)
    # the second edge leads to both hosts, and so does the first: one net of hosts with a bridge in it
    n.veth(a, "cli1", r2, "rta")
    n.addr(a, "cli1", "10.65.0.1/24")
    n.addr(r2, "rta", "10.65.0.254/24")
    n.veth(r2, "rtb", b, "srv1")
    n.addr(r2, "rtb", "10.69.0.254/24")
    n.addr(b, "srv1", "10.69.0.2/24")
    n.veth(r, "rtc", b2, "srv0")
    n.addr(r, "rtc", "10.70.0.254/24")
    n.addr(b2, "srv0", "10.70.0.2/24")
    n.veth(r2, "rtc", b2, "srv1")
    n.addr(r2, "rtc", "10.71.0.254/24")
    n.addr(b2, "srv1", "10.71.0.2/24")
    for ns in (r2,):
        n.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", ns=ns)
    # 192.0.2.1 is b, 192.0.2.2 is b2, by either edge
    for ns, ip in ((b, "192.0.2.1"), (b2, "192.0.2.2")):
        n.sh("ip", "addr", "add", f"{ip}/32", "dev", "lo", ns=ns)
    for ns, to_b, to_b2 in ((r, "10.67.0.2", "10.70.0.2"), (r2, "10.69.0.2", "10.71.0.2")):
        n.sh("ip", "route", "add", "192.0.2.1", "via", to_b, ns=ns)
        n.sh("ip", "route", "add", "192.0.2.2", "via", to_b2, ns=ns)
    for ns in (b, b2):
        n.sh("ip", "route", "add", "10.65.0.0/24", "via", "10.69.0.254" if ns == b else "10.71.0.254", ns=ns)
    n.sh("ip", "route", "add", "10.66.0.0/24", "via", "10.70.0.254", ns=b2)
    nets = {4: f"192.0.2.0/24:{g.PORT}"}
    key = g.key_file()
    listeners = [n.listen(x, "0.0.0.0", g.PORT) for x in (b, b2)]
    edges = [g.edge(x, "rta", key, nets=nets) for x in (r, r2)]
    hosts = [g.behind(b, "srv0", "srv1", key=key), g.behind(b2, "srv0", "srv1", key=key)]
    for i, gate in enumerate(("10.66.0.254", "10.65.0.254")):
        for j, ip in enumerate(("192.0.2.1", "192.0.2.2")):
            n.sh("ip", "route", "replace", ip, "via", gate, ns=a)
            sent, came = g.service(edges[i], nets=nets)["cookies_sent"], g.taken(hosts[j])["cookies_accepted"]
            c = n.connect(a, ip, g.PORT)
            s = k.accepted(listeners[j])
            assert s, f"edge {i}, host {j}: nobody came"
            k.speak(c, s)
            k.end(c, s)
            n.equal(f"sent by edge {i}", g.service(edges[i], nets=nets)["cookies_sent"] - sent, 1)
            n.equal(f"taken by host {j}", g.taken(hosts[j])["cookies_accepted"] - came, 1)
    half_by_each(a, (r, r2), b, listeners[0])
    n.equal("taken", g.taken(hosts[0])["cookies_accepted"], 3)
    n.equal("sent by the first", g.service(edges[0], nets=nets)["cookies_sent"], 3)
    n.equal("sent by the second", g.service(edges[1], nets=nets)["cookies_sent"], 2)
    n.equal("seen by the second", g.service(edges[1], nets=nets)["cookies_accepted"], 3)
    g.ends(*edges, *hosts)


def attempt(a, listener):
    """Both ends; None for the server's if the client was reset."""
    c = n.tcp(a)
    try:
        c.connect((g.HOST[4], g.PORT))
        if listener in select.select([listener, c], [], [], 10)[0]:
            return c, k.accepted(listener)
        c.recv(1)
    except ConnectionResetError:
        return c, None
    raise AssertionError("neither a connection nor a reset")


def wrong_scale():
    """another window scale at edge and host: a key of version 2 says so at once, by no connection and stray_acks"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    listener = n.listen(b, g.HOST[4], g.PORT)
    for version, opens in (("", True), ("v2:", False)):
        key = g.key_file(version)
        edge = g.edge(r, "rta", key, "--wscale", 5)
        host = g.behind(b, "srv0", key=key, args=("--wscale", 10))
        c, s = attempt(a, listener)
        n.equal(f"'{version}' opens", bool(s), opens)
        n.equal("sent", g.service(edge)["cookies_sent"], 1)
        n.equal("taken", g.taken(host)["cookies_accepted"], int(opens))
        n.equal("stray ACKs", g.taken(host)["stray_acks"], int(not opens))
        if opens:
            k.end(c, s)
        g.ends(edge, host)


def without_accept():
    """a host that has the key and no --accept: calm, it resets what the edge has let in"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    key = g.key_file()
    listener = n.listen(b, g.HOST[4], g.PORT)
    edge = g.edge(r, "rta", key)
    host = n.Synward(b, "srv0", args=("--guard", "auto", "--key-file", key))
    _, s = attempt(a, listener)
    n.equal("opens", bool(s), False)
    n.equal("sent", g.service(edge)["cookies_sent"], 1)
    n.equal("taken", g.taken(host)["cookies_accepted"], 0)
    g.ends(edge, host)


def port_used_again():
    """a client's port comes again while the host has it in TIME_WAIT: the fresh cookie ends that, and data opens it"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    key = g.key_file()
    listeners = {v: n.listen(b, g.HOST[v], g.PORT) for v in (4, 6)}
    edge, host = g.edge(r, "rta", key), g.behind(b, "srv0", key=key)
    for v in (4, 6):
        for i in range(3):
            c = n.tcp(a, v == 6)
            c.bind((("10.66.0.1", "fd66::1")[v == 6], 45678))
            c.connect((g.HOST[v], g.PORT))
            c.sendall(b"request")
            s = k.accepted(listeners[v], 5)
            assert s, f"v{v}, {i}: no connection"
            n.equal("request", n.read_n(s, 7), b"request")
            s.sendall(b"answer")
            s.close()
            n.equal("answer", n.read_all(c), b"answer")
            c.close()
            n.until(lambda v=v: n.sh("ss", f"-{v}tHn", "state", "time-wait", ns=b).stdout, 5)
        n.equal(f"v{v} ended", g.taken(host, v)["time_waits_ended"], 2)
        n.equal(f"v{v} taken", g.taken(host, v)["cookies_accepted"], 3)
        n.equal(f"v{v} again", g.taken(host, v)["cookies_replayed"], 0)
        n.equal(f"v{v} sent", g.service(edge, v)["cookies_sent"], 3)
    lines = g.ends(edge, host)[1]
    n.equal("connections at the host", len(by_cookie(lines)), 6)


def rest_of_a_flight():
    """what follows such a cookie without one is not answered by the listener's reset, whatever is lost between"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    key = g.key_file()
    listener = n.listen(b, g.HOST[4], g.PORT)
    edge, host = g.edge(r, "rta", key), g.behind(b, "srv0", key=key)
    request = os.urandom(3000)
    for i in range(2):
        if i:  # the end alone gets through
            n.sh("nft", "add table ip hole; add chain ip hole c { type filter hook forward priority 0; }; "
                 f"add rule ip hole c tcp dport {g.PORT} meta length > 1000 drop; "
                 f"add rule ip hole c tcp dport {g.PORT} tcp flags & psh == psh counter", ns=r)
        c = n.tcp(a)
        c.bind(("10.66.0.1", 45678))
        c.connect((g.HOST[4], g.PORT))
        c.sendall(request)
        if i:
            n.until(lambda: "packets 0" not in n.sh("nft", "list", "table", "ip", "hole", ns=r).stdout, 20)
            n.equal("ended", g.taken(host)["time_waits_ended"], 1)
            n.sh("nft", "delete table ip hole", ns=r)
        s = k.accepted(listener, 20)
        assert s, f"{i}: no connection"
        n.equal("request", n.read_n(s, len(request)), request)
        s.close()
        n.equal("end", n.read_all(c), b"")
        c.close()
        n.until(lambda: n.sh("ss", "-4tHn", "state", "time-wait", ns=b).stdout, 5)
    n.equal("taken", g.taken(host)["cookies_accepted"], 2)
    n.equal("stray ACKs", g.taken(host)["stray_acks"], 0)
    g.ends(edge, host)


def rfc1337():
    """where the host's TIME_WAIT takes no RST, the old socket stays for each segment, and the connection hangs"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    n.sh("sysctl", "-qw", "net.ipv4.tcp_rfc1337=1", ns=b)
    key = g.key_file()
    listener = n.listen(b, g.HOST[4], g.PORT)
    edge, host = g.edge(r, "rta", key), g.behind(b, "srv0", key=key)
    for i in range(2):
        c = n.tcp(a)
        c.bind(("10.66.0.1", 45678))
        c.connect((g.HOST[4], g.PORT))
        c.sendall(b"request")
        if not i:
            s = k.accepted(listener, 5)
            n.equal("request", n.read_n(s, 7), b"request")
            s.close()
            n.equal("end", n.read_all(c), b"")
            c.close()
            n.until(lambda: n.sh("ss", "-4tHn", "state", "time-wait", ns=b).stdout, 5)
    n.until(lambda: g.taken(host)["time_waits_ended"] >= 3, 20)  # the ACK, the data, its retransmission
    n.equal("taken", g.taken(host)["cookies_accepted"], 1)
    c.close()
    g.ends(edge, host)


def on_a_bridge():
    """an edge that is no router but a bridge: its port is followed, frames have the hosts' Ethernet addresses"""
    k.needs_reqsk("the host behind takes")
    a, m, b = (n.new_ns(x) for x in "amb")
    for ns in (a, m, b):
        n.quiet(ns)
    n.veth(a, "cli0", m, "left")
    n.veth(m, "right", b, "srv0")
    n.sh("ip", "link", "add", "br0", "type", "bridge", ns=m)
    for dev in ("left", "right"):
        n.sh("ip", "link", "set", dev, "master", "br0", ns=m)
    n.sh("ip", "link", "set", "br0", "up", ns=m)
    n.addr(a, "cli0", "10.67.0.1/24", "fd67::1/64")
    n.addr(b, "srv0", "10.67.0.2/24", "fd67::2/64")
    n.warm(a, "10.67.0.2", "fd67::2")
    key = g.key_file()
    refused = n.sh(n.SYNWARD, "run", "-i", "left", "--guard", "auto", ns=m, check=False)
    n.equal("without --gateway", (refused.returncode, "is a port of" in refused.stderr), (4, True))
    refused = n.sh(n.SYNWARD, "run", "-i", "left", "--guard", "auto", "--gateway", "edge", "--protect", g.NETS[4],
                   "--key-file", key, "--reverse-path", "strict", ns=m, check=False)
    n.equal("strict", (refused.returncode, "no route decides" in refused.stderr), (2, True))
    other_ports(m, key)
    n.addr(m, "br0", "10.67.0.9/24")  # from which the bridge passes a frame as any other
    n.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", ns=m)  # says nothing of frames that are bridged
    g.web(b, folder())
    edge, host = g.edge(m, "left", key), g.behind(b, "srv0", key=key)
    for v in (4, 6):
        same(g.fetch(a, v, "big"))
        n.equal(f"v{v} sent", g.service(edge, v)["cookies_sent"], 1)
        n.equal(f"v{v} came back", g.service(edge, v)["cookies_accepted"], 1)
        n.equal(f"v{v} dropped", g.service(edge, v)["dropped"], 0)
    n.equal("taken", g.taken(host)["cookies_accepted"], 2)
    n.settled(a, b)
    p = k.Peer(Way(a, "cli0", b, b, "srv0"), ip="10.67.0.9", port=g.PORT)
    p.dst = g.HOST[4]
    p.syn(flags="SEC")  # not by the shortest way, which does not ask
    p.close()
    n.equal("sent, with one from the bridge's own address", g.service(edge)["cookies_sent"], 2)
    g.ends(edge, host)


def other_ports(m, key):
    """Ports of something else than a bridge, and some interfaces that are ports and some that are none."""
    def refused(*devs):
        r = n.sh(n.SYNWARD, "run", *sum((("-i", x) for x in devs), ()), "--guard", "auto", "--gateway", "edge", "--protect",
                 g.NETS[4], "--key-file", key, ns=m, check=False)
        return r.returncode, r.stderr

    code, said = refused("left", "br0")
    n.equal("a port and its bridge", (code, "run one instance for each kind" in said), (4, True))
    n.veth(m, "one", m, "two")
    if n.sh("ip", "link", "add", "bond0", "type", "bond", ns=m, check=False).returncode:
        return  # this kernel has none
    n.sh("ip", "link", "set", "one", "down", ns=m)
    n.sh("ip", "link", "set", "one", "master", "bond0", ns=m)
    code, said = refused("one")
    n.equal("a port of a bond", (code, "is a port of bond 'bond0'" in said), (4, True))


CLOCK_SHIM = r"""
#include <errno.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <unistd.h>

int adjtimex(struct timex *t)
{
    const char *says = getenv("CLOCK_SAYS");

    t->status = *says == 'n' ? STA_UNSYNC : 0;
    if (write(2, "asked\n", 6) < 0 || *says == 'e') {
        errno = EPERM;
        return -1;
    }
    return *says == 'n' ? TIME_ERROR : TIME_OK;
}
"""


def clock():
    """whether the clock is synchronised is in status, and if it is not, one warning says so; where the kernel does not
    say it, nothing does"""
    _, r, b = n.routed()
    src, lib = (os.path.join(n.tmp.name, x) for x in ("says.c", "says.so"))
    pathlib.Path(src).write_text(CLOCK_SHIM, encoding="ascii")
    n.sh("gcc", "-O2", "-shared", "-fPIC", src, "-o", lib)
    for says, want, text in (("error", None, "not known"), ("yes", True, "synchronised"), ("no", False, "not synchronised")):
        edge = g.edge(r, "rta", g.key_file(), prefix=("env", f"LD_PRELOAD={lib}", f"CLOCK_SAYS={says}"))
        n.until(lambda edge=edge: "asked" in edge.err(), 10)
        n.until(lambda edge=edge, want=want: k.counters(edge)["clock_synchronized"] is want, 5)
        n.equal("warnings", edge.err().count("is not synchronised"), int(says == "no"))
        shown_by = json.loads(n.sh(n.SYNWARD, "gateway", "--json", "--pid", edge.p.pid).stdout)
        n.equal("form, clock", (shown_by["gateway"], shown_by["clock_synchronized"]), ("edge", want))
        shown = n.sh(n.SYNWARD, "gateway", "--pid", edge.p.pid).stdout
        assert re.search(rf"; clock {text}$", shown, re.M), shown
        g.ends(edge)
    edge = g.edge(r, "rta", g.key_file())  # its own sandbox lets it ask
    n.until(lambda: k.counters(edge)["clock_synchronized"] is not None, 5)
    assert not re.search("seccomp|denied", edge.err()), edge.err()
    shown_by = json.loads(n.sh(n.SYNWARD, "gateway", "--json", "--pid", edge.p.pid).stdout)
    n.equal("services", sorted(x["service"] for x in shown_by["services"]), sorted(g.NETS.values()))
    text = n.sh(n.SYNWARD, "gateway", "--pid", edge.p.pid).stdout
    assert re.search(r"gateway edge, 2 services, 2 not calm; clock", text), text
    assert re.search(rf"^{g.NETS[4]} +always +engaged +\S+ +0 +0 +0$", text, re.M), text
    g.ends(edge)
    plain = n.Synward(b, "srv0", args=("--guard", "auto"))
    n.equal("without a shared key", k.counters(plain)["clock_synchronized"], None)
    can = json.loads(n.sh(n.SYNWARD, "probe", "--json", "rta", ns=r).stdout)["gateway"]
    n.equal("probe", can, {"edge": True, "translate": True, "accept": k.backend() == "reqsk"})
    none = n.sh(n.SYNWARD, "gateway", "--pid", plain.p.pid, check=False)
    n.equal("of a host", (none.returncode, none.stdout, "is a gateway" in none.stderr), (11, "", True))
    g.ends(plain)


def pins():
    """--pin: an edge continues as an edge, after kill -9 too; other forms are refused in one line"""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    key = g.key_file()
    listener = n.listen(b, g.HOST[4], g.PORT)
    host = g.behind(b, "srv0", key=key)
    name = f"--pin=edge{os.getpid()}"
    try:
        pinned(a, r, key, listener, host, name)
    finally:
        for p in n.started:
            if p.poll() is None and p is not host.p:
                p.kill()
                p.wait()
        unpinned = n.sh(n.SYNWARD, "unpin", name[6:], ns=r, check=False)
    n.equal("unpin", unpinned.returncode, 0)


def pinned(a, r, key, listener, host, name):
    edge = g.edge(r, "rta", key, name, "--close-delay", 0.1)
    c, s = n.open_pair(a, listener)
    k.speak(c, s)
    edge.kill()
    c2, s2 = n.open_pair(a, listener)  # the programs go on
    k.speak(c2, s2)
    n.equal("taken", g.taken(host)["cookies_accepted"], 2)
    refused = n.sh(n.SYNWARD, "run", "-i", "rta", "--guard", "auto", name, *sum((("--max-flows", "8192"),
                   ("--max-half-open", "8192"), ("--syn-cache", "8192")), ()), ns=r, check=False)
    n.equal("as a host", (refused.returncode, "its services are of a gateway" in refused.stderr), (12, True))
    edge = g.edge(r, "rta", key, name, "--close-delay", 0.1)
    k.speak(c, s)
    n.equal("counted so far", g.service(edge)["cookies_sent"], 2)
    port_of = {x: x.getsockname()[1] for x in (c, c2)}
    for x, y in ((c, s), (c2, s2)):
        k.end(x, y)
    for x in (c, c2):
        port = port_of[x]
        line = edge.wait_for(lambda l, port=port: l["event"] == "conn" and l["orig_port"] == port)
        n.fields(line, via="cookie", conn_state="SF")
    n.equal("exit code", edge.stop(hurry=True), 0)
    g.ends(host)


if __name__ == "__main__":
    n.main(http, options_survive, server_first, other_way_back, calm_passes, hidden_floods, own_port, two_and_two, wrong_scale,
           without_accept, port_used_again, rest_of_a_flight, rfc1337, on_a_bridge, clock, pins)
