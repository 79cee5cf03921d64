#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""Nobody takes the lines: a disk that fills up, a reader that stops, closed descriptors. And every map full: what
passes, passes, what is lost is counted exactly. Traffic continues beside all of it."""
import fcntl
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import kit as n
from kit import fault as k
from kit.traffic import Traffic

DISK = "mkdir -p /mnt; mount -t tmpfs -o size=64k none /mnt; exec "


def full_disk():
    """a disk that fills up while it runs: exit 9 and the system's word, detached"""
    ledger = k.Ledger()
    a, b = n.pair()
    traffic = Traffic(a, b)
    sw = n.Synward(b, "srv0", args=k.SMALL, script=DISK + ">/mnt/lines")
    k.ended(sw, k.OUTPUT, "standard output: No space left on device", timeout=2 * n.PATIENCE)
    k.nothing_on(b, "srv0")
    traffic.stop()
    ledger.settle()


def too_large():
    """a file that may not grow further (RLIMIT_FSIZE): exit 9, no death by a signal"""
    a, b = n.pair()
    traffic = Traffic(a, b)
    sw = n.Synward(b, "srv0", args=k.SMALL, prefix=("prlimit", "--fsize=32768"))
    k.ended(sw, k.OUTPUT, "standard output: File too large", timeout=2 * n.PATIENCE)
    k.nothing_on(b, "srv0")
    traffic.stop()


def closed_descriptors():
    """standard output closed: exit 9 at once; standard error closed, full or a pipe that nobody reads: it runs as ever"""
    a, b = n.pair()
    traffic = Traffic(a, b)
    r = k.run(["run", "-i", "srv0", "--duration", 1], ns=b, script="exec >&-")
    n.equal("exit code", r.returncode, k.OUTPUT)
    k.lines_of(r.stderr, "standard output is closed")
    k.nothing_on(b, "srv0")
    fifo = os.path.join(n.tmp.name, "nobody-reads")
    os.mkfifo(fifo)
    full = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        while os.write(full, b"x" * 4096):
            pass
    except BlockingIOError:
        pass
    for script in ("exec 2>&-", "exec 2>/dev/full", f"exec 2>{fifo}"):
        sw = n.Synward(b, "srv0", args=k.SMALL, script=script)
        n.sh("ip", "link", "set", "srv0", "mtu", 1400, ns=b)
        traffic.steady()
        n.sh("ip", "link", "set", "srv0", "name", "new0", ns=b)  # would be logged
        sw.wait_for(lambda x: x["event"] == "opening" and x["iface"] == "new0", n.PATIENCE)
        n.sh("ip", "link", "set", "new0", "name", "srv0", ns=b)
        k.stopped(sw)
        k.nothing_on(b, "srv0")
    os.close(full)
    traffic.stop()


def reader_gone():
    """a reader that goes while lines come: exit 0, detached, traffic continues"""
    a, b = n.pair()
    traffic = Traffic(a, b)
    r, w = os.pipe()
    sw = n.Synward(b, "srv0", args=k.SMALL, stdout=w)
    os.close(w)
    if not os.read(r, 1):
        raise AssertionError("no lines")
    os.close(r)
    k.ended(sw, k.OK)
    k.nothing_on(b, "srv0")
    traffic.stop()


def slow_reader(first, code):
    """first() ends it while the reader sleeps; then links change, and a signal comes. All lines, and the first code."""
    a, b = n.pair()
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1), stdout=w)
    os.close(w)
    listener = n.listen(b, "10.66.0.2", 7777)
    for _ in range(50):
        c, s = n.open_pair(a, listener)
        c.close()
        n.equal("end", s.recv(1), b"")
        s.close()
    first(sw, b)
    n.equal("notification", sw.notified(), "STOPPING=1")
    n.sh("ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1", ns=b)
    n.sh("ip", "link", "del", "srv0", ns=b, check=False)
    n.sh("ip", "link", "del", "other0", ns=b)
    if code:
        sw.p.send_signal(signal.SIGTERM)
    time.sleep(1)  # nothing must happen
    n.equal("it waits for its reader", sw.p.poll(), None)
    got = bytearray()
    while piece := os.read(r, 1 << 16):
        got.extend(piece)
    os.close(r)
    n.equal("exit code", sw.p.wait(timeout=n.PATIENCE), code)
    pathlib.Path(sw.path).write_bytes(got)
    lines = sw.lines()
    n.equal("lines lost", counters_agree(lines), 0)
    n.equal("conn lines", sum(x["event"] == "conn" for x in lines), 50)


