#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: alone
"""The Debian package, by dpkg: tests/dist/package_life.py."""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import machine as m  # noqa: E402  pylint: disable=wrong-import-position
import package_life as life  # noqa: E402  pylint: disable=wrong-import-position
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import pin as p  # noqa: E402  pylint: disable=wrong-import-position


class Deb:
    kind = "deb"
    remove = ("dpkg", "-r", "synward")
    purge = ("dpkg", "-P", "synward")
    installed = ("sh", "-c", "dpkg-query -W -f '${db:Status-Status}' synward | grep -x installed")
    left = []

    @staticmethod
    def install(file):
        return "dpkg", "--force-confold", "-i", file

    @staticmethod
    def build(folder):
        """As `make deb` does, but of the program that is there; and the same with the program of the next release in it."""
        m.run("src/dist/deb", folder, "build", cwd=n.TOP)
        deb = n.one(list(folder.glob("synward_*.deb")), "packages")
        tree = folder / "next"
        m.run("dpkg-deb", "-R", deb, tree)
        m.run("install", "-m", "755", p.NEWER, tree / "usr/sbin/synward")
        m.run("strip", tree / "usr/sbin/synward")
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(r"^Version: .*", "Version: 0.1.0+next", control.read_text(), flags=re.M))
        (tree / "DEBIAN/md5sums").unlink()
        m.run("dpkg-deb", "--root-owner-group", "-b", tree, folder / "next.deb")
        return deb, folder / "next.deb"


life.main(Deb)
