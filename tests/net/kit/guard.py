# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the guard's tests share: a guarded server, its figures, what both kernels say of their sockets, and a
client that is no kernel.

    +------- a -------+         +------- b -------+
    | client          |  veth   |          server |    10.66.0.99 and fd66::99 belong to nobody: Peer speaks as
    | 10.66.0.1       o=========o    10.66.0.2    |    they do from a's end, and neither kernel answers for them.
    | XDP_PASS   cli0 |         | srv0   synward  |
    +-----------------+         +-----------------+
"""
import functools
import json
import logging
import re
import select
import socket
import struct
import subprocess
import time

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
# pylint: disable=wrong-import-position
from scapy.layers.inet import IP, TCP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Dot1Q, Ether  # noqa: E402

import kit as n  # noqa: E402
from .traffic import DATA, SERVER, end, exchange, speak  # noqa: E402,F401

CLIENT = {4: "10.66.0.1", 6: "fd66::1"}
PEER = {4: "10.66.0.99", 6: "fd66::99"}
PORT = 7777
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING, TP_STATUS_VLAN_VALID = 263, 8, 23, 1 << 4
ETH_P_ALL, SO_RCVBUFFORCE = 3, 33


@functools.cache
def backend():
    """Whose cookies this kernel takes: reqsk, listener or none."""
    return json.loads(n.sh(n.SYNWARD, "probe", "--json").stdout)["guard"]


def needs_reqsk(what):
    if backend() != "reqsk":
        raise n.Skip(f"this kernel takes no cookies of ours (reqsk), which {what}")


def guard(sw, *args, **kw):
    """`synward guard`, `synward list` of this instance."""
    first = args if args[0] == "list" else ("guard", *args)
    return n.sh(n.SYNWARD, *first, "--pid", sw.p.pid, **kw)


def services(sw):
    """Status, by the service's text."""
    lines = [json.loads(x) for x in guard(sw, "status", "--json").stdout.splitlines()]
    return {x["service"]: x for x in lines}


def counters(sw):
    """Everything that `synward status` counts, the guard's sums included."""
    return json.loads(n.sh(n.SYNWARD, "status", "--json", "--pid", sw.p.pid).stdout)


class Ground:
    """A pair with listeners for both families on each port, and a guarded synward in b."""

    def __init__(self, *args, mode="always", ports=(PORT,), backlog=4096, start=True):
        self.a, self.b = n.pair()
        self.listeners = {(v, p): n.listen(self.b, SERVER[v], p, backlog) for v in (4, 6) for p in ports}
        self.args = ("--guard", mode, *args)
        self.sw = None
        if start:
            self.start()
        self.macs = [json.loads(n.sh("ip", "-j", "link", "show", "dev", dev, ns=ns).stdout)[0]["address"]
                     for ns, dev in ((self.a, "cli0"), (self.b, "srv0"))]

    def start(self, *args):
        # with 1 the kernel takes cookies only once a queue is full, and without 2 they keep no options
        if backend() == "listener" and "--cookie" not in self.args:
            n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", "net.ipv4.tcp_timestamps=2", ns=self.b)
        self.sw = n.Synward(self.b, "srv0", args=self.args + args)

    def open(self, v=4, port=PORT, src=None):
        """Both ends of a new connection: client, server."""
        return n.open_pair(self.a, self.listeners[v, port], src)

    def talk(self, v=4, port=PORT):
        """A connection that says something both ways and ends. The client speaks before it is accepted: a flood may cost
        it its third packet, and nothing but data brings that again. An attacker's handshake may be one for the kernel,
        which looks at fewer things in the answer to a cookie of its own: it is not ours."""
        host = self.listeners[v, port].getsockname()
        c = n.connect(self.a, host[0], host[1])
        c.sendall(DATA[:1])
        s, peer = self.listeners[v, port].accept()
        while peer[:2] != c.getsockname()[:2]:
            s.close()
            s, peer = self.listeners[v, port].accept()
        s.settimeout(n.PATIENCE)
        n.equal("first byte", n.read_n(s, 1), DATA[:1])
        speak(c, s)
        end(c, s)

    def figures(self, v=4, port=PORT):
        name = f"{SERVER[4]}:{port}" if v == 4 else f"[{SERVER[6]}]:{port}"
        return services(self.sw)[name]

    def counted(self, what, v=4, port=PORT):
        return self.figures(v, port)[what]

    def finish(self, stderr=None):
        """Stops synward; its lines, none lost. No client is on its way with a cookie, so no second is waited for it."""
        n.settled(self.a, self.b, most=0.2)
        n.equal("exit code", self.sw.stop(hurry=True), 0)
        lines = self.sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        if stderr is not None and not re.search(stderr, self.sw.err()):
            raise AssertionError(f"stderr does not say {stderr!r}: {self.sw.err()!r}")
        return lines

    def passive_opens(self):
        return netstat(self.b, "TcpPassiveOpens")

    def syn_recv(self, port=None):
        """Sockets in SYN_RECV, of a port or of all."""
        return len(n.sh("ss", "-tHn", "state", "syn-recv", *(() if port is None else ("sport", "=", f":{port}")),
                        ns=self.b).stdout.splitlines())


def netstat(ns, name):
    """One counter of a namespace's kernel."""
    for line in n.sh("nstat", "-asz", name, ns=ns).stdout.splitlines():
        word = line.split()
        if word and word[0] == name:
            return int(word[1])
    raise RuntimeError(f"no counter {name}")


