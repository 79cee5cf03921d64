#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What decides when the guard engages is what this host's kernel did, not what has arrived: attacks that hid a flood,
invented connections, or made a flood of nothing."""
import time

import kit as n
from kit import guard as k
from scapy.layers.inet import IP, TCP, fragment
from scapy.layers.l2 import Ether

MANY = 1000000  # a threshold that is out of reach
ISN = 77000
MD5 = [(19, b"\x00" * 16)]


class Forger:
    """Segments from ever new addresses that belong to nobody."""

    def __init__(self, g):
        self.g, self.next = g, 0
        self.out = k.Peer(g).out

    def source(self):
        self.next += 1
        return f"198.18.{self.next >> 8 & 255}.{self.next & 255}"

    def segment(self, src, flags, **kw):
        return IP(src=src, dst=k.SERVER[4]) / TCP(sport=30000 + self.next, dport=k.PORT, flags=flags, **kw)

    def send(self, *packets):
        for p in packets:
            self.out.send(bytes(Ether(src=self.g.macs[0], dst=self.g.macs[1]) / p))


def dead_ack_then_fragments(f, src):
    f.send(f.segment(src, "A", seq=ISN, ack=5, chksum=1),
           *fragment(f.segment(src, "S", seq=ISN, options=k.TS) / (b"x" * 8), fragsize=24))


def bad_synack_then_syn(f, src):
    f.send(f.segment(src, "SA", seq=ISN, ack=5, chksum=1), f.segment(src, "S", seq=ISN, options=k.TS))


def syn_fin_then_syn(f, src):
    f.send(f.segment(src, "SF", seq=ISN), f.segment(src, "S", seq=ISN, options=k.TS))


def rst_then_syn_then_rst(f, src):
    f.send(f.segment(src, "R", seq=ISN), f.segment(src, "S", seq=ISN, options=k.TS),
           f.segment(src, "R", seq=ISN + 1, chksum=1), f.segment(src, "R", seq=ISN + 1 + (1 << 30)))


HIDDEN = (dead_ack_then_fragments, bad_synack_then_syn, syn_fin_then_syn, rst_then_syn_then_rst)


def hidden_floods_are_counted():
    """what comes before or after a SYN hides nothing: half-open is what the kernel has in SYN_RECV, exactly"""
    k.needs_reqsk("this needs: else the kernel makes cookies always, and has nothing in SYN_RECV")
    g = k.ground("--engage", f"half-open={MANY},syn-rate={MANY}", mode="auto")
    f = Forger(g)
    for i, attack in enumerate(HIDDEN):
        for _ in range(100):
            attack(f, f.source())
        n.until(lambda want=100 * i + 100: g.syn_recv() == want)
        n.until(lambda want=100 * i + 100: g.figures()["half_open"] == want)
        fig = g.figures()
        n.equal(f"{attack.__name__}: opened, resolved", (fig["opened"], fig["resolved"]), (100 * i + 100, 0))
    n.until(lambda: g.figures()["kernel_half_open"] == 100 * len(HIDDEN))
    g.finish()


def engages(attack):
    """and so each of them engages the guard"""
    g = k.ground("--engage", f"half-open=100,syn-rate={MANY}", mode="auto")
    f = Forger(g)
    for _ in range(130):
        attack(f, f.source())
    n.until(lambda: g.figures()["state"] == "engaged")
    g.talk(4)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged], [("engaged", "half_open")])


def invented(isn, kind, *args, guarded=True):
    """a SYN-ACK from a forged client, then its SYN: the listener's own SYN-ACK completes nothing"""
    if guarded:
        k.needs_reqsk("this needs: else the kernel makes cookies always, and has nothing in SYN_RECV")
        g = k.ground("--engage", f"half-open={MANY},syn-rate={MANY}", *args, mode="auto")
    else:
        g = k.ground(start=False)
        g.sw = n.Synward(g.b, "srv0", args=args)
    f = Forger(g)
    for _ in range(50):
        src = f.source()
        f.send(f.segment(src, "SA", seq=isn, ack=9, **kind), f.segment(src, "S", seq=ISN, options=k.TS))
    n.until(lambda: g.syn_recv() == 50)
    for v in (4, 6):
        g.talk(v)
    if guarded:
        fig = g.figures()
        n.equal("opened, completed", (fig["opened"], fig["completed"]), (51, 1))
    lines = g.finish()
    n.equal("established", [x["orig_ip"] for x in lines if x["event"] == "established"], [k.CLIENT[4], k.CLIENT[6]])
    # each SYN is the begin of a connection of its own
    begun = [x for x in lines if x["event"] == "opening" and x["orig_ip"].startswith("198.18.")]
    n.equal("openings by a SYN", (len(begun), len({x["orig_ip"] for x in begun})), (50, 50))
    for x in begun:
        n.fields(x, resp_port=k.PORT, direction_by="syn", orig_isn=ISN)


