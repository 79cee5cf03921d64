#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run: not beside those in turn, for it leaves pins and programs for a while
"""A gateway that translates, between real programs: nginx, sshd, an SMTP server, PostgreSQL, iperf3, unchanged.

    a clients ==== r gateway ==== b servers (kit/peers.py; SW_TEST_PLAIN=1 leaves the gateway out)
"""
import hashlib
import json
import os
import pathlib
import pwd
import shutil
import smtplib

import kit as n
from kit import peers as p

MEGABYTE = os.urandom(1 << 20)


def folder(name, owner=None):
    """An empty one, which servers that are not root reach."""
    path = pathlib.Path(n.tmp.name) / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    pathlib.Path(n.tmp.name).chmod(0o711)
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def serve(g, port, *cmd, families=(4, 6), known=True, **kw):
    """A server of the host's, which listens for these families."""
    log = pathlib.Path(n.tmp.name) / f"log-{port}"
    with log.open("ab") as out:
        server = n.popen([str(x) for x in cmd], g.b, stdin=-3, stdout=out, stderr=out, **kw)
    n.started.append(server)

    def listens():
        if server.poll() is not None:
            raise RuntimeError(f"{cmd[0]}: exit {server.returncode}: {log.read_text(errors='replace')[-2000:]}")
        return all(n.sh("ss", f"-{v}tHln", "sport", "=", f":{port}", ns=g.b).stdout for v in families)

    n.until(listens, 30)
    if known:
        g.know(port)
    return server


def url(v, port, name):
    return f"http://{f'[{p.HOST[v]}]' if v == 6 else p.HOST[v]}:{port}/{name}"


NGINX = """
user root;
worker_processes 1;
master_process off;
daemon off;
pid {0}/pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {0}/body;
    proxy_temp_path {0}/proxy;
    fastcgi_temp_path {0}/fastcgi;
    uwsgi_temp_path {0}/uwsgi;
    scgi_temp_path {0}/scgi;
    server {{
        listen 0.0.0.0:8080;
        listen [::]:8080;
        root {0};
    }}
}}
"""


def nginx():
    """curl and nginx, the client speaks first: a small file, 1 MB, three requests by one connection, ten at once"""
    g = p.Ground(8080)
    www = folder("www")
    (www / "conf").write_text(NGINX.format(www), encoding="ascii")
    (www / "big").write_bytes(MEGABYTE)
    (www / "small").write_text("hello\n", encoding="ascii")
    serve(g, 8080, "nginx", "-c", www / "conf", "-e", "stderr")
    for v in (4, 6):
        curl = ("curl", "-gsS", "--max-time", "20", "--noproxy", "*", "-w", "%{stderr}%{num_connects} ")
        got = n.run([*curl, url(v, 8080, "small"), url(v, 8080, "big"), url(v, 8080, "small")], g.a)
        n.equal("curl", (got.returncode, got.stderr.split()), (0, [b"1", b"0", b"0"]))
        n.equal("what it got", p.digest(got.stdout), p.digest(b"hello\n" + MEGABYTE + b"hello\n"))
        many = [n.popen([*curl, url(v, 8080, "big")], g.a, stdout=-1, stderr=-1) for _ in range(10)]
        n.started.extend(many)
        for x in many:
            out, err = x.communicate(timeout=30)
            n.equal("one of ten", (x.returncode, err.strip(), p.digest(out)), (0, b"1", p.digest(MEGABYTE)))
    g.end(22)


