# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients and servers that never stop, from processes of their own, and what two sockets say to each other.

    +------- a -------+         +------- b -------+
    | talk            |  veth   | serve           |    a lane: a server that sends back what it gets, a client that makes
    | come_and_go     o=========o                 |    connection after connection, and, if wanted, one with a long one
    +-----------------+         +-----------------+

Each answer is compared. The first failure of a worker ends it; steady(), more() and stop() raise it, with what both
kernels report of their sockets at that moment."""
import collections
import gc
import itertools
import mmap
import os
import pathlib
import select
import signal
import socket
import struct
import time

from . import ns as n
from .tap import equal
from .wait import PATIENCE, until

SERVER = {4: "10.66.0.2", 6: "fd66::2"}
DATA = bytes(i * 7 & 255 for i in range(1 << 20))
# the longest that one turn of a worker takes: connect, send and hear, each with a time-out of its own
JOIN = 3 * PATIENCE + 10
STOP, PAUSE, CLOSE, FIRST = 0, 1, 2, 3  # words of the shared page; then one for each worker, which alone writes it
numbers = itertools.count()


def speak(c, s, size=1000):
    c.sendall(DATA[:size])
    equal("at the server", n.read_n(s, size) == DATA[:size], True)
    s.sendall(DATA[:size])
    equal("at the client", n.read_n(c, size) == DATA[:size], True)


def end(c, s):
    c.close()
    equal("end", s.recv(1), b"")
    s.close()


def exchange(pairs, size=1 << 20):
    """size bytes each way on all pairs of sockets at once, compared."""
    got, left = {}, {}
    for x in (x for p in pairs for x in p):
        x.setblocking(False)
        got[x], left[x] = bytearray(), memoryview(DATA[:size])
    while got:
        r, w, _ = select.select(list(got), list(left), [], 10)
        if not r and not w:
            raise RuntimeError("the transfer stands still")
        for x in w:
            left[x] = left[x][x.send(left[x][:60000]):]
            if not left[x]:
                del left[x]
        for x in r:
            got[x] += x.recv(1 << 18)
            if len(got[x]) >= size:
                if got.pop(x) != DATA[:size]:
                    raise AssertionError("other bytes came than were sent")
    for x in (x for p in pairs for x in p):
        x.settimeout(10)


def kernels_view(*names):
    """What the kernels know of the connections in these namespaces and of packets they dropped."""
    out = []
    for ns in names:
        out.append(f"--- {ns}: ss -tino")
        out.append(n.sh("ss", "-tinoa", ns=ns, check=False).stdout)
        counters = [x.split()[:2] for x in n.sh("nstat", "-as", ns=ns, check=False).stdout.splitlines()[1:]]
        words = ("Retrans", "Drop", "Timeout", "Overflow", "Loss", "Abort", "Discard", "Err", "OutRsts", "EstabResets")
        out.append(f"--- {ns}: nstat: " + " ".join(f"{x[0]}={x[1]}" for x in counters if any(w in x[0] for w in words)))
        out.append(f"--- {ns}: links, neighbours")
        out.append(n.sh("ip", "-s", "-s", "link", ns=ns, check=False).stdout + n.sh("ip", "neigh", ns=ns, check=False).stdout)
    softnet = pathlib.Path("/proc/net/softnet_stat").read_text(encoding="ascii")
    out.append("--- softnet: packets dropped squeezed, a line a CPU\n" +
               "\n".join(" ".join(x.split()[:3]) for x in softnet.splitlines()))
    return "\n".join(x for x in out if x.strip())


class Traffic:
    """Runs from its making to stop(). lanes: a family for each; rate: new connections a second in each lane; sources:
    addresses for their clients' ends; talk: long connections, too; ready(host): returns when clients may come."""

    def __init__(self, a, b, port=7070, lanes=(4, 6), talk=True, rate=80, sources=(), ready=None):
        self.a, self.b, self.rate = a, b, rate
        self.page = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the workers
        self.workers, self.pids, self.paths, self.began = [], {}, [], time.monotonic()
        self.pause = False
        self.base = os.path.join(n.tmp.name, f"traffic-{next(numbers)}")
        self.failures = self.base + ".failures"
        pathlib.Path(self.failures).touch()
        n.endings.append(self.kill)
        for i, v in enumerate(lanes):
            listener = n.listen(b, SERVER[v], port + lanes[:i].count(v), 4096)
            host = listener.getsockname()[:2]
            self.fork("serve", v, listener.fileno(), self.serve, listener)
            if ready:
                ready(host)
            if talk:
                self.fork("talk", v, -1, self.talk, host, v)
            self.paths.append(f"{self.base}.{i}")
            self.fork("come_and_go", v, -1, self.come_and_go, host, v, self.paths[-1], sources[i::len(lanes)])
            listener.close()
        self.steady()

    def fork(self, kind, v, keep, work, *args):
        """A worker; of all that is open here it has `keep` alone, so that a socket or a pipe ends when its test ends it."""
        self.workers.append((kind, v))
        me = FIRST + len(self.workers) - 1
        pid = os.fork()
        if pid:
            self.pids[pid] = (kind, v)
            return
        try:
            gc.disable()  # an object of the parent's that went would close a number that is ours by now
            n.libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(sig, signal.SIG_DFL)
            os.closerange(3, keep)
            os.closerange(max(keep, 2) + 1, 65536)
            work(me, *args)
        except BaseException as e:  # pylint: disable=broad-except
            self.failed(kind, v, e)
        finally:
            os._exit(0)

    def failed(self, kind, v, e):
        """The worker's socket is still open."""
        text = f"{kind} IPv{v}: {type(e).__name__}: {e}\n"
        fd = os.open(self.failures, os.O_WRONLY | os.O_APPEND)
        os.write(fd, text.encode())  # first of all, should the rest fail
        os.write(fd, kernels_view(self.a, self.b).encode())

    def word(self, i, value=None):
        if value is not None:
            struct.pack_into("Q", self.page, 8 * i, value)
        return struct.unpack_from("Q", self.page, 8 * i)[0]

    @property
    def stopping(self):
        return bool(self.word(STOP))

    @property
    def pause(self):
        """No new connections."""
        return bool(self.word(PAUSE))

    @pause.setter
    def pause(self, yes):
        self.word(PAUSE, int(yes))

    def serve(self, me, listener):
        """Sends back what it gets, until all clients have ended: one may be about to connect when the others close."""
        listener.setblocking(False)
        poll, socks = select.epoll(), {listener.fileno(): listener}
        poll.register(listener, select.EPOLLIN)
        while not self.word(CLOSE) or len(socks) > 1:
            for fd, _ in poll.poll(0.2):
                if fd == listener.fileno():
                    try:
                        s = listener.accept()[0]
                    except BlockingIOError:  # the client has gone meanwhile
                        continue
                    s.settimeout(PATIENCE)
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    socks[s.fileno()] = s
                    poll.register(s, select.EPOLLIN)
                    self.word(me, self.word(me) + 1)
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

    def open(self, host, v, source=None):
        s = n.tcp(self.a, v == 6)
        s.settimeout(PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            s.bind((source, 0))
        s.connect(host)
        return s

    def ask(self, me, s):
        count = self.word(me)
        word = b"%d " % count * 64
        s.sendall(word)
        equal("answer", n.read_n(s, len(word)), word)
        self.word(me, count + 1)

    def talk(self, me, host, v):
        s = self.open(host, v)
        while not self.stopping:
            self.ask(me, s)
            time.sleep(0.005)  # the rate of questions
        s.close()

    def come_and_go(self, me, host, v, path, sources):
        """Notes the name of each connection."""
        began, count = time.monotonic(), 0
        with open(path, "w", encoding="ascii") as out:
            while not self.stopping:
                ahead = began + count / self.rate - time.monotonic()
                if self.pause or ahead > 0:
                    time.sleep(0.02 if self.pause else ahead)  # the rate
                    continue
                s = self.open(host, v, sources[count % len(sources)] if sources else None)
                print(*s.getsockname()[:2], file=out, flush=True)
                self.ask(me, s)
                s.close()
                count += 1

    def counts(self):
        """What each worker has done: questions answered, or connections accepted."""
        return {w: self.word(FIRST + i) for i, w in enumerate(self.workers)}

    @property
    def opened(self):
        """How many new connections there were."""
        return sum(self.word(FIRST + i) for i, w in enumerate(self.workers) if w[0] == "come_and_go")

    def check(self):
        shown = pathlib.Path(self.failures).read_text(encoding="utf-8", errors="replace")
        if shown:
            raise AssertionError(f"traffic stopped: {shown}")
        for pid, worker in list(self.pids.items()):
            if not self.stopping and os.waitpid(pid, os.WNOHANG)[0]:
                del self.pids[pid]
                raise AssertionError(f"traffic stopped: {worker} ended by itself")

    def steady(self, more=5):
        """From now on each client does some more."""
        quiet = ("serve", "come_and_go") if self.pause else ("serve",)
        want = {i: self.word(FIRST + i) + more for i, w in enumerate(self.workers) if w[0] not in quiet}

        def went_on():
            """traffic in every kind"""
            self.check()
            return all(self.word(FIRST + i) >= w for i, w in want.items())

        until(went_on, 60)

    def more(self, count):
        """Waits for so many more new connections."""
        want = self.opened + count

        def were_made():
            """new connections"""
            self.check()
            return self.opened >= want

        until(were_made, 120)

    def join(self, *kinds):
        """Workers of these kinds end; if one does not, what any of them has to say comes first."""
        deadline = time.monotonic() + JOIN
        for pid, worker in [x for x in self.pids.items() if x[1][0] in kinds]:
            fd = os.pidfd_open(pid)
            ended = select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]
            os.close(fd)
            if not ended:
                view = kernels_view(self.a, self.b)
                self.check()
                raise AssertionError(f"traffic hangs: {worker}\n{view}")
            os.waitpid(pid, 0)
            del self.pids[pid]

    def stop(self):
        """Ends it; returns how many new connections there were."""
        self.steady()
        self.word(STOP, 1)
        self.join("talk", "come_and_go")
        self.check()
        self.word(CLOSE, 1)
        self.join("serve")
        self.check()
        self.kill()
        return self.opened

    def kill(self):
        """At a failure, too: nothing of it runs any more."""
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids.clear()
        if self.kill in n.endings:
            n.endings.remove(self.kill)

    def names(self):
        """Address and port of all clients that made a new connection, with how often."""
        rows = [x.split() for p in self.paths for x in pathlib.Path(p).read_text(encoding="ascii").splitlines()]
        return collections.Counter((x[0], int(x[1])) for x in rows)
