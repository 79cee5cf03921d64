#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No way around an engaged guard: whatever a SYN is wrapped in, the listener never sees one (TcpPassiveOpens,
sockets in SYN_RECV), and one that is legal gets its answer and leads to a connection."""

import kit as n
from kit import attacks
from kit import guard as k
from scapy.layers.inet import IP, IPOption_NOP, IPOption_RR, IPOption_Timestamp, TCP, fragment, in4_chksum
from scapy.layers.inet6 import (HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN, in6_chksum)
from scapy.layers.l2 import Dot1AD, Dot1Q
from scapy.packet import Raw

DEST = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
HOPS = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
NOTHING = lambda x: x  # noqa: E731
shared = {}


def ground():
    """Jumbo frames go over it: their headers need not lie in a frame's first part."""
    if not shared:
        g = k.Ground(start=False)
        for ns, dev in ((g.a, "cli0"), (g.b, "srv0")):
            n.sh("ip", "link", "set", dev, "mtu", 9000, ns=ns)
        g.start()
        shared.update(g=g, port=44000)
        k.talks(g, 1)
    return shared["g"]


def try_syn(v=4, over=NOTHING, under=NOTHING, answered=True, reason=None, make=None, flags="S", tags=None):
    """A SYN in this disguise. answered: a SYN-ACK comes, and its ACK in the same disguise opens a connection (with
    tags: of VLANs that the server's kernel has no device for, the SYN-ACK in the same VLANs is all)."""
    g = ground()
    shared["port"] += 1
    p = k.Peer(g, v, sport=shared["port"])
    opens, before, dropped = g.passive_opens(), g.figures(v), dropped_for(g, reason)
    p.send(*(make(p) if make else [p.packet(flags, options=k.TS, over=over)]), under=under)
    got = p.hear(1.0 if answered else 0.25)
    n.equal("sockets in SYN_RECV", g.syn_recv(), 0)
    n.equal("passive opens", g.passive_opens(), opens)
    if not answered:
        n.equal("answer", got and str(got.flags), None)
        n.equal("cookies sent", g.counted("cookies_sent", v) - before["cookies_sent"], 0)
        if reason:
            n.equal(f"dropped: {reason}", dropped_for(g, reason) - dropped, 1)
        p.close()
        return
    assert got, "no SYN-ACK came"
    n.equal("flags", str(got.flags), "SA")
    n.equal("tags of the SYN-ACK", [x for x in p.tags if x], tags or [])
    n.equal("cookies sent", g.counted("cookies_sent", v) - before["cookies_sent"], 1)
    if not tags:
        p.seq, p.ack = got.ack, got.seq + 1
        p.send(p.packet("A", options=k.stamp(got), over=over), under=under)
        s = k.accepted(g.listeners[v, k.PORT])
        assert s, "no connection"
        s.sendall(b"hello")
        assert p.hear(want=lambda t: bytes(t.payload)[:5] == b"hello"), "the server's data did not come"
        n.equal("cookies accepted", g.counted("cookies_accepted", v) - before["cookies_accepted"], 1)
    p.say("R", seq=p.seq)
    p.close()


def dropped_for(g, reason):
    """Drops for this reason, with those that belong to no service."""
    return k.counters(g.sw)[f"guard_drop_{reason}"] if reason else 0


def case(name, doc, **kw):
    def run():
        try_syn(**kw)

    run.__name__, run.__doc__ = name, doc
    return run


