#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""run and replay --export: what nfcapd, nfacctd and tshark make of it is what the conn lines say, and what could not be
exported is counted.

    +------- a -------+          +------- b -------+
    | clients         |   veth   | servers         |
    | 10.66.0.1       o==========o 10.66.0.2       |
    | fd66::1  xpc0   |          | xps0  fd66::2   |
    | collectors      |<-- UDP --| synward         |
    +-----------------+          +-----------------+
"""
import collections
import contextlib
import ipaddress
import itertools
import json
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs  # noqa: E402  pylint: disable=wrong-import-position
from kit import fault as k  # noqa: E402  pylint: disable=wrong-import-position

sys.path.append(str(n.TOP / "tests/corpus"))
import frames  # noqa: E402  pylint: disable=wrong-import-position

PORT, SERVER = 4739, 7777
ARGS = ("--close-delay", 0.05, "--timeout-syn-sent", 0.2)
COUNTS = ("orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes")
numbers = itertools.count()
FLOW = ("orig_ip", "resp_ip", "orig_port", "resp_port")


class Host:
    """Two namespaces, listeners of both families, and a directory."""

    def __init__(self):
        self.a, self.b = n.new_ns("xpa"), n.new_ns("xpb")
        for ns in (self.a, self.b):
            n.quiet(ns)
        n.veth(self.a, "xpc0", self.b, "xps0")
        n.addr(self.a, "xpc0", "10.66.0.1/16", "fd66::1/64")
        n.addr(self.b, "xps0", "10.66.0.2/16", "fd66::2/64")
        n.warm(self.a, "10.66.0.2", "fd66::2")
        n.warm(self.b, "10.66.0.1", "fd66::1")
        self.listeners = [n.listen(self.b, ip, SERVER) for ip in ("10.66.0.2", "fd66::2")]
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=n.tmp.name))

    def start(self, *args, url=None, **kw):
        args = (*ARGS, *(("--export", url) if url else ()), *args)
        return n.Synward(self.b, "xps0", args=args, full=False, **kw)

    def traffic(self, sw):
        """Ends of all kinds, of both families: closed, reset, refused, not answered."""
        for listener in self.listeners:
            for size in (1, 1000, 100000):
                n.talk(self.a, listener, 2, size)
            c, s = n.open_pair(self.a, listener)
            c.sendall(b"abc")
            n.read_n(s, 3)
            n.reset(s)
            c.close()
            with contextlib.suppress(ConnectionRefusedError):
                n.connect(self.a, listener.getsockname()[0], SERVER + 1)
        n.sh("ip", "neigh", "replace", "10.66.9.9", "lladdr", mac(self.b, "xps0"), "dev", "xpc0", ns=self.a)
        c = n.tcp(self.a)
        c.setblocking(False)
        c.connect_ex(("10.66.9.9", SERVER))
        port = c.getsockname()[1]
        c.close()
        sw.wait_for(lambda x: x["event"] == "conn" and x["orig_port"] == port)


def mac(ns, dev):
    return json.loads(n.sh("ip", "-j", "link", "show", "dev", dev, ns=ns).stdout)[0]["address"]


def conns(sw):
    """Their lines, of a synward that has ended; the last line counts them."""
    lines = sw.lines()
    found = [x for x in lines if x["event"] == "conn"]
    n.fields(lines[-1], event="stats", final=True, exported=len(found), export_lost=0, lost_total=0)
    return found


def key(*ends):
    return tuple(ipaddress.ip_address(x) if i < 2 else int(x) for i, x in enumerate(ends))


def unread(ns, port=PORT):
    """Bytes that wait for whoever has this UDP port open; None: nobody has."""
    with n.Inside(ns):
        for name in ("udp", "udp6"):
            for row in pathlib.Path(f"/proc/thread-self/net/{name}").read_text(encoding="ascii").splitlines()[1:]:
                word = row.split()
                if int(word[1].split(":")[1], 16) == port:
                    return int(word[4].split(":")[1], 16)
    return None


class Program:
    """A collector of Debian, which listens on PORT in a."""

    def __init__(self, h, *cmd):
        self.h, self.log = h, h.dir / "log"
        with self.log.open("wb") as out:
            self.p = n.popen([str(x) for x in cmd], h.a, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        n.started.append(self.p)

        def listens():
            """the collector listens"""
            n.equal(f"has ended ({self.log.read_text()})", self.p.poll(), None)
            return unread(h.a) is not None

        n.until(listens, n.PATIENCE)

    def idle(self):
        """it has read all"""
        return not unread(self.h.a)

    def stop(self, sig=signal.SIGTERM):
        n.until(self.idle, n.PATIENCE)
        self.p.send_signal(sig)
        self.p.wait(timeout=n.PATIENCE)
        return self.log.read_text()


FMT = "sa da sp dp pkt opkt byt obyt flg cl sl in out svln ts te".split()


class Nfcapd(Program):
    def __init__(self, h, ip):
        self.flows = h.dir / "nfcapd"
        self.flows.mkdir()
        super().__init__(h, "nfcapd", "-6" if ":" in ip else "-4", "-b", ip, "-p", PORT, "-l", self.flows, "-t", 3600)

    def rows(self):
        log = self.stop()
        last = re.findall(r"Flows: (\d+), .*Sequence Errors: (\d+), Bad Packets: (\d+)", log)[-1]
        rows = n.sh("nfdump", "-R", self.flows, "-q", "-N", "-6", "-o", "fmt:" + ",".join(f"%{x}" for x in FMT)).stdout
        rows = [dict(zip(FMT, (x.strip() for x in row.split(",")))) for row in rows.splitlines() if row.strip()]
        n.equal("flows, sequence errors, bad packets", last, (str(len(rows)), "0", "0"))
        return rows


BEARS = {"S": "S", "H": "SA", "A": "A", "D": "A", "F": "FA", "R": "RA"}  # letters of the history: flags, of Linux
BITS = {"F": 1, "S": 2, "R": 4, "A": 16}


def flags_of(conn, side):
    """What a side has sent, by its letters."""
    return set("".join(BEARS[x.upper()] for x in conn["history"] if x.isupper() == (side == "orig")))


def check_flags(row, conn, side):
    n.equal(f"flags of {conn['history']}, {side}", {x for x in row["flg"] if x.isalpha()}, flags_of(conn, side))


def near(what, got, want, most):
    if abs(got - want) > most:
        raise AssertionError(f"{what}: got {got}, expected {want}")


def nfdump_ipfix():
    """nfcapd: a biflow for each connection, with the same packets, bytes and flags; over IPv4"""
    h = Host()
    collector = Nfcapd(h, "10.66.0.1")
    sw = h.start(url=f"ipfix://10.66.0.1:{PORT}")
    h.traffic(sw)
    n.equal("exit code", sw.stop(), 0)
    want = conns(sw)
    rows = {key(*(row[x] for x in FMT[:4])): row for row in collector.rows()}
    n.equal("flows", set(rows), {key(*(x[y] for y in FLOW)) for x in want})
    n.at_least("reasons", len({x["reason"] for x in want}), 4)
    for x in want:
        row = rows[key(*(x[y] for y in FLOW))]
        n.equal(f"counts of {x}", tuple(int(row[y]) for y in ("pkt", "opkt", "byt", "obyt")), tuple(x[y] for y in COUNTS))
        check_flags(row, x, "orig")
        n.equal("start", row["ts"].split(" ")[1], x["start"].split("T")[1][:12])
    sums = [sum(x[y] for x in want) for y in COUNTS]
    n.equal("sums", [sum(int(row[y]) for row in rows.values()) for y in ("pkt", "opkt", "byt", "obyt")], sums)


def nfdump_netflow9():
    """nfcapd: a flow for each direction, flags of both, client and server latency; over IPv6"""
    h = Host()
    collector = Nfcapd(h, "fd66::1")
    sw = h.start(url=f"netflow9://[fd66::1]:{PORT}")
    h.traffic(sw)
    n.equal("exit code", sw.stop(), 0)
    want = conns(sw)
    rows = {key(*(row[x] for x in FMT[:4])): row for row in collector.rows()}
    there = 0
    for x in want:
        ends = [x[y] for y in FLOW]
        for side, row in (("orig", rows.get(key(*ends))), ("resp", rows.get(key(*(ends[i] for i in (1, 0, 3, 2)))))):
            n.equal(f"is there, {side} of {x}", bool(row), bool(x[side + "_pkts"]))
            if not row:
                continue
            there += 1
            n.equal(f"counts of {x}", (int(row["pkt"]), int(row["byt"])), (x[side + "_pkts"], x[side + "_ip_bytes"]))
            check_flags(row, x, side)
            n.equal("start", row["ts"].split(" ")[1], x["start"].split("T")[1][:12])
            for latency, name in (("cl", "client_ns"), ("sl", "server_ns")):
                near(f"half of {name}", float(row[latency]), (x[name] or 0) / 2e6, 0.001)
            n.equal("enters or leaves", bool(int(row["in"])) + bool(int(row["out"])), 1)
    n.equal("flows", len(rows), there)
    n.at_least("handshakes", sum(x["client_ns"] is not None for x in want), 10)


ACCT = """daemonize: false
nfacctd_ip: 10.66.0.1
nfacctd_port: {port}
aggregate_primitives: {dir}/primitives
aggregate: src_host, dst_host, src_port, dst_port, proto, tcpflags, handshake, server, client
plugins: print
print_output: json
print_output_file: {dir}/acct
print_output_file_append: true
print_refresh_time: 1
nfacctd_time_new: true
"""
OWN = ("handshake", "server", "client")


class Nfacctd(Program):
    def __init__(self, h):
        self.file = h.dir / "acct"
        (h.dir / "primitives").write_text("".join(f"name={x} field_type=32473:{101 + i} len=8 semantics=u_int\n"
                                                  for i, x in enumerate(OWN)))
        (h.dir / "conf").write_text(ACCT.format(port=PORT, dir=h.dir))
        super().__init__(h, "nfacctd", "-f", h.dir / "conf")

    def rows(self, pkts):
        """As soon as they have so many packets."""
        def there():
            """nfacctd has written all"""
            try:
                rows = [json.loads(x) for x in self.file.read_text().splitlines()]
            except (FileNotFoundError, json.JSONDecodeError):
                return None
            return rows if sum(x["packets"] for x in rows) >= pkts else None

        found = n.until(there, n.PATIENCE, evidence=self.log.read_text)
        self.stop(signal.SIGINT)
        return found


def nfacctd():
    """nfacctd: packets and bytes of IPFIX, and handshake times by primitives; both directions of NetFlow v9"""
    h = Host()
    collector = Nfacctd(h)
    pkts, found = 0, []
    for domain, (scheme, sides) in enumerate({"ipfix": ("orig",), "netflow9": ("orig", "resp")}.items(), 1):
        sw = h.start("--export-domain", domain, url=f"{scheme}://10.66.0.1:{PORT}")
        h.traffic(sw)
        n.equal("exit code", sw.stop(), 0)
        found.append((scheme, sides, conns(sw)))
        pkts += sum(x[f"{side}_pkts"] for x in found[-1][2] for side in sides)
    by = {key(x["ip_src"], x["ip_dst"], x["port_src"], x["port_dst"]): x for x in collector.rows(pkts)}
    for scheme, sides, want in found:
        for x in want:
            for side in sides:
                row = by.pop(key(*(x[y] for y in FLOW)) if side == "orig" else key(*(x[FLOW[i]] for i in (1, 0, 3, 2))), None)
                n.equal(f"is there, {side} of {x}", bool(row), bool(x[side + "_pkts"]) or scheme == "ipfix")
                if not row:
                    continue
                n.equal(f"counts of {x}", (row["packets"], row["bytes"]), (x[side + "_pkts"], x[side + "_ip_bytes"]))
                n.equal(f"flags of {x}", int(row["tcp_flags"]), sum(BITS[y] for y in flags_of(x, side)))
                for y in OWN:
                    n.equal(f"{y} of {x}", int(row[y]), (x[y + "_ns"] or 0) if scheme == "ipfix" else 0)
    n.equal("others", by, {})


class Collector:
    """A socket in a, or wherever it is said; keeps messages."""

    def __init__(self, ns, ip="10.66.0.1", port=PORT):
        with n.Inside(ns):
            self.s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.s.bind((ip, port))
        self.s.setblocking(False)
        self.messages = []

    def take(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.messages.append(self.s.recv(65536))
        return self.messages

    def first(self):
        select.select([self.s], [], [], n.PATIENCE)
        return self.take()

    def decoded(self, path):
        """By tshark: a row for each message; it must find no fault with any, and each template."""
        packets = [struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(x), 0, 0, 64, 17, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 2]) +
                   struct.pack("!HHHH", 1234, PORT, 8 + len(x), 0) + x for x in self.take()]
        frames.pcap(path, [(i * 1000000, x) for i, x in enumerate(packets)], link=101)
        cmd = ("tshark", "-r", path, "-d", f"udp.port=={PORT},cflow")
        names = ("_ws.malformed", "_ws.expert", "cflow.version", "cflow.sequence", "cflow.flowset_id", "cflow.srcport")
        rows = n.sh(*cmd, "-T", "fields", *(y for x in names for y in ("-e", x))).stdout.splitlines()
        rows = [x.split("\t") for x in rows]
        n.equal("messages", len(rows), len(packets))
        n.equal("faults", [x[:2] for x in rows if x[0] or x[1]], [])
        text = n.sh(*cmd, "-V").stdout
        n.equal("sets without a template", len(re.findall("[Nn]o [Tt]emplate", text)), 0)
        rows = [dict(zip(names[2:], x[2:])) for x in rows]
        for row, x in zip(rows, self.messages):
            row["domain"] = struct.unpack("!I", x[12:16] if row["cflow.version"] == "10" else x[16:20])[0]
        return rows


def ends(row):
    """Flows in a message."""
    return len([x for x in row["cflow.srcport"].split(",") if x])


def messages():
    """tshark takes apart every message; none is larger than it may be; sequence numbers count what they should"""
    for scheme, size in (("ipfix", 508), ("netflow9", 1400)):
        h = Host()
        collector = Collector(h.a)
        sw = h.start("--export-size", size, "--export-domain", 77, url=f"{scheme}://10.66.0.1:{PORT}")
        h.traffic(sw)
        n.equal("exit code", sw.stop(), 0)
        want = conns(sw)
        rows = collector.decoded(h.dir / "pcap")
        n.equal("version", {x["cflow.version"] for x in rows}, {"10" if scheme == "ipfix" else "9"})
        n.at_most("size", max(len(x) for x in collector.messages), size)
        n.at_least("size", max(len(x) for x in collector.messages), size - 140)
        n.equal("first sets", rows[0]["cflow.flowset_id"], "2" if scheme == "ipfix" else "0")
        flows = sum(ends(x) for x in rows)
        n.equal("flows", flows, sum(1 if scheme == "ipfix" else bool(x["orig_pkts"]) + bool(x["resp_pkts"]) for x in want))
        # of the whole exporter are totals, in domain 0, the last ones of all messages before
        own = [x for x in rows if not x["domain"]]
        n.equal("sets of domain 0", {x["cflow.flowset_id"] for x in own}, {"3,258" if scheme == "ipfix" else "1,258"})
        octets = sum(len(x) for x in collector.messages[:-1])
        total = struct.pack("!QQQ", len(rows) - 1, flows, octets) + (struct.pack("!Q", 0) if scheme == "ipfix" else b"")
        n.equal("totals", collector.messages[-1][-len(total):], total)
        for domain in (0, 77):
            expected = 0
            for x in (y for y in rows if y["domain"] == domain):
                n.equal(f"sequence in {domain}", int(x["cflow.sequence"]), expected)
                expected += ends(x) + (not domain) if scheme == "ipfix" else 1
        n.cleanup()


def set_ids(messages):
    """Of the first set of each IPFIX message: 2 are templates, 3 is of the totals."""
    return [struct.unpack("!H", x[16:18])[0] for x in messages]


def templates_again():
    """templates come again after 100 messages, and, as long tests see, after 30 seconds: who begins to listen late understands what follows"""
    h = Host()
    collector = Collector(h.a)
    sw = h.start("--export-size", 508, url=f"ipfix://10.66.0.1:{PORT}")
    n.talk(h.a, h.listeners[0], 1000, size=1)
    n.equal("exit code", sw.stop(), 0)
    ids = set_ids(collector.take())
    at = [i for i, x in enumerate(ids) if x == 2]
    n.equal("the first one", ids[0], 2)
    n.at_least("messages", len(ids), 202)
    n.at_least("templates", len(at), 3)
    # at once, and between two of them 100 that have flows
    n.equal("flows between", [sum(y == 256 for y in ids[x:y]) for x, y in zip(at, at[1:])], [100] * (len(at) - 1))
    if "SW_TEST_LONG" in os.environ:
        del collector.messages[:]
        sw = h.start(url=f"ipfix://10.66.0.1:{PORT}")
        n.until(lambda: set_ids(collector.take()).count(2) > 1, 60)
        n.equal("exit code", sw.stop(), 0)


def status(h, sw):
    return json.loads(n.sh(n.SYNWARD, "status", "-j", "--pid", sw.p.pid, ns=h.b).stdout)


def metric(h, name):
    with n.Inside(h.b):
        s = socket.create_connection(("127.0.0.1", 9435))
    s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    return int(re.search(rf"^{name} (\d+)$", n.read_all(s).decode(), re.M)[1])


def lost_and_back():
    """refused: counted, said, shown; a collector that comes back gets the templates before anything else"""
    h = Host()
    url = f"ipfix://10.66.0.1:{PORT}"
    sw = h.start("--metrics", 9435, url=url)
    n.equal("is said", f"export to {url}" in sw.said(), True)
    n.talk(h.a, h.listeners[0], 30)

    def known():
        """all 30 are lost"""
        return status(h, sw)["export_lost"] == 30

    n.until(known)
    shown = status(h, sw)
    n.equal("status", [shown[x] for x in ("export", "exported", "export_lost")], [url, 0, 30])
    n.equal("metrics", [metric(h, f"synward_{x}_connections_total") for x in ("exported", "export_lost")], [0, 30])
    n.equal("in text", f"0 sent, 30 lost, to {url}" in n.sh(n.SYNWARD, "status", "--pid", sw.p.pid, ns=h.b).stdout, True)
    k.lines_of(sw.err(), rf"export to {re.escape(url)}: Connection refused: .*counted")
    collector = Collector(h.a)
    n.equal("set of the first message", struct.unpack("!H", collector.first()[0][16:18])[0], 2)
    n.talk(h.a, h.listeners[0], 20)
    n.equal("exit code", sw.stop(), 0)
    lines = sw.lines()
    n.equal("conn lines", sum(x["event"] == "conn" for x in lines), 50)
    n.fields(lines[-1], exported=20, export_lost=30, lost_total=0)
    rows = collector.decoded(h.dir / "pcap")
    n.equal("flows", sum(ends(x) for x in rows), 20)
    n.equal("not sent, by the last totals", struct.unpack("!Q", collector.take()[-1][-8:])[0], 30)


def refused_later():
    """a refusal that comes when all is sent: what was sent within the second before is lost, and what was earlier is not"""
    h = Host()
    n.sh("nft", "-f", "-", ns=h.a, input="table ip t {\nchain c {\ntype filter hook input priority 0\n"
         f"udp dport {PORT} drop\n}}\n}}\n")
    sw = h.start(url=f"netflow9://10.66.0.1:{PORT}")
    sends = n.until(lambda: udp_peers(h.b))[0]
    n.talk(h.a, h.listeners[0], 4)
    n.until(lambda: status(h, sw)["exported"] == 4)
    with n.Inside(h.a):
        udp = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x800))
        icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    udp.bind(("xpc0", 0))
    udp.settimeout(n.PATIENCE)
    n.talk(h.a, h.listeners[0], 7)
    wanted = 7 * 2 * 65  # bytes of their records
    while wanted > 0:  # until they have come by
        packet = udp.recv(65536)
        if packet[9] == 17 and packet[28:30] == b"\0\x09" and packet[48:50] == b"\1\0":
            wanted -= len(packet) - 52
    quoted = packet[:28]
    message = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
    n.equal("from the port that it is connected by", struct.unpack("!H", quoted[20:22])[0], sends[1])
    icmp.sendto(message[:2] + struct.pack("!H", frames.checksum(message)) + message[4:], ("10.66.0.2", 0))
    n.until(lambda: status(h, sw)["export_lost"] == 7)
    n.equal("exit code", sw.stop(), 0)
    n.fields(sw.lines()[-1], exported=4, export_lost=7)


def udp_peers(ns):
    """Of UDP sockets that have a peer: inode and own port."""
    with n.Inside(ns):
        rows = pathlib.Path("/proc/thread-self/net/udp").read_text(encoding="ascii").splitlines()[1:]
    rows = [x.split() for x in rows]
    return [(x[9], int(x[1].split(":")[1], 16)) for x in rows if not x[2].startswith("0" * 8)]


def blocking(sw, ns):
    """Which of its sockets with a peer wait."""
    inodes = {f"socket:[{inode}]" for inode, _ in udp_peers(ns)}
    proc = pathlib.Path(f"/proc/{sw.p.pid}")
    fds = [x for x in os.listdir(proc / "fd") if os.readlink(proc / "fd" / x) in inodes]
    return [not int(re.search(r"flags:\s*(\d+)", (proc / "fdinfo" / x).read_text())[1], 8) & os.O_NONBLOCK for x in fds]


def denied():
    """a firewall that lets nothing out: counted; the socket is one that never waits"""
    h = Host()
    collector = Collector(h.a)
    n.sh("nft", "-f", "-", ns=h.b, input="table ip t {\nchain c {\ntype filter hook output priority 0\n"
         f"udp dport {PORT} drop\n}}\n}}\n")
    sw = h.start(url=f"netflow9://10.66.0.1:{PORT}")
    n.equal("waits", blocking(sw, h.b), [False])
    n.talk(h.a, h.listeners[0], 25)
    n.until(lambda: status(h, sw)["export_lost"] == 25)
    n.sh("nft", "flush", "ruleset", ns=h.b)
    n.talk(h.a, h.listeners[0], 5)
    n.until(lambda: status(h, sw)["exported"] == 5)
    n.equal("exit code", sw.stop(), 0)
    n.fields(sw.lines()[-1], exported=5, export_lost=25)
    rows = collector.decoded(h.dir / "pcap")
    n.equal("flows", sum(ends(x) for x in rows), 10)
    k.lines_of(sw.err(), "Operation not permitted", "written again after .* 25 connections were lost")


def of_lines_apart():
    """neither --events nor an output that nobody reads keeps a record from the collector"""
    h = Host()
    collector = Collector(h.a)
    sw = h.start("--events", "stats", url=f"ipfix://10.66.0.1:{PORT}")
    n.talk(h.a, h.listeners[0], 3)
    n.equal("exit code", sw.stop(), 0)
    n.equal("lines", collections.Counter(x["event"] for x in sw.lines()), {"stats": 1})
    n.fields(sw.lines()[-1], exported=3, export_lost=0)
    collector.take()
    read_end, write_end = os.pipe()
    sw = h.start("--full-events", "--ring", "128k", url=f"ipfix://10.66.0.1:{PORT}", stdout=write_end)
    os.close(write_end)
    count = 1900  # whose lines are more than what may wait, and more than the ring then holds
    n.talk(h.a, h.listeners[0], count, size=1)
    n.until(lambda: status(h, sw)["exported"] == count, n.PATIENCE, evidence=lambda: status(h, sw))
    os.close(read_end)
    n.equal("exit code", sw.stop(), 0)


def typed(h, ns, text):
    """A command of docs/export.md, which runs then; sudo is nobody here."""
    for was, here in (("sudo ", ""), ("eth0", "xps0"), ("192.0.2.1", "10.66.0.1"), ("2001:db8::1", "fd66::1"), ("/var/cache/nfdump", str(h.dir))):
        text = text.replace(was, here)
    name = h.dir.parent / f"typed-{next(numbers)}"
    with name.with_suffix(".out").open("wb") as out, name.with_suffix(".err").open("wb") as err:
        path = f"{pathlib.Path(n.SYNWARD).parent}:{os.environ['PATH']}"
        p = n.popen(["bash", "-euc", f"exec {text}"], ns, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=h.dir.parent, env={**os.environ, "PATH": path})
    n.started.append(p)
    return p, lambda kind: name.with_suffix(kind).read_text()


def documented():
    """every command of docs/export.md, as it is there: nfcapd has the flows of run and of replay, and nfdump shows them"""
    h = Host()
    first, collects = [x.statements() for x in docs.blocks(n.TOP / "docs/export.md") if x.info == "sh"]
    (_, ipfix), (_, netflow9), (_, replays) = first
    (_, nfcapd), (_, nfdump) = collects
    collector, log = typed(h, h.a, nfcapd)
    n.until(lambda: unread(h.a) is not None, n.PATIENCE, evidence=lambda: log(".err"))
    other = Collector(h.a, "fd66::1", 2055)
    ports = set()
    for text, listener in ((ipfix, h.listeners[0]), (netflow9, h.listeners[1])):
        p, said = typed(h, h.b, text)
        n.until(lambda: "export to" in said(".err") or p.poll() is not None, 60, evidence=lambda: said(".err"))  # pylint: disable=cell-var-from-loop
        c, s = n.open_pair(h.a, listener)
        ports.add(c.getsockname()[1])
        c.close()
        s.close()
        n.settled(h.a, h.b)
        p.send_signal(signal.SIGINT)
        n.equal(f"exit code ({said('.err')})", p.wait(timeout=n.PATIENCE), 0)
        n.equal("lines", "--output none" in text, not said(".out"))
    n.equal("NetFlow v9", struct.unpack("!H", other.first()[0][:2])[0], 9)
    talk = frames.Talk("192.0.2.1", "192.0.2.2", 1234, 80, 1_300_000_000_000_000_000)
    talk.handshake()
    talk.send(0, frames.RST)
    frames.pcap(h.dir.parent / "capture.pcap", [(t, frames.ethernet(x)) for t, x in talk.frames])
    p, said = typed(h, h.a, replays)
    n.equal(f"exit code of replay ({said('.err')})", p.wait(timeout=60), 0)
    n.until(lambda: not unread(h.a), n.PATIENCE)
    collector.send_signal(signal.SIGTERM)
    collector.wait(timeout=n.PATIENCE)
    p, said = typed(h, h.a, nfdump)
    n.equal(f"exit code of nfdump ({said('.err')})", p.wait(timeout=60), 0)
    rows = [x for x in said(".out").splitlines() if "10.66.0.2:7777" in x or "192.0.2.2:80" in x]
    n.equal(f"rows of {said('.out')}", len(rows), 2)
    n.equal("the port of the one of IPv4", sum(f":{x} " in rows[0] or f":{x} " in rows[1] for x in ports), 1)


def start_fails():
    """what is no collector is one line and an exit code, and nothing is attached"""
    h = Host()
    for args, code, text in (
            (("--export", "ipfix://nowhere.invalid:4739"), 9, "export to ipfix://nowhere.invalid:4739: "),
            (("--export", "ipfix://198.51.100.1:4739"), 9, "export to ipfix://198.51.100.1:4739: Network is unreachable"),
            (("--export", "ipfix://10.66.0.1"), 2, "is not ipfix://HOST:PORT"),
            (("--export", "ipfix://a:1", "--export", "ipfix://b:1"), 2, "one collector: 'ipfix://b:1' is one too many"),
            (("--export-pen", 1), 2, "go with --export"),
            (("--export", "netflow9://a:1", "--export-pen", 1), 2, "NetFlow v9 has no private elements"),
            (("--export", "ipfix://a:1", "--export-size", 507), 2, "--export-size")):
        for cmd in (("run", "-i", "xps0"), ("replay", "/dev/null")):
            r = n.sh(n.SYNWARD, *cmd, *args, ns=h.b, check=False)
            if cmd[0] == "replay" and code == 9:
                continue  # below: it looks at its capture first
            n.equal(f"exit code, lines of {cmd}, {args}: {r.stderr}", (r.returncode, len(r.stderr.splitlines())), (code, 1))
            n.equal(f"{text!r} in {r.stderr!r}", text in r.stderr, True)
    n.equal("hooks", n.hooks_on(h.b, "xps0"), [])


def replayed():
    """replay exports a capture, without root and in the capture's time"""
    h = Host()
    collector = Collector(h.b, "127.0.0.1")
    when = 1_300_000_000_123_000_000
    talk = frames.Talk("192.0.2.1", "192.0.2.2", 1234, 80, when)
    talk.handshake()
    talk.send(0, frames.ACK | frames.PSH, b"x" * 100)
    talk.send(1, frames.ACK)
    frames.pcap(h.dir / "capture", [(t, frames.ethernet(x)) for t, x in talk.frames])
    os.chmod(n.tmp.name, 0o755)
    os.chmod(h.dir, 0o755)
    for scheme, head in (("ipfix", 16), ("netflow9", 20)):
        r = n.sh("setpriv", "--reuid", 65534, "--regid", 65534, "--clear-groups", n.SYNWARD, "replay", "--export",
                 f"{scheme}://127.0.0.1:{PORT}", h.dir / "capture", ns=h.b)
        n.equal("stderr", r.stderr, "")
        lines = [json.loads(x) for x in r.stdout.splitlines()]
        n.fields(lines[-1], exported=1, export_lost=0)
        first, data, totals = collector.first()
        del collector.messages[:]
        n.equal("set ids", [struct.unpack("!H", x[head:head + 2])[0] for x in (first, data, totals)],
                [2, 256, 3] if scheme == "ipfix" else [0, 256, 1])
        n.equal("time", {struct.unpack("!I", x[head - 12:head - 8])[0] for x in (first, data)}, {when // 10**9})
        if scheme == "ipfix":
            n.equal("start", struct.unpack("!Q", data[69:77])[0], when // 10**6)
        else:
            up, at = struct.unpack("!I", data[4:8])[0], struct.unpack("!I", data[54:58])[0]
            n.equal("start", when // 10**9 * 1000 + at - up, when // 10**6)
    r = n.sh(n.SYNWARD, "replay", "--export", "ipfix://nowhere.invalid:4739", h.dir / "capture", ns=h.b, check=False)
    n.equal("exit code, lines", (r.returncode, len(r.stderr.splitlines())), (9, 1))


n.main(nfdump_ipfix, nfdump_netflow9, nfacctd, messages, templates_again, lost_and_back, refused_later, denied, of_lines_apart, documented, start_fails, replayed)
