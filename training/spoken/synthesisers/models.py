"""Published networks that speak: the folder that holds them, and a session of onnxruntime for each.

The user names the folder (`make keyword VOICES=DIR`). Worker processes find it in their environment.
"""

from __future__ import annotations

import functools
import glob
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from common.errors import UserError

VARIABLE = "KWS_VOICES"


def use(folder: Path | None) -> None:
    """Name the folder of this process and its workers; UserError where it is none."""
    if folder is None:
        return
    if not folder.is_dir():
        raise UserError(f"VOICES={folder}: no such folder; name one that holds models of Piper or Kokoro")
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(f"VOICES={folder}: its models need onnxruntime; pip install onnxruntime")
    os.environ[VARIABLE] = str(folder.absolute())


def found(pattern: str) -> list[Path]:
    """The files below the folder that match a pattern, sorted; none where no folder is named."""
    folder = os.environ.get(VARIABLE)
    return below(folder, pattern) if folder else []


@functools.cache
def below(folder: str, pattern: str) -> list[Path]:
    """The files below a folder that match a pattern, sorted: read once, and not for every clip."""
    return sorted(Path(path) for path in glob.glob(f"{glob.escape(folder)}/**/{pattern}", recursive=True))


@functools.cache
def session(path: Path) -> Any:
    """A model on one thread; UserError where onnxruntime cannot load it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each of its status codes
        raise UserError(f"{path}: {str(error).splitlines()[0]}; download it again") from None


@functools.cache
def description(path: Path) -> dict:
    """A JSON file beside a model; UserError where it is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {error}; download it again") from None
