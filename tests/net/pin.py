#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""--pin: a daemon ends, another one goes on, and nobody notices: no connection is reset, lost, or told twice."""
import collections
import json
import os
import re
import signal
import stat
import time

import guardkit as k
import netns as n
import pinkit as p

USAGE, RUNNING, OUTPUT = 2, 7, 9  # src/exit.h
QUICK = ("--linger", "0.2", "--interval", "0.5")


def stopped(sw, code=0):
    n.equal(f"exit code ({sw.err().strip()})", sw.stop(), code)


def in_a_row(pins):
    """All lines of all daemons: the next one's begin where the last one's ended, and nothing was lost."""
    every = [d.whole() for d in pins.daemons]
    n.equal("lost", n.check_seq([x for some in every for x in some]), 0)
    for some in every:
        n.fields(some[-1], event="stats", final=True, lost_total=0)
    return [x for some in every for x in some]


def nothing_after(pins, code=0):
    """unpin: no program, map or pin is left, and the interface carries traffic."""
    maps, progs = pins.maps(), re.findall(r"id (\d+)", "\n".join(p.hooks(pins)))
    assert maps and progs, (maps, progs)
    n.equal("exit code of unpin", pins.unpin(check=False).returncode, code)
    n.equal("hooks", [n.hooks_on(pins.ns, i) for i in pins.ifs], [[] for _ in pins.ifs])
    n.equal("the directory is there", pins.exists(), False)
    p.gone("prog", progs)
    p.gone("map", maps.values())


def restarts():
    """five restarts and an upgrade while clients connect all the time: each connection lives, and is told once"""
    a, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        pins.start(*QUICK)
        listener = n.listen(b, "10.66.0.2", 7789)
        long = [n.open_pair(a, listener) for _ in range(20)]
        names = sorted(c.getsockname()[1] for c, _ in long)
        rush = p.Rush(a, b)
        try:
            for i in range(6):
                rush.more(1000)
                stopped(pins.daemons[-1])
                rush.more(1 + 300 * (i % 3))  # nobody reads the rings meanwhile
                pins.start(*QUICK, binary=p.NEWER if i == 5 else n.SYNWARD)
            rush.more(1000)
            clients = rush.stop()
        finally:
            rush.end()
        for c, s in long:
            k.speak(c, s)
            k.end(c, s)
        last = pins.daemons[-1]
        for name in names:
            last.wait_for(lambda x, name=name: x["event"] == "conn" and x["orig_port"] == name and
                          x["resp_port"] == 7789)
        time.sleep(1.5)  # for those that linger
        stopped(last)
        lines = in_a_row(pins)
        p.stories(lines, clients)
        n.equal("those that lasted", sorted(x["orig_port"] for x in lines if x["event"] == "conn" and
                                            x["resp_port"] == 7789), names)
        assert re.search(r"goes on from the pins '%s' \(synward [0-9.]+, pid \d+\)" % pins.name, last.err()), last.err()
        n.equal("lines for people", len(last.err().splitlines()), 1)
        nothing_after(pins)


def kills():
    """kill -9 among clients, three times: nothing is lost, and at most the last lines are told again"""
    a, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        pins.start(*QUICK)
        rush = p.Rush(a, b)
        try:
            for i in range(3):
                rush.more(700 + 111 * i)
                pins.daemons[-1].kill()
                rush.more(200)
                pins.start(*QUICK)
            rush.more(500)
            clients = rush.stop()
        finally:
            rush.end()
        time.sleep(1.5)
        stopped(pins.daemons[-1])
        once_but_for_the_end([d.whole() for d in pins.daemons], clients)
        nothing_after(pins)


def once_but_for_the_end(every, clients):
    """After a kill the next daemon goes back in seq by as many lines as it tells again."""
    lines, again = [], 0
    for some in every:
        last = lines[-1]["seq"] if lines else 0
        if some[0]["seq"] > last + 1:
            raise AssertionError(f"lost: seq {some[0]['seq']} after {last}")
        again += last + 1 - some[0]["seq"]
        n.equal("lost", n.check_seq([{**x, "seq": x["seq"] - some[0]["seq"] + 1} for x in some]), 0)
        lines += some
    print(f"# {again} lines told again of {len(lines)}", flush=True)
    p.stories(lines, clients, dup_ok=again)
    twice = [u for u, c in collections.Counter(x["uid"] for x in lines if x["event"] == "conn").items() if c > 1]
    if len(twice) > again:
        raise AssertionError(f"{len(twice)} told twice, and only {again} lines were told again")


