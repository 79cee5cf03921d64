#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""synward top, in tmux: keys are sent, the screen is read.

    a  cli0 o=====o srv0  b   synward run and top
"""
import contextlib
import os
import re
import signal
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import guard as k  # noqa: E402  pylint: disable=wrong-import-position
from kit.screen import SERVER, Top, brief, busy, flows, span  # noqa: E402  pylint: disable=wrong-import-position

OK, USAGE, PRIVILEGE, NOT_RUNNING = 0, 2, 3, 11
ALARM, WARN = "\033[31m", "\033[33m"


def figures():
    """servers and connections have the figures of flows --json, and of the lines about refused, reset and unanswered ones"""
    a, b, sw, listeners, pairs = busy("--timeout-syn-sent", 2, "--mode", "generic")
    n.sh("ip", "neigh", "add", "10.66.0.99", "lladdr", "02:00:00:00:00:99", "dev", "cli0", ns=a)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syn_retries=1", ns=a)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syn_linear_timeouts=0", ns=a, check=False)  # Linux 6.5
    top = Top(b)
    top.shows(rf"^{SERVER}:7003 +2 +0 +0 +0 ")
    for _ in range(3):
        with contextlib.suppress(ConnectionRefusedError):
            n.connect(a, SERVER, 9999)
    for _ in range(2):
        c, s = n.open_pair(a, listeners[0])
        n.reset(s)
        c.close()
    silent = n.tcp(a)
    silent.setblocking(False)
    silent.connect_ex(("10.66.0.99", 80))
    top.shows(r"^10\.66\.0\.99:80 +0 +1 ")
    sw.wait_for(lambda x: x["event"] == "timeout", 20)
    top.shows(r"3 refused, 2 reset, 1 unanswered")
    shown, held = top.rows(), flows(sw)
    for port in (7001, 7002, 7003):
        mine = [x for x in held if x["resp_port"] == port]
        row = shown[f"{SERVER}:{port}"]
        n.equal(f"OPEN of {port}", row["OPEN"], str(len(mine)))
        n.equal(f"BYTES of {port}", row["BYTES"], brief(sum(x["orig_ip_bytes"] + x["resp_ip_bytes"] for x in mine)))
        n.equal(f"failures of {port}", (row["REFUS"], row["RESET"], row["NOANS"]), ("0", "2" if port == 7001 else "0", "0"))
    n.equal("HANDS, the mean", shown[f"{SERVER}:7003"]["HANDS"],
            span(sum(x["handshake_ns"] for x in held if x["resp_port"] == 7003) // 2))
    n.equal("refused", shown[f"{SERVER}:9999"]["REFUS"], "3")
    n.equal("unanswered", shown["10.66.0.99:80"]["NOANS"], "1")
    top.keys("t")
    top.shows("^6 connections by B/s")
    shown = top.rows()
    for x in held:
        row = shown[f"{x['orig_ip']}:{x['orig_port']}->{x['resp_ip']}:{x['resp_port']}"]
        n.equal("row", (row["STATE"], row["HANDS"], row["BYTES"]),
                ("estab", span(x["handshake_ns"]), brief(x["orig_ip_bytes"] + x["resp_ip_bytes"])))
    top.keys("Enter")
    uid = top.shows("^uid +(C[0-9A-Za-z]{17})$")[1]
    row = n.one([x for x in held if x["uid"] == uid], "that connection")
    top.shows(f"^packets +{row['orig_pkts']} +{row['resp_pkts']}$")
    top.shows(f"^IP bytes +{row['orig_ip_bytes']} +{row['resp_ip_bytes']}$")
    top.shows(f"^history +{row['history']}$")
    top.shows(r"^interface +srv0$")
    mine = rf"^server is +\S+\[{os.getpid()}\]"
    top.shows(mine)
    for c, s, _ in pairs:
        if c.getsockname()[1] == row["orig_port"]:
            n.reset(c)
    top.shows("^state .*, reset, conn_state RSTO$")
    top.shows(mine)  # though the kernel has that socket no more
    top.keys("q")
    top.ended(OK, "")
    pairs.clear()


def rates():
    """B/s and NEW/s are what happens between two looks; the busiest server comes first"""
    a, b, sw, listeners, pairs = busy()
    top = Top(b, "--interval", "2")
    c, s, _ = pairs[0]
    begun, seen = [], []

    def head():
        """With the time of the look, which every look changes."""
        return top.screen().split("\n", 1)[0]

    def as_done():
        """200 kB to one server and 40 connections to another, between two looks, are the rates that the second one shows"""
        before = head()
        n.until(lambda: head() != before)
        before = head()
        c.sendall(b"x" * 200000)
        n.read_n(s, 200000)
        begun.extend(n.open_pair(a, listeners[1]) for _ in range(40))
        if head() != before:  # a look came in between: once more
            return False
        n.until(lambda: head() != before)
        rows, over = top.rows(), re.search(r" over ([\d.]+) ?(ms|s)$", head())
        first, second = (rows.get(f"{SERVER}:{port}", {"B/s": "-", "NEW/s": "-"}) for port in (7001, 7002))
        seen.append((over and over[0], next(iter(rows), None), first["B/s"], second["NEW/s"]))
        if not over or "-" in seen[-1]:
            return False
        seconds = float(over[1]) / (1000 if over[2] == "ms" else 1)
        moved = float(first["B/s"].rstrip("kMG")) * {"k": 1e3, "M": 1e6, "G": 1e9}.get(first["B/s"][-1], 1) * seconds
        return seen[-1][1] == f"{SERVER}:7001" and 0.97 < moved / 200000 < 1.3 and abs(int(second["NEW/s"]) - 40 / seconds) <= 1  # headers, ACKs

    n.until(as_done, 60, evidence=lambda: (seen, top.screen()))
    top.shows(rf"^{SERVER}:7001 +2 +0 +0 +0 ")  # and then nothing
    top.keys("q")
    top.ended(OK, "")
    del sw, pairs


def many():
    """40 servers of one connection each, on a screen with room for 19"""
    a, b, sw, listeners, pairs = busy(ports=40, each=1)
    top = Top(b)
    top.shows("^40 servers by B/s; 1-19 shown")
    return a, b, sw, listeners, pairs, top


def moving():
    """j k g G, arrows, PgUp, PgDn, Home, End; the chosen one stays chosen when the order changes"""
    _, _, _sw, _listeners, _pairs, top = many()
    for keys, port, shown in ((("j",), 7002, "1-19"), (("Down", "j"), 7004, "1-19"), (("k", "Up"), 7002, "1-19"), (("k", "k"), 7001, "1-19"),
                              (("NPage",), 7020, "2-20"), (("NPage",), 7039, "21-39"), (("NPage",), 7040, "22-40"),
                              (("PPage",), 7021, "21-39"), (("g",), 7001, "1-19"), (("G",), 7040, "22-40"), (("Home",), 7001, "1-19"),
                              (("End",), 7040, "22-40")):
        top.keys(*keys)
        top.shows(f"^40 servers by B/s; {shown} shown")
        n.until(lambda p=port: top.chosen() == f"{SERVER}:{p}", evidence=top.screen)
    top.keys("g", "j")
    n.until(lambda: top.chosen() == f"{SERVER}:7002", evidence=top.screen)
    c, s, _ = _pairs[29]

    def first():
        """it moves to the first place"""
        c.sendall(b"x" * 5000)
        n.read_n(s, 5000)
        return next(iter(top.rows()), "").endswith(":7030")

    n.until(first, evidence=top.screen)
    n.equal("chosen", top.chosen(), f"{SERVER}:7002")
    top.keys("q")
    top.ended(OK, "")


def sorting():
    """s and S choose the column: by BYTES, OPEN, and by address"""
    a, b, _sw, _listeners, _pairs = busy()
    third = n.open_pair(a, _listeners[1])
    top = Top(b)
    top.shows("^3 servers by B/s")
    top.keys("s")
    top.shows("^3 servers by BYTES")
    top.shows(r"\*BYTES")
    order = [x.split(":")[1] for x in top.rows()]
    n.equal("by bytes", order, ["7003", "7002", "7001"])
    top.keys("S", "S", "S", "S")
    top.shows("^3 servers by OPEN")
    n.equal("by open", next(iter(top.rows())), f"{SERVER}:7002")
    top.keys("S")
    top.shows("^3 servers by SERVER")
    n.equal("by address", [x.split(":")[1] for x in top.rows()], ["7001", "7002", "7003"])
    top.keys("S")
    top.shows("^3 servers by NOANS")
    top.keys("t", "s")
    top.shows("^7 connections by BYTES")
    held = sorted(flows(_sw), key=lambda x: (-(x["orig_ip_bytes"] + x["resp_ip_bytes"]), x["start"]))
    n.equal("connections by bytes", [int(re.search(r":(\d+)->", x)[1]) for x in top.rows()], [x["orig_port"] for x in held])
    top.keys("q")
    top.ended(OK, "")
    del third


def opening():
    """Enter opens a server's connections, and details; Esc goes back; t toggles; a shows ended ones; h and ? help"""
    a, b, _sw, listeners, _pairs = busy("--close-delay", 60)
    top = Top(b)
    top.shows("^3 servers by B/s")
    top.keys("j", "Enter")
    top.shows(rf"^2 connections of {SERVER}:7002 by B/s")
    n.equal("rows", {x.split("->")[1] for x in top.rows()}, {f"{SERVER}:7002"})
    top.keys("Enter")
    top.shows(rf"^server +{SERVER}:7002$")
    top.keys("Escape")
    top.shows(rf"^2 connections of {SERVER}:7002 by B/s")
    top.keys("Escape")
    top.shows("^3 servers by B/s")
    n.equal("chosen, still", top.chosen(), f"{SERVER}:7002")
    top.keys("t")
    top.shows("^6 connections by B/s")
    c, s = n.open_pair(a, listeners[0])
    name = c.getsockname()
    c.close()
    s.close()
    top.keys("a")
    top.shows(r"^7 connections, ended ones too, by B/s")
    top.shows(rf"^10\.66\.0\.1:{name[1]} -> {SERVER}:7001 +fin ")
    top.keys("a")
    top.shows("^6 connections by B/s")
    top.keys("t")
    top.shows("^3 servers by B/s")
    for key, back in (("h", "h"), ("?", "Escape"), ("h", "?")):
        top.keys(key)
        top.shows("^  q +quit$")
        top.shows("^Esc back  q quit$")
        top.keys(back)
        top.shows("^3 servers by B/s", absent="^  q +quit$")
    top.keys("?", "q")
    top.ended(OK, "")


