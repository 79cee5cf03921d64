#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What decides when the guard engages is what this host's kernel did, not what has arrived: attacks that hid a flood,
invented connections, or made a flood of nothing. The cases on one ground share its synward, and each has a port."""
import json
import logging
import pathlib
import socket
import time

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
# pylint: disable=wrong-import-position
from scapy.layers.inet import IP, TCP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402

import kit as n  # noqa: E402
from kit import attacks  # noqa: E402
from kit import guard as k  # noqa: E402

MANY = 1000000  # a threshold that is out of reach
AUTO = ("--engage", f"half-open=100,syn-rate={MANY}")
REQSK = "this needs: else the kernel makes cookies always, and has nothing in SYN_RECV"
VARIANTS = [f"{kind}{more}" for kind in attacks.INVENTED for more in ("", "_other_number")]
PORTS = {name: 7800 + i for i, name in enumerate(
    [*attacks.HIDDEN, *[f"{x} alone" for x in attacks.HIDDEN], *VARIANTS, *attacks.WORDS, "resets", "aborted", "burst",
     *[f"reset {x}" for x in attacks.RESETS]])}
SHORT = 16  # the backlog of "burst"
here = {}   # the ground that is there now, and what its cases expect of its lines


def auto(*args):
    k.needs_reqsk(REQSK)
    g = k.ground(*AUTO, *args, mode="auto", ports=set(PORTS.values()) - {PORTS["burst"]}, start=False)
    for v in (4, 6):
        g.listeners[v, PORTS["burst"]] = n.listen(g.b, k.SERVER[v], PORTS["burst"], SHORT)
    # a handshake whose SYN-ACK cannot be sent again, for the veth is full, is given up: so what is too much waits
    n.sh("tc", "qdisc", "add", "dev", "srv0", "root", "pfifo", "limit", 10000, ns=g.b)
    g.start()
    return g


def alone():
    g = k.ground(ports=PORTS.values(), start=False)
    g.sw = n.Synward(g.b, "srv0")
    return g


GROUNDS = {"auto": auto, "checksum": lambda: auto("--checksum"), "decap": lambda: auto("--decap"), "tracker": alone}


def on(name):
    """The ground of this name; another one goes before."""
    if here.get("name") != name:
        n.cleanup()
        here.clear()
        here.update(name=name, g=GROUNDS[name](), engaged=[])
        here["f"] = attacks.Forger(here["g"])
    return here["g"]


def forger(port):
    """From where the last case's addresses end."""
    here["f"].port = port
    return here["f"]


def logged(g, port):
    """The lines about a port, so far."""
    raw = pathlib.Path(g.sw.path).read_bytes()
    mark = b'_port":%d,' % port
    return [x for x in (json.loads(row) for row in raw[:raw.rfind(b"\n") + 1].splitlines() if mark in row)
            if port in (x.get("resp_port"), x.get("service_port"))]


def engages(g, port, name):
    """So that a line says it, and a client comes through a cookie."""
    n.until(lambda: g.figures(4, port)["state"] == "engaged")
    g.talk(4, port)
    line = g.sw.wait_for(lambda x: x["event"] == "guard" and x["service_port"] == port)
    n.equal(f"{name}: change", (line["to"], line["cause"]), ("engaged", "half_open"))
    here["engaged"].append(port)


def hidden_floods_are_counted():
    """what comes before or after a SYN hides nothing: half-open is what the kernel has in SYN_RECV, exactly"""
    g = on("auto")
    for name, attack in attacks.HIDDEN.items():
        forger(PORTS[name]).burst(90, attack)

    def figures():
        now, words = k.services(g.sw), ("half_open", "opened", "resolved", "kernel_half_open")
        return [[now[f"{k.SERVER[4]}:{PORTS[name]}"][x] for x in words] + [g.syn_recv(PORTS[name])] for name in attacks.HIDDEN]

    n.until(lambda: figures() == [[90, 90, 0, 90, 90]] * len(attacks.HIDDEN), 20,
            evidence=lambda: dict(zip(attacks.HIDDEN, figures())))


