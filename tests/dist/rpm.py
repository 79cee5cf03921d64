#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The RPM package, made of the program that is built: twice, equal; rpmlint; what is in it; what its scriptlets ask of
systemd. tests/dist/long/rpm.py installs it, and tests/dist/long/again.py builds it from sources."""
import datetime
import os
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

WATCH = ("block-sources", "flowspec-gobgp", "webhook")
CONFIG = ("/etc/default/synward", "/etc/logrotate.d/synward")
PROGRAMS = ("/usr/sbin/synward", "/usr/share/synward/synward-etcd-keys", *(f"/usr/share/synward/watch/{x}" for x in WATCH))
FILES = {
    *CONFIG, *PROGRAMS, "/usr/lib/systemd/system/synward@.service", "/usr/lib/systemd/system/synward@.service.d/group.conf",
    "/usr/lib/sysusers.d/synward.conf", "/usr/share/bash-completion/completions/synward",
    "/usr/share/fish/vendor_completions.d/synward.fish", "/usr/share/man/man8/synward.8.gz", "/usr/share/synward/grafana.json",
    "/usr/share/synward/prometheus.rules.yml", "/usr/share/zsh/site-functions/_synward",
    "/usr/share/licenses/synward/BSD-2-Clause.txt", "/usr/share/licenses/synward/GPL-2.0-only.txt"}
# directories that nothing owns where neither a shell's completions nor logrotate is installed
FOLDERS = {
    "/etc/logrotate.d", "/usr/lib/systemd/system/synward@.service.d", "/usr/share/bash-completion",
    "/usr/share/bash-completion/completions", "/usr/share/fish", "/usr/share/fish/vendor_completions.d",
    "/usr/share/licenses/synward", "/usr/share/synward", "/usr/share/synward/watch", "/usr/share/zsh",
    "/usr/share/zsh/site-functions"}
DOC = "/usr/share/doc/synward"
LINKS = "/usr/lib/.build-id"
SOURCES = ("Makefile", "README.md", "LICENSES", "bpf", "docs", "include", "src")
ELSEWHERE = 'hostname elsewhere && umask 077 && exec setpriv --reuid "$1" --regid "$1" --clear-groups "$0" "$2" "$3"'
SCRIPTS = {"POSTIN": "post", "PREUN": "preun", "POSTUN": "postun"}
SPEC = n.TOP / "src/dist/synward.spec"


def build(name, sources=n.TOP, user=0):
    folder = pathlib.Path(n.tmp.name, name, "rpm")
    args, env = [sources / "src/dist/rpm", folder, sources / "build"], {**os.environ}
    if sources != n.TOP:
        args = ["unshare", "--uts", "sh", "-c", ELSEWHERE, args[0], str(user), *args[1:]]
        env |= {"TZ": "Asia/Tokyo", "LANG": "C.UTF-8", "USER": "somebody", "HOME": str(sources)}
    r = subprocess.run(args, capture_output=True, text=True, timeout=300, check=False, env=env)
    n.equal(f"exit code ({(r.stdout + r.stderr)[-800:]})", r.returncode, 0)
    return folder


def packages(folder):
    return {x.name: x.read_bytes() for x in folder.iterdir()}


def query(what, package=None):
    return n.sh("rpm", "-qp", "--qf", what, package or state["rpm"]).stdout


def same():
    """built again, of and in folders of other names, modes and times, on a host of another name: the same packages, byte by byte"""
    one = build("one")
    copy = pathlib.Path(n.tmp.name, "copy")
    (copy / "build").mkdir(parents=True)
    n.sh("sh", "-c", 'umask 077 && cp -r "$@"', "sh", *SOURCES, copy, cwd=n.TOP)
    n.sh("cp", n.SYNWARD, copy / "build")
    two = build("copy/an/other", copy)
    first, second = packages(one), packages(two)
    version = re.search(r"^VERSION := (\S+)", (n.TOP / "Makefile").read_text(), re.M)[1]
    arch = n.sh("uname", "-m").stdout.strip()
    n.equal("packages", sorted(first), [f"synward-{version}-1.src.rpm", f"synward-{version}-1.{arch}.rpm"])
    n.equal("those that differ", [x for x in first if first[x] != second.get(x)], [])
    state["rpm"], state["source"] = one / f"synward-{version}-1.{arch}.rpm", one / f"synward-{version}-1.src.rpm"
    day = re.search(r"^%changelog\n\* ... (... \d+ \d+) ", SPEC.read_text(), re.M)[1]
    noon = int(datetime.datetime.strptime(day + " 12 +0000", "%b %d %Y %H %z").timestamp())
    for package in (state["rpm"], state["source"]):
        n.equal("host and time", query("%{BUILDHOST} %{BUILDTIME}", package), f"reproducible {noon}")
        n.equal("times of files", set(query("[%{FILEMTIMES}\n]", package).split()), {str(noon)})
    n.equal("version", query("%{VERSION}"), version)
    # a source package names the user who made it; what is in it is the same
    os.chmod(n.tmp.name, 0o755)
    n.sh("chown", "-R", "1:1", copy)
    third = build("copy/third", copy, user=1)
    n.equal("by another user", (third / state["rpm"].name).read_bytes() == first[state["rpm"].name], True)
    tars = [n.sh("sh", "-c", 'rpm2cpio "$0" | cpio -i --to-stdout --quiet "*.tar.gz" | sha256sum', x).stdout
            for x in (state["source"], third / state["source"].name)]
    n.equal("sources by another user", tars[1], tars[0])


def lint():
    """rpmlint says nothing of package, source package and spec; what is filtered has its reason above it"""
    rc = n.TOP / "src/dist/synward.rpmlintrc"
    spelling = pathlib.Path(n.tmp.name, "rpmlint.toml")  # which depends on the dictionaries that are installed
    spelling.write_text("UseEnchant = false\n")
    r = n.sh("rpmlint", "--strict", "-c", spelling, "-r", rc, state["rpm"], state["source"], SPEC, check=False)
    summary = re.search(r"; (\d+) errors, (\d+) warnings", r.stdout)
    n.equal(f"exit code, errors, warnings ({r.stdout}{r.stderr})", (r.returncode, summary and summary.groups()), (0, ("0", "0")))
    lines = [x for x in rc.read_text().splitlines() if x]
    for at, line in enumerate(lines):
        if not line.startswith("#"):
            n.equal(f"a reason for {line}", lines[at - 1].startswith("# ") and "SPDX" not in lines[at - 1], True)


def unpacked():
    """The files of the package, in a folder."""
    root = pathlib.Path(n.tmp.name, "root")
    if not root.exists():
        root.mkdir()
        n.sh("sh", "-c", 'rpm2cpio "$0" | cpio -idm --quiet', state["rpm"], cwd=root)
    return root


def contents():
    """its files, owners and modes; what is configuration, documentation and licence; nothing below /usr/local"""
    rows = [x.split("\t") for x in query("[%{FILENAMES}\t%{FILEMODES:perms}\t%{FILEUSERNAME}:%{FILEGROUPNAME}\t%{FILEFLAGS:fflags}\n]")
            .splitlines()]
    names = {x[0]: x for x in rows if not x[0].startswith((DOC, LINKS))}
    n.equal("files", sorted(x for x, row in names.items() if not row[1].startswith("d")), sorted(FILES))
    n.equal("directories", sorted(x for x, row in names.items() if row[1].startswith("d")), sorted(FOLDERS))
    docs = {x[0] for x in rows if x[0].startswith(DOC)}
    for name in ("README.md", "CHANGELOG.md", "operations.md", "schema/event.schema.json"):
        n.equal(f"{name} is there", f"{DOC}/{name}" in docs, True)
    n.equal("owners", {x[2] for x in rows}, {"root:root"})
    n.equal("modes", {x[1] for x in rows if not x[0].startswith(LINKS)}, {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"})
    n.equal("what may be executed", sorted(x for x, row in names.items() if row[1].startswith("-rwx")), sorted(PROGRAMS))
    n.equal("configuration that stays as it was edited", sorted(x[0] for x in rows if "c" in x[3]), sorted(CONFIG))
    n.equal("and is not replaced", {x[3] for x in rows if "c" in x[3]}, {"cn"})
    n.equal("documentation", {x[0] for x in rows if "d" in x[3]} - docs, {"/usr/share/man/man8/synward.8.gz"})
    n.equal("licences", sorted(x[0] for x in rows if "l" in x[3]), sorted(x for x in FILES if "licenses" in x))
    root = unpacked()
    unit = (root / "usr/lib/systemd/system/synward@.service").read_text()
    n.equal("ExecStart", re.findall(r"^ExecStart=(\S+)", unit, re.M), ["/usr/sbin/synward"])
    n.equal("placeholders", re.findall(r"@SBINDIR@|/usr/local", unit + (root / "etc/logrotate.d/synward").read_text()), [])
    n.equal("version", n.sh(root / "usr/sbin/synward", "--version").stdout, n.sh(n.SYNWARD, "--version").stdout)
    n.equal("symbols", "no symbols" in n.sh("nm", root / "usr/sbin/synward", check=False).stderr, True)


def requirements():
    """what the build asks for has each library that pkg-config is asked for; the package has each that the loader takes"""
    asked = n.sh("rpm", "-qp", "--requires", state["source"]).stdout.split()
    named = re.search(r"^LIBRARIES := (.*)", (n.TOP / "Makefile").read_text(), re.M)[1].split()
    n.equal("libraries of the build", sorted(x for x in asked if x.startswith("pkgconfig(")), sorted(f"pkgconfig({x})" for x in named))
    taken = re.findall(r"NEEDED.*\[(.*)\]", n.sh("readelf", "-d", n.SYNWARD).stdout)
    found = {x.split("(")[0] for x in query("[%{REQUIRENAME}\n]").splitlines()}
    n.equal("libraries that are not asked for", [x for x in taken if x not in found and not x.startswith("ld-linux")], [])
    n.equal("for the group", "/usr/bin/systemd-sysusers" in found, True)


def scripts():
    """scriptlets: as they are rendered, no placeholder left, percent signs whole; the shell takes them; and no others"""
    tags = n.sh("rpm", "-qp", "--scripts", state["rpm"]).stdout
    n.equal("scriptlets", re.findall(r"^(\w+) \w*scriptlet", tags, re.M), ["postinstall", "preuninstall", "postuninstall"])
    for tag, name in SCRIPTS.items():
        text = query("%{" + tag + "}")
        file = pathlib.Path(n.tmp.name, name)
        file.write_text(text + "\n")
        n.equal(name, text.strip(), n.sh("src/dist/scriptlet", f"src/dist/synward.{name}", "systemctl", cwd=n.TOP).stdout.strip())
        n.equal(f"placeholders of {name}", re.findall(r"@[A-Z]+@|^#[A-Z]+.*#$", text, re.M), [])
        n.sh("sh", "-n", file)
        r = n.sh("shellcheck", "-s", "sh", file, check=False)
        n.equal(f"shellcheck {name}", (r.returncode, r.stdout), (0, ""))
        n.equal(f"systemd_is_ours in {name}", text.count("systemd_is_ours() {"), 1)


# A systemd that runs synward@srv0 and, by a unit file of the administrator's, synward@own. What is stopped is not active.
FAKE = """#!/bin/sh
case "${0##*/} $*" in
"systemctl list-units"*) printf '%s\\n' "synward@srv0.service loaded active running x" "synward@own.service loaded active running x" ;;
"systemctl show -p FragmentPath --value synward@own.service") echo /etc/systemd/system/synward@.service ;;
"systemctl show -p FragmentPath"*) echo /usr/lib/systemd/system/synward@.service ;;
"systemctl show -p ExecMainPID"*) echo 4711 ;;
"systemctl show -p ExecMainStatus"*) echo "$STATUS" ;;
"systemctl is-active"*) [ "$STATUS" = 0 ] && [ ! -e /run/stopped ] ;;
*)
    [ "$(readlink /proc/self/ns/net)" = "$(readlink /proc/1/ns/net)" ] || [ "${0##*/}" != synward ] || where=" elsewhere"
    echo "${0##*/} $*$where" >>/run/asked
    case "$*" in stop*) touch /run/stopped ;; esac
    ;;