def pause():
    """p and Space: what is shown stays; it can be sorted and opened; again: it goes on"""
    a, b, _sw, listeners, _pairs = busy()
    top, other = Top(b), Top(b)  # the other one goes on: what it shows this one would have seen
    top.shows("^3 servers by B/s")
    for key in ("p", "Space"):
        top.keys(key)
        top.shows("^synward top .* PAUSED ")
        clock = re.search(r"PAUSED (\S+)", top.screen())[1]
        mine = [n.open_pair(a, listeners[0]) for _ in range(3)]
        with contextlib.suppress(ConnectionRefusedError):
            n.connect(a, SERVER, 9999)
        other.shows(rf"^{SERVER}:7001 +5 ")
        for _ in range(2):
            passed = other.screen().splitlines()[0]
            n.until(lambda p=passed: other.screen().splitlines()[0] != p)
        top.keys("s", "S", "t")
        top.shows("^6 connections by B/s")
        top.keys("t")
        top.shows(rf"^{SERVER}:7001 +2 ")
        assert f"PAUSED {clock}" in top.screen(), top.screen()
        top.keys(key)
        top.shows(rf"^{SERVER}:7001 +5 ", absent="PAUSED")
        for c, s in mine:
            n.reset(c)
            s.close()
        other.shows(rf"^{SERVER}:7001 +2 ")
        top.shows(rf"^{SERVER}:7001 +2 ")
    top.shows("2 refused")
    other.keys("q")
    other.ended(OK, "")
    top.keys("q")
    top.ended(OK, "")