def variants():
    """each as a case with grounds of its own"""
    for attack in HIDDEN:
        yield attack.__name__, engages.__doc__, lambda attack=attack: engages(attack)
    kinds = {"bad_sum": {"chksum": 1}, "md5": {"options": MD5}, "good": {}}
    for name, kind in kinds.items():
        for more, args in (("", ()), ("_checksum", ("--checksum",))):
            yield f"invented_{name}{more}", invented.__doc__, lambda kind=kind, args=args: invented(ISN, kind, *args)
        yield (f"invented_{name}_other_number", invented.__doc__, lambda kind=kind: invented(ISN + 1, kind))
        yield (f"invented_{name}_without_guard", "the same for the tracker alone",
               lambda kind=kind: invented(ISN, kind, guarded=False))


def cases():
    for name, doc, fn in variants():
        fn.__name__, fn.__doc__ = name, doc
        yield fn


def aborted_handshakes():
    """a client that resets its handshake leaves nothing half-open, as at the kernel: health checks engage nothing"""
    k.needs_reqsk("this needs: else the kernel makes cookies always, and has nothing in SYN_RECV")
    g = k.ground("--engage", f"half-open=100,syn-rate={MANY}", mode="auto")
    for i in range(150):
        p = k.Peer(g, 4, sport=20000 + i)
        p.syn(k.TS)
        p.say("R", seq=p.seq)
        p.close()
    n.until(lambda: not g.syn_recv())
    n.until(lambda: not g.figures()["half_open"])
    fig = g.figures()
    n.equal("opened, resolved, completed", (fig["opened"], fig["resolved"], fig["completed"]), (150, 150, 0))
    for i in range(99):  # with timestamps, as an aborting connect() sends them: not believed, but the kernel's count is
        p = k.Peer(g, 4, sport=21000 + i)
        answer = k.stamp(p.syn(k.TS))
        p.say("R", seq=p.seq, options=answer)
        p.close()
    n.until(lambda: not g.syn_recv())
    n.until(lambda: not g.figures()["half_open"])
    n.equal("changes", [x for x in g.finish() if x["event"] == "guard"], [])


def third_packets_that_are_dropped():
    """an acknowledgement that the kernel throws away completes nothing, and gives no token back: what is over gets cookies"""
    k.needs_reqsk("this needs: else the kernel makes cookies always, and has nothing in SYN_RECV")
    g = k.ground("--engage", f"half-open={MANY},syn-rate={MANY}", "--limit-source", "10/s", mode="auto")
    began = time.monotonic()
    for i in range(60):
        p = k.Peer(g, 4, sport=20000 + i)
        p.say("S", options=k.TS)
        got = p.hear(0.5, lambda t: "S" in t.flags)
        assert got, "no SYN-ACK"
        p.say("A", seq=p.seq + 1, ack=got.seq + 1, options=[("NOP", None), ("NOP", None), ("Timestamp", (10, 5))])
        p.close()
    fig = g.figures()
    n.at_most("let in to the listener", fig["opened"], 11 + 10 * (time.monotonic() - began))
    n.equal("cookies", fig["cookies_sent"], 60 - fig["opened"])
    n.at_least("over the limit", fig["over_limit"], 60 - 12 - 10 * (time.monotonic() - began))
    n.until(lambda: g.figures()["reopened"] == g.syn_recv() == fig["opened"], 10)  # once the SYN-ACKs are sent again
    fig = g.figures()
    n.equal("completed less reopened, cookies accepted", (fig["completed"] - fig["reopened"], fig["cookies_accepted"]), (0, 0))
    g.finish()


