#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The scripts of src/dist/watch, each with what it is for.

    +------- a -------+         +------- b -------+
    | clients, floods |  veth   |          server |   gobgpd in both: what b announces is at a
    | 10.66.0.1       o=========o    10.66.0.2    |   the web server of the hook is in a
    | cli0            |         | srv0   synward  |   synward watch in b
    +-----------------+         +-----------------+
"""
import fcntl
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import kit as n
from kit import bulk
from kit import guard as k
from kit.watch import Instance, Watch
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

SCRIPTS = n.TOP / "src/dist/watch"
VICTIM = "10.66.0.53"  # whom the attacker wants to be blocked; nobody's here
RULE = f"[destination: 10.66.0.2/32][protocol: ==tcp][destination-port: =={k.PORT}][tcp-flags: S&!A]"


def gobgp(ns, *args, check=True):
    return n.sh("gobgp", *args, ns=ns, check=check)


def speaker(ns, number, neighbor, own_port):
    """A gobgpd that is ready for its neighbour"""
    path = pathlib.Path(n.tmp.name, f"gobgpd-{number}")
    families = "".join(f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{x}-flowspec"\n' for x in ("ipv4", "ipv6"))
    path.with_suffix(".conf").write_text(
        f'[global.config]\nas = {65000 + number}\nrouter-id = "10.66.0.{number}"\nport = {own_port}\n[[neighbors]]\n[neighbors.config]\n'
        f'neighbor-address = "{neighbor}"\npeer-as = {65003 - number}\n[neighbors.timers.config]\nconnect-retry = 1\n'
        f'[neighbors.transport.config]\npassive-mode = {"true" if own_port > 0 else "false"}\n{families}')
    with open(path.with_suffix(".log"), "wb") as log:
        p = n.popen(["gobgpd", "-t", "toml", "-f", str(path.with_suffix(".conf")), "--api-hosts", "127.0.0.1:50051"], ns, stdout=log, stderr=log)
    n.started.append(p)
    n.until(lambda: gobgp(ns, "neighbor", check=False).returncode == 0)
    return p


def rules(ns, family="ipv4"):
    """match: what is done, by rate"""
    out = gobgp(ns, "global", "rib", "-a", f"{family}-flowspec", "-j").stdout
    return {match: attr["value"][0]["rate"] for match, (path, *_) in json.loads(out or "{}").items()
            for attr in path["attrs"] if attr["type"] == 16}


def flowspec():
    """a flood engages the guard: a rule for its service is at the other BGP speaker; it is over: the rule is withdrawn"""
    g = k.ground("--engage", "half-open=100,syn-rate=1000000", "--hold", 1, "--grace", 1, "--protect", k.PORT, "--interval", 0.5, mode="auto")
    speaker(g.a, 1, "10.66.0.2", 179)
    speaker(g.b, 2, "10.66.0.1", -1)
    n.until(lambda: "Establ" in gobgp(g.a, "neighbor").stdout)
    w = Watch("", "--events", "guard,-drop", "--per", "service", sw=g.sw, ns=g.b, cmd=("--exec", SCRIPTS / "flowspec-gobgp"),
              env={"STATE_DIRECTORY": n.tmp.name})
    g.talk()
    n.equal("calm", rules(g.a), {})
    k.finished(k.flood(g, 1000, 1000))
    n.until(lambda: rules(g.a))
    n.equal("at the other speaker", rules(g.a), {RULE: 1250000})
    n.equal("of the other family", rules(g.a, "ipv6"), {})
    n.until(lambda: not rules(g.a))
    n.until(lambda: g.figures()["state"] == "calm")
    w.stop("0 timed out")
    said = w.err()  # the command for a `service` line may be running: the stop ends it
    n.equal(f"failed ({said})", int(re.search(r"(\d+) failed", said)[1]), len(re.findall(r"was ended by signal 15: service", said)))


class Spec:
    """flowspec-gobgp beside a gobgpd, and what is announced then"""

    def __init__(self, **env):
        self.ns = n.new_ns("fs")
        speaker(self.ns, 1, "127.0.0.9", 179)
        self.inst = Instance()
        self.folder = pathlib.Path(n.tmp.name, f"spec-{len(list(pathlib.Path(n.tmp.name).glob('spec-*')))}")
        self.folder.mkdir()
        self.env = {"STATE_DIRECTORY": str(self.folder), "FLOWSPEC_DST": "192.0.2.1/32 2001:db8::1", "FLOWSPEC_THEN": "discard", **env}
        self.w = Watch("", "--events", "guard,drop", "--rate", "none", inst=self.inst, ns=self.ns, env=self.env,
                       cmd=("--exec", SCRIPTS / "flowspec-gobgp"))
        self.row = 0

    def after(self, status=0, **event):
        ip = event.get("service_ip", "10.0.0.1")
        service = f"{f'[{ip}]' if ip and ':' in ip else ip}:80"
        self.inst.say({"service": service, "service_port": 80, "dry_run": False, "mode": "auto", "service_ip": ip, "to": "engaged", **event})
        self.row += 1
        n.fields(self.w.runs(self.row)[-1], status=status)
        return self.announced()

    def announced(self):
        return sorted(x.split("]")[0][1:].removeprefix("destination: ").removesuffix("/0") for v in ("ipv4", "ipv6") for x in rules(self.ns, v))


def flowspec_states():
    """for each state what is announced: IPv6, a prefix, a service on all addresses; nothing of monitor, or of always; lines
    that heal"""
    f = Spec()
    n.equal("monitor", f.after(dry_run=True, mode="monitor"), [])
    n.equal("always", f.after(mode="always"), [])
    n.equal("engaged", f.after(), ["10.0.0.1/32"])
    n.equal("grace", f.after(to="grace"), ["10.0.0.1/32"])
    n.equal("twice", f.after(), ["10.0.0.1/32"])
    n.equal("another", f.after(service_ip="2001:db8::7"), ["10.0.0.1/32", "2001:db8::7/128"])
    n.equal("calm, by a service line", f.after(event="service", state="calm"), ["2001:db8::7/128"])
    n.equal("calm twice", f.after(to="calm"), ["2001:db8::7/128"])
    n.equal("a prefix", f.after(service_ip="203.0.113.0/24"), ["2001:db8::7/128", "203.0.113.0/24"])
    n.equal("all addresses", f.after(service_ip=None, service="*:80"), ["192.0.2.1/32", "2001:db8::1/128", "2001:db8::7/128", "203.0.113.0/24"])
    n.equal("what is done", set(rules(f.ns).values()), {0})
    n.equal("now always", f.after(mode="always", service_ip="203.0.113.0/24"), ["192.0.2.1/32", "2001:db8::1/128", "2001:db8::7/128"])
    n.equal("now monitor", f.after(event="service", state="engaged", mode="monitor", service_ip="2001:db8::7"), ["192.0.2.1/32", "2001:db8::1/128"])
    for bad in ({"service_ip": "1.2.3.4 then accept"}, {"service_port": "80 x"}, {"service_ip": "-h"}, {"service": "../../x y"}):
        f.after(1, **{"service_ip": "10.0.0.9", **bad})
    f.w.stop()


def flowspec_wanted():
    """a rule is withdrawn with the last that wants it: of services on one address and on all of one family or of both, of two
    watches; a daemon that fails for one prefix is asked for the others"""
    f = Spec()
    both = ["192.0.2.1/32", "2001:db8::1/128"]
    n.equal("one", f.after(service_ip="192.0.2.1"), both[:1])
    n.equal("all are calm", f.after(service_ip=None, service="*:80", to="calm"), both[:1])
    n.equal("of IPv6", f.after(service_ip=None, service="[::]:80"), both)
    n.equal("of IPv4", f.after(service_ip=None, service="0.0.0.0:80"), both)
    n.equal("one is calm", f.after(service_ip="192.0.2.1", to="calm"), both)
    n.equal("of IPv6 calm", f.after(service_ip=None, service="[::]:80", to="calm"), both[:1])
    n.equal("another port", f.after(service_ip=None, service="0.0.0.0:81", service_port=81, to="calm"), both[:1])
    n.equal("of IPv4 calm", f.after(service_ip=None, service="0.0.0.0:80", to="calm"), [])

    def other(to):
        first = f.inst.c
        w = Watch("", "--count", 1, inst=f.inst, ns=f.ns, env={**f.env, "FLOWSPEC_WHO": "eth1"}, cmd=("--exec", SCRIPTS / "flowspec-gobgp"))
        f.inst.say({"service": "192.0.2.1:80", "service_ip": "192.0.2.1", "service_port": 80, "dry_run": False, "mode": "auto", "to": to})
        w.ended(0, "1 commands begun, 0 failed")
        f.inst.c.close()
        f.inst.c = first
        return f.announced()

    n.equal("of this watch", f.after(service_ip="192.0.2.1"), both[:1])
    n.equal("of the other", other("engaged"), both[:1])
    n.equal("calm here", f.after(service_ip="192.0.2.1", to="calm"), both[:1])
    n.equal("calm there", other("calm"), [])
    f.w.stop()


def flowspec_fails():
    """a gobgp that fails for a prefix: the others are withdrawn, and by --retry that one, too"""
    folder = pathlib.Path(n.tmp.name, "fails")
    (folder / "bin").mkdir(parents=True)
    fake = folder / "bin/gobgp"
    fake.write_text('#!/bin/sh\necho "$5 $8" >>"$HERE/said"\n[ -e "$HERE/up" ] || [ "$8" != 192.0.2.1/32 ]\n')
    fake.chmod(0o755)
    inst = Instance()
    w = Watch("", "--per", "service", "--retry", 0.2, inst=inst, cmd=("--exec", SCRIPTS / "flowspec-gobgp"),
              env={"STATE_DIRECTORY": str(folder), "GOBGP": str(fake), "FLOWSPEC_DST": "192.0.2.1/32 192.0.2.2/32"})
    inst.say({"service": "*:80", "service_ip": None, "service_port": 80, "dry_run": False, "mode": "auto", "to": "calm"})
    n.until(lambda: w.text("said").count("del 192.0.2.1/32\ndel 192.0.2.2/32\n") >= 2)
    (w.dir / "up").touch()
    n.until(lambda: '"status":0' in w.text("out"))
    w.stop()


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/gone":
            self.server.got.append((self.path, self.headers["Content-Type"], self.headers["Authorization"], body))
        self.send_response(404 if self.path == "/gone" else self.server.codes.pop(0) if self.server.codes else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def webhook():
    """the event's line is posted as it is; a server that fails is asked again; a failure is said, its secret is not shown"""
    g = k.Ground(mode="off")
    with n.Inside(g.a):
        server = http.server.ThreadingHTTPServer(("10.66.0.1", 8080), Hook)
    server.got, server.codes = [], [503]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    secret = pathlib.Path(n.tmp.name, "headers")
    secret.write_text("Authorization: Bearer hush\n")
    w = Watch("", "--per", "service", sw=g.sw, ns=g.b, env={"WEBHOOK_HEADERS": str(secret), "http_proxy": ""},
              cmd=("--exec", SCRIPTS / "webhook", "--", "http://10.66.0.1:8080/hook"))
    lost = Watch("", "--count", 1, sw=g.sw, ns=g.b, cmd=("--exec", SCRIPTS / "webhook", "--", "http://10.66.0.1:1/hook"))
    gone = Watch("", "--count", 1, sw=g.sw, ns=g.b, cmd=("--exec", SCRIPTS / "webhook", "--", "http://10.66.0.1:8080/gone"))
    k.guard(g.sw, "always", f"{k.SERVER[4]}:{k.PORT}")
    line = g.sw.wait_for(lambda x: x["event"] == "guard" and x["mode"] == "always")
    n.until(lambda: len(server.got) == 2)
    w.runs(1)
    for path, kind, auth, body in server.got:
        n.equal("request", (path, kind, auth), ("/hook", "application/json", "Bearer hush"))
        n.equal("body", {**json.loads(body), "seq": 0}, {**line, "seq": 0})
    lost.ended(0, "exit code 7", "1 failed")
    gone.ended(0, "exit code 22", "1 failed")
    w.stop("1 commands begun, 0 failed")
    server.shutdown()
    server.server_close()