esac
"""
# /run, /etc/systemd and process 1 of its own: the rest is this machine. A scriptlet has no network, as with rpm 4.20.
GROUND = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/systemd
[ "$4" = container ] || mkdir -p /run/systemd/system
mkdir -p /run/synward /etc/systemd/system/multi-user.target.wants /etc/systemd/system/sys-subsystem-net-devices-srv0.device.wants
printf 'pin=mine\\n' >/run/synward/4711.instance
ln -s /usr/lib/systemd/system/synward@.service /etc/systemd/system/multi-user.target.wants/synward@srv0.service
ln -s /usr/lib/systemd/system/synward@.service /etc/systemd/system/sys-subsystem-net-devices-srv0.device.wants/synward@srv0.service
ln -s /etc/systemd/system/synward@.service /etc/systemd/system/multi-user.target.wants/synward@own.service
touch /run/asked
PATH=$1:$PATH unshare --net sh "$2" "$3" || echo "exit $?"
cat /run/asked
cd /etc/systemd/system && find . -name '*.wants' -o -type l | sort
"""
LINKED = ["./multi-user.target.wants", "./multi-user.target.wants/synward@own.service", "./multi-user.target.wants/synward@srv0.service",
          "./sys-subsystem-net-devices-srv0.device.wants", "./sys-subsystem-net-devices-srv0.device.wants/synward@srv0.service"]
