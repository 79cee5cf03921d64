# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the fault tests share: the line and the exit code that the user gets, and what must not be left behind."""
import json
import os
import pathlib
import re
import subprocess

import kit as n

from .wait import PATIENCE

OK, INTERNAL, USAGE, PRIVILEGE, INTERFACE, KERNEL, ATTACH, RUNNING, INPUT, OUTPUT, MEMORY, NOT_RUNNING = range(12)
SMALL = ("--max-flows", 4096, "--max-half-open", 4096, "--syn-cache", 4096, "--ring", "1M", "--ring-open", "1M")
GUARD_SAYS = ("guard always",)  # at the start


def open_files():
    """/proc/PID/fd/N of all processes; one that ends meanwhile has none."""
    for pid in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            yield from list((pid / "fd").iterdir())
        except OSError:
            continue


def held():
    """Ids of BPF programs and maps that some process has open."""
    ids = {"prog": set(), "map": set()}
    for fd in open_files():
        try:
            kind = re.match(r"anon_inode:bpf-(prog|map)", os.readlink(fd))
            if kind:
                info = pathlib.Path(str(fd).replace("/fd/", "/fdinfo/")).read_text(encoding="ascii")
                ids[kind.group(1)].add(int(re.search(r"(?:prog|map)_id:\s*(\d+)", info).group(1)))
        except (OSError, AttributeError):
            continue
    return ids


def orphans():
    """Programs of synward that are loaded though no process holds them, and their maps."""
    mine = held()
    out = set()
    for p in json.loads(n.sh("bpftool", "-j", "prog", "show").stdout):
        if p.get("name", "").startswith("sw_") and p["id"] not in mine["prog"]:
            out.add(("prog", p["id"]))
            out.update(("map", i) for i in p.get("map_ids", []) if i not in mine["map"])
    return out


class Ledger:
    """What was there before a test."""

    def __init__(self):
        self.before = orphans()

    def settle(self):
        """Raises if there is more now. Others may run tests beside this: theirs go, too."""

        def even():
            """nothing of BPF is left behind"""
            return not orphans() - self.before

        n.until(even, 30, 0.2)


def nothing_on(ns, *devs):
    for d in devs:
        n.equal(f"attached to {d}", n.hooks_on(ns, d), [])


def lines_of(err, *patterns):
    """stderr has exactly these lines, in this order."""
    lines = err.splitlines()
    n.equal(f"lines on stderr ({err.strip()})", len(lines), len(patterns))
    for line, pattern in zip(lines, patterns):
        if not line.startswith("synward: ") or not re.search(pattern, line):
            raise AssertionError(f"line {line!r} does not say {pattern!r}")


def ended(sw, code, *patterns, timeout=PATIENCE):
    """It ends by itself with this exit code and these lines, and its instance file is gone."""
    n.equal(f"exit code ({sw.err().strip()})", sw.p.wait(timeout=timeout), code)
    lines_of(sw.err(), *patterns)
    assert not pathlib.Path(f"/run/synward/{sw.p.pid}.instance").exists(), "its instance file stayed"


def wait_log(sw, pattern, timeout=PATIENCE):
    """Waits for a line on stderr."""

    def spoke():
        """a line on stderr"""
        return re.search(pattern, sw.err()) or (sw.p.poll() is not None and sw.err())

    n.until(spoke, timeout / n.SLOW)
    if not re.search(pattern, sw.err()):
        raise AssertionError(f"stderr does not say {pattern!r}: {sw.err()!r}")


def stopped(sw, *patterns):
    """SIGTERM: exit 0, these lines on stderr, no event lost; its lines."""
    n.equal(f"exit code ({sw.err().strip()})", sw.stop(), OK)
    lines_of(sw.err(), *patterns)
    lines = sw.lines()
    n.equal("events lost", n.check_seq(lines), 0)
    n.fields(lines[-1], event="stats", final=True)
    return lines


def run(args, ns=None, prefix=(), script=None, timeout=60, **kw):
    """`synward ARGS`, behind prefix and what a shell script prepares before it (in its own mount namespace)."""
    cmd = [n.SYNWARD, *(str(x) for x in args)]
    if script:
        cmd = ["unshare", "-m", "sh", "-ec", script + '\nexec "$@"', "sh", *cmd]
    return n.run([*prefix, *cmd], ns, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **kw)


def foreign(name="other", section="xdp", verdict=2):
    """An object with another process's program, which passes everything."""
    src, obj = os.path.join(n.tmp.name, f"{name}.c"), os.path.join(n.tmp.name, f"{name}.o")
    pathlib.Path(src).write_text(f'__attribute__((section("{section}"), used)) int {name}(void *c)\n'
                                 f'{{ return {verdict}; }}\n'
                                 'char l[] __attribute__((section("license"), used)) = "GPL";\n', encoding="ascii")
    n.sh("clang", "-O2", "-target", "bpf", "-c", src, "-o", obj)
    return obj


def xdp_name(ns, dev):
    """Name of the XDP program on a device, None if there is none."""
    link = json.loads(n.sh("ip", "-d", "-j", "link", "show", "dev", dev, ns=ns).stdout)[0]
    if "xdp" not in link:
        return None
    return json.loads(n.sh("bpftool", "-j", "prog", "show", "id", link["xdp"]["prog"]["id"]).stdout)["name"]


def modes(sw):
    """What `synward status` says of its interfaces."""
    status = json.loads(n.sh(n.SYNWARD, "status", "--json", "--pid", sw.p.pid).stdout)
    return {x["name"]: x["ingress"] for x in status["ifaces"]}
