#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sources that the kernel would refuse (rp_filter) get no answer from an engaged guard either.

    +------- a -------+         +------- b -------+         +------- c -------+
    | client          |  veth   |          server |  veth   |                 |    b routes 198.18.0.0/15 and
    | 10.66.0.1       o=========o 10.66.0.2       o=========o 10.77.0.2       |    fd98::/16 to c, forwards nothing,
    | fd66::1    cli0 |         | srv0       away |         | far0    fd77::2 |    and watches srv0
    +-----------------+         +-----------------+         +-----------------+
"""
import itertools

import kit as n
from kit import guard as k

BEYOND = {4: "198.18.0.7", 6: "fd98::7"}
ports = itertools.count(20000)


def ground(*args, rp_filter=1, mode="always"):
    g = k.Ground(mode=mode, start=False)
    c = n.new_ns("c")
    n.quiet(c)
    n.veth(g.b, "away", c, "far0")
    n.addr(g.b, "away", "10.77.0.1/24", "fd77::1/64")
    n.addr(c, "far0", "10.77.0.2/24", "fd77::2/64")
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.77.0.2", ns=g.b)
    n.sh("ip", "-6", "route", "add", "fd98::/16", "via", "fd77::2", ns=g.b)
    filtered(g, rp_filter)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", ns=g.b)  # else the backend listener leaves SYNs to the kernel
    g.args += args
    g.start()
    return g


def filtered(g, value):
    n.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", f"net.ipv4.conf.srv0.rp_filter={value}", ns=g.b)


def ask(g, src, v=4):
    """Sends a SYN from there to srv0; what becomes of it."""
    was = g.figures(v)
    p = k.Peer(g, v, sport=next(ports), ip=src)
    p.say("S", options=k.TS)

    def counted():
        now = g.figures(v)
        return [now[x] - was[x] for x in ("syns", "cookies_sent", "drop_reverse_path")]

    n.until(lambda: counted() in ([1, 1, 0], [1, 0, 1]), evidence=counted)
    answered = counted()[1] == 1
    heard = p.hear(n.PATIENCE if answered else 0.2, lambda t: "S" in t.flags)
    n.equal("a SYN-ACK came", heard is not None, answered)
    p.close()
    return "answered" if answered else "refused"


def own(g):
    """From this host's own address: like the kernel, synward does not look at it."""
    was = k.counters(g.sw)["not_taken"]
    p = k.Peer(g, 4, sport=next(ports), ip=k.SERVER[4])
    p.say("S", options=k.TS)
    n.until(lambda: k.counters(g.sw)["not_taken"] == was + 1)
    n.equal("answer to an own address", p.hear(0.2, lambda t: "S" in t.flags), None)
    p.close()


def becomes(g, what, src=BEYOND[4], v=4):
    """Within a second or two, as the routes are read."""
    n.until(lambda: ask(g, src, v) == what, 5, 0.2)


def as_the_kernel(*args):
    """a source that another interface reaches is refused by the kernel, and by the guard; a neighbour connects"""
    g = ground(*args)
    k.guard(g.sw, "off")
    n.until(lambda: g.figures()["state"] != "engaged")
    p = k.Peer(g, 4, sport=next(ports), ip=BEYOND[4])
    p.say("S", options=k.TS)
    n.until(lambda: k.netstat(g.b, "TcpExtIPReversePathFilter") == 1)
    k.guard(g.sw, "always")
    n.until(lambda: g.figures()["state"] == "engaged")
    for src, want in ((BEYOND[4], "refused"), (k.PEER[4], "answered"), ("203.0.113.9", "refused"),
                      ("10.77.0.9", "refused"), ("10.66.255.255", "refused")):
        n.equal(src, ask(g, src), want)
    own(g)
    k.talks(g, 1)
    n.equal("IPv6, which the kernel does not check", ask(g, BEYOND[6], 6), "answered")
    n.equal("the kernel refused", k.netstat(g.b, "TcpExtIPReversePathFilter"), 1)
    lines = g.finish("no answer to a SYN of IPv4 if no route")
    n.equal("reasons", {x["reason"] for x in lines if x["event"] == "drop"}, {"reverse_path"})
    n.equal("warnings", [x for x in g.sw.err().splitlines() if "reverse path" in x and "warning" in x], [])
    n.equal("system calls", "seccomp" in g.sw.err(), False)