def forge(g, source, count, rng, v=4, tunnel=False):
    """Conversations in the name of somebody else: with a SYN-ACK in the server's name, whose number the ACK then has, and
    without, when that is guessed."""
    peer = k.Peer(g, v=v, ip=source)
    outer = IP(src="192.0.2.9", dst=k.SERVER[4]) if tunnel else None
    layer = IPv6 if v == 6 else IP
    for i in range(count):
        peer.sport, peer.seq = 20000 + i, rng.getrandbits(32)
        peer.send(peer.packet("S"))
        guess = rng.getrandbits(32)
        if i % 4:
            answer = layer(src=k.SERVER[v], dst=source) / TCP(sport=k.PORT, dport=peer.sport, flags="SA", seq=guess - 1 & 0xffffffff,
                                                              ack=peer.seq + 1 & 0xffffffff)
            peer.send(outer / answer if tunnel else answer)
        for flags, data, seq in (("A", b"", 1), ("PA", b"GET / HTTP/1.0\r\n\r\n", 1), ("FA", b"", 19), ("R", b"", 1)):
            peer.send(peer.packet(flags, data, seq=peer.seq + seq, ack=guess))
    peer.close()


class Blocker:
    """block-sources, of the conn lines of a synward in a namespace of its own; its list of those that never may"""

    def __init__(self, *args, count=10, most=2):
        self.g = k.Ground("--interval", 0.2, "--close-delay", 0.1, "--owner", "socket", *args, mode="monitor")
        self.folder = pathlib.Path(n.tmp.name, f"block-{self.g.sw.p.pid}")
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / "bin/synward").symlink_to(shutil.which(n.SYNWARD))
        (self.folder / "never").write_text("# the office\n10.66.3.0/24\n10.66.9.9\nfd66::7\n")
        env = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "STATE_DIRECTORY": str(self.folder), "BLOCK_COUNT": str(count),
               "BLOCK_FOR": "3600", "BLOCK_MAX": str(most), "BLOCK_NEVER": str(self.folder / "never")}
        self.w = Watch("", "--events", "conn,stats", "--rate", "none", sw=self.g.sw, ns=self.g.b, env=env,
                       cmd=("--exec", SCRIPTS / "block-sources", "--", "--pid", self.g.sw.p.pid))

    def lines(self, ip):
        rows = pathlib.Path(self.g.sw.path).read_text().splitlines()
        return [json.loads(x) for x in rows if f'"orig_ip":"{ip}"' in x and '"event":"conn"' in x]

    def ran(self):
        """commands for connections that have ended"""
        return self.w.text("out").count('"of":"conn"')

    def forged(self, ip, count, rng, **how):
        """how many of the forged ones look whole"""
        before = self.ran()
        forge(self.g, ip, count, rng, **how)
        n.until(lambda: len(self.lines(ip)) >= count and self.ran() >= before + count)
        return len([x for x in self.lines(ip) if x["handshake"] == "normal" and not x["inferred"] and x["client_ns"] is not None
                    and x["resp_socket_cookie"] and x["via"] == "stack"])

    def connect(self, count, *sources):
        before = self.ran()
        for ip in sources * count:
            c, s = self.g.open(src=ip)
            c.close()
            s.close()
        n.until(lambda: self.ran() >= before + count * len(sources))

    def blocked(self):
        out = n.sh(n.SYNWARD, "list", "show", "block", "--json", "--pid", self.g.sw.p.pid).stdout
        return sorted(json.loads(x)["cidr"].split("/")[0] for x in out.splitlines())


