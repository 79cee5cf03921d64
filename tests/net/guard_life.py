#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The guard's life: a daemon that dies or stops while engaged, its commands, listeners and interfaces that go and
come."""
import os
import re
import signal
import subprocess
import time

import kit as n
from kit import guard as k

USAGE, RUNNING, PINS = 2, 7, 12  # src/base/exit.h


def kill9():
    """kill -9 while engaged: the guard stays active, the next start takes over and cleans up"""
    g = k.Ground()
    k.talks(g)
    early = [g.open(v) for v in (4, 6)]
    g.sw.p.kill()
    g.sw.p.wait()
    before = g.figures()
    n.equal("state", before["state"], "engaged")
    k.talks(g)
    p = k.Peer(g, 4)
    got = p.syn(k.TS)
    p.say("A", options=k.stamp(got))
    assert k.accepted(g.listeners[4, k.PORT]), "no connection through the orphaned guard"
    for i in range(20):
        p.sport = 21000 + i
        p.say("A", seq=i, ack=i)
    n.until(lambda: g.figures()["drop_cookie_bad"] - before["drop_cookie_bad"] >= 20)
    after = g.figures()
    n.equal("cookies accepted by itself", after["cookies_accepted"] - before["cookies_accepted"], 4)
    n.equal("dropped by itself", after["drop_cookie_bad"] - before["drop_cookie_bad"], 20)
    for c, s in early:
        k.speak(c, s)
    dead = g.sw
    g.sw = n.Synward(g.b, "srv0", args=g.args)
    n.equal("lines about the dead one", g.sw.err().count("killed synward"), 1)
    k.talks(g)
    n.equal("cookies of the new one", g.counted("cookies_accepted"), 3)
    for c, s in early:
        k.speak(c, s)
        k.end(c, s)
    assert not os.path.exists(f"/run/synward/{dead.p.pid}.instance"), "the dead one's file stayed"
    g.finish()
    n.equal("attached", n.hooks_on(g.b, "srv0"), [])
    k.talks(g)


def refused_over_orphan():
    """a start that is refused over another interface leaves a dead one's guard as it was, answering"""
    g = k.Ground(start=False)
    n.veth(g.a, "cli1", g.b, "srv1")
    other = n.Synward(g.b, "srv1")
    g.start()
    k.talks(g)
    g.sw.p.kill()
    g.sw.p.wait()

    def refused_by(code, says):
        r = n.sh("timeout", 20, n.SYNWARD, "run", "-i", "srv0", "-i", "srv1", "--guard", "always", ns=g.b, check=False)
        n.equal(f"exit code ({r.stderr})", r.returncode, code)
        assert says in r.stderr, r.stderr
        before = g.counted("cookies_accepted")
        k.talks(g)
        n.equal("cookies accepted", g.counted("cookies_accepted") - before, 3)

    refused_by(RUNNING, "already runs on 'srv1'")
    n.equal("exit code", other.stop(), 0)
    pins = f"orphan-{os.getpid()}"
    n.sh(n.SYNWARD, "run", "-i", "srv1", f"--pin={pins}", "--duration", "0.3", ns=g.b)
    try:
        refused_by(PINS, pins)
    finally:
        n.sh(n.SYNWARD, "unpin", pins, ns=g.b)
    g.start()
    k.talks(g)
    g.finish()


def stopped_daemon():
    """a daemon that is stopped: auto engages, answers and disengages in the kernel, without it"""
    g = k.ground("--engage", "half-open=100,syn-rate=1000000", "--hold", 1, "--grace", 1, mode="auto")
    g.talk()
    g.sw.p.send_signal(signal.SIGSTOP)
    try:
        k.finished(k.flood(g, 1000, 2000))
        n.equal("state", g.figures()["state"], "engaged")
        sent = g.counted("cookies_sent")
        g.talk()
        n.equal("cookies", g.counted("cookies_sent") - sent, 1)
        for want in ("grace", "calm"):  # a SYN now and then is what makes the kernel side evaluate
            n.until(lambda want=want: (g.talk(), g.figures()["state"] == want)[1], 8, 0.2)
    finally:
        g.sw.p.send_signal(signal.SIGCONT)
    changes = [(x["to"], x["cause"]) for x in g.finish() if x["event"] == "guard"]
    n.equal("logged when it continued", changes, [("engaged", "half_open"), ("grace", "below_threshold"), ("calm", "grace_ended")])


