#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""kill -9 at 40 random moments (200 with SW_TEST_LONG=1), from the first millisecond of a start to well into running: no connection notices,
the next start says at most one line about it and cleans up, and nothing is left in the end.

Lanes run side by side, each a process of its own with its own namespaces, traffic, and directory in the place of
/run/synward (the start lock there would make them take turns). Half of the moments lie within a start, half after it: then
the test waits for READY=1, so that a busy machine moves no moment from one half to the other.
SW_TEST_SEED repeats the moments of a run.
"""
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import kit as n
from kit import fault as k
from kit.traffic import Traffic

LONG = "SW_TEST_LONG" in os.environ
KILLS = 200 if LONG else 40
LANES = (("tracker", KILLS * 7 // 20, ()), ("always", KILLS * 9 // 40, ("--guard", "always")),
         ("always-too", KILLS * 9 // 40, ("--guard", "always")),
         ("auto", KILLS * 8 // 40, ("--guard", "auto", "--engage", "half-open=1000000,syn-rate=1000000")))


class Lane:
    def __init__(self, name, args):
        self.random = random.Random(f"{os.environ['SW_TEST_SEED']} {name}")
        self.args = (*k.SMALL, "--events", "conn", *args)
        self.dir = pathlib.Path(n.tmp.name) / "run"
        self.dir.mkdir()
        pathlib.Path("/run/synward").mkdir(exist_ok=True)
        self.a, self.b = n.pair()
        if "--guard" in args:
            n.take_replies(self.b, "srv0")
        self.traffic = Traffic(self.a, self.b)
        self.ready_after = self.regular()

    def start(self):
        return n.Synward(self.b, "srv0", args=self.args, script=f"mount --bind {self.dir} /run/synward", wait=False)

    def regular(self):
        """A start that nobody disturbs, with traffic through it, and a regular end. Seconds until it was attached."""
        began = time.monotonic()
        sw = self.start()
        sw.ready()
        took = time.monotonic() - began
        shown = [x for x in sw.err().splitlines() if "killed" in x]
        if len(shown) > 1 or (shown and "removed what a killed synward had left on 'srv0'" not in shown[0]):
            raise AssertionError(f"about the killed one: {sw.err()!r}")
        self.traffic.steady()
        n.equal(f"exit code ({sw.err().strip()})", sw.stop(), k.OK)
        lines = sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        if not [x for x in lines if x["event"] == "conn" and x["reason"] == "fin"]:
            raise AssertionError("it has logged no connection")
        k.nothing_on(self.b, "srv0")
        n.equal("instance files", [x.name for x in self.dir.glob("*.instance*")], [])
        return took

    def kill_one(self, moment, after_ready):
        """moment: seconds from the start, or from READY=1 on."""
        sw = self.start()
        if after_ready:
            sw.ready()
        time.sleep(moment)  # the moment at which it is killed
        rc = sw.p.poll()
        if rc is not None:
            raise AssertionError(f"a start after kills ended by itself, exit {rc}: {sw.err()!r}")
        sw.kill()
        self.traffic.check()

    def rounds(self, count):
        for i in range(count):
            after = bool(i % 2)
            self.kill_one(self.random.uniform(0, 0.5 if after else self.ready_after), after)
            if i % 15 == 14:
                self.traffic.steady(1)
        self.regular()
        opened = self.traffic.stop()
        print(f"{count} kills, {count // 2} of them running, {opened} new connections beside them", flush=True)


def lane(name):
    _, count, args = next(x for x in LANES if x[0] == name)
    Lane(name, args).rounds(count)


def killed():
    """kill -9 at random moments: traffic never stops, the next start is clean, nothing leaks"""
    n.equal("moments", sum(x[1] for x in LANES), KILLS)
    ledger, seed = k.Ledger(), n.seed()
    work = {x[0]: subprocess.Popen([sys.executable, __file__, "--lane", x[0]], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env={**os.environ, "SW_TEST_SEED": str(seed)})
            for x in LANES}
    bad = []
    try:
        for name, p in work.items():
            out = p.communicate(timeout=KILLS * 3 + 120)[0]
            print(f"# {name}: {out.strip().splitlines()[-1] if out.strip() else 'nothing shown'}", flush=True)
            if p.returncode:
                bad.append(f"{name}: exit {p.returncode}: {out.strip()}")
    finally:
        for p in work.values():
            if p.poll() is None:
                p.terminate()
                p.wait(30)
    if bad:
        raise AssertionError(f"seed {seed}: " + "; ".join(bad))
    ledger.settle()


def stale_file():
    """what a killed one noted in a namespace that is no more is removed by the next start"""
    _, b = n.pair()
    dead = n.Synward(b, "srv0", args=k.SMALL)
    dead.kill()
    note = pathlib.Path(f"/run/synward/{dead.p.pid}.instance")
    n.equal("its file after kill -9", note.exists(), True)
    text = note.read_text(encoding="ascii")
    n.cleanup()
    note.write_text(text, encoding="ascii")  # the clean-up of these tests takes it away, a namespace's end does not
    map_id = re.search(r"^map_flows=(\d+)$", text, re.M).group(1)
    n.until(lambda: n.sh("bpftool", "map", "show", "id", map_id, check=False).returncode != 0, 20)
    _, b = n.pair()
    sw = n.Synward(b, "srv0", args=k.SMALL)
    n.equal("its file after the next start", note.exists(), False)
    k.stopped(sw)


def kept_file():
    """what a killed one left in another namespace that lives is still known there after a start here"""
    a, b = n.pair()
    dead = n.Synward(b, "srv0", args=k.SMALL)
    dead.kill()
    note = pathlib.Path(f"/run/synward/{dead.p.pid}.instance")
    here = n.Synward(a, "cli0", args=k.SMALL)
    n.equal("its file after a start elsewhere", note.exists(), True)
    k.stopped(here)
    again = n.Synward(b, "srv0", args=k.SMALL, wait=False)
    k.wait_log(again, "removed what a killed synward had left on 'srv0'")
    again.ready()
    n.equal("its file after the next start there", note.exists(), False)
    n.equal("exit code", again.stop(), k.OK)
    k.nothing_on(b, "srv0")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--lane"]:
        lane(sys.argv[2])
    else:
        n.main(killed, stale_file, kept_file)
