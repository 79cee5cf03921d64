#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""Which connections are followed: options, a change while it runs, and beside the guard.

    +------- a -------+         +------- b -------+
    | 10.66.0.1       |  veth   |       10.66.0.2 |    7777: the service
    | clients    cli0 o=========o srv0    synward |    9000: what a health checker asks, all the time
    +-----------------+         +-----------------+
"""
import json
import os
import pathlib
import re

import kit as n
from kit import guard as k
from kit import pin as p
from kit import traffic

SERVICE, HEALTH = 7777, 9000
V = {4: ("10.66.0.1", "10.66.0.2"), 6: ("fd66::1", "fd66::2")}


class Ground:
    def __init__(self, *args, v=4):
        self.a, self.b = n.pair()
        self.listeners = {port: n.listen(self.b, V[v][1], port) for port in (SERVICE, HEALTH)}
        self.sw = n.Synward(self.b, "srv0", args=("--close-delay", 0.1, *args))

    def talk(self, port, times=1):
        """Whole connections; the names of the clients' ends."""
        names = []
        for _ in range(times):
            c, s = n.open_pair(self.a, self.listeners[port])
            names.append(c.getsockname())
            k.speak(c, s)
            k.end(c, s)
        return names

    def finish(self):
        n.settled(self.a, self.b)
        n.equal("exit code", self.sw.stop(), 0)
        lines = self.sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        return lines


def rules_of(r):
    """What show says behind the instance."""
    n.equal("names the instance", bool(re.match(r"synward pid \d+ \(\w+0[;)]", r.stdout)), True)
    return r.stdout.split("): ", 1)[1]


def command(sw, *args, **kw):
    """`synward filter` of this instance."""
    return n.sh(n.SYNWARD, "filter", *args, "--pid", sw.p.pid, **kw)


def of_port(lines, port):
    return [x for x in lines if port in (x.get("orig_port"), x.get("resp_port"))]


def checker(v, *args):
    g = Ground(*args, v=v)
    g.talk(HEALTH, 20)
    names = g.talk(SERVICE, 3)
    lines = g.finish()
    n.equal("lines of the health checker", of_port(lines, HEALTH), [])
    for name in names:
        n.fields(n.one(n.of(lines, name, "conn")), conn_state="SF", reason="fin")
    # each connection: three segments to open, one each way and its ACK, three or four to end
    n.at_least("segments filtered", lines[-1]["filtered"], 20 * 8)
    n.at_most("half-open connections that began", lines[-1]["half_open_created"], 3)


def not_port():
    """--not-port: nothing is logged of a noisy health checker, and all of the rest; its segments are counted"""
    checker(4, "--not-port", HEALTH)


def not_server_v6():
    """--not-server, IPv6: the same by the responder's port"""
    checker(6, "--not-server", HEALTH)


def port_and_net():
    """--port and --net hold together"""
    checker(4, "--port", f"{SERVICE},8000-8100", "--net", "10.66.0.0/24,fd66::/64", "--not-net", "192.0.2.0/24")


def roles():
    """--src: connections from there, whole, and none to there"""
    a, b = n.pair()
    there, here = n.listen(a, V[4][0], SERVICE), n.listen(b, V[4][1], SERVICE)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--src", V[4][0]))
    c, s = n.open_pair(a, here)
    come = c.getsockname()
    k.speak(c, s)
    k.end(c, s)
    c, s = n.open_pair(b, there)
    k.speak(c, s)
    k.end(c, s)
    n.settled(a, b)
    n.equal("exit code", sw.stop(), 0)
    lines = sw.lines()
    n.fields(n.one(n.of(lines, come, "conn")), conn_state="SF", orig_bytes=1000, resp_bytes=1000)
    n.equal("connections", sorted({(x["orig_ip"], x["event"] == "midstream") for x in lines if "orig_ip" in x}),
            [(V[4][0], False)])
    n.at_least("segments filtered", lines[-1]["filtered"], 8)


