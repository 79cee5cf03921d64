# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A headless Chromium, driven by its DevTools protocol over a pipe: JSON objects, each ended by a zero byte."""
import atexit
import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile

from .tap import Skip

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--remote-debugging-pipe")


class Browser:
    """One page, until the test ends. What its script logs as an error, or throws, or what its policy blocks is in `errors`."""

    def __init__(self):
        program = shutil.which("chromium")
        if not program:
            if os.environ.get("CI"):
                raise AssertionError("no chromium: tests/setup installs it")
            raise Skip("no chromium (tests/setup)")
        self.profile = tempfile.mkdtemp(prefix="synward-browser-")
        to_read, self.to = os.pipe()
        self.at, from_write = os.pipe()
        # the protocol's descriptors are 3 and 4: ours are out of their way
        to_read, from_write = (self._far(fd) for fd in (to_read, from_write))
        self.proc = subprocess.Popen(
            ["bash", "-c", f'exec 3<&{to_read} 4>&{from_write} {to_read}<&- {from_write}>&-; exec "$@"', "browser", program, *FLAGS,
             f"--user-data-dir={self.profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(to_read, from_write), start_new_session=True)
        os.close(to_read)
        os.close(from_write)
        atexit.register(self.close)
        self.number, self.buffer, self.events, self.errors, self.session = 0, b"", [], [], None
        target = [t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page"][0]["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    @staticmethod
    def _far(fd):
        far = fcntl.fcntl(fd, fcntl.F_DUPFD, 20)
        os.close(fd)
        return far

    def _next(self):
        while b"\0" not in self.buffer:
            more = os.read(self.at, 1 << 20)
            if not more:
                raise AssertionError("the browser has ended")
            self.buffer += more
        raw, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(raw)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"].get("exception", {}).get("description") or str(params))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.events.append(params["request"]["url"])
        return message

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            got = self._next()
            if got.get("id") == self.number:
                if "error" in got:
                    raise AssertionError(f"{method}: {got['error']}")
                return got["result"]

    def open(self, url):
        self.events.clear()
        self.ask("Page.navigate", url="about:blank")  # also when only the part behind # differs
        self.ask("Page.navigate", url=url)
        while self.run("document.readyState") != "complete" or self.run("location.href") == "about:blank":
            self._next()

    def run(self, script):
        """The value of an expression, as JSON carries it."""
        got = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise AssertionError(f"{script}: {got['exceptionDetails']}")
        return got["result"].get("value")

    def text(self, selector):
        return self.run(f"document.querySelector({json.dumps(selector)})?.innerText")

    def texts(self, selector):
        return self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)")

    def click(self, selector):
        """With the mouse, in the middle of it."""
        at = self.run("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
                      "return [b.x + b.width / 2, b.y + b.height / 2]; })()" % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)

    def type(self, selector, text):
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.ask("Input.insertText", text=text)

    def look(self, width, scheme="light", height=900):
        """The size of the window, and light or dark."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def shot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def close(self):
        try:
            self.session = None
            self.ask("Browser.close")
        except (AssertionError, OSError):
            pass
        os.close(self.to)
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.proc.pid, 9)
            self.proc.wait()
        os.close(self.at)
        shutil.rmtree(self.profile, ignore_errors=True)
