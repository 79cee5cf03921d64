#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone, for it measures
"""A flood beside real connections: every line is there or is accounted for."""
import json
import subprocess

import kit as n
from kit import bulk

FLOOD = str(n.TOP / "build/tests/tool_flood")


def flood():
    """1,000,000 spoofed SYNs beside real connections: no line of the real ones lost or false"""
    a, b = n.pair()
    ips = bulk.sources(a, 4)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=1", ns=b)
    listener = n.listen(b, "10.66.0.2", 7777, 4096)
    sw = n.Synward(b, "srv0", args=("--close-delay", 1, "--log-open-at-exit", "--timeout-syn-sent", 5), sizes=False)
    mac = json.loads(n.sh("ip", "-j", "link", "show", "srv0", ns=b).stdout)[0]["address"]
    names = bulk.connections(a, listener, ips, 200)
    p = subprocess.Popen(["nsenter", f"--net=/run/netns/{a}", FLOOD, "cli0", mac, "10.66.0.2", "7777", "1000000",
                          "150000"], stdout=subprocess.PIPE)
    n.started.append(p)
    during = 0
    while p.poll() is None:
        names += bulk.connections(a, listener, ips, 20)
        during += 20
    n.equal("sent by the flood", p.stdout.read().strip(), b"1000000")
    names += bulk.connections(a, listener, ips, 200)
    n.settled(a, b)
    n.equal("exit code", sw.stop(timeout=120), 0)
    lines = []

    def real():
        """Keeps what is not the flood's, which would be gigabytes; nobody of it says more than a SYN."""
        for x in bulk.each(sw.path, every=20011):
            if not x.get("orig_ip", "").startswith(("198.18", "198.19")):
                lines.append(x)
            elif x["event"] not in ("opening", "timeout", "conn"):
                raise AssertionError(f"a spoofed source has a line {x}")
            yield x

    logged, lost = bulk.counted(real())
    if during < 100:
        raise AssertionError(f"only {during} real connections beside the flood")
    bulk.real_ones(lines, names)
    final = lines[-1]
    n.equal("half-open flows and flows that ended, and their lines", final["emitted_conn"] + final["lost_conn"],
            final["half_open_ended"] + final["flow_ended"])
    n.equal("evicted", final["half_open_evicted"], final["half_open_created"] - final["half_open_restored"] -
            final["half_open_ended"] - final["half_open_promoted"])
    n.equal("conn lines and losses", logged["conn"] + lost["conn"], final["half_open_created"] - final["half_open_restored"])
    n.equal("opening lines and losses", logged["opening"] + lost["opening"],
            final["half_open_created"] - final["half_open_restored"])
    for k in ("established", "half_closed", "closed", "reset", "refused"):
        n.equal(f"lost {k}", lost[k], 0)
    n.equal("lost_total", final["lost_total"], sum(lost.values()))
    print(f"# {during} real connections beside the flood, {final['half_open_created'] - len(names)} SYNs of it seen, "
          f"{lost['conn']} conn lines reported lost", flush=True)


def stopped_in_flood():
    """stopped while a flood has filled the ring: what the last sweep holds back for want of room is not reported lost"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--close-delay", 1, "--log-open-at-exit", "--ring-open", "64k"), sizes=False)
    mac = json.loads(n.sh("ip", "-j", "link", "show", "srv0", ns=b).stdout)[0]["address"]
    p = subprocess.Popen(["nsenter", f"--net=/run/netns/{a}", FLOOD, "cli0", mac, "10.66.0.2", "7777", "40000", "0"],
                         stdout=subprocess.PIPE)
    n.started.append(p)
    n.equal("exit code of the flood", p.wait(60), 0)
    n.equal("exit code", sw.stop(timeout=120), 0)
    lines = list(bulk.each(sw.path, every=1009))
    logged, lost = bulk.counted(lines)
    final = lines[-1]
    if not final["opening_deferred"]:
        raise AssertionError("no opening waited: the flood did not fill the ring")
    for k in ("opening", "conn"):
        n.equal(f"{k} lines and losses", logged[k] + lost[k], final["half_open_created"] - final["half_open_restored"])


if __name__ == "__main__":
    n.main(flood, stopped_in_flood)
