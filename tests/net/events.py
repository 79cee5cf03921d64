#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""More than one reader: `synward events` beside the standard output of `run`.

    synward in b  ---- standard output ----> a file, nobody, or a pipe that nobody reads
         |
    /run/synward/readers/PID  ---> synward events, in whatever network namespace, as root or another user
"""
import collections
import fcntl
import grp
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import termios
import time

import kit as n
from kit import bulk
from kit import guard as k
from kit import pin as p
from kit.lines import valid

OK, USAGE, PRIVILEGE, NOT_RUNNING = 0, 2, 3, 11
NOBODY = 65534
numbers = itertools.count()


class Reader:
    """synward events, its lines in a file."""

    def __init__(self, sw, *args, ns=None, prefix=(), wait=True):
        self.path = os.path.join(n.tmp.name, f"events-{next(numbers)}")
        which = ("--pid", sw.p.pid) if sw else ()
        with open(self.path, "wb") as out, open(self.path + ".err", "wb") as err:
            self.p = n.popen([*prefix, n.SYNWARD, "events", *(str(x) for x in (*which, *args))], ns, stdout=out,
                             stderr=err, stdin=subprocess.DEVNULL)
        n.started.append(self.p)
        if wait:
            self.reads()

    def err(self):
        return pathlib.Path(self.path + ".err").read_text(errors="replace")

    def reads(self, times=1):
        def there():
            """it has been admitted"""
            return self.err().count("reading events of") >= times or self.p.poll() is not None

        n.until(there)
        n.equal(f"has ended ({self.err()})", self.p.poll(), None)

    def ended(self, code=OK, says=None):
        n.equal(f"exit code ({self.err()})", self.p.wait(timeout=n.PATIENCE), code)
        if says and says not in self.err():
            raise AssertionError(f"it does not say {says!r}: {self.err()!r}")
        return self

    def raw(self):
        return pathlib.Path(self.path).read_bytes()

    def lines(self):
        """Of many only some are validated against the schema, it is slow."""
        rows = self.raw().splitlines(keepends=True)
        assert not rows or rows[-1].endswith(b"\n"), "the last line is not whole"
        valid(rows if len(rows) < 500 else rows[::101][:300] + rows[-1:])
        return [json.loads(x) for x in rows]


def events(lines):
    """Of what is no figure of the instance, all but the number."""
    return [{k: v for k, v in x.items() if k != "seq"} for x in lines if x["event"] not in ("stats", "loss")]


def short(lines):
    return [(x["event"], x.get("uid")) for x in lines]


def same(reader, want, lost=0):
    """Each of these lines, in their order, with numbers of its own; the lost ones add up."""
    lines = reader.lines()
    n.equal("lost", n.check_seq(lines), lost)
    got = events(lines)
    if got != want:
        n.equal("lines", len(got), len(want))
        n.equal("first that differs", *next((g, w) for g, w in zip(got, want) if g != w))
    n.fields(lines[-1], event="stats", final=True, lost_total=0)


def stopped(sw, code=0):
    n.equal(f"exit code ({sw.err().strip()})", sw.stop(), code)
    for word in ("seccomp", "not permitted", "denied"):
        assert word not in sw.err(), sw.err()
    assert not os.path.exists(f"/run/synward/readers/{sw.p.pid}"), "the socket stayed"


def ten():
    """ten readers, one of them stopped, 1,000 connections a second: nine have every line, the tenth's lines and losses add
    up"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--interval", 1))
    readers = [Reader(sw) for _ in range(10)]
    slow = readers[-1]
    slow.p.send_signal(signal.SIGSTOP)
    traffic = p.rush(a, b)
    traffic.more(5000)
    slow.p.send_signal(signal.SIGCONT)
    traffic.more(2000)
    p.stopped_rush(traffic)
    n.settled(a, b)
    stopped(sw)
    lines = p.parse(pathlib.Path(sw.path).read_bytes())
    n.equal("lost on standard output", n.check_seq(lines), 0)
    want = events(lines)
    for r in readers[:-1]:
        same(r.ended(), want)
    mine = slow.ended().lines()
    logged, lost = bulk.counted(mine)
    print(f"# {len(want)} lines, the stopped one has {sum(lost.values())} lost", flush=True)
    n.at_least("lost", sum(lost.values()), 1000)
    n.at_least("loss lines", logged["loss"], 1)
    for kind, count in collections.Counter(x["event"] for x in want).items():
        n.equal(f"{kind}, with the lost ones", logged[kind] + lost[kind], count)
    n.fields(mine[-1], event="stats", final=True, lost_total=sum(lost.values()))


