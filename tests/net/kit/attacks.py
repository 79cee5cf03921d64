# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The attacks of docs/attacks.md that are frames: from addresses that belong to nobody, for a service of the kit's
guarded server."""
import functools
import random
import socket
import struct

from scapy.layers.inet import IP, TCP, UDP, IPOption_LSRR, fragment, in4_chksum
from scapy.layers.inet6 import HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, in6_chksum
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from . import guard as k

ISN = 77000
MAX_SEQ = 1 << 32
MD5 = [(19, b"\x00" * 16)]
NOT_OURS = {"another_host": "02:00:00:00:77:02", "group": "01:00:5e:00:00:02", "broadcast": "ff:ff:ff:ff:ff:ff"}


def pseudo(packet):
    """With the sum of the pseudo-header alone, as a virtual device leaves it to the card: here none does."""
    ip, tcp = packet.copy(), bytes(packet[TCP])
    check = in6_chksum if IPv6 in ip else in4_chksum
    ip[TCP].chksum = ~check(6, ip.firstlayer(), b"\0" * len(tcp)) & 0xffff
    return ip


class Forger:
    """Segments from ever new addresses that belong to nobody."""

    def __init__(self, g, port=k.PORT):
        self.g, self.port, self.next = g, port, 0
        self.out = k.Peer(g).out

    def source(self):
        self.next += 1
        return f"198.18.{self.next >> 8 & 255}.{self.next & 255}"

    def segment(self, src, flags, **kw):
        return IP(src=src, dst=k.SERVER[4]) / TCP(sport=30000 + self.next % 30000, dport=self.port, flags=flags, **kw)

    def syn(self, src):
        return self.segment(src, "S", seq=ISN, options=k.TS)

    def answer(self, src, flags, **kw):
        """What the listener would send."""
        return IP(src=k.SERVER[4], dst=src) / TCP(sport=self.port, dport=30000 + self.next % 30000, flags=flags, **kw)

    def send(self, *packets, mac=None, cut=0):
        for p in packets:
            frame = bytes(Ether(src=self.g.macs[0], dst=mac or self.g.macs[1]) / p)
            self.out.send(frame[:len(frame) - cut])

    def burst(self, count, attack, *args, **kw):
        """attack(self, source, ...) so many times, each from a source of its own; scapy makes the frames of one."""
        frames, out, now = [], self.out, self.next
        self.out, self.next = Recorder(frames), 0
        attack(self, "0.0.0.0", *args, **kw)
        self.out, self.next = out, now
        for _ in range(count):
            src = socket.inet_aton(self.source())
            for frame in frames:
                out.send(moved(frame, src, self.next % 30000))


class Recorder(list):
    """In place of a socket."""

    def __init__(self, frames):
        super().__init__()
        self.send = frames.append


def added(check, *words):
    """A checksum over more words than before (RFC 1624)."""
    total = (~check & 0xffff) + sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


NOBODY, HERE = b"\0\0\0\0", socket.inet_aton(k.SERVER[4])


def moved(frame, src, number):
    """A frame from or to 0.0.0.0, or what a tunnel's has inside, with another address there, and a port that is so much
    higher; what was right of it is right then."""
    f, words = bytearray(frame), struct.unpack("!HH", src)
    at, port = frame.find(NOBODY + HERE), 0
    if at < 0:
        at, port = frame.index(HERE + NOBODY), 2
    ip = at - 12
    f[at + 2 * port:at + 2 * port + 4] = src
    struct.pack_into("!H", f, ip + 10, added(struct.unpack_from("!H", f, ip + 10)[0], *words))
    if struct.unpack_from("!H", f, ip + 6)[0] & 0x1fff:
        return f  # not the first fragment
    port += ip + 20
    check = struct.unpack_from("!H", f, ip + 36)[0]
    struct.pack_into("!H", f, port, struct.unpack_from("!H", f, port)[0] + number)
    if check == pseudo_sum_of(bytes(frame[ip:])):
        check = ~added(~check & 0xffff, *words) & 0xffff
    else:
        check = added(check, *words, number)
    struct.pack_into("!H", f, ip + 36, check)
    return f


@functools.cache
def pseudo_sum_of(packet):
    ip = IP(packet)
    return ~in4_chksum(6, ip, b"\0" * (ip.len - 4 * ip.ihl)) & 0xffff


# Before or after a SYN, what hid it.
def dead_ack_then_fragments(f, src):
    f.send(f.segment(src, "A", seq=ISN, ack=5, chksum=1), *fragment(f.syn(src) / (b"x" * 8), fragsize=24))


def bad_synack_then_syn(f, src):
    f.send(f.segment(src, "SA", seq=ISN, ack=5, chksum=1), f.syn(src))


def syn_fin_then_syn(f, src):
    f.send(f.segment(src, "SF", seq=ISN), f.syn(src))


def rst_then_syn_then_rst(f, src):
    f.send(f.segment(src, "R", seq=ISN), f.syn(src), f.segment(src, "R", seq=ISN + 1, chksum=1),
           f.segment(src, "R", seq=ISN + 1 + (1 << 30)))


HIDDEN = {x.__name__: x for x in (dead_ack_then_fragments, bad_synack_then_syn, syn_fin_then_syn, rst_then_syn_then_rst)}


def invented(f, src, isn, **kind):
    """A SYN-ACK of a forged client, then its SYN: the listener's own SYN-ACK seems to complete it."""
    first = f.segment(src, "SA", seq=isn, ack=9, **{x: v for x, v in kind.items() if x != "pseudo"})
    f.send(pseudo(first) if "pseudo" in kind else first, f.syn(src))


INVENTED = {"bad_sum": {"chksum": 1}, "md5": {"options": MD5}, "pseudo": {"pseudo": True}, "good": {}}


