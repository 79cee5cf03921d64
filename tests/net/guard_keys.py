#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Keys and clocks of the guard's cookies: shared by two hosts, read again, kept secret; a clock that steps."""
import json
import os
import pathlib
import re
import secrets
import signal
import struct
import time

import kit as n
from kit import guard as k


def a_map(sw, name):
    """Id of a map of its ingress program."""
    prog = re.search(r"prog_ingress=(\d+)", sw.instance()).group(1)
    for i in json.loads(n.sh("bpftool", "-j", "prog", "show", "id", prog).stdout)["map_ids"]:
        if json.loads(n.sh("bpftool", "-j", "map", "show", "id", i).stdout).get("name") == name:
            return i
    raise RuntimeError(f"no map {name}")


def set_clock(sw, offset):
    """As the daemon does when the wall clock is set: sw_guard.clock_offset, the eighth word."""
    i = a_map(sw, "guard")
    raw = bytes(int(x, 16) for x in json.loads(n.sh("bpftool", "-j", "map", "dump", "id", i).stdout)[0]["value"])
    raw = raw[:56] + struct.pack("<Q", offset & (1 << 64) - 1) + raw[64:]
    n.sh("bpftool", "map", "update", "id", i, "key", "hex", *["00"] * 4, "value", "hex", *[f"{x:02x}" for x in raw])


EPOCH = 1 << 36


