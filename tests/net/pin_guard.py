#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""--pin with the guard: it continues to decide, with the same keys, lists, modes and counters, whoever reads its events."""
import json
import os
import subprocess

import kit as n
from kit import guard as k
from kit import pin as p

QUICK = ("--close-delay", "0.2", "--interval", "0.5")


def figures(pins, *args):
    """Status of each service, from the daemon that runs or ran last."""
    r = n.sh(n.SYNWARD, "guard", *args, "--json", "--pid", pins.daemons[-1].p.pid)
    return {x["service"]: x for x in map(json.loads, r.stdout.splitlines())}


def guard_command(pins, *args):
    n.sh(n.SYNWARD, *args, "--pid", pins.daemons[-1].p.pid)


def ground():
    g = k.Ground(start=False)
    n.take_replies(g.b, "srv0")
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", k.CLIENT[4], ns=g.b)
    return g


def lines_of(pins):
    every = [x for d in pins.daemons for x in d.whole()]
    n.equal("lost", n.check_seq(every), 0)
    return every


def stop(pins):
    n.equal(f"exit code ({pins.daemons[-1].err()})", pins.daemons[-1].stop(), 0)


def flooded():
    """a restart in a flood: it stays engaged, each client gets in, before, between and after, and its counters continue"""
    g = ground()
    args = ("--guard", "auto", "--engage", "half-open=100,syn-rate=1000000", "--hold", 20, "--protect", "7777", *QUICK)
    with p.Pins(g.b, "srv0") as pins:
        pins.start(*args)
        g.talk()
        flood = k.flood(g, 10_000_000, 5000)
        n.until(lambda: figures(pins)["10.66.0.2:7777"]["state"] == "engaged")
        clients = 0
        for _ in range(2):
            clients += talk(g)
            stop(pins)
            n.equal("state", figures(pins)["10.66.0.2:7777"]["state"], "engaged")
            clients += talk(g)
            pins.start(*args)
        clients += talk(g)
        flood.kill()
        flood.wait()
        sent = figures(pins)["10.66.0.2:7777"]
        n.until(lambda: sum(x["event"] == "conn" and x["via"] == "cookie" and x["conn_state"] == "SF"
                            for x in lines_of(pins)) == clients, 20)
        stop(pins)
        lines = lines_of(pins)
        n.equal("changes", [x["to"] for x in lines if x["event"] == "guard"], ["engaged"])
        n.equal("cookies accepted", sent["cookies_accepted"], clients)
        last = [x for x in lines if x["event"] == "service"][-1]
        if last["cookies_sent"] < sent["cookies_sent"]:
            raise AssertionError("the counters went back")
        n.equal("uids logged twice", [u for u in uids(lines) if uids(lines).count(u) > 1], [])
        pins.unpin()
        n.equal("hooks", n.hooks_on(g.b, "srv0"), [])
        g.talk()


def uids(lines):
    return [x["uid"] for x in lines if x["event"] == "conn"]


def talk(g, times=4):
    for _ in range(times):
        g.talk()
    return times


def on_their_way():
    """a cookie that was sent before the restart is good after it, and another daemon's random keys are not needed"""
    g = ground()
    with p.Pins(g.b, "srv0") as pins:
        pins.start("--guard", "always")
        peers = [k.Peer(g, v, sport=40000 + v) for v in (4, 6)]
        answers = [k.stamp(x.syn(k.TS)) for x in peers]
        stop(pins)
        pins.start("--guard", "always")
        for x, options in zip(peers, answers):
            x.say("A", options=options)
            assert k.accepted(g.listeners[x.v, k.PORT]), "the cookie was not accepted"
            x.close()
        stop(pins)
        pins.unpin()


def what_was_logged():
    """modes, list entries and limits that were set while it ran stay; what the next command line says counts"""
    g = ground()
    block = os.path.join(n.tmp.name, "block")
    with open(block, "w", encoding="ascii") as f:
        f.write("192.0.2.0/24\n")
    with p.Pins(g.b, "srv0") as pins:
        pins.start("--guard", "always", "--block-file", block, "--block", "198.51.100.0/24")
        guard_command(pins, "guard", "off", "10.66.0.2:7777")
        guard_command(pins, "list", "add", "block", "203.0.113.0/24")
        stop(pins)
        guard_command(pins, "list", "add", "allow", "203.0.113.7")  # without a daemon, too
        pins.start("--guard", "always", "--block-file", block, "--limit-source", "1000")
        modes = {s: x["mode"] for s, x in figures(pins).items()}
        n.equal("modes", modes, {"10.66.0.2:7777": "off", "[fd66::2]:7777": "always"})
        n.equal("block list", cidrs(pins, "block"), {"192.0.2.0/24": ["file"], "203.0.113.0/24": ["command"]})
        n.equal("allow list", cidrs(pins, "allow"), {"203.0.113.7/32": ["command"]})
        stop(pins)
        pins.start("--guard", "monitor")
        n.equal("modes", {x["mode"] for x in figures(pins).values()}, {"monitor"})
        stop(pins)
        pins.refused(p.PINS, "--pin=" + pins.name, says="with --guard")
        pins.unpin()