def unread():
    """killed, or told twice to stop, while its reader sleeps: what it had read and not written is told by the next"""
    a, b = n.pair()
    for end in (lambda d: d.kill(), patience_ends):
        with p.Pins(b, "srv0") as pins:
            to, fro = p.reader()
            first = pins.start("--linger", "0.2", "--events", "conn", stdout=to)
            os.close(to)
            clients = collections.Counter(some_clients(a, b, 300))
            k.until(lambda first=first: nothing_new(first), 20)
            end(first)
            written = p.drain(fro)
            second = pins.start("--linger", "0.2", "--events", "conn")
            k.until(lambda second=second: len(second.whole()) >= 300 - written.count(b"\n"), 20)
            stopped(second)
            early, late = p.parse(written), second.whole()
            if not early or len(early) > 250:
                raise AssertionError(f"the pipe took {len(early)} lines: not what this is about")
            once_but_for_the_end([early, late], clients)
            pins.unpin()


def nothing_new(sw):
    """The kernel side has told all 300 conn lines."""
    r = n.sh(n.SYNWARD, "status", "--json", "--pid", sw.p.pid)
    return json.loads(r.stdout)["told_conn"] == 300


def patience_ends(sw):
    """The second signal ends the wait for a reader."""
    sw.p.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    stopped(sw, OUTPUT)
    assert "left to the next synward" in sw.err(), sw.err()


def some_clients(a, b, count, port=7790):
    """Short connections, one after the other: their names."""
    listener = n.listen(b, "10.66.0.2", port)
    for _ in range(count):
        c, s = n.open_pair(a, listener)
        c.sendall(b"0123456789")
        n.read_n(s, 10)
        s.sendall(b"abcdefghijklmnopqrst")
        n.read_n(c, 20)
        yield c.getsockname()
        k.end(c, s)
    listener.close()


def no_daemon():
    """nobody reads for long and the rings are small: what did not fit is counted, to the line, by the next daemon"""
    a, b = n.pair()
    small = ("--linger", "0.1", "--interval", "0", "--ring", "64k", "--ring-open", "64k")
    with p.Pins(b, "srv0") as pins:
        stopped(pins.start(*small))
        clients = collections.Counter(some_clients(a, b, 500))
        state = json.loads(pins.command("status", "--json", "--pid", pins.daemons[0].p.pid).stdout)
        n.fields({"event": "status", **state}, running=False, pin=pins.name, flows=500)
        rows = pins.command("flows", "--all", "--json", "--pid", pins.daemons[0].p.pid).stdout.splitlines()
        n.equal("rows of flows", len(rows), 500)
        second = pins.start(*small)
        k.until(lambda: sum(x["event"] == "conn" for x in second.whole()) == 500, 20)
        stopped(second)
        every = [d.whole() for d in pins.daemons]
        lines = [x for some in every for x in some]
        lost = n.check_seq(lines)
        for kind in ("opening", "established", "closed", "conn"):
            told = sum(x["event"] == kind for x in lines)
            n.equal(f"{kind}, told and lost", told + sum(x[f"lost_{kind}"] for x in lines if x["event"] == "loss"), 500)
        if not lost:
            raise AssertionError("the rings took it all: not what this is about")
        n.equal("lost in all", lines[-1]["lost_total"], lost)
        p.stories(lines, clients)


def misfits():
    """pins that do not fit: one line that says why, exit 12, nothing touched, and the right one goes on"""
    a, b = n.pair()
    n.veth(a, "cli1", b, "srv1")
    with p.Pins(b, "srv0") as pins:
        first = pins.start()
        name = "--pin=" + pins.name
        n.equal("mode of the directory", stat.S_IMODE(pins.dir.stat().st_mode), 0o700)
        n.equal("mode of its parent", stat.S_IMODE(p.ROOT.stat().st_mode), 0o700)
        for f in pins.dir.iterdir():
            n.equal(f"mode and owner of {f.name}", (stat.S_IMODE(f.stat().st_mode), f.stat().st_uid), (0o600, 0))
        pins.refused(RUNNING, name, says="already runs")
        pins.refused(RUNNING, pins.name, command="unpin", says=str(first.p.pid))
        stopped(first)
        before = p.hooks(pins)
        pins.refused(p.PINS, says=f"synward unpin {pins.name}")
        pins.refused(p.PINS, name + "x", says=pins.name)
        pins.refused(p.PINS, name, "--flows", 1000, says="--flows")
        pins.refused(p.PINS, name, "--ring", "1M", says="--ring")
        pins.refused(p.PINS, name, "--guard", "auto", says="without --guard")
        pins.refused(p.PINS, name, "-i", "srv1", says="srv1")
        pins.refused(p.PINS, name, "--mode", "generic", says="native")
        pins.refused(USAGE, name, "--flush", says="--flush")
        pins.refused(USAGE, "--pin=a.b", says="a.b")
        pins.refused(p.PINS, "nobody-has-this", command="unpin", says="no pins")
        elsewhere = p.Pins(a, "cli0")
        elsewhere.refused(p.PINS, name, says="namespace")
        elsewhere.refused(p.PINS, pins.name, command="unpin", says="namespace")
        for at, what in ((0, "version"), (4, "version"), (LAYOUT, "records look different")):
            with_other_bytes(pins, at, lambda what=what: pins.refused(p.PINS, name, says=what))
        (pins.dir / "handshakes").rename(pins.dir / "elsewhere")
        pins.refused(p.PINS, name, says="handshakes")
        (pins.dir / "elsewhere").rename(pins.dir / "handshakes")
        n.equal("programs", p.hooks(pins), before)
        clients = collections.Counter(some_clients(a, b, 5))
        second = pins.start("--linger", "0.1")
        k.until(lambda: sum(x["event"] == "conn" for x in second.whole()) == 5)
        stopped(second)
        p.stories(in_a_row(pins), clients)
        with_other_bytes(pins, 0, lambda: nothing_after(pins))  # any version removes any other's


