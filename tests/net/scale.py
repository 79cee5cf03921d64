#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone, for it measures
"""Many connections, a reader that stops, and a flood beside real connections: every line is there or is accounted for."""
import collections
import json
import os
import pathlib
import subprocess
import threading
import time

import kit as n

FLOOD = str(n.TOP / "build/tests/tool_flood")
KINDS = ("opening", "established", "half_closed", "closed", "reset", "refused", "timeout", "reused", "midstream",
         "anomaly", "update", "conn")


def each(path, every=97):
    """One line after the other; each n-th, and all that are rare, is validated against the schema (it is slow)."""
    some = []
    with open(path, "rb") as f:
        for i, raw in enumerate(f):
            x = json.loads(raw)
            if len(some) < 3000 and (i % every == 0 or x["event"] in ("loss", "stats")):
                some.append(raw)
            yield x
    r = subprocess.run([str(n.TOP / "tests/schema_check")], input=b"".join(some), capture_output=True, check=False)
    assert r.returncode == 0, r.stdout + r.stderr


def load(path):
    return list(each(path))


def sources(a, count):
    """More addresses for the client, so that no four-tuple comes twice."""
    ips = [f"10.66.1.{i + 1}" for i in range(count)]
    n.addr(a, "cli0", *[f"{ip}/16" for ip in ips])
    return ips


def connections(a, listener, ips, count):
    """So many short connections, one after another: request, reply, close. Returns their client names."""
    names = []
    for i in range(count):
        c, s = n.open_pair(a, listener, ips[i % len(ips)])
        names.append(c.getsockname())
        c.sendall(b"0123456789")
        n.read_n(s, 10)
        s.sendall(b"abcdefghijklmnopqrst")
        n.read_n(c, 20)
        c.close()
        n.equal("end", s.recv(1), b"")
        s.close()
    return names


def counted(lines):
    """Lines by kind, losses by kind as the loss lines report them; seq must agree."""
    logged, lost = collections.Counter(), collections.Counter()

    def count():
        for x in lines:
            logged[x["event"]] += 1
            if x["event"] == "loss":
                for k in KINDS:
                    lost[k] += x["lost_" + k]
                n.equal("lost of a loss line", x["lost"], sum(x["lost_" + k] for k in KINDS))
            yield x

    n.check_seq(count())
    return logged, lost


def real_ones(lines, names):
    """Each of these connections has its whole scenario, right, and exactly one conn line. After a minute the kernel gives
    a port away again: then there are two of a name."""
    by = collections.defaultdict(list)
    for x in lines:
        if "orig_port" in x:
            by[(x["orig_ip"], x["orig_port"])].append(x)
    for name, times in collections.Counter(x[:2] for x in names).items():
        mine = by[name]
        seen = collections.Counter(x["event"] for x in mine)
        want = dict.fromkeys(("opening", "established", "closed", "conn"), times)
        got = {k: seen[k] for k in want}
        if got != want or set(seen) - set(want) - {"half_closed"}:
            raise AssertionError(f"{name}, {times} times: {dict(seen)}")
        for conn in [x for x in mine if x["event"] == "conn"]:
            n.fields(conn, conn_state="SF", reason="fin", closed_by="orig", via="stack", direction_by="syn",
                     orig_state="TIME_WAIT", resp_state="CLOSED", inferred=False)
            if not conn["orig_rexmit"]:
                n.equal("orig_bytes", conn["orig_bytes"], 10)
            if not conn["resp_rexmit"]:
                n.equal("resp_bytes", conn["resp_bytes"], 20)


def twenty_thousand():
    """20,000 short connections: each exactly one conn line, nothing lost at default sizes"""
    a, b = n.pair()
    ips = sources(a, 4)
    listener = n.listen(b, "10.66.0.2", 7777)
    sw = n.Synward(b, "srv0", args=("--close-delay", 1), sizes=False)
    names = connections(a, listener, ips, 20000)
    n.settled(a, b)
    n.equal("exit code", sw.stop(), 0)
    lines = load(sw.path)
    logged, lost = counted(lines)
    n.equal("events lost", sum(lost.values()), 0)
    real_ones(lines, names)
    n.equal("conn lines", logged["conn"], 20000)
    n.equal("established lines", logged["established"], 20000)
    n.equal("lost_total", lines[-1]["lost_total"], 0)
    n.equal("stderr", sw.err(), "")