def while_it_runs():
    """synward filter set, show, clear: what is excluded ends with its conn line, and can come back"""
    g = Ground()
    c, s = n.open_pair(g.a, g.listeners[SERVICE])
    name = c.getsockname()
    k.speak(c, s)
    g.sw.wait_for(lambda x: x["event"] == "established")
    n.equal("show", rules_of(command(g.sw, "show")), "none\n")
    said = command(g.sw, "set", "--not-port", f"{HEALTH},{SERVICE}")
    n.equal("stdout", said.stdout, "")
    rules = f"--not-port {SERVICE},{HEALTH}"
    assert rules in said.stderr, said.stderr
    n.equal("show", rules_of(command(g.sw, "show")), rules + "\n")
    conn = g.sw.wait_for(lambda x: x["event"] == "conn")
    n.fields(conn, reason="filtered", conn_state="S1", orig_port=name[1], resp_bytes=1000)
    k.speak(c, s)
    g.talk(SERVICE, 2)
    shown = json.loads(command(g.sw, "show", "--json").stdout)
    n.equal("filter", (shown["pid"], shown["filter"]), (g.sw.p.pid, rules))
    n.at_least("filtered", shown["filtered"], 20)
    n.equal("status", k.counters(g.sw)["filter"], rules)
    assert f"filter    {rules}; " in n.sh(n.SYNWARD, "status", "--pid", g.sw.p.pid).stdout
    command(g.sw, "clear")
    n.equal("show", rules_of(command(g.sw)), "none\n")
    k.speak(c, s)
    g.sw.wait_for(lambda x: x["event"] == "midstream")
    k.end(c, s)
    lines = g.finish()
    n.equal("its events", [x["event"] for x in of_port(lines, name[1]) if x["event"] not in ("half_closed", "closed")],
            ["opening", "established", "conn", "midstream", "conn"])
    n.equal("connections", len([x for x in lines if x["event"] == "conn"]), 2)


def atomic():
    """between two filters that both exclude it, changed all the time, not one packet of a connection is seen"""
    g = Ground("--not-port", f"{HEALTH}-9999")
    keep, s = n.open_pair(g.a, g.listeners[SERVICE])
    busy = traffic.Traffic(g.a, g.b, port=HEALTH + 1, lanes=(4, 6))
    for i in range(30):
        command(g.sw, "set", *(("--not-port", f"{HEALTH}-9999"), ("--port", SERVICE, "--not-net", "192.0.2.0/24"))[i % 2])
    busy.stop()
    k.speak(keep, s)
    k.end(keep, s)
    lines = g.finish()
    n.equal("ports", {x["resp_port"] for x in lines if "resp_port" in x}, {SERVICE})
    n.equal("connections", [x["reason"] for x in lines if x["event"] == "conn"], ["fin"])
    n.at_least("filtered", lines[-1]["filtered"], 100)


def views():
    """synward flows takes the same words, and states, bytes and uids"""
    g = Ground()
    pairs = {port: n.open_pair(g.a, g.listeners[port]) for port in (SERVICE, HEALTH)}
    k.speak(*pairs[SERVICE])
    for _ in pairs:
        g.sw.wait_for(lambda x: x["event"] == "established" and x["resp_port"] == HEALTH)

    def flows(*args):
        out = n.sh(n.SYNWARD, "flows", "--json", "--pid", g.sw.p.pid, *args).stdout
        return sorted(json.loads(x)["resp_port"] for x in out.splitlines())

    both, one, other = [SERVICE, HEALTH], [SERVICE], [HEALTH]
    uid = json.loads(n.sh(n.SYNWARD, "flows", "--json", "--pid", g.sw.p.pid, "--server", HEALTH).stdout)["uid"]
    for args, want in (((), both), (("--port", SERVICE), one), (("--not-port", SERVICE), other), (("--server", "9000-9001"), other),
                       (("--net", "10.66.0.0/16"), both), (("--net", "::/0"), []), (("--src", V[4][0]), both), (("--dst", V[4][0]), []),
                       (("--state", "ESTABLISHED"), both), (("--state", "S1"), both), (("--state", "TIME_WAIT,SF"), []),
                       (("--outcome", "open"), both), (("--outcome", "fin"), []), (("--min-bytes", 2000), one),
                       (("--min-handshake", "30"), []), (("--min-handshake", "0.000001"), both), (("--uid", uid), other),
                       (("--uid", uid, "--port", SERVICE), [])):
        n.equal(f"flows {args}", flows(*args), want)
    for c, s in pairs.values():
        k.end(c, s)
    g.finish()


