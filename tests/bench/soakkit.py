# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What soak plays: its ground, and clients that know how each of their connections went."""
import json
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import guard as k  # noqa: E402  pylint: disable=wrong-import-position

PORT, LOSSY, CLOSED, SILENT = 7700, 7790, 7001, 7002
STEADY, LOSERS, A_SECOND = 4, 3, 50  # clients without and with loss; connections a second of each of the first
SOURCES = [f"10.66.1.{i + 1}" for i in range(4)]
BACKLOG = 16384  # a machine that stalls gets a second of the flood at once
SF = {"conn_state": "SF", "reason": "fin"}
DROPS = f"""
define lossy = {LOSSY}-{LOSSY + LOSERS - 1}
table inet loss {{
    chain in {{ type filter hook input priority 0; tcp sport $lossy numgen random mod 100 < 3 drop; }}
    chain out {{ type filter hook output priority 0; tcp dport $lossy numgen random mod 100 < 3 drop; }}
}}
"""
UNHEARD = f"""
table inet unheard {{
    chain in {{ type filter hook input priority 0; tcp dport {SILENT} drop; }}
}}
"""
# each RST that a kernel sends, by its four-tuple: it may answer one connection twice
RESETS = """
table inet resets {
    set four { type ipv4_addr . inet_service . ipv4_addr . inet_service; size 524288; flags dynamic; counter; }
    set six { type ipv6_addr . inet_service . ipv6_addr . inet_service; size 524288; flags dynamic; counter; }
    chain out {
        type filter hook output priority 10;
        tcp sport 1 accept
        tcp flags & rst == rst update @four { ip saddr . tcp sport . ip daddr . tcp dport }
        tcp flags & rst == rst update @six { ip6 saddr . tcp sport . ip6 daddr . tcp dport }
    }
}
"""


class Ground:
    """The namespaces, as drawn in soak, with loss, and a port behind which nobody hears."""

    def __init__(self):
        self.c, self.s, self.f = n.new_ns("c"), n.new_ns("s"), n.new_ns("f")
        for ns in (self.c, self.s, self.f):
            n.quiet(ns)
        n.veth(self.c, "cli0", self.s, "srv0")
        n.veth(self.f, "cli0", self.s, "fld0")
        n.addr(self.c, "cli0", "10.66.0.1/16", "fd66::1/64", *[f"{ip}/16" for ip in SOURCES])
        n.addr(self.s, "srv0", "10.66.0.2/16", "fd66::2/64")
        n.addr(self.s, "fld0", "10.65.0.2/24")
        self.a, self.macs = self.f, (None, self.mac_of(self.s, "fld0"))  # where k.flood sends
        n.sh("ip", "neigh", "add", "10.65.0.1", "lladdr", self.mac_of(self.f, "cli0"), "dev", "fld0", "nud",
             "permanent", ns=self.s)
        n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.65.0.1", "dev", "fld0", ns=self.s)
        # the last SYN-ACK of a half-open one comes after 3 s, while synward still waits for more of it
        n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=1", "net.ipv4.tcp_synack_retries=2",
             f"net.core.somaxconn={BACKLOG}", ns=self.s)
        n.sh("nft", "-f", "-", ns=self.c, input=DROPS)
        n.sh("nft", "-f", "-", ns=self.s, input=UNHEARD + RESETS)
        n.sh("nft", "-f", "-", ns=self.c, input=RESETS)
        n.warm(self.c, "10.66.0.2", "fd66::2")

    @staticmethod
    def mac_of(ns, dev):
        return json.loads(n.sh("ip", "-j", "link", "show", dev, ns=ns).stdout)[0]["address"]


def resets(ns):
    """How many RSTs its kernel has sent, by (source, port, destination, port)."""
    out = {}
    for name in ("four", "six"):
        logged = json.loads(n.sh("nft", "-j", "list", "set", "inet", "resets", name, ns=ns).stdout)["nftables"]
        for x in next(x["set"] for x in logged if "set" in x).get("elem", []):
            out[tuple(x["elem"]["val"]["concat"])] = x["elem"]["counter"]["packets"]
    return out


