# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A program as in a container: a root of its own with the program and its libraries, which is read-only, volumes, and of
root's capabilities those that are named. The one argument is JSON, as kit/pod.py writes it. What a container runtime does besides
(its seccomp list, AppArmor, limits) is not done. Runs in a new mount namespace, and with "pids" in a new pid namespace, whose
first process it is."""
import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys

PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 23, 24, 38
NAMES = {"SETPCAP": 8, "NET_ADMIN": 12, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "PERFMON": 38, "BPF": 39}
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
CLONE_NEWNS = 0x20000
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    args = [x.encode() if isinstance(x, str) else x for x in args]
    if getattr(libc, name)(*args) < 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{name}{args}: {os.strerror(err)}")


def build(root, program):
    """The program and what it is linked with, each at its place."""
    out = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        path = next((x for x in line.split() if x.startswith("/")), None)
        if path:
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path[1:])
    shutil.copy(program, root / "synward")


def main():
    spec = json.loads(sys.argv[1])
    call("unshare", CLONE_NEWNS)
    call("mount", "none", "/", None, MS_REC | MS_PRIVATE, None)
    root = pathlib.Path(spec["root"])
    call("mount", "none", str(root), "tmpfs", 0, None)
    build(root, spec["program"])
    for name in ("proc", "sys", "dev", "etc", "run", *(x["at"][1:] for x in spec["volumes"] if not x["at"].startswith("/sys/"))):
        (root / name).mkdir(parents=True, exist_ok=True)
    call("mount", "none", f"{root}/proc", "proc", 0, None)
    call("mount", "none", f"{root}/sys", "sysfs", MS_RDONLY, None)
    for volume in spec["volumes"]:
        call("mount", volume["from"], f"{root}{volume['at']}", None, MS_BIND | MS_REC, None)
        if volume["read_only"]:
            call("mount", "none", f"{root}{volume['at']}", None, MS_REMOUNT | MS_BIND | MS_RDONLY, None)
    if spec["read_only"]:
        call("mount", "none", str(root), None, MS_REMOUNT | MS_RDONLY, None)
    os.chroot(root)
    os.chdir("/")
    keep = {NAMES[x] for x in spec["capabilities"]}
    for cap in range(64):
        if cap not in keep and libc.prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1:
            call("prctl", PR_CAPBSET_DROP, cap, 0, 0, 0)
    if not spec["escalation"]:
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.execve("/synward", ["synward", *spec["args"]], spec["env"])


main()
