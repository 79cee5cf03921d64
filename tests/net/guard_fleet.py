#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Keys for a fleet (docs/keys.md): a key file that changes while hosts run, from whatever writes it.

    +------- a -------+   SYNs        +-------- b --------+     etcdctl watch writes b's key file
    |            cli0 o---------------o srv0  synward     |
    | client          |   the rest    +-------- c --------+     and c's, from etcd in a namespace of its own
    | 10.66.0.1  cli1 o---------------o srv0  synward     |
    +-----------------+               +-------------------+     both are 10.66.0.2

In spread() each connection is answered by b and accepted by c, as behind a balancer that sends each packet anywhere."""
import ctypes
import json
import mmap
import os
import pathlib
import re
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import kit as n  # noqa: E402  pylint: disable=wrong-import-position
from kit import docs, guard as k, pin  # noqa: E402  pylint: disable=wrong-import-position
from kit.traffic import Traffic  # noqa: E402  pylint: disable=wrong-import-position
import guard_keys  # noqa: E402  pylint: disable=wrong-import-position

EPOCH = 1 << 36
NOTICED = 5  # seconds


def line(key, at=None):
    return (f"@{at} " if at else "") + key + "\n"


def new_key():
    return secrets.token_hex(16)


def siphash(key, message):
    """SipHash-2-4 as its paper has it."""
    mask = (1 << 64) - 1
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def turn(x, by):
        return (x << by | x >> (64 - by)) & mask

    def rounds(count):
        for _ in range(count):
            for a, b, by, far in ((0, 1, 13, 32), (2, 3, 16, 0), (0, 3, 21, 0), (2, 1, 17, 32)):
                v[a] = (v[a] + v[b]) & mask
                v[b] = turn(v[b], by) ^ v[a]
                v[a] = turn(v[a], far) if far else v[a]

    whole = message + bytes(7 - len(message) % 8) + bytes([len(message) & 255])
    for (word,) in struct.iter_unpack("<Q", whole):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 255
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def fingerprint(key):
    return siphash(bytes.fromhex(key), bytes(8))[:4].hex()


def put(path, text, mode=0o600):
    """Written beside it, and renamed over it."""
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="ascii")
    new.chmod(mode)
    os.replace(new, path)


def shown(sw):
    got = k.counters(sw)
    return tuple(got.get(x) for x in ("guard_key", "guard_key_next"))


def noticed(sw, *want):
    """Within NOTICED seconds, without a signal."""
    want = (want + (None,))[:2]
    n.until(lambda: shown(sw) == want, NOTICED, 0.05, lambda: f"want {want}: {sw.err()}")


def opener(g):
    """A SYN whose cookie opens a connection later on."""
    p = k.Peer(g, 4, sport=46000 + opener.count)
    opener.count += 1
    answer = k.stamp(p.syn(k.TS))

    def opens():
        p.say("A", options=answer)
        got = bool(k.accepted(g.listeners[4, k.PORT], 0.5))
        p.close()
        return got
    return opens


opener.count = 0


def place(name):
    path = pathlib.Path(n.tmp.name) / f"{name}-{secrets.token_hex(4)}"
    path.mkdir(mode=0o700)
    return path


def writers():
    """a key file is read again however it is written: renamed, in place, by the kubelet's links, and in pieces"""
    folder = place("pod")
    one, two = new_key(), new_key()
    path = folder / "keys"
    put(path, line(one))
    g = k.Ground("--key-file", path)
    n.equal("at the start", shown(g.sw), (fingerprint(one), None))
    if shutil.which("openssl"):
        mac = n.run(["openssl", "mac", "-macopt", f"hexkey:{one}", "-macopt", "size:8", "SIPHASH"], input=bytes(8)).stdout
        n.equal("fingerprint by openssl", mac.decode().strip().lower()[:8], fingerprint(one))
    k.talks(g, 1)

    key = new_key()  # renamed
    put(path, line(key))
    noticed(g.sw, fingerprint(key))
    k.talks(g, 1)

    key = new_key()  # in place, same size
    path.write_text(line(key), encoding="ascii")
    noticed(g.sw, fingerprint(key))

    # in pieces: nothing of it counts while it is written
    before = shown(g.sw)
    with open(path, "w", encoding="ascii") as f:
        for i in range(25):
            f.write(line(new_key(), 1700000000 + 300 * i))
            f.flush()
            time.sleep(0.1)  # as long as it takes altogether: two looks and a half
            n.equal("while it is written", shown(g.sw), before)
        f.write(line(two, 1700000000 + 300 * 25) + line(one, int(time.time()) + 3600))
    noticed(g.sw, fingerprint(two), fingerprint(one))
    n.at_most("lines read", g.sw.err().count("read again"), 3)
    assert re.search(rf"{path}: read again: 27 keys, {fingerprint(two)} counts, {fingerprint(one)} from 20", g.sw.err())
    k.talks(g)
    pieces = [y for x in (one, two, key) for y in (bytes.fromhex(x)[:8], bytes.fromhex(x)[8:], x[:16].encode(), x[16:].encode())]
    n.equal("pieces of keys in memory", guard_keys.in_memory(g.sw.p.pid, pieces), [])
    g.finish()


