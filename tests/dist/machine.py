# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Systems to install packages on: a Debian of debootstrap, which is kept in build/dist/SUITE, below an overlay.

    Tree     its files, for chroot
    Machine  the same booted by systemd-nspawn: a real systemd in the network namespace of the test, that shares bpffs with
             this machine
"""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import ns as namespaces  # noqa: E402  pylint: disable=wrong-import-position

MIRROR = os.environ.get("SW_TEST_MIRROR", "http://deb.debian.org/debian")
CALLS = "bpf perf_event_open landlock_create_ruleset landlock_add_rule landlock_restrict_self"
CAPS = "CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN,CAP_SYS_ADMIN"
# what changes when any package comes or goes, or when a system runs
VOLATILE = re.compile(r"/(dev|proc|sys|run|tmp|root)(/.*)?|/var/(lib|cache)/(dpkg|apt|systemd|ucf|man|dbus|rpm)(/.*)?|/var/log/(?!synward).*"
                      r"|/etc/(\.pwd\.lock|group-?|gshadow-?|passwd-?|shadow-?|machine-id|ld\.so\.cache|mtab|resolv\.conf)"
                      r"|/etc/\.updated|/var/\.updated|/var/cache/ldconfig(/.*)?|/usr/share/info/dir|.*/__pycache__(/.*)?")


def run(*args, timeout=900, check=True, **kw):
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=timeout, check=False, **kw)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(map(str, args))}: exit {r.returncode}: {(r.stdout + r.stderr)[-1500:]}")
    return r


@contextlib.contextmanager
def mounted(root, *binds):
    """proc, and what is to be shared with this machine."""
    done = []
    try:
        for what, where in (("/proc", "/proc"), *binds):
            os.makedirs(f"{root}{where}", exist_ok=True)
            run("mount", "--rbind", "--make-rslave", what, f"{root}{where}")
            done.append(f"{root}{where}")
        yield
    finally:
        for where in reversed(done):
            run("umount", "-l", where)


def chroot(root, *args, check=True, **kw):
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", **kw.pop("env", {})}
    return run("chroot", root, *args, check=check, env=env, **kw)


def depends():
    """What the package depends on, as `make deb` says of the program that is built."""
    folder = pathlib.Path(n.tmp.name, "depends")
    run("src/dist/deb", folder, "build", cwd=n.TOP)
    return run("dpkg-deb", "-f", n.one(list(folder.glob("synward_*.deb"))), "Depends").stdout.strip()


def base(suite):
    """A Debian with systemd, udev, logrotate, rpm and what the package depends on; made once."""
    root = n.TOP / "build/dist" / suite
    if (root / "usr/bin/rpm").exists():
        return root
    new = root.with_suffix(".new")
    run("rm", "-rf", new, root)
    new.parent.mkdir(parents=True, exist_ok=True)
    run("debootstrap", "--variant=minbase", suite, new, MIRROR)
    (new / "etc/resolv.conf").write_bytes(pathlib.Path("/etc/resolv.conf").read_bytes())
    (new / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (new / "usr/sbin/policy-rc.d").chmod(0o755)
    with mounted(new):
        chroot(new, "apt-get", "update", "-q")
        chroot(new, "apt-get", "install", "-y", "-q", "--no-install-recommends", "systemd-sysv", "udev", "logrotate", "procps", "rpm")
        chroot(new, "apt-get", "satisfy", "-y", "-q", "--no-install-recommends", depends())
    (new / "usr/sbin/policy-rc.d").unlink()
    new.rename(root)
    return root


class Tree:
    """An overlay over a base: what a test changes goes with it."""

    def __init__(self, suite):
        self.dir = pathlib.Path(n.tmp.name, f"{suite}-{time.monotonic_ns()}")
        for x in ("upper", "work", "root"):
            (self.dir / x).mkdir(parents=True)
        self.root = self.dir / "root"
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={base(suite)},upperdir={self.dir}/upper,workdir={self.dir}/work", self.root)
        namespaces.endings.append(self.close)

    def close(self):
        if os.path.ismount(self.root):
            run("umount", "-l", self.root)
            run("rm", "-rf", self.dir / "upper", self.dir / "work")

    def files(self):
        """Names of all that is there, but for what any package changes."""
        names = run("find", self.root, "-xdev", "-printf", "/%P\n").stdout.splitlines()
        return {x for x in names if not VOLATILE.fullmatch(x)}

    def put(self, path, name):
        (self.root / name.lstrip("/")).write_bytes(pathlib.Path(path).read_bytes())


class Machine(Tree):
    """Its systemd sees the interfaces of the namespace that are made after it has booted."""

    def __init__(self, suite, ns):
        super().__init__(suite)
        drop_in = self.root / "etc/systemd/system/systemd-udevd.service.d"
        drop_in.mkdir(parents=True)
        (drop_in / "here.conf").write_text("[Unit]\nConditionPathIsReadWrite=\n")
        # nothing of this machine is triggered
        (self.root / "etc/systemd/system/systemd-udev-trigger.service").symlink_to("/dev/null")
        # nor does udev give an interface another address while others have just learnt the first one
        links = self.root / "etc/systemd/network"
        links.mkdir(parents=True, exist_ok=True)
        (links / "99-default.link").symlink_to("/dev/null")
        # systemd has units of devices only where /sys can be written
        with open(self.dir / "console", "wb") as console:
            self.p = n.popen(["systemd-nspawn", "-q", "-D", str(self.root), "--keep-unit", "--register=no", "--bind=/sys/fs/bpf",
                              f"--capability={CAPS}", f"--system-call-filter={CALLS}", "--console=pipe", "/bin/sh", "-c",
                              "mount -o remount,rw /sys && exec /lib/systemd/systemd"], ns, stdin=subprocess.DEVNULL,
                             stdout=console, stderr=console)
        self.pid = None
        n.until(self.booted, 60, 0.2)

    def booted(self):
        """systemd has started all"""
        if self.p.poll() is not None:
            raise RuntimeError(f"systemd-nspawn: exit {self.p.returncode}: {(self.dir / 'console').read_text()[-500:]}")
        children = pathlib.Path(f"/proc/{self.p.pid}/task/{self.p.pid}/children").read_text(encoding="ascii").split()
        self.pid = children[0] if children else None
        state = self.sh("systemctl", "is-system-running", check=False).stdout.strip() if self.pid else ""
        return state in ("running", "degraded")

    def sh(self, *args, check=True):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        return run("nsenter", "-t", self.pid, "-a", *args, check=check, env=env, timeout=120)

    def show(self, unit, key):
        return self.sh("systemctl", "show", "-p", key, "--value", unit).stdout.strip()

    def journal(self, unit):
        return self.sh("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def close(self):
        if self.p.poll() is None:
            if self.pid:
                os.kill(int(self.pid), signal.SIGKILL)  # pid 1 of its namespace: all of it ends
            try:
                self.p.wait(10)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait()
        super().close()
