"""Write files atomically: complete or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def naming(path: str | os.PathLike, temporary: str | os.PathLike | None = None) -> Iterator[None]:
    """Let an OSError of the block name `path` where it names no file (as after a failed write) or a temporary one.

    temporary: prefix of the paths of temporary files.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.strerror = error.strerror or f"could not be written whole ({error}); is the disk full?"
        if error.filename is None or (temporary and begins_with(error.filename, temporary)):
            error.filename = str(path)
        raise


def begins_with(filename: str | bytes | int, prefix: str | os.PathLike) -> bool:
    """Whether the path of a file that an OSError names, absolute or not, begins with `prefix`."""
    return isinstance(filename, str) and os.path.abspath(filename).startswith(os.path.abspath(prefix))


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    On any exception, Ctrl-C included, the temporary file is removed and `path` is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}."
    with naming(path, path.parent / prefix):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
        os.close(handle)
        try:
            os.chmod(name, 0o644)
            yield Path(name)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all; undecodable bytes of file names in it become escapes."""
    write_bytes(path, text.encode(errors="backslashreplace"))
