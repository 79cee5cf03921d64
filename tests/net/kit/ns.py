# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Namespaces, veth pairs between them, and sockets in them.

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
import contextlib
import ctypes
import fcntl
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

from .wait import SLOW, until

TOP = pathlib.Path(__file__).resolve().parents[3]
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
libc = ctypes.CDLL(None, use_errno=True)
tmp = tempfile.TemporaryDirectory(prefix="synward-test-")
made, started, peers = [], [], {}
endings = []  # what a kit module has running besides: called before the namespaces go


def popen(args, ns=None, **kw):
    """Starts a command, in a namespace if given: a child begins in that of the thread that starts it, which spares it
    an nsenter. bpffs stays visible (ip netns exec would hide it)."""
    with Inside(ns) if ns else contextlib.nullcontext():
        return subprocess.Popen(args, **kw)


def run(args, ns=None, text=None, timeout=60, **kw):
    """subprocess.run() of popen(), with its output."""
    given = kw.pop("input", None)
    if given is not None:
        kw["stdin"] = subprocess.PIPE
    with popen(args, ns, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text, **kw) as p:
        try:
            out, err = p.communicate(given, timeout=timeout)
        except BaseException:
            p.kill()
            raise
    return subprocess.CompletedProcess(args, p.returncode, out, err)


def sh(*args, ns=None, check=True, **kw):
    """Runs a command to its end, in a namespace if given."""
    args = [str(a) for a in args]
    r = run(args, ns, text=True, timeout=60 * SLOW, **kw)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(args)}{f' in {ns}' if ns else ''}: exit {r.returncode}: {r.stderr.strip()}")
    return r


def cleanup():
    for end in list(endings):
        end()
    for p in started:
        if p.poll() is None:
            p.kill()
            p.wait()
        # what a killed synward leaves for the next one on its interface, which goes with its namespace
        pathlib.Path(f"/run/synward/{p.pid}.instance").unlink(missing_ok=True)
    if made:
        subprocess.run(["ip", "-force", "-batch", "-"], input="".join(f"netns del {ns}\n" for ns in made).encode(),
                       capture_output=True, check=False)
    made.clear()
    started.clear()
    peers.clear()


atexit.register(cleanup)
for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(sig, lambda n, f: sys.exit(128 + n))


def new_ns(name):
    ns = f"sw-{name}-{os.getpid()}"
    sh("ip", "netns", "add", ns)
    made.append(ns)
    up(ns, "lo")
    return ns


def up(ns, dev):
    """ip link set up, without a process."""
    with Inside(ns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        row = struct.pack("16sh22x", dev.encode(), 0)
        flags = struct.unpack_from("h", fcntl.ioctl(s, SIOCGIFFLAGS, row), 16)[0]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh22x", dev.encode(), flags | IFF_UP))


def quiet(ns):
    """No traffic of the kernel's own, no waiting for duplicate address detection."""
    with Inside(ns):
        for k, v in (("ipv6/conf/all/accept_dad", "0"), ("ipv6/conf/default/accept_dad", "0"),
                     ("ipv6/conf/default/router_solicitations", "0"), ("ipv4/ip_local_port_range", "10000 65000")):
            pathlib.Path("/proc/sys/net", k).write_text(v, encoding="ascii")


def veth(ns_a, if_a, ns_b, if_b):
    sh("ip", "link", "add", if_a, "netns", ns_a, "type", "veth", "peer", "name", if_b, "netns", ns_b)
    for ns, dev in ((ns_a, if_a), (ns_b, if_b)):
        sh("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off", ns=ns)
        up(ns, dev)
    peers[ns_a, if_a], peers[ns_b, if_b] = (ns_b, if_b), (ns_a, if_a)


def take_replies(ns, dev):
    """What XDP sends back on a veth arrives only if the other end has an XDP program, too."""
    peer = peers.get((ns, dev))
    if peer and not xdp_on(*peer):
        sh(TOP / "build/tests/tool_xdp_pass", peer[1], ns=peer[0])


def addr(ns, dev, *addrs):
    sh("ip", "-batch", "-", ns=ns, input="".join(f"addr add {a} dev {dev}{' nodad' * (':' in a)}\n" for a in addrs))


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
                time.sleep(0.1)  # until the next attempt
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


def talk(ns, listener, times=1, size=1000):
    """Whole connections, in which the client says so many bytes and closes first."""
    for _ in range(times):
        c, s = open_pair(ns, listener)
        c.sendall(b"x" * size)
        read_n(s, size)
        c.close()
        if s.recv(1):
            raise AssertionError("the server has more than the client said")
        s.close()


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


def xdp_on(ns, dev):
    r = sh("ip", "-j", "link", "show", "dev", dev, ns=ns, check=False)
    return not r.returncode and "xdp" in json.loads(r.stdout)[0]


def hooks_on(ns, dev):
    """What is attached to a device, by any API that tools can read, for comparing before and after."""
    text = sh("bpftool", "net", "show", "dev", dev, ns=ns, check=False).stdout
    text += sh("tc", "qdisc", "show", "dev", dev, ns=ns, check=False).stdout
    return [w for w in text.splitlines() if "sw_" in w or "clsact" in w] + (["xdp"] if xdp_on(ns, dev) else [])


def retransmitted(sock):
    """As its kernel counts: tcpi_total_retrans."""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]


FIN_WAIT1, LAST_ACK, CLOSING, ESTABLISHED, CLOSE_WAIT = 4, 9, 11, 1, 8  # include/net/tcp_states.h
UNDER_WAY = (FIN_WAIT1, LAST_ACK, CLOSING)


def waiting_for_ack(ns):
    """Sockets of this namespace whose data or FIN the other side has not acknowledged."""
    found = []
    with Inside(ns):
        for name in ("tcp", "tcp6"):
            text = pathlib.Path(f"/proc/thread-self/net/{name}").read_text(encoding="ascii")
            for row in text.splitlines()[1:]:
                word = row.split()
                state, queued = int(word[3], 16), int(word[4].split(":")[0], 16)
                if state in UNDER_WAY or (state in (ESTABLISHED, CLOSE_WAIT) and queued):
                    found.append((word[1], word[2], state, queued))
    return found


def settled(*names, most=None):
    """Waits until both kernels have acknowledged all data and every FIN: then every packet but a reset or an
    acknowledgement of nothing new has come by synward. most: where a peer that is no kernel may never acknowledge, this
    many seconds are enough."""
    def quiet_now():
        """every FIN and all data are acknowledged"""
        return not any(waiting_for_ack(x) for x in names)

    if most is None:
        until(quiet_now, 20)
        return
    try:
        until(quiet_now, most / SLOW, 0.01)
    except AssertionError:
        pass
