#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: in turn, for programs and maps that no process holds are counted
"""Another process takes a hook while traffic runs: logged within a second or so in one line, the interface is left with
all that is ours, and what is not ours stays. The last one gone is exit 6. Connections continue; only those that were on
their way through a cookie when one of the guard's programs was taken are lost."""
import pathlib
import re
import signal
import time

import kit as n
from kit import fault as k
from kit import pin as p
from kit.traffic import Traffic

XDP, EGRESS, ACCEPT = "XDP program", "egress program", "program that accepts cookies"
NO_MORE = "no interface is left to follow"


def lost(what, dev="srv0"):
    return f"'{dev}': the {what} was detached or replaced by another process; no longer tracking"


def taken(take, what, args=(), before=(), left=None, running=None, new=True):
    """One synward with traffic; take(b) takes a hook of it. running: gets it. new: no new connection may notice."""
    ledger = k.Ledger()
    a, b = n.pair()
    traffic = Traffic(a, b)
    if not new:
        traffic.pause = True
    sw = n.Synward(b, "srv0", args=(*k.SMALL, "--close-delay", 0.1, *args))
    if "--guard" in args:
        k.wait_log(sw, "guard always")
    traffic.steady()
    if new:
        sw.wait_for(lambda x: x["event"] == "conn", n.PATIENCE)
    if running is not None:
        running.append(sw)
    began = time.monotonic()
    take(b)
    k.ended(sw, k.ATTACH, *before, lost(what), NO_MORE)
    took = time.monotonic() - began
    n.equal("XDP program that is there", k.xdp_name(b, "srv0"), left)
    n.equal("other hooks", [x for x in n.hooks_on(b, "srv0") if "sw_" in x or "clsact" in x], [])
    lines = sw.lines()
    n.check_seq(lines)
    n.fields(lines[-1], event="stats", final=True)
    traffic.pause = False
    traffic.stop()
    if left:
        n.sh("ip", "link", "set", "srv0", "xdp", "off", ns=b)
    ledger.settle()
    if took > 10:
        raise AssertionError(f"noticed after {took:.1f} s")


def xdp_off():
    """the XDP program is taken off"""
    taken(lambda b: n.sh("ip", "link", "set", "srv0", "xdp", "off", ns=b), XDP)


def xdp_replaced():
    """the XDP program is replaced: the new one stays"""
    obj = k.foreign()
    taken(lambda b: n.sh("ip", "-force", "link", "set", "srv0", "xdpdrv", "obj", obj, "sec", "xdp", ns=b), XDP,
          left="other")


def generic_off():
    """the generic XDP program is taken off"""
    taken(lambda b: n.sh("ip", "link", "set", "srv0", "xdpgeneric", "off", ns=b), XDP, args=("--mode", "generic"))


def tcx_detached():
    """the tcx link of the egress program is detached"""
    def take(_):
        links = [x.read_text(encoding="ascii") for x in pathlib.Path(f"/proc/{running[0].p.pid}/fdinfo").iterdir()]
        ids = [re.search(r"link_id:\s*(\d+)", x).group(1) for x in links if "link_id:" in x]
        if not ids:
            raise n.Skip("this kernel has no tcx: the filter is clsact's")
        n.sh("bpftool", "link", "detach", "id", n.one(ids, "link"))

    running = []
    taken(take, EGRESS, running=running)


def clsact_deleted():
    """with the guard: the clsact qdisc is deleted, with both filters in it"""
    taken(lambda b: n.sh("tc", "qdisc", "del", "dev", "srv0", "clsact", ns=b), EGRESS, args=("--guard", "always"),
          before=k.GUARD_SAYS, new=False)


def accept_deleted():
    """with the guard: only the filter that accepts cookies is deleted, so that no more may be sent"""
    taken(lambda b: n.sh("tc", "filter", "del", "dev", "srv0", "ingress", ns=b), ACCEPT, args=("--guard", "always"),
          before=k.GUARD_SAYS, new=False)


