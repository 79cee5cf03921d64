#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The process: signals, kill -9, failed starts, wrong uses. Each has one clear line and its own exit code
(src/base/exit.h), and nothing stays attached."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import kit as n

OK, USAGE, PRIVILEGE, INTERFACE, ATTACH, RUNNING, INPUT, OUTPUT, MEMORY, NOT_RUNNING = 0, 2, 3, 4, 6, 7, 8, 9, 10, 11
V4 = ("10.66.0.2", 7777)


def nothing_left(ns, *devs):
    for d in devs:
        n.equal(f"attached to {d}", n.hooks_on(ns, d), [])


def progs_of(sw):
    """Ids of the programs of a running instance, from its instance file."""
    ids = re.findall(r"prog\w*[\"=: ]+(\d+)", sw.instance())
    assert ids, f"no program ids in {sw.instance()!r}"
    return ids


def gone(ids):
    def none_left():
        """the programs are unloaded"""
        return all(n.sh("bpftool", "prog", "show", "id", i, check=False).returncode for i in ids)

    n.until(none_left, 2)


def traffic(a, b, count=3):
    """Real connections through the interface; raises if they do not pass."""
    listener = n.listen(b, *V4)
    for _ in range(count):
        c, s = n.open_pair(a, listener)
        c.sendall(b"through")
        n.read_n(s, 7)
        c.close()
        s.close()
    listener.close()


def wrong(args, code, ns=None, pattern=None, env=None, prefix=(), **kw):
    """One use that must fail: its exit code and exactly one line on stderr."""
    cmd = list(prefix) + [n.SYNWARD] + [str(x) for x in args]
    if ns:
        cmd = ["nsenter", f"--net=/run/netns/{ns}"] + cmd
    r = subprocess.run(cmd, capture_output=True, timeout=30 * n.SLOW, check=False, stdin=subprocess.DEVNULL, env=env, **kw)
    err = r.stderr.decode(errors="replace")
    n.equal(f"exit code of {args} ({err.strip()})", r.returncode, code)
    n.equal(f"lines on stderr of {args} ({err.strip()})", len(err.splitlines()), 1)
    if not err.startswith("synward"):
        raise AssertionError(f"a line that does not say who speaks: {err!r}")
    if pattern and not re.search(pattern, err):
        raise AssertionError(f"the line does not say {pattern!r}: {err!r}")
    return r


def ends_by(sig, service=True):
    a, b = n.pair()
    sw = n.Synward(b, "srv0", service=service, sizes=False)
    ids = progs_of(sw)
    assert n.xdp_on(b, "srv0")
    traffic(a, b)
    n.equal("exit code", sw.stop(sig), OK)
    nothing_left(b, "srv0")
    gone(ids)
    assert not pathlib.Path(f"/run/synward/{sw.p.pid}.instance").exists(), "the instance file stayed"
    lines = sw.lines()
    n.fields(lines[-1], event="stats", final=True, lost_total=0)
    n.equal("events lost", n.check_seq(lines), 0)
    n.equal("conn lines, ended ones too", len([x for x in lines if x["event"] == "conn"]), 3)
    n.equal("stderr", sw.err(), "")
    traffic(a, b)


def sigint():
    """SIGINT: detached, drained, final stats, exit 0"""
    ends_by(signal.SIGINT)


def sigterm():
    """SIGTERM: the same"""
    ends_by(signal.SIGTERM)


