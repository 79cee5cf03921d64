# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A running `synward run`. That it is ready it says itself, by READY=1 on a notification socket (sd_notify(3)), which it
sends when all its programs are attached and its instance file is whole."""
import itertools
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

from . import ns
from .lines import summary, valid
from .wait import SLOW, until

SYNWARD = os.environ.get("SW_TEST_SYNWARD", str(ns.TOP / "build/synward"))  # another: built to be watched or measured
# Tables for as many as a test makes: a start then takes a third of the time that it takes with the defaults.
SIZES = {"--max-flows": 8192, "--max-half-open": 8192, "--syn-cache": 8192}
numbers = itertools.count()


def sized(args):
    """Options of `run`, with SIZES of those tables that they say nothing about."""
    return (*args, *itertools.chain(*(x for x in SIZES.items() if x[0] not in args)))


class Synward:
    """Its lines go to a file, or where the test says.

    script: what a shell prepares before it, in a mount namespace of its own; prefix: a command that executes it.
    service=False: no notification socket, for what only one does that is no service; then its file says that it is ready.
    sizes=False: the tables' sizes are the defaults, or what args say.
    full: every line of a connection has every key.
    SW_TEST_GUARD=always runs those that say nothing about the guard with it, in that mode."""

    def __init__(self, where, *ifs, args=(), stdout=None, stderr=None, script="", prefix=(), env=None, binary=None,
                 service=True, wait=True, sizes=True, full=True):
        mode = os.environ.get("SW_TEST_GUARD")
        if mode and "--guard" not in args:
            args = (*args, "--guard", mode)
        if sizes:
            args = sized(args)
        if "--guard" in args and "generic" not in args:
            for i in ifs:
                ns.take_replies(where, i)
        self.ns, self.ifs, self.is_ready = where, ifs, False
        self.path = os.path.join(ns.tmp.name, f"out-{next(numbers)}")
        self.err_path = self.path + ".err"
        self.notifications = self.listen() if service else None
        cmd = []
        if script:
            cmd += ["unshare", "-m", "sh", "-ec", script + '\nexec "$@"', "sh"]
        cmd += [*prefix, binary or SYNWARD, "run"]
        if full:
            cmd.append("--full-events")
        for i in ifs:
            cmd += ["-i", i]
        if "SW_TEST_SYNWARD" in os.environ:
            cmd.append("--no-sandbox")  # sanitizers and coverage write files and call what synward may not
        env = {**os.environ, **(env or {})}
        if service:
            env["NOTIFY_SOCKET"] = self.notifications.getsockname()
        with open(self.path, "wb") as out, open(self.err_path, "wb") as err:
            self.p = ns.popen(cmd + [str(a) for a in args], where, stdout=out if stdout is None else stdout,
                              stderr=err if stderr is None else stderr, stdin=subprocess.DEVNULL, env=env)
        self.p.notifications = self.notifications  # open as long as the process may write to it
        ns.started.append(self.p)
        if wait:
            self.ready()

    def listen(self):
        """By path, which is the same in every network namespace."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(self.path + ".notify")
        return s

    def notified(self, timeout=60):
        """The next notification; raises if it ends, or if nothing comes."""
        poll = select.poll()
        ended = os.pidfd_open(self.p.pid) if self.p.poll() is None else -1
        try:
            poll.register(self.notifications, select.POLLIN)
            if ended >= 0:
                poll.register(ended, select.POLLIN)
            ready = [fd for fd, _ in poll.poll(timeout * SLOW * 1000 if ended >= 0 else 0)]
        finally:
            if ended >= 0:
                os.close(ended)
        if self.notifications.fileno() in ready:
            return self.notifications.recv(100).decode()
        if ended < 0 or ready:
            raise RuntimeError(f"synward ended, exit {self.p.wait()}: {self.err()}")
        raise RuntimeError(f"synward says nothing to its service manager: {self.err()}")

    def ready(self, timeout=60):
        if self.notifications:
            shown = self.notified(timeout)
            if shown != "READY=1":
                raise RuntimeError(f"synward logs {shown!r} at its start: {self.err()}")
        else:
            until(lambda: self.p.poll() is not None or self.attached(), timeout)
            if self.p.poll() is not None:
                raise RuntimeError(f"synward ended at start, exit {self.p.returncode}: {self.err()}")
        self.is_ready = True

    def got_ready(self):
        """Whether it is by now; for one that was started with wait=False."""
        if not self.is_ready and select.select([self.notifications], [], [], 0)[0]:
            self.ready()
        return self.is_ready

    def attached(self):
        """Its file names the mode once all hooks are there; the first version of it does not."""
        try:
            return re.search(r"^iface=\d+ (native|generic) ", self.instance(), re.M)
        except FileNotFoundError:
            return None

    def err(self):
        """What it has said on stderr, but for the line that it is ready."""
        return re.sub(r"^synward: following .*\n", "", self.said(), count=1, flags=re.M)

    def said(self):
        return pathlib.Path(self.err_path).read_text(errors="replace")

    def instance(self):
        return pathlib.Path(f"/run/synward/{self.p.pid}.instance").read_text(errors="replace")

    def stop(self, sig=signal.SIGTERM, timeout=60, hurry=False):
        """hurry: by two signals, so that an engaged guard does not wait a second for the last cookies."""
        self.p.send_signal(sig)
        if hurry:
            self.p.send_signal(signal.SIGINT)
        return self.p.wait(timeout=timeout * SLOW)

    def kill(self):
        self.p.kill()
        self.p.wait()

    def lines(self):
        """All lines as objects; fails if one is not whole, or not valid against the schema."""
        raw = pathlib.Path(self.path).read_bytes()
        assert raw.endswith(b"\n") or not raw, "the last line is not whole"
        valid(raw.splitlines(keepends=True))
        return [json.loads(line) for line in raw.splitlines()]

    def wait_for(self, what, timeout=10):
        """Waits until a line satisfies what(line); returns it."""
        end = time.monotonic() + timeout * SLOW
        seen, rest = 0, b""
        while True:
            with open(self.path, "rb") as f:
                f.seek(seen)
                *whole, rest = f.read().split(b"\n")
                seen = f.tell() - len(rest)
            for raw in whole:
                line = json.loads(raw)
                if what(line):
                    return line
            if time.monotonic() > end:
                raise AssertionError("no such line within %d s; lines: %s" % (timeout * SLOW, summary(self.path)))
            time.sleep(0.02)  # between two looks
