#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Text on a terminal: its width, its colours. A capture, replayed in tmux and on a pseudo-terminal."""
import os
import pty
import subprocess
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from scapy.all import Ether, IP, IPv6, TCP, wrpcap  # noqa: E402  pylint: disable=wrong-import-position

LONG = "2001:db8:1234:5678:9abc:def0:1234:5678"
WIDE = 250  # no line of --wide of this capture is longer


def capture():
    """A SYN that is refused, one that is not answered, one of IPv6 whose addresses are of full length."""
    path = os.path.join(n.tmp.name, "terminal.pcap")
    link = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    packets = [link / IP(src="203.113.142.201", dst="198.151.100.110") / TCP(sport=54321, dport=443, flags="S", seq=1),
               link / IP(src="198.151.100.110", dst="203.113.142.201") / TCP(sport=443, dport=54321, flags="RA", ack=2),
               link / IP(src="203.113.142.201", dst="198.151.100.110") / TCP(sport=54322, dport=443, flags="S", seq=1),
               link / IPv6(src=LONG, dst=LONG[:-1] + "9") / TCP(sport=54321, dport=443, flags="S", seq=1),
               link / IPv6(src=LONG[:-1] + "9", dst=LONG) / TCP(sport=443, dport=54321, flags="RA", ack=2),
               link / IP(src="203.113.142.201", dst="198.151.100.111") / TCP(sport=54322, dport=443, flags="S", seq=1)]
    for second, packet in enumerate(packets):
        packet.time = 1000000000 + second * 60
    wrpcap(path, packets)
    return path


def replay(path, *args):
    return [n.SYNWARD, "replay", "--format", "text", *args, path]


def plain(path, *args):
    """The same without a terminal: the lines as they are."""
    return subprocess.run(replay(path, *args), capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def on_tty(path, *args, **env):
    """What is written to a terminal."""
    ours, theirs = pty.openpty()
    p = subprocess.Popen(replay(path, *args), stdout=theirs, stderr=theirs,
                         env={k: v for k, v in {**os.environ, "TERM": "xterm", **env}.items() if v is not None})
    os.close(theirs)
    got = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        got += piece
    os.close(ours)
    n.equal("exit code", p.wait(timeout=60), 0)
    return got.decode()


def colors():
    """auto: on a terminal, not with NO_COLOR or TERM=dumb; always; never"""
    path = capture()
    if "NO_COLOR" in os.environ:
        del os.environ["NO_COLOR"]
    for want, args, env in ((True, (), {}), (False, (), {"NO_COLOR": "1"}), (True, (), {"NO_COLOR": ""}),
                            (False, (), {"TERM": "dumb"}), (True, (), {"TERM": None}), (False, ("--color=never",), {}),
                            (True, ("--color=always",), {"NO_COLOR": "1", "TERM": "dumb"}), (True, ("--wide",), {})):
        shown = on_tty(path, *args, **env)
        n.equal(f"colours with {args} {env}", "\033[31mrefused" in shown, want)
        n.equal(f"escapes with {args} {env}", "\033" in shown, want)
    n.equal("colours in a pipe", any("\033" in line for line in plain(path)), False)
    n.equal("colours in a pipe, always", any("\033" in line for line in plain(path, "--color", "always")), True)
    r = subprocess.run([n.SYNWARD, "replay", "--color", "always", path], capture_output=True, text=True, timeout=60, check=True)
    n.equal("colours in JSON", "\033" in r.stdout, False)


def in_tmux(columns, command):
    """The lines on a screen of so many columns. The server is one of our own."""
    tmux = ["tmux", "-S", os.path.join(n.tmp.name, f"tmux{columns}"), "-f", "/dev/null"]
    done = os.path.join(n.tmp.name, f"done{columns}")
    if os.path.exists(done):
        os.unlink(done)
    script = " ".join(f"'{word}'" for word in command) + f"; touch {done}; exec cat"
    try:
        subprocess.run([*tmux, "new-session", "-d", "-x", str(columns), "-y", "100", script], check=True, timeout=60)
        n.until(lambda: os.path.exists(done))
        ask = [*tmux, "capture-pane", "-p"]
        n.until(lambda: "Summary: " in subprocess.run(ask, capture_output=True, text=True, check=True).stdout)
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.rstrip("\n").splitlines()
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, timeout=60)


def width():
    """80 columns take every line whole; 200 show the same, and --wide needs what it needs"""
    path = capture()
    lines = plain(path)
    if not any("~" in line for line in lines) or max(map(len, lines)) > 80:
        raise AssertionError(f"a capture of long lines: {lines}")
    for columns in (80, 200):
        n.equal(f"{columns} columns", in_tmux(columns, replay(path)), lines)
    wide = plain(path, "--wide")
    if max(map(len, wide)) <= 80:
        raise AssertionError(f"--wide is not wide: {wide}")
    n.equal("wide", in_tmux(WIDE, replay(path, "--wide")), wide)


if __name__ == "__main__":
    n.main(colors, width)