def hanging_stdout():
    """a standard output that nobody reads holds up no reader of the socket; what is beyond 64 MB is its own loss"""
    a, b = n.pair()
    w, r = p.reader()
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--ring", "4M", "--ring-open", "1M"), stdout=w)
    os.close(w)
    one = Reader(sw)
    names = []
    listener = n.listen(b, "10.66.0.2", 7777, 4096)
    ips = bulk.sources(a, 4)

    while len(names) < 16000:  # 77 MB of lines
        names += bulk.connections(a, listener, ips, 1000)
        n.until(lambda: one.raw().count(b'"event":"conn"') >= len(names), n.PATIENCE)
    sw.p.send_signal(signal.SIGTERM)
    one.ended()
    lines = one.lines()
    n.equal("lost to the reader", n.check_seq(lines), 0)
    bulk.real_ones(lines, names)
    n.equal("synward has ended", sw.p.poll(), None)  # it waits for standard output
    rows = p.parse(p.drain(r))
    n.equal(f"exit code ({sw.err()})", sw.p.wait(timeout=n.PATIENCE), 0)
    lost = n.check_seq(rows)
    print(f"# {len(rows)} lines on standard output, {lost} lost", flush=True)
    n.at_least("lost", lost, 1000)
    n.equal("lines and losses of standard output", len(events(rows)) + lost, len(events(lines)))


def pinned_stdout():
    """--pin: records whose lines a standard output does not take fill no ring, so a reader of the socket loses nothing"""
    a, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        w, r = p.reader()
        sw = pins.start("--close-delay", 0.1, "--ring", "4M", "--ring-open", "1M", "--interval", 0, stdout=w)
        os.close(w)
        one = Reader(sw, "--events", "conn,loss,stats")
        listener = n.listen(b, "10.66.0.2", 7777, 4096)
        ips = bulk.sources(a, 8)
        opened = 0
        while opened < 6000:  # 12 MB of records
            opened += len(bulk.connections(a, listener, ips, 500))
            n.until(lambda: one.raw().count(b'"event":"conn"') >= opened, n.PATIENCE)
        sw.p.send_signal(signal.SIGTERM)
        one.ended()
        n.equal("lost to the reader", n.check_seq(one.lines()), 0)
        rows = [json.loads(x) for x in p.drain(r).splitlines()]
        n.equal(f"exit code ({sw.err()})", sw.p.wait(timeout=n.PATIENCE), 0)
        n.equal("conn lines of standard output", sum(x["event"] == "conn" for x in rows), opened)
        n.equal("lost", n.check_seq(rows), 0)


