# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the scripts of this folder share: TAP lines, `synward replay`, and comparisons."""

import calendar
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SYNWARD = os.environ.get("SYNWARD", os.path.join(TOP, "build", "synward"))

number = 0
failed = 0


def tap(name, detail=(), skip=None):
    """One check; detail: what is wrong with it, a line each."""
    global number, failed
    number += 1
    failed += bool(detail)
    print(f"{'not ok' if detail else 'ok'} {number} - {name}{' # SKIP ' + skip if skip else ''}")
    for line in detail:
        print(f"# {line}")
    sys.stdout.flush()


def end():
    """The plan; returns the exit code."""
    print(f"1..{number}")
    return 1 if failed else 0


def replay(path, *options, stdin=None):
    """Exit code, lines, stderr."""
    run = subprocess.run([SYNWARD, "replay", "--full-events", *options, path], stdin=stdin, capture_output=True, timeout=120, check=False)
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines()], run.stderr.decode(errors="replace").strip()


def ns_of(text):
    """RFC 3339 in UTC: nanoseconds since 1970."""
    date, fraction = text.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(fraction)


def conns(lines):
    return [line for line in lines if line["event"] == "conn"]


def differs(got, **wanted):
    """Which keys of a line are not as wanted."""
    return [f"{key}: {got.get(key)!r}, wanted: {want!r}" for key, want in wanted.items() if got.get(key) != want]