def guard_off():
    """with the guard: the XDP program is taken off"""
    taken(lambda b: n.sh("ip", "link", "set", "srv0", "xdp", "off", ns=b), XDP, args=("--guard", "always"),
          before=k.GUARD_SAYS, new=False)


def one_of_two():
    """one of two interfaces loses its program: the other continues, status shows which is lost"""
    ledger = k.Ledger()
    a, b = n.pair()
    n.veth(a, "cli1", b, "srv1")
    traffic = Traffic(a, b)
    sw = n.Synward(b, "srv0", "srv1", args=k.SMALL)
    n.sh("ip", "link", "set", "srv1", "xdp", "off", ns=b)
    k.wait_log(sw, lost(XDP, "srv1"))
    n.until(lambda: k.modes(sw) == {"srv0": "xdp_native", "srv1": "xdp_lost"}, 20)
    traffic.steady()
    k.nothing_on(b, "srv1")
    n.equal("XDP on the other", n.xdp_on(b, "srv0"), True)
    traffic.stop()
    lines = k.stopped(sw, lost(XDP, "srv1"))
    if not [x for x in lines if x["event"] == "conn" and x["iface"] == "srv0" and x["conn_state"] == "SF"]:
        raise AssertionError("nothing was logged of the other interface")
    k.nothing_on(b, "srv0", "srv1")
    ledger.settle()


def adopted():
    """a daemon on another one's pins loses its XDP program: the qdisc that the first one made goes, too"""
    _, b = n.pair()
    with p.Pins(b, "srv0") as pins:
        p.stopped(pins.start())
        sw = pins.start()
        n.sh("ip", "link", "set", "srv0", "xdp", "off", ns=b)
        n.equal(f"exit code ({sw.err()})", sw.p.wait(timeout=n.PATIENCE), k.ATTACH)
        k.nothing_on(b, "srv0")


def taken_at_the_end():
    """replaced while it cannot look, and then it ends: the other's program stays, and nothing false is logged"""
    a, b = n.pair()
    traffic = Traffic(a, b)
    sw = n.Synward(b, "srv0", args=k.SMALL)
    obj = k.foreign()
    sw.p.send_signal(signal.SIGSTOP)
    n.sh("ip", "-force", "link", "set", "srv0", "xdpdrv", "obj", obj, "sec", "xdp", ns=b)
    sw.p.send_signal(signal.SIGTERM)
    sw.p.send_signal(signal.SIGCONT)
    code = sw.p.wait(timeout=n.PATIENCE)
    if code == k.OK:
        k.lines_of(sw.err())
    else:
        k.ended(sw, k.ATTACH, lost(XDP), NO_MORE)
    n.equal("program that is there", k.xdp_name(b, "srv0"), "other")
    traffic.stop()


def beside_ours():
    """what others do beside our hooks is none of our business: other filters, another qdisc"""
    a, b = n.pair()
    traffic = Traffic(a, b)
    sw = n.Synward(b, "srv0", args=(*k.SMALL, "--guard", "always"))
    k.wait_log(sw, "guard always")
    n.sh("tc", "filter", "add", "dev", "srv0", "ingress", "prio", 1, "bpf", "da", "obj",
         k.foreign("beside", "tc", -1), "sec", "tc", ns=b)
    n.sh("tc", "qdisc", "replace", "dev", "srv0", "root", "pfifo", ns=b)
    time.sleep(2.5)  # two looks at least
    traffic.steady()
    n.sh("tc", "filter", "del", "dev", "srv0", "ingress", "prio", 1, ns=b)
    time.sleep(1.5)  # and another
    n.equal("it runs", sw.p.poll(), None)
    traffic.stop()
    k.stopped(sw, *k.GUARD_SAYS)
    k.nothing_on(b, "srv0")


if __name__ == "__main__":
    n.main(xdp_off, xdp_replaced, generic_off, tcx_detached, clsact_deleted, accept_deleted, guard_off, one_of_two,
           adopted, taken_at_the_end, beside_ours)
