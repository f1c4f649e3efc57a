"""Read what the converter wrote to a build folder; files that do not belong together are refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

from common import build_folder, names
from common.build_folder import CONVERSION, MODEL, remedy
from common.ctext import c_string
from common.description import FeatureDescription
from common.errors import UserError
from common.reading import sha256
from common.shipped import detector_paths
from detector import settings
from detector.settings import Settings
from engine import network
from engine.network import Network

FLATBUFFER_ID = b"TFL3"  # bytes 4 to 7 of every .tflite file: schema version 3


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An int8 tensor: real value = (q - zero_point) * scale."""

    shape: tuple[int, ...]
    scale: float
    zero_point: int


@dataclasses.dataclass(frozen=True)
class Inputs:
    """All that firmware is generated from."""

    model: bytes  # the .tflite file
    sha256: str  # of it, hexadecimal
    tau: float
    graph: str
    labels: tuple[str, ...]  # in the order of the scores
    features: FeatureDescription
    input: Tensor  # [1, mels, frames, 1]
    output: Tensor  # [1, classes]
    ops: dict[str, int]  # name of the operator in the TFLite schema -> uses in the graph, sorted by name
    arena_bytes: int  # tflite-micro on a 64-bit host, reference kernels
    checkpoint_sha256: str
    native: Network | None  # of the native engine; None where it cannot hold this network
    detector: Settings  # its thresholds
    prefix: str = names.PREFIX  # of every name in the firmware

    @property
    def classes(self) -> int:
        return len(self.labels)


def parse(record: dict, model: bytes) -> Inputs:
    """`conversion.json` as typed fields. KeyError, TypeError, ValueError, AttributeError where it is damaged."""

    def tensor(name: str) -> Tensor:
        entry = record[name]
        return Tensor(tuple(int(n) for n in entry["shape"]), float(entry["scale"]), int(entry["zero_point"]))

    fields = {field.name: record["features"][field.name] for field in dataclasses.fields(FeatureDescription)}
    chosen = record["graphs"][record["graph"]]
    features = FeatureDescription(**fields)
    if features.id != record["features"]["id"]:
        raise ValueError("the features do not match their id")
    for label in record["labels"]:
        c_string(label)  # ValueError for what C cannot hold
    return Inputs(
        model=model,
        sha256=chosen["sha256"],
        tau=float(record["tau"]),
        graph=str(record["graph"]),
        labels=tuple(record["labels"]),
        features=features,
        input=tensor("input"),
        output=tensor("output"),
        ops={name: int(count) for name, count in sorted(chosen["ops"].items())},
        arena_bytes=int(chosen["arena_bytes"]),
        checkpoint_sha256=str(record["checkpoint"]["sha256"]),
        native=None,
        detector=settings.default(record["labels"]),
    )


def native_file(build: Path, record: dict) -> Path | None:
    """The file of the native engine's network; None where the converter found that the engine cannot hold it.

    record: conversion.json. Raises UserError where the file is missing or not the very one that it describes.
    """
    facts = record["native"]
    if not facts or "refused" in facts:
        return None
    path = build / facts["file"]
    found = sha256(path)
    if found is None:
        raise UserError(f"{path}: missing; {remedy(build)}")
    if found != facts["sha256"]:
        raise UserError(f"{path}: not the network that {CONVERSION} describes; {remedy(build)}")
    return path


def needed_native_file(build: Path, record: dict) -> Path:
    """As `native_file`, but UserError where the engine cannot hold the network."""
    path = native_file(build, record)
    if path is None:
        raise UserError(f"{build}: no native engine for this network ({record['native']['refused']})")
    return path


def load_native(build: Path, record: dict) -> Network | None:
    """The native engine's network; as `native_file`."""
    path = native_file(build, record)
    return None if path is None else network.load(path)


def detector_settings(build: Path, record: dict) -> Settings:
    """The detector's settings for a build: its own (`settings.FILE`), else those shipped for its network, else defaults.

    A file that was made for another network does not count. record: conversion.json. Raises UserError where a file is
    damaged.
    """
    return own_settings(build, record) or settings.default(record["labels"])


def own_settings(build: Path, record: dict) -> Settings | None:
    """As `detector_settings`, but None in place of defaults."""
    return chosen_settings((build / settings.FILE, *detector_paths(float(record["tau"]))), record)


def chosen_settings(paths: Iterable[Path], record: dict) -> Settings | None:
    """Those of the first file that was made for this network; None where none was."""
    for path in paths:
        if path.is_file():
            found = settings.load(path)
            if found.belong_to(record):
                return found
    return None


def settings_beside(build: Path, record: dict) -> Settings | None:
    """What `make keyword` left beside a checkpoint, keyword.detector.json of keyword.safetensors, for a build that has no
    settings of its own; None where there is nothing to take."""
    beside = Path(record["checkpoint"]["path"]).with_suffix(f".{settings.FILE}")
    return None if own_settings(build, record) else chosen_settings([beside], record)


def check_shapes(inputs: Inputs) -> None:
    """ValueError unless features, labels and the two tensors agree with each other."""
    features = inputs.features
    if inputs.input.shape != (1, features.mels, features.frames, 1):
        raise ValueError(f"input shape {list(inputs.input.shape)} is not [1, {features.mels}, {features.frames}, 1]")
    if inputs.output.shape != (1, inputs.classes):
        raise ValueError(f"output shape {list(inputs.output.shape)} for {inputs.classes} labels")
    same_scale = math.isclose(inputs.input.scale, features.int8_scale, rel_tol=1e-6)  # one of them is a float32
    if not same_scale or inputs.input.zero_point != features.int8_zero_point:
        raise ValueError("the input's scale and zero point are not those of the int8 features")
    for tensor in (inputs.input, inputs.output):
        if not tensor.scale > 0 or not -128 <= tensor.zero_point <= 127:
            raise ValueError(f"scale {tensor.scale} with zero point {tensor.zero_point} is no int8 quantisation")
    if inputs.arena_bytes <= 0 or not inputs.ops or min(inputs.ops.values()) <= 0:
        raise ValueError("arena and op counts must be positive")


def load(build: Path) -> Inputs:
    """Model and description of a build folder such as `build/tau1`.

    Raises UserError, one line, where a file is missing, truncated, damaged or belongs to another build.
    """
    record = build_folder.load(build)
    try:
        model = build_folder.converted_model(build, record)
        if model[4:8] != FLATBUFFER_ID:
            raise UserError(f"{build / MODEL}: not a TFLite model; {remedy(build)}")
        inputs = parse(record, model)
        check_shapes(inputs)
        return dataclasses.replace(inputs, native=load_native(build, record), detector=detector_settings(build, record))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{build / CONVERSION}: {reason}; {remedy(build)}") from None
