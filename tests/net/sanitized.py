#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The whole program in real runs under ASan, UBSan and LSan (build/synward-san), and with SW_TEST_LONG=1 under valgrind:
every command, both formats, tracker and guard, reloads, captures and failed starts. A report, or an exit by one, fails
the case."""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("SW_TEST_BUILD", str(TOP / "build"))
os.environ.setdefault("SW_TEST_SYNWARD", f"{BUILD}/synward-san")

# pylint: disable=wrong-import-position
import kit as n  # noqa: E402
from kit import guard as k  # noqa: E402

REPORTED = 99
REPORTS = pathlib.Path(n.tmp.name, "reports")
REPORTS.mkdir()
WATCH = {"ASAN_OPTIONS": f"exitcode={REPORTED}:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:"
                         f"log_path={REPORTS}/asan",
         "LSAN_OPTIONS": f"exitcode={REPORTED}", "UBSAN_OPTIONS": f"exitcode={REPORTED}:print_stacktrace=1:"
                                                                  f"log_path={REPORTS}/ubsan"}
os.environ.update(WATCH)
USAGE, PRIVILEGE, INTERFACE, RUNNING, INPUT, OUTPUT, NOT_RUNNING = 2, 3, 4, 7, 8, 9, 11  # src/base/exit.h


def reports():
    """What the tools wrote, the file named; and forgets it."""
    text = ""
    for f in sorted(REPORTS.iterdir()):
        text += f"{f.name}: {f.read_text(errors='replace')[:3000]}\n"
        f.unlink()
    return text


def clean():
    got = reports()
    if got:
        raise AssertionError(f"reported: {got}")


def ask(*args, ns=None, code=0, **kw):
    """One command; its exit code and no report."""
    cmd = [n.SYNWARD] + [str(a) for a in args] + ["--no-sandbox"] * (args[0] == "replay")
    if ns:
        cmd = ["nsenter", f"--net=/run/netns/{ns}"] + cmd
    kw.setdefault("stdin", subprocess.DEVNULL)
    r = subprocess.run(cmd, capture_output=True, timeout=120, check=False, **kw)
    clean()
    n.equal(f"exit code of {args} ({r.stderr.decode(errors='replace').strip()})", r.returncode, code)
    return r.stdout.decode(errors="replace")


def end(sw, sig=signal.SIGTERM, code=0):
    got = sw.stop(sig) if sig else sw.p.wait(timeout=60)
    clean()
    n.equal(f"exit code ({sw.err().strip()})", got, code)


def conversations(g):
    """Connections of every ending, both families."""
    for v in (4, 6):
        g.talk(v)
        c, s = g.open(v)
        n.reset(c)
        s.close()
        try:
            n.connect(g.a, k.SERVER[v], 9).close()
        except ConnectionRefusedError:
            pass
    c, s = g.open()
    c.shutdown(1)
    s.sendall(b"half" * 1000)
    n.read_n(c, 4000)
    return c, s


def a_report_is_seen():
    """a leak and an overflow are seen: the tools are at work here"""
    src = pathlib.Path(n.tmp.name, "bad.c")
    src.write_text("#include <stdlib.h>\nint main(int c, char **v) { (void)v; volatile int m = 2147483647;\n"
                   "    if (c > 1) return (m += c) > 5; void *volatile p = malloc(7); p = 0; return !!p; }\n")
    exe = str(src.with_suffix(""))
    n.sh("gcc", "-w", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", src, "-o", exe)
    for args, word in ((["1"], "signed integer overflow"), ([], "LeakSanitizer")):
        r = subprocess.run([exe, *args], capture_output=True, check=False)
        got = reports() + r.stderr.decode(errors="replace")
        n.equal(f"exit code ({got})", r.returncode != 0, True)
        assert word in got, f"no {word!r} in {got!r}"


def tracking():
    """run: all events in both formats, flows, status, a second instance, a renamed interface"""
    g = k.Ground(start=False)
    for extra in (("--format", "text", "--checksum"), ("--update", "0.2", "--decap", "--log-open-at-exit")):
        sw = n.Synward(g.b, "srv0", args=("--interval", "0.3", "--close-delay", "0.2", *extra), service="--update" in extra)
        c, s = conversations(g)
        for args in (("flows",), ("flows", "-a"), ("flows", "-a", "-j", "-s", "7"), ("status",), ("status", "-j")):
            out = ask(*args, "-p", sw.p.pid, ns=g.b)
            assert out.strip(), f"{args} says nothing"
        ask("guard", "-p", sw.p.pid, ns=g.b, code=NOT_RUNNING)
        ask("run", "-i", "srv0", ns=g.b, code=RUNNING)
        if "--update" in extra:
            sw.wait_for(lambda x: x["event"] == "update", 20)
        end(sw, signal.SIGTERM if "--update" in extra else signal.SIGHUP)
        c.close()
        s.close()
        n.sh("ip", "link", "set", "srv0", "down", ns=g.b)
        n.sh("ip", "link", "set", "srv0", "name", "srv1", ns=g.b)
        n.sh("ip", "link", "set", "srv1", "name", "srv0", "up", ns=g.b)
        n.addr(g.b, "srv0", "fd66::2/64")
        n.warm(g.a, "10.66.0.2", "fd66::2")
    events = {x["event"] for x in sw.lines()}
    assert {"opening", "established", "reset", "refused", "conn", "update", "stats"} <= events, f"only {events}"
    sw = n.Synward(g.b, "srv0")
    n.sh("ip", "link", "set", "srv0", "name", "srv9", ns=g.b)
    n.until(lambda: "is now called 'srv9'" in sw.err())
    n.sh("ip", "link", "del", "srv9", ns=g.b)
    end(sw, None, INTERFACE)


def guarding():
    """run --guard: a flood, cookies, limits, lists by file, command and SIGHUP, keys, a capture"""
    tmp = pathlib.Path(n.tmp.name)
    lists = {x: tmp / f"san-{x}" for x in ("allow", "block")}
    lists["allow"].write_text("# ours\n192.0.2.0/24\n")
    lists["block"].write_text("198.51.100.0/24\n2001:db8:bad::/48\n")
    keys, capture = tmp / "san-keys", tmp / "san.pcapng"
    keys.write_text("00112233445566778899aabbccddeeff\n")
    keys.chmod(0o600)
    g = k.Ground("--allow-file", lists["allow"], "--block-file", lists["block"], "--allow", "203.0.113.9",
                 "--limit-source", "50", "--limit-prefix", "5k", "--reply-budget", "100k", "--key-file", keys,
                 "--capture", capture, "--capture-size", "1M", "--interval", "0.3", "--close-delay", "0.2", mode="auto",
                 ports=(k.PORT, 8080))
    pid = ("--pid", g.sw.p.pid)
    g.talk()
    for mode in ("always", "monitor", "off", "auto", "always"):
        ask("guard", mode, *pid, ns=g.b)
        ask("guard", mode, k.PORT, *pid, ns=g.b)
    r = n.sh(n.TOP / "build/tests/tool_flood", "cli0", g.macs[1], k.SERVER[4], k.PORT, 20000, 0, ns=g.a)
    assert "20000" in r.stdout, r.stdout
    p = k.Peer(g)
    for flags in ("A", "R", "F", "SA", "", "FPU"):  # one of each kind that is dropped, and sampled
        p.sport += 1
        p.say(flags, seq=1000, ack=2000)
    for v in (4, 6):
        g.talk(v)
    for out in (ask("guard", *pid, ns=g.b), ask("guard", "status", "-j", *pid, ns=g.b), ask("status", *pid, ns=g.b)):
        assert str(k.PORT) in out or "guard" in out, out
    for args in (("add", "block", "198.18.9.0/24"), ("add", "allow", "fd00::/8"), ("show", "block"),
                 ("show", "allow", "-j"), ("del", "block", "198.18.9.0/24")):
        ask("list", *args, *pid, ns=g.b)
    ask("list", "del", "block", "198.18.10.0/24", *pid, ns=g.b, code=1)
    ask("list", "add", "block", "198.18.9.1/24", *pid, ns=g.b, code=USAGE)
    keys.write_text(ask("keys", "new", "--count", 64, "--every", 300))
    n.until(lambda: "read again: 64 keys" in g.sw.err(), 30)
    assert "now" in ask("keys", "check", keys) and '"use":"now"' in ask("keys", "check", "-j", keys)
    keys.write_text("short\n")
    n.until(lambda: "san-keys:1: a key is" in g.sw.err(), 30)
    ask("keys", "check", keys, code=INPUT)
    reload_each(g, lists, keys)
    end(g.sw)
    assert capture.stat().st_size > 200, "the capture holds nothing"
    events = {x["event"] for x in g.sw.lines()}
    assert {"guard", "drop", "service", "stats"} <= events, f"only {events}"


def two_guards():
    """guard and list: two instances to choose from, and one that was killed while its guard stays active"""
    g = k.Ground(mode="monitor")
    n.veth(g.a, "cli1", g.b, "srv1")
    other = n.Synward(g.b, "srv1", args=("--guard", "monitor"))
    for args in (("guard", "auto"), ("list", "add", "block", "198.18.9.0/24"), ("filter", "clear"), ("events",)):
        ask(*args, ns=g.b, code=USAGE)
        ask(*args, "-i", "no-such-one", ns=g.b, code=NOT_RUNNING)
    for args in (("guard",), ("list", "show", "block"), ("filter",), ("status",), ("flows",), ("flows", "--sort", "rate"),
                 ("flows", "--wide", "--sort", "handshake"), ("hist", "--of", "all"), ("hist", "--by", "server")):
        for more in ((), ("-A",), ("-i", "srv1")):
            shown = ask(*args, *more, ns=g.b)
            n.equal(f"{args} {more}", (f"pid {other.p.pid} (srv1)" in shown, f"pid {g.sw.p.pid} (" in shown), (True, "-i" not in more))
    watching = n.popen([n.SYNWARD, "flows", "--watch", "0.1"], g.b, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    n.started.append(watching)
    for _ in range(20):
        watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    n.equal("watch", (watching.wait(timeout=60), watching.stderr.read()), (0, b""))
    clean()
    dead = g.sw.p
    dead.kill()
    dead.wait()
    for args in (("guard",), ("guard", "status", "-j"), ("guard", "always"), ("list", "add", "block", "198.18.9.0/24")):
        ask(*args, "-p", dead.pid, ns=g.b)
    n.equal("of the dead one's list", "198.18.9.0/24" in ask("list", "show", "block", "-p", dead.pid), True)
    end(other)


def reload_each(g, lists, keys):
    """SIGHUP with good files, then with each kind of bad one."""
    def hup():
        before = len(g.sw.err())
        g.sw.p.send_signal(signal.SIGHUP)
        n.until(lambda: len(g.sw.err()) > before and g.sw.err().endswith("\n"))

    lists["block"].write_text("198.51.100.0/25\n")
    keys.write_text("ffeeddccbbaa99887766554433221100\n00112233445566778899aabbccddeeff\n")
    hup()
    lists["block"].write_text("not a prefix\n")
    hup()
    lists["block"].unlink()
    hup()
    keys.write_text("short\n")
    lists["block"].write_text("")
    hup()
    g.talk()


def frame(flags, sport, seq, ack=0, vlan=False):
    """Ethernet, one tag if asked, IPv4, TCP; checksums are 0, which --checksum=off allows."""
    tcp = struct.pack("!HHIIBBHHH", sport, 80, seq, ack, 5 << 4, flags, 1024, 0, 0) + b"data" * (flags == 16)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, b"\xc0\0\2\1", b"\xc0\0\2\2")
    return b"\2\0\0\0\0\1\2\0\0\0\0\2" + (b"\x81\0\0\5" if vlan else b"") + b"\x08\0" + ip + tcp


def captures():
    """A pcap and a pcapng of a few hundred frames."""
    frames = []
    for i in range(100):
        frames += [frame(2, 1000 + i, 100, vlan=i & 1), frame(16, 1000 + i, 101, 1, i & 1), frame(17, 1000 + i, 105, 1)]
    pcap = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
    ng = struct.pack("<IIIHHqI", 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0, -1, 28)
    ng += struct.pack("<IIHHII", 1, 20, 1, 0, 65535, 20)
    for i, f in enumerate(frames):
        pcap += struct.pack("<IIII", 1000 + i, i, len(f), len(f)) + f
        pad = f + b"\0" * (-len(f) % 4)
        ng += struct.pack("<IIIIIII", 6, 32 + len(pad), 0, 0, 1000000 + i, len(f), len(f)) + pad
        ng += struct.pack("<I", 32 + len(pad))
    return pcap, ng


def replaying():
    """replay: pcap and pcapng, both formats, from a pipe, cut short at many places, and no capture at all"""
    path = pathlib.Path(n.tmp.name, "san.cap")
    for whole in captures():
        path.write_bytes(whole)
        out = ask("replay", path, "--checksum=off", "--events", "conn,stats")
        n.equal("conn lines", sum(json.loads(x)["event"] == "conn" for x in out.splitlines()), 100)
        ask("replay", path, "--format", "text", "-C", "--interval", "1", "--update", "10")
        ask("replay", "-", input=whole, stdin=None)
        for cut in (0, 3, 20, 27, 33, 60, 100, len(whole) - 1):
            path.write_bytes(whole[:cut])
            ask("replay", path, code=INPUT)
    path.write_bytes(b"no capture" * 50)
    ask("replay", path, code=INPUT)
    with open("/dev/full", "wb") as full:
        path.write_bytes(whole)
        r = subprocess.run([n.SYNWARD, "replay", "--no-sandbox", path], stdout=full, stderr=subprocess.PIPE,
                           timeout=60, check=False)
    clean()
    n.equal(f"exit code ({r.stderr})", r.returncode, OUTPUT)


def link_types():
    """replay: each link type, both byte orders, microseconds and nanoseconds, frames shorter than their link header"""
    path = pathlib.Path(n.tmp.name, "san.links")
    links = {101: b"", 228: b"", 0: b"\2\0\0\0", 108: b"\0\0\0\2", 113: b"\0\0\0\1\0\6" + b"\0" * 8 + b"\x08\0",
             276: b"\x08\0\0\0\0\0\0\1\0\1\0\6" + b"\0" * 8, 1: b"\2" * 12 + b"\x08\0"}
    for i, (kind, head) in enumerate(links.items()):
        order, magic = "<>"[i & 1], (0xa1b2c3d4, 0xa1b23c4d)[i >> 1 & 1]
        out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, kind)
        for f in (head + frame(2, 4000, 100)[14:], head + frame(16, 4000, 101, 1)[14:], head[:3], head):
            out += struct.pack(order + "IIII", 1000, 7, len(f), len(f)) + f
        path.write_bytes(out)
        logged = [json.loads(x) for x in ask("replay", path, "-C", "--events", "conn,stats").splitlines()]
        conn = n.one([x for x in logged if x["event"] == "conn"], f"conn lines of link type {kind}")
        n.fields(conn, orig_ip="192.0.2.1", orig_port=4000, resp_port=80, orig_bytes=4)
        n.equal("nanoseconds", conn["ts"][-10:-1], "000000007" if magic == 0xa1b23c4d else "000007000")
    path.write_bytes(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 147))
    ask("replay", path, code=INPUT)


def commands():
    """helps, probe, wrong uses, starts that fail"""
    _, b = n.pair()
    ask("--version")
    ask("--help")
    for c in ("run", "replay", "flows", "status", "guard", "list", "probe"):
        ask(c, "--help")
        ask(c, "--nonsense", code=USAGE)
    ask("probe", "srv0", ns=b)
    ask("probe", "-j", ns=b)
    ask("probe", "nosuch0", ns=b, code=INTERFACE)
    for c in (("flows",), ("status",), ("guard",), ("list", "show", "block")):
        ask(*c, "-p", "1", ns=b, code=NOT_RUNNING)
    run = ("run", "-i", "srv0")
    junk = pathlib.Path(n.tmp.name, "san-junk")
    junk.write_text("junk\n")
    for args in (("--events", "nonsense"), ("--max-flows", "0"), ("--ring", "5"), ("--mode", "x"), ("--format", "x"),
                 ("--guard", "x"), ("--block", "10.0.0.1/8"), ("--guard", "auto", "--block", "10.0.0.1/8"),
                 ("--guard", "auto", "--protect", "1.2.3.4:0"), ("--guard", "auto", "--engage", "x=1"),
                 ("--likely-server-ports", "x"), ("--timeout-syn-sent", "-1"), ("--guard", "auto", "--mss", "5")):
        ask(*run, *args, ns=b, code=USAGE)
    for args in (("--block-file", "/nonexistent"), ("--allow-file", junk), ("--key-file", junk)):
        ask(*run, "--guard", "auto", *args, ns=b, code=INPUT)
    ask(*run, "--guard", "auto", "--capture", "/nonexistent/x", ns=b, code=OUTPUT)
    ask("run", "-i", "nosuch0", ns=b, code=INTERFACE)
    ask(*run, "-i", "nosuch0", ns=b, code=INTERFACE)
    with open("/dev/full", "wb") as full:
        sw = n.Synward(b, "srv0", args=("--interval", "0.2"), stdout=full, wait=False)
    end(sw, None, OUTPUT)


VALGRIND = ("valgrind", "-q", f"--error-exitcode={REPORTED}", "--leak-check=full",
            "--errors-for-leak-kinds=definite,possible",
            "--num-callers=25", f"--suppressions={TOP}/tests/valgrind.supp")


def valgrind():
    """valgrind: a replay, and a guarded run with traffic, without an error or a lost block

    The run without undefined values: valgrind 3.19 does not know the commands of bpf() that read maps in batches or BTF,
    and takes what the kernel wrote for undefined."""
    plain = f"{BUILD}/synward"
    path = pathlib.Path(n.tmp.name, "val.cap")
    path.write_bytes(captures()[0])
    r = subprocess.run([*VALGRIND, plain, "replay", path, "--no-sandbox", "--events", "conn", "-C"],
                       capture_output=True, timeout=120, check=False)
    n.equal(f"replay: exit code ({r.stderr.decode(errors='replace')[:3000]})", r.returncode, 0)
    n.equal("conn lines", len(r.stdout.splitlines()), 100)
    g = k.Ground(start=False)
    sw = n.Synward(g.b, "srv0", args=("--guard", "always"), prefix=(*VALGRIND, "--undef-value-errors=no"), binary=plain)
    for v in (4, 6):
        g.talk(v)
    code, shown = sw.stop(timeout=120), sw.err()
    shown = "\n".join(x for x in shown.splitlines() if "unhandled eBPF command" not in x)
    n.equal(f"run: exit code ({shown[:3500]})", code, 0)
    n.equal("errors logged", re.findall(r"^==\d+==.*", shown, re.M), [])
    n.equal("conn lines", sum(x["event"] == "conn" and x["resp_port"] == k.PORT for x in sw.lines()), 2)


if __name__ == "__main__":
    # valgrind is slow, and finds nothing that depends on the moment: once a night
    n.main(a_report_is_seen, tracking, guarding, two_guards, replaying, link_types, commands,
           *([valgrind] if "SW_TEST_LONG" in os.environ else []))