def kubelet():
    """a Kubernetes volume: the link above the file is swapped, and the old folder goes"""
    pod = place("pod")
    file, data = pod / "keys", pod / "..data"

    def publish(name, text, mode=0o400):
        (pod / name).mkdir()
        (pod / name / "keys").write_text(text, encoding="ascii")
        (pod / name / "keys").chmod(mode)
        (pod / "..tmp").symlink_to(name)
        os.replace(pod / "..tmp", data)

    keys = [new_key() for _ in range(3)]
    publish("..1", line(keys[0]))
    file.symlink_to("..data/keys")
    outside = place("etc") / "link"  # and a link to that
    outside.symlink_to(file)
    g = k.Ground("--key-file", outside)
    publish("..2", line(keys[0]) + line(keys[1], int(time.time()) + 3600))
    shutil.rmtree(pod / "..1")
    noticed(g.sw, fingerprint(keys[0]), fingerprint(keys[1]))
    publish("..3", line(keys[2]), mode=0o440)  # as with an fsGroup
    n.until(lambda: "others can read it" in g.sw.err(), NOTICED)
    n.equal("kept", shown(g.sw), (fingerprint(keys[0]), fingerprint(keys[1])))
    publish("..4", line(keys[2]))
    noticed(g.sw, fingerprint(keys[2]))
    k.talks(g)
    g.finish()


def faults():
    """a file that is broken, missing, another user's or readable changes nothing, and is warned of once"""
    key, ahead = new_key(), new_key()
    path = place("etc") / "keys"
    put(path, line(key) + line(ahead, int(time.time()) + 3600))
    g = k.Ground("--key-file", path)
    good = (fingerprint(key), fingerprint(ahead))
    cases = (
        (lambda: put(path, line(key)[:20]), ":1: a key is 32"),
        (lambda: put(path, line(new_key()), 0o644), ": others can read it"),
        (path.unlink, ": No such file"),
        (lambda: (put(path, line(new_key())), os.chown(path, 65534, 65534)), ": Permission denied"),
        (lambda: put(path, "".join(line(new_key()) for _ in range(65))), ":65: there are more than 64"),
    )
    opens = opener(g)
    for i, (harm, want) in enumerate(cases):
        harm()
        n.until(lambda w=want: g.sw.err().count(w) == 1, NOTICED, 0.05, g.sw.err)
        n.equal("warnings", g.sw.err().count("the keys are unchanged"), i + 1)
        n.equal("keys", shown(g.sw), good)
    put(path, "nonsense")
    n.until(lambda: g.sw.err().count(":1: a key is 32") == 2, NOTICED)
    looks = len(cases) + 1
    time.sleep(3)  # three more looks at what is wrong: no other way to see that nothing comes
    n.equal("warnings", g.sw.err().count("the keys are unchanged"), looks)
    g.sw.p.send_signal(signal.SIGHUP)  # who asks is answered
    n.until(lambda: "lists and keys are unchanged" in g.sw.err(), NOTICED)
    time.sleep(2)  # and it is the same fault: two more looks
    n.equal("warnings", g.sw.err().count("the keys are unchanged"), looks)
    assert opens(), "a cookie was lost"
    put(path, line(key) + line(ahead, int(time.time()) + 3600))
    n.until(lambda: "read again: 2 keys" in g.sw.err(), NOTICED)
    n.equal("keys", shown(g.sw), good)
    path.chmod(0o644)
    n.until(lambda: g.sw.err().count("others can read it") == 2, NOTICED)
    path.chmod(0o600)
    n.until(lambda: g.sw.err().count("read again: 2 keys") == 2, NOTICED)
    k.talks(g)
    g.finish()