def fragmented(v, cut):
    """The SYN in fragments, the first with `cut` bytes of TCP (in eights)."""
    def make(p):
        whole = p.packet("S", b"x" * 40, options=k.TS)
        if v == 4:
            whole[IP].id = p.sport
            return fragment(whole, fragsize=cut)
        tcp = bytes(whole[TCP])
        one = IPv6(src=p.ip, dst=p.dst) / IPv6ExtHdrFragment(nh=6, m=1, id=p.sport, offset=0) / Raw(tcp[:cut])
        two = IPv6(src=p.ip, dst=p.dst) / IPv6ExtHdrFragment(nh=6, m=0, id=p.sport, offset=cut // 8) / Raw(tcp[cut:])
        return [one, two]

    return make


def overlapping(p):
    """RFC 1858: the second fragment overwrites the flags: an ACK in the first, the SYN in the second."""
    ack, syn = (bytes(p.packet(f, b"y" * 16, options=k.TS, ack=0)[TCP]) for f in ("A", "S"))
    one = IP(src=p.ip, dst=p.dst, id=99, flags="MF", proto=6) / Raw(ack[:24])
    two = IP(src=p.ip, dst=p.dst, id=99, frag=1, proto=6) / Raw(syn[8:])
    return [one, two]


def options4(*opts):
    return lambda ip: IP(src=ip.src, dst=ip.dst, options=list(opts))


def no_df(ip):
    ip.flags = 0
    return ip


def with_df(ip):
    ip.flags = "DF"
    return ip


def atomic(ip):
    return ip / IPv6ExtHdrFragment(m=0, offset=0, id=5)


def atomic_twice(ip):
    return atomic(atomic(ip))


def far_away(ip):
    """The TCP header behind 4 KiB of options that the kernel skips."""
    for _ in range(2):
        ip = ip / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1e, optdata=b"\0" * 251)] * 8)
    return ip


def nine_headers(ip):
    for _ in range(9):
        ip = ip / DEST
    return ip


def bad_option(v):
    """A SYN whose option list cannot be right, with a checksum that is."""
    def make(p):
        raw = bytearray(bytes(p.packet("S", options=[("MSS", 1460)])[TCP]))
        raw[20:24] = bytes((2, 0, 5, 180))
        raw[16:18] = b"\0\0"
        ip = IP(src=p.ip, dst=p.dst, proto=6) if v == 4 else IPv6(src=p.ip, dst=p.dst, nh=6)
        check = in4_chksum(6, ip, bytes(raw)) if v == 4 else in6_chksum(6, ip, bytes(raw))
        raw[16:18] = check.to_bytes(2, "big")
        return [ip / Raw(bytes(raw))]

    return make


def unguarded():
    """with the guard off the listener does take those that were dropped, but one: they would have been ways around it"""
    g = ground()
    k.guard(g.sw, "off")
    n.until(lambda: {x["state"] for x in k.services(g.sw).values()} == {"grace"}, 3)
    for name, v, make in (("far", 6, lambda p: [p.packet("S", options=k.TS, over=far_away)]),
                          ("nine headers", 6, lambda p: [p.packet("S", options=k.TS, over=nine_headers)]),
                          ("fragments", 4, fragmented(4, 40)), ("fragments", 6, fragmented(6, 40)),
                          ("tiny fragments", 4, fragmented(4, 16))):
        shared["port"] += 1
        p = k.Peer(g, v, sport=shared["port"])
        p.send(*make(p))
        got = p.hear()
        n.equal(f"v{v} {name}: the kernel's answer", got and str(got.flags), "SA")
        p.say("R", seq=got.ack)
        p.close()
    p = k.Peer(g, 6, sport=shared["port"] + 1)
    p.say("S", options=k.TS, over=atomic_twice)
    n.equal("two atomic fragment headers: the kernel's answer", p.hear(), None)
    p.close()


def untouched():
    """after all that: still engaged, and the listener never opened anything by itself"""
    g = ground()
    fig = k.services(g.sw)
    n.equal("still engaged", {x["state"] for x in fig.values()}, {"engaged"})
    n.equal("begun by a listener", {x: s["opened"] for x, s in fig.items() if s["opened"]}, {})


def counters_agree():
    """every line is valid, none is lost"""
    g = ground()
    n.settled(g.a, g.b, most=0.2)
    n.equal("exit code", g.sw.stop(), 0)
    n.equal("events lost", n.check_seq(g.sw.lines()), 0)


