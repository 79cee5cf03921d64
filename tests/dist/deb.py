#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The Debian package, made of the program that is built: twice, equal; lintian; what is in it. tests/dist/long/packages.py
installs it, and tests/dist/long/again.py builds it from sources."""
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

WATCH = ("block-sources", "flowspec-gobgp", "webhook")
FILES = {
    "etc/default/synward", "etc/logrotate.d/synward", "usr/lib/systemd/system/synward@.service",
    "usr/lib/systemd/system/synward@.service.d/group.conf", "usr/lib/sysusers.d/synward.conf", "usr/sbin/synward",
    "usr/share/bash-completion/completions/synward", "usr/share/fish/vendor_completions.d/synward.fish",
    "usr/share/lintian/overrides/synward", "usr/share/man/man8/synward.8.gz", "usr/share/synward/grafana.json",
    "usr/share/synward/prometheus.rules.yml", "usr/share/synward/synward-etcd-keys",
    *(f"usr/share/synward/watch/{x}" for x in WATCH),
    "usr/share/zsh/vendor-completions/_synward"}
DOC = "usr/share/doc/synward/"


def build(name):
    folder = pathlib.Path(n.tmp.name, name, "deb")
    r = subprocess.run(["src/dist/deb", folder, "build"], cwd=n.TOP, capture_output=True, text=True, timeout=300, check=False)
    n.equal(f"exit code ({(r.stdout + r.stderr)[-800:]})", r.returncode, 0)
    return folder


def packages(folder):
    return {x.name: x.read_bytes() for x in folder.glob("*.deb")}


def same():
    """built twice, in folders of other names: the same packages, byte by byte"""
    one, two = build("one"), build("an/other")
    state["folder"] = one
    first, second = packages(one), packages(two)
    version = re.search(r"^VERSION := (\S+)", (n.TOP / "Makefile").read_text(), re.M)[1]
    arch = n.sh("dpkg", "--print-architecture").stdout.strip()
    n.equal("packages", sorted(first), [f"synward-dbgsym_{version}_{arch}.deb", f"synward_{version}_{arch}.deb"])
    n.equal("those that differ", [x for x in first if first[x] != second[x]], [])
    state["deb"] = one / f"synward_{version}_{arch}.deb"


def lintian():
    """no error and no warning; what is overridden has its reason beside it"""
    r = n.sh("lintian", "--allow-root", "--fail-on", "error,warning", n.one(list(state["folder"].glob("*.changes"))), check=False)
    n.equal(f"exit code, findings ({r.stderr})", (r.returncode, r.stdout), (0, ""))
    lines = (n.TOP / "src/dist/debian/synward.lintian-overrides").read_text().splitlines()
    for at, line in enumerate(lines):
        if not line.startswith("#"):
            n.equal(f"a reason for {line}", lines[at - 1].startswith("# ") and "SPDX" not in lines[at - 1], True)


def contents():
    """its files, owners and modes; conffiles; nothing below /usr/local"""
    rows = [x.split(None, 5) for x in n.sh("dpkg-deb", "-c", state["deb"]).stdout.splitlines()]
    names = {x[5].removeprefix("./"): x for x in rows if not x[0].startswith("d")}
    n.equal("files", sorted(x for x in names if not x.startswith(DOC)), sorted(FILES))
    for name in ("copyright", "changelog.Debian.gz", "README.md.gz", "operations.md.gz"):
        n.equal(f"{name} is there", DOC + name in names, True)
    n.equal("owners", {x[1] for x in rows}, {"root/root"})
    n.equal("modes", {x[0] for x in rows}, {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"})
    n.equal("what may be executed", sorted(x for x, row in names.items() if "x" in row[0]),
            ["usr/sbin/synward", "usr/share/synward/synward-etcd-keys", *(f"usr/share/synward/watch/{x}" for x in WATCH)])
    n.equal("conffiles", n.sh("dpkg-deb", "-I", state["deb"], "conffiles").stdout.split(),
            ["/etc/default/synward", "/etc/logrotate.d/synward"])
    root = os.path.join(n.tmp.name, "root")
    n.sh("dpkg-deb", "-x", state["deb"], root)
    unit = pathlib.Path(root, "usr/lib/systemd/system/synward@.service").read_text()
    n.equal("ExecStart", re.findall(r"^ExecStart=(\S+)", unit, re.M), ["/usr/sbin/synward"])
    n.equal("placeholders", re.findall(r"@SBINDIR@|/usr/local", unit + pathlib.Path(root, "etc/logrotate.d/synward").read_text()),
            [])
    n.equal("version", n.sh(root + "/usr/sbin/synward", "--version").stdout, n.sh(n.SYNWARD, "--version").stdout)


def scripts():
    """maintainer scripts: no placeholder is left, the shell takes them, and dash finds each function before it is used"""
    folder = os.path.join(n.tmp.name, "control")
    n.sh("dpkg-deb", "-e", state["deb"], folder)
    for name in ("postinst", "prerm", "postrm"):
        text = pathlib.Path(folder, name).read_text()
        n.equal(f"placeholders of {name}", re.findall(r"^#[A-Z]+#$", text, re.M), [])
        n.sh("sh", "-n", f"{folder}/{name}")
        r = n.sh("shellcheck", "-s", "sh", "-e", "SC1091", f"{folder}/{name}", check=False)
        n.equal(f"shellcheck {name}", (r.returncode, r.stdout), (0, ""))
        n.equal(f"systemd_is_ours in {name}", text.count("systemd_is_ours() {"), 1)


state = {}
n.main(same, lintian, contents, scripts)
