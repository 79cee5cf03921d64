#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""A gateway answers SYNs for hosts that know nothing of it, takes the cookies, and translates what both ends say.

    a client ==== r gateway ==== b host behind, unchanged (kit/gateway.py)
"""
import hashlib
import json
import os
import pathlib
import re
import socket
import threading
import time

import kit as n
from kit import gateway as g
from kit import guard as k
from kit.pin import NEWER

BIG = 64 << 20
FILE = os.urandom(1 << 22)
PIN = f"gw-{os.getpid()}"  # another run may have left its own


def ground(*args, **kw):
    """Client, gateway, host with a listener of each family; the gateway knows the host."""
    a, r, b = n.routed()
    listeners = {v: n.listen(b, g.HOST[v], g.PORT) for v in (4, 6)}
    sw = g.translate(r, "rta", *args, **kw)
    g.taught(a, listeners.values())
    return a, r, b, listeners, sw


def stream(c, s, size, pattern):
    """size bytes each way at once, by a hash of what came."""
    block, errors = hashlib.sha256(pattern).digest() * 2048, []

    def say(x):
        for at in range(0, size, len(block)):
            x.sendall(block[:min(len(block), size - at)])

    def hear(x):
        seen, left = hashlib.sha256(), size
        while left:
            piece = x.recv(min(left, 1 << 18))
            if not piece:
                errors.append(f"the end comes with {left} bytes to go")
                return
            seen.update(piece)
            left -= len(piece)
        want = hashlib.sha256()
        for at in range(0, size, len(block)):
            want.update(block[:min(len(block), size - at)])
        if seen.digest() != want.digest():
            errors.append("other bytes came than were sent")

    def guarded(fn, x):
        try:
            fn(x)
        except OSError as e:
            errors.append(repr(e))

    work = [threading.Thread(target=guarded, args=x) for x in ((say, c), (say, s), (hear, c), (hear, s))]
    for t in work:
        t.start()
    for t in work:
        t.join()
    n.equal("transfer", errors, [])


def nft(ns, text):
    n.sh("nft", text, ns=ns)


def is_reset(ns, src=None):
    """A client gets a connection, and its end at once; that may come before it knows of the first."""
    try:
        n.connect(ns, g.HOST[4], g.PORT, src).recv(1)
    except ConnectionResetError:
        return
    raise AssertionError("no reset")


def is_refused(ns):
    try:
        n.connect(ns, g.HOST[4], g.PORT).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


def sysctl(ns, **values):
    for name, value in values.items():
        n.sh("sysctl", "-qw", f"net.ipv4.{name}={value}", ns=ns)


def finished(sw, conns, lines=None):
    """It ends well, and the tracker has seen one story of each connection."""
    n.equal("exit code", sw.stop(hurry=True), 0)
    lines = sw.lines()
    n.equal("events lost", n.check_seq(lines), 0)
    found = [x for x in lines if x["event"] == "conn" and x.get("via") == "cookie"]
    n.equal("connections by cookie", len(found), conns)
    # a receiver that is short of memory takes its window back; nothing else may look odd
    odd = [x["anomaly"] for x in lines if x["event"] == "anomaly" and x["anomaly"] != "window_recision"]
    n.equal("anomalies", odd, [])
    return found


def clean(sw):
    n.equal("what could not be rewritten", counts_of(sw, "failed"), {"failed": 0})


def counts_of(sw, *names):
    have = g.counts(sw)
    return {x: have[x] for x in names}


def both_ways():
    """64 MiB each way, both families; SACK, timestamps and window scale on both sockets; the tracker sees one story"""
    a, r, b, listeners, sw = ground()
    for v in (4, 6):
        c, s = n.open_pair(a, listeners[v])
        stream(c, s, BIG, b"both")
        mine, theirs = (next(iter(k.sockets(x).values())) for x in (a, b))
        for who, options in (("client", mine), ("server", theirs)):
            n.equal(f"v{v} {who}", {x: options[x] for x in ("ts", "sack")}, {"ts": True, "sack": True})
        n.equal(f"v{v} scale that the client was granted", mine["wscale"].split(",")[0], "7")
        k.end(c, s)
    n.equal("counters", counts_of(sw, "begun", "opened", "failed", "early"), {"begun": 2, "opened": 2, "failed": 0, "early": 0})
    backend = g.state(sw)["backends"][f"{g.HOST[4]}:{g.PORT}"]
    n.equal("learned", {x: backend[x] for x in ("timestamps", "sack", "mss")}, {"timestamps": True, "sack": True, "mss": 1460})
    n.settled(a, b)
    for x in finished(sw, 2):
        n.equal("how it ends", (x["conn_state"], x["orig_bytes"], x["resp_bytes"]), ("SF", BIG, BIG))
        n.equal("SYN-ACK seen", "h" in x["history"], True)


def server_first():
    """a server that speaks first; one write of each, twenty times: nothing is lost, nothing waits"""
    a, r, b, listeners, sw = ground()
    for v in (4, 6):
        for _ in range(20):
            c = n.connect(a, g.HOST[v], g.PORT)
            s = k.accepted(listeners[v])
            s.sendall(b"220 ready\r\n")
            n.equal("banner", n.read_n(c, 11), b"220 ready\r\n")
            c.sendall(b"EHLO x\r\n")
            n.equal("answer", n.read_n(s, 8), b"EHLO x\r\n")
            k.end(c, s)
    n.equal("counters", counts_of(sw, "begun", "opened", "again", "failed"), {"begun": 40, "opened": 40, "again": 0, "failed": 0})
    n.settled(a, b)
    finished(sw, 40)


def web():
    """curl and a web server, which closes first"""
    a, r, b = n.routed()
    path = pathlib.Path(n.tmp.name) / "www"
    path.mkdir(exist_ok=True)
    (path / "big").write_bytes(FILE)
    g.web(b, path)
    sw = g.translate(r, "rta")
    for v in (4, 6):
        for _ in range(3):
            n.equal("same", hashlib.sha256(g.fetch(a, v, "big")).hexdigest(), hashlib.sha256(FILE).hexdigest())
    n.equal("one of each family passes, for its SYN-ACK to be seen", counts_of(sw, "opened", "failed"), {"opened": 4, "failed": 0})
    n.settled(a, b)
    finished(sw, 4)


def options_off():
    """timestamps, SACK and window scale, each off at either end: the other side is granted what there is"""
    cases = [(end, name) for end in "ab" for name in ("tcp_timestamps", "tcp_sack", "tcp_window_scaling")]
    a, r, b = n.routed()
    ends = {"a": a, "b": b}
    for i, (end, name) in enumerate(cases):
        sysctl(ends[end], **{name: 0})
        listener = n.listen(b, g.HOST[4], g.PORT + i)
        sw = g.translate(r, "rta", nets={4: f"10.67.0.0/24:{g.PORT + i}"})
        g.taught(a, [listener])
        c, s = n.open_pair(a, listener)
        stream(c, s, 8 << 20, b"x")
        mine, theirs = (next(iter(k.sockets(x).values())) for x in (a, b))
        n.equal(f"{end} {name}: timestamps", (mine["ts"], theirs["ts"]), (name != "tcp_timestamps",) * 2)
        n.equal(f"{end} {name}: SACK", (mine["sack"], theirs["sack"]), (name != "tcp_sack",) * 2)
        n.equal(f"{end} {name}: window scale", (bool(mine["wscale"]), bool(theirs["wscale"])), (name != "tcp_window_scaling",) * 2)
        k.end(c, s)
        n.equal(f"{end} {name}", counts_of(sw, "opened", "failed", "no_timestamps"), {"opened": 1, "failed": 0, "no_timestamps": 0})
        n.settled(a, b)
        finished(sw, 1)
        sysctl(ends[end], **{name: 1})


def host_grants_less():
    """a backend that has said timestamps and window scale and has them no more: one client is reset, the next one served"""
    a, r, b, listeners, sw = ground()
    c, s = n.open_pair(a, listeners[4])
    k.speak(c, s)
    k.end(c, s)
    sysctl(b, tcp_timestamps=0, tcp_window_scaling=0, tcp_sack=0)
    is_reset(a)
    n.equal("reset", counts_of(sw, "no_timestamps"), {"no_timestamps": 1})
    n.equal("the backend has no half-open handshake left", n.sh("ss", "-tHn", "state", "syn-recv", ns=b).stdout, "")
    n.equal("known", g.state(sw)["backends"][f"{g.HOST[4]}:{g.PORT}"]["timestamps"], False)
    listeners[4].setblocking(False)

    def served():
        """What a CPU has read of a backend is good for a tenth of a second."""
        try:
            c = n.connect(a, g.HOST[4], g.PORT)
            c.send(b"x")
            s = k.accepted(listeners[4])
            return s and (c, s)
        except (ConnectionResetError, BrokenPipeError):
            return None

    c, s = n.until(served)
    n.equal("first byte", n.read_n(s, 1), b"x")
    stream(c, s, 4 << 20, b"y")
    n.equal("none at the client", next(iter(k.sockets(a).values()))["ts"], False)
    k.end(c, s)


def small_mtu():
    """a link of 1300 bytes between client and gateway, and one behind it: ICMP errors are translated"""
    a, r, b = n.new_ns("a"), n.new_ns("r"), n.new_ns("b")
    m = n.new_ns("m")  # a router in between, whose link to the client is narrow
    for ns in (a, r, b, m):
        n.quiet(ns)
    n.veth(a, "cli0", m, "ma")
    n.veth(m, "mr", r, "rta")
    n.veth(r, "rtb", b, "srv0")
    n.addr(a, "cli0", "10.66.0.1/24", "fd66::1/64")
    n.addr(m, "ma", "10.66.0.254/24", "fd66::fe/64")
    n.addr(m, "mr", "10.65.0.1/24", "fd65::1/64")
    n.addr(r, "rta", "10.65.0.254/24", "fd65::fe/64")
    n.addr(r, "rtb", "10.67.0.254/24", "fd67::fe/64")
    n.addr(b, "srv0", "10.67.0.2/24", "fd67::2/64")
    for ns, v4, v6 in ((a, "10.66.0.254", "fd66::fe"), (m, "10.65.0.254", "fd65::fe"), (b, "10.67.0.254", "fd67::fe")):
        n.sh("ip", "route", "add", "default", "via", v4, ns=ns)
        n.sh("ip", "-6", "route", "add", "default", "via", v6, ns=ns)
    n.sh("ip", "route", "add", "10.66.0.0/24", "via", "10.65.0.1", ns=r)
    n.sh("ip", "-6", "route", "add", "fd66::/64", "via", "fd65::1", ns=r)
    for ns in (m, r):
        n.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", ns=ns)
    n.warm(a, "10.67.0.2", "fd67::2")
    listeners = {v: n.listen(b, g.HOST[v], g.PORT) for v in (4, 6)}
    sw = g.translate(r, "rta")
    g.taught(a, listeners.values())
    for dev in ("ma", "cli0"):
        n.sh("ip", "link", "set", "dev", dev, "mtu", 1300, ns=m if dev == "ma" else a)
    n.sh("ip", "link", "set", "dev", "cli0", "mtu", 1500, ns=a)  # it says 1460: the router alone knows
    for v in (4, 6):
        c, s = n.open_pair(a, listeners[v])
        began = time.monotonic()
        s.sendall(FILE[:100000])
        n.equal(f"v{v} down", n.read_n(c, 100000) == FILE[:100000], True)
        n.at_most(f"v{v} seconds", time.monotonic() - began, 5)
        k.end(c, s)
        n.at_least("errors translated", g.counts(sw)["icmp"], 1 if v == 4 else 2)
    n.sh("ip", "link", "set", "dev", "rta", "mtu", 1300, ns=r)  # and now the gateway itself
    n.sh("ip", "link", "set", "dev", "ma", "mtu", 1500, ns=m)
    n.sh("ip", "route", "flush", "cache", ns=b)
    for v in (4, 6):
        c, s = n.open_pair(a, listeners[v])
        s.sendall(FILE[:100000])
        n.equal(f"v{v} down", n.read_n(c, 100000) == FILE[:100000], True)
        k.end(c, s)
    clean(sw)


def refused():
    """a closed port: connected, then reset at once; the next SYN passes, and is refused as without a gateway"""
    a, r, b = n.routed()
    sw = g.translate(r, "rta")
    listener = n.listen(b, g.HOST[4], g.PORT)
    g.taught(a, [listener])
    listener.close()
    began = time.monotonic()
    is_reset(a)
    n.at_most("seconds until the reset", time.monotonic() - began, 1)
    n.equal("counter", counts_of(sw, "refused"), {"refused": 1})
    n.equal("of the backend", g.state(sw)["backends"][f"{g.HOST[4]}:{g.PORT}"]["refused"], 1)
    n.until(lambda: is_refused(a), 3)
    g.swept(sw, all=0)


def served_despite_loss(*lost):
    """Ten silent clients whose server speaks first; the first packet of each of these kinds is lost. The counters then."""
    a, r, b, listeners, sw = ground()
    kinds = {"syn": "iifname rta tcp flags & (syn|ack) == syn tcp sport", "synack": "iifname rtb tcp flags & (syn|ack) == syn|ack tcp dport",
             "ack": "iifname rta tcp flags & (syn|ack|psh|fin|rst) == ack tcp sport"}
    sets = "".join(f"set {x} {{ type inet_service; flags dynamic; timeout 5m; }}\n" for x in lost)
    rules = "\n".join(f"{kinds[x]} != @{x} add @{x} {{ {kinds[x].split(' tcp ')[-1].join(('tcp ', ''))} }} counter drop" for x in lost)
    nft(r, f"table inet t {{\n{sets}\nchain f {{ type filter hook forward priority 0\n{rules}\n}}\n}}")
    clients = [n.connect(a, g.HOST[v], g.PORT) for v in (4, 6) for _ in range(5)]
    for v in (4, 6):
        for _ in range(5):
            s = k.accepted(listeners[v], n.PATIENCE)
            s.sendall(b"220 ready\r\n")
    for c in clients:
        n.equal("banner", n.read_n(c, 11), b"220 ready\r\n")
    gone = re.findall(r"counter packets (\d+)", n.sh("nft", "list", "table", "inet", "t", ns=r).stdout)
    n.equal(f"lost: {', '.join(lost)}", [int(x) for x in gone], [10] * len(lost))
    at = counts_of(sw, "again", "answered_again", "failed", "opened")
    n.equal("opened", (at["opened"], at["failed"]), (10, 0))
    return at


def lost():
    """the first SYN to the backend, its first SYN-ACK and our first ACK are lost, and the client is silent: it is served"""
    # a repeated SYN of a slow daemon that comes when the backend has answered is an ACK, and takes the place of the lost one
    n.at_least("SYNs that were repeated", served_despite_loss("syn", "synack", "ack")["again"], 10)


def lost_ack():
    """only our first ACK is lost: the SYN-ACK that comes again is answered"""
    at = served_despite_loss("ack")
    n.at_least("SYN-ACKs that came again, SYNs that were repeated", at["answered_again"] + at["again"], 10)


def dead_host():
    """a host that is gone: SYNs again, then a RST to the client; SYNs of others pass then"""
    a, r, b, listeners, sw = ground("--gateway-pending", 3)
    nft(r, "table inet t { chain f { type filter hook forward priority 0; "
           f"iifname rta tcp dport {g.PORT} drop; }}; }}")
    began = time.monotonic()
    is_reset(a)
    n.at_least("seconds", time.monotonic() - began, 2.9)
    n.equal("counters", counts_of(sw, "silent", "dead_reset"), {"silent": 1, "dead_reset": 1})
    n.at_least("SYNs again", g.counts(sw)["again"], 2)
    n.equal("of the backend", g.state(sw)["backends"][f"{g.HOST[4]}:{g.PORT}"]["unanswered"], 1)


def port_reuse():
    """the same four-tuple again and again: after a RST, after TIME_WAIT, and while the backend still has the old connection"""
    a, r, b, listeners, sw = ground()

    def from_port():
        c = n.tcp(a)
        c.bind(("10.66.0.1", 40001))
        c.connect((g.HOST[4], g.PORT))
        s = k.accepted(listeners[4])
        k.speak(c, s)
        return c, s

    for _ in range(5):
        c, s = from_port()
        n.reset(c)
        s.close()
    c, s = from_port()
    s.close()
    c.close()
    c, s = from_port()
    # the client forgets it without a word
    nft(a, "table inet t { chain o { type filter hook output priority 0; tcp flags & rst == rst drop; }; }")
    n.reset(c)
    n.sh("nft", "flush", "ruleset", ns=a)
    c2, s2 = from_port()
    n.at_least("reused", g.counts(sw)["reused"], 1)
    k.exchange([(c2, s2)], 1 << 20)
    k.end(c2, s2)
    s.close()
    clean(sw)


def resets():
    """a RST of either end reaches the other one, with the right number"""
    a, r, b, listeners, sw = ground()
    for v in (4, 6):
        for first in (0, 1):
            pair = n.open_pair(a, listeners[v])
            k.speak(*pair)
            n.reset(pair[first])
            try:
                pair[1 - first].recv(1)
                raise AssertionError("no reset")
            except ConnectionResetError:
                pass
            pair[1 - first].close()
    g.swept(sw, established=0)
    n.equal("PAWS, challenges", [k.netstat(x, "TcpExtTCPChallengeACK") for x in (a, b)], [0, 0])


def nat():
    """DNAT to another host and port, masquerade behind it, and a strict stateful firewall: nothing of it is invalid"""
    a, r, b = n.routed()
    listener = n.listen(b, g.HOST[4], 9090)
    nft(r, f"""table ip t {{
        counter bad {{ }}
        chain p {{ type nat hook prerouting priority -100; iifname rta tcp dport {g.PORT} dnat to {g.HOST[4]}:9090; }}
        chain o {{ type nat hook postrouting priority 100; oifname rtb masquerade; }}
        chain f {{ type filter hook forward priority 0; ct state invalid counter name bad drop; }}
    }}""")
    n.sh("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0", ns=r)
    sw = g.translate(r, "rta", nets={4: f"10.66.0.254/32:{g.PORT}"})

    def one():
        c = n.connect(a, "10.66.0.254", g.PORT)
        s = k.accepted(listener)
        return c, s

    c, s = one()  # its SYN passes
    k.speak(c, s)
    k.end(c, s)
    c, s = one()
    n.equal("masqueraded", s.getpeername()[0], "10.67.0.254")
    stream(c, s, BIG, b"nat")
    k.end(c, s)
    c, s = one()
    n.reset(s)
    try:
        c.recv(1)
        raise AssertionError("no reset")
    except ConnectionResetError:
        pass
    bad = json.loads(n.sh("nft", "-j", "list", "counter", "ip", "t", "bad", ns=r).stdout)
    n.equal("invalid", [x["counter"]["packets"] for x in bad["nftables"] if "counter" in x], [0])
    n.equal("counters", counts_of(sw, "opened", "failed"), {"opened": 2, "failed": 0})
    n.settled(a, b)
    finished(sw, 2)


def own_listener():
    """a listener of the gateway itself, whatever its kernel can: its own address is a service if it is named"""
    a, r, b = n.routed()
    listener = n.listen(r, "10.66.0.254", g.PORT)
    sw = g.translate(r, "rta", nets={4: f"10.66.0.254/32:{g.PORT}"})
    g.taught(a, [listener])
    c, s = n.open_pair(a, listener)
    stream(c, s, 16 << 20, b"own")
    k.end(c, s)
    n.equal("counters", counts_of(sw, "opened", "failed"), {"opened": 1, "failed": 0})


def software_checksums():
    """checksums that the kernel finishes itself are right: with offload off behind the gateway nothing is dropped"""
    a, r, b, listeners, sw = ground()
    for ns, dev in ((a, "cli0"), (r, "rta"), (r, "rtb"), (b, "srv0")):
        n.sh("ethtool", "-K", dev, "tx", "off", ns=ns)
    for v in (4, 6):
        for _ in range(3):
            c, s = n.open_pair(a, listeners[v])
            stream(c, s, 8 << 20, b"x")
            k.end(c, s)
    for ns, dev in ((r, "rtb"), (b, "srv0")):
        n.sh("ethtool", "-K", dev, "tx", "on", ns=ns)
    for v in (4, 6):
        c, s = n.open_pair(a, listeners[v])
        stream(c, s, 8 << 20, b"x")
        k.end(c, s)
    for ns in (a, r, b):
        n.equal(f"bad checksums in {ns}", k.netstat(ns, "TcpInCsumErrors"), 0)
    clean(sw)


def bridge():
    """a bridge, which forwards no IP: its outer port"""
    a, r, b = n.new_ns("a"), n.new_ns("r"), n.new_ns("b")
    for ns in (a, r, b):
        n.quiet(ns)
    n.veth(a, "cli0", r, "rta")
    n.veth(r, "rtb", b, "srv0")
    n.addr(a, "cli0", "10.67.0.1/24", "fd67::1/64")
    n.addr(b, "srv0", "10.67.0.2/24", "fd67::2/64")
    n.sh("ip", "link", "add", "br0", "type", "bridge", ns=r)
    for dev in ("rta", "rtb"):
        n.sh("ip", "link", "set", "dev", dev, "master", "br0", ns=r)
    n.sh("ip", "link", "set", "dev", "br0", "up", ns=r)
    n.warm(a, "10.67.0.2", "fd67::2")
    listeners = {v: n.listen(b, g.HOST[v], g.PORT) for v in (4, 6)}
    sw = g.translate(r, "rta")
    g.taught(a, listeners.values())
    for v in (4, 6):
        c, s = n.open_pair(a, listeners[v])
        stream(c, s, 8 << 20, b"bridge")
        k.end(c, s)
    n.equal("counters", counts_of(sw, "opened", "failed"), {"opened": 2, "failed": 0})


def generic():
    """generic XDP, where a frame comes to tc without its link header"""
    a, r, b, listeners, sw = ground("--mode", "generic")
    for v in (4, 6):
        c, s = n.open_pair(a, listeners[v])
        stream(c, s, 8 << 20, b"generic")
        k.end(c, s)
    n.equal("counters", counts_of(sw, "opened", "failed"), {"opened": 2, "failed": 0})
    n.settled(a, b)
    finished(sw, 2)


def full():
    """a full table: those that are in it go on, new SYNs pass, and it is said; one client may have its share alone"""
    a, r, b, listeners, sw = ground("--gateway-flows", 64)
    for i in range(20):
        n.addr(a, "cli0", f"10.66.0.{10 + i}/24")
    pairs = []
    for i in range(4):
        c, s = n.open_pair(a, listeners[4])
        pairs.append((c, s))
    is_reset(a)  # the fifth of one client, of four
    n.at_least("over its share", g.counts(sw)["over_share"], 1)
    for i in range(15):
        for _ in range(4):
            pairs.append(n.open_pair(a, listeners[4], f"10.66.0.{10 + i}"))
    n.equal("connections", g.state(sw)["connections"]["all"], 64)
    c, s = n.open_pair(a, listeners[4], "10.66.0.28")
    k.speak(c, s)
    k.end(c, s)
    n.at_least("left to the backend", g.counts(sw)["full"], 1)
    k.exchange(pairs[:1] + pairs[-1:], 1 << 20)
    n.until(lambda: "full table of translated connections" in sw.err() and "their share of the table" in sw.err(), 20)


def pinned():
    """killed under a transfer, and started again: it goes on, through the programs and the table that are pinned; also after a
    SIGTERM, and with the next release"""
    a, r, b = n.routed()
    listeners = {v: n.listen(b, g.HOST[v], g.PORT) for v in (4, 6)}
    sw = g.translate(r, "rta", f"--pin={PIN}")
    try:
        g.taught(a, listeners.values())
        pairs = [n.open_pair(a, listeners[v]) for v in (4, 6)]
        k.exchange(pairs)
        sw.kill()
        k.exchange(pairs)
        sw = g.translate(r, "rta", f"--pin={PIN}")
        n.equal("connections", g.state(sw)["connections"]["all"], 2)
        k.exchange(pairs)
        pairs.append(n.open_pair(a, listeners[4]))
        n.equal("exit code", sw.stop(), 0)
        k.exchange(pairs)
        sw = g.translate(r, "rta", f"--pin={PIN}", binary=NEWER)
        k.exchange(pairs)
        for c, s in pairs:
            k.end(c, s)
        n.equal("opened", g.counts(sw)["opened"], 3)
        n.equal("exit code", sw.stop(), 0)
    finally:
        n.sh(n.SYNWARD, "unpin", PIN, ns=r)
    n.equal("nothing is left", n.hooks_on(r, "rta"), [])


def drained():
    """drain: no more cookies, connections go on until they end; at the end --drain waits for them"""
    a, r, b, listeners, sw = ground("--drain", 60)
    c, s = n.open_pair(a, listeners[4])
    g.swept(sw, established=1)
    n.sh(n.SYNWARD, "gateway", "drain", "--pid", sw.p.pid)
    before = g.service(sw)["cookies_sent"]
    k.speak(*n.open_pair(a, listeners[4]))
    n.equal("no more cookies", g.service(sw)["cookies_sent"], before)
    sw.p.send_signal(15)
    n.until(lambda: "waiting for 1 translated connections" in sw.err(), 10)
    k.exchange([(c, s)])
    n.equal("it waits", sw.p.poll(), None)
    k.end(c, s)
    n.equal("exit code", sw.p.wait(20), 0)
    n.equal("nothing is left", n.hooks_on(r, "rta"), [])


def cut():
    """an end without it says how many connections it cuts"""
    a, r, b, listeners, sw = ground()
    pairs = [n.open_pair(a, listeners[v]) for v in (4, 6)]
    g.swept(sw, established=2)
    n.equal("exit code", sw.stop(), 0)
    n.equal("said", "2 translated connections are cut" in sw.err(), True)
    for x in (x for p in pairs for x in p):
        x.close()


def automatic():
    """--guard auto: calm until a flood, by the SYN-ACKs that leave; clients before, in and after it are served"""
    a, r, b, listeners, sw = ground("--engage", "half-open=50,syn-rate=1000000", "--hold", 1, "--grace", 1, mode="auto")
    c, s = n.open_pair(a, listeners[4])
    n.equal("calm", counts_of(sw, "begun"), {"begun": 0})
    nft(a, "table inet t { chain o { type filter hook output priority 0; "
           f"tcp dport {g.PORT} tcp flags & (syn|ack|rst) == ack meta mark 7 drop; }}; }}")
    stuck = []
    for i in range(60):  # handshakes that never complete
        x = n.tcp(a)
        x.setsockopt(socket.SOL_SOCKET, 36, 7)  # SO_MARK
        x.setblocking(False)
        x.connect_ex((g.HOST[4], g.PORT))
        stuck.append(x)
    n.until(lambda: g.service(sw)["state"] == "engaged", 10)
    c2 = n.connect(a, g.HOST[4], g.PORT)
    n.until(lambda: g.counts(sw)["opened"] == 1)
    k.exchange([(c, s)])
    listeners[4].settimeout(5)
    while True:
        s2 = listeners[4].accept()[0]
        if s2.getpeername() == c2.getsockname():
            break
        s2.close()
    k.exchange([(c2, s2)])
    for x in stuck:
        x.close()
    n.until(lambda: g.service(sw)["state"] == "calm", 90)
    k.exchange([(c, s), (c2, s2)])


n.main(both_ways, server_first, web, options_off, host_grants_less, small_mtu, refused, lost, lost_ack, dead_host, port_reuse, resets, nat,
       own_listener, software_checksums, bridge, generic, full, pinned, drained, cut, automatic)
