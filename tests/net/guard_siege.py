#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""All known attacks on what the guard and the tracker believe, at once and beside real connections: the guard engages,
each real connection lives and is logged as what it was, and nothing is logged that was not.

    +------- a -------+         +------- b -------+
    | clients         |  veth   | listeners       |    the attacks come from a's end, too, from 198.18.0.0/15 and from
    | 10.66.0.1       o=========o srv0  synward   |    10.66.0.99, which belong to nobody
    +-----------------+         +-----------------+

SW_TEST_SIEGE=S: S seconds in all, instead of 20 rounds in each mode."""
import collections
import os
import random
import threading
import time

import kit as n
from kit import attacks
from kit import guard as k

ROUNDS, MODES = 20, 3
SECONDS = float(os.environ.get("SW_TEST_SIEGE", 0)) / MODES


class Attacker:
    """One round is one of each attack; victim: a connection whose four-tuple is known."""

    def __init__(self, g, victim):
        self.f, seed = attacks.Forger(g), n.seed()
        self.random, self.blind = random.Random(seed), attacks.Blind(self.f, victim, seed)
        self.own = {v: k.Peer(g, v, sport=2000) for v in (4, 6)}

    def hidden(self):
        """Before or after a SYN, what hid it."""
        for attack in attacks.HIDDEN.values():
            attack(self.f, self.f.source())

    def invented(self):
        """A SYN-ACK of a forged client, then its SYN: the listener's SYN-ACK seems to complete it."""
        for kind in attacks.INVENTED.values():
            for isn in (attacks.ISN, attacks.ISN + 1):
                attacks.invented(self.f, self.f.source(), isn, **kind)

    def words(self):
        """Of the listener, which are not its own; what they claim is logged, so their addresses are others."""
        for inside in attacks.WORDS.values():
            attacks.listeners_words(self.f, self.f.source().replace("198.18.", "198.19."), inside)

    def for_others(self):
        """Frames that the kernel does not look at."""
        for mac, cut in (*((x, 0) for x in attacks.NOT_OURS.values()), (None, 4)):
            self.f.send(self.f.syn(self.f.source()), mac=mac, cut=cut)

    def strays(self):
        """Of no connection."""
        for flags in ("A", "FA", "R", "RA", "SA", "FPU", "", "PA", "SF", "SR"):
            self.f.send(self.f.segment(self.f.source(), flags, seq=self.random.randrange(attacks.MAX_SEQ),
                                       ack=self.random.randrange(attacks.MAX_SEQ)))

    def claimed(self):
        """Both directions of a connection that never was."""
        src = self.f.source()
        self.f.send(self.f.segment(src, "PA", seq=attacks.ISN, ack=5000) / b"x",
                    self.f.answer(src, "A", seq=5000, ack=attacks.ISN + 1))

    def fragments(self):
        """A SYN in two, a first fragment with less than a header, and a fragment header within another."""
        whole = self.f.syn(self.f.source()) / (b"x" * 8)
        self.f.send(*attacks.fragment(whole, fragsize=24), attacks.fragment(whole, fragsize=8)[0],
                    *attacks.nested_fragments(self.own[6]))

    def third_packets(self):
        """Handshakes whose third packet the kernel throws away."""
        for v, p in self.own.items():
            for kind in attacks.THIRD[v]:
                p.sport = 2000 + (p.sport - 1999) % 50000
                p.seq = attacks.ISN
                p.say("S", options=k.TS)
                got = p.hear(0.02)
                if got and kind is not attacks.old_stamp:  # which opens a connection, if it answers a cookie
                    p.seq, p.ack = got.ack, got.seq + 1
                    p.send(kind(p, k.stamp(got)))

    def aborted(self):
        """A handshake that its client resets."""
        p = self.own[4]
        p.sport = 2000 + (p.sport - 1999) % 50000
        p.seq = attacks.ISN
        p.say("S")
        p.say("R", seq=p.seq + 1)

    def signed(self):
        """SYNs that claim a signature."""
        self.f.send(self.f.segment(self.f.source(), "S", seq=attacks.ISN, options=attacks.MD5))

    def known(self):
        """Who knows a live connection's four-tuple guesses its numbers."""
        for who in (0, 1):
            for flags in ("S", "A", "SA", "R", "FPU"):
                self.blind.say(flags, who=who)
            self.blind.say("PA", b"x" * 100, who)

    def round(self):
        for attack in (self.hidden, self.invented, self.words, self.for_others, self.strays, self.claimed, self.fragments,
                       self.third_packets, self.aborted, self.signed, self.known):
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
                self.stop.wait(0.01)  # the rate
        except Exception as e:  # pylint: disable=broad-except
            self.error = f"{type(e).__name__}: {e}"


def siege(mode, *args):
    g = k.ground(*args, mode=mode)
    victim = g.open()
    name = victim[0].getsockname()
    clients, attacker, rounds, end = Clients(g), Attacker(g, name), 0, time.monotonic() + SECONDS
    clients.start()
    while rounds < ROUNDS or time.monotonic() < end:
        attacker.round()
        rounds += 1
    n.until(lambda: k.services(g.sw)[f"{k.SERVER[4]}:{k.PORT}"]["state"] == "engaged")
    clients.stop.set()
    clients.join(timeout=60)
    if clients.is_alive():
        for ns in (g.a, g.b):
            print("#", n.sh("ss", "-tinoa", ns=ns).stdout.replace("\n", "\n# "), flush=True)
    n.equal("failed", clients.error or clients.is_alive(), False)
    n.at_least("connections", clients.count, 20)
    k.speak(*victim)
    k.end(*victim)
    g.sw.wait_for(lambda x: x["event"] == "closed" and (x["orig_ip"], x["orig_port"]) == name)
    lines = g.finish()
    mine = n.of(lines, name)
    n.fields(n.one([x for x in mine if x["event"] == "conn"]), reason="fin")
    n.equal("lines of the known four-tuple", {x["event"] for x in mine} - {"half_closed"},
            {"opening", "established", "anomaly", "closed", "conn"})
    n.at_most("anomalies logged", sum(x["event"] == "anomaly" for x in mine), 20)
    real = [x for x in lines if x["event"] == "conn" and x["orig_ip"] in k.CLIENT.values() and x not in mine]
    n.equal("conn lines", len(real), clients.count)
    n.equal("their ends", collections.Counter((x["conn_state"], x["reason"]) for x in real), {("SF", "fin"): clients.count})
    forged = [x for x in lines if x.get("orig_ip", "").startswith("198.18.") or x.get("resp_ip", "").startswith("198.18.")]
    n.equal("of forged addresses, established", [x for x in forged if x["event"] == "established"], [])
    print(f"# {clients.count} connections, {rounds} rounds, {len(lines)} lines, {len(forged)} of forged addresses")


def auto():
    """mode auto, from calm to engaged, with --decap"""
    siege("auto", "--engage", "half-open=100,syn-rate=1000000", "--decap")


def limited():
    """the same with limits and a rate for what passes: nobody is shut out"""
    siege("auto", "--engage", "half-open=1000000,syn-rate=1000000", "--limit-source", "5/s", "--limit-prefix", "50/s",
          "--pass-rate", "10/s")


def always():
    """mode always, with --checksum"""
    siege("always", "--checksum")


if __name__ == "__main__":
    n.main(auto, limited, always)