def hidden(name):
    def case():
        g, port = on("auto"), PORTS[f"{name} alone"]
        forger(port).burst(130, attacks.HIDDEN[name])
        engages(g, port, name)

    case.__name__, case.__doc__ = name, "and so each of them engages the guard"
    return case


def no_invention(g, lines, port):
    """Established are the real clients; each forged SYN is the begin of a connection of its own."""
    n.equal("established", [x["orig_ip"] for x in lines if x["event"] == "established"], [k.CLIENT[4], k.CLIENT[6]])
    begun = [x for x in lines if x["event"] == "opening" and x["orig_ip"].startswith("198.18.")]
    n.equal("openings by a SYN", (len(begun), len({x["orig_ip"] for x in begun})), (50, 50))
    for x in begun:
        n.fields(x, resp_port=port, direction_by="syn", orig_isn=attacks.ISN)


def invented(where, kind, isn, port):
    g = on(where)
    forger(port).burst(50, attacks.invented, isn, **attacks.INVENTED[kind])
    n.until(lambda: g.syn_recv(port) == 50)
    for v in (4, 6):
        g.talk(v, port)
    if where != "tracker":
        fig = g.figures(4, port)
        n.equal("opened, completed", (fig["opened"], fig["completed"]), (51, 1))
    n.until(lambda: [x["event"] for x in logged(g, port)].count("opening") == 52)
    g.sw.wait_for(lambda x: x["event"] == "closed" and x["resp_port"] == port and x["orig_ip"] == k.CLIENT[6])
    no_invention(g, logged(g, port), port)


def invention(name, where, kind, isn=attacks.ISN):
    def case():
        invented(where, kind, isn, PORTS[kind if isn == attacks.ISN else f"{kind}_other_number"])

    case.__name__ = name
    case.__doc__ = "a SYN-ACK from a forged client, then its SYN: the listener's own SYN-ACK completes nothing"
    return case


def forged_words(name):
    """Half-open stays what the kernel has, and none of them is established."""
    def case():
        g, port = on("decap"), PORTS[name]
        forger(port).burst(50, attacks.listeners_words, attacks.WORDS[name])
        n.until(lambda: g.syn_recv(port) == 50)
        g.talk(4, port)
        n.until(lambda: g.figures(4, port)["half_open"] == 50, evidence=lambda: g.figures(4, port))
        fig = g.figures(4, port)
        n.equal("opened, resolved, completed", [fig[x] for x in ("opened", "resolved", "completed")], [51, 1, 1])
        if name == "own_address":
            g.sw.wait_for(lambda x: x["event"] == "closed" and x["resp_port"] == port)
            n.equal("established", [x["orig_ip"] for x in logged(g, port) if x["event"] == "established"], [k.CLIENT[4]])
        forger(port).burst(80, attacks.listeners_words, attacks.WORDS[name])
        engages(g, port, name)

    case.__name__, case.__doc__ = f"forged_in_{name}", "the listener's words from outside, with --decap: they hide no flood"
    return case


def resets_in_tunnels():
    """a client's reset that no stack unpacks takes nothing back: half-open stays what the kernel has"""
    g, port = on("decap"), PORTS["resets"]
    p = k.Peer(g, 4, port)
    for i, inside in enumerate(attacks.TUNNELS):
        p.sport, p.seq = 20000 + i, 1000
        p.syn()
        p.send(attacks.WORDS[inside](p.packet("R", seq=p.seq)))
    n.until(lambda: [x["event"] in ("refused", "reset") for x in logged(g, port)].count(True) == len(attacks.TUNNELS),
            evidence=lambda: [x["event"] for x in logged(g, port)])
    n.equal("SYN_RECV", g.syn_recv(port), len(attacks.TUNNELS))

    def figures():
        return [g.figures(4, port)[x] for x in ("opened", "resolved", "half_open")]

    n.until(lambda: figures() == [len(attacks.TUNNELS), 0, len(attacks.TUNNELS)], evidence=figures)
    p.close()


