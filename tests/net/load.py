#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""100,000 lines into SQLite and DuckDB, by the statements of docs/recipes.md as they are there, against Python's own
reading of the lines: counts, sums, minima and maxima of every number, what is null, every address. The lines are those of a
capture of 27,000 connections, made here and replayed; three more have numbers that are no doubles."""
import functools
import json
import os
import pathlib
import random
import socket
import sqlite3
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs  # noqa: E402  pylint: disable=wrong-import-position

CONNECTIONS, LINES = 27000, 100000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
LARGE = (1 << 53) + 1, (1 << 62) + 1  # SQLite's sum stays below 2^63
LARGEST = (1 << 64) - 1
DUCKDB = n.TOP / "tests/lib/duckdb.mjs"


def frame(ends, back, seq, ack, flags, data):
    (src, sport), (dst, dport) = ends[::-1] if back else ends
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, 5 << 4, flags, 64000, 0, 0) + data
    if len(src) == 4:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, src, dst)
        return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\x00" + ip + tcp
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x86\xdd" + struct.pack("!IHBB16s16s", 6 << 28, len(tcp), 6, 64, src, dst) + tcp


def segments(kind, isn, asked, answer):
    """Direction, sequence number, acknowledgement, flags, payload of a connection's segments."""
    c, s = isn, isn ^ 0x5a5a5a5a
    yield 0, c, 0, SYN, b""
    if kind == "unanswered":
        return
    if kind == "refused":
        yield 1, 0, c + 1, RST | ACK, b""
        return
    yield 1, s, c + 1, SYN | ACK, b""
    yield 0, c + 1, s + 1, ACK, b""
    yield 0, c + 1, s + 1, PSH | ACK, asked
    yield 1, s + 1, c + 1 + len(asked), PSH | ACK, answer
    yield 0, c + 1 + len(asked), s + 1 + len(answer), FIN | ACK, b""
    yield 1, s + 1 + len(answer), c + 2 + len(asked), FIN | ACK, b""
    yield 0, c + 2 + len(asked), s + 2 + len(answer), ACK, b""


