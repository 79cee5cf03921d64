# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real clients, a gateway that translates, and unchanged hosts behind it.

    +------- a -------+         +------- r -------+         +------- b -------+
    | client          |  [m]    | synward         |  [m]    | servers         |    [m]: a bridge in between, which
    | 10.66.0.1/24    o=========o rta         rtb o=========o 10.67.0.2/24    |    loses frames, if wanted
    | fd66::1/64 cli0 |         | .254       .254 |         | fd67::2/64 srv0 |
    +-----------------+         +-----------------+         +-----------------+

SW_TEST_PLAIN=1 leaves synward out: r forwards, and everything but the counters holds as well. That shows what a test
says of forwarding, and what of the translation."""
import contextlib
import ctypes
import hashlib
import json
import os
import socket
import struct
import threading

import kit as n
from . import guard as k
from .traffic import kernels_view

PLAIN = os.environ.get("SW_TEST_PLAIN") == "1"
CLIENT = {4: "10.66.0.1", 6: "fd66::1"}
HOST = {4: "10.67.0.2", 6: "fd67::2"}
PORT = 8080
OUTSIDE, INSIDE = "rta", "rtb"
# what a wrong number, checksum or timestamp makes a kernel count, at either end
WRONG = ("TcpInCsumErrors", "TcpExtPAWSEstab", "TcpExtPAWSActive", "TcpExtOutOfWindowIcmps")
SO_ATTACH_FILTER, SO_RCVBUFFORCE, ETH_P_ALL = 26, 33, 3
# IPv4 without options or IPv6, TCP, SYN and ACK set: BPF of an Ethernet frame
SYN_ACKS = ((0x28, 0, 0, 12), (0x15, 0, 5, 0x800), (0x30, 0, 0, 23), (0x15, 0, 9, 6), (0xb1, 0, 0, 14), (0x50, 0, 0, 27),
            (0x05, 0, 0, 4), (0x15, 0, 5, 0x86dd), (0x30, 0, 0, 20), (0x15, 0, 3, 6), (0x30, 0, 0, 67),
            (0x54, 0, 0, 0x12), (0x15, 1, 0, 0x12), (0x06, 0, 0, 0), (0x06, 0, 0, 96))


class Ear:
    """What SYN-ACKs said on the client's link: both ISNs, by the client's port, in order."""

    def __init__(self, ns, dev="cli0"):
        code = b"".join(struct.pack("HBBI", *x) for x in SYN_ACKS)
        self.code = ctypes.create_string_buffer(code)
        with n.Inside(ns):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            program = struct.pack("HL", len(SYN_ACKS), ctypes.addressof(self.code))
            self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
            self.sock.bind((dev, ETH_P_ALL))
            self.sock.setblocking(False)
        self.heard = {}

    def isns(self, port):
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, where = self.sock.recvfrom(96)
                if where[2] == socket.PACKET_OUTGOING:
                    continue
                at = 54 if frame[12] == 0x86 else 34
                _, dport, seq, ack = struct.unpack_from("!HHII", frame, at)
                self.heard.setdefault(dport, set()).add(((ack - 1) & 0xffffffff, seq))
        return self.heard.get(port, set())


def wire(first, last, lossy):
    """The link between two devices. lossy: by a bridge, in which a frame of so many is lost, each way."""
    if not lossy:
        n.veth(*first, *last)
        return
    m = n.new_ns("m" + last[1])
    n.quiet(m)
    n.veth(*first, m, "near")
    n.veth(m, "far", *last)
    n.sh("ip", "link", "add", "br0", "type", "bridge", ns=m)
    for dev in ("near", "far"):
        n.sh("ip", "link", "set", dev, "master", "br0", ns=m)
    n.sh("ip", "link", "set", "br0", "up", ns=m)
    for dev in ("near", "far"):
        n.sh("nft", f"add table netdev {dev}; add chain netdev {dev} c {{ type filter hook ingress device {dev} priority 0; }}; "
             f"add rule netdev {dev} c meta l4proto tcp numgen random mod {lossy} == 0 counter drop", ns=m)


def routed(lossy=0):
    """n.routed(), with such links."""
    if not lossy:
        return n.routed()
    a, r, b = n.new_ns("a"), n.new_ns("r"), n.new_ns("b")
    for ns in (a, r, b):
        n.quiet(ns)
    wire((a, "cli0"), (r, OUTSIDE), lossy)
    wire((b, "srv0"), (r, INSIDE), lossy)
    n.addr(a, "cli0", "10.66.0.1/24", "fd66::1/64")
    n.addr(r, OUTSIDE, "10.66.0.254/24", "fd66::fe/64")
    n.addr(r, INSIDE, "10.67.0.254/24", "fd67::fe/64")
    n.addr(b, "srv0", "10.67.0.2/24", "fd67::2/64")
    for ns, v4, v6 in ((a, "10.66.0.254", "fd66::fe"), (b, "10.67.0.254", "fd67::fe")):
        n.sh("ip", "route", "add", "default", "via", v4, ns=ns)
        n.sh("ip", "-6", "route", "add", "default", "via", v6, ns=ns)
    n.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", ns=r)
    n.warm(a, *HOST.values())
    return a, r, b


def kernel_counts(ns):
    """All counters of a namespace's kernel."""
    rows = (x.split() for x in n.sh("nstat", "-asz", ns=ns).stdout.splitlines()[1:])
    return {x[0]: int(x[1]) for x in rows}


