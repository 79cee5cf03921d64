#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`synward watch`: what it runs for which event, in which order, with which environment, and what it leaves behind.

    a test, at /run/synward/readers/PID  ---> synward watch ---> commands
    synward in b, the real one           -->
"""
import fcntl
import grp
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import kit as n
from kit import docs
from kit import guard as k
from kit.watch import Instance, Watch

OK, USAGE, PRIVILEGE, NOT_RUNNING = 0, 2, 3, 11
NOBODY = 65534


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{int(pid)}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# a caller that ignores SIGINT, and one of the signals that the C library keeps for itself: rt_sigaction, SIG_IGN
IGNORES = ("import ctypes, os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); one = (ctypes.c_ulong * 8)(1); "
           "ctypes.CDLL(None).syscall({'x86_64': 13, 'aarch64': 134}[os.uname().machine], 32, one, None, 8); os.execvp(sys.argv[1], sys.argv[1:])")


def what_it_gets():
    """the line on standard input, its keys in the environment under SYNWARD_ whatever a stranger has put into them, no
    other descriptor, no signal blocked, its output on standard error"""
    inst = Instance()
    hostile = "$(touch owned) `touch owned`; touch owned\n\x00"
    with_fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
    w = Watch('cat >in; env -0 >env; ls /proc/self/fd | tr "\\n" " " >fds; grep Sig /proc/self/status >sigs; echo told; '
              "echo \"$SYNWARD_HOST2\"; echo done >done", "--count", 1, inst=inst, fds=with_fds,
              prefix=(sys.executable, "-c", IGNORES))
    n.equal("asks for", [x for x in inst.request.splitlines() if x.startswith("events")], ["events loss,guard"])
    event = {"service": "10.0.0.1:80", "to": "engaged", "path": "/evil", "PATH": "/evil", "ld_preload": "/evil.so",
             "ifs": "x", "host": hostile, "host2": hostile[:-1], "none": None, "yes": True, "list": [1], "x=y": 1}
    inst.say(event)
    w.ended(OK, "told\n", "1 events, 1 commands begun, 0 failed")
    for fd in with_fds:
        os.close(fd)
    n.equal("standard input", json.loads(w.text("in")), {"schema": 3, "seq": 1, "event": "guard", **event})
    env = dict(x.split("=", 1) for x in w.text("env").split("\0") if x)
    n.equal("variables", {x: y for x, y in env.items() if x.startswith("SYNWARD_")},
            {"SYNWARD_SCHEMA": "3", "SYNWARD_SEQ": "1", "SYNWARD_EVENT": "guard", "SYNWARD_SERVICE": "10.0.0.1:80",
             "SYNWARD_TO": "engaged", "SYNWARD_PATH": "/evil", "SYNWARD_LD_PRELOAD": "/evil.so", "SYNWARD_IFS": "x",
             "SYNWARD_HOST2": hostile[:-2] + "?", "SYNWARD_NONE": "", "SYNWARD_YES": "true"})
    n.equal("PATH", (env["PATH"], env["HERE"], "LD_PRELOAD" in env), (os.environ["PATH"], str(w.dir), False))
    n.equal("owned", (w.dir / "owned").exists(), False)
    n.equal("descriptors", w.text("fds").split(), ["0", "1", "2", "3"])  # the last is ls's own
    masks = dict(x.split(":\t") for x in w.text("sigs").splitlines())
    n.equal("blocked, ignored", (int(masks["SigBlk"], 16), int(masks["SigIgn"], 16)), (0, 0))
    direct = Watch("", "--count", 1, inst=inst, cmd=("--exec", "grep", "--", "SigBlk", "/proc/self/status"))
    inst.say({})
    direct.ended(OK, "SigBlk:\t0000000000000000\n")
    line = n.one(w.runs(), "line")
    n.fields(line, event="run", of="guard", seq=1, key=None, dry_run=False, status=0, signal=None, timed_out=False)


def unread():
    """a command that reads nothing, or half, of a line larger than a pipe: no signal, no failure, nothing waits"""
    for script in ("exit 0", "head -c 10 >/dev/null", "exec <&-; sleep 0.1"):
        inst = Instance()
        w = Watch(script, "--rate", "none", "--jobs", 4, inst=inst)
        inst.say(*({"ladder": ["x" * 180000]} for _ in range(10)))
        for x in w.runs(10):
            n.fields(x, status=0, signal=None)
        w.stop("10 commands begun, 0 failed")
        inst.close()


def in_order():
    """--per: of one service one at a time, in order, and of those that wait the newest; of another one beside it"""
    inst = Instance()
    w = Watch('echo "$SYNWARD_SERVICE $SYNWARD_TO" >>log; [ "$SYNWARD_TO" != engaged ] || { while [ ! -e "go-$SYNWARD_SERVICE" ]; '
              "do sleep 0.02; done; }", "--per", "service", "--jobs", 3, inst=inst)
    inst.say({"service": "a", "to": "engaged"})
    w.has("log", "a engaged\n")
    inst.say({"service": "a", "to": "grace"}, {"service": "b", "to": "engaged"})
    w.has("log", "a engaged\nb engaged\n")
    inst.say({"service": "a", "to": "calm"}, {"service": "c", "to": "calm"})
    w.has("log", "a engaged\nb engaged\nc calm\n")
    (w.dir / "go-a").touch()
    w.has("log", "a engaged\nb engaged\nc calm\na calm\n")
    (w.dir / "go-b").touch()
    rows = w.runs(4)
    n.equal("keys", sorted(x["key"] for x in rows), ["a", "a", "b", "c"])
    w.stop("5 events, 4 commands begun, 0 failed", "1 replaced by a newer one")


def cooldown():
    """--cooldown: the first at once, and of all that follow the newest, when it is over"""
    inst = Instance()
    w = Watch('echo "$SYNWARD_N" >>log', "--per", "service", "--cooldown", 1, inst=inst)
    inst.say(*({"service": "a", "n": i} for i in range(20)))
    began = time.monotonic()
    w.has("log", "0\n" if w.text("log").startswith("0\n") and "19" not in w.text("log") else "0\n19\n")
    w.has("log", "0\n19\n")
    n.at_least("seconds", time.monotonic() - began, 0.8)
    w.stop("20 events, 2 commands begun", "18 replaced by a newer one")


def changes_first():
    """beside more services than it has places for, each of which says again what it is, a change is acted on at once: when
    they wait, when they cool down, and over the rate"""
    inst = Instance()
    w = Watch('echo "$SYNWARD_SERVICE $SYNWARD_TO" >>log; [ "$SYNWARD_SERVICE" != s0 ] || while [ ! -e go ]; do sleep 0.02; done',
              "--events", "guard,-drop", "--per", "service", "--cooldown", 1000, "--rate", "1000/h", "--burst", 3, inst=inst)
    again = [{"event": "service", "service": f"s{i}", "state": "calm"} for i in range(1500)]
    inst.say(*again)
    w.has("log", "s0 \n")
    inst.say({"service": "attacked", "to": "engaged"}, {"service": "other", "to": "grace"}, *again, {"service": "other", "to": "calm"},
             {"event": "loss", "lost": 1})
    n.until(lambda: "1 events were lost before" in w.err())  # it has taken all of them
    (w.dir / "go").touch()
    w.has("log", "s0 \nattacked engaged\nother calm\n")
    w.stop("no room for more values of --per")
    w = Watch('echo "$SYNWARD_SERVICE" >>log', "--events", "guard,-drop", "--per", "service", "--cooldown", 1000, "--rate", "none", "--jobs", 8, inst=inst)
    inst.say(*again[:1024])
    w.runs(1024)
    inst.say({"service": "attacked", "to": "engaged"})
    w.runs(1025)
    w.stop("0 for which there was no room")


def tried_again():
    """what cannot be started now waits and is; --retry: what has failed is run again, until it succeeds or a newer event comes"""
    inst = Instance()
    w = Watch('echo "$SYNWARD_TO" >>log', "--per", "service", inst=inst)
    inst.say({"service": "a", "to": "engaged"})
    w.runs(1)
    limit = resource.prlimit(w.p.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(w.p.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
    inst.say({"service": "a", "to": "calm"})
    n.until(lambda: "cannot be started now: Too many open files" in w.err())
    resource.prlimit(w.p.pid, resource.RLIMIT_NOFILE, limit)
    w.has("log", "engaged\ncalm\n")
    w.stop("2 commands begun, 0 failed")
    w = Watch('echo "$SYNWARD_TO" >>log; [ -e go ]', "--per", "service", "--retry", 0.2, "--rate", "none", inst=inst)
    inst.say({"service": "a", "to": "engaged"})
    n.until(lambda: w.text("log").count("\n") >= 3)
    n.equal("again and again", set(w.text("log").split()), {"engaged"})
    inst.say({"service": "a", "to": "calm"})
    n.until(lambda: w.text("log").count("calm") >= 2)
    (w.dir / "go").touch()
    n.until(lambda: '"status":0' in w.text("out"))
    words = w.text("log").split()
    n.equal("in order", (words, {x["seq"] for x in w.runs()}), (sorted(words, reverse=True), {2 + 1, 2 + 2}))
    w.stop("0 still waiting")
    Watch("", cmd=("--exec", "true", "--retry", 1)).ended(USAGE, "--retry needs --per")


def rate():
    """what is over --rate is not run, nor kept: counted and said; with one at a time they run in order"""
    inst = Instance()
    w = Watch('echo "$SYNWARD_SEQ" >>log', "--rate", "5/h", inst=inst)
    inst.say(*({} for _ in range(100)))
    w.has("log", "1\n2\n3\n4\n5\n")
    w.stop("100 events, 5 commands begun", "95 over the rate", "events are not acted on: they are over --rate")
    n.at_most("lines about it", w.err().count("are over --rate"), 5)


def no_room():
    """as many wait as there is room for, what is beyond is counted; at the end what waits is said, too"""
    inst = Instance()
    w = Watch("echo >begun; sleep 100", "--rate", "none", inst=inst)
    inst.say(*({} for _ in range(3000)), {"event": "loss", "lost": 1})
    n.until(lambda: "1 events were lost before" in w.err())  # it has taken all of them
    w.has("begun", "\n")
    w.stop("3000 events, 1 commands begun", "1976 for which there was no room, 0 of too long a value of --per, 1023 still waiting")


def too_many_bytes():
    """however large lines are, what waits for --jobs is bounded in bytes: as much as the documents say, the rest is counted"""
    inst = Instance()
    w = Watch("echo >begun; sleep 100", "--rate", "none", inst=inst)
    inst.say({})
    w.has("begun", "\n")
    for _ in range(10):
        inst.say(*({"ladder": ["x" * 180000]} for _ in range(100)))
    inst.say({"event": "loss", "lost": 1})
    n.until(lambda: "1 events were lost before" in w.err())  # it has taken all of them
    peak = int(re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{w.p.pid}/status").read_text())[1]) / 1024
    w.stop("1001 events, 1 commands begun", "no room for more that wait for --jobs")
    waited = int(re.search(r"(\d+) still waiting", w.err())[1])
    n.equal("no room", re.search(r"(\d+) for which there was no room", w.err())[1], str(1000 - waited))
    n.equal("MiB that wait", waited * 180000 // 2**20, 63)
    print(f"# {waited} waited; peak {peak:.0f} MiB")
    if "SW_TEST_SYNWARD" not in os.environ:
        n.at_most("MiB", peak, 90)


def documented():
    """every command of docs/watch.md's first block, as it is there: run for the events that it is for, and for no others"""
    block, = [x for x in docs.blocks(n.TOP / "docs/watch.md") if x.info == "sh"]
    events = ({"to": "engaged", "service": "10.0.0.1:80"}, {"event": "drop", "reason": "blocked"}, {"event": "conn", "uid": "C1", "reason": "refused"})
    want = iter(("announce guard", "note conn", "mail drop", None))
    for _, text in block.statements():
        inst, folder = Instance(), pathlib.Path(n.tmp.name, f"documented-{len(list(pathlib.Path(n.tmp.name).glob('documented-*')))}")
        folder.mkdir()
        for name in ("announce", "note", "mail"):
            (folder / name).write_text(f'#!/bin/sh\necho "{name} $SYNWARD_EVENT" >>{folder}/log\n')
            (folder / name).chmod(0o755)
        (folder / "synward").write_text(f'#!/bin/sh\nexec {n.SYNWARD} "$@"\n')
        (folder / "synward").chmod(0o755)
        text = text.replace("/usr/local/bin", str(folder)).replace("synward watch", f"exec synward watch --pid {os.getpid()}", 1)
        w = Watch("", inst=inst, cmd=None, shell=text, env={"PATH": f"{folder}:{os.environ['PATH']}"})
        asked = inst.request
        inst.say(*(x for x in events if x.get("event", "guard") in asked or "all" in asked))
        said = next(want)
        n.until(lambda: w.runs())
        n.equal(f"{text.strip()}: run", [x["of"] for x in w.runs()], [said.split()[1] if said else "guard"])
        n.equal("what ran", (folder / "log").read_text() if said else (folder / "log").exists(), f"{said}\n" if said else False)
        n.equal("a filter is asked for", "outcome" in asked or "refused" in asked, said == "note conn")
        w.stop()
        inst.close()
    n.equal("commands", next(want, "none is left"), "none is left")


