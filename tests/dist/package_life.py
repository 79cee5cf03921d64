# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The life of a package on a Debian 12 and a Debian 13 of debootstrap, whose systemd runs: installed, started, upgraded with
pins while clients connect, removed. And in a chroot that shares everything with a system that runs the guard. The tests of
tests/dist/long call main() with what knows a kind of package:

    kind               its name, for files
    build(folder)      the package and the next release of it, both of programs that are built
    install(file)      the commands: install or upgrade; remove; purge, where there is such a thing
    remove, purge
    installed          a command that fails where the package is not installed
    left               what stays of it: names of files and folders

    +------- a -------+         +------- b -------+
    | clients         |  veth   |  servers        |    systemd in b, its synward@srv0 with --pin and the guard
    | 10.66.0.1       o=========o  10.66.0.2      |
    +-----------------+         +-----------------+
"""
import json
import pathlib
import re

import machine as m
import kit as n
from kit import pin as p

UNIT = "synward@srv0.service"
FILE = "/var/log/synward/srv0.ndjson"
LAYOUT_VERSION = 0  # where struct sw_pinned has its version
SUITES = ("bookworm", "trixie")
OWN = ["/etc/default/synward-srv0", "/etc/systemd/system/mine.service"]  # what a user wrote


def build():
    """Both releases, once."""
    if "one" not in state:
        folder = pathlib.Path(n.tmp.name, state["package"].kind)
        state["one"], state["next"] = state["package"].build(folder)


def ground(suite):
    """Both namespaces, and the machine in b; its interface comes when it has booted."""
    build()
    a, b = n.new_ns("a"), n.new_ns("b")
    n.quiet(a)
    n.quiet(b)
    machine = m.Machine(suite, b)
    n.veth(a, "cli0", b, "srv0")
    n.addr(a, "cli0", "10.66.0.1/16", "fd66::1/64")
    n.addr(b, "srv0", "10.66.0.2/16", "fd66::2/64")
    n.warm(a, "10.66.0.2", "fd66::2")
    n.take_replies(b, "srv0")
    bring(machine)
    return a, b, machine


def bring(tree):
    for name in ("one", "next"):
        tree.put(state[name], f"/root/{name}")


def install(machine, name="one"):
    """What it said."""
    r = machine.sh(*state["package"].install(f"/root/{name}"))
    return r.stdout + r.stderr


def gone(machine):
    """Removed and purged. What it said."""
    said = ""
    for command in (state["package"].remove, state["package"].purge):
        if command:
            r = machine.sh(*command)
            said += r.stdout + r.stderr
    return said


def configure(machine, pin):
    options = f"--pin={pin} --guard=auto --close-delay=0.2 --socket-group=synward --owner=process --output={FILE}"
    (machine.root / "etc/default/synward-srv0").write_text(f'SYNWARD_OPTIONS="{options}"\n')


def start(machine):
    r = machine.sh("systemctl", "enable", "--now", UNIT, check=False)
    n.equal(f"started ({r.stderr}{machine.journal(UNIT)})", machine.show(UNIT, "ActiveState"), "active")


def hooks(b):
    """Ids of what is attached."""
    return re.findall(r"id (\d+)", n.sh("bpftool", "net", "show", "dev", "srv0", ns=b).stdout)


def lines(machine):
    """All whole lines of the file."""
    raw = (machine.root / FILE.lstrip("/")).read_bytes()
    return [json.loads(x) for x in raw.splitlines(keepends=True) if x.endswith(b"\n")]


def whole_life(suite):
    """installed, enabled, upgraded with pins while 1,000 clients a second connect, removed: what is left is as documented"""
    a, b, machine = ground(suite)
    pins = p.Pins(b, "srv0")
    with pins:
        before = machine.files()
        install(machine)
        n.equal("group", machine.sh("getent", "group", "synward").stdout.split(":")[0], "synward")
        n.equal("nothing runs by itself", hooks(b), [])
        configure(machine, pins.name)
        start(machine)
        first = hooks(b)
        n.at_least("programs", len(first), 2)
        pid = machine.show(UNIT, "MainPID")
        rush = p.rush(a, b)
        try:
            rush.more(2000)
            said = install(machine, "next")
            n.equal("complaints", "warning" in said or "exit 12" in said, False)
            n.equal("runs again", (machine.show(UNIT, "ActiveState"), machine.show(UNIT, "MainPID") == pid), ("active", False))
            rush.more(2000)
            clients = p.stopped_rush(rush)
        finally:
            rush.kill()
        n.equal("version", machine.sh("synward", "--version").stdout.split("\n", maxsplit=1)[0], "synward 0.1.0-newer")
        n.until(lambda: len([x for x in lines(machine) if x["event"] == "conn"]) >= rush.opened, 60, 0.5)
        said = machine.sh("systemctl", "status", "--no-pager", UNIT).stdout
        n.equal("who may read", machine.sh("stat", "-c", "%G", f"/run/synward/readers/{machine.show(UNIT, 'MainPID')}").stdout,
                "synward\n")
        another(b, machine, pins, before)
        p.stories(state["lines"], clients)


def another(b, machine, pins, before):
    """Removed, while a synward of this machine has pins of its own in the same bpffs."""
    ground_of_other = n.new_ns("c")
    n.sh("ip", "link", "add", "oth0", "netns", ground_of_other, "type", "veth", "peer", "name", "oth1", "netns", ground_of_other)
    for dev in ("oth0", "oth1"):
        n.sh("ip", "link", "set", dev, "up", ns=ground_of_other)
    with p.Pins(ground_of_other, "oth0") as others:
        others.start("--guard", "auto", "--mode", "generic")
        p.stopped(others.daemons[-1])
        theirs = p.hooks(others)
        n.at_least("programs of the other", len(theirs), 2)
        r = machine.sh(*state["package"].remove)
        n.equal("it names the pins that it leaves", f"pinned state '{others.name}'" in r.stdout + r.stderr, True)
        n.equal("hooks", n.hooks_on(b, "srv0"), [])
        n.equal("pins", pins.exists(), False)
        n.equal("programs of the other", p.hooks(others), theirs)
        n.equal("pins of the other", others.exists(), True)
        n.equal("unit", machine.show(UNIT, "ActiveState"), "inactive")
        state["lines"] = lines(machine)
        n.equal("lost", n.check_seq(state["lines"]), 0)
        (machine.root / "etc/systemd/system/mine.service").write_text("[Unit]\n")
        n.equal("logs after remove", (machine.root / FILE.lstrip("/")).exists(), True)
        if state["package"].purge:
            machine.sh(*state["package"].purge)
        n.equal("left", sorted(machine.files() - before), sorted(OWN + state["package"].left))
        n.equal("missing", sorted(before - machine.files()), [])
        n.equal("programs of the other afterwards", (p.hooks(others), others.exists()), (theirs, True))


def unfit(suite):
    """upgraded over pins of other records: exit 12, said; the guard stays attached; unpin and restart begin anew"""
    a, b, machine = ground(suite)
    pins = p.Pins(b, "srv0")
    with pins:
        install(machine)
        configure(machine, pins.name)
        start(machine)
        was = hooks(b)
        path = pins.dir / "daemon"
        value = [x[2:] for x in json.loads(n.sh("bpftool", "-j", "map", "dump", "pinned", path).stdout)[0]["value"]]
        value[LAYOUT_VERSION] = "%02x" % (int(value[LAYOUT_VERSION], 16) ^ 1)
        n.sh("bpftool", "map", "update", "pinned", path, "key", "hex", "0", "0", "0", "0", "value", "hex", *value)
        said = install(machine, "next")
        n.equal(f"it says so: {said}", f"{UNIT} was not restarted" in said and "exit 12" in said, True)
        n.equal("unit", (machine.show(UNIT, "ActiveState"), machine.show(UNIT, "ExecMainStatus")), ("failed", "12"))
        n.equal("programs", hooks(b), was)
        machine.sh(*state["package"].installed)
        listener = n.listen(b, "10.66.0.2", 7777)
        client, server = n.open_pair(a, listener)
        for s in (client, server, listener):
            s.close()
        machine.sh("synward", "unpin", pins.name)
        machine.sh("systemctl", "restart", UNIT)
        n.equal("unit after unpin", machine.show(UNIT, "ActiveState"), "active")
        n.equal("others are attached", set(hooks(b)) & set(was), set())
        gone(machine)
        n.equal("hooks, pins", (n.hooks_on(b, "srv0"), pins.exists()), ([], False))


def killed(suite):
    """a unit that failed, and left pins: they go with the package, too"""
    _, b, machine = ground(suite)
    with p.Pins(b, "srv0") as pins:
        install(machine)
        configure(machine, pins.name)
        drop_in = machine.root / f"etc/systemd/system/{UNIT}.d"
        drop_in.mkdir()
        (drop_in / "once.conf").write_text("[Service]\nRestart=no\n")
        machine.sh("systemctl", "daemon-reload")
        start(machine)
        machine.sh("systemctl", "kill", "-s", "KILL", UNIT)
        n.until(lambda: machine.show(UNIT, "ActiveState") == "failed", 20, 0.2)
        n.at_least("programs that stay", len(hooks(b)), 2)
        machine.sh(*state["package"].remove)
        n.equal("hooks, pins", (n.hooks_on(b, "srv0"), pins.exists()), ([], False))


def another_unit(suite):
    """a unit file of the administrator's own is neither restarted nor stopped"""
    _, b, machine = ground(suite)
    with p.Pins(b, "srv0") as pins:
        install(machine)
        configure(machine, pins.name)
        own = (machine.root / "usr/lib/systemd/system/synward@.service").read_text()
        m.run("cp", machine.root / "usr/sbin/synward", machine.root / "usr/local/sbin/synward")
        (machine.root / "etc/systemd/system/synward@.service").write_text(own.replace("/usr/sbin", "/usr/local/sbin"))
        machine.sh("systemctl", "daemon-reload")
        start(machine)
        pid, was = machine.show(UNIT, "MainPID"), hooks(b)
        install(machine, "next")
        gone(machine)
        n.equal("process and programs", (machine.show(UNIT, "MainPID"), machine.show(UNIT, "ActiveState"), hooks(b)),
                (pid, "active", was))
        machine.sh("systemctl", "stop", UNIT)