def variants():
    """by the fast path, by the others, and with the kernel's cookies"""
    for name, args in (("plain", ()), ("budget", ("--reply-budget", "1000/s")), ("limit", ("--limit-source", "100/s")),
                       ("checksum", ("--checksum",)), ("listener", ("--cookie", "listener"))):
        def case(args=args):
            as_the_kernel(*args)
        case.__name__, case.__doc__ = f"as_the_kernel_{name}", as_the_kernel.__doc__
        yield case


def only_where_the_kernel_does():
    """with rp_filter 0 or 2 everything is answered; the sysctl is followed"""
    g = ground(rp_filter=0)
    n.equal("rp_filter 0", ask(g, BEYOND[4]), "answered")
    filtered(g, 1)
    becomes(g, "refused")
    filtered(g, 2)
    becomes(g, "answered")
    g.finish()


def off():
    """--reverse-path off checks nothing"""
    g = ground("--reverse-path", "off")
    n.equal("beyond", ask(g, BEYOND[4]), "answered")
    g.finish()


def strict():
    """--reverse-path strict checks both families, whatever rp_filter is"""
    g = ground("--reverse-path", "strict", rp_filter=0)
    for v in (4, 6):
        n.equal(f"beyond, IPv{v}", ask(g, BEYOND[v], v), "refused")
        n.equal(f"neighbour, IPv{v}", ask(g, k.PEER[v], v), "answered")
    n.equal("of nobody", (ask(g, "203.0.113.9"), ask(g, "2001:db8::9", 6)), ("refused", "refused"))
    k.talks(g, 1)
    g.finish()


def routes_are_followed():
    """a route that comes, changes or goes while it runs is taken account of; a default route reaches all that is left"""
    g = ground("--reverse-path", "strict")
    n.equal("before", ask(g, BEYOND[4]), "refused")
    n.sh("ip", "route", "replace", "198.18.0.0/15", "via", k.CLIENT[4], ns=g.b)
    becomes(g, "answered")
    n.sh("ip", "route", "replace", "198.18.0.0/15", "via", "10.77.0.2", ns=g.b)
    becomes(g, "refused")
    n.sh("ip", "route", "add", "default", "via", k.CLIENT[4], ns=g.b)
    n.sh("ip", "-6", "route", "add", "default", "via", k.CLIENT[6], ns=g.b)
    becomes(g, "answered", "203.0.113.9")
    becomes(g, "answered", "2001:db8::9", 6)
    n.equal("the longer route", (ask(g, BEYOND[4]), ask(g, BEYOND[6], 6)), ("refused", "refused"))
    n.sh("ip", "link", "set", "away", "down", ns=g.b)  # of these routes the kernel notifies nobody
    becomes(g, "answered")
    g.finish()


def policy_rules():
    """with a policy rule of its own nothing is refused, and one warning says why"""
    g = ground()
    n.equal("before", ask(g, BEYOND[4]), "refused")
    n.sh("ip", "rule", "add", "fwmark", "7", "lookup", "77", ns=g.b)
    becomes(g, "answered")
    n.until(lambda: "policy rules" in g.sw.err())
    for _ in range(5):
        n.equal("meanwhile", ask(g, BEYOND[4]), "answered")
    n.sh("ip", "rule", "del", "fwmark", "7", "lookup", "77", ns=g.b)
    becomes(g, "refused")
    g.finish()
    n.equal("warnings", len([x for x in g.sw.err().splitlines() if "policy rules" in x]), 1)


def monitored():
    """a monitored service counts it, and the kernel drops it"""
    g = ground("--engage", "syn-rate=1,half-open=1", mode="monitor")
    k.finished(k.flood(g, 500, 1000))
    n.until(lambda: g.figures()["drop_reverse_path"])
    n.at_least("refused by the kernel", k.netstat(g.b, "TcpExtIPReversePathFilter"), 500)
    dry = {(x["reason"], x["dry_run"]) for x in g.finish() if x["event"] == "drop"}
    n.equal("drop lines", dry, {("reverse_path", True)})


def killed():
    """what a killed daemon has left in the kernel refuses nothing for routes that nobody follows any more"""
    g = ground()
    n.equal("before", ask(g, BEYOND[4]), "refused")
    g.sw.kill()

    def heard():
        p = k.Peer(g, 4, sport=next(ports), ip=BEYOND[4])
        p.say("S", options=k.TS)
        got = p.hear(0.5, lambda t: "S" in t.flags)
        p.close()
        return got

    assert not heard(), "answered at once"
    n.until(heard, 15, 0.2)


if __name__ == "__main__":
    n.main(*variants(), only_where_the_kernel_does, off, strict, routes_are_followed, policy_rules, monitored, killed)
