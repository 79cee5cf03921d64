#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""A gateway that translates, and transfers: hashes at both ends, with offloads, without options, with loss, narrow links.

    a client ==== r gateway ==== b host (kit/peers.py; SW_TEST_PLAIN=1 leaves the gateway out)
"""
import os
import socket
import struct
import time

import kit as n
from kit import guard as k
from kit import peers as p

DATA = os.urandom(64 << 20)


def bulk():
    """64 MiB each way at once, with a SHA-256 at both ends, GRO, GSO, TSO and checksums left to the device"""
    g = p.Ground()
    g.offload(True)
    listeners = g.listen()
    for v in (4, 6):
        c, s = g.open(listeners[v])
        p.transfer(g, c, s, DATA)
        p.close(c, s)
    g.end(2)


def server_first_bulk():
    """the server says 8 MiB before the client says a byte, and ends first"""
    g = p.Ground()
    listeners = g.listen()
    for v in (4, 6):
        c, s = g.open(listeners[v])
        down = p.Flow(s, c, DATA[:8 << 20])
        down.start()
        p.check_flows(g, (down,))
        s.close()
        n.equal("end", c.recv(1), b"")
        c.close()
    g.end(2)


SND_WND, RCV_WND = 228, 232  # in struct tcp_info


def window(s, which):
    return struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 240), which)[0]


def windows():
    """what each end may send is what the other has offered, whatever their window scales are"""
    g = p.Ground()
    listeners = g.listen()
    made = 0
    for v in (4, 6):
        for at_client, at_host in ((1 << 21, 1 << 26), (1 << 26, 1 << 21), (1 << 26, 1 << 26)):
            # the scale comes from the largest buffer
            for ns, size in ((g.a, at_client), (g.b, at_host)):
                n.sh("sysctl", "-qw", f"net.ipv4.tcp_rmem=4096 65536 {size}", ns=ns)
            c, s = g.open(listeners[v])
            p.transfer(g, c, s, DATA[:4 << 20])
            for one, other, name in ((c, s, "host"), (s, c, "client")):
                def alike(one=one, other=other):
                    """the window that one end knows is that of the other, but for what a scale cannot say"""
                    return abs(window(one, SND_WND) - window(other, RCV_WND)) <= 1024

                n.until(alike, 5, evidence=lambda: [window(x, y) for x in (c, s) for y in (SND_WND, RCV_WND)])
                n.at_least(f"v{v} window of the {name}", window(other, RCV_WND), 4096)
            made += 1
            p.close(c, s)
    g.end(made)


def checksums():
    """checksums that a device or the gateway's kernel has to complete: none is wrong, wherever that is"""
    g = p.Ground()
    listeners = g.listen()
    made = 0
    for at_ends in (True, False):
        for at_gateway in (True, False):
            ends, gateway = g.devices()[::3], g.devices()[1:3]
            g.offload(at_ends, ends)
            g.offload(at_gateway, gateway)
            for v in (4, 6):
                c, s = g.open(listeners[v])
                p.transfer(g, c, s, DATA[:2 << 20])
                p.close(c, s)
                made += 1
                n.equal(f"checksums wrong, ends {at_ends}, gateway {at_gateway}",
                        [p.kernel_counts(x).get("TcpInCsumErrors") for x in (g.a, g.r, g.b)], [0, 0, 0])
    g.end(made)


def agreed(g, c, words=("ts", "sack", "wscale")):
    """What both sockets of this connection have agreed on: the client's and the host's view."""
    port, peer = c.getsockname()[1], c.getpeername()[1]
    mine, theirs = k.sockets(g.a)[port, peer], k.sockets(g.b)[peer, port]
    return [{x: bool(y[x]) and y[x] != "0,0" for x in words} for y in (mine, theirs)]


SYSCTL = {"ts": "net.ipv4.tcp_timestamps", "sack": "net.ipv4.tcp_sack", "wscale": "net.ipv4.tcp_window_scaling"}
ALL = dict.fromkeys(SYSCTL, True)


