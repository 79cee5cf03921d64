#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Lists and limits, changed by command and by SIGHUP while real clients connect, talk and close all the time."""
import json
import pathlib
import re
import signal
import subprocess
import threading
import time

import kit as n
from kit import guard as k

USAGE, INPUT = 2, 8  # src/base/exit.h


class Busy:
    """Real clients in a thread, of both families; every failure is kept."""

    def __init__(self, g):
        self.g, self.count, self.failed, self.over = g, 0, [], False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.over:
            try:
                self.g.talk((4, 6)[self.count & 1])
                self.count += 1
                time.sleep(0.01)  # the rate of clients
            except Exception as e:  # pylint: disable=broad-except
                self.failed.append(repr(e))
                return

    def end(self, least=5):
        n.until(lambda: self.count >= least or self.failed, 10)
        self.over = True
        self.thread.join(60 * n.SLOW)  # longer than a talk's five time-outs of 10 s
        if self.thread.is_alive():
            raise AssertionError("a real client hangs")
        n.equal("real clients that failed", self.failed, [])


def change(g, *args, **kw):
    return k.guard(g.sw, "list", *args, **kw)


def shown(g, which):
    return {x["cidr"]: x["from"] for x in map(json.loads, change(g, "show", which, "--json").stdout.splitlines())}


def answered(p, want, why):
    p.sport += 1
    p.say("S", options=k.TS)
    got = p.hear(1.0 if want else 0.15)
    n.equal(f"SYN-ACK from {p.ip}: {why}", bool(got), want)


def hup(g, pattern):
    """SIGHUP, and the line that it leads to."""
    before = len(g.sw.err())
    g.sw.p.send_signal(signal.SIGHUP)
    return n.until(lambda: re.search(pattern, g.sw.err()[before:]), 10).group(0)


def commands():
    """list add, del, show while clients connect: block, allow wins, gone again; IPv4 and IPv6"""
    g = k.Ground()
    k.talks(g)
    busy = Busy(g)
    for v, wide in ((4, "10.66.0.64/26"), (6, "fd66::90/124")):
        p = k.Peer(g, v, sport=47000)
        answered(p, True, "nothing is listed")
        change(g, "add", "block", wide, "203.0.113.0/24")
        answered(p, False, "blocked")
        change(g, "add", "allow", f"{k.PEER[v]}/{32 if v == 4 else 128}")
        opened = g.counted("passed_allowed", v)
        answered(p, True, "allowed, though in a blocked prefix")
        n.equal("passed as allowed", g.counted("passed_allowed", v) - opened, 1)
        p.say("R", seq=p.seq + 1)
        n.equal("shown", shown(g, "block").get(wide), ["command"])
        change(g, "del", "allow", k.PEER[v])
        answered(p, False, "allowed no more")
        change(g, "del", "block", wide)
        answered(p, True, "blocked no more")
        n.equal("drops", g.counted("drop_blocked", v), 2)
    for bad, code in ((("add", "block", "10.66.0.1/24"), USAGE), (("add", "block", "nonsense"), USAGE),
                      (("add", "block", "10.0.0.0/33"), USAGE), (("add", "gray", "10.0.0.0/8"), USAGE)):
        r = change(g, *bad, check=False)
        n.equal(f"exit code of {bad}", r.returncode, code)
        n.equal(f"lines on stderr of {bad}", len(r.stderr.splitlines()), 1)
    n.equal("block list", set(shown(g, "block")), {"203.0.113.0/24"})
    busy.end()
    g.finish()


def nobody_locks():
    """the lock of the lists is out of other users' reach, also where an older synward made /run/synward"""
    there = pathlib.Path("/run/synward")
    there.mkdir(exist_ok=True)
    there.chmod(0o755)
    g = k.Ground()
    n.equal("mode of /run/synward", oct(there.stat().st_mode & 0o777), "0o700")
    r = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "flock", "-n", there, "true"],
                       capture_output=True, timeout=20, check=False)
    if not r.returncode or b"ermission denied" not in r.stderr:
        raise AssertionError(f"another user has the lock: {r}")
    change(g, "add", "block", "198.51.100.0/24")
    n.equal("block list", shown(g, "block"), {"198.51.100.0/24": ["command"]})
    g.finish()