def slow_reader():
    """a reader that stops for ten seconds: lines and reported losses add up exactly, kind by kind"""
    a, b = n.pair()
    ips = sources(a, 4)
    listener = n.listen(b, "10.66.0.2", 7777)
    r, w = os.pipe()
    sw = n.Synward(b, "srv0", args=("--close-delay", 1, "--ring", "256k", "--ring-open", "64k", "--interval", 2),
                   stdout=w, sizes=False)
    os.close(w)
    got = bytearray()
    stop, go = threading.Event(), threading.Event()

    def reader():
        while True:
            piece = os.read(r, 65536)
            if not piece:
                return
            got.extend(piece)
            if stop.is_set():
                go.wait(60)

    thread = threading.Thread(target=reader, daemon=True)
    thread.start()
    count = len(connections(a, listener, ips, 200))
    stop.set()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        count += len(connections(a, listener, ips, 500))
    stop.clear()
    go.set()
    count += len(connections(a, listener, ips, 200))
    n.until(lambda: b'"event":"loss"' in got, 20)  # it continues
    n.equal("exit code", sw.stop(), 0)
    thread.join(timeout=20)
    os.close(r)
    path = sw.path + ".read"
    pathlib.Path(path).write_bytes(got)
    lines = load(path)
    logged, lost = counted(lines)
    final = lines[-1]
    n.fields(final, event="stats", final=True)
    for k in KINDS:
        n.equal(f"{k} lines, and what the kernel logged", logged[k], final["emitted_" + k])
        n.equal(f"{k} reported lost, and what the kernel lost", lost[k], final["lost_" + k])
    for k in ("opening", "established", "closed", "conn"):
        n.equal(f"{k} lines and losses of {count} connections", logged[k] + lost[k], count)
    n.equal("lost_total", final["lost_total"], sum(lost.values()))
    if not sum(lost.values()):
        raise AssertionError(f"nothing was lost with {count} connections: the test did not reach the limit")


def flood():
    """1,000,000 spoofed SYNs beside real connections: no line of the real ones lost or false"""
    a, b = n.pair()
    ips = sources(a, 4)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=1", ns=b)
    listener = n.listen(b, "10.66.0.2", 7777, 4096)
    sw = n.Synward(b, "srv0", args=("--close-delay", 1, "--log-open-at-exit", "--timeout-syn-sent", 5), sizes=False)
    mac = json.loads(n.sh("ip", "-j", "link", "show", "srv0", ns=b).stdout)[0]["address"]
    names = connections(a, listener, ips, 200)
    p = subprocess.Popen(["nsenter", f"--net=/run/netns/{a}", FLOOD, "cli0", mac, "10.66.0.2", "7777", "1000000",
                          "150000"], stdout=subprocess.PIPE)
    n.started.append(p)
    during = 0
    while p.poll() is None:
        names += connections(a, listener, ips, 20)
        during += 20
    n.equal("sent by the flood", p.stdout.read().strip(), b"1000000")
    names += connections(a, listener, ips, 200)
    n.settled(a, b)
    n.equal("exit code", sw.stop(timeout=120), 0)
    lines = []

    def real():
        """Keeps what is not the flood's, which would be gigabytes; nobody of it says more than a SYN."""
        for x in each(sw.path, every=20011):
            if not x.get("orig_ip", "").startswith(("198.18.", "198.19.")):
                lines.append(x)
            elif x["event"] not in ("opening", "timeout", "conn"):
                raise AssertionError(f"a spoofed source has a line {x}")
            yield x

    logged, lost = counted(real())
    if during < 100:
        raise AssertionError(f"only {during} real connections beside the flood")
    real_ones(lines, names)
    final = lines[-1]
    n.equal("half-open flows and flows that ended, and their lines", final["emitted_conn"] + final["lost_conn"],
            final["half_open_ended"] + final["flow_ended"])
    n.equal("evicted", final["half_open_evicted"], final["half_open_created"] - final["half_open_restored"] -
            final["half_open_ended"] - final["half_open_promoted"])
    n.equal("conn lines and losses", logged["conn"] + lost["conn"], final["half_open_created"] - final["half_open_restored"])
    n.equal("opening lines and losses", logged["opening"] + lost["opening"],
            final["half_open_created"] - final["half_open_restored"])
    for k in ("established", "half_closed", "closed", "reset", "refused"):
        n.equal(f"lost {k}", lost[k], 0)
    n.equal("lost_total", final["lost_total"], sum(lost.values()))
    print(f"# {during} real connections beside the flood, {final['half_open_created'] - len(names)} SYNs of it seen, "
          f"{lost['conn']} conn lines reported lost", flush=True)


def stopped_in_flood():
    """stopped while a flood has filled the ring: what the last sweep holds back for want of room is not reported lost"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--close-delay", 1, "--log-open-at-exit", "--ring-open", "64k"), sizes=False)
    mac = json.loads(n.sh("ip", "-j", "link", "show", "srv0", ns=b).stdout)[0]["address"]
    p = subprocess.Popen(["nsenter", f"--net=/run/netns/{a}", FLOOD, "cli0", mac, "10.66.0.2", "7777", "40000", "0"],
                         stdout=subprocess.PIPE)
    n.started.append(p)
    n.equal("exit code of the flood", p.wait(60), 0)
    n.equal("exit code", sw.stop(timeout=120), 0)
    lines = list(each(sw.path, every=1009))
    logged, lost = counted(lines)
    final = lines[-1]
    if not final["opening_deferred"]:
        raise AssertionError("no opening waited: the flood did not fill the ring")
    for k in ("opening", "conn"):
        n.equal(f"{k} lines and losses", logged[k] + lost[k], final["half_open_created"] - final["half_open_restored"])


if __name__ == "__main__":
    n.main(twenty_thousand, slow_reader, flood, stopped_in_flood)