def without(side):
    """Each option off at one side, on at the other. What a host has refused no client is granted any more; what is begun
    before that is known goes on without, too."""
    first, later = range(8081, 8081 + 2 * len(SYSCTL)), range(8091, 8091 + 2 * len(SYSCTL))
    g = p.Ground(*first, *later)
    g.engage(*first)
    made = 0
    for i, (v, name) in enumerate((v, name) for v in (4, 6) for name in SYSCTL):
        n.sh("sysctl", "-qw", f"{SYSCTL[name]}=0", ns=getattr(g, side))
        want = {**ALL, name: False}
        for port in (first[i], later[i]):  # one that is engaged before the host has been seen, one after that
            listener = g.listen(port, (v,), known=port != first[i])[v]
            began = time.monotonic()
            good = 0
            while good < 2:
                c, s = g.open(listener)
                k.speak(c, s)
                mine, theirs = agreed(g, c)
                p.transfer(g, c, s, DATA[:1 << 19])
                p.close(c, s)
                made += 1
                good += (mine, theirs) == (want, want)
                what = f"v{v} without {name} at {side}, port {port}"
                n.equal(f"{what}: what the host never had", theirs[name], False)
                if (mine, theirs) != (want, want) and time.monotonic() - began > n.SLOW:
                    raise AssertionError(f"{what}, for a second: {mine}, {theirs}, not {want}")
            listener.close()
        n.sh("sysctl", "-qw", f"{SYSCTL[name]}=1", ns=getattr(g, side))
    passed = 0 if p.PLAIN else sum(x["passed_backend"] for x in k.services(g.sw).values())
    n.at_most("SYNs that passed, to hosts that were not known", passed, 2 * len(SYSCTL))
    g.end(made - passed)


def options_off_at_client():
    """timestamps, SACK and window scaling, each off at the client: 1 MiB each way, and both ends agree on the rest"""
    without("a")


def options_off_at_host():
    """timestamps, SACK and window scaling, each off at the host: the same"""
    without("b")


def host_changes():
    """a host that had timestamps has none any more: what is begun at once is reset, then both ends agree again"""
    g = p.Ground()
    listeners = g.listen()
    made = resets = 0
    for on in (True, False):
        n.sh("sysctl", "-qw", f"net.ipv4.tcp_timestamps={int(on)}", ns=g.b)
        for v in (4, 6):
            began = time.monotonic()
            good = 0
            while good < 3:
                made += 1
                try:
                    c = n.connect(g.a, p.HOST[v], p.PORT)
                    c.sendall(b"request")
                    s = k.accepted(listeners[v], 10)
                    n.equal("request", n.read_n(s, 7), b"request")
                    s.sendall(b"answer")
                    n.equal("answer", n.read_n(c, 6), b"answer")
                except ConnectionResetError:  # each CPU remembers for 100 ms what it has read of a host
                    n.at_most("resets after seconds", time.monotonic() - began, 0.5 * n.SLOW)
                    n.equal("reset without any cause", on, False)
                    resets += 1
                    time.sleep(0.01)  # between two attempts
                    continue
                n.equal(f"v{v}, timestamps {on}", agreed(g, c), [{**ALL, "ts": on}] * 2)
                p.close(c, s)
                good += 1
    if not p.PLAIN:
        n.at_least("that were reset", resets, 2)
        n.equal("that were reset", g.counter("no_timestamps"), resets)
    g.end(made, states=("SF", "RSTR", "RSTO"))


def open_lossy(g, listener):
    """Both ends. With a byte the handshake ends, if its last segment was lost."""
    c = n.connect(g.a, *listener.getsockname()[:2])
    c.sendall(b"x")
    s = k.accepted(listener, 20)
    assert s, "no connection"
    s.settimeout(n.PATIENCE)
    n.equal("first byte", n.read_n(s, 1), b"x")
    return c, s


def loss():
    """one frame of a hundred is lost on both links, each way: 16 MiB up and 16 MiB down, no SACK is thrown away"""
    g = p.Ground(lossy=100)
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})  # two change the order of segments, with or without a gateway
    try:
        listeners = g.listen(known=False)
        for x in listeners.values():
            p.close(*open_lossy(g, x))
        g.engage(p.PORT)
        for v in (4, 6):
            c, s = open_lossy(g, listeners[v])
            for ends in ((c, s), (s, c)):  # in turn: with data both ways a kernel throws some away without a gateway, too
                flow = p.Flow(*ends, DATA[:16 << 20])
                flow.start()
                p.check_flows(g, (flow,))
            p.close(c, s)
    finally:
        os.sched_setaffinity(0, cpus)
    for ns in (g.a, g.b):
        got = p.kernel_counts(ns)
        n.equal(f"SACKs that {ns} threw away", got["TcpExtTCPSACKDiscard"], 0)
        n.at_least(f"lost and sent again by {ns}", got["TcpRetransSegs"], 10)
        n.at_least(f"SACKs that {ns} took", got["TcpExtTCPSackRecovery"], 1)
        n.at_most(f"timeouts of {ns}", got["TcpExtTCPTimeouts"], 40)
    g.end(2, may=("TcpExtPAWSEstab",))  # of what came late