def aborted_handshakes():
    """a client that resets its handshake leaves nothing half-open, as at the kernel: health checks engage nothing"""
    g, port = on("auto"), PORTS["aborted"]
    p = k.Peer(g, 4, port)
    for i in range(150):
        p.sport, p.seq = 20000 + i, 1000
        p.syn(k.TS)
        p.say("R", seq=p.seq)
    n.until(lambda: not g.syn_recv(port))
    n.until(lambda: not g.figures(4, port)["half_open"])
    fig = g.figures(4, port)
    n.equal("opened, resolved, completed", (fig["opened"], fig["resolved"], fig["completed"]), (150, 150, 0))
    for i in range(99):  # with timestamps, as an aborting connect() sends them: not believed, but the kernel's count is
        p.sport, p.seq = 21000 + i, 1000
        answer = k.stamp(p.syn(k.TS))
        p.say("R", seq=p.seq, options=answer)
    p.close()
    n.until(lambda: not g.syn_recv(port))
    n.until(lambda: not g.figures(4, port)["half_open"])
    n.equal("changes", [x for x in logged(g, port) if x["event"] == "guard"], [])


def resets_that_are_dropped():
    """a client's reset that the kernel throws away: it is not believed, or not once the SYN-ACK is sent again"""
    g, rows = on("auto"), {}
    attacks.firewall_drops_resets(g.b)
    for name, made in attacks.RESETS.items():
        f = forger(PORTS[f"reset {name}"])
        sources = []
        for _ in range(20):
            src = f.source()
            sources.append((src, f.next))
            f.send(f.syn(src))
        n.until(lambda f=f: g.syn_recv(f.port) == 20)
        rows[name] = (f.port, made, sources)

    def again():
        for port, made, sources in rows.values():
            f = forger(port)
            for src, number in sources:
                f.next = number
                f.send(made(f, src))

    def figures():
        return {name: [g.figures(4, row[0])[x] for x in ("opened", "resolved", "reset_undone", "completed")]
                for name, row in rows.items()}

    def believed(resolved, undone):
        return {name: [20, resolved, undone, 0] if name == "firewall" else [20, 0, 0, 0] for name in rows}

    again()
    n.until(lambda: figures()["firewall"][1] == 20, evidence=figures)
    n.until(lambda: figures() == believed(20, 20), 20, evidence=figures)
    again()
    n.equal("SYN_RECV", {name: g.syn_recv(row[0]) for name, row in rows.items()}, {name: 20 for name in rows})
    n.until(lambda: all(g.figures(4, row[0])["half_open"] == 20 for row in rows.values()), evidence=lambda: k.services(g.sw))
    n.equal("still", figures(), believed(20, 20))


def goes_on_after_a_reset():
    """of the client, which a firewall drops: the connection has its events, and ends as both ends end it"""
    k.needs_reqsk(REQSK)
    g = k.ground(*AUTO, mode="auto", start=False)
    attacks.firewall_drops_resets(g.b)
    g.start()
    p = k.Peer(g)
    for sport, again in ((20000, True), (20001, False)):  # the SYN-ACK comes again, or the client is faster
        p.sport, p.seq = sport, 1000
        p.syn()
        p.send(attacks.over_ttl(p.packet("R")))
        g.sw.wait_for(lambda x, sport=sport: x["event"] == "reset" and x["orig_port"] == sport)
        if again:
            n.equal("SYN-ACK again", "S" in p.hear(5).flags, True)
            g.sw.wait_for(lambda x, sport=sport: x.get("anomaly") == "rst_ignored" and x["orig_port"] == sport)
        p.say("A")
        s = k.accepted(g.listeners[4, k.PORT])
        s.sendall(b"data")
        n.equal("heard", p.hear(5, lambda t: bytes(t.payload)[:4] == b"data") is not None, True)
        p.ack += 4
        p.say("FA")
        p.seq += 1
        n.equal("end of the client's", s.recv(1), b"")
        s.close()
        n.equal("heard", p.hear(5, lambda t: "F" in t.flags) is not None, True)
        p.ack += 1
        p.say("A")
        g.sw.wait_for(lambda x, sport=sport: x["event"] == "closed" and x["orig_port"] == sport)
    p.close()
    lines = g.finish()
    for sport in (20000, 20001):
        own = [x for x in lines if x.get("orig_port") == sport and x["event"] != "half_closed"]  # as the server is fast
        n.equal("events", sorted(x.get("anomaly") or x["event"] for x in own),
                sorted(["opening", "reset", "rst_ignored", "established", "closed", "conn"]))
        n.fields(own[-1], event="conn", reason="fin", closed_by="orig", resp_bytes=4)
    n.equal("completed", [x["completed"] for x in lines if x["event"] == "service"][-1], 2)


