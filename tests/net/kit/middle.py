# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A router between client and server that translates the client's address and port, and does something to connections, by
the server's port; and synward at both ends, which write A and B, and if wanted on the router's way out, R.

    +------- a -------+         +------- r -------+         +------- b -------+
    | 10.66.0.1  cli0 o=========o rta         rtb o=========o srv0  10.67.0.2 |
    | client, synward |         | masquerade, KINDS         | server, synward |
    +-----------------+         +-----------------+         +-----------------+

A delay is a TUN device with a process behind it: netem is a module that not every kernel has. So is what gives a
connection another initial sequence number."""
import collections
import fcntl
import heapq
import json
import os
import pathlib
import select
import socket
import struct
import threading
import time

from . import ns as n
from .daemon import Synward
from .wait import until

SERVER, PORT = "10.67.0.2", 8000
SMALL, LARGE = 20, 500  # bytes; the router knows segments with more than 400 by their length
DELAY = 0.15
SHIFT = 0x12345678  # what is added to the originator's sequence numbers, of `isn`
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000

# What the router does to a connection, the verdict, and the fact that it rests on: what, whose.
Kind = collections.namedtuple("Kind", "name rule verdict what side")
SYN, SYNACK = "tcp flags & (syn|ack) == syn", "tcp flags & (syn|ack) == syn|ack"
ORIG, RESP = "ip saddr . tcp sport", "ip daddr . tcp dport"
KINDS = (
    Kind("plain", "", "agree", None, None),
    Kind("reset_client", "tcp dport {p} ip length > 400 reject with tcp reset", "reset_injected", "rst", "resp"),
    Kind("reset_server", "tcp sport {p} ip length > 400 reject with tcp reset", "reset_injected", "rst", "orig"),
    Kind("fin", "tcp dport {p} tcp flags & fin == fin drop", "swallowed", "fin", "orig"),
    Kind("rst", "tcp dport {p} tcp flags & rst == rst drop", "swallowed", "rst", "orig"),
    Kind("last_data", "tcp dport {p} ip length > 400 drop", "swallowed", "bytes", "orig"),
    Kind("synack", f"tcp sport {{p}} {SYNACK} drop", "swallowed", "synack", "resp"),
    Kind("mss", f"tcp dport {{p}} {SYN} tcp option maxseg size set 1200", "rewritten", "mss", "orig"),
    Kind("sack", f"tcp dport {{p}} {SYN} reset tcp option sack-perm", "rewritten", "sack", "orig"),
    Kind("delay", "", "delayed", "handshake", "orig"),
    Kind("lost_data", f"tcp dport {{p}} ip length > 400 {ORIG} != @data add @data {{{{ {ORIG} }}}} drop", "retransmitted", "data", "orig"),
    Kind("lost_syn", f"tcp dport {{p}} {SYN} {ORIG} != @syn add @syn {{{{ {ORIG} }}}} drop", "retransmitted", "syn", "orig"),
    Kind("lost_synack", f"tcp sport {{p}} {SYNACK} {RESP} != @synack add @synack {{{{ {RESP} }}}} drop", "retransmitted", "synack", "resp"),
    Kind("refused_between", f"tcp dport {{p}} {SYN} reject with tcp reset", "absent", None, None),
    Kind("refused", "", "agree", None, None),
    Kind("isn", "", "rewritten", "isn", "orig"),
)
KIND = {PORT + i: x for i, x in enumerate(KINDS)}
PORTS = {x.name: PORT + i for i, x in enumerate(KINDS)}
NO_ANSWER = ("synack", "refused_between", "refused")


def rules():
    known = "".join(f"set {x} {{ type ipv4_addr . inet_service; flags dynamic; timeout 5m; }}\n" for x in ("data", "syn", "synack"))
    kinds = "\n".join(x.rule.format(p=p) for p, x in KIND.items())
    return f"""table ip middle {{
        {known}
        chain untracked {{ type filter hook prerouting priority raw;
            iifname "late0" tcp sport {{ {PORTS["delay"]}, {PORTS["isn"]} }} notrack
            iifname "rta" tcp dport {PORTS["isn"]} notrack
        }}
        chain marked {{ type filter hook prerouting priority 0;
            iifname "rtb" tcp sport {{ {PORTS["delay"]}, {PORTS["isn"]} }} meta mark set 1
            iifname "rta" tcp dport {PORTS["isn"]} meta mark set 1
        }}
        chain forwarded {{ type filter hook forward priority 0;
        {kinds}
        }}
        chain translated {{ type nat hook postrouting priority srcnat; oifname "rtb" masquerade random; }}
    }}"""


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def renumbered(packet):
    """Of IPv4 and TCP; None if it is not of `isn`: the originator's numbers are others, and what the responder says of them."""
    at = (packet[0] & 15) * 4
    sport, dport, seq, ack = struct.unpack("!HHII", packet[at:at + 12])
    if PORTS["isn"] not in (sport, dport):
        return None
    if dport == PORTS["isn"]:
        seq += SHIFT
    elif packet[at + 13] & 16:
        ack -= SHIFT
    segment = packet[at:at + 4] + struct.pack("!II", seq & 0xffffffff, ack & 0xffffffff) + packet[at + 12:at + 16] + b"\0\0" + packet[at + 18:]
    pseudo = packet[12:20] + struct.pack("!HH", 6, len(segment))
    return packet[:at] + segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]