def wrong():
    """wrong use is one line and exit 2, and changes nothing"""
    g = Ground("--not-port", 22)
    for args, says in ((("set",), "set: to what?"), (("clear", "--port", 80), "lists go with set"), (("show", "--net", "::/0"), "lists go with set"),
                       (("set", "--json", "--port", 80), "--json goes with show"), (("set", "--port", "http"), "--port: 'http' is not a port"),
                       (("set", "--src", "10.0.0.1/8"), "bits beyond its prefix (10.0.0.0/8?)"), (("unset",), "'unset' is none of show, set, clear"),
                       (("set", "set"), "unexpected argument 'set'")):
        r = command(g.sw, *args, check=False)
        n.equal(f"{args}: exit code, lines", (r.returncode, r.stdout, r.stderr.count("\n")), (2, "", 1))
        assert says in r.stderr, (args, r.stderr)
    n.equal("show", rules_of(command(g.sw, "show")), "--not-port 22\n")
    g.finish()


def which():
    """of several instances one must be chosen; nobody runs: exit 11"""
    run_dir = pathlib.Path(n.tmp.name) / "run"
    run_dir.mkdir()
    alone = f"mount --bind {run_dir} /run/synward"

    def there(*args):
        return n.sh("unshare", "-m", "sh", "-ec", alone + '\nexec "$@"', "sh", n.SYNWARD, "filter", *args, check=False)

    def says(r, code, stderr):
        n.equal("exit code, stderr", (r.returncode, r.stderr), (code, f"synward: {stderr}\n"))

    pathlib.Path("/run/synward").mkdir(exist_ok=True)
    says(there(), 11, "no synward is running")
    says(there("--pid", 1), 11, "no synward with pid 1 is running")
    a, b = n.pair()
    first = n.Synward(b, "srv0", script=alone, args=("--port", 22))
    n.equal("the only one", rules_of(there("-A")), "--port 22\n")
    second = n.Synward(a, "cli0", script=alone)
    r = there("set", "--port", 80, "-A")
    n.equal("exit code", r.returncode, 2)
    assert r.stderr.startswith("synward: filter: 2 synwards are there: choose one with --interface or --pid: "), r.stderr
    netns = os.stat(f"/run/netns/{a}").st_ino
    says(there("set", "--port", 80, "--pid", second.p.pid), 0, f"pid {second.p.pid} (cli0; netns {netns}): filter --port 80")
    n.equal("both", [rules_of(there("--pid", x.p.pid)) for x in (first, second)], ["--port 22\n", "--port 80\n"])
    for x in (first, second):
        n.equal("exit code", x.stop(), 0)


def needs_guard():
    if k.backend() == "none":
        raise n.Skip("this kernel has no guard")


def engaged():
    """with the guard engaged, connections of a filtered service come, are served and live on; only their lines are missing"""
    needs_guard()
    g = k.Ground("--not-port", k.PORT, "--close-delay", 0.1, "--events", "-guard,-service")
    k.talks(g, 3)
    c, s = g.open()
    c6, s6 = g.open(6)
    k.speak(c, s)
    n.at_least("cookies accepted", g.counted("cookies_accepted"), 4)
    n.equal("dropped", (g.counted("dropped"), g.counted("dropped", 6)), (0, 0))
    command(g.sw, "clear")
    k.speak(c, s)
    g.talk()
    seen = g.sw.wait_for(lambda x: x["event"] == "conn")
    command(g.sw, "set", "--port", 1)
    k.speak(c, s)
    k.speak(c6, s6)
    k.talks(g, 2)
    stray = k.Peer(g, 4, sport=48000)
    stray.say("A", seq=5000, ack=77)
    n.until(lambda: g.counted("dropped") == 1)
    k.exchange([(c, s), (c6, s6)])
    k.end(c, s)
    k.end(c6, s6)
    lines = g.finish()
    n.equal("connections with lines", {x["orig_port"] for x in lines if "orig_port" in x and x["event"] != "drop"}, {seen["orig_port"]})
    n.at_least("filtered", lines[-1]["filtered"], 50)
    n.equal("opened and lost", (lines[-1]["half_open_evicted"], lines[-1]["lost_total"]), (0, 0))


