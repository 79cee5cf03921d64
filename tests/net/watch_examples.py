#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The scripts of src/dist/watch, each with what it is for.

    +------- a -------+         +------- b -------+
    | clients, floods |  veth   |          server |   gobgpd in both: what b announces is at a
    | 10.66.0.1       o=========o    10.66.0.2    |   the web server of the hook is in a
    | cli0            |         | srv0   synward  |   synward watch in b
    +-----------------+         +-----------------+
"""
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading

import kit as n
from kit import bulk
from kit import guard as k
from kit.watch import Instance, Watch

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
    w = Watch("", "--events", "guard,-drop", "--per", "service", sw=g.sw, ns=g.b, cmd=("--exec", SCRIPTS / "flowspec-gobgp"))
    g.talk()
    n.equal("calm", rules(g.a), {})
    k.finished(k.flood(g, 1000, 1000))
    n.until(lambda: rules(g.a))
    n.equal("at the other speaker", rules(g.a), {RULE: 1250000})
    n.equal("of the other family", rules(g.a, "ipv6"), {})
    n.until(lambda: not rules(g.a))
    n.until(lambda: g.figures()["state"] == "calm")
    w.stop("0 failed", "0 timed out")


def flowspec_states():
    """for each state what is announced: IPv6, a prefix, a service on all addresses; nothing of monitor; lines that heal"""
    ns = n.new_ns("fs")
    speaker(ns, 1, "127.0.0.9", 179)
    inst = Instance()
    w = Watch("", "--events", "guard,drop", inst=inst, ns=ns, cmd=("--exec", SCRIPTS / "flowspec-gobgp"),
              env={"FLOWSPEC_DST": "192.0.2.1/32 2001:db8::1", "FLOWSPEC_THEN": "discard"})

    def after(row, **event):
        inst.say({"service_port": 80, "dry_run": False, "service_ip": "10.0.0.1", "to": "engaged", **event})
        n.fields(w.runs(row)[-1], status=event.pop("status", 0))
        return sorted(x.split("]")[0][1:] for v in ("ipv4", "ipv6") for x in rules(ns, v))

    n.equal("monitor", after(1, dry_run=True), [])
    n.equal("engaged", after(2), ["destination: 10.0.0.1/32"])
    n.equal("grace", after(3, to="grace"), ["destination: 10.0.0.1/32"])
    n.equal("twice", after(4), ["destination: 10.0.0.1/32"])
    n.equal("another", after(5, service_ip="2001:db8::7"), ["destination: 10.0.0.1/32", "destination: 2001:db8::7/128/0"])
    n.equal("calm, by a service line", after(6, event="service", mode="auto", state="calm"), ["destination: 2001:db8::7/128/0"])
    n.equal("calm twice", after(7, to="calm"), ["destination: 2001:db8::7/128/0"])
    n.equal("a prefix", after(8, service_ip="203.0.113.0/24"), ["destination: 2001:db8::7/128/0", "destination: 203.0.113.0/24"])
    n.equal("all addresses", after(9, service_ip=None), ["destination: 192.0.2.1/32", "destination: 2001:db8::1/128/0",
                                                         "destination: 2001:db8::7/128/0", "destination: 203.0.113.0/24"])
    n.equal("what is done", set(rules(ns).values()), {0})
    for bad in ({"service_ip": "1.2.3.4 then accept"}, {"service_port": "80 x"}, {"service_ip": "-h"}):
        inst.say({"dry_run": False, "to": "engaged", "service_ip": "10.0.0.9", "service_port": 80, **bad})
    n.equal("refused", [x["status"] for x in w.runs(12)[-3:]], [1, 1, 1])
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


def blocked(g):
    out = n.sh(n.SYNWARD, "list", "show", "block", "--json", "--pid", g.sw.p.pid).stdout
    return sorted(json.loads(x)["cidr"].split("/")[0] for x in out.splitlines())


def forge(g, source, count, rng):
    """Conversations in the name of somebody else, as good as one can who does not see the answers: the number in the
    ACK is guessed."""
    peer = k.Peer(g, ip=source)
    for i in range(count):
        peer.sport, peer.seq = 20000 + i, rng.getrandbits(32)
        peer.send(peer.packet("S"))
        guess = rng.getrandbits(32)
        for flags, data, seq in (("A", b"", 1), ("PA", b"GET / HTTP/1.0\r\n\r\n", 1), ("FA", b"", 19), ("R", b"", 1)):
            peer.send(peer.packet(flags, data, seq=peer.seq + seq, ack=guess))
    peer.close()


def block():
    """sources of many whole connections are blocked, for a time, up to a number, and not those that never may; a flood in
    the name of another, with SYNs, guessed ACKs, data and RSTs, blocks nobody"""
    rng = random.Random(n.seed())
    g = k.Ground("--interval", 0.2, "--close-delay", 0.1, "--owner", "socket", mode="monitor")
    folder = pathlib.Path(n.tmp.name, "block")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/synward").symlink_to(shutil.which(n.SYNWARD))
    (folder / "never").write_text("# the office\n10.66.3.0/24\n10.66.9.9\nfd66::7\n")
    env = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "STATE_DIRECTORY": str(folder), "BLOCK_COUNT": "4", "BLOCK_FOR": "3600",
           "BLOCK_MAX": "2", "BLOCK_NEVER": str(folder / "never")}
    w = Watch("", "--events", "conn,stats", "--rate", "none", sw=g.sw, ns=g.b, env=env,
              cmd=("--exec", SCRIPTS / "block-sources", "--", "--pid", g.sw.p.pid))
    n.addr(g.a, "cli0", "10.66.1.1/16", "10.66.1.2/16", "10.66.1.3/16", "10.66.3.200/16", "10.66.9.9/16")

    def ran(ip):
        """commands for connections of it that have ended"""
        rows = [json.loads(x) for x in pathlib.Path(g.sw.path).read_text().splitlines() if f'"orig_ip":"{ip}"' in x and '"event":"conn"' in x]
        return rows, w.text("out").count('"of":"conn"')

    def connect(count, *sources):
        before = ran("")[1]
        for ip in sources * count:
            c, s = g.open(src=ip)
            c.close()
            s.close()
        n.until(lambda: ran("")[1] >= before + count * len(sources))

    forge(g, VICTIM, 40, rng)
    n.until(lambda: len(ran(VICTIM)[0]) >= 40 and ran(VICTIM)[1] >= 40)
    n.equal("handshakes in the victim's name", {x["handshake"] for x in ran(VICTIM)[0]}, {"incomplete"})
    n.equal("after the forged ones", blocked(g), [])
    n.equal("the script", {x["status"] for x in w.runs()}, {0})
    (folder / "never").rename(folder / "away")
    connect(5, "10.66.9.9")
    n.equal("without the list of those that never may", blocked(g), [])
    (folder / "away").rename(folder / "never")
    connect(3, "10.66.1.1")
    n.equal("after three", blocked(g), [])
    connect(6, "10.66.3.200", "10.66.9.9")
    n.equal("never", blocked(g), [])
    connect(1, "10.66.1.1")
    n.equal("after four", blocked(g), ["10.66.1.1"])
    connect(4, "10.66.1.2")
    n.equal("two", blocked(g), ["10.66.1.1", "10.66.1.2"])
    connect(4, "10.66.1.3")
    n.until(lambda: "10.66.1.3 is not blocked: 2 addresses are" in w.err())
    n.equal("no more than two", blocked(g), ["10.66.1.1", "10.66.1.2"])
    (folder / "blocked").write_text("1 10.66.1.1\n1 10.66.1.2\n")  # their time is over
    n.until(lambda: not blocked(g))
    n.until(lambda: not (folder / "blocked").read_text())
    w.stop("10.66.1.1 is blocked for 3600 s: 4 connections within 60 s", "0 timed out")
    n.equal("exit code", g.sw.stop(hurry=True), 0)


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
    n.main(flowspec, flowspec_states, webhook, block, installed)