class Delay:
    """What is routed into late0 comes out of it so much later, or at once with other numbers."""

    def __init__(self, ns):
        with n.Inside(ns):
            self.fd = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sh22x", b"late0", IFF_TUN | IFF_NO_PI))
        n.up(ns, "late0")
        n.sh("sysctl", "-qw", "net.ipv4.conf.late0.rp_filter=0", "net.ipv4.conf.all.rp_filter=0", ns=ns)
        n.sh("ip", "route", "add", "default", "dev", "late0", "table", "100", ns=ns)
        for dev in ("rta", "rtb"):
            n.sh("ip", "rule", "add", "fwmark", "1", "iif", dev, "lookup", "100", ns=ns)
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        n.endings.append(self.stop)

    def run(self):
        waiting = []
        while not self.ending.is_set():
            rest = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.1
            if select.select([self.fd], [], [], min(rest, 0.1))[0]:
                packet = os.read(self.fd, 65536)
                other = renumbered(packet) if packet[0] >> 4 == 4 and packet[9] == 6 else None
                heapq.heappush(waiting, (time.monotonic() + (0 if other else DELAY), other or packet))
            while waiting and waiting[0][0] <= time.monotonic():
                os.write(self.fd, heapq.heappop(waiting)[1])

    def stop(self):
        self.ending.set()
        self.thread.join()
        os.close(self.fd)
        n.endings.remove(self.stop)


