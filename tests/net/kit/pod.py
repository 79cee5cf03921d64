# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A node of Kubernetes, as far as a pod of docs/kubernetes sees one: its folders, Secrets as volumes, and a kubelet that starts
the one container, probes it, and ends it. A key of a manifest that it does not know is an error: what is written there is either
done here, or named as not done."""
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import yaml

from . import ns as n
from .daemon import SIZES, SYNWARD
from .tap import equal
from .wait import SLOW, until

FOLDERS = "mount -t tmpfs -o mode=755 none /run; mount -t bpf -o mode=700 none /sys/fs/bpf; echo made; exec cat"
# scheduling, accounts, limits: nothing that the program sees
IGNORED = {"automountServiceAccountToken", "enableServiceLinks", "priorityClassName", "nodeSelector", "tolerations", "name", "image",
           "resources"}
numbers = itertools.count()


def rendered(folder):
    """The objects of an overlay."""
    out = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if out.returncode:
        raise AssertionError(f"kubectl kustomize {folder}: {out.stderr}")
    return list(yaml.safe_load_all(out.stdout))


def take(given, *known, where):
    """The values of these keys; any other one is an error."""
    unknown = set(given) - set(known) - IGNORED
    if unknown:
        raise AssertionError(f"{where}: {sorted(unknown)} is not known here")
    return [given.get(x) for x in known]


class Node:
    """A network namespace with folders of its own."""

    def __init__(self, ns, address):
        self.ns, self.address, self.secrets = ns, address, {}
        self.holder = n.popen(["unshare", "-m", "sh", "-ec", FOLDERS], ns, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        n.started.append(self.holder)
        equal("folders", self.holder.stdout.readline(), b"made\n")

    def enter(self, *command, **kw):
        """On the node, not in a pod."""
        return n.run(["nsenter", "-t", str(self.holder.pid), "-m", *(str(x) for x in command)], self.ns, text=True, **kw)

    def secret(self, name, **files):
        """Publishes it, as the kubelet does: behind a link that is swapped."""
        folder = self.secrets.setdefault(name, pathlib.Path(n.tmp.name) / f"secret-{next(numbers)}")
        at = folder / f"..{next(numbers)}"
        at.mkdir(parents=True)
        for file, text in files.items():
            (at / file).write_text(text, encoding="ascii")
            (at / file).chmod(0o400)
            if not (folder / file).is_symlink():
                (folder / file).symlink_to(f"..data/{file}")
        (folder / "..tmp").symlink_to(at.name)
        os.replace(folder / "..tmp", folder / "..data")


class Pod:
    """That of a DaemonSet on a node, running. What its environment says of this node is replaced by env."""

    def __init__(self, objects, node, **env):
        spec = next(x for x in objects if x["kind"] == "DaemonSet")["spec"]["template"]["spec"]
        network, pids, security, containers, volumes, self.grace = take(
            spec, "hostNetwork", "hostPID", "securityContext", "containers", "volumes", "terminationGracePeriodSeconds", where="pod")
        equal("the host's network and ids", (network, pids), (True, True))
        equal("user", (security["runAsUser"], security["runAsGroup"]), (0, 0))
        equal("containers", len(containers), 1)
        (args, given, ports, mounts, own, self.startup, self.readiness, self.liveness) = take(
            containers[0], "args", "env", "ports", "volumeMounts", "securityContext", "startupProbe", "readinessProbe",
            "livenessProbe", where="container")
        self.node, self.ports = node, {x["name"]: x["containerPort"] for x in ports}
        self.env = {x["name"]: env.get(x["name"]) or self.value(x) for x in given}
        self.args = [re.sub(r"\$\((\w+)\)", lambda m: self.env[m[1]], x) for x in args]
        escalation, read_only, caps = take(own, "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities", where="rights")
        equal("dropped", caps["drop"], ["ALL"])
        root = pathlib.Path(n.tmp.name) / f"root-{next(numbers)}"
        root.mkdir()
        self.spec = {"root": str(root), "program": SYNWARD, "volumes": [self.volume(x, volumes) for x in mounts], "env": self.env,
                     "read_only": read_only, "capabilities": caps["add"], "escalation": escalation}
        self.log = pathlib.Path(n.tmp.name) / f"log-{next(numbers)}"
        tables = itertools.chain(*SIZES.items())
        with self.log.open("wb") as out, self.log.with_suffix(".err").open("wb") as err:
            self.p = self.begin(*self.args, *(str(x) for x in tables), stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        n.started.append(self.p)
        until(lambda: self.probe(self.startup) or self.p.poll() is not None, self.startup["failureThreshold"])
        equal(f"exit code so far ({self.err()})", self.p.poll(), None)

    def value(self, entry):
        if "value" in entry:
            return entry["value"]
        equal("field", entry["valueFrom"]["fieldRef"]["fieldPath"], "status.hostIP")
        return self.node.address

    def volume(self, mount, volumes):
        name, at, read_only = take({**mount, "volume": mount["name"]}, "volume", "mountPath", "readOnly", where="mount")
        what = next(x for x in volumes if x["name"] == name)
        if "secret" in what:
            equal("mode", what["secret"]["defaultMode"], 0o400)
            return {"from": str(self.node.secrets[what["secret"]["secretName"]]), "at": at, "read_only": read_only}
        path, kind = take(what["hostPath"], "path", "type", where="hostPath")
        if kind == "DirectoryOrCreate":
            self.node.enter("mkdir", "-p", "-m", "755", path)
        equal(f"{path} is there", self.node.enter("test", "-d", path).returncode, 0)
        return {"from": path, "at": at, "read_only": bool(read_only)}

    def begin(self, *args, **kw):
        spec = json.dumps({**self.spec, "args": args})
        return n.popen(["nsenter", "-t", str(self.node.holder.pid), "-m", sys.executable,
                        str(n.TOP / "tests/net/kit/contain.py"), spec], self.node.ns, **kw)

    def exec(self, *args):
        """kubectl exec: what it printed."""
        p = self.begin(*args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = p.communicate(timeout=60 * SLOW)
        equal(f"exit code of {args} ({err})", p.returncode, 0)
        return out

    def probe(self, which):
        """As the kubelet: a status from 200 to 399 within its time."""
        get = which["httpGet"]
        url = f"http://{self.node.address}:{self.ports[get['port']]}{get['path']}"
        r = n.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "--max-time",
                   str(which["timeoutSeconds"]), url], self.node.ns, text=True)
        return r.returncode == 0 and 200 <= int(r.stdout) < 400

    def err(self):
        return self.log.with_suffix(".err").read_text(errors="replace")

    def lines(self):
        return [json.loads(x) for x in self.log.read_text(encoding="utf-8").splitlines()]

    def deleted(self):
        """SIGTERM; SIGKILL after the grace would be a failure."""
        self.p.send_signal(signal.SIGTERM)
        equal(f"exit code ({self.err()})", self.p.wait(timeout=self.grace * SLOW), 0)
