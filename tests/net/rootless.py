#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Without root: capabilities of the file, or ambient ones, and directories of the user's, as docs/operations.md has it.

Everything runs in a mount namespace of its own, with its own /run and BPF file system.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kit as n
from kit import fault as k

sys.path.insert(0, str(n.TOP / "tests" / "bench"))
import replay as replay_bench  # noqa: E402  pylint: disable=wrong-import-position

USER = 65500
BASE = "cap_net_admin,cap_bpf,cap_perfmon"
OWN_RUN = f"install -d -m 700 -o {USER} /run/synward"
OWN_PINS = f"chmod 711 /sys/fs/bpf && install -d -m 700 -o {USER} /sys/fs/bpf/synward"
MOUNTS = "mount -t tmpfs -o mode=755 none /run; mount -t bpf -o mode=700 none /sys/fs/bpf; echo made; exec cat"


class Place:
    """A namespace with an interface, mounts, and a copy of the program that any user may execute."""

    def __init__(self):
        self.a, self.b = n.pair()
        os.chmod(n.tmp.name, 0o711)
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=n.tmp.name))
        self.dir.chmod(0o755)
        self.synward = shutil.copy(n.SYNWARD, self.dir / "synward")
        self.holder = n.popen(["unshare", "-m", "sh", "-ec", MOUNTS], self.b, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
        n.started.append(self.holder)
        n.equal("mounts", self.holder.stdout.readline(), b"made\n")

    def command(self, *args, ambient=None, user=USER):
        caps = [] if ambient is None else [f"{x}={','.join('+' + c.removeprefix('cap_') for c in ambient.split(','))}"
                                           for x in ("--inh-caps", "--ambient-caps")]
        return ["nsenter", "-t", str(self.holder.pid), "-m", "setpriv", f"--reuid={user}", f"--regid={user}",
                "--clear-groups", *caps, self.synward, *(str(x) for x in args)]

    def root(self, script):
        n.sh("nsenter", "-t", self.holder.pid, "-m", "sh", "-ec", script)

    def run(self, *args, **kw):
        return n.run(self.command(*args, **kw), self.b, text=True, stdin=subprocess.DEVNULL)

    def start(self, *args, **kw):
        """A running one: its process, once it says that it is ready."""
        err = self.dir / "err"
        with open(self.dir / "out", "wb") as out, open(err, "wb") as to:
            p = n.popen(self.command("run", "-i", "srv0", "--close-delay", 0.05, *args, **kw), self.b, stdout=out, stderr=to,
                        stdin=subprocess.DEVNULL)
        n.started.append(p)
        n.until(lambda: p.poll() is not None or "following" in err.read_text())
        if p.poll() is not None:
            raise AssertionError(err.read_text())
        return p

    def follows(self, p, user=USER):
        """It is in its sandbox as this user, sees a connection, and ends with nothing left."""
        status = pathlib.Path(f"/proc/{p.pid}/status").read_text()
        n.equal("uid", re.search(r"^Uid:\t(\d+)", status, re.M)[1], str(user))
        n.equal("capabilities", int(re.search(r"^CapEff:\t(\w+)", status, re.M)[1], 16), 1 << 12)
        n.equal("seccomp", re.search(r"^Seccomp:\t(\d)", status, re.M)[1], "2")
        listener = n.listen(self.b, "10.66.0.2", 7777)
        c, s = n.open_pair(self.a, listener)
        for x in (c, s, listener):
            x.close()
        n.settled(self.a, self.b)
        p.terminate()
        n.equal("exit code", p.wait(timeout=20), k.OK)
        lines = [json.loads(x) for x in (self.dir / "out").read_text().splitlines()]
        n.equal("conn lines", len([x for x in lines if x["event"] == "conn"]), 1)
        k.lines_of((self.dir / "err").read_text(), "^synward: following srv0")
        n.equal("attached", n.hooks_on(self.b, "srv0"), [])


def refused(r, code, pattern):
    n.equal(f"exit code ({r.stderr})", r.returncode, code)
    k.lines_of(r.stderr, pattern)


def needs(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise n.Skip(f"{tool} is not installed")

RUN_DIR = (rf"/run/synward: Permission denied: it has to be a directory of user {USER}'s "
           rf"\('install -d -m 700 -o {USER} /run/synward' as root\)")


def file_capabilities():
    """setcap: the error names directory and owner, and with these it runs"""
    needs("setcap")
    place = Place()
    refused(place.run("run", "-i", "srv0"), k.PRIVILEGE, "run needs root, or CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON")
    n.sh("setcap", f"{BASE}+ep", place.synward)
    refused(place.run("run", "-i", "srv0"), k.PRIVILEGE, RUN_DIR)
    place.root("install -d -m 700 /run/synward")
    refused(place.run("run", "-i", "srv0"), k.PRIVILEGE, RUN_DIR)
    n.equal("attached", n.hooks_on(place.b, "srv0"), [])
    place.root(OWN_RUN)
    place.follows(place.start())
    place.follows(place.start())  # the second start finds all as it was
    place.root("test -z \"$(ls /run/synward/*.instance 2>/dev/null)\"")


def left_by_root():
    """what root's synward left there is named, with its owner and what to do"""
    place = Place()
    place.follows(place.start(user=0, ambient=None), user=0)
    place.root(OWN_RUN)
    for left in ("lock", "readers"):
        refused(place.run("run", "-i", "srv0", ambient=BASE), k.PRIVILEGE,
                rf"/run/synward/(lock|readers): .*: it belongs to user 0 \(with no synward running, 'rm -r /run/synward/\*' as root\)")
        n.equal("attached", n.hooks_on(place.b, "srv0"), [])
        place.root(f"rm -r /run/synward/{left}")
    place.follows(place.start(ambient=BASE))
    refused(place.run("run", "-i", "srv0", "--socket-group", "daemon", ambient=BASE), k.PRIVILEGE,
            "^synward: --socket-group: synward's user does not belong to it: Operation not permitted$")


def ambient_capabilities():
    """ambient capabilities, by setpriv: the same, and a guard"""
    place = Place()
    refused(place.run("run", "-i", "srv0", ambient=BASE), k.PRIVILEGE, RUN_DIR)
    place.root(OWN_RUN)
    place.follows(place.start(ambient=BASE))
    capture = place.dir / "none.pcap"
    replay_bench.make(capture, 2000)
    for options, ambient in (((), None), (("--through-bpf",), BASE)):
        r = place.run("replay", *options, capture, ambient=ambient)
        n.equal(f"replay {options} ({r.stderr})", (r.returncode, r.stderr, r.stdout.count('"event":"conn"')), (k.OK, "", 2000))
    refused(place.run("replay", "--through-bpf", capture), k.PRIVILEGE, "^synward: replay: cannot load the BPF programs: ")
    p = place.start("--guard", "auto", "--mode", "generic", ambient=BASE)
    p.terminate()
    n.equal("exit code", p.wait(timeout=20), k.OK)
    n.equal("attached", n.hooks_on(place.b, "srv0"), [])


def views():
    """status and the others with CAP_SYS_ADMIN, of the same user; of another they name the owner"""
    place = Place()
    place.root(OWN_RUN)
    p = place.start(ambient=BASE)
    refused(place.run("status", ambient=BASE), k.PRIVILEGE, "status needs root, or CAP_SYS_ADMIN")
    shown = place.run("status", "--json", ambient="cap_sys_admin")
    n.equal(f"status ({shown.stderr})", json.loads(shown.stdout)["pid"], p.pid)
    for command in ("status", "flows", "guard", "reopen"):
        refused(place.run(command, ambient="cap_sys_admin", user=USER + 1), k.PRIVILEGE,
                f"{command}: /run/synward: Permission denied: it belongs to user {USER}")
    place.follows(p)


def pins():
    """--pin: the error names the directory and its owner; then state is continued, and removed by unpin"""
    place = Place()
    place.root(OWN_RUN)
    caps = f"{BASE},cap_sys_admin"
    r = place.run("run", "-i", "srv0", "--pin", ambient=caps)
    refused(r, 12, rf"--pin: '/sys/fs/bpf/synward' cannot be made: Permission denied: it has to be a directory of user {USER}'s "
            rf"\('{OWN_PINS}' as root\)")
    place.root("chmod 711 /sys/fs/bpf && install -d -m 700 /sys/fs/bpf/synward")
    refused(place.run("run", "-i", "srv0", "--pin", ambient=caps), 12,
            rf"'/sys/fs/bpf/synward' is not a directory of ours alone \(chown {USER}, chmod 700\)")
    place.root(OWN_PINS)
    for pattern in ((), ("continuing with pinned state 'srv0'",)):
        p = place.start("--pin", ambient=caps)
        p.terminate()
        n.equal("exit code", p.wait(timeout=20), k.OK)
        k.lines_of((place.dir / "err").read_text(), *pattern, "following srv0")
    r = place.run("unpin", ambient=caps)
    n.equal("unpin", (r.returncode, r.stderr), (k.OK, ""))
    n.equal("attached", n.hooks_on(place.b, "srv0"), [])


if __name__ == "__main__":
    n.main(file_capabilities, left_by_root, ambient_capabilities, views, pins)
