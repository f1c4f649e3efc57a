"""The generated C sources, unchanged, compiled to WebAssembly with the functions of c/demo.h exported."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common import names
from common.errors import UserError

C = Path(__file__).parent / "c"
COMPILER, LINKER = "clang", "wasm-ld"
REMEDY = "install Debian's packages clang and lld, for instance with `apt-get install clang lld`"
FAILED = "Debian's clang and lld compile it; where these are other ones, take those, else report this line"
"""The remedy where both are there."""
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


def own_sources(prefix: str = names.PREFIX) -> dict[str, str]:
    """Name -> text of the files in c/, which call the firmware by the names of its prefix, and have it themselves."""
    return {path.name: names.renamed(path.read_text("utf-8"), prefix) for path in sorted(C.glob("*.[ch]"))}


def exported(prefix: str = names.PREFIX) -> list[str]:
    """The functions of c/demo.h, sorted."""
    return sorted(set(re.findall(rf"\b{prefix}_demo_\w+(?=\()", own_sources(prefix)["demo.h"])))


def need_compiler() -> None:
    """UserError where the compiler or its linker is missing."""
    for program in (COMPILER, LINKER):
        if shutil.which(program) is None:
            raise UserError(f"no {program} found, which makes WebAssembly of the firmware; {REMEDY}")


def compiled(sources: Mapping[str, str], flags: tuple[str, ...] = (), prefix: str = names.PREFIX) -> bytes:
    """C sources by name, as `firmware_gen.export.library` reads them -> a WebAssembly module. prefix: of the names in them.

    Raises UserError where the compiler is missing, or with its first error where it fails.
    """
    need_compiler()
    sources = {**sources, **{f"demo/{name}": text for name, text in own_sources(prefix).items()}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "demo").mkdir()
        for file, text in sources.items():
            (folder / file).write_text(text, "utf-8")
        out = folder / "firmware.wasm"
        paths = [folder / file for file in sorted(sources) if file.endswith(".c")]
        include = [f"-I{folder}", f"-I{C / 'include'}"]
        exports = [f"-Wl,--export={function}" for function in exported(prefix)]
        done = subprocess.run(
            [COMPILER, *FLAGS, *flags, *include, *exports, *map(str, paths), "-o", str(out)],
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            reason = next((line for line in lines if "error" in line), lines[0]).replace(f"{folder}/", "")
            raise UserError(f"{COMPILER}: cannot compile the firmware to WebAssembly ({reason}); {FAILED}")
        return out.read_bytes()
