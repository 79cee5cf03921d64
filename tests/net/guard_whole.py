#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A connection that came through a cookie is as whole as another: both ends' `ss -ti` equal a direct connection's,
and 1 MiB goes each way. Two ports in one server: 7777 is guarded, 7778 is not.

Only for a client without timestamps is something rounded, down (docs/cookie.md)."""
import socket

import kit as n
from kit import guard as k

GUARDED, DIRECT = 7777, 7778
TCP_WINDOW_CLAMP = 10
WSCALES = [None] + list(range(15))


def ground(*args, **server):
    g = k.Ground("--protect", GUARDED, *args, ports=(GUARDED, DIRECT), start=False)
    for name, value in server.items():
        n.sh("sysctl", "-qw", f"net.ipv4.{name}={value}", ns=g.b)
    client(g, tcp_rmem=f"4096 131072 {1 << 30}")
    g.start()
    for v in (4, 6):
        g.talk(v, GUARDED)  # engages
    return g


def client(g, **settings):
    for name, value in settings.items():
        n.sh("sysctl", "-qw", f"net.ipv4.{name}={value}", ns=g.a)


def open_one(g, v, port, wscale):
    """With this window scale in the client's SYN: the clamp on the window is what decides it."""
    c = n.tcp(g.a, v == 6)
    if wscale is not None:
        c.setsockopt(socket.IPPROTO_TCP, TCP_WINDOW_CLAMP, 1 << (15 + wscale))
    c.connect((k.SERVER[v], port))
    return c, g.listeners[v, port].accept()[0]


def held(ws, ts, sack, ecn):
    """What a cookie keeps of the client's window scale."""
    if ts or ws is None:
        return ws
    kept = (8, 7) if sack and ecn else (10, 8, 7, 4) if sack else (8, 7, 4)
    return next((x for x in kept if x <= ws), None)


def pair_of(g, c):
    """What both kernels say of a connection: (client, server)."""
    mine, its = c.getsockname()[1], c.getpeername()[1]
    return g.shown[0][mine, its], g.shown[1][its, mine]


def scale(shown):
    """The other end's window scale."""
    return shown["wscale"] and int(shown["wscale"].split(",")[0])


def look(g):
    g.shown = k.sockets(g.a), k.sockets(g.b)


def held_mss(mss, ts, v6, sack=True):
    if not ts:
        kept = ((1440, 1360, 1220) if v6 else (1460, 1300, 536)) if sack else ((1360, 1220) if v6 else (1300, 536))
        return next(x for x in kept if x <= mss)
    if 1400 <= mss <= 1460:
        return mss
    if mss >= 1300:
        return mss & ~1
    kept = (1280, 1260, 1240, 1220, 1200, 1160, 1024, 966, 756, 536)
    return max(next(x for x in kept if x <= mss), 1220 if v6 else 0)


def expected(v, direct, ws, ts, sack, ecn):
    """A direct connection's words, with what the documented rounding changes."""
    client_, server = (dict(x) for x in direct)
    kept = held(ws, ts, sack, ecn)
    server["mss"] = str(held_mss(int(server["mss"]) + 12 * ts, ts, v == 6, sack) - 12 * ts)
    if kept is None:
        client_["wscale"] = server["wscale"] = None
    elif server["wscale"]:
        server["wscale"] = f"{kept},{server['wscale'].split(',')[1]}"
    if ecn and not ts and not sack:
        for x in (client_, server):
            x["ecn"] = x["ecnseen"] = False
    return client_, server


def matrix(v, ecn=0, **more):
    g = ground(**more)
    sent = g.counted("cookies_sent", v)
    count = 0
    for ts in (1, 0):
        for sack in (1, 0):
            conns, later = [], {}
            for ws in WSCALES:
                client(g, tcp_timestamps=ts, tcp_sack=sack, tcp_window_scaling=int(ws is not None), tcp_ecn=ecn)
                conns.append((ws, open_one(g, v, GUARDED, ws), open_one(g, v, DIRECT, ws)))
            look(g)
            for ws, (c, _), (d, _) in conns:
                direct = pair_of(g, d)
                got = pair_of(g, c)
                n.equal(f"v{v} client's SYN, ts {ts} sack {sack}", (direct[1]["ts"], direct[1]["sack"]),
                        (bool(ts), bool(sack)))
                n.equal(f"v{v} client's SYN, wscale", scale(direct[1]), ws)
                want = later[c] = expected(v, direct, ws, ts, sack, ecn)
                if ws is not None and (held(ws, ts, sack, ecn) or 0) < ws - 3:
                    # at first the server sees a window of a few bytes, and halves its segments to that (ss: mss)
                    for word in ("mss", "rcvmss"):
                        n.at_most(f"v{v} wscale {ws}: server's {word}", int(got[1][word]), int(want[1][word]))
                    want = want[0], {**want[1], "mss": got[1]["mss"], "rcvmss": got[1]["rcvmss"]}
                for end, a, b in zip(("client", "server"), got, want):
                    n.equal(f"v{v} ts {ts} sack {sack} wscale {ws} ecn {ecn}: {end}", a, b)
            k.exchange([x for _, x, _ in conns])
            look(g)
            for ws, (c, _), _ in conns:
                for end, a, b in zip(("client", "server"), pair_of(g, c), later[c]):
                    for word in ("ts", "sack", "ecn", "wscale", "mss", "advmss", "pmtu"):
                        n.equal(f"v{v} ts {ts} sack {sack} wscale {ws} after 1 MiB: {end} {word}", a[word], b[word])
            count += len(conns)
            for _, p, d in conns:
                for x in p + d:
                    x.close()
    fig = g.figures(v)
    n.equal("cookies sent", fig["cookies_sent"] - sent, count)
    n.equal("cookies accepted", fig["cookies_accepted"] - sent, count)
    conns = [x for x in g.finish() if x["event"] == "conn" and x["resp_port"] == GUARDED]
    n.equal("not via a cookie", [x for x in conns if x["via"] != "cookie"], [])


