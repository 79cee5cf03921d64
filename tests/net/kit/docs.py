# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The commands of a document. A block with the info string sh is what a reader types; console, or none, is what he sees.
A block is divided into its statements, each as bash reads one: over several lines, with its here-document."""
import dataclasses
import os
import re
import subprocess

from .ns import TOP
from .tap import Skip

RECIPES = TOP / "docs/recipes.md"
README = TOP / "README.md"
ASSIGNMENT = re.compile(r"\w+=")


@dataclasses.dataclass
class Block:
    where: str  # README.md:12
    heading: str
    info: str
    text: str

    def statements(self):
        """Each with the assignments of the block before it."""
        found, known, rest = [], "", ""
        for line in self.text.splitlines(keepends=True):
            if not rest and (not line.strip() or line.startswith("#")):
                continue
            rest += line
            if not whole(rest):
                continue
            if ASSIGNMENT.match(rest):
                known += rest
            else:
                found.append((known, rest))
            rest = ""
        if rest:
            raise AssertionError(f"{self.where}: not a whole command: {rest}")
        return found


def whole(text):
    """bash -n says of a command that goes on that its end is unexpected, or warns of the here-document."""
    r = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    if text.rstrip("\n").endswith("\\") or "unexpected EOF" in r.stderr or "unexpected end of file" in r.stderr or \
            "here-document" in r.stderr:
        return False
    if r.returncode:
        raise AssertionError(f"{text}: {r.stderr}")
    return True


def blocks_of(text, name):
    heading, fence, block = "", None, None
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"(```+)(\w*)\s*$", line)
        if fence and line.strip() == fence:
            yield block
            fence = None
        elif fence:
            block.text += line + "\n"
        elif mark:
            fence, block = mark[1], Block(f"{name}:{number}", heading, mark[2], "")
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    if fence:
        raise AssertionError(f"{block.where}: the block does not end")


def blocks(path):
    return list(blocks_of(path.read_text(), path.name))


def recipes():
    """Heading to block; each heading of the third level is a recipe with one."""
    found = {}
    for block in blocks(RECIPES):
        if block.info == "sh":
            if block.heading in found:
                raise AssertionError(f"{block.where}: a second block of commands in '{block.heading}'")
            found[block.heading] = block
    headings = re.findall(r"^### (.*)", RECIPES.read_text(), re.M)
    if list(found) != headings:
        raise AssertionError(f"recipes without commands, or commands outside: {set(headings) ^ set(found)}")
    return found


def needs_npm(what, package, always=True):
    """always: `make test` gets it, too, and not `make nightly` alone."""
    if (TOP / f"build/{what}/node_modules/{package}").is_dir():
        return
    if not always and not os.environ.get("SW_TEST_LONG"):
        raise Skip(f"{package} has 550 MB: SW_TEST_LONG=1 tests/setup, of make nightly, gets it from npm's registry")
    if os.environ.get("CI"):
        raise AssertionError(f"no {package} in build/{what}: tests/setup puts it there")
    raise Skip(f"no {package} in build/{what}: tests/setup gets it from npm's registry")


def needs_duckdb():
    needs_npm("duckdb", "@duckdb/node-api")


def has_chdb():
    """Else what compares engines compares without it; fleet.py clickhouse_now is skipped then, with the reason."""
    try:
        needs_chdb()
    except Skip as why:
        print(f"# without ClickHouse of today: {why}", flush=True)
        return False
    return True


def needs_chdb():
    needs_npm("chdb", "chdb", always=False)
