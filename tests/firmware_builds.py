"""What the tests of the firmware share: made-up build folders, compilers, the generated sources
over a stand-in for TFLM, and a look into object files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

import firmware_gen.__main__ as generator
from common.build_folder import FORM, GRAPH
from common.description import FeatureDescription
from common.schema import Each, Either

ROOT = Path(__file__).parents[1]
STUB = ROOT / "tests" / "tflm_stub"
TFLM = [f"-I{STUB}", "-DTF_LITE_STATIC_MEMORY"]
"""As TFLM's users compile."""
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITISERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
TARGETS = {
    "host": ["g++"],
    "cortex-m0": ["arm-none-eabi-g++", "-mcpu=cortex-m0", "-mthumb"],
    "cortex-m4": ["arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb"],
    "cortex-m55": ["arm-none-eabi-g++", "-mcpu=cortex-m55", "-mthumb"],
}
AWKWARD = (
    "_silence_",
    'say "yes?"',
    "back\\slash",
    "trigraph ??/",
    "größe",
    "*/ //",
    "100 %d",
    "two\nlines\t7",
    "\x01\x7f8",
    "smile \U0001f600",
)
SMALL = FeatureDescription(clip_samples=1600, int8_scale=0.1, int8_zero_point=-3)


def filled(form: object) -> object:
    """The least JSON value that has a form (`common.schema`)."""
    if isinstance(form, dict):
        return {key: filled(entry) for key, entry in form.items() if not key.endswith("?")}
    if isinstance(form, Either):
        return filled(form.first)
    return {Each: {}, list: [], int: 0, float: 0.0, str: "", bool: False}[form if isinstance(form, type) else type(form)]


def write_build(
    path: Path, features: FeatureDescription, labels: tuple[str, ...], ops: dict[str, int], seed: int = 1, size: int = 1009
) -> Path:
    """A build folder with made-up model bytes and the conversion.json that describes them."""
    path.mkdir(parents=True)
    model = struct.pack("<I", 28) + b"TFL3" + random.Random(seed).randbytes(size - 8)
    record = {
        **filled(FORM),  # what firmware does not depend on
        "tau": 1,
        "labels": labels,
        "graph": "small",
        "features": {**dataclasses.asdict(features), "id": features.id},
        "checkpoint": {"path": "checkpoints/tau1.safetensors", "sha256": "ab" * 32, "training": {}},
        "input": {
            "shape": [1, features.mels, features.frames, 1],
            "scale": float(np.float32(features.int8_scale)),
            "zero_point": features.int8_zero_point,
        },
        "output": {"shape": [1, len(labels)], "scale": float(np.float32(0.12345)), "zero_point": -5},
        "graphs": {
            "small": {
                **filled(GRAPH),
                "sha256": hashlib.sha256(model).hexdigest(),
                "tflite_bytes": len(model),
                "arena_bytes": 90_001,
                "ops": ops,
            }
        },
    }
    (path / "model_int8.tflite").write_bytes(model)
    (path / "model.onnx").touch()
    (path / "conversion.json").write_text(json.dumps(record))
    return path


def write_small_build(path: Path, **changes) -> Path:
    return write_build(
        path, **{"features": SMALL, "labels": AWKWARD, "ops": {"CONV_2D": 12, "ADD": 3, "MEAN": 1}, **changes}
    )


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
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


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
    subprocess.run([*command, *WARNINGS, *TFLM, *flags, "-c", *map(str, sources)], cwd=out, check=True)
    return [out / f"{source.stem}.o" for source in sources]


def link(program: Path, firmware: Path, *sources: Path, more: tuple[str, ...] = ()) -> Path:
    """A program for this machine: the generated sources and the given ones, C99 and C++11, under the sanitisers.

    more: further flags of the compiler.
    """
    flags = [*SANITISERS, f"-I{firmware}", *more]
    units = compile_objects(["gcc"], sorted(firmware.glob("*.c")), program.parent / "c", "-std=c99", "-O1", *flags)
    units += compile_objects(
        ["g++"], [*sorted(firmware.glob("*.cc")), *sources], program.parent / "cc", "-std=c++11", *flags
    )
    subprocess.run(["g++", *SANITISERS, "-o", program, *units], check=True)
    return program


def flip_bit(source: Path, array: str, bit: int) -> None:
    """Flip a bit of the first constant of an array in a generated source; of several forms of it, in the portable one,
    which is the last."""
    text = source.read_text()
    *_, found = re.finditer(rf"\b{array}\[.*\] = {{.*\n *(-?\d+)", text)
    source.write_text(text[: found.start(1)] + str(int(found[1]) ^ 1 << bit) + text[found.end(1) :])


@dataclasses.dataclass
class Driver:
    """tests/tflm_stub/driver.cc with the generated sources, under the address and undefined-behaviour sanitisers."""

    program: Path
    build: Path

    def __post_init__(self) -> None:
        record = record_of(self.build)
        self.input, self.output = record["input"], record["output"]
        _, self.mels, self.frames, _ = self.input["shape"]
        self.arena = 16 * -(-record["graphs"][record["graph"]]["arena_bytes"] // 16)
        header = (self.build / "firmware" / "kws_tflm.h").read_text()
        names = re.findall(r"^  (KWS_TFLM_\w+)(?: = 0)?,? ", header, re.M)
        self.status = {number: name.removeprefix("KWS_TFLM_") for number, name in enumerate(names)}

    def tensor(self, entry: dict, **changes) -> str:
        entry = {"type": 9, **entry, **changes}
        return ",".join(
            map(str, [entry["type"], len(entry["shape"]), *entry["shape"], f"{entry['scale']:.9g}", entry["zero_point"]])
        )

    def __call__(self, *steps: str) -> list[tuple[str, str]]:
        """(what, result) of each printed line; numbers of kws_tflm_status by their names."""
        first = [f"input={self.tensor(self.input)}", f"output={self.tensor(self.output)}", f"needed={self.arena}"]
        ran = subprocess.run([self.program, *first, *steps], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        lines = (line.partition(" ")[::2] for line in ran.stdout.splitlines())
        calls = "init", "column", "run", "infer", "audio", "ring", "push"
        return [(what, self.status[int(result)] if what in calls else result) for what, result in lines]


def build_driver(build: Path, out: Path, *more: str) -> Driver:
    return Driver(link(out / "driver", build / "firmware", STUB / "driver.cc", more=more), build)


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
        (table,) = struct.unpack_from("<Q" if wide else "<I", data, 0x28 if wide else 0x20)
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
        return self.data[start : self.data.index(b"\0", start)].decode()

    def symbol(self, name: str) -> Symbol:
        return next(symbol for symbol in self.symbols if symbol.name == name)

    def bytes_of(self, symbol: Symbol) -> bytes:
        start = self.sections[symbol.section][4] + symbol.value
        return self.data[start : start + symbol.size]
