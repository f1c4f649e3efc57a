"""`python -m benchmarks.bench`: what it writes, that it repeats, and when it fails."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from emulated import need_emulator
from exported import copy_of
from firmware_builds import contents

from benchmarks.cost import bench, bench_text, default_names, emulator, engine_on_core, limits
from benchmarks.cost.emulator import CORES
from common.build_folder import NATIVE
from common.description import FEATURES, windowed
from engine import network, render as engine_render
from engine.random_network import random_network
from firmware_gen import __main__ as firmware_gen
from frontend import render

KEYS = {
    "frontend_hop",
    "frontend_hop_mean",
    "frontend_state_bytes",
    "frontend_flash_bytes",
    "network_window",
    "network_hop",
    "engine_state_bytes",
    "stream_state_bytes",
    "engine_flash_bytes",
    "engine_code_bytes",
    "stack_bytes",
    "detector_hop",
    "detector_hop_mean",
    "detector_state_bytes",
    "detector_stack_bytes",
    "detector_flash_bytes",
    "bit_exact",
    "layers",
}


AGAIN = "cortex-m55"


@pytest.fixture(scope="module")
def runs(tau1_build, tmp_path_factory) -> list[bytes]:
    """bench.json of two runs of the shipped model over the examples: on every core, and on AGAIN alone."""
    need_emulator()
    found = []
    for name, cores in (("first", CORES), ("second", {AGAIN: CORES[AGAIN]})):
        build = tmp_path_factory.mktemp(name)
        shutil.copytree(tau1_build / "firmware", build / "firmware")
        shutil.copy(tau1_build / NATIVE, build)
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("GSC_ROOT", raising=False)
            patch.setattr(bench, "CORES", cores)
            bench.main(["--tau", "1", "--build", str(build)])
        found.append((build / bench.BENCH).read_bytes())
    return found


@pytest.fixture
def one_core(monkeypatch):
    """The bench measures a single core over the examples."""
    need_emulator()
    monkeypatch.delenv("GSC_ROOT", raising=False)
    monkeypatch.setattr(bench, "CORES", {"cortex-m3": CORES["cortex-m3"]})


@pytest.fixture
def random_build(tmp_path) -> Path:
    """A build folder of a random network of tau = 3 that holds what the bench needs, and no more."""
    return write_random_build(tmp_path, 3)


def write_random_build(path: Path, tau: float) -> Path:
    """Of a random network, what the bench needs of a build."""
    made = random_network(tau)
    network.save(path / NATIVE, made)
    for name, text in engine_render.sources(made).items():
        source = path / "firmware" / "native" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
    return path


@pytest.fixture
def figures(runs) -> dict:
    return json.loads(runs[0])


def test_two_runs_write_the_same_bytes(runs):
    first, again = map(json.loads, runs)
    first["boards"] = {AGAIN: first["boards"][AGAIN]}
    assert json.dumps(first) == json.dumps(again)


def test_every_core_has_its_figures_and_is_bit_exact(figures):
    assert list(figures["boards"]) == list(CORES) and len(figures["engine"]) == 16
    for name, row in figures["boards"].items():
        assert row.keys() >= KEYS and row["bit_exact"] is True
        assert row["board"] == CORES[name].board
        assert 0 < row["frontend_hop_mean"] <= row["frontend_hop"] < row["frontend_clip"]
        assert 0 < row["detector_hop_mean"] <= row["detector_hop"] < row["network_hop"] / 20
        assert row["detector_ram_bytes"] == 0 and row["static_ram"]["kws_detector"] == row["detector_state_bytes"]
    assert "Armv6-M" in figures["boards"]["cortex-m0"]["note"]
    assert figures["clip"] == "examples/yes.wav" and figures["fidelity"]["clips"] > 1


@pytest.mark.parametrize("key", ["frontend_hop", "network_hop", "network_window"])
def test_dsp_and_mve_take_fewer_instructions_than_portable_code(key, figures):
    count = {name: row[key] for name, row in figures["boards"].items()}
    assert count["cortex-m55"] < count["cortex-m4"] < count["cortex-m3"] < count["cortex-m0"]


def test_the_shipped_model_is_within_every_limit(figures):
    assert limits.failures(figures) == []


def test_layers_add_up_to_the_window(figures):
    for row in figures["boards"].values():
        layers = dict(row["layers"])
        blocks = layers.pop("blocks")
        assert sum(layers.values()) + sum(sum(block.values()) for block in blocks) == row["network_window"]
        assert all((block["transition"] > 0) == (index in (0, 2, 4, 8)) for index, block in enumerate(blocks))
        assert 0 < layers["rest"] < row["network_window"] / 4


def test_a_window_takes_as_long_as_its_columns_one_by_one(figures):
    for row in figures["boards"].values():
        assert row["network_window"] == pytest.approx(101 * row["network_hop"], rel=0.05)


def test_the_table_shows_every_core_and_the_fidelity(figures):
    text = bench_text.table(figures)
    for name, row in figures["boards"].items():
        line, _, last = [line for line in text.splitlines() if line.startswith(name + " ")]
        assert f"{row['frontend_hop']:,}" in line and line.endswith("yes")
        assert f"  {row['detector_hop']:,}  " in last and last.endswith(f" {row['detector_flash_bytes']:,}")
    assert f"at most {figures['fidelity']['max_lsb']}" in text and max(map(len, text.splitlines())) <= 120


def test_the_table_shows_goals_beside_what_they_are_for(figures):
    rows = {
        name: [line for line in bench_text.table(figures).splitlines() if line.startswith(name + " ")][1]
        for name in figures["boards"]
    }
    for name, goals in (
        ("cortex-m4", ("(goal 5.0 M)", "(goal 60 k)", "(goal 12 KB)", "(goal 32 KB)")),
        ("cortex-m55", ("(goal 1.6 M)", "(goal 12 KB)")),
        ("cortex-m0", ("(goal 12 KB)",)),
    ):
        assert rows[name].count("goal") == len(goals) and all(goal in rows[name] for goal in goals)
        assert f"{figures['boards'][name]['network_window']:,}" in rows[name]


def test_counts_over_a_real_clip_are_within_a_percent_of_those_over_an_example(figures, gsc_root, tau1_build, tmp_path):
    name, clip, _, audio = bench.choose_audio(gsc_root)
    assert name.endswith(".wav") and len(audio) > 1
    with bench.frontend_on_core.source_folder(tmp_path) as folder:
        for core in ("cortex-m0", "cortex-m55"):
            row = bench.measure_frontend(CORES[core], folder, clip)
            for key in ("frontend_hop", "frontend_hop_mean"):
                assert row[key] == pytest.approx(figures["boards"][core][key], rel=0.01)
        firmware = engine_on_core.find(tau1_build, 1)
        row = bench.measure_engine(CORES["cortex-m4"], firmware, *bench.engine_inputs(clip, audio))
        for key in ("network_window", "network_hop"):
            assert row[key] == pytest.approx(figures["boards"]["cortex-m4"][key], rel=0.01)


@pytest.mark.parametrize(
    "where, value, reason",
    [
        (("boards", "cortex-m4", "frontend_hop"), 45_001, "cortex-m4: frontend_hop is 45,001, above its limit of 45,000"),
        (("boards", "cortex-m7", "frontend_state_bytes"), 4097, "cortex-m7: frontend_state_bytes is 4,097"),
        (("boards", "cortex-m33", "bit_exact"), False, "cortex-m33: its features, scores or words are not"),
        (("boards", "cortex-m7", "network_window"), 7_000_001, "cortex-m7: network_window is 7,000,001"),
        (("boards", "cortex-m55", "network_window"), 3_000_001, "above its limit of 3,000,000"),
        (("boards", "cortex-m4", "network_hop"), 80_001, "above its limit of 80,000"),
        (("boards", "cortex-m0", "engine_state_bytes"), 16_385, "above its limit of 16,384"),
        (("boards", "cortex-m3", "stream_state_bytes"), 5121, "above its limit of 5,120"),
        (("boards", "cortex-m4", "engine_flash_bytes"), 40 * 1024 + 1, "above its limit of 40,960"),
        (("boards", "cortex-m4", "detector_hop"), 601, "cortex-m4: detector_hop is 601, above its limit of 600"),
        (("boards", "cortex-m0", "detector_state_bytes"), 601, "detector_state_bytes is 601, above its limit of 600"),
        (("fidelity", "within_1_lsb"), 0.9989, "99.890 % of the features"),
        (("fidelity", "max_lsb"), 3, "3 LSB from the float log-mel"),
    ],
)
def test_a_figure_beyond_its_limit_fails_the_bench(figures, where, value, reason):
    worse = entry = copy.deepcopy(figures)
    for key in where[:-1]:
        entry = entry[key]
    entry[where[-1]] = value
    (line,) = limits.failures(worse)
    assert reason in line


@pytest.mark.parametrize("tau, limit", [(3, 40_000), (8, 105_000)])
def test_a_wider_network_has_a_limit_of_its_own_for_its_state_and_none_for_its_instructions(figures, tau, limit):
    wide = copy.deepcopy(figures) | {"tau": tau}
    row = wide["boards"]["cortex-m4"]
    row |= {"engine_state_bytes": limit, "network_window": 10**9, "network_hop": 10**7, "engine_flash_bytes": 10**6}
    assert limits.failures(wide) == []
    row["engine_state_bytes"] += 1
    assert limits.failures(wide) == [f"cortex-m4: engine_state_bytes is {limit + 1:,}, above its limit of {limit:,}"]


def test_a_window_s_limit_and_goal_grow_with_it_and_no_other_s():
    second, longest = (limits.bounds("cortex-m4", 1, windowed(samples)) for samples in (16_000, 25_600))
    assert (
        longest["network_window"].limit == 7_000_000 * 161 // 101
        and longest["network_window"].goal == 5_000_000 * 161 // 101
    )
    assert {**second, "network_window": None} == {**longest, "network_window": None}


def test_any_build_with_an_engine_is_measured(one_core, random_build, capsys):
    assert bench.main(["--tau", "3", "--build", str(random_build), "--core", "cortex-m3"]) == 0
    figures = json.loads((random_build / bench.BENCH).read_text())
    row = figures["boards"]["cortex-m3"]
    assert figures["tau"] == 3 and row["bit_exact"] and 16_384 < row["engine_state_bytes"] <= 40_000
    assert f"{row['layers']['head']:,}" in capsys.readouterr().out


def test_without_an_engine_the_features_are_measured_alone_and_the_reason_is_told(one_core, tmp_path, capsys):
    assert bench.main(["--build", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path}: the native engine is not measured" in out and "make quantize TAU=1" in out
    figures = json.loads((tmp_path / bench.BENCH).read_text())
    assert figures["engine"] is None and "network_window" not in figures["boards"]["cortex-m3"]
    (tmp_path / "conversion.json").write_text('{"native": {"refused": "it is too wild"}}')
    assert bench.main(["--build", str(tmp_path)]) == 0
    assert "is not measured: it is too wild" in capsys.readouterr().out


def test_a_firmware_with_a_prefix_is_measured_by_the_default_names(tau1_build, tmp_path):
    build = copy_of(tau1_build, tmp_path)
    firmware_gen.main(["--build", str(build), "--prefix", "door"])
    wanted = contents(tau1_build / "firmware")
    with default_names.firmware_of(build) as sources:
        found = contents(sources)
        assert found == {name: text for name, text in wanted.items() if name != "manifest.json"}
        assert engine_on_core.find(build, 1, sources).folder == sources / "native"
    assert not sources.exists()
    with default_names.firmware_of(tau1_build) as sources:
        assert sources == tau1_build / "firmware"


def test_wrong_scores_fail_the_bench(one_core, tmp_path, capsys):
    native = write_random_build(tmp_path, 1) / "firmware" / "native"
    foreign = engine_render.sources(random_network(1, seed=1))
    given, expected = (
        re.search(r"KWS_ENGINE_ID (0x\w+)", text)[1]
        for text in (foreign["kws_model.h"], (native / "kws_model.h").read_text())
    )
    for name, text in foreign.items():
        (native / name).write_text(text.replace(given, expected))
    assert bench.main(["--tau", "1", "--build", str(tmp_path), "--core", "cortex-m3"]) == 1
    assert "its features, scores or words are not those of the integer models in Python" in capsys.readouterr().err


def test_an_engine_that_does_not_fit_its_build_is_refused(random_build, failure):
    need_emulator()
    native = random_build / "firmware" / "native"
    assert "holds tau 3, not 1" in failure(bench.main, "--build", random_build)
    text = (native / "kws_model.h").read_text()
    (native / "kws_model.h").write_text(re.sub(r"KWS_ENGINE_ID 0x\w{16}", "KWS_ENGINE_ID 0x0123456789abcdef", text))
    line = failure(bench.main, "--tau", 3, "--build", random_build)
    assert "kws_model.h: not of the present engine" in line and "make quantize TAU=3" in line
    (native / "kws_engine.c").unlink()
    line = failure(bench.main, "--tau", 3, "--build", random_build)
    assert "kws_engine.c: missing" in line and "make quantize TAU=3" in line
    (random_build / NATIVE).unlink()
    assert "native.npz: missing" in failure(bench.main, "--tau", 3, "--build", random_build)


def test_firmware_of_another_pipeline_is_refused(tmp_path, failure):
    need_emulator()
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    text = render.source("frontend.h").replace(render.pipeline_id(), "0123456789abcdef")
    (firmware / "frontend.h").write_text(text)
    line = failure(bench.main, "--build", tmp_path)
    assert "frontend.h: not of the present pipeline" in line and "make quantize" in line


def test_a_missing_toolchain_gives_one_line_that_names_the_packages(tmp_path, monkeypatch, failure):
    monkeypatch.setenv("PATH", str(tmp_path))
    line = failure(bench.main, "--build", tmp_path)
    assert emulator.PACKAGES[emulator.COMPILER] in line


def test_audio_of_any_labels_is_counted_over(tmp_path, write_wav, tiny_speech_commands):
    sound = np.arange(FEATURES.clip_samples).astype(np.int16)
    for index, name in enumerate(("tür/a.wav", "tür/anna/b.WAV", "yes/c.wav")):
        write_wav(tmp_path / "mine" / name, sound + index)
    name, clip, origin, audio = bench.choose_audio(tmp_path / "mine")
    assert (name, origin) == ("mine/yes/c.wav", "folder of wav files (mine)")
    assert np.array_equal(clip, sound + 2) and len(audio) == 3
    shutil.rmtree(tmp_path / "mine" / "yes")
    name, clip, *_ = bench.choose_audio(tmp_path / "mine")
    assert name == "mine/tür/a.wav" and np.array_equal(clip, sound)
    archive = shutil.copytree(tiny_speech_commands / "speech_commands_v0.02", tmp_path / "archive")
    for word in ("yes", "go"):
        shutil.rmtree(archive / word)
    assert bench.choose_audio(archive)[0].startswith("archive/bed/")
    assert bench.choose_audio(tiny_speech_commands)[0].startswith("speech_commands_test_set_v0.02/yes/")


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