def none():
    """--output none: nothing on standard output, everything at the socket; a stats line is asked for like others"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("-o", "none", "--close-delay", 0.1, "--interval", 0.2))
    every, count = Reader(sw), Reader(sw, "--count", 2)
    last = Reader(sw, "--port", 7777, "--events", "conn", "--count", 5)  # after which nothing comes
    names = bulk.connections(a, n.listen(b, "10.66.0.2", 7777), ["10.66.0.1"], 5)
    count.ended()
    n.equal("lines", len(count.lines()), 2)
    last.ended()
    n.equal("lines of the last one", len(last.lines()), 5)
    n.settled(a, b)
    stopped(sw)
    n.equal("standard output", sw.lines(), [])
    bulk.real_ones(every.ended().lines(), names)


def filters():
    """each reader has its own filter: by port, address, uid, event, outcome; numbers without gaps"""
    a, b = n.pair()
    n.addr(a, "cli0", "10.66.1.1/16")
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--interval", 0.2))
    all_of = Reader(sw)
    wanted = {
        "port": (Reader(sw, "--port", "7778-7779"), lambda x: x["resp_port"] == 7778),
        "not": (Reader(sw, "--not-port", "7778"), lambda x: x["resp_port"] != 7778),
        "src": (Reader(sw, "--src", "10.66.1.0/24"), lambda x: x["orig_ip"] == "10.66.1.1"),
        "event": (Reader(sw, "--events", "conn"), lambda x: x["event"] == "conn"),
        "outcome": (Reader(sw, "--outcome", "refused"), lambda x: x["reason"] == "refused"),
        "state": (Reader(sw, "--state", "SF", "--events", "conn"), lambda x: x["event"] == "conn" and x["conn_state"] == "SF"),
        "bytes": (Reader(sw, "--min-bytes", 400), lambda x: x["orig_ip_bytes"] + x["resp_ip_bytes"] >= 400),
    }
    listener, other = n.listen(b, "10.66.0.2", 7777), n.listen(b, "10.66.0.2", 7778)
    long, far = n.open_pair(a, listener)
    opening = sw.wait_for(lambda x: x["event"] == "established")
    of_one = Reader(sw, "--uid", opening["uid"])
    bulk.connections(a, listener, ["10.66.1.1"], 3)
    bulk.connections(a, other, ["10.66.0.1"], 3)
    with n.Inside(a), socket.socket() as s:
        n.equal("port 9", s.connect_ex(("10.66.0.2", 9)) != 0, True)
    p.end(long, far)
    n.settled(a, b)
    stopped(sw)
    lines = all_of.ended().lines()
    want = events(lines)
    n.equal("all", short(want), short(events(sw.lines())))
    assert {"stats"} < {x["event"] for x in lines}
    for name, (reader, fits) in wanted.items():
        mine = reader.ended().lines()
        n.equal(f"{name}: lost", n.check_seq(mine), 0)
        n.equal(name, short(events(mine)), short(x for x in want if fits(x)))
        n.equal(f"{name}: other lines", {x["event"] for x in mine} & {"stats", "loss"}, set())
        n.at_least(name, len(mine), 1)
    n.equal("of one connection", [x["event"] for x in of_one.ended().lines()],
            [x["event"] for x in want if x["uid"] == opening["uid"] and x["event"] not in ("opening", "established")])


def guarded():
    """the guard's lines, too: drops by address, states and services to whoever asks for no connection"""
    g = k.Ground("--interval", 0.2)
    every, some = Reader(g.sw), Reader(g.sw, "--src", k.PEER[4], "--events", "drop")
    none_of = Reader(g.sw, "--src", "192.0.2.0/24", "--events", "drop,loss")
    g.talk()
    peer = k.Peer(g)
    peer.say("R")
    n.until(lambda: b'"event":"drop"' in some.raw())
    k.guard(g.sw, "off")
    n.until(lambda: b'"event":"guard"' in every.raw())
    g.finish()
    lines = every.ended().lines()
    n.equal("lost", n.check_seq(lines), 0)
    n.equal("lines", short(events(lines)), short(events(g.sw.lines()))[-len(events(lines)):])
    assert {"guard", "drop", "service", "stats", "conn"} <= {x["event"] for x in lines}, {x["event"] for x in lines}
    for x in some.ended().lines():
        n.fields(x, event="drop", src_ip=k.PEER[4])
    n.equal("of another address", none_of.ended().lines(), [])