UNLINKED = LINKED[:2]
SYSUSERS, RELOAD = "systemd-sysusers synward.conf", "systemctl daemon-reload"
# script, how many are there then: what is asked, which links are left
ASKED = {
    ("post", 1): ([SYSUSERS, RELOAD], LINKED),
    ("post", 2): ([SYSUSERS, RELOAD, "systemctl try-restart synward@srv0.service"], LINKED),
    ("preun", 1): ([], LINKED),
    ("preun", 0): (["systemctl stop synward@srv0.service", "synward unpin mine"], LINKED),
    ("postun", 1): ([], LINKED),
    ("postun", 0): ([RELOAD], UNLINKED)}


def asked():
    """what each scriptlet asks of systemd when it is installed, upgraded and removed: of this package's instances only"""
    where = fakes()
    for (name, count), (wanted, links) in ASKED.items():
        r = said(where, name, count)
        n.equal(f"{name} {count} ({r.stderr})", r.stdout.splitlines(), wanted + links)
    r = said(where, "post", 2, status=12)
    n.equal(f"refused pins are said ({r.stderr})", "synward@srv0.service was not restarted" in r.stderr and "exit 12" in r.stderr, True)
    n.equal("and nothing else is done", r.stdout.splitlines(), ASKED["post", 2][0] + LINKED)


