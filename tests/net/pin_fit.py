#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""--pin: pins and uses that do not fit, interfaces that change, and a BPF file system that is none."""
import collections
import json
import os
import pathlib
import socket
import stat
import struct
import threading

import kit as n
from kit import pin as p

USAGE, ATTACH, RUNNING = 2, 6, 7  # src/base/exit.h


def misfits():
    """pins that do not fit: one line that says why, exit 12, nothing touched, and the right one continues"""
    a, b = n.pair()
    n.veth(a, "cli1", b, "srv1")
    with p.Pins(b, "srv0") as pins:
        first = pins.start()
        name = "--pin=" + pins.name
        n.equal("mode of the directory", stat.S_IMODE(pins.dir.stat().st_mode), 0o700)
        n.equal("mode of its parent", stat.S_IMODE(p.ROOT.stat().st_mode), 0o700)
        for f in pins.dir.iterdir():
            n.equal(f"mode and owner of {f.name}", (stat.S_IMODE(f.stat().st_mode), f.stat().st_uid), (0o600, 0))
        pins.refused(RUNNING, name, says="already runs")
        pins.refused(RUNNING, pins.name, command="unpin", says=str(first.p.pid))
        p.stopped(first)
        before = p.hooks(pins)
        pins.refused(p.PINS, says=f"synward unpin {pins.name}")
        pins.refused(p.PINS, name + "x", says=pins.name)
        pins.refused(p.PINS, name, "--max-flows", 1000, says="--max-flows")
        pins.refused(p.PINS, name, "--ring", "1M", says="--ring")
        pins.refused(p.PINS, name, "--guard", "auto", says="without --guard")
        pins.refused(p.PINS, name, "-i", "srv1", says="srv1")
        pins.refused(p.PINS, name, "--mode", "generic", says="native")
        pins.refused(USAGE, name, "--log-open-at-exit", says="--log-open-at-exit")
        pins.refused(USAGE, "--pin=a.b", says="a.b")
        pins.refused(p.PINS, "nobody-has-this", command="unpin", says="no pinned state")
        elsewhere = p.Pins(a, "cli0")
        elsewhere.refused(p.PINS, name, says="namespace")
        elsewhere.refused(p.PINS, pins.name, command="unpin", says="namespace")
        file, away = (pathlib.Path(f"/run/synward/{first.p.pid}.{x}") for x in ("instance", "away"))
        file.rename(away)  # as in a container with a /run/synward of its own
        elsewhere.refused(p.PINS, pins.name, command="unpin", says="namespace")
        away.rename(file)
        for at, what in ((0, "version"), (4, "version"), (LAYOUT, "other record layouts")):
            with_other_bytes(pins, at, lambda what=what: pins.refused(p.PINS, name, says=what))
        with_other_bytes(pins, COOKIE, lambda: (  # a namespace that is gone, and whose inode is another's now
            pins.refused(p.PINS, name, says="namespace"),
            pins.refused(p.PINS, pins.name, command="unpin", says="namespace")))
        (pins.dir / "syn_cache").rename(pins.dir / "elsewhere")
        pins.refused(p.PINS, name, says="syn_cache")
        (pins.dir / "elsewhere").rename(pins.dir / "syn_cache")
        n.equal("programs", p.hooks(pins), before)
        clients = collections.Counter(p.some_clients(a, b, 5))
        second = pins.start("--close-delay", "0.1")
        n.until(lambda: sum(x["event"] == "conn" for x in second.whole()) == 5)
        p.stopped(second)
        p.stories(p.in_a_row(pins), clients)
        with_other_bytes(pins, 0, lambda: p.nothing_after(pins))  # any version removes any other's


COOKIE = 4 + 4 + 32 + 8
LAYOUT = COOKIE + 8 + 4 + 4 + 64 * 24  # of struct sw_pinned, src/loader/pin_format.h
PID = LAYOUT + 8


