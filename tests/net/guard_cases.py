#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Segments lost, doubled, late and out of order around a cookie handshake, against a real server: what a connection
survives without the guard it survives with it."""
import socket

import kit as n
from kit import guard as k

IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73

TS = k.TS
PLAIN = [("MSS", 1460), ("NOP", None), ("WScale", 7), ("NOP", None), ("NOP", None), ("SAckOK", b"")]
stamp = k.stamp


shared = {}


def ground():
    """One for all cases; each has ports of its own."""
    if not shared:
        shared["g"], shared["port"] = k.Ground(), 42000
        for v in (4, 6):
            shared["g"].talk(v)
    return shared["g"]


def each(case):
    """The case for IPv4 and IPv6, with and without timestamps; a peer of its own for each."""
    def run():
        g = ground()
        for v, opts in ((4, TS), (4, PLAIN), (6, TS), (6, PLAIN)):
            shared["port"] += 1
            p = k.Peer(g, v, sport=shared["port"])
            try:
                case(g, p, g.listeners[v, k.PORT], opts)
            except n.Skip:
                raise
            except Exception as e:
                raise AssertionError(f"v{v} {'with' if opts is TS else 'without'} timestamps: {e}") from e
            finally:
                p.close()

    run.__doc__, run.__name__ = case.__doc__, case.__name__
    return run


def counters_agree():
    """all of it: every line valid, none lost, each connection logged once and as established from a cookie"""
    g = ground()
    fig = [g.figures(v) for v in (4, 6)]
    lines = g.finish()
    opened = [x for x in lines if x["event"] == "established"]
    n.equal("not via a cookie", [x for x in opened if x["via"] != "cookie"], [])
    n.equal("established lines", len(opened), sum(x["cookies_accepted"] for x in fig))
    n.equal("uids", len({x["uid"] for x in opened}), len(opened))


def is_open(p, s, opts, data=b"still alive"):
    """Data goes both ways between the peer and the server's socket."""
    p.say("PA", data, options=opts)
    n.equal("at the server", n.read_n(s, len(data)), data)
    p.seq += len(data)
    s.sendall(b"answer")
    got = p.hear(want=lambda t: bytes(t.payload)[:6] == b"answer")
    assert got, "the server's data did not come"
    n.equal("the server's sequence number", got.seq, p.ack)
    p.ack += 6
    p.say("A", options=opts)


@each
def plain(g, p, listener, opts):
    """SYN, SYN-ACK, ACK, data both ways"""
    answer = stamp(p.syn(opts))
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    is_open(p, s, answer)
    s.close()