def block():
    """sources of many whole connections are blocked, for a time, up to a number, and not those that never may"""
    b = Blocker()
    n.addr(b.g.a, "cli0", "10.66.1.1/16", "10.66.1.2/16", "10.66.1.3/16", "10.66.3.200/16", "10.66.9.9/16")
    (b.folder / "never").rename(b.folder / "away")
    b.connect(11, "10.66.9.9")
    n.equal("without the list of those that never may", b.blocked(), [])
    (b.folder / "away").rename(b.folder / "never")
    b.connect(9, "10.66.1.1")
    n.equal("after nine", b.blocked(), [])
    b.connect(11, "10.66.3.200", "10.66.9.9")
    n.equal("never", b.blocked(), [])
    b.connect(1, "10.66.1.1")
    n.equal("after ten", b.blocked(), ["10.66.1.1"])
    b.connect(10, "10.66.1.2")
    n.equal("two", b.blocked(), ["10.66.1.1", "10.66.1.2"])
    b.connect(10, "10.66.1.3")
    n.until(lambda: "10.66.1.3 is not blocked: 2 addresses are" in b.w.err())
    n.equal("no more than two", b.blocked(), ["10.66.1.1", "10.66.1.2"])
    (b.folder / "blocked").write_text("1 10.66.1.1\n1 10.66.1.2\n")  # their time is over
    n.until(lambda: not b.blocked())
    n.until(lambda: not (b.folder / "blocked").read_text())
    b.w.stop("10.66.1.1 is blocked for 3600 s: 10 connections within 60 s", "0 timed out")
    n.equal("exit code", b.g.sw.stop(hurry=True), 0)


