"""Headers of one build and a library of another do not link, and the linker says why; what links runs its own network."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest
from firmware_builds import TFLM, compile_objects, compiler

from detector import settings
from engine import render
from engine.random_network import random_network
from firmware_gen import inputs
from firmware_gen.__main__ import generate

MAIN = """
#include <stdio.h>
#include "frontend.h"
#include "kws_detector.h"
#include "kws_level.h"
#include "kws_selftest.h"
static kws_selftest_memory memory;
static kws_level level;
static void put(char character) { putchar(character); }
int main(void) {
  int16_t scores[KWS_CLASSES];
  kws_level_reset(&level);
  kws_reset(&memory.engine);
  kws_scores_stream(&memory.engine, scores);
  return kws_selftest(&memory, put);
}
"""
WORDS = tuple(f"word {index}" for index in range(35))
FLAGS = {"plain": (), "LTO": ("-flto", "-O2"), "sections": ("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")}


@pytest.fixture(scope="module")
def firmwares(tau1_build, tmp_path_factory) -> dict[str, Path]:
    """Builds of 12 and of 35 classes, and of 12 of another network. Read only."""
    source, out = inputs.load(tau1_build), tmp_path_factory.mktemp("builds")
    many = dataclasses.replace(
        source, native=random_network(1, labels=WORDS), labels=WORDS, detector=settings.default(WORDS)
    )
    many = dataclasses.replace(many, output=dataclasses.replace(source.output, shape=(1, len(WORDS))), sha256="cd" * 32)
    for name, made in (("ours", source), ("many", many), ("other", dataclasses.replace(source, native=random_network(1)))):
        for path, text in generate(made).items():
            (out / name / path).parent.mkdir(parents=True, exist_ok=True)
            (out / name / path).write_text(text)
    return {path.name: path for path in out.iterdir()}


@pytest.fixture(scope="module")
def archives(firmwares, tmp_path_factory) -> dict[str, Path]:
    """The C of each build as a static library. Read only."""
    out = tmp_path_factory.mktemp("archives")
    return {name: archive(firmware, out / name) for name, firmware in firmwares.items()}


def archive(firmware: Path, out: Path, *flags: str) -> Path:
    sources = [*firmware.glob("*.c"), *firmware.glob("native/*.c")]
    units = compile_objects(["gcc"], sources, out, "-std=c99", "-O1", f"-I{firmware}", f"-I{firmware}/native", *flags)
    subprocess.run(["gcc-ar", "rc", out / "libkws.a", *units], check=True)
    return out / "libkws.a"


def linked(out: Path, firmware: Path, libraries: list[Path], *flags: str, text: str = MAIN) -> subprocess.CompletedProcess:
    """A program that uses the headers of a build linked with libraries."""
    (out / "main.c").write_text(text)
    command = ["gcc", "-std=c99", "-O1", *flags, f"-I{firmware}", f"-I{firmware}/native", "main.c", *libraries]
    return subprocess.run([*command, "-o", "program"], cwd=out, capture_output=True, text=True)


def test_headers_and_library_of_one_build_link_and_run(firmwares, archives, tmp_path):
    assert linked(tmp_path, firmwares["ours"], [archives["ours"]], "-Werror").returncode == 0
    assert subprocess.run([tmp_path / "program"], capture_output=True, text=True).stdout.endswith("pass\n")


@pytest.mark.parametrize("how", FLAGS)
def test_another_number_of_columns_does_not_link(firmwares, tmp_path, how):
    library = archive(firmwares["ours"], tmp_path / "library", *FLAGS[how])
    done = linked(tmp_path, firmwares["ours"], [library], "-DKWS_STREAM_COLUMNS=10", *FLAGS[how])
    assert done.returncode != 0
    assert re.search(r"undefined reference to .kws_reset_of_build_12_classes_10_columns_\w{16}'", done.stderr)
    assert not re.search("of_build_12_classes_30", done.stderr)


@pytest.mark.parametrize("headers, library", [("ours", "many"), ("many", "ours"), ("ours", "other")])
def test_another_network_does_not_link(firmwares, archives, tmp_path, headers, library):
    done = linked(tmp_path, firmwares[headers], [archives[library]])
    classes = 35 if headers == "many" else 12
    assert done.returncode != 0
    assert re.search(rf"undefined reference to .kws_scores_stream_of_build_{classes}_classes_30_columns_", done.stderr)


def test_thresholds_of_another_number_of_classes_do_not_link(firmwares, archives, tmp_path):
    text = """
