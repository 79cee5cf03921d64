# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Waiting: for a condition, never for a time that is hoped to be enough."""
import os
import time

SLOW = float(os.environ.get("SW_TEST_SLOW", "1"))  # what waits are multiplied by, where a kernel is emulated
PATIENCE = 20 * SLOW  # seconds, within which anything happens on a busy machine


def until(what, timeout=10, every=0.02, evidence=None):
    """Waits until what() is true; returns it. What evidence() returns is shown if it does not become true."""
    end = time.monotonic() + timeout * SLOW
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            shown = f"; {evidence()}" if evidence else ""
            raise AssertionError(f"not within {timeout * SLOW:g} s: {what.__doc__ or what}; last: {got!r}{shown}")
        time.sleep(every)  # between two looks
