#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No false positive: raw.py again, whose segments are for addresses that no kernel owns: the guard protects them by
name and finds nobody listening, so each line must be as without it."""
import guard_fp
import raw

if __name__ == "__main__":
    guard_fp.run("always", (raw.plain, raw.vlan, raw.qinq, raw.extension_headers, raw.fragments, raw.handshake_times,
                            raw.simultaneous_open, raw.simultaneous_close, raw.blind_reset, raw.blind_syn, raw.scans,
                            raw.bad_checksum, raw.no_decap, *[raw.tunnel(x) for x in raw.TUNNELS]),
                 ("--protect", "10.66.0.200:80,[fd66::200]:80"))
