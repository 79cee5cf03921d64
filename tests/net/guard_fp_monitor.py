#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No false positive: the tracker's connections between real kernels again, with the guard in monitor."""
import guard_fp

if __name__ == "__main__":
    guard_fp.run("monitor", guard_fp.CASES)
