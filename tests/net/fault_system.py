#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""A system that lacks something or allows little: file systems read-only or missing, no BTF, small limits, missing
capabilities. Each start either works and logs connections, or ends with one line and its exit code; traffic continues
beside all of them, and nothing stays attached."""
import os
import pathlib

import kit as n
from kit import fault as k
from kit.traffic import Traffic

V1_MEMORY, V2 = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
MOUNTS = {
    "bpffs read-only": "mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf\n"
                       "mount -o remount,ro,bind /sys/fs/bpf",
    "bpffs missing": "while mountpoint -q /sys/fs/bpf; do umount -l /sys/fs/bpf; done",
    "/sys read-only": "mount --bind /sys /sys; mount -o remount,ro,bind /sys",
    "/proc/sys read-only": "mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys",
    "tracefs and debugfs missing": "mount -t tmpfs none /sys/kernel/debug; mount -t tmpfs none /sys/kernel/tracing",
    "cgroups missing": "mount -t tmpfs none /sys/fs/cgroup",
}
NO_BTF = "mount -t tmpfs none /sys/kernel/btf"


class Shared:
    """One ground for all: traffic never stops."""

    def __init__(self):
        self.ledger = k.Ledger()
        self.a, self.b = n.pair()
        self.traffic = Traffic(self.a, self.b)


ground = []


def get():
    if not ground:
        ground.append(Shared())
    return ground[0]


def fails(code, pattern, args=(), options=k.SMALL, **kw):
    """A start that must fail: one line, its code, nothing attached, traffic continues."""
    g = get()
    r = k.run(["run", "-i", "srv0", "--duration", 1, *options, *args], ns=g.b, **kw)
    n.equal(f"exit code ({r.stderr.strip()})", r.returncode, code)
    k.lines_of(r.stderr, pattern)
    k.nothing_on(g.b, "srv0")
    g.traffic.steady(1)


def works(lines=(), args=(), options=k.SMALL, **kw):
    """A start that must work, with traffic through it."""
    g = get()
    if "--guard" in args:
        n.take_replies(g.b, "srv0")
    sw = n.Synward(g.b, "srv0", args=(*options, *args), **kw)
    try:
        sw.wait_for(lambda x: x["event"] == "closed", n.PATIENCE)
        g.traffic.steady(1)
        n.equal(f"exit code ({sw.err().strip()})", sw.stop(), k.OK)
    finally:
        if sw.p.poll() is None:
            sw.kill()
    k.lines_of(sw.err(), *lines)
    n.equal("events lost", n.check_seq(sw.lines()), 0)
    k.nothing_on(g.b, "srv0")


def mounts():
    """bpffs, /sys, /proc/sys read-only, bpffs, tracefs, cgroups missing: works as ever"""
    for what, script in MOUNTS.items():
        try:
            works(script=script)
        except Exception as e:
            raise AssertionError(f"{what}: {e}") from e


def mounts_guarded():
    """the guard with /proc/sys and bpffs read-only: works as ever"""
    works(script=MOUNTS["/proc/sys read-only"] + "\n" + MOUNTS["bpffs read-only"], args=("--guard", "always"),
          lines=k.GUARD_SAYS)


def no_btf():
    """no BTF of the kernel: the tracker and the guard by the listener's cookies work; else exit 5 and where it is"""
    works(script=NO_BTF)
    says = (k.GUARD_SAYS[0], "use the kernel's own cookies")
    works(script=NO_BTF, args=("--guard", "always", "--cookie", "listener"), lines=says)
    fails(k.KERNEL, "types \\(BTF\\) cannot be read from /sys/kernel/btf/vmlinux", args=("--guard", "always"),
          script=NO_BTF)


def no_run():
    """/run/synward that cannot be written or is full: exit 1 and its name"""
    make = "mkdir -p /run/synward; mount -t tmpfs -o "
    fails(k.INTERNAL, "/run/synward: Read-only file system", script=make + "ro none /run/synward")
    fails(k.INTERNAL, "/run/synward: No space left on device", script=make + "size=4k,nr_inodes=2 none /run/synward")
    fails(k.INTERNAL, "/run/synward: File too large", prefix=("prlimit", "--fsize=0"))


def capabilities():
    """without CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, all, or root: exit 3 and what it takes"""
    pattern = "run needs root, or CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON"
    for drop in ("-bpf,-sys_admin", "-perfmon,-sys_admin", "-net_admin", "-all"):
        fails(k.PRIVILEGE, pattern, prefix=("setpriv", "--bounding-set", drop, "--inh-caps", "-all"))
    fails(k.PRIVILEGE, pattern, prefix=("setpriv", "--reuid", "65534", "--clear-groups"))


def user_namespace():
    """root of a user namespace only: exit 3, the kernel's word"""
    fails(k.PRIVILEGE, "the kernel refuses BPF to this user: Operation not permitted|run needs root",
          prefix=("unshare", "-Ur"))