def text():
    """--format text: the same lines for people"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--format", "text", "--summary=off", "--close-delay", 0.1))
    one, other = Reader(sw, "--format", "text"), Reader(sw)
    bulk.connections(a, n.listen(b, "10.66.0.2", 7777), ["10.66.0.1"], 3)
    n.settled(a, b)
    stopped(sw)
    n.equal("text", one.ended().raw(), pathlib.Path(sw.path).read_bytes())
    n.at_least("JSON lines", len(other.ended().lines()), 12)


def as_user(group=None):
    return ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY),
            *(("--groups", str(group)) if group else ("--clear-groups",)))


def no_more_than():
    """--count counts no heading; what the instance's own --events leaves out no reader gets; a signal ends stuck output"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--events", "established", "--interval", 0.1))
    first, every = Reader(sw, "--format", "text", "--count", 1), Reader(sw)
    r, w = os.pipe()
    with open(os.path.join(n.tmp.name, "stuck.err"), "wb") as err:
        stuck = n.popen([n.SYNWARD, "events", "--pid", str(sw.p.pid)], stdout=w, stderr=err, stdin=subprocess.DEVNULL)
    n.started.append(stuck)
    os.close(w)
    n.until(lambda: "reading events of" in pathlib.Path(err.name).read_text())
    room = fcntl.fcntl(r, fcntl.F_SETPIPE_SZ, 4096)
    listener = n.listen(b, "10.66.0.2", 7777)
    bulk.connections(a, listener, ["10.66.0.1"], 300)
    said = first.ended().raw().splitlines()
    n.equal("heading, one line", (len(said), said[0][:2], b"established" in said[1]), (2, b"# ", True))

    def waiting():
        """bytes in the pipe"""
        return int.from_bytes(fcntl.ioctl(r, termios.FIONREAD, bytes(4)), sys.byteorder)

    n.until(lambda: waiting() > room // 2)
    n.until(lambda: pathlib.Path(f"/proc/{stuck.pid}/stat").read_text().split()[2] == "S")
    stuck.send_signal(signal.SIGTERM)
    n.equal("exit code of the stuck one", stuck.wait(timeout=n.PATIENCE), OK)
    os.close(r)
    stopped(sw)
    n.equal("events", {x["event"] for x in every.ended().lines()}, {"established"})


def rights():
    """another user is refused in a clear line; of --socket-group he reads, and cannot look into or lock /run/synward"""
    group = grp.getgrnam("daemon")
    _, b = n.pair()
    there = pathlib.Path("/run/synward")
    alone = n.Synward(b, "srv0")
    for prefix in (as_user(), as_user(group.gr_gid)):
        Reader(alone, prefix=prefix, wait=False).ended(PRIVILEGE, "events needs root, or the group that")
    n.equal("mode", oct(os.stat(f"/run/synward/readers/{alone.p.pid}").st_mode & 0o777), "0o600")
    stopped(alone)
    sw = n.Synward(b, "srv0", args=("--socket-group", "daemon"))
    at = os.stat(f"/run/synward/readers/{sw.p.pid}")
    n.equal("mode and group", (oct(at.st_mode & 0o777), at.st_gid), ("0o660", group.gr_gid))
    Reader(sw, prefix=as_user(), wait=False).ended(PRIVILEGE, "events needs root, or the group that")
    member = Reader(sw, prefix=as_user(group.gr_gid))
    for what in (("ls", there), ("flock", "-n", there, "true"), ("cat", there / f"{sw.p.pid}.instance")):
        assert n.run([*as_user(group.gr_gid), *map(str, what)]).returncode, what
    stopped(sw)
    member.ended()
    r = n.sh(n.SYNWARD, "run", "-i", "srv0", "--socket-group", "no-such-group", ns=b, check=False)
    n.equal("exit code", r.returncode, USAGE)
    there.chmod(0o700)


def elsewhere():
    """an instance in another network namespace, by its interface; several are listed, and one is chosen"""
    _, b = n.pair()
    n.sh("ip", "link", "set", "srv0", "name", f"ev{os.getpid()}", ns=b)
    n.veth(b, "dummy7", b, "dummy8")
    sw, other = n.Synward(b, f"ev{os.getpid()}"), n.Synward(b, "dummy7")
    one = Reader(None, "--interface", f"ev{os.getpid()}", "--all-namespaces")
    Reader(None, "--interface", f"ev{os.getpid()}", wait=False).ended(NOT_RUNNING, "elsewhere: --all-namespaces")
    r = n.sh(n.SYNWARD, "events", ns=b, check=False)
    n.equal("exit code", r.returncode, USAGE)
    for x in (sw, other):
        assert f"pid {x.p.pid} ({x.ifs[0]}; netns " in r.stderr, r.stderr
    other.kill()
    assert os.path.exists(f"/run/synward/readers/{other.p.pid}")
    here = Reader(None, ns=b)  # the dead one's socket counts for nothing
    Reader(other, wait=False).ended(NOT_RUNNING, f"no synward with pid {other.p.pid} is running")
    Reader(None, "--interface", "no-such-one", wait=False).ended(NOT_RUNNING, "no synward is running on 'no-such-one'")
    again = n.Synward(b, "dummy7")
    assert not os.path.exists(f"/run/synward/readers/{other.p.pid}"), "the dead one's socket stayed"
    for x in (again, sw):
        stopped(x)
    one.ended()
    here.ended()


def killed_and_silent():
    """readers that are killed in the midst, say nothing, or nonsense: the others and standard output have every line"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1))
    good, victims = Reader(sw), [Reader(sw) for _ in range(3)]
    path = f"/run/synward/readers/{sw.p.pid}"

    def connected():
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.settimeout(n.PATIENCE)
        hello = b""
        while not hello.endswith(b"\n\n"):
            hello += s.recv(4096)
        return s

    silent = [connected() for _ in range(5)]
    traffic = p.rush(a, b)
    for v in victims:
        v.p.send_signal(signal.SIGSTOP)
        traffic.more(200)
        v.p.kill()
    for bad, says in ((b"GET / HTTP/1.1\n\n", b"error that is not a request"), (b"synward-events 1\nport x\n\n", b"error 'x' is not"),
                      (b"synward-events 1\nbogus 1\n\n", b"error 'bogus'"), (b"\0" * 70000, b"")):
        s = connected()
        try:
            s.sendall(bad)
            n.equal(f"answer to {bad[:30]}", s.recv(1000)[:len(says)], says)
        except (BrokenPipeError, ConnectionResetError):
            n.equal("answer", says, b"")
        s.close()
    for s in silent:  # after a few seconds
        n.equal("end of one that says nothing", s.recv(10), b"")
    p.stopped_rush(traffic)
    n.settled(a, b)
    stopped(sw)
    same(good.ended(), events(sw.lines()))


def too_many():
    """64 readers, the last places for root's: further ones get a message, and nobody loses his"""
    _, b = n.pair()
    sw = n.Synward(b, "srv0")
    first = Reader(sw)
    socks = []
    for _ in range(70):
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"/run/synward/readers/{sw.p.pid}")
        s.settimeout(n.PATIENCE)
        socks.append((s, s.recv(4096)))
    refused = [x for _, x in socks if x.startswith(b"error it has as many")]
    n.equal("refused", len(refused), 70 - 63)
    Reader(sw, wait=False).ended(1, "as many readers as it takes")
    for s, _ in socks:
        s.close()
    again = Reader(sw)
    stopped(sw)
    first.ended()
    again.ended()