#include "kws_detector.h"
static kws_detector detector;
int main(void) { return (int)kws_detector_reset(&detector, KWS_SENSITIVITY_LOW, 0); }
"""
    done = linked(tmp_path, firmwares["ours"], [archives["many"]], text=text)
    assert re.search(r"undefined reference to .kws_detector_reset_of_build_12_classes_\w{16}'", done.stderr)


@pytest.mark.parametrize("alone", ["native/kws_model.c", "native/kws_engine.c", "native/kws_dsp.c"])
def test_sources_compiled_for_two_forms_do_not_link(firmwares, tmp_path, alone):
    """Constants of one form under the functions of another would be read in the wrong order."""
    firmware = firmwares["ours"]
    command = [compiler("cortex-m4")[0].replace("g++", "gcc"), *compiler("cortex-m4")[1:]]
    (tmp_path / "main.c").write_text(MAIN)
    sources = [tmp_path / "main.c", *firmware.glob("*.c"), *firmware.glob("native/*.c")]
    flags = ["-std=c99", "-O1", f"-I{firmware}", f"-I{firmware}/native"]
    units = compile_objects(command, sources, tmp_path / "dsp", *flags)
    (odd,) = compile_objects(command, [firmware / alone], tmp_path / "odd", *flags, "-DKWS_ENGINE_PORTABLE")
    mixed = [odd if unit.name == odd.name else unit for unit in units]
    link = [*command, "--specs=nosys.specs", "-o", tmp_path / "program"]
    assert subprocess.run([*link, *units], capture_output=True).returncode == 0
    done = subprocess.run([*link, *mixed], capture_output=True, text=True)
    assert done.returncode != 0 and re.search(r"undefined reference to .kws_\w+_(dsp|portable)_of_build_12_", done.stderr)


@pytest.mark.parametrize("order", [("ours", "other"), ("other", "ours")])
def test_of_two_libraries_the_headers_network_runs(firmwares, archives, tmp_path, order, tau1_build):
    done = linked(tmp_path, firmwares["ours"], [archives[name] for name in order])
    assert done.returncode == 0, done.stderr
    ran = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    assert f"engine {render.engine_id(inputs.load(tau1_build).native)}\n" in ran.stdout and ran.stdout.endswith("pass\n")


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "cortex-m55"])
def test_the_names_cost_nothing(firmwares, tmp_path, core):
    command = [compiler(core)[0].replace("g++", "gcc"), *compiler(core)[1:]]
    firmware = firmwares["ours"]
    sources = sorted([*firmware.glob("*.c"), *firmware.glob("native/*.c")])
    text = {}
    for form in ("", "-DKWS_PLAIN_NAMES"):
        flags = ("-std=c99", "-O2", f"-I{firmware}", f"-I{firmware}/native", *filter(None, [form]))
        for unit in compile_objects(command, sources, tmp_path / f"units{form}", *flags):
            bare = unit.with_suffix(".bin")
            subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", unit, bare], check=True)
            text.setdefault(unit.name, set()).add(bare.read_bytes())
    assert all(len(forms) == 1 for forms in text.values())


def test_the_tflm_way_of_another_model_does_not_link(firmwares, tmp_path):
    text = '#include "kws_tflm.h"\nint main() { return (int)kws_tflm_arena_used_bytes(); }\n'
    (tmp_path / "main.cc").write_text(text)
    ours, other = firmwares["ours"], firmwares["many"]
    unit = compile_objects(["g++"], [ours / "kws_tflm.cc"], tmp_path / "library", "-std=c++11", f"-I{ours}")
    command = ["g++", *TFLM, f"-I{other}", tmp_path / "main.cc", *unit, "-o", tmp_path / "program"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert re.search(r"undefined reference to .kws_tflm_arena_used_bytes_of_build_35_classes_cd", done.stderr)