def block_forged():
    """floods in the name of another, with SYNs, SYN-ACKs in the server's name, guessed ACKs, data and RSTs, block nobody: over
    IPv4 none looks whole, over IPv6 most do"""
    rng = random.Random(n.seed())
    b = Blocker()
    n.equal("whole ones of IPv4", b.forged(VICTIM, 40, rng), 0)
    n.at_least("whole ones of IPv6", b.forged("fd66::53", 40, rng, v=6), 25)
    n.equal("blocked", b.blocked(), [])
    n.equal("the script", {x["status"] for x in b.w.runs()}, {0})
    b.w.stop()
    n.equal("exit code", b.g.sw.stop(hurry=True), 0)


def block_in_tunnels():
    """nobody is blocked by a synward that looks into tunnels: a whole handshake is made there in anybody's name"""
    rng = random.Random(n.seed())
    b = Blocker("--decap")
    n.at_least("whole ones in tunnels", b.forged(VICTIM, 40, rng, tunnel=True), 25)
    n.until(lambda: f"{VICTIM} is not blocked: synward runs with --decap" in b.w.err())
    n.equal("blocked", b.blocked(), [])
    b.w.stop()
    n.equal("exit code", b.g.sw.stop(hurry=True), 0)


FAKE = """#!/bin/sh
# a synward that says and does what a test wants: list, status in a file each; fail: what fails
echo "$*" >>"$STATE_DIRECTORY/asked"
! grep -qxF -e "$1 $2" -e "$1 $2 $3 $4" "$STATE_DIRECTORY/fail" || exit 1
case "$1 $2" in
'list show') cat "$STATE_DIRECTORY/list" ;;
status*) cat "$STATE_DIRECTORY/status" ;;
esac
"""
WHOLE = {"EVENT": "conn", "IP_VERSION": "4", "VIA": "stack", "HANDSHAKE": "normal", "INFERRED": "false", "CLIENT_NS": "1000",
         "RESP_SOCKET_COOKIE": "77", "ORIG_SOCKET_COOKIE": "", "ORIG_IP": "192.0.2.7"}