def filters():
    """/: ports, networks, states, text; a wrong one is said; Esc leaves it; the options of flows do the same"""
    _, b, _sw, _listeners, _pairs = busy()
    top = Top(b)
    top.shows("^3 servers by B/s")
    for text, count in (("port:7002", 1), (":7003", 1), ("src:10.66.0.1 not-port:7001", 2), ("state:established 10.66.", 3),
                        ("state:S0", 0), ("dst:192.0.2.0/24", 0)):
        top.keys("/", "C-u", text, "Enter")
        top.shows(f"^{count} servers? by B/s, filter: {re.escape(text)};")
        n.equal(f"rows of {text}", len(top.rows()), count)
    top.shows("^nothing fits the filter$")
    top.keys("/", "C-u", "port:99999", "Enter")
    top.shows("^/port:99999 +'99999' is not a port or a range of ports")
    top.keys("BSpace", "BSpace", "BSpace", "BSpace", "BSpace", "7002", "Enter")
    top.shows("^1 server by B/s, filter: port:7002;")
    top.keys("/", "x", "Escape")  # what is typed is forgotten
    top.shows("^1 server by B/s, filter: port:7002;", absent="^/")
    top.keys("Escape")
    top.shows("^3 servers by B/s; ")
    top.keys("q")
    top.ended(OK, "")
    for args, count in (("--state ESTABLISHED", 3), ("--outcome open", 3), ("--outcome fin", 0), ("--min-bytes 1G", 0),
                        ("--min-handshake 10", 0), ("--uid C" + 17 * "x", 0)):
        top = Top(b, *args.split())
        top.shows(f"^{count} servers? by B/s;")
        top.keys("q")
        top.ended(OK, "")
    top = Top(b, "--port", "7002", "--all")
    top.shows("^1 server, ended ones too, by B/s;")
    top.keys("q")
    top.ended(OK, "")