def narrow_link(ends, ns, gates):
    """A link of MTU 1300, and its end says 1460 to the others all the same, as one does that has a link behind it."""
    for where, dev in ends:
        n.sh("ip", "link", "set", dev, "mtu", "1300", ns=where)
    for v, gate in gates.items():
        n.sh("ip", f"-{v}", "route", "replace", "default", "via", gate, "advmss", {4: 1460, 6: 1440}[v], ns=ns)


def narrow(g, sender, host=None, translated=0):
    """What sender says is too big: a router says so, the sender hears it, and nothing stalls."""
    listeners = g.listen(host=host)
    for v in (4, 6):
        c, s = g.open(listeners[v])
        k.speak(c, s)
        before = k.sockets(sender)
        n.at_least(f"v{v} MSS, before it was known", int(next(iter(before.values()))["mss"]), 1400)
        p.transfer(g, c, s, DATA[:2 << 20])
        row, = k.sockets(sender).values()
        n.at_most(f"v{v} MSS, after it was known", int(row["mss"]), 1260)
        p.close(c, s)
    n.at_least("ICMP errors that came", p.kernel_counts(sender)["IcmpInDestUnreachs"], 1)
    n.at_least("the same of ICMPv6", p.kernel_counts(sender)["Icmp6InPktTooBigs"], 1)
    if not p.PLAIN:
        n.at_least("those that were translated", g.counter("icmp"), translated)
    g.end(2, may=("TcpExtOutOfWindowIcmps", "TcpExtPAWSEstab"))  # of segments that had been sent again meanwhile


def narrow_behind():
    """MTU 1300 on the link behind the gateway, which says so to clients that send more: no stall"""
    g = p.Ground()
    narrow_link(g.devices()[2:], g.b, {4: "10.67.0.254", 6: "fd67::fe"})
    narrow(g, g.a)


def narrow_before():
    """MTU 1300 on the clients' link, and the gateway says so to hosts: no stall"""
    g = p.Ground()
    narrow_link(g.devices()[:2], g.a, {4: "10.66.0.254", 6: "fd66::fe"})
    narrow(g, g.b)


FAR = {4: "10.69.0.2", 6: "fd69::2"}


def with_a_router():
    """b is a router, with MTU 1300 to a host c, which stands for the b of the ground."""
    a, r, b = n.routed()
    c = n.new_ns("c")
    n.quiet(c)
    n.veth(b, "tofar", c, "far0")
    n.addr(b, "tofar", "10.69.0.254/24", "fd69::fe/64")
    n.addr(c, "far0", "10.69.0.2/24", "fd69::2/64")
    n.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", ns=b)
    n.sh("ip", "route", "add", "10.69.0.0/24", "via", "10.67.0.2", ns=r)
    n.sh("ip", "-6", "route", "add", "fd69::/64", "via", "fd67::2", ns=r)
    narrow_link(((b, "tofar"), (c, "far0")), c, {4: "10.69.0.254", 6: "fd69::fe"})
    n.warm(a, *FAR.values())
    return a, r, c


def narrow_at_a_router():
    """MTU 1300 at a router behind the gateway, whose ICMP errors have the host's numbers: no stall"""
    g = p.Ground(made=with_a_router, nets=("10.69.0.0/24", "[fd69::]/64"))
    narrow(g, g.a, FAR)


NEAR = {4: "10.65.0.1", 6: "fd65::1"}


def behind_a_router():
    """a is a router, with MTU 1300 to a client c, which stands for the a of the ground."""
    a, r, b = n.routed()
    c = n.new_ns("c")
    n.quiet(c)
    n.veth(a, "tonear", c, "near0")
    n.addr(a, "tonear", "10.65.0.254/24", "fd65::fe/64")
    n.addr(c, "near0", "10.65.0.1/24", "fd65::1/64")
    n.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", ns=a)
    n.sh("ip", "route", "add", "10.65.0.0/24", "via", "10.66.0.1", ns=r)
    n.sh("ip", "-6", "route", "add", "fd65::/64", "via", "fd66::1", ns=r)
    narrow_link(((a, "tonear"), (c, "near0")), c, {4: "10.65.0.254", 6: "fd65::fe"})
    n.warm(c, *p.HOST.values())
    return c, r, b


def narrow_at_a_router_before():
    """MTU 1300 at a router before the gateway, whose ICMP errors have the client's numbers: they are translated, no stall"""
    g = p.Ground(made=behind_a_router, ear="near0")
    narrow(g, g.b, translated=2)


if __name__ == "__main__":
    n.main(bulk, server_first_bulk, windows, checksums, options_off_at_client, options_off_at_host, host_changes, loss,
           narrow_behind, narrow_before, narrow_at_a_router, narrow_at_a_router_before)
