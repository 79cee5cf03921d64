#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Segments that no kernel sends, over a veth: A's come in by XDP, B's go out by the egress hook.

        a: AF_PACKET on cli0  o=== veth ===o  b: AF_PACKET on srv0     synward in b

Neither kernel owns the addresses, so neither answers. What is sent is all that there is."""
import logging
import socket
import time

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
# pylint: disable=wrong-import-position
from scapy.layers.inet import IP, TCP, UDP, fragment  # noqa: E402
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)  # noqa: E402
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether, GRE  # noqa: E402
from scapy.layers.ppp import PPPoE  # noqa: E402
from scapy.packet import Raw as Bytes  # noqa: E402
from scapy.layers.vxlan import VXLAN  # noqa: E402
from scapy.contrib.geneve import GENEVE  # noqa: E402
from scapy.contrib.mpls import MPLS  # noqa: E402

import kit as n  # noqa: E402

A, B = 0, 1
SOL_PACKET, PACKET_IGNORE_OUTGOING, ETH_P_ALL = 263, 23, 3
ETH = (Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b"), Ether(src="02:00:00:00:00:0b", dst="02:00:00:00:00:0a"))


class Raw:
    def __init__(self, v6=False, under=lambda eth: eth, over=lambda ip: ip, args=()):
        self.a, self.b = n.pair()
        n.sh("ip", "link", "set", "srv0", "address", ETH[A].dst, ns=self.b)  # else the guard does not look at them
        self.sw = n.Synward(self.b, "srv0", args=args)
        self.ips = ("fd66::199", "fd66::200") if v6 else ("10.66.0.199", "10.66.0.200")
        self.v6, self.under, self.over = v6, under, over
        self.port, self.nxt = 30000, [1000, 5000000]
        self.who = (self.ips[A], 30000)
        self.socks = []
        for ns, dev in ((self.a, "cli0"), (self.b, "srv0")):
            with n.Inside(ns):
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                s.bind((dev, 0))
            self.socks.append(s)
        with n.Inside(self.b):  # behind the XDP program
            self.passed = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.passed.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.passed.bind(("srv0", ETH_P_ALL))
        self.passed.settimeout(10 * n.SLOW)

    def packet(self, side, flags, data=b"", seq=None, ack=None, options=()):
        ip = (IPv6 if self.v6 else IP)(src=self.ips[side], dst=self.ips[not side])
        ports = (self.port, 80) if side == A else (80, self.port)
        seq = self.nxt[side] if seq is None else seq
        if ack is None:
            ack = self.nxt[not side] if "A" in flags else 0
        tcp = TCP(sport=ports[0], dport=ports[1], flags=flags, seq=seq & 0xffffffff, ack=ack & 0xffffffff, window=60000,
                  options=list(options))
        end = seq + len(data) + ("S" in flags) + ("F" in flags)
        if "R" not in flags:
            self.nxt[side] = max(self.nxt[side], end)
        return self.over(ip) / tcp / data if data else self.over(ip) / tcp

    def send(self, side, pkt):
        """Sent, and seen by synward, so that the next one comes after it: the egress program runs within the call, and
        what the kernel behind the XDP program receives has been through that."""
        frame = bytes(self.under(ETH[side].copy()) / pkt)
        self.socks[side].send(frame)
        while side == A and not self.passed.recv(1 << 16).endswith(frame[-30:]):  # a tag in front is taken off
            pass

    def say(self, side, flags, data=b"", **kw):
        self.send(side, self.packet(side, flags, data, **kw))

    def open(self):
        self.say(A, "S", options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7)])
        self.say(B, "SA", options=[("MSS", 1400), ("WScale", 9)])
        self.say(A, "A")

    def close(self):
        self.say(A, "FA")
        self.say(B, "A")
        self.say(B, "FA")
        self.say(A, "A")

    def finish(self):
        for s in (*self.socks, self.passed):
            s.close()
        n.equal("exit code", self.sw.stop(), 0)
        lines = self.sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        return lines

    def events_of(self, lines):
        return [x["event"] + (":" + x["anomaly"] if "anomaly" in x else "") for x in n.of(lines, self.who)]


WHOLE = ["opening", "established", "half_closed", "closed", "conn"]


def whole(vlan=None, **kw):
    r = Raw(**kw)
    r.open()
    r.say(A, "PA", b"x" * 100)
    r.say(B, "PA", b"y" * 300)
    r.close()
    lines = r.finish()
    n.equal("events", r.events_of(lines), WHOLE)
    conn = n.one(n.of(lines, r.who, "conn"))
    n.fields(conn, conn_state="SF", history="ShADdFaf", orig_pkts=5, resp_pkts=4, orig_bytes=100, resp_bytes=300,
             orig_mss=1460, resp_mss=1400, orig_wscale=7, resp_wscale=9, orig_sack=True, resp_sack=False, orig_isn=1000,
             resp_isn=5000000, vlan=vlan)
    return conn


def plain():
    """a plain connection, both hooks"""
    conn = whole()
    n.fields(conn, orig_ip_bytes=5 * 40 + 12 + 100, resp_ip_bytes=4 * 40 + 8 + 300)


def vlan():
    """802.1Q: the id is logged"""
    whole(vlan=[42], under=lambda e: e / Dot1Q(vlan=42, prio=5))


def qinq():
    """802.1ad over 802.1Q: both ids, outer first"""
    whole(vlan=[100, 200], under=lambda e: e / Dot1AD(vlan=100) / Dot1Q(vlan=200))


def extension_headers():
    """IPv6 with hop-by-hop, routing and destination options"""
    whole(v6=True, over=lambda ip: ip / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) /
          IPv6ExtHdrRouting(addresses=["fd66::77"], segleft=0) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]))


def fragments():
    """a segment in three fragments: one header followed, two counted"""
    r = Raw()
    r.open()
    for f in fragment(r.packet(A, "PA", b"z" * 3000), fragsize=1400):
        r.send(A, f)
    r.say(B, "A")
    r.close()
    lines = r.finish()
    n.equal("events", r.events_of(lines), WHOLE)
    n.fields(lines[-1], frag_first=1, frag_later=2)
    n.fields(n.one(n.of(lines, r.who, "conn")), conn_state="SF", orig_gaps=0, orig_pkts=5)


def handshake_times():
    """server_ns and client_ns are the waits that were made"""
    r = Raw()
    r.say(A, "S")
    time.sleep(0.05)  # the wait that is measured
    r.say(B, "SA")
    time.sleep(0.1)  # the same
    r.say(A, "A")
    est = n.one([x for x in r.finish() if x["event"] == "established"], "established")
    n.equal("handshake_ns", est["handshake_ns"], est["server_ns"] + est["client_ns"])
    for what, waited in (("server_ns", 0.05), ("client_ns", 0.1)):
        if not waited <= est[what] / 1e9 < waited + 0.2:
            raise AssertionError(f"{what} {est[what]}, waited {waited} s")


def simultaneous_open():
    """both SYNs cross (RFC 9293 figure 7)"""
    r = Raw()
    r.say(A, "S")
    r.say(B, "S")
    r.say(A, "SA", seq=1000)
    r.say(B, "SA", seq=5000000)
    r.close()
    lines = r.finish()
    n.equal("events", r.events_of(lines), ["opening", "established", "anomaly:simultaneous_open"] + WHOLE[2:])
    n.fields(n.one(n.of(lines, r.who, "conn")), handshake="simultaneous", orig_state="TIME_WAIT", resp_state="CLOSED")


def simultaneous_close():
    """both FINs cross: TIME_WAIT on both sides (RFC 9293 figure 13)"""
    r = Raw()
    r.open()
    a, b = r.packet(A, "FA", ack=5000001), r.packet(B, "FA", ack=1001)
    r.send(A, a)
    r.send(B, b)
    r.say(A, "A")
    r.say(B, "A")
    lines = r.finish()
    n.equal("events", r.events_of(lines), ["opening", "established", "closed", "conn"])
    n.fields(n.one(n.of(lines, r.who, "conn")), conn_state="SF", closed_by="both", orig_state="TIME_WAIT",
             resp_state="TIME_WAIT")


def blind_reset():
    """an in-window RST and its challenge ACK: the connection lives (RFC 5961)"""
    r = Raw()
    r.open()
    r.say(A, "R", seq=r.nxt[A] + 300)
    r.say(B, "A")
    r.say(A, "PA", b"still here")
    r.say(B, "A")
    r.close()
    lines = r.finish()
    n.equal("events", r.events_of(lines), ["opening", "established", "anomaly:rst_inexact"] + WHOLE[2:])
    n.fields(n.one(n.of(lines, r.who, "conn")), reason="fin", closed_by="orig", orig_bytes=10)


def blind_syn():
    """an in-window SYN and its challenge ACK: the connection lives"""
    r = Raw()
    r.open()
    r.say(A, "S", seq=r.nxt[A] + 300)
    r.nxt[A] = 1001
    r.say(B, "A")
    r.say(A, "PA", b"still here")
    r.say(B, "A")
    r.close()
    lines = r.finish()
    n.equal("events", r.events_of(lines), ["opening", "established", "anomaly:syn_in_connection"] + WHOLE[2:])


def scans():
    """null, Xmas, SYN+FIN: logged as what they are, nothing established"""
    r = Raw(args=("--log-open-at-exit",))
    for port, flags, name in ((30001, "", "null_scan"), (30002, "FPU", "xmas_scan"), (30003, "SF", "syn_fin")):
        r.port, r.nxt = port, [1000, 5000000]
        r.say(A, flags)
    lines = r.finish()
    for port, name in ((30001, "null_scan"), (30002, "xmas_scan"), (30003, "syn_fin")):
        mine = [x for x in lines if x.get("orig_port") == port]
        n.equal("anomalies", [x["anomaly"] for x in mine if x["event"] == "anomaly"], [name])
        n.equal("established", [x for x in mine if x["event"] == "established"], [])
        n.one([x for x in mine if x["event"] == "conn"])


def bad_checksum():
    """with --checksum a FIN with a bad checksum changes nothing"""
    r = Raw(args=("--checksum=on",))
    r.open()
    p = r.packet(A, "FA")
    r.nxt[A] -= 1
    p[TCP].chksum = 0x1234
    r.send(A, p)
    r.say(A, "PA", b"on")
    r.say(B, "A")
    r.close()
    lines = r.finish()
    n.equal("events", r.events_of(lines), ["opening", "established", "anomaly:bad_checksum"] + WHOLE[2:])
    n.fields(lines[-1], bad_checksum=1)
    n.fields(n.one(n.of(lines, r.who, "conn")), orig_bad_checksums=1, history="ShACDaFf")


def one_sided():
    """--ingress-only: the server's half is inferred, and every line says so"""
    r = Raw(args=("--ingress-only",))
    r.open()
    r.say(A, "PA", b"x" * 50)
    r.say(B, "PA", b"y" * 70)
    r.close()
    lines = r.finish()
    events = r.events_of(lines)
    for event in ("opening", "established", "closed", "conn"):
        n.equal(event, events.count(event), 1)
    conn = n.one(n.of(lines, r.who, "conn"))
    n.fields(conn, inferred=True, resp_pkts=0, orig_pkts=5, orig_bytes=50, reason="fin")


