# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Lines that two synwards would write of the same connections, in any number: four lines each (opening, established, closed,
conn), in order, translated between. Of every hundred connections one was reset between, two have other options, five are of
A alone; B has others of its own, as many."""
import collections
import datetime
import json
import os
import subprocess
import time

from .daemon import SYNWARD
from .tap import equal

BEGIN = 1764288000  # 2025-11-28
NS = 10 ** 9


def line(event, conn):
    head = {"schema": 3, "seq": "%(seq)", "ts": "%(ts)", "event": event, "host": "h", "iface": "eth0"}
    ends = {"uid": "%(uid)", "orig_ip": "%(ip)", "orig_port": "%(port)", "resp_ip": "10.67.0.2", "resp_port": 443, "vlan": None}
    states = {"orig_state": "TIME_WAIT", "resp_state": "CLOSED"}
    text = json.dumps({**head, **({"hook": "sweep"} if event == "conn" else {}), **ends, **states, **conn}, separators=(",", ":"))
    for key in ("seq", "port", "orig_isn", "resp_isn", "mss"):
        text = text.replace(f'"%({key})"', f"%({key})s")
    return text.replace('%(ts)"', '%(ts)s"').replace('%(uid)"', '%(uid)s"').replace('%(ip)"', '%(ip)s"').replace(
        '%(start)"', '%(start)s"').replace('%(history)"', '%(history)s"').replace('"%(rst_by)"', "%(rst_by)s") + "\n"


def options(side):
    return {f"{side}_isn": f"%({side}_isn)", f"{side}_mss": "%(mss)" if side == "orig" else 1460, f"{side}_wscale": 7, f"{side}_sack": True,
            f"{side}_ts": True, f"{side}_ecn": "none", f"{side}_tfo": "none", f"{side}_mptcp": False, f"{side}_syn_bytes": 0}


def volume(side, count):
    return {f"{side}_pkts": 7, f"{side}_bytes": count, f"{side}_payload_bytes": count, f"{side}_ip_bytes": count + 300, f"{side}_rexmit": 0,
            f"{side}_gaps": 0, f"{side}_zero_windows": 0, f"{side}_bad_checksums": 0}


def templates(near):
    """near: of the file at the client's end, whose SYN-ACK takes longer."""
    times = {"handshake_ns": 25000, "server_ns": 20000 if near else 5000, "client_ns": 5000 if near else 20000}
    both = {"orig_mss": "%(mss)", "orig_wscale": 7, "orig_sack": True, "orig_ts": True}
    last = {"start": "%(start)", "end": "%(ts)", "duration_ns": 1000000000}
    whole = {"community_id": "1:Q99J5KYSWvKrVA2ku4RuBmJf2Dk=", "proto": "tcp", "ip_version": 4, "direction_by": "syn", "anomalies": 0,
             "rst_by": "%(rst_by)", "rst_state": None, "conn_state": "SF", "history": "%(history)", "history_full": False, "reason": "fin",
             "closed_by": "orig", "via": "stack", "handshake": "normal", "inferred": False, "syn_rexmit": 0, "synack_rexmit": 0, **times,
             **options("orig"), **options("resp"), **volume("orig", 520), **volume("resp", 40), "missed_bytes": 0, **last,
             ("orig" if near else "resp") + "_socket_cookie": 1, ("orig" if near else "resp") + "_cgroup": "/"}
    return {"opening": line("opening", both), "established": line("established", {"via": "stack", **times, **both}),
            "closed": line("closed", {"reason": "fin", "closed_by": "orig", "orig_bytes": 520, "resp_bytes": 40, "duration_ns": NS}),
            "conn": line("conn", whole)}


def stamp(ns, cache={}):  # pylint: disable=dangerous-default-value
    second = ns // NS
    if cache.get("second") != second:
        cache["second"] = second
        cache["text"] = datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.")
    return f"{cache['text']}{ns % NS:09}Z"


def write(out, near, count, rate):
    """So many connections, so many a second, with a stats line each 10 s and at the end; conn lines come 6 s after the opening."""
    text = templates(near)
    seq, due = 0, collections.deque()

    def put(kind, ts, keys):
        nonlocal seq
        seq += 1
        out.write(text[kind] % {**keys, "seq": seq, "ts": stamp(ts)})

    def stats(ts, final):
        nonlocal seq
        seq += 1
        out.write(json.dumps({"schema": 3, "seq": seq, "ts": stamp(ts), "event": "stats", "host": "h", "iface": None, "hook": None,
                              "final": final, "flows": 0, "half_open": 0, "filtered": 0, "guard_dropped": 0, "guard_cookies_sent": 0}) + "\n")

    sampled = BEGIN * NS
    for i in range(count):
        at = BEGIN * NS + i * NS // rate
        while due and due[0][0] <= at:
            when, keys = due.popleft()
            put("conn", when, keys)
        if at - sampled >= 10 * NS:
            sampled = at
            stats(at, False)
        kind = i % 100
        alone = kind >= 95
        isn = (i * 2654435761 + (0 if near or not alone else 7)) & 0xffffffff
        keys = {"uid": f"C{'A' if near else 'B'}{i:016}", "ip": "10.66.0.1" if near else "10.67.0.254", "port": 1024 + i * (1 if near else 7) % 60000,
                "orig_isn": isn, "resp_isn": isn ^ 0x5a5a5a5a if near or not alone else isn ^ 0x1234567, "mss": 1460 if near or kind not in (1, 2) else 1200,
                "start": stamp(at), "history": "ShADadFfr" if near and not kind else "ShADadFf",
                "rst_by": '"resp"' if near and not kind else "null"}
        put("opening", at, keys)
        put("established", at + 25000, keys)
        put("closed", at + 30000, keys)
        due.append((at + 6 * NS, keys))
    for when, keys in due:
        put("conn", when, keys)
    stats(due[-1][0] + 10 * NS, True)


def expected(count):
    """Verdicts; those of A alone and of B alone are absent from the other."""
    of = collections.Counter()
    for kind in range(100):
        many = (count - kind + 99) // 100
        of["reset_injected" if kind == 0 else "rewritten" if kind < 3 else "absent" if kind >= 95 else "agree"] += many * (2 if kind >= 95 else 1)
    return of


def writer(near, count, rate):
    """A process that writes one file into a pipe: pid, and the end to read."""
    r, w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(w)
        return pid, r
    os.close(r)
    code = 0
    try:
        with os.fdopen(w, "w", buffering=1 << 20) as out:
            write(out, near, count, rate)
    except BrokenPipeError:
        code = 1
    os._exit(code)


def run(count, rate, *args):
    """Its summary, the peak in kB, seconds of CPU, seconds."""
    pids, ends = zip(*(writer(near, count, rate) for near in (True, False)))
    began = time.monotonic()
    p = subprocess.Popen([SYNWARD, "join", "--json", "--verdict", "cannot_tell", *args, *(f"/dev/fd/{x}" for x in ends)],
                         pass_fds=ends, stdout=subprocess.PIPE, text=True)
    for x in ends:
        os.close(x)
    rows = p.stdout.read().splitlines()
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    for pid in pids:
        os.waitpid(pid, 0)
    equal("exit code", p.returncode, 0)
    equal("cannot tell", len(rows), 1)
    summary = json.loads(rows[-1])
    want = expected(count)
    equal("verdicts", {k: summary[k] for k in want}, dict(want))
    return summary, used.ru_maxrss, used.ru_utime + used.ru_stime, time.monotonic() - began
