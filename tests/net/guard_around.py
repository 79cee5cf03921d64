#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The guard among others: captures that tshark reads, a stateful firewall behind XDP, signed connections (RFC 2385)."""
import pathlib
import shutil
import socket
import struct
import subprocess

import kit as n
from kit import guard as k

TCP_MD5SIG = 14
RULES = ("add table inet fw; add chain inet fw in { type filter hook input priority 0; policy drop; }; "
         "add rule inet fw in ct state invalid counter drop; add rule inet fw in ct state established,related accept; "
         "add rule inet fw in tcp dport 7777 ct state new accept; add rule inet fw in meta l4proto { icmp, ipv6-icmp } accept")


def captures():
    """--capture: tshark reads each dropped frame as it was, its reason as comment; drop lines add up to the drops"""
    if not shutil.which("tshark"):
        raise n.Skip("no tshark")
    path = pathlib.Path(n.tmp.name) / "dropped.pcapng"
    g = k.Ground("--capture", path, "--block", "fd66::99")
    k.talks(g, 1)
    p4, p6 = k.Peer(g, 4, sport=48000), k.Peer(g, 6, sport=48001)
    for i in range(40):
        p4.say("R", seq=5000 + i)
        p4.say("FPU", seq=6000 + i)
        p6.say("S", seq=7000 + i)
    n.until(lambda: g.figures(6)["dropped"] >= 40 and g.figures(4)["dropped"] >= 80)
    lines = g.finish()
    counts = {}
    for x in lines:
        if x["event"] == "drop":
            counts[x["reason"]] = counts.get(x["reason"], 0) + x["count"]
    n.equal("sums of drop lines", counts, {"rst": 40, "xmas": 40, "blocked": 40})
    got = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", "frame.comment", "-e", "tcp.seq_raw"],
                         capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    want = [f"synward: dropped ({why})\t{first + i}" for i in range(40)
            for why, first in (("rst", 5000), ("xmas", 6000), ("blocked", 7000))]
    n.equal("frames", sorted(got), sorted(want))
    n.equal("the file is its owner's alone", path.stat().st_mode & 0o777, 0o600)


def firewall():
    """conntrack with 'ct state invalid drop': clients continue with nf_conntrack_tcp_loose=1; 0 shuts them out and causes a warning"""
    g = k.Ground(start=False)
    n.sh("nft", RULES, ns=g.b)
    n.sh("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1", ns=g.b)
    g.start()
    k.talks(g, 2)
    assert "loose" not in g.sw.err(), g.sw.err()
    n.sh("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0", ns=g.b)
    n.until(lambda: "nf_conntrack_tcp_loose" in g.sw.err(), 5)
    c = n.connect(g.a, k.SERVER[4], k.PORT)
    c.sendall(b"x")
    n.equal("accepted behind such rules", k.accepted(g.listeners[4, k.PORT], 0.7), None)
    n.reset(c)  # else it brings its data again, when the rules take it
    n.sh("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=1", ns=g.b)
    k.talks(g, 1)
    g.finish()


def sign(s, peer, key):
    """struct tcp_md5sig"""
    address = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(peer)).ljust(128, b"\0")
    s.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG,
                 address + struct.pack("=BBHI", 0, 0, len(key), 0) + key.ljust(80, b"\0"))


def signed():
    """TCP MD5 signatures: the kernel evaluates the SYN; the right key connects, a wrong one and none do not"""
    g = k.Ground(ports=(), start=False)
    where = n.tcp(g.b)
    where.bind((k.SERVER[4], k.PORT))
    sign(where, k.CLIENT[4], b"a secret")
    where.listen(16)
    g.start()
    c = n.tcp(g.a)
    sign(c, k.SERVER[4], b"a secret")
    c.connect((k.SERVER[4], k.PORT))
    c.sendall(b"signed")
    s = k.accepted(where)
    assert s, "not accepted"
    n.equal("received", n.read_n(s, 6), b"signed")
    fig = g.figures()
    n.equal("cookies sent, left to the kernel", (fig["cookies_sent"], fig["passed_backend"]), (0, 1))
    wrong = n.tcp(g.a)
    sign(wrong, k.SERVER[4], b"another")
    wrong.settimeout(1.5)
    try:
        wrong.connect((k.SERVER[4], k.PORT))
        raise AssertionError("a wrong key connected")
    except TimeoutError:
        pass
    n.equal("half-open at the listener", g.syn_recv(), 0)
    n.equal("cookies sent", g.counted("cookies_sent"), 0)
    g.finish()


if __name__ == "__main__":
    n.main(captures, firewall, signed)
