#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""With the guard, lines that cannot be written are lost, counted, and no end: a disk that fills up and then has room
again, a reader that dies, a capture file on a full disk. The guard stays engaged and answers real clients meanwhile.

    +------- a -------+         +------- b -------+
    | clients         |  veth   | servers         |    standard output: a file on a tmpfs of the daemon's own mount
    | 10.66.0.1       o=========o 10.66.0.2       |    namespace, which tests reach by /proc/PID/root, or a pipe
    +-----------------+         | srv0   synward  |
                                +-----------------+
"""
import json
import os
import pathlib
import re
import socket
import tty

import kit as n
from fault_output import more_addresses, rush
from kit import fault as k
from kit import guard as g
from kit import pin as p
from kit.lines import valid

FULL = "mkdir -p /mnt; mount -t tmpfs -o size=300k none /mnt; exec "
WAITING = 8 << 20  # SW_PENDING_HIGH
ARGS = (*k.SMALL, "--close-delay", 0.1, "--interval", 0.5, "--guard", "always")
BEGAN = "warning: standard output: No space left on device: the guard goes on"
GONE = "warning: standard output: the reader is gone: the guard goes on without output"
AGAIN = r"warning: standard output: written again after [0-9.]+ s, (\d+) lines were lost"


class Host:
    """Two namespaces, listeners in one of them, and what is loaded now."""

    def __init__(self):
        self.ledger = k.Ledger()
        self.a, self.b = n.pair()
        more_addresses(self.a)
        self.listeners = [n.listen(self.b, ip, 7777, 64) for ip in ("10.66.0.2", "fd66::2")]
        self.sw = None

    def start(self, *args, **kw):
        self.sw = n.Synward(self.b, "srv0", args=(*ARGS, *args), **kw)
        return self.sw

    def guarded(self):
        """The guard is attached and engaged, and real clients come through its cookies."""
        n.equal("exit code", self.sw.p.poll(), None)
        before = g.services(self.sw)["10.66.0.2:7777"]
        n.equal("state", before["state"], "engaged")
        if not n.xdp_on(self.b, "srv0"):
            raise AssertionError("its XDP program is gone")
        for listener in self.listeners:
            c, s = n.open_pair(self.a, listener)
            g.speak(c, s)
            g.end(c, s)
        after = g.services(self.sw)["10.66.0.2:7777"]
        n.equal("cookies accepted", after["cookies_accepted"], before["cookies_accepted"] + 1)

    def emitted(self):
        return g.counters(self.sw)["events_emitted"]

    def overflow(self):
        """Connections, until their lines are more than may wait for the disk."""
        least = self.emitted() + 2 * WAITING // 1000
        for _ in range(150):
            rush(self.a, self.b, 0.4)
            if self.emitted() > least:
                return
        raise AssertionError(f"only {self.emitted()} events: too few to say anything")

    def ended(self, code, *patterns, hurry=True):
        """hurry: no client is on its way with a cookie; but two signals also end the patience with an output."""
        n.equal(f"exit code ({self.sw.err().strip()})", self.sw.stop(hurry=hurry), code)
        said(self.sw.err(), *patterns)
        k.nothing_on(self.b, "srv0")
        self.ledger.settle()


def said(err, *patterns):
    """stderr has these lines and, before them, what the guard says at its start."""
    rest = [x for x in err.splitlines() if "guard always:" not in x and "own cookies" not in x]
    k.lines_of("\n".join(rest), *patterns)


def inside(sw, path):
    return pathlib.Path(f"/proc/{sw.p.pid}/root{path}")


def resize(sw, size):
    n.sh("nsenter", "-t", sw.p.pid, "-m", "mount", "-o", f"remount,size={size}", "/mnt")


def parsed(raw):
    """Whole lines only, each valid."""
    if raw and not raw.endswith(b"\n"):
        raise AssertionError(f"half a line at the end: {raw[-200:]!r}")
    rows = raw.splitlines(keepends=True)
    valid(rows[::53])
    return [json.loads(x) for x in rows]


def add_up(lines, warned=None):
    """Lines written and lost are all that there were; of each kind, too, as the kernel's side has counted."""
    gaps = n.check_seq(lines)
    final = lines[-1]
    n.fields(final, event="stats", final=True, lost_total=gaps)
    n.equal("written and lost", len(lines) + gaps, final["seq"])
    if warned is not None:
        n.equal("lost, as the warning says", warned + final["half_open_evicted"], gaps)  # those are reported at the end
    lost = {}
    for x in lines:
        if x["event"] == "loss":
            n.equal("sum of its kinds", sum(v for key, v in x.items() if key.startswith("lost_")), x["lost"])
            for key, value in x.items():
                if key.startswith("lost_"):
                    lost[key] = lost.get(key, 0) + value
    for kind in ("opening", "established", "closed", "conn"):
        logged = sum(x["event"] == kind for x in lines)
        evicted = final["half_open_evicted"] if kind == "conn" else 0
        n.equal(f"{kind}, logged and lost", logged + lost.get(f"lost_{kind}", 0),
                final[f"emitted_{kind}"] + final[f"lost_{kind}"] + evicted)
    return gaps


