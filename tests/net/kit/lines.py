# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What synward's lines say."""
import collections
import functools
import importlib.machinery
import importlib.util
import json
import pathlib
import re

from .ns import TOP
from .tap import equal


@functools.cache
def schema():
    """tests/schema_check as a module, and its validator: loaded once, as loading takes longer than most checks."""
    loader = importlib.machinery.SourceFileLoader("schema_check", str(TOP / "tests/schema_check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("schema_check", loader))
    loader.exec_module(module)
    return module, module.validator_of()


FORM_ALL, FORM_EVERY = 20, 10  # lines of one form: so many, and then every tenth
VARYING = re.compile(rb'"(uid|community_id)":"[^"]*"|[0-9]+')


def valid(rows):
    """These raw lines are valid against the schema. It takes a millisecond for each, so of those that differ in their
    numbers and names only some are checked."""
    module, validator = schema()
    forms = collections.Counter()
    some = []
    for raw in rows:
        form = VARYING.sub(b"0", raw)
        forms[form] += 1
        if forms[form] <= FORM_ALL or not forms[form] % FORM_EVERY:
            some.append(raw)
    equal("schema_check", (module.check(validator, some)[1] or "")[:600], "")


def summary(path):
    out = []
    for raw in pathlib.Path(path).read_bytes().split(b"\n")[:-1][-40:]:
        line = json.loads(raw)
        out.append("%s:%s" % (line["event"], line.get("orig_port", "")))
    return " ".join(out)


def of(lines, sock_name, event=None):
    """Lines of the connection whose originator has this address and port."""
    ip, port = sock_name[0], sock_name[1]
    return [x for x in lines if x.get("orig_ip") == ip and x.get("orig_port") == port and
            (event is None or x["event"] == event)]


def events_of(lines, sock_name):
    return [x["event"] for x in of(lines, sock_name)]


def check_seq(lines):
    """seq counts by one; where it jumps, a loss line says by how much, exactly. Returns the sum lost."""
    want, lost = 1, 0
    for x in lines:
        jump = x["lost"] if x["event"] == "loss" else 0
        if x["seq"] != want + jump:
            raise AssertionError(f"seq {x['seq']} after {want - 1}, expected {want + jump} ({x['event']})")
        want = x["seq"] + 1
        lost += jump
    return lost


def fields(line, **want):
    for k, v in want.items():
        equal(f"{line['event']} {k}", line.get(k), v)