FAKE = """#!/bin/sh
# answers as the system's systemd would, if the chroot reached it
echo "$@" >>/systemctl.log
case "$1 $*" in
list-units*) echo "synward@srv0.service loaded active running x" ;;
show*FragmentPath*) echo /usr/lib/systemd/system/synward@.service ;;
show*MainPID*) echo PID ;;
show*) echo 12 ;;
esac
"""


def shared(suite):
    """in a chroot with the /run, /proc and bpffs of a system whose guard runs: nothing is stopped, detached or unpinned"""
    build()
    package = state["package"]
    _, b = n.pair()
    tree = m.Tree(suite)
    bring(tree)
    run = pathlib.Path(n.tmp.name, f"run-{suite}")
    (run / "systemd/system").mkdir(parents=True)
    (run / "synward").mkdir()
    with p.Pins(b, "srv0") as pins:
        sw = pins.start("--guard", "auto", "--mode", "generic")
        was = p.hooks(pins)
        for name in ("systemctl", "deb-systemd-invoke"):
            fake = tree.root / "usr/sbin" / name  # rpm's scriptlets have a PATH of rpm's, where /sbin is first
            fake.write_text(FAKE.replace("PID", str(sw.p.pid)))
            fake.chmod(0o755)
        with m.mounted(tree.root, (str(run), "/run"), ("/run/synward", "/run/synward"), ("/sys", "/sys")):
            for args in (package.install("/root/one"), package.install("/root/next"), package.remove, package.purge):
                if args:
                    m.run("nsenter", f"--net=/run/netns/{b}", "chroot", tree.root, "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *args)
        n.equal("asked of systemd", (tree.root / "systemctl.log").exists(), False)
        n.equal("programs", p.hooks(pins), was)
        n.equal("it runs, with its pins", (sw.p.poll(), pins.exists()), (None, True))
        p.stopped(sw)


def of(case, suite):
    def one():
        case(suite)
    one.__name__, one.__doc__ = f"{case.__name__}_{suite}", f"{suite}: {case.__doc__}"
    return one


def main(package):
    state["package"] = package
    n.main(*(of(case, suite) for suite in SUITES for case in (whole_life, unfit, killed, another_unit, shared)))


state = {}