def views():
    """status, stats lines and metrics show one fingerprint, keys check too; none without a key file"""
    key, ahead = new_key(), new_key()
    path = place("etc") / "keys"
    at = int(time.time()) + 7200
    put(path, line(key) + line(ahead, at))
    prom = place("prom") / "synward.prom"
    g = k.Ground("--key-file", path, "--interval", "0.5", "--events", "stats", "--metrics-file", prom,
                 "--metrics-interval", "1")
    now, later = fingerprint(key), fingerprint(ahead)
    one = g.sw.wait_for(lambda x: x["event"] == "stats")
    n.fields(one, guard_key=now, guard_key_from=None, guard_key_next=later)
    n.equal("status", {x: y for x, y in k.counters(g.sw).items() if x.startswith("guard_key")},
            {x: y for x, y in one.items() if x.startswith("guard_key")})
    text = n.sh(n.SYNWARD, "status", "--pid", g.sw.p.pid).stdout
    assert re.search(rf"^ +key {now} from ever, then {later} from 20\S+Z$", text, re.M), text
    rows = [json.loads(x) for x in n.sh(n.SYNWARD, "keys", "check", "--json", path).stdout.splitlines()]
    n.equal("keys check", [(x["use"], x["key"]) for x in rows], [("now", now), ("next", later)])
    n.equal("its time", (rows[0]["until"], rows[1]["from"]), (one["guard_key_next_from"],) * 2)
    begins = -(-at * 10 ** 9 // EPOCH) * EPOCH
    once = n.sh(n.SYNWARD, "metrics", "--pid", g.sw.p.pid).stdout
    n.until(prom.exists, NOTICED)
    for text, labels in ((once, "{"), (prom.read_text(encoding="utf-8"), '{netns="\\d+",interfaces="srv0",')):
        for use, print_ in (("current", now), ("next", later)):
            assert re.search(rf'^synward_guard_key_info{labels}use="{use}",fingerprint="{print_}"}} 1$', text, re.M), \
                [x for x in text.splitlines() if "guard_key" in x]
        at = re.search(rf'^synward_guard_key_start_timestamp_seconds{labels}use="next"}} (\d+)\.(\d{{9}})$', text, re.M)
        n.equal("when the next begins", int(at[1]) * 10 ** 9 + int(at[2]), begins)
    g.finish()
    for said in (g.sw.err(), pathlib.Path(g.sw.path).read_text(encoding="utf-8"), once, text):
        assert key[:16] not in said and ahead[:16] not in said
    bare = n.Synward(g.b, "srv0", args=("--guard", "always"))
    assert not [x for x in k.counters(bare) if x.startswith("guard_key")]
    assert "synward_guard_key_info{" not in n.sh(n.SYNWARD, "metrics", "--pid", bare.p.pid).stdout
    bare.stop(hurry=True)


def ahead_of_its_time():
    """a file whose keys are all of the future is used before its time, and a warning says that; one that replaces another is
    not: the key of that goes on"""
    key, ahead = new_key(), new_key()
    path = place("etc") / "keys"
    put(path, line(key, int(time.time()) + 3600))
    g = k.Ground("--key-file", path)
    n.until(lambda: f"no key counts yet: the first one, {fingerprint(key)}, is used before its time" in g.sw.err(), 5)
    k.talks(g, 1)
    opens = opener(g)
    put(path, line(ahead, int(time.time()) + 7200))
    noticed(g.sw, fingerprint(key), fingerprint(ahead))
    assert opens(), "a cookie was lost"
    k.talks(g, 1)
    g.finish()


def pinned():
    """the next daemon on pinned maps goes on with the keys of the one before, also if its file has later ones only; between
    them status shows the two that are in the programs' map"""
    keys = [new_key() for _ in range(4)]
    prints = [fingerprint(x) for x in keys]
    path = place("etc") / "keys"
    at = int(time.time()) + 3600
    put(path, line(keys[0]) + "".join(line(keys[i], at + 3600 * i) for i in (1, 2)))
    g = k.Ground(start=False)
    with pin.Pins(g.b, "srv0") as pins:
        g.sw = pins.start("--guard", "always", "--key-file", path)
        n.equal("keys", shown(g.sw), tuple(prints[:2]))
        opens = opener(g)
        ended = g.sw.p.pid
        n.equal("exit code", g.sw.stop(), 0)
        rows = [json.loads(x) for x in n.sh(n.SYNWARD, "status", "--json", "-A").stdout.splitlines()]
        n.equal("without a daemon", [(x["guard_key"], x["guard_key_next"]) for x in rows if x["pid"] == ended],
                [tuple(prints[:2])])
        put(path, line(keys[3], at + 7200))
        g.sw = pins.start("--guard", "always", "--key-file", path)
        n.equal("keys", shown(g.sw), (prints[0], prints[3]))
        assert "no key counts yet" not in g.sw.err(), g.sw.err()
        assert opens(), "a cookie was lost"
        n.equal("exit code", g.sw.stop(), 0)


# --- a fleet of two, and etcd ---

class Etcd:
    """In a namespace of its own, so that its ports are nobody else's."""

    def __init__(self):
        self.ns = n.new_ns("etcd")
        self.env = {**os.environ, "ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": "http://127.0.0.1:2379"}
        binary = pathlib.Path(n.SYNWARD).resolve().parent
        self.env["PATH"] = f"{binary}:{os.environ['PATH']}"
        self.said = place("etcd") / "stderr"
        self.start(["etcd", "--data-dir", str(self.said.parent / "data")])
        n.until(lambda: n.run(["etcdctl", "endpoint", "health"], self.ns, env=self.env).returncode == 0, 30, 0.2,
                lambda: self.said.read_text(encoding="utf-8")[-2000:])

    def start(self, cmd):
        with open(self.said, "ab") as err:
            p = n.popen(cmd, self.ns, env=self.env, stdout=subprocess.DEVNULL, stderr=err, stdin=subprocess.DEVNULL)
        n.started.append(p)
        return p

    def put(self, text):
        r = n.run(["etcdctl", "put", "/synward/keys"], self.ns, input=text.encode(), env=self.env)
        n.equal(f"etcdctl put: {r.stderr!r}", r.returncode, 0)

    def watch(self, path):
        self.start([str(n.TOP / "src/dist/synward-etcd-keys"), "/synward/keys", str(path)])
        n.until(path.exists, 10, 0.05, lambda: self.said.read_text(encoding="utf-8")[-2000:])


class Page:
    """Map `guard` of a running synward, mapped."""
    OFFSET = 56  # of clock_offset

    def __init__(self, sw):
        ident = int(re.search(r"^map_guard=(\d+)", sw.instance(), re.M).group(1))
        attr = ctypes.create_string_buffer(struct.pack("II", ident, 0) + bytes(120))
        bpf = {"x86_64": 321}.get(os.uname().machine, 280)
        fd = n.libc.syscall(bpf, 14, attr, 128)  # BPF_MAP_GET_FD_BY_ID
        if fd < 0:
            raise OSError(ctypes.get_errno(), "map by id")
        self.page = mmap.mmap(fd, mmap.PAGESIZE)
        os.close(fd)

    def real(self):
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) + struct.unpack_from("<Q", self.page, self.OFFSET)[0]

    def advance(self, ns):
        """As if this host's clock were ahead by that: for its programs, and for what `status` shows."""
        now = struct.unpack_from("<Q", self.page, self.OFFSET)[0]
        struct.pack_into("<Q", self.page, self.OFFSET, now + ns)