def sigquit():
    """SIGQUIT: the same, and no core; SIGUSR1 and SIGUSR2 before it do nothing"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0")
    for sig in (signal.SIGUSR1, signal.SIGUSR2):
        sw.p.send_signal(sig)
        traffic(a, b)
        assert n.xdp_on(b, "srv0"), f"{sig.name} detached it"
    n.equal("exit code", sw.stop(signal.SIGQUIT), OK)
    nothing_left(b, "srv0")
    lines = sw.lines()
    n.fields(lines[-1], event="stats", final=True, lost_total=0)
    n.equal("conn lines", len([x for x in lines if x["event"] == "conn"]), 6)
    n.equal("stderr", sw.err(), "")


def hangup():
    """SIGHUP: the same, the terminal is gone"""
    if os.environ.get("SW_TEST_GUARD"):
        raise n.Skip("the guard reads its files again")
    ends_by(signal.SIGHUP, service=False)


def nohup():
    """SIGHUP under nohup: nothing; who is not root cannot lock the instance file"""
    a, b = n.pair()
    was = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        sw = n.Synward(b, "srv0", service=False)
    finally:
        signal.signal(signal.SIGHUP, was)
    n.equal("mode", oct(os.stat(f"/run/synward/{sw.p.pid}.instance").st_mode & 0o777), "0o600")
    sw.p.send_signal(signal.SIGHUP)
    traffic(a, b)
    n.equal("exit code", sw.stop(), OK)
    n.equal("conn lines", len([x for x in sw.lines() if x["event"] == "conn"]), 3)


def duration():
    """--duration ends by itself, exit 0"""
    a, b = n.pair()
    start = time.monotonic()
    sw = n.Synward(b, "srv0", args=("--duration", "2"))
    ready = time.monotonic()
    traffic(a, b)
    n.equal("exit code", sw.p.wait(timeout=20 * n.SLOW), OK)
    # it lies between the two: no earlier than it was started, no later than it logged that it is ready
    now = time.monotonic()
    if now - start < 2 or now - ready > 15:
        raise AssertionError(f"took {now - ready:.1f} to {now - start:.1f} s")
    nothing_left(b, "srv0")
    n.equal("conn lines", len([x for x in sw.lines() if x["event"] == "conn"]), 3)


def flush():
    """at exit, an open connection gets its conn with --log-open-at-exit and only then"""
    for args, want in (((), 0), (("--log-open-at-exit",), 1)):
        a, b = n.pair()
        sw = n.Synward(b, "srv0", args=args)
        listener = n.listen(b, *V4)
        c, s = n.open_pair(a, listener)
        sw.wait_for(lambda x: x["event"] == "established")
        n.equal("exit code", sw.stop(), OK)
        conns = [x for x in sw.lines() if x["event"] == "conn"]
        n.equal("conn lines", len(conns), want)
        for x in conns:
            n.fields(x, reason="end_of_input", orig_state="ESTABLISHED", resp_state="ESTABLISHED", conn_state="S1")
        c.close()
        s.close()
        n.cleanup()


def kill9():
    """kill -9: traffic continues, and the next start takes over with one line about it"""
    a, b = n.pair()
    first = n.Synward(b, "srv0")
    traffic(a, b)
    first.p.kill()
    first.p.wait()
    traffic(a, b)
    second = n.Synward(b, "srv0")
    shown = second.err().splitlines()
    n.equal("lines on stderr", len(shown), 1)
    if "srv0" not in shown[0]:
        raise AssertionError(f"the line does not name the interface: {shown[0]!r}")
    traffic(a, b, 5)
    n.settled(a, b)
    n.equal("exit code", second.stop(), OK)
    lines = second.lines()
    n.equal("conn lines of the second", len([x for x in lines if x["event"] == "conn"]), 5)
    if lines[-1]["forwarded_twice"] or any(x["syn_rexmit"] for x in lines if x["event"] == "conn"):
        raise AssertionError("segments were counted twice: the first one's hooks are still there")
    nothing_left(b, "srv0")
    assert not list(pathlib.Path("/run/synward").glob(f"{first.p.pid}.*")), "the dead one's file stayed"


def second_instance():
    """a second synward on the interface: its own exit code, and the first continues"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0")
    wrong(["run", "-i", "srv0"], RUNNING, ns=b, pattern="srv0")
    traffic(a, b, 2)
    n.settled(a, b)
    n.equal("exit code", sw.stop(), OK)
    n.equal("conn lines", len([x for x in sw.lines() if x["event"] == "conn"]), 2)
    nothing_left(b, "srv0")