def clock_steps():
    """the clock steps while a cookie is on its way: within its lifetime it counts, later it is logged as expired"""
    g = k.Ground()
    k.talks(g, 1)
    for step, ok in ((0, True), (EPOCH, True), (2 * EPOCH, False), (-EPOCH, False), (200 * EPOCH, False)):
        p = k.Peer(g, 4, sport=45000 + step // EPOCH % 1000)
        base = 10 * EPOCH + EPOCH // 2 - time.clock_gettime_ns(time.CLOCK_MONOTONIC) % EPOCH
        set_clock(g.sw, base)
        answer = k.stamp(p.syn(k.TS))
        set_clock(g.sw, base + step)
        before = g.figures()
        p.say("A", options=answer)
        s = k.accepted(g.listeners[4, k.PORT], 1 if ok else 0.3)
        n.equal(f"accepted after {step // EPOCH} epochs", bool(s), ok)
        after = g.figures()
        want = "drop_cookie_expired" if step == 2 * EPOCH else "drop_cookie_bad"
        if not ok:
            n.equal(f"{want} after {step // EPOCH} epochs", after[want] - before[want], 1)
        p.close()
    k.talks(g)
    g.finish()


def keys(text, name="keys"):
    path = pathlib.Path(n.tmp.name) / name
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
    return path


def two_hosts():
    """two hosts with one key file: a cookie of one opens a connection at the other; with other keys it does not"""
    a, b, b2 = (n.new_ns(x) for x in ("a", "b", "c"))
    path, other = keys(secrets.token_hex(16) + "\n"), keys(secrets.token_hex(16) + "\n", "other")
    grounds = []
    for i, (ns, file) in enumerate(((b, path), (b2, path))):
        n.quiet(ns)
        n.veth(a, f"cli{i}", ns, "srv0")
        n.addr(ns, "srv0", "10.66.0.2/16", "fd66::2/64")
        side = k.Ground.__new__(k.Ground)
        side.a, side.b, side.dev = a, ns, f"cli{i}"
        side.listeners = {(v, k.PORT): n.listen(ns, k.SERVER[v], k.PORT) for v in (4, 6)}
        side.macs = [json.loads(n.sh("ip", "-j", "link", "show", "dev", d, ns=x).stdout)[0]["address"]
                     for x, d in ((a, f"cli{i}"), (ns, "srv0"))]
        side.sw = n.Synward(ns, "srv0", args=("--guard", "always", "--key-file", file))
        grounds.append(side)
    for v in (4, 6):
        one, two = (k.Peer(x, v, sport=46000, dev=x.dev) for x in grounds)
        answer = k.stamp(one.syn(k.TS))
        two.syn(k.TS)  # engages that one
        two.seq, two.ack = one.seq, one.ack
        two.say("A", options=answer)
        s = k.accepted(grounds[1].listeners[v, k.PORT])
        assert s, f"v{v}: the other host did not take the cookie"
        s.sendall(b"from the other")
        assert two.hear(want=lambda t: b"from the other" in bytes(t.payload)), "its data did not come"
        n.equal(f"v{v} opened at the first", bool(k.accepted(grounds[0].listeners[v, k.PORT], 0.1)), False)
        one.close()
        two.close()
    os.replace(other, path)  # the second reads another key
    grounds[1].sw.p.send_signal(signal.SIGHUP)
    n.until(lambda: "files reloaded" in grounds[1].sw.err(), 5)
    one, two = (k.Peer(x, 4, sport=46001, dev=x.dev) for x in grounds)
    answer = k.stamp(one.syn(k.TS))
    two.syn(k.TS)
    two.seq, two.ack = one.seq, one.ack
    two.say("A", options=answer)
    n.equal("taken with another key", bool(k.accepted(grounds[1].listeners[4, k.PORT], 0.3)), False)
    for x in grounds:
        n.equal("exit code", x.sw.stop(), 0)
        x.sw.lines()


def key_file_gone():
    """the key file is gone at SIGHUP: one line, the keys stay; a bad one too; a new one counts, old cookies as well"""
    key = secrets.token_hex(16)
    path = keys(key + "\n")
    g = k.Ground("--key-file", path)
    k.talks(g, 1)
    p = k.Peer(g, 4)
    answer = k.stamp(p.syn(k.TS))
    path.unlink()
    g.sw.p.send_signal(signal.SIGHUP)
    n.until(lambda: "are unchanged" in g.sw.err(), 5)
    path.write_text("nonsense\n", encoding="ascii")
    path.chmod(0o600)
    g.sw.p.send_signal(signal.SIGHUP)
    n.until(lambda: g.sw.err().count("are unchanged") == 2, 5)
    assert re.search(rf"{path}:1: ", g.sw.err()), g.sw.err()
    p.say("A", options=answer)
    assert k.accepted(g.listeners[4, k.PORT]), "the cookie was lost with the file"
    k.talks(g)
    path.write_text(f"{key}\n@{int(time.time()) + 3600} {secrets.token_hex(16)}\n", encoding="ascii")
    path.chmod(0o600)
    g.sw.p.send_signal(signal.SIGHUP)
    n.until(lambda: "2 keys" in g.sw.err(), 5)
    k.talks(g)
    g.finish()


def secret():
    """the keys are neither in the process's memory, nor in what it prints, nor can it dump core"""
    key = secrets.token_hex(16)
    g = k.Ground("--key-file", keys(key + "\n"))
    k.talks(g)
    raw = bytes.fromhex(key)
    found = in_memory(g.sw.p.pid, (raw, raw[:8], raw[8:], raw[::-1], raw[:8][::-1], key.encode(), key[:16].encode()))
    n.equal("pieces of the key in memory", found, [])
    assert in_memory(g.sw.p.pid, (b"synward",)), "the search finds nothing at all"
    i = a_map(g.sw, "keys")
    shown = json.dumps(json.loads(n.sh("bpftool", "-j", "map", "dump", "id", i).stdout))
    values = set(re.findall(r"0x([0-9a-f]{2})", shown))
    assert {f"{x:02x}" for x in raw} <= values, "the key is not where it should be"
    limits = pathlib.Path(f"/proc/{g.sw.p.pid}/limits").read_text(encoding="ascii")
    assert re.search(r"Max core file size +0 +0", limits), limits
    n.equal("owner of /proc/PID/mem (root: not dumpable)", os.stat(f"/proc/{g.sw.p.pid}/mem").st_uid, 0)
    g.finish()
    for text in (g.sw.err(), pathlib.Path(g.sw.path).read_text(encoding="utf-8")):
        assert key not in text and key[:16] not in text, "the key was printed"


def in_memory(pid, needles):
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, perms = line.split()[:2]
            first, last = (int(x, 16) for x in span.split("-"))
            if "r" not in perms or line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            try:
                mem.seek(first)
                data = mem.read(last - first)
            except (OSError, ValueError, OverflowError):
                continue
            found += [(line.strip(), x.hex()) for x in needles if x in data]
    return found


if __name__ == "__main__":
    n.main(clock_steps, two_hosts, key_file_gone, secret)