def slow_reader_interface():
    """the interface goes, a slow reader, other links come and go, a service manager's SIGTERM: every line, exit 4"""
    slow_reader(lambda sw, b: n.sh("ip", "link", "del", "srv0", ns=b), k.INTERFACE)


def slow_reader_hook():
    """the same after another process took our program off: exit 6"""
    slow_reader(lambda sw, b: n.sh("ip", "link", "set", "dev", "srv0", "xdp", "off", ns=b), k.ATTACH)


def slow_reader_signal():
    """the same after SIGTERM, and the interface goes meanwhile: exit 0"""
    slow_reader(lambda sw, b: sw.p.send_signal(signal.SIGTERM), k.OK)


def rush(a, b, seconds):
    """As many connections as go, in each of which both sides speak; how many were through."""
    server = subprocess.Popen(["nsenter", f"--net=/run/netns/{b}", str(n.TOP / "build/tests/tool_rush"), "serve",
                               "10.66.0.2", "7171", "1024"], stdout=subprocess.PIPE, text=True)
    n.started.append(server)
    n.equal("server", server.stdout.readline().strip(), "ready")
    out = n.sh(n.TOP / "build/tests/tool_rush", "client", "10.66.0.2", 7171, seconds, 8, 10000, "10.66.1.1", 4, ns=a)
    server.terminate()
    server.wait()
    return json.loads(out.stdout)


def rush_until_lost(a, b, sw):
    """On a machine that is slow it takes longer until nothing fits any more."""
    for _ in range(20):
        did = rush(a, b, 1)
        status = json.loads(n.sh(n.SYNWARD, "status", "--json", "--pid", sw.p.pid).stdout)
        if status["events_lost"]:
            break
    return did


def more_addresses(a):
    for i in range(1, 5):
        n.addr(a, "cli0", f"10.66.1.{i}/16")


def lost_of(lines):
    """Sum of each kind over the loss lines."""
    total = {}
    for x in lines:
        if x["event"] == "loss":
            for key, value in x.items():
                if key.startswith("lost_"):
                    total[key] = total.get(key, 0) + value
    return total


def counters_agree(lines, connections=None):
    """Gaps in seq, loss lines and the final stats say the same; logged and lost are all that there was."""
    gaps = n.check_seq(lines)
    final = lines[-1]
    n.fields(final, event="stats", final=True, lost_total=gaps)
    lost = lost_of(lines)
    n.equal("sum of the kinds", sum(lost.values()), gaps)
    for kind in ("opening", "established", "closed", "conn"):
        logged = sum(x["event"] == kind for x in lines)
        n.equal(f"{kind} lines", logged, final[f"emitted_{kind}"])
        if kind == "conn" and connections is not None:
            n.equal("connections logged and lost", logged + lost.get("lost_conn", 0), connections)
    return gaps


