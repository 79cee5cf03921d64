#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it makes a clsact and an instance
"""The OCI image: made twice, read by the OCI specification's rules and by nothing of the tool that made it, unpacked, and
run in a chroot of its layers: --version, probe, and `run` on a veth."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import fault as k  # noqa: E402  pylint: disable=wrong-import-position

EPOCH = "1700000000"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def build(name):
    """src/dist/image as `make image` calls it; later, in another folder"""
    archive = pathlib.Path(n.tmp.name, name, "image.tar")
    binary = archive.parent / "synward"
    archive.parent.mkdir()
    binary.write_bytes(pathlib.Path(n.SYNWARD).read_bytes())
    binary.chmod(0o755)
    n.sh("src/dist/image", binary, "9.8.7", archive, cwd=n.TOP, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    return archive


class Image:
    """An archive's one image: every blob is what its digest says."""

    def __init__(self, archive):
        self.files = {}
        with tarfile.open(archive) as tar:
            for member in tar:
                self.files[member.name.removeprefix("./")] = tar.extractfile(member).read() if member.isfile() else None
        n.equal("layout", json.loads(self.files["oci-layout"]), {"imageLayoutVersion": "1.0.0"})
        self.index = json.loads(self.files["index.json"])
        self.manifest = json.loads(self.blob(n.one(self.index["manifests"], "manifests")))
        self.config = json.loads(self.blob(self.manifest["config"]))
        self.layers = [gzip.decompress(self.blob(x)) for x in self.manifest["layers"]]
        n.equal("media types", {x["mediaType"] for x in self.manifest["layers"]}, {LAYER})
        n.equal("diff ids", [f"sha256:{hashlib.sha256(x).hexdigest()}" for x in self.layers],
                self.config["rootfs"]["diff_ids"])

    def blob(self, descriptor):
        algorithm, digest = descriptor["digest"].split(":")
        data = self.files[f"blobs/{algorithm}/{digest}"]
        n.equal("size", len(data), descriptor["size"])
        n.equal("digest", hashlib.new(algorithm, data).hexdigest(), digest)
        return data

    def members(self):
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                yield from tar.getmembers()

    def unpack(self, root):
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for member in tar:
                    assert not pathlib.Path(member.name).name.startswith(".wh."), member.name
                tar.extractall(root, numeric_owner=True)


def same():
    """built twice, in other folders: equal bytes"""
    first, second = (build(name).read_bytes() for name in ("one", "two"))
    n.equal("SHA-256", hashlib.sha256(second).hexdigest(), hashlib.sha256(first).hexdigest())
    state["image"] = Image(pathlib.Path(n.tmp.name, "one/image.tar"))


def contents():
    """one program, its loader and libraries, no shell, times of SOURCE_DATE_EPOCH, root's; labels and entry point"""
    image = state["image"]
    members = list(image.members())
    n.equal("times", {m.mtime for m in members}, {int(EPOCH)})
    n.equal("owners", {(m.uid, m.gid) for m in members}, {(0, 0)})
    n.equal("links and devices", [m.name for m in members if not m.isfile() and not m.isdir()], [])
    programs = [m.name for m in members if m.isfile() and m.mode & 0o111]
    libraries = set(re.findall(r"(?:=> |\t)(/\S+) \(", n.sh("ldd", n.SYNWARD).stdout))
    n.equal("what may be executed", sorted(f"/{x}" for x in programs), sorted(libraries | {"/usr/sbin/synward"}))
    n.equal("setuid", [m.name for m in members if m.mode & 0o6000], [])
    config = image.config["config"]
    n.equal("entry point", (config["Entrypoint"], config["Cmd"]), (["/usr/sbin/synward"], ["--help"]))
    labels = {x.rpartition(".")[2]: text for x, text in config["Labels"].items()}
    n.equal("labels", (labels["title"], labels["version"], labels["licenses"], len(labels)),
            ("synward", "9.8.7", "GPL-2.0-only OR BSD-2-Clause", 4))
    n.equal("reference", n.one(image.index["manifests"])["annotations"]["org.opencontainers.image.ref.name"], "synward:9.8.7")
    n.equal("platform", (image.config["os"], image.config["architecture"]),
            ("linux", n.sh("dpkg", "--print-architecture").stdout.strip()))
    n.equal("SBOM", "usr/share/doc/synward/synward.spdx.json" in {m.name for m in members}, True)
    # what is passed on comes with its licence
    packages = {pathlib.Path(m.name).parent.name for m in members if m.name.endswith("/copyright")}
    files = [str(pathlib.Path(x).resolve()) for x in libraries]
    found = n.sh("dpkg", "-S", *files, *(x.removeprefix("/usr") for x in files), check=False).stdout.splitlines()
    n.at_least("files that dpkg knows", len(found), len(files))
    n.equal("packages without a copyright file", {x.split(":")[0] for x in found} - packages, set())


