"""A headless Chromium that a test or a script drives: the DevTools protocol over a pipe (--remote-debugging-pipe).

    with Browser(folder, "--use-fake-device-for-media-stream") as browser:
        browser.open("file:///…/demo.html")
        browser.evaluate("document.title")

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from common.errors import UserError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe", "about:blank")
TIMEOUT = 180
"""Seconds that an answer may take."""
ENDING = 5
"""Seconds in which the browser ends by itself, and its processes once they are killed."""
PIECE = 1 << 16
"""Bytes of a read."""


def program() -> str:
    """The path of Chromium; UserError where there is none."""
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise UserError("no Chromium found; install Debian's package chromium")


class Browser:
    """One browser with one page. `problems`: what the page wrote to its console, and its uncaught errors. `requests`: the
    addresses that it asked for. `dialogs`: the kinds of those that were shown."""

    def __init__(self, profile: Path, *flags: str):
        """profile: a folder that the browser may write to. UserError where there is no Chromium."""
        found = program()
        commands, self._out = os.pipe()
        self._in, answers = os.pipe()
        # The protocol's descriptors are 3 and 4.
        script = f'exec "$@" 3<&{commands} 4>&{answers}'
        words = [found, f"--user-data-dir={profile}", *flags, *FLAGS]
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *words],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        self._number, self._held = 0, b""
        self._session: str | None = None
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING)
        self._end_all()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def _end_all(self) -> None:
        """End what the browser left running: the profile would be written to while its folder is removed."""
        until = time.monotonic() + ENDING
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < until:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.poll()
                time.sleep(0.01)

    def _read(self, until: float) -> dict | None:
        """The next message; None at that time."""
        while b"\0" not in self._held:
            if not select.select([self._in], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            piece = os.read(self._in, PIECE)
            if not piece:
                raise RuntimeError("the browser ended")
            self._held += piece
        message, _, self._held = self._held.partition(b"\0")
        return json.loads(message)

    def _note(self, message: dict) -> None:
        """An event: what the console says, what is asked for, and a dialog, which is accepted."""
        event, about = message.get("method"), message.get("params", {})
        if event == "Runtime.consoleAPICalled":
            said = " ".join(str(part.get("value", part.get("description"))) for part in about["args"])
            self.problems.append(f"{about['type']}: {said}")
        elif event == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Log.entryAdded":
            self.problems.append(f"{about['entry']['level']}: {about['entry']['text']}")
        elif event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event == "Page.javascriptDialogOpening":
            self.dialogs.append(about["type"])
            self._send("Page.handleJavaScriptDialog", {"accept": True})

    def _send(self, method: str, parameters: dict) -> int:
        """The number of the command."""
        self._number += 1
        request: dict = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        return self._number

    def call(self, method: str, **parameters: object) -> dict:
        """A command of the protocol -> its result. RuntimeError where the browser refuses it or does not answer."""
        number, until = self._send(method, parameters), time.monotonic() + TIMEOUT
        while (message := self._read(until)) is not None:
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._note(message)
        raise RuntimeError(f"{method}: no answer in {TIMEOUT} s")

    def evaluate(self, expression: str) -> object:
        """The value of a JavaScript expression, awaited where it is a promise, as JSON. RuntimeError where it throws."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        found = self.call("Runtime.evaluate", expression=expression, **options)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return found["result"].get("value")

    def open(self, address: str) -> None:
        """Open a page and wait until it is loaded."""
        self.requests = []
        self.call("Page.navigate", url=address)
        self.wait_for(f"document.readyState === 'complete' && location.href === {json.dumps(address)}")

    def wait_for(self, condition: str, seconds: float = 30) -> None:
        """Until a JavaScript condition, or a promise of it, holds; RuntimeError where it does not in time."""
        until = time.monotonic() + seconds
        while not self.evaluate(f"Promise.resolve({condition}).then(Boolean)"):
            if time.monotonic() > until:
                raise RuntimeError(f"not in {seconds:g} s: {condition}")
            time.sleep(0.05)

    def choose_files(self, selector: str, paths: Sequence[Path]) -> None:
        """Put files into an <input type=file>, as a user does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path.resolve()) for path in paths])

    def key(self, key: str) -> None:
        """Press a key, such as Tab or ArrowRight."""
        codes = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}
        text = {"Enter": "\r", " ": " "}.get(key, "")
        shared = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **shared, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def shape(self, width: int, height: int, scheme: str = "light", ratio: float = 1) -> None:
        """The size of the page in CSS pixels, and `light` or `dark`."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self) -> bytes:
        """What the page shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