def too_many_of_one():
    """16 readers of one user of the group: a further one gets a message, root still reads"""
    _, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--socket-group", "daemon"))
    user = as_user(grp.getgrnam("daemon").gr_gid)
    try:
        readers = [Reader(sw, prefix=user) for _ in range(16)]
        Reader(sw, prefix=user, wait=False).ended(1, "as many readers as it takes of one user")
        readers += [Reader(sw), Reader(sw)]
        readers.pop(0).p.kill()

        def a_place_is_free():
            """of the one that was killed"""
            one = Reader(sw, prefix=user, wait=False)
            n.until(lambda: "reading events of" in one.err() or one.p.poll() is not None)
            if one.p.poll() is None:
                readers.append(one)
            return one.p.poll() is None

        n.until(a_place_is_free)
    finally:
        pathlib.Path("/run/synward").chmod(0o700)
    stopped(sw)
    for r in readers:
        r.ended()


def ends():
    """a reader whose own reader has gone ends with 0, at once; so does one that gets a signal, and one of a killed synward"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--interval", 0))
    r = n.popen(["sh", "-c", f"{n.SYNWARD} events --pid {sw.p.pid} 2>/dev/null | head -n 1; exit 0"], stdout=subprocess.PIPE)
    n.started.append(r)
    signalled, last = Reader(sw), Reader(sw)
    listener = n.listen(b, "10.66.0.2", 7777)
    seen = []
    while not seen:  # it is admitted sometime
        bulk.connections(a, listener, ["10.66.0.1"], 1)
        time.sleep(0.1)  # between two looks
        seen = [x for x in [r.poll()] if x is not None]
    n.equal("exit code", r.returncode, 0)
    n.equal("lines", r.stdout.read().count(b"\n"), 1)
    signalled.p.send_signal(signal.SIGINT)
    signalled.ended()
    sw.kill()
    last.ended().lines()


def follow():
    """--follow goes on with the next process; with --pin all lines of the time in which it reads are there"""
    a, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        one = Reader(None, "--follow", "--interface", "srv0", ns=b, wait=False)
        n.until(lambda: "waiting for one" in one.err())
        traffic = p.rush(a, b)
        for turn in range(3):
            sw = pins.start("--close-delay", 0.1)
            one.reads(turn + 1)
            traffic.more(300)
            p.stopped(sw)
        p.stopped_rush(traffic)
        n.until(lambda: one.err().count("waiting for the next one") == 3, evidence=one.err)
        one.p.send_signal(signal.SIGTERM)
        one.ended()
        lines, parts = one.lines(), []
        for x in lines:
            if x["seq"] == 1:
                parts.append([])
            parts[-1].append(x)
        n.equal("processes", len(parts), 3)
        for mine, sw in zip(parts, pins.daemons):
            n.equal("lost", n.check_seq(mine), 0)
            want = [json.dumps(x) for x in events(sw.whole())]
            got = [json.dumps(x) for x in events(mine)]
            n.equal("its lines are the last ones of the process", got, want[len(want) - len(got):])
            n.fields(mine[-1], event="stats", final=True)


n.main(ten, hanging_stdout, pinned_stdout, none, filters, guarded, text, no_more_than, rights, elsewhere, killed_and_silent, too_many,
       too_many_of_one, ends, follow)