def by_the_kernels_queue():
    """a flood whose SYN-ACKs leave by an interface that nobody watches: the kernel's own count engages"""
    k.needs_reqsk("this needs: else the kernel makes cookies always, and has nothing in SYN_RECV")
    g = k.Ground("--engage", f"half-open=100,syn-rate={MANY}", "--hold", 1, "--grace", 1, mode="auto")
    n.sh("ip", "link", "add", "away", "type", "veth", "peer", "name", "beyond", ns=g.b)
    n.sh("ip", "link", "set", "away", "arp", "off", "up", ns=g.b)
    n.sh("ip", "route", "add", "198.18.0.0/15", "dev", "away", ns=g.b)
    k.finished(k.flood(g, 150))
    n.equal("begun by the listener, as seen", g.figures()["opened"], 0)
    n.until(lambda: g.figures()["state"] == "engaged")
    g.talk(4)
    n.until(lambda: g.figures()["state"] == "calm", 10)  # what is left in the queue does not engage it again
    n.equal("still in the queue", g.syn_recv(), 150)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged],
            [("engaged", "kernel_queue"), ("grace", "below_threshold"), ("calm", "grace_ended")])
    n.at_least("in SYN_RECV when it engaged", logged[0]["kernel_half_open"], 100)


def by_the_kernels_cookies():
    """a short queue overflows long before the threshold: the kernel's own cookies engage"""
    k.needs_reqsk("this needs: else the kernel makes cookies always, and has nothing in SYN_RECV")
    g = k.ground("--engage", f"half-open={MANY},syn-rate={MANY}", mode="auto", backlog=16)
    p = k.flood(g, 2000, 500)
    n.until(lambda: g.figures()["state"] == "engaged")
    g.talk(4)
    k.finished(p)
    fig = g.figures()
    n.at_least("cookies of the kernel", fig["kernel_cookies"], 10)
    n.at_most("half-open at the kernel", g.syn_recv(), 17)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged], [("engaged", "kernel_queue")])


def a_burst_on_a_short_queue():
    """real clients that fill it for a moment engage nothing"""
    k.needs_reqsk("this needs: else the kernel makes cookies always, and has nothing in SYN_RECV")
    g = k.ground("--engage", f"half-open={MANY},syn-rate={MANY}", mode="auto", backlog=16)
    for _ in range(20):
        socks = []
        for _ in range(12):
            c = n.tcp(g.a)
            c.setblocking(False)
            c.connect_ex((k.SERVER[4], k.PORT))
            socks.append(c)
        socks += [k.accepted(g.listeners[4, k.PORT]) for _ in range(12)]
        for s in socks:
            n.reset(s)
    fig = g.figures()
    n.equal("state", fig["state"], "calm")
    n.equal("opened, completed", (fig["opened"], fig["completed"]), (240, 240))
    n.equal("changes", [x for x in g.finish() if x["event"] == "guard"], [])


def frames_for_others():
    """what the kernel does not look at, its address or its length being wrong, is neither answered nor followed"""
    g = k.ground(mode="always", start=False)
    n.sh("ip", "link", "add", "link", "srv0", "name", "mac0", "address", "02:00:00:00:77:01", "type", "macvlan",
         "mode", "bridge", ns=g.b)
    n.sh("ip", "link", "set", "mac0", "up", ns=g.b)
    g.start()
    f = Forger(g)
    own = g.macs[1]

    def ask(mac, cut=0):
        src = f.source()
        frame = bytes(Ether(src=g.macs[0], dst=mac) / f.segment(src, "S", seq=ISN, options=k.TS))
        f.out.send(frame[:len(frame) - cut])

    for mac, cut in (("02:00:00:00:77:02", 0), ("01:00:5e:00:00:02", 0), ("ff:ff:ff:ff:ff:ff", 0), (own, 4)):
        was = k.counters(g.sw)["not_taken"]
        for _ in range(20):
            ask(mac, cut)
        n.until(lambda was=was: k.counters(g.sw)["not_taken"] == was + 20)
    n.equal("SYNs, replies", [g.figures()[x] for x in ("syns", "cookies_sent")], [0, 0])
    ask("02:00:00:00:77:01")
    ask(own)
    n.until(lambda: g.figures()["cookies_sent"] == 2)
    g.talk(4)
    n.equal("events about them", [x for x in g.finish() if x.get("orig_ip", "").startswith("198.18.")], [])