def command(*args):
    """In a chroot of the layers, with what a container runtime mounts, and bpffs."""
    root = state["root"]
    entry = state["image"].config["config"]["Entrypoint"]
    mounts = "\n".join(f"mount --bind /{x} {root}/{x}" for x in ("proc", "dev", "run/synward"))
    return ["unshare", "-m", "sh", "-ec", f'{mounts}\nmount --rbind /sys {root}/sys\nexec chroot {root} "$@"', "sh", *entry, *args]


def unpacked():
    """its layers are all that --version needs; no shell is there"""
    state["root"] = root = pathlib.Path(n.tmp.name, "root")
    state["image"].unpack(root)
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    r = subprocess.run(["chroot", str(root), *state["image"].config["config"]["Entrypoint"], "--version"], env=env,
                       capture_output=True, text=True, check=True, timeout=60)
    n.equal("stderr", r.stderr, "")
    # but for the names of files, which are links on this machine
    want = re.sub(r"runs with lib.*", "", n.sh(n.SYNWARD, "--version").stdout)
    n.equal("--version", re.sub(r"runs with lib.*", "", r.stdout), want)
    for shell in ("/bin/sh", "/usr/bin/sh"):
        r = subprocess.run(["chroot", str(root), shell, "-c", "true"], env=env, capture_output=True, text=True, check=False)
        n.equal(f"{shell}: exit code ({r.stderr.strip()})", r.returncode, 127)


def probe():
    """probe in the chroot says what it says outside"""
    os.makedirs("/run/synward", exist_ok=True)
    _, b = n.pair()
    inside = json.loads(n.sh(*command("probe", "--json", "srv0"), ns=b).stdout)
    n.equal("probe", inside, json.loads(n.sh(n.SYNWARD, "probe", "--json", "srv0", ns=b).stdout))


def run():
    """run in the chroot, on a veth: a connection has its lines; status from outside sees it; nothing is left"""
    a, b = n.pair()
    listener = n.listen(b, "10.66.0.2", 7777)
    os.makedirs("/run/synward", exist_ok=True)
    out, err = (open(os.path.join(n.tmp.name, x), "w+", encoding="utf-8") for x in ("out", "err"))
    p = n.popen(command("run", "-i", "srv0", "--close-delay", "0.1"), b, stdout=out, stderr=err)
    n.started.append(p)

    def said():
        err.seek(0)
        return err.read()

    n.until(lambda: "following srv0" in said() or p.poll() is not None, 60, evidence=said)
    n.equal(f"running ({said()})", p.poll(), None)
    client, server = n.open_pair(a, listener)
    client.sendall(b"hello")
    n.equal("read", server.recv(5), b"hello")
    client.close()
    server.close()

    def conns():
        out.seek(0)
        return [x for x in (json.loads(line) for line in out.read().splitlines(keepends=True) if line.endswith("\n"))
                if x["event"] == "conn"]

    n.until(conns)
    conn = n.one(conns())
    n.equal("line", (conn["resp_port"], conn["orig_bytes"], conn["conn_state"]), (7777, 5, "SF"))
    status = json.loads(n.sh(n.SYNWARD, "status", "--json", "-i", "srv0", ns=b).stdout.splitlines()[0])
    n.equal("status", status["pid"], p.pid)
    p.send_signal(signal.SIGTERM)
    n.equal("exit code", p.wait(60), k.OK)
    n.equal("hooks", n.hooks_on(b, "srv0"), [])
    out.close()
    err.close()
    listener.close()


state = {}
n.main(same, contents, unpacked, probe, run)
