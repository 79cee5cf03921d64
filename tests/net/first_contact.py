#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a user meets first: the line that it is ready, who is starting, names of interfaces, output into head."""
import json
import os
import re
import signal
import subprocess
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

import kit as n
from kit import fault as k
from kit.pin import Pins


def ready_line(sw):
    return n.one([x for x in sw.said().splitlines() if x.startswith("synward: following ")], "ready lines")


def ready():
    """when all is attached, one line says so: interfaces and how, guard, pins, the end; --quiet has none"""
    _, b = n.pair()
    with n.Inside(b):
        listener = n.listen(b, "10.66.0.2", 7777)
    with Pins(b, "srv0") as pins:
        ready_lines(b, pins.name)
    sw = n.Synward(b, "srv0", args=("--quiet", "--guard", "auto"))
    n.equal("stderr", sw.said(), "")
    n.equal("exit code", sw.stop(), k.OK)
    listener.close()


def ready_lines(b, pin):
    for args, line in (
            (("--mode", "generic"), "following srv0 (generic XDP, tcx egress)"),
            (("--ingress-only", "--duration", 1000), "following srv0 (native XDP, no egress hook); ends after 1000 s"),
            ((f"--pin={pin}", ), f"following srv0 (native XDP, clsact egress), pinned as '{pin}'"),
            (("--guard", "auto", "--protect", "7777,7778", "--mode", "generic"),
             "following srv0 (generic XDP, clsact egress), guard auto on 2 services")):
        sw = n.Synward(b, "srv0", args=args)
        n.equal("the line", ready_line(sw), f"synward: {line}")
        n.equal("lines after it", sw.said().splitlines()[-1], f"synward: {line}")
        n.equal("exit code", sw.stop(), k.OK)
        if f"--pin={pin}" in args:
            n.sh(n.SYNWARD, "unpin", pin, ns=b)


def ready_terminal():
    """on a terminal it says how it ends, and Ctrl-C does end it"""
    _, b = n.pair()
    control, terminal = os.openpty()
    p = n.popen(["setsid", "--ctty", n.SYNWARD, "run", "-i", "srv0"], b, stdin=terminal, stdout=subprocess.DEVNULL,
                stderr=terminal)
    os.close(terminal)
    n.started.append(p)
    shown = b""
    while b"\n" not in shown:
        shown += os.read(control, 4096)
    n.equal("the line", shown.decode().strip(), "synward: following srv0 (native XDP, tcx egress); Ctrl-C ends")
    os.write(control, b"\x03")
    n.equal("exit code", p.wait(timeout=20), k.OK)
    os.close(control)
    n.equal("attached", n.hooks_on(b, "srv0"), [])


def caught_starting(b):
    """A synward that was stopped while it starts."""
    for _ in range(20):
        sw = n.Synward(b, "srv0", args=("--guard", "auto"), wait=False)
        shown = ""
        while not shown and sw.p.poll() is None:
            try:
                shown = sw.instance()
            except FileNotFoundError:
                time.sleep(0.0005)  # between two looks
        sw.p.send_signal(signal.SIGSTOP)
        if "ready=0" in shown and not sw.got_ready():
            return sw
        sw.p.send_signal(signal.SIGCONT)
        sw.ready()
        sw.stop()
    raise AssertionError("20 starts were faster than a look at each")


def starting():
    """until then status shows it as starting, and flows, guard and list say so; no more afterwards"""
    _, b = n.pair()
    sw = caught_starting(b)
    pid = ("--pid", sw.p.pid)
    netns = os.stat(f"/run/netns/{b}").st_ino
    r = k.run(["status", *pid])
    n.equal("status", (r.returncode, r.stdout, r.stderr), (k.OK, f"synward pid {sw.p.pid} (srv0; netns {netns}), starting\n", ""))
    shown = json.loads(k.run(["status", "--json", *pid]).stdout)
    n.equal("running, starting, pid", [shown[x] for x in ("running", "starting", "pid")], [True, True, sw.p.pid])
    n.equal("interfaces", [x["name"] for x in shown["ifaces"]], ["srv0"])
    for args in (["flows", *pid], ["guard", *pid], ["list", *pid, "show", "block"]):
        r = k.run(args)
        if "map_flows=0" in sw.instance():
            n.equal(f"{args[0]}", (r.returncode, r.stdout, r.stderr),
                    (k.NOT_RUNNING, "", f"synward: {args[0]}: the synward with pid {sw.p.pid} is starting\n"))
    sw.p.send_signal(signal.SIGCONT)
    sw.ready()
    shown = json.loads(k.run(["status", "--json", *pid]).stdout)
    n.equal("running, starting", [shown[x] for x in ("running", "starting")], [True, False])
    n.equal("status", "starting" in k.run(["status", *pid]).stdout, False)
    n.equal("exit code", sw.stop(), k.OK)


