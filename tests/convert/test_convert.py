"""The int8 model that ships, and the gate that it passed."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from common import build_folder, checkpoint, workers
from common.description import FEATURES, LABELS, TAUS
from common.errors import UserError
from convert import __main__ as command, calibration, fidelity, interpreters
from frontend import binding
from training.data import clip_folder

ROOT = Path(__file__).parents[2]
CHECKPOINTS = ROOT / "checkpoints"
SMALL_ARENA_BYTES, SMALL_FILE_BYTES = 83_000, 53_000
LEAST_SQNR_DB = {"small": 23, "accurate": 27}
"""Of the shipped tau 1 on the calibration clips; without equalised channels its forerunner had 20.9 and 20.7."""


def run(*arguments, **options) -> subprocess.CompletedProcess:
    """`python -m convert` with these arguments, from the root of the repository."""
    return subprocess.run(
        [sys.executable, "-m", "convert", *map(str, arguments)], cwd=ROOT, text=True, capture_output=True, **options
    )


@pytest.fixture(scope="module")
def facts(tau1_build) -> dict:
    return build_folder.load(tau1_build)


@pytest.fixture(scope="module", params=command.GRAPH_NAMES)
def model(request, tau1_build) -> bytes:
    return (tau1_build / "graphs" / f"{request.param}.tflite").read_bytes()


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """int8 features that the ranges were not chosen on: real ones with time reversed, and noise."""
    shipped = calibration.shipped().features
    noise = np.random.default_rng(0).integers(-128, 128, (4, *shipped.shape[1:]), np.int8)
    return np.concatenate([shipped[:12, :, ::-1], noise, np.full_like(noise[:1], -128), np.full_like(noise[:1], 127)])


def test_int8_model_equals_tflm_bit_for_bit(model, clips):
    assert (interpreters.reference_logits(model, clips) == interpreters.tflm_logits(model, clips)).all()


def test_input_has_the_features_scale_and_zero_point(model):
    source = interpreters.reference_interpreter(model).get_input_details()[0]
    assert source["quantization"] == (FEATURES.int8_scale, FEATURES.int8_zero_point)
    assert list(source["shape"]) == [1, 40, 101, 1] and source["dtype"] == np.int8


def test_weights_are_quantised_per_channel(model):
    details = interpreters.reference_interpreter(model).get_tensor_details()
    per_channel = [d for d in details if len(d["quantization_parameters"]["scales"]) > 1]
    convolutions = sum(
        op["op_name"].endswith("CONV_2D") for op in interpreters.reference_interpreter(model)._get_ops_details()
    )
    assert len(per_channel) == convolutions


def test_every_tensor_is_an_integer_and_nameless(model):
    details = interpreters.reference_interpreter(model).get_tensor_details()
    assert {np.dtype(d["dtype"]) for d in details} <= {np.dtype(np.int8), np.dtype(np.int32)}
    assert not any(d["name"] for d in details)


def test_arena_is_exactly_what_tflm_needs(tau1_build, facts):
    for name in command.GRAPH_NAMES:
        data = (tau1_build / "graphs" / f"{name}.tflite").read_bytes()
        arena = facts["graphs"][name]["arena_bytes"]
        assert interpreters.tflm_arena_bytes(data) == arena
        interpreters.runtime.Interpreter.from_bytes(data, arena_size=arena)
        with pytest.raises(RuntimeError):
            interpreters.runtime.Interpreter.from_bytes(data, arena_size=arena - 16)


def test_small_graph_keeps_to_its_budget(facts):
    small = facts["graphs"]["small"]
    assert small["arena_bytes"] <= SMALL_ARENA_BYTES and small["tflite_bytes"] <= SMALL_FILE_BYTES


def test_graphs_hold_no_transpose_and_no_op_is_uncounted(facts):
    for row in facts["graphs"].values():
        assert "TRANSPOSE" not in row["ops"]
        assert {entry["op"]: entry["count"] for entry in row["op_table"]} == row["ops"]


def test_chosen_ranges_are_the_best_of_those_tried(facts):
    for name, row in facts["graphs"].items():
        exact = {method: sqnr for method, sqnr in row["ranges_sqnr_db"].items() if method not in row["ranges_inexact"]}
        assert row["ranges"] == max(exact, key=exact.get)
        assert row["sqnr_db"] == row["ranges_sqnr_db"][row["ranges"]] >= row["ranges_sqnr_db"]["minmax"]
        assert row["sqnr_db"] > LEAST_SQNR_DB[name]


def real_logits(build: Path, graph: dict, features: np.ndarray) -> np.ndarray:
    """Logits of a graph, by its facts in conversion.json, on int8 features [clips, 40, 101]."""
    int8 = interpreters.reference_logits((build / graph["tflite"]).read_bytes(), features).astype(float)
    return (int8 - graph["output"]["zero_point"]) * graph["output"]["scale"]


def test_fidelity_on_the_calibration_clips_is_what_was_recorded(tau1_build, facts, shipped_tau1):
    from convert.fold import fold, forward

    features = calibration.shipped().features
    expected = forward(fold(shipped_tau1), FEATURES.dequantize(features))
    row = facts["graphs"][facts["graph"]]
    logits = real_logits(tau1_build, row, features)
    assert fidelity.agreement(expected, logits) == row["agreement"]
    assert fidelity.sqnr_db(expected, logits) == pytest.approx(row["sqnr_db"], abs=1e-9)


def test_recorded_verifications_are_of_these_very_models(facts):
    for name in command.GRAPH_NAMES:
        recorded = json.loads((CHECKPOINTS / f"tau1-{name}.verify.json").read_text())
        assert recorded["model"] == {"graph": name, "sha256": facts["graphs"][name]["sha256"]}
        assert recorded["checkpoint"]["sha256"] == facts["checkpoint"]["sha256"]
        assert recorded["native"]["sha256"] == facts["native"]["sha256"]


def test_calibration_list_names_every_clip(tau1_build, facts):
    names = (tau1_build / facts["calibration"]["list"]).read_text().split()
    assert len(names) == len(set(names)) == facts["calibration"]["clips"] == calibration.CLIPS
    assert {name.split("/")[0] for name in names} >= set(LABELS[2:])


def test_second_run_changes_nothing_and_says_so(tau1_build):
    before = {path: path.stat().st_mtime_ns for path in tau1_build.rglob("*") if path.is_file()}
    done = run("--tau", 1, "--build", tau1_build)
    assert done.returncode == 0 and "up to date" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in before}


def choose(build: Path, facts: dict) -> bool:
    return command.choose(build, facts, facts["graph"], facts["checkpoint"]["path"])


def test_a_touched_model_is_made_again(tau1_build, facts, tmp_path):
    build = tmp_path / "tau1"
    shutil.copytree(tau1_build, build)
    assert command.already_made(build, facts["fingerprint"]) and not choose(build, facts)
    model = build / build_folder.MODEL
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    assert choose(build, facts) and model.read_bytes() == whole
    graph = build / "graphs" / "small.tflite"
    graph.write_bytes(graph.read_bytes()[:-1])
    assert not command.already_made(build, facts["fingerprint"])
    assert not command.already_made(tau1_build, "another fingerprint")


def test_the_other_graph_ships_without_converting_again(tau1_build, facts, tmp_path):
    build = tmp_path / "tau1"
    shutil.copytree(tau1_build, build)
    other = next(name for name in command.GRAPH_NAMES if name != facts["graph"])
    assert command.main(["--graph", other, "--build", str(build)]) == 0
    chosen = build_folder.load(build)
    model = (build / build_folder.MODEL).read_bytes()
    assert model == (tau1_build / "graphs" / f"{other}.tflite").read_bytes() and chosen["graph"] == other
    sink = interpreters.reference_interpreter(model).get_output_details()[0]["quantization"]
    assert sink == (chosen["output"]["scale"], chosen["output"]["zero_point"])


def test_shipped_calibration_features_come_from_the_listed_clips(gsc_root):
    made = calibration.from_audio(gsc_root)
    shipped = calibration.shipped()
    assert made.names == shipped.names and (made.features == shipped.features).all()


def test_calibration_takes_the_networks_words_from_an_archive_or_from_folders(
    tiny_speech_commands, tmp_path, monkeypatch, write_wav
):
    monkeypatch.setattr(calibration, "CLIPS", 12)
    made = calibration.from_audio(tiny_speech_commands, labels=("_unknown_", "bed"))
    assert (
        made.source == "speech_commands_v0.02, training split"
        and calibration.missing_words(made, ("_unknown_", "bed")) == []
    )
    noise = np.random.default_rng(0).integers(-999, 999, (13, FEATURES.clip_samples), np.int16)
    for index, clip in enumerate(noise):
        write_wav(tmp_path / "own" / ("lamp" if index else "tür") / f"{index}.wav", clip)
    (tmp_path / "own" / "lamp" / "a.mp3").touch()
    own = calibration.from_audio(tmp_path / "own", labels=("lamp", "tür"))
    assert own.source == "own" and len(own.names) == 12 and {name.split("/")[0] for name in own.names} <= {"lamp", "tür"}
    assert "passed over a sound file, no <label>/*.wav: lamp/a.mp3" in own.passed_over
    with pytest.raises(UserError, match="'tür' is not a label"):
        calibration.from_audio(tmp_path / "own", labels=("lamp", "door"))
    for data in (tmp_path, tiny_speech_commands / "speech_commands_test_set_v0.02"):  # nothing is calibrated on test clips
        with pytest.raises(UserError, match="no Speech Commands here"):
            calibration.from_audio(data, labels=("lamp", "yes"))


def test_calibration_clips_are_as_long_as_the_window_and_are_asked_for_where_there_are_none(tmp_path, write_wav):
    labels, rng = ("_silence_", "_unknown_", "lamp"), np.random.default_rng(0)
    audio = rng.integers(-999, 999, (calibration.CLIPS, 20_800), np.int16)
    path = tmp_path / "own.safetensors"
    with pytest.raises(UserError, match=r"own.safetensors: its window is 1\.3 s, .*train it again with"):
        calibration.for_checkpoint(path, labels, 20_800)
    clip_folder.write(calibration.beside(path), ["lamp"] * len(audio), 0, [(0, audio)], 20_800)
    made = calibration.for_checkpoint(path, labels, 20_800)
    assert made.features.shape == (len(audio), FEATURES.mels, 131)
    with pytest.raises(UserError, match="clips of 20800 samples, but 16000 are wanted; make them again"):
        calibration.for_checkpoint(path, labels)
    data = calibration.from_audio(calibration.beside(path), labels=labels, clip_samples=20_800)
    assert data.features.shape == made.features.shape


def test_calibration_takes_a_folders_array_and_knows_whose_words_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "CLIPS", 4)
    noise = np.random.default_rng(0).integers(-999, 999, (5, FEATURES.clip_samples), np.int16)
    clip_folder.write(tmp_path, ["lamp", "??/", "zebra", "zebra", "lamp"], 0, [(0, noise)])
    labels = ("_silence_", "_unknown_", "lamp", "??/", "door", "lam")
    made = calibration.from_audio(tmp_path, labels=labels)
    assert made.source == tmp_path.name and made.features.shape == (4, FEATURES.mels, FEATURES.frames)
    assert made.features.tobytes() == binding.columns(noise[[int(name.split("/")[-1]) for name in made.names]]).tobytes()
    assert calibration.missing_words(made, labels) == [
        word for word in ("lamp", "??/", "door", "lam") if not any(name.startswith(f"{word}/") for name in made.names)
    ]
    with pytest.raises(UserError, match="'lamp' is not a label of the model"):
        calibration.from_audio(tmp_path, labels=("zebra", "??/"))
    monkeypatch.setattr(calibration, "CLIPS", 6)
    with pytest.raises(UserError, match="5 training clips, but calibration needs 6"):
        calibration.from_audio(tmp_path, labels=labels)


def test_calibration_on_an_archive_without_some_of_the_words_takes_the_others(tiny_speech_commands, monkeypatch):
    monkeypatch.setattr(calibration, "CLIPS", 12)
    labels = ("_silence_", "_unknown_", "yes", "bed", "lamp")
    assert "lamp" in calibration.missing_words(calibration.from_audio(tiny_speech_commands, labels=labels), labels)
    with pytest.raises(UserError, match="no clip of door, lamp; name a folder of recordings"):
        calibration.from_audio(tiny_speech_commands, labels=("door", "lamp"))


def test_networks_of_any_two_words_pass_the_gate_though_other_clips_flip_their_answers(tau1_build, facts, shipped_tau1):
    """On clips of other words the two logits are nearly equal, so that quantisation changes some answers."""
    from convert.fold import fold, forward

    features = calibration.shipped().features
    expected = forward(fold(shipped_tau1), FEATURES.dequantize(features))
    logits = real_logits(tau1_build, facts["graphs"]["small"], features)
    found = [fidelity.facts(expected[:, pair], logits[:, pair]) for pair in combinations(range(len(LABELS)), 2)]
    assert all(fidelity.fault(pair, "int8") is None for pair in found)
    assert min(pair["agreement"] for pair in found) < fidelity.LEAST_AGREEMENT


def test_words_that_no_calibration_clip_says_are_named():
    labels = ("_silence_", "_unknown_", "yes", "lamp", "bed", "tür")
    assert calibration.missing_words(calibration.shipped(), labels) == ["lamp", "tür"]


def test_damaged_calibration_features_are_one_line(tmp_path, monkeypatch, failure):
    whole = calibration.SHIPPED.read_bytes()
    monkeypatch.setattr(calibration, "SHIPPED", tmp_path / "features.npz")
    for damaged in (b"", whole[:1000], whole[: len(whole) // 2] + bytes(100) + whole[len(whole) // 2 + 100 :], b"x" * 100):
        calibration.SHIPPED.write_bytes(damaged)
        assert "features.npz: damaged" in failure(command.main, "--tau", 1)


def test_features_of_another_pipeline_are_refused(failure, monkeypatch):
    monkeypatch.setattr(calibration, "pipeline_id", lambda: "0123456789abcdef")
    line = failure(command.main, "--tau", 1)
    assert "another feature pipeline" in line and "make calibration DATA=" in line


def test_tau_without_checkpoint_names_the_command_that_trains_it(failure):
    missing = [tau for tau in TAUS if not (CHECKPOINTS / f"tau{tau:g}.safetensors").exists()]
    for tau in missing:
        line = failure(command.main, "--tau", tau)
        assert f"make train TAU={tau:g}" in line and f"make quantize TAU={tau:g} CHECKPOINT=" in line


def test_tau_that_does_not_exist_names_those_that_do(failure):
    assert "1, 1.5, 2, 3, 6, 8" in failure(command.main, "--tau", 4)
    assert "1, 1.5, 2, 3, 6, 8" in failure(command.main, "--tau", "one")


def test_missing_checkpoint_is_one_line(failure, tmp_path):
    assert "no such checkpoint" in failure(command.main, "--checkpoint", tmp_path / "none.safetensors")


def test_truncated_checkpoint_is_one_line(failure, tmp_path):
    whole = (CHECKPOINTS / "tau1.safetensors").read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path = tmp_path / "cut.safetensors"
        path.write_bytes(whole[:length])
        assert "truncated" in failure(command.main, "--checkpoint", path)


def test_foreign_checkpoint_is_one_line(failure, tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "foreign.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path)
    assert "foreign" in failure(command.main, "--checkpoint", path)


def test_checkpoint_of_another_tau_is_one_line(failure, tmp_path, shipped_tau1):
    line = failure(command.main, "--tau", 2, "--checkpoint", CHECKPOINTS / "tau1.safetensors", "--build", tmp_path)
    assert "holds tau 1, not 2" in line and not list(tmp_path.iterdir())


def test_folder_without_speech_commands_is_one_line(failure, tmp_path):
    assert "no Speech Commands here" in failure(command.main, "--data", tmp_path, "--build", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def snapshot(build: Path) -> dict[str, str]:
    return {
        str(path.relative_to(build)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(build.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def stale_build(tau1_build, tmp_path) -> Path:
    """A whole build whose fingerprint is of other inputs, so that it will be made again."""
    build = tmp_path / "tau1"
    shutil.copytree(tau1_build, build)
    path = build / build_folder.CONVERSION
    path.write_text(json.dumps({**json.loads(path.read_text()), "fingerprint": "of other inputs"}))
    return build


def test_ctrl_c_leaves_the_old_build_whole(stale_build):
    before = snapshot(stale_build)
    process = subprocess.Popen(
        [sys.executable, "-m", "convert", "--build", str(stale_build)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert "converting" in process.stdout.readline()
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # a shell shows 130 for both
    assert errors.splitlines() == ["error: interrupted; what was complete before is kept"]
    assert snapshot(stale_build) == before


def test_full_disk_leaves_the_old_build_whole(stale_build, monkeypatch, failure, facts):
    def made(folded, features, chosen):
        return {
            name: {"tflite": bytes(200_000), "onnx": b"", "facts": facts["graphs"][name]} for name in command.GRAPH_NAMES
        }

    before = snapshot(stale_build)
    monkeypatch.setattr(command, "convert_both", made)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        line = failure(command.main, "--build", stale_build)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "File too large" in line and str(stale_build) in line and snapshot(stale_build) == before


def temporary_folder() -> str:
    return tempfile.gettempdir()


def test_processes_of_the_conversion_keep_their_temporary_files_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/before")
    with workers.temporary_files_in(tmp_path):
        assert list(workers.run(temporary_folder, [()])) == [(0, str(tmp_path))]
    assert os.environ["TMPDIR"] == "/before"


@pytest.mark.slow
def test_a_killed_conversion_leaves_nothing_outside_its_folder(tmp_path):
    for name in ("temporary", "build"):
        (tmp_path / name).mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "convert", "--build", str(tmp_path / "build")],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    )
    while "observing" not in process.stdout.readline():
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)  # until no worker holds the pipe any more
    assert list((tmp_path / "temporary").iterdir()) == []
    assert [path.name[:12] for path in (tmp_path / "build").iterdir()] == [".conversion-"]


@pytest.mark.slow
def test_a_sound_network_of_other_labels_ships_in_both_graphs_and_natively(shipped_tau1, tiny_speech_commands, tmp_path):
    """The shipped one, asked for two of its words only: it answers half of the calibration clips with hardly any lead."""
    labels = ("left", "right")
    rows = [LABELS.index(label) for label in labels]
    tensors = {name: array[rows] if name.startswith("output.") else array for name, array in shipped_tau1.tensors.items()}
    path, build = tmp_path / "two.safetensors", tmp_path / "build"
    checkpoint.save(path, checkpoint.Checkpoint(1, labels, tensors, {}))
    done = run("--checkpoint", path, "--build", build)
    assert done.returncode == 0 and "refused" not in done.stdout, done.stderr
    facts = build_folder.load(build)
    for row in (*facts["graphs"].values(), facts["native"]):
        assert row["sure_agreement"] == 1 and 0 < row["sure_clips"] < 80
    assert facts["graphs"]["small"]["agreement"] < fidelity.LEAST_AGREEMENT  # most clips are neither word
    verified = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.verify_int8",
            "--build",
            str(build),
            "--data",
            str(tiny_speech_commands),
            "--max-drop",
            "100",
        ],
        cwd=ROOT,
        text=True,
        capture_output=True,
    )
    assert verified.returncode == 0, verified.stderr
    figures = json.loads((build / "verify.json").read_text())
    assert figures["clips"] == 4 and list(figures["backends"]["pytorch"]["recall"]) == list(labels)


@pytest.mark.slow
@pytest.mark.parametrize("tau", TAUS)
def test_every_tau_converts(tau, tmp_path):
    """An untrained network with fixed random weights: bytes, arena and the gate, not accuracy."""
    from test_fold import random_network

    network = random_network(tau)[1]
    network.tensors["output.weight"] *= 10  # random logits lie too close together for a top-1 to mean anything
    path = tmp_path / "random.safetensors"
    checkpoint.save(path, network)
    done = run("--tau", tau, "--checkpoint", path, "--build", tmp_path / "build")
    assert done.returncode == 0, done.stderr
    assert build_folder.load(tmp_path / "build")["tau"] == tau


@pytest.mark.slow
def test_conversion_gives_the_same_bytes_on_every_run(tau1_build, tmp_path):
    assert run("--build", tmp_path / "again").returncode == 0
    before, again = snapshot(tau1_build / "graphs"), snapshot(tmp_path / "again" / "graphs")
    assert before == again
