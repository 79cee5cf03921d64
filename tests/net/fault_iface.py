#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""What happens to the interface while traffic runs: down and up, another name, deleted, moved to another namespace,
another MTU, another number of queues."""
import kit as n
from kit import fault as k
from kit.traffic import Traffic

GONE = "interface 'srv0' is gone"
MOVED = "interface 'srv0' was moved to another network namespace with our XDP program on it"
DOWN, UP = "interface 'srv0' is down", "interface 'srv0' is up"
NO_MORE = "no interface is left to follow"


class Ground:
    """Two interfaces in b, synward on the given ones; traffic through the first, or through the second."""

    def __init__(self, *devs, args=(), through="srv0", families=(4, 6)):
        self.ledger = k.Ledger()
        self.a, self.b = n.pair()
        n.veth(self.a, "cli1", self.b, "srv1")
        if through == "srv1":  # the same addresses, on the other wire
            for ns, dev, other, addrs in ((self.a, "cli0", "cli1", ("10.66.0.1/16", "fd66::1/64")),
                                          (self.b, "srv0", "srv1", ("10.66.0.2/16", "fd66::2/64"))):
                n.sh("ip", "addr", "flush", "dev", dev, "scope", "global", ns=ns)
                n.addr(ns, other, *addrs)
            n.warm(self.a, "10.66.0.2", "fd66::2")
        self.traffic = Traffic(self.a, self.b, lanes=families)
        self.sw = n.Synward(self.b, *devs, args=(*k.SMALL, "--close-delay", 0.1, *args))
        self.early = self.traffic.opened
        self.traffic.steady()

    def end(self, *patterns, devs=("srv0", "srv1")):
        opened = self.traffic.stop()
        lines = k.stopped(self.sw, *patterns)
        k.nothing_on(self.b, *devs)
        self.ledger.settle()
        return opened, lines


def all_logged(lines, iface, count):
    """All connections that began after synward, at least."""
    logged = [x for x in lines if x["event"] == "conn" and x["conn_state"] == "SF" and x["iface"] == iface]
    if len(logged) < count:
        raise AssertionError(f"{len(logged)} of {count} connections were logged")


def down_and_up():
    """down and up: both logged, and connections that lived through it are logged whole"""
    g = Ground("srv0", families=(4,))
    for i in range(1, 3):
        n.sh("ip", "link", "set", "srv0", "down", ns=g.b)
        n.until(lambda i=i: g.sw.err().count(DOWN) == i, 20)
        n.sh("ip", "link", "set", "srv0", "up", ns=g.b)
        g.traffic.steady()
    n.until(lambda: g.sw.err().count(UP) == 2, 20)
    _, lines = g.end(DOWN, UP, DOWN, UP)
    long = max((x for x in lines if x["event"] == "conn"), key=lambda x: x["orig_pkts"])
    n.fields(long, conn_state="SF", direction_by="midstream")


def renamed():
    """another name under traffic: logged, and lines, status and the end go by the new one"""
    g = Ground("srv0")
    n.sh("ip", "link", "set", "srv0", "name", "new0", ns=g.b)
    k.wait_log(g.sw, "interface 'srv0' is now called 'new0'")
    g.traffic.steady()
    g.sw.wait_for(lambda x: x["event"] == "conn" and x["iface"] == "new0", n.PATIENCE)
    n.until(lambda: list(k.modes(g.sw)) == ["new0"], 20)
    _, lines = g.end("is now called 'new0'", devs=("new0", "srv1"))
    names = [x["iface"] for x in lines if x["event"] == "opening"]
    n.equal("names, each once", [x for i, x in enumerate(names) if not i or names[i - 1] != x], ["srv0", "new0"])


def renamed_down():
    """another name while it is down, as udev does it"""
    g = Ground("srv0", families=(4,))
    n.sh("ip", "link", "set", "srv0", "down", ns=g.b)
    n.sh("ip", "link", "set", "srv0", "name", "new0", ns=g.b)
    n.sh("ip", "link", "set", "new0", "up", ns=g.b)
    k.wait_log(g.sw, "interface 'new0' is up")
    g.traffic.steady()
    g.end(DOWN, "is now called 'new0'", "interface 'new0' is up", devs=("new0", "srv1"))


def one_deleted():
    """one of two is deleted: logged, the other continues"""
    g = Ground("srv0", "srv1", through="srv1")
    n.sh("ip", "link", "del", "srv0", ns=g.b)
    k.wait_log(g.sw, GONE)
    g.traffic.steady()
    n.until(lambda: k.modes(g.sw) == {"srv0": "xdp_gone", "srv1": "xdp_native"}, 20)
    opened, lines = g.end(DOWN, GONE, devs=("srv1",))
    all_logged(lines, "srv1", opened - g.early)


def one_of_a_router_lost():
    """a router whose second interface loses our program: on the first one connections are logged whole"""
    a, r, b = n.routed()
    sw = n.Synward(r, "rta", "rtb", args=("--close-delay", 0.1))
    n.sh("ip", "link", "set", "dev", "rtb", "xdp", "off", ns=r)
    k.wait_log(sw, "'rtb': the XDP program was detached")
    listener = n.listen(b, "10.67.0.2", 7777)
    for _ in range(5):
        c, s = n.open_pair(a, listener)
        c.sendall(b"q" * 500)
        n.read_n(s, 500)
        s.sendall(b"a" * 1500)
        n.read_n(c, 1500)
        c.close()
        n.equal("end", s.recv(1), b"")
        s.close()
    n.settled(a, b)
    lines = k.stopped(sw, "'rtb': the XDP program was detached")
    logged = [x for x in lines if x["event"] == "conn"]
    n.equal("conn lines", len(logged), 5)
    for x in logged:
        n.fields(x, conn_state="SF", orig_bytes=500, resp_bytes=1500, orig_gaps=0, resp_gaps=0, iface="rta")


def last_deleted_guarded():
    """the only one is deleted under the guard: exit 4, nothing is left"""
    ledger = k.Ledger()
    _, b = n.pair()
    sw = n.Synward(b, "srv0", args=(*k.SMALL, "--guard", "always"))
    k.wait_log(sw, "guard always")
    n.sh("ip", "link", "del", "srv0", ns=b)
    k.ended(sw, k.INTERFACE, *k.GUARD_SAYS, DOWN, GONE, NO_MORE)
    ledger.settle()


def one_moved():
    """one of two is moved to another namespace: the log line says how to detach our program there, the other continues"""
    g = Ground("srv0", "srv1", through="srv1")
    c = n.new_ns("c")
    n.sh("ip", "link", "set", "srv0", "netns", c, ns=g.b)
    k.wait_log(g.sw, MOVED)
    g.traffic.steady()
    g.traffic.stop()
    k.stopped(g.sw, DOWN, MOVED)
    k.nothing_on(g.b, "srv1")
    n.sh("ip", "link", "set", "dev", "srv0", "xdp", "off", ns=c)
    g.ledger.settle()


def moved_guarded():
    """the only one is moved under the guard: exit 4; its program lets the new namespace's connections through"""
    ledger = k.Ledger()
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    sw = n.Synward(b, "srv0", args=(*k.SMALL, "--guard", "always"))
    k.wait_log(sw, "guard always")
    client, server = n.open_pair(a, listener)
    c = n.new_ns("c")
    n.sh("ip", "link", "set", "srv0", "netns", c, ns=b)
    k.ended(sw, k.INTERFACE, *k.GUARD_SAYS, DOWN, MOVED, NO_MORE)
    client.close()
    server.close()
    listener.close()
    n.sh("ip", "link", "set", "srv0", "up", ns=c)
    n.addr(c, "srv0", "10.66.0.2/16")
    n.warm(a, "10.66.0.2")
    there = n.listen(c, "10.66.0.2", 7777)
    n.equal("XDP went along", n.xdp_on(c, "srv0"), True)
    for _ in range(5):
        client, server = n.open_pair(a, there)
        client.sendall(b"stack")
        n.equal("heard", n.read_n(server, 5), b"stack")
        client.close()
        server.close()
    n.sh("ip", "link", "set", "dev", "srv0", "xdp", "off", ns=c)
    ledger.settle()