def a_burst_on_a_short_queue():
    """real clients that fill it for a moment engage nothing"""
    g, port = on("auto"), PORTS["burst"]
    for _ in range(20):
        socks = []
        for _ in range(12):
            c = n.tcp(g.a)
            c.setblocking(False)
            c.connect_ex((k.SERVER[4], port))
            socks.append(c)
        socks += [k.accepted(g.listeners[4, port]) for _ in range(12)]
        for s in socks:
            n.reset(s)
    fig = g.figures(4, port)
    n.equal("state", fig["state"], "calm")
    n.equal("opened, completed", (fig["opened"], fig["completed"]), (240, 240))
    n.equal("changes", [x for x in logged(g, port) if x["event"] == "guard"], [])


def lines_of(name):
    """After the cases on a ground: no line is lost, no invented connection established, none engaged but those."""
    def case():
        g = on(name)
        lines = g.finish()
        if name != "decap":  # inside a tunnel, and from the LAN, they are claimed, and logged as what they claim
            n.equal("established, forged", [(x["orig_ip"], x["resp_port"]) for x in lines if x["event"] == "established" and
                                            x["orig_ip"] not in k.CLIENT.values()], [])
        n.equal("engaged", sorted(x["service_port"] for x in lines if x["event"] == "guard"), sorted(here["engaged"]))
        here.clear()

    case.__name__ = f"lines_of_{name}"
    case.__doc__ = f"{name}: each line is valid, none lost, none of a forged connection, and no service engaged but those"
    return case


SHARED = [
    hidden_floods_are_counted, *map(hidden, attacks.HIDDEN),
    invention("invented_bad_sum", "auto", "bad_sum"),
    invention("invented_md5", "auto", "md5"),
    invention("invented_pseudo", "auto", "pseudo"),
    invention("invented_good", "auto", "good"),
    invention("invented_bad_sum_other_number", "auto", "bad_sum", attacks.ISN + 1),
    invention("invented_md5_other_number", "auto", "md5", attacks.ISN + 1),
    invention("invented_pseudo_other_number", "auto", "pseudo", attacks.ISN + 1),
    invention("invented_good_other_number", "auto", "good", attacks.ISN + 1),
    aborted_handshakes, resets_that_are_dropped, a_burst_on_a_short_queue, lines_of("auto"),
    invention("invented_bad_sum_checksum", "checksum", "bad_sum"),
    invention("invented_md5_checksum", "checksum", "md5"),
    invention("invented_pseudo_checksum", "checksum", "pseudo"),
    invention("invented_good_checksum", "checksum", "good"),
    lines_of("checksum"),
    invention("invented_bad_sum_without_guard", "tracker", "bad_sum"),
    invention("invented_md5_without_guard", "tracker", "md5"),
    invention("invented_pseudo_without_guard", "tracker", "pseudo"),
    invention("invented_good_without_guard", "tracker", "good"),
    lines_of("tracker"),
    *map(forged_words, attacks.WORDS), resets_in_tunnels, lines_of("decap"),
]


