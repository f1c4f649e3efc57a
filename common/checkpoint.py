"""The checkpoint: weights as safetensors, with width, labels, features and record of training in the header.

Read and written with NumPy only, so that the converter needs no PyTorch.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save as serialise

from common.atomic import write_bytes
from common.description import FEATURES, TAUS, FeatureDescription, windowed
from common.errors import UserError
from common.labels import labels_of
from common.reading import json_object, read_plain, sha256_of

FORMAT = "bcresnet-kws-1"
CALIBRATION = ".calibration"
"""Suffix of the folder of clips beside a checkpoint on which its conversion chooses ranges."""
DTYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
"""safetensors' types that weights may have, and NumPy's names for them."""


@dataclasses.dataclass
class Checkpoint:
    """A trained network.

    tensors: float32 arrays by their names in `training.model.BCResNet`.
    training: data, seed, epochs, command and accuracies, as JSON-ready values.
    sha256: of the file, in hex.
    clip_samples: of its window, the clip that it hears as a whole.
    """

    tau: float
    labels: tuple[str, ...]
    tensors: dict[str, np.ndarray]
    training: dict
    sha256: str = ""
    clip_samples: int = FEATURES.clip_samples

    @property
    def features(self) -> FeatureDescription:
        """What it takes. ValueError where there is no such window."""
        return windowed(self.clip_samples)


def content(checkpoint: Checkpoint) -> bytes:
    """The file of a checkpoint; the same one always gives the same bytes."""
    header = {
        "format": FORMAT,
        "tau": checkpoint.tau,
        "labels": list(checkpoint.labels),
        "features": checkpoint.features.id,
        "training": checkpoint.training,
    }
    if checkpoint.clip_samples != FEATURES.clip_samples:
        header["clip_samples"] = checkpoint.clip_samples
    tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in checkpoint.tensors.items()}
    return serialise(tensors, {"bcresnet": json.dumps(header, sort_keys=True)})


def save(path: str | os.PathLike, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    write_bytes(path, content(checkpoint))


def load(path: str | os.PathLike) -> Checkpoint:
    """Read a checkpoint; UserError where it is missing, damaged, of other features or not a checkpoint of this project."""
    path = Path(path)
    remedy = "train one with `make train`, or name another with CHECKPOINT="
    file = read_plain(path, remedy, "checkpoint")
    try:
        tensors = dict(deserialize(file))
        metadata = json_object(file[8 : 8 + int.from_bytes(file[:8], "little")]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path}: truncated, or no safetensors file ({error}); {remedy}") from None
    try:
        header = json_object(metadata["bcresnet"])
        if header["format"] != FORMAT or isinstance(header["tau"], bool) or header["tau"] not in TAUS:
            raise ValueError
        found, features, training = header["labels"], header["features"], header["training"]
        clip_samples = header.get("clip_samples", FEATURES.clip_samples)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: not a checkpoint of this project (its header is foreign); {remedy}") from None
    try:
        expected = windowed(clip_samples).id
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy}") from None
    if features != expected:
        raise UserError(f"{path}: trained on other features ({features}, not {expected}); train it again")
    try:
        labels = labels_of(found)
        check_training(training)
        weights = {name: array_of(name, **tensor) for name, tensor in sorted(tensors.items())}
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy}") from None
    return Checkpoint(header["tau"], labels, weights, training, sha256_of(file), clip_samples)


def check_training(record: object) -> None:
    """ValueError unless it is a record of training: an object whose values are texts or numbers."""
    if not isinstance(record, dict):
        raise ValueError("its record of training is no JSON object")
    nested = [name for name, value in record.items() if not isinstance(value, (str, int, float))]
    if nested:
        raise ValueError(f"its record of training says of {nested[0]!a} neither a text nor a number")


def array_of(name: str, dtype: str, shape: Sequence[int], data: bytes) -> np.ndarray:
    """A tensor of a safetensors file as float32. ValueError where its type, or a value in it, is not one of weights."""
    if dtype not in DTYPES:
        raise ValueError(f"its {name} is of type {dtype}, but weights must be F32, F16 or F64")
    with np.errstate(over="ignore"):
        array = np.frombuffer(data, DTYPES[dtype]).reshape(shape).astype(np.float32)
    check_values(name, array)
    return array


def check_values(name: str, array: np.ndarray) -> None:
    """ValueError where a value of a tensor, float32, cannot be one of weights or statistics."""
    if not np.isfinite(array).all():
        raise ValueError(f"its weights are not finite ({name})")
    if name.endswith("running_var") and (array < 0).any():
        raise ValueError(f"its {name}, a variance, is negative")
