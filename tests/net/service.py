#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The systemd unit: what systemd-analyze says of it, what `make install` puts where, and a synward that runs under its
settings. There is no systemd here to apply them (tests/dist/long/packages.py has one), so this does: the capability bounding set, no new privileges, the
system call filter, the address families, the file system read-only but for what the unit names."""
import ctypes
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys

import kit as n
from kit import fault, guard, pin

# systemd 252's figure, of which 0.3 are adjtimex, and 0.1 that ProtectKernelTunables is not set, which forbids --pin: the
# unit names its paths instead. A change of the unit may not make it worse.
MOST_EXPOSED = 2.9
TEMPLATE = n.TOP / "src/dist/synward@.service.in"
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 23, 24, 38
ALLOW, EPERM, CMP_EQ = 0x7fff0000, 0x00050001, 4
CAPS = {"CAP_DAC_READ_SEARCH": 2, "CAP_SETPCAP": 8, "CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38,
        "CAP_BPF": 39}


def settings():
    """The unit's [Service] lines: key to list of values."""
    found = {}
    for line in TEMPLATE.read_text().splitlines():
        key, eq, value = line.partition("=")
        if eq and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def group(name):
    """The system calls of a group, or the one itself."""
    if not name.startswith("@"):
        return {name}
    calls = set()
    for line in n.sh("systemd-analyze", "--no-pager", "syscall-filter", name).stdout.splitlines()[1:]:
        if line.strip() and not line.strip().startswith("#"):
            calls |= group(line.strip())
    return calls


def allowed_calls(unit):
    calls = set()
    for line in unit["SystemCallFilter"]:
        names = set().union(*(group(x) for x in line.lstrip("~").split()))
        calls = calls - names if line.startswith("~") else calls | names
    return calls


# --- inside: what systemd would do before it executes ---

class Arg(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def filter_calls(calls, families):
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    ctx = lib.seccomp_init(EPERM)
    for name in sorted(calls - {"socket"}):
        nr = lib.seccomp_syscall_resolve_name(name.encode())
        if nr >= 0:
            assert not lib.seccomp_rule_add_array(ctx, ALLOW, nr, 0, None), name
    nr = lib.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        arg = Arg(0, CMP_EQ, getattr(socket, family), 0)
        assert not lib.seccomp_rule_add_array(ctx, ALLOW, nr, 1, ctypes.byref(arg)), family
    assert not lib.seccomp_load(ctx), "seccomp_load"


def read_only(writable):
    """Every mount, but those that are to be written."""
    def mount(*args):
        subprocess.run(["mount", *args], check=True, capture_output=True)

    mount("--make-rprivate", "/")
    for path in (*writable, "/proc/sys"):
        if os.path.isdir(path) and not os.path.ismount(path):
            mount("--bind", path, path)
    points = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in dict.fromkeys(points):
        inside = any(point == w or point.startswith(w + "/") for w in writable)
        if inside or point.startswith("/dev") or point == "/proc" or not os.path.exists(point):
            continue
        point = point.encode().decode("unicode_escape")
        try:
            mount("-o", "remount,bind,ro", point)
        except subprocess.CalledProcessError:
            if os.path.ismount(point):  # else it went meanwhile, as other namespaces do
                raise
    for path in ("/etc/synward-test", "/var/synward-test", "/proc/sys/kernel/hostname"):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
        except OSError:
            continue
        raise RuntimeError(f"{path} can be written")


def inside(command):
    n.tmp.cleanup()  # no exit comes that would
    unit, libc = settings(), ctypes.CDLL(None, use_errno=True)
    calls = allowed_calls(unit)
    read_only(["/run/synward"] + [x.lstrip("-") for x in unit["ReadWritePaths"]])
    keep = {CAPS[x] for x in unit["CapabilityBoundingSet"][0].split()}
    for cap in range(64):
        if cap not in keep and libc.prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0:
            assert not libc.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), cap
    assert unit["NoNewPrivileges"] == ["yes"] and not libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    filter_calls(calls, unit["RestrictAddressFamilies"][0].split())
    os.execv(command[0], command)