def untouched():
    """a start that is refused, at whatever point, leaves modes, thresholds, lists, keys and services as they were"""
    g = ground()
    files = {"b": "192.0.2.0/24\n", "other": "192.0.2.0/25\n203.0.113.0/24\n", "keys": "%032x\n" % 0x1234}
    for name, text in files.items():
        files[name] = os.path.join(n.tmp.name, name)
        with open(files[name], "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(text)
    args = ("--guard", "auto", "--block-file", files["b"], "--block", "198.51.100.0/24")
    others = ("--guard", "monitor", "--allow", "198.51.100.7/32", "--key-file",
              files["keys"], "--limit-source", 7, "--hold", 33, "--protect", 9999, "--mss", 1000, "--wscale", 3)
    with p.Pins(g.b, "srv0") as pins:
        pins.start(*args)
        stop(pins)
        before = settings(pins)
        full = os.path.join(n.tmp.name, "full")
        with open(full, "w", encoding="ascii") as f:
            f.writelines(f"10.{i >> 12}.{i >> 4 & 255}.{(i & 15) << 4}/28\n" for i in range((1 << 20) - 1))
        other = ("--block-file", files["other"])
        for how, code in ((("--capture", "/nodir/x", *other), OUTPUT), (("--mode", "generic", *other), p.PINS),
                          (("--block-file", full, "--block", "2001:db8::/32", "--block", "2001:db9::/32"), MEMORY)):
            pins.refused(code, f"--pin={pins.name}", *others, *how)
            same(f"after {how[0]}", settings(pins), before)
        pins.start(*args)
        n.equal("modes", {x["mode"] for x in figures(pins).values()}, {"auto"})
        n.equal("block list", cidrs(pins, "block"), {"192.0.2.0/24": ["file"], "198.51.100.0/24": ["option"]})
        stop(pins)
        pins.unpin()


OUTPUT, MEMORY = 9, 10  # src/base/exit.h


def settings(pins):
    """All that a start changes in the pinned maps, as it stands there."""
    return {m: json.loads(n.sh("bpftool", "-j", "map", "dump", "pinned", pins.dir / m).stdout)
            for m in ("guard", "keys", "services", "svc_ports", "allow", "block")}


def same(when, got, want):
    for name, rows in want.items():
        n.equal(f"elements of {name} that changed {when}",
                [(a, b) for a, b in zip(rows, got[name]) if a["value"] != b["value"]][:2], [])
        n.equal(f"entries of {name} {when}", len(got[name]), len(rows))


KEY_SLOT, SINCE = 76, 32  # of struct sw_guard and sw_keys, include/synward_guard.h


def old_key():
    """random keys are renewed when they are an hour old, not an hour after the last restart"""
    g = ground()
    with p.Pins(g.b, "srv0") as pins:
        for _ in range(2):
            pins.start("--guard", "auto")
            stop(pins)
        slot, key = key_in_use(pins)
        since = int.from_bytes(key[SINCE:SINCE + 4], "little")
        key[SINCE:SINCE + 4] = ((since - 60) % (1 << 32)).to_bytes(4, "little")  # 69 minutes older
        n.sh("bpftool", "map", "update", "pinned", pins.dir / "keys", "key", "hex", "%02x" % slot, "0", "0", "0",
             "value", "hex", *["%02x" % x for x in key])
        pins.start("--guard", "auto")
        n.until(lambda: key_in_use(pins)[0] != slot)
        n.equal("the older of the two keys", key_in_use(pins)[1][:16], key[16:32])
        stop(pins)
        slot = key_in_use(pins)[0]
        pins.start("--guard", "auto")
        stop(pins)
        n.equal("slot after one more restart", key_in_use(pins)[0], slot)
        pins.unpin()


def key_in_use(pins):
    maps = settings(pins)
    slot = octets(maps["guard"][0])[KEY_SLOT]
    return slot, octets(maps["keys"][slot])


def octets(row):
    return bytearray(int(x, 16) for x in row["value"])


def cidrs(pins, which):
    r = n.sh(n.SYNWARD, "list", "show", which, "--json", "--pid", pins.daemons[-1].p.pid)
    return {x["cidr"]: x["from"] for x in map(json.loads, r.stdout.splitlines())}


def same_places():
    """what is in pinned tables is found by the next daemon: the key of their hashes stays; another start has another"""
    g = ground()
    seen = []
    for sport in (40004, 40005):
        with p.Pins(g.b, "srv0") as pins:
            pins.start("--guard", "always")
            first = hash_key(pins)
            peer = k.Peer(g, 4, sport=sport)
            options = k.stamp(peer.syn(k.TS))
            peer.say("A", options=options)
            server = k.accepted(g.listeners[4, k.PORT])
            assert server, "the cookie was not accepted"
            for _ in range(2):
                stop(pins)
                pins.start("--guard", "always")
                n.equal("key of the hashes", hash_key(pins), first)
                before = figures(pins)["10.66.0.2:7777"]["passed_known"]
                peer.say("S")
                n.until(lambda: figures(pins)["10.66.0.2:7777"]["passed_known"] == before + 1)
            server.close()
            peer.close()
            stop(pins)
            pins.unpin()
        seen.append(first)
    if seen[0] == seen[1] or not any(seen[0]):
        raise AssertionError(f"keys of two starts: {seen}")


def hash_key(pins):
    return octets(json.loads(n.sh("bpftool", "-j", "map", "dump", "pinned", pins.dir / "hash_key").stdout)[0])


def unpinned():
    """unpin while engaged, and clients connect all the time: none fails"""
    g = ground()
    with p.Pins(g.b, "srv0") as pins:
        pins.start("--guard", "always")
        stop(pins)
        unpin, failed = None, []
        for i in range(40):
            if i == 20:
                cmd = ["nsenter", f"--net=/run/netns/{g.b}", n.SYNWARD, "unpin", pins.name]
                unpin = subprocess.Popen(cmd)
                n.started.append(unpin)
            try:
                g.talk()
            except (OSError, AssertionError) as e:
                failed.append(repr(e))
        n.equal("exit code", unpin.wait(timeout=20), 0)
        n.equal("failed", failed, [])
        n.equal("hooks", n.hooks_on(g.b, "srv0"), [])


if __name__ == "__main__":
    n.main(flooded, on_their_way, what_was_logged, untouched, old_key, same_places, unpinned)
