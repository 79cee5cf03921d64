#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""A gateway that translates, and what else a gateway is: NAT, a strict firewall, a bridge; kill -9, and a table that is full.

    a client ==== r gateway ==== b host (kit/peers.py; SW_TEST_PLAIN=1 leaves the gateway out)
"""
import contextlib
import json
import os
import time

import kit as n
from kit import guard as k
from kit import peers as p

DATA = os.urandom(32 << 20)
SOME = DATA[:2 << 20]
OUTER = {4: "10.67.0.9", 6: "fd67::9"}  # belongs to nobody: r gives it to the host


def nft(ns, *lines):
    n.sh("nft", "-f", "-", ns=ns, input="\n".join(lines) + "\n")


def published(g):
    """What r publishes at another address and port is the host's."""
    nft(g.r, "table inet published {", "chain pre {", "type nat hook prerouting priority dstnat;",
        f"ip daddr {OUTER[4]} tcp dport {p.PORT} dnat ip to {p.HOST[4]}:9090",
        f"ip6 daddr {OUTER[6]} tcp dport {p.PORT} dnat ip6 to [{p.HOST[6]}]:9090", "}", "}")


def masked(g):
    """The host sees r as every client."""
    nft(g.r, "table inet masked {", "chain post {", "type nat hook postrouting priority srcnat;",
        f"oifname {p.INSIDE} masquerade", "}", "}")


def reached(g, host, listeners, peer):
    """A connection while it is calm, and two more, by cookie: transfers with whom the client takes for the host, and the
    host sees this peer. How many by cookie."""
    def one(v):
        c = n.connect(g.a, host[v], p.PORT)
        c.sendall(b"x")
        s = k.accepted(listeners[v], 10)
        assert s, f"v{v}: no connection"
        s.settimeout(n.PATIENCE)
        n.equal("first byte", n.read_n(s, 1), b"x")
        n.equal("the client, as the host sees it", s.getpeername()[0], peer[v])
        p.transfer(g, c, s, SOME)
        p.close(c, s)

    for v in (4, 6):
        one(v)
    g.engage(p.PORT)
    for v in (4, 6, 4, 6):
        one(v)
    return 4


def dnat():
    """DNAT on the gateway, to another address and port: what clients see is translated"""
    g = p.Ground()
    published(g)
    made = reached(g, OUTER, g.listen(9090, known=False), p.CLIENT)
    g.end(made)


def masquerade():
    """masquerading towards the hosts"""
    g = p.Ground()
    masked(g)
    made = reached(g, p.HOST, g.listen(known=False), {4: "10.67.0.254", 6: "fd67::fe"})
    g.end(made)


def full_nat():
    """both: neither end has the other's address"""
    g = p.Ground()
    published(g)
    masked(g)
    made = reached(g, OUTER, g.listen(9090, known=False), {4: "10.67.0.254", 6: "fd67::fe"})
    g.end(made)


def counted(ns, name):
    """A counter of nft's."""
    rows = json.loads(n.sh("nft", "-j", "list", "counter", "inet", "strict", name, ns=ns).stdout)["nftables"]
    return next(x["counter"]["packets"] for x in rows if "counter" in x)


def strict_firewall():
    """a firewall that drops what it has not seen begin, and with loose=0 takes nothing in the middle: none is invalid"""
    g = p.Ground()
    nft(g.r, "table inet strict {", "counter invalid { }", "counter new { }", "chain through {",
        "type filter hook forward priority 0; policy drop;", 'ct state invalid counter name "invalid" drop',
        f'ct state new tcp flags & (syn|ack|rst|fin) == syn tcp dport {p.PORT} iifname {p.OUTSIDE} counter name "new" accept',
        "ct state established,related accept", "meta l4proto ipv6-icmp accept", "}", "}")
    n.sh("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0", "net.netfilter.nf_conntrack_tcp_be_liberal=0", ns=g.r)
    listeners = g.listen()
    for v in (4, 6):
        for ends in range(3):
            c, s = g.open(listeners[v])
            p.transfer(g, c, s, SOME)
            if ends == 2:
                n.reset(c)
                s.close()
            else:
                p.close(*((c, s), (s, c))[ends])
    n.equal("invalid packets", counted(g.r, "invalid"), 0)
    n.equal("connections as the firewall saw them", counted(g.r, "new"), 8)
    g.end(6, states=("SF", "RSTO"))


def rejecting_firewall():
    """a firewall of the gateway that rejects a port with a reset: the client is reset"""
    g = p.Ground(8080, 8081)
    g.listen()
    g.listen(8081)
    nft(g.r, "table inet closed {", "chain through {", "type filter hook forward priority 0;",
        "tcp dport 8081 tcp flags & (syn|ack) == syn reject with tcp reset", "}", "}")
    for v in (4, 6):
        c = n.tcp(g.a, v == 6)
        try:
            c.connect((p.HOST[v], 8081))
            raise AssertionError(f"v{v}: no reset, but {c.recv(1)!r}")
        except (ConnectionResetError, ConnectionRefusedError):
            pass
    if not p.PLAIN:
        n.equal("refused", g.counter("refused"), 2)
    g.end(0 if p.PLAIN else 2, states=("RSTR",))