STUBBORN = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 0.1; done' & echo $$ >leader; while :; do sleep 0.1; done"


def timeout():
    """--timeout: SIGTERM, then SIGKILL, of the whole process group; counted apart from failures"""
    inst = Instance()
    w = Watch("case $SYNWARD_N in 0) exec sleep 100;; *) " + STUBBORN + ";; esac", "--timeout", 0.3, "--jobs", 2, inst=inst)
    inst.say({"n": 0}, {"n": 1})
    mild, stubborn = w.runs(2)
    n.fields(mild, signal=signal.SIGTERM, status=None, timed_out=True)
    n.fields(stubborn, signal=signal.SIGKILL, status=None, timed_out=True)
    n.at_least("ns", stubborn["duration_ns"], 2300000000)
    n.until(lambda: not alive(w.text("child")))
    n.equal("leader", alive(w.text("leader")), False)
    w.stop("did not end within 0.3 s", "2 commands begun, 0 failed, 2 timed out")


def ends_clean():
    """a signal: what runs is ended, also what it has started, what ignores SIGTERM too; a second signal at once"""
    for signals in (1, 2):
        inst = Instance()
        w = Watch(STUBBORN, inst=inst)
        inst.say({}, {})
        n.until(lambda: w.text("child").strip() and w.text("leader").strip())
        began = time.monotonic()
        w.p.send_signal(signal.SIGINT)
        if signals == 2:
            n.until(lambda: not socket_open(inst.c))
            w.p.send_signal(signal.SIGTERM)
        w.ended(OK, "1 still waiting")
        took = time.monotonic() - began
        n.equal(f"at once ({took:.1f} s)", took < 1.9, signals == 2)
        n.until(lambda: not alive(w.text("child")))
        n.equal("leader", alive(w.text("leader")), False)
        inst.close()


