#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone
"""Reproducible: built twice from the sources, in folders of other names and lengths, one after the other: the same program,
BPF objects, Debian and RPM packages, byte by byte. Packages are built with the compiler's hardening options, as `make deb` and
`make rpm` do, and lintian and rpmlint find nothing in the second one."""
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

PLACES = ("one", "another/place/with a longer name".replace(" ", "-"))


def run(folder, *args, **env):
    r = subprocess.run(args, cwd=folder, capture_output=True, text=True, timeout=1500, check=False,
                       env={**{k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}, **env})
    n.equal(f"exit code of {' '.join(args)} ({(r.stdout + r.stderr)[-800:]})", r.returncode, 0)


def sources(name):
    folder = pathlib.Path(n.tmp.name, name)
    (folder / "tests/unit").mkdir(parents=True)
    (folder / "tests/prog").mkdir()
    run(n.TOP, "cp", "-r", "Makefile", "README.md", "LICENSES", "bpf", "docs", "include", "src", str(folder))
    return folder


def differ(patterns, places):
    """Names of what is not the same in both."""
    found = [{str(x.relative_to(place)): x.read_bytes() for pattern in patterns for x in place.glob(pattern)} for place in places]
    n.equal("names", sorted(found[0]), sorted(found[1]))
    n.at_least("files", len(found[0]), len(patterns))
    return [name for name in found[0] if found[0][name] != found[1][name]]


def program():
    """the program with its debugging information, and the BPF objects"""
    places = [sources(name) for name in PLACES]
    for place in places:
        run(place, "make", f"-j{os.cpu_count()}", "build/synward")
    n.equal("those that differ", differ(("build/synward", "build/*.bpf.o", "build/*.skel.h"), places), [])
    n.equal("paths in the program", [str(x).encode() in (x / "build/synward").read_bytes() for x in places], [False, False])


def debian():
    """the Debian packages, with debugging symbols"""
    places = [sources("deb-" + name) for name in PLACES]
    for place in places:
        run(place, "make", "deb")
    n.equal("those that differ", differ(("build/deb/*.deb",), places), [])
    changes = n.one([str(x) for x in (places[1] / "build/deb").glob("*.changes")], "changes")
    r = n.sh("lintian", "--allow-root", "--fail-on", "error,warning", changes, check=False)
    n.equal("lintian", (r.returncode, r.stdout), (0, ""))


def rpm():
    """the RPM packages, with debugging information"""
    places = [sources("rpm-" + name) for name in PLACES]
    for place in places:
        run(place, "make", "rpm")
    n.equal("those that differ", differ(("build/rpm/*.rpm",), places), [])
    kinds = {re.sub(r"-[0-9].*?\.(\w+)\.rpm", r" \1", x.name): x for x in (places[1] / "build/rpm").iterdir()}
    arch = os.uname().machine
    n.equal("packages", sorted(kinds), sorted([f"synward {arch}", f"synward-debuginfo {arch}", "synward src"]))
    # not that of debugging information, which find-debuginfo makes as it does
    spelling = pathlib.Path(n.tmp.name, "rpmlint.toml")
    spelling.write_text("UseEnchant = false\n")
    r = n.sh("rpmlint", "--strict", "-c", spelling, "-r", n.TOP / "src/dist/synward.rpmlintrc", kinds[f"synward {arch}"], kinds["synward src"],
             n.TOP / "src/dist/synward.spec", check=False)
    n.equal(f"rpmlint ({r.stdout})", (r.returncode, "; 0 errors, 0 warnings" in r.stdout), (0, True))


n.main(program, debian, rpm)
