#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone, for it looks at all instances of the machine
"""The views of running instances, and which of them a command is about.

    a  cli0 o=====o srv0  b   two instances: srv0, on which is the traffic, and d0
                     d0 o=o d1
    c   e0 o=o e1             one instance: e0, in another network namespace
"""
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import fcntl
import subprocess
import sys
import termios

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

OK, USAGE, NOT_RUNNING = 0, 2, 11
SERVER = ("10.66.0.2", 7777)
LONG = "fd66:db8:1234:5678:9abc:def0:1234:567"  # and a digit
UID = re.compile(r"^C[0-9A-Za-z]{17} ")


def ask(ns, *args, code=OK, **kw):
    r = n.sh(n.SYNWARD, *args, ns=ns, check=False, **kw)
    n.equal(f"exit code of {args} ({r.stderr.strip()})", r.returncode, code)
    return r


def rows(ns, *args):
    return [json.loads(x) for x in ask(ns, *args, "--json").stdout.splitlines()]


class Three:
    """Two instances here, one elsewhere."""

    def __init__(self, *args):
        self.a, self.b = n.pair()
        n.veth(self.b, "d0", self.b, "d1")
        self.c = n.new_ns("c")
        n.veth(self.c, "e0", self.c, "e1")
        self.one, self.two = n.Synward(self.b, "srv0", args=args), n.Synward(self.b, "d0", args=args)
        self.far = n.Synward(self.c, "e0", args=args)


def pids(ns, *args):
    """Of the test's own instances; others may run on this machine."""
    mine = {p.pid for p in n.started}
    return {x["pid"] for x in rows(ns, *args)} & mine


def chosen():
    """status and flows show the instances of this namespace, with --all-namespaces all; -i and -p choose"""
    t = Three()
    one, two, far = t.one.p.pid, t.two.p.pid, t.far.p.pid
    for args, want in (((), {one, two}), (("-A",), {one, two, far}), (("-i", "srv0"), {one}), (("-p", two), {two}),
                       (("-p", far), {far}), (("-p", one, "-i", "srv0"), {one})):
        n.equal(f"status {args}", pids(t.b, "status", *args), want)
        n.equal(f"filter {args}", pids(t.b, "filter", *args), want)
    n.equal("from elsewhere", pids(t.c, "status"), {far})
    n.sh("ip", "link", "property", "add", "dev", "srv0", "altname", "an-alternative-name", ns=t.b)
    n.equal("by an alternative name", pids(t.b, "status", "-i", "an-alternative-name"), {one})
    for args, said in ((("-i", "e0"), r"no synward is running on 'e0' in this network namespace \(\d+ elsewhere: --all-namespaces\)"),
                       (("-i", "d1"), "no synward is running on 'd1'"), (("-p", 1), "no synward with pid 1 is running"),
                       (("-p", one, "-i", "d0"), f"no synward with pid {one} is running on 'd0'")):
        for command in ("status", "flows", "filter", "events", "reopen"):
            r = ask(t.b, command, *args, code=NOT_RUNNING)
            assert re.fullmatch(f"synward: {said}\n", r.stderr), (command, r.stderr)
    n.equal("elsewhere by name", pids(t.b, "status", "-A", "-i", "e0"), {far})
    row = n.one([x for x in rows(t.b, "status") if x["pid"] == one], "row")
    n.equal("interfaces", (row["interfaces"], row["ifaces"][0]["name"]), (["srv0"], "srv0"))
    text = ask(t.b, "status").stdout
    assert f"synward pid {one} (srv0), up " in text and f"synward pid {two} (d0), up " in text, text
    netns = os.stat(f"/run/netns/{t.c}").st_ino
    assert f"synward pid {far} (e0; netns {netns}), up " in ask(t.b, "status", "-A").stdout
    text = ask(t.b, "flows").stdout
    assert f"synward pid {one} (srv0)\n" in text and f"synward pid {two} (d0)\n" in text and f"pid {far} " not in text, text
    empty = n.new_ns("empty")
    r = ask(empty, "flows", code=NOT_RUNNING)
    assert re.search(r"no synward is running in this network namespace \(\d+ elsewhere: --all-namespaces\)", r.stderr), r.stderr


