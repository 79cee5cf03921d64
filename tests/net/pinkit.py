# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the tests of --pin share: a set of pins that is gone afterwards, daemons that follow each other on it, and
clients that never stop.

    +------- a -------+         +------- b -------+
    | Rush: clients   |  veth   | Rush: servers   |    synward --pin on srv0: one after the other, and for a while none
    | 10.66.0.1,      o=========o    10.66.0.2    |
    | 10.66.1.1 ...   |         |                 |
    +-----------------+         +-----------------+
"""
import collections
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import guardkit as k
import netns as n

PINS = 12  # src/exit.h
ROOT = pathlib.Path("/sys/fs/bpf/synward")
NEWER = str(n.TOP / "build/tests/newer")
RATE = 1000  # connections a second that are wanted of the clients
names = itertools.count()
left = []


class Pinned(n.Synward):
    """A daemon on pins. ready() waits until it has taken them over."""

    def __init__(self, pins, *args, binary=n.SYNWARD, **kw):
        self.pins, self.before = pins, pins.exists()
        old, n.SYNWARD = n.SYNWARD, binary
        try:
            super().__init__(pins.ns, *pins.ifs, args=("--pin=" + pins.name, *args), **kw)
        finally:
            n.SYNWARD = old

    def ready(self):
        def there():
            if self.before:
                return "goes on from the pins" in self.err()
            return self.pins.exists() and all(n.xdp_on(self.ns, i) for i in self.ifs) and settled(self)
        k.until(lambda: self.p.poll() is not None or there(), 60)  # starts wait for each other
        if self.p.poll() is not None:
            raise RuntimeError(f"synward ended at start, exit {self.p.returncode}: {self.err()}")

    def kill(self):
        self.p.kill()
        self.p.wait()

    def whole(self):
        """Its lines; after a kill the last one may be torn. Some are validated, it is slow."""
        raw = pathlib.Path(self.path).read_bytes()
        return parse(raw)


def settled(sw):
    """Its file names the attached program only once all hooks are in their places."""
    return re.search(r"prog_ingress=[1-9]", sw.instance())


def parse(raw):
    rows = [x for x in raw.splitlines(keepends=True) if x.endswith(b"\n")]
    r = subprocess.run([str(n.TOP / "tests/schema_check")], input=b"".join(rows[::101][:300]), capture_output=True,
                       check=False)
    n.equal("schema_check: " + (r.stdout + r.stderr).decode(errors="replace")[:400], r.returncode, 0)
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
            args = (*itertools.chain(*(("-i", i) for i in self.ifs)), *args)
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


n.atexit.register(clear_all)  # runs before the namespaces go


def hooks(pins):
    """Ids of all programs on the interfaces."""
    out = []
    for i in pins.ifs:
        out += [x for x in n.sh("bpftool", "net", "show", "dev", i, ns=pins.ns).stdout.splitlines() if "id" in x]
    return out


def gone(what, ids):
    def rest():
        return [i for i in ids if n.sh("bpftool", what, "show", "id", i, check=False).returncode == 0]
    k.until(lambda: not rest(), 20)


def serve(listener):
    """One connection after the other, for ever: ten bytes in, twenty out."""
    while True:
        s = listener.accept()[0]
        try:
            n.read_n(s, 10)
            s.sendall(b"abcdefghijklmnopqrst")
            while s.recv(100):
                pass
        except (OSError, RuntimeError):
            pass  # the client tells
        s.close()


def call(a, listener, ips, path, stop_at):
    """Clients at RATE / 2 until the file `stop_at` is there; a row for each: address, port, what went wrong."""
    host, began = listener.getsockname(), time.monotonic()
    with open(path, "w", encoding="ascii") as out:
        for i in itertools.count():
            if not i % 50 and os.path.exists(stop_at):
                return
            name, wrong = ("-", 0), ""
            try:
                c = n.connect(a, host[0], host[1], ips[i % len(ips)])
                name = c.getsockname()
                c.sendall(b"0123456789")
                n.read_n(c, 20)
                c.close()
            except (OSError, RuntimeError) as e:
                wrong = repr(e)
            out.write(f"{name[0]} {name[1]} {wrong}\n")
            out.flush()
            ahead = began + i / (RATE / 2) - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)


class Rush:
    """Real connections all the time, from processes of their own: two clients, two servers."""

    def __init__(self, a, b, port=7790, addresses=8):
        self.stop_at = os.path.join(n.tmp.name, f"stop-{port}-{next(names)}")
        self.paths, self.pids, self.began = [], [], time.monotonic()
        ips = [f"10.66.1.{i + 1}" for i in range(addresses)]
        n.addr(a, "cli0", *[f"{ip}/16" for ip in ips])
        for w in range(2):
            listener = n.listen(b, "10.66.0.2", port + w, 4096)
            listener.settimeout(None)
            self.paths.append(f"{self.stop_at}-{w}")
            self.fork(serve, listener)
            self.fork(call, a, listener, ips[w::2], self.paths[-1], self.stop_at)
            listener.close()

    def fork(self, fn, *args):
        pid = os.fork()
        if pid:
            self.pids.append(pid)
            return
        n.libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(sig, signal.SIG_DFL)
        try:
            fn(*args)
        finally:
            os._exit(0)

    def count(self):
        return sum(pathlib.Path(p).read_bytes().count(b"\n") for p in self.paths if os.path.exists(p))

    def more(self, count):
        """Waits until so many more were served."""
        want = self.count() + count
        k.until(lambda: self.count() >= want, 120)

    def stop(self):
        """Names of all clients; fails if one did not get through."""
        took = time.monotonic() - self.began
        pathlib.Path(self.stop_at).touch()
        for pid in self.pids[1::2]:
            os.waitpid(pid, 0)
        self.end()
        rows = [x.split(" ", 2) for p in self.paths for x in pathlib.Path(p).read_text(encoding="ascii").splitlines()]
        wrong = [x for x in rows if x[2]]
        n.equal("connections that failed", wrong[:5], [])
        print(f"# {len(rows)} connections, {len(rows) / took:.0f} a second", flush=True)
        found = collections.Counter((x[0], int(x[1])) for x in rows)
        return found

    def end(self):
        for pid in self.pids[0::2]:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def stories(lines, clients, dup_ok=0):
    """Each client has exactly one conn line a connection, and a true one. dup_ok: uids that may be told twice."""
    conns = {}
    for x in lines:
        if x["event"] != "conn" or x["resp_port"] < 7790:
            continue
        if x["uid"] in conns and not dup_ok:
            raise AssertionError(f"told twice: {x['uid']} {x['orig_ip']}:{x['orig_port']}")
        conns[x["uid"]] = x
    told = collections.Counter((x["orig_ip"], x["orig_port"]) for x in conns.values())
    n.equal("connections that were told and not made", list((told - clients).items())[:5], [])
    n.equal("connections that were made and not told", list((clients - told).items())[:5], [])
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
        k.end(c, s)
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
