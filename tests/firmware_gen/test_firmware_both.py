"""TFLM and the native engine in one image: no macro, no name and no file of one stands in the way of the other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from firmware_builds import ROOT, SANITISERS, STUB, change_record, compile_objects, contents, generate, record_of

C_ONLY = "op_resolver.h"
"""The one header that is for C++ alone."""


def headers(firmware: Path) -> list[str]:
    return sorted(
        str(path.relative_to(firmware))
        for path in [*firmware.glob("*.h"), *firmware.glob("native/*.h")]
        if not path.name.startswith(("kws_dsp", "kws_mve", "kws_portable"))
    )  # kws_kernels.h picks one


def included(names: list[str]) -> str:
    return "".join(f'#include "{name}"\n' for name in names)


@pytest.mark.parametrize("reverse", [False, True])
def test_both_ways_link_into_one_image_and_both_run(tau1_build, tmp_path, reverse):
    firmware = tau1_build / "firmware"
    names = sorted(headers(firmware), reverse=reverse)
    assert {"model.h", "native/kws_model.h", "native/kws_selftest.h", "model_settings.h", "kws_tflm.h"} <= set(names)
    (tmp_path / "all.c").write_text(included([name for name in names if name != C_ONLY]) + "extern int nothing;\n")
    (tmp_path / "all.cc").write_text(included(names) + (STUB / "both.cc").read_text())
    flags = ["-O1", *SANITISERS, f"-I{firmware}", f"-I{firmware}/native"]
    units = compile_objects(
        ["gcc"],
        [*firmware.glob("*.c"), *firmware.glob("native/*.c"), tmp_path / "all.c"],
        tmp_path / "c",
        "-std=c99",
        *flags,
    )
    units += compile_objects(["g++"], [*firmware.glob("*.cc"), tmp_path / "all.cc"], tmp_path / "cc", "-std=c++11", *flags)
    subprocess.run(["g++", *SANITISERS, "-o", tmp_path / "both", *units], check=True)
    done = subprocess.run([tmp_path / "both"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    first, *_, last = done.stdout.splitlines()
    assert re.fullmatch(r"tflm \d+ of 255, native \d+ of 255", first) and last == "pass"


def test_every_header_has_an_include_guard_of_its_own(tau1_build):
    """Else the second of two would be skipped in silence."""
    firmware = tau1_build / "firmware"
    texts = {name: (firmware / name).read_text() for name in headers(firmware)}
    guards = {name: re.search(r"^#ifndef (\w+)\n#define \1\n", text, re.M)[1] for name, text in texts.items()}
    assert len(set(guards.values())) == len(guards), guards


@pytest.fixture
def other_graph(tau1_build, tmp_path) -> Path:
    """A copy of the build with the other of its two graphs chosen."""
    build = shutil.copytree(tau1_build, tmp_path / "tau1")
    record = record_of(build)
    (other,) = set(record["graphs"]) - {record["graph"]}
    shutil.copy(build / "graphs" / f"{other}.tflite", build / "model_int8.tflite")
    change_record(build, "graph", value=other)
    generate(build)
    return build


def test_the_other_graph_leaves_the_native_files_as_they_are(tau1_build, other_graph):
    before, after = (contents(build / "firmware") for build in (tau1_build, other_graph))
    assert before["model.cc"] != after["model.cc"]
    native = {name for name in before if name.startswith("native/")}
    assert native and all(before[name] == after[name] for name in native)


def test_native_files_name_network_and_checkpoint_and_no_graph(tau1_build):
    record = json.loads((tau1_build / "conversion.json").read_text())
    for path in (tau1_build / "firmware" / "native").iterdir():
        head = "".join(path.read_text().splitlines(keepends=True)[:5])
        assert head.startswith("// SPDX-License-Identifier: Apache-2.0\n")
        assert "BC-ResNet-1" in head and record["checkpoint"]["sha256"] in head and "graph" not in head, path.name


def test_the_documentation_shows_code_that_compiles(tau1_build, tmp_path):
    code = re.search(r"```c\n(.*?)```", (ROOT / "docs" / "integration" / "index.md").read_text(), re.S)[1]
    declared = (
        "void report(const char *word, uint32_t confidence, uint32_t ms);\n"
        "void start_listening(void);\nvoid hear(const int16_t *samples, uint32_t count);\n"
    )
    (tmp_path / "shown.c").write_text("#include <stdint.h>\n" + declared + code)
    firmware = tau1_build / "firmware"
    compile_objects(["gcc"], [tmp_path / "shown.c"], tmp_path, "-std=c99", f"-I{firmware}", f"-I{firmware}/native")


def preprocess(text: str, *folders: Path) -> str:
    """The complaints of the preprocessor."""
    command = ["gcc", "-std=c99", "-E", "-o", "/dev/null", *(f"-I{folder}" for folder in folders), "-x", "c", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True).stderr


@pytest.mark.parametrize("name", ["KWS_ENGINE_ID", "KWS_FEATURE_ID", "KWS_PIPELINE_ID"])
@pytest.mark.parametrize("header", ["kws_engine.h", "kws_kernels.h", "kws_selftest.h"])
def test_native_headers_of_two_builds_do_not_mix(tau1_build, tmp_path, header, name):
    firmware = tau1_build / "firmware"
    model = (firmware / "native" / "kws_model.h").read_text()
    value = re.search(rf"^#define {name} (0x\w+)", model, re.M)[1]
    (tmp_path / "kws_model.h").write_text(model.replace(value, "0x0123456789abcdefULL"))
    for path in (firmware / "native").glob("*.h"):
        if path.name != "kws_model.h":
            shutil.copy(path, tmp_path)
    text = f'#include "frontend.h"\n#include "kws_model.h"\n#include "{header}"\n'
    assert "different" in preprocess(text, tmp_path, firmware)
    assert preprocess(text, firmware / "native", firmware) == ""