def other_version():
    """status warns of an instance of another version, and shows the others; one alone is exit code 11"""
    t = Three()
    path = pathlib.Path(f"/run/synward/{t.two.p.pid}.instance")
    text = path.read_text(encoding="ascii")
    number = {x: re.search(rf"^{x}=(\d+)$", text, re.M).group(1) for x in ("contract", "map_flows", "map_counters")}
    for key, other in (("contract", "9" * len(number["contract"])), ("map_flows", number["map_counters"])):
        path.write_text(text.replace(f"{key}={number[key]}\n", f"{key}={other}\n"))
        got = n.sh(n.SYNWARD, "status", "--json", "-A", check=False)
        n.equal(f"exit code with another {key} ({got.stderr})", got.returncode, OK)
        shown = {json.loads(x)["pid"] for x in got.stdout.splitlines()}
        n.equal("shown", [x.p.pid in shown for x in (t.one, t.two, t.far)], [True, False, True])
        n.equal("warned", f"the synward with pid {t.two.p.pid} is of another version: not shown\n" in got.stderr, True)
        alone = ask(t.b, "status", "-p", t.two.p.pid, code=NOT_RUNNING)
        n.equal("alone", (alone.stdout, alone.stderr.count("\n")), ("", 1))
    path.write_text(text)
    n.equal("again", pids(t.b, "status"), {t.one.p.pid, t.two.p.pid})


def ambiguous():
    """a change, and a reader, that several instances fit is refused, with all of them; nothing is changed"""
    t = Three("--guard", "monitor", "--mode", "generic")
    netns = os.stat(f"/run/netns/{t.b}").st_ino
    candidates = [f"pid {x.p.pid} ({x.ifs[0]}; netns {netns})" for x in (t.one, t.two)]
    changes = (("guard", "off"), ("list", "add", "block", "192.0.2.0/24"), ("filter", "set", "--port", 80), ("filter", "clear"))

    def state():
        return [[{**x, "ns": 0} for x in rows(t.b, *c)] for c in (("filter",), ("list", "show", "block"))] + \
            [ask(t.b, "guard").stdout.count("monitor")]

    before = state()
    for change in (*changes, ("events",)):
        r = ask(t.b, *change, code=USAGE)
        n.equal("lines", r.stderr.count("\n"), 1)
        assert r.stderr.startswith(f"synward: {change[0]}: 2 synwards are there: choose one with --interface or --pid: "), r.stderr
        for x in candidates:
            assert x in r.stderr, r.stderr
    n.equal("state", state(), before)
    ask(t.b, *changes[1], "-i", "d0")
    r = ask(t.b, *changes[2], "-p", t.one.p.pid)
    n.equal("says which", r.stderr, f"synward: pid {t.one.p.pid} (srv0): filter --port 80\n")
    n.equal("filters", {x["pid"]: x["filter"] for x in rows(t.b, "filter")}, {t.one.p.pid: "--port 80", t.two.p.pid: None})
    shown = rows(t.b, "list", "show", "block")
    n.equal("blocked", [(x["pid"], x["interfaces"], x["cidr"]) for x in shown], [(t.two.p.pid, ["d0"], "192.0.2.0/24")])
    r = ask(t.b, "guard", "off", "-i", "e0", "-A")
    assert f"pid {t.far.p.pid} (e0; netns " in r.stderr, r.stderr
    listener = n.listen(t.b, *SERVER)
    n.until(lambda: [x["service_port"] for x in rows(t.b, "guard")] == [SERVER[1]] * 2)
    n.equal("services of both", {(x["pid"], *x["interfaces"]) for x in rows(t.b, "guard")},
            {(t.one.p.pid, "srv0"), (t.two.p.pid, "d0")})
    listener.close()


def busy():
    """Connections whose order by bytes, age and handshake is known: (client ports by what --sort is called)."""
    t = n.pair()
    n.addr(t[0], "cli0", f"{LONG}1/64")
    n.addr(t[1], "srv0", f"{LONG}2/64")
    n.warm(t[0], f"{LONG}2")
    sw = n.Synward(t[1], "srv0")
    listener, v6 = n.listen(t[1], *SERVER), n.listen(t[1], f"{LONG}2", 54321)
    pairs = [n.open_pair(t[0], listener), n.open_pair(t[0], v6, f"{LONG}1"), n.open_pair(t[0], listener)]
    for (c, s), size in zip(pairs, (20000, 300000, 0)):
        c.sendall(b"x" * size)
        n.read_n(s, size)
    n.settled(*t)
    return (*t, sw, pairs, (listener, v6))


def ports(found):
    return [x["orig_port"] for x in found]


