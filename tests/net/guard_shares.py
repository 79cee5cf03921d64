#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the kernel answers without a connection's socket proves no connection: it gets no place of its own in `flows`."""
import re

from scapy.layers.inet import fragment

import kit as n
from kit import attacks
from kit import guard as k

N, PLACES = 100, 128
QUARTER, HALF = PLACES // 4, PLACES // 2


def ground(*args, retries=None, **kw):
    g = k.ground("--max-flows", PLACES, "--close-delay", 1, *args, mode="auto", start=False, **kw)
    if retries:
        n.sh("sysctl", "-qw", f"net.ipv4.tcp_synack_retries={retries}", ns=g.b)
    g.start()
    return g


def counted(g, **want):
    """Waits until the counters say so."""
    def shown():
        return {x: k.counters(g.sw)[x] for x in ("flows", "half_open", "flows_held", "flows_full")}

    def agrees():
        c = shown()
        return all(c[x] == y for x, y in want.items())

    n.until(agrees, evidence=shown)


def sent_last(g):
    """Every request has sent its SYN-ACK for the last time: ss -o says how often again."""
    timers = re.findall(r"timer:\(on,[^,]*,(\d+)\)", n.sh("ss", "-tnoH", "state", "syn-recv", ns=g.b).stdout)
    return len(timers) >= N - 10 and all(t == "2" for t in timers)


def requests_answer_strays():
    """a blind SYN; another one, with the number before, which only synward takes for new, and a RST for that; then data:
    the ACK that the kernel sends for its request"""
    g = ground(retries=2)
    f = attacks.Forger(g)
    f.burst(N, lambda f, src: f.send(f.segment(src, "S", seq=attacks.ISN)))
    n.until(lambda: g.syn_recv() == N)
    n.until(lambda: sent_last(g), 20)
    f.next = 0
    f.burst(N, lambda f, src: f.send(f.segment(src, "S", seq=attacks.ISN - 1), f.segment(src, "R", seq=attacks.ISN)))
    counted(g, half_open=0, flows=0)
    f.next = 0
    f.burst(N, lambda f, src: f.send(f.segment(src, "P", seq=attacks.ISN + (1 << 30)) / b"x"))
    counted(g, half_open=N, flows=0)
    g.finish()


def requests_answer_a_known_number():
    """SYN; SYN with the number before; a byte before the window that acknowledges the SYN-ACK: the request's ACK"""
    g = ground()
    p = k.Peer(g)
    for i in range(N):
        p.sport, p.seq = 20000 + i, 1000
        p.syn()
        p.say("S", seq=999)
        p.say("PA", b"x", seq=1000, ack=p.ack)
    counted(g, flows=HALF, half_open=N - HALF, flows_held=N - HALF)
    g.finish()


def time_wait_answers():
    """connections that the server has closed; later a stray with any number, which TIME_WAIT acknowledges"""
    g = ground()
    p = k.Peer(g)
    for i in range(N):
        p.sport, p.seq = 20000 + i, 1000
        p.syn()
        p.say("A")
        k.accepted(g.listeners[4, k.PORT]).close()
        t = p.hear(5, lambda t: "F" in t.flags)
        p.ack = t.seq + 1
        p.say("FA")
        p.hear(5, lambda t: t.flags == "A")
    counted(g, flows=0, half_open=0)
    for i in range(N):
        p.sport = 20000 + i
        p.say("PA", b"x", seq=1 << 30, ack=5)
    counted(g, flows=0, half_open=N)
    g.finish()


def syn_in_fragments(port):
    g = ground("--protect", k.PORT, ports=(k.PORT, k.PORT + 1))
    f = attacks.Forger(g, port)
    for _ in range(N):
        src = f.source()
        f.send(f.segment(src, "SA", seq=attacks.ISN, ack=9, options=attacks.MD5))
        f.send(*fragment(f.segment(src, "S", seq=attacks.ISN, options=k.TS) / (b"x" * 8), fragsize=8))
    counted(g, flows=QUARTER, half_open=N - QUARTER, flows_held=N - QUARTER)
    g.finish()


def listener_answers_an_unseen_syn():
    """a SYN-ACK of the forged client, which the kernel drops, and its SYN in fragments, which synward does not see"""
    syn_in_fragments(k.PORT)


def listener_of_no_service_answers_an_unseen_syn():
    """the same on a port that is not protected"""
    syn_in_fragments(k.PORT + 1)


def requests_in_grace():
    """third packets that the kernel throws away, and data after them in grace, where the guard looks for a socket"""
    g = ground("--engage", "half-open=300,syn-rate=1000000", "--hold", 1, retries=2)
    k.finished(k.flood(g, 400))
    n.until(lambda: g.figures()["state"] == "engaged")
    n.until(lambda: g.figures()["state"] == "grace", 30)
    before = k.counters(g.sw)["flows_held"]
    p = k.Peer(g)
    known = []
    for i in range(N):
        p.sport, p.seq = 20000 + i, 1000
        answer = k.stamp(p.syn(k.TS))
        p.send(attacks.old_stamp(p, answer))
        known.append((p.sport, p.seq, p.ack, answer))
    counted(g, flows=QUARTER, flows_held=before + N - QUARTER)
    for sport, seq, ack, answer in known:
        p.sport, p.seq, p.ack = sport, seq, ack
        p.send(p.packet("PA", b"x", options=[("NOP", None), ("NOP", None), ("Timestamp", (10, answer[-1][1][1]))]))
    n.until(lambda: g.figures()["passed_socket"] >= N, evidence=g.figures)
    n.at_most("in flows", k.counters(g.sw)["flows"], QUARTER)
    g.finish()


if __name__ == "__main__":
    n.main(requests_answer_strays, requests_answer_a_known_number, time_wait_answers, listener_answers_an_unseen_syn,
           listener_of_no_service_answers_an_unseen_syn, requests_in_grace)