def third_packets_that_are_dropped():
    """an acknowledgement that the kernel throws away completes nothing, and gives no token back: what is over gets cookies"""
    k.needs_reqsk(REQSK)
    kinds = [(v, kind, port) for port, (v, kind) in enumerate(((v, kind) for v in (4, 6) for kind in attacks.THIRD[v]), 7800)]
    g = k.ground("--engage", f"half-open={MANY},syn-rate={MANY}", "--limit-source", "10/s", mode="auto",
                 ports=[port for _, _, port in kinds])
    good = 0  # to a cookie, an old timestamp says nothing: there is none to compare it with
    for v, kind, port in kinds:
        p = k.Peer(g, v, port, ip=f"10.66.0.{port - 7700}" if v == 4 else f"fd66::{port - 7700}")
        began = time.monotonic()
        for i in range(60):
            p.sport, p.seq = 20000 + i, 1000
            p.send(kind(p, k.stamp(p.syn(k.TS))))
        p.close()
        fig, took = g.figures(v, port), time.monotonic() - began
        n.at_most(f"v{v} {kind.__name__}: let in to the listener", fig["opened"], 11 + 10 * took)
        n.equal(f"v{v} {kind.__name__}: cookies", fig["cookies_sent"], 60 - fig["opened"])
        n.at_least(f"v{v} {kind.__name__}: over the limit, or with a good cookie", fig["over_limit"] + fig["cookies_accepted"],
                   60 - 12 - 10 * took)
        good += fig["cookies_accepted"] if kind is attacks.old_stamp else 0

    def waiting():
        """once the SYN-ACKs are sent again: what the kernel has, what was let in, what is half-open"""
        rows = {port: g.figures(v, port) for v, _, port in kinds}
        return {f"v{v} {kind.__name__}": (g.syn_recv(port), rows[port]["opened"],
                                          rows[port]["opened"] - rows[port]["resolved"] + rows[port]["reopened"],
                                          rows[port]["completed"] - rows[port]["reopened"])
                for v, kind, port in kinds}

    n.until(lambda: all(x == (x[0], x[0], x[0], 0) for x in waiting().values()), 10, evidence=waiting)
    n.equal("connections of the kernel", g.passive_opens(), good)
    g.finish()


def by_the_kernels_queue():
    """a flood whose SYN-ACKs leave by an interface that nobody watches: the kernel's own count engages"""
    k.needs_reqsk(REQSK)
    g = k.Ground("--engage", f"half-open=100,syn-rate={MANY}", "--hold", 1, "--grace", 1, mode="auto")
    n.sh("ip", "link", "add", "away", "type", "veth", "peer", "name", "beyond", ns=g.b)
    n.sh("ip", "link", "set", "away", "arp", "off", "up", ns=g.b)
    n.sh("ip", "route", "add", "198.18.0.0/15", "dev", "away", ns=g.b)
    k.finished(k.flood(g, 150))
    n.equal("begun by the listener, as seen", g.figures()["opened"], 0)
    n.until(lambda: g.figures()["state"] == "engaged")
    g.talk(4)
    n.until(lambda: g.figures()["state"] == "calm", 10)  # what is left in the queue does not engage it again
    n.equal("still in the queue", g.syn_recv(), 150)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged],
            [("engaged", "kernel_queue"), ("grace", "below_threshold"), ("calm", "grace_ended")])
    n.at_least("in SYN_RECV when it engaged", logged[0]["kernel_half_open"], 100)


def by_the_kernels_cookies():
    """a short queue overflows long before the threshold: the kernel's own cookies engage"""
    k.needs_reqsk(REQSK)
    g = k.ground("--engage", f"half-open={MANY},syn-rate={MANY}", mode="auto", backlog=16)
    p = k.flood(g, 2000, 500)
    n.until(lambda: g.figures()["state"] == "engaged")
    g.talk(4)
    p.kill()
    fig = g.figures()
    n.at_least("cookies of the kernel", fig["kernel_cookies"], 10)
    n.at_most("half-open at the kernel", g.syn_recv(), 17)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged], [("engaged", "kernel_queue")])


