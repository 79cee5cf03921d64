#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""--format zeek and ecs of a running synward: files that are rotated and moved, readers, losses, and the commands of
docs/formats.md.

    +------- a -------+         +------- b -------+
    | clients         |  veth   | servers         |
    | 10.66.0.1       o=========o 10.66.0.2       |
    +-----------------+         | srv0   synward  |---- /run/synward/readers/PID ---> synward events
                                +-----------------+
"""
import fcntl
import importlib.machinery
import importlib.util
import itertools
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs  # noqa: E402  pylint: disable=wrong-import-position
from kit import fault as k  # noqa: E402  pylint: disable=wrong-import-position
from kit.lines import schema  # noqa: E402  pylint: disable=wrong-import-position
import readme  # noqa: E402  pylint: disable=wrong-import-position

ARGS = ("--close-delay", 0.05)
OLD = r"\.\d{8}T\d{6}\.\d{3}Z"
numbers = itertools.count()
loader = importlib.machinery.SourceFileLoader("formats", str(n.TOP / "tests/corpus/formats"))
sys.path.append(str(n.TOP / "tests/corpus"))
formats = importlib.util.module_from_spec(importlib.util.spec_from_loader("formats", loader))
loader.exec_module(formats)


class Host:
    """Two namespaces, a listener, and a directory for files."""

    def __init__(self):
        self.a, self.b = n.pair()
        self.listener = n.listen(self.b, "10.66.0.2", 7777)
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=n.tmp.name))
        self.file = self.dir / "conn.log"
        self.ports = []

    def start(self, *args, **kw):
        return n.Synward(self.b, "srv0", args=(*ARGS, *args), full=False, **kw)

    def zeek(self, *args, **kw):
        return self.start("--format", "zeek", "--output", self.file, *args, **kw)

    def talk(self, count=1):
        for _ in range(count):
            c, s = n.open_pair(self.a, self.listener)
            self.ports.append(c.getsockname()[1])
            c.sendall(b"through")
            n.read_n(s, 7)
            c.close()
            n.equal("the client's end", s.recv(1), b"")
            s.close()

    def old(self):
        return sorted(x for x in self.dir.iterdir() if re.fullmatch(re.escape(self.file.name) + OLD, x.name))


class Reader:
    """synward events, in a file."""

    def __init__(self, sw, *args, ns=None):
        self.path = pathlib.Path(n.tmp.name) / f"reader-{next(numbers)}"
        which = ("--pid", sw.p.pid) if sw else ("--follow", "-i", "srv0")
        with self.path.open("wb") as out, self.path.with_suffix(".err").open("wb") as err:
            self.p = n.popen([n.SYNWARD, "events", *(str(x) for x in (*which, *args))], ns, stdout=out, stderr=err,
                             stdin=subprocess.DEVNULL)
        n.started.append(self.p)
        if sw:
            self.reads()

    def err(self):
        return self.path.with_suffix(".err").read_text()

    def reads(self, times=1):
        n.until(lambda: self.err().count("reading events of") >= times or self.p.poll() is not None)
        n.equal(f"has ended ({self.err()})", self.p.poll(), None)

    def ended(self):
        n.equal(f"exit code ({self.err()})", self.p.wait(timeout=n.PATIENCE), 0)
        return self

    def text(self):
        return self.path.read_text()


def log(text, closes, heads=1):
    """The rows of a log, with so many headers and last lines, which is what it ends with."""
    n.equal("headers", text.count("#separator"), heads)
    n.equal("last lines", text.count("#close\t"), closes)
    rows, fields, closed = formats.cut(text)
    n.equal("fields", fields, formats.FIELDS)
    n.equal("closed", closed, bool(closes))
    return rows


def ports(rows):
    return sorted(int(x["id.orig_p"]) for x in rows)


def rows_in(path, count):
    def there():
        """so many rows are in the file"""
        return path.exists() and sum(not x.startswith("#") for x in path.read_text().splitlines()) >= count

    n.until(there)


def stopped(sw, code=0):
    n.equal(f"exit code ({sw.err()})", sw.stop(), code)


def zeek_file():
    """a row for each connection, a header before, #close after the end; standard output gets nothing"""
    h = Host()
    sw = h.zeek()
    n.equal("before the first row", h.file.read_text(), "")
    h.talk(3)
    rows_in(h.file, 3)
    log(h.file.read_text(), 0)
    stopped(sw)
    rows = log(h.file.read_text(), 1)
    n.equal("ports", ports(rows), sorted(h.ports))
    for row in rows:
        want = {"id.orig_h": "10.66.0.1", "id.resp_h": "10.66.0.2", "id.resp_p": "7777", "proto": "tcp", "conn_state": "SF",
                "orig_bytes": "7", "resp_bytes": "0", "missed_bytes": "0", "service": "-", "ip_proto": "6"}
        n.equal("row", {key: row[key] for key in want}, want)
    n.equal("standard output", pathlib.Path(sw.path).read_bytes(), b"")