def other_names():
    """an interface by its alternative name, short or of 127 letters: events, views and pins have its own"""
    a, b = n.pair()
    own = f"s{os.getpid()}"  # which no other test's pins have
    n.sh("ip", "link", "set", "dev", "srv0", "name", own, ns=b)
    for name in ("inside", "i" * 127):
        n.sh("ip", "link", "property", "add", "dev", own, "altname", name, ns=b)
        listener = n.listen(b, "10.66.0.2", 7777)
        with Pins(b, own, name=own) as pins:
            sw = n.Synward(b, name, args=("--pin",))
            pins.daemons.append(sw)
            c, s = n.open_pair(a, listener)
            line = sw.wait_for(lambda x: x["event"] == "established")
            n.equal("iface", line["iface"], own)
            status = json.loads(k.run(["status", "--json", "--pid", sw.p.pid]).stdout)
            n.equal("status", [x["name"] for x in status["ifaces"]], [own])
            n.equal("pins", status["pin"], own)
            k.ended(n.Synward(b, name, own, wait=False), k.USAGE, f"'{own}' is given twice")
            n.equal("probe", json.loads(k.run(["probe", "--json", name], b).stdout)["iface"]["name"], own)
            n.equal("exit code", sw.stop(), k.OK)
            n.equal("events lost", n.check_seq(sw.lines()), 0)
        for x in (c, s, listener):
            x.close()
    k.ended(n.Synward(b, "i" * 128, wait=False), k.INTERFACE, "there is no interface 'i{64}'")


def of_help(*args):
    r = k.run(args)
    n.equal(f"{args}: exit code, stderr", (r.returncode, r.stderr), (k.OK, ""))
    long = [x for x in r.stdout.splitlines() if len(x) > 79]
    n.equal(f"{args}: lines over 79 columns", long, [])
    return r.stdout


def helps():
    """help of each command by -h, -? and --help; options in the order of the tables, with this command's defaults"""
    commands = re.findall(r"^  (\w+) ", of_help("--help"), re.M)
    n.at_least("commands", len(commands), 8)
    for command in commands:
        shown = of_help(command, "--help")
        for letter in ("-h", "-?"):
            n.equal(f"{command} {letter}", of_help(command, letter), shown)
        n.equal(f"usage of {command}", shown.startswith(f"Usage: synward {command} [OPTION...]"), True)
    shown = {x: of_help(x, "-h") for x in ("run", "replay")}
    order = ["interface", "mode", "events", "format", "close-delay", "max-flows", "guard", "protect", "engage", "hold", "help"]
    found = [x for x in re.findall(r"^ .*--([a-z-]+)", shown["run"], re.M) if x in order]
    n.equal("order", found, order)
    for name, run, replay in (("interval", "10", "0"), ("decap", "off", "on"), ("checksum", "off", "on"),
                              ("ring", "16M", "4M"), ("ring-open", "4M", "4M"), ("max-flows", "131072", "131072")):
        for command, value in (("run", run), ("replay", replay)):
            ours = shown[command][shown[command].index("What is logged"):]
            text = re.search(rf"--{name}(?=[\[= ]).*?(?=\n +(-\w, )?--|\n\n)", ours, re.S)[0]
            n.equal(f"{command} --{name}: ({value}) in {text!r}", f"({value})" in text, True)


def with_output(b, pid, capture):
    """Each command that prints, and where it is run."""
    everywhere = (("flows", "--pid", pid), ("flows", "--json", "--pid", pid), ("status", "--pid", pid),
                  ("status", "--json", "--pid", pid), ("guard", "--pid", pid), ("list", "--pid", pid, "show", "block"),
                  ("replay", capture), ("replay", "--format", "text", capture),
                  ("--help",), ("run", "--help"), ("--version",))
    return [(x, None) for x in everywhere] + [(("probe", "srv0"), b), (("probe", "--json"), b)]


def capture_of(count):
    path = os.path.join(n.tmp.name, "many.pcap")
    ends = IP(src="192.0.2.1", dst="192.0.2.2")
    wrpcap(path, [Ether() / ends / TCP(sport=10000 + i, dport=80, flags="S", seq=1) for i in range(count)])
    return path


def outputs():
    """each view into a reader that goes, or that is gone, ends with 0 and no word; into a full disk with 9 and a line"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    blocked = [x for i in range(256) for x in ("--block", f"192.0.2.{i}")]
    sw = n.Synward(b, "srv0", args=("--guard", "monitor", *blocked))
    sockets = [x for _ in range(300) for x in n.open_pair(a, listener)]
    for args, ns in with_output(b, sw.p.pid, capture_of(500)):
        cmd, name = [n.SYNWARD, *args], " ".join(str(x) for x in args)
        for reader in ("head -c 1 >/dev/null", "true", "head -n 1 >/dev/null"):
            r = n.sh("bash", "-c", f'"$@" | {reader}; exit ${{PIPESTATUS[0]}}', "bash", *cmd, ns=ns, check=False)
            n.equal(f"{name} | {reader}: exit code, stderr", (r.returncode, r.stderr), (k.OK, ""))
        r = n.sh("bash", "-c", '"$@" >/dev/full', "bash", *cmd, ns=ns, check=False)
        n.equal(f"{name} >/dev/full: exit code ({r.stderr})", r.returncode, k.OUTPUT)
        k.lines_of(r.stderr, "standard output: (No space left on device|it could not be written)$")
    n.equal("exit code", sw.stop(), k.OK)
    for x in sockets:
        x.close()


if __name__ == "__main__":
    n.main(ready, ready_terminal, starting, other_names, helps, outputs)
