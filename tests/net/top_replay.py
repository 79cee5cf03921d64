#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""synward top --replay, in tmux; and names that would be commands to a terminal.

    a  cli0 o=====o srv0  b   synward run, whose lines are shown
"""
import contextlib
import fcntl
import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import termios

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit.screen import SERVER, Top, brief, busy  # noqa: E402  pylint: disable=wrong-import-position

OK, INPUT = 0, 8
ALARM = "\033[31m"


def replayed():
    """--replay: the figures of the lines, plain and gzip; what is broken is said; a file that cannot be read"""
    a, b, sw, listeners, pairs = busy()
    for _ in range(3):
        with contextlib.suppress(ConnectionRefusedError):
            n.connect(a, SERVER, 9999)
    for c, s, _ in pairs[:-1]:
        n.reset(c)
        s.close()
    n.settled(a, b)
    n.equal("exit code", sw.stop(), OK)
    lines = list({x["uid"]: x for x in sw.lines() if "uid" in x}.values())  # the last of each
    path = os.path.join(n.tmp.name, "lines.json")
    packed = path + ".gz"
    with open(sw.path, "rb") as f, open(path, "wb") as plain, gzip.open(packed, "wb") as z:
        text = f.read()
        plain.write(text + b'{"event":"conn"\n')
        z.write(text)
    for at, note in ((path, "1 broken lines; "), (packed, "")):
        top = Top(b, "--replay", at, width=100)
        top.shows(rf"^{note}1 open, 0 half-open, .*; 3 refused, {len(pairs) - 1} reset, 0 unanswered$")
        top.shows("^4 servers, ended ones too, by BYTES")
        shown = top.rows()
        for port in (7001, 7002, 7003, 9999):
            mine = [x for x in lines if x["resp_port"] == port]
            row = shown[f"{SERVER}:{port}"]
            n.equal(f"BYTES of {port}", row["BYTES"], brief(sum(x["orig_ip_bytes"] + x["resp_ip_bytes"] for x in mine)))
            n.equal(f"ends of {port}", (row["REFUS"], row["RESET"]),
                    tuple(str(sum(x["reason"] == why for x in mine)) for why in ("refused", "reset")))
        top.keys("t", "Enter")
        uid = top.shows("^uid +(C[0-9A-Za-z]{17})$")[1]
        row = n.one([x for x in lines if x["uid"] == uid], "that connection")
        top.shows(f"^IP bytes +{row['orig_ip_bytes']} +{row['resp_ip_bytes']}$")
        top.shows(f"conn_state {row['conn_state']}$")
        top.keys("q")
        top.ended(OK, "")
    Top(b, "--replay", "/no/such").ended(INPUT, "synward: /no/such: No such file or directory")
    Top(b, "--replay", "/dev/null").ended(INPUT, "synward: /dev/null: it has no event lines")
    Top(b, "--replay", "/").ended(INPUT, "synward: /: Is a directory")
    with open(packed, "rb+") as f:
        f.truncate(os.path.getsize(packed) - 8)
    Top(b, "--replay", packed).ended(INPUT, f"synward: {packed}: damaged gzip data")
    del listeners


def hostile():
    """names with escapes, from the kernel and from a file, reach the terminal as question marks"""
    a, b = n.new_ns("a"), n.new_ns("b")
    name = "x\033[31m\033]0;y\007"
    n.veth(a, "cli0", b, "srv0")
    n.addr(a, "cli0", "10.66.0.1/16")
    n.addr(b, "srv0", f"{SERVER}/16")
    n.sh("ip", "link", "set", "srv0", "down", ns=b)
    n.sh("ip", "link", "set", "srv0", "name", name, ns=b)
    n.sh("ip", "link", "set", name, "up", ns=b)
    n.warm(a, SERVER)
    _sw = n.Synward(b, name)
    pair = n.open_pair(a, n.listen(b, SERVER, 7001))
    top = Top(b)
    top.shows(r"^synward top pid \d+ \(x\?\[31m\?\]0;y\?\) ")
    top.keys("t", "Enter")
    top.shows(r"^interface +x\?\[31m\?\]0;y\?$")
    n.equal("colours", ALARM in top.screen("-e"), False)
    n.equal("title", "y" == top.ask("display-message", "-p", "#{pane_title}").strip(), False)
    top.keys("q")
    top.ended(OK, "")
    evil = "\033]0;y\007\033[31m\u202e\u009b31m"
    base = {"schema": 3, "ts": "2026-11-28T04:51:17.600000000Z", "hook": "replay", "iface": evil, "host": evil}
    rows = [{**base, "event": "conn", "uid": "C" + "a" * 17, "orig_ip": "10.0.0.1", "orig_port": 1, "resp_ip": "10.0.0.2",
             "resp_port": 80, "history": evil, "reason": evil, "conn_state": evil, "orig_state": evil},
            {**base, "event": "service", "service": evil, "mode": evil, "state": "engaged"},
            {**base, "event": evil, "uid": evil, "orig_ip": evil, "resp_ip": evil},
            {**base, "event": "conn", "uid": "C" + "\033" * 17, "orig_ip": "10.0.0.1", "resp_ip": "10.0.0.3"}]
    path = os.path.join(n.tmp.name, "a\033[31mb.json")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(x) + "\n" for x in rows)
    top = Top(b, "--replay", path)
    top.shows(r"^synward top .*a\?\[31mb.json")
    top.shows(r"^\?\]0;y\?\?\[31m\?+31m +off +engaged ")
    top.shows("^1 server, ended ones too,")
    top.keys("t", "Enter")
    top.shows(r"^history +\?\]0;y\?\?\[31m")
    n.equal("title", "y" == top.ask("display-message", "-p", "#{pane_title}").strip(), False)
    top.keys("q")
    top.ended(OK, "")
    del pair


def takes_nothing(terminal):
    """the terminal is stopped"""
    try:
        os.write(terminal, b" ")
    except BlockingIOError:
        return True
    return False


def stuck():
    """a terminal that takes no output, by Ctrl-S or because nobody reads it, does not keep a signal from ending it"""
    path = os.path.join(n.tmp.name, "one.json")
    with open(path, "w", encoding="ascii") as f:
        f.write('{"schema":3,"seq":1,"ts":"2026-11-28T04:51:17Z","event":"conn","uid":"C%017d","orig_ip":"10.0.0.1","orig_port":1,'
                '"resp_ip":"10.0.0.2","resp_port":80,"reason":"fin"}\n' % 0)
    for sig, begin, press in ((signal.SIGTERM, b"\x13", b""), (signal.SIGHUP, b"", b"h")):  # the help page: all of the screen changes
        control, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        before = termios.tcgetattr(terminal)
        os.write(control, begin)
        if begin:  # a worker of the kernel's takes it in: not before top begins, unless this waits for it
            probe = os.open(os.ttyname(terminal), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            n.until(lambda probe=probe: takes_nothing(probe), 30)
            os.close(probe)
        p = subprocess.Popen([n.SYNWARD, "top", "--replay", path], stdin=terminal, stdout=terminal, stderr=subprocess.PIPE,
                             env={**os.environ, "TERM": "xterm"})
        n.started.append(p)
        last = [None]

        def writes():
            """it waits in write(1, ...)"""
            n.equal("exit code so far", p.poll(), None)
            with open(f"/proc/{p.pid}/syscall", encoding="ascii") as f:
                call, last[0] = f.read().split(), last[0]
            waits, last[0] = call == last[0] and call[1:2] == ["0x1"], call
            if not waits:
                os.write(control, press)
            return waits

        n.until(writes, 30)
        p.send_signal(sig)
        n.equal("exit code", p.wait(30 * n.SLOW), OK)
        n.equal("standard error", p.stderr.read(), b"")
        n.equal("the terminal", termios.tcgetattr(terminal), before)
        p.stderr.close()
        os.close(control)
        os.close(terminal)


if __name__ == "__main__":
    n.main(replayed, hostile, stuck)