def full_disk():
    """a disk that is full, then nearly so, then has room: guarded all the while, whole lines, each loss counted"""
    h = Host()
    sw = h.start(script=FULL + ">>/mnt/lines")
    rush(h.a, h.b, 0.2)
    k.wait_log(sw, BEGAN)
    h.guarded()
    h.overflow()
    h.guarded()
    resize(sw, "700k")  # some lines more, to the middle of one
    n.until(lambda: inside(sw, "/mnt/lines").stat().st_size > 600 << 10)
    h.guarded()
    resize(sw, "64m")
    k.wait_log(sw, AGAIN)
    h.guarded()
    lost = int(re.search(AGAIN, sw.err())[1])
    lines_at = inside(sw, "/mnt/lines")
    kept = os.open(lines_at, os.O_RDONLY)
    h.ended(k.OK, BEGAN, AGAIN)
    with open(kept, "rb") as f:
        gaps = add_up(parsed(f.read()), lost)
    if not gaps:
        raise AssertionError("nothing was lost: the test says nothing")
    print(f"# {gaps} lines lost", flush=True)


def emptied():
    """the file is emptied to make room, twice: each time it begins with a whole line, and the numbers go on"""
    h = Host()
    sw = h.start(script=FULL + ">>/mnt/lines")
    rush(h.a, h.b, 0.2)
    k.wait_log(sw, BEGAN)
    lines_at = inside(sw, "/mnt/lines")
    parts = []
    for size in ("300k", "64m"):
        raw = lines_at.read_bytes()
        parts.append(raw[:raw.rindex(b"\n") + 1])  # half a line was cut off with the file, and comes again
        os.truncate(lines_at, 0)
        resize(sw, size)
        n.until(lambda: lines_at.stat().st_size > 200 << 10, 20)
        h.guarded()
    k.wait_log(sw, AGAIN)
    kept = os.open(lines_at, os.O_RDONLY)
    h.ended(k.OK, BEGAN, AGAIN)
    with open(kept, "rb") as f:
        parts.append(f.read())
    add_up([x for raw in parts for x in parsed(raw)])


def full_to_the_end():
    """a disk that stays full: guarded, and at the end exit 9 with what was lost"""
    h = Host()
    sw = h.start(script=FULL + ">>/mnt/lines")
    rush(h.a, h.b, 0.2)
    k.wait_log(sw, BEGAN)
    h.guarded()
    h.ended(k.OUTPUT, BEGAN, r"standard output: \d+ bytes of lines that waited and \d+ more lines are lost",
            "standard output: No space left on device", hurry=False)


def terminal():
    """Nobody's controlling terminal."""
    master, slave = os.openpty()
    tty.setraw(slave)
    return master, slave


def reader_gone():
    """a reader that dies while clients come, of a pipe, a socket, a terminal, and of standard error with it: guarded"""
    h = Host()
    for make in (os.pipe, lambda: [s.detach() for s in socket.socketpair()], terminal):
        for both in (False, True):
            r, w = make()
            sw = h.start(stdout=w, stderr=w if both else None)
            os.close(w)
            rush(h.a, h.b, 0.2)
            if not os.read(r, 1):
                raise AssertionError("no lines")
            os.close(r)
            h.overflow()
            h.guarded()
            if both:
                n.equal("exit code", sw.stop(hurry=True), k.OK)
                k.nothing_on(h.b, "srv0")
                h.ledger.settle()
            else:
                k.wait_log(sw, GONE)
                h.ended(k.OK, GONE, r"standard output: \d+ bytes of lines that waited and [1-9]\d* more lines are lost")