def sockets(ns):
    """What `ss -ti` says of each established connection, by (local port, remote port): the words that a handshake
    decides."""
    out, key = {}, None
    for line in n.sh("ss", "-tioHn", "state", "established", ns=ns).stdout.splitlines():
        if line[:1] not in ("\t", " "):
            word = line.split()
            key = tuple(int(x.rsplit(":", 1)[1]) for x in word[2:4])
            continue
        words = line.split()
        shown = {x: x in words for x in ("ts", "sack", "ecn", "ecnseen", "fastopen")}
        for name in ("wscale", "mss", "pmtu", "rcvmss", "advmss"):
            found = re.search(rf"\b(?<!v){name}:(\S+)", line)
            shown[name] = found.group(1) if found else None
        out[key] = shown
    return out


def outer_tag(aux):
    """The VLAN id that the kernel has taken off a frame before it shows it (struct tpacket_auxdata)."""
    for level, kind, data in aux:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                return [tci & 0xfff]
    return []


class Peer:
    """A client that is no kernel: whatever it sends is all that is sent."""

    def __init__(self, g, v=4, port=PORT, sport=40000, isn=1000, ip=None, dev="cli0"):
        self.g, self.v, self.port, self.sport = g, v, port, sport
        self.ip, self.dst = ip or PEER[v], SERVER[v]
        self.seq, self.ack = isn, 0
        self.packed = socket.inet_pton(socket.AF_INET if v == 4 else socket.AF_INET6, self.ip)
        n.sh("ip", "neigh", "replace", self.ip, "lladdr", g.macs[0], "dev", "srv0", "nud", "permanent", ns=g.b)
        with n.Inside(g.a):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
            self.sock.bind((dev, ETH_P_ALL))
            self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.out.bind((dev, 0))

    def packet(self, flags, data=b"", seq=None, ack=None, options=(), over=lambda ip: ip, window=60000):
        ip = over((IPv6 if self.v == 6 else IP)(src=self.ip, dst=self.dst))
        tcp = TCP(sport=self.sport, dport=self.port, flags=flags, seq=(self.seq if seq is None else seq) & 0xffffffff,
                  ack=((self.ack if "A" in flags else 0) if ack is None else ack) & 0xffffffff, window=window,
                  options=list(options))
        return ip / tcp / data if data else ip / tcp

    def send(self, *packets, under=lambda eth: eth):
        for p in packets:
            self.out.send(bytes(under(Ether(src=self.g.macs[0], dst=self.g.macs[1])) / p))

    def say(self, flags, data=b"", **kw):
        self.send(self.packet(flags, data, **kw))

    def hear(self, timeout=1.0, want=lambda t: True):
        """The next segment that comes for us; None: none came."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                return None
            raw, aux, _, _ = self.sock.recvmsg(65536, 64)
            if self.packed not in raw:
                continue
            frame = Ether(raw)
            ip = frame.getlayer(IPv6 if self.v == 6 else IP)
            if ip and TCP in ip and ip[TCP].dport == self.sport and ip[TCP].sport == self.port and \
                    ip.dst == self.ip and want(ip[TCP]):
                self.tags = outer_tag(aux) + [x.vlan for x in frame.iterpayloads() if isinstance(x, Dot1Q)]
                self.heard = raw
                return ip[TCP]

    def drain(self):
        while self.hear(0.05):
            pass

    def syn(self, options=(("MSS", 1460),), flags="S", timeout=1.0, **kw):
        """Sends a SYN; the SYN-ACK, checked; seq and ack stand as after it."""
        self.say(flags, options=options, **kw)
        got = self.hear(timeout, lambda t: "S" in t.flags)
        if not got:
            raise AssertionError("no SYN-ACK came")
        n.equal("acknowledgement", got.ack, (self.seq + 1) & 0xffffffff)
        self.seq, self.ack = got.ack, (got.seq + 1) & 0xffffffff
        return got

    def close(self):
        self.sock.close()
        self.out.close()


def accepted(listener, timeout=2.0):
    """The connection that waits to be accepted; None: there is none."""
    if not select.select([listener], [], [], timeout)[0]:
        return None
    s = listener.accept()[0]
    s.settimeout(5)
    return s


def tsval(option_list):
    return next((v for k, v in option_list if k == "Timestamp"), None)


def nothing_waits(listener):
    if accepted(listener, 0.15):
        raise AssertionError("the listener got a connection too many")


TS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (5000, 0)), ("NOP", None), ("WScale", 7)]


def stamp(got, mine=6000):
    """Timestamps that answer a segment."""
    val = tsval(got.options)
    return [("NOP", None), ("NOP", None), ("Timestamp", (mine, val[0]))] if val else []


def flood(g, count, pps=0, port=PORT):
    """SYNs from 198.18.0.0/15, by a process of its own."""
    cmd = ["nsenter", f"--net=/run/netns/{g.a}", str(n.TOP / "build/tests/tool_flood"), "cli0", g.macs[1], SERVER[4],
           str(port), str(count), str(pps)]
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    n.started.append(p)
    return p


def finished(p):
    out, _ = p.communicate(timeout=30)
    n.equal(f"exit code of the flood ({out.strip()})", p.returncode, 0)


def ground(*args, **kw):
    """With a way back to the flood's sources, so that the listener really answers them when it is asked."""
    g = Ground(*args, **kw)
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", CLIENT[4], ns=g.b)
    return g


def talks(g, times=3, families=(4, 6)):
    for _ in range(times):
        for v in families:
            g.talk(v)
