#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The completions in their shells: bash, zsh and fish, each in a terminal (tmux), are asked by the Tab key, as by a user.
tests/options has more lines for bash and fish, without a terminal."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

DOCS = n.TOP / "docs"
PROMPT = "ask> "
BASH = f"""PS1='{PROMPT}'
bind 'set show-all-if-ambiguous on' 'set bell-style none' 'set completion-query-items 0' 'set page-completions off'
bind 'set enable-bracketed-paste off'
. {DOCS}/synward.bash-completion
"""
ZSH = f"""PROMPT='{PROMPT}'
fpath=({DOCS} $fpath)
autoload -U compinit
compinit -D -u
setopt NO_BEEP LIST_AMBIGUOUS
unsetopt ZLE_BRACKETED_PASTE
LISTMAX=1000
"""
FISH = f"""function fish_prompt; echo -n '{PROMPT}'; end
function fish_right_prompt; end
set -g fish_greeting
set -g fish_autosuggestion_enabled 0
source {DOCS}/synward.fish
"""


class Shell:
    """One of them in a tmux of its own, which has our environment and no configuration."""

    def __init__(self, name):
        if not shutil.which(name) or not shutil.which("tmux"):
            raise RuntimeError(f"{name} or tmux is missing: tests/setup installs it")
        self.keys = 0
        self.name, self.socket = name, os.path.join(n.tmp.name, f"tmux-{name}")
        home = pathlib.Path(n.tmp.name, name)
        home.mkdir(exist_ok=True)
        start = {"bash": ["bash", "--noprofile", "--rcfile", home / ".bashrc", "-i"], "zsh": ["zsh", "-d", "-i"],
                 "fish": ["fish", "--no-config", "--init-command", f"source {home}/init.fish"]}[name]
        (home / ".bashrc").write_text(BASH)
        (home / ".zshrc").write_text(ZSH)
        (home / "init.fish").write_text(FISH)
        env = {"HOME": home, "ZDOTDIR": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm",
               "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        n.ns.endings.append(self.end)
        self.tmux("new-session", "-d", "-x", "180", "-y", "60", "env", "-i", *(f"{k}={v}" for k, v in env.items()), *start)
        n.until(lambda: PROMPT.strip() in self.screen(), 30)

    def tmux(self, *args):
        return subprocess.run(["tmux", "-f", "/dev/null", "-S", self.socket, *map(str, args)], capture_output=True, text=True,
                              timeout=30, check=False).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p").rstrip()

    def end(self):
        self.tmux("kill-server")
        if self.end in n.ns.endings:
            n.ns.endings.remove(self.end)

    def cleared(self):
        """Asks for an empty line on an empty screen until there is one: with Ctrl-C a terminal discards what was typed
        after it, and a shell that is busy may not take it."""
        self.keys += 1
        self.tmux("send-keys", "C-c" if self.keys % 2 else "C-l")
        time.sleep(0.02)  # between two looks; a screen that is not drawn yet is looked at again
        return self.keys % 2 == 0 and self.screen().strip() == PROMPT.strip()

    def typed(self, line):
        """The line and nothing else; once more if a Ctrl-C that came late has thrown it away."""
        n.until(self.cleared, 30, evidence=self.screen)
        self.tmux("send-keys", "-l", line)
        try:
            return n.until(lambda: self.screen().strip() == (PROMPT + line).strip(), 5)
        except AssertionError:
            return False

    def ask(self, line, offered, finished):
        """Types the line and Tab, and waits until the line is finished, or the screen shows all that is offered."""
        n.until(lambda: self.typed(line), 60, evidence=self.screen)
        self.tmux("send-keys", "Tab")

        def there():
            shown = self.screen()
            if finished and finished in shown.replace("\n", ""):
                return True
            words = set(re.findall(r"[\w.:-]+", " ".join(shown.splitlines()[1:]).replace("=", " ")))
            return bool(offered) and set(offered) <= words

        n.until(there, 20, evidence=lambda: f"{self.name}: {line}<Tab> does not show {finished or offered}:\n{self.screen()}")


EVENTS = ["opening", "established", "half_closed", "conn", "loss", "lifecycle", "health", "all", "none"]


def lines(pid):
    """What is typed, what must be offered, or what the line becomes. Other tests' processes are offered as well."""
    interfaces = os.listdir("/sys/class/net")
    return (("synward ", ["run", "replay", "events", "filter", "probe"], None),
            ("synward run --guard=", ["off", "monitor", "auto", "always"], None),
            ("synward run --guard=au", None, "--guard=auto"),
            ("synward run --guard mon", None, "--guard monitor"),
            ("synward run --mode=", ["auto", "native", "generic"], None),
            ("synward run --format=t", None, "--format=text"),
            ("synward run --color=", ["auto", "always", "never"], None),
            ("synward run --rotate-interval=", ["minute", "hour", "day"], None),
            ("synward run --events=", EVENTS, None),
            ("synward run --events=conn,", EVENTS[:3], None),
            ("synward events --events=conn,los", None, "--events=conn,loss"),
            ("synward run -i ", interfaces, None) if len(interfaces) > 1 else ("synward run -i ", None, "-i " + interfaces[0]),
            ("synward run --interface=l", None, "--interface=lo"),
            ("synward events -i l", None, "-i lo"),
            (f"synward events -p {pid[:-1]}", [pid], f"-p {pid}"),
            (f"synward status --pid={pid[:-1]}", [pid], f"--pid={pid}"),
            ("synward flows --outcome=ref", None, "--outcome=refused"),
            ("synward guard al", None, "guard always"),
            ("synward list show b", None, "show block"))


def of_shell(name):
    def case():
        _, b = n.pair()
        sw = n.Synward(b, "srv0")
        shell = Shell(name)
        pid = str(sw.p.pid)
        for asked in lines(pid):
            shell.ask(*asked)
        shell.end()
        sw.stop()

    case.__name__ = name
    case.__doc__ = f"{name}: values, lists of events, interfaces and process ids by Tab"
    return case


n.main(*map(of_shell, ("bash", "zsh", "fish")))
