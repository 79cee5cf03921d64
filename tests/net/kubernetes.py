#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""docs/kubernetes: each overlay is rendered, validated, and its pod runs with what the manifest gives it, and no more: read-only
root, capabilities, volumes, Secret, probes (kit/pod.py). There is no Kubernetes in it.

    +------- a -------+         +------- b -------+
    | clients         |  veth   | a node          |
    | 10.66.0.1  cli0 o=========o srv0  10.66.0.2 |---- pod: synward, with the node's network
    +-----------------+         +-----------------+
"""
import copy
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import gateway as gw  # noqa: E402  pylint: disable=wrong-import-position
from kit import pod  # noqa: E402  pylint: disable=wrong-import-position

DOCS = n.TOP / "docs/kubernetes"
OVERLAYS = ("tracker", "guard", "backend", "edge")
NODE = "10.66.0.2"
CAPABILITIES = ["NET_ADMIN", "BPF", "PERFMON", "SYS_ADMIN", "SETPCAP"]


def needs_kubectl():
    if not shutil.which("kubectl"):
        raise n.Skip("kubectl is not installed (Debian's is too old to render these)")


def rendered(name):
    needs_kubectl()
    return pod.rendered(DOCS / "overlays" / name)


def wrong(objects):
    """What the published schemas say of each."""
    if not (n.TOP / "build/kubernetes/node_modules/kubernetes-models").is_dir():
        if os.environ.get("CI"):
            raise AssertionError("no kubernetes-models in build/kubernetes: tests/setup puts it there")
        raise n.Skip("no kubernetes-models in build/kubernetes: tests/setup gets it from npm's registry")
    r = subprocess.run(["node", str(n.TOP / "tests/lib/kubernetes.mjs")], input=json.dumps(objects), capture_output=True, text=True,
                       check=True)
    return r.stdout.splitlines()


def valid():
    """every overlay is what Kubernetes' published schemas ask for; a wrong type is found"""
    for name in OVERLAYS:
        objects = rendered(name)
        n.equal(f"{name}: kinds", [x["kind"] for x in objects], ["DaemonSet"])
        n.equal(f"{name}: what is wrong", wrong(objects), [""])
        n.equal("name", objects[0]["metadata"]["name"], f"synward-{name}")
        spec = objects[0]["spec"]
        n.equal("selector", spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items(), True)
        container = spec["template"]["spec"]["containers"][0]
        n.equal("image", container["image"], "registry.example/synward:0.1.0")
        n.equal("capabilities", container["securityContext"]["capabilities"], {"drop": ["ALL"], "add": CAPABILITIES})
        n.equal("privileged", "privileged" in container["securityContext"], False)
        n.equal("account", spec["template"]["spec"]["automountServiceAccountToken"], False)
        broken = copy.deepcopy(objects)
        broken[0]["spec"]["template"]["spec"]["hostNetwork"] = "yes"
        n.equal("a wrong type", wrong(broken), ["data/spec/template/spec/hostNetwork must be boolean"])
    with (DOCS / "namespace.yaml").open(encoding="utf-8") as file:
        n.equal("namespace", wrong(list(pod.yaml.safe_load_all(file))), [""])


def talk(a, listener, count=3):
    for _ in range(count):
        c, s = n.open_pair(a, listener)
        c.sendall(b"through")
        n.read_n(s, 7)
        c.close()
        n.equal("the client's end", s.recv(1), b"")
        s.close()


def hooks(ns):
    """Programs on the interface."""
    link = json.loads(n.sh("ip", "-j", "link", "show", "srv0", ns=ns).stdout)[0]
    return link.get("xdp", {}).get("prog", {}).get("id")


