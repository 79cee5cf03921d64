# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the fault tests share: traffic that runs meanwhile and must not stop, the line and the exit code that the
user gets, and what must not be left behind.

    Traffic     a -> b: one long connection a family that asks and hears all the time, and new ones one after another.
                Each answer is compared; the first failure ends it, and steady() and stop() raise it.
    Ledger      programs and maps of synward that no process holds: there are no more at the end than at the beginning.
"""
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading
import time

import netns as n

OK, INTERNAL, USAGE, PRIVILEGE, INTERFACE, KERNEL, ATTACH, RUNNING, INPUT, OUTPUT, MEMORY, NOT_RUNNING = range(12)
SERVER = {4: "10.66.0.2", 6: "fd66::2"}
SMALL = ("--flows", 4096, "--embryos", 4096, "--handshakes", 4096, "--ring", "1M", "--ring-open", "1M")
GUARD_SAYS = ("guard always", "'srv0' is a veth")  # at the start
PATIENCE = 20 * n.SLOW  # seconds, within which anything happens on a busy machine


def until(what, timeout=PATIENCE, every=0.05):
    """Waits until what() is true; returns it."""
    end = time.monotonic() + timeout
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what.__doc__ or what}; last: {got!r}")
        time.sleep(every)


class Traffic:
    """Runs from its making to stop()."""

    def __init__(self, a, b, port=7070, families=(4, 6)):
        self.a, self.failure, self.stopping = a, None, False
        self.pause = False  # no new connections
        self.done = {}  # exchanges, by worker
        self.opened = 0
        self.listeners = {v: n.listen(b, SERVER[v], port) for v in families}
        self.threads = [threading.Thread(target=self.serve, daemon=True)]
        for v in families:
            for work in (self.talk, self.come_and_go):
                self.done[work.__name__, v] = 0
                self.threads.append(threading.Thread(target=self.guarded, args=(work, v), daemon=True))
        for t in self.threads:
            t.start()
        self.steady()

    def serve(self):
        """Sends back what it gets."""
        poll = select.epoll()
        socks = {x.fileno(): x for x in self.listeners.values()}
        doors = set(socks)
        for fd in socks:
            poll.register(fd, select.EPOLLIN)
        while not self.stopping or len(socks) > len(doors):
            for fd, _ in poll.poll(0.2):
                if fd in doors:
                    s = socks[fd].accept()[0]
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    socks[s.fileno()] = s
                    poll.register(s.fileno(), select.EPOLLIN)
                    continue
                try:
                    got = socks[fd].recv(65536)
                    if got:
                        socks[fd].sendall(got)
                        continue
                except OSError:
                    pass  # the client has its own view of that
                poll.unregister(fd)
                socks.pop(fd).close()

    def guarded(self, work, v):
        try:
            work(v)
        except Exception as e:  # pylint: disable=broad-except
            self.failure = self.failure or f"{work.__name__} IPv{v}: {type(e).__name__}: {e}"

    def ask(self, s, what, v, count):
        word = b"%d " % count * 64
        s.sendall(word)
        n.equal("answer", n.read_n(s, len(word)), word)
        self.done[what, v] += 1

    def open(self, v):
        s = n.tcp(self.a, v == 6)
        s.settimeout(PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.connect(self.listeners[v].getsockname()[:2])
        return s

    def talk(self, v):
        s = self.open(v)
        while not self.stopping:
            self.ask(s, "talk", v, self.done["talk", v])
            time.sleep(0.005)
        s.close()

    def come_and_go(self, v):
        while not self.stopping:
            if self.pause:
                time.sleep(0.02)
                continue
            s = self.open(v)
            self.opened += 1
            self.ask(s, "come_and_go", v, self.done["come_and_go", v])
            s.close()
            time.sleep(0.01)

    def check(self):
        if self.failure:
            raise AssertionError(f"traffic stopped: {self.failure}")

    def steady(self, more=5):
        """From now on each worker does some more."""
        want = {k: d + more for k, d in self.done.items() if not self.pause or k[0] == "talk"}

        def went_on():
            """traffic in every kind"""
            self.check()
            return all(self.done[k] >= w for k, w in want.items())

        until(went_on, 2 * PATIENCE)

    def stop(self):
        """Ends it; returns how many new connections there were."""
        self.steady()
        self.stopping = True
        for t in self.threads:
            t.join(PATIENCE)
            if t.is_alive():
                raise AssertionError(f"traffic hangs: {t}")
        self.check()
        for x in self.listeners.values():
            x.close()
        return self.opened


def held():
    """Ids of BPF programs and maps that some process has open."""
    ids = {"prog": set(), "map": set()}
    for fd in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            kind = re.match(r"anon_inode:bpf-(prog|map)", os.readlink(fd))
            if kind:
                info = pathlib.Path(str(fd).replace("/fd/", "/fdinfo/")).read_text(encoding="ascii")
                ids[kind.group(1)].add(int(re.search(r"(?:prog|map)_id:\s*(\d+)", info).group(1)))
        except (OSError, AttributeError):
            continue
    return ids


def orphans():
    """Programs of synward that are loaded though no process holds them, and their maps."""
    mine = held()
    out = set()
    for p in json.loads(n.sh("bpftool", "-j", "prog", "show").stdout):
        if p.get("name", "").startswith("sw_") and p["id"] not in mine["prog"]:
            out.add(("prog", p["id"]))
            out.update(("map", i) for i in p.get("map_ids", []) if i not in mine["map"])
    return out


class Ledger:
    """What was there before a test."""

    def __init__(self):
        self.before = orphans()

    def settle(self):
        """Raises if there is more now. Others may run tests beside this: theirs go, too."""

        def even():
            """nothing of BPF is left behind"""
            return not orphans() - self.before

        until(even, 30, 0.2)


def nothing_on(ns, *devs):
    for d in devs:
        n.equal(f"attached to {d}", n.hooks_on(ns, d), [])


def lines_of(err, *patterns):
    """stderr has exactly these lines, in this order."""
    lines = err.splitlines()
    n.equal(f"lines on stderr ({err.strip()})", len(lines), len(patterns))
    for line, pattern in zip(lines, patterns):
        if not line.startswith("synward: ") or not re.search(pattern, line):
            raise AssertionError(f"line {line!r} does not say {pattern!r}")


def ended(sw, code, *patterns, timeout=PATIENCE):
    """It ends by itself with this exit code and these lines, and its instance file is gone."""
    n.equal(f"exit code ({sw.err().strip()})", sw.p.wait(timeout=timeout), code)
    lines_of(sw.err(), *patterns)
    assert not pathlib.Path(f"/run/synward/{sw.p.pid}.instance").exists(), "its instance file stayed"


def said(sw, pattern, timeout=PATIENCE):
    """Waits for a line on stderr."""

    def spoke():
        """a line on stderr"""
        return re.search(pattern, sw.err()) or (sw.p.poll() is not None and sw.err())

    until(spoke, timeout)
    if not re.search(pattern, sw.err()):
        raise AssertionError(f"stderr does not say {pattern!r}: {sw.err()!r}")


def stopped(sw, *patterns):
    """SIGTERM: exit 0, these lines on stderr, no event lost; its lines."""
    n.equal(f"exit code ({sw.err().strip()})", sw.stop(), OK)
    lines_of(sw.err(), *patterns)
    lines = sw.lines()
    n.equal("events lost", n.check_seq(lines), 0)
    n.fields(lines[-1], event="stats", final=True)
    return lines


def run(args, ns=None, prefix=(), script=None, timeout=60, **kw):
    """`synward ARGS`, behind prefix and what a shell script prepares before it (in its own mount namespace)."""
    cmd = [n.SYNWARD, *(str(x) for x in args)]
    if script:
        cmd = ["unshare", "-m", "sh", "-ec", script + '\nexec "$@"', "sh", *cmd]
    cmd = [*prefix, *cmd]
    if ns:
        cmd = ["nsenter", f"--net=/run/netns/{ns}", *cmd]
    return subprocess.run(cmd, capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, **kw)


class Prepared(n.Synward):
    """`synward run` behind a prefix, and what a shell script prepares in its own mount namespace."""

    def __init__(self, ns, *ifs, args=(), script="", prefix=(), out=None, err=None, env=None, wait=True):
        # pylint: disable=super-init-not-called
        self.ns, self.ifs = ns, ifs
        self.path = os.path.join(n.tmp.name, f"out-{len(n.started)}")
        self.err_path = self.path + ".err"
        cmd = ["nsenter", f"--net=/run/netns/{ns}"]
        cmd += ["unshare", "-m", "sh", "-ec", script + '\nexec "$@"', "sh", *prefix, n.SYNWARD, "run"]
        for i in ifs:
            cmd += ["-i", i]
        with open(self.path, "wb") as o, open(self.err_path, "wb") as e:
            self.p = subprocess.Popen(cmd + [str(x) for x in args], stdout=out or o, stderr=err or e, env=env,
                                      stdin=subprocess.DEVNULL)
        n.started.append(self.p)
        if wait:
            self.ready()

    def ready(self):
        """Its file names the mode once all hooks are there; the first version of it does not."""
        path = pathlib.Path(f"/run/synward/{self.p.pid}.instance")

        def attached():
            """all hooks are there"""
            if self.p.poll() is not None:
                raise AssertionError(f"synward ended at start, exit {self.p.returncode}: {self.err()}")
            try:
                return re.search(r"^iface=\d+ (native|generic) ", path.read_text(encoding="ascii"), re.M)
            except FileNotFoundError:
                return None

        until(attached, 3 * PATIENCE)


def foreign(name="other", section="xdp", verdict=2):
    """An object with somebody else's program, which passes everything."""
    src, obj = os.path.join(n.tmp.name, f"{name}.c"), os.path.join(n.tmp.name, f"{name}.o")
    pathlib.Path(src).write_text(f'__attribute__((section("{section}"), used)) int {name}(void *c)\n'
                                 f'{{ return {verdict}; }}\n'
                                 'char l[] __attribute__((section("license"), used)) = "GPL";\n', encoding="ascii")
    n.sh("clang", "-O2", "-target", "bpf", "-c", src, "-o", obj)
    return obj


def xdp_name(ns, dev):
    """Name of the XDP program on a device, None if there is none."""
    link = json.loads(n.sh("ip", "-d", "-j", "link", "show", "dev", dev, ns=ns).stdout)[0]
    if "xdp" not in link:
        return None
    return json.loads(n.sh("bpftool", "-j", "prog", "show", "id", link["xdp"]["prog"]["id"]).stdout)["name"]


def modes(sw):
    """What `synward status` says of its interfaces."""
    status = json.loads(n.sh(n.SYNWARD, "status", "--json", "--pid", sw.p.pid).stdout)
    return {x["name"]: x["ingress"] for x in status["ifaces"]}


def kill(sw):
    sw.p.send_signal(signal.SIGKILL)
    sw.p.wait()
