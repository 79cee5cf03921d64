#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone, for it counts how often the daemon wakes up
"""A daemon with nothing to do sleeps; what happens then is logged at once; and what is due is not forgotten.

    a (idlec0) ---- veth ---- b (idles0), synward
"""
import pathlib
import re
import statistics
import time

import kit as n

PERIOD = 6
WAKE_UPS = 6  # a second: 1.2 were measured (2.9 with others who ask this instance), 20 as long as it polled
CPU = 0.3     # per cent of one: 0.02 to 0.11 were measured, 0.38 to 0.46 as long as it polled and swept
GUARD_WAKE_UPS = 8
GUARD_CPU = 0.4
NAP = 0.05
SHOWN = 0.3  # seconds to a line, three times of four: 1 to 9 ms were measured; not woken it sleeps on for up to a second


def place():
    a, b = n.new_ns("idle-a"), n.new_ns("idle-b")
    n.quiet(a)
    n.quiet(b)
    n.veth(a, "idlec0", b, "idles0")
    n.addr(a, "idlec0", "10.71.0.1/24", "fd71::1/64")
    n.addr(b, "idles0", "10.71.0.2/24", "fd71::2/64")
    n.warm(a, "10.71.0.2", "fd71::2")
    return a, b


def spent(pid):
    """Voluntary context switches of all threads, and nanoseconds of CPU."""
    switches = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        switches += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text(), re.M)[1])
    return switches, int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def count(sw, kind):
    return pathlib.Path(sw.path).read_text().count(f'"event":"{kind}"')


def in_period(sw):
    time.sleep(1)  # what a start leaves to do
    switches, cpu = spent(sw.p.pid)
    began = time.monotonic()
    time.sleep(PERIOD)  # this is the measurement
    more, used = spent(sw.p.pid)
    took = time.monotonic() - began
    return (more - switches) / took, (used - cpu) / took / 1e7


def measured(wake_ups, cpu, *args, connection=False):
    a, b = place()
    listener = n.listen(b, "10.71.0.2", 7777)
    sw = n.Synward(b, "idles0", args=args, sizes=False)
    held = n.open_pair(a, listener) if connection else ()
    got, per_cent = in_period(sw)
    n.equal("exit code", sw.stop(), 0)
    for s in held:
        s.close()
    print(f"# {got:.2f} wake-ups a second, {per_cent:.3f} % of a CPU", flush=True)
    n.at_most("wake-ups a second", got, wake_ups)
    n.at_most("per cent of a CPU", per_cent, cpu)


def tracker():
    """the tracker without traffic"""
    measured(WAKE_UPS, CPU)


def open_connection():
    """one connection is open, and silent: no table is swept for it"""
    measured(WAKE_UPS, CPU, connection=True)


def guard():
    """the guard in calm, without traffic"""
    measured(GUARD_WAKE_UPS, GUARD_CPU, "--guard", "auto")


def shown_at_once():
    """after a pause the first record wakes it, so that its line does not wait for the next thing that is due"""
    a, b = place()
    listener = n.listen(b, "10.71.0.2", 7777)
    sw = n.Synward(b, "idles0", args=("--events", "established"), sizes=False)
    took, held = [], []
    for i in range(20):
        time.sleep(3 * NAP)  # so that it sleeps
        began = time.monotonic()
        held += n.open_pair(a, listener)
        while count(sw, "established") <= i:
            if time.monotonic() > began + n.PATIENCE:
                raise AssertionError(f"connection {i} has no line")
            time.sleep(0.0005)
        took.append(time.monotonic() - began)
    for s in held:
        s.close()
    n.equal("exit code", sw.stop(), 0)
    print(f"# to a line: median {statistics.median(took) * 1000:.1f} ms, longest {max(took) * 1000:.1f} ms", flush=True)
    n.at_most("third quartile", statistics.quantiles(took, n=4)[2], SHOWN)


def not_forgotten():
    """a connection whose events nobody wants: its conn line comes when its close delay is over"""
    a, b = place()
    listener = n.listen(b, "10.71.0.2", 7777)
    sw = n.Synward(b, "idles0", args=("--events", "conn", "--close-delay", 2), sizes=False)
    time.sleep(3)  # so that it does not sweep
    for i in range(3):
        c, s = n.open_pair(a, listener)
        c.close()
        s.close()
        closed = time.time()
        n.until(lambda i=i: count(sw, "conn") > i, 20)
        n.at_most("seconds from the end to the line", time.time() - closed, 2 + 5)
        time.sleep(2.5)
    n.equal("exit code", sw.stop(), 0)


if __name__ == "__main__":
    n.main(tracker, open_connection, guard, shown_at_once, not_forgotten)