def socket_open(s):
    s.setblocking(False)
    try:
        return s.recv(1) != b""
    except BlockingIOError:
        return True


def other_group():
    """a command that has left its process group, for that of watch itself, is timed out, and ended, all the same"""
    for signalled in (False, True):
        inst = Instance()
        script = "import os, time; os.setpgid(0, os.getpgid(os.getppid())); open('in', 'w').write(str(os.getpid())); time.sleep(100)"
        w = Watch("", "--timeout", 100 if signalled else 0.3, inst=inst, cmd=("--exec", "python3", "--", "-c", script))
        inst.say({})
        if signalled:
            n.until(lambda: w.text("in"))
            w.p.send_signal(signal.SIGTERM)
            w.ended(OK)
        n.fields(n.one(w.runs(1), "line"), signal=signal.SIGTERM, timed_out=not signalled)
        if not signalled:
            w.stop("1 timed out")
        inst.close()


def not_ours():
    """a command that has become root's, as by sudo, cannot be ended by a watch of somebody else: that is said, others begin
    beside it, but none of its key, and watch ends without it"""
    os.chmod(n.tmp.name, 0o711)
    sudo = pathlib.Path(n.tmp.name, "sudo")
    shutil.copy(shutil.which("setpriv"), sudo)
    sudo.chmod(0o4755)
    folder = pathlib.Path(n.tmp.name, "run")
    inst = Instance(folder)
    prefix = ("unshare", "--mount", "sh", "-c", f'mount --bind {folder} /run/synward && exec "$@"', "sh",
              "setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    w = Watch(f'echo "$SYNWARD_SERVICE" >>log; [ "$SYNWARD_SERVICE" != a ] || {{ echo $$ >pid; exec {sudo} --reuid 0 sleep 1000; }}',
              "--per", "service", "--timeout", 0.3, inst=inst, prefix=prefix)
    inst.say({"service": "a"}, {"service": "b"})
    w.has("log", "a\nb\n")
    said = f"with pid {w.text('pid').strip()} cannot be ended (Operation not permitted) and is left"
    n.until(lambda: said in w.err() or w.p.poll() is not None)
    inst.say({"service": "a"}, {"service": "c"})
    w.has("log", "a\nb\nc\n")
    n.equal("alive", alive(w.text("pid")), True)
    w.stop(said, "1 commands are left that could not be ended", "1 still waiting")
    os.kill(int(w.text("pid")), signal.SIGKILL)
    w = Watch(f"echo $$ >pid; exec {sudo} --reuid 0 sleep 1000", inst=inst, prefix=prefix)
    inst.say({})
    n.until(lambda: w.text("pid").strip() and pathlib.Path(f"/proc/{w.text('pid').strip()}").exists() and root_sleeps(w.text("pid").strip()))
    w.stop("1 commands are left")
    os.kill(int(w.text("pid")), signal.SIGKILL)


