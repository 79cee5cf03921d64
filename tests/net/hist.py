#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""synward hist: the histograms of real connections against what their lines say, by role and by server."""
import collections
import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import pin as p  # noqa: E402  pylint: disable=wrong-import-position

PORT = 7777
V = {4: ("10.66.0.1", "10.66.0.2"), 6: ("fd66::1", "fd66::2")}


TIMES = ("handshake", "server", "client")


def hist(sw, *args):
    """The objects that it prints."""
    r = n.run([n.SYNWARD, "hist", "-j", "-p", str(sw.p.pid), *args], sw.ns, text=True)
    n.equal(f"exit code of hist ({r.stderr})", r.returncode, 0)
    return [json.loads(x) for x in r.stdout.splitlines()]


def exact(sw, want):
    """Of all roles together, and of each part of the handshake: as many as `handshakes` of the counters."""
    rows = hist(sw, "--of", ",".join(TIMES))
    for kind in TIMES:
        n.equal(f"{kind} with the unmeasured", sum(x["count"] + x["unmeasured"] for x in rows if x["histogram"] == kind), want)
    r = n.run([n.SYNWARD, "status", "--json", "-p", str(sw.p.pid)], sw.ns, text=True)
    n.equal("handshakes", json.loads(r.stdout)["handshakes"], want)
    return rows


