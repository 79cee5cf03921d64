# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Namespaces, real kernels and a real synward, for the tests beside this file.

    pair()     +------- a -------+         +------- b -------+
               | client          |  veth   |          server |
               | 10.66.0.1/16    o=========o    10.66.0.2/16 |   synward runs in b, on the veth
               | fd66::1/64      |         |      fd66::2/64 |
               +-----------------+         +-----------------+

    routed()   +------- a -------+         +------- r -------+         +------- b -------+
               | 10.66.0.1/24    o=========o .254       .254 o=========o    10.67.0.2/24 |
               | fd66::1/64      |         | ::fe       ::fe |         |      fd67::2/64 |
               +-----------------+         +-----------------+         +-----------------+
                                             synward runs in r, on both

One process drives both ends: a socket stays in the namespace in which it was made, so a test says step by
step who does what. Offloads are off, so that packets and bytes are exact. Names end in the process id;
everything is removed at exit, also after a failure or a signal.
"""
import atexit
import ctypes
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

TOP = pathlib.Path(__file__).resolve().parents[2]
SYNWARD = os.environ.get("SW_TEST_SYNWARD", str(TOP / "build/synward"))  # another: built to be watched or measured
CLONE_NEWNET = 0x40000000
SLOW = float(os.environ.get("SW_TEST_SLOW", "1"))  # what waits are multiplied by, where a kernel is emulated
libc = ctypes.CDLL(None, use_errno=True)
tmp = tempfile.TemporaryDirectory(prefix="synward-test-")
made, started, peers = [], [], {}


def sh(*args, ns=None, check=True, **kw):
    """Runs a command, in a namespace if given. bpffs stays visible: nsenter, not ip netns exec."""
    args = [str(a) for a in args]
    if ns:
        args = ["nsenter", f"--net=/run/netns/{ns}"] + args
    r = subprocess.run(args, capture_output=True, text=True, timeout=60 * SLOW, check=False, **kw)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(args)}: exit {r.returncode}: {r.stderr.strip()}")
    return r


def cleanup():
    for p in started:
        if p.poll() is None:
            p.kill()
            p.wait()
        # what a killed synward leaves for the next one on its interface, which goes with its namespace
        pathlib.Path(f"/run/synward/{p.pid}.instance").unlink(missing_ok=True)
    for ns in made:
        subprocess.run(["ip", "netns", "del", ns], capture_output=True, check=False)
    made.clear()
    peers.clear()


atexit.register(cleanup)
for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(sig, lambda n, f: sys.exit(128 + n))


def new_ns(name):
    ns = f"sw-{name}-{os.getpid()}"
    sh("ip", "netns", "add", ns)
    made.append(ns)
    sh("ip", "link", "set", "lo", "up", ns=ns)
    return ns


def quiet(ns):
    """No traffic of the kernel's own, no waiting for duplicate address detection."""
    for k, v in (("ipv6.conf.all.accept_dad", 0), ("ipv6.conf.default.accept_dad", 0),
                 ("ipv6.conf.default.router_solicitations", 0), ("ipv4.ip_local_port_range", "10000 65000")):
        sh("sysctl", "-qw", f"net.{k}={v}", ns=ns, check=False)


def veth(ns_a, if_a, ns_b, if_b):
    sh("ip", "link", "add", if_a, "netns", ns_a, "type", "veth", "peer", "name", if_b, "netns", ns_b)
    for ns, dev in ((ns_a, if_a), (ns_b, if_b)):
        sh("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off", ns=ns)
        sh("ip", "link", "set", dev, "up", ns=ns)
    peers[ns_a, if_a], peers[ns_b, if_b] = (ns_b, if_b), (ns_a, if_a)


def take_replies(ns, dev):
    """What XDP sends back on a veth arrives only if the other end has an XDP program, too."""
    peer = peers.get((ns, dev))
    if peer and not xdp_on(*peer):
        sh(TOP / "build/tests/tool_xdp_pass", peer[1], ns=peer[0])


def addr(ns, dev, *addrs):
    for a in addrs:
        sh("ip", "addr", "add", a, "dev", dev, *(["nodad"] if ":" in a else []), ns=ns)


def pair():
    a, b = new_ns("a"), new_ns("b")
    quiet(a)
    quiet(b)
    veth(a, "cli0", b, "srv0")
    addr(a, "cli0", "10.66.0.1/16", "fd66::1/64")
    addr(b, "srv0", "10.66.0.2/16", "fd66::2/64")
    warm(a, "10.66.0.2", "fd66::2")
    return a, b


