# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Databases of Debian's packages, each an unprivileged process in a temporary folder, that a test starts and ends by its pid;
and docs/sql, whose files have parts that begin with `-- schema`, `-- parquet` or `-- query NAME: question`."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from . import ns
from .ns import TOP
from .tap import Skip, equal
from .wait import until

USER = "nobody"
DUCKDB = ("node", str(TOP / "tests/lib/duckdb.mjs"))
PSQL = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "postgres")


def parts(name):
    """Of a file of docs/sql: statements by the name of their part."""
    text = (TOP / f"docs/sql/{name}.sql").read_text(encoding="utf-8")
    found = re.split(r"^-- (schema|parquet|query \w+)(?:: .*)?$", text, flags=re.M)[1:]
    return {k.removeprefix("query "): v.strip() for k, v in zip(found[::2], found[1::2])}


def queries(name):
    return {k: v.rstrip(";") for k, v in parts(name).items() if k not in ("schema", "parquet")}


def needs(*programs):
    """In CI everything is there, but where the distribution has no such package."""
    missing = [x for x in programs if not shutil.which(x)]
    if missing and os.environ.get("CI") and pathlib.Path("/etc/debian_version").read_text(encoding="ascii").startswith("12"):
        raise AssertionError(f"no {missing}: tests/setup installs them")
    if missing:
        raise Skip(f"no {', '.join(missing)}: no package of this distribution, or tests/setup did not run")


def folder(name):
    """The user's own, on a path that he can walk."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"synward-{name}-"))
    shutil.chown(path, USER, "nogroup")
    ns.endings.append(lambda: shutil.rmtree(path, ignore_errors=True))
    return path


def unprivileged(*args):
    return ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups", "--no-new-privs", *map(str, args)]


class Server:
    """A process of that user; is_up: asked until it is true."""

    def __init__(self, where, path, *args, is_up, **kw):
        self.log = path / "stderr"
        with self.log.open("wb") as out:
            self.p = ns.popen(unprivileged(*args), where, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=path, **kw)
        ns.started.append(self.p)
        until(lambda: self.p.poll() is not None or is_up(), 30, 0.05, self.text)
        equal(f"has ended ({self.text()})", self.p.poll(), None)

    def text(self):
        return self.log.read_text(errors="replace")[-1000:]

    def stop(self):
        self.p.terminate()
        self.p.wait(timeout=60)


CLICKHOUSE = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<listen_host>127.0.0.1</listen_host><tcp_port>{port}</tcp_port><path>{path}/data/</path><tmp_path>{path}/tmp/</tmp_path>
<mark_cache_size>67108864</mark_cache_size><users_config>{path}/users.xml</users_config><timezone>UTC</timezone>
<default_profile>default</default_profile><default_database>default</default_database>
</yandex>
"""
CLICKHOUSE_USERS = """<yandex><profiles><default/></profiles><quotas><default/></quotas>
<users><default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
</yandex>
"""


class Clickhouse:
    def __init__(self, where, port=19000):
        needs("clickhouse-server", "clickhouse-client", "jq")
        self.where, self.port = where, port
        path = folder("clickhouse")
        (path / "config.xml").write_text(CLICKHOUSE.format(port=port, path=path), encoding="ascii")
        (path / "users.xml").write_text(CLICKHOUSE_USERS, encoding="ascii")
        self.server = Server(where, path, "clickhouse-server", f"--config-file={path}/config.xml",
                             is_up=lambda: not self.ask("SELECT 1", check=False).returncode)

    def ask(self, statement, check=True, timeout=60, **kw):
        r = ns.run(["clickhouse-client", "--port", str(self.port), "--input_format_skip_unknown_fields=1", "--query", statement],
                   self.where, text=True, timeout=timeout, **{"input": "", **kw})
        if check:
            equal(f"ClickHouse ({r.stderr[-500:]})", r.returncode, 0)
        return r

    def rows(self, query):
        text = self.ask(query + " FORMAT JSONEachRow").stdout
        return [tuple(json.loads(x).values()) for x in text.splitlines()]


class Postgres:
    """Without a port: at a socket in its folder."""

    def __init__(self, where):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        needs("psql", str(found[-1] / "initdb") if found else "initdb")
        self.path, self.where = folder("postgres"), where
        env = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
        r = ns.run(unprivileged(found[-1] / "initdb", "-D", self.path / "data", "-N", "-A", "trust", "-U", "postgres", "-E", "UTF8"), text=True,
                   cwd=self.path, env=env)
        equal(f"initdb ({r.stderr})", r.returncode, 0)
        self.server = Server(where, self.path, found[-1] / "postgres", "-D", self.path / "data", "-k", self.path, "-c", "listen_addresses=",
                             "-c", "fsync=off", "-c", "dynamic_shared_memory_type=mmap", env=env,
                             is_up=lambda: not self.ask("SELECT 1", check=False).returncode)

    def ask(self, *statements, check=True, **kw):
        args = [x for s in statements for x in ("-c", s)]
        r = ns.run([*PSQL, "-h", str(self.path), "-U", "postgres", *args], text=True, **kw)
        if check:
            equal(f"psql ({r.stderr[-500:]})", r.returncode, 0)
        return r

    def rows(self, query):
        text = self.ask(f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) q").stdout
        return [tuple(x.values()) for x in json.loads(text)]


def chdb(where, tables, *statements, timeout=60):
    """The rows of the last statement, by ClickHouse's engine of today; where: the folder that it works in, tables: where they are."""
    r = ns.run(["node", str(TOP / "tests/lib/chdb.mjs"), str(tables), ";\n".join(x.rstrip(";") for x in statements)], text=True, cwd=where,
               timeout=timeout)
    equal(f"ClickHouse ({r.stderr[-1500:]})", r.returncode, 0)
    return [json.loads(x) for x in r.stdout.splitlines()]


def duckdb(where, file, *statements, timeout=60):
    """The rows of the last statement; where: the folder that it works in."""
    r = ns.run([*DUCKDB, "-json", str(file), ";\n".join(x.rstrip(";") for x in statements)], text=True, cwd=where, timeout=timeout)
    equal(f"DuckDB ({r.stderr[-500:]})", r.returncode, 0)
    return [tuple(x.values()) for x in json.loads(r.stdout)]
