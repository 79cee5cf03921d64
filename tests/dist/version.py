#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""synward --version: the version alone in the first line; then what it says of libraries, objects, commands and options
is held against the linker, the files, the headers and the other commands."""
import hashlib
import pathlib
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

# those that can be asked for their version
TELL = ("libbpf", "zlib", "libpcap", "libseccomp", "json-c", "ncursesw", "libc")
OBJECTS = {"whole": "synward", "without kfuncs": "synward_nokfunc", "before 5.18": "synward_old"}


def shown(**kw):
    return n.sh(n.SYNWARD, "--version", **kw).stdout.splitlines()


def rows(kind):
    """name to what is said of it, of the lines `KIND NAME: WHAT`"""
    found = [re.fullmatch(rf"{kind} ([^:]+): (.*)", x) for x in shown()]
    return {m[1]: m[2] for m in found if m}


def library_files():
    """soname of each library that the program itself asks for: the file that the loader takes"""
    needed = re.findall(r"NEEDED.*\[(.*)\]", n.sh("readelf", "-d", n.SYNWARD).stdout)
    found = dict(re.findall(r"(\S+) => (\S+)", n.sh("ldd", n.SYNWARD).stdout))
    return {x: pathlib.Path(found[x]).resolve() for x in needed if x in found}


def named(soname):
    """how a library is called there: pkg-config's name"""
    base = re.sub(r"\.so.*", "", soname)
    return {"libz": "zlib", "libjson-c": "json-c", "libncursesw": "ncursesw"}.get(base, base)


def first_line():
    """the first line is the version and nothing else; -V is the same"""
    version = re.search(r"^VERSION := (\S+)$", (n.TOP / "Makefile").read_text(), re.M)[1]
    n.equal("first line", shown()[0], f"synward {version}")
    n.equal("-V", n.sh(n.SYNWARD, "-V").stdout.splitlines(), shown())


def libraries():
    """each library that the program asks the loader for is there, with what pkg-config says of it, and the loaded one"""
    said, files = rows("library"), library_files()
    names = {named(x): path for x, path in files.items()} | {}
    names.pop("libtinfo", None)  # a part of ncurses
    # libelf may come through libbpf alone
    n.equal("names", sorted(set(said) | {"libelf"}), sorted(set(names) | {"libelf"}))
    for name, text in said.items():
        built, runs = re.fullmatch(r"built with (\S+), runs with (\S+)", text).groups()
        if name != "libc":
            n.equal(f"{name}: built with", built, n.sh("pkg-config", "--modversion", name).stdout.strip())
        if name not in TELL:
            n.equal(f"{name}: the file", runs, names[name].name if name in names else runs)
        elif name != "libc":
            n.equal(f"{name}: major and minor", runs.split(".")[:2], built.split(".")[:2])
    n.equal("libc: runs with", said["libc"].split()[-1], n.sh("getconf", "GNU_LIBC_VERSION").stdout.split()[1])


def another():
    """a library of another version at run time is shown beside that of the build"""
    source, library = (pathlib.Path(n.tmp.name, x) for x in ("other.c", "other.so"))
    source.write_text('const char *zlibVersion(void) { return "9.8.7"; }\n'
                      'const char *json_c_version(void) { return "6.5"; }\n')
    n.sh("gcc", "-shared", "-fPIC", source, "-o", library)
    said = n.sh("env", f"LD_PRELOAD={library}", n.SYNWARD, "--version").stdout
    built = re.search(r"^library zlib: built with (.*), runs with 9\.8\.7$", said, re.M)
    n.equal("zlib", built and built[1], n.sh("pkg-config", "--modversion", "zlib").stdout.strip())
    n.equal("json-c", bool(re.search(r"^library json-c: .* runs with 6\.5$", said, re.M)), True)


def objects():
    """size and SHA-256 of the three BPF objects are those of the files"""
    want = {}
    for form, name in OBJECTS.items():
        data = (n.TOP / f"build/{name}.bpf.o").read_bytes()
        want[form] = f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"
    n.equal("objects", rows("object"), want)


def records():
    """what lines, records and pins must agree in is what the headers have"""
    want = [int(re.search(rf"#define {name} (\d+)", (n.TOP / path).read_text())[1])
            for name, path in (("SW_SCHEMA", "src/output/line.h"), ("SW_CONTRACT_VERSION", "include/synward.h"),
                               ("SW_PIN_VERSION", "src/loader/pin_format.h"))]
    line = n.one([x for x in shown() if x.startswith("records: ")], "records")
    n.equal("records", [int(x) for x in re.findall(r"\d+", line)], want)


def features():
    """commands are those of --help, and choices those that run takes"""
    listed = re.findall(r"^  ([a-z]+) +\S", n.sh(n.SYNWARD, "--help").stdout, re.M)
    n.equal("commands", n.one([x for x in shown() if x.startswith("commands: ")], "commands").split()[1:], listed)
    choices = rows("run")
    for option in ("--guard", "--owner", "--format", "--events", "--mode", "--cookie"):
        words = choices[option].split()
        n.at_least(f"words of {option}", len(words), 2 if option != "--gateway" else 1)
        for word in words:
            r = n.sh(n.SYNWARD, "run", "-i", "lo", option, word, "--max-flows", "wrong", check=False)
            n.equal(f"{option} {word}: it is another option that is wrong ({r.stderr.strip()})",
                    (r.returncode, "--max-flows" in r.stderr or "max-flows" in r.stderr), (2, True))
        r = n.sh(n.SYNWARD, "run", "-i", "lo", option, "no-such-word", check=False)
        n.equal(f"{option}: an unknown word", (r.returncode, "no-such-word" in r.stderr), (2, True))


n.main(first_line, libraries, another, objects, records, features)