def routed():
    a, r, b = new_ns("a"), new_ns("r"), new_ns("b")
    for ns in (a, r, b):
        quiet(ns)
    veth(a, "cli0", r, "rta")
    veth(r, "rtb", b, "srv0")
    addr(a, "cli0", "10.66.0.1/24", "fd66::1/64")
    addr(r, "rta", "10.66.0.254/24", "fd66::fe/64")
    addr(r, "rtb", "10.67.0.254/24", "fd67::fe/64")
    addr(b, "srv0", "10.67.0.2/24", "fd67::2/64")
    for ns, v4, v6 in ((a, "10.66.0.254", "fd66::fe"), (b, "10.67.0.254", "fd67::fe")):
        sh("ip", "route", "add", "default", "via", v4, ns=ns)
        sh("ip", "-6", "route", "add", "default", "via", v6, ns=ns)
    sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", ns=r)
    warm(a, "10.67.0.2", "fd67::2")
    return a, r, b


def warm(ns, *addrs):
    """Neighbours are resolved before the test, so that no SYN waits or is sent again."""
    for a in addrs:
        for _ in range(50):
            s = tcp(ns, ":" in a)
            s.settimeout(0.5)
            try:
                s.connect((a, 1))
            except ConnectionRefusedError:
                break
            except OSError:
                time.sleep(0.1)
            finally:
                s.close()
        else:
            raise RuntimeError(f"{a} does not answer in {ns}")


class Inside:
    """with Inside(ns): what this thread opens is opened there."""

    def __init__(self, ns):
        self.ns = ns

    def __enter__(self):
        self.back = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.ns}", os.O_RDONLY)
        if libc.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(there)

    def __exit__(self, *_):
        libc.setns(self.back, CLONE_NEWNET)
        os.close(self.back)


def tcp(ns, v6=False):
    with Inside(ns):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(10)
    return s


def listen(ns, ip, port, backlog=1024):
    s = tcp(ns, ":" in ip)
    s.bind((ip, port))
    s.listen(backlog)
    return s


def connect(ns, ip, port, src=None):
    s = tcp(ns, ":" in ip)
    if src:
        s.bind((src, 0))
    s.connect((ip, port))
    return s


def open_pair(ns, listener, src=None):
    """Both ends of a new connection to the listener: client, server."""
    host = listener.getsockname()
    c = connect(ns, host[0], host[1], src)
    return c, listener.accept()[0]


def read_all(s):
    got = bytearray()
    while True:
        piece = s.recv(65536)
        if not piece:
            return bytes(got)
        got += piece


def read_n(s, n):
    got = bytearray()
    while len(got) < n:
        piece = s.recv(min(65536, n - len(got)))
        if not piece:
            raise RuntimeError(f"end after {len(got)} of {n} bytes")
        got += piece
    return bytes(got)


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class Synward:
    """A running `synward run`. Its lines go to a file, or where the test says.

    SW_TEST_GUARD=always runs those that say nothing about the guard with it, in that mode."""

    def __init__(self, ns, *ifs, args=(), stdout=None, wait=True):
        mode = os.environ.get("SW_TEST_GUARD")
        if mode and "--guard" not in args:
            args = (*args, "--guard", mode)
        if "--guard" in args and "generic" not in args:
            for i in ifs:
                take_replies(ns, i)
        self.ns, self.ifs = ns, ifs
        self.path = os.path.join(tmp.name, f"out-{len(started)}")
        self.err_path = self.path + ".err"
        cmd = ["nsenter", f"--net=/run/netns/{ns}", SYNWARD, "run"]
        for i in ifs:
            cmd += ["-i", i]
        if "SW_TEST_SYNWARD" in os.environ:
            cmd.append("--no-confine")  # sanitizers and coverage write files and call what synward may not
        cmd += [str(a) for a in args]
        with open(self.path, "wb") as out, open(self.err_path, "wb") as err:
            self.p = subprocess.Popen(cmd, stdout=out if stdout is None else stdout, stderr=err,
                                      stdin=subprocess.DEVNULL)
        started.append(self.p)
        if wait:
            self.ready()

    def ready(self):
        for _ in range(int(1200 * SLOW)):
            if self.p.poll() is not None:
                raise RuntimeError(f"synward ended at start, exit {self.p.returncode}: {self.err()}")
            if all(xdp_on(self.ns, i) for i in self.ifs):
                time.sleep(0.3)  # the egress hooks come right after
                return
            time.sleep(0.05)
        raise RuntimeError(f"synward does not get ready: {self.err()}")

    def err(self):
        return pathlib.Path(self.err_path).read_text(errors="replace")

    def instance(self):
        return pathlib.Path(f"/run/synward/{self.p.pid}.instance").read_text(errors="replace")

    def stop(self, sig=signal.SIGTERM, timeout=60):
        self.p.send_signal(sig)
        return self.p.wait(timeout=timeout * SLOW)

    def lines(self):
        """All lines as objects; fails if one is not whole, or not valid against the schema."""
        raw = pathlib.Path(self.path).read_bytes()
        assert raw.endswith(b"\n") or not raw, "the last line is not whole"
        if raw:
            r = subprocess.run([str(TOP / "tests/schema_check")], input=raw, capture_output=True, check=False)
            assert r.returncode == 0, f"schema_check: {(r.stdout + r.stderr).decode(errors='replace')[:600]}"
        return [json.loads(line) for line in raw.splitlines()]

    def wait_for(self, what, timeout=10):
        """Waits until a line satisfies what(line); returns it."""
        end = time.monotonic() + timeout * SLOW
        while time.monotonic() < end:
            for raw in pathlib.Path(self.path).read_bytes().split(b"\n")[:-1]:
                line = json.loads(raw)
                if what(line):
                    return line
            time.sleep(0.05)
        raise AssertionError("no such line within %d s; lines: %s" % (timeout, summary(self.path)))