def set_while_engaged():
    """set while the guard is engaged: connections that were followed have their conn line, and live on"""
    needs_guard()
    g = k.Ground("--close-delay", 0.1)
    c, s = g.open()
    k.speak(c, s)
    g.sw.wait_for(lambda x: x["event"] == "established")
    command(g.sw, "set", "--not-server", k.PORT)
    n.fields(g.sw.wait_for(lambda x: x["event"] == "conn"), reason="filtered", via="cookie")
    for _ in range(3):
        k.speak(c, s)
    k.talks(g, 1)
    k.end(c, s)
    n.equal("dropped", g.counted("dropped"), 0)
    lines = g.finish()
    n.equal("conn lines", len([x for x in lines if x["event"] == "conn"]), 1)


def pinned():
    """--pin: a killed one's programs keep their filter, which can be changed; the next one has that of its own options"""
    a, b = n.pair()
    listener = n.listen(b, V[4][1], SERVICE)
    with p.Pins(b, "srv0") as pins:
        first = pins.start("--not-port", HEALTH)
        c, s = n.open_pair(a, listener)
        first.wait_for(lambda x: x["event"] == "established")
        first.kill()
        n.equal("of the killed one", rules_of(command(first, "show")), f"--not-port {HEALTH}\n")
        command(first, "set", "--port", HEALTH)
        k.speak(c, s)
        n.equal("changed", rules_of(command(first, "show")), f"--port {HEALTH}\n")
        n.at_least("filtered", json.loads(command(first, "show", "--json").stdout)["filtered"], 3)
        second = pins.start("--not-server", SERVICE)
        n.equal("of the next one", rules_of(command(second, "show")), f"--not-server {SERVICE}\n")
        conn = second.wait_for(lambda x: x["event"] == "conn")
        n.fields(conn, reason="filtered", orig_port=c.getsockname()[1], orig_bytes=0)
        k.end(c, s)
        n.equal("exit code", second.stop(), 0)


def capture(path, port):
    """A connection to port, written as a capture."""
    from scapy.layers.inet import IP, TCP  # pylint: disable=import-outside-toplevel
    from scapy.layers.l2 import Ether  # pylint: disable=import-outside-toplevel
    from scapy.utils import wrpcap  # pylint: disable=import-outside-toplevel
    c, s = (IP(src="10.0.0.1", dst="10.0.0.2"), 40000, port), (IP(src="10.0.0.2", dst="10.0.0.1"), port, 40000)
    wrpcap(str(path), [Ether() / ip / TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack)
                       for (ip, sport, dport), flags, seq, ack in ((c, "S", 1, 0), (s, "SA", 9, 2), (c, "A", 2, 10), (c, "FA", 2, 10),
                                                                   (s, "FA", 10, 3), (c, "A", 3, 11))], append=True)


def replay():
    """replay takes them, too"""
    path = pathlib.Path(n.tmp.name) / "filter.pcap"
    capture(path, 80)
    capture(path, 81)
    for args, want in (((), [80, 81]), (("--server", 80), [80]), (("--not-server", 80), [81]), (("--not-net", "10.0.0.2"), []),
                       (("--src", "10.0.0.1", "--port", 81), [81]), (("--src", "10.0.0.2"), [])):
        lines = [json.loads(x) for x in n.sh(n.SYNWARD, "replay", path, *args).stdout.splitlines()]
        n.equal(f"replay {args}", sorted(x["resp_port"] for x in lines if x["event"] == "conn"), want)
        n.equal(f"replay {args}: filtered", lines[-1]["filtered"], 6 * (2 - len(want)))


n.main(not_port, not_server_v6, port_and_net, roles, while_it_runs, atomic, views, wrong, which, engaged, set_while_engaged, pinned, replay)
