#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A sandboxed synward from start to end: what it kept, and that nothing it does is refused."""
import os
import pathlib
import signal
import socket
import subprocess
import time

from scapy.utils import wrpcap

import kit as n
from kit import guard as g
from kit.guard import IP, TCP, Ether

NET_ADMIN, DAC_READ_SEARCH = 1 << 12, 1 << 2
KEYS = "0123456789abcdef0123456789abcdef\n"


def status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def sandboxed(sw):
    """Waits until the filter is there, which comes last; its status then."""
    n.until(lambda: status(sw.p.pid)["Seccomp"] == "2")
    return status(sw.p.pid)


def kept(sw, caps):
    s = sandboxed(sw)
    for name in ("CapEff", "CapPrm"):
        n.equal(name, int(s[name], 16), caps)
    for name in ("CapBnd", "CapInh", "CapAmb"):
        n.equal(name, int(s[name], 16), 0)
    n.equal("NoNewPrivs", s["NoNewPrivs"], "1")
    n.at_least("Seccomp_filters", int(s.get("Seccomp_filters", "1")), 1)


def not_refused(sw):
    """Nothing on stderr speaks of a refusal, its own or the kernel's."""
    for word in ("seccomp", "not permitted", "denied", "still attached"):
        if word in sw.err():
            raise AssertionError(f"stderr: {sw.err()!r}")


def gone(ns, dev, sw):
    not_refused(sw)
    n.equal(f"attached to {dev}", n.hooks_on(ns, dev), [])
    if os.path.exists(f"/run/synward/{sw.p.pid}.instance"):
        raise AssertionError("the instance file stayed")


def files(**text):
    """Files of these names and texts, as options' values; keys are for root alone."""
    paths = {}
    for name, content in text.items():
        paths[name] = os.path.join(n.tmp.name, name)
        pathlib.Path(paths[name]).write_text(content)
        os.chmod(paths[name], 0o600)
    return paths


def talk(a, listener):
    c, s = n.open_pair(a, listener)
    c.sendall(b"through")
    n.read_n(s, 7)
    c.close()
    s.close()


def tracker():
    """the tracker keeps CAP_NET_ADMIN alone, and follows, sweeps, logs and detaches with it"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    sw = n.Synward(b, "srv0", args=("--interval", "0.2", "--close-delay", "0.1", "-vv"))
    kept(sw, NET_ADMIN)
    for _ in range(5):
        talk(a, listener)
    sw.wait_for(lambda x: x["event"] == "conn")
    n.until(lambda: "capabilities kept net_admin, " in sw.err())
    n.equal("exit code", sw.stop(), 0)
    lines = sw.lines()
    n.equal("events lost", n.check_seq(lines), 0)
    n.equal("conn lines", len([x for x in lines if x["event"] == "conn"]), 5)
    for word in ("seccomp denied system call", "still attached"):
        if word in sw.err():
            raise AssertionError(sw.err())
    n.equal("attached", n.hooks_on(b, "srv0"), [])


def guard():
    """the guard's whole life: cookies, SIGHUP, modes, lists, a new listener, its capture, a renamed interface"""
    paths = files(key=KEYS, block="192.0.2.0/24\n", allow="198.51.100.0/24\n")
    capture = os.path.join(n.tmp.name, "capture")
    ground = g.Ground("--key-file", paths["key"], "--block-file", paths["block"], "--allow-file", paths["allow"],
                      "--capture", capture, "--interval", "0.5", "--events", "all")
    sw = ground.sw
    kept(sw, NET_ADMIN)
    for v in (4, 6):
        ground.talk(v)
    pathlib.Path(paths["block"]).write_text("192.0.2.0/24\n203.0.113.0/24\n")
    sw.p.send_signal(signal.SIGHUP)
    n.until(lambda: "2 in the block list, 1 key" in sw.err())
    g.guard(sw, "list", "add", "block", "10.66.0.99/32")
    for mode in ("off", "monitor", "auto", "always"):
        g.guard(sw, mode)
        ground.talk()
    later = n.listen(ground.b, "10.66.0.2", 7778)
    n.until(lambda: "10.66.0.2:7778" in g.services(sw))
    talk(ground.a, later)
    n.sh("ip", "link", "set", "dev", "srv0", "name", "a-longer-name0", ns=ground.b)
    n.until(lambda: "a-longer-name0" in sw.instance())
    n.sh("ip", "link", "set", "dev", "a-longer-name0", "name", "s0", ns=ground.b)
    n.until(lambda: sw.instance().rstrip("\n").endswith(" s0"))
    n.equal("status", g.counters(sw)["ifaces"][0]["name"] if "ifaces" in g.counters(sw) else "s0", "s0")
    ground.talk()
    n.equal("exit code", sw.stop(), 0)
    n.equal("events lost", n.check_seq(sw.lines()), 0)
    n.at_least("bytes of the capture", os.path.getsize(capture), 28)
    gone(ground.b, "s0", sw)