def options_v4():
    """timestamps x SACK x window scale none, 0 to 14; IPv4: 1 MiB each way, both ends as direct ones"""
    matrix(4)


def options_v6():
    """the same, IPv6"""
    matrix(6)


def ecn_v4():
    """ECN asked for, IPv4"""
    matrix(4, ecn=1)


def ecn_v6():
    """ECN asked for, IPv6"""
    matrix(6, ecn=1)


def mss(v):
    g = ground()
    client(g, tcp_window_scaling=1)
    net = "10.66.0.0/16" if v == 4 else "fd66::/64"
    seen = 0
    for size in (1460, 1459, 1452, 1420, 1400, 1380, 1360, 1331, 1300, 1240, 1220, 1100, 1024, 536):
        if v == 6 and not 1220 <= size <= 1440:
            continue
        seen += 1
        which = ["src", k.CLIENT[4]] if v == 4 else ["metric", 256]
        n.sh("ip", f"-{v}", "route", "change", net, "dev", "cli0", *which, "advmss", size, ns=g.a)
        for ts, sack in ((1, 1), (0, 1), (0, 0)):
            client(g, tcp_timestamps=ts, tcp_sack=sack)
            ends = [open_one(g, v, port, 7) for port in (GUARDED, DIRECT)]
            look(g)
            got, direct = (pair_of(g, c) for c, _ in ends)
            n.equal(f"advmss {size}: a direct server's mss, ts {ts}", int(direct[1]["mss"]), size - 12 * ts)
            want = expected(v, direct, scale(direct[1]), ts, sack, 0)
            for end, a, b in zip(("client", "server"), got, want):
                for word in ("ts", "sack", "wscale", "mss", "advmss"):
                    n.equal(f"v{v} advmss {size} ts {ts} sack {sack}: {end} {word}", a[word], b[word])
            for x in ends[0] + ends[1]:
                x.close()
    n.at_least("sizes tried", seen, 5)
    g.finish()


def mss_v4():
    """the client's MSS, IPv4: as sent, or rounded down as documented"""
    mss(4)


def mss_v6():
    """the client's MSS, IPv6"""
    mss(6)


def our_options():
    """--mss and --wscale are what the client gets"""
    g = ground("--mss", 1200, "--wscale", 5)
    for v, least in ((4, 1200), (6, 1220)):  # less than 1220 is no MSS of IPv6
        p = k.Peer(g, v)
        got = p.syn(options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (77, 0)), ("NOP", None), ("WScale", 9)])
        shown = dict(got.options)
        n.equal(f"v{v} MSS", shown["MSS"], least)
        n.equal(f"v{v} window scale", shown["WScale"], 5)
        n.equal(f"v{v} echo", shown["Timestamp"][1], 77)
        p.say("R", seq=p.seq)
        p.close()
        c, s = g.open(v)
        look(g)
        got = pair_of(g, c)
        n.equal(f"v{v} client's wscale", got[0]["wscale"].split(",")[0], "5")
        n.equal(f"v{v} server's wscale", got[1]["wscale"].split(",")[1], "5")
        n.equal(f"v{v} client's mss", got[0]["mss"], str(least - 12))
        k.exchange([(c, s)])
        k.end(c, s)
    g.finish()


def only_what_was_offered():
    """the SYN-ACK has no option that the SYN had not, and is never larger"""
    g = ground()
    for v in (4, 6):
        p = k.Peer(g, v)
        for i, opts in enumerate(([], [("MSS", 1460)], [("SAckOK", b"")], [("WScale", 7)], [("Timestamp", (5, 0))],
                                  [("MSS", 1460), ("NOP", None), ("WScale", 2)],
                                  [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (9, 0)), ("NOP", None), ("WScale", 7)],
                                  [("SAckOK", b""), ("Timestamp", (9, 0)), ("NOP", None), ("WScale", 14)])):
            p.sport, p.seq = 41000 + i, 1000
            mine = p.packet("S", options=opts)
            got = p.syn(options=opts)
            names = {x for x, _ in got.options} - {"NOP", "EOL"}
            extra = names - {x for x, _ in opts}
            n.equal(f"v{v} {opts}: options that were not offered", extra, set())
            n.at_most(f"v{v} {opts}: bytes of TCP header", got.dataofs * 4, len(bytes(mine[k.TCP])))
            n.at_most(f"v{v} {opts}: bytes of the frame", len(p.heard), max(60, 14 + len(bytes(mine))))
            p.say("R", seq=p.seq)
        p.close()
    g.finish()


if __name__ == "__main__":
    n.main(options_v4, options_v6, ecn_v4, ecn_v6, mss_v4, mss_v6, our_options, only_what_was_offered)