def sigterm():
    """SIGTERM while engaged: connections live, nothing stays attached, new ones are the listener's"""
    g = k.Ground()
    k.talks(g)
    early = [g.open(v) for v in (4, 6)]
    g.finish()
    n.equal("attached", n.hooks_on(g.b, "srv0"), [])
    for c, s in early:
        k.speak(c, s)
        k.end(c, s)
    k.talks(g)
    n.equal("kernel's listener", g.syn_recv(), 0)


def sigterm_under_load():
    """SIGTERM while clients connect all the time: none fails"""
    g = k.Ground()
    k.talks(g)
    left, failed = [30], []
    while left[0]:
        left[0] -= 1
        if left[0] == 15:
            g.sw.p.send_signal(signal.SIGTERM)
        for v in (4, 6):
            try:
                g.talk(v)
            except (OSError, AssertionError) as e:
                failed.append(repr(e))
    n.equal("exit code", g.sw.p.wait(timeout=20), 0)
    n.equal("failed", failed, [])


def modes():
    """`synward guard MODE [SERVICE]`: at once, for one service or all, without hurting a connection"""
    g = k.Ground(mode="off", ports=(k.PORT, 7778))
    open_ones = []

    def way(port, want):
        c, s = g.open(4, port)
        open_ones.append((c, s, port, want))

    way(k.PORT, "stack")
    k.guard(g.sw, "always", "10.66.0.2:7777")
    time.sleep(0.15)  # a service is evaluated every 100 ms
    way(k.PORT, "cookie")
    way(7778, "stack")
    k.guard(g.sw, "always")
    time.sleep(0.15)  # the same
    way(7778, "cookie")
    n.equal("modes", {x["mode"] for x in k.services(g.sw).values()}, {"always"})
    k.guard(g.sw, "monitor", "7777")
    way(k.PORT, "stack")
    way(7778, "cookie")
    k.guard(g.sw, "off")
    way(7778, "stack")
    k.guard(g.sw, "auto", "[fd66::2]:7778")
    n.equal("mode of one", g.figures(6, 7778)["mode"], "auto")
    n.equal("mode of another", g.figures(4, 7778)["mode"], "off")
    wrong = k.guard(g.sw, "always", "10.66.0.2:9", check=False)
    n.equal("exit code for no such service", wrong.returncode, USAGE)
    names = [(c.getsockname(), want) for c, _, _, want in open_ones]
    for c, s, _, _ in open_ones:
        k.speak(c, s)
        k.end(c, s)
    text = k.guard(g.sw, "status").stdout
    assert re.search(r"10\.66\.0\.2:7777 +off", text), text
    lines = g.finish()
    for who, want in names:
        n.fields(n.one(n.of(lines, who, "conn")), via=want, conn_state="SF")
    for x in lines:
        if x["event"] == "guard" and x["cause"] != "grace_ended":
            n.fields(x, cause="mode")


def down_and_up():
    """the interface goes down and comes up while engaged: the guard is there again, connections live"""
    g = k.Ground()
    k.talks(g)
    early = g.open(4)
    for i in range(1, 3):
        n.sh("ip", "link", "set", "srv0", "down", ns=g.b)
        n.until(lambda i=i: g.sw.err().count("interface 'srv0' is down") == i)
        n.sh("ip", "link", "set", "srv0", "up", ns=g.b)
        if "fd66::2" not in n.sh("ip", "-6", "addr", ns=g.b).stdout:  # taken away with the link
            n.addr(g.b, "srv0", "fd66::2/64")
        n.until(lambda i=i: g.sw.err().count("interface 'srv0' is up") == i)
        n.warm(g.a, *k.SERVER.values())
        k.speak(*early)
        before = g.counted("cookies_accepted")
        k.talks(g)
        n.equal("cookies", g.counted("cookies_accepted") - before, 3)
    k.end(*early)
    g.finish()


def refused(g):
    c = n.tcp(g.a)
    try:
        c.connect((k.SERVER[4], k.PORT))
        raise AssertionError("a closed port looks open")
    except ConnectionRefusedError:
        pass
    c.close()


def listener_gone_alone():
    """kill -9, then the listener closes: the first who brings a cookie back is reset, later ones are refused"""
    g = k.Ground()
    k.talks(g)
    g.sw.p.kill()
    g.sw.p.wait()
    g.listeners[4, k.PORT].close()
    p = k.Peer(g, 4)
    answer = k.stamp(p.syn(k.TS))
    p.say("A", options=answer)
    got = p.hear()
    n.equal("answer to the cookie's ACK", got and str(got.flags), "R")
    for _ in range(3):
        refused(g)
    k.talks(g, families=(6,))


