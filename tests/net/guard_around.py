#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The guard among others: captures that tshark reads, a stateful firewall behind XDP, signed connections (RFC 2385)."""
import json
import pathlib
import shutil
import socket
import struct
import subprocess

import kit as n
from kit import guard as k
from kit.daemon import SYNWARD

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


SYN = "tcp flags & (fin|syn|rst|ack) == syn"
NOT_SYN = "tcp flags & (fin|syn|rst|ack) != syn"
SERVED, SHUT_OUT = "served", "shut out"
# The rules of a chain `in`; what a client gets by them while engaged; what is found of them: syn, not_syn, limit.
JUDGED = (
    (f"tcp dport 7777 {SYN} drop", SERVED, (1, 0, 0)),
    (f"tcp dport 7777 {SYN} ct count over 0 drop", SERVED, (1, 0, 0)),  # --syn -m connlimit
    (f"tcp dport 7777 {SYN} limit rate over 1/hour burst 1 packets drop", SERVED, (1, 0, 0)),  # --syn -m hashlimit
    (f"ct state established accept; tcp dport 7777 {SYN} accept; tcp dport 7777 drop", SHUT_OUT, (1, 0, 0)),
    (f"tcp dport 7777 ct state new {NOT_SYN} drop", SHUT_OUT, (0, 1, 0)),
    ("tcp dport 7777 ct state new ct count over 0 drop", SHUT_OUT, (0, 0, 1)),
    ("tcp dport 7777 ct state new drop", SHUT_OUT, (0, 0, 0)),
    ("ct state invalid drop; ct state established,related accept; tcp dport 7777 ct state new accept; drop", SERVED, (0, 0, 0)),
)
# More that is found: chains, then rules of them; `in` is on input, `out` on output.
FOUND = (
    (("in",), "in tcp flags syn limit rate 10/second accept", (1, 0, 0)),
    (("in",), "in tcp flags syn counter", (0, 0, 0)),
    (("in",), "in tcp flags { syn } drop", (1, 0, 0)),
    (("in",), "in tcp flags & (fin|syn) == (fin|syn) drop; in tcp flags & (syn|rst) == (syn|rst) drop; "
              "in tcp flags & (fin|syn|rst|psh|ack|urg) == 0x0 drop", (0, 0, 0)),
    (("in",), "in meta l4proto { icmp, ipv6-icmp } accept; in ip protocol icmp limit rate 4/second accept; "
              "in udp dport 53 limit rate 50/second accept; in limit rate 5/minute log prefix denied", (0, 0, 0)),
    (("out",), f"out {SYN} drop", (0, 0, 0)),
    (("in", "one", "two"), f"in tcp dport 22 jump one; one goto two; two {SYN} drop", (1, 0, 0)),
    (("out", "one"), f"out tcp dport 22 jump one; one {SYN} drop", (0, 0, 0)),
    (("in", "one"), f"in tcp dport vmap {{ 22 : jump one }}; one {SYN} drop", (1, 0, 0)),
    (("in", "one"), f"one {SYN} drop", (0, 0, 0)),
)


def netfilter(g):
    """What `synward probe` finds."""
    got = json.loads(n.sh(SYNWARD, "probe", "--json", ns=g.b).stdout)
    found = got["netfilter"]
    n.equal("read, legacy", (found["read"], found["legacy"]), (True, False))
    return (found["syn"], found["not_syn"], found["limit"]), [x for x in got["guard_notes"] if "netfilter" in x]


def chains(g, names, rules):
    """A table with these chains; each rule begins with the name of its own."""
    hook = {"in": "{ type filter hook input priority 0; }", "out": "{ type filter hook output priority 0; }"}
    n.sh("nft", "flush ruleset; add table inet fw; " + "".join(f"add chain inet fw {x} {hook.get(x, '')}; " for x in names) +
         "; ".join(f"add rule inet fw {x.strip()}" for x in rules.split(";")), ns=g.b)


def answer(g):
    """What a client gets that connects to an engaged service and says something."""
    c = n.connect(g.a, k.SERVER[4], k.PORT)
    c.sendall(b"x")
    s = k.accepted(g.listeners[4, k.PORT], 0.7)
    if s:
        n.equal("read by the server", n.read_n(s, 1), b"x")
        s.close()
    n.reset(c)
    return SERVED if s else SHUT_OUT


def rules_and_syns():
    """rules that ask for a SYN see none of an engaged service: what becomes of its clients, and the warning"""
    for rules, want, found in JUDGED:
        g = k.Ground(start=False)
        chains(g, ("in",), "; ".join("in " + x.strip() for x in rules.split(";")))
        g.start()
        n.until(lambda g=g: g.figures()["state"] == "engaged")
        n.equal(rules, answer(g), want)
        n.equal(f"cookies of {rules}", g.counted("cookies_sent"), 1)
        got, notes = netfilter(g)
        n.equal(f"found in {rules}", (got, len(notes)), (found, sum(found)))
        warned = [x.removeprefix("synward: warning: ") for x in g.sw.err().splitlines() if "netfilter" in x]
        n.equal(f"warned of {rules}", warned, notes)
        for x in notes:
            assert "inet fw in" in x and "--protect" in x, x
        g.sw.stop(hurry=True)
        n.cleanup()


def rules_found():
    """which rules of netfilter a warning names: of what comes in, by jumps and maps, too; and an ordinary set is not"""
    g = k.Ground(start=False)
    for names, rules, want in FOUND:
        chains(g, names, rules)
        n.equal(rules, netfilter(g)[0], want)
    n.sh("nft", "flush ruleset", ns=g.b)
    n.equal("no rules", netfilter(g), ((0, 0, 0), []))


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
    n.main(captures, firewall, rules_and_syns, rules_found, signed)
