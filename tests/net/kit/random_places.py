# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Two files of event lines about the same connections, of which anything may differ that a router, a loss, a guard or a
clock can make differ: to compare what reads them. Lines are those of two_places."""
import json

from . import two_places as t

NS = t.NS
FEATURES = ("rewritten", "tail", "gaps", "losses", "ends", "midstream", "few_stats", "cookie", "nat", "again", "options", "doubles", "one_sided",
            "restart")
NO_TIMES = {"handshake": "incomplete", "handshake_ns": None, "server_ns": None, "client_ns": None}


class Place:
    def __init__(self, near, nat, offset):
        self.near, self.nat, self.offset, self.rows = near, nat, offset, []
        self.text = t.templates(near)

    def stats(self, at, final=False):
        self.rows.append((at, {"schema": 3, "ts": t.stamp(at + self.offset), "event": "stats", "host": "h", "final": final, "flows": 0, "half_open": 0,
                               "filtered": 0, "guard_dropped": 0, "guard_cookies_sent": 0}))

    def conn(self, i, at, more):
        here = self.near or not self.nat
        keys = {"seq": 0, "uid": f"C{'A' if self.near else 'B'}{i:016}", "ip": "10.66.0.1" if here else "10.67.0.254",
                "port": 1024 + i * (1 if here else 7) % 60000, "orig_isn": i * 2654435761 + 12345 & 0xffffffff,
                "resp_isn": i * 2654435761 & 0xffffffff ^ 0x5a5a5a5a, "mss": 1460, "start": t.stamp(at + self.offset), "history": "ShADadFf",
                "rst_by": "null"}
        for kind, later in (("opening", 0), ("conn", 6 * NS)):
            x = json.loads(self.text[kind] % {**keys, "ts": t.stamp(at + later + self.offset)})
            self.rows.append((at + later, {**x, **more} if kind == "conn" else x))

    def lines(self, has, draw):
        """Numbered; some are missing, of which a loss line speaks or none; another process begins."""
        out, seq, gone = [], 0, 0
        rows = [x for _, x in sorted(self.rows, key=lambda x: x[0])]
        restarts = draw.randrange(len(rows)) if "restart" in has and draw.random() < 0.5 else None
        for i, x in enumerate(rows):
            if i == restarts:
                seq = 0
            seq += 1
            if "gaps" in has and draw.random() < 0.01:
                continue
            if "losses" in has and x["event"] != "stats" and draw.random() < 0.01:
                gone += 1
                continue
            if gone and draw.random() < 0.5:
                out.append({"schema": 3, "seq": seq, "ts": x["ts"], "event": "loss", "host": "h", "lost": gone, "lost_conn": gone, "lost_opening": 0})
                seq, gone = seq + 1, 0
            out.append({**x, "seq": seq})
        if out[-1]["event"] == "stats":
            out[-1]["emitted_conn"] = sum(x["event"] == "conn" for x in out)
        return out


def differences(has, draw):
    """What of a connection either place says otherwise."""
    a, b = {}, {}
    one = draw.choice((a, b))
    volume = draw.choice((0, 10, 520, 1000))
    for x in (a, b):
        x.update(orig_bytes=volume, orig_payload_bytes=volume, duration_ns=draw.choice((NS, 10 ** 6)))
    if "rewritten" in has and draw.random() < 0.2:
        b.update({k: draw.randrange(2 ** 32) for k in draw.choice((("orig_isn",), ("resp_isn",), ("orig_isn", "resp_isn")))})
    if "tail" in has and draw.random() < 0.2:
        one.update(orig_bytes=volume // 2, orig_payload_bytes=volume // 2)
    elif "tail" in has and draw.random() < 0.1:
        a.update(orig_payload_bytes=volume + 20, orig_rexmit=1)
    if "ends" in has and draw.random() < 0.4:
        for x in (a, b):
            x.update(history="".join(y for y in "ShADadFfRrIi" if draw.random() < 0.6), history_full=draw.random() < 0.2,
                     rst_by=draw.choice((None, None, "orig", "resp", "both")), closed_by=draw.choice((None, "orig", "resp", "both")),
                     orig_state=draw.choice(("CLOSED", "TIME_WAIT", "FIN_WAIT_2", "ESTABLISHED")))
    if "midstream" in has and draw.random() < 0.05:
        one.update(NO_TIMES, handshake="unseen", orig_isn=None, resp_isn=None)
    elif "one_sided" in has and draw.random() < 0.1:
        one.update(NO_TIMES, resp_isn=None, resp_pkts=0, resp_bytes=0, resp_payload_bytes=0)
    elif "again" in has and draw.random() < 0.2:
        a.update(syn_rexmit=1, server_ns=1020000000, handshake_ns=1025000000)
        b["synack_rexmit"] = draw.choice((0, 1, 2))
    if "cookie" in has and draw.random() < 0.1:
        b["via"] = "cookie"
    if "options" in has and draw.random() < 0.2:
        key, value = draw.choice((("mss", 1200), ("mss", None), ("wscale", None), ("sack", False), ("ts", None), ("ecn", "ece"), ("tfo", "request"),
                                  ("mptcp", True)))
        one[draw.choice(("orig_", "resp_")) + key] = value
    for key, value, share in (("orig_gaps", 1, 0.05), ("resp_gaps", 1, 0.05), ("inferred", True, 0.03)):
        if draw.random() < share:
            one[key] = value
    if draw.random() < 0.2:
        a["server_ns"] = draw.choice((20000, 6000, 200000000))
    if draw.random() < 0.3:
        for x in (a, b):
            x.update(orig_socket_cookie=None, resp_socket_cookie=None)
    return a, b


def write(folder, draw, count=150):
    """A.ndjson and B.ndjson there; what they have of FEATURES."""
    has = {x for x in FEATURES if draw.random() < 0.5}
    offset = draw.choice((0, 0, 0, 3, 100)) * NS
    a, b = (Place(near, "nat" in has, 0 if near else offset) for near in (True, False))
    begin, every = t.BEGIN * NS, draw.choice((3, 20)) * NS
    for x in (a, b):
        x.stats(begin - 200 * NS)
    for i in range(count):
        at = begin + i * every + draw.randrange(NS)
        of_a, of_b = differences(has, draw)
        where = draw.random()
        if where > 0.05:
            a.conn(i, at, of_a)
        if where < 0.95:
            b.conn(i, at + 10000, of_b)
        if "doubles" in has and 0.05 < where < 0.95 and draw.random() < 0.1:
            b.conn(i, at + 10001, {**of_b, "uid": f"CD{i:016}", "orig_port": 9})
        if i % (8 if "few_stats" in has else 2) == 0:
            for x in (a, b):
                x.stats(at + NS)
    for name, place in (("A", a), ("B", b)):
        place.stats(begin + count * every + 200 * NS)
        if draw.random() < 0.7:
            place.stats(begin + count * every + 201 * NS, True)
        (folder / f"{name}.ndjson").write_text("".join(json.dumps(x) + "\n" for x in place.lines(has, draw)), encoding="utf-8")
    return sorted(has), offset // NS
