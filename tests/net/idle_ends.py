#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A daemon that sleeps (idle.py): what happens then is logged at once, and what is due is not forgotten."""
import pathlib
import statistics
import time

import idle
import kit as n

NAP = 0.15  # seconds; before it sleeps it looks every 0.05
SHOWN = 0.3  # seconds to a line, three times of four: 1 to 9 ms were measured; not woken it sleeps on for up to a second


def count(sw, kind):
    return pathlib.Path(sw.path).read_text().count(f'"event":"{kind}"')


def wait_asleep(sw):
    """Until none of its threads has run for a while."""
    was = [None]

    def asleep():
        """the daemon sleeps"""
        was.append(idle.spent(sw.p.pid)[0])
        return was[-1] == was[-2]

    n.until(asleep, 20, NAP)


def shown_at_once():
    """after a pause the first record wakes it, so that its line does not wait for the next thing that is due"""
    a, b = idle.place()
    listener = n.listen(b, "10.71.0.2", 7777)
    sw = n.Synward(b, "idles0", args=("--events", "established"), sizes=False)
    took, held = [], []
    for i in range(20):
        wait_asleep(sw)
        began = time.monotonic()
        held += n.open_pair(a, listener)
        n.until(lambda i=i: count(sw, "established") > i, n.PATIENCE, 0.0005)
        took.append(time.monotonic() - began)
    for s in held:
        s.close()
    n.equal("exit code", sw.stop(), 0)
    print(f"# to a line: median {statistics.median(took) * 1000:.1f} ms, longest {max(took) * 1000:.1f} ms", flush=True)
    n.at_most("third quartile", statistics.quantiles(took, n=4)[2], SHOWN)


def not_forgotten():
    """a connection whose events nobody wants: its conn line comes when its close delay is over"""
    a, b = idle.place()
    listener = n.listen(b, "10.71.0.2", 7777)
    sw = n.Synward(b, "idles0", args=("--events", "conn", "--close-delay", 2), sizes=False)
    time.sleep(3)  # so that it does not sweep
    for i in range(3):
        c, s = n.open_pair(a, listener)
        c.close()
        s.close()
        closed = time.time()
        n.until(lambda i=i: count(sw, "conn") > i, 20)
        n.at_most("seconds from the end to the line", time.time() - closed, 2 + 5)
        time.sleep(2.5)  # again: it does not sweep then, and nothing of it can be asked
    n.equal("exit code", sw.stop(), 0)


if __name__ == "__main__":
    n.main(shown_at_once, not_forgotten)