def counted(h, values):
    """Each value is in its bucket, and nothing else is there."""
    want = collections.Counter()
    for v in values:
        at = [i for i, (low, end, _) in enumerate(h["buckets"]) if low <= v < end]
        n.equal(f"bucket of {v}", len(at), 1)
        want[at[0]] += 1
    n.equal("buckets", {i: x[2] for i, x in enumerate(h["buckets"])}, dict(want))
    n.equal("sum", h["sum"], sum(values))
    n.equal("count", h["count"], len(values))
    ordered = sorted(values)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        exact = ordered[max(0, -(-int(share * 100) * len(values) // 100) - 1)]
        if not exact * 0.9 <= h[name] <= exact * 1.1:
            raise AssertionError(f"{name}: {h[name]}, exactly {exact}")


def against_lines():
    """every value of every line is in its bucket; count is `handshakes` of the counters; refused ones are in none"""
    a, b = n.pair()
    listeners = {v: n.listen(b, V[v][1], PORT) for v in V}
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1))
    for v, listener in listeners.items():
        n.talk(a, listener, 30, 1000 * v)
    try:
        n.connect(a, V[4][1], 1)
    except ConnectionRefusedError:
        pass
    sw.wait_for(lambda x: x["event"] == "conn" and x["reason"] == "refused")
    n.until(lambda: sum(x["event"] == "conn" for x in sw.lines()) == 61)
    by_role = hist(sw, "--of", "all")
    by_server = hist(sw, "--of", "all", "--by", "server")
    n.equal("roles", {x["role"] for x in by_role + by_server}, {"server"})
    exact(sw, 60)
    n.equal("exit code", sw.stop(), 0)
    lines = sw.lines()
    n.equal("established", lines[-1]["emitted_established"] + lines[-1]["lost_established"], 60)
    est = [x for x in lines if x["event"] == "established"]
    conns = [x for x in lines if x["event"] == "conn" and x["reason"] == "fin"]
    keys = {"handshake": "handshake_ns", "server": "server_ns", "client": "client_ns", "duration": "duration_ns",
            "orig_bytes": "orig_bytes", "resp_bytes": "resp_bytes"}
    n.equal("histograms", {x["histogram"] for x in by_role}, set(keys))
    for h in by_role:
        of = est if h["unit"] == "ns" and h["histogram"] != "duration" else conns
        counted(h, [x[keys[h["histogram"]]] for x in of])
    n.equal("servers", {(x["server_ip"], x["server_port"]) for x in by_server}, {(V[v][1], PORT) for v in V})
    for h in by_server:
        of = est if h["unit"] == "ns" and h["histogram"] != "duration" else conns
        counted(h, [x[keys[h["histogram"]]] for x in of if x["resp_ip"] == h["server_ip"]])


def roles():
    """client, server and forwarder, with no event at all"""
    a, r, b = n.routed()
    listener = n.listen(b, "10.67.0.2", PORT)
    local = n.listen(r, "10.66.0.254", PORT)
    both = n.Synward(r, "rta", "rtb", args=("--close-delay", 0.1, "--events", "none"))
    n.talk(a, listener, 7)
    n.talk(a, local, 5)
    n.talk(r, listener, 3)
    n.until(lambda: sum(x["count"] for x in hist(both, "--of", "duration")) == 15)
    n.equal("counts", {x["role"]: x["count"] for x in hist(both)}, {"forwarder": 7, "server": 5, "client": 3})
    n.equal("services", [(x["server_ip"], x["count"]) for x in hist(both, "--by", "service")], [("10.66.0.254", 5)])
    n.equal("busiest first", [(x["server_ip"], x["role"], x["count"]) for x in hist(both, "--by", "server", "-n", "2")],
            [("10.67.0.2", "forwarder", 7), ("10.66.0.254", "server", 5)])
    exact(both, 15)
    n.equal("exit code", both.stop(), 0)
    n.equal("lines", both.lines(), [])


def over_loopback():
    """over lo this host is both ends: its server"""
    ns = n.new_ns("lo")
    listener = n.listen(ns, "127.0.0.1", PORT)
    sw = n.Synward(ns, "lo")
    for _ in range(3):
        for s in n.open_pair(ns, listener):
            s.close()
    n.equal("role", {x["role"]: x["count"] for x in hist(sw)}, {"server": 3})
    n.equal("services", [(x["server_ip"], x["count"]) for x in hist(sw, "--by", "service")], [("127.0.0.1", 3)])
    exact(sw, 3)
    n.equal("exit code", sw.stop(), 0)


def in_tunnels():
    """with --decap: what a tunnel carries for others is forwarded, though the kernel forgets where it came in"""
    a, r, b = n.routed()
    for ns, dev, us, them in ((r, "rtb", "254", "2"), (b, "srv0", "2", "254")):
        n.sh("ip", "link", "add", "vx0", "type", "vxlan", "id", "5", "dstport", "4789", "dev", dev, "local", f"10.67.0.{us}",
             "remote", f"10.67.0.{them}", ns=ns)
        n.addr(ns, "vx0", f"10.99.0.{us}/24")
        n.sh("ip", "link", "set", "vx0", "up", ns=ns)
    n.sh("ip", "route", "add", "10.66.0.0/24", "via", "10.99.0.254", ns=b)
    n.warm(a, "10.99.0.2")
    n.warm(r, "10.99.0.2")
    far, here = n.listen(b, "10.99.0.2", PORT), n.listen(r, "10.99.0.254", PORT)
    sw = n.Synward(r, "rtb", args=("--close-delay", 0.1, "--decap", "--events", "established"))
    n.talk(a, far, 4)
    n.talk(r, far, 3)
    n.talk(b, here, 2)
    n.until(lambda: sum(x["count"] for x in hist(sw, "--of", "duration")) == 9)
    n.equal("counts", {x["role"]: x["count"] for x in hist(sw)}, {"forwarder": 4, "client": 3, "server": 2})
    exact(sw, 9)
    n.equal("exit code", sw.stop(), 0)
    n.equal("established", sum(x["event"] == "established" for x in sw.lines()), 9)


def through_the_guard():
    """a connection by a cookie has no handshake time, and all else; its server is the service that the guard names"""
    a, b = n.pair()
    listener = n.listen(b, V[4][1], PORT)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--guard", "always"))
    n.talk(a, listener, 4)
    n.until(lambda: sum(x["count"] for x in hist(sw, "--of", "duration")) == 4)
    for h in exact(sw, 4):
        n.fields({"event": "hist", **h}, role="server", count=0, unmeasured=4, sum=0, p50=None, p99=None, buckets=[])
    (h,) = hist(sw, "--of", "duration", "--by", "service")
    n.fields({"event": "hist", **h}, role="server", count=4, unmeasured=0)
    r = n.run([n.SYNWARD, "guard", "--json", "-p", str(sw.p.pid)], b, text=True)
    known = [json.loads(x) for x in r.stdout.splitlines()]
    n.equal("service", [(h["server_ip"], h["server_port"])], [(x["service_ip"], x["service_port"]) for x in known])
    n.equal("exit code", sw.stop(hurry=True), 0)
    n.equal("through cookies", sum(x["event"] == "established" and x["via"] == "cookie" for x in sw.lines()), 4)


def kept():
    """pinned ones go on: the next daemon's begin with those of the one before, also for one who watches"""
    a, b = n.pair()
    listener = n.listen(b, V[4][1], PORT)
    with p.Pins(b, "srv0") as pins:
        first = pins.start("--close-delay", 0.1)
        n.talk(a, listener, 5)
        watching = watch(b, "-j")
        n.talk(a, listener, 1)
        seen = json.loads(watching.stdout.readline())["count"]
        p.stopped(first)
        n.equal("without a daemon", [x["count"] for x in hist(first)], [6])
        second = pins.start("--close-delay", 0.1)
        n.talk(a, listener, 3)
        n.equal("of the second", [x["count"] for x in hist(second)], [9])
        while seen < 4:
            seen += json.loads(watching.stdout.readline())["count"]
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=n.PATIENCE)
        n.equal("watched", (watching.returncode, err, seen + sum(json.loads(x)["count"] for x in out.splitlines())), (0, "", 4))
        p.stopped(second)


def places():
    """256 servers have histograms of their own; the daemon, in its sandbox, makes room for others"""
    a, b = n.pair()
    ports = range(10000, 10250)
    listeners = [n.listen(b, V[4][1], port) for port in ports]
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--events", "none"))
    for listener in listeners:
        n.talk(a, listener, 1)
    n.until(lambda: len(hist(sw, "--by", "server", "-n", "256")) <= 192, 30)
    exact(sw, len(ports))
    n.talk(a, listeners[-1], 1)
    (h,) = hist(sw, "--by", "server", "-n", "1")
    n.equal("the last one has kept its place", (h["server_port"], h["count"]), (ports[-1], 2))
    n.equal("exit code", sw.stop(), 0)


