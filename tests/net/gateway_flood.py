#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone, for clients and a flood at once take the machine
"""An edge under a flood, beside real clients, by both ways of the answers.

    a client, flood ==== r edge ==== b host behind (kit/gateway.py)
"""
import json
import subprocess

import kit as n
from kit import gateway as g
from kit import guard as k


def rush(ns, ip, seconds, src, count, rate):
    cmd = [str(n.TOP / "build/tests/tool_rush"), "client", ip, str(g.PORT), str(seconds), "16", "5000", src, str(count), str(rate)]
    p = n.popen(cmd, ns, stdout=subprocess.PIPE, text=True)
    n.started.append(p)
    return p


def flooded(symmetric):
    """Floods an edge in auto beside real clients: it engages, none of them fails, and the host hardly sees the flood."""
    k.needs_reqsk("the host behind takes")
    a, r, b = n.routed()
    if symmetric:
        n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.67.0.254", ns=b)
        n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.66.0.1", ns=r)
    else:
        g.dsr(a, b)
        n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.68.0.1", ns=b)
        n.sh("ip", "route", "add", "10.66.0.0/24", "via", "10.68.0.1", ns=b)
    for i in range(2, 10):
        n.addr(a, "cli0", f"10.66.0.{i}/24")
    key = g.key_file()
    served = n.popen([str(n.TOP / "build/tests/tool_rush"), "serve", g.HOST[4], str(g.PORT), "4096"], b, stdout=subprocess.PIPE)
    n.started.append(served)
    n.equal("server", served.stdout.readline(), b"ready\n")
    n.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.rta.rp_filter=0", ns=r)
    edge = g.edge(r, "rta", key, mode="auto")
    host = g.behind(b, "srv0", *(() if symmetric else ("dsr0",)), key=key)
    mac = json.loads(n.sh("ip", "-j", "link", "show", "dev", "rta", ns=r).stdout)[0]["address"]
    client = rush(a, g.HOST[4], 4, "10.66.0.2", 8, 300)
    flood = n.popen([str(n.TOP / "build/tests/tool_flood"), "cli0", mac, g.HOST[4], str(g.PORT), "60000", "20000"], a,
                    stdout=subprocess.PIPE, text=True)
    n.started.append(flood)
    k.finished(flood)
    result = json.loads(client.communicate(timeout=60)[0])
    fig, there = g.service(edge), g.taken(host)
    n.equal("failed clients", result["failed"], 0)
    n.at_least("clients served", result["done"] if "done" in result else result["connections"], 500)
    n.equal("state of the edge", fig["state"], "engaged")
    n.at_least("cookies sent", fig["cookies_sent"], 40000)
    n.at_least("came back", fig["cookies_accepted"], 100)
    n.at_least("taken by the host", there["cookies_accepted"], fig["cookies_accepted"] - 1)
    n.at_most("SYNs that reached the host", there["syns"], 16000)
    n.equal("stray ACKs at the host", there["stray_acks"], 0)
    lines = g.ends(edge, host)[0]
    causes = [x["cause"] for x in lines if x["event"] == "guard"]
    n.equal("why", causes[:1], ["half_open" if symmetric else "syn_rate"])


def flood_symmetric():
    """a flood beside 300 real connections a second, answers by the edge: engaged by half_open, no client fails"""
    flooded(True)


def flood_other_way():
    """the same with answers by another link (DSR): engaged by syn_rate alone, no client fails"""
    flooded(False)


if __name__ == "__main__":
    n.main(flood_symmetric, flood_other_way)
