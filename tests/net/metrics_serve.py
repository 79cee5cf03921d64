#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""run --metrics and --metrics-file: what is answered, what becomes of clients that are slow, silent, many or hostile, and
that the guard does not notice.

    pair(); synward runs in b, on srv0, and serves 127.0.0.1:9435 of b; each client here is in b
"""
import os
import pathlib
import re
import resource
import select
import socket
import threading
import time

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import kit as n

PORT, METRICS = 7777, 9435
GET = b"GET /metrics HTTP/1.1\r\nHost: a\r\n"
CLIENTS = 16  # SW_METRICS_CLIENTS


def start(b, *args, **kw):
    return n.Synward(b, "srv0", args=("--close-delay", 0.1, "--metrics", METRICS, *args), **kw)


def dial(b, address=("127.0.0.1", METRICS)):
    with n.Inside(b):
        s = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    s.settimeout(n.PATIENCE)
    s.connect(address)
    return s


def take(s):
    """Until its end: status, fields, body."""
    got = b""
    while True:
        more = s.recv(1 << 16)
        if not more:
            break
        got += more
    s.close()
    head, _, body = got.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    return int(first.split()[1]), dict(x.split(": ", 1) for x in fields), body.decode()


def ask(b, request=GET + b"\r\n", address=("127.0.0.1", METRICS)):
    s = dial(b, address)
    s.sendall(request)
    return take(s)


def value(b, name, parse=parse_text):
    """Figures are at most a second old."""
    status, _, body = ask(b)
    n.equal("status", status, 200)
    return sum(x.value for family in parse(body) for x in family.samples if x.name == name)


def descriptors(sw):
    """Of no one moment: what is closed and opened while they are listed may be there twice."""
    return len(os.listdir(f"/proc/{sw.p.pid}/fd"))


def answers():
    """each request gets what RFC 9110 says, in 1.0 and 1.1, once; the format is that of Accept"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", PORT)
    sw = start(b)
    if "metrics at 127.0.0.1:9435" not in sw.said():
        raise AssertionError(sw.said())
    n.talk(a, listener, 3, size=0)
    n.until(lambda: value(b, "synward_handshake_duration_seconds_count") == 3)
    for request, want in {GET + b"\r\n": 200, b"GET /metrics HTTP/1.0\r\n\r\n": 200, b"GET / HTTP/1.0\r\n\r\n": 404,
                          b"PUT /metrics HTTP/1.0\r\n\r\n": 405, b"GET /metrics HTTP/1.1\r\n\r\n": 400,
                          GET + b"Content-Length: 3\r\n\r\nabc": 413, b"x" * 9000: 431, b"\x16\x03\x01": 400,
                          b"GET /metrics HTTP/2.0\r\n\r\n": 505}.items():
        status, fields, body = ask(b, request)
        n.equal(f"status of {request[:30]}", status, want)
        n.equal("length", int(fields["Content-Length"]), len(body))
        n.equal("Connection", fields["Connection"], "close")
        n.equal("Allow", fields.get("Allow"), "GET, HEAD" if want == 405 else None)
    status, fields, body = ask(b, b"HEAD" + GET[3:] + b"\r\n")
    n.equal("HEAD", (status, body), (200, ""))
    n.at_least("its length", int(fields["Content-Length"]), 10000)
    for accept, kind, parse in ((b"*/*", "text/plain; version=0.0.4; charset=utf-8", parse_text),
                                (b"application/openmetrics-text;version=1.0.0,*/*;q=0.1",
                                 "application/openmetrics-text; version=1.0.0; charset=utf-8", parse_openmetrics)):
        status, fields, body = ask(b, GET + b"Accept: " + accept + b"\r\n\r\n")
        n.equal("status, type", (status, fields["Content-Type"]), (200, kind))
        n.at_least("samples", sum(len(x.samples) for x in parse(body)), 500)
        n.equal("an address of a peer", "10.66.0.1" in body, False)
    two = ask(b, (GET + b"\r\n") * 2)  # the second one is not answered, and takes nothing of the first
    n.equal("pipelined", (two[0], len(two[2])), (200, int(two[1]["Content-Length"])))
    s = dial(b)  # as nc does
    for i in range(len(GET) + 2):
        s.sendall((GET + b"\r\n")[i:i + 1])
    s.shutdown(socket.SHUT_WR)
    half = take(s)
    n.equal("by bytes, half-closed", (half[0], len(half[2])), (200, int(half[1]["Content-Length"])))
    n.equal("exit code", sw.stop(), 0)
    n.equal("warnings", sw.err(), "")


def own_figures():
    """those that only the process knows: evictions, losses, readers, requests"""
    _, b = n.pair()
    sw = start(b)
    before = value(b, "synward_metrics_requests_total")
    n.until(lambda: value(b, "synward_metrics_requests_total") > before)
    text = ask(b)[2]
    for name in "half_open_evicted_total", "output_lines_lost_total", "readers", "metrics_file_failures_total":
        if not re.search(rf"^synward_{name} 0$", text, re.M):
            raise AssertionError(f"no {name}")
    n.equal("exit code", sw.stop(), 0)


