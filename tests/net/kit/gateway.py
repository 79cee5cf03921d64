# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A client, an edge that forwards, and hosts behind it.

    +------- a -------+         +------- r -------+         +------- b -------+
    | client          |         | synward         |         | synward         |
    | 10.66.0.1/24    o=========o rta  edge   rtb o=========o 10.67.0.2/24    |    as n.routed(), with a second link of
    | fd66::1/64 cli0 |         | .254       .254 |         | srv0  --accept  |    b and a for answers (DSR) if wanted
    +--------o--------+         +-----------------+         +--------o--------+
             | dsr0 10.68.0.1                          10.68.0.2 dsr0 |
             +=======================================================+
"""
import json
import pathlib
import secrets

import kit as n
from . import guard as k

PORT = 8080
NETS = {4: f"10.67.0.0/24:{PORT}", 6: f"[fd67::]/64:{PORT}"}
HOST = {4: "10.67.0.2", 6: "fd67::2"}


def key_file(version="v2:", name="keys"):
    path = pathlib.Path(n.tmp.name) / name
    path.write_text(f"{version}{secrets.token_hex(16)}\n", encoding="ascii")
    path.chmod(0o600)
    return path


def scaled(args):
    """All tell clients the same window scale, as they must."""
    return args if "--wscale" in args else (*args, "--wscale", 7)


def edge(ns, dev, key, *args, mode="always", nets=NETS, prefix=()):
    """synward as an edge. Nobody but --protect says what is behind it."""
    protect = [x for net in nets.values() for x in ("--protect", net)]
    return n.Synward(ns, dev, args=("--guard", mode, "--gateway", "edge", *protect, "--key-file", key,
                                       *scaled(args)), prefix=prefix)


def behind(ns, *devs, key, args=(), mode="auto"):
    """synward on a host behind it, calm."""
    return n.Synward(ns, *devs, args=("--guard", mode, "--accept", "--key-file", key, *scaled(args)))


def dsr(a, b):
    """b answers by a link of its own."""
    n.veth(a, "dsr0", b, "dsr0")
    n.addr(a, "dsr0", "10.68.0.1/24", "fd68::1/64")
    n.addr(b, "dsr0", "10.68.0.2/24", "fd68::2/64")
    for ns, dev in ((a, "all"), (a, "dsr0"), (a, "cli0"), (b, "all"), (b, "dsr0"), (b, "srv0")):
        n.sh("sysctl", "-qw", f"net.ipv4.conf.{dev}.rp_filter=0", ns=ns)
    n.sh("ip", "route", "add", "10.66.0.1/32", "via", "10.68.0.1", ns=b)
    n.sh("ip", "-6", "route", "add", "fd66::1/128", "via", "fd68::1", ns=b)


def web(ns, folder, port=PORT):
    """Python's own web server, for both families. It closes first."""
    p = n.popen(["python3", "-m", "http.server", "--bind", "::", "--directory", str(folder), str(port)], ns,
                stdout=-3, stderr=-3)
    n.started.append(p)
    n.until(lambda: n.sh("ss", "-tHln", "sport", "=", f":{port}", ns=ns).stdout, 20)
    return p


def fetch(ns, v, name, host=None, port=PORT):
    """By curl, from one connection. What it got."""
    host = host or HOST[v]
    url = f"http://{f'[{host}]' if v == 6 else host}:{port}/{name}"
    r = n.run(["curl", "-gsS", "--max-time", "20", "--noproxy", "*", url], ns)
    if r.returncode:
        raise AssertionError(f"curl {url}: {r.returncode}: {r.stderr.decode().strip()}")
    return r.stdout


def service(sw, v=4, nets=NETS):
    return k.services(sw)[nets[v]]


def taken(sw, v=4, port=PORT):
    """The figures of the listener of a host behind: a wildcard of both families, or of one."""
    found = k.services(sw)
    for name in (f"*:{port}", f"{'0.0.0.0' if v == 4 else '[::]'}:{port}", f"{f'[{HOST[6]}]' if v == 6 else HOST[4]}:{port}"):
        if name in found:
            return found[name]
    raise AssertionError(f"no service of port {port} among {list(found)}")


def ends(*running):
    """Each ends well; its lines, none lost."""
    out = []
    for sw in running:
        n.equal("exit code", sw.stop(hurry=True), 0)
        lines = sw.lines()
        n.equal("events lost", n.check_seq(lines), 0)
        out.append(lines)
    return out


# --- form translate: hosts behind it are as they are ---

def translate(ns, dev, *args, mode="always", nets=NETS, inner=(), **kw):
    """synward that translates. Nobody but --protect says what is behind it."""
    protect = [x for net in nets.values() for x in ("--protect", net)]
    return n.Synward(ns, dev, *inner, args=("--guard", mode, "--gateway", "translate", *protect, *args), **kw)


def state(sw):
    """What `synward gateway` says of it: connections, counters, backends by name."""
    at = json.loads(n.sh(n.SYNWARD, "gateway", "--json", "--pid", sw.p.pid).stdout)
    at["backends"] = {x["backend"]: x for x in at["backends"]}
    return at


def counts(sw):
    return state(sw)["counters"]


def swept(sw, **want):
    """Waits until so many connections are in these states."""
    n.until(lambda: all(state(sw)["connections"][x] == y for x, y in want.items()), 20,
            evidence=lambda: state(sw)["connections"])


def taught(a, listeners):
    """The first SYN to a backend of which nothing is known passes, and its SYN-ACK tells of it."""
    for listener in listeners:
        c, s = n.open_pair(a, listener)
        c.sendall(b"?")
        n.equal("through", n.read_n(s, 1), b"?")
        n.reset(c)
        s.close()