def rotated():
    """each file that is left has its header and its #close, no file is too large, each connection is in one"""
    h = Host()
    sw = h.zeek("--rotate-size", 2000)
    h.talk(60)
    stopped(sw)
    files = [*h.old(), h.file]
    n.at_least("files", len(files), 5)
    rows = []
    for path in files:
        n.at_most(f"bytes of {path.name}", path.stat().st_size, 2000)
        rows += log(path.read_text(), 1)
        n.at_least(f"rows of {path.name}", len(formats.cut(path.read_text())[0]), 1)
    n.equal("ports", ports(rows), sorted(h.ports))


def moved():
    """reopen: the file that was moved is closed, the next one has a header; one that was emptied begins anew"""
    h = Host()
    sw = h.zeek()
    h.talk(2)
    rows_in(h.file, 2)
    away = h.dir / "away"
    h.file.rename(away)
    n.equal("reopen", k.run(["reopen", "-p", sw.p.pid]).returncode, 0)
    n.equal("ports", ports(log(away.read_text(), 1)), sorted(h.ports[:2]))
    h.talk(2)
    rows_in(h.file, 2)
    os.truncate(h.file, 0)
    h.talk(2)
    stopped(sw)
    n.equal("ports", ports(log(h.file.read_text(), 1)), sorted(h.ports[4:]))


def killed():
    """after kill -9 there is no #close; what the next one appends is another log, and half a row is removed"""
    h = Host()
    sw = h.zeek()
    h.talk(2)
    rows_in(h.file, 2)
    sw.kill()
    log(h.file.read_text(), 0)
    with h.file.open("a") as file:
        file.write("1700000000.11")
    sw = h.zeek()
    h.talk()
    stopped(sw)
    n.equal("ports", ports(log(h.file.read_text(), 1, heads=2)), sorted(h.ports))


def readers():
    """events: a header and a #close of its own, by signal, by --count and at the end; others read all events beside it"""
    h = Host()
    sw = h.zeek("--events", "all,-stats")
    whole, counted, signalled = (Reader(sw, "--format", "zeek", *x) for x in ((), ("--count", 2), ("--dst", "10.66.0.2")))
    nothing, other = Reader(sw, "--format", "zeek", "--port", 1), Reader(sw, "--format", "json", "--events", "opening,conn")
    h.talk(3)
    rows_in(signalled.path, 3)
    signalled.p.send_signal(signal.SIGTERM)
    signalled.ended()
    counted.ended()
    h.talk()
    stopped(sw)
    for reader, want in ((whole, 4), (counted, 2), (signalled, 3)):
        n.equal("rows", len(log(reader.ended().text(), 1)), want)
        n.equal("standard error", len(reader.err().splitlines()), 1)
    n.equal("ports", ports(log(whole.text(), 1)), sorted(h.ports))
    n.equal("no row", nothing.ended().text(), "")
    n.equal("rows of both", log(whole.text(), 1), log(h.file.read_text(), 1))
    n.equal("others", sorted(json.loads(x)["event"] for x in other.ended().text().splitlines()), ["conn"] * 4 + ["opening"] * 4)


