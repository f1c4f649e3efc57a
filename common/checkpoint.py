"""The checkpoint: weights as safetensors, and in its header what they are and how they came about.

Read and written with NumPy alone, so that the converter needs no PyTorch.
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialise

from common.atomic import write_bytes
from common.description import FEATURES, TAUS
from common.errors import UserError

FORMAT = "bcresnet-kws-1"


@dataclasses.dataclass
class Checkpoint:
    """A trained network.

    tensors: float32 arrays by their names in `training.model.BCResNet`.
    training: data, seed, epochs, command and accuracies, as JSON-ready values.
    sha256: of the file, in hex.
    """

    tau: float
    labels: tuple[str, ...]
    tensors: dict[str, np.ndarray]
    training: dict
    sha256: str = ""


def save(path: str | os.PathLike, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    header = {
        "format": FORMAT,
        "tau": checkpoint.tau,
        "labels": list(checkpoint.labels),
        "features": FEATURES.id,
        "training": checkpoint.training,
    }
    tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in checkpoint.tensors.items()}
    write_bytes(path, serialise(tensors, {"bcresnet": json.dumps(header, sort_keys=True)}))


def load(path: str | os.PathLike) -> Checkpoint:
    """Read a checkpoint; UserError where it is missing, damaged, foreign or of other features."""
    path = Path(path)
    remedy = "train one with `make train`, or name another with CHECKPOINT="
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint; {remedy}")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path}: truncated, or no safetensors file ({error}); {remedy}") from None
    try:
        header = json.loads(metadata["bcresnet"])
        if header["format"] != FORMAT or header["tau"] not in TAUS:
            raise KeyError
        labels = tuple(header["labels"])
        features = header["features"]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: not a checkpoint of this project (its header is foreign); {remedy}") from None
    if features != FEATURES.id:
        raise UserError(f"{path}: trained on other features ({features}, not {FEATURES.id}); train it again")
    if any("\0" in str(label) for label in labels):
        raise UserError(f"{path}: a label holds a NUL, where a name ends in firmware; rename it and train again")
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise UserError(f"{path}: its weights are not finite; train it again")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Checkpoint(header["tau"], labels, tensors, header["training"], sha256)
