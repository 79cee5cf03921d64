#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""--output: a file that is appended to, opened again, rotated, kept whole on a full disk, and moved by logrotate.

    +------- a -------+         +------- b -------+
    | clients         |  veth   | servers         |
    | 10.66.0.1       o=========o 10.66.0.2       |    all of it by a synward in its sandbox
    +-----------------+         | srv0   synward  |
                                +-----------------+
"""
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

import kit as n
from kit import fault as k
from kit.lines import valid
from kit.pin import Pins

ARGS = ("--close-delay", 0.05, "--interval", 0.2)
OLD = r"\.\d{8}T\d{6}\.\d{3}Z"
REFUSED = ("seccomp", "not permitted", "denied")


class Host:
    """Two namespaces, a listener, and a directory for files."""

    def __init__(self):
        self.a, self.b = n.pair()
        self.listener = n.listen(self.b, "10.66.0.2", 7777)
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=n.tmp.name))
        self.file = self.dir / "events.ndjson"

    def start(self, *args, output=None, **kw):
        return n.Synward(self.b, "srv0", args=(*ARGS, "--output", output or self.file, *args), **kw)

    def talk(self, count=1):
        for _ in range(count):
            c, s = n.open_pair(self.a, self.listener)
            c.sendall(b"through")
            n.read_n(s, 7)
            c.close()
            s.close()

    def logged(self):
        """Conn lines in all files; 0 while one is renamed."""
        try:
            return sum(x.read_bytes().count(b'"event":"conn"') for x in (*self.old(), self.file))
        except FileNotFoundError:
            return 0

    def old(self):
        """The files that were rotated, in the order of their names."""
        return sorted(x for x in self.dir.iterdir() if re.fullmatch(re.escape(self.file.name) + OLD, x.name))


def parsed(path):
    """Whole lines only, each valid."""
    raw = path.read_bytes()
    if raw and not raw.endswith(b"\n"):
        raise AssertionError(f"{path.name} ends in the middle of a line: {raw[-100:]!r}")
    rows = raw.splitlines(keepends=True)
    valid(rows)
    return [json.loads(x) for x in rows]


def whole(paths, conns):
    """In this order the files have each line once, and so many connections; their lines."""
    lines = [x for path in paths for x in parsed(path)]
    n.equal("seq", [x["seq"] for x in lines], list(range(1, len(lines) + 1)))
    n.equal("conn lines", len([x for x in lines if x["event"] == "conn"]), conns)
    n.fields(lines[-1], event="stats", final=True)
    return lines


def ended(sw, *patterns, code=k.OK):
    n.equal(f"exit code ({sw.err().strip()})", sw.stop(), code)
    for word in REFUSED:
        if word in sw.err() and not patterns:
            raise AssertionError(sw.err())
    k.lines_of(sw.err(), *patterns)
    n.equal("standard output", pathlib.Path(sw.path).read_bytes(), b"")


def reopen(*args, code=k.OK, line=""):
    r = k.run(["reopen", *args])
    n.equal(f"reopen: exit code ({r.stderr})", r.returncode, code)
    n.equal("stdout", r.stdout, "")
    if not re.search(line, r.stderr) or len(r.stderr.splitlines()) != bool(line):
        raise AssertionError(f"reopen says {r.stderr!r}, not {line!r}")


def has(path, event="stats"):
    def there():
        return path.exists() and f'"event":"{event}"' in path.read_text(encoding="utf-8")

    n.until(there)


def appended():
    """what is there stays, but for half a line of a killed one; a new file has mode 0640; standard output gets nothing"""
    h = Host()
    mask = os.umask(0)
    try:
        sw = h.start()
    finally:
        os.umask(mask)
    n.equal("ready", "output to" in sw.said(), True)
    h.talk()
    ended(sw)
    first = h.file.read_bytes()
    whole([h.file], 1)
    n.equal("mode", stat.S_IMODE(h.file.stat().st_mode), 0o640)
    h.file.write_bytes(first + b'{"schema":3,"seq":77,"ts":')
    link = h.dir / "link"
    link.symlink_to(h.file)
    sw = h.start(output=link)
    h.talk()
    ended(sw)
    n.equal("what was there", h.file.read_bytes().startswith(first + b'{"schema":3,"seq":1,'), True)
    parsed(h.file)
    n.equal("files", sorted(x.name for x in h.dir.iterdir()), ["events.ndjson", "link"])


def reopened():
    """a file that was moved is opened anew by SIGHUP and by synward reopen, of all, by interface, by pid"""
    h = Host()
    sw = h.start()
    moved = []
    for i, ask in enumerate((lambda: sw.p.send_signal(signal.SIGHUP), reopen, lambda: reopen("-p", sw.p.pid))):
        h.talk(3)
        moved.append(h.dir / f"moved-{i}")
        h.file.rename(moved[-1])
        ask()
        n.until(h.file.exists)
    r = k.run(["reopen", "-i", "srv0"], h.b)
    n.equal("reopen -i", (r.returncode, r.stderr), (k.OK, ""))
    n.equal("opened again", re.search(r"^reopened=(\d+)", sw.instance(), re.M)[1], "4")
    reopen("-p", 1, code=k.NOT_RUNNING, line="^synward: no synward with pid 1 is running$")
    r = k.run(["reopen", "-i", "nosuch0"], h.a)  # another test's may follow a cli0
    n.equal("another interface", (r.returncode, r.stderr), (k.NOT_RUNNING, "synward: no synward is running on 'nosuch0'\n"))
    h.talk()
    ended(sw)
    whole([*moved, h.file], 10)
    plain = n.Synward(h.b, "srv0")
    reopen("-p", plain.p.pid, code=k.NOT_RUNNING, line="no synward writes to a file")
    n.equal("exit code", plain.stop(), k.OK)


def unanswered():
    """reopen: a synward that does not answer is an error, one that is killed meanwhile is not waited for"""
    h = Host()
    sw = h.start()
    sw.p.send_signal(signal.SIGSTOP)
    asker = n.popen([n.SYNWARD, "reopen", "-p", str(sw.p.pid)], stderr=subprocess.PIPE)
    status = pathlib.Path(f"/proc/{sw.p.pid}/status")
    n.until(lambda: re.search(r"^ShdPnd:\t\w+1$", status.read_text(), re.M))  # SIGHUP
    sw.kill()
    n.equal("reopen", (asker.wait(timeout=20), asker.stderr.read()), (k.OK, b""))
    sw = h.start()
    sw.p.send_signal(signal.SIGSTOP)
    reopen("-p", sw.p.pid, code=k.INTERNAL, line=f"^synward: reopen: the synward with pid {sw.p.pid} does not answer$")
    sw.p.send_signal(signal.SIGCONT)
    n.equal("exit code", sw.stop(), k.OK)


def sizes():
    """no file is larger than --rotate-size, each line is in one of them; --rotate-keep leaves so many old ones"""
    h = Host()
    sw = h.start("--rotate-size", 20000)
    h.talk(60)
    ended(sw)
    old = h.old()
    n.at_least("old files", len(old), 5)
    whole([*old, h.file], 60)
    for path in [*old, h.file]:
        n.at_most(f"bytes of {path.name}", path.stat().st_size, 20000)
        if path in old:
            n.at_least(f"bytes of {path.name}", path.stat().st_size, 15000)
    for path in old:
        path.unlink()
    h.file.unlink()
    (h.dir / "events.ndjson.20010909T014640.000Z").write_text("old\n")
    (h.dir / "events.ndjson.20010909T014640.000Z.gz").write_text("old\n")
    (h.dir / "events.ndjson.mine").write_text("mine\n")
    sw = h.start("--rotate-size", 20000, "--rotate-keep", 3)
    h.talk(60)
    ended(sw)
    old = h.old()
    n.equal("old files", len(old), 3)
    lines = [x for path in [*old, h.file] for x in parsed(path)]
    n.equal("the last ones", [x["seq"] for x in lines], list(range(lines[0]["seq"], lines[0]["seq"] + len(lines))))
    n.equal("files", sorted(x.name for x in h.dir.iterdir()),
            sorted(["events.ndjson", "events.ndjson.mine", *[x.name for x in old]]))


def taken():
    """a name that is taken is not taken again: the old file gets the next one that is free"""
    h = Host()
    sw = h.start("--rotate-size", 20000)
    now = time.time_ns() // 1000000
    there = []
    for ms in range(now, now + 900):
        second = time.strftime("%Y%m%dT%H%M%S", time.gmtime(ms // 1000))
        there.append(h.dir / f"events.ndjson.{second}.{ms % 1000:03}Z")
        there[-1].write_text("theirs\n")
    h.talk(60)
    ended(sw)
    n.equal("theirs", {x.read_text() for x in there}, {"theirs\n"})
    old = [x for x in h.old() if x not in there]
    n.at_least("old files", len(old), 5)
    n.equal("its name, free by then", old[0].name > there[-1].name, True)
    whole([*old, h.file], 60)


def long_lines():
    """a line that is longer than the limit has a file of its own"""
    h = Host()
    sw = h.start("--rotate-size", 10)
    h.talk(5)
    ended(sw)
    for path in (old := h.old()):
        n.equal(f"lines of {path.name}", len(parsed(path)), 1)
    lines = [x for path in old for x in parsed(path)] + parsed(h.file)
    n.equal("seq", [x["seq"] for x in lines], list(range(1, len(lines) + 1)))


def intervals():
    """--rotate-interval: a new file at each second; one of a former run is put away at once; none is overwritten"""
    h = Host()
    h.file.write_text('{"former":1}\n')
    os.utime(h.file, (1000, 1000))
    sw = h.start("--rotate-interval", 1)
    n.until(lambda: len(h.old()) >= 4, 20)
    h.talk()
    ended(sw)
    old = h.old()
    n.equal("the former run's", old[0].read_text(), '{"former":1}\n')
    lines = whole([*old[1:], h.file], 1)
    n.at_least("lines", len(lines), 5)
    for path in [*old[1:], h.file]:
        seconds = {x["ts"][:19] for x in parsed(path)}
        n.at_most(f"seconds in {path.name}: {seconds}", len(seconds), 2)  # one was made before its turn, and written after


def not_reopened():
    """a path that cannot be opened: the old file gets the lines, one warning, and a new one once it is possible"""
    h = Host()
    sw = h.start()
    has(h.file)
    moved = h.dir / "moved"
    h.file.rename(moved)
    h.file.mkdir()
    reopen("-p", sw.p.pid, code=k.OUTPUT, line="could not open its file, and writes to the old one")
    size = moved.stat().st_size
    n.until(lambda: moved.stat().st_size > size)
    time.sleep(2.5)  # several attempts
    n.equal("warnings", sw.err().count("no new file"), 1)
    h.file.rmdir()
    n.until(h.file.exists)
    ended(sw, r"warning: .*events.ndjson: no new file: Is a directory: lines go on into the old one",
          "warning: .*events.ndjson: lines go into a new file again")
    whole([moved, h.file], 0)


def foreign():
    """in a directory of another user's, and with a file of another's: CAP_DAC_OVERRIDE is kept, where it is needed"""
    h = Host()
    for owner, caps in ((0, 1 << 12), (65534, 1 << 12 | 1 << 1)):
        os.chown(h.dir, owner, owner)
        h.dir.chmod(0o750)
        sw = h.start("--rotate-size", 20000)
        status = dict(x.split(":\t", 1) for x in pathlib.Path(f"/proc/{sw.p.pid}/status").read_text().splitlines() if ":\t" in x)
        n.equal("capabilities", int(status["CapEff"], 16), caps)
        h.talk(60)
        n.until(lambda: h.logged() == 60)  # a file that is to be rotated when it has just been moved is not there, which is said
        n.at_least("old files", len(h.old()), 1)
        moved = h.dir / "moved"
        h.file.rename(moved)
        reopen("-p", sw.p.pid)
        ended(sw)
        old = sorted([*h.old(), moved, h.file], key=lambda x: parsed(x)[0]["seq"])
        n.at_least("old files", len(old), 5)
        whole(old, 60)
        for path in old:
            path.unlink()


def pinned():
    """with --pin the next synward goes on in the same files"""
    h = Host()
    with Pins(h.b, "srv0") as pins:
        for _ in range(3):
            sw = h.start(f"--pin={pins.name}", "--rotate-size", 20000)
            h.talk(20)
            n.equal(f"exit code ({sw.err()})", sw.stop(), k.OK)
    lines = [x for path in [*h.old(), h.file] for x in parsed(path)]
    n.equal("seq", [x["seq"] for x in lines], list(range(1, len(lines) + 1)))
    n.equal("connections", len([x for x in lines if x["event"] == "established"]), 60)


FULL = "mkdir -p /mnt; mount -t tmpfs -o size=64k none /mnt; exec "
LOST = r"warning: /mnt/lines: No space left on device: lines that cannot wait are lost and counted"
AGAIN = r"warning: /mnt/lines: written again after [0-9.]+ s, 0 lines were lost"


def full_disk():
    """a full disk is no end: lines wait and come when there is room, whole, also into a file that is opened meanwhile"""
    h = Host()
    sw = h.start(output="/mnt/lines", script=FULL.removesuffix("exec "))
    inside = pathlib.Path(f"/proc/{sw.p.pid}/root/mnt")
    h.talk(60)
    k.wait_log(sw, LOST)
    raw = (inside / "lines").read_bytes()
    n.equal("half a line at the end", raw.endswith(b"\n"), False)
    (inside / "lines").rename(inside / "moved")
    reopen("-p", sw.p.pid)
    n.equal("the old one is cut to whole lines", (inside / "moved").read_bytes() == raw[:raw.rindex(b"\n") + 1], True)
    n.sh("nsenter", "-t", sw.p.pid, "-m", "mount", "-o", "remount,size=64m", "/mnt")
    k.wait_log(sw, AGAIN)
    h.talk(3)
    kept = [os.open(inside / x, os.O_RDONLY) for x in ("moved", "lines")]
    ended(sw, LOST, AGAIN)
    whole([pathlib.Path(f"/proc/self/fd/{x}") for x in kept], 63)
    sw = h.start(output="/mnt/lines", script=FULL.removesuffix("exec "))
    h.talk(60)
    k.wait_log(sw, LOST)
    ended(sw, LOST, r"warning: /mnt/lines: \d+ bytes of lines that waited and 0 more lines are lost",
          "/mnt/lines: No space left on device", code=k.OUTPUT)


CONFIG = """{file} {{
    size 1
    rotate 20
    {how}
    {more}
}}
"""


def logrotate(h, how, more=""):
    """The real one, with this configuration alone."""
    config, state = h.dir / "logrotate.conf", h.dir / "logrotate.state"
    config.write_text(CONFIG.format(file=h.file, how=how, more=more))
    config.chmod(0o644)
    n.sh("logrotate", "--force", "--state", state, config)


def rotated_by_logrotate(h, sw, how, more=""):
    for _ in range(4):
        h.talk(5)
        has(h.file)
        logrotate(h, how, more)
    h.talk(5)
    n.equal(f"exit code ({sw.err()})", sw.stop(), k.OK)
    n.equal("stderr", sw.err(), "")
    return [pathlib.Path(f"{h.file}.{i}") for i in range(4, 0, -1)] + [h.file]


def needs_logrotate():
    if not shutil.which("logrotate"):
        raise n.Skip("logrotate is not installed")


def logrotate_create():
    """logrotate with create, with nocreate and with our snippet: each line is once in one of the files"""
    needs_logrotate()
    h = Host()
    command = f"postrotate\n{n.SYNWARD} reopen\nendscript"
    hangup = "postrotate\nkill -HUP $(cat {})\nendscript"
    for how, more in (("create 0640 root adm", command), ("nocreate", command), ("create", hangup)):
        sw = h.start()
        pid = h.dir / "pid"
        pid.write_text(str(sw.p.pid))
        paths = rotated_by_logrotate(h, sw, how, more.format(pid))
        whole(paths, 25)
        if "adm" in how:
            n.equal("group", paths[-1].stat().st_gid != 0, True)
        for path in paths:
            path.unlink()


def logrotate_snippet():
    """the snippet that make install puts into /etc/logrotate.d, with its paths alone changed"""
    needs_logrotate()
    h = Host()
    r = n.sh("make", "-C", n.TOP, "-s", "install", f"DESTDIR={h.dir}/root", "PREFIX=/usr")
    installed = h.dir / "root/etc/logrotate.d/synward"
    text = installed.read_text()
    n.equal("the command's path", "/usr/sbin/synward reopen" in text, True)
    sw = h.start()
    h.talk(5)
    has(h.file)
    config = h.dir / "snippet"
    config.write_text(text.replace("/var/log/synward", str(h.dir)).replace("/usr/sbin/synward", n.SYNWARD))
    for _ in range(2):
        n.sh("logrotate", "--force", "--state", h.dir / "logrotate.state", config)
        h.talk(5)
        has(h.file)
    ended(sw)
    n.equal("compressed", gzip.decompress(pathlib.Path(f"{h.file}.2.gz").read_bytes())[:12], b'{"schema":3,')
    n.equal("not yet", parsed(pathlib.Path(f"{h.file}.1"))[0]["schema"], 3)
    n.sh("make", "-C", n.TOP, "-s", "uninstall", f"DESTDIR={h.dir}/root", "PREFIX=/usr")
    n.equal("left", [str(x) for x in (h.dir / "root").rglob("*") if x.is_file() and "default" not in str(x)], [])
    del r


def no_holes(paths):
    """Whole lines, no zeros, in order; what logrotate loses between its copy and its cut may be missing."""
    lines = [x for path in paths for x in parsed(path)]
    for path in paths:
        n.equal(f"zeros in {path.name}", path.read_bytes().count(0), 0)
    n.equal("in order", [x["seq"] for x in lines], sorted({x["seq"] for x in lines}))


def logrotate_copytruncate():
    """copytruncate of a file of --output and of one opened by >: no hole of zeros"""
    needs_logrotate()
    h = Host()
    no_holes(rotated_by_logrotate(h, h.start(), "copytruncate"))
    for path in h.dir.glob("events.ndjson*"):
        path.unlink()
    with h.file.open("wb") as out:
        sw = n.Synward(h.b, "srv0", args=ARGS, stdout=out)
    no_holes(rotated_by_logrotate(h, sw, "copytruncate"))


def begun_within(path):
    """By < > a file is written from its beginning: that stays so."""
    return os.open(path, os.O_RDWR)


def shell_files():
    """> is appended to; a file that is written from within (<>) is written there"""
    h = Host()
    for text, want in (("", 0o2000), ("x" * 100, 0)):
        h.file.write_text(text)
        fd = begun_within(h.file)
        sw = n.Synward(h.b, "srv0", args=ARGS, stdout=fd)
        flags = int(re.search(r"^flags:\s*(\d+)", pathlib.Path(f"/proc/{sw.p.pid}/fdinfo/1").read_text(), re.M)[1], 8)
        n.equal("O_APPEND", flags & 0o2000, want)
        n.equal("exit code", sw.stop(), k.OK)
        os.close(fd)


def no_files():
    """none, /dev/null, a named pipe: nothing to open again, and SIGHUP is no end; reader that goes: the end, as of stdout"""
    h = Host()
    fifo = h.dir / "pipe"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    for output in ("none", "/dev/null", fifo):
        sw = h.start(output=output, service=False)
        sw.p.send_signal(signal.SIGHUP)
        h.talk()
        reopen("-p", sw.p.pid, code=k.NOT_RUNNING, line="no synward writes to a file")
        ended(sw)
    shown = os.read(reader, 1 << 20)
    n.equal("the pipe's last line", json.loads(shown.splitlines()[-1])["final"], True)
    sw = h.start(output=fifo)
    os.close(reader)
    n.equal("exit code", sw.p.wait(timeout=20), k.OK)
    for args, code, line in ((("--output", h.dir / "no" / "x"), k.OUTPUT, "output '.*/no/x': No such file or directory"),
                             (("--output", h.dir), k.OUTPUT, "output '.*': Is a directory"),
                             (("--output", fifo), k.OUTPUT, "output '.*/pipe': a named pipe that nobody reads"),
                             (("--output", "/dev/null", "--rotate-size", "1M"), k.USAGE, "only a file can be rotated"),
                             (("-o", "none", "--format", "text", "--summary"), k.USAGE, "--output is none"),
                             (("--rotate-size", "1M"), k.USAGE, "need --output FILE"),
                             (("--rotate-keep", 3, "-o", h.file), k.USAGE, "needs --rotate-size or --rotate-interval"),
                             (("-o", h.file, "--rotate-interval", "week"), k.USAGE, "'week' is not a number")):
        r = k.run(["run", "-i", "srv0", *args], h.b)
        n.equal(f"{args}: exit code ({r.stderr})", r.returncode, code)
        k.lines_of(r.stderr, line)
        n.equal("attached", n.hooks_on(h.b, "srv0"), [])


def replayed():
    """replay --output: appended, and its failures have the same codes"""
    path, out = os.path.join(n.tmp.name, "one.pcap"), pathlib.Path(n.tmp.name, "replayed")
    wrpcap(path, [Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=40000, dport=80, flags="S", seq=1)])
    want = subprocess.run([n.SYNWARD, "replay", path], capture_output=True, check=True).stdout
    for times in (1, 2):
        r = k.run(["replay", "-o", out, path])
        n.equal("exit code, stdout, stderr", (r.returncode, r.stdout, r.stderr), (k.OK, "", ""))
        n.equal("the file", out.read_bytes(), want * times)
    n.equal("none", k.run(["replay", "-o", "none", path]).stdout, "")
    n.equal("-", k.run(["replay", "-o", "-", path]).stdout, want.decode())
    r = k.run(["replay", "-o", "/dev/full", path])
    n.equal("exit code", r.returncode, k.OUTPUT)
    k.lines_of(r.stderr, "replay: /dev/full: No space left on device")


if __name__ == "__main__":
    n.main(appended, reopened, unanswered, sizes, taken, long_lines, intervals, not_reopened, foreign, pinned, full_disk, logrotate_create,
           logrotate_snippet, logrotate_copytruncate, shell_files, no_files, replayed)
