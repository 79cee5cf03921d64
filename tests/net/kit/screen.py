# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""synward top in tmux: keys are sent, the screen is read."""
import itertools
import json
import os
import re
import subprocess

from .daemon import SYNWARD, Synward
from .ns import endings, listen, open_pair, pair, read_n, settled, sh, tmp
from .tap import equal, one
from .wait import until

OK, SERVER = 0, "10.66.0.2"
numbers = itertools.count()


class Top:
    """synward top in a terminal of its own. Afterwards it says the exit code, and how the terminal stands."""

    def __init__(self, ns, *args, width=80, height=24, env=(), prefix="", every=0.2):
        at = os.path.join(tmp.name, f"top{next(numbers)}")
        self.tmux = ["tmux", "-u", "-S", at + ".tmux", "-f", "/dev/null"]
        self.pid_path, self.before, self.after = at + ".pid", at + ".before", at + ".after"
        interval = () if "--replay" in args or "--interval" in args else ("--interval", every)
        command = " ".join([*(f"{k}={v}" for k, v in {"LC_ALL": "C.UTF-8", **dict(env)}.items()), prefix, SYNWARD, "top",
                            *(f"'{x}'" for x in (*args, *interval))])
        script = (f"stty -g > {self.before}; echo first line; nsenter --net=/run/netns/{ns} sh -c 'echo $$ > {self.pid_path}; "
                  f"exec env -u NO_COLOR \"$@\"' sh {command}; echo \"exit code $?\"; stty -g > {self.after}; exec cat")
        subprocess.run([*self.tmux, "new-session", "-d", "-x", str(width), "-y", str(height), script], check=True, timeout=60)
        endings.append(self.close)

    def close(self):
        endings.remove(self.close)
        subprocess.run([*self.tmux, "kill-server"], check=False, timeout=60, stderr=subprocess.DEVNULL)

    def ask(self, *args):
        return subprocess.run([*self.tmux, *args], capture_output=True, text=True, check=True, timeout=60).stdout

    def screen(self, *args):
        return self.ask("capture-pane", "-p", *args)

    def keys(self, *keys):
        self.ask("send-keys", *keys)

    def shows(self, pattern, absent=None):
        """Waits until a line of the screen fits, and returns the match."""
        def fits():
            text = self.screen()
            return None if absent and re.search(absent, text, re.M) else re.search(pattern, text, re.M)
        return until(fits, evidence=self.screen)

    def rows(self):
        """Those of the table, split at blanks, by what stands in front."""
        lines = self.screen().splitlines()
        heads = [i for i, x in enumerate(lines) if x.startswith(("SERVER ", "*SERVER ", "CLIENT -> SERVER", "*CLIENT"))]
        if not heads:
            return {}
        head = heads[0]
        names = lines[head].replace("CLIENT -> SERVER", "CONN").replace("*", " ").split()
        found = {}
        for line in lines[head + 1:-1]:
            cells = re.sub(r" -> ", "->", line).split()
            if len(cells) == len(names):
                found[cells[0]] = dict(zip(names, cells))
        return found

    def chosen(self):
        """The line that is shown in reverse."""
        rows = [x for x in self.screen("-e").splitlines() if x.startswith("\033[7m") or "\033[0;7m" in x]
        return re.sub(r"\033\[[0-9;]*m|\033\([B0]", "", one(rows, "chosen rows")).split(" ")[0]

    def pid(self):
        with open(self.pid_path, encoding="ascii") as f:
            return int(f.read())

    def ended(self, code=OK, say=None, alternate=True):
        """The exit code, what is said, and a terminal as it was before."""
        shown = self.shows(r"^exit code (\d+)$")
        equal(f"exit code ({self.screen().strip()})", int(shown[1]), code)
        text = self.screen()
        assert text.startswith("first line\n") or not alternate, text  # what was there before
        said = text[len("first line\n"):text.index("exit code")].replace("\n", "")  # a long line is folded
        if say is not None:
            assert re.fullmatch(say, said), said
        until(lambda: os.path.exists(self.after) and os.path.getsize(self.after))
        with open(self.before, encoding="ascii") as before, open(self.after, encoding="ascii") as after:
            equal("stty", after.read(), before.read())
        self.close()


def flows(sw, *args):
    return [json.loads(x) for x in sh(SYNWARD, "flows", "--json", "--pid", sw.p.pid, *args).stdout.splitlines()]


def brief(count):
    """As the columns have it."""
    if count < 10000:
        return str(count)
    for unit in "kMG":
        count /= 1000
        if count < 999.5:
            return f"{count:.1f}{unit}" if count < 9.95 else f"{count:.0f}{unit}"
    raise ValueError(count)


def span(ns):
    for unit, below in (("ns", 1e3), ("us", 1e6), ("ms", 1e9)):
        if ns < below:
            return f"{int(ns / below * 1e3)}{unit}"
    raise ValueError(ns)


def busy(*args, ports=3, each=2):
    """Connections to several servers; each next one has moved more bytes."""
    a, b = pair()
    sw = Synward(b, "srv0", args=args)
    listeners = [listen(b, SERVER, 7001 + i) for i in range(ports)]
    pairs = [(*open_pair(a, listener), 1000 * i + 100 * j)
             for i, listener in enumerate(listeners) for j in range(each)]
    for c, s, size in pairs:
        c.sendall(b"x" * size)
        read_n(s, size)
    settled(a, b)
    return a, b, sw, listeners, pairs
