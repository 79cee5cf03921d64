#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""synward metrics: against lines, status and hist; and by those who read it: promtool, and the parser of Prometheus' own
client library."""
import json
import subprocess

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import kit as n

PORT = 7777
SERVER = "10.66.0.2"


def metrics(ns, *args):
    r = n.run([n.SYNWARD, "metrics", *args], ns, text=True)
    n.equal(f"exit code ({r.stderr})", r.returncode, 0)
    return r.stdout


def samples(text, parse=parse_text):
    """name{label="value",…} to number, as that library reads it."""
    got = {}
    for family in parse(text):
        for x in family.samples:
            name = x.name + "".join(f"|{k}={v}" for k, v in sorted(x.labels.items()) if v)
            n.equal(f"twice {name}", name in got, False)
            got[name] = x.value
    return got


def command(ns, sw, *args):
    return json.loads(n.run([n.SYNWARD, *args, "-j", "-p", str(sw.p.pid)], ns, text=True).stdout.splitlines()[0])


def figures():
    """every figure is that of status, of hist and of the lines"""
    a, b = n.pair()
    listener = n.listen(b, SERVER, PORT)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--guard", "auto"))
    n.talk(a, listener, 20)
    try:
        n.connect(a, SERVER, 1)
    except ConnectionRefusedError:
        pass
    n.until(lambda: sum(x["event"] == "conn" for x in sw.lines()) == 21)
    text = metrics(b, "-p", str(sw.p.pid))
    got = samples(text)
    status, hist = command(b, sw, "status"), command(b, sw, "hist")
    for name, key in {"synward_flows": "flows", "synward_flows_limit": "flows_max", "synward_half_open": "half_open",
                      "synward_half_open_limit": "half_open_max", "synward_flows_live": "established",
                      "synward_tracker_total|counter=handshakes": "handshakes",
                      "synward_events_total|event=conn": "emitted_conn"}.items():
        n.equal(name, got[name], status[key])
    n.equal("handshakes", status["handshakes"], 20)
    n.equal("attempts", [got[f"synward_connection_attempts_total{x}|role=server"] for x in ("", "|error_type=refused")],
            [20, 1])
    n.equal("ended", got["synward_connections_ended_total|reason=fin|role=server"], 20)
    name = "synward_handshake_duration_seconds"
    n.equal("count", got[f"{name}_count|role=server"], hist["count"])
    n.equal("sum", round(got[f"{name}_sum|role=server"] * 1e9), hist["sum"])
    for key, value in got.items():
        if key.startswith(f"{name}_bucket|le=") and "role=server" in key and "Inf" not in key:
            le = round(float(key.split("le=")[1].split("|")[0]) * 1e9)
            n.equal(key, value, sum(c for _, end, c in hist["buckets"] if end <= le + 1))
    n.equal("bytes", got["synward_connection_size_bytes_sum|role=server|side=orig"], 20000)
    n.equal("service", got[f"synward_guard_state|service={SERVER}:{PORT}"], 0)
    n.at_least("SYNs", got[f"synward_guard_syns_total|service={SERVER}:{PORT}"], 20)
    n.equal("in OpenMetrics", samples(metrics(b, "--format", "openmetrics"), parse_openmetrics).keys(), got.keys())
    n.equal("an address of a peer", "10.66.0.1" in text, False)
    n.equal("exit code", sw.stop(), 0)


def lint():
    """promtool check metrics has nothing to say"""
    _, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--guard", "auto"))
    for args in ("-i", "srv0"), ("-p", str(sw.p.pid), "-A"):
        r = n.run(["promtool", "check", "metrics"], input=metrics(b, *args), text=True)
        n.equal("promtool", (r.returncode, r.stdout + r.stderr), (0, ""))
    n.equal("exit code", sw.stop(), 0)


def several():
    """of two the one that is chosen; with -A both, each by its labels; none is exit 11"""
    a, b = n.pair()
    r = n.run([n.SYNWARD, "metrics"], b, text=True)
    n.equal("none", (r.returncode, r.stdout), (11, ""))
    one, other = n.Synward(b, "srv0"), n.Synward(b, "lo")
    r = n.run([n.SYNWARD, "metrics"], b, text=True)
    n.equal("two", (r.returncode, r.stdout, "choose one with --interface or --pid" in r.stderr), (2, "", True))
    # at lo's egress hook, tcx or clsact, only whose connection it is is asked
    n.equal("by interface", [x.replace("clsact", "tcx") for x in samples(metrics(b, "-i", "lo"))
                             if x.startswith("synward_interface_info|")],
            ["synward_interface_info|device=lo|egress=tcx|ingress=xdp_generic|shared=false"])
    got = samples(metrics(a, "-A"))
    netns = command(b, one, "status")["netns"]
    for i in "srv0", "lo":
        n.equal(i, got[f"synward_running|interfaces={i}|netns={netns}"], 1)
    for sw in one, other:
        n.equal("exit code", sw.stop(), 0)
    r = n.run([n.SYNWARD, "metrics", "-i", "srv0"], b, text=True, stdin=subprocess.DEVNULL)
    n.equal("no more", r.returncode, 11)


def pinned():
    """of pinned state whose process is gone, with what it counts meanwhile"""
    a, b = n.pair()
    listener = n.listen(b, SERVER, PORT)
    name = f"m{b[-8:]}".replace("-", "_")
    sw = n.Synward(b, "srv0", args=(f"--pin={name}", "--close-delay", 0.1))
    try:
        n.talk(a, listener, 3)
        n.equal("exit code", sw.stop(), 0)
        n.talk(a, listener, 4)
        got = samples(metrics(b, "-i", "srv0"))
        n.equal("running", got["synward_running"], 0)
        n.equal("handshakes", got["synward_tracker_total|counter=handshakes"], 7)
    finally:
        n.sh(n.SYNWARD, "unpin", name, ns=b)


if __name__ == "__main__":
    n.main(figures, lint, several, pinned)