def daemon_bytes(pins):
    return json.loads(n.sh("bpftool", "-j", "map", "dump", "pinned", pins.dir / "daemon").stdout)[0]["value"]


def with_other_bytes(pins, at, do):
    """Something in the pins' own record is another for a while."""
    path = pins.dir / "daemon"
    hexes = daemon_bytes(pins)
    was = hexes[at]

    def put(byte):
        hexes[at] = byte
        n.sh("bpftool", "map", "update", "pinned", path, "key", "hex", "0", "0", "0", "0", "value", "hex",
             *[h[2:] for h in hexes])
    put("0x%02x" % (int(was, 16) ^ 1))
    do()
    if pins.exists():
        put(was)


def new_ground():
    """the interface goes and comes while nobody runs: the next daemon attaches to it again, and its state is kept"""
    a, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        p.stopped(pins.start("--close-delay", "0.1"))
        early = collections.Counter(p.some_clients(a, b, 3))
        n.sh("ip", "link", "del", "srv0", ns=b)
        n.veth(a, "cli0", b, "srv0")
        n.addr(a, "cli0", "10.66.0.1/16")
        n.addr(b, "srv0", "10.66.0.2/16")
        n.warm(a, "10.66.0.2")
        second = pins.start("--close-delay", "0.1")
        n.until(lambda: n.xdp_on(b, "srv0"))
        late = collections.Counter(p.some_clients(a, b, 3, 7791))
        n.until(lambda: sum(x["event"] == "conn" for x in second.whole()) >= 6)
        p.stopped(second)
        p.stories(p.in_a_row(pins), early + late)
        n.sh("ip", "link", "set", "dev", "srv0", "xdp", "off", ns=b)  # another process
        third = pins.start("--close-delay", "0.1")
        n.until(lambda: n.xdp_on(b, "srv0"))
        p.stopped(third)
        p.nothing_after(pins)


def back_again():
    """a start that fails at the second interface puts the first one's program back; a name of the interfaces' own"""
    a, b = n.pair()
    n.veth(a, "cli1", b, "srv1")
    with p.Pins(b, "srv1", "srv0") as pins:
        p.stopped(pins.start())
        n.sh("ip", "link", "set", "dev", "srv0", "xdp", "off", ns=b)
        n.sh(n.TOP / "build/tests/tool_xdp_pass", "srv0", ns=b)
        pins.refused(ATTACH, "--pin=" + pins.name, says="'srv0' already carries another XDP program")
        n.sh("ip", "link", "set", "dev", "srv0", "xdp", "off", ns=b)
        p.stopped(pins.start())
        p.nothing_after(pins)
    own = f"x{os.getpid()}.5"
    n.sh("ip", "link", "set", "srv1", "name", own, ns=b)
    n.sh("ip", "link", "set", own, "up", ns=b)
    with p.Pins(b, own, name=own.replace(".", "_")) as pins:
        n.sh(n.SYNWARD, "run", "-i", own, "--pin", "--duration", "0.3", ns=b)
        n.equal("the directory is there", pins.exists(), True)
        p.nothing_after(pins)


def own_qdisc():
    """the clsact qdisc goes with the pins whose start made it, also if that was killed; that of another process never does"""
    a, b = n.pair()
    more = [f"srv{i}" for i in range(1, 6)]
    for dev in more:
        n.veth(a, dev.replace("srv", "cli"), b, dev)
    with p.Pins(b, "srv0", *more) as pins:
        for again in (False, True):
            killed_half_way(b, pins)
            if again:
                p.stopped(pins.start())
            pins.unpin()
            n.equal("hooks", [n.hooks_on(b, i) for i in pins.ifs], [[]] * len(pins.ifs))
    with p.Pins(b, "srv0") as pins:
        for again in (False, True):
            p.stopped(pins.start())
            n.sh("tc", "qdisc", "del", "dev", "srv0", "clsact", ns=b)
            n.sh("tc", "qdisc", "add", "dev", "srv0", "clsact", ns=b)
            if again:
                p.stopped(pins.start())
            pins.unpin()
            n.equal("another process's", [x.split()[1] for x in n.hooks_on(b, "srv0")], ["clsact"])
            n.sh("tc", "qdisc", "del", "dev", "srv0", "clsact", ns=b)