def aborted_without_state():
    """clients that reset their handshakes, where the kernel makes cookies always: nothing is half-open, and nothing engages"""
    k.needs_reqsk(REQSK)
    g = k.ground(*AUTO, mode="auto", start=False)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", ns=g.b)
    g.start()
    p = k.Peer(g)
    for i in range(150):
        p.sport, p.seq = 20000 + i, 1000
        answer = k.stamp(p.syn(k.TS))
        p.say("R", seq=p.seq, options=answer)
    p.close()
    n.until(lambda: [g.figures()[x] for x in ("opened", "resolved", "completed")] == [150, 150, 0], evidence=g.figures)
    n.until(lambda: not g.figures()["half_open"])
    n.equal("state", g.figures()["state"], "calm")
    attacks.Forger(g).burst(130, lambda f, src: f.send(f.syn(src)))
    n.until(lambda: g.figures()["state"] == "engaged")
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged], [("engaged", "half_open")])


def frames_for_others(mode, *args, bad_sum=False):
    """what the kernel does not look at, its address or its length being wrong, is neither answered nor followed"""
    g = k.ground(*args, mode=mode, start=False)
    n.sh("ip", "link", "add", "link", "srv0", "name", "mac0", "address", "02:00:00:00:77:01", "type", "macvlan",
         "mode", "bridge", ns=g.b)
    n.sh("ip", "link", "set", "mac0", "up", ns=g.b)
    if "listener" in args:
        n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", "net.ipv4.tcp_timestamps=2", ns=g.b)
    g.start()
    f = attacks.Forger(g)
    for mac, cut in (*((x, 0) for x in attacks.NOT_OURS.values()), (None, 4)):
        was = k.counters(g.sw)["not_taken"]
        f.burst(200, lambda f, src, mac=mac, cut=cut: f.send(f.syn(src), mac=mac, cut=cut))
        n.until(lambda was=was: k.counters(g.sw)["not_taken"] == was + 200)
    if bad_sum:
        was = k.counters(g.sw)["bad_checksum"]
        f.burst(200, lambda f, src: f.send(f.segment(src, "S", chksum=1)))
        n.until(lambda: k.counters(g.sw)["bad_checksum"] == was + 200)
    got, fig = k.counters(g.sw), g.figures()
    n.equal("SYNs, replies", (fig["syns"], fig["cookies_sent"]), (0, 0))
    n.equal("followed", [got[x] for x in ("flows", "half_open", "half_open_created", "half_open_evicted")], [0] * 4)
    f.send(f.syn(f.source()), mac="02:00:00:00:77:01")
    f.send(f.syn(f.source()))
    n.until(lambda: g.figures()["cookies_sent" if mode == "always" else "opened"] == 2)
    g.talk(4)
    n.equal("events about them", [x["event"] for x in g.finish() if x.get("orig_ip", "").startswith("198.18.")],
            [] if mode == "always" else ["opening"] * 2)


def discarded(name, *args, **kw):
    def case():
        frames_for_others(*args, **kw)

    case.__name__, case.__doc__ = name, f"{frames_for_others.__doc__} ({' '.join(args)})"
    return case


OTHERS = [discarded("frames_for_others", "always"), discarded("frames_for_others_calm", "auto"),
          discarded("frames_for_others_listener", "always", "--cookie", "listener"),
          discarded("frames_for_others_checksum", "always", "--checksum", bad_sum=True)]


def strays_stay_apart():
    """both directions of a connection that never was, from outside: it takes no place among the established ones"""
    g = k.Ground(mode="auto")  # no way back to 198.18.0.0/15: the kernel's RST does not leave
    f = attacks.Forger(g)
    f.burst(50, lambda f, src: f.send(f.segment(src, "PA", seq=attacks.ISN, ack=5000) / b"x",
                                      f.answer(src, "A", seq=5000, ack=attacks.ISN + 1)))
    n.until(lambda: k.counters(g.sw)["half_open"] == 50)
    n.equal("established", [k.counters(g.sw)[x] for x in ("flows", "established")], [0, 0])
    n.equal("midstream", len([x for x in g.finish() if x["event"] == "midstream"]), 50)