def listener_gone():
    """the listener closes while engaged: its port refuses, a cookie on its way too; then it comes back"""
    g = k.Ground("--grace", 2)
    k.talks(g)
    p = k.Peer(g, 4)
    answer = k.stamp(p.syn(k.TS))
    g.listeners[4, k.PORT].close()
    p.say("A", options=answer)
    got = p.hear()
    n.equal("answer to the cookie's ACK", got and str(got.flags), "R")
    refused(g)  # the kernel side has seen it, before the daemon looks again
    n.until(lambda: g.figures()["no_listener"] and g.figures()["state"] == "grace", 5)
    refused(g)
    k.talks(g, families=(6,))
    g.listeners[4, k.PORT] = n.listen(g.b, k.SERVER[4], k.PORT)
    n.until(lambda: not g.figures()["no_listener"], 5)
    g.talk()
    n.until(lambda: (g.talk(), g.figures()["state"] == "engaged")[1], 5)
    before = g.counted("cookies_accepted")
    k.talks(g, families=(4,))
    n.equal("cookies", g.counted("cookies_accepted") - before, 3)
    n.equal("valid, but nobody listened", g.counted("cookie_no_listener"), 1)
    logged = [(x["to"], x["cause"]) for x in g.finish() if x["event"] == "guard" and x["service"] == "10.66.0.2:7777"]
    n.equal("first changes", logged[:2], [("engaged", "mode"), ("grace", "no_listener")])


def generic():
    """--mode generic, where the other end of a veth needs no XDP program: cookies, drops, 1 MiB"""
    g = k.Ground("--mode", "generic")
    n.equal("XDP at the other end", n.xdp_on(g.a, "cli0"), False)
    k.talks(g)
    pairs = [g.open(v) for v in (4, 6)]
    k.exchange(pairs)
    for c, s in pairs:
        k.end(c, s)
    for v in (4, 6):
        p = k.Peer(g, v)
        before = g.counted("drop_cookie_bad", v)
        p.say("A", seq=5, ack=6)
        n.equal("answer", p.hear(0.1), None)
        n.equal("dropped", g.counted("drop_cookie_bad", v) - before, 1)
        n.equal("cookies accepted", g.counted("cookies_accepted", v), 4)
    n.equal("ways in", {x["via"] for x in g.finish() if x["event"] == "conn"}, {"cookie"})


def new_listener():
    """a listener that is opened later is found and protected, on an address that is added later, too"""
    g = k.Ground()
    k.talks(g, 1)
    n.addr(g.b, "srv0", "10.66.0.3/16")
    late = [n.listen(g.b, "10.66.0.3", 9001), n.listen(g.b, "0.0.0.0", 9002)]
    n.until(lambda: {"10.66.0.3:9001", "0.0.0.0:9002"} <= set(k.services(g.sw)), 5)
    for listener in late:
        port = listener.getsockname()[1]
        c = n.connect(g.a, "10.66.0.3", port)
        who = c.getsockname()
        k.end(c, listener.accept()[0])
        g.sw.wait_for(lambda x, who=who: x["event"] == "established" and x["orig_port"] == who[1] and
                      x["via"] == "cookie")
    g.finish()


def no_syncookies():
    """tcp_syncookies=0 makes cookies impossible: refused before anything is attached, with the sysctl's name"""
    g = k.Ground(start=False)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=0", ns=g.b)
    r = subprocess.run(["nsenter", f"--net=/run/netns/{g.b}", n.SYNWARD, "run", "-i", "srv0", "--guard", "auto"],
                       capture_output=True, text=True, timeout=20, check=False)
    n.equal("lines on stderr", len(r.stderr.splitlines()), 1)
    assert "tcp_syncookies" in r.stderr, r.stderr
    if r.returncode in (0, 1):
        raise AssertionError(f"exit code {r.returncode}: {r.stderr}")
    n.equal("attached", n.hooks_on(g.b, "srv0"), [])


if __name__ == "__main__":
    n.main(kill9, refused_over_orphan, stopped_daemon, sigterm, sigterm_under_load, modes, down_and_up, listener_gone,
           listener_gone_alone, generic, new_listener, no_syncookies)