def watch(ns, *args, **kw):
    """It runs, and has had its first look: it is asleep in poll."""
    w = n.popen([n.SYNWARD, "hist", "--watch", "0.2", *args], ns,
                **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **kw})
    n.started.append(w)
    n.until(lambda: "poll" in n.sh("cat", f"/proc/{w.pid}/wchan").stdout)
    return w


def picture():
    """as bcc's tools print it, in 80 columns"""
    a, b = n.pair()
    listener = n.listen(b, V[6][1], PORT)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1))
    r = n.run([n.SYNWARD, "hist"], b, text=True)
    n.equal("nothing yet", (r.returncode, r.stdout, r.stderr), (0, f"synward pid {sw.p.pid} (srv0): none\n", ""))
    n.talk(a, listener, 20)
    r = n.run([n.SYNWARD, "hist", "--by", "server"], b, text=True)
    n.equal("exit code", r.returncode, 0)
    out = r.stdout.splitlines()
    n.equal("head", out[:3], [f"synward pid {sw.p.pid} (srv0)", "", f"role server, [{V[6][1]}]:{PORT}"])
    assert re.match(r"handshake: 20, p50 [0-9.]+ [um]s, p90 [0-9.]+ [um]s, p99 [0-9.]+ [um]s$", out[3]), out[3]
    n.equal("heading", out[4], "     nsecs               : count     distribution")
    n.equal("sum", sum(int(x.split(":")[1].split("|")[0]) for x in out[5:]), 20)
    rows = [re.match(r" *(\d+) -> (\d+) +: (\d+) +\|(\**) *\|$", x) for x in out[5:]]
    n.equal("powers of two", [2 * int(x[1]) - 1 for x in rows], [int(x[2]) for x in rows])
    most = max(int(x[3]) for x in rows)
    n.equal("stars", [len(x[4]) for x in rows], [40 * int(x[3]) // most for x in rows])
    n.at_most("columns", max(map(len, out)), 80)
    n.equal("exit code", sw.stop(), 0)


def watched():
    """--watch: what came since, in a pipe and on a terminal; ends by Ctrl-C, a reader that goes, the last instance's end"""
    a, b = n.pair()
    listener = n.listen(b, V[6][1], PORT)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1))
    n.talk(a, listener, 20)
    w = watch(b, "-j")
    n.talk(a, listener, 12)
    seen = 0
    while seen < 12:
        seen += json.loads(w.stdout.readline())["count"]
    w.send_signal(signal.SIGINT)
    rest, err = w.communicate(timeout=n.PATIENCE)
    n.equal("code, errors, in the intervals", (w.returncode, err, rest, seen), (0, "", "", 12))
    ours, theirs = pty.openpty()
    w = watch(b, stdout=theirs, stdin=theirs, stderr=theirs, start_new_session=True, text=False,
              preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(theirs)
    n.talk(a, listener, 3)
    got = ""
    while not re.search(r"handshake: \d", got):
        got += read_tty(ours)
    os.write(ours, b"\x03")  # Ctrl-C
    n.equal("exit code on a terminal", w.wait(timeout=n.PATIENCE), 0)
    os.close(ours)
    n.equal("date, once", got.count("# 20"), 1)
    assert re.search(r"^\d\d:\d\d:\d\d synward pid \d+ \(srv0\)(: none)?\r$", got, re.M), got
    r = n.sh("sh", "-c", f"({n.SYNWARD} hist --watch 0.1; echo $? >&2) | head -n 1", ns=b)
    n.equal("a reader that goes", r.stderr, "0\n")
    w = watch(b)
    n.equal("exit code", sw.stop(), 0)
    n.equal("after its end", (w.wait(timeout=n.PATIENCE), w.stderr.read()), (0, "synward: no synward that it shows is running any more\n"))


def read_tty(fd):
    ready = select.select([fd], [], [], n.PATIENCE)[0]
    assert ready, "nothing more"
    return os.read(fd, 65536).decode()


def refused():
    """nothing to show, and wrong words: one line, and the exit code of the other views"""
    _, b = n.pair()
    for args, code, says in (((), 11, "no synward is running"), (("--by", "port"), 2, "--by"), (("--of", "size"), 2, "size"),
                             (("--most", "0"), 2, "--most"), (("--watch", "0"), 2, "--watch"), (("x",), 2, "x")):
        r = n.run([n.SYNWARD, "hist", *args], b, text=True)
        n.equal(f"exit code of {args}: {r.stderr}", r.returncode, code)
        n.equal(f"lines of {args}", (r.stdout, says in r.stderr.splitlines()[0]), ("", True))
    r = n.run(["setpriv", "--reuid=65534", "--clear-groups", n.SYNWARD, "hist"], b, text=True)
    n.equal("without root", (r.returncode, r.stderr), (3, "synward: hist needs root, or CAP_SYS_ADMIN\n"))


if __name__ == "__main__":
    n.main(against_lines, roles, over_loopback, in_tunnels, through_the_guard, kept, places, picture, watched, refused)
