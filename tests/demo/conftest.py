"""The page of tau 1, and a browser that shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import UserError
from demo import serve, wasm
from demo.__main__ import page_of
from demo.browser import Browser


@pytest.fixture(scope="session")
def wasm_compiler() -> None:
    try:
        wasm.need_compiler()
    except UserError as missing:
        pytest.skip(f"needs a WebAssembly compiler: {missing}")


@pytest.fixture(scope="session")
def page(wasm_compiler, tau1_build, tmp_path_factory) -> Path:
    """demo.html of tau 1."""
    path = tmp_path_factory.mktemp("demo") / "demo.html"
    path.write_bytes(page_of(tau1_build))
    return path


@pytest.fixture(scope="session")
def address(page) -> Iterator[str]:
    """Where `make demo SERVE=1` would serve it."""
    with serve.server(page.read_bytes(), port=0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://{serve.HOST}:{running.server_address[1]}/"
        running.shutdown()


@pytest.fixture
def opened(chromium, page) -> Iterator[Browser]:
    """The browser with the page, which must have nothing to complain about by the end of the test."""
    chromium.problems = []
    chromium.shape(1100, 900)
    chromium.open(page.as_uri())
    chromium.evaluate("kws.ready.then(() => true)")
    yield chromium
    assert chromium.problems == []
