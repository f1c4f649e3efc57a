"""The model on an Ethos-U: what is taken of Vela's tables, what is refused, and, where Vela is installed, what it makes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.cost import npu
from benchmarks.report import contents, npu_section, text
from common.shipped import ROOT
from firmware_gen import __main__ as firmware_gen

HEAD = (
    "Original Operator,NNG Operator,Target,Staging Usage,Peak% (Staging),Op Cycles,Network% (cycles),NPU,SRAM AC,DRAM AC,"
    "OnFlash AC,OffFlash AC,MAC Count,Network% (MAC),Util% (MAC),Name\n"
)
LAYERS = HEAD + (
    "Conv2D,Conv2D,NPU,37152,55.8,58916,8.6,58916,14038,0,0,7024,808000,27.8,10.7,<unnamed>\n"
    "Conv2D,Relu,NPU,0,0.0,0,0.0,0,0,0,0,0,0,0.0,100,<unnamed>\n"
    "Mul,Mul,NPU,35552,53.4,1212,0.17,1212,606,0,3,0,0,0.0,0.0,<unnamed>\n"
    "Conv2D,Conv2D,NPU,48,0.07,592,0.08,165,7,0,0,592,384,0.01,0.5,<unnamed>\n"
)
SUMMARY = {
    "system_config": "System",
    "memory_mode": "Shared_Sram",
    "core_clock": "500000000.0",
    "sram_memory_used": "64.953125",
    "dram_memory_used": "39.03125",
    "on_chip_flash_memory_used": "0.0",
    "off_chip_flash_memory_used": "35.078125",
    "cycles_total": "60720",
}
FAKE = """#!/bin/sh
[ "$1" = --version ] && echo 9.9 && exit
for word; do case $word in --output-dir=*) out=${word#*=};; esac; done
cp HERE/layers.csv "$out/model_int8_per-layer.csv"
cp HERE/summary.csv "$out/model_int8_summary_System.csv"
printf vela > "$out/model_int8_vela.tflite"
"""


@pytest.fixture
def build(tau1_build, tmp_path) -> Path:
    left_out = shutil.ignore_patterns("export", "npu*", "bench.json", "verify*.json")
    return shutil.copytree(tau1_build, tmp_path / "tau1", ignore=left_out)


@pytest.fixture
def vela(tmp_path) -> Path:
    """A Vela that writes prepared tables."""
    program = tmp_path / "vela"
    program.write_text(FAKE.replace("HERE", str(tmp_path)))
    program.chmod(0o755)
    (tmp_path / "layers.csv").write_text(LAYERS)
    (tmp_path / "summary.csv").write_text(",".join(SUMMARY) + "\n" + ",".join(SUMMARY.values()) + "\n")
    return program


def test_layers_are_added_up_by_operator_with_the_most_cycles_first():
    sums = npu.by_operator(npu.read_layers(LAYERS))
    assert list(sums) == ["Conv2D", "Mul", "Relu"]
    assert sums["Conv2D"] == {"layers": 2, "cycles": 59508, "flash_cycles": 7616, "macs": 808384, "sram_bytes": 37152}
    assert sums["Mul"]["flash_cycles"] == 3


def test_a_build_gets_the_array_the_tables_and_a_section_of_the_report(build, vela, capsys):
    assert npu.main(["--build", str(build), "--vela", str(vela), "--npu", "ethos-u65-256"]) == 0
    out = capsys.readouterr().out
    assert "60,720 a window" in out and "estimates" in out
    assert "to flash    4 bytes, the array of model_vela.cc" in out
    assert "SRAM 66,512 bytes, DRAM 39,968, flash 35,920" in out
    folder = build / "npu" / "ethos-u65-256"
    array = re.search(r"data\[\w+_BYTES\] = \{\n(.*?)\};", (folder / "model_vela.cc").read_text(), re.S)[1]
    assert "_DATA_BYTES 4u" in (folder / "model_vela.h").read_text()
    assert bytes(int(value, 16) for value in re.findall(r"0x\w+", array)) == b"vela"
    assert (folder / "layers.csv").read_text() == LAYERS and (folder / "model_vela.tflite").read_bytes() == b"vela"
    subprocess.run(
        ["g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", folder / "model_vela.cc"], check=True
    )
    assert npu.main(["--build", str(build), "--vela", str(vela), "--npu", "ethos-u55-128"]) == 0
    report = contents.merge(build)
    assert [row["npu"] for row in report["npu"]] == ["ethos-u55-128", "ethos-u65-256"]
    page = text.markdown(report)
    assert "| ethos-u65-256 | 60,720 | 4 | 66,512 | 39,968 | 35,920 | System, Shared_Sram |" in page
    assert "| Conv2D | 2 | 59,508 | 7,616 | 37,152 | 808,384 |" in page and "nothing was executed" in page


def test_the_arrays_of_two_networks_and_their_headers_stand_in_one_program(build, vela, tmp_path):
    """Each by the prefix of its firmware."""
    made = tmp_path / "made"
    for prefix in ("door", "kws"):
        firmware_gen.main(["--build", str(build), "--prefix", prefix])
        assert npu.main(["--build", str(build), "--vela", str(vela)]) == 0
        shutil.copytree(build / "npu" / "ethos-u55-128", made, dirs_exist_ok=True)
    assert "model_data.h" in (made / "door_model_vela.cc").read_text()
    (made / "main.c").write_text(
        '#include "door_model_vela.h"\n#include "model_vela.h"\n'
        "int main(void) {\n"
        "  return DOOR_MODEL_VELA_DATA_BYTES != g_kws_model_vela_data_size || g_door_model_vela_data[0] != 'v';\n}\n"
    )
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
    subprocess.run(["gcc", "-std=c99", *warnings, "-c", made / "main.c", "-o", made / "main.o"], check=True)
    arrays = sorted(made.glob("*.cc"))
    subprocess.run(["g++", "-std=c++11", *warnings, *arrays, made / "main.o", "-o", made / "main"], check=True)
    subprocess.run([made / "main"], check=True)


def test_an_operator_that_falls_back_is_refused_by_name_and_nothing_is_written(build, vela, failure):
    (vela.parent / "layers.csv").write_text(LAYERS.replace("Mul,Mul,NPU", "Mul,Passthrough,CPU"))
    line = failure(npu.main, "--build", build, "--vela", vela)
    assert "model_int8.tflite: 1 Mul would run on the CPU, not on ethos-u55-128; choose the other graph" in line
    assert not (build / "npu").exists() and not (build / "npu.json").exists()


def test_what_is_wrong_is_one_line(build, vela, tmp_path, failure):
    assert "NPU=ethos-n78: does not exist; choose one of ethos-u55-32, " in failure(
        npu.main, "--build", build, "--vela", vela, "--npu", "ethos-n78"
    )
    assert "nowhere: not there; `make npu` installs" in failure(npu.main, "--build", build, "--vela", tmp_path / "nowhere")
    (tmp_path / "layers.csv").write_text("a,b\n1,2\n")
    assert "Vela's table of layers is of another form ('NNG Operator')" in failure(
        npu.main, "--build", build, "--vela", vela
    )
    (tmp_path / "layers.csv").write_text(LAYERS)
    (tmp_path / "summary.csv").write_text("a\n1\n")
    assert "Vela's summary is of another form" in failure(npu.main, "--build", build, "--vela", vela)
    vela.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 9 && exit\necho "Error: no such op" >&2\nexit 1\n')
    assert "Vela cannot compile it (Error: no such op)" in failure(npu.main, "--build", build, "--vela", vela)
    assert not (build / "npu").exists()


def test_another_model_s_estimates_are_left_out_and_a_damaged_file_is_one_line(build, vela, failure):
    assert npu.main(["--build", str(build), "--vela", str(vela)]) == 0
    path = build / "npu.json"
    found = json.loads(path.read_text())
    found["rows"][0]["model"] = "another"
    path.write_text(json.dumps(found))
    assert contents.merge(build)["npu"] == []
    path.write_text('{"rows": [1]}')
    with pytest.raises(Exception, match="npu.json: not of this project .* `make npu TAU=1`"):
        contents.merge(build)


@pytest.mark.parametrize(
    "cycles, said", [(1_000_000, "the NPU is 2.2 times as fast"), (10_000_000, "native engine is 4.4 times as fast")]
)
def test_the_advice_weighs_windows_and_a_stream(cycles, said):
    board = {"network_window": 1_500_000, "network_hop": 15_000, "engine_flash_bytes": 30_000}
    board |= {"engine_state_bytes": 11_000, "stream_state_bytes": 800}
    costs = npu_section.beside({"native": {"costs": {"boards": {npu_section.CORE: board}}}})
    advice = npu_section.advice({"cycles": cycles, "sram_bytes": 60_000}, costs)
    assert said in advice and f"more often than {2_250_000 / cycles:.1f} times a second" in advice and "11,800" in advice


def test_beside_a_longer_window_stand_no_figures_of_one_second():
    second = {"native": {}, "tau": 1, "features": {"clip_samples": 16_000}}
    assert npu_section.beside(second)["network_window"] > 0
    assert npu_section.beside(second | {"features": {"clip_samples": 20_800}}) is None


def test_vela_compiles_the_shipped_model_whole(build):
    program = ROOT / npu.VELA
    if not program.is_file():
        pytest.skip("Vela is not installed: make .venv-vela/vela")
    assert npu.main(["--build", str(build), "--vela", str(program)]) == 0
    (row,) = contents.merge(build)["npu"]
    assert row["vela"] in (ROOT / "requirements" / "vela.txt").read_text()
    assert sum(layer["cycles"] for layer in row["layers"]) == row["cycles"] > 100_000
    assert (build / "npu" / "ethos-u55-128" / "model_vela.tflite").read_bytes()[4:8] == b"TFL3"
