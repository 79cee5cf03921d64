#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone, for it counts how often the daemon wakes up
"""A daemon with nothing to do sleeps. What it does when something happens then is in idle_ends.py.

    a (idlec0) ---- veth ---- b (idles0), synward
"""
import pathlib
import re
import time

import kit as n

PERIOD = 6
WAKE_UPS = 6  # a second: 1.2 were measured (2.9 with others who ask this instance), 20 as long as it polled
CPU = 0.3     # per cent of one: 0.02 to 0.11 were measured, 0.38 to 0.46 as long as it polled and swept
GUARD_WAKE_UPS = 8
GUARD_CPU = 0.4


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


if __name__ == "__main__":
    n.main(tracker, open_connection, guard)
