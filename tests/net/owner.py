#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Whose connections are: processes in cgroups of their own, on real sockets.

    a: the other host          b: synward --owner=process on srv0
    10.66.0.1   o==============o   10.66.0.2:7777  web.service     cgroup v2, in a folder of this test's own
                                         :7778     docker-ID.scope
"""
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys

import kit as n
from kit import guard as k

ID = "0123456789abcdef" * 4
NET_ADMIN, DAC_READ_SEARCH, SYS_PTRACE = 1 << 12, 1 << 2, 1 << 19
SO_COOKIE = 57
KEYS = ("socket_cookie", "cgroup", "container")

# A process that does what its standard input says, and answers each line by one.
PEER = r"""
import ctypes, json, os, signal, socket, sys
kept, kids = {}, []
if sys.argv[2]:
    with open(sys.argv[2] + "/cgroup.procs", "w") as f:
        f.write(str(os.getpid()))
ctypes.CDLL(None).prctl(15, sys.argv[1].encode())
def cookie(s):
    return int.from_bytes(s.getsockopt(1, 57, 8), sys.byteorder)
def do(verb, *args):
    if verb == "listen":
        kept["l"] = socket.create_server((args[0], args[1]))
    elif verb == "accept":
        kept["s"] = kept["l"].accept()[0]
    elif verb == "socket":
        kept["s"] = socket.socket()
    elif verb == "connect":
        kept["s"].connect(tuple(args))
    elif verb == "say":
        kept["s"].sendall(b"x" * args[0])
    elif verb == "fork":
        pid = os.fork()
        if not pid:
            os.close(0)
            os.close(1)
            while True:
                signal.pause()
        kids.append(pid)
        return pid
    elif verb == "dup":
        kept["more"] = kept["s"].dup()
    elif verb == "fly":  # no process has it open, and it is not closed
        kept["pair"] = socket.socketpair()
        socket.send_fds(kept["pair"][0], [b"x"], [kept["s"].fileno()])
        kept.pop("s").close()
    elif verb == "close":
        kept.pop("s").close()
    elif verb == "end":
        for pid in kids:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        sys.exit()
    s = kept.get("s")
    return cookie(s) if s else None
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(do(*json.loads(line))), flush=True)
"""


def tree():
    """Where cgroup v2 is mounted."""
    for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(path + "/cgroup.procs") and os.path.exists(path + "/cgroup.controllers"):
            return path
    raise n.Skip("this system has no cgroup v2")


class Groups:
    """Cgroups below one of this test's own. They go at its end, when nobody is in them."""

    def __init__(self):
        self.top = tree()
        self.folder = f"/synward-test-{os.getpid()}"
        self.made = []
        self.make("")
        n.ns.endings.insert(0, self.remove)

    def make(self, name):
        path = self.folder + name
        for i in range(2, path.count("/") + 2):
            part = "/".join(path.split("/")[:i])
            if part not in self.made:
                os.mkdir(self.top + part)
                self.made.append(part)
        return path

    def remove(self):
        for p in list(Peer.all):
            p.end()
        for path in reversed(self.made):
            n.until(lambda p=path: self.gone(p), 10)
        self.made.clear()
        if self.remove in n.ns.endings:
            n.ns.endings.remove(self.remove)

    def gone(self, path):
        try:
            os.rmdir(self.top + path)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True


