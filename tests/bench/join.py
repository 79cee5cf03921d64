#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What `synward join` takes for two files of so many lines each, which come by pipes while they are made: seconds of CPU of
its process, and its peak of memory. Its summary has to be what was made.

    join.py [--lines N] [--rate N] [OPTION]...

--rate: connections a second in the files' own time, four lines each. OPTIONs go to join."""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
from kit import two_places  # noqa: E402  pylint: disable=wrong-import-position


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--lines", type=int, default=10_000_000)
    parse.add_argument("--rate", type=int, default=29)
    known, more = parse.parse_known_args()
    summary, peak, cpu, took = two_places.run(known.lines // 4, known.rate, *more)
    print(f"{sum(x['lines'] for x in summary['files'])} lines of two files, {summary['files'][0]['conns']} connections in each, "
          f"{known.rate} a second: {cpu:.1f} s of CPU, {took:.1f} s, peak {peak / 1024:.1f} MB, {summary['waited_most']} waited at most")


if __name__ == "__main__":
    main()