def blocked_reader():
    """a pipe that nobody reads while connections rush, then read to its end: losses are exact, none is logged twice"""
    ledger = k.Ledger()
    a, b = n.pair()
    more_addresses(a)
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.5, "--ring", "64k", "--ring-open", "64k", "--log-open-at-exit"),
                   stdout=w)
    os.close(w)
    traffic = Traffic(a, b)
    did = rush_until_lost(a, b, sw)
    traffic.steady()
    opened = traffic.stop()
    got = bytearray()

    def read():
        while True:
            piece = os.read(r, 1 << 20)
            if not piece:
                return
            got.extend(piece)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    n.until(lambda: b'"event":"loss"' in got, 20)  # it continues
    n.equal("exit code", sw.stop(), k.OK)
    reader.join(n.PATIENCE)
    pathlib.Path(sw.path).write_bytes(got)
    lines = sw.lines()
    if not counters_agree(lines, final_connections(lines)):
        raise AssertionError(f"nothing was lost in {did} and {opened}: the test says nothing")
    uids = [x["uid"] for x in lines if x["event"] == "conn"]
    n.equal("logged twice", len(uids) - len(set(uids)), 0)
    k.nothing_on(b, "srv0")
    ledger.settle()


def final_connections(lines):
    """What the kernel side has begun to follow, by its own counters."""
    final = lines[-1]
    return final["half_open_created"] - final["half_open_restored"]


def stopped_daemon():
    """the daemon stands still (SIGSTOP) with small rings: exact losses when it continues"""
    a, b = n.pair()
    more_addresses(a)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.5, "--ring", "128k", "--ring-open", "4k", "--log-open-at-exit"))
    traffic = Traffic(a, b)
    sw.p.send_signal(signal.SIGSTOP)
    did = rush_until_lost(a, b, sw)
    traffic.steady()
    sw.p.send_signal(signal.SIGCONT)
    traffic.stop()
    sw.wait_for(lambda x: x["event"] == "loss", n.PATIENCE)  # it continues
    n.equal("exit code", sw.stop(), k.OK)
    lines = sw.lines()
    if not counters_agree(lines, final_connections(lines)):
        raise AssertionError(f"nothing was lost in {did}: the test says nothing")
    k.nothing_on(b, "srv0")


def flows_full():
    """more connections at once than --max-flows takes: all pass, flows_full counts, those that fit in are logged"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--max-flows", 16, "--max-half-open", 4096, "--syn-cache", 4096, "--close-delay", 0.2))
    listener = n.listen(b, "10.66.0.2", 7777)
    pairs = [n.open_pair(a, listener) for _ in range(100)]
    for c, s in pairs:
        c.sendall(b"full")
        n.equal("heard", n.read_n(s, 4), b"full")
    for c, s in pairs:
        c.close()
        n.equal("end", s.recv(1), b"")
        s.close()
    n.settled(a, b)
    lines = k.stopped(sw)
    counters_agree(lines, 100)
    if lines[-1]["flows_full"] < 84:
        raise AssertionError(f"flows_full {lines[-1]['flows_full']}")
    n.equal("flows_max", lines[-1]["flows_max"], 16)
    k.nothing_on(b, "srv0")


def half_open_full():
    """more handshakes at once than --max-half-open and --syn-cache take: evicted ones are lost, counted, the rest passes"""
    a, b = n.pair()
    n.sh("nft", "add table ip hole; add chain ip hole in { type filter hook input priority 0; }; "
         "add rule ip hole in tcp dport 9999 drop", ns=b)
    sw = n.Synward(b, "srv0", args=("--max-half-open", 128, "--syn-cache", 128, "--close-delay", 0.2, "--log-open-at-exit"))
    traffic = Traffic(a, b)
    waiting = []
    for _ in range(1500):
        s = n.tcp(a)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        s.setblocking(False)
        s.connect_ex(("10.66.0.2", 9999))
        waiting.append(s)
    traffic.steady()
    for s in waiting:
        s.close()
    traffic.stop()
    n.settled(a, b)
    n.equal("exit code", sw.stop(), k.OK)
    lines = sw.lines()
    counters_agree(lines, final_connections(lines))
    if lines[-1]["half_open_evicted"] < 1000:
        raise AssertionError(f"half_open_evicted {lines[-1]['half_open_evicted']}")
    k.nothing_on(b, "srv0")


if __name__ == "__main__":
    n.main(full_disk, too_large, closed_descriptors, reader_gone, slow_reader_interface,
           slow_reader_hook, slow_reader_signal, blocked_reader, stopped_daemon, flows_full,
           half_open_full)