def root_sleeps(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text() == "sleep\n" and pathlib.Path(f"/proc/{pid}").stat().st_uid == 0
    except FileNotFoundError:
        return False


def left_behind():
    """what a command leaves in its process group when it has ended is ended; what it has made a session of its own stays"""
    inst = Instance()
    w = Watch("sleep 100 & echo $! >left; setsid sleep 100 & echo $! >own; sleep 0.3", inst=inst)
    inst.say({})
    w.runs(1)
    n.until(lambda: not alive(w.text("left")))
    n.equal("a session of its own", alive(w.text("own")), True)
    os.kill(int(w.text("own")), signal.SIGKILL)
    w.stop()
    w = Watch("echo $$ >pid; exec sleep 100", inst=inst)
    inst.say({})
    n.until(lambda: w.text("pid").strip() and alive(w.text("pid")))
    w.p.kill()
    n.until(lambda: not alive(w.text("pid")))  # also if it had no time for it


def failures():
    """each failure is counted, one line a second at most; what cannot be executed; what is no command at all"""
    inst = Instance()
    w = Watch("exit 3", inst=inst)
    inst.say(*({"n": i} for i in range(8)))
    n.equal("status", [x["status"] for x in w.runs(8)], [3] * 8)
    w.stop("'" + shell() + "' ended with exit code 3: guard, key -, seq 1", "8 commands begun, 8 failed")
    n.at_most("lines", w.err().count("ended with exit code"), 3)
    script = pathlib.Path(n.tmp.name, "script")
    script.write_text("#!/no/such/shell\n")
    script.chmod(0o755)
    w = Watch("", "--count", 1, inst=inst, cmd=("--exec", script))
    inst.say({})
    w.ended(OK, "ended with exit code 127", "it cannot be executed")
    script.chmod(0o644)
    for what, says in (("/no/such", "--exec '/no/such': No such file"), (script, "Permission denied"), ("no-such-name", "No such")):
        Watch("", cmd=("--exec", what)).ended(USAGE, says)
    for args, says in (((), "--exec is missing"), (("--exec", "true", "--cooldown", 1), "--cooldown needs --per"),
                       (("--exec", "true", "--rate", "5/d"), "'5/d' is no rate"), (("--exec", "true", "--per", "A"), "is no list of keys"),
                       (("--exec", "true", "--events", "x"), "there is no event 'x'"), (("--exec", "true", "-t"), "invalid option")):
        Watch("", cmd=args).ended(USAGE, says)


def shell():
    return subprocess.check_output(["sh", "-c", "command -v sh"], text=True).strip()


def losses():
    """what was lost before it could be read is said and counted; asked for, a loss is an event like others"""
    inst = Instance()
    w = Watch('echo "$SYNWARD_EVENT" >>log', inst=inst)
    inst.say({"event": "loss", "lost": 7}, {}, {"event": "loss", "lost": 5})
    w.has("log", "guard\n")
    w.stop("7 events were lost before", "12 events were lost in all")
    w = Watch('echo "$SYNWARD_EVENT" >>log', "--events", "loss", inst=inst)
    inst.say({"event": "loss", "lost": 7})
    w.has("log", "loss\n")
    w.stop("7 events were lost in all")


def instance_ends():
    """it ends with the instance, once what it has begun is done; --follow: it waits for the next one"""
    inst = Instance()
    w = Watch("sleep 0.3; echo >done", inst=inst)
    inst.say({}, {})
    inst.c.close()
    w.ended(OK, f"the synward with pid {os.getpid()} has ended", "2 commands begun, 0 failed")
    w = Watch('echo "$SYNWARD_N" >>log', "--follow", inst=inst, pid=False)
    inst.say({"n": 1})
    inst.c.close()
    inst.answer().say({"n": 2})
    w.has("log", "1\n2\n")
    inst.close()
    w.stop("waiting for the next one")
    Watch("", sw=None).ended(NOT_RUNNING, "no synward")
    w = Watch("", "--follow", inst=inst, pid=False, answer=False)
    n.until(lambda: "waiting for one" in w.err())
    w.stop()


def not_at_once():
    """--follow: a next one that is silent, does not answer, refuses, ends: said once, and asked again, by `events` as well;
    without it that is the end"""
    inst = Instance()
    ways = ["no answer", "silent", "refusal"]
    w = Watch('echo "$SYNWARD_N" >>log; [ "$SYNWARD_N" != 1 ] || exec sleep 100', "--follow", "--timeout", 1, inst=inst, pid=False)
    inst.say({"n": 1})
    w.has("log", "1\n")
    inst.ways = list(ways)
    inst.c.close()
    inst.answer().say({"n": 2})
    w.has("log", "1\n2\n")
    inst.close()
    w.stop("watch: the synward does not answer", "watch: it is asked again", "1 timed out")
    n.equal("said once", [w.err().count(x) for x in ("does not answer", "asked again", "refuses", "just stopped")], [1, 1, 0, 0])
    inst = Instance()
    inst.ways = ["refusal", "ends", "no answer"]
    path = pathlib.Path(n.tmp.name, "events")
    with open(path, "wb") as out, open(path.with_suffix(".err"), "wb") as err:
        p = n.popen([n.SYNWARD, "events", "-A", "-i", inst.dev, "--follow"], None, stdout=out, stderr=err)
    n.started.append(p)
    inst.answer().say({"n": 3})
    n.until(lambda: '"n": 3' in path.read_text() or p.poll() is not None)
    p.terminate()
    n.equal("exit code", p.wait(timeout=n.PATIENCE), 0)
    said = path.with_suffix(".err").read_text()
    n.equal("said once", [said.count(x) for x in ("refuses: too many", "asked again", "does not answer", "waiting for one")], [1, 1, 0, 0])
    for way in ("no answer", "refusal"):
        inst.ways = [way]
        Watch("", inst=inst, answer=False).ended(1, "does not answer" if way == "no answer" else "too many readers")


def dry_run():
    """--dry-run: what would be run, by the same rules, and nothing is"""
    inst = Instance()
    w = Watch("touch ran", "--dry-run", "--rate", "2/h", inst=inst)
    inst.say(*({"service": f"s{i}"} for i in range(3)))
    first, second = w.runs(2)
    n.fields(first, event="run", of="guard", seq=1, dry_run=True, argv=["sh", "-c", "touch ran"])
    n.equal("environment", second["env"], {"SYNWARD_SCHEMA": "3", "SYNWARD_SEQ": "2", "SYNWARD_EVENT": "guard", "SYNWARD_SERVICE": "s1"})
    w.stop("3 events, 2 commands shown", "1 over the rate")
    n.equal("ran", (w.dir / "ran").exists(), False)
    r, out = os.pipe()
    w = Watch("", "--dry-run", "--rate", "none", inst=inst, stdout=out)
    os.close(out)
    inst.say({})
    os.read(r, 10)
    os.close(r)
    inst.say({}, {})
    w.ended(OK)


def stuck_output():
    """a standard output that nobody reads, or that is gone, keeps no command from running: its lines are counted"""
    inst = Instance()
    r, out = os.pipe()
    fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, 4096)
    os.write(out, b"x" * 4096)
    w = Watch('echo "$SYNWARD_SEQ" >>log', "--rate", "none", inst=inst, stdout=out)
    os.close(out)
    inst.say({}, {})
    w.has("log", "1\n2\n")
    n.equal("read", len(os.read(r, 8192)), 4096)
    inst.say({})
    n.until(lambda: os.read(r, 8192).startswith(b'{"schema":1'))
    os.close(r)
    inst.say({}, {})
    w.has("log", "1\n2\n3\n4\n5\n")
    w.stop("standard output takes nothing", "lines about commands were not written")
    # a disk on which half a line had room: what comes when there is more begins a line
    disk = pathlib.Path(n.tmp.name, "disk")
    disk.mkdir()
    n.sh("mount", "-t", "tmpfs", "-o", "size=4096", "none", disk)
    try:
        with open(disk / "out", "ab") as out:
            w = Watch("true", "--rate", "none", inst=inst, stdout=out.fileno())
        inst.say(*({} for _ in range(40)))
        n.until(lambda: "takes nothing" in w.err())
        n.equal("full", ((disk / "out").stat().st_size, (disk / "out").read_text()[-1] == "\n"), (4096, False))
        n.sh("mount", "-o", "remount,size=65536", disk)
        inst.say({"last": 1})
        n.until(lambda: (disk / "out").read_text().endswith("}\n") or w.p.poll() is not None)
        rows = (disk / "out").read_text().splitlines()
        n.equal("half lines", [x.startswith("{") and x.endswith("}") for x in rows].count(False), 1)
        n.equal("empty lines", "" in rows, False)
        w.stop("lines about commands were not written")
    finally:
        n.sh("umount", "--lazy", disk)