def with_a_bridge():
    """r is no router but a bridge."""
    a, m, b = (n.new_ns(x) for x in "amb")
    for ns in (a, m, b):
        n.quiet(ns)
    n.veth(a, "cli0", m, p.OUTSIDE)
    n.veth(m, p.INSIDE, b, "srv0")
    n.sh("ip", "link", "add", "br0", "type", "bridge", ns=m)
    for dev in (p.OUTSIDE, p.INSIDE):
        n.sh("ip", "link", "set", dev, "master", "br0", ns=m)
    n.sh("ip", "link", "set", "br0", "up", ns=m)
    n.addr(a, "cli0", "10.67.0.1/24", "fd67::1/64")
    n.addr(b, "srv0", "10.67.0.2/24", "fd67::2/64")
    n.warm(a, *p.HOST.values())
    return a, m, b


def bridge():
    """a bridge in place of the router: transfers, and a host that speaks first"""
    g = p.Ground(made=with_a_bridge)
    listeners = g.listen()
    for v in (4, 6):
        for _ in range(2):
            c, s = g.open(listeners[v])
            s.sendall(b"220 ready\r\n")
            n.equal("greeting", n.read_n(c, 11), b"220 ready\r\n")
            p.transfer(g, c, s, SOME)
            p.close(c, s)
    g.end(4)


def killed():
    """kill -9 with pins in the middle of a transfer: it goes on, a new synward takes over, and it ends right"""
    name = f"--pin=peers{os.getpid()}"
    g = p.Ground(args=(name, "--close-delay", 0.1))
    try:
        transfer_while_killed(g)
    finally:
        for x in n.started:
            if x.poll() is None:
                x.kill()
                x.wait()
        unpinned = p.PLAIN or n.sh(n.SYNWARD, "unpin", name[6:], ns=g.r, check=False).returncode == 0
    n.equal("unpin", unpinned, True)
    n.equal("what is left", n.hooks_on(g.r, p.OUTSIDE), [])


def transfer_while_killed(g):
    listeners = g.listen()
    ends = [g.open(x) for x in listeners.values()]
    both = []
    for c, s in ends:
        k.speak(c, s)
        both.append(p.flows(c, s, DATA, after=lambda: time.sleep(0.02)))  # slow, so that it lasts

    def more(by):
        """the transfers go on"""
        want = [x.count + by for y in both for x in y]
        n.until(lambda: all(x.count >= min(w, len(DATA)) for x, w in zip((x for y in both for x in y), want)), 20)

    more(1 << 20)
    if not p.PLAIN:
        g.sw.kill()
    more(4 << 20)
    n.equal("in the middle", all(x.count < len(DATA) for y in both for x in y), True)
    g.start()
    more(1 << 20)
    for v, listener in listeners.items():
        c, s = g.open(listener)  # one more
        p.transfer(g, c, s, SOME)
        p.close(c, s)
    for x in both:
        p.check_flows(g, x)
    ports = [c.getsockname()[1] for c, _ in ends]
    for c, s in ends:
        p.close(c, s)
    if p.PLAIN:
        return
    for port in ports:
        line = g.sw.wait_for(lambda x, port=port: x["event"] == "conn" and x["orig_port"] == port)
        n.fields(line, via="cookie", conn_state="SF")
    n.equal("connections by cookie, both daemons together", g.accepted(), 4)
    n.until(g.no_entry_is_open, 10, evidence=g.shown)
    n.equal("exit code", g.sw.stop(hurry=True), 0)


FLOWS = 16


def full():
    """a table of 16 that is full: further clients are served by the host itself, and those that it has go on"""
    g = p.Ground(args=("--gateway-flows", FLOWS))
    sources = [f"10.66.0.{i}" for i in range(10, 10 + FLOWS + 4)]
    n.addr(g.a, "cli0", *(f"{x}/24" for x in sources))
    listener = g.listen()[4]
    pairs = [g.open(listener, x) for x in sources[:FLOWS]]
    if not p.PLAIN:
        n.equal("connections", g.shown()["connections"]["all"], FLOWS)
        n.equal("by cookie", g.accepted(), FLOWS)
    pairs += [g.open(listener, x) for x in sources[FLOWS:]]
    if not p.PLAIN:
        n.equal("still", g.shown()["connections"]["all"], FLOWS)
        n.at_least("SYNs that passed, for it was full", g.counter("full"), 4)
    k.exchange(pairs, 100000)
    for c, s in pairs:
        p.close(c, s)
    g.end(FLOWS)


def share():
    """one client may not have the table for itself: what is over its share is dropped, others are served"""
    g = p.Ground(args=("--gateway-flows", FLOWS))
    n.addr(g.a, "cli0", "10.66.0.10/24")
    listener = g.listen()[4]
    if p.PLAIN:
        g.end(0)
        return
    most = g.shown()["connections"]["of_one_client"]
    n.at_most("the share of one", most, FLOWS - 1)
    pairs = [g.open(listener) for _ in range(most)]
    over = n.tcp(g.a)
    with contextlib.suppress(ConnectionResetError):
        over.connect((p.HOST[4], p.PORT))
    n.until(lambda: g.counter("over_share") >= 1, 10)
    n.equal("connections", g.shown()["connections"]["all"], most)
    pairs.append(g.open(listener, "10.66.0.10"))
    for pair in pairs:
        k.speak(*pair)
        p.close(*pair)
    over.close()
    n.until(g.no_entry_is_open, 10, evidence=g.shown)
    n.equal("exit code", g.sw.stop(hurry=True), 0)


if __name__ == "__main__":
    n.main(dnat, masquerade, full_nat, strict_firewall, rejecting_firewall, bridge, killed, full, share)
