#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""A veth whose other end has no XDP program, as each container's eth0: native XDP sends there, and nothing arrives.
With the guard, --mode auto is generic XDP there, and real clients connect while it is engaged; checksums are offloaded,
as they are on such a veth.

    +------- a -------+         +------- b -------+
    | clients    cli0 o=========o srv0   synward  |    and, in same_namespace(), both ends in one
    +-----------------+         +-----------------+
"""
import json
import re

import kit as n
from kit import fault as k
from kit import guard as g
from kit import pin as p

PLAIN = "'srv0' is a veth whose other end has no XDP program, so native XDP could send no answer: generic XDP is used"
LOST = "warning: 'srv0': the other end of this veth has no XDP program, so the guard's answers are lost"
ARRIVE = "'srv0': the other end of this veth has an XDP program: the guard's answers arrive"
PASS = str(n.TOP / "build/tests/tool_xdp_pass")


def host():
    """Two namespaces, a listener for each family in one, and all offloads that a container has. The kit gives the other
    end no program by itself."""
    a, b = n.pair()
    n.ns.peers.clear()
    if g.backend() == "listener":
        n.sh("sysctl", "-qw", "net.ipv4.tcp_syncookies=2", "net.ipv4.tcp_timestamps=2", ns=b)
    for ns, dev in ((a, "cli0"), (b, "srv0")):
        n.sh("ethtool", "-K", dev, "tx", "on", "tso", "on", "gso", "on", "gro", "on", ns=ns)
    return a, b, [n.listen(b, ip, 7777, 64) for ip in ("10.66.0.2", "fd66::2")]


def start(b, *args):
    return n.Synward(b, "srv0", args=(*k.SMALL, "--guard", "always", *args))


def connects(a, listeners, sw, size=100000):
    """Real clients connect by cookies and speak."""
    services = g.services(sw)
    n.equal("state", services["10.66.0.2:7777"]["state"], "engaged")
    for listener in listeners:
        c, s = n.open_pair(a, listener)
        g.speak(c, s, size)
        g.end(c, s)
    after = g.services(sw)
    for name in ("10.66.0.2:7777", "[fd66::2]:7777"):
        n.equal(f"{name}: cookies accepted", after[name]["cookies_accepted"], services[name]["cookies_accepted"] + 1)


def shown(sw, *patterns):
    rest = [x for x in sw.err().splitlines() if "guard always:" not in x and "own cookies" not in x]
    k.lines_of("\n".join(rest), *patterns)


def plain_peer():
    """no program at the other end, in another namespace: generic XDP with a line that says so, and clients connect"""
    ledger = k.Ledger()
    a, b, listeners = host()
    sw = start(b)
    n.equal("modes", k.modes(sw), {"srv0": "xdp_generic"})
    for _ in range(3):
        connects(a, listeners, sw)
    n.equal("exit code", sw.stop(), k.OK)
    shown(sw, PLAIN)
    k.nothing_on(b, "srv0")
    ledger.settle()


def xdp_peer():
    """a program at the other end: native XDP, no line, and clients connect; without the guard native in any case"""
    a, b, listeners = host()
    n.sh(PASS, "cli0", ns=a)
    sw = start(b)
    n.equal("modes", k.modes(sw), {"srv0": "xdp_native"})
    connects(a, listeners, sw)
    n.equal("exit code", sw.stop(), k.OK)
    shown(sw)
    n.sh("ip", "link", "set", "cli0", "xdp", "off", ns=a)
    sw = n.Synward(b, "srv0")
    n.equal("modes", k.modes(sw), {"srv0": "xdp_native"})
    k.stopped(sw)


def generic_peer():
    """a generic program at the other end does not help: generic XDP"""
    a, b, listeners = host()
    obj = k.foreign()
    n.sh("ip", "link", "set", "dev", "cli0", "xdpgeneric", "obj", obj, "sec", "xdp", ns=a)
    sw = start(b)
    n.equal("modes", k.modes(sw), {"srv0": "xdp_generic"})
    connects(a, listeners, sw)
    n.equal("exit code", sw.stop(), k.OK)
    shown(sw, PLAIN)


def same_namespace():
    """the other end in our own namespace, where it is found by its index: generic without a program, native with one"""
    b = n.new_ns("b")
    n.quiet(b)
    n.veth(b, "srv0", b, "peer0")
    n.ns.peers.clear()
    sw = start(b)
    n.equal("modes", k.modes(sw), {"srv0": "xdp_generic"})
    n.equal("exit code", sw.stop(), k.OK)
    shown(sw, PLAIN)
    n.sh(PASS, "peer0", ns=b)
    sw = start(b)
    n.equal("modes", k.modes(sw), {"srv0": "xdp_native"})
    n.equal("exit code", sw.stop(), k.OK)
    shown(sw)


def no_veth():
    """what is no veth is asked for nothing: native XDP as ever"""
    b = n.new_ns("b")
    n.quiet(b)
    n.sh("ip", "tuntap", "add", "srv0", "mode", "tap", ns=b)
    n.sh("ip", "link", "set", "srv0", "up", ns=b)
    sw = start(b)
    n.equal("modes", k.modes(sw), {"srv0": "xdp_native"})
    n.equal("exit code", sw.stop(), k.OK)


def native_mode():
    """--mode native is accepted with a warning, and it says so when a program comes at the other end and goes again"""
    a, b, listeners = host()
    sw = start(b, "--mode", "native")
    n.equal("modes", k.modes(sw), {"srv0": "xdp_native"})
    k.wait_log(sw, LOST)
    c = n.tcp(a)
    c.settimeout(1.5)
    try:
        c.connect(("10.66.0.2", 7777))
        raise AssertionError("its answers arrive: the warning is wrong")
    except TimeoutError:
        pass
    finally:
        c.close()
    n.sh(PASS, "cli0", ns=a)
    k.wait_log(sw, ARRIVE)
    connects(a, listeners, sw)
    n.sh("ip", "link", "set", "cli0", "xdp", "off", ns=a)
    n.until(lambda: len(re.findall(LOST, sw.err())) == 2, 20)
    n.equal("exit code", sw.stop(), k.OK)
    shown(sw, LOST, ARRIVE, LOST)


def pinned():
    """--pin: generic from the first one on; a later one keeps the mode that is there, native with a warning"""
    a, b, listeners = host()
    with p.Pins(b, "srv0") as pins:
        for _ in range(2):
            sw = pins.start("--guard", "always")
            n.equal("modes", k.modes(sw), {"srv0": "xdp_generic"})
            connects(a, listeners, sw)
            p.stopped(sw)
        pins.unpin()
        n.sh(PASS, "cli0", ns=a)
        sw = pins.start("--guard", "always")
        n.equal("modes", k.modes(sw), {"srv0": "xdp_native"})
        connects(a, listeners, sw)
        p.stopped(sw)
        n.sh("ip", "link", "set", "cli0", "xdp", "off", ns=a)
        sw = pins.start("--guard", "always")
        n.equal("modes", k.modes(sw), {"srv0": "xdp_native"})
        k.wait_log(sw, LOST)
        n.equal("says that it is generic", PLAIN in sw.err(), False)
        p.stopped(sw)


def probes():
    """`synward probe` tells before, and what it tells is what happens"""
    a, b, _ = host()
    for xdp, ingress in ((False, "xdp_generic"), (True, "xdp_native")):
        if xdp:
            n.sh(PASS, "cli0", ns=a)
        said = json.loads(n.sh(n.SYNWARD, "probe", "--json", "srv0", ns=b).stdout)
        n.equal("guard_ingress, ingress", (said["guard_ingress"], said["ingress"]), (ingress, "xdp_native"))
        n.equal("it notes the other end", any("other end" in x for x in said["guard_notes"]), not xdp)
        text = n.sh(n.SYNWARD, "probe", "srv0", ns=b).stdout
        n.equal("in the text", f", ingress {ingress}\n" in text, True)
        sw = start(b)
        n.equal("modes", k.modes(sw), {"srv0": ingress})
        n.equal("exit code", sw.stop(), k.OK)
    said = json.loads(n.sh(n.SYNWARD, "probe", "--json", ns=b).stdout)
    n.equal("without an interface", said["guard_ingress"], "xdp_native")


if __name__ == "__main__":
    n.main(plain_peer, xdp_peer, generic_peer, same_namespace, no_veth, native_mode, pinned, probes)