def foreign_list():
    """a list that only its owner may read, not root: CAP_DAC_READ_SEARCH stays, and SIGHUP reads it"""
    path = files(theirs="192.0.2.0/24\n")["theirs"]
    os.chown(path, 65534, 65534)
    ground = g.Ground("--block-file", path)
    kept(ground.sw, NET_ADMIN | DAC_READ_SEARCH)
    pathlib.Path(path).write_text("192.0.2.0/24\n203.0.113.0/24\n")
    ground.sw.p.send_signal(signal.SIGHUP)
    n.until(lambda: "2 in the block list" in ground.sw.err())
    ground.talk()
    n.equal("exit code", ground.sw.stop(), 0)
    gone(ground.b, "srv0", ground.sw)


def duration():
    """--duration ends a sandboxed one"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    sw = n.Synward(b, "srv0", args=("--duration", "2"))
    kept(sw, NET_ADMIN)
    talk(a, listener)
    n.equal("exit code", sw.p.wait(timeout=20), 0)
    gone(b, "srv0", sw)


def deleted():
    """the interface goes: exit 4, and no refusal on the way"""
    _, b = n.pair()
    sw = n.Synward(b, "srv0")
    sandboxed(sw)
    n.sh("ip", "link", "del", "srv0", ns=b)
    n.equal("exit code", sw.p.wait(timeout=15), 4)
    not_refused(sw)


def disk_full():
    """a full disk: exit 9, detached"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    with open("/dev/full", "wb") as full:
        sw = n.Synward(b, "srv0", stdout=full)
    talk(a, listener)
    n.equal("exit code", sw.p.wait(timeout=15), 9)
    gone(b, "srv0", sw)


def reader_goes():
    """pipe and socket as standard output, and a reader that goes away"""
    for make in (os.pipe, lambda: [s.detach() for s in socket.socketpair()]):
        a, b = n.pair()
        listener = n.listen(b, "10.66.0.2", 7777)
        r, w = make()
        sw = n.Synward(b, "srv0", stdout=w)
        os.close(w)
        sandboxed(sw)
        talk(a, listener)
        if not os.read(r, 1):
            raise AssertionError("no line came")
        os.close(r)
        talk(a, listener)
        n.equal("exit code", sw.p.wait(timeout=15), 0)
        gone(b, "srv0", sw)
        n.cleanup()