def killed_half_way(ns, pins):
    """kill -9 of a first start once it has made a qdisc, and before its pins say whose they are."""
    with n.Inside(ns):
        ask = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    for _ in range(10):
        sw = pins.start(wait=False)
        n.until(lambda: (pins.dir / "daemon").exists() and has_clsact(ask), every=0)
        sw.kill()
        if daemon_bytes(pins)[PID:PID + 4] == ["0x00"] * 4:
            ask.close()
            return
        pins.unpin()
    raise AssertionError("no kill was early enough")


def has_clsact(ask):
    """The namespace has such a qdisc, on whatever interface."""
    ask.send(struct.pack("=IHHII20x", 36, 38, 0x301, 0, 0))  # RTM_GETQDISC, NLM_F_REQUEST | NLM_F_DUMP
    got = b""
    while True:
        piece = ask.recv(1 << 16)
        got += piece
        if struct.unpack_from("=H", piece, 4) == (3,):  # NLMSG_DONE, which comes alone
            return b"clsact" in got


def forwarded():
    """a router's daemons follow each other while a connection passes through it: no segment is logged twice"""
    a, r, b = n.routed()
    listener = n.listen(b, "10.67.0.2", 7790)
    between = [f"more{i}" for i in range(4)]  # the longer it takes from the first to the last
    for dev in between:
        n.veth(a, dev + "a", r, dev)
    with p.Pins(r, "rta", *between, "rtb") as pins:
        pins.start("--close-delay", "0.1")
        c, s = n.open_pair(a, listener)
        who, rounds, failed = c.getsockname(), [], []
        for sock in (c, s):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        echo = threading.Thread(target=bounce, args=(s, [], failed), daemon=True)
        serve = threading.Thread(target=bounce, args=(c, rounds, failed), daemon=True)
        for t in (echo, serve):
            t.start()
        c.sendall(b"x")
        for _ in range(4):
            p.stopped(pins.daemons[-1])
            pins.start("--close-delay", "0.1")
        before = len(rounds)
        n.until(lambda: len(rounds) > before or failed)
        n.equal("what failed", failed, [])
        c.shutdown(socket.SHUT_RDWR)
        for t in (echo, serve):
            t.join(30)  # longer than the time-out of its socket
            assert not t.is_alive(), "a connection hangs"
        again = [n.retransmitted(x) for x in (c, s)]
        c.close()
        s.close()
        n.until(lambda: any(x["event"] == "conn" for x in pins.daemons[-1].whole()))
        p.stopped(pins.daemons[-1])
        conn = n.one(n.of(p.in_a_row(pins), who, "conn"))
        print(f"# {len(rounds)} rounds", flush=True)
        n.at_least("rounds", len(rounds), 1000)
        for logged, really in zip((conn["orig_rexmit"], conn["resp_rexmit"]), again):
            n.at_most("retransmissions", logged, really)
        pins.unpin()


def bounce(sock, rounds, failed):
    """Whatever comes goes back; nothing that comes for so long as the socket waits is a failure."""
    try:
        while got := sock.recv(100):
            sock.sendall(got)
            rounds.append(1)
    except OSError as e:
        failed.append(f"{e!r}, {len(rounds)} rounds, {n.retransmitted(sock)} retransmissions")


