#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What `synward replay` takes for a capture that this makes: whole connections of 18 packets, 500 at a time. Seconds of each
round, in turn with --through-bpf (root) and with softflowd, if that is there. Each synward run must log every connection.

    replay.py [--connections N] [--rounds N] [OPTION]...

OPTIONs go to replay; without one they are --events conn."""
import argparse
import os
import pathlib
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
SYNWARD = os.environ.get("SYNWARD", str(TOP / "build" / "synward"))
FIN, SYN, PSH, ACK = 1, 2, 8, 16


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(to_server, number, seq, ack, flags, payload=b"", options=b""):
    src, dst = struct.pack("!I", 0x0A000001 + number // 60000), b"\x0a\x01\x00\x01"
    sport, dport = 1024 + number % 60000, 443
    if not to_server:
        src, dst, sport, dport = dst, src, dport, sport
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, (20 + len(options)) // 4 << 4, flags, 64000, 0, 0)
    tcp += options + payload
    tcp = tcp[:16] + struct.pack("!H", checksum(src + dst + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + src + dst
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + head + tcp


def connection(number):
    a, b = number * 2654435761, number * 40503 + 99
    options = b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + struct.pack("!II", number, 0) + b"\x01\x03\x03\x07"
    yield frame(1, number, a, 0, SYN, b"", options)
    yield frame(0, number, b, a + 1, SYN | ACK, b"", options)
    yield frame(1, number, a + 1, b + 1, ACK)
    for _ in range(6):
        yield frame(1, number, a + 1, b + 1, ACK | PSH, b"q" * 100)
        a += 100
        yield frame(0, number, b + 1, a + 1, ACK | PSH, b"r" * 300)
        b += 300
    yield frame(1, number, a + 1, b + 1, FIN | ACK)
    yield frame(0, number, b + 1, a + 2, FIN | ACK)
    yield frame(1, number, a + 2, b + 2, ACK)


def make(path, count):
    rng, now, begun, live = random.Random(1), 1_700_000_000 * 10**9, 0, []
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        while begun < count or live:
            while len(live) < 500 and begun < count:
                live.append(connection(begun))
                begun += 1
            at = rng.randrange(len(live))
            data = next(live[at], None)
            if data is None:
                live[at] = live[-1]
                live.pop()
                continue
            now += 2000
            file.write(struct.pack("<IIII", now // 10**9, now % 10**9, len(data), len(data)) + data)


def timed(command, lines):
    began = time.monotonic()
    out = subprocess.run(command, capture_output=True, check=True, timeout=300).stdout
    took = time.monotonic() - began
    if lines is not None and out.count(b'"event":"conn"') != lines:
        sys.exit(f"{' '.join(command)}: {out.count(b'conn')} connections, not {lines}")
    return took


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--connections", type=int, default=20_000)
    parse.add_argument("--rounds", type=int, default=5)
    known, more = parse.parse_known_args()
    more = more or ["--events", "conn"]
    with tempfile.TemporaryDirectory() as where:
        capture = os.path.join(where, "bench.pcap")
        make(capture, known.connections)
        ways = {"replay": ([SYNWARD, "replay", *more, capture], known.connections)}
        if os.geteuid() == 0:
            ways["replay --through-bpf"] = ([SYNWARD, "replay", "--through-bpf", *more, capture], known.connections)
        if shutil.which("softflowd"):
            ways["softflowd"] = (["softflowd", "-d", "-r", capture, "-n", "127.0.0.1:9", "-p", f"{where}/pid", "-c", f"{where}/ctl"], None)
        took = {name: [] for name in ways}
        for _ in range(known.rounds):
            for name, (command, lines) in ways.items():
                took[name].append(timed(command, lines))
    print(f"{18 * known.connections} packets, {known.connections} connections, {' '.join(more)}")
    for name, seconds in took.items():
        middle = statistics.median(seconds)
        print(f"{name:22} {middle:6.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), {middle / statistics.median(took['replay']):.2f} times the first")


if __name__ == "__main__":
    main()
