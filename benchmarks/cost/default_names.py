"""The firmware of a build by the default names, which the programs in guests/ call.

with firmware_of(build) as firmware: engine_on_core.find(build, tau, firmware)
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from common.atomic import write_text
from common.names import PREFIX
from firmware_gen import inputs
from firmware_gen.__main__ import generate
from firmware_gen.folder import prefix


@contextlib.contextmanager
def firmware_of(build: Path) -> Iterator[Path]:
    """The firmware/ folder of a build, which may be missing. Where its names have a prefix, a temporary folder with the same
    sources but for that: instructions and sizes do not depend on names. UserError as `inputs.load`."""
    firmware = build / "firmware"
    if prefix(firmware) == PREFIX:
        yield firmware
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, text in generate(inputs.load(build)).items():
            write_text(Path(folder) / name, text)
        yield Path(folder)