def established_too():
    """a block counts for open connections, too, and is gone without a trace when it is taken back"""
    g = k.Ground()
    k.talks(g, 1)
    pairs = [g.open(v) for v in (4, 6)]
    change(g, "add", "block", "10.66.0.1", "fd66::1")
    for c, s in pairs:
        c.sendall(b"blocked for a while")
        s.settimeout(0.3)
        try:
            raise AssertionError(f"it came: {s.recv(100)!r}")
        except TimeoutError:
            pass
    change(g, "del", "block", "10.66.0.1", "fd66::1")
    for c, s in pairs:
        s.settimeout(5)
        n.equal("at the server", n.read_n(s, 19), b"blocked for a while")
        k.end(c, s)
    k.talks(g, 1)
    g.finish()


def whole_internet():
    """0.0.0.0/0 and ::/0 blocked, one network allowed"""
    g = k.Ground("--block", "0.0.0.0/0", "--block", "::/0", "--allow", "10.66.0.1", "--allow", "fd66::1", start=False)
    g.start()
    k.talks(g)
    for v in (4, 6):
        p = k.Peer(g, v)
        answered(p, False, "everything is blocked")
        n.equal("passed as allowed", g.counted("passed_allowed", v), 3)
        p.close()
    change(g, "del", "block", "0.0.0.0/0")
    answered(k.Peer(g, 4, sport=47100), True, "IPv4 is free again")
    answered(k.Peer(g, 6, sport=47100), False, "IPv6 is not")
    n.equal("sources", shown(g, "allow"), {"10.66.0.1/32": ["option"], "fd66::1/128": ["option"]})
    g.finish()


def files():
    """SIGHUP reads the files again while clients connect; a bad file leaves the list as it was, with FILE:LINE"""
    block, allow = (pathlib.Path(n.tmp.name) / x for x in ("block", "allow"))
    block.write_text("# who\n10.66.0.99   # the peer\n\nfd66::99/128\n", encoding="ascii")
    allow.write_text("", encoding="ascii")
    g = k.Ground("--block-file", block, "--allow-file", allow)
    k.talks(g)
    busy = Busy(g)
    p4, p6 = (k.Peer(g, v, sport=47200) for v in (4, 6))
    for p in (p4, p6):
        answered(p, False, "blocked by the file")
    block.write_text("fd66::99\n192.0.2.0/24\n", encoding="ascii")
    hup(g, "reloaded.*")
    answered(p4, True, "not in the file any more")
    answered(p6, False, "still in the file")
    change(g, "add", "block", "198.51.100.0/24")
    for text, line in (("10.66.0.99\nfd66::99\nthis is no CIDR\n", 3), ("10.66.0.99\n10.66.0.1/24\n", 2),
                       ("\n\n\n300.1.1.1\n", 4)):
        block.write_text(text, encoding="ascii")
        logged = hup(g, ".*unchanged.*")
        assert f"{block}:{line}: " in logged, logged
        answered(p4, True, "the bad file changed nothing")
        answered(p6, False, "the bad file changed nothing")
    block.unlink()
    assert str(block) in hup(g, ".*unchanged.*")
    n.equal("block list", shown(g, "block"), {"192.0.2.0/24": ["file"], "fd66::99/128": ["file"],
                                              "198.51.100.0/24": ["command"]})
    busy.end()
    g.finish()


def bad_at_start():
    """a bad file at start: FILE:LINE, exit 8, nothing attached"""
    g = k.Ground(start=False)
    path = pathlib.Path(n.tmp.name) / "bad"
    path.write_text("10.0.0.0/8\n10.0.0.1/8\n", encoding="ascii")
    r = subprocess.run(["nsenter", f"--net=/run/netns/{g.b}", n.SYNWARD, "run", "-i", "srv0", "--guard", "auto",
                        "--block-file", path], capture_output=True, text=True, timeout=20, check=False)
    n.equal(f"exit code ({r.stderr})", r.returncode, INPUT)
    n.equal("lines on stderr", len(r.stderr.splitlines()), 1)
    assert f"{path}:2: " in r.stderr, r.stderr
    n.equal("attached", n.hooks_on(g.b, "srv0"), [])