def sorted_tables():
    """--sort bytes, age, handshake; 80 columns, IPv6 of full length included; uid as in the events; --wide; head"""
    _, b, _sw, pairs, _listeners = busy()
    first, second, third = (c.getsockname()[1] for c, _ in pairs)
    n.equal("by bytes", ports(rows(b, "flows", "--sort", "bytes")), [second, first, third])
    n.equal("by age", ports(rows(b, "flows", "--sort", "age")), [first, second, third])
    slow = [x["handshake_ns"] for x in rows(b, "flows", "--sort", "handshake")]
    n.equal("by handshake", slow, sorted(slow, reverse=True))
    n.at_least("the fastest, ns", slow[-1], 1)
    n.equal("--format json", len(ask(b, "flows", "--format", "json").stdout.splitlines()), 3)
    for by in ("bytes", "age", "handshake", "rate"):
        head, columns, *table = ask(b, "flows", "--sort", by).stdout.splitlines()
        assert head.endswith(f"(srv0): 3 connections, by {by}"), head
        n.equal("columns", columns[:40].split(), ["UID", "CLIENT", "->", "SERVER"])
        n.equal("rows", [bool(UID.match(x)) for x in table], [True] * 3)
        n.equal("width", {len(x) for x in table}, {80})
    table = ask(b, "flows", "--sort", "bytes").stdout
    assert re.search(rf" \[fd66:~:5671\]:{second} -> \[fd66:~:5672\]:54321 +estab +\d+s 3\d\dk\n", table), table
    wide = ask(b, "flows", "--wide").stdout
    assert f"[{LONG}1]:{second}" in wide and "ESTABLISHED/ESTABLISHED" in wide and " srv0 " in wide, wide
    uid = UID.search(table.splitlines()[2])[0].strip()
    n.equal("by its uid", ports(rows(b, "flows", "--uid", uid)), [second])
    n.equal("uid in --wide", uid in wide, True)
    out = n.popen(["sh", "-c", f"{n.SYNWARD} events --uid {uid} --events closed,half_closed --count 1"], b,
                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    n.started.append(out)
    assert b"reading events of the synward with pid" in out.stderr.readline()
    pairs[1][0].close()
    n.equal("events --uid follows it", json.loads(out.stdout.readline())["uid"], uid)
    n.equal("exit code", out.wait(timeout=n.PATIENCE), OK)
    for args in ((), ("--sort", "bytes"), ("--watch", "0.1")):
        script = f"({n.SYNWARD} flows {' '.join(args)}; echo $? >&2) | head -n 1"
        r = n.sh("sh", "-c", script, ns=b)
        n.equal(f"head, {args}", r.stderr, "0\n")


def rates():
    """--sort rate: what moves now comes first, with its rate; what has moved before does not"""
    _, b, _sw, pairs, _listeners = busy()
    c, s = pairs[2]
    now = c.getsockname()[1]
    looks = n.popen([n.SYNWARD, "flows", "--sort", "rate", "--json"], b, stdout=subprocess.PIPE)
    n.started.append(looks)
    while looks.poll() is None:
        c.sendall(b"x" * 1000)
        n.read_n(s, 1000)
    shown = [json.loads(x) for x in looks.stdout.read().splitlines()]
    n.equal("first", shown[0]["orig_port"], now)
    n.at_least("rate", shown[0]["ip_bytes_per_s"], 10000)
    n.equal("others", {x["ip_bytes_per_s"] for x in shown[1:]}, {0})
    n.equal("without", {x["ip_bytes_per_s"] for x in rows(b, "flows")}, {None})


def watched():
    """--watch: plain blocks in a pipe, in place on a terminal of so many rows; Ctrl-C ends with 0"""
    a, b, sw, pairs, listeners = busy()
    p = n.popen([n.SYNWARD, "flows", "--watch", "0.2", "--sort", "bytes"], b, stdout=subprocess.PIPE, text=True)
    n.started.append(p)
    text = "".join(p.stdout.readline() for _ in range(11))
    p.send_signal(signal.SIGINT)
    n.equal("exit code", p.wait(timeout=n.PATIENCE), OK)
    n.equal("date, once", text.count("# 20"), 1)
    n.equal("blocks", len(re.findall(r"^\d\d:\d\d:\d\d synward pid \d+ \(srv0\): 3 connections, by bytes$", text, re.M)), 2)
    n.equal("escapes", "\033" in text, False)
    rest = text + p.stdout.read()
    assert rest.endswith("\n"), "the last line is not whole"
    pairs += [n.open_pair(a, listeners[0]) for _ in range(20)]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 12, 80, 0, 0))
    p = n.popen([n.SYNWARD, "flows", "--watch", "0.2"], b, stdout=theirs, stdin=theirs, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    n.started.append(p)
    os.close(theirs)
    shown = read_screen(ours, 3)
    os.write(ours, b"\x03")  # Ctrl-C
    n.equal("exit code", p.wait(timeout=n.PATIENCE), OK)
    os.close(ours)
    frame = shown.split("\033[H\033[J")[2].replace("\033[?7h", "").replace("\033[?7l", "")
    lines = [x.rstrip("\r") for x in frame.splitlines()]
    n.equal("lines, of 12", len(lines), 11)
    assert re.match(r"\d\d:\d\d:\d\d synward pid \d+ \(srv0\): 23 connections, by rate$", lines[1]), lines[:3]
    n.equal("too wide", [x for x in lines if len(x) > 80], [])
    p = n.popen([n.SYNWARD, "flows", "--watch", "0.2", "--json"], b, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    n.started.append(p)
    out = p.stdout.readline()
    sw.stop()
    out, err = out + p.stdout.read(), p.stderr.read()
    n.equal("after its end", (p.wait(timeout=n.PATIENCE), err), (OK, b"synward: no synward that it shows is running any more\n"))
    n.equal("instances", {json.loads(x)["pid"] for x in out.splitlines()}, {sw.p.pid})


def read_screen(fd, frames):
    got = b""
    while got.count(b"\033[H\033[J") <= frames:
        ready = select.select([fd], [], [], n.PATIENCE)[0]
        assert ready, got
        got += os.read(fd, 65536)
    return got.decode()


def unanswered():
    """a SYN without an answer: the timeout names the attempts, in JSON and in text; --timeout-syn-sent"""
    a, b = n.pair()
    n.sh("ip", "neigh", "add", "10.66.0.99", "lladdr", "02:00:00:00:00:99", "dev", "cli0", ns=a)
    sw = n.Synward(b, "srv0", args=("--timeout-syn-sent", 2, "--mode", "generic"), full=False)
    reader = n.popen([n.SYNWARD, "events", "--format", "text", "--events", "timeout", "--count", "1"], b,
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    n.started.append(reader)
    assert "reading" in reader.stderr.readline()
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syn_retries=1", ns=a)  # after a second
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syn_linear_timeouts=0", ns=a, check=False)  # Linux 6.5
    with n.Inside(a):
        import socket  # pylint: disable=import-outside-toplevel
        s = socket.socket()
    s.setblocking(False)
    n.equal("connect", s.connect_ex(("10.66.0.99", 80)) != 0, True)
    shown = sw.wait_for(lambda x: x["event"] == "timeout", 20)
    n.fields(shown, reason="unanswered", syn_rexmit=1, orig_pkts=2)
    text = reader.communicate(timeout=n.PATIENCE)[0]
    assert re.search(r" timeout +10\.66\.0\.1:\d+ -> 10\.66\.0\.99:80 +no answer to 2 SYNs\n", text), text
    s.close()


def styles():
    """events --wide, --utc and --color are the reader's own, whatever run has; both beside each other"""
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--format", "text", "--summary=off", "--events", "established"), full=False,
                   env={"TZ": "Asia/Kathmandu"})
    wanted = {"plain": (), "wide": ("--wide",), "utc": ("--utc",), "color": ("--color", "always"),
              "all": ("--wide", "--utc", "--color", "always")}
    readers = {}
    for name, args in wanted.items():
        readers[name] = n.popen([n.SYNWARD, "events", "--format", "text", "--count", "1", *args], b, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        n.started.append(readers[name])
        assert "reading" in readers[name].stderr.readline()
    listener = n.listen(b, *SERVER)
    pair = n.open_pair(a, listener)
    got = {name: p.communicate(timeout=n.PATIENCE)[0] for name, p in readers.items()}
    pair[0].close()
    for name, text in got.items():
        both = name == "all"
        n.equal(f"{name}: two lines", text.count("\n"), 2)
        n.equal(f"{name}: wide", "ESTABLISHED / ESTABLISHED" in text, name == "wide" or both)
        n.equal(f"{name}: zone", re.search(r"times in (\S+?)[\n\033 ]", text)[1], "UTC" if name == "utc" or both else "UTC+05:45")
        n.equal(f"{name}: escapes", "\033" in text, name == "color" or both)
    hour = {name: re.search(r"(\d\d:\d\d):\d\d\.", text)[1] for name, text in got.items()}
    n.equal("times", (hour["plain"] == hour["wide"], hour["utc"] == hour["all"], hour["plain"] == hour["utc"]), (True, True, False))
    n.equal("exit code", sw.stop(), OK)


if __name__ == "__main__":
    n.main(chosen, other_version, ambiguous, sorted_tables, rates, watched, unanswered, styles)