def real():
    """beside a real guard: each change of a service's state; without root by --socket-group, the command with no more
    rights than that"""
    group = grp.getgrnam("daemon").gr_gid
    os.chmod(n.tmp.name, 0o711)
    g = k.Ground(start=False)
    # a /run/synward of its own: its mode changes with --socket-group, and other tests look at it
    sw = n.Synward(g.b, "srv0", args=("--guard", "off", "--socket-group", "daemon", "--interval", 0.2), script="mount -t tmpfs -o mode=700 none /run/synward")
    there = ("nsenter", f"--mount=/proc/{sw.p.pid}/ns/mnt")
    as_user = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY))
    Watch("", sw=sw, prefix=(*there, *as_user, "--clear-groups")).ended(PRIVILEGE, "watch needs root, or the group that")
    w = Watch('echo "$SYNWARD_SERVICE $SYNWARD_MODE $(id -u)" >>"$HERE/log"', "--per", "service", sw=sw,
              prefix=(*there, *as_user, "--groups", str(group)))
    conn = Watch('echo "$SYNWARD_ORIG_IP $SYNWARD_REASON" >>"$HERE/log"', "--server", k.PORT, sw=sw, prefix=there)
    service = f"{k.SERVER[4]}:{k.PORT}"
    n.sh(*there, n.SYNWARD, "guard", "always", service, "--pid", sw.p.pid)
    n.until(lambda: f"{service} always {NOBODY}" in w.text("log").splitlines())
    n.sh(*there, n.SYNWARD, "guard", "off", "--pid", sw.p.pid)
    n.until(lambda: f"{service} off {NOBODY}" in w.text("log").splitlines())
    g.talk()
    n.equal("exit code", sw.stop(hurry=True), 0)
    w.ended(OK, "0 failed")
    conn.ended(OK, "1 commands begun, 0 failed")
    n.equal("connections", conn.text("log"), "10.66.0.1 fin\n")