def spread(paths):
    """a, and b and c which are one address: SYNs go to b, all else to c."""
    a, b, c = n.new_ns("a"), n.new_ns("b"), n.new_ns("c")
    hosts = []
    for ns in (a, b, c):
        n.quiet(ns)
    for dev, ns in (("cli0", b), ("cli1", c)):
        n.veth(a, dev, ns, "srv0")
        n.addr(ns, "srv0", "10.66.0.2/16")
    n.addr(a, "cli1", "10.66.0.1/16")
    n.sh("ip", "route", "add", "10.66.0.2", "dev", "cli0", "src", "10.66.0.1", "table", "100", ns=a)
    n.sh("ip", "rule", "add", "fwmark", "1", "table", "100", ns=a)
    n.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.cli0.rp_filter=0", ns=a)
    n.sh("nft", "add table ip m; add chain ip m o { type route hook output priority mangle; }; "
         "add rule ip m o tcp flags & (syn | ack) == syn meta mark set 1", ns=a)
    for ns, path in zip((b, c), paths):
        hosts.append(n.Synward(ns, "srv0", args=("--guard", "always", "--key-file", path)))
    return a, b, c, hosts


def engaged(hosts, port):
    """No SYN comes by c: its daemon has to find the listener."""
    for sw in hosts:
        n.until(lambda s=sw: k.services(s).get(f"10.66.0.2:{port}", {}).get("state") == "engaged", 10)