def without():
    """where systemd does not run, as in a container, nothing is asked of it and nothing unpinned"""
    where = fakes()
    for (name, count), (wanted, links) in ASKED.items():
        r = said(where, name, count, kind="container")
        n.equal(f"{name} {count} ({r.stderr})", r.stdout.splitlines(), [x for x in wanted if x == SYSUSERS] + links)


def fakes():
    where = pathlib.Path(n.tmp.name, "fakes")
    where.mkdir(exist_ok=True)
    for name in ("systemctl", "systemd-sysusers", "synward"):
        (where / name).write_text(FAKE)
        (where / name).chmod(0o755)
    return where


def said(where, name, count, kind="system", status=0):
    return n.sh("unshare", "-m", "--pid", "--fork", "--mount-proc", "sh", "-ec", GROUND, "sh", where, pathlib.Path(n.tmp.name, name), count, kind,
                env={**os.environ, "STATUS": str(status)})


def versions():
    """a Makefile, a spec and a changelog that are of different versions are refused"""
    for file, key in (("Makefile", "VERSION := "), ("src/dist/synward.spec", "Version: +"), ("src/dist/synward.spec", "Release: +")):
        tree = pathlib.Path(n.tmp.name, "tree")
        n.sh("rm", "-rf", tree)
        (tree / "src").mkdir(parents=True)
        n.sh("cp", "-r", "Makefile", tree, cwd=n.TOP)
        n.sh("cp", "-r", "src/dist", tree / "src", cwd=n.TOP)
        text, changed = re.subn(rf"^({key})(?=\d)", r"\g<1>9", (tree / file).read_text(), flags=re.M)
        n.equal(f"{key} in {file}", changed, 1)
        (tree / file).write_text(text)
        r = n.sh(tree / "src/dist/rpm", tree / "out", check=False)
        n.equal(f"{file}: exit code, lines ({r.stderr})", (r.returncode, len(r.stderr.splitlines()), (tree / "out").exists()), (1, 1, False))


state = {}
n.main(same, lint, contents, requirements, scripts, asked, without, versions)
