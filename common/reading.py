"""Read files that others wrote: plain files only, JSON objects, and file names of any bytes."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

from common.errors import UserError


def read_plain(path: str | os.PathLike, remedy: str, what: str = "file") -> bytes:
    """The content of a file. what: it should be, such as "checkpoint". UserError, with the reason and the remedy, where it
    is missing, not a plain file (a folder, or a pipe, which would block) or not readable."""
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path}: {'a folder' if path.is_dir() else 'no plain file'}; {remedy}")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such {what}; {remedy}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None


def json_object(data: str | bytes) -> dict:
    """The object in JSON text. ValueError where it is anything else."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def shown(name: str | os.PathLike) -> str:
    """The name of a file as printable text: bytes that are not UTF-8 become escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def read_json(path: Path, remedy: str) -> dict | None:
    """A JSON object, None where there is no such file; UserError where it is damaged."""
    if not path.is_file():
        return None
    try:
        return json_object(path.read_bytes())
    except ValueError:
        raise UserError(f"{path}: damaged (no JSON object); {remedy}") from None


def sha256_of(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def sha256(path: Path) -> str | None:
    """SHA-256 of a file in hex, None where there is no such file."""
    return sha256_of(path.read_bytes()) if path.is_file() else None