def sizes():
    """80 x 24 at least; larger ones have more columns and rows; the size may change"""
    _, b, sw, _listeners, _pairs, top = many()
    assert all(len(x) <= 80 for x in top.screen().splitlines()), top.screen()
    top.ask("resize-window", "-x", "132", "-y", "50")
    top.shows("^40 servers by B/s; 1-40 shown")
    top.shows("^SERVER .* NOANS +SLOWEST +SERVER'S +CLIENT'S +REXMIT")
    n.equal("rows", len(top.rows()), 40)
    top.keys("t")
    row = next(iter(flows(sw)))
    top.shows(rf":{row['orig_port']} -> .* {row['uid']} ")
    top.keys("t")
    for width, height in ((79, 24), (80, 23), (20, 5)):
        top.ask("resize-window", "-x", str(width), "-y", str(height))
        top.shows("^synward top needs 80" if width < 40 else f"^synward top needs 80 x 24, here are {width} x {height}; q quits$")
    top.ask("resize-window", "-x", "80", "-y", "24")
    top.shows("^40 servers by B/s; 1-19 shown")
    top.keys("q")
    top.ended(OK, "")


def looks():
    """colours on a terminal that has them, none by NO_COLOR, --color=never, or a terminal without; lines by the locale"""
    a, b, _sw, _listeners, _pairs = busy("--timeout-syn-sent", 60, "--mode", "generic")
    n.sh("ip", "neigh", "add", "10.66.0.99", "lladdr", "02:00:00:00:00:99", "dev", "cli0", ns=a)
    silent = n.tcp(a)
    silent.setblocking(False)
    silent.connect_ex(("10.66.0.99", 80))  # half-open: in yellow
    for want, args, env in ((True, (), {}), (False, (), {"NO_COLOR": "1"}), (False, ("--color=never",), {}),
                            (False, (), {"TERM": "xterm-mono"}), (True, ("--color=always",), {"NO_COLOR": "1"})):
        top = Top(b, *args, env=tuple(env.items()))
        top.shows("servers by B/s")
        top.keys("t", "j")
        top.shows(r" sent ")
        n.until(lambda t=top: "\033[7m" in t.screen("-e"))  # the chosen row
        n.equal(f"colours with {args} {env}", WARN in top.screen("-e"), want)
        n.equal(f"any colour with {args} {env}", bool(re.search(r"\033\[[0-9;]*[34][0-7]m", top.screen("-e"))), want)
        top.keys("q")
        top.ended(OK, "")
    for locale, line, how in (("C.UTF-8", "──────", "─"), ("C", "qqqqqq", "\016q")):  # \016: the terminal's own line drawing
        top = Top(b, env=(("LC_ALL", locale),))
        top.shows(f"^4 servers by B/s; 1-4 shown {line}")
        assert how in top.screen("-e"), top.screen("-e")
        top.keys("q")
        top.ended(OK, "")
    top = Top(b, env=(("TERM", "vt220"),))  # without a second screen
    top.shows("^4 servers by B/s")
    top.keys("q")
    top.ended(OK, alternate=False)
    top = Top(b, env=(("TERM", "dumb"),))
    top.ended(USAGE, r"synward: top: a terminal of TERM=dumb cannot place its cursor \('synward flows --watch' needs less\)")
    top = Top(b, env=(("TERM", "no-such-terminal"),))
    top.ended(USAGE, "synward: top: the terminal is not known: TERM is 'no-such-terminal'")