def crash():
    """its own crash: SIGABRT ends it, and the next start takes over"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    sw = n.Synward(b, "srv0")
    sandboxed(sw)
    n.equal("exit", sw.stop(signal.SIGABRT), -signal.SIGABRT)
    talk(a, listener)
    sw = n.Synward(b, "srv0")
    talk(a, listener)
    n.equal("exit code", sw.stop(), 0)
    gone(b, "srv0", sw)


def switched_off():
    """--no-sandbox keeps everything"""
    _, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--no-sandbox", "--interval", "0.2"))
    sw.wait_for(lambda x: x["event"] == "stats", timeout=20)
    n.equal("Seccomp", status(sw.p.pid)["Seccomp"], status(os.getpid())["Seccomp"])
    n.equal("CapEff", status(sw.p.pid)["CapEff"], status(os.getpid())["CapEff"])
    n.equal("exit code", sw.stop(), 0)


def three_capabilities():
    """with CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON alone the bounding set stays as it was, the rest goes"""
    _, b = n.pair()
    err = os.path.join(n.tmp.name, "err")
    caps = "+net_admin,+bpf,+perfmon"
    with open(err, "wb") as f:
        p = subprocess.Popen(["nsenter", f"--net=/run/netns/{b}", "setpriv", f"--bounding-set=-all,{caps}",
                              n.SYNWARD, "run", "-i", "srv0", "-vv", "--duration", "2"], stdout=subprocess.DEVNULL,
                             stderr=f)
    n.started.append(p)
    n.until(lambda: status(p.pid)["Seccomp"] == "2")
    n.equal("CapEff", int(status(p.pid)["CapEff"], 16), NET_ADMIN)
    n.equal("exit code", p.wait(timeout=20), 0)
    shown = pathlib.Path(err).read_text()
    if "bounding set untouched" not in shown or "denied" in shown:
        raise AssertionError(shown)
    n.equal("attached", n.hooks_on(b, "srv0"), [])


def replay():
    """replay keeps no capability at all, and reads a pipe to its end"""
    r, w = os.pipe()
    out = os.path.join(n.tmp.name, "replayed")
    with open(out, "wb") as f, open(out + ".err", "wb") as err:
        p = subprocess.Popen([n.SYNWARD, "replay", "-vv", "-"], stdin=r, stdout=f, stderr=err)
    n.started.append(p)
    os.close(r)
    header = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + b"\0" * 8 + b"\xff\xff\0\0" + b"\x01\0\0\0"
    os.write(w, header)
    n.until(lambda: status(p.pid)["Seccomp"] == "2")
    for name in ("CapEff", "CapPrm", "CapBnd"):
        n.equal(name, int(status(p.pid)[name], 16), 0)
    frame = bytes(12) + b"\x08\x00" + bytes(46)
    for second in range(100):
        os.write(w, second.to_bytes(4, "little") + bytes(4) + len(frame).to_bytes(4, "little") * 2 + frame)
    os.close(w)
    n.equal("exit code", p.wait(timeout=20), 0)
    shown = pathlib.Path(out + ".err").read_text()
    if "seccomp denied system call" in shown or "capabilities kept none" not in shown:
        raise AssertionError(shown)


def zone():
    """text has the times of the zone, which is read before the sandbox: replay, run; TZ, /etc/localtime, a locale; --utc"""
    path = os.path.join(n.tmp.name, "refused.pcap")
    ends = IP(src="192.0.2.1", dst="192.0.2.2")
    packets = [Ether() / ends / TCP(sport=40000, dport=80, flags="S", seq=1),
               Ether() / IP(src=ends.dst, dst=ends.src) / TCP(sport=80, dport=40000, flags="RA", ack=2)]
    for packet in packets:
        packet.time = 1000000000
    wrpcap(path, packets)
    clean = {k: v for k, v in os.environ.items() if k not in ("TZ", "LC_ALL", "LANG")}
    here = time.localtime(1000000000)
    for env, args, date, clock in (
            ({"TZ": "Asia/Kathmandu"}, (), "# 2001-09-09, times in UTC+05:45", "07:31:40.000 "),
            ({"TZ": "Asia/Kathmandu", "LC_ALL": "C.UTF-8"}, (), "# 2001-09-09, times in UTC+05:45", "07:31:40.000 "),
            ({"TZ": "Asia/Kathmandu"}, ("--utc",), "# 2001-09-09, times in UTC", "01:46:40.000 "),
            ({"TZ": "Asia/Kathmandu"}, ("--wide",), "# 2001-09-09, times in UTC+05:45", "2001-09-09 07:31:40.000000 "),
            ({}, (), time.strftime("# %Y-%m-%d, times in ", here), time.strftime("%H:%M:%S.000 ", here))):
        r = subprocess.run([n.SYNWARD, "replay", "--format", "text", *args, path], env={**clean, **env},
                           capture_output=True, text=True, timeout=60, check=True)
        n.equal("stderr", r.stderr, "")
        first, second = r.stdout.split("\n")[:2]
        if not (first == date or not env and first.startswith(date)) or not second.startswith(clock):
            raise AssertionError(f"{env} {args}: {date} {clock} is not how this begins: {r.stdout!r}")
    a, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--format", "text"), env={"TZ": "XXX-05:45"})
    talk(a, n.listen(b, g.SERVER[4], 7777))
    n.equal("exit code", sw.stop(), 0)
    n.equal("stderr", sw.err(), "")
    # the minute differs from every whole zone's
    minutes = {time.strftime("%H:%M", time.gmtime(time.time() + 20700 - 60 * back)) for back in range(3)}
    shown = pathlib.Path(sw.path).read_text()
    first, second = shown.split("\n")[:2]
    if not first.endswith(", times in XXX (UTC+05:45)") or second[:5] not in minutes:
        raise AssertionError(f"none of {minutes}: {shown}")


if __name__ == "__main__":
    n.main(tracker, guard, foreign_list, duration, deleted, disk_full, reader_goes, crash, switched_off,
           three_capabilities, replay, zone)