LAYOUT = 4 + 4 + 32 + 8 + 4 + 4 + 64 * 24  # of struct sw_pinned, src/pin.h


def with_other_bytes(pins, at, do):
    """Something in the pins' own record is another for a while."""
    path = pins.dir / "daemon"
    hexes = json.loads(n.sh("bpftool", "-j", "map", "dump", "pinned", path).stdout)[0]["value"]
    was = hexes[at]

    def put(byte):
        hexes[at] = byte
        n.sh("bpftool", "map", "update", "pinned", path, "key", "hex", "0", "0", "0", "0", "value", "hex",
             *[h[2:] for h in hexes])
    put("0x%02x" % (int(was, 16) ^ 1))
    do()
    if pins.exists():
        put(was)


def new_ground():
    """the interface goes and comes while nobody runs: the next daemon attaches to it again, and its state goes on"""
    a, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        stopped(pins.start("--linger", "0.1"))
        early = collections.Counter(some_clients(a, b, 3))
        n.sh("ip", "link", "del", "srv0", ns=b)
        n.veth(a, "cli0", b, "srv0")
        n.addr(a, "cli0", "10.66.0.1/16")
        n.addr(b, "srv0", "10.66.0.2/16")
        n.warm(a, "10.66.0.2")
        second = pins.start("--linger", "0.1")
        k.until(lambda: n.xdp_on(b, "srv0"))
        late = collections.Counter(some_clients(a, b, 3, 7791))
        k.until(lambda: sum(x["event"] == "conn" for x in second.whole()) >= 6)
        stopped(second)
        p.stories(in_a_row(pins), early + late)
        n.sh("ip", "link", "set", "dev", "srv0", "xdp", "off", ns=b)  # somebody else's hand
        third = pins.start("--linger", "0.1")
        k.until(lambda: n.xdp_on(b, "srv0"))
        stopped(third)
        nothing_after(pins)


def no_place():
    """no BPF file system, or a read-only one: one line, exit 12, nothing attached; one that can be mounted is"""
    _, b = n.pair()
    run = f"nsenter --net=/run/netns/{b} {n.SYNWARD} run -i srv0 --pin=nowhere --duration 0.5"
    for how, says in (("mount -o remount,bind,ro /sys/fs/bpf", "read-only"),
                      ("umount -l -a -t bpf", "mount namespace")):
        r = n.sh("unshare", "-m", "sh", "-c", f"mount --bind /sys/fs/bpf /sys/fs/bpf; {how} && exec {run}", check=False)
        n.equal(f"exit code after '{how}' ({r.stderr})", r.returncode, p.PINS)
        n.equal("lines", len(r.stderr.splitlines()), 1)
        assert says in r.stderr, r.stderr
        n.equal("hooks", n.hooks_on(b, "srv0"), [])
    r = n.sh("unshare", "-m", "-p", "-f", "--mount-proc", "sh", "-c",
             f"umount -l -a -t bpf && {run} && ls /sys/fs/bpf/synward/nowhere && "
             f"nsenter --net=/run/netns/{b} {n.SYNWARD} unpin", check=False)
    n.equal(f"exit code where it can be mounted ({r.stderr})", r.returncode, 0)
    assert "mounted the BPF file system" in r.stderr and "flows\n" in r.stdout, (r.stderr, r.stdout)
    n.equal("hooks", n.hooks_on(b, "srv0"), [])


if __name__ == "__main__":
    n.main(restarts, kills, unread, no_daemon, misfits, new_ground, no_place)
