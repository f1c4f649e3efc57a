"""`python -m benchmarks.bench`: what it writes, that it repeats, and when it fails."""
from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from benchmarks import bench, bench_text, emulator, limits
from benchmarks.emulator import CORES
from emulated import need_emulator
from frontend import render

KEYS = {"frontend_hop", "frontend_hop_mean", "frontend_state_bytes", "frontend_flash_bytes", "bit_exact"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[bytes]:
    """bench.json of two runs over the examples."""
    need_emulator()
    found = []
    for name in ("first", "second"):
        build = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("GSC_ROOT", raising=False)
            assert bench.main(["--tau", "1", "--build", str(build)]) == 0
        found.append((build / bench.BENCH).read_bytes())
    return found


@pytest.fixture
def figures(runs) -> dict:
    return json.loads(runs[0])


def test_two_runs_write_the_same_bytes(runs):
    assert runs[0] == runs[1]


def test_every_core_has_its_figures_and_is_bit_exact(figures):
    assert list(figures["boards"]) == list(CORES)
    for name, row in figures["boards"].items():
        assert KEYS <= row.keys() and row["bit_exact"] is True
        assert row["board"] == CORES[name].board
        assert 0 < row["frontend_hop_mean"] <= row["frontend_hop"] < row["frontend_clip"]
    assert "Armv6-M" in figures["boards"]["cortex-m0"]["note"]
    assert figures["clip"] == "examples/yes.wav" and figures["fidelity"]["clips"] > 1


def test_dsp_and_mve_take_fewer_instructions_than_portable_code(figures):
    hop = {name: row["frontend_hop"] for name, row in figures["boards"].items()}
    assert hop["cortex-m55"] < hop["cortex-m4"] < hop["cortex-m3"] < hop["cortex-m0"]


def test_the_table_shows_every_core_and_the_fidelity(figures):
    text = bench_text.table(figures)
    for name, row in figures["boards"].items():
        line, = [line for line in text.splitlines() if line.startswith(name + " ")]
        assert f"{row['frontend_hop']:,}" in line and line.endswith("yes")
    assert f"at most {figures['fidelity']['max_lsb']}" in text and max(map(len, text.splitlines())) <= 120


def test_counts_over_a_real_clip_are_within_a_percent_of_those_over_an_example(figures, gsc_root, tmp_path):
    name, clip, _, audio = bench.choose_audio(gsc_root)
    assert name.endswith(".wav") and len(audio) > 1
    with bench.frontend_on_core.source_folder(tmp_path) as folder:
        for core in ("cortex-m0", "cortex-m55"):
            row = bench.measure_frontend(CORES[core], folder, clip)
            for key in ("frontend_hop", "frontend_hop_mean"):
                assert row[key] == pytest.approx(figures["boards"][core][key], rel=0.01)


@pytest.mark.parametrize("where, value, reason", [
    (("boards", "cortex-m4", "frontend_hop"), 45_001, "cortex-m4: frontend_hop is 45,001, above its limit of 45,000"),
    (("boards", "cortex-m7", "frontend_state_bytes"), 4097, "cortex-m7: frontend_state_bytes is 4,097"),
    (("boards", "cortex-m33", "bit_exact"), False, "cortex-m33: its features are not those of the integer model"),
    (("fidelity", "within_1_lsb"), 0.9989, "99.890 % of the features"),
    (("fidelity", "max_lsb"), 3, "3 LSB from the float log-mel"),
])
def test_a_figure_beyond_its_limit_fails_the_bench(figures, where, value, reason):
    assert limits.failures(figures) == []
    worse = entry = copy.deepcopy(figures)
    for key in where[:-1]:
        entry = entry[key]
    entry[where[-1]] = value
    line, = limits.failures(worse)
    assert reason in line


def test_firmware_of_another_pipeline_is_refused(tmp_path, failure):
    need_emulator()
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    text = render.source("frontend.h").replace(render.PIPELINE_ID, "0123456789abcdef")
    (firmware / "frontend.h").write_text(text)
    line = failure(bench.main, "--build", tmp_path)
    assert "frontend.h: not of the present pipeline" in line and "make quantize" in line


def test_a_missing_toolchain_gives_one_line_that_names_the_packages(tmp_path, monkeypatch, failure):
    monkeypatch.setenv("PATH", str(tmp_path))
    line = failure(bench.main, "--build", tmp_path)
    assert emulator.PACKAGES[emulator.COMPILER] in line


def test_missing_audio_gives_one_line(tmp_path, failure):
    need_emulator()
    assert "no such folder" in failure(bench.main, "--build", tmp_path, "--data", tmp_path / "nowhere")


def test_examples_are_clips_of_a_second_that_do_not_clip():
    paths = sorted(bench.EXAMPLES.glob("*.wav"))
    assert paths
    for path in paths:
        samples = bench.read_clip(path)
        assert path.stat().st_size == 44 + 2 * len(samples)
        assert 5000 < np.abs(samples.astype(int)).max() < 32767