def next_reader():
    """a named pipe whose reader dies, and then another one comes: it gets the lines that waited, and the losses"""
    h = Host()
    path = os.path.join(n.tmp.name, "lines")
    os.mkfifo(path)
    r = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    w = os.open(path, os.O_WRONLY)
    sw = h.start(stdout=w)
    os.close(w)
    rush(h.a, h.b, 0.2)
    n.until(lambda: p.parse(os.read(r, 1 << 20)))
    os.close(r)
    k.wait_log(sw, GONE)
    h.overflow()
    h.guarded()
    got = os.path.join(n.tmp.name, "got")
    with open(got, "wb") as out:
        reader = n.popen(["cat", path], stdout=out)
        n.started.append(reader)
    k.wait_log(sw, AGAIN)
    h.guarded()
    h.ended(k.OK, GONE, AGAIN)
    n.equal("the reader", reader.wait(timeout=n.PATIENCE), 0)
    rows = pathlib.Path(got).read_bytes().splitlines(keepends=True)
    if not rows[0].startswith(b'{"schema"'):  # of what its predecessor had left in the pipe
        rows.pop(0)
    lines = parsed(b"".join(rows))
    first = lines[0]["seq"]
    lost = n.check_seq([{**x, "seq": x["seq"] - first + 1} for x in lines])
    said_so = int(re.search(AGAIN, sw.err())[1]) + lines[-1]["half_open_evicted"]  # the flood's, reported at the end
    n.equal("lost", (lost, lines[-1]["lost_total"]), (said_so, said_so))
    if not lost:
        raise AssertionError("nothing was lost: the test says nothing")


def pinned():
    """--pin on a disk that stays full: it ends, and the next one logs how many lines were lost; no gap in the guard"""
    h = Host()
    with p.Pins(h.b, "srv0") as pins:
        first = h.sw = pins.start(*ARGS, script=FULL + ">>/mnt/lines")
        rush(h.a, h.b, 0.2)
        k.wait_log(first, BEGAN)
        h.overflow()
        h.guarded()
        kept = os.open(inside(first, "/mnt/lines"), os.O_RDONLY)
        n.equal("exit code", first.stop(), k.OUTPUT)
        said(first.err(), BEGAN, r"standard output: \d+ bytes of lines that waited and [1-9]\d* more lines are lost, "
             "which the next synward logs", "standard output: No space left on device")
        second = h.sw = pins.start(*ARGS)
        h.guarded()
        n.until(lambda: not g.counters(second)["flows"], 20)  # each has its conn record
        p.stopped(second)
        with open(kept, "rb") as f:
            raw = f.read()
        early, late = parsed(raw[:raw.rindex(b"\n") + 1]), second.whole()
        n.equal("lost before", n.check_seq(early), 0)
        loss = n.one([x for x in late if x["event"] == "loss"], "loss line")
        n.equal("lost in all", late[-1]["lost_total"], loss["lost"])
        base = late[0]["seq"] - 1 - (loss["lost"] if late[0] is loss else 0)
        twice = len(early) - base  # written after the last checkpoint, and counted as lost
        if twice < 0:
            raise AssertionError(f"seq goes on after {base}, and only {len(early)} lines were written")
        for kind in ("established", "closed", "conn"):
            there = sum(x["event"] == kind for x in early + late)
            all_of_it = late[-1][f"emitted_{kind}"] + late[-1][f"lost_{kind}"]
            n.at_least(f"{kind}, logged and lost", there + loss[f"lost_{kind}"], all_of_it)
            n.at_most(f"{kind}, logged and lost", there + loss[f"lost_{kind}"], all_of_it + twice)
        pins.unpin()


def capture():
    """the capture file on a full disk that then has room: one warning each, guarded, and frames are written again"""
    h = Host()
    sw = h.start("--block", "10.66.1.4/32", "--capture", "/mnt/frames",
                 script="mkdir -p /mnt; mount -t tmpfs -o size=16k none /mnt")
    began = r"warning: /mnt/frames: No space left on device: dropped frames are not written"
    again = r"warning: /mnt/frames: written again after [0-9.]+ s, [1-9]\d* frames were lost"

    def knock():
        """SYNs of a blocked source, of which each CPU captures at most 100 a second."""
        s = n.tcp(h.a)
        s.setblocking(False)
        s.bind(("10.66.1.4", 0))
        s.connect_ex(("10.66.0.2", 7777))
        s.close()

    def spoke(what):
        def knocked():
            """a warning, while frames are dropped"""
            for _ in range(10):
                knock()
            return re.search(what, sw.err())
        n.until(knocked, 20)

    spoke(began)
    h.guarded()
    resize(sw, "8m")
    spoke(again)
    h.guarded()
    frames = os.open(inside(sw, "/mnt/frames"), os.O_RDONLY)
    h.ended(k.OK, began, again)
    r = n.sh("tshark", "-r", f"/proc/{os.getpid()}/fd/{frames}", "-Y", 'frame.comment contains "blocked"',
             "-T", "fields", "-e", "ip.src")
    n.equal("sources of the frames", set(r.stdout.split()), {"10.66.1.4"})


if __name__ == "__main__":
    n.main(full_disk, emptied, full_to_the_end, reader_gone, next_reader, pinned, capture)