def no_place():
    """no BPF file system, or a read-only one: one line, exit 12, nothing attached; one that can be mounted is"""
    _, b = n.pair()
    run = f"nsenter --net=/run/netns/{b} {n.SYNWARD} run -i srv0 --pin=nowhere --duration 0.5"
    for how, says in (("mount -o remount,bind,ro /sys/fs/bpf", "read-only"),
                      ("umount -l -a -t bpf", "mount namespace")):
        r = n.sh("unshare", "-m", "sh", "-c", f"mount --bind /sys/fs/bpf /sys/fs/bpf; {how} && exec {run}", check=False)
        n.equal(f"exit code after '{how}' ({r.stderr})", r.returncode, p.PINS)
        n.equal("lines", len(r.stderr.splitlines()), 1)
        assert says in r.stderr, r.stderr
        n.equal("hooks", n.hooks_on(b, "srv0"), [])
    r = n.sh("unshare", "-m", "-p", "-f", "--mount-proc", "sh", "-c",
             f"umount -l -a -t bpf && {run} && ls /sys/fs/bpf/synward/nowhere && "
             f"nsenter --net=/run/netns/{b} {n.SYNWARD} unpin", check=False)
    n.equal(f"exit code where it can be mounted ({r.stderr})", r.returncode, 0)
    assert "mounted the BPF file system" in r.stderr and "flows\n" in r.stdout, (r.stderr, r.stdout)
    n.equal("hooks", n.hooks_on(b, "srv0"), [])


def half_a_line():
    """a line that was cut short by kill -9 goes from the file that the next one appends to, and is logged again"""
    a, b = n.pair()
    path = pathlib.Path(n.tmp.name) / "lines"
    with p.Pins(b, "srv0") as pins:
        for half, stays in ((b"", False), (b'{"schema":3,"seq":1,"ts', False), (b'{"sch', False), (b"05:51:01 srv", True)):
            with path.open("ab") as f:
                f.write(half)
            with path.open("ab") as f:
                sw = pins.start("--events=stats,conn", "--close-delay", "0.1", stdout=f)
            n.equal(f"bytes of {half!r} that stay", path.read_bytes().count(half + b"\n") if half else stays, stays)
            p.some_clients(a, b, 1)
            p.stopped(sw)
        rows = path.read_bytes().splitlines(keepends=True)
        bad = [x for x in rows if not x.startswith(b"{") or not x.endswith(b"}\n")]
        n.equal("lines that are none", bad, [b"05:51:01 srv\n"])
        n.equal("seq", [json.loads(x)["seq"] for x in rows if x not in bad], list(range(1, len(rows))))
        p.nothing_after(pins)


def not_ours():
    """a directory among the pins is named; a root that others may have made leads nowhere, whatever it holds"""
    _, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        stray = pins.dir / "stray"
        stray.mkdir(parents=True)
        p.ROOT.chmod(0o700)
        try:
            pins.refused(p.PINS, "--pin=" + pins.name, says=str(pins.dir))
        finally:
            stray.rmdir()
        sw = n.Synward(b, "srv0", args=("--pin=" + pins.name,))  # the empty one is what a killed start leaves
        n.equal("exit code", sw.stop(), 0)
        p.nothing_after(pins)
    victim = pathlib.Path(n.tmp.name) / "victim"
    victim.mkdir()
    (victim / "precious").touch()
    theirs = f"mkdir {p.ROOT} && ln -s {victim} {p.ROOT}/srv0"
    script = (f"umount -l -a -t bpf; mount -t bpf -o mode=1777 bpf {p.ROOT.parent} && "
              f"setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '{theirs}' && "
              f"for name in '' srv0; do {n.SYNWARD} unpin $name; echo $?; done; {n.SYNWARD} status; "
              f"{n.SYNWARD} run -i srv0 --duration 0.3; echo $?; {n.SYNWARD} run -i srv0 --pin=srv0; echo $?")
    r = n.sh("unshare", "-m", "sh", "-c", script, ns=b, check=False)
    n.equal(f"exit codes ({r.stderr})", [x for x in r.stdout.splitlines() if x.isdigit()], ["12", "12", "0", "12"])
    n.equal("what the symbolic link leads to", os.listdir(victim), ["precious"])
    n.equal("hooks", n.hooks_on(b, "srv0"), [])


if __name__ == "__main__":
    n.main(misfits, new_ground, back_again, own_qdisc, forwarded, no_place, half_a_line, not_ours)
