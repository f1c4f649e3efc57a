"""A folder of generated files appears whole, replaces the old one whole, or leaves it as it was."""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from training.atomic import naming

MANIFEST = "manifest.json"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(files: Mapping[str, str], **facts: str) -> str:
    """JSON that records `facts` and the SHA-256 of every file (name -> text)."""
    hashes = {name: sha256(text.encode()) for name, text in sorted(files.items())}
    return json.dumps({**facts, "files": hashes}, indent=2) + "\n"


def is_up_to_date(folder: Path, fingerprint: str) -> bool:
    """Does `folder` hold what was generated from the inputs with this fingerprint, unchanged since?"""
    try:
        record = json.loads((folder / MANIFEST).read_bytes())
        return record["fingerprint"] == fingerprint and bool(record["files"]) and all(
            sha256((folder / name).read_bytes()) == expected for name, expected in record["files"].items())
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return False


def replace_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write `files` (name, or subfolder/name -> UTF-8 text) to a folder beside `folder`, then put it in its place.

    On any exception, Ctrl-C and a full disk included, the old folder stands as it was.
    Raises OSError when a file cannot be written or the folder cannot be renamed.
    """
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    new, old = work / "new", work / "old"
    try:
        new.mkdir()
        for name, text in files.items():
            with naming(folder / name):
                (new / name).parent.mkdir(exist_ok=True)
                (new / name).write_text(text, encoding="utf-8")
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, old)
        os.rename(new, folder)
    finally:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(work, ignore_errors=True)