def reset(f, src):
    """Of the client, with the right number."""
    return f.segment(src, "R", seq=ISN + 1)


FIREWALLED = 77  # a TTL

# Its reset, which the kernel throws away, and of which that can be seen; the last one's cannot: a firewall drops it.
RESETS = {
    "vlan": lambda f, src: Dot1Q(vlan=99) / reset(f, src),
    "pseudo": lambda f, src: pseudo(reset(f, src)),
    "firewall": lambda f, src: over_ttl(reset(f, src)),
}


def over_ttl(packet, ttl=FIREWALLED):
    packet[IP].ttl = ttl
    return packet


def firewall_drops_resets(ns):
    """Those with this TTL."""
    k.n.sh("nft", "add table ip fw; add chain ip fw in { type filter hook input priority 0; }; "
           f"add rule ip fw in ip ttl {FIREWALLED} tcp flags rst drop", ns=ns)


# In a tunnel, or from the LAN in the server's own name: the words of the listener, and those of its client.
def plain(p):
    return p


OUTER = IP(src="198.19.0.1", dst=k.SERVER[4])
WORDS = {
    "own_address": plain,
    "ip_in_ip": lambda p: OUTER / p,
    "gre": lambda p: OUTER / GRE() / p,
    "vxlan": lambda p: OUTER / UDP(sport=40000, dport=4789, chksum=0) / VXLAN(vni=7) / Ether() / p,
}
TUNNELS = [x for x in WORDS if x != "own_address"]


def listeners_words(f, src, inside):
    """A SYN; then its SYN-ACK, its completion and the connection's first data, and a reset, all forged."""
    f.send(f.syn(src), *[inside(x) for x in (
        f.answer(src, "SA", seq=5000, ack=ISN + 1), f.segment(src, "A", seq=ISN + 1, ack=5001),
        f.answer(src, "PA", seq=5001, ack=ISN + 1) / b"x", f.answer(src, "RA", seq=5002, ack=ISN + 1))])


def claimed(f, src, by):
    """A handshake of which this host sends nothing: with a SYN-ACK, with a SYN of either end, or inferred from ACKs."""
    syn, ack = f.segment(src, "S", seq=ISN), f.segment(src, "A", seq=ISN + 1, ack=5001)
    if by == "synack":
        return [syn, f.answer(src, "SA", seq=5000, ack=ISN + 1), ack]
    last = f.answer(src, "A", seq=5001, ack=ISN + 1)
    return [syn, f.answer(src, "S", seq=5000), ack, last] if by == "syn" else [syn, ack, last]


# The third packet, which the kernel throws away.
def old_stamp(p, answer):
    """Before the one of the SYN: PAWS."""
    return p.packet("A", options=[("NOP", None), ("NOP", None), ("Timestamp", (10, answer[-1][1][1]))])


def wrong_echo(p, answer):
    """An echo that the kernel has not sent."""
    return p.packet("A", options=[("NOP", None), ("NOP", None), ("Timestamp", (6000, answer[-1][1][1] ^ 1 << 20))])


def with_signature(p, answer):
    return p.packet("A", options=MD5 + answer)


def pseudo_sum(p, answer):
    return pseudo(p.packet("A", options=answer))


def wrong_sum(p, answer):
    packet = p.packet("A", options=answer)
    packet[TCP].chksum = 1
    return packet


def source_route(p, answer):
    """Which Linux refuses by default."""
    return p.packet("A", options=answer, over=lambda ip: IP(src=ip.src, dst=ip.dst, options=[IPOption_LSRR(routers=[p.dst])]))


def unknown_option(header):
    """Of a type whose two highest bits say: throw it away."""
    return header(options=[HBHOptUnknown(otype=0x5e, optdata=b"\0" * 4)])


def hop_options(p, answer):
    return p.packet("A", options=answer, over=lambda ip: ip / unknown_option(IPv6ExtHdrHopByHop))


def destination_options(p, answer):
    return p.packet("A", options=answer, over=lambda ip: ip / unknown_option(IPv6ExtHdrDestOpt))


THIRD = {4: (old_stamp, wrong_echo, with_signature, pseudo_sum, wrong_sum, source_route),
         6: (old_stamp, pseudo_sum, hop_options, destination_options)}


def nested_fragments(p):
    """A first fragment, in which another header says that it is whole."""
    inner = bytes(p.packet("S", options=k.TS)[TCP])
    return [IPv6(src=p.ip, dst=p.dst) / IPv6ExtHdrFragment(m=1, offset=0, id=p.sport) /
            IPv6ExtHdrFragment(nh=6, m=0, offset=0, id=p.sport + 1) / Raw(inner + b"x" * (-len(inner) % 8)),
            IPv6(src=p.ip, dst=p.dst) / IPv6ExtHdrFragment(nh=44, m=0, offset=(8 + len(inner) + 7) // 8, id=p.sport) /
            Raw(b"x" * 8)]


class Blind:
    """Who knows the four-tuple of a live connection, and not its numbers."""

    def __init__(self, f, client, seed, port=k.PORT):
        self.f, self.random = f, random.Random(seed)
        self.ends = ((client, (k.SERVER[4], port)), ((k.SERVER[4], port), client))

    def segment(self, flags, who=0, **kw):
        (src, sport), (dst, dport) = self.ends[who]
        numbers = {"sport": sport, "seq": self.random.randrange(MAX_SEQ),
                   "ack": self.random.randrange(MAX_SEQ) if "A" in flags else 0, **kw}
        return IP(src=src, dst=dst) / TCP(dport=dport, flags=flags, **numbers)

    def say(self, flags, data=b"", who=0, **kw):
        packet = self.segment(flags, who, **kw)
        self.f.send(packet / data if data else packet)