def endings():
    """signals, Ctrl-C, the instance's end and kill -9: the terminal is as it was, one line at most, exit code 0"""
    _, b, sw, _listeners, _pairs = busy()
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        top = Top(b)
        top.shows("^3 servers by B/s")
        os.kill(top.pid(), sig)
        top.ended(OK, "")
    top = Top(b)
    top.shows("^3 servers by B/s")
    top.keys("C-c")
    top.ended(OK, "")
    for end in (sw.stop, None):
        top = Top(b, every=600)  # not only at the next look
        top.shows("servers by B/s")
        if end:
            end()
        else:
            sw.kill()
        top.ended(OK, f"synward: the synward with pid {sw.p.pid} has ended")
        if end:
            sw = n.Synward(b, "srv0")


def refusals():
    """no terminal, no instance, several, no privilege, wrong options: one line, the documented exit code, no screen"""
    a, b = n.pair()

    def ask(*args, code, say, ns=b, **kw):
        r = n.sh(n.SYNWARD, "top", *args, ns=ns, check=False, **kw)
        n.equal(f"exit code of {args} ({r.stderr.strip()})", (r.returncode, r.stdout), (code, ""))
        assert re.fullmatch(f"synward{say}\n", r.stderr), r.stderr

    ask(code=USAGE, say=r": top needs a terminal \('synward flows --watch S' does not\)")
    ask("--replay", "/dev/null", code=USAGE, say=r": top needs a terminal .*")
    ask("--replay", "x", "--pid", "7", code=USAGE, say=": top: --replay does not go with --pid.*")
    ask("--replay", "-", code=USAGE, say=": top: --replay: standard input is where keys come from.*")
    ask("--interval", "0", code=USAGE, say=": top: --interval: .*")
    Top(b, "-i", "srv0").ended(NOT_RUNNING, "synward: no synward is running on 'srv0'.*")
    one, two = n.Synward(b, "srv0"), n.Synward(b, "lo")
    Top(b).ended(USAGE, "synward: top: 2 synwards are there: choose one with --interface or --pid: "
                 rf"(?=.*pid ?{one.p.pid} ?\()(?=.*pid ?{two.p.pid} ?\().*")
    for args in (("-i", "lo"), ("-p", two.p.pid)):
        top = Top(b, *args)
        top.shows(rf"^synward top pid {two.p.pid} \(lo\)")
        top.keys("q")
        top.ended(OK, "")
    top = Top(a, "-A", "-p", one.p.pid)
    top.shows(rf"^synward top pid {one.p.pid} \(srv0; netns \d+\)")
    top.keys("q")
    top.ended(OK, "")
    Top(b, "-i", "srv0", prefix="setpriv --reuid=65534 --clear-groups").ended(
        PRIVILEGE, "synward: top needs root, or CAP_SYS_ADMIN")


def left_out():
    """an instance whose --events leaves refusals out: everything else is shown, and that is said"""
    _, b = n.pair()
    _sw = n.Synward(b, "srv0", args=("--events", "conn,stats"))
    top = Top(b)
    top.shows("no refusals: its --events has none")
    top.keys("q")
    top.ended(OK, "")


def guarded():
    """the guard's services with their state and figures, as synward guard --json has them"""
    g = k.ground("--hold", 60, "--grace", 2, "--mode", "generic", mode="auto", ports=(7777, 7778))
    top = Top(g.b)
    top.shows("^guard: 4 services, 0 not calm ─")
    top.shows(r"^10\.66\.0\.2:7777 +auto +calm ")
    k.finished(k.flood(g, 6000))
    n.until(lambda: g.figures()["state"] == "engaged")
    top.shows("^guard: 4 services, 1 not calm ─")
    shown = g.figures()
    row = top.shows(r"^10\.66\.0\.2:7777 +auto +engaged +\S+ +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)$")
    n.until(lambda: top.screen().count(f" {brief(g.figures()['cookies_sent'])} "), evidence=top.screen)
    row = top.shows(r"^10\.66\.0\.2:7777 +auto +engaged +\S+ +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)$")
    n.equal("cookies, accepted, dropped", row.groups()[2:],
            tuple(brief(shown[x]) for x in ("cookies_sent", "cookies_accepted", "dropped")))
    lines = top.screen().splitlines()
    n.equal("the engaged one comes first", lines.index(row[0]), 4)
    assert ALARM in top.screen("-e").splitlines()[4] or "31m" in top.screen("-e").splitlines()[4], top.screen("-e")
    top.keys("q")
    top.ended(OK, "")


if __name__ == "__main__":
    n.main(figures, rates, moving, sorting, opening, pause, filters, sizes, looks, endings, refusals, left_out, guarded)