def tracker():
    """overlay tracker: probes, lines in the pod's log with the container of each end, the node's own commands; nothing is left"""
    objects = rendered("tracker")
    a, b = n.pair()
    listener = n.listen(b, NODE, 7777)
    node = pod.Node(b, NODE)
    p = pod.Pod(objects, node, SYNWARD_INTERFACE="srv0")
    n.equal("ready", p.probe(p.readiness), True)
    talk(a, listener)
    n.until(lambda: sum(x["event"] == "conn" for x in p.lines()) == 3, n.PATIENCE)
    status = json.loads(p.exec("status", "--json"))
    n.equal("from the pod", (status["pid"], status["interfaces"][0]), (p.p.pid, "srv0"))
    n.equal("from the node", json.loads(node.enter(n.SYNWARD, "status", "--json").stdout)["pid"], p.p.pid)
    p.p.send_signal(pod.signal.SIGSTOP)
    n.equal("alive while it hangs", p.probe({**p.liveness, "timeoutSeconds": 1}), False)
    p.p.send_signal(pod.signal.SIGCONT)
    n.until(lambda: p.probe(p.liveness), n.PATIENCE)
    caps = pathlib.Path(f"/proc/{p.p.pid}/status").read_text(encoding="ascii")
    n.equal("what it kept", [x.split()[1] for x in caps.splitlines() if x.startswith(("CapPrm", "CapBnd"))],
            [f"{1 << 12:016x}", f"{0:016x}"])
    p.deleted()
    lines = p.lines()
    n.equal("last", (lines[-1]["event"], lines[-1]["final"]), ("stats", True))
    mine = pathlib.Path("/proc/self/cgroup").read_text(encoding="ascii").strip().rpartition("::")[2]
    n.equal("whose", {x["resp_cgroup"] for x in lines if x["event"] == "conn"}, {mine})
    n.equal("hooks", hooks(b), None)


def guard():
    """overlay guard: a new pod takes over while connections come and go; its programs stay in between"""
    objects = rendered("guard")
    a, b = n.pair()
    n.take_replies(b, "srv0")
    listener = n.listen(b, NODE, 7777)
    node = pod.Node(b, NODE)
    p = pod.Pod(objects, node, SYNWARD_INTERFACE="srv0")
    talk(a, listener)
    held = n.open_pair(a, listener)
    p.deleted()
    before = hooks(b)
    n.equal("still attached", before is not None, True)
    talk(a, listener)
    p2 = pod.Pod(objects, node, SYNWARD_INTERFACE="srv0")
    n.equal("services", "10.66.0.2:7777" in p2.exec("guard"), True)
    held[0].sendall(b"still")
    n.read_n(held[1], 5)
    talk(a, listener)
    for s in held:
        s.close()
    n.until(lambda: sum(x["event"] == "conn" for x in p.lines() + p2.lines()) == 10, n.PATIENCE)
    p2.deleted()
    n.equal("unpin", node.enter(n.SYNWARD, "unpin").returncode, 0)
    n.equal("hooks", hooks(b), None)


def edge():
    """overlays edge and backend: one Secret, cookies of the edge open connections at the host behind it, keys change"""
    edges, backends = rendered("edge"), rendered("backend")
    a, r, b = n.routed()
    n.take_replies(r, "rta")
    n.take_replies(b, "srv0")
    listener = n.listen(b, gw.HOST[4], gw.PORT)
    key = f"v2:{secrets.token_hex(16)}\n"
    nodes = [pod.Node(r, "10.66.0.254"), pod.Node(b, gw.HOST[4])]
    for node in nodes:
        node.secret("synward-keys", keys=key)
    behind = pod.Pod(backends, nodes[1], SYNWARD_INTERFACE="srv0")
    outer = pod.Pod(edges, nodes[0], SYNWARD_INTERFACE="rta", SYNWARD_PROTECT=gw.NETS[4])
    n.equal("form", json.loads(outer.exec("gateway", "--json"))["gateway"], "edge")
    outer.exec("guard", "always")
    talk(a, listener)
    for change in (1, 2):
        text = key + f"@{1700000000 + change * 1000} v2:{secrets.token_hex(16)}\n"
        for node in nodes:
            node.secret("synward-keys", keys=text)
        n.until(lambda c=change: all(x.err().count("read again") == c for x in (outer, behind)), n.PATIENCE)
        talk(a, listener)

    def conns():
        return [x["via"] for x in behind.lines() if x["event"] == "conn"]

    n.until(lambda: len(conns()) >= 9, n.PATIENCE)
    n.equal("by cookie", conns(), ["cookie"] * 9)
    for p in (outer, behind):
        p.p.send_signal(pod.signal.SIGINT)  # two signals: it does not wait for the last cookies
        p.deleted()


def strict():
    """the node of these tests refuses what it does not know"""
    objects = rendered("tracker")
    objects[0]["spec"]["template"]["spec"]["hostIpc"] = True
    try:
        pod.Pod(objects, None)
    except AssertionError as e:
        n.equal("error", str(e), "pod: ['hostIpc'] is not known here")
        return
    raise AssertionError("an unknown key was taken")


if __name__ == "__main__":
    n.main(valid, tracker, guard, edge, strict)
