#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""--pin: a daemon ends, another one continues, and nobody notices: no connection is reset, lost, or logged twice."""
import collections
import fcntl
import json
import os
import re
import signal
import struct
import termios

import kit as n
from kit import guard as k
from kit import pin as p

OUTPUT = 9  # src/base/exit.h
QUICK = ("--close-delay", "0.2", "--interval", "0.5")


def restarts():
    """five restarts and an upgrade while clients connect all the time: each connection lives, and is logged once"""
    a, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        pins.start(*QUICK)
        listener = n.listen(b, "10.66.0.2", 7789)
        long = [n.open_pair(a, listener) for _ in range(20)]
        names = sorted(c.getsockname()[1] for c, _ in long)
        rush = p.rush(a, b)
        try:
            for i in range(6):
                rush.more(1000)
                p.stopped(pins.daemons[-1])
                rush.more(1 + 300 * (i % 3))  # nobody reads the rings meanwhile
                pins.start(*QUICK, binary=p.NEWER if i == 5 else n.SYNWARD)
            rush.more(1000)
            clients = p.stopped_rush(rush)
        finally:
            rush.kill()
        for c, s in long:
            k.speak(c, s)
            k.end(c, s)
        last = pins.daemons[-1]
        p.all_conns(pins, rush.opened + len(names))
        p.stopped(last)
        lines = p.in_a_row(pins)
        p.stories(lines, clients)
        n.equal("those that lasted", sorted(x["orig_port"] for x in lines if x["event"] == "conn" and
                                            x["resp_port"] == 7789), names)
        assert re.search(r"continuing with pinned state '%s' \(synward [0-9.]+, pid \d+\)" % pins.name, last.err()), last.err()
        n.equal("lines for people", len(last.err().splitlines()), 1)
        p.nothing_after(pins)


def kills():
    """kill -9 among clients, three times: nothing is lost, and at most the last lines are logged again"""
    a, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        pins.start(*QUICK)
        rush = p.rush(a, b)
        try:
            for i in range(3):
                rush.more(700 + 111 * i)
                pins.daemons[-1].kill()
                rush.more(200)
                pins.start(*QUICK)
            rush.more(500)
            clients = p.stopped_rush(rush)
        finally:
            rush.kill()
        p.all_conns(pins, rush.opened)
        p.stopped(pins.daemons[-1])
        once_but_for_the_end([d.whole() for d in pins.daemons], clients)
        p.nothing_after(pins)


def once_but_for_the_end(every, clients):
    """After a kill the next daemon goes back in seq by as many lines as it logs again."""
    lines, again = [], 0
    for some in filter(None, every):  # one may have been killed before it logged anything
        last = lines[-1]["seq"] if lines else 0
        if some[0]["seq"] > last + 1:
            raise AssertionError(f"lost: seq {some[0]['seq']} after {last}")
        again += last + 1 - some[0]["seq"]
        n.equal("lost", n.check_seq([{**x, "seq": x["seq"] - some[0]["seq"] + 1} for x in some]), 0)
        lines += some
    print(f"# {again} lines logged again of {len(lines)}", flush=True)
    p.stories(lines, clients, dup_ok=again)
    twice = [u for u, c in collections.Counter(x["uid"] for x in lines if x["event"] == "conn").items() if c > 1]
    if len(twice) > again:
        raise AssertionError(f"{len(twice)} logged twice, and only {again} lines were logged again")


def unread():
    """killed, or stopped by two signals, while its reader sleeps: what it had read and not written is logged by the next"""
    a, b = n.pair()
    for end in (lambda d: d.kill(), patience_ends):
        with p.Pins(b, "srv0") as pins:
            to, fro = p.reader()
            first = pins.start("--close-delay", "0.2", "--events", "conn", stdout=to)
            os.close(to)
            clients = collections.Counter(p.some_clients(a, b, 300))
            n.until(lambda first=first, fro=fro: nothing_new(first) and waiting(fro) > 60000, 20)
            end(first)
            written = p.drain(fro)
            second = pins.start("--close-delay", "0.2", "--events", "conn")
            n.until(lambda second=second: len(second.whole()) >= 300 - written.count(b"\n"), 20)
            p.stopped(second)
            early, late = p.parse(written), second.whole()
            if not early or len(early) > 250:
                raise AssertionError(f"the pipe took {len(early)} lines: not what this is about")
            once_but_for_the_end([early, late], clients)
            pins.unpin()


def nothing_new(sw):
    """The kernel side has logged all 300 conn lines."""
    r = n.sh(n.SYNWARD, "status", "--json", "--pid", sw.p.pid)
    return json.loads(r.stdout)["emitted_conn"] == 300


def waiting(fd):
    """Bytes in a pipe, which holds 64 KiB."""
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]


def patience_ends(sw):
    """The second signal ends the wait for a reader."""
    sw.p.send_signal(signal.SIGTERM)
    n.equal("notification", sw.notified(), "STOPPING=1")
    p.stopped(sw, OUTPUT)
    assert "kept for the next synward" in sw.err(), sw.err()


def no_daemon():
    """nobody reads for long and the rings are small: what did not fit is counted, to the line, by the next daemon"""
    a, b = n.pair()
    small = ("--close-delay", "0.1", "--interval", "0", "--ring", "64k", "--ring-open", "64k")
    with p.Pins(b, "srv0") as pins:
        p.stopped(pins.start(*small))
        clients = collections.Counter(p.some_clients(a, b, 500))
        state = json.loads(pins.command("status", "--json", "--pid", pins.daemons[0].p.pid).stdout)
        n.fields({"event": "status", **state}, running=False, pin=pins.name, flows=500)
        rows = pins.command("flows", "--all", "--json", "--pid", pins.daemons[0].p.pid).stdout.splitlines()
        n.equal("rows of flows", len(rows), 500)
        second = pins.start(*small)
        n.until(lambda: sum(x["event"] == "conn" for x in second.whole()) == 500, 20)
        p.stopped(second)
        p.stopped(pins.start(*small))  # has nothing to say, and no loss a second time
        every = [d.whole() for d in pins.daemons]
        n.equal("lines of the third", [x["event"] for x in every[2]], ["stats"])
        lines = [x for some in every for x in some]
        lost = n.check_seq(lines)
        for kind in ("opening", "established", "closed", "conn"):
            logged = sum(x["event"] == kind for x in lines)
            n.equal(f"{kind}, logged and lost", logged + sum(x[f"lost_{kind}"] for x in lines if x["event"] == "loss"), 500)
        if not lost:
            raise AssertionError("the rings took it all: not what this is about")
        n.equal("lost in all", lines[-1]["lost_total"], lost)
        p.stories(lines, clients)


if __name__ == "__main__":
    n.main(restarts, kills, unread, no_daemon)