class Script:
    """block-sources by itself, with a synward that is none"""

    def __init__(self):
        self.folder = pathlib.Path(n.tmp.name, f"script-{len(list(pathlib.Path(n.tmp.name).glob('script-*')))}")
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / "bin/synward").write_text(FAKE)
        (self.folder / "bin/synward").chmod(0o755)
        self.write(list="", status='{"running":true,"pid":%d}\n' % os.getpid(), fail="", asked="", seen="", blocked="")

    def write(self, **files):
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def text(self, name):
        return (self.folder / name).read_text()

    def start(self, env=None, **keys):
        return subprocess.Popen([SCRIPTS / "block-sources", "-i", "eth0"], stderr=subprocess.PIPE, text=True, env={
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "STATE_DIRECTORY": str(self.folder), "BLOCK_COUNT": "10", **(env or {}),
            **{f"SYNWARD_{x}": y for x, y in {**WHOLE, **keys}.items()}})

    def run(self, times=1, **keys):
        """exit code, standard error of the last"""
        for _ in range(times):
            p = self.start(**keys)
            err = p.communicate(timeout=n.PATIENCE)[1]
        return p.returncode, err

    def changes(self):
        got = [x for x in self.text("asked").splitlines() if x.startswith(("list add", "list del"))]
        self.write(asked="")
        return got


