#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Prometheus itself (Debian's): it scrapes synward, evaluates the shipped alerts, and every expression of
docs/grafana.json returns data; and node_exporter's textfile collector takes the file.

    pair(); synward, Prometheus (127.0.0.1:9090) and node_exporter (127.0.0.1:9100) run in b
"""
import http.client
import json
import math
import os
import pathlib
import subprocess
import tempfile
import urllib.parse

import kit as n

PORT, OTHER, METRICS, PROMETHEUS, NODE = 7777, 7778, 9435, 9090, 9100
RULES = n.TOP / "src/dist/prometheus.rules.yml"
SERVER = "10.66.0.2"


def get(ns, port, path):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=n.PATIENCE)
    with n.Inside(ns):
        c.connect()
    c.request("GET", path)
    r = c.getresponse()
    return r.status, r.read().decode()


def is_ready(ns, port, path="/-/ready"):
    try:
        return get(ns, port, path)[0] == 200
    except ConnectionRefusedError:
        return False


def started(ns, name, *args):
    log = pathlib.Path(n.tmp.name, f"{name}.log")
    with open(log, "wb") as f:
        p = n.popen([name, *args], ns, stdout=f, stderr=f, stdin=subprocess.DEVNULL)
    n.started.append(p)
    return p, log


CONFIG = json.dumps({  # YAML, too
    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(RULES)],
    "scrape_configs": [{"job_name": "synward", "static_configs": [{"targets": [f"127.0.0.1:{METRICS}"]}]}]})


class Prometheus:
    """It scrapes and evaluates each second, as this configuration says."""

    def __init__(self, ns, config=CONFIG, port=PROMETHEUS):
        self.ns, self.port = ns, port
        folder = pathlib.Path(tempfile.mkdtemp(prefix="prometheus-", dir=n.tmp.name))
        (folder / "config.yml").write_text(config)
        self.p, self.log = started(ns, "prometheus", f"--config.file={folder}/config.yml", f"--storage.tsdb.path={folder}/data",
                                   f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
        n.until(lambda: is_ready(ns, port), timeout=30, evidence=self.log.read_text)

    def api(self, path, **query):
        status, body = get(self.ns, self.port, f"/api/v1/{path}?{urllib.parse.urlencode(query)}")
        got = json.loads(body)
        if status != 200:
            raise AssertionError(f"{query or path}: {got.get('error')}")
        return got["data"]

    def values(self, expr):
        """Numbers, by labels as one text; those that are none are left out."""
        got = {json.dumps(x["metric"], sort_keys=True): float(x["value"][1]) for x in self.api("query", query=expr)["result"]}
        return {k: v for k, v in got.items() if not math.isnan(v)}

    def value(self, expr):
        return next(iter(self.values(expr).values()), None)

    def alerts(self, name):
        return {x["state"] for x in self.api("alerts")["alerts"] if x["labels"]["alertname"] == name}

    def stop(self):
        self.p.terminate()
        n.equal(f"Prometheus ({self.log.read_text()[-500:]})", self.p.wait(timeout=30), 0)


def talk_and_refusal(a, listener, times):
    n.talk(a, listener, times)
    try:
        n.connect(a, SERVER, 1)
    except ConnectionRefusedError:
        pass


def rules():
    """promtool: the shipped rules are valid, and their unit tests hold"""
    for args in ("check", "rules", RULES), ("test", "rules", n.TOP / "tests/prometheus/rules.yml"):
        r = n.run(["promtool", *map(str, args)], text=True)
        n.equal(" ".join(map(str, args)) + f": {r.stdout}{r.stderr}", (r.returncode, "SUCCESS" in r.stdout), (0, True))
    tested = (n.TOP / "tests/prometheus/rules.yml").read_text()
    names = [x.split()[-1] for x in RULES.read_text().splitlines() if "- alert:" in x]
    n.equal("alerts without a test", [x for x in names if f"alertname: {x}\n        exp_alerts" not in tested], [])


def scraped():
    """up is 1, in OpenMetrics; the p99 is that of the lines; a flooded service fires, an end is noticed"""
    a, b = n.pair()
    n.sh("ip", "route", "add", "198.18.0.0/15", "via", "10.66.0.1", ns=b)  # the flood's sources
    listener, _ = n.listen(b, SERVER, PORT), n.listen(b, SERVER, OTHER)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--guard", "auto", "--engage", "half-open=100,syn-rate=1000000",
                                    "--metrics", METRICS))
    p = Prometheus(b)
    n.until(lambda: p.value("up") == 1, evidence=p.log.read_text)
    talk_and_refusal(a, listener, 200)
    n.until(lambda: p.value('synward_handshake_duration_seconds_count{role="server"}') == 200)
    n.until(lambda: p.value('synward_connection_attempts_total{role="server",error_type="refused"}') == 1)
    exact = sorted(x["handshake_ns"] for x in sw.lines() if x["event"] == "established")
    for q in 0.5, 0.9, 0.99:
        got = p.value(f'histogram_quantile({q}, sum by (le) (synward_handshake_duration_seconds_bucket{{role="server"}}))') * 1e9
        want = exact[math.ceil(q * len(exact)) - 1]
        print(f"# p{q * 100:g}: {got / 1e3:.1f} us, of the lines {want / 1e3:.1f} us", flush=True)
        n.at_least(f"p{q * 100:g}", got, want / 1.5)  # a bucket is half a power of two
        n.at_most(f"p{q * 100:g}", got, want * 1.5)
    n.equal("type of synward_build", [x["type"] for x in p.api("metadata", metric="synward_build")["synward_build"]], ["info"])
    print(f"# {p.value('scrape_samples_scraped'):g} samples in {p.value('scrape_duration_seconds') * 1e3:.1f} ms", flush=True)
    n.equal("alerts", [x for x in p.api("alerts")["alerts"] if x["state"] == "firing"], [])
    n.sh(n.SYNWARD, "guard", "-p", sw.p.pid, "always", f"{SERVER}:{PORT}", ns=b)  # which is engaged in peace
    n.until(lambda: p.value(f'synward_guard_state{{service="{SERVER}:{PORT}"}}') == 1)
    mac = json.loads(n.sh("ip", "-j", "link", "show", "dev", "srv0", ns=b).stdout)[0]["address"]
    flood = n.popen([str(n.TOP / "build/tests/tool_flood"), "cli0", mac, SERVER, str(OTHER), "1000000", "2000"],
                    a, stdout=subprocess.DEVNULL)
    n.started.append(flood)
    n.until(lambda: p.alerts("SynwardGuardEngaged") == {"firing"})
    n.equal("services", {x["labels"]["service"] for x in p.api("alerts")["alerts"]
                         if x["labels"]["alertname"] == "SynwardGuardEngaged"}, {f"{SERVER}:{OTHER}"})
    flood.kill()
    flood.wait()
    n.equal("exit code", sw.stop(hurry=True), 0)
    n.equal("warnings", [x for x in sw.err().splitlines() if "warning" in x], [])
    n.until(lambda: p.value("up") == 0 and p.alerts("SynwardGone") == {"pending"})  # it fires after a minute
    p.stop()


def grafana():
    """every expression of docs/grafana.json returns data"""
    dashboard = json.loads((n.TOP / "docs/grafana.json").read_text())
    if "has not been rendered" not in dashboard["description"]:
        raise AssertionError(dashboard["description"])
    n.equal("ids", [x["id"] for x in dashboard["panels"]], list(range(1, len(dashboard["panels"]) + 1)))
    left = {}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expr = target["expr"]
            for name in "$job", "$instance", "$role":
                expr = expr.replace(name, ".*")
            left[expr.replace("$__rate_interval", "10s")] = panel["title"]
    n.at_least("expressions", len(left), 25)
    a, b = n.pair()
    listener = n.listen(b, SERVER, PORT)
    sw = n.Synward(b, "srv0", args=("--close-delay", 0.1, "--guard", "auto", "--metrics", METRICS))
    p = Prometheus(b)
    total = len(left)

    def all_have_data():
        talk_and_refusal(a, listener, 10)
        for expr in [x for x in left if p.values(x)]:
            del left[expr]
        return not left

    n.until(all_have_data, timeout=40, every=0.5, evidence=lambda: left)
    names = [x["name"] for x in dashboard["templating"]["list"]]
    n.equal("variables", names, ["datasource", "job", "instance", "role"])
    print(f"# {total} expressions", flush=True)
    n.equal("exit code", sw.stop(), 0)
    p.stop()


def textfile():
    """node_exporter takes the files of two instances from one folder, and finds nothing wrong with them"""
    a, b = n.pair()
    listener = n.listen(b, SERVER, PORT)
    folder = pathlib.Path(n.tmp.name, "textfile")
    folder.mkdir()
    both = [n.Synward(b, dev, args=("--close-delay", 0.1, "--metrics-file", folder / f"synward-{dev}.prom",
                                    "--metrics-interval", interval)) for dev, interval in (("srv0", 1), ("lo", 2))]
    exporter, log = started(b, "prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                            f"--collector.textfile.directory={folder}", f"--web.listen-address=127.0.0.1:{NODE}")
    n.until(lambda: is_ready(b, NODE, "/"), timeout=30, evidence=log.read_text)
    talk_and_refusal(a, listener, 7)

    def lines():
        return get(b, NODE, "/metrics")[1].splitlines()

    def series(dev, name, labels=""):
        return f'synward_{name}{{interfaces="{dev}",netns="{os.stat(f"/run/netns/{b}").st_ino}"{labels}}} '

    version = n.sh(n.SYNWARD, "--version").stdout.split()[1]
    want = {series("srv0", "handshake_duration_seconds_count", ',role="server"') + "7", series("srv0", "running") + "1",
            series("lo", "running") + "1", series("lo", "build_info", f',version="{version}"') + "1",
            series("srv0", "metrics_file_interval_seconds") + "1", series("lo", "metrics_file_interval_seconds") + "2",
            "node_textfile_scrape_error 0", "# TYPE synward_handshake_duration_seconds histogram",
            "# TYPE synward_packets_total counter"}
    n.until(lambda: not want - set(lines()), timeout=30, evidence=lambda: (want - set(lines()), log.read_text()))
    n.equal("files", sorted(x.split('"')[1] for x in lines() if x.startswith("node_textfile_mtime_seconds{")),
            [str(folder / f"synward-{x}.prom") for x in ("lo", "srv0")])
    n.equal("errors", [x for x in log.read_text().splitlines() if "level=error" in x], [])
    n.equal("exit codes", [sw.stop() for sw in both], [0, 0])
    n.until(lambda: "synward_" not in get(b, NODE, "/metrics")[1])
    exporter.terminate()
    exporter.wait(timeout=30)


if __name__ == "__main__":
    n.main(rules, scraped, grafana, textfile)