def many():
    """100,000 CIDRs at once, at start and at SIGHUP, while clients connect"""
    path = pathlib.Path(n.tmp.name) / "many"
    first = [f"{100 + i // 65536}.{i // 256 % 256}.{i % 256}.0/24" for i in range(99999)]
    path.write_text("\n".join(first + ["10.66.0.99/32", ""]), encoding="ascii")
    g = k.Ground("--block-file", path)
    k.talks(g)
    p = k.Peer(g, 4, sport=47300)
    answered(p, False, "the last of 100,000")
    busy = Busy(g)
    path.write_text("\n".join([f"2001:db8:{i:x}::/48" for i in range(65536)] + first[:34463] + ["fd66::99", ""]),
                    encoding="ascii")
    start = time.monotonic()
    hup(g, "100000 in the block list")
    n.at_most("seconds to read again", time.monotonic() - start, 10)
    answered(p, True, "not in the file any more")
    answered(k.Peer(g, 6, sport=47300), False, "the last of 100,000")
    n.equal("entries", len(shown(g, "block")), 100000)
    busy.end()
    g.finish()


def burst(g, v, ip, count, sport):
    p = k.Peer(g, v, ip=ip)
    made = []
    for i in range(count):
        p.sport = sport + i
        made.append(p.packet("S", options=k.TS))
    p.send(*made)
    p.close()


def over(g, v, send, count):
    """Of `count` SYNs at a limit of 20 a second, so many are over it."""
    before, began = g.figures(v)["over_limit"], time.monotonic()
    send()
    n.until(lambda: g.figures(v)["over_limit"] > before)
    got = g.figures(v)["over_limit"] - before
    n.at_most("over the limit", got, count - 20)
    n.at_least("over the limit", got, count - 21 - 20 * (time.monotonic() - began))


def limit_source():
    """--limit-source: a source that does not complete gets cookies from there on, others and real clients are not limited"""
    g = k.Ground("--limit-source", "20/s")
    k.talks(g, 20)  # completed ones are not charged
    for v, other in ((4, "10.66.0.98"), (6, "fd66::98")):
        over(g, v, lambda v=v: burst(g, v, k.PEER[v], 100, 30000), 100)
        answered(k.Peer(g, v, ip=other), True, "another source")
        g.talk(v)
    before = g.figures(4)["over_limit"] + g.figures(6)["over_limit"]
    for v in (4, 6):
        for _ in range(60):
            g.talk(v)
    n.equal("real clients limited", g.figures(4)["over_limit"] + g.figures(6)["over_limit"], before)
    n.equal("dropped", g.figures(4)["dropped"] + g.figures(6)["dropped"], 0)
    g.finish()


def limit_prefix():
    """--limit-prefix: a /24 or /64 that does not complete is limited as one; calm, its service is engaged for cookies"""
    g = k.Ground("--limit-prefix", "20/s", "--hold", 1, "--grace", 1, mode="auto")
    n.addr(g.a, "cli0", "10.66.9.1/16", "fd66:0:0:9::1/64")
    n.sh("ip", "-6", "route", "add", "fd66:0:0:9::/64", "dev", "srv0", ns=g.b)
    k.talks(g, 1)
    for v in (4, 6):
        def several(v=v):
            for i in range(10):  # of one prefix, and not the real client's
                burst(g, v, f"10.66.7.{i + 1}" if v == 4 else f"fd66:0:0:7::{i + 1:x}", 10, 30000)

        n.equal("state", g.figures(v)["state"], "calm")
        over(g, v, several, 100)
        n.equal("state, cause", [g.figures(v)[x] for x in ("state", "cause")], ["engaged", "over_limit"])
        before = g.figures(v)["over_limit"]
        for _ in range(30):
            g.talk(v)
        n.equal("real clients limited", g.figures(v)["over_limit"], before)
        n.until(lambda v=v: g.figures(v)["state"] == "calm", 10)
    g.finish()


def nobody_is_shut_out():
    """calm, and somebody forges a client's address: that client connects at once"""
    g = k.Ground("--limit-source", "10/s", mode="auto")
    for v in (4, 6):
        p = k.Peer(g, v, ip=k.CLIENT[v])
        for i in range(8):
            for j in range(30):
                p.sport = 2000 + i * 30 + j
                p.say("S", options=k.TS)
            began = time.monotonic()
            g.talk(v)
            n.at_most("seconds to connect, talk and end", time.monotonic() - began, 0.9)
        p.close()
        n.equal("dropped SYNs", g.figures(v)["drop_rate_source"], 0)
        n.equal("state, cause", [g.figures(v)[x] for x in ("state", "cause")], ["engaged", "over_limit"])
    g.finish()


if __name__ == "__main__":
    n.main(commands, nobody_locks, established_too, whole_internet, files, bad_at_start, many, limit_source, limit_prefix,
           nobody_is_shut_out)