def same_pid():
    """containers with one /run/synward and pid namespaces of their own: what another one has or has left there stays"""
    a, b = n.pair()
    n.veth(a, "cli1", b, "srv1")
    holder = n.popen(["unshare", "-m", "sh", "-ec", "mount -t tmpfs -o mode=755 none /run; echo made; exec cat"], b, stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
    n.started.append(holder)
    n.equal("mounts", holder.stdout.readline(), b"made\n")
    files = pathlib.Path(f"/proc/{holder.pid}/root/run/synward")
    inside = ("nsenter", "-t", str(holder.pid), "-m", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")

    def contained(iface, **kw):
        return n.Synward(b, iface, prefix=inside, **kw)

    def ends(sw, sig):
        """What is started is unshare, which passes no signal on. How it ended."""
        child = int(pathlib.Path(f"/proc/{sw.p.pid}/task/{sw.p.pid}/children").read_text(encoding="ascii").split()[0])
        os.kill(child, sig)
        return sw.p.wait(timeout=60 * n.SLOW)

    first = contained("srv0")
    r = n.run([*inside, n.SYNWARD, "run", "-i", "srv1", "--duration", "1"], b, text=True)
    n.equal("exit code", r.returncode, RUNNING)
    n.equal("line", "1.instance: a synward of another pid namespace has this pid" in r.stderr, True)
    n.equal("lines", len(r.stderr.splitlines()), 1)
    nothing_left(b, "srv1")
    n.equal("files", [x.name for x in files.glob("*.instance")], ["1.instance"])
    n.equal("killed", ends(first, signal.SIGKILL) != OK, True)
    second = contained("srv1")
    n.equal("files", sorted(x.name for x in files.glob("*.instance")), ["1.instance", "4194305.instance"])
    n.equal("exit code", ends(second, signal.SIGTERM), OK)
    third = contained("srv0")
    n.equal("files", [x.name for x in files.glob("*.instance")], ["1.instance"])
    n.equal("exit code", ends(third, signal.SIGTERM), OK)
    nothing_left(b, "srv0")


def failed_start_undoes():
    """a start that fails at the second interface leaves nothing on the first"""
    a, b = n.pair()
    wrong(["run", "-i", "srv0", "-i", "nosuch0"], INTERFACE, ns=b, pattern="nosuch0")
    nothing_left(b, "srv0")
    n.veth(a, "cli1", b, "srv1")
    blocker = n.Synward(b, "srv1")
    wrong(["run", "-i", "srv0", "-i", "srv1"], RUNNING, ns=b)
    nothing_left(b, "srv0")
    n.equal("exit code", blocker.stop(), OK)


def foreign_xdp():
    """an XDP program of another process: one line, nothing changed"""
    _, b = n.pair()
    src = os.path.join(n.tmp.name, "other.c")
    obj = os.path.join(n.tmp.name, "other.o")
    pathlib.Path(src).write_text('__attribute__((section("xdp"), used)) int other(void *c) { return 2; }\n'
                                 'char l[] __attribute__((section("license"), used)) = "GPL";\n')
    n.sh("clang", "-O2", "-target", "bpf", "-c", src, "-o", obj)
    n.sh("ip", "link", "set", "dev", "srv0", "xdpdrv", "obj", obj, "sec", "xdp", ns=b)
    before = n.sh("ip", "-j", "link", "show", "srv0", ns=b).stdout
    prog = json.loads(before)[0]["xdp"]["prog"]["id"]
    r = subprocess.run(["nsenter", f"--net=/run/netns/{b}", n.SYNWARD, "run", "-i", "srv0", "--duration", "1"],
                       capture_output=True, timeout=30 * n.SLOW, check=False)
    after = json.loads(n.sh("ip", "-j", "link", "show", "srv0", ns=b).stdout)[0]["xdp"]["prog"]["id"]
    n.equal("the other's program", after, prog)
    if r.returncode == OK:
        raise n.Skip("the dispatcher shares the interface here")
    n.equal("exit code", r.returncode, ATTACH)
    n.equal("lines on stderr", len(r.stderr.splitlines()), 1)


def guard_needs_egress():
    """a guard without an egress hook could be fooled blindly: refused, and the tracker continues without"""
    if json.loads(n.sh(n.SYNWARD, "probe", "--json").stdout)["guard"] == "none":
        raise n.Skip("this kernel is too old for the guard")
    _, b = n.pair()
    n.sh("tc", "qdisc", "add", "dev", "srv0", "ingress", ns=b)
    for more in ([], ["--cookie", "listener"], ["--pin=egress"]):
        wrong(["run", "-i", "srv0", "--mode", "generic", "--duration", 5, "--guard", "always", *more], ATTACH, ns=b,
              pattern="tc egress hook: File exists")
        n.equal("XDP", n.xdp_on(b, "srv0"), False)
        n.equal("filters", [x for x in n.hooks_on(b, "srv0") if "sw_" in x], [])
        n.equal("the other's qdisc", "qdisc ingress" in n.sh("tc", "qdisc", "show", "dev", "srv0", ns=b).stdout, True)
    sw = n.Synward(b, "srv0", args=("--mode", "generic"))
    n.equal("exit code", sw.stop(), OK)


def wrong_uses():
    """wrong uses: each its exit code and exactly one line"""
    _, b = n.pair()
    wrong(["run", "-i", "nosuch0"], INTERFACE, ns=b, pattern="nosuch0")
    wrong(["run"], USAGE)
    wrong([], USAGE)
    wrong(["frobnicate"], USAGE, pattern="frobnicate")
    wrong(["run", "-i", "srv0", "--frobnicate"], USAGE, ns=b, pattern="frobnicate")
    for old, now in (("embryos", "max-half-open"), ("flows", "max-flows"), ("handshakes", "syn-cache"),
                     ("linger", "close-delay"), ("no-confine", "no-sandbox"), ("flush", "log-open-at-exit")):
        wrong(["run", "-i", "srv0", f"--{old}"], USAGE, ns=b, pattern=f"run: --{old} is now --{now} ")
    wrong(["run", "-i", "srv0", "--duration", "soon"], USAGE, ns=b, pattern="soon")
    wrong(["run", "-i", "srv0", "--events", "opening,nonsense"], USAGE, ns=b, pattern="nonsense")
    wrong(["run", "-i", "srv0", "--format", "xml"], USAGE, ns=b, pattern="xml")
    wrong(["run", "-i", "srv0", "--ring", "1000"], USAGE, ns=b)
    wrong(["run", "-i", "srv0", "--max-flows", "0"], USAGE, ns=b)
    wrong(["run", "-i", "srv0", "--timeout-fin-wait", "-1"], USAGE, ns=b)
    wrong(["run", "-i", "srv0", "more"], USAGE, ns=b, pattern="more")
    for mode in ("off", "monitor", "auto", "always"):
        wrong(["run", "-i", "srv0", "--ingress-only", "--guard", mode], USAGE, ns=b, pattern="--ingress-only")
    wrong(["replay"], USAGE)
    wrong(["replay", "/nonexistent.pcap"], INPUT, pattern="nonexistent")
    nothing_left(b, "srv0")


def bad_captures():
    """captures that are none, or cut short: exit 8 and one line"""
    junk = os.path.join(n.tmp.name, "junk.pcap")
    pathlib.Path(junk).write_bytes(b"this is no capture at all, whatever its name says")
    wrong(["replay", junk], INPUT, pattern="junk.pcap")
    pathlib.Path(junk).write_bytes(b"")
    wrong(["replay", junk], INPUT)
    header = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + b"\0" * 8 + b"\xff\xff\0\0" + b"\x01\0\0\0"
    pathlib.Path(junk).write_bytes(header + b"\0" * 8 + b"\x64\0\0\0\x64\0\0\0" + b"short")
    wrong(["replay", junk], INPUT)
    pathlib.Path(junk).write_bytes(header[:20] + b"\x93\x27\0\0")  # a link type that nobody has
    wrong(["replay", junk], INPUT)


def not_root():
    """without privilege: exit 3, one line, before anything else"""
    _, b = n.pair()
    wrong(["run", "-i", "srv0"], PRIVILEGE, ns=b, prefix=("setpriv", "--reuid", "65534", "--clear-groups"))
    wrong(["run", "-i", "srv0"], PRIVILEGE, ns=b, prefix=("setpriv", "--bounding-set", "-all", "--inh-caps", "-all"))
    nothing_left(b, "srv0")


def too_large():
    """maps that no memory holds: exit 10 and the size in the line"""
    _, b = n.pair()
    wrong(["run", "-i", "srv0", "--max-flows", "1073741824"], MEMORY, ns=b, pattern=r"\d")
    nothing_left(b, "srv0")


def nobody_to_ask():
    """flows and status with no synward running here: exit 11"""
    # a /run of its own: other tests run beside this one
    alone = ("unshare", "-m", "sh", "-ec", 'mount -t tmpfs none /run/synward; exec "$@"', "sh")
    pathlib.Path("/run/synward").mkdir(mode=0o700, exist_ok=True)
    wrong(["flows"], NOT_RUNNING, pattern="no synward is running", prefix=alone)
    wrong(["status"], NOT_RUNNING, pattern="no synward is running", prefix=alone)


def closed_pipe():
    """a reader that goes away: a clean end, exit 0, nothing attached"""
    a, b = n.pair()
    r, w = os.pipe()
    sw = n.Synward(b, "srv0", stdout=w)
    os.close(w)
    os.close(r)
    traffic(a, b)
    n.equal("exit code", sw.p.wait(timeout=15 * n.SLOW), OK)
    n.equal("stderr", sw.err(), "")
    nothing_left(b, "srv0")


def full_disk():
    """/dev/full: exit 9, one line, nothing attached"""
    a, b = n.pair()
    with open("/dev/full", "wb") as full:
        sw = n.Synward(b, "srv0", stdout=full)
    traffic(a, b)
    n.equal("exit code", sw.p.wait(timeout=15 * n.SLOW), OUTPUT)
    n.equal("lines on stderr", len(sw.err().splitlines()), 1)
    nothing_left(b, "srv0")


def interface_goes():
    """the interface is deleted: one line, exit 4"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0")
    traffic(a, b, 1)
    n.sh("ip", "link", "del", "srv0", ns=b)
    n.equal("exit code", sw.p.wait(timeout=15 * n.SLOW), INTERFACE)
    if "srv0" not in sw.err():
        raise AssertionError(f"stderr does not name it: {sw.err()!r}")
    lines = sw.lines()
    n.equal("conn lines", len([x for x in lines if x["event"] == "conn"]), 1)


def interface_renamed():
    """the interface is renamed: lines carry the new name"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0")
    traffic(a, b, 1)
    sw.wait_for(lambda x: x["event"] == "closed")
    r = n.sh("ip", "link", "set", "srv0", "name", "new0", ns=b, check=False)
    if r.returncode and "busy" in r.stderr:
        sw.stop()
        raise n.Skip("this kernel renames no interface that is up")
    n.equal("rename", r.stderr, "")
    n.sh("ip", "link", "set", "new0", "up", ns=b)
    n.until(lambda: "is now called 'new0'" in sw.err())
    n.warm(a, "10.66.0.2")
    traffic(a, b, 1)
    n.settled(a, b)
    n.equal("exit code", sw.stop(), OK)
    names = [x["iface"] for x in sw.lines() if x["event"] == "opening" and x["resp_port"] == 7777]
    n.equal("names", names, ["srv0", "new0"])
    nothing_left(b, "new0")


def live_table():
    """flows and status show the running instance"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0")
    listener = n.listen(b, *V4)
    c, s = n.open_pair(a, listener)
    c.sendall(b"hello")
    n.read_n(s, 5)
    pid = ["--pid", str(sw.p.pid)]
    rows = [json.loads(x) for x in n.sh(n.SYNWARD, "flows", "--json", *pid, ns=b).stdout.splitlines()]
    row = n.one([x for x in rows if x.get("orig_port") == c.getsockname()[1]], "row")
    n.fields({"event": "row", **row}, orig_ip="10.66.0.1", resp_port=7777, orig_state="ESTABLISHED",
             resp_state="ESTABLISHED")
    table = n.sh(n.SYNWARD, "flows", "--wide", *pid, ns=b).stdout
    if "10.66.0.1" not in table or "ESTABLISHED" not in table:
        raise AssertionError(f"the table does not show it: {table!r}")
    status = json.loads(n.sh(n.SYNWARD, "status", "--json", *pid, ns=b).stdout.splitlines()[0])
    if "srv0" not in json.dumps(status):
        raise AssertionError(f"status does not name the interface: {status}")
    if "srv0" not in n.sh(n.SYNWARD, "status", *pid, ns=b).stdout:
        raise AssertionError("status for people does not name the interface")
    n.equal("exit code", sw.stop(), OK)


if __name__ == "__main__":
    n.main(sigint, sigterm, sigquit, hangup, nohup, duration, flush, kill9, second_instance, same_pid, failed_start_undoes, foreign_xdp,
           guard_needs_egress, wrong_uses,
           bad_captures, not_root, too_large, nobody_to_ask, closed_pipe, full_disk, interface_goes, interface_renamed,
           live_table)