def summary(path):
    out = []
    for raw in pathlib.Path(path).read_bytes().split(b"\n")[:-1][-40:]:
        line = json.loads(raw)
        out.append("%s:%s" % (line["event"], line.get("orig_port", "")))
    return " ".join(out)


def xdp_on(ns, dev):
    r = sh("ip", "-j", "link", "show", "dev", dev, ns=ns, check=False)
    return not r.returncode and "xdp" in json.loads(r.stdout)[0]


def hooks_on(ns, dev):
    """What is attached to a device, by any API that tools can read, for comparing before and after."""
    text = sh("bpftool", "net", "show", "dev", dev, ns=ns, check=False).stdout
    text += sh("tc", "qdisc", "show", "dev", dev, ns=ns, check=False).stdout
    return [w for w in text.splitlines() if "sw_" in w or "clsact" in w] + (["xdp"] if xdp_on(ns, dev) else [])


def of(lines, sock_name, event=None):
    """Lines of the connection whose originator has this address and port."""
    ip, port = sock_name[0], sock_name[1]
    return [x for x in lines if x.get("orig_ip") == ip and x.get("orig_port") == port and
            (event is None or x["event"] == event)]


def story(lines, sock_name):
    return [x["event"] for x in of(lines, sock_name)]


def check_seq(lines):
    """seq counts by one; where it jumps, a loss line says by how much, exactly. Returns the sum lost."""
    want, lost = 1, 0
    for x in lines:
        jump = x["lost"] if x["event"] == "loss" else 0
        if x["seq"] != want + jump:
            raise AssertionError(f"seq {x['seq']} after {want - 1}, expected {want + jump} ({x['event']})")
        want = x["seq"] + 1
        lost += jump
    return lost


def equal(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, expected {want!r}")


def fields(line, **want):
    for k, v in want.items():
        equal(f"{line['event']} {k}", line.get(k), v)


def one(lines, what="conn line"):
    if len(lines) != 1:
        raise AssertionError(f"{what}: got {len(lines)}, expected 1")
    return lines[0]


class Skip(Exception):
    pass


def main(*cases, keep=False):
    """Runs the cases as TAP. Each is a function; its docstring or name is what it proves. keep: they share their
    ground, so it is removed only at the end."""
    if os.geteuid():
        print("1..0 # SKIP needs root for network namespaces")
        sys.exit(0)
    only = sys.argv[1:]
    cases = [c for c in cases if not only or c.__name__ in only]
    bad = 0
    print(f"1..{len(cases)}", flush=True)
    for n, case in enumerate(cases, 1):
        name = (case.__doc__ or case.__name__).strip().splitlines()[0].replace("#", "")
        try:
            case()
            print(f"ok {n} - {name}", flush=True)
        except Skip as why:
            print(f"ok {n} - {name} # SKIP {why}", flush=True)
        except Exception as e:  # pylint: disable=broad-except
            bad = 1
            where = traceback.extract_tb(e.__traceback__)
            at = [f for f in where if f.filename != __file__] or where
            print(f"not ok {n} - {name}\n# {type(e).__name__}: {e}\n# at {at[-1].filename}:{at[-1].lineno}", flush=True)
        finally:
            if not keep:
                cleanup()
    sys.exit(bad)