class Client(threading.Thread):
    """Plays connection after connection, both ends, and writes down how each went."""

    def __init__(self, ground, number, port, kinds, pause):
        super().__init__(daemon=True)
        self.g, self.port, self.kinds, self.pause, self.count = ground, port, kinds, pause, number
        self.listeners = {v: n.listen(ground.s, k.SERVER[v], port, BACKLOG) for v in (4, 6)}
        self.truth, self.open, self.error = [], [], None
        self.stop = threading.Event()

    def run(self):
        try:
            while not self.stop.is_set():
                self.count += 1
                getattr(self, self.kinds[self.count % len(self.kinds)])(6 if self.count % 3 == 0 else 4)
                self.end_old(time.monotonic())
                if self.pause:
                    self.stop.wait(self.pause)
            self.end_old(None)
        except Exception as e:  # pylint: disable=broad-except
            self.error = f"{type(e).__name__}: {e} at line {e.__traceback__.tb_next.tb_lineno}, connection {self.count}"

    def note(self, kind, name, v, ended, port=None, sent=(None, None)):
        self.truth.append((kind, (name[0], name[1], k.SERVER[v], port or self.port), ended, sent))

    def socket(self, v):
        c = n.tcp(self.g.c, v == 6)
        c.settimeout(60)
        c.bind(("fd66::1" if v == 6 else SOURCES[self.count % len(SOURCES)], 0))
        return c

    def begin(self, v, size):
        """The client speaks first: data brings its acknowledgement again, should that be lost."""
        c = self.socket(v)
        c.connect((k.SERVER[v], self.port))
        c.sendall(k.DATA[:size])
        self.listeners[v].settimeout(60)
        s = self.listeners[v].accept()[0]
        s.settimeout(60)
        assert n.read_n(s, size) == k.DATA[:size]
        return c, s, c.getsockname()

    def answer(self, c, s, size):
        s.sendall(k.DATA[:size])
        assert n.read_n(c, size) == k.DATA[:size]

    def short(self, v, size=(300, 2000), kind="short"):
        c, s, name = self.begin(v, size[0])
        self.answer(c, s, size[1])
        k.end(c, s)
        self.note(kind, name, v, {**SF, "closed_by": "orig"}, sent=size)

    def bulk(self, v):
        self.short(v, (20000, 200000), "bulk")

    def lossy(self, v):
        self.short(v, (5000, 20000), "lossy")

    def lossy_half(self, v):
        self.half(v, "lossy half-closed")

    def server_first(self, v):
        c, s, name = self.begin(v, 100)
        self.answer(c, s, 500)
        k.end(s, c)
        self.note("closed by the server", name, v, {**SF, "closed_by": "resp"}, sent=(100, 500))

    def reset_by(self, v, orig):
        c, s, name = self.begin(v, 100)
        self.answer(c, s, 500)
        first, other = (c, s) if orig else (s, c)
        n.reset(first)
        try:
            raise AssertionError(f"no reset, but {other.recv(1)!r}")
        except ConnectionResetError:
            other.close()
        ended = ("client", "RSTO", "orig") if orig else ("server", "RSTR", "resp")
        self.note(f"reset by the {ended[0]}", name, v,
                  {"conn_state": ended[1], "reason": "reset", "closed_by": ended[2]}, sent=(100, 500))

    def client_resets(self, v):
        self.reset_by(v, True)

    def server_resets(self, v):
        self.reset_by(v, False)

    def half(self, v, kind="half-closed"):
        c, s, name = self.begin(v, 400)
        c.shutdown(socket.SHUT_WR)
        n.equal("end", s.recv(1), b"")
        self.answer(c, s, 3000)
        k.end(s, c)
        self.note(kind, name, v, {**SF, "closed_by": "orig"}, sent=(400, 3000))

    def half_then_reset(self, v):
        c, s, name = self.begin(v, 400)
        c.shutdown(socket.SHUT_WR)
        n.equal("end", s.recv(1), b"")
        self.answer(c, s, 50)
        n.reset(s)
        try:
            raise AssertionError(f"no reset, but {c.recv(1)!r}")
        except ConnectionResetError:
            c.close()
        self.note("half-closed, then reset", name, v, {"conn_state": "RSTR", "reason": "reset"}, sent=(400, 50))

    def refused(self, v):
        c = self.socket(v)
        name = c.getsockname()
        try:
            c.connect((k.SERVER[v], CLOSED))
            raise AssertionError("a closed port answers")
        except ConnectionRefusedError:
            c.close()
        self.note("refused", name, v, {"conn_state": "REJ", "reason": "refused", "closed_by": "resp"}, CLOSED, (0, 0))

    def silent(self, v):
        c = self.socket(v)
        name = c.getsockname()
        c.setblocking(False)
        c.connect_ex((k.SERVER[v], SILENT))
        c.close()
        self.note("unanswered", name, v, {"conn_state": "S0", "reason": "unanswered"}, SILENT, (0, 0))

    def long(self, v):
        """Stays, and says something whenever another one has ended, for 5 to 20 s."""
        c, s, name = self.begin(v, 100)
        self.open.append([time.monotonic() + 5 + self.count % 16, c, s, name, v, 100, 0])

    def end_old(self, now):
        for x in self.open[:]:
            until, c, s, name, v, up, down = x
            if now is None or now >= until:
                k.end(c, s)
                self.open.remove(x)
                self.note("long", name, v, {**SF, "closed_by": "orig"}, sent=(up, down))
            elif self.count % 7 == 0:
                c.sendall(b"more?")
                assert n.read_n(s, 5) == b"more?"
                self.answer(c, s, 60)
                x[5] += 5
                x[6] += 60


STEADY_KINDS = ("short", "server_first", "client_resets", "short", "half", "server_resets", "refused", "short",
                "half_then_reset", "silent", "short", "bulk", "half", "client_resets", "long", "short", "server_first")


def all_clients(g):
    clients = [Client(g, i * 3, PORT + i, STEADY_KINDS, 1 / A_SECOND) for i in range(STEADY)]
    return clients + [Client(g, i, LOSSY + i, ("lossy", "lossy", "lossy_half"), 0) for i in range(LOSERS)]
