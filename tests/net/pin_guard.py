#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""--pin with the guard: it goes on deciding, with the same keys, lists, modes and books, whoever reads its events."""
import json
import os
import subprocess

import guardkit as k
import netns as n
import pinkit as p

QUICK = ("--linger", "0.2", "--interval", "0.5")


def figures(pins, *args):
    """Status of each service, from the daemon that runs or ran last."""
    r = n.sh(n.SYNWARD, "guard", *args, "--json", "--pid", pins.daemons[-1].p.pid)
    return {x["service"]: x for x in map(json.loads, r.stdout.splitlines())}


def guard_command(pins, *args):
    n.sh(n.SYNWARD, *args, "--pid", pins.daemons[-1].p.pid)


def ground():
    g = k.Ground(start=False)
    n.take_replies(g.b, "srv0")
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", k.CLIENT[4], ns=g.b)
    return g


def lines_of(pins):
    every = [x for d in pins.daemons for x in d.whole()]
    n.equal("lost", n.check_seq(every), 0)
    return every


def stop(pins):
    n.equal(f"exit code ({pins.daemons[-1].err()})", pins.daemons[-1].stop(), 0)


def flooded():
    """a restart in a flood: it stays engaged, each client gets in, before, between and after, and its books go on"""
    g = ground()
    args = ("--guard", "auto", "--engage", "half-open=100,syn-rate=1000000", "--hold", 20, "--protect", "7777", *QUICK)
    with p.Pins(g.b, "srv0") as pins:
        pins.start(*args)
        g.talk()
        flood = k.flood(g, 10_000_000, 5000)
        k.until(lambda: figures(pins)["10.66.0.2:7777"]["state"] == "engaged")
        clients = 0
        for _ in range(2):
            clients += talk(g)
            stop(pins)
            n.equal("state", figures(pins)["10.66.0.2:7777"]["state"], "engaged")
            clients += talk(g)
            pins.start(*args)
        clients += talk(g)
        flood.kill()
        flood.wait()
        sent = figures(pins)["10.66.0.2:7777"]
        k.until(lambda: sum(x["event"] == "conn" and x["via"] == "cookie" and x["conn_state"] == "SF"
                            for x in lines_of(pins)) == clients, 20)
        stop(pins)
        lines = lines_of(pins)
        n.equal("changes", [x["to"] for x in lines if x["event"] == "guard"], ["engaged"])
        n.equal("cookies accepted", sent["cookies_accepted"], clients)
        last = [x for x in lines if x["event"] == "service"][-1]
        if last["cookies_sent"] < sent["cookies_sent"]:
            raise AssertionError("the books went back")
        n.equal("uids told twice", [u for u in uids(lines) if uids(lines).count(u) > 1], [])
        pins.unpin()
        n.equal("hooks", n.hooks_on(g.b, "srv0"), [])
        g.talk()


def uids(lines):
    return [x["uid"] for x in lines if x["event"] == "conn"]


def talk(g, times=4):
    for _ in range(times):
        g.talk()
    return times


def on_their_way():
    """a cookie that was sent before the restart is good after it, and another daemon's random keys are not needed"""
    g = ground()
    with p.Pins(g.b, "srv0") as pins:
        pins.start("--guard", "always")
        peers = [k.Peer(g, v, sport=40000 + v) for v in (4, 6)]
        answers = [k.stamp(x.syn(k.TS)) for x in peers]
        stop(pins)
        pins.start("--guard", "always")
        for x, options in zip(peers, answers):
            x.say("A", options=options)
            assert k.accepted(g.listeners[x.v, k.PORT]), "the cookie was not accepted"
            x.close()
        stop(pins)
        pins.unpin()


def what_was_said():
    """modes, list entries and limits that were set while it ran stay; what the next command line says counts"""
    g = ground()
    block = os.path.join(n.tmp.name, "block")
    with open(block, "w", encoding="ascii") as f:
        f.write("192.0.2.0/24\n")
    with p.Pins(g.b, "srv0") as pins:
        pins.start("--guard", "always", "--block-file", block, "--block", "198.51.100.0/24")
        guard_command(pins, "guard", "off", "10.66.0.2:7777")
        guard_command(pins, "list", "add", "block", "203.0.113.0/24")
        stop(pins)
        guard_command(pins, "list", "add", "allow", "203.0.113.7")  # without a daemon, too
        pins.start("--guard", "always", "--block-file", block, "--limit-source", "1000")
        modes = {s: x["mode"] for s, x in figures(pins).items()}
        n.equal("modes", modes, {"10.66.0.2:7777": "off", "[fd66::2]:7777": "always"})
        n.equal("block list", cidrs(pins, "block"), {"192.0.2.0/24": ["file"], "203.0.113.0/24": ["command"]})
        n.equal("allow list", cidrs(pins, "allow"), {"203.0.113.7/32": ["command"]})
        stop(pins)
        pins.start("--guard", "monitor")
        n.equal("modes", {x["mode"] for x in figures(pins).values()}, {"monitor"})
        stop(pins)
        pins.refused(p.PINS, "--pin=" + pins.name, says="with --guard")
        pins.unpin()


def cidrs(pins, which):
    r = n.sh(n.SYNWARD, "list", "show", which, "--json", "--pid", pins.daemons[-1].p.pid)
    return {x["cidr"]: x["from"] for x in map(json.loads, r.stdout.splitlines())}


def unpinned():
    """unpin while engaged, and clients connect all the time: none fails"""
    g = ground()
    with p.Pins(g.b, "srv0") as pins:
        pins.start("--guard", "always")
        stop(pins)
        unpin, failed = None, []
        for i in range(40):
            if i == 20:
                cmd = ["nsenter", f"--net=/run/netns/{g.b}", n.SYNWARD, "unpin", pins.name]
                unpin = subprocess.Popen(cmd)
                n.started.append(unpin)
            try:
                g.talk()
            except (OSError, AssertionError) as e:
                failed.append(repr(e))
        n.equal("exit code", unpin.wait(timeout=20), 0)
        n.equal("failed", failed, [])
        n.equal("hooks", n.hooks_on(g.b, "srv0"), [])


if __name__ == "__main__":
    n.main(flooded, on_their_way, what_was_said, unpinned)
