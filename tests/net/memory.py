#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What synward takes of memory with its default options, tracker and guard: printed, and compared with docs/scale.md."""
import contextlib
import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

MARGIN = 0.1  # maps are larger by some kB for each further CPU
MIB = 1 << 20


def programs_maps(sw):
    """Ids of the maps that its programs use, and of those that it has open itself."""
    found = set()
    for info in list(pathlib.Path(f"/proc/{sw.p.pid}/fdinfo").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found |= {int(x) for x in re.findall(r"^map_id:\s*(\d+)", info.read_text(), re.M)}
    for prog in json.loads(n.sh("bpftool", "-j", "prog", "show").stdout):
        if found & set(prog.get("map_ids", ())):
            found |= set(prog["map_ids"])
    return found


def measured(*args):
    """MiB of maps, of the process alone, and of the largest maps by name; once it idles."""
    _, b = n.pair()
    sw = n.Synward(b, "srv0", args=args, sizes=False)
    maps = [json.loads(n.sh("bpftool", "-j", "map", "show", "id", x).stdout) for x in sorted(programs_maps(sw))]
    status = dict(re.findall(r"^(\w+):\s*(\d+) kB", pathlib.Path(f"/proc/{sw.p.pid}/status").read_text(), re.M))
    n.equal("exit code", sw.stop(), 0)
    size = {x["name"]: x["bytes_memlock"] / MIB for x in maps}
    mine = {k: int(status[k]) / 1024 for k in ("RssAnon", "RssFile", "RssShmem", "VmRSS")}
    print(f"# {' '.join(args) or 'tracker'}: {len(maps)} maps {sum(size.values()):.1f} MiB; " +
          ", ".join(f"{k} {v:.1f}" for k, v in mine.items()))
    print("#   " + ", ".join(f"{k} {v:.1f}" for k, v in sorted(size.items(), key=lambda x: -x[1])[:12]))
    return sum(size.values()), mine["RssAnon"], size


def documented():
    """The table of docs/scale.md: row to its numbers."""
    text = (n.TOP / "docs/scale.md").read_text()
    rows = re.findall(r"^\| (tracker|with `--guard`|with `--ladder`) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.M)
    return {name: [int(x) for x in numbers] for name, *numbers in rows}


def compared(row, *args):
    maps, own, _ = measured(*args)
    for what, got, said in zip(("maps", "its own", "in all"), (maps, own, maps + own), documented()[row]):
        if abs(got - said) > max(1, MARGIN * said):
            raise AssertionError(f"{row}, {what}: {got:.1f} MiB, docs/scale.md says {said}")


def tracker():
    """the tracker takes what docs/scale.md says"""
    compared("tracker")


def guard():
    """the guard takes what docs/scale.md says"""
    compared("with `--guard`", "--guard", "auto")


def ladder():
    """ladders take what docs/scale.md says"""
    compared("with `--ladder`", "--ladder")


if __name__ == "__main__":
    n.main(tracker, guard, ladder)