def deleted_namespace():
    """its own namespace goes: the interface with it, exit 4"""
    ledger = k.Ledger()
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=k.SMALL)
    n.sh("ip", "link", "del", "cli0", ns=a)  # a process keeps its namespace: its peer's end is what takes the interface
    k.ended(sw, k.INTERFACE, DOWN, GONE, NO_MORE)
    ledger.settle()


def mtu():
    """MTU 9000, 1280 and back under traffic: followed all the time, large segments, too"""
    g = Ground("srv0")
    for size in (9000, 1280, 1500, 9000):
        n.sh("ip", "link", "set", "srv0", "mtu", size, ns=g.b)
        n.sh("ip", "link", "set", "cli0", "mtu", size, ns=g.a)
        g.traffic.steady()
    big = n.listen(g.b, "10.66.0.2", 7777)
    client, server = n.open_pair(g.a, big)
    who = client.getsockname()
    client.sendall(b"j" * 200000)
    n.read_n(server, 200000)
    client.close()
    server.close()
    g.sw.wait_for(lambda x: x["event"] == "conn" and x["orig_port"] == who[1], n.PATIENCE)
    _, lines = g.end()
    conn = n.one(n.of(lines, who, "conn"))
    n.fields(conn, conn_state="SF", orig_mss=8960, resp_mss=8960)
    # every byte once; on a busy machine the kernel sends a segment again, which is counted and logged
    again, more = conn["orig_rexmit"], conn["orig_payload_bytes"] - 200000
    if not again <= more <= again * 8948:
        raise AssertionError(f"orig_payload_bytes: {more} more than 200000 with {again} retransmissions")


def queues():
    """the number of queues goes down and up under traffic"""
    g = Ground("srv0")
    for count in (1, 2, 1):
        n.sh("ethtool", "-L", "srv0", "rx", count, "tx", count, ns=g.b)
        g.traffic.steady()
    opened, lines = g.end()
    all_logged(lines, "srv0", opened - g.early)


if __name__ == "__main__":
    n.main(down_and_up, renamed, renamed_down, one_deleted, one_of_a_router_lost, last_deleted_guarded, one_moved, moved_guarded,
           deleted_namespace, mtu, queues)