def hostile():
    """clients that say nothing, little, anything, that take nothing, and a thousand at once: nobody else notices"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", PORT)
    sw = start(b, "--guard", "auto")
    value(b, "synward_packets_total")
    idle = descriptors(sw)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    silent = [dial(b) for _ in range(1000)]
    n.until(lambda: value(b, "synward_metrics_connections_refused_total") >= 1000 - CLIENTS)  # there is always a place
    n.at_most("descriptors", descriptors(sw), idle + 2 * CLIENTS)
    for s in silent:
        s.close()
    takers = [dial(b) for _ in range(CLIENTS)]  # they ask and read nothing
    for s in takers:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.sendall(GET + b"\r\n")
    n.until(lambda: value(b, "synward_packets_total"))
    for s in takers:
        s.close()

    stop, done, bad = threading.Event(), [0, 0], []

    def flood():
        junk = [os.urandom(200), GET, b"GET /metrics HTTP/1.1\r\nX: ", (GET + b"\r\n") * 50, b"", b"\r\n" * 5000]
        while not stop.is_set():
            held = []
            for i in range(200):
                try:
                    s = dial(b)
                    held.append(s)
                    s.sendall(junk[i % len(junk)])
                except OSError:
                    pass
                done[0] += 1
            for s in held:
                s.close()

    def scrape():
        while not stop.is_set():
            try:
                done[1] += ask(b)[0] == 200
            except (OSError, ValueError, IndexError) as e:  # it was pushed out: there are more than it takes
                bad.append(e)

    threads = [threading.Thread(target=f) for f in (flood, flood, scrape)]
    for t in threads:
        t.start()
    try:
        most, slowest, talks = 0, 0, 0
        while done[0] < 2000 or talks < 50:
            began = time.monotonic()
            n.talk(a, listener, 1, size=0)
            talks += 1
            slowest = max(slowest, time.monotonic() - began)
            most = max(most, descriptors(sw))
    finally:
        stop.set()
        for t in threads:
            t.join()
    print(f"# {done[0]} hostile connections, {done[1]} scrapes answered, {len(bad)} not; the slowest of {talks} talks took "
          f"{slowest * 1e3:.0f} ms", flush=True)
    n.at_least("scrapes answered meanwhile", done[1], 1)
    n.at_most("descriptors", most, idle + 2 * CLIENTS)
    n.until(lambda: ask(b)[0] == 200)
    n.until(lambda: descriptors(sw) <= idle + 1)  # those that were late are gone
    n.equal("exit code", sw.stop(hurry=True), 0)
    n.equal("warnings", [x for x in sw.err().splitlines() if "warning" in x], [])
    lines = sw.lines()
    n.equal("connections", sum(x["event"] == "conn" and x["resp_port"] == PORT for x in lines), talks)
    n.equal("lost", lines[-1]["lost_total"], 0)


def slow():
    """a byte a second does not keep a place: after 5 s it is over"""
    _, b = n.pair()
    sw = start(b)
    s = dial(b)
    began = time.monotonic()
    ended = False
    for byte in GET + b"X: " + b"y" * 1000:
        try:
            s.sendall(bytes([byte]))
        except OSError:
            break
        if select.select([s], [], [], 0.2)[0]:  # between two of its bytes
            try:
                ended = s.recv(1) == b""
            except ConnectionResetError:
                ended = True
            break
    n.equal("ended", ended, True)
    n.at_least("after", time.monotonic() - began, 4)
    n.at_most("after", time.monotonic() - began, n.PATIENCE)
    n.equal("exit code", sw.stop(), 0)


def places():
    """PORT is loopback alone; an address; IPv6; every one; a place that is taken is exit 9, a wrong one 2"""
    a, b = n.pair()
    for place, reached, not_reached in (("9435", ["127.0.0.1"], ["10.66.0.2", "::1"]),
                                        ("10.66.0.2:9435", ["10.66.0.2"], ["127.0.0.1"]),
                                        ("[::1]:9435", ["::1"], ["127.0.0.1"]),
                                        ("0.0.0.0:9435", ["127.0.0.1", "10.66.0.2"], ["::1"]),
                                        ("[::]:9435", ["::1", "fd66::2"], ["127.0.0.1"]),
                                        ("*:9435", ["127.0.0.1", "::1", "10.66.0.2"], [])):
        sw = n.Synward(b, "lo", args=("--metrics", place))
        for address in reached:
            n.equal(f"{place} at {address}", ask(b, address=(address, METRICS))[0], 200)
        for address in not_reached:
            try:
                dial(b, (address, METRICS))
            except ConnectionRefusedError:
                continue
            raise AssertionError(f"{place} answers at {address}")
        n.equal("exit code", sw.stop(), 0)
    taken = n.listen(b, "127.0.0.1", METRICS)
    for place, code, line in (("9435", 9, "metrics at 127.0.0.1:9435: Address already in use"),
                              ("systemd", 2, "no socket was passed"), ("x", 2, "is not [ADDR:]PORT"),
                              ("0", 2, "is not [ADDR:]PORT"), ("1.2.3:80", 2, "is not [ADDR:]PORT"),
                              ("192.0.2.77:9435", 9, "Cannot assign requested address")):
        r = n.run([n.SYNWARD, "run", "-i", "lo", "--metrics", place], b, text=True)
        n.equal(f"exit code of {place} ({r.stderr})", (r.returncode, line in r.stderr, r.stderr.count("\n")), (code, True, 1))
    taken.close()
    n.equal("hooks", n.hooks_on(b, "lo"), [])


def passed():
    """systemd starts it at the first connection, with the socket that it holds"""
    _, b = n.pair()
    sw = n.Synward(b, "srv0", args=("--metrics", "systemd"), wait=False, prefix=(
        "systemd-socket-activate", "-l", f"127.0.0.1:{METRICS}", "-E", "NOTIFY_SOCKET"))
    n.until(lambda: f":{METRICS} " in n.sh("ss", "-ltnH", ns=b).stdout)
    s = dial(b)
    s.sendall(GET + b"\r\n")
    sw.ready()
    n.equal("status", take(s)[0], 200)
    n.equal("again", ask(b)[0], 200)
    n.equal("exit code", sw.stop(), 0)


def file():
    """the file is whole whenever it is read, mode 0644, new each second, and gone at the end"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", PORT)
    path = pathlib.Path(n.tmp.name, "folder", "synward.prom")
    path.parent.mkdir()
    sw = n.Synward(b, "srv0", args=("--metrics-file", path, "--metrics-interval", 1), script="umask 077")
    n.until(path.exists)
    n.talk(a, listener, 2, size=0)
    seen, reads = set(), 0

    def count():
        nonlocal reads
        text = path.read_text()
        seen.add(path.stat().st_ino)
        reads += 1
        n.equal("the last line", text.splitlines()[-1].partition("{")[0], "synward_metrics_connections_refused_total")
        return sum(x.value for f in parse_text(text) for x in f.samples if x.name == "synward_handshake_duration_seconds_count")

    n.until(lambda: count() == 2, every=0.001)
    n.until(lambda: count() and len(seen) > 2, every=0.001)
    n.equal("mode, names", (path.stat().st_mode & 0o777, os.listdir(path.parent)), (0o644, [path.name]))
    r = n.run(["promtool", "check", "metrics"], input=path.read_text(), text=True)
    n.equal("promtool", (r.returncode, r.stdout + r.stderr), (0, ""))
    print(f"# {reads} reads of {len(seen)} files", flush=True)
    n.equal("exit code", sw.stop(), 0)
    n.equal("left, warnings", (os.listdir(path.parent), sw.err()), ([], ""))