def no_sys_admin():
    """without CAP_SYS_ADMIN alone: works, with and without the guard"""
    drop = ("setpriv", "--bounding-set", "-sys_admin")
    works(prefix=drop)
    works(prefix=drop, args=("--guard", "always"), lines=k.GUARD_SAYS)


def memlock():
    """RLIMIT_MEMLOCK of 64 kB that may not be raised: works (since 5.11 it counts no maps)"""
    low = ("prlimit", "--memlock=65536:65536")
    works(prefix=low)
    if tuple(int(x) for x in os.uname().release.split(".")[:2]) < (5, 11):
        raise n.Skip("this kernel counts maps by it")
    works(prefix=("setpriv", "--bounding-set", "-sys_resource", *low))


def address_space():
    """RLIMIT_AS: too little for BTF, which the guard reads, is exit 10; a ring that is larger than the limit is no fault"""
    works(prefix=("prlimit", f"--as={30 << 20}"))
    fails(k.MEMORY, "no memory for maps", prefix=("prlimit", f"--as={20 << 20}"), args=("--guard", "always"))
    works(prefix=("prlimit", f"--as={100 << 20}"), args=("--ring", "128M"))


def descriptors():
    """RLIMIT_NOFILE: a low soft limit is raised; a low hard one is exit 1 and says which limit"""
    works(prefix=("prlimit", "--nofile=16:1024"))
    for limit in (12, 30):
        fails(k.INTERNAL, "too few descriptors are allowed for maps and programs \\(ulimit -n\\)",
              prefix=("prlimit", f"--nofile={limit}"))


def cgroup():
    """a cgroup's memory limit: what does not fit is exit 10, what fits works in it"""
    v1 = (V1_MEMORY / "memory.limit_in_bytes").exists()
    name = f"sw-test-{os.getpid()}"
    here, limit, join = (V1_MEMORY / name, "memory.limit_in_bytes", "tasks") if v1 else (V2 / name, "memory.max",
                                                                                        "cgroup.procs")
    try:
        here.mkdir()
        (here / limit).write_text(str(60 << 20), encoding="ascii")
    except OSError as e:
        raise n.Skip(f"no memory cgroup can be made here: {e}") from e
    try:
        join_it = f'echo $$ > {here / join}'
        fails(k.MEMORY, r"no memory for maps of about \d+ MB", options=(), script=join_it)
        works(script=join_it)
    finally:
        n.until(lambda: gone(here), 20)


def refused_program():
    """the kernel refuses the XDP program, which libxdp loads and attaches in one step: the interface is not to blame"""
    for args in ((), ("--guard", "always")):
        name = 'prog_name="sw_xdp_guard"' if args else 'prog_name="sw_ingress"'
        at = calls_until(name, traced(args))
        for error in ("EACCES", "E2BIG"):  # the second one is also that of maps that are too large
            refused_from(at, name, error, args)


def traced(args, *inject):
    """How it ended, and its bpf() calls."""
    trace = os.path.join(n.tmp.name, "trace")
    prefix = ("strace", "-f", "-e", "trace=bpf", *inject, "-o", trace)
    r = k.run(["run", "-i", "srv0", "--duration", 0.1, *k.SMALL, *args], ns=get().b, prefix=prefix)
    return r, [x for x in pathlib.Path(trace).read_text(errors="replace").splitlines() if " bpf(" in x]


def calls_until(name, done):
    return next(i for i, x in enumerate(done[1], 1) if name in x)


def refused_from(at, name, error, args):
    """All calls fail from the one on that loads this program. libbpf repeats a call that a signal has interrupted, so beside
    other load it may be another one's turn: then not this was tried, and its number is what this run says."""
    for _ in range(5):
        done = traced(args, "-e", f"inject=bpf:error={error}:when={at}+")
        if name in next(x for x in done[1] if "(INJECTED)" in x):
            n.equal(f"exit code ({done[0].stderr.strip()})", done[0].returncode, k.KERNEL)
            k.lines_of(done[0].stderr, "its verifier refused the programs")
            k.nothing_on(get().b, "srv0")
            get().traffic.steady(1)
            return
        at = calls_until(name, traced(args))
    raise AssertionError(f"five times {name} was not the call of its number")


def gone(cgroup_dir):
    """the cgroup is removed"""
    try:
        cgroup_dir.rmdir()
    except OSError:
        return False
    return True


def end():
    """beside all of this traffic continued, and nothing is left"""
    g = get()
    if g.traffic.stop() < 20:
        raise AssertionError("there was no traffic to speak of")
    k.nothing_on(g.b, "srv0")
    g.ledger.settle()


if __name__ == "__main__":
    n.main(mounts, mounts_guarded, no_btf, no_run, capabilities, user_namespace, no_sys_admin, memlock, address_space,
           descriptors, refused_program, cgroup, end, keep=True)
