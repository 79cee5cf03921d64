#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The README's picture, docs/session.svg, against a new session of tests/picture: XML, and the same kinds of lines in the
same colours."""
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

SVG = "{http://www.w3.org/2000/svg}"
KEPT = n.TOP / "docs/session.svg"


def look(path):
    """Its lines, what they are about, and which colour each kind has."""
    root = xml.parse(path).getroot()
    n.equal("root element", root.tag, SVG + "svg")
    rows = root.findall(SVG + "text")
    lines = ["".join(row.itertext()) for row in rows]
    verbs = {m[1]: m[0] for m in map(re.compile(r"[\d:.]+ (\w+)").match, lines) if m}
    colors = {span.text.strip(): span.get("class") for row in rows for span in row if span.get("class") in ("c31", "c33")}
    return lines, set(verbs), colors


def the_same():
    """a new session has the lines of the one in the README, in their colours"""
    new = pathlib.Path(n.tmp.name, "new.svg")
    r = subprocess.run([n.TOP / "tests/picture", new], capture_output=True, text=True, timeout=150, check=False)
    n.equal("tests/picture", (r.returncode, r.stderr), (0, ""))
    (lines, verbs, colors), (new_lines, new_verbs, new_colors) = look(KEPT), look(new)
    n.equal("kinds of lines", new_verbs, verbs)
    n.equal("colours", new_colors, colors)
    n.equal("the command", new_lines[:2], lines[:2])
    for what in ("following eth0", "by cookie", "calm -> engaged", "Summary: ", " 0 events lost", "busiest servers"):
        n.equal(f"lines with {what!r}", [any(what in line for line in some) for some in (lines, new_lines)], [True, True])
    n.equal("lines", new_lines[-1] in r.stdout.splitlines(), True)


def its_style():
    """light and dark: each colour that is used has one on either ground"""
    text = KEPT.read_text(encoding="utf-8")
    used = set(re.findall(r'class="(\w+)"', text))
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    for name in used:
        n.equal(f"colours of {name}", [f".{name} {{" in half.split("</style>")[0] for half in (light, dark)], [True, True])
    n.equal("the README shows it", "docs/session.svg" in (n.TOP / "README.md").read_text(encoding="utf-8"), True)


if "SW_TEST_SYNWARD" in os.environ:
    del os.environ["SW_TEST_SYNWARD"]  # it is a terminal's: no options that the picture has not
n.main(the_same, its_style)