def capture(path, count, seed):
    rng = random.Random(seed)
    filler = bytes(1400)
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))  # nanoseconds
        for i in range(count):
            kind = {0: "refused", 1: "unanswered"}.get(i % 10)
            if i % 3:
                client, server = (socket.inet_aton(x) for x in (f"10.1.{i % 251}.{i % 241}", f"10.0.0.{1 + i % 7}"))
            else:
                client, server = (socket.inet_pton(socket.AF_INET6, f"2001:db8:{x}") for x in (f":{i % 4093:x}", f"1::{i % 7}"))
            ends = (client, 10000 + i % 50000), (server, (80, 443, 5432)[i % 3 + i % 2 - 1])
            when = 10 ** 18 + i * 10 ** 7
            asked, answer = (filler[:rng.randrange(1400)] for _ in range(2))
            for segment in segments(kind, rng.getrandbits(32), asked, answer):
                raw = frame(ends, *segment)
                when += rng.randrange(1000, 1000000)
                f.write(struct.pack("<IIII", when // 10 ** 9, when % 10 ** 9, len(raw), len(raw)) + raw)


@functools.cache
def replayed():
    """The lines as objects, with three whose numbers are made."""
    path = os.path.join(n.tmp.name, "load.pcap")
    capture(path, CONNECTIONS, n.seed())
    r = n.sh(n.SYNWARD, "replay", "--checksum=off", path)
    lines = [json.loads(x) for x in r.stdout.splitlines()]
    n.at_least("lines", len(lines), LINES)
    n.equal("connections", sum(x["event"] == "conn" for x in lines), CONNECTIONS)
    made = [x for x in lines if x["event"] == "conn"][:2]
    large = [{"seq": len(lines) + 1 + i, "orig_bytes": LARGE[0], "resp_bytes": LARGE[1] * i} for i in range(2)]
    return lines + [{**x, **y} for x, y in zip(made, large)]


def loaded(heading, lines):
    """A folder in which the recipe has been typed, and what it printed."""
    folder = pathlib.Path(n.tmp.name, heading.split()[-1])
    folder.mkdir(exist_ok=True)
    (folder / "events.ndjson").write_text("".join(json.dumps(x, separators=(",", ":")) + "\n" for x in lines))
    path = folder / "bin"
    path.mkdir(exist_ok=True)
    (path / "duckdb").write_text(f'#!/bin/bash\nexec node {DUCKDB} "$@"\n')
    (path / "duckdb").chmod(0o755)
    r = subprocess.run(["bash", "-c", docs.recipes()[heading].text], cwd=folder, capture_output=True, text=True, check=False,
                       env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}, timeout=6 * n.PATIENCE)
    n.equal(f"exit code, stderr ({r.stderr[-400:]})", (r.returncode, r.stderr), (0, ""))
    return folder, r.stdout


def numbers(conns):
    """Keys that hold whole numbers, or null."""
    keys = {k for x in conns for k, v in x.items() if isinstance(v, int) and not isinstance(v, bool)}
    n.at_least("keys with numbers", len(keys), 33)
    return sorted(keys)


def figures(conns, key):
    values = [x[key] for x in conns if x[key] is not None]
    return [len(values), sum(values), min(values), max(values)] if values else [0, None, None, None]


def compare(conns, ask):
    """ask(key): how many are not null, their sum, the least, the most; as the database has it."""
    for key in numbers(conns):
        n.equal(f"count, sum, min, max of {key}", ask(key), figures(conns, key))


def texts(conns, *keys):
    return sorted(tuple(x[k] for k in keys) for x in conns)


def sqlite():
    """SQLite: counts, sums, addresses and null are Python's, numbers up to 2^63 - 1 whole"""
    lines = replayed()
    folder, out = loaded("Load it into SQLite", lines)
    n.at_least("rows printed", len(out.splitlines()), 5)
    conns = [x for x in lines if x["event"] == "conn"]
    with sqlite3.connect(folder / "synward.db") as db:
        ask = lambda sql: db.execute(sql).fetchall()  # noqa: E731
        n.equal("lines, connections", (ask("SELECT count(*) FROM line"), ask("SELECT count(*) FROM conn")),
                ([(len(lines),)], [(len(conns),)]))
        columns = [x[1] for x in ask("PRAGMA table_info(conn)") if x[1] != "json"]
        n.at_least("columns", len(columns), 15)
        for i, row in enumerate(ask(f"SELECT {', '.join(f'[{x}]' for x in columns)} FROM conn ORDER BY rowid")):
            n.equal(f"connection {i}", list(row), [conns[i][x] for x in columns])
        each = "SELECT count(x), sum(x), min(x), max(x) FROM (SELECT json ->> '%s' AS x FROM conn)"
        compare(conns, lambda k: list(ask(each % k)[0]))
        n.equal("of IPv6", ask("SELECT count(*) FROM conn WHERE orig_ip LIKE '2001:db8::%'")[0][0],
                sum(":" in x["orig_ip"] for x in conns))
        n.equal("indexed", "conn_uid" in str(ask("EXPLAIN QUERY PLAN SELECT * FROM conn WHERE uid = 'C'")), True)


def duckdb():
    """DuckDB: the same of every key, numbers up to 2^64 - 1, and times to the nanosecond"""
    docs.needs_duckdb()
    lines = replayed()
    largest = {**next(x for x in lines if x["event"] == "conn"), "seq": lines[-1]["seq"] + 1, "orig_bytes": LARGEST}
    lines = [*lines, largest]
    folder, out = loaded("Load it into DuckDB", lines)
    n.at_least("rows printed", len(out.splitlines()), 6)
    conns = [x for x in lines if x["event"] == "conn"]

    def ask(sql):
        r = n.sh("node", DUCKDB, "-json", folder / "synward.duckdb", sql)
        return [list(x.values()) for x in json.loads(r.stdout)]

    def whole(x):
        return None if x is None else int(x)

    n.equal("connections", [[int(x) for x in row] for row in ask("SELECT count(*) FROM conn")], [[len(conns)]])
    keys = numbers(conns)
    columns = ", ".join(f'{f}("{k}") AS {f}_{k}' for k in keys for f in ("count", "sum", "min", "max"))
    got = ask(f"SELECT {columns} FROM conn")[0]
    got = {k: [whole(x) for x in got[4 * i:4 * i + 4]] for i, k in enumerate(keys)}
    compare(conns, got.__getitem__)
    text = ("uid", "orig_ip", "resp_ip", "start", "end", "reason", "history")
    rows = ask("SELECT " + ", ".join(f'"{x}"' for x in text) + " FROM conn")
    n.equal("texts", sorted(tuple(x) for x in rows), texts(conns, *text))
    n.equal("nanoseconds", ask(f"SELECT epoch_ns(start::TIMESTAMP_NS) FROM conn WHERE uid = '{conns[77]['uid']}'"),
            [[str(nanoseconds(conns[77]["start"]))]])
    n.equal("null", [int(x) for x in ask("SELECT count(*) FROM conn WHERE handshake_ns IS NULL")[0]],
            [sum(x["handshake_ns"] is None for x in conns)])


def nanoseconds(text):
    date, fraction = text.rstrip("Z").split(".")
    return int(n.sh("date", "-u", "-d", date + "Z", "+%s").stdout) * 10 ** 9 + int(fraction)


if __name__ == "__main__":
    n.main(sqlite, duckdb, keep=True)
