#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No false positive: the tracker's connections between real kernels again, with the guard engaged from the first SYN.
They must live as without it, and the lines must say the same, but that they came through a cookie and therefore have no
handshake times. Nothing may be dropped. guard_fp_monitor.py does the same in monitor, guard_fp_raw.py with raw.py."""
import life
import kit as n
import process

mode, more, hurry = "always", (), False
seen = {"cookie": 0, "stack": 0}


class Guarded(n.Synward):
    """A synward with the guard whose lines read as if it had none, as far as they may differ."""

    def __init__(self, ns, *ifs, args=(), **kw):
        super().__init__(ns, *ifs, args=(*args, "--guard", mode, *more), **kw)

    def stop(self, *args, **kw):
        """Without the second for the last cookies, where the end is not what is tested."""
        return super().stop(*args, **{"hurry": hurry, **kw})

    def err(self):
        """Without the lines in which the guard says what it protects."""
        return "".join(x for x in super().err().splitlines(True)
                       if not x.startswith(f"synward: guard {mode}:"))

    def lines(self):
        out = super().lines()
        n.equal("drop lines", [x for x in out if x["event"] == "drop"], [])
        final = out[-1]
        n.equal("dropped", final["guard_dropped"], 0)
        if mode == "monitor":
            n.equal("cookies accepted", final["guard_cookies_accepted"], 0)
            n.equal("dry_run", {x["dry_run"] for x in out if x["event"] == "guard"} - {True}, set())
        for x in out:
            if "via" not in x:
                continue
            if x["event"] == "conn":
                seen[x["via"]] += 1
            if x["via"] == "cookie":
                n.equal("handshake times", (x["handshake_ns"], x["server_ns"], x["client_ns"]), (None, None, None))
                x.update(via="stack", handshake_ns=2, server_ns=1, client_ns=1)
                if x["event"] == "opening":  # logged when the cookie came back
                    n.equal("history at the opening", x["history"][:3], "ShA")
                    x.update(history="S", orig_state="SYN_SENT", resp_state="LISTEN")
        return out


def again(case):
    def run():
        global hurry  # pylint: disable=global-statement
        hurry = case.__module__ != "process"
        case()

    run.__name__, run.__doc__ = case.__name__, f"{mode}: {case.__doc__}"
    return run


def ways():
    """which way the connections came in"""
    if mode == "monitor":
        n.equal("through cookies", seen["cookie"], 0)
        assert seen["stack"] >= 20, seen
    else:
        assert seen["cookie"] >= 9, seen


CASES = (life.v4_accepted, life.v6_accepted, life.v4_opened, life.v6_opened, life.server_closes_first, life.half_close,
         life.refused, life.unanswered, life.resets, life.transfer_v4, life.transfer_v6, life.two_interfaces,
         life.router, life.reuse, process.sigint, process.sigterm, process.sigquit, process.duration, process.flush,
         process.kill9, ways)


def run(how, cases, args=()):
    """The cases with every synward guarded in this mode."""
    global mode, more  # pylint: disable=global-statement
    mode, more = how, tuple(args)
    n.Synward = Guarded
    n.main(*[again(c) for c in cases])


if __name__ == "__main__":
    run("always", CASES)
