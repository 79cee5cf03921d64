#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The wall clock is stepped while traffic runs. Only synward's is: a library in its process adds an offset to
CLOCK_REALTIME that the test writes to a file, so this machine's clock stays."""
import datetime
import json
import mmap
import os
import pathlib
import secrets
import struct
import time

import kit as n
from kit import fault as k
from kit.traffic import Traffic

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <time.h>

static const volatile long long *offset;

__attribute__((constructor)) static void begin(void)
{
    int fd = open(getenv("STEPPED_BY"), O_RDONLY | O_CLOEXEC);

    offset = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    static int (*real)(clockid_t, struct timespec *);

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (real(id, ts))
        return -1;
    if (id == CLOCK_REALTIME)
        ts->tv_sec += *offset;
    return 0;
}

int adjtimex(struct timex *t) /* whether this machine's clock is synchronised is not asked here */
{
    t->status = 0;
    return TIME_OK;
}
"""
DAY = 86400
SET = "the wall clock was set by"


class Clock:
    """step(s): what the clock of the process shows from now on, in seconds off the true time."""

    def __init__(self):
        src, self.lib = os.path.join(n.tmp.name, "clock.c"), os.path.join(n.tmp.name, "clock.so")
        self.path = os.path.join(n.tmp.name, "offset")
        pathlib.Path(src).write_text(SHIM, encoding="ascii")
        n.sh("gcc", "-O2", "-shared", "-fPIC", src, "-o", self.lib, "-ldl")
        with open(self.path, "w+b") as f:
            f.write(struct.pack("q", 0))
            f.flush()
            self.map = mmap.mmap(f.fileno(), 8)

    def prefix(self):
        return ("env", f"LD_PRELOAD={self.lib}", f"STEPPED_BY={self.path}")

    def step(self, seconds):
        self.map[:] = struct.pack("q", seconds)


def off(line):
    """Seconds between what the line says and the true time."""
    at = datetime.datetime.fromisoformat(line["ts"][:26] + "+00:00")
    return at.timestamp() - time.time()


def follows(sw, want):
    """Lines carry the stepped time within some seconds."""
    size = os.path.getsize(sw.path)

    def news():
        """a connection line that goes by the new time"""
        for raw in pathlib.Path(sw.path).read_bytes()[size:].split(b"\n")[1:-1]:
            line = json.loads(raw)
            if line["event"] == "opening" and abs(off(line) - want) < n.PATIENCE:
                return True
        return False

    n.until(news, 20)


def tracker():
    """a day forth, a month back, an hour forth: ts follows, durations and expiry do not, no line too many"""
    clock = Clock()
    a, b = n.pair()
    traffic = Traffic(a, b)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.2, "--interval", 0), prefix=clock.prefix())
    before = traffic.opened
    for step in (DAY, -30 * DAY, 3600, 0):
        clock.step(step)
        follows(sw, step)
        traffic.steady()
    opened = traffic.stop()

    def all_logged():
        """a conn line of each connection that it saw begin"""
        return pathlib.Path(sw.path).read_bytes().count(b'"event":"conn"') >= opened - before

    n.until(all_logged, 20)
    lines = k.stopped(sw)
    conns = [x for x in lines if x["event"] == "conn"]
    if not opened - before <= len(conns) <= opened + 2:  # and the two long ones
        raise AssertionError(f"{len(conns)} conn lines for {opened} connections, {before} of them before")
    n.equal("ends", {x["reason"] for x in conns}, {"fin"})
    n.equal("storms", [x["event"] for x in lines if x["event"] in ("timeout", "anomaly", "loss")], [])
    longest = max(x["duration_ns"] for x in conns) / 1e9
    if longest > 600:
        raise AssertionError(f"a connection of {longest} s: a step went into a duration")
    n.equal("stats lines", len([x for x in lines if x["event"] == "stats"]), 1)
    k.nothing_on(b, "srv0")


def guarded():
    """with a key file that hosts share: steps within the 4 s that are allowed lose no connection; a day does only those
    on their way"""
    clock = Clock()
    key = os.path.join(n.tmp.name, "key")
    with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
        f.write(secrets.token_hex(16) + "\n")
    a, b = n.pair()
    n.take_replies(b, "srv0")
    traffic = Traffic(a, b)
    sw = n.Synward(b, "srv0", args=(*k.SMALL, "--close-delay", 0.2, "--guard", "always", "--key-file", key),
                    prefix=clock.prefix())
    k.wait_log(sw, "guard always")
    traffic.steady(20)
    for step in (3, 0, -3, 0):
        follows_cookies(sw, traffic, clock, step)
    for step in (DAY, -DAY, 0):
        traffic.pause = True
        time.sleep(0.5)  # nobody is on his way
        step_seen(sw, clock, step)
        traffic.pause = False
        traffic.steady(20)
    traffic.stop()
    lines = k.stopped(sw, *k.GUARD_SAYS, *(rf"the wall clock was set by \{x} s: cookies on their way may be" for x in (
        "+3.0", "-3.0", "-3.0", "+3.0", "+86400.0", "-172800.0", "+86400.0")))
    vias = {x["via"] for x in lines if x["event"] == "conn" and x["direction_by"] != "midstream"}
    n.equal("ways in", vias - {"stack"}, {"cookie"})  # stack: before it was attached
    k.nothing_on(b, "srv0")


def step_seen(sw, clock, step):
    """It looks each second."""
    before = sw.err().count(SET)
    clock.step(step)
    n.until(lambda: sw.err().count(SET) > before, 20)


def follows_cookies(sw, traffic, clock, step):
    """More connections come through cookies, over the second in which the step is seen, and the second after it."""
    def count():
        return pathlib.Path(sw.path).read_bytes().count(b'"via":"cookie"')

    step_seen(sw, clock, step)
    before = count()
    traffic.steady(80)
    n.until(lambda: count() > before, 20)


if __name__ == "__main__":
    n.main(tracker, guarded)