def reader_of_killed():
    """events: no #close behind one that was killed; with --follow one header for all, and #close at a signal"""
    h = Host()
    sw = h.start("--output", "none")
    one, follows = Reader(sw, "--format", "zeek"), Reader(None, "--format", "zeek", ns=h.b)
    follows.reads()
    h.talk(2)
    for reader in (one, follows):
        rows_in(reader.path, 2)
    sw.kill()
    n.equal("ports", ports(log(one.ended().text(), 0)), sorted(h.ports))
    for reader in (one, follows):
        n.until(lambda r=reader: "has ended without saying so: rows may be missing" in r.err())
    sw = h.start("--output", "none")
    follows.reads(2)
    h.talk()
    rows_in(follows.path, 3)
    follows.p.send_signal(signal.SIGINT)
    n.equal("ports", ports(log(follows.ended().text(), 1)), sorted(h.ports))
    stopped(sw)


class Slow:
    """synward events --format zeek into a pipe of a page, which is read when the test says so."""

    def __init__(self, sw, *args):
        self.r, w = os.pipe()
        fcntl.fcntl(self.r, fcntl.F_SETPIPE_SZ, 4096)
        self.p = n.popen([n.SYNWARD, "events", "--pid", str(sw.p.pid), "--format", "zeek", *(str(x) for x in args)], stdout=w,
                         stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        n.started.append(self.p)
        self.w = w
        n.equal("it reads", b"reading events of" in self.p.stderr.readline(), True)
        self.got = b""

    def read(self, size):
        got = os.read(self.r, size)
        self.got += got
        return got

    def full(self):
        """the reader can write nothing more"""
        return not select.select([], [self.w], [], 0)[1]

    def rest(self):
        os.close(self.w)
        while self.read(1000):
            pass
        os.close(self.r)
        n.equal("exit code", self.p.wait(timeout=n.PATIENCE), 0)
        return self.got.decode()


def slow_reader():
    """events: #close also comes to a reader that is slow, at the end and by --count; at a signal never behind half a row"""
    h = Host()
    sw = h.start("--output", "none")
    whole, counted, signalled = Slow(sw), Slow(sw, "--count", 30), [Slow(sw) for _ in range(8)]
    h.talk(60)
    n.until(lambda: all(x.full() for x in (whole, counted, *signalled)))
    for i, reader in enumerate(signalled):
        reader.read(100 + 500 * i)
        reader.p.send_signal(signal.SIGTERM)
        text = reader.rest()
        n.equal(f"the end of {text[-300:]!r}", "#close" in text and not re.search(r"\n#close\t\S+\n$", text), False)
    n.equal("rows", len(log(counted.rest(), 1)), 30)
    sw.p.send_signal(signal.SIGTERM)
    n.equal("rows", len(log(whole.rest(), 1)), 60)
    stopped(sw)


def losses():
    """what has no row is said on standard error, by run and by events, and the sum at the end is right"""
    h = Host()
    sw = h.zeek("--max-half-open", 256, "--syn-cache", 256, "--log-open-at-exit")
    reader, lines = Reader(sw, "--format", "zeek"), Reader(sw, "--events", "conn,loss")
    mac = json.loads(n.sh("ip", "-j", "link", "show", "srv0", ns=h.b).stdout)[0]["address"]
    n.sh(n.TOP / "build/tests/tool_flood", "cli0", mac, "10.66.0.2", 7777, 5000, 5000, ns=h.a)
    stopped(sw)
    lines = [json.loads(x) for x in lines.ended().text().splitlines()]
    want = sum(x["lost_conn"] for x in lines if x["event"] == "loss")
    n.at_least("lost", want, 1000)
    for err, text in ((sw.err(), h.file.read_text()), (reader.ended().err(), reader.text())):
        rows, lost = log(text, 1), re.findall(r"(\d+) connections were lost in all, and have no row", err)
        n.equal(f"said ({err})", (err.count("connections are lost"), len(lost)), (1, 1))
        n.equal("lost", int(lost[0]), want)
        n.equal("rows", len(rows), sum(x["event"] == "conn" for x in lines))


def refused():
    """without conn among the events zeek's format is a usage error, of run and of events"""
    a, _ = n.pair()
    for args in (("run", "-i", "cli0"), ("events",)):
        for events in ("none", "loss,stats"):
            r = k.run([*args, "--format", "zeek", "--events", events], a)
            n.equal(f"{args} {events}", (r.returncode, r.stdout), (2, ""))
            n.equal("why", "conn lines" in r.stderr, True)
    r = k.run(["flows", "--format", "zeek"], a)
    n.equal("flows", r.returncode, 2)


def guard_note():
    """with the guard it is said where its lines are"""
    h = Host()
    sw = h.zeek("--guard", "monitor")
    n.equal("said", "has connections only" in sw.err(), True)
    h.talk()
    stopped(sw)
    n.equal("rows", len(log(h.file.read_text(), 1)), 1)


SERVER = r"""
import ctypes, socket
ctypes.CDLL(None).prctl(15, b'"},\x01\n\xff{x', 0, 0, 0)
s = socket.socket()
s.bind(("10.66.0.2", 7778))
s.listen()
print("ready", flush=True)
c = s.accept()[0]
while c.recv(100):
    pass
input()
"""


def ecs():
    """documents: numbered, valid, of both directions, with the process whatever its name; a reader has its own numbers"""
    module, _ = schema()
    h = Host()
    server = n.popen([sys.executable, "-c", SERVER], h.b, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    n.started.append(server)
    n.equal("server", server.stdout.readline(), b"ready\n")
    sw = h.start("--format", "ecs", "--owner", "process", "--output", h.file)
    reader = Reader(sw, "--format", "ecs", "--events", "established,conn,loss", "--port", 7778)
    c = n.connect(h.a, "10.66.0.2", 7778)
    c.sendall(b"hello")

    def known():
        """its process has been found"""
        return '"established"' in h.file.read_text()

    n.until(known)
    c.close()
    h.talk(2)
    n.until(lambda: h.file.read_text().count('"action":"conn"') >= 2)
    server.stdin.write(b"\n")
    server.stdin.flush()
    server.wait(timeout=n.PATIENCE)
    n.until(lambda: h.file.read_text().count('"action":"conn"') >= 3)
    stopped(sw)
    reader.ended()
    for path in (h.file, reader.path):
        rows = path.read_bytes().splitlines(keepends=True)
        n.equal("schema_check", (module.check(module.Ecs(), rows)[1] or "")[:600], "")
        n.equal("numbers", [json.loads(x)["event"]["sequence"] for x in rows],
                list(range(1, len(rows) + 1)))
    read = [json.loads(x) for x in reader.text().splitlines()]
    n.equal("of the reader", [x["event"]["action"] for x in read], ["established", "conn"])
    conn = read[1]
    n.equal("direction", conn["network"]["direction"], "ingress")
    n.equal("destination", (conn["destination"]["ip"], conn["destination"]["port"]), ("10.66.0.2", 7778))
    n.equal("interface", conn["observer"]["ingress"]["interface"]["name"], "srv0")
    n.equal("process", (conn["process"]["pid"], conn["process"]["name"]), (server.pid, '"},\x01\n\ufffd{x'))
    n.equal("of its end", (conn["synward"]["resp_pid"], conn["synward"]["resp_comm"]), (server.pid, conn["process"]["name"]))
    n.equal("outcome", conn["event"]["outcome"], "success")
    last = json.loads(h.file.read_text().splitlines()[-1])
    n.equal("last", (last["event"]["action"], last["synward"]["final"]), ("stats", True))


def documented():
    """every command of docs/formats.md, as it is there"""
    blocks = [x for x in docs.blocks(n.TOP / "docs/formats.md") if x.info == "sh"]
    n.equal("blocks", len(blocks), 4)
    for block in blocks:
        readme.of_block(block)()


if __name__ == "__main__":
    n.main(zeek_file, rotated, moved, killed, readers, slow_reader, reader_of_killed, losses, refused, guard_note, ecs, documented)
