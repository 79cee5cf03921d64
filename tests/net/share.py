#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Another XDP program on the same interface, by libxdp's dispatcher: xdp-filter, which blocks a port.

        a: cli0  o=== veth ===o  srv0 :b     on srv0: xdp-filter and synward, in both orders

Where the dispatcher does not work, or takes no program that changes packets, synward is alone, and says so."""
import json
import subprocess

import kit as n
from kit import guard as k

OK, ATTACH = 0, 6
OPEN, BLOCKED = 7777, 7778


class Ground:
    def __init__(self):
        probe = json.loads(n.sh(n.SYNWARD, "probe", "--json").stdout)
        if not probe["features"]["dispatcher"]:
            raise n.Skip("libxdp's dispatcher does not work here: " + probe["lost"]["dispatcher"])
        self.a, self.b = n.pair()
        self.listeners = [n.listen(self.b, "10.66.0.2", p) for p in (OPEN, BLOCKED)]
        self.sw, self.logged = None, 0

    def filter_on(self):
        n.sh("xdp-filter", "load", "-m", "native", "-f", "tcp", "srv0", ns=self.b)
        n.sh("xdp-filter", "port", "-p", "tcp", "-m", "dst", BLOCKED, ns=self.b)

    def filter_off(self):
        n.sh("xdp-filter", "unload", "srv0", ns=self.b)

    def synward_on(self, *args):
        self.sw = n.Synward(self.b, "srv0", args=("--close-delay", "0.1", *args))

    def shared(self):
        """Is its program behind the dispatcher?"""
        iface = json.loads(n.sh(n.SYNWARD, "status", "--json", "--pid", self.sw.p.pid).stdout)["ifaces"][0]
        assert iface["ingress"] in ("xdp_native", "xdp_generic"), iface
        return iface["shared"]

    def passes(self):
        c, s = n.open_pair(self.a, self.listeners[0])
        k.speak(c, s)
        k.end(c, s)

    def blocked(self):
        c = n.tcp(self.a)
        c.settimeout(0.5)
        try:
            c.connect(("10.66.0.2", BLOCKED))
        except TimeoutError:
            return True
        finally:
            c.close()
        self.listeners[1].accept()[0].close()
        return False

    def follows(self):
        """synward logs a connection that is made now, once."""
        self.passes()
        self.logged += 1
        n.until(lambda: self.conns(OPEN) == self.logged)

    def conns(self, port):
        with open(self.sw.path, encoding="utf-8") as lines:
            return len([1 for x in lines if x.endswith("\n") and '"conn"' in x and json.loads(x)["resp_port"] == port])

    def synward_off(self):
        n.equal("exit code", self.sw.stop(), OK)
        n.equal("stderr", self.sw.err(), "")
        lines = self.sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        n.equal("logged of what the filter dropped", [x for x in lines if x.get("resp_port") == BLOCKED], [])

    def nothing_left(self):
        n.equal("attached", n.hooks_on(self.b, "srv0"), [])


def filter_first():
    """xdp-filter, then synward: both work; synward goes, and the filter continues"""
    g = Ground()
    g.filter_on()
    g.synward_on()
    n.equal("shared", g.shared(), True)
    g.follows()
    n.equal("blocked", g.blocked(), True)
    g.synward_off()
    g.passes()
    n.equal("blocked without synward", g.blocked(), True)
    g.filter_off()
    n.equal("blocked without the filter", g.blocked(), False)
    g.nothing_left()


def synward_first():
    """synward, then xdp-filter: both work; the filter goes, and synward continues"""
    g = Ground()
    g.synward_on()
    n.equal("shared", g.shared(), True)
    g.follows()
    g.filter_on()
    g.follows()
    n.equal("blocked", g.blocked(), True)
    g.filter_off()
    g.follows()
    g.synward_off()
    n.equal("blocked without the filter", g.blocked(), False)
    g.nothing_left()


def guard_beside():
    """the guard beside xdp-filter: shared where the dispatcher takes it, else one line, exit 6, and the filter works on"""
    g = Ground()
    if k.backend() == "none":
        raise n.Skip("this kernel is too old for the guard")
    n.take_replies(g.b, "srv0")
    g.synward_on("--guard", "always")
    shares = g.shared()
    g.follows()
    n.equal("exit code", g.sw.stop(), OK)
    g.nothing_left()
    g.filter_on()
    if shares:
        g.logged = 0
        g.synward_on("--guard", "always")
        g.follows()
        n.equal("exit code", g.sw.stop(), OK)
    else:
        cmd = ["nsenter", f"--net=/run/netns/{g.b}", n.SYNWARD, "run", "-i", "srv0", "--guard", "always"]
        r = subprocess.run(cmd, capture_output=True, text=True, timeout=240, check=False,
                           stdin=subprocess.DEVNULL)
        n.equal("exit code", r.returncode, ATTACH)
        n.equal(f"lines on stderr ({r.stderr.strip()})", len(r.stderr.splitlines()), 1)
        if "srv0" not in r.stderr or "XDP program" not in r.stderr:
            raise AssertionError(f"the line does not say what is in the way: {r.stderr!r}")
    g.passes()
    n.equal("blocked", g.blocked(), True)
    g.filter_off()
    g.nothing_left()


if __name__ == "__main__":
    n.main(filter_first, synward_first, guard_beside)
