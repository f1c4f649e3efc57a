"""Write a folder of generated files atomically: the new one replaces the old one, or the old one stays."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common import names
from common.atomic import naming
from common.errors import UserError
from common.reading import json_object, sha256_of

MANIFEST = "manifest.json"


def content(file: str | bytes) -> bytes:
    """What is written for a file: text as UTF-8, bytes as they are."""
    return file.encode() if isinstance(file, str) else file


def manifest(files: Mapping[str, str | bytes], **facts: str) -> str:
    """JSON that records `facts` and the SHA-256 of every file (name -> text or bytes)."""
    hashes = {name: sha256_of(content(file)) for name, file in sorted(files.items())}
    return json.dumps({**facts, "files": hashes}, indent=2) + "\n"


def prefix(folder: Path) -> str:
    """The prefix with which `folder` was generated; the default one where its manifest does not say."""
    try:
        return names.checked(str(manifest_of(folder).get("prefix", names.PREFIX)))
    except UserError:
        return names.PREFIX


def generated_from(folder: Path) -> str | None:
    """The fingerprint of the inputs from which `folder` was generated; None where its manifest does not say."""
    return manifest_of(folder).get("fingerprint")


def manifest_of(folder: Path) -> dict:
    """What `manifest` recorded of `folder`; nothing where that is missing or damaged."""
    try:
        return json_object((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}


def is_up_to_date(folder: Path, fingerprint: str) -> bool:
    """Does `folder` hold what was generated from the inputs with this fingerprint, unchanged since?"""
    record = manifest_of(folder)
    try:
        return (
            record["fingerprint"] == fingerprint
            and bool(record["files"])
            and all(sha256_of((folder / name).read_bytes()) == expected for name, expected in record["files"].items())
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return False


def replace_folder(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write `files` (path below `folder` -> text or bytes) to a folder beside `folder`, then put it in its place.

    On any exception, Ctrl-C and a full disk included, the old folder stands as it was. No two may do this at once.
    Raises OSError when a file cannot be written or the folder cannot be renamed.
    """
    beginning = f".{folder.name}."
    for left in folder.parent.glob(f"{beginning}*"):  # by a command that was killed
        shutil.rmtree(left, ignore_errors=True)
    with naming(folder, folder.parent / beginning):
        work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=beginning))
        new, old = work / "new", work / "old"
        try:
            new.mkdir()
            for name, file in files.items():
                with naming(folder / name, new / name):
                    (new / name).parent.mkdir(parents=True, exist_ok=True)
                    (new / name).write_bytes(content(file))
            with contextlib.suppress(FileNotFoundError):
                os.rename(folder, old)
            os.rename(new, folder)
        finally:
            if old.exists() and not folder.exists():
                os.rename(old, folder)
            shutil.rmtree(work, ignore_errors=True)