def forwarded_ones_do_not():
    """a connection older than synward that this host forwards: its directions come by two interfaces"""
    a, r, b = n.routed()
    c, s = n.open_pair(a, n.listen(b, "10.67.0.2", k.PORT))
    sw = n.Synward(r, "rta", "rtb", args=("--guard", "auto"))
    for x, y in ((c, s), (s, c), (c, s)):
        x.sendall(b"data")
        n.equal("received", n.read_n(y, 4), b"data")
    n.until(lambda: [k.counters(sw)[x] for x in ("flows", "half_open")] == [1, 0])
    n.reset(c)
    n.equal("exit code", sw.stop(), 0)


def forged_to_be_forwarded():
    """SYN-ACKs in the server's name, from an interface that nobody watches, to clients beyond the other: they begin nothing"""
    g = k.Ground(*AUTO, mode="auto", start=False)
    c = n.new_ns("c")
    n.quiet(c)
    n.veth(g.b, "away", c, "far0")
    n.sh("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv4.ip_forward=1", ns=g.b)
    n.sh("ip", "-6", "route", "add", "fd98::/16", "via", k.CLIENT[6], ns=g.b)
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", k.CLIENT[4], ns=g.b)
    g.start()
    macs = [json.loads(n.sh("ip", "-j", "link", "show", "dev", dev, ns=ns).stdout)[0]["address"]
            for ns, dev in ((c, "far0"), (g.b, "away"))]
    with n.Inside(c), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("far0", 0))
        for i in range(150):
            tcp = TCP(sport=k.PORT, dport=20000 + i, seq=5, ack=9, flags="SA")
            for ip in (IPv6(src=k.SERVER[6], dst="fd98::9"), IP(src=k.SERVER[4], dst="198.18.0.9")):
                out.send(bytes(Ether(src=macs[0], dst=macs[1]) / ip / tcp))
    n.until(lambda: k.counters(g.sw)["half_open"] == 150, evidence=lambda: k.counters(g.sw))  # IPv4's are not forwarded
    n.equal("opened", [g.figures(v)["opened"] for v in (4, 6)], [0, 0])
    for v in (4, 6):
        g.talk(v)
    n.equal("changes", [x for x in g.finish() if x["event"] == "guard"], [])


def published_port():
    """a container's port that is this host's by DNAT: its handshakes count, give tokens back, and its floods engage"""
    g = k.ground(start=False)
    inside = n.new_ns("c")
    n.quiet(inside)
    n.veth(g.b, "cont", inside, "eth0")
    n.addr(g.b, "cont", "10.88.0.1/24")
    n.addr(inside, "eth0", "10.88.0.2/24")
    n.sh("ip", "route", "add", "default", "via", "10.88.0.1", ns=inside)
    n.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", ns=g.b)
    n.sh("nft", "add table ip nat; add chain ip nat pre { type nat hook prerouting priority dstnat; }; "
         f"add rule ip nat pre iifname srv0 tcp dport {k.PORT} dnat to 10.88.0.2:80", ns=g.b)
    there = n.listen(inside, "10.88.0.2", 80)
    g.args = ("--guard", "auto", "--engage", f"half-open=100,syn-rate={MANY}", "--limit-source", "10/s")
    g.start()
    for _ in range(40):
        c = n.connect(g.a, k.SERVER[4], k.PORT)
        s = there.accept()[0]
        s.sendall(b"here")  # only what its socket sends proves it
        n.equal("from the container", n.read_n(c, 4), b"here")
        n.reset(c)
    fig = g.figures()
    n.equal("opened, completed, reopened", (fig["opened"], fig["completed"], fig["reopened"]), (40, 40, 0))
    n.equal("cookies of the kernel, dropped by the limit", (fig["kernel_cookies"], fig["dropped"]), (0, 0))
    f = attacks.Forger(g)
    f.burst(130, lambda f, src: f.send(f.syn(src)))
    n.until(lambda: g.figures()["state"] == "engaged")
    n.equal("SYN_RECV in the host's own namespace", g.syn_recv(), 0)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged], [("engaged", "half_open")])