def file_fails():
    """a folder that cannot be written: one warning, counted, all else goes on; then it is written again"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", PORT)
    path = pathlib.Path(n.tmp.name, "other", "synward.prom")
    path.parent.mkdir()
    sw = start(b, "--metrics-file", path, "--metrics-interval", 1)
    n.until(path.exists)
    path.parent.chmod(0o500)
    n.until(lambda: value(b, "synward_metrics_file_failures_total") >= 2)
    n.talk(a, listener, 2, size=0)
    n.until(lambda: sum(x["event"] == "conn" for x in sw.lines()) == 2)
    path.parent.chmod(0o700)
    n.until(lambda: "written again" in sw.err())
    failures = int(value(b, "synward_metrics_file_failures_total"))
    want = [f"synward: warning: {path}: Permission denied: metrics are not written, all else goes on",
            f"synward: warning: {path}: written again after S s, {failures} writes were lost"]
    n.equal("warnings", [re.sub(r"after [0-9.]+ s", "after S s", x) for x in sw.err().splitlines()], want)
    n.equal("exit code", sw.stop(), 0)
    n.equal("left", os.listdir(path.parent), [])
    for at, code, line in ((path.parent, 9, "Is a directory"), (path.parent / "no" / "x", 9, "No such file or directory"),
                           ("/dev/null", 9, "something else than a file is there"), ("", 2, "--metrics-file")):
        r = n.run([n.SYNWARD, "run", "-i", "srv0", "--metrics-file", str(at)], b, text=True)
        n.equal(f"exit code of {at} ({r.stderr})", (r.returncode, line in r.stderr), (code, True))
    n.equal("null is a device", pathlib.Path("/dev/null").is_char_device(), True)


if __name__ == "__main__":
    n.main(answers, own_figures, hostile, slow, places, passed, file, file_fails)
