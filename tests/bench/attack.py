#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The attack, side by side: a SYN flood made in the kernel against a listener, and a real client beside it that
connects, sends, receives and closes as fast as it can. What becomes of the client, and how many SYNs are got rid of,
with each way of defence, in one run.

    +------ c -------+        +------------- s --------------+        +------- f -------+
    | client         |  veth  |  10.66.0.2:8080 a listener   |  veth  | flood: live      |
    | 10.66.1.1 - 16 o========o srv0                    fld0 o========o frames from      |
    |                |        |                              |        | 198.18.0.0/15    |
    +----------------+        +------------------------------+        +------------------+

The flood, and with it all that happens to its packets, has CPU 0; client, server and whatever else have the other
ones. So the client suffers from what the defence does, not from the flood's share of the CPU. Its maker and its
receiver share CPU 0: the rate is what one CPU can make and get rid of. All three run at real-time priority for the
few seconds that it takes.

    attack.py [--seconds N] [--only PART] [--flood syn|ack] [--json FILE] [--check] [--rounds N]

--check: exit 1 unless synward meets what docs/performance.md says of it."""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

TOOLS = n.TOP / "build/tests"
SERVER, PORT, BACKLOG, AT_ONCE, LIMIT_MS, SOURCES = "10.66.0.2", 8080, 1024, 16, 3000, 16

SYNPROXY = f"""
table ip guard {{
    chain raw {{ type filter hook prerouting priority raw; tcp dport {PORT} tcp flags syn notrack; }}
    chain in {{
        type filter hook input priority filter;
        tcp dport {PORT} ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm;
        ct state invalid drop;
    }}
}}
"""

# name, flood, tcp_syncookies, what runs
CASES = (
    ("no flood", False, 1, None),
    ("no flood, synward", False, 1, "reqsk"),
    ("no defence", True, 0, None),
    ("tcp_syncookies=1", True, 1, None),
    ("tcp_syncookies=2", True, 2, None),
    ("nft SYNPROXY", True, 1, "synproxy"),
    ("synward listener", True, 2, "listener"),
    ("synward reqsk", True, 1, "reqsk"),
)


def popen(ns, *cmd, cpus):
    """Before all else on its CPU: what a neighbour on the machine takes away would be taken for the flood's doing."""
    cmd = ["nsenter", f"--net=/run/netns/{ns}", "chrt", "-f", "1", "taskset", "-c", cpus] + [str(c) for c in cmd]
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    n.started.append(p)
    return p


def others():
    """The CPUs that the flood does not have."""
    cpus = sorted(os.sched_getaffinity(0))
    return ",".join(str(c) for c in cpus[1:] or cpus), str(cpus[0])


def mac(ns, dev):
    return json.loads(n.sh("ip", "-j", "link", "show", dev, ns=ns).stdout)[0]["address"]


def topology(cookies):
    c, s, f = n.new_ns("c"), n.new_ns("s"), n.new_ns("f")
    for ns in (c, s, f):
        n.quiet(ns)
        for which in ("all", "default"):
            n.sh("sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1", ns=ns, check=False)
    n.veth(c, "cli0", s, "srv0")
    n.veth(f, "out0", s, "fld0")
    n.addr(c, "cli0", "10.66.0.1/16", *[f"10.66.1.{i + 1}/16" for i in range(SOURCES)])
    n.addr(s, "srv0", f"{SERVER}/16")
    n.addr(s, "fld0", "10.65.0.2/24")
    n.sh("ethtool", "-K", "fld0", "gro", "on", ns=s)  # else it takes no XDP frames
    n.sh("ip", "neigh", "add", "10.65.0.1", "lladdr", mac(f, "out0"), "dev", "fld0", "nud", "permanent", ns=s)
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.65.0.1", "dev", "fld0", ns=s)
    n.sh("sysctl", "-qw", f"net.ipv4.tcp_syncookies={cookies}", "net.core.somaxconn=4096", ns=s)
    n.warm(c, SERVER)
    return c, s, f


class NotHere(Exception):
    """This kernel has no such defence."""