def started(ns, *ifs, args=()):
    """A synward under the unit."""
    os.makedirs("/run/synward", exist_ok=True)
    options = shlex.split(settings()["ExecStart"][0].split(None, 1)[1].replace("-i %I $SYNWARD_OPTIONS", ""))
    n.equal("the unit's command", options, ["run"])
    return n.Synward(ns, *ifs, args=args, prefix=("unshare", "-m", sys.executable, __file__, "--inside"))


def talk(a, listener, count=3):
    for _ in range(count):
        c, s = n.open_pair(a, listener)
        c.sendall(b"through")
        n.read_n(s, 7)
        c.close()
        s.close()


def exposure():
    """systemd-analyze: the unit is valid, and not more exposed than it was"""
    unit = os.path.join(n.tmp.name, "synward@lo.service")
    pathlib.Path(unit).write_text(TEMPLATE.read_text().replace("@SBINDIR@/synward", n.SYNWARD))
    verified = n.sh("systemd-analyze", "verify", "--man=no", unit, check=False)
    shown = [x for x in (verified.stdout + verified.stderr).splitlines() if "synward" in x]
    n.equal("exit code and complaints of verify", (verified.returncode, shown), (0, []))
    text = n.sh("systemd-analyze", "--no-pager", "security", "--offline=true", unit, check=False).stdout
    figure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
    assert figure, text
    n.at_most("exposure", float(figure.group(1)), MOST_EXPOSED)


def installed():
    """make install: binary, unit that names it, options file that a second install leaves alone; uninstall"""
    root = os.path.join(n.tmp.name, "root")
    make = ["make", "-s", "-C", str(n.TOP), f"DESTDIR={root}", "PREFIX=/usr", "-o", "build/synward", "-o", "all"]
    n.sh(*make, "install")
    unit = pathlib.Path(root, "usr/lib/systemd/system/synward@.service").read_text()
    binary = re.search(r"^ExecStart=(\S+)", unit, re.M).group(1)
    if "@" in binary or not os.access(root + binary, os.X_OK):
        raise AssertionError(f"ExecStart is {binary}")
    default = pathlib.Path(root, "etc/default/synward")
    default.write_text("SYNWARD_OPTIONS=mine\n")
    n.sh(*make, "install")
    n.equal("options file", default.read_text(), "SYNWARD_OPTIONS=mine\n")
    n.sh(*make, "uninstall")
    n.equal("left", [str(x) for x in pathlib.Path(root).rglob("*") if x.is_file()], [str(default)])


def default_options():
    """the options file's line is one that run takes"""
    line = re.search(r'^SYNWARD_OPTIONS="(.*)"$', (n.TOP / "src/dist/synward.default").read_text(), re.M).group(1)
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    sw = started(b, "srv0", args=line.split())
    talk(a, listener)
    n.equal("exit code", sw.stop(), 0)
    n.equal("stderr", sw.err(), "")
    n.equal("conn lines", len([x for x in sw.lines() if x["event"] == "conn"]), 3)


def guarded():
    """under the unit's settings: ready, guard, reload, stop; then killed, and started again"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    n.take_replies(b, "srv0")
    block = os.path.join(n.tmp.name, "block")
    pathlib.Path(block).write_text("192.0.2.0/24\n")
    sw = started(b, "srv0", args=("--guard", "always", "--block-file", block))
    talk(a, listener)
    sw.p.send_signal(signal.SIGHUP)
    n.until(lambda: "1 in the block list" in sw.err())
    sw.p.kill()
    sw.p.wait()
    again = started(b, "srv0", args=("--guard", "always", "--block-file", block))
    talk(a, listener)
    n.equal("exit code", again.stop(), 0)
    n.equal("notification", again.notified(), "STOPPING=1")
    if "removed what a killed synward had left" not in again.err() or "denied" in sw.err() + again.err():
        raise AssertionError(sw.err() + again.err())
    n.equal("attached", n.hooks_on(b, "srv0"), [])


def asks_for_the_clock():
    """under the unit's settings it can read whether the clock is synchronised, and cannot set it"""
    unit = settings()
    n.equal("ProtectClock, which refuses to read it, too", unit.get("ProtectClock"), None)
    n.equal("CAP_SYS_TIME", "CAP_SYS_TIME" in unit["CapabilityBoundingSet"][0], False)
    _, b = n.pair()
    n.take_replies(b, "srv0")
    key = pathlib.Path(n.tmp.name) / "key"
    key.write_text("00112233445566778899aabbccddeeff\n")
    key.chmod(0o600)
    sw = started(b, "srv0", args=("--guard", "auto", "--key-file", key))
    n.until(lambda: guard.counters(sw)["clock_synchronized"] is not None, 10)
    n.equal("exit code", sw.stop(), 0)


