#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every command of the README (its blocks with the info string sh), typed as it is there, on the host of kit/place.py: it
ends with 0 and says something, and a recipe says what tests/net/recipes.py wants of it. What installs, builds or needs
systemd is not run again: NOT_RUN has it, with who does. Whatever else cannot be run is a failure."""
import re
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs  # noqa: E402  pylint: disable=wrong-import-position
import load  # noqa: E402  pylint: disable=wrong-import-position
import recipes  # noqa: E402  pylint: disable=wrong-import-position

NOT_RUN = (
    (r"(sudo )?make( [\w=.'\"/ -]+)?", "built and tested by .ci/run"),
    (r"(sudo )?(tests/setup|tests/run( .*)?|\.ci/run)", "by .ci/run"),
    (r"(sudo )?apt(-get)? (update|install .*)", "a package manager's"),
    (r"git clone .*|cd \S+", "the reader's own folder"),
    (r"(sudo )?(systemctl|journalctl) .*", "systemd: tests/net/service.py has the unit's settings"),
    (r"man .*", "a pager: make lint has the man page"),
)
# prints nothing when all is well
SILENT = re.compile(r"synward (list (add|del)|filter (set|clear)|guard (\S+ )*(off|monitor|auto|always)|reopen|unpin)\b")
TO_FILE = re.compile(r"(?:>>?|-o|--output)[ =]*(\S+)")


def not_run(text):
    """Why, or None."""
    words = re.sub(r"\s+#.*|\s{3,}.*", "", text.strip())  # what is said behind the command
    why = [next((why for pattern, why in NOT_RUN if re.fullmatch(pattern, x)), None) for x in words.split(" && ")]
    return "; ".join(why) if all(why) else None


def said(place, folder, text, out):
    """What it printed, or wrote to a file."""
    if out.strip() or SILENT.search(text):
        return
    name = TO_FILE.search(text)
    if name and name[1] != "none" and place.sh(f"test -s {name[1]}", folder)[0] == 0:
        return
    raise AssertionError(f"it says nothing: {text}")


def typed(block, files):
    place = files["place"]
    place.clean()
    folder = recipes.ours()
    load.capture(folder / "capture.pcap", 100, 1)
    out = ""
    for known, text in block.statements():
        why = not_run(text)
        if why:
            print(f"# not run: {text.strip()}: {why}")
            continue
        shown = place.statement(known, text, folder)
        said(place, folder, text, shown)
        out += shown
    place.look_away()
    same = [name for name, x in files["recipes"].items() if x.text.strip() == block.text.strip()]
    if not same and re.search(r"\b(events|guard)\.ndjson", block.text) and "synward " not in block.text:
        raise AssertionError(f"{block.where}: this recipe is not one of docs/recipes.md")
    for name in same:
        recipes.EXPECTED[name](recipes.Shown(files, folder, out))


def of_block(block):
    def case():
        typed(block, recipes.ground())

    case.__name__ = "line_" + block.where.split(":")[1]
    case.__doc__ = f"{block.where}, {block.heading}: {block.text.splitlines()[0].strip()}"
    return case


def has_commands():
    """the README has commands"""
    if not commands:
        raise AssertionError("no block has the info string sh")


WRONG = (
    "synwarrd status",
    "sudo synward run -i eth1",
    "jq .event no-such-file",
    "jq .event events.ndjson",
    "jq 'select(.event == \"no such\")' events.ndjson",
    "make && synwarrd",
    "sudo make me a sandwich; false",
    "synward events --port 7 --format text",
)
RIGHT = """sudo make demo                 shows it
sudo tests/setup && make -j2
sudo synward run -i eth0 --pin >> events.ndjson
sudo synward unpin
synward replay capture.pcap
sudo synward filter set --server 443
synward filter show
"""


def mistakes():
    """what cannot be run, or says nothing, is found"""
    files = recipes.ground()
    typed(next(docs.blocks_of(f"# H\n```sh\n{RIGHT}```\n", "right")), files)
    for text in WRONG:
        block = next(docs.blocks_of(f"# H\n```sh\n{text}\n```\n", "wrong"))
        try:
            typed(block, files)
        except AssertionError:
            continue
        raise AssertionError(f"not found: {text}")


commands = [x for x in docs.blocks(docs.README) if x.info == "sh"]
if __name__ == "__main__":
    n.main(has_commands, *(of_block(x) for x in commands), mistakes, keep=True)
