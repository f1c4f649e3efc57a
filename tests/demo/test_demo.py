"""`make demo`: the WebAssembly, the file that is written, the server."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from firmware_builds import WARNINGS

from common.shipped import ROOT
from demo import __main__ as command, assemble, serve, wasm
from firmware_gen.export import library


@pytest.fixture
def build(tau1_build, tmp_path) -> Path:
    """A copy of the build of tau 1."""
    return shutil.copytree(tau1_build, tmp_path / "tau1")


def test_the_page_holds_the_sources_of_the_firmware_unchanged(wasm_compiler, tau1_build, monkeypatch):
    seen = {}

    def run(words, **options):
        folder = Path(words[words.index("-o") + 1]).parent
        seen.update({path.name: path.read_bytes() for path in folder.glob("*.[ch]")})
        return subprocess.CompletedProcess(words, 1, "", "error: not now")

    monkeypatch.setattr(wasm.subprocess, "run", run)
    with pytest.raises(wasm.UserError, match="not now"):
        wasm.compiled(library.load(tau1_build).sources)
    firmware = tau1_build / "firmware"
    generated = [*firmware.glob("*.[ch]"), *(firmware / "native").glob("*.[ch]")]
    held = {path.name: path.read_bytes() for path in generated if path.name in seen}
    assert held == seen and {"frontend.c", "kws_engine.c", "kws_detector.c", "kws_level.c"} <= seen.keys()


def test_the_firmware_and_its_glue_compile_without_a_warning(wasm_compiler, tau1_build):
    sources = library.load(tau1_build).sources
    assert wasm.compiled(sources, ("-Werror",))[:4] == b"\0asm"
    assert wasm.compiled(sources) == wasm.compiled(sources), "the same bytes each time"


def test_the_glue_is_c99_that_any_compiler_takes(tau1_build, tmp_path):
    firmware = tau1_build / "firmware"
    for source in wasm.C.glob("*.c"):
        include = [f"-I{firmware}", f"-I{firmware / 'native'}", f"-I{wasm.C}"]
        words = ["gcc", "-std=c99", *WARNINGS, "-c", *include, str(source), "-o", str(tmp_path / "glue.o")]
        subprocess.run(words, check=True)


def test_the_command_writes_one_page(wasm_compiler, build, capsys):
    assert command.main(["--build", str(build)]) == 0
    page = build / command.FILE
    size = page.stat().st_size
    assert size < assemble.MOST_BYTES and capsys.readouterr().out == f"{page}: {size:,} bytes; open it in a browser\n"
    assert "BC-ResNet-1" in page.read_text()


def test_no_script_ends_early_and_no_name_of_the_template_is_left(page):
    content = page.read_text()
    assert content.count("<script") == content.count("</script>") == 3
    assert not re.search(r"\{\{|\{%", content)


@pytest.mark.parametrize("missing", [wasm.COMPILER, wasm.LINKER])
def test_a_missing_compiler_is_one_line_and_nothing_is_written(build, monkeypatch, failure, missing):
    real = shutil.which
    monkeypatch.setattr(wasm.shutil, "which", lambda name: None if name == missing else real(name) or name)
    line = failure(command.main, "--build", build)
    assert f"no {missing} found" in line and "apt-get install clang lld" in line
    assert not (build / command.FILE).exists()


def test_a_build_that_is_missing_or_changed_is_one_line(wasm_compiler, build, failure, tmp_path):
    line = failure(command.main, "--build", tmp_path / "none")
    assert line.endswith("run `make quantize` and name its folder, such as build/tau1")
    with (build / "firmware" / "frontend.c").open("a") as file:
        file.write("// changed\n")
    assert "run `make quantize" in failure(command.main, "--build", build)
    assert not (build / command.FILE).exists()


def test_a_firmware_too_large_for_a_page_is_one_line(wasm_compiler, build, monkeypatch, failure):
    monkeypatch.setattr(command.assemble, "MOST_BYTES", 1000)
    assert "more than 1,000; take a smaller tau" in failure(command.main, "--build", build)
    assert not (build / command.FILE).exists()


def test_the_page_alone_is_served_on_the_loopback_address_alone():
    with serve.server(b"the page", port=0) as running:
        assert running.server_address[0] == "127.0.0.1"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        for path, status, body in (("/", 200, b"the page"), ("/?a", 200, b"the page"), ("/etc/passwd", 404, b"")):
            connection = http.client.HTTPConnection(*running.server_address)
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (status, body)
        with serve.server(b"", port=running.server_address[1]) as other:
            assert other.server_address[1] != running.server_address[1]
        running.shutdown()


def test_ctrl_c_ends_the_server(wasm_compiler, build, tmp_path):
    opener = tmp_path / "opener"
    opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    opener.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", "--build", str(build), "--serve"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "BROWSER": f"{opener} %s"},
    )
    lines = [process.stdout.readline(), process.stdout.readline()]
    address = re.match(r"http://127\.0\.0\.1:\d+/", lines[1])[0]
    while not (tmp_path / "opened").exists() or not (tmp_path / "opened").read_text():
        assert process.poll() is None
    assert (tmp_path / "opened").read_text().strip() == address
    process.send_signal(2)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
