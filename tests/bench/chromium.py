# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium that is asked over a pipe (DevTools protocol), and what it says of a page.

Nothing but the standard library and the program: no driver, no port. Its profile is a directory of
its own, which is gone with it.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing but the page: whatever the program would fetch for itself is switched off.
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--disable-default-apps", "--disable-breakpad", "--hide-scrollbars", "--remote-debugging-pipe")
PATIENCE = 60 * int(os.environ.get("FV_SLOW", 1))  # seconds
CLEAR = 10  # descriptors below are the program's own


def program():
    """Chromium's, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Trouble(Exception):
    """It did not answer, or said no."""


def pipe():
    """(reading end, writing end), neither of which is 3 or 4."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, CLEAR))
        os.close(end)
    return ends


class Browser:
    """One page of a browser. As a context manager it ends with the block."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="chromium-"))
        self.events, self.buffer, self.number, self.session = [], b"", 0, None
        orders, self.write = pipe()
        self.read, answers = pipe()
        # It reads from 3 and writes to 4.
        script = f'exec "$@" 3<&{orders} 4>&{answers} {orders}<&- {answers}>&-'
        with (self.folder / "log").open("wb") as log:
            self.proc = subprocess.Popen(
                ["bash", "-c", script, "bash", program(), *OPTIONS,
                 f"--user-data-dir={self.folder}/profile", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=(orders, answers), env={**os.environ, "HOME": str(self.folder)})
        os.close(orders)
        os.close(answers)

    def __enter__(self):
        targets = self.ask("Target.getTargets")["targetInfos"]
        target = next(item["targetId"] for item in targets if item["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        # Its helpers are in the session that it leads.
        try:
            os.killpg(self.proc.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.proc.wait()
        os.close(self.read)
        os.close(self.write)
        # Helpers that are on their way out may still write to it.
        for _ in range(50):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                return
            time.sleep(0.1)
        raise Trouble(f"{self.folder} cannot be removed")

    def log(self):
        text = (self.folder / "log").read_text(errors="replace").strip()
        return text.splitlines()[-1] if text else "it said nothing"

    def message(self, until):
        """The next one, or Trouble."""
        while b"\0" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                raise Trouble(f"chromium: no answer after {PATIENCE} s: {self.log()}")
            more = os.read(self.read, 1 << 20)
            if not more:
                raise Trouble(f"chromium ended: {self.log()}")
            self.buffer += more
        one, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(one)

    def ask(self, method, **parameters):
        self.number += 1
        order = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            order["sessionId"] = self.session
        data = json.dumps(order).encode() + b"\0"
        while data:
            data = data[os.write(self.write, data):]
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.message(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Trouble(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def of(self, *methods):
        """What events of these kinds have brought so far."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def wait(self, method, seen):
        until = time.monotonic() + PATIENCE
        while len(self.of(method)) <= seen:
            self.events.append(self.message(until))

    def open(self, file):
        loads = len(self.of("Page.loadEventFired"))
        answer = self.ask("Page.navigate", url=Path(file).resolve().as_uri())
        if "errorText" in answer:
            raise Trouble(f"{file}: {answer['errorText']}")
        self.wait("Page.loadEventFired", loads)

    def run(self, expression):
        """What a JavaScript expression gives, as JSON has it."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Trouble(f"{expression[:60]}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def screen(self, width, height, phone=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=2 if phone else 1, mobile=phone)

    def media(self, kind="screen", scheme="light"):
        self.ask("Emulation.setEmulatedMedia", media=kind,
                 features=[{"name": "prefers-color-scheme", "value": scheme}])

    def complaints(self):
        """Texts of what a console would show in red or yellow."""
        said = [str(entry["entry"]["text"]) for entry in self.of("Log.entryAdded")]
        said += [str(call["args"]) for call in self.of("Runtime.consoleAPICalled")]
        return said + [thrown["exceptionDetails"]["text"]
                       for thrown in self.of("Runtime.exceptionThrown")]

    def requests(self):
        """Addresses of all that was asked for."""
        return [sent["request"]["url"] for sent in self.of("Network.requestWillBeSent")]

    def picture(self, clip=None):
        """PNG of the whole page, or of {x, y, width, height}."""
        more = {"clip": {"scale": 1, **clip}} if clip else {}
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True,
                                         **more)["data"])

    def paper(self):
        """PDF as it prints, on the paper that the page asks for."""
        self.media("print")
        return base64.b64decode(self.ask("Page.printToPDF", preferCSSPageSize=True,
                                         printBackground=True)["data"])