def defend(s, what, mode):
    """Returns the running synward, if it is one."""
    if what == "synproxy":
        n.sh("nft", "-f", "-", ns=s, input=SYNPROXY)
        n.sh("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0", ns=s)
    elif what:
        return n.Synward(s, "srv0", "fld0", args=("--guard", mode, "--cookie", what, "--protect", PORT,
                                                  "--events", "guard,service,stats"), sizes=False)
    return None



def received(s):
    """sysfs shows the namespace that mounted it, so ask netlink."""
    return json.loads(n.sh("ip", "-j", "-s", "link", "show", "fld0", ns=s).stdout)[0]["stats64"]["rx"]["packets"]


def cpu_times():
    """Of all CPUs: (busy, softirq and system) ticks, and all of them."""
    v = [int(x) for x in pathlib.Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    return sum(v) - v[3] - v[4], v[2] + v[6], sum(v)


def bpf_times(s):
    """run_time_ns and run_cnt of the XDP program on fld0."""
    link = json.loads(n.sh("ip", "-j", "-d", "link", "show", "fld0", ns=s).stdout)[0]
    if "xdp" not in link:
        return None
    prog = json.loads(n.sh("bpftool", "-j", "prog", "show", "id", link["xdp"]["prog"]["id"]).stdout)
    return prog.get("run_time_ns", 0), prog.get("run_cnt", 0)


def final_stats(sw):
    if sw.stop():
        raise RuntimeError(f"synward ended with an error: {sw.err()}")
    last = [json.loads(x) for x in pathlib.Path(sw.path).read_text(encoding="utf-8").splitlines()]
    engaged = [x for x in last if x["event"] == "guard" and x.get("to", x.get("state")) == "engaged"]
    return last, engaged


def sent(flood):
    """What the flood has sent so far: (packets, its seconds)."""
    flood.send_signal(signal.SIGUSR1)
    logged = json.loads(flood.stdout.readline())
    return logged["sent"], logged["seconds"]


def measure(case, seconds, packets):
    name, flooded, cookies, what = case
    rest, first = others()
    c, s, f = topology(cookies)
    server = popen(s, TOOLS / "tool_rush", "serve", SERVER, PORT, BACKLOG, cpus=rest)
    if server.stdout.readline().strip() != "ready":
        raise RuntimeError("the server does not get ready")
    try:
        sw = defend(s, what, "auto" if packets == "syn" else "always")
    except RuntimeError as e:
        raise NotHere(f"{name}: {e}") from e
    flood = None
    if flooded:
        flood = popen(f, TOOLS / "tool_flood", "--live", "out0", mac(s, "fld0"), SERVER, PORT,
                      seconds + LIMIT_MS / 1000 + 3, packets, cpus=first)
        time.sleep(1)
        if flood.poll() is not None:
            raise RuntimeError("the flood does not run")
    made = [sent(flood)] if flood else []
    before = received(s), cpu_times(), bpf_times(s), time.monotonic()
    client = popen(c, TOOLS / "tool_rush", "client", SERVER, PORT, seconds, AT_ONCE, LIMIT_MS, "10.66.1.1", SOURCES,
                   cpus=rest)
    time.sleep(seconds)
    after = received(s), cpu_times(), bpf_times(s), time.monotonic()
    if flood:
        made.append(sent(flood))
    out, _ = client.communicate(timeout=30)
    r = json.loads(out)
    span = after[3] - before[3]
    r.update(case=name, absorbed=(after[0] - before[0]) / span, offered=0, ns_per_syn=None,
             cpu=(after[1][0] - before[1][0]) / max(1, after[1][2] - before[1][2]),
             kernel_cpu=(after[1][1] - before[1][1]) / max(1, after[1][2] - before[1][2]),
             rate=r["connections"] / seconds)
    if flood:
        flood.send_signal(signal.SIGTERM)
        flood.communicate(timeout=30)
        r["offered"] = (made[1][0] - made[0][0]) / (made[1][1] - made[0][1])
    if before[2] and after[2] and after[2][1] > before[2][1] and flooded:
        r["ns_per_syn"] = (after[2][0] - before[2][0]) / (after[2][1] - before[2][1])
    if sw:
        lines, engaged = final_stats(sw)
        r["engaged"] = len(engaged)
        if flooded and not engaged:
            raise RuntimeError(f"{name}: the guard did not engage: {lines[-1:]}")
    server.kill()
    server.wait()
    n.cleanup()
    n.started.clear()
    return r


def merge(rounds):
    """The middle of each figure; failures add up."""
    r = dict(rounds[0])
    for k, v in r.items():
        if isinstance(v, (int, float)):
            r[k] = statistics.median(x[k] for x in rounds if x[k] is not None)
    for k in ("failed", "late", "refused", "connections"):
        r[k] = sum(x[k] for x in rounds)
    return r


def table(results):
    print(f"{'':<20}{'flood':>9}{'absorbed':>10}{'client':>9}{'failed':>8}{'p50':>8}{'p99':>9}{'max':>9}{'XDP':>6}"
          f"{'kernel':>8}")
    print(f"{'':<20}{'/s':>9}{'/s':>10}{'conn/s':>9}{'':>8}{'us':>8}{'us':>9}{'us':>9}{'ns':>6}{'CPU %':>8}")
    for r in results:
        xdp = f"{r['ns_per_syn']:.0f}" if r["ns_per_syn"] is not None else "-"
        print(f"{r['case']:<20}{r['offered']:>9.0f}{r['absorbed']:>10.0f}{r['rate']:>9.0f}{r['failed']:>8}"
              f"{r['p50_us']:>8.0f}{r['p99_us']:>9.0f}{r['max_us']:>9.0f}{xdp:>6}{100 * r['kernel_cpu']:>8.0f}")


def verdict(results):
    """What is promised, as (true or false, sentence)."""
    by = {r["case"]: r for r in results}
    calm = by["no flood"]
    best = max(by[name]["absorbed"] for name in ("tcp_syncookies=1", "tcp_syncookies=2", "nft SYNPROXY") if name in by)
    for name, times in (("synward listener", 1.5), ("synward reqsk", 3)):
        r = by.get(name)
        if not r:
            yield False, f"{name}: not measured"
            continue
        yield r["failed"] == 0, f"{name}: {r['failed']} of {r['connections']} connections failed, 0 wanted"
        yield (r["p99_us"] <= 2 * calm["p99_us"],
               f"{name}: p99 {r['p99_us']:.0f} us, twice that without a flood is {2 * calm['p99_us']:.0f}")
        yield (r["absorbed"] >= times * best,
               f"{name}: {r['absorbed'] / best:.1f} times the SYNs of the next best defence")


def main():
    p = argparse.ArgumentParser(description="the attack, side by side")
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--only", default="")
    p.add_argument("--flood", choices=("syn", "ack"), default="syn",
                   help="ack: segments of no connection; the guard is in mode always")
    p.add_argument("--json", metavar="FILE")
    p.add_argument("--check", action="store_true")
    a = p.parse_args()
    if os.geteuid():
        sys.exit("attack: network namespaces need root")
    print(f"a flood of {a.flood.upper()}s on one CPU, {AT_ONCE} real connections at once on the others, "
          f"{a.seconds:g} s each"
          f"{f', the middle of {a.rounds} rounds' if a.rounds > 1 else ''}", flush=True)
    missing = []
    cases = [case for case in CASES if a.only in case[0]]
    rounds = {case: [] for case in cases}
    for _ in range(a.rounds):
        for case in cases:
            if case not in missing:
                try:
                    rounds[case].append(measure(case, a.seconds, a.flood))
                except NotHere as e:
                    missing.append(case)
                    n.cleanup()
                    n.started.clear()
                    print(f"not here: {e}", flush=True)
    results = [merge(r) for r in rounds.values() if r]
    table(results)
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(results, indent=1) + "\n", encoding="ascii")
    if not a.only and a.flood == "syn":
        logged = list(verdict(results))
        print("\n".join(("" if ok else "not met: ") + text for ok, text in logged))
        if a.check and not all(ok for ok, _ in logged):
            sys.exit(1)


main()
