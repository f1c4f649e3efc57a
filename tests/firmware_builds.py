"""What the tests of the firmware share: made-up build folders, compilers, and a look into object files."""
from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

import firmware_gen.__main__ as generator
from convert.result import KEYS
from training.description import FeatureDescription

ROOT = Path(__file__).parents[1]
STUB = ROOT / "tests" / "tflm_stub"
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
TARGETS = {
    "host": ["g++"],
    "cortex-m0": ["arm-none-eabi-g++", "-mcpu=cortex-m0", "-mthumb"],
    "cortex-m4": ["arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb"],
    "cortex-m55": ["arm-none-eabi-g++", "-mcpu=cortex-m55", "-mthumb"],
}
AWKWARD = ("_silence_", 'say "yes?"', "back\\slash", "trigraph ??/", "größe", "*/ //", "100 %d", "two\nlines\t7")
SMALL = FeatureDescription(clip_samples=1600, mels=7, int8_scale=0.1, int8_zero_point=-3)


def write_build(path: Path, features: FeatureDescription, labels: tuple[str, ...], ops: dict[str, int],
                seed: int = 1, size: int = 1009) -> Path:
    """A build folder with made-up model bytes and the conversion.json that describes them."""
    path.mkdir(parents=True)
    model = struct.pack("<I", 28) + b"TFL3" + random.Random(seed).randbytes(size - 8)
    record = {
        **dict.fromkeys(KEYS),  # what firmware does not depend on
        "tau": 1, "labels": labels, "graph": "small",
        "features": {**dataclasses.asdict(features), "id": features.id},
        "checkpoint": {"path": "checkpoints/tau1.safetensors", "sha256": "ab" * 32},
        "input": {"shape": [1, features.mels, features.frames, 1], "scale": float(np.float32(features.int8_scale)),
                  "zero_point": features.int8_zero_point},
        "output": {"shape": [1, len(labels)], "scale": float(np.float32(0.12345)), "zero_point": -5},
        "graphs": {"small": {"sha256": hashlib.sha256(model).hexdigest(), "tflite_bytes": len(model),
                             "arena_bytes": 9001, "ops": ops}},
    }
    (path / "model_int8.tflite").write_bytes(model)
    (path / "model.onnx").touch()
    (path / "conversion.json").write_text(json.dumps(record))
    return path


def write_small_build(path: Path, **changes) -> Path:
    return write_build(path, **{"features": SMALL, "labels": AWKWARD,
                                "ops": {"CONV_2D": 12, "ADD": 3, "MEAN": 1}, **changes})


def change_record(build: Path, *keys: str, value: object) -> None:
    """Set one entry of conversion.json, or delete it where the value is `...`."""
    record = json.loads((build / "conversion.json").read_text())
    entry = record
    for key in keys[:-1]:
        entry = entry[key]
    if value is ...:
        del entry[keys[-1]]
    else:
        entry[keys[-1]] = value
    (build / "conversion.json").write_text(json.dumps(record))


def generate(build: Path) -> Path:
    assert generator.main(["--build", str(build)]) == 0
    return build / "firmware"


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def record_of(build: Path) -> dict:
    return json.loads((build / "conversion.json").read_text())


def compiler(target: str) -> list[str]:
    command = TARGETS[target]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return command


def compile_objects(command: list[str], sources: list[Path], out: Path, *flags: str) -> list[Path]:
    """Compile each source to an object file in `out`; a warning fails the test."""
    out.mkdir(parents=True, exist_ok=True)
    subprocess.run([*command, *WARNINGS, *flags, f"-I{STUB}", "-c", *map(str, sources)], cwd=out, check=True)
    return [out / f"{source.stem}.o" for source in sources]


@dataclasses.dataclass
class Symbol:
    name: str
    value: int
    size: int
    is_global: bool
    section: int  # 0: undefined here


class ObjectFile:
    """As much of a relocatable little-endian ELF file as the tests ask about: sections and symbols."""

    def __init__(self, path: Path) -> None:
        self.data = data = path.read_bytes()
        assert data[:4] == b"\x7fELF" and data[5] == 1
        wide = data[4] == 2
        table, = struct.unpack_from("<Q" if wide else "<I", data, 0x28 if wide else 0x20)
        entry, count, names = struct.unpack_from("<HHH", data, 0x3A if wide else 0x2E)
        layout = "<IIQQQQIIQQ" if wide else "<IIIIIIIIII"  # name type flags address offset size link info align entsize
        self.sections = [struct.unpack_from(layout, data, table + entry * index) for index in range(count)]
        self.section_names = [self.text(names, section[0]) for section in self.sections]
        symbols = next(section for section in self.sections if section[1] == 2)
        self.symbols = []
        for at in range(symbols[4], symbols[4] + symbols[5], symbols[9]):
            if wide:
                name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", data, at)
            else:
                name, value, size, info, _, section = struct.unpack_from("<IIIBBH", data, at)
            self.symbols.append(Symbol(self.text(symbols[6], name), value, size, info >> 4 != 0, section))

    def text(self, section: int, offset: int) -> str:
        start = self.sections[section][4] + offset
        return self.data[start:self.data.index(b"\0", start)].decode()

    def symbol(self, name: str) -> Symbol:
        return next(symbol for symbol in self.symbols if symbol.name == name)

    def bytes_of(self, symbol: Symbol) -> bytes:
        start = self.sections[symbol.section][4] + symbol.value
        return self.data[start:start + symbol.size]
