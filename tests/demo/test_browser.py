"""The browser of tests and scripts: what it leaves behind."""

from __future__ import annotations

import os
import sys
import time

from demo import browser

STAND_IN = """#!{python}
import json, os, pathlib, sys, time
profile = pathlib.Path(next(word.split("=", 1)[1] for word in sys.argv if word.startswith("--user-data-dir=")))
profile.mkdir()
if not os.fork():  # a process of the browser that goes on when the first one has ended
    os.close(3), os.close(4)
    for number in range(3000):
        (profile / str(number)).touch()
        time.sleep(0.01)
    os._exit(0)
held = b""
while piece := os.read(3, 65536):
    *messages, held = (held + piece).split(b"\\0")
    for message in messages:
        answer = dict(id=json.loads(message)["id"], result=dict(targetId="page", sessionId="session"))
        os.write(4, json.dumps(answer).encode() + b"\\0")
"""


def test_nothing_writes_to_the_profile_once_the_browser_has_ended(tmp_path, monkeypatch):
    program, profile = tmp_path / browser.PROGRAMS[0], tmp_path / "profile"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with browser.Browser(profile):
        until = time.monotonic() + 30
        while not any(profile.iterdir()) and time.monotonic() < until:
            time.sleep(0.01)
    written = {*profile.iterdir()}
    time.sleep(0.3)
    assert written and {*profile.iterdir()} == written