def where_from():
    """`guard` lines name the prefixes that what was dropped came from, for each service its own, and where it went; what
    is said is what the drop lines say; without these it is not known"""
    rng = random.Random(n.seed())
    g = k.Ground("--block", "198.18.0.0/15", "--interval", 0.2, ports=(k.PORT, k.PORT + 1))
    quiet = n.Synward(g.b, "lo", args=("--guard", "always", "--events", "guard,-drop"))
    peer = k.Peer(g, ip="198.18.0.1")

    def send(net, port):
        peer.ip, peer.port, peer.sport = f"{net}.{rng.randrange(1, 255)}", port, rng.randrange(1024, 65536)
        peer.say("S")

    def drops():
        rows = [json.loads(x) for x in pathlib.Path(g.sw.path).read_text().splitlines() if '"event":"drop"' in x]
        return [x for x in rows if x["hook"] == "xdp_ingress"]

    def flood():
        """drop lines of both services"""
        for _ in range(50):
            send(rng.choice(["198.18.1"] * 12 + ["198.18.2"]), k.PORT)
            send("198.18.3", k.PORT + 1)
        rows = drops()
        return len(rows) > 25 and {x["service"] for x in rows} == {f"{k.SERVER[4]}:{x}" for x in (k.PORT, k.PORT + 1)}

    n.until(flood, 30)
    k.guard(g.sw, "off")
    both = [g.sw.wait_for(lambda x, p=p: x["event"] == "guard" and x["mode"] == "off" and x["service"] == f"{k.SERVER[4]}:{p}")
            for p in (k.PORT, k.PORT + 1)]
    said = [x for x in drops() if x["seq"] < both[0]["seq"]]
    first, second = both
    nets = [x["net"] for x in first["recent_drop_sources"]]
    n.equal("first", (nets[0], set(nets) <= {"198.18.1.0/24", "198.18.2.0/24"}), ("198.18.1.0/24", True))
    n.equal("second", [x["net"] for x in second["recent_drop_sources"]], ["198.18.3.0/24"])
    for line in both:
        here = [x for x in said if x["service"] == line["service"]]
        n.fields(line, recent_drops=sum(x["count"] for x in said), recent_drop_samples=len(said),
                 recent_service_drops=sum(x["count"] for x in here), recent_service_drop_samples=len(here))
        n.equal("where", {x["service"]: x["samples_at_least"] for x in line["recent_drop_services"]},
                {f"{k.SERVER[4]}:{p}": len([x for x in said if x["dst_port"] == p]) for p in (k.PORT, k.PORT + 1)})
    for row in first["recent_drop_sources"]:
        want = len([x for x in said if x["dst_port"] == k.PORT and x["src_ip"].startswith(row["net"][:-4])])
        n.equal(row["net"], (row["samples_at_least"], row["samples_at_most"]), (want, want))
    k.guard(quiet, "off")
    n.fields(quiet.wait_for(lambda x: x["event"] == "guard" and x["mode"] == "off"), recent_drops=None, recent_drop_sources=None)
    g.finish()


