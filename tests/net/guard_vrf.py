#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Two VRFs with the same addresses on one host: both are followed, and served while the guard is engaged.

    +------- a -------+         +------------------ b -----------------+         +------- c -------+
    | client          |  veth   |  red                            blue |  veth   |          client |
    | 10.66.0.1       o=========o srv0 10.66.0.2       srv1 10.66.0.2  o=========o 10.66.0.1       |
    | fd66::1    cli0 |         |      fd66::2              fd66::2    |         | cli1    fd66::1 |
    +-----------------+         +-------------- synward ---------------+         +-----------------+

`crossed`: in blue they are the other way round, so that its client has the address that this host has in red.
"""
import socket

import kit as n
from kit import guard as k

NAMES = {"red": ("cli0", "srv0", 10), "blue": ("cli1", "srv1", 20)}
CLIENT, SERVER = ("10.66.0.1", "fd66::1"), ("10.66.0.2", "fd66::2")


class Vrfs:
    def __init__(self, crossed=False):
        self.b = n.new_ns("b")
        if n.sh("ip", "link", "add", "red", "type", "vrf", "table", "10", ns=self.b, check=False).returncode:
            raise n.Skip("this kernel has no VRFs (CONFIG_NET_VRF); those of the virtual machines have")
        n.sh("ip", "link", "del", "red", ns=self.b)
        n.quiet(self.b)
        n.sh("sysctl", "-qw", "net.ipv4.tcp_l3mdev_accept=1", ns=self.b)
        if k.backend() == "listener":
            n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", "net.ipv4.tcp_timestamps=2", ns=self.b)
        self.clients, self.hosts = {}, {}
        for name, (cli, srv, table) in NAMES.items():
            ns = self.clients[name] = n.new_ns(name)
            n.quiet(ns)
            n.veth(ns, cli, self.b, srv)
            n.sh("ip", "link", "add", name, "type", "vrf", "table", table, ns=self.b)
            n.sh("ip", "link", "set", name, "up", ns=self.b)
            n.sh("ip", "link", "set", srv, "master", name, ns=self.b)
            there, here = (SERVER, CLIENT) if crossed and name == "blue" else (CLIENT, SERVER)
            n.addr(ns, cli, f"{there[0]}/24", f"{there[1]}/64")
            n.addr(self.b, srv, f"{here[0]}/24", f"{here[1]}/64")
            self.hosts[name] = here
        for name, ns in self.clients.items():
            n.warm(ns, *self.hosts[name])

    def start(self, *args):
        self.sw = n.Synward(self.b, "srv0", "srv1", args=args)

    def listen(self, ip, vrf=None):
        """One for both VRFs, or of one."""
        v6 = ":" in ip
        s = n.tcp(self.b, v6)
        if v6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if vrf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vrf.encode())
        s.bind((ip, k.PORT))
        s.listen(64)
        s.settimeout(5 * n.SLOW)
        return s

    def open(self, name, listener, sport):
        """Both ends of a connection of a client in this VRF. It speaks before it is accepted, in case of a cookie."""
        ip = self.hosts[name][":" in listener.getsockname()[0]]
        c = n.tcp(self.clients[name], ":" in ip)
        c.bind(("", sport))
        c.connect((ip, k.PORT))
        c.sendall(k.DATA[:1])
        s = listener.accept()[0]
        n.equal("first byte", n.read_n(s, 1), k.DATA[:1])
        return c, s

    def talk(self, *args):
        c, s = self.open(*args)
        k.speak(c, s)
        k.end(c, s)

    def finish(self):
        n.equal("exit code", self.sw.stop(hurry=True), 0)
        n.equal("system calls", "seccomp" in self.sw.err(), False)
        lines = self.sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        return lines


def each_has_its_line(g, lines, talks, via):
    for name, sport in talks:
        conns = [x for x in lines if x["event"] == "conn" and x["orig_port"] == sport]
        n.equal(f"{name}, port {sport}", [(x["iface"], x["via"], x["reason"]) for x in conns], [(NAMES[name][1], via, "fin")])
    n.equal("not taken", [x["not_taken"] for x in lines if x["event"] == "stats"][-1], 0)


def served(mode, via, crossed=False, bound=False):
    """clients of both VRFs connect to one listener, or to one of each"""
    g = Vrfs(crossed)
    listeners = {(name, v): g.listen("::" if v else "0.0.0.0", name) for name in NAMES for v in (0, 1)} if bound else \
        {v: g.listen("::" if v else "0.0.0.0") for v in (0, 1)}
    g.start("--guard", mode)
    talks = []
    for turn in range(2):
        for name in NAMES:
            for v in (0, 1):
                sport = 20000 + len(talks)
                g.talk(name, listeners[name, v] if bound else listeners[v], sport)
                talks.append((name, sport))
    each_has_its_line(g, g.finish(), talks, via)


def variants():
    for name, args in (("calm", {"mode": "auto", "via": "stack"}), ("engaged", {"mode": "always", "via": "cookie"})):
        for crossed in (False, True):
            def case(args=args, crossed=crossed):
                served(crossed=crossed, **args)
            case.__name__, case.__doc__ = name + "_crossed" * crossed, f"{served.__doc__}: {name}{', crossed' * crossed}"
            yield case


def bound_to_them():
    """a listener of each VRF is no service: its clients connect as without the guard"""
    served("always", "stack", bound=True)


def same_four_tuple(mode):
    g = Vrfs()
    listeners = [g.listen(ip) for ip in ("0.0.0.0", "::")]
    g.start("--guard", mode)
    for listener in listeners:
        ends = [g.open(name, listener, 20000) for name in NAMES]
        for c, s in [*ends, *reversed(ends)]:
            k.speak(c, s)
        for c, s in ends:
            k.end(c, s)
    g.finish()


def same_four_tuple_calm():
    """the same connection in both at once, calm: both are served"""
    same_four_tuple("auto")


def same_four_tuple_engaged():
    """and engaged"""
    same_four_tuple("always")


n.main(*variants(), bound_to_them, same_four_tuple_calm, same_four_tuple_engaged)
