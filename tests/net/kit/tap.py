# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Cases, their result as TAP, and comparisons that print both values."""
import os
import sys
import time
import traceback

from . import ns

KIT = os.path.dirname(__file__) + os.sep


class Skip(Exception):
    pass


def equal(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, expected {want!r}")


def at_most(what, got, most):
    if got > most:
        raise AssertionError(f"{what}: got {got!r}, expected at most {most!r}")


def at_least(what, got, least):
    if got < least:
        raise AssertionError(f"{what}: got {got!r}, expected at least {least!r}")


def one(lines, what="conn line"):
    if len(lines) != 1:
        raise AssertionError(f"{what}: got {len(lines)}, expected 1")
    return lines[0]


def seed():
    """A test that draws random numbers draws them from this: SW_TEST_SEED repeats a run."""
    number = int(os.environ.get("SW_TEST_SEED") or time.time_ns() % 1000000)
    print(f"# seed {number}", flush=True)
    return number


def comment(text):
    return "\n".join(f"# {x}" for x in text.splitlines())


def main(*cases, keep=False):
    """Runs the cases as TAP. Each is a function; its docstring or name is what it proves. keep: they share their
    ground, so it is removed only at the end."""
    if os.geteuid():
        print("1..0 # SKIP needs root for network namespaces")
        sys.exit(0)
    only = sys.argv[1:]
    cases = [c for c in cases if not only or c.__name__ in only]
    bad = 0
    print(f"1..{len(cases)}", flush=True)
    for n, case in enumerate(cases, 1):
        name = (case.__doc__ or case.__name__).strip().splitlines()[0].replace("#", "")
        began = time.monotonic()
        try:
            case()
            print(f"ok {n} - {name}", flush=True)
        except Skip as why:
            print(f"ok {n} - {name} # SKIP {why}", flush=True)
        except Exception as e:  # pylint: disable=broad-except
            bad = 1
            where = traceback.extract_tb(e.__traceback__)
            at = ([f for f in where if not f.filename.startswith(KIT)] or where)[-1]
            print(f"not ok {n} - {name}\n" + comment(f"{type(e).__name__}: {e}\nat {at.filename}:{at.lineno}"), flush=True)
        finally:
            if not keep:
                ns.cleanup()
        print(f"# {case.__name__}: {time.monotonic() - began:.1f} s", flush=True)
    sys.exit(bad)