def strays_stay_apart():
    """both directions of a connection that never was, from outside: it takes no place among the established ones"""
    g = k.Ground(mode="auto")  # no way back to 198.18.0.0/15: the kernel's RST does not leave
    f = Forger(g)
    for _ in range(50):
        src = f.source()
        f.send(f.segment(src, "PA", seq=ISN, ack=5000) / b"x",
               IP(src=k.SERVER[4], dst=src) / TCP(sport=k.PORT, dport=30000 + f.next, flags="A", seq=5000, ack=ISN + 1))
    n.until(lambda: k.counters(g.sw)["half_open"] == 50)
    n.equal("established", [k.counters(g.sw)[x] for x in ("flows", "established")], [0, 0])
    n.equal("midstream", len([x for x in g.finish() if x["event"] == "midstream"]), 50)


def forwarded_ones_do_not():
    """a connection older than synward that this host forwards: its directions come by two interfaces"""
    a, r, b = n.routed()
    c, s = n.open_pair(a, n.listen(b, "10.67.0.2", k.PORT))
    sw = n.Synward(r, "rta", "rtb", args=("--guard", "auto"))
    for x, y in ((c, s), (s, c), (c, s)):
        x.sendall(b"data")
        n.equal("received", n.read_n(y, 4), b"data")
    n.until(lambda: [k.counters(sw)[x] for x in ("flows", "half_open")] == [1, 0])
    n.reset(c)
    n.equal("exit code", sw.stop(), 0)


def published_port():
    """a container's port that is this host's by DNAT: its handshakes count, give tokens back, and its floods engage"""
    g = k.ground(start=False)
    inside = n.new_ns("c")
    n.quiet(inside)
    n.veth(g.b, "cont", inside, "eth0")
    n.addr(g.b, "cont", "10.88.0.1/24")
    n.addr(inside, "eth0", "10.88.0.2/24")
    n.sh("ip", "route", "add", "default", "via", "10.88.0.1", ns=inside)
    n.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", ns=g.b)
    n.sh("nft", "add table ip nat; add chain ip nat pre { type nat hook prerouting priority dstnat; }; "
         f"add rule ip nat pre iifname srv0 tcp dport {k.PORT} dnat to 10.88.0.2:80", ns=g.b)
    there = n.listen(inside, "10.88.0.2", 80)
    g.args = ("--guard", "auto", "--engage", f"half-open=100,syn-rate={MANY}", "--limit-source", "10/s")
    g.start()
    for _ in range(40):
        c = n.connect(g.a, k.SERVER[4], k.PORT)
        s = there.accept()[0]
        s.sendall(b"here")  # only what its socket sends proves it
        n.equal("from the container", n.read_n(c, 4), b"here")
        n.reset(c)
    fig = g.figures()
    n.equal("opened, completed, reopened", (fig["opened"], fig["completed"], fig["reopened"]), (40, 40, 0))
    n.equal("cookies of the kernel, dropped by the limit", (fig["kernel_cookies"], fig["dropped"]), (0, 0))
    f = Forger(g)
    for _ in range(130):
        src = f.source()
        f.send(f.segment(src, "S", seq=ISN, options=k.TS))
    n.until(lambda: g.figures()["state"] == "engaged")
    n.equal("SYN_RECV in the host's own namespace", g.syn_recv(), 0)
    logged = [x for x in g.finish() if x["event"] == "guard"]
    n.equal("changes", [(x["to"], x["cause"]) for x in logged], [("engaged", "half_open")])


if __name__ == "__main__":
    n.main(hidden_floods_are_counted, *cases(), aborted_handshakes, third_packets_that_are_dropped,
           by_the_kernels_queue, by_the_kernels_cookies, a_burst_on_a_short_queue, frames_for_others, strays_stay_apart,
           forwarded_ones_do_not, published_port)