def etcd_fleet():
    """two hosts whose keys come from etcd change them under load: cookies of one open connections at the other, none fails"""
    k.needs_reqsk("the kernel's own cookies have keys of their own")
    if not shutil.which("etcd") or not shutil.which("etcdctl"):
        raise n.Skip("no etcd (Debian: etcd-server, etcd-client)")
    etcd = Etcd()
    keys = [new_key() for _ in range(3)]
    prints = [fingerprint(x) for x in keys]
    etcd.put(line(keys[0]))
    paths = [place(x) / "keys" for x in "bc"]
    for path in paths:
        etcd.watch(path)
    a, b, c, hosts = spread(paths)
    waiting = n.listen(b, "10.66.0.2", 7070)
    load = Traffic(a, c, lanes=(4,), talk=False, rate=150, ready=lambda host: engaged(hosts, host[1]))
    load.more(100)
    pages = [Page(x) for x in hosts]
    for i, turn in enumerate((1, 2)):
        # the next epoch but two: each has to be read, and looked at, before its time
        now = pages[0].real()
        begins = (now // EPOCH + 2) * EPOCH
        etcd.put(line(keys[i], 1700000000) + line(keys[turn], begins // 10 ** 9))
        for sw in hosts:
            noticed(sw, prints[i], prints[turn])
        load.more(50)
        # to three seconds before it, in steps that no cookie notices, and c is 3.5 s behind b, then ahead
        for step in (EPOCH // 2, EPOCH // 2, begins - now - EPOCH):
            for page in pages:
                page.advance(step)
            load.more(50)
        left = begins - pages[0].real()
        skew = int(3.5e9) * (1 if turn == 1 else -1)
        pages[0].advance(left - int(3e9) + max(skew, 0))
        pages[1].advance(left - int(3e9) + max(-skew, 0))
        n.until(lambda p=prints[turn]: [shown(x)[0] for x in hosts] == [p, p], 30)
        load.more(100)
        etcd.put(line(keys[turn], begins // 10 ** 9))  # the old line goes at once: too early, and yet nothing is lost
        for sw in hosts:
            noticed(sw, prints[turn])
        load.more(100)
        pages[0].advance(max(-skew, 0))
        pages[1].advance(max(skew, 0))
    made = load.stop()
    sent, took = (k.services(x)["10.66.0.2:7070"] for x in hosts)
    n.equal("cookies accepted by the one, and connections", took["cookies_accepted"], made)
    n.at_least("cookies sent by the other", sent["cookies_sent"], made)
    n.equal("dropped", {x: y for x, y in took.items() if x.startswith("drop") and y}, {})
    n.equal("SYNs sent again", k.netstat(a, "TcpRetransSegs"), 0)
    for sw in hosts:
        n.equal("exit code", sw.stop(hurry=True), 0)
        said = sw.err() + etcd.said.read_text(encoding="utf-8")
        assert not [x for x in keys if x[:16] in said], "a key was printed"
    print(f"# {made} connections")
    waiting.close()


def wrong_key():
    """a host with another key file is found by its fingerprint, and its connections fail"""
    k.needs_reqsk("the kernel's own cookies have keys of their own")
    paths = [place(x) / "keys" for x in "bc"]
    for path in paths:
        put(path, line(new_key()))
    a, b, c, hosts = spread(paths)
    listeners = [n.listen(x, "10.66.0.2", k.PORT) for x in (b, c)]
    engaged(hosts, k.PORT)
    assert shown(hosts[0])[0] != shown(hosts[1])[0]
    s = n.connect(a, "10.66.0.2", k.PORT)
    s.sendall(b"lost")
    n.until(lambda: k.services(hosts[1])[f"10.66.0.2:{k.PORT}"]["drop_cookie_bad"], 10)
    n.equal("accepted", bool(k.accepted(listeners[1], 0.1)), False)
    shutil.copy(paths[0], paths[1])
    noticed(hosts[1], shown(hosts[0])[0])
    t = n.connect(a, "10.66.0.2", k.PORT)
    t.sendall(b"found")
    assert k.accepted(listeners[1], 10)
    for sw in hosts:
        sw.stop(hurry=True)


def command():
    """synward keys: lines and nothing else, times as asked, a check that ends with 8 for what a daemon would not take"""
    def keys(*args, code=0, says=""):
        r = n.sh(n.SYNWARD, "keys", *args, check=False)
        n.equal(f"exit code of {args}: {r.stderr}", r.returncode, code)
        n.equal(f"stderr of {args}", (r.stderr.count("\n"), says in r.stderr), (1 if says else 0, True))
        if code:
            n.equal(f"stdout of {args}", r.stdout, "")
        return r.stdout.splitlines()

    def times(rows):
        return [int(x.split()[0][1:]) for x in rows if re.fullmatch(r"@\d+ [0-9a-f]{32}", x)]

    one = keys("new")
    assert len(one) == 1 and re.fullmatch(r"[0-9a-f]{32}", one[0]), one
    before = int(time.time())
    got = times(keys("new", "--count", "5"))
    assert got[0] % 3600 == 0 and before - 3600 < got[0] <= time.time(), got
    n.equal("hours", [x - got[0] for x in got], [3600 * i for i in range(5)])
    n.equal("from", times(keys("new", "-n", "3", "-e", "300", "-f", "1700000000")), [1700000000, 1700000300, 1700000600])
    got = times(keys("new", "--from", "+600"))
    assert before + 600 <= got[0] <= time.time() + 600, got
    many = [x.split()[1] for x in keys("new", "-n", "64")]
    n.equal("different keys", len(set(many)), 64)
    for args in (("-n", "0"), ("-n", "65"), ("-e", "299"), ("-f", "-1"), ("-f", "10000000000"), ("-f", "9999999999", "-n", "2"),
                 ("x",), ("-j",)):
        keys("new", *args, code=2, says="keys: ")
    for args in ((), ("old",), ("check",), ("check", "a", "b"), ("check", "-n", "2", "a")):
        keys(*args, code=2, says="keys: ")

    path = place("etc") / "keys"
    now = int(time.time())
    put(path, line(many[0]) + line(many[1]) + line(many[2], now - 300) + line(many[3], now + 300) + line(many[4], now + 900))
    rows = [x.split() for x in keys("check", path)]
    n.equal("uses", [x[0] for x in rows], ["USE", "never", "past", "now", "next", "later"])
    n.equal("fingerprints", [x[1] for x in rows[1:]], [fingerprint(x) for x in many[:5]])
    n.equal("versions", {x[2] for x in rows[1:]}, {"v1"})
    n.equal("until", [x[4] for x in rows[2:]], [x[3] for x in rows[3:]] + ["-"])
    for harm, says in ((lambda: path.chmod(0o640), "others can read it"), (lambda: os.chown(path, 65534, 65534), "another user"),
                       (lambda: put(path, "short"), ":1: a key is"), (path.unlink, "No such file")):
        path.chmod(0o600)
        harm()
        keys("check", path, code=8, says=says)
    put(path, line(many[0], now + 3600))
    n.equal("before its time", keys("check", path, says="no key counts yet")[1].split()[:2], ["now", fingerprint(many[0])])


def documents():
    """what docs/keys.md says to type: the central job, the host with another key by jq and by PromQL"""
    job, odd = [x for x in docs.blocks(n.TOP / "docs/keys.md") if x.info == "sh"]
    folder = place("job")
    env = {**os.environ, "PATH": f"{pathlib.Path(n.SYNWARD).resolve().parent}:{os.environ['PATH']}"}

    def evening():
        return n.run(["bash", "-ec", job.text], cwd=folder, env=env, text=True)

    day = int(time.time()) // 86400 * 86400
    old = [f"@{day - 86400 + 3600 * i} {new_key()}" for i in range(48)]  # yesterday and today
    put(folder / "keys", "\n".join(old) + "\n")
    r = evening()
    n.equal(f"the job: {r.stderr}", r.returncode, 0)
    text = (folder / "keys").read_text(encoding="ascii").splitlines()
    n.equal("lines kept", text[:30], old[-30:])
    n.equal("times of new ones", [int(x.split()[0][1:]) for x in text[30:]], [day + 86400 + 3600 * i for i in range(24)])
    rows = [json.loads(x) for x in n.sh(n.SYNWARD, "keys", "check", "-j", folder / "keys").stdout.splitlines()]
    n.equal("next", [x["use"] for x in rows].count("next"), 1)
    n.equal("the job, twice", (evening().returncode != 0, (folder / "keys").read_text(encoding="ascii").splitlines()),
            (True, text))

    prints = {"h1": "aaaaaaaa", "h2": "bbbbbbbb", "h3": "aaaaaaaa", "h4": "aaaaaaaa", "h5": "cccccccc"}
    with open(folder / "lines.ndjson", "w", encoding="ascii") as f:
        for host, now in prints.items():  # all had the one of h2 before; h6 has none
            for key in ("bbbbbbbb", now):
                print(json.dumps({"event": "stats", "host": host, "guard_key": key}), file=f)
        print('{"event":"stats","host":"h6"}\n{"event":"conn","host":"h1"}', file=f)
    r = n.run(["bash", "-ec", odd.text], cwd=folder, text=True)
    n.equal(f"jq: {r.stderr}", sorted(r.stdout.splitlines()), ["h2 bbbbbbbb", "h5 cccccccc"])

    if not shutil.which("promtool"):
        raise n.Skip("no promtool (Debian: prometheus)")
    series = [f'{{series: \'synward_guard_key_info{{job="s",instance="{host}",use="current",fingerprint="{key}"}}\', '
              f'values: "1x9"}}' for host, key in prints.items()]
    series += [f'{{series: \'synward_guard_key_info{{job="s",instance="{host}",use="next",fingerprint="dddddddd"}}\', '
               f'values: "1x9"}}' for host in ("h1", "h2", "h3", "h4")]
    want = (("h2", "h5"), ("h5",))
    tests = []
    for block, hosts in zip([x for x in docs.blocks(n.TOP / "docs/keys.md") if x.info == "promql"], want, strict=True):
        found = [f'{{labels: \'synward_guard_key_info{{job="s",instance="{x}",use="current",fingerprint="{prints[x]}"}}\', '
                 f'value: 1}}' for x in hosts]
        tests.append(f"{{expr: {json.dumps(block.text)}, eval_time: 5m, exp_samples: [{', '.join(found)}]}}")
    path = folder / "test.yml"
    path.write_text(f"tests: [{{interval: 1m, input_series: [{', '.join(series)}], "
                    f"promql_expr_test: [{', '.join(tests)}]}}]\n", encoding="ascii")
    r = n.run(["promtool", "test", "rules", str(path)], text=True)
    n.equal(f"promtool: {r.stdout}{r.stderr}", (r.returncode, "SUCCESS" in r.stdout), (0, True))


if __name__ == "__main__":
    n.main(writers, kubelet, faults, views, ahead_of_its_time, pinned, etcd_fleet, wrong_key, command, documents)