def redirected_port():
    """a port that is another one of this host by REDIRECT: the kernel's count for it is of nothing, and hides no flood"""
    g = k.ground("--engage", f"half-open=100,syn-rate={MANY}", mode="auto", start=False)
    behind = n.listen(g.b, k.SERVER[4], 8080)
    n.sh("nft", "add table ip nat; add chain ip nat pre { type nat hook prerouting priority dstnat; }; "
         f"add rule ip nat pre iifname srv0 tcp dport {k.PORT} redirect to :8080", ns=g.b)
    g.start()
    c = n.connect(g.a, k.SERVER[4], k.PORT)
    s = behind.accept()[0]
    s.sendall(b"here")
    n.equal("from behind", n.read_n(c, 4), b"here")
    n.reset(c)
    f = attacks.Forger(g)
    f.burst(60, lambda f, src: f.send(f.syn(src)))
    n.until(lambda: g.figures(4, 8080)["kernel_half_open"] == 60)  # the daemon has asked the kernel
    f.burst(70, lambda f, src: f.send(f.syn(src)))
    n.until(lambda: g.figures()["state"] == "engaged")
    n.equal("SYN_RECV of the port, and of the one behind", (g.syn_recv(k.PORT), g.syn_recv(8080)), (0, 130))
    changes = [(x["to"], x["cause"]) for x in g.finish() if x["event"] == "guard" and x["service_port"] == k.PORT]
    n.equal("changes", changes, [("engaged", "half_open")])


def unconfirmed_ones_leave():
    """connections of which the kernel has no socket take a quarter of the table, and leave it within seconds"""
    g = k.ground("--engage", f"half-open={MANY},syn-rate={MANY}", "--max-flows", 256, mode="auto", start=False)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_synack_retries=1", ns=g.b)
    g.start()
    idle = g.open()  # confirmed by nothing but its socket
    p = k.Peer(g)
    for i in range(100):
        p.sport, p.seq = 20000 + i, 1000
        p.send(attacks.old_stamp(p, k.stamp(p.syn(k.TS))))
    p.close()
    n.until(lambda: k.counters(g.sw)["flows_held"] == 37, evidence=lambda: k.counters(g.sw))
    speaks = g.open()
    k.speak(*speaks)
    n.until(lambda: k.counters(g.sw)["established"] == 65, evidence=lambda: k.counters(g.sw))

    def are_gone():
        now = k.counters(g.sw)
        return now["established"] == 2 and not now["half_open"]

    n.until(are_gone, 40)  # each minute is what it would be, and twice
    for c, s in (idle, speaks):
        k.speak(c, s)
        k.end(c, s)
    ended = [x for x in g.finish() if x["event"] == "conn"]
    n.equal("ended", len(ended), 102)
    n.equal("how", sorted({(x["orig_ip"], x["reason"]) for x in ended}), [(k.CLIENT[4], "fin"), (p.ip, "timeout")])


def apart(case):
    """With a ground of its own."""
    def run():
        n.cleanup()
        here.clear()
        try:
            case()
        finally:
            n.cleanup()

    run.__name__, run.__doc__ = case.__name__, case.__doc__
    return run


if __name__ == "__main__":
    n.main(*SHARED, *map(apart, (goes_on_after_a_reset, third_packets_that_are_dropped, by_the_kernels_queue, by_the_kernels_cookies,
                                 aborted_without_state, *OTHERS, strays_stay_apart, forwarded_ones_do_not,
                                 forged_to_be_forwarded, published_port, redirected_port, unconfirmed_ones_leave)), keep=True)
