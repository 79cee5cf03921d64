#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone
"""The RPM package, by Debian's rpm on Debian: tests/dist/package_life.py. --nodeps, for rpm's database knows none of what dpkg has
installed there. What rpm does with files, configuration and scriptlets is the same everywhere; libraries, dnf and zypper of
other distributions are not tested by this."""
import pathlib
import re
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import machine as m  # noqa: E402  pylint: disable=wrong-import-position
import package_life as life  # noqa: E402  pylint: disable=wrong-import-position
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import pin as p  # noqa: E402  pylint: disable=wrong-import-position

SOURCES = ("Makefile", "README.md", "LICENSES", "bpf", "docs", "include", "src")


class Rpm:
    kind = "rpm"
    remove = ("rpm", "-e", "synward")
    purge = None
    installed = ("rpm", "-q", "synward")
    left = ["/var/log/synward", life.FILE, "/usr/share/licenses"]  # the last one is of the package filesystem elsewhere

    @staticmethod
    def install(file):
        return "rpm", "-U", "--nodeps", file

    @staticmethod
    def build(folder):
        """As `make rpm` does, but of programs that are there: this release, and the next one with a version of its own."""
        first = made(n.TOP, folder / "first", "build")
        tree = folder / "tree"
        tree.mkdir()
        m.run("cp", "-r", *SOURCES, tree, cwd=n.TOP)
        version = re.search(r"^VERSION := (\S+)", (tree / "Makefile").read_text(), re.M)[1]
        for name in ("Makefile", "src/dist/synward.spec"):
            text = (tree / name).read_text()
            (tree / name).write_text(re.sub(rf"(VERSION := |Version: +| - ){re.escape(version)}\b", r"\g<0>.1", text))
        (tree / "build").mkdir()
        shutil.copy(p.NEWER, tree / "build/synward")
        return first, made(tree, folder / "second", "build")


def made(sources, folder, built):
    m.run("src/dist/rpm", folder, built, cwd=sources)
    return n.one([x for x in folder.glob("*.rpm") if not x.name.endswith(".src.rpm")], "packages")


life.main(Rpm)