OUTER = IP(src="10.66.0.201", dst="10.66.0.202")
TUNNELS = {
    "vxlan": {"over": lambda ip: OUTER / UDP(sport=40000, dport=4789) / VXLAN(vni=7) / ETH[A] / ip},
    "geneve": {"over": lambda ip: OUTER / UDP(sport=40000, dport=6081) / GENEVE(vni=7, proto=0x6558) / ETH[A] / ip},
    "gre": {"over": lambda ip: OUTER / GRE() / ip},
    "ip in ip": {"over": lambda ip: OUTER / ip},
    "mpls": {"under": lambda e: e / MPLS(label=17, s=0) / MPLS(label=18, s=1)},
    "pppoe": {"under": lambda e: e / PPPoE(sessionid=1) / Bytes(b"\x00\x21")},
}


def tunnel(name):
    def case():
        whole(args=("--decap",), **TUNNELS[name])

    case.__doc__ = f"--decap on a live interface: the connection inside {name}, by both hooks"
    return case


def no_decap():
    """without --decap a tunnel is not looked into"""
    r = Raw(**TUNNELS["vxlan"])
    r.open()
    lines = r.finish()
    n.equal("lines of the inner connection", len(n.of(lines, r.who)), 0)


if __name__ == "__main__":
    n.main(plain, vlan, qinq, extension_headers, fragments, handshake_times,
           simultaneous_open, simultaneous_close, blind_reset, blind_syn, scans, bad_checksum, one_sided, no_decap,
           *[tunnel(name) for name in TUNNELS])