@each
def data_with_ack(g, p, listener, opts):
    """the third packet is lost or carries data: the data is the proof"""
    answer = stamp(p.syn(opts))
    p.say("PA", b"GET /", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    n.equal("at the server", n.read_n(s, 5), b"GET /")
    p.seq += 5
    is_open(p, s, answer)
    s.close()


@each
def second_segment_first(g, p, listener, opts):
    """the third packet and the first data are lost, later data comes first: repaired by retransmission"""
    answer = stamp(p.syn(opts))
    p.say("PA", b"67890", seq=p.seq + 5, options=answer)
    k.nothing_waits(listener)
    p.say("PA", b"12345", options=answer)
    p.say("PA", b"67890", seq=p.seq + 5, options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    n.equal("at the server", n.read_n(s, 10), b"1234567890")
    p.seq += 10
    is_open(p, s, answer)
    s.close()


def probe(data):
    def case(g, p, listener, opts):
        k.needs_reqsk("alone can be known from a probe")
        before = g.counted("probes_sent", p.v)
        answer = stamp(p.syn(opts))
        p.say("A", data, seq=p.seq - 1, options=answer)
        got = p.hear()
        assert got, "the probe was not answered"
        n.equal("flags", str(got.flags), "A")
        n.equal("acknowledgement", got.ack, p.seq)
        k.nothing_waits(listener)
        p.say("A", options=stamp(got, 6001))  # RFC 9293 section 3.10.7.4: what is not acceptable gets an ACK
        s = k.accepted(listener)
        assert s, "no connection after the probe"
        n.equal("probes answered", g.counted("probes_sent", p.v) - before, 1)
        is_open(p, s, answer)
        s.close()

    return case


def named(f, name, doc):
    f.__name__, f.__doc__ = name, doc
    return each(f)


keepalive = named(probe(b""), "keepalive", "the third packet is lost, a keepalive comes: seq one lower, no data")
keepalive_byte = named(probe(b"\0"), "keepalive_byte", "a keepalive with a byte of garbage")


@each
def zero_window_probe(g, p, listener, opts):
    """a zero-window probe comes first: one byte of new data"""
    answer = stamp(p.syn(opts))
    p.say("A", b"Z", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    n.equal("at the server", n.read_n(s, 1), b"Z")
    p.seq += 1
    is_open(p, s, answer)
    s.close()


@each
def fin_first(g, p, listener, opts):
    """the third packet is lost, a FIN comes: accepted, and closed"""
    answer = stamp(p.syn(opts))
    p.say("FA", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    n.equal("at the server", s.recv(1), b"")
    got = p.hear(want=lambda t: t.ack == p.seq + 1)
    assert got, "the FIN was not acknowledged"
    s.close()


@each
def data_and_fin_first(g, p, listener, opts):
    """the third packet is lost, data with FIN comes"""
    answer = stamp(p.syn(opts))
    p.say("FPA", b"bye", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    n.equal("at the server", n.read_all(s), b"bye")
    s.close()


@each
def syn_with_data(g, p, listener, opts):
    """data in the SYN is not acknowledged, and comes again"""
    p.say("S", b"early data", options=opts)
    got = p.hear()
    assert got, "no SYN-ACK"
    n.equal("acknowledgement", got.ack, p.seq + 1)
    n.equal("payload of the SYN-ACK", bytes(got.payload).rstrip(b"\0"), b"")
    p.seq, p.ack = got.ack, got.seq + 1
    p.say("PA", b"early data", options=stamp(got))
    s = k.accepted(listener)
    assert s, "no connection"
    n.equal("at the server", n.read_n(s, 10), b"early data")
    s.close()


@each
def syn_twice(g, p, listener, opts):
    """the SYN comes twice: the same cookie twice, one connection"""
    first = p.syn(opts)
    p.say("S", seq=p.seq - 1, options=opts)
    again = p.hear()
    assert again, "the second SYN was not answered"
    n.equal("ISN of the second SYN-ACK", again.seq, first.seq)
    answer = stamp(first)
    p.say("A", options=answer)
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    k.nothing_waits(listener)
    is_open(p, s, answer)
    s.close()


@each
def late_syn(g, p, listener, opts):
    """a copy of the SYN comes when all is open: a challenge ACK, and the connection lives"""
    answer = stamp(p.syn(opts))
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    p.drain()
    p.say("S", seq=p.seq - 1, ack=0, options=opts)
    got = p.hear()
    assert got, "no challenge ACK"
    n.equal("flags", str(got.flags), "A")
    is_open(p, s, answer)
    k.nothing_waits(listener)
    s.close()


@each
def ack_twice_at_once(g, p, listener, opts):
    """ACK and data in one burst, each twice: one connection, each byte once"""
    answer = stamp(p.syn(opts))
    a, d = p.packet("A", options=answer), p.packet("PA", b"once", options=answer)
    p.send(a, a, d, d)
    s = k.accepted(listener)
    assert s, "no connection"
    n.equal("at the server", n.read_n(s, 4), b"once")
    p.seq += 4
    k.nothing_waits(listener)
    is_open(p, s, answer)
    s.close()


@each
def data_before_ack(g, p, listener, opts):
    """data overtakes the ACK"""
    answer = stamp(p.syn(opts))
    p.send(p.packet("PA", b"first", options=answer), p.packet("A", options=answer))
    s = k.accepted(listener)
    assert s, "no connection"
    n.equal("at the server", n.read_n(s, 5), b"first")
    p.seq += 5
    k.nothing_waits(listener)
    is_open(p, s, answer)
    s.close()


@each
def rst_instead(g, p, listener, opts):
    """the client answers the SYN-ACK with a RST: nothing is opened, its next SYN is served"""
    first = p.syn(opts)
    p.say("R", seq=p.seq)
    k.nothing_waits(listener)
    n.equal("answer to the RST", p.hear(0.1), None)
    p.seq += 5000
    answer = stamp(p.syn(opts))
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    is_open(p, s, answer)
    assert first
    s.close()


@each
def rst_of_client(g, p, listener, opts):
    """the client resets an open connection"""
    answer = stamp(p.syn(opts))
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    is_open(p, s, answer)
    p.say("R", seq=p.seq)
    try:
        got = s.recv(1)
        raise AssertionError(f"no reset: read {got!r}")
    except ConnectionResetError:
        pass
    s.close()


@each
def rst_of_server(g, p, listener, opts):
    """the server resets an open connection"""
    answer = stamp(p.syn(opts))
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    is_open(p, s, answer)
    n.reset(s)
    got = p.hear(want=lambda t: "R" in t.flags)
    assert got, "no RST came"
    n.equal("sequence number", got.seq, p.ack)


@each
def wrong_cookies(g, p, listener, opts):
    """one bit of the acknowledgement, of the sequence number or of the port is another: nothing is opened"""
    got = p.syn(opts)
    answer = stamp(got)
    before = g.figures(p.v)
    for bit in (0, 5, 6, 16, 31):
        p.say("A", ack=p.ack ^ 1 << bit, options=answer)
    for bit in (1, 16, 31):  # one lower would be a keepalive
        p.say("A", seq=p.seq ^ 1 << bit, options=answer)
    if answer:  # one bit of the echo
        val = k.tsval(answer)
        for bit in (0, 6, 8, 31):
            p.say("A", options=[("NOP", None), ("NOP", None), ("Timestamp", (val[0], val[1] ^ 1 << bit))])
        p.say("A")  # none at all
    p.sport += 100
    p.say("A", options=answer)
    p.sport -= 100
    k.nothing_waits(listener)
    sent = 13 + 1 if answer else 9
    after = g.figures(p.v)
    n.equal("dropped as no cookie", after["drop_cookie_bad"] - before["drop_cookie_bad"], sent)
    n.equal("accepted", after["cookies_accepted"] - before["cookies_accepted"], 0)
    n.equal("what the server sent", p.hear(0.05), None)
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "the right one was not taken"
    s.close()


@each
def fin_retransmitted(g, p, listener, opts):
    """the server closes first, and acknowledges the client's FIN as often as it comes"""
    answer = stamp(p.syn(opts))
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    s.close()
    got = p.hear(want=lambda t: "F" in t.flags)
    assert got, "no FIN came"
    p.ack += 1
    for _ in range(2):
        p.say("FA", options=stamp(got))
        assert p.hear(want=lambda t: t.ack == p.seq + 1), "the FIN was not acknowledged"


def gtsm():
    """two kernels that send TTL 255 and take nothing less (RFC 5082), as BGP peers do"""
    g = ground()
    for v in (4, 6):
        level, hops, least = ((socket.IPPROTO_IP, socket.IP_TTL, IP_MINTTL) if v == 4 else
                              (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, IPV6_MINHOPCOUNT))
        listener = g.listeners[v, k.PORT]
        before, sent = listener.getsockopt(level, hops), g.figures(v)["cookies_accepted"]
        c = n.tcp(g.a, v == 6)
        for s in (c, listener):
            s.setsockopt(level, hops, 255)
        c.setsockopt(level, least, 255)
        c.settimeout(n.PATIENCE)
        c.connect((k.SERVER[v], k.PORT))
        s = k.accepted(listener)
        assert s, "no connection"
        k.speak(c, s)
        listener.setsockopt(level, hops, before)
        k.end(c, s)
        n.equal("through a cookie", g.figures(v)["cookies_accepted"], sent + 1)


@each
def client_reboots(g, p, listener, opts):
    """a client that forgot sends a SYN on an open four-tuple: challenge ACK, its RST, its next SYN"""
    answer = stamp(p.syn(opts))
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no connection"
    is_open(p, s, answer)
    p.drain()
    p.seq = 0x70000000
    p.say("S", ack=0, options=opts)
    got = p.hear()
    assert got, "no challenge ACK"
    n.equal("flags", str(got.flags), "A")
    p.say("R", seq=got.ack)
    try:
        left = s.recv(1)
        raise AssertionError(f"no reset: read {left!r}")
    except ConnectionResetError:
        pass
    s.close()
    answer = stamp(p.syn(opts))
    p.say("A", options=answer)
    s = k.accepted(listener)
    assert s, "no new connection"
    is_open(p, s, answer)
    s.close()


if __name__ == "__main__":
    n.main(plain, data_with_ack, second_segment_first, keepalive, keepalive_byte, zero_window_probe, fin_first,
           data_and_fin_first, syn_with_data, syn_twice, late_syn, ack_twice_at_once, data_before_ack, rst_instead,
           rst_of_client, rst_of_server, wrong_cookies, fin_retransmitted, client_reboots, gtsm,
           counters_agree, keep=True)
