"""The source files of the project that a module depends on, and their hash, by which caches of its results are keyed.

digest("firmware_gen.__main__", files=templates)
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from common.reading import sha256
from common.shipped import ROOT

PACKAGES = ("common", "training", "frontend", "detector", "engine", "convert", "firmware_gen", "benchmarks")


def file_of(module: str) -> Path | None:
    """The file of one of the project's modules or packages; None for any other name."""
    if module.partition(".")[0] not in PACKAGES:
        return None
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def named_in(module: str, path: Path) -> list[str]:
    """The names that a module imports, also inside functions; for `from a import b` both `a` and `a.b`."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return names


@functools.cache
def imported(*modules: str) -> tuple[Path, ...]:
    """The files of these modules, of all modules of the project that they import directly or not, and of their packages;
    sorted."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = file_of(module)
        if path is None or module in found:
            continue
        found[module] = path
        waiting += [module.rpartition(".")[0], *named_in(module, path)]
    return tuple(sorted(found.values()))


def digest(*modules: str, files: Iterable[Path] = ()) -> str:
    """SHA-256, in hex, of the files of `imported` and of `files`; does not depend on the project's location."""
    total = hashlib.sha256()
    for path in sorted({*imported(*modules), *(file.resolve() for file in files)}):
        total.update(f"{path.relative_to(ROOT)} {sha256(path)}\n".encode())
    return total.hexdigest()
