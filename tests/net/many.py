#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many connections, and a reader that stops: every line is there or is accounted for."""
import os
import pathlib
import threading
import time

import kit as n
from kit import bulk


def twenty_thousand():
    """20,000 short connections: each exactly one conn line, nothing lost at default sizes"""
    a, b = n.pair()
    ips = bulk.sources(a, 4)
    listener = n.listen(b, "10.66.0.2", 7777)
    sw = n.Synward(b, "srv0", args=("--close-delay", 1), sizes=False)
    names = bulk.connections(a, listener, ips, 20000)
    n.settled(a, b)
    n.equal("exit code", sw.stop(), 0)
    lines = bulk.load(sw.path)
    logged, lost = bulk.counted(lines)
    n.equal("events lost", sum(lost.values()), 0)
    bulk.real_ones(lines, names)
    n.equal("conn lines", logged["conn"], 20000)
    n.equal("established lines", logged["established"], 20000)
    n.equal("lost_total", lines[-1]["lost_total"], 0)
    n.equal("stderr", sw.err(), "")


def slow_reader():
    """a reader that stops for ten seconds: lines and reported losses add up exactly, kind by kind"""
    a, b = n.pair()
    ips = bulk.sources(a, 4)
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
    count = len(bulk.connections(a, listener, ips, 200))
    stop.set()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        count += len(bulk.connections(a, listener, ips, 500))
    stop.clear()
    go.set()
    count += len(bulk.connections(a, listener, ips, 200))
    n.until(lambda: b'"event":"loss"' in got, 20)  # it continues
    n.equal("exit code", sw.stop(), 0)
    thread.join(timeout=20)
    os.close(r)
    path = sw.path + ".read"
    pathlib.Path(path).write_bytes(got)
    lines = bulk.load(path)
    logged, lost = bulk.counted(lines)
    final = lines[-1]
    n.fields(final, event="stats", final=True)
    for kind in bulk.KINDS:
        n.equal(f"{kind} lines, and what the kernel logged", logged[kind], final["emitted_" + kind])
        n.equal(f"{kind} reported lost, and what the kernel lost", lost[kind], final["lost_" + kind])
    for kind in ("opening", "established", "closed", "conn"):
        n.equal(f"{kind} lines and losses of {count} connections", logged[kind] + lost[kind], count)
    n.equal("lost_total", final["lost_total"], sum(lost.values()))
    if not sum(lost.values()):
        raise AssertionError(f"nothing was lost with {count} connections: the test did not reach the limit")


if __name__ == "__main__":
    n.main(twenty_thousand, slow_reader)