class Middle:
    """Namespaces, rules, listeners. run() makes `each` connections of some kinds, and ends with A and B, paths of files."""

    def __init__(self):
        self.a, self.r, self.b = n.routed()
        n.sh("nft", "-f", "-", ns=self.r, input=rules())
        n.sh("sysctl", "-qw", "net.ipv4.tcp_synack_retries=1", ns=self.b)
        self.late = Delay(self.r)
        self.listeners = {p: n.listen(self.b, SERVER, p, 4096) for p, x in KIND.items() if x.name != "refused"}
        self.open = []  # sockets that nobody closes before the end

    def start(self, *args, router=False):
        self.args = ("--close-delay", 1.5, "--timeout-syn-sent", 4, "--timeout-fin-wait", 2, "--log-open-at-exit", *args)
        at = [(self.a, "cli0"), (self.b, "srv0")] + [(self.r, "rtb")] * router
        self.ends = [Synward(*x, args=self.args, full=False) for x in at]
        self.A, self.B, *self.R = (x.path for x in self.ends)

    def restart_server(self):
        """Its synward is killed, and another one begins. The file of the first."""
        self.ends[1].kill()
        was, self.ends[1] = self.B, Synward(self.b, "srv0", args=self.args, full=False)
        self.B = self.ends[1].path
        return was

    def connect(self, port, count):
        """Nonblocking: clients that have sent their SYN."""
        found = []
        for _ in range(count):
            c = n.tcp(self.a)
            c.setblocking(False)
            c.connect_ex((SERVER, port))
            found.append(c)
        return found

    def pairs(self, port, count):
        """Both ends of so many connections, after a word in each direction: they know each other by it."""
        clients = dict(enumerate(self.connect(port, count)))
        left, look = {c.fileno(): c for c in clients.values()}, select.poll()
        for fd in left:
            look.register(fd, select.POLLOUT)

        def connected():
            """all clients are connected"""
            for fd, _ in look.poll(100):
                if not left[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    look.unregister(fd)
                    del left[fd]
            return not left

        until(connected, 30)
        servers = {}
        for i, c in clients.items():
            c.settimeout(10)
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            c.sendall(b"%0*d" % (SMALL, i))
        for _ in clients:
            s = self.listeners[port].accept()[0]
            s.settimeout(10)
            servers[int(n.read_n(s, SMALL))] = s
        for s in servers.values():
            s.sendall(b"x" * SMALL)
        for c in clients.values():
            n.read_n(c, SMALL)
        return [(clients[i], servers[i]) for i in clients]

    def unanswered(self, port, count):
        """The server answers, and the client never hears it: gives up once both have seen it begin."""
        clients = self.connect(port, count)
        until(lambda: sum(x["event"] == "opening" and x["resp_port"] == port for x in events(self.B)) >= count, 20)
        for c in clients:
            c.close()

    def refused(self, port, count):
        for c in self.connect(port, count):
            look = select.poll()
            look.register(c, select.POLLOUT)
            look.poll(10000)
            error = c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            c.close()
            if error != 111:  # ECONNREFUSED
                raise AssertionError(f"port {port}: error {error}, not refused")

    def one_kind(self, name, count):
        port = PORTS[name]
        if name in NO_ANSWER:
            (self.unanswered if name == "synack" else self.refused)(port, count)
            return
        END.get(name, whole)(self, self.pairs(port, count))

    def lines_of(self, path, ports):
        return sum(x["event"] == "conn" and x["resp_port"] in ports for x in events(path))

    def run(self, each, kinds=tuple(x.name for x in KINDS)):
        """So many connections of each of these kinds."""
        self.end_with(dict.fromkeys(kinds, each))

    def end_with(self, count):
        """By kind; then both ends stop."""
        # those first that take seconds: so nothing else is at the very begin of the files
        for name in sorted(count, key=lambda x: (not x.startswith("lost"), x not in ("fin", "synack"))):
            self.one_kind(name, count[name])
        for path, noticed in ((self.A, [x for x in count if x != "reset_server"]),
                              (self.B, [x for x in count if x in ("reset_server", "plain", "mss", "sack", "delay", "last_data", "isn")])):
            until(lambda p=path, k=noticed: self.lines_of(p, {PORTS[x] for x in k}) >= sum(count[x] for x in k), 40)
        done = time.monotonic()
        until(lambda: time.monotonic() > done + 1.3)  # docs/join.md: a second more than what the other end saw
        for x in self.ends:
            x.stop()
        for s in self.open:
            s.close()
        self.open.clear()


def events(path):
    return [json.loads(x) for x in pathlib.Path(path).read_bytes().split(b"\n")[:-1]]


def whole(_m, pairs):
    for c, _ in pairs:
        c.sendall(b"y" * LARGE)
    for _, s in pairs:
        n.read_n(s, LARGE)
        s.sendall(b"z" * SMALL)
    for c, _ in pairs:
        n.read_n(c, SMALL)
        c.close()
    for _, s in pairs:
        if s.recv(1):
            raise AssertionError("the server has more than the client said")
        s.close()


def is_reset(sock):
    try:
        sock.recv(1)
    except ConnectionResetError:
        sock.close()
        return
    raise AssertionError("not reset")


def reset_client(m, pairs):
    for c, s in pairs:
        c.sendall(b"y" * LARGE)
        m.open.append(s)
    for c, _ in pairs:
        is_reset(c)


def reset_server(m, pairs):
    for c, s in pairs:
        s.sendall(b"z" * LARGE)
        m.open.append(c)
    for _, s in pairs:
        is_reset(s)


def fin(m, pairs):
    for c, s in pairs:
        c.close()
        m.open.append(s)


def rst(m, pairs):
    for c, s in pairs:
        n.reset(c)
        m.open.append(s)


def last_data(_m, pairs):
    for c, _ in pairs:
        c.sendall(b"y" * LARGE)
        n.reset(c)
    for _, s in pairs:
        is_reset(s)


END = {x.__name__: x for x in (reset_client, reset_server, fin, rst, last_data)}