SSHD = """
Port 2222
HostKey {0}/host
AuthorizedKeysFile {0}/client.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


def sshd():
    """ssh and sshd, the server speaks first: a command, and 5 MB through cat, there and back"""
    g = p.Ground(2222)
    ssh = folder("ssh")
    for name in ("host", "client"):
        n.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / name)
    (ssh / "conf").write_text(SSHD.format(ssh), encoding="ascii")
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)  # in which it shuts its unprivileged half
    serve(g, 2222, shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", ssh / "conf")
    data = MEGABYTE * 5
    for v in (4, 6):
        cmd = ["ssh", "-F", "none", "-i", ssh / "client", "-p", 2222, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
               "-o", f"UserKnownHostsFile={ssh}/known", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20", f"root@{p.HOST[v]}"]
        got = n.sh(*cmd, "echo $SSH_CONNECTION", ns=g.a).stdout.split()
        n.equal("as the host sees it", (got[0], got[2], got[3]), (p.CLIENT[v], p.HOST[v], "2222"))
        got = n.run([*(str(x) for x in cmd), "cat"], g.a, input=data)
        n.equal("cat", (got.returncode, p.digest(got.stdout)), (0, p.digest(data)))
    g.end(4)


def smtp():
    """a mail server, which speaks first: greeting, dialogue, a message of 200 kB"""
    g = p.Ground(2525)
    for v, ip in ((4, "0.0.0.0"), (6, "::")):
        (folder(f"mail{v}") / "x").mkdir()
        serve(g, 2525, "/usr/bin/python3", "-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Mailbox", folder(f"mail{v}") / "box",
              "-l", f"{ip}:2525", families=(v,), known=v == 6)
    text = "Subject: test\n\n" + "a line of the message\n" * 10000
    for v in (4, 6):
        with n.Inside(g.a), smtplib.SMTP(p.HOST[v], 2525, local_hostname="client.example", timeout=20) as client:
            for _ in range(2):
                n.equal("refused", client.sendmail("from@example.org", ["to@example.org"], text), {})
        mails = list((pathlib.Path(n.tmp.name) / f"mail{v}/box/new").iterdir())
        n.equal("messages", len(mails), 2)
        for x in mails:
            n.equal("message", x.read_text(encoding="ascii").count("a line of the message\n"), 10000)
    g.end(2)


def postgres():
    """psql and PostgreSQL: a query, 1 MB each way, four sessions at once"""
    g = p.Ground(5432)
    user = pwd.getpwnam("postgres")
    data = folder("pg", user)
    path = max(pathlib.Path("/usr/lib/postgresql").iterdir()) / "bin"
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
    made = n.run([str(path / "initdb"), "-D", str(data / "db"), "-A", "trust", "-N", "--no-locale", "-E", "UTF8"], **as_user)
    n.equal("initdb", (made.returncode, made.stderr.decode()[-500:]) if made.returncode else 0, 0)
    with (data / "db/pg_hba.conf").open("a") as f:
        f.write("host all all 10.66.0.0/24 trust\nhost all all fd66::/64 trust\n")
    serve(g, 5432, path / "postgres", "-D", data / "db", "-c", "listen_addresses=*", "-k", data, "-F",
          "-c", "autovacuum=off", "-c", "shared_buffers=8MB", **as_user)
    text = MEGABYTE.hex()[:1000000]
    for v in (4, 6):
        psql = ["psql", "-XAtq", f"host={p.HOST[v]} user=postgres connect_timeout=20"]
        many = [n.popen([*psql, "-c", "select inet_client_addr(), repeat('x', 100000)"], g.a, stdout=-1, stderr=-1)
                for _ in range(4)]
        n.started.extend(many)
        for x in many:
            out, err = x.communicate(timeout=30)
            address, filled = out.decode().strip().split("|")
            n.equal("a session", (x.returncode, err, address, len(filled)), (0, b"", p.CLIENT[v], 100000))
        got = n.run(psql, g.a, text=True, input=f"select md5('{text}');\nselect '{text}';\n")
        n.equal("both ways", (got.returncode, got.stdout.split()), (0, [hashlib.md5(text.encode()).hexdigest(), text]))
    g.end(10)


def iperf():
    """iperf3 with four streams, up and down"""
    g = p.Ground(5201)
    g.offload(True)
    serve(g, 5201, "iperf3", "-s", families=(6,), known=False)  # one socket for both
    for engaged in (False, True):
        for v in (4, 6):
            for way in ((), ("-R",)):
                got = n.sh("iperf3", "-c", p.HOST[v], "-P", "4", "-n", "16M" if engaged else "1K", "-J", *way, ns=g.a, check=False)
                shown = json.loads(got.stdout)
                n.equal("exit code", (got.returncode, shown.get("error")), (0, None))
                n.equal("streams", len(shown["end"]["streams"]), 4)
                n.at_least("bytes", shown["end"]["sum_received"]["bytes"], 1 << 20 if engaged else 0)  # of 1 kB iperf3 counts nothing now and then
        g.engage(5201)
    g.end(20, states=("SF", "RSTO", "RSTR"))


if __name__ == "__main__":
    n.main(nginx, sshd, smtp, postgres, iperf)
