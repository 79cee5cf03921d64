#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Made `conn` lines of a day, of 10,000 clients, 250 servers and three sites, into ClickHouse and DuckDB, and the queries of
docs/sql on them: how long each takes. As root; docs/fleet.md has what it measured.

    tests/bench/fleet.py [LINES] [DIRECTORY]      10,000,000 and /var/tmp: 15 GB of lines, which are removed at the end
"""
import json
import pathlib
import resource
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import engines  # noqa: E402  pylint: disable=wrong-import-position

REASONS = ("fin",) * 90 + ("reset",) * 4 + ("refused",) * 3 + ("unanswered",) * 3
BLOCK = 1000


def options(side):
    return {f"{side}_isn": 3141592653, f"{side}_mss": 1460, f"{side}_wscale": 7, f"{side}_sack": True, f"{side}_ts": True,
            f"{side}_ecn": "none", f"{side}_tfo": "none", f"{side}_mptcp": False, f"{side}_syn_bytes": 0}


def volume(side):
    return {f"{side}_pkts": 57, f"{side}_bytes": "%(bytes)d", f"{side}_payload_bytes": 74210, f"{side}_ip_bytes": 77281, f"{side}_rexmit": 0,
            f"{side}_gaps": 0, f"{side}_zero_windows": 0, f"{side}_bad_checksums": 0}


def template():
    """As a line has its keys; label_dc and sample are what FLAT of docs/fleet.md makes."""
    line = {"schema": 3, "seq": "%(seq)d", "ts": "%(time)s", "event": "conn", "labels": {"dc": "%(dc)s"}, "host": "web-%(host)d",
            "iface": "eth0", "hook": "sweep", "uid": "C%(uid)017d", "community_id": "1:Q99J5KYSWvKrVA2ku4RuBmJf2Dk=", "proto": "tcp",
            "ip_version": 4, "orig_ip": "10.%(net)d.%(net)d.%(client)d", "orig_port": "%(port)d", "resp_ip": "192.0.2.%(server)d",
            "resp_port": 443, "vlan": None, "direction_by": "syn", "anomalies": 0, "rst_by": None, "rst_state": None,
            "orig_state": "TIME_WAIT", "resp_state": "CLOSED", "conn_state": "SF", "history": "ShADadfFa", "history_full": False,
            "reason": "%(reason)s", "closed_by": "orig", "via": "stack", "handshake": "normal", "inferred": False, "syn_rexmit": 0,
            "synack_rexmit": 0, "handshake_ns": "%(handshake)d", "server_ns": "%(handshake)d", "client_ns": 5000, **options("orig"),
            **options("resp"), **volume("orig"), **volume("resp"), "missed_bytes": 0, "start": "%(time)s", "end": "%(time)s",
            "duration_ns": 1000000000, "orig_socket_cookie": 662428, "orig_cgroup": "/system.slice/nginx.service", "label_dc": "%(dc)s", "sample": 1}
    text = json.dumps(line, separators=(",", ":"))
    for number in ("seq", "port", "handshake", "bytes"):
        text = text.replace(f'"%({number})d"', f"%({number})d")
    return text + "\n"


def write(path, count):
    form = template()
    with path.open("w", encoding="ascii") as out:
        for first in range(0, count, BLOCK):
            second = 86400 * first // count
            clock = f"2026-11-28T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
            text = []
            for i in range(first, min(first + BLOCK, count)):
                h = i * 2654435761 & 0xffffffff
                text.append(form % {"seq": i + 1, "time": f"{clock}.{h % 1000000000:09}Z", "dc": ("fra1", "ams1", "iad1")[h % 3], "host": h % 50,
                                    "uid": i, "net": h >> 20 & 31, "client": h % 250, "port": 1024 + h % 60000, "server": (h >> 8) % 250,
                                    "reason": REASONS[h % 100], "handshake": 20000 + h % 9000000, "bytes": h % 1000000})
            out.write("".join(text))


def timed(what, fn, *args, **kw):
    begin = time.monotonic()
    fn(*args, **kw)
    print(f"{what:40} {time.monotonic() - begin:8.2f} s", flush=True)


def clickhouse(path, count):
    c = engines.Clickhouse(None)
    c.ask(engines.parts("clickhouse")["schema"].rstrip(";"))
    with path.open("rb") as lines:
        timed("ClickHouse: load", c.ask, "INSERT INTO synward FORMAT JSONEachRow", input=None, stdin=lines, timeout=3600)
    n.equal("lines", c.rows("SELECT count() FROM synward"), [(str(count),)])
    size = c.rows("SELECT sum(bytes) FROM system.parts WHERE active AND table = 'synward'")[0][0]
    print(f"ClickHouse: on disk                      {int(size) / 1e6:8.0f} MB")
    for name, query in engines.queries("clickhouse").items():
        timed(f"ClickHouse: {name}", c.ask, query, timeout=3600)
    c.server.stop()


def duckdb(path, count):
    folder = path.parent
    file, of = folder / "fleet.duckdb", engines.parts("duckdb")
    timed("DuckDB: load", engines.duckdb, folder, file, of["schema"].replace("*.ndjson*", str(path)), "SELECT count(*) FROM synward", timeout=3600)
    n.equal("lines", engines.duckdb(folder, file, "SELECT count(*) FROM synward"), [(str(count),)])
    print(f"DuckDB: on disk                          {file.stat().st_size / 1e6:8.0f} MB")
    timed("DuckDB: to Parquet", engines.duckdb, folder, file, of["parquet"], "SELECT 1", timeout=3600)
    print(f"Parquet: on disk                         {(folder / 'synward.parquet').stat().st_size / 1e6:8.0f} MB")
    timed("DuckDB: start alone", engines.duckdb, folder, file, "SELECT 1")
    for name, query in engines.queries("duckdb").items():
        timed(f"DuckDB: {name}", engines.duckdb, folder, file, query, timeout=3600)
    view = "CREATE TEMP VIEW synward AS FROM 'synward.parquet'"
    for name, query in engines.queries("duckdb").items():
        timed(f"Parquet: {name}", engines.duckdb, folder, ":memory:", view, query, timeout=3600)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else "/var/tmp") as folder:
        path = pathlib.Path(folder) / "lines.ndjson"
        timed("lines made", write, path, count)
        print(f"lines: {count}, {path.stat().st_size / 1e6:.0f} MB", flush=True)
        try:
            clickhouse(path, count)
            duckdb(path, count)
        finally:
            n.cleanup()
    print(f"most memory of one process: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3:.0f} MB")


main()