def pulses():
    """an attacker who sends a packet in the name of another at the head of each pulse chooses what is sampled: no more is
    said of a prefix than packets came from it"""
    g = k.Ground("--block", "198.18.0.0/15", "--interval", 0.2)
    peer = k.Peer(g, ip="198.18.2.1")
    sent = {"198.18.1.0/24": 0, "198.18.2.0/24": 0}

    def send(net, count):
        peer.ip = net.replace("0/24", "1")
        frame = bytes(k.Ether(src=g.macs[0], dst=g.macs[1]) / peer.packet("S"))
        for _ in range(count):
            peer.out.send(frame)
        sent[net] += count

    def heads():
        return len([x for x in g.sw.lines() if x["event"] == "drop" and x["src_ip"] == "198.18.2.1"])

    def head():
        send("198.18.2.0/24", 1)
        return heads() > before

    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})  # each CPU has its own records
    for _ in range(5):
        before = heads()
        n.until(head)
        send("198.18.1.0/24", 300)
    os.sched_setaffinity(0, cpus)
    k.guard(g.sw, "off")
    line = g.sw.wait_for(lambda x: x["event"] == "guard" and x["mode"] == "off" and x["service"] == f"{k.SERVER[4]}:{k.PORT}")
    n.at_least("drops", line["recent_service_drops"], 600)
    n.equal("named", "198.18.2.0/24" in [x["net"] for x in line["recent_drop_sources"]], True)
    for row in line["recent_drop_sources"]:
        n.at_most(row["net"], row["samples_at_most"], sent[row["net"]])
    n.equal("samples", sum(x["samples_at_least"] for x in line["recent_drop_sources"]), line["recent_service_drop_samples"])
    peer.close()
    g.finish()


if __name__ == "__main__":
    n.main(what_it_gets, unread, in_order, cooldown, changes_first, tried_again, rate, no_room, too_many_bytes, documented, timeout, ends_clean, other_group, not_ours, left_behind, failures, losses,
           instance_ends, not_at_once, dry_run, stuck_output, real, where_from, pulses)
