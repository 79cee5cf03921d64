# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A synward watch; and an instance for it that says whatever a test wants."""
import itertools
import json
import os
import pathlib
import queue
import signal
import socket
import struct
import subprocess
import threading
import time

from . import ns as spaces
from .daemon import SYNWARD
from .lines import schema
from .tap import equal
from .wait import PATIENCE, until

numbers = itertools.count()
VALID = schema()[0].validator_of(spaces.TOP / "docs/schema/watch.schema.json")


def is_ours(c):
    """Is it a process of this test's who has come? Other tests look for an instance, too."""
    pid = struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]) == os.getpid()
    except FileNotFoundError:
        return False


class Instance:
    """One that says whatever a test wants. Of a network namespace that is none; others who look for an instance get its
    hello, as from any."""

    def __init__(self, folder=None):
        """folder: one of its own instead of /run/synward, which every user may look into"""
        self.dev = f"wt{os.getpid() % 100000}"
        self.path = pathlib.Path(folder or "/run/synward", "readers", str(os.getpid()))
        self.path.parent.parent.mkdir(mode=0o700, exist_ok=True)
        self.path.parent.mkdir(mode=0o755, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(str(self.path))
        self.s.listen()
        if folder:
            self.path.parent.parent.chmod(0o711)
            self.path.chmod(0o777)
        spaces.endings.append(self.close)
        self.c, self.seq, self.request, self.asked = None, 0, "", queue.Queue()
        self.ways = []  # what the next ones who come get instead: "silent", "no answer", "refusal", "ends"
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        if self.close in spaces.endings:
            spaces.endings.remove(self.close)
            self.s.shutdown(socket.SHUT_RDWR)
            self.s.close()
            self.path.unlink(missing_ok=True)
            if self.c:
                self.c.close()

    def serve(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.greet, args=(c,), daemon=True).start()

    def greet(self, c):
        got = b""
        way = self.ways.pop(0) if self.ways and is_ours(c) else ""
        if way == "silent":
            time.sleep(PATIENCE)
            return
        try:
            if way == "refusal":
                c.sendall(b"error too many readers\n", socket.MSG_NOSIGNAL)
                c.close()
                return
            c.sendall(f"synward-events 1\nversion 0\npid {os.getpid()}\nnetns 1\niface {self.dev}\n"
                      "events conn,guard,drop,loss,stats\n\n".encode(), socket.MSG_NOSIGNAL)  # somebody who only looks is gone
            while not got.endswith(b"\n\n"):
                more = c.recv(4096)
                if not more:
                    return
                got += more
            if way == "no answer":
                time.sleep(PATIENCE)
                return
            if way == "ends":
                c.close()
                return
            c.sendall(b"ok\n", socket.MSG_NOSIGNAL)
        except OSError:
            return
        self.asked.put((c, got.decode()))

    def answer(self):
        self.c, self.request = self.asked.get(timeout=PATIENCE)
        return self

    def say(self, *events):
        rows = []
        for x in events:
            self.seq += 1
            rows.append(json.dumps({"schema": 3, "seq": self.seq, "event": "guard", **x}) + "\n")
        self.c.sendall("".join(rows).encode())


class Watch:
    """synward watch, with a command of a shell."""

    def __init__(self, script, *args, inst=None, sw=None, prefix=(), stdout=None, cmd=None, answer=True, pid=True, fds=(), ns=None, env=None,
                 shell=None):
        """shell: all of it as text, instead"""
        self.dir = pathlib.Path(spaces.tmp.name, f"watch-{next(numbers)}")
        self.dir.mkdir(mode=0o777)
        self.dir.chmod(0o777)
        self.inst = inst
        which = ("--pid", sw.p.pid if sw else os.getpid()) if pid else ("-A", "-i", inst.dev)
        cmd = cmd if cmd is not None else ("--exec", "sh", "--", "-c", script)
        with open(self.dir / "out", "wb") as out, open(self.dir / "err", "wb") as err:
            words = ["bash", "-c", shell] if shell else [*prefix, SYNWARD, "watch", *map(str, (*which, *args, *cmd))]
            self.p = spaces.popen(words, ns, cwd=self.dir,
                             stdout=out if stdout is None else stdout, stderr=err, stdin=subprocess.DEVNULL, pass_fds=fds,
                             env={**os.environ, "SYNWARD_FORGED": "1", "HERE": str(self.dir), **(env or {})})
        spaces.started.append(self.p)
        if inst and answer:
            inst.answer()
        elif sw:
            until(lambda: "watching events of" in self.err() or self.p.poll() is not None)

    def err(self):
        return (self.dir / "err").read_text(errors="replace")

    def text(self, name):
        path = self.dir / name
        return path.read_text(errors="surrogateescape") if path.exists() else ""

    def has(self, name, text):
        until(lambda: self.text(name) == text or self.p.poll() is not None)
        equal(name, self.text(name), text)

    def runs(self, count=None):
        """the lines on standard output, once there are so many"""
        if count is not None:
            until(lambda: self.text("out").count("\n") >= count or self.p.poll() is not None)
        rows = [json.loads(x) for x in self.text("out").splitlines()]
        for x in rows:
            VALID.validate(x)
        if count is not None:
            equal(f"runs ({self.err()})", len(rows), count)
        return rows

    def ended(self, code=0, *says):
        equal(f"exit code ({self.err()})", self.p.wait(timeout=PATIENCE), code)
        for x in says:
            if x not in self.err():
                raise AssertionError(f"it does not say {x!r}: {self.err()!r}")
        return self

    def stop(self, *says, sig=signal.SIGTERM):
        self.p.send_signal(sig)
        return self.ended(0, *says)
