#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What `synward top` costs while real connections come and go beside it: seconds of CPU of its process, by the second.

    +------ c -------+        +------------- s --------------+
    | a client       |  veth  |  10.66.0.2:8080 a listener   |
    | 10.66.1.1 - 16 o========o srv0   synward run, top      |
    +----------------+        +------------------------------+

Each connection sends 64 bytes, receives as many, and is closed. The tables have their default sizes and close delay, so
that they hold what ended in the last 5 seconds, too. top runs in tmux, in 80 x 24, with its defaults.

    top.py [--seconds N] [--rate N] [--interval S] [--refused] [KEYS]...

--refused: to a port where nobody listens, so that each connection is an event that top reads. KEYS: typed after the
start, like `t` for connections."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

TOOLS = n.TOP / "build/tests"
SERVER, PORT, SOURCES = "10.66.0.2", 8080, 16


def cpu(pid):
    """Seconds of CPU that it has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pid_of_top(tmux):
    return int(subprocess.run([*tmux, "list-panes", "-F", "#{pane_pid}"], capture_output=True, text=True, check=True).stdout)


def measure(args):
    c, s = n.new_ns("c"), n.new_ns("s")
    n.veth(c, "cli0", s, "srv0")
    n.addr(c, "cli0", "10.66.0.1/16", *[f"10.66.1.{i + 1}/16" for i in range(SOURCES)])
    n.addr(s, "srv0", f"{SERVER}/16")
    n.warm(c, SERVER)
    server = n.popen([TOOLS / "tool_rush", "serve", SERVER, str(PORT), "1024"], s, stdout=subprocess.PIPE, text=True)
    n.started.append(server)
    assert server.stdout.readline() == "ready\n"
    sw = n.Synward(s, "srv0", sizes=False, full=False)
    client = n.popen([TOOLS / "tool_rush", "client", SERVER, str(PORT + args.refused), str(args.seconds + 12), "256", "3000", "10.66.1.1",
                      str(SOURCES), str(args.rate)], c, stdout=subprocess.PIPE, text=True)
    n.started.append(client)
    time.sleep(7)  # until the tables hold what they will
    tmux = ["tmux", "-S", os.path.join(n.tmp.name, "tmux"), "-f", "/dev/null"]
    command = f"exec nsenter --net=/run/netns/{s} {n.SYNWARD} top --interval {args.interval}"
    subprocess.run([*tmux, "new-session", "-d", "-x", "80", "-y", "24", command], check=True)
    try:
        time.sleep(1.5)
        for keys in args.keys:
            subprocess.run([*tmux, "send-keys", keys], check=True)
        top, began = pid_of_top(tmux), time.monotonic()
        before, daemon = cpu(top), cpu(sw.p.pid)
        time.sleep(args.seconds)
        span = time.monotonic() - began
        used, of_daemon = (cpu(top) - before) / span, (cpu(sw.p.pid) - daemon) / span
        print(subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True).stdout.rstrip())
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    rushed = json.loads(client.communicate(timeout=60)[0])
    count = rushed["refused"] if args.refused else rushed["connections"]
    print(f"{count / (args.seconds + 12):.0f} connections a second: top {100 * used:.1f} % of a CPU, "
          f"the daemon {100 * of_daemon:.1f} %")


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--seconds", type=float, default=20)
    parse.add_argument("--rate", type=int, default=10000)
    parse.add_argument("--interval", type=float, default=2)
    parse.add_argument("--refused", action="store_true")
    parse.add_argument("keys", nargs="*")
    try:
        measure(parse.parse_args())
    finally:
        n.cleanup()


if __name__ == "__main__":
    main()
