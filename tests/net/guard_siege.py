#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""All known attacks on what the guard and the tracker believe, at once and beside real connections: the guard engages,
each real connection lives and is logged as what it was, and nothing is logged that was not.

    +------- a -------+         +------- b -------+
    | clients         |  veth   | listeners       |    the attacks come from a's end, too, from 198.18.0.0/15 and from
    | 10.66.0.1       o=========o srv0  synward   |    10.66.0.99, which belong to nobody
    +-----------------+         +-----------------+

SW_TEST_LONG=1: 4,000 rounds instead of 40."""
import collections
import os
import random
import threading

import guard_evidence as evidence
import kit as n
from kit import guard as k
from scapy.layers.inet import fragment
from scapy.layers.l2 import Ether

ROUNDS = 4000 if "SW_TEST_LONG" in os.environ else 40
MAX_SEQ = 1 << 32


class Attacker:
    """One round is one of each attack."""

    def __init__(self, g):
        self.g, self.f = g, evidence.Forger(g)
        self.random = random.Random(n.seed())
        self.own = k.Peer(g, 4, sport=2000)

    def send(self, mac, packet, cut=0):
        frame = bytes(Ether(src=self.g.macs[0], dst=mac) / packet)
        self.f.out.send(frame[:len(frame) - cut])

    def hidden(self):
        """Before or after a SYN, what hid it."""
        for attack in evidence.HIDDEN:
            attack(self.f, self.f.source())

    def invented(self):
        """A SYN-ACK of a forged client, then its SYN: the listener's SYN-ACK seems to complete it."""
        for kind in ({"chksum": 1}, {"options": evidence.MD5}, {}):
            src = self.f.source()
            self.f.send(self.f.segment(src, "SA", seq=evidence.ISN, ack=9, **kind),
                        self.f.segment(src, "S", seq=evidence.ISN, options=k.TS))

    def for_others(self):
        """Frames that the kernel does not look at."""
        for mac, cut in (("02:00:00:00:77:02", 0), ("01:00:5e:00:00:02", 0), (self.g.macs[1], 4)):
            self.send(mac, self.f.segment(self.f.source(), "S", seq=evidence.ISN, options=k.TS), cut)

    def strays(self):
        """Of no connection."""
        for flags in ("A", "FA", "R", "RA", "SA", "FPU", "", "PA", "SF", "SR"):
            self.f.send(self.f.segment(self.f.source(), flags, seq=self.random.randrange(MAX_SEQ),
                                       ack=self.random.randrange(MAX_SEQ)))

    def fragments(self):
        """A SYN in two, and a first fragment with less than a header."""
        whole = self.f.segment(self.f.source(), "S", seq=evidence.ISN, options=k.TS) / (b"x" * 8)
        self.f.send(*fragment(whole, fragsize=24), fragment(whole, fragsize=8)[0])

    def third_packet(self):
        """A handshake whose third packet the kernel throws away."""
        p = self.own
        p.sport = 2000 + (p.sport - 1999) % 50000
        p.say("S", options=k.TS)
        got = p.hear(0.02)
        if got:
            for kind in ({"options": evidence.MD5}, {"options": [("Timestamp", (10, 5))]}):
                p.say("A", seq=p.seq + 1, ack=got.seq + 1, **kind)

    def signed(self):
        """SYNs that claim a signature."""
        self.f.send(self.f.segment(self.f.source(), "S", seq=evidence.ISN, options=evidence.MD5))

    def round(self):
        for attack in (self.hidden, self.invented, self.for_others, self.strays, self.fragments, self.third_packet,
                       self.signed):
            attack()


class Clients(threading.Thread):
    """Connections that talk and end, one after another, of both families."""

    def __init__(self, g):
        super().__init__(daemon=True)
        self.g, self.stop, self.error, self.count = g, threading.Event(), None, 0

    def run(self):
        try:
            while not self.stop.is_set():
                self.g.talk(4 if self.count % 2 else 6)
                self.count += 1
        except Exception as e:  # pylint: disable=broad-except
            self.error = f"{type(e).__name__}: {e}"


def siege(mode, *args):
    g = k.ground(*args, mode=mode)
    clients, attacker = Clients(g), Attacker(g)
    clients.start()
    for _ in range(ROUNDS):
        attacker.round()
    n.until(lambda: k.services(g.sw)[f"{k.SERVER[4]}:{k.PORT}"]["state"] == "engaged")
    clients.stop.set()
    clients.join(timeout=60)
    n.equal("failed", clients.error or clients.is_alive(), False)
    n.at_least("connections", clients.count, 20)
    lines = g.finish()
    real = [x for x in lines if x["event"] == "conn" and x["orig_ip"] in k.CLIENT.values()]
    n.equal("conn lines", len(real), clients.count)
    n.equal("their ends", collections.Counter((x["conn_state"], x["reason"]) for x in real), {("SF", "fin"): clients.count})
    forged = [x for x in lines if x.get("orig_ip", "").startswith("198.18.") or x.get("resp_ip", "").startswith("198.18.")]
    n.equal("of forged addresses, established", [x for x in forged if x["event"] == "established"], [])
    print(f"# {clients.count} connections, {ROUNDS} rounds, {len(lines)} lines, {len(forged)} of forged addresses")


def auto():
    """mode auto, from calm to engaged"""
    siege("auto", "--engage", "half-open=100,syn-rate=1000000")


def limited():
    """the same with limits and a rate for what passes: nobody is shut out"""
    siege("auto", "--engage", "half-open=1000000,syn-rate=1000000", "--limit-source", "5/s", "--limit-prefix", "50/s",
          "--pass-rate", "10/s")


def always():
    """mode always"""
    siege("always")


if __name__ == "__main__":
    n.main(auto, limited, always)
