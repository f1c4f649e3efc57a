"""The generated C sources, unchanged, compiled to WebAssembly with the functions of c/demo.h exported."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common.errors import UserError

C = Path(__file__).parent / "c"
COMPILER, LINKER = "clang", "wasm-ld"
REMEDY = "install Debian's packages clang and lld, for instance with `apt-get install clang lld`"
FLAGS = (
    "--target=wasm32",
    "-std=c99",
    "-O3",
    "-fno-builtin",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-nostdlib",
    "-nostdlibinc",
    "-Wl,--no-entry",
    "-Wl,--gc-sections",
    "-Wl,--strip-all",
)
"""-fno-builtin: see c/memory.c."""


def exported() -> list[str]:
    """The functions of c/demo.h, sorted."""
    return sorted(set(re.findall(r"\bkws_demo_\w+(?=\()", (C / "demo.h").read_text())))


def need_compiler() -> None:
    """UserError where the compiler or its linker is missing."""
    for program in (COMPILER, LINKER):
        if shutil.which(program) is None:
            raise UserError(f"no {program} found, which makes WebAssembly of the firmware; {REMEDY}")


def compiled(sources: Mapping[str, str], flags: tuple[str, ...] = ()) -> bytes:
    """C sources by name, as `firmware_gen.export.library` reads them -> a WebAssembly module.

    Raises UserError where the compiler is missing, or with its first error where it fails.
    """
    need_compiler()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in sources.items():
            (folder / file).write_text(text, "utf-8")
        out = folder / "firmware.wasm"
        paths = [folder / file for file in sorted(sources) if file.endswith(".c")] + sorted(C.glob("*.c"))
        include = [f"-I{folder}", f"-I{C}", f"-I{C / 'include'}"]
        exports = [f"-Wl,--export={function}" for function in exported()]
        done = subprocess.run(
            [COMPILER, *FLAGS, *flags, *include, *exports, *map(str, paths), "-o", str(out)],
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            reason = next((line for line in lines if "error" in line), lines[0]).replace(f"{folder}/", "")
            raise UserError(f"{COMPILER}: cannot compile the firmware to WebAssembly ({reason}); {REMEDY}")
        return out.read_bytes()
