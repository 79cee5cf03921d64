# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where a reader of the documents types their commands: a host with an interface eth0, on which all kinds of connections
come and go.

    +------- a -------+         +------- b -------+   :80 answers, :443 has no listener, :81 resets, :82 sends on after
    | clients         |  veth   |          server |   the client's FIN, :83 loses the first segment, :84 does not read for
    | 10.0.0.2   cli0 o=========o eth0   10.0.0.1 |   a while; a firewall swallows what comes for :9999
    | fd00::2         |         |         fd00::1 |
    | 203.0.113.7     |         |                 |   commands run here, with /run, /sys/fs/bpf, /var/log, /etc/logrotate.d
    +-----------------+         +-----------------+   and /var/lib/logrotate of their own

sudo only executes what it is given, awk is mawk, duckdb is node's (tests/lib/duckdb.mjs), and synward is the built one,
which notes its process first.
"""
import json
import logging
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
# pylint: disable=wrong-import-position
from scapy.layers.inet import IP, TCP  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402

from . import ns as n
from .daemon import SYNWARD
from .tap import equal
from .wait import PATIENCE, until

V4, V6 = "10.0.0.1", "fd00::1"
ABSENT = 9999
FOREVER = re.compile(r"\bsynward (run|events)\b")
LIVE = re.compile(r"\bsynward (status|metrics|flows|hist|filter|guard|list|events|reopen)\b|\blogrotate\b")
OWN = """
mount -t tmpfs -o mode=755 none /run
mount -t bpf -o mode=700 none /sys/fs/bpf
mount -t tmpfs none /var/log
mount -t tmpfs none /etc/logrotate.d
mount -t tmpfs none /var/lib/logrotate
mkdir /var/log/synward
sed "s|@SBINDIR@/||" src/dist/logrotate >/etc/logrotate.d/synward
chmod 644 /etc/logrotate.d/synward
echo made
exec cat
"""
FIREWALL = """
add table inet doc
delete table inet doc
add table inet doc
add chain inet doc in { type filter hook input priority 0; }
add rule inet doc in tcp dport 9999 drop
add rule inet doc in tcp dport 83 meta length > 500 limit rate 1/day burst 1 packets drop
"""
CLEAN = """
for pins in /sys/fs/bpf/synward/*; do [ ! -d "$pins" ] || synward unpin "${pins##*/}"; done
rm -rf /run/synward /var/log/synward/*
"""
SYNWARD_SHIM = """#!/bin/bash
case ${1:-} in run | events) echo "$$ $1" >>"$SW_DOC_PIDS" ;; esac
exec "$SW_DOC_SYNWARD" "$@"
"""
SHIMS = {"sudo": '#!/bin/bash\nexec "$@"\n', "synward": SYNWARD_SHIM, "awk": '#!/bin/bash\nexec mawk "$@"\n',
         "duckdb": f'#!/bin/bash\nexec node {n.TOP}/tests/lib/duckdb.mjs "$@"\n'}


def has(statement, *words):
    return any(re.search(rf"(^|\s){re.escape(w)}\b", statement) for w in words)


class Place:
    def __init__(self):
        self.a, self.b = n.new_ns("a"), n.new_ns("b")
        n.quiet(self.a)
        n.quiet(self.b)
        n.veth(self.a, "cli0", self.b, "eth0")
        n.addr(self.a, "cli0", "10.0.0.2/24", "fd00::2/64", "203.0.113.7/32")
        n.addr(self.b, "eth0", f"{V4}/24", f"{V6}/64")
        for net in ("203.0.113.7", "198.18.0.0/15"):
            n.sh("ip", "route", "add", net, "via", "10.0.0.2", ns=self.b)
        n.warm(self.a, V4, V6)
        words = n.sh("ip", "-o", "link", "show", "eth0", ns=self.b).stdout.split()
        self.mac = words[words.index("link/ether") + 1]
        os.chmod(n.tmp.name, 0o711)
        self.top = pathlib.Path(tempfile.mkdtemp(dir=n.tmp.name))
        self.top.chmod(0o755)
        self.bin = self.top / "bin"
        self.bin.mkdir()
        for name, text in SHIMS.items():
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        shutil.copy(SYNWARD, self.top / "synward")
        self.pids = self.top / "pids"
        self.pids.touch()
        self.pids.chmod(0o666)  # synward's user may be another one
        self.holder = n.popen(["unshare", "-m", "sh", "-ec", OWN], self.b, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              cwd=n.TOP)
        n.started.append(self.holder)
        equal("mounts", self.holder.stdout.readline(), b"made\n")
        self.instance, self.talked = None, []
        self.listeners = {(ip, port): n.listen(self.b, ip, port) for ip in (V4, V6) for port in (80, 81, 82, 83, 84)}

    def popen(self, script, cwd, **kw):
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "SW_DOC_PIDS": str(self.pids),
               "SW_DOC_SYNWARD": str(self.top / "synward")}
        script = f"cd {shlex.quote(str(cwd))}; set -o pipefail\n{script}"
        p = n.popen(["nsenter", "-t", str(self.holder.pid), "-m", "bash", "-c", script], self.b, env=env, text=True,
                    stdin=subprocess.DEVNULL, **kw)
        n.started.append(p)
        return p

    def sh(self, script, cwd=None):
        """Runs it to its end: exit code, stdout, stderr."""
        p = self.popen(script, cwd or self.top, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = p.communicate(timeout=6 * PATIENCE)
        return p.returncode, out, err

    def status(self):
        """Of the only instance here."""
        code, out, err = self.sh("synward status --json")
        equal(f"status ({err.strip()})", code, 0)
        return json.loads(out)

    # --- what comes and goes ---

    def open(self, port, ip=V4, source=None):
        c = n.connect(self.a, ip, port, source)
        return c, self.listeners[ip, port].accept()[0]

    def answered(self, port, size, ip=V4, source=None):
        c, s = self.open(port, ip, source)
        c.sendall(b"ask")
        n.read_n(s, 3)
        s.sendall(b"x" * size)
        n.read_n(c, size)
        c.close()
        equal("the client's end", s.recv(1), b"")
        s.close()

    def half_closed(self):
        c, s = self.open(82)
        c.sendall(b"q")
        c.shutdown(socket.SHUT_WR)
        equal("question", n.read_all(s), b"q")
        for _ in range(3):
            s.sendall(b"y" * 100)
            n.read_n(c, 100)
        s.close()
        equal("end", c.recv(1), b"")
        c.close()

    def reset(self):
        c, s = self.open(81)
        c.sendall(b"q")
        n.read_n(s, 1)
        n.reset(s)
        try:
            c.recv(1)
        except ConnectionResetError:
            pass
        c.close()

    def sent_again(self):
        c, s = self.open(83)
        c.sendall(b"z" * 1000)
        equal("after the loss", len(n.read_n(s, 1000)), 1000)
        c.close()
        s.close()

    def full(self):
        """The server reads nothing until its window is shut."""
        c, s = self.open(84)
        c.setblocking(False)
        sent = 0

        def shut():
            """the receiver's window is shut"""
            nonlocal sent
            try:
                while True:
                    sent += c.send(b"w" * 65536)
            except BlockingIOError:
                return n.sh("ss", "-tinoH", "sport", "=", f":{c.getsockname()[1]}", ns=self.a).stdout.count("(persist,")

        until(shut)
        n.read_n(s, sent)
        c.close()
        s.close()

    def refused(self, source=None):
        try:
            n.connect(self.a, V4, 443, source).close()
        except ConnectionRefusedError:
            return
        raise AssertionError("not refused")

    def unanswered(self):
        c = n.tcp(self.a)
        c.setblocking(False)
        c.connect_ex((V4, ABSENT))
        return c

    def traffic(self):
        """Every kind once; in the end one SYN is still without an answer, which its client does not repeat."""
        n.sh("nft", "-f", "-", ns=self.b, input=FIREWALL)
        for _ in range(8):
            self.answered(80, 2000)
        for ip, source in ((V6, None), (V6, None), (V4, "203.0.113.7"), (V4, "203.0.113.7")):
            self.answered(80, 5000, ip, source)
        for kind in (self.reset, self.half_closed, self.sent_again, self.full, self.refused, self.refused):
            kind()
        self.refused("203.0.113.7")
        self.unanswered().close()
        n.settled(self.a, self.b)

    def flood(self, seconds, rate=20000):
        p = n.popen([str(n.TOP / "build/tests/tool_flood"), "cli0", self.mac, V4, "80",
                     str(seconds * rate), str(rate)], self.a, stdout=subprocess.DEVNULL)
        n.started.append(p)
        return p

    def over(self, flood, stop=False):
        """It has ended, and the kernel forgets its half-open handshakes, which it would answer for a minute."""
        if stop:
            flood.kill()
        equal("flood", flood.wait(timeout=PATIENCE), -9 if stop else 0)
        for ip in (V4, V6):
            self.listeners[ip, 80].close()
            self.listeners[ip, 80] = n.listen(self.b, ip, 80)

    def stray(self):
        """What an engaged guard drops."""
        with n.Inside(self.a), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("cli0", 0))
            link = Ether(src="02:00:00:00:00:99", dst=self.mac)
            for i in range(20):
                tcp = TCP(sport=40000, dport=80, flags="SA"[i % 2:], seq=7, ack=9)
                s.send(bytes(link / IP(src=f"198.18.1.{i}", dst=V4) / tcp))

    # --- commands that end by Ctrl-C, and those that look at a running one ---

    def started(self, what, after):
        """The process id of a synward that a command has begun."""
        def noted():
            """synward is started"""
            rows = [x.split() for x in self.pids.read_text().splitlines()[after:]]
            return [int(pid) for pid, kind in rows if kind == what]

        return until(noted)[0]

    def count_pids(self):
        return len(self.pids.read_text().splitlines())

    def begin(self, script, cwd):
        """A command with `synward run`: it, the daemon's process id, where its output goes; once it is ready."""
        before, out = self.count_pids(), tempfile.TemporaryFile("w+", dir=n.tmp.name)
        err = tempfile.NamedTemporaryFile("w+", dir=n.tmp.name)
        p = self.popen(script, cwd, stdout=out, stderr=err)

        def ready():
            """synward follows eth0"""
            return p.poll() is not None or "synward: following" in pathlib.Path(err.name).read_text()

        until(ready, 30)
        if p.poll() is not None:
            raise AssertionError(f"it ended at once, exit {p.returncode}: {pathlib.Path(err.name).read_text()}")
        return p, self.started("run", before), out, err

    def ended(self, p, pid, out, err, by=signal.SIGINT):
        if by and p.poll() is None:
            os.kill(pid, by)
        code = p.wait(timeout=6 * PATIENCE)
        out.seek(0)
        err.seek(0)
        equal(f"exit code ({err.read().strip()[-500:]})", code, 0)
        return out.read()

    def run(self, script, cwd):
        """`synward run`, with traffic, and a flood if it guards; until every connection has its last line."""
        if "--guard" in script:
            n.take_replies(self.b, "eth0")
        p, pid, out, err = self.begin(script, cwd)
        self.traffic()
        if re.search(r"--guard[ =](auto|monitor|always)", script):
            flood = self.flood(3)
            until(lambda: self.status()["services_active"], 20)
            for _ in range(5):
                self.answered(80, 2000, V4, "203.0.113.7")
            self.stray()
            self.over(flood)
        n.settled(self.a, self.b)

        def all_ended():
            """no connection is followed any more"""
            if p.poll() is not None:  # --duration
                return True
            now = self.status()
            return not now["flows"] and not ("--timeout-syn-sent" in script and now["half_open"])

        until(all_ended, 40, 0.2)
        return self.ended(p, pid, out, err)

    def look(self):
        """A guarded instance, with two connections open and one half-open, for what looks at it."""
        if not self.instance:
            n.take_replies(self.b, "eth0")
            self.instance = self.begin("exec synward run -i eth0 --guard auto -o /var/log/synward/eth0.ndjson", self.top)
            self.talked = [*self.open(80), *self.open(80, V6), self.unanswered()]

            def seen():
                """two connections and a half-open one, and lines in the file"""
                shown = self.status()
                return shown["established"] == 2 and shown["half_open"] == 1 and \
                    not self.sh("test -s /var/log/synward/eth0.ndjson")[0]

            until(seen, evidence=lambda: self.sh("synward flows --all --json; synward status --json")[1])

    def look_away(self):
        for s in self.talked:
            s.close()
        self.talked = []
        if self.instance:
            self.ended(*self.instance)
            self.instance = None

    def read(self, script, cwd):
        """`synward events`, with traffic. It ends by its --count, or with the instance."""
        before, out = self.count_pids(), tempfile.TemporaryFile("w+", dir=n.tmp.name)
        err = tempfile.TemporaryFile("w+", dir=n.tmp.name)
        p = self.popen(script, cwd, stdout=out, stderr=err)
        pid = self.started("events", before)

        def admitted():
            """the instance has a reader"""
            with n.Inside(self.b):
                rows = pathlib.Path("/proc/thread-self/net/unix").read_text()
            return p.poll() is not None or re.search(r" 03 +\d+ /run/synward/readers/\d+$", rows, re.M)

        until(admitted)
        self.traffic()
        if re.search(r"(--count|-c)[ =]\d", script):
            return self.ended(p, pid, out, err, by=None)
        until(lambda: self.status()["flow_ended"], 20, 0.2)
        self.look_away()
        return self.ended(p, pid, out, err, by=signal.SIGINT if has(script, "--follow", "-f") else None)

    def statement(self, known, text, cwd):
        """What it prints."""
        script = known + text
        what = set(FOREVER.findall(text))
        if "run" in what:
            self.look_away()
            return self.run(script, cwd)
        if LIVE.search(text):
            self.look()
        if what:
            return self.read(script, cwd)
        code, out, err = self.sh(script, cwd)
        equal(f"exit code ({err.strip()[-500:]})", code, 0)
        return out

    def attacked(self):
        """What looks at an instance finds it engaged, and SYNs that go on until the flood is stopped."""
        self.look()
        flood = self.flood(120)
        until(lambda: self.status()["services_active"] and self.syn_rate() >= 500, PATIENCE)
        return flood

    def syn_rate(self):
        """of the service with the most"""
        rows = self.sh("synward guard --json")[1]
        return max(json.loads(x)["syn_rate"] for x in rows.splitlines())

    def clean(self):
        """As before the first command: nothing runs, and the directories of synward are empty."""
        self.look_away()
        code, _, err = self.sh(CLEAN)
        equal(f"clean ({err.strip()})", code, 0)

    def folder(self, *files):
        """A working directory with copies of files."""
        path = pathlib.Path(tempfile.mkdtemp(dir=self.top))
        path.chmod(0o755)
        for f in files:
            shutil.copy(f, path)
        return path