CASES = [
    case("plain4", "no disguise, IPv4: answered"),
    case("plain6", "no disguise, IPv6: answered", v=6),
    case("df_off", "IPv4 without DF: answered", over=no_df),
    case("df_on", "IPv4 with DF: answered", over=with_df),
    case("vlan4", "802.1Q, IPv4: answered in the same VLAN", tags=[42], under=lambda e: e / Dot1Q(vlan=42)),
    case("vlan6", "802.1Q, IPv6", v=6, tags=[42], under=lambda e: e / Dot1Q(vlan=42)),
    case("qinq4", "802.1ad over 802.1Q, IPv4", tags=[100, 7], under=lambda e: e / Dot1AD(vlan=100) / Dot1Q(vlan=7)),
    case("qinq6", "802.1ad over 802.1Q, IPv6", v=6, tags=[100, 7],
         under=lambda e: e / Dot1AD(vlan=100) / Dot1Q(vlan=7)),
    case("priority", "a priority tag (VLAN 0), which the kernel takes for none: answered",
         under=lambda e: e / Dot1Q(vlan=0)),
    case("priority6", "the same, IPv6", v=6, under=lambda e: e / Dot1Q(vlan=0)),
    case("hops", "IPv6 with hop-by-hop options", v=6, over=lambda ip: ip / HOPS),
    case("dest", "IPv6 with destination options", v=6, over=lambda ip: ip / DEST),
    case("dests", "IPv6 with hop-by-hop and three destination options headers", v=6,
         over=lambda ip: ip / HOPS / DEST / DEST / DEST),
    case("routing", "IPv6 with a routing header that is used up: answered", v=6,
         over=lambda ip: ip / HOPS / IPv6ExtHdrRouting(addresses=["fd66::77"], segleft=0) / DEST),
    case("atomic6", "IPv6 atomic fragment (RFC 6946): answered as if whole", v=6, over=atomic),
    case("atomic_dest", "IPv6 atomic fragment, then destination options", v=6, over=lambda ip: atomic(ip) / DEST),
    case("many", "more IPv6 extension headers than are walked: dropped", v=6, over=nine_headers, answered=False,
         reason="ext_limit"),
    case("far", "a jumbo frame whose TCP header is 4 KiB away: dropped", v=6, over=far_away, answered=False,
         reason="ext_limit"),
    case("opt_rr", "IPv4 options, record route: answered", over=options4(IPOption_RR(routers=["0.0.0.0"] * 3))),
    case("opt_nop", "IPv4 options, four NOPs", over=options4(*[IPOption_NOP()] * 4)),
    case("opt_ts", "IPv4 options, timestamps", over=options4(IPOption_Timestamp(flg=0, timestamp=0))),
    case("fragments4", "IPv4, the SYN in two fragments: dropped", make=fragmented(4, 40), answered=False,
         reason="fragment"),
    case("fragments6", "IPv6, the SYN in two fragments: dropped", v=6, make=fragmented(6, 40), answered=False,
         reason="fragment"),
    case("tiny4", "IPv4, 8 bytes of TCP in the first fragment (RFC 1858): dropped", make=fragmented(4, 8),
         answered=False, reason="fragment"),
    case("tiny6", "IPv6, 8 bytes of TCP in the first fragment: dropped", v=6, make=fragmented(6, 8), answered=False,
         reason="fragment"),
    case("sixteen4", "IPv4, 16 bytes of TCP in the first fragment: dropped", make=fragmented(4, 16), answered=False,
         reason="fragment"),
    case("sixteen6", "IPv6, 16 bytes of TCP in the first fragment: dropped", v=6, make=fragmented(6, 16),
         answered=False, reason="fragment"),
    case("nested6", "IPv6, a fragment header within a first fragment's: dropped", v=6, make=attacks.nested_fragments,
         answered=False, reason="fragment"),
    case("atomic_twice6", "IPv6, two atomic fragment headers, of which the kernel takes one: dropped", v=6,
         over=atomic_twice, answered=False, reason="fragment"),
    case("overlap", "IPv4, a fragment that overwrites an ACK with a SYN (RFC 1858): nothing is opened",
         make=overlapping, answered=False),
    case("syn_fin", "SYN and FIN: dropped", flags="SF", answered=False, reason="bad_flags"),
    case("syn_rst", "SYN and RST: dropped", flags="SR", answered=False, reason="bad_flags"),
    case("bad_option4", "an option of length 0: dropped", make=bad_option(4), answered=False, reason="bad_option"),
    case("bad_option6", "the same, IPv6", v=6, make=bad_option(6), answered=False, reason="bad_option"),
    case("syn_psh", "SYN, PSH and URG: a SYN", flags="SPU"),
]


if __name__ == "__main__":
    n.main(*CASES, untouched, unguarded, counters_agree, keep=True)