class Full(n.Synward):
    """Its notification socket takes no more, so that it stands still where it sends READY=1."""

    def listen(self):
        s = super().listen()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            filler.connect(s.getsockname())
            try:
                while filler.send(b"filler"):
                    pass
            except BlockingIOError:
                pass
        return s

    def ready(self, timeout=60):
        """Waits until it stands there."""
        def about_to_say_it():
            """it waits for room in the socket"""
            if self.p.poll() is not None:
                raise RuntimeError(f"synward ended at start, exit {self.p.returncode}: {self.err()}")
            return "unix_wait_for_peer" in pathlib.Path(f"/proc/{self.p.pid}/wchan").read_text(encoding="ascii")

        n.until(about_to_say_it, timeout)

    def let_go(self):
        while (shown := self.notified()) == "filler":
            pass
        n.equal("notification", shown, "READY=1")


def ready_comes_last():
    """READY=1 is sent when all is there: hooks, instance file, services, modes of an adopted guard, the sandbox"""
    g = guard.Ground(start=False)
    n.take_replies(g.b, "srv0")
    with pin.Pins(g.b, "srv0") as pins:
        pinned = "--pin=" + pins.name
        for args, mode in (((), None), (("--guard", "always"), "always"), ((pinned, "--guard", "always"), "always"),
                           ((pinned, "--guard", "monitor"), "monitor")):
            sw = Full(g.b, "srv0", args=args)
            attached = "\n".join(n.hooks_on(g.b, "srv0"))
            hooks = ["xdp", "sw_egress", "sw_accept"] if mode else ["xdp"]
            n.equal(f"hooks with {args}", [h for h in hooks if h in attached], hooks)
            assert re.search(r"^iface=\d+ native \d [1-9] ", sw.instance(), re.M), sw.instance()
            n.equal("Seccomp", re.search(r"^Seccomp:\t(\d)", pathlib.Path(f"/proc/{sw.p.pid}/status").read_text(), re.M).group(1),
                    "2")
            if mode:
                n.equal("modes", {x["mode"] for x in guard.services(sw).values()}, {mode})
            if mode == "always":
                before = accepted_by_cookie(sw)
                talk(g.a, g.listeners[4, guard.PORT], 1)
                n.equal("through a cookie", accepted_by_cookie(sw) - before, 1)
            sw.let_go()
            n.equal("exit code", sw.stop(), 0)
        pins.unpin()


def deleted_as_it_says_so():
    """the interface goes while READY=1 is on its way: followed like any time later, down first, exit 4"""
    a, b = n.pair()
    sw = Full(b, "srv0")
    n.sh("ip", "link", "del", "cli0", ns=a)
    sw.let_go()
    fault.ended(sw, fault.INTERFACE, "interface 'srv0' is down", "interface 'srv0' is gone", "no interface is left to follow")


def accepted_by_cookie(sw):
    return guard.services(sw)[f"10.66.0.2:{guard.PORT}"]["cookies_accepted"]


def abstract_socket():
    """a notification socket with an abstract name; without the guard a reload changes nothing"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    with n.Inside(b):  # such names belong to a network namespace
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(f"\0synward-test-{os.getpid()}")
    s.settimeout(120)
    sw = n.Synward(b, "srv0", service=False, env={"NOTIFY_SOCKET": f"@synward-test-{os.getpid()}"}, wait=False)
    n.equal("notification", s.recv(100), b"READY=1")
    sw.p.send_signal(signal.SIGHUP)
    talk(a, listener, 1)
    n.equal("exit code", sw.stop(), 0)
    n.equal("notification", s.recv(100), b"STOPPING=1")
    n.equal("conn lines", len([x for x in sw.lines() if x["event"] == "conn"]), 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2:])
    n.main(exposure, installed, default_options, guarded, asks_for_the_clock, ready_comes_last, deleted_as_it_says_so, abstract_socket)
