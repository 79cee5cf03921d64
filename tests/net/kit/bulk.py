# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Many connections, and what many lines say of them."""
import collections
import json
import re
import subprocess

from .lines import check_seq, fields
from .ns import TOP, addr, open_pair, read_n
from .tap import equal

KINDS = ("opening", "established", "half_closed", "closed", "reset", "refused", "timeout", "reused", "midstream",
         "anomaly", "update", "conn")
SPOOFED = re.compile(rb'\{"schema":3,"seq":(\d+),"ts":"[^"]*","event":"(opening|timeout|conn)",.{0,300}"orig_ip":"198\.1[89]\.')


def each(path, every=97):
    """One line after the other; each n-th, and all that are rare, is validated against the schema (it is slow). Of what
    a flood's sources have, which is most, only number and event are read."""
    some = []
    with open(path, "rb") as f:
        for i, raw in enumerate(f):
            spoofed = SPOOFED.match(raw)
            if spoofed:
                x = {"seq": int(spoofed[1]), "event": spoofed[2].decode(), "orig_ip": "198.18"}
            else:
                x = json.loads(raw)
            if len(some) < 3000 and (i % every == 0 or x["event"] in ("loss", "stats")):
                some.append(raw)
            yield x
    r = subprocess.run([str(TOP / "tests/schema_check")], input=b"".join(some), capture_output=True, check=False)
    assert r.returncode == 0, r.stdout + r.stderr


def load(path):
    return list(each(path))


def sources(a, count):
    """More addresses for the client, so that no four-tuple comes twice."""
    ips = [f"10.66.1.{i + 1}" for i in range(count)]
    addr(a, "cli0", *[f"{ip}/16" for ip in ips])
    return ips


def connections(a, listener, ips, count):
    """So many short connections, one after another: request, reply, close. Returns their client names."""
    names = []
    for i in range(count):
        c, s = open_pair(a, listener, ips[i % len(ips)])
        names.append(c.getsockname())
        c.sendall(b"0123456789")
        read_n(s, 10)
        s.sendall(b"abcdefghijklmnopqrst")
        read_n(c, 20)
        c.close()
        equal("end", s.recv(1), b"")
        s.close()
    return names


def counted(lines):
    """Lines by kind, losses by kind as the loss lines report them; seq must agree."""
    logged, lost = collections.Counter(), collections.Counter()

    def count():
        for x in lines:
            logged[x["event"]] += 1
            if x["event"] == "loss":
                for k in KINDS:
                    lost[k] += x["lost_" + k]
                equal("lost of a loss line", x["lost"], sum(x["lost_" + k] for k in KINDS))
            yield x

    check_seq(count())
    return logged, lost


def real_ones(lines, names):
    """Each of these connections has its whole scenario, right, and exactly one conn line. After a minute the kernel gives
    a port away again: then there are two of a name."""
    by = collections.defaultdict(list)
    for x in lines:
        if "orig_port" in x:
            by[(x["orig_ip"], x["orig_port"])].append(x)
    for name, times in collections.Counter(x[:2] for x in names).items():
        mine = by[name]
        seen = collections.Counter(x["event"] for x in mine)
        want = dict.fromkeys(("opening", "established", "closed", "conn"), times)
        got = {k: seen[k] for k in want}
        if got != want or set(seen) - set(want) - {"half_closed"}:
            raise AssertionError(f"{name}, {times} times: {dict(seen)}")
        for conn in [x for x in mine if x["event"] == "conn"]:
            fields(conn, conn_state="SF", reason="fin", closed_by="orig", via="stack", direction_by="syn",
                     orig_state="TIME_WAIT", resp_state="CLOSED", inferred=False)
            if not conn["orig_rexmit"]:
                equal("orig_bytes", conn["orig_bytes"], 10)
            if not conn["resp_rexmit"]:
                equal("resp_bytes", conn["resp_bytes"], 20)
