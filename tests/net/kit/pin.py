# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the tests of --pin share: a set of pins that is gone afterwards, daemons that follow each other on it, and
clients that never stop.

    +------- a -------+         +------- b -------+
    | rush(): clients |  veth   | rush(): servers |    synward --pin on srv0: one after the other, and for a while none
    | 10.66.0.1,      o=========o    10.66.0.2    |
    | 10.66.1.1 ...   |         |                 |
    +-----------------+         +-----------------+
"""
import atexit
import collections
import itertools
import json
import os
import pathlib
import re
import time

import kit as n

from .daemon import sized
from .lines import valid
from .traffic import Traffic, end

PINS = 12  # src/base/exit.h
ROOT = pathlib.Path("/sys/fs/bpf/synward")
NEWER = str(n.TOP / "build/tests/newer")
RATE = 1000  # connections a second that are wanted of the clients
names = itertools.count()
left = []


class Pinned(n.Synward):
    """A daemon on pins."""

    def __init__(self, pins, *args, **kw):
        super().__init__(pins.ns, *pins.ifs, args=("--pin=" + pins.name, *args), **kw)

    def whole(self):
        """Its lines; after a kill the last one may be torn. Some are validated, it is slow."""
        raw = pathlib.Path(self.path).read_bytes()
        return parse(raw)


def parse(raw):
    rows = [x for x in raw.splitlines(keepends=True) if x.endswith(b"\n")]
    valid(rows[::101][:300])
    return [json.loads(x) for x in rows]


class Pins:
    """with Pins(ns, iface...) as p: afterwards no daemon, program, map or pin is left."""

    def __init__(self, ns, *ifs, name=None):
        self.ns, self.ifs, self.daemons = ns, ifs, []
        self.name = name or f"test-{os.getpid()}-{next(names)}"
        self.dir = ROOT / self.name

    def __enter__(self):
        left.append(self)
        return self

    def __exit__(self, *_):
        left.remove(self)
        self.clear()

    def clear(self):
        for d in self.daemons:
            if d.p.poll() is None:
                d.kill()
        if self.exists():
            self.unpin(check=False)

    def exists(self):
        return self.dir.exists()

    def start(self, *args, **kw):
        self.daemons.append(Pinned(self, *args, **kw))
        return self.daemons[-1]

    def command(self, *args, check=True):
        return n.sh(n.SYNWARD, *args, ns=self.ns, check=check)

    def refused(self, code, *args, says="", command="run"):
        """A use that must fail, with one line, and change nothing."""
        before = hooks(self)
        if command == "run":
            args = sized((*itertools.chain(*(("-i", i) for i in self.ifs)), *args))
        r = n.sh("timeout", 20, n.SYNWARD, command, *args, ns=self.ns, check=False)
        n.equal(f"exit code of {command} {args}: {r.stderr}", r.returncode, code)
        n.equal(f"lines of {r.stderr!r}", len(r.stderr.splitlines()), 1)
        if says not in r.stderr:
            raise AssertionError(f"it does not say {says!r}: {r.stderr!r}")
        n.equal("programs", hooks(self), before)
        return r

    def unpin(self, check=True):
        return n.sh(n.SYNWARD, "unpin", self.name, ns=self.ns, check=check)

    def maps(self):
        """Ids of all pinned maps."""
        return {f.name: json.loads(n.sh("bpftool", "-j", "map", "show", "pinned", f).stdout)["id"]
                for f in self.dir.iterdir()}


def clear_all():
    for p in list(left):
        p.clear()


atexit.register(clear_all)  # runs before the namespaces go


def hooks(pins):
    """Ids of all programs on the interfaces."""
    out = []
    for i in pins.ifs:
        out += [x for x in n.sh("bpftool", "net", "show", "dev", i, ns=pins.ns).stdout.splitlines() if "id" in x]
    return out


def gone(what, ids):
    def rest():
        return [i for i in ids if n.sh("bpftool", what, "show", "id", i, check=False).returncode == 0]
    n.until(lambda: not rest(), 20)


def rush(a, b, port=7790, addresses=8):
    """RATE new connections a second: two clients, two servers."""
    ips = [f"10.66.1.{i + 1}" for i in range(addresses)]
    n.addr(a, "cli0", *[f"{ip}/16" for ip in ips])
    return Traffic(a, b, port, lanes=(4, 4), talk=False, rate=RATE / 2, sources=ips)


def stopped_rush(traffic):
    """Names of all its clients."""
    opened = traffic.stop()
    print(f"# {opened} connections, {opened / (time.monotonic() - traffic.began):.0f} a second", flush=True)
    return traffic.names()


def all_conns(pins, wanted):
    """Waits until so many connections have a line, from whichever daemon."""
    def logged():
        """a conn line of each connection"""
        lines = b"".join(pathlib.Path(d.path).read_bytes() for d in pins.daemons)
        if lines.count(b'"event":"conn"') < wanted:
            return False
        return len(set(re.findall(rb'"event":"conn".*?"uid":"([^"]+)"', lines))) >= wanted  # a kill has some logged again

    n.until(logged, 20, 0.2)


def stories(lines, clients, dup_ok=0):
    """Each client has exactly one conn line a connection, and a true one. dup_ok: uids that may be logged twice."""
    conns = {}
    for x in lines:
        if x["event"] != "conn" or x["resp_port"] < 7790:
            continue
        if x["uid"] in conns and not dup_ok:
            raise AssertionError(f"logged twice: {x['uid']} {x['orig_ip']}:{x['orig_port']}")
        conns[x["uid"]] = x
    logged = collections.Counter((x["orig_ip"], x["orig_port"]) for x in conns.values())
    n.equal("connections that were logged and not made", list((logged - clients).items())[:5], [])
    n.equal("connections that were made and not logged", list((clients - logged).items())[:5], [])
    for x in conns.values():
        # a packet that no program saw would show as a gap, as a state that lags behind, or as inferred
        n.fields(x, conn_state="SF", orig_state="TIME_WAIT", resp_state="CLOSED", direction_by="syn", inferred=False,
                 orig_gaps=0, resp_gaps=0)
        if x["orig_bytes"] < 10 or x["resp_bytes"] < 20:
            raise AssertionError(f"bytes are missing: {x}")


def stopped(sw, code=0):
    n.equal(f"exit code ({sw.err().strip()})", sw.stop(), code)


def in_a_row(pins):
    """All lines of all daemons: the next one's begin where the last one's ended, and nothing was lost."""
    every = [d.whole() for d in pins.daemons]
    n.equal("lost", n.check_seq([x for some in every for x in some]), 0)
    for some in every:
        n.fields(some[-1], event="stats", final=True, lost_total=0)
    return [x for some in every for x in some]


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
        end(c, s)
    listener.close()


def nothing_after(pins, code=0):
    """unpin: no program, map or pin is left, and the interface carries traffic."""
    maps, progs = pins.maps(), re.findall(r"id (\d+)", "\n".join(hooks(pins)))
    assert maps and progs, (maps, progs)
    n.equal("exit code of unpin", pins.unpin(check=False).returncode, code)
    n.equal("hooks", [n.hooks_on(pins.ns, i) for i in pins.ifs], [[] for _ in pins.ifs])
    n.equal("the directory is there", pins.exists(), False)
    gone("prog", progs)
    gone("map", maps.values())


def reader():
    """A pipe that holds little and that nobody reads until it is asked: (end to write to, end to read from)."""
    r, w = os.pipe()
    return w, r


def drain(r):
    got = bytearray()
    while piece := os.read(r, 1 << 16):
        got += piece
    os.close(r)
    return bytes(got)