class Ground:
    """The three namespaces, and synward in the middle, on the outer device."""

    def __init__(self, *ports, args=(), lossy=0, start=True, nets=("10.67.0.0/24", "[fd67::]/64"), made=routed, ear="cli0"):
        self.a, self.r, self.b = made(lossy) if made is routed else made()
        self.nets = [f"{net}:{','.join(str(x) for x in ports or (PORT,))}" for net in nets]
        self.args, self.sw = args, None
        self.ear = Ear(self.a, ear)
        if start:
            self.start()

    def start(self, *args):
        if PLAIN:
            return
        protect = [x for net in self.nets for x in ("--protect", net)]
        self.sw = n.Synward(self.r, OUTSIDE, args=("--gateway", "translate", *protect, "--guard", "auto", *self.args, *args))

    def know(self, *ports, families=(4, 6), host=None):
        """While it is calm the gateway sees what these hosts' SYN-ACKs say, from connections that say nothing. Then it is
        engaged."""
        before = 0 if PLAIN else self.accepted()
        for port in ports:
            for v in families:
                with n.tcp(self.a, v == 6) as c, contextlib.suppress(ConnectionResetError):  # some servers are rude to it
                    c.connect(((host or HOST)[v], port))
                    c.shutdown(socket.SHUT_WR)
                    n.read_all(c)
        if not PLAIN:
            n.equal("connections by cookie, calm", self.accepted() - before, 0)
            self.engage(*ports)

    def engage(self, *ports):
        if not PLAIN:
            for port in ports:
                k.guard(self.sw, "always", port)

    def devices(self):
        return (self.a, "cli0"), (self.r, OUTSIDE), (self.r, INSIDE), (self.b, "srv0")

    def offload(self, on, where=None):
        """GRO, GSO, TSO and checksums, which the kit turns off."""
        word = "on" if on else "off"
        for ns, dev in where or self.devices():
            n.sh("ethtool", "-K", dev, *sum(((x, word) for x in ("tx", "gro", "gso", "tso")), ()), ns=ns)

    def listen(self, port=PORT, families=(4, 6), host=None, known=True):
        """Listeners, which the gateway knows and is engaged for."""
        listeners = {v: n.listen(self.b, (host or HOST)[v], port) for v in families}
        if known:
            for v, listener in listeners.items():
                c, s = self.open(listener)
                close(c, s)
            self.engage(port)
        return listeners

    def open(self, listener, src=None):
        """Both ends; the client has a connection before the host is asked, so it speaks first or the host does."""
        c, s = n.open_pair(self.a, listener, src)
        s.settimeout(n.PATIENCE)
        c.settimeout(n.PATIENCE)
        return c, s

    def accepted(self):
        """Cookies that came back, of all services."""
        return sum(x["cookies_accepted"] for x in k.services(self.sw).values())

    def shown(self):
        return json.loads(n.sh(n.SYNWARD, "gateway", "--json", "--pid", self.sw.p.pid).stdout)

    def counter(self, name):
        return self.shown()["counters"][name]

    def pending(self):
        return self.shown()["connections"]["pending"]

    def no_entry_is_open(self):
        """each translated connection has ended, as the last sweep found them"""
        now = self.shown()["connections"]
        return now["closing"] + now["dead"] == now["all"] and not now["pending"] + now["opening"] + now["established"]

    def kernels(self, *may):
        """Neither kernel has found anything wrong."""
        for ns in (self.a, self.b):
            got = kernel_counts(ns)
            n.equal(f"what {ns} found wrong", {x: got[x] for x in WRONG if got.get(x) and x not in may}, {})
            # two CPUs change the order of ACKs now and then, without a gateway as well; a wrong number makes it thousands
            n.at_most(f"SACKs that {ns} threw away", got["TcpExtTCPSACKDiscard"], 200)

    def end(self, made, *, states=("SF",), may=(), most=None, missed=30000):
        """Nothing was lost, and the counters and lines say the same of so many connections by cookie. states: how they may
        end; may: what kernels may count. Its lines."""
        n.settled(self.a, self.b, most=most)
        self.kernels(*may)
        if PLAIN:
            self.ear.isns(0)
            n.at_least("handshakes on the client's link", sum(len(x) for x in self.ear.heard.values()), made)
            return []
        n.until(lambda: self.accepted() >= made, 10, evidence=lambda: f"{self.accepted()} of {made}: {self.shown()}")
        n.equal("connections by cookie", self.accepted(), made)
        n.until(self.no_entry_is_open, 10, evidence=self.shown)
        n.equal("packets that could not be rewritten", self.counter("failed"), 0)
        n.equal("exit code", self.sw.stop(hurry=True), 0)
        n.equal("what is left", n.hooks_on(self.r, OUTSIDE) + n.hooks_on(self.r, INSIDE), [])
        return self.lines_are_right(made, states, missed)

    def lines_are_right(self, made, states, missed):
        lines = self.sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        conns = [x for x in lines if x["event"] == "conn" and x["via"] == "cookie"]
        n.equal("conn lines by cookie", len(conns), made)
        n.equal("connections with two of them", len(conns) - len({x["uid"] for x in conns}), 0)
        for x in conns:
            if x["conn_state"] not in states:
                raise AssertionError(f"a connection ended in {x['conn_state']}, not in {states}: {x}")
            # a busy machine of two CPUs makes it some segments, without a gateway as well; a wrong number millions
            if missed is not None and x["missed_bytes"] > missed:
                raise AssertionError(f"bytes that were not seen, over {missed}: {x}")
            isns = self.ear.isns(x["orig_port"])
            if (x["orig_isn"], x["resp_isn"]) not in isns:
                raise AssertionError(f"these are not the client's numbers, {isns}: {x}")
        return conns


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Flow(threading.Thread):
    """One way of a transfer: all of it is said; a hash of what comes."""

    def __init__(self, src, dst, data, after=None):
        super().__init__(daemon=True)
        self.src, self.dst, self.data, self.after = src, dst, memoryview(data), after
        self.hash, self.count, self.error = hashlib.sha256(), 0, None
        self.sender = threading.Thread(target=self.send, daemon=True)

    def send(self):
        try:
            for at in range(0, len(self.data), 1 << 18):
                if self.after:
                    self.after()
                self.src.sendall(self.data[at:at + (1 << 18)])
        except OSError as e:
            self.error = f"sending: {e}"

    def run(self):
        self.sender.start()
        try:
            while self.count < len(self.data):
                got = self.dst.recv(1 << 18)
                if not got:
                    raise OSError("end")
                self.hash.update(got)
                self.count += len(got)
        except OSError as e:
            self.error = self.error or f"receiving: {e}"
        self.sender.join()


def flows(c, s, data, **kw):
    """Both ways at once; they run."""
    both = Flow(c, s, data, **kw), Flow(s, c, data, **kw)
    for x in both:
        x.start()
    return both


def check_flows(g, both, timeout=60):
    want = digest(both[0].data)
    for x, name in zip(both, ("to the host", "to the client")):
        x.join(timeout * n.SLOW)
        if x.is_alive() or x.error:
            raise AssertionError(f"{x.count} of {len(x.data)} bytes came {name}: {x.error or 'it stands still'}\n"
                                 f"{kernels_view(g.a, g.b)}")
        n.equal(f"SHA-256 {name}", x.hash.hexdigest(), want)


def transfer(g, c, s, data):
    check_flows(g, flows(c, s, data))


def close(c, s):
    """The client first."""
    c.close()
    n.equal("end", s.recv(1), b"")
    s.close()