class Peer:
    all = []

    def __init__(self, ns, comm, groups=None, cgroup=""):
        self.cgroup = cgroup
        self.p = n.popen([sys.executable, "-c", PEER, comm, groups.top + cgroup if cgroup else ""], ns,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid, self.comm = self.p.pid, comm
        Peer.all.append(self)
        n.equal("peer", self.p.stdout.readline(), "ready\n")

    def do(self, *what):
        print(json.dumps(what), file=self.p.stdin, flush=True)
        return json.loads(self.p.stdout.readline())

    def end(self):
        Peer.all.remove(self)
        try:
            print('["end"]', file=self.p.stdin, flush=True)
        except BrokenPipeError:
            pass
        self.p.wait()
        self.p.stdin.close()
        self.p.stdout.close()


def run(b, *args, mode="process", ifs=("srv0",), **kw):
    return n.Synward(b, *ifs, args=("--owner", mode, "--close-delay", "0.1", "--interval", "0.1", *args), **kw)


def cookie(s):
    return int.from_bytes(s.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)


def conn(sw, port, event="conn"):
    return sw.wait_for(lambda x: x["event"] == event and x["orig_port"] == port)


def owner(line, side, **want):
    n.fields(line, **{f"{side}_{key}": value for key, value in want.items()})


def nobody(line, side):
    n.equal(f"keys of {side}", [x for x in (*KEYS, "pid", "pids", "comm") if f"{side}_{x}" in line], [])


def web(b, groups, comm="web", name="/system.slice/web.service", port=7777):
    p = Peer(b, comm, groups, groups.make(name))
    p.do("listen", "10.66.0.2", port)
    return p


def two_cgroups():
    """two servers in two cgroups, as systemd and Docker name them: path, container, cookie, pid and comm of each"""
    a, b = n.pair()
    groups = Groups()
    servers = [web(b, groups), web(b, groups, "we\"b\\2", f"/system.slice/docker-{ID}.scope", 7778)]
    sw = run(b)
    for count, (server, port, container) in enumerate(zip(servers, (7777, 7778), (None, ID)), 1):
        c = n.connect(a, "10.66.0.2", port)
        mine = server.do("accept")
        want = {"socket_cookie": mine, "cgroup": server.cgroup, "container": container, "pid": server.pid, "pids": 1,
                "comm": server.comm}
        name = c.getsockname()[1]
        line = conn(sw, name, "established")
        owner(line, "resp", **{x: want[x] for x in KEYS})
        nobody(line, "orig")
        n.until(lambda c=c: any(f["orig_port"] == c.getsockname()[1] and f["resp_pid"] for f in flows(b)))
        head, *rows = n.run([n.SYNWARD, "flows", "--wide", "--port", str(port)], b, text=True).stdout.splitlines()[1:]
        quoted = server.comm if port == 7777 else '"we\\"b\\\\2"'
        n.equal("columns", head.split()[-2:], ["HISTORY", "OWNER"])
        n.equal("owner", n.one(rows)[head.index("OWNER"):], f"server {quoted}[{server.pid}] in {server.cgroup}")
        wait_looked(sw, count)  # flows looks by itself, and the daemon rests between two looks
        server.do("close")
        c.close()
        line = conn(sw, name)
        owner(line, "resp", **want)
        nobody(line, "orig")
    sw.stop()
    n.fields(sw.lines()[-1], event="stats", owners_found=2, owners_unknown=0)
    groups.remove()


def flows(ns, *args):
    r = n.run([n.SYNWARD, "flows", "--json", *map(str, args)], ns, text=True)
    if r.returncode:
        raise AssertionError(r.stderr)
    return [json.loads(x) for x in r.stdout.splitlines()]


def client():
    """this host's clients, and a socket that two processes hold: the one that was started first, and how many"""
    a, b = n.pair()
    groups = Groups()
    listener = n.listen(a, "10.66.0.1", 7777)
    sw = run(b)
    for fork in False, True:
        p = Peer(b, "two" if fork else "one", groups, groups.make("/app.slice"))
        p.do("socket")
        p.do("dup")  # twice open in one process
        if fork:
            p.do("fork")
        mine = p.do("connect", "10.66.0.1", 7777)
        s, name = listener.accept()
        row = n.one([x for x in flows(b) if x["orig_port"] == name[1]])
        n.fields({**row, "event": "row"}, orig_pid=p.pid, orig_pids=1 + fork, orig_comm=p.comm)
        line = conn(sw, name[1], "established")
        owner(line, "orig", socket_cookie=mine, cgroup=p.cgroup)
        nobody(line, "resp")
        wait_looked(sw, 1 + fork)
        s.close()
        p.end()
        owner(conn(sw, name[1]), "orig", socket_cookie=mine, cgroup=p.cgroup, container=None, pid=p.pid, pids=1 + fork,
              comm=p.comm)
    sw.stop()
    groups.remove()


def looked(sw):
    """Ends that were looked for, found or not, by the last stats line."""
    rows = [json.loads(x) for x in pathlib.Path(sw.path).read_bytes().splitlines(keepends=True) if x.endswith(b"\n")]
    stats = [x for x in rows if x["event"] == "stats"]
    return (stats[-1]["owners_found"], stats[-1]["owners_unknown"]) if stats else (0, 0)


def wait_looked(sw, count):
    n.until(lambda: sum(looked(sw)) >= count)


def forking_server():
    """a server that forks a child for the connection and closes it itself: the child, if that was before the look"""
    a, b = n.pair()
    groups = Groups()
    server = web(b, groups, "forks")
    sw = run(b)
    os.kill(sw.p.pid, signal.SIGSTOP)
    c = n.connect(a, "10.66.0.2", 7777)
    mine = server.do("accept")
    child = server.do("fork")
    server.do("close")
    os.kill(sw.p.pid, signal.SIGCONT)
    wait_looked(sw, 1)
    port = c.getsockname()[1]
    c.close()
    server.end()
    owner(conn(sw, port), "resp", socket_cookie=mine, pid=child, pids=1,
          comm="forks", cgroup=server.cgroup)
    sw.stop()
    groups.remove()


def accepted_later():
    """a connection that nobody has accepted yet is looked for again"""
    a, b = n.pair()
    groups = Groups()
    server = web(b, groups)
    sw = run(b)
    c = n.connect(a, "10.66.0.2", 7777)
    port = c.getsockname()[1]
    line = conn(sw, port, "established")
    owner(line, "resp", pid=None, pids=None, comm=None, cgroup=server.cgroup)
    server.do("accept")
    wait_looked(sw, 1)
    server.do("close")
    c.close()
    owner(conn(sw, port), "resp", pid=server.pid, comm="web", pids=1)
    sw.stop()
    groups.remove()


def gone():
    """a process that has ended before it could be looked for: null, and so is a cgroup that is gone, but not the cookie"""
    a, b = n.pair()
    groups = Groups()
    listener = n.listen(a, "10.66.0.1", 7777)
    sw = run(b)
    group = groups.make("/short.slice")
    p = Peer(b, "short", groups, group)
    p.do("socket")
    os.kill(sw.p.pid, signal.SIGSTOP)
    mine = p.do("connect", "10.66.0.1", 7777)
    s, name = listener.accept()
    p.do("say", 100)
    p.end()
    n.until(lambda: groups.gone(group))
    os.kill(sw.p.pid, signal.SIGCONT)
    s.close()
    owner(conn(sw, name[1]), "orig", socket_cookie=mine, cgroup=None, container=None, pid=None, pids=None, comm=None)
    sw.stop()
    n.fields(sw.lines()[-1], owners_found=0, owners_unknown=1)
    groups.remove()


def in_flight():
    """a socket that no process has open, for it is on its way in another one: not known, and counted"""
    a, b = n.pair()
    groups = Groups()
    listener = n.listen(a, "10.66.0.1", 7777)
    sw = run(b)
    p = Peer(b, "flies", groups, groups.make("/app.slice"))
    p.do("socket")
    os.kill(sw.p.pid, signal.SIGSTOP)
    mine = p.do("connect", "10.66.0.1", 7777)
    s, name = listener.accept()
    p.do("fly")
    os.kill(sw.p.pid, signal.SIGCONT)
    wait_looked(sw, 1)
    s.close()
    p.end()
    owner(conn(sw, name[1]), "orig", socket_cookie=mine, cgroup=p.cgroup, pid=None, pids=None, comm=None)
    sw.stop()
    n.fields(sw.lines()[-1], owners_found=0, owners_unknown=1)
    groups.remove()


def forwarded():
    """a connection that this host only forwards is nobody's here"""
    a, r, b = n.routed()
    listener = n.listen(b, "10.67.0.2", 7777)
    sw = run(r, ifs=("rta", "rtb"))
    c, s = n.open_pair(a, listener)
    k.speak(c, s)
    name = c.getsockname()
    k.end(c, s)
    line = conn(sw, name[1])
    nobody(line, "orig")
    nobody(line, "resp")
    sw.stop()
    n.fields(sw.lines()[-1], owners_found=0, owners_unknown=0)


def through_a_cookie():
    """a connection that came through the guard's cookie: its server's socket, from the first segment that it sends"""
    a, b = n.pair()
    groups = Groups()
    server = web(b, groups)
    sw = run(b, "--guard", "always", "--protect", "10.66.0.2:7777")
    c = n.connect(a, "10.66.0.2", 7777)
    port = c.getsockname()[1]
    c.sendall(b"x")
    mine = server.do("accept")
    server.do("say", 100)
    n.read_n(c, 100)
    wait_looked(sw, 1)
    server.do("close")
    c.close()
    line = conn(sw, port)
    n.fields(line, via="cookie")
    owner(line, "resp", socket_cookie=mine, cgroup=server.cgroup, pid=server.pid, comm="web")
    sw.stop()
    groups.remove()


def request_dropped():
    """the listener has dropped the request that it had answered from, and the handshake completes by a cookie of the
    kernel: the accepted socket's, not the request's"""
    g = k.Ground(start=False)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=0", "net.ipv4.tcp_synack_retries=0", ns=g.b)
    g.sw = run(g.b, mode="socket")
    p = k.Peer(g)
    p.syn()
    n.until(lambda: g.syn_recv() == 1)
    n.until(lambda: g.syn_recv() == 0)
    n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", ns=g.b)
    p.seq -= 1
    p.syn()
    n.equal("requests", g.syn_recv(), 0)
    p.say("PA", b"x")
    s = k.accepted(g.listeners[4, k.PORT])
    mine = cookie(s)
    s.sendall(b"y")
    p.hear(5, lambda t: "P" in t.flags)
    p.say("R", seq=p.seq + 1)
    owner(conn(g.sw, p.sport), "resp", socket_cookie=mine)
    s.close()
    g.sw.stop()


def signals():
    """what a service manager or a terminal sends to all processes does not end the second one"""
    a, b = n.pair()
    groups = Groups()
    server = web(b, groups)
    sw = run(b)
    (helper,) = children(sw.p.pid)
    n.until(lambda: status(helper)["Seccomp"] == "2")
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2:
        os.kill(helper, number)  # ours: this test has started its parent
    c = n.connect(a, "10.66.0.2", 7777)
    server.do("accept")
    n.until(lambda: looked(sw) == (1, 0))
    server.do("close")
    c.close()
    sw.stop()
    groups.remove()


def loopback():
    """over loopback both ends are this host's"""
    b = n.new_ns("b")
    n.quiet(b)
    groups = Groups()
    server, p = Peer(b, "server", groups, groups.make("/one")), Peer(b, "client", groups, groups.make("/two"))
    server.do("listen", "127.0.0.1", 7777)
    sw = run(b, ifs=("lo",))
    p.do("socket")
    theirs = p.do("connect", "127.0.0.1", 7777)
    mine = server.do("accept")
    n.until(lambda: looked(sw) == (2, 0))
    p.do("close")
    server.do("close")
    line = sw.wait_for(lambda x: x["event"] == "conn")
    owner(line, "orig", socket_cookie=theirs, cgroup=p.cgroup, pid=p.pid, pids=1, comm="client")
    owner(line, "resp", socket_cookie=mine, cgroup=server.cgroup, pid=server.pid, pids=1, comm="server")
    n.at_most("segments, each counted once", line["orig_pkts"] + line["resp_pkts"], 7)
    sw.stop()
    n.equal("hooks left", n.hooks_on(b, "lo"), [])
    groups.remove()


def views():
    """`flows` and `events` choose by cgroup, pid and comm; where nobody looks for processes, that is said"""
    a, b = n.pair()
    groups = Groups()
    one, two = web(b, groups, "one", "/one.slice/a.service", 7777), web(b, groups, "two", "/two.slice/a.service", 7778)
    sw = run(b)
    kept = []
    for server, port in (one, 7777), (two, 7778):
        kept.append(n.connect(a, "10.66.0.2", port))
        server.do("accept")
    n.until(lambda: looked(sw) == (2, 0))
    ports = [x.getsockname()[1] for x in kept]
    for args, want in ((("--process", one.pid), ports[:1]), (("--process", f"{one.pid},{two.pid}"), ports), (("--comm", "tw?"), ports[1:]),
                       (("--cgroup", f"{groups.folder}/one*"), ports[:1]), (("--cgroup", "*/a.service"), ports),
                       (("--cgroup", "/a.service"), []), (("--process", one.pid, "--comm", "two"), []), (("--process", 1), [])):
        n.equal(f"flows {args}", sorted(x["orig_port"] for x in flows(b, *args)), sorted(want))
    row = flows(b, "--comm", "one")[0]
    n.fields({**row, "event": "row"}, resp_pid=one.pid, resp_comm="one", resp_cgroup=one.cgroup, resp_pids=1)
    reader = n.popen([n.SYNWARD, "events", "--comm", "two", "--events", "conn", "--process", str(two.pid), "--cgroup", "*two*"], b,
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    n.started.append(reader)
    assert "reading events" in reader.stderr.readline()
    for server, c in zip((one, two), kept):
        server.do("close")
        c.close()
    for port in ports:
        conn(sw, port)
    sw.stop()
    out = reader.communicate(timeout=60)[0]
    n.equal("lines of the reader", [json.loads(x)["orig_port"] for x in out.splitlines()], ports[1:])
    sw = run(b, mode="socket")
    r = n.run([n.SYNWARD, "events", "--process", "1"], b, text=True)
    assert r.returncode and "--owner=process" in r.stderr, r
    sw.stop()
    groups.remove()


def modes():
    """socket: no processes, and `established` has nothing of it; off: none of the keys"""
    a, b = n.pair()
    groups = Groups()
    server = web(b, groups)
    for mode in "socket", "off":
        sw = run(b, mode=mode, full=False)
        c = n.connect(a, "10.66.0.2", 7777)
        mine, port = server.do("accept"), c.getsockname()[1]
        server.do("close")
        c.close()
        line = conn(sw, port)
        if mode == "socket":
            owner(line, "resp", socket_cookie=mine, cgroup=server.cgroup, container=None)
            n.equal("pid", [x for x in line if "_pid" in x or "_comm" in x], [])
        else:
            nobody(line, "resp")
        nobody(conn(sw, port, "established"), "resp")
        nobody(line, "orig")
        sw.stop()
        n.fields(sw.lines()[-1], owners_found=0, owners_unknown=0)
    groups.remove()


def status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def children(pid):
    return [int(x) for x in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def sandbox():
    """the second process keeps what it needs to look, the daemon does not; it ends with it"""
    a, b = n.pair()
    groups = Groups()
    server = web(b, groups)
    sw = run(b)
    n.until(lambda: status(sw.p.pid)["Seccomp"] == "2")
    n.equal("the daemon's", int(status(sw.p.pid)["CapEff"], 16), NET_ADMIN)
    (helper,) = children(sw.p.pid)
    n.until(lambda: status(helper)["Seccomp"] == "2")
    for name in "CapEff", "CapPrm":
        n.equal(name, int(status(helper)[name], 16), SYS_PTRACE | DAC_READ_SEARCH)
    n.equal("CapBnd", int(status(helper)["CapBnd"], 16), 0)
    files = [os.readlink(f"/proc/{helper}/fd/{x}") for x in os.listdir(f"/proc/{helper}/fd")]
    n.equal("open", sorted(x.split(":")[0] for x in files if "out-" not in x), ["/dev/null", "/dev/null", "/proc", "socket"])
    c = n.connect(a, "10.66.0.2", 7777)
    server.do("accept")
    n.until(lambda: looked(sw) == (1, 0))
    server.do("close")
    c.close()
    for word in "seccomp", "denied":
        assert word not in sw.err(), sw.err()
    gone_at = os.pidfd_open(helper)
    sw.kill()
    n.until(lambda: select.select([gone_at], [], [], 0)[0])
    os.close(gone_at)
    sw = run(b)
    (helper,) = children(sw.p.pid)
    os.kill(helper, signal.SIGKILL)  # ours: this test has started its parent
    c = n.connect(a, "10.66.0.2", 7777)
    server.do("accept")
    n.until(lambda: looked(sw) == (0, 1))
    assert "is gone" in sw.err(), sw.err()
    port = c.getsockname()[1]
    server.do("close")
    c.close()
    owner(conn(sw, port), "resp", pid=None, cgroup=server.cgroup)
    sw.stop()
    groups.remove()


n.main(two_cgroups, client, forking_server, accepted_later, gone, in_flight, forwarded, through_a_cookie, request_dropped,
       signals, loopback, views, modes, sandbox)