def block_evidence():
    """what counts: each that is asked for by itself; the window; one script at a time; the number at least"""
    s = Script()
    for key, value in (("EVENT", "established"), ("IP_VERSION", "6"), ("VIA", "cookie"), ("HANDSHAKE", "incomplete"), ("HANDSHAKE", "split"),
                       ("INFERRED", "true"), ("CLIENT_NS", ""), ("RESP_SOCKET_COOKIE", ""), ("ORIG_SOCKET_COOKIE", "5"), ("ORIG_IP", "fd66::1")):
        n.equal(f"{key} {value}", (s.run(2, **{key: value})[0], s.text("seen")), (1 if key == "ORIG_IP" else 0, ""))
    n.equal("nine", (s.run(9)[0], s.changes()), (0, []))
    n.equal("ten", (s.run(1)[0], s.changes()), (0, ["list add block 192.0.2.7 -i eth0"]))
    n.equal("blocked", s.text("blocked").split()[1:], ["192.0.2.7"])
    now = int(time.time())
    s.write(seen=f"{now - 61} 192.0.2.8\n" * 30 + f"{now} 192.0.2.8\n" * 8)
    n.equal("of another minute", (s.run(1, ORIG_IP="192.0.2.8")[0], s.changes(), s.text("seen").count("\n")), (0, [], 9))
    n.equal("nine can be guessed", s.run(1, env={"BLOCK_COUNT": "9"}), (1, "block-sources: BLOCK_COUNT is at least 10: fewer can be guessed\n"))
    with open(s.folder / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        p = s.start(ORIG_IP="192.0.2.9")
        inode = os.stat(s.folder / "lock").st_ino
        n.until(lambda: p.poll() is not None or any("->" in x and f":{inode} " in x for x in open("/proc/locks", encoding="ascii")))
        n.equal("waits", (p.poll(), "192.0.2.9" in s.text("seen")), (None, False))
    n.equal("then", (p.wait(timeout=n.PATIENCE), "192.0.2.9" in s.text("seen")), (0, True))
    p.stderr.close()


def block_failures():
    """a synward that cannot be asked, or does not do it: nothing is forgotten, nobody is blocked for ever, one address is in
    nobody's way; entries of others stay"""
    s = Script()
    on = '{"pid":1,"list":"block","cidr":"%s","from":["command"]}\n'
    blocked = "1 192.0.2.1\n1 192.0.2.2\n1 192.0.2.3\n9999999999 192.0.2.4\n"
    rows = [on % x for x in ("192.0.2.11/32", "192.0.2.2/32", "192.0.2.3/32", "2001:db8::1:5/128")]
    s.write(blocked=blocked, list="".join(rows), fail="list show\nlist del\n")
    n.equal("cannot be asked", (s.run(EVENT="stats")[0], s.text("blocked"), s.changes()), (1, blocked, []))
    s.write(fail="list del block 192.0.2.2\n")
    n.equal("one fails", (s.run(EVENT="stats")[0], s.changes()), (1, ["list del block 192.0.2.2 -i eth0", "list del block 192.0.2.3 -i eth0"]))
    n.equal("what is left", sorted(x.split()[1] for x in s.text("blocked").splitlines()), ["192.0.2.2", "192.0.2.4"])
    n.equal("it goes on", (s.run(10)[0], s.changes()[-1]), (1, "list add block 192.0.2.7 -i eth0"))
    s.write(fail="", blocked="1 2001:db8::1\n")
    n.equal("not on the list, its longer neighbour is", (s.run(EVENT="stats")[0], s.text("blocked"), s.changes()), (0, "", []))
    s.write(list=on % "192.0.2.7/32")
    n.equal("somebody else's", (s.run(1)[0], s.text("blocked"), s.changes()), (0, "", []))
    s.write(list="", fail="list add\n")
    n.equal("not added", (s.run(1)[0], s.changes()), (1, ["list add block 192.0.2.7 -i eth0"]))
    s.write(fail="", list=on % "192.0.2.7/32")
    n.equal("taken off again, if it is there", (s.run(EVENT="stats")[0], s.text("blocked"), s.changes()), (0, "", ["list del block 192.0.2.7 -i eth0"]))
    s.write(list="", status="")
    code, err = s.run(1)
    n.equal("nobody knows how it runs", (code, "or nobody can say how it runs" in err, s.changes()), (1, True, []))


def installed():
    """`make install` puts them where docs/watch.md says"""
    into = pathlib.Path(n.tmp.name, "root")
    subprocess.run(["make", "-s", "-C", n.TOP, "install", f"DESTDIR={into}", "-o", "all", "-o", "build/synward"], check=True,
                   capture_output=True)
    for name in ("flowspec-gobgp", "webhook", "block-sources"):
        path = into / "usr/local/share/synward/watch" / name
        n.equal(name, (path.read_bytes(), oct(path.stat().st_mode & 0o777)), ((SCRIPTS / name).read_bytes(), "0o755"))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    n.main(flowspec, flowspec_states, flowspec_wanted, flowspec_fails, webhook, block, block_forged, block_in_tunnels, block_evidence, block_failures, installed)
