#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real connections at a given rate through a synward that exports them to nfcapd: how many the client made, how many conn
events there were, how many flows nfcapd has, and what CPU synward took, in turn without --export.

    export.py [--rate N] [--seconds S] [--rounds N]
"""
import argparse
import json
import os
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests/net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

RUSH = TOP / "build/tests/tool_rush"
PORT, SERVER, SOURCES = 4739, 7777, 64


def host():
    a, b = n.new_ns("ba"), n.new_ns("bb")
    for ns in (a, b):
        n.quiet(ns)
    n.veth(a, "bxc0", b, "bxs0")
    n.addr(a, "bxc0", "10.66.0.1/16", *(f"10.66.1.{i + 1}/16" for i in range(SOURCES)))
    n.addr(b, "bxs0", "10.66.0.2/16")
    n.warm(a, "10.66.0.2")
    n.warm(b, "10.66.0.1")
    return a, b


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def unread(ns):
    with n.Inside(ns):
        rows = pathlib.Path("/proc/thread-self/net/udp").read_text(encoding="ascii").splitlines()[1:]
    return [int(x.split()[4].split(":")[1], 16) for x in rows if x.split()[1].endswith(f":{PORT:04X}")]


def once(scheme, args):
    a, b = host()
    flows = pathlib.Path(n.tmp.name) / "flows"
    flows.mkdir()
    log = (flows / "log").open("w+", encoding="utf-8")
    nfcapd = n.popen(["nfcapd", "-b", "10.66.0.1", "-p", str(PORT), "-l", flows, "-t", "3600", "-B", str(8 << 20)], a, stdout=log,
                     stderr=log)
    n.started.append(nfcapd)
    n.until(lambda: unread(a))
    export = ("--export", f"{scheme}://10.66.0.1:{PORT}") if scheme else ()
    sw = n.Synward(b, "bxs0", args=("--close-delay", 0.1, "--events", "conn,health", "--max-flows", 262144, *export), full=False)
    server = n.popen([str(RUSH), "serve", "10.66.0.2", str(SERVER), "4096"], b, stdout=subprocess.PIPE)
    n.started.append(server)
    server.stdout.readline()
    before = cpu(sw.p.pid)
    made = json.loads(n.sh(RUSH, "client", "10.66.0.2", SERVER, args.seconds, 256, 3000, "10.66.1.1", SOURCES, args.rate, ns=a).stdout)
    took = cpu(sw.p.pid) - before
    server.kill()
    server.wait()
    sw.stop()
    n.until(lambda: unread(a) == [0])
    nfcapd.send_signal(signal.SIGTERM)
    nfcapd.wait()
    log.seek(0)
    got = re.findall(r"Flows: (\d+), .*Sequence Errors: (\d+), Bad", log.read())[-1]
    with open(sw.path, "rb") as f:
        lines = f.read().splitlines()
    last = json.loads(lines[-1])
    conns = sum(b'"event":"conn"' in x for x in lines)
    for p in flows.iterdir():
        p.unlink()
    flows.rmdir()
    n.cleanup()
    print(f"{scheme or 'without':9} client {made} conn lines {conns} lost_conn {last['lost_conn']} exported {last['exported']} "
          f"export_lost {last['export_lost']} nfcapd flows {got[0]} sequence errors {got[1]}; CPU {took:.2f} s", flush=True)
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=10000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 8192), max(hard, 8192)))
    took = {}
    for _ in range(args.rounds):
        for scheme in ("", "ipfix", "netflow9"):
            took.setdefault(scheme, []).append(once(scheme, args))
    for scheme, values in took.items():
        print(f"{scheme or 'without':9} median CPU {statistics.median(values):.2f} s")


main()
