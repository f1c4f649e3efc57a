"""`python -m benchmarks.verify_int8`: the same clips on every backend, honest exit codes, one line for bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import backends, verify
from benchmarks.report import contents
from common import build_folder
from common.description import FEATURES, KEYWORDS, LABELS
from convert import fidelity, interpreters
from engine import golden, network
from engine.render import STREAM_COLUMNS
from frontend import binding
from training.data import dataset
from training.features import log_mel

ROOT = Path(__file__).resolve().parents[2]
RATE = FEATURES.sample_rate
MADE = (build_folder.VERIFY, build_folder.REPORT_JSON, build_folder.REPORT_MARKDOWN, build_folder.REPORT_HTML)


@pytest.fixture
def build(tau1_build, tmp_path) -> Path:
    """A copy of a real build in which nothing was verified yet."""
    return copy_build(tau1_build, tmp_path / "build" / "tau1")


def copy_build(source: Path, path: Path) -> Path:
    shutil.copytree(source, path)
    for name in MADE:
        (path / name).unlink(missing_ok=True)
    return path


def command(build: Path, data: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.verify_int8", "--build", str(build), "--data", str(data), *options]


@pytest.fixture(scope="module")
def verified(tau1_build, tiny_speech_commands, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """A build verified on the tiny test-set archive in a process of its own, with its report; and that process."""
    build = copy_build(tau1_build, tmp_path_factory.mktemp("verified") / "tau1")
    done = subprocess.run(
        command(build, tiny_speech_commands, "--max-drop", "100"), cwd=ROOT, capture_output=True, text=True
    )
    contents.write(build, recorded=build / "none.json")
    return build, done


def test_every_backend_is_measured_on_the_same_clips(verified):
    build, done = verified
    assert done.returncode == 0, done.stderr
    found = json.loads((build / build_folder.VERIFY).read_text())
    assert found["clips"] == 2 * len(LABELS)
    assert list(found["backends"]) == ["pytorch", "onnx", "tflite", "tflm"]
    for name, row in found["backends"].items():
        matrix = np.array(row["confusion"])
        assert (matrix.sum(1) == 2).all()
        assert row["top1"] == pytest.approx(matrix.trace() / matrix.sum())
        assert row["ci95"][0] <= row["top1"] <= row["ci95"][1]
        assert row["recall"][row["worst"]["label"]] == min(row["recall"].values())
        compared = {"drop_points", "drop_ci95", "agreement", "sqnr_db"} & set(row)
        assert len(compared) == (0 if name == "pytorch" else 4)
        if compared:
            assert row["drop_points"] == pytest.approx(100 * (found["backends"]["pytorch"]["top1"] - row["top1"]))
            assert row["drop_ci95"][0] <= row["drop_points"] <= row["drop_ci95"][1]


def test_onnx_keeps_to_pytorch_and_tflm_equals_tflite_bit_for_bit(verified):
    found = json.loads((verified[0] / build_folder.VERIFY).read_text())
    onnx = found["backends"]["onnx"]
    assert onnx["agreement"] == 1 and (onnx["sqnr_db"] is None or onnx["sqnr_db"] > 80)
    assert found["bit_exact_with_tflm"] is True
    assert found["backends"]["tflm"] == found["backends"]["tflite"]
    device = found["device_backends"]
    assert list(device) == [*found["backends"], "native", "native_in_noise", "native_stream"]
    assert device["tflm"] == device["tflite"]
    assert all({"drop_points", "drop_ci95", "agreement"} <= set(row) for row in device.values())
    own = device["native_stream"]["drop_against_in_noise"]
    assert own["points"] == pytest.approx(100 * (device["native_in_noise"]["top1"] - device["native_stream"]["top1"]))
    assert own["ci95"][0] <= own["points"] <= own["ci95"][1]
    assert [name for name, row in device.items() if "sqnr_db" not in row] == ["native_in_noise", "native_stream"]


def test_native_figures_equal_those_of_the_integer_model_in_numpy(verified, tiny_speech_commands):
    build, _ = verified
    listed = dataset.folder_clips(tiny_speech_commands / dataset.archive_names(2)[1])
    audio = dataset.read_clips(listed)
    target = np.array([LABELS.index(clip.label) for clip in listed])
    made = network.load(build / build_folder.NATIVE)
    logits = golden.window(made, binding.columns(audio)) * made.score_scale
    figures = json.loads((build / build_folder.VERIFY).read_text())
    row = figures["device_backends"]["native"]
    matrix = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(matrix, (target, logits.argmax(1)), 1)
    assert row["confusion"] == matrix.tolist()
    reference = backends.pytorch_backend(ROOT / "checkpoints" / "tau1.safetensors")(log_mel(audio))
    assert row["sqnr_db"] == pytest.approx(fidelity.sqnr_db(reference, logits), abs=0.01)
    assert row["agreement"] == fidelity.agreement(reference, logits)
    assert figures["native"]["sha256"] == json.loads((build / build_folder.CONVERSION).read_text())["native"]["sha256"]


def test_streams_are_described_in_the_figures_and_on_the_terminal(verified):
    build, done = verified
    stream = json.loads((build / build_folder.VERIFY).read_text())["native"]["stream"]
    assert stream["columns"] == STREAM_COLUMNS and stream["lag_ms"] == 580 + 5 * STREAM_COLUMNS
    assert dataset.NOISE in stream["noise"] and len(stream["snr_db_quartiles"]) == 3
    assert f"{stream['lag_ms']} ms after" in done.stdout and stream["noise"] in done.stdout


def refuse(build: Path) -> str:
    """Make the build one whose network the engine cannot hold; why it cannot."""
    path = build / build_folder.CONVERSION
    (build / build_folder.NATIVE).unlink()
    record = json.loads(path.read_text())
    record["native"] = {"refused": "a sum could reach more than 16 bits hold"}
    path.write_text(json.dumps(record))
    return record["native"]["refused"]


def test_a_network_that_the_engine_cannot_hold_is_verified_without_it(build, tmp_path, write_wav):
    reason = refuse(build)
    write_wav(tmp_path / "mine" / "yes" / "a.wav", np.ones(RATE, np.int16))
    done = subprocess.run(command(build, tmp_path / "mine", "--max-drop", "100"), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((build / build_folder.VERIFY).read_text())
    assert list(found["device_backends"]) == list(found["backends"]) and found["native"] == {"refused": reason}
    assert f"The native engine was left out: {reason}" in done.stdout
    contents.write(build, recorded=build / "none.json")
    assert reason in (build / build_folder.REPORT_MARKDOWN).read_text()


def test_a_network_that_fell_is_a_failure_of_the_native_engine_but_streams_are_no_bound(verified):
    found = json.loads((verified[0] / build_folder.VERIFY).read_text())
    for rows in (found["backends"], found["device_backends"]):
        for row in rows.values():
            row["drop_points"] = 0.0
    assert verify.failures(found, 1.0) == []
    found["device_backends"]["native_stream"]["drop_points"] = 5.0
    assert verify.failures(found, 1.0) == []
    found["device_backends"]["native"]["drop_points"] = 1.5
    (line,) = verify.failures(found, 1.0)
    assert line.startswith("native on device features loses 1.50 points")
    for low, chance in ((-0.5, True), (0.2, False)):
        found["device_backends"]["native"]["drop_ci95"] = [low, 3.5]
        (line,) = verify.failures(found, 1.0)
        assert (f"clips tell {low:.2f} to 3.50" in line) == chance


def test_int8_figures_equal_those_computed_clip_by_clip(verified, tiny_speech_commands):
    build, _ = verified
    listed = dataset.folder_clips(tiny_speech_commands / dataset.archive_names(2)[1])
    features = FEATURES.quantize(log_mel(dataset.read_clips(listed)))
    answers = interpreters.reference_logits((build / build_folder.MODEL).read_bytes(), features).argmax(1)
    matrix = np.zeros((len(LABELS), len(LABELS)), int)
    for clip, answer in zip(listed, answers):
        matrix[LABELS.index(clip.label), answer] += 1
    found = json.loads((build / build_folder.VERIFY).read_text())
    assert found["backends"]["tflite"]["confusion"] == matrix.tolist()


def test_the_report_shows_the_verification(verified):
    build, done = verified
    found = json.loads((build / build_folder.VERIFY).read_text())
    accuracy = json.loads((build / build_folder.REPORT_JSON).read_text())["accuracy"]
    assert accuracy["origin"] == "measured" and accuracy["backends"] == found["backends"]
    assert found["command"] in (build / build_folder.REPORT_MARKDOWN).read_text()
    for name in found["backends"]:
        assert name in done.stdout


def test_no_file_names_a_folder_of_this_machine(verified, tiny_speech_commands):
    build, _ = verified
    for name in MADE:
        assert str(tiny_speech_commands) not in (build / name).read_text()


def test_a_drop_beyond_the_bound_is_exit_code_1_and_one_line(build, tmp_path, write_wav):
    rng = np.random.default_rng(0)
    for label in KEYWORDS[:2]:
        write_wav(tmp_path / "mine" / label / "a.wav", rng.integers(-999, 999, RATE // 2).astype(np.int16))
    out = tmp_path / "figures.json"
    done = subprocess.run(
        command(build, tmp_path / "mine", "--max-drop", "-101", "--json", str(out)), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert len(lines) == 5 and all("--max-drop -101" in line for line in lines)
    assert "Traceback" not in done.stderr
    assert json.loads(out.read_text())["clips"] == 2
    assert out.read_text() == (build / build_folder.VERIFY).read_text()


@pytest.fixture
def noisy_backends(monkeypatch):
    """Backends that answer at random in place of the models; int8 ones equal. Returns the logits they will give."""
    answers: dict[str, np.ndarray] = {}

    def run_all(source, audio, processes=None):
        rng = np.random.default_rng(5)
        answers.update(
            {
                name: rng.normal(size=(len(audio), len(LABELS))).astype(np.float32)
                for name in backends.NAMES + backends.NATIVES
            }
        )
        answers["tflm"] = answers["tflite"].copy()
        return {name: answers[name].copy() for name in backends.NAMES}, answers

    monkeypatch.setattr(backends, "run_all", run_all)
    return run_all


def test_tflm_that_differs_in_one_logit_of_one_clip_is_a_failure(
    build, tiny_speech_commands, noisy_backends, monkeypatch, capsys
):
    def differing(*arguments):
        logits, device_logits = noisy_backends(*arguments)
        device_logits["tflm"][3, 4] += 1e-3
        return logits, device_logits

    run = ["--build", str(build), "--data", str(tiny_speech_commands), "--max-drop", "100"]
    assert verify.main(run) == 0
    monkeypatch.setattr(backends, "run_all", differing)
    assert verify.main(run) == 1
    assert capsys.readouterr().err.startswith("failed: tflm and tflite differ")
    assert json.loads((build / build_folder.VERIFY).read_text())["bit_exact_with_tflm"] is False


def test_fewer_clips_leave_the_verification_over_more_and_the_report_as_they_are(
    build, tiny_speech_commands, noisy_backends, capsys
):
    run = ["--build", str(build), "--data", str(tiny_speech_commands), "--max-drop", "100", "--split"]
    assert verify.main([*run, "all"]) == 0
    whole = (build / build_folder.VERIFY).read_text()
    clips_of_all = json.loads(whole)["clips"]
    capsys.readouterr()
    assert verify.main([*run, "testing"]) == 0
    printed = capsys.readouterr().out
    fewer = json.loads((build / build_folder.VERIFY_FEWER).read_text())["clips"]
    assert f"stay with the {clips_of_all} clips" in printed and f"let these {fewer} take their place" in printed
    assert (build / build_folder.VERIFY).read_text() == whole and fewer < clips_of_all
    assert contents.merge(build, build / "none.json")["accuracy"]["clips"] == clips_of_all
    assert verify.main([*run, "all"]) == 0 and not (build / build_folder.VERIFY_FEWER).exists()


@pytest.mark.parametrize("before", ["{", '{"clips": 9999}', "of another model", "of another engine"])
def test_a_verification_of_other_networks_or_a_damaged_one_gives_way(build, tiny_speech_commands, noisy_backends, before):
    run = ["--build", str(build), "--data", str(tiny_speech_commands), "--max-drop", "100"]
    assert verify.main(run) == 0
    found = json.loads((build / build_folder.VERIFY).read_text())
    if before.startswith("of another"):
        other = {"sha256": "0" * 64}
        before = json.dumps(found | {"clips": 9999, {"model": "model", "engine": "native"}[before.split()[-1]]: other})
    (build / build_folder.VERIFY).write_text(before)
    assert verify.main(run) == 0 and json.loads((build / build_folder.VERIFY).read_text()) == found


def test_all_means_validation_and_test_set_together(build, tiny_speech_commands, noisy_backends, tmp_path):
    run = [
        "--build",
        str(build),
        "--data",
        str(tiny_speech_commands),
        "--max-drop",
        "100",
        "--json",
        str(tmp_path / "out"),
        "--split",
    ]
    sizes = {}
    for split in ("validation", "testing", "all"):
        assert verify.main([*run, split]) == 0
        found = json.loads((tmp_path / "out").read_text())
        sizes[split] = found["clips"]
        assert sum(part["clips"] for part in found["parts"].values()) == found["clips"]
    assert sizes["all"] == sizes["validation"] + sizes["testing"] and min(sizes.values()) > 0


def spoilt_folders(write_wav, root: Path) -> dict[str, tuple[Path, str]]:
    """Name -> folder of one bad kind, and what the line must name."""
    tone = (5000 * np.sin(np.arange(RATE) / 5)).astype(np.int16)
    path = {
        name: root / name / "yes" / f"{name}.wav"
        for name in ("stereo", "8kHz", "8bit", "empty", "truncated", "long", "float", "text")
    }
    write_wav(path["stereo"], tone, channels=2)
    write_wav(path["8kHz"], tone[::2], rate=8000)
    write_wav(path["8bit"], (tone >> 8).astype(np.uint8))
    write_wav(path["empty"], tone[:0])
    whole = write_wav(path["truncated"], tone).read_bytes()
    path["truncated"].write_bytes(whole[:-1000])
    write_wav(path["long"], np.append(tone, tone))
    header = write_wav(path["float"], tone[:100]).read_bytes()
    path["float"].write_bytes(header[:20] + b"\3\0" + header[22:])  # format tag 3: IEEE float
    path["text"].parent.mkdir(parents=True)
    path["text"].write_text("no audio at all")
    folders = {name: (root / name, wav.name) for name, wav in path.items()}
    (root / "nothing").mkdir()
    write_wav(root / "foreign" / "banana" / "a.wav", tone)
    return folders | {
        "nothing": (root / "nothing", "nothing"),
        "foreign": (root / "foreign", "banana"),
        "absent": (root / "absent", "absent"),
    }


@pytest.mark.parametrize(
    "kind", ["stereo", "8kHz", "8bit", "empty", "truncated", "long", "float", "text", "nothing", "foreign", "absent"]
)
def test_bad_audio_is_one_line_and_nothing_is_written(kind, build, tmp_path, write_wav, failure):
    folder, named = spoilt_folders(write_wav, tmp_path / "data")[kind]
    before = sorted(path.name for path in build.rglob("*"))
    assert named in failure(verify.main, "--build", build, "--data", folder)
    assert sorted(path.name for path in build.rglob("*")) == before


def test_names_that_are_no_utf_8_are_measured_and_written_as_escapes(build, tmp_path, write_wav, noisy_backends, capsys):
    data = tmp_path / os.fsdecode(b"d\xe4t")
    write_wav(data / "yes" / os.fsdecode(b"h\xe4lt.wav"), np.ones(RATE, np.int16))
    (data / "yes" / os.fsdecode(b"\xe4.mp3")).touch()
    assert verify.main(["--build", str(build), "--data", str(data), "--max-drop", "100"]) == 0
    printed = capsys.readouterr().out
    assert r"d\xe4t: passed over a sound file, no <label>/*.wav: yes/\xe4.mp3" in printed
    assert r"folder of wav files (d\xe4t)" in printed
    contents.write(build, recorded=tmp_path / "none.json")
    assert r"folder of wav files (d\xe4t)" in (build / build_folder.REPORT_MARKDOWN).read_text("utf-8")


def test_a_terminal_and_a_locale_of_ascii_do_for_a_folder_with_an_umlaut(build, tmp_path, write_wav):
    write_wav(tmp_path / "dät" / "yes" / "a.wav", np.ones(RATE, np.int16))
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        command(build, tmp_path / "dät", "--max-drop", "100"),
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, **ascii_alone},
    )
    assert done.returncode == 0, done.stderr
    contents.write(build, recorded=tmp_path / "none.json")
    assert "folder of wav files (dät)" in (build / build_folder.REPORT_MARKDOWN).read_text("utf-8")


def test_no_data_named_is_one_line(build, failure, monkeypatch):
    monkeypatch.delenv("GSC_ROOT", raising=False)
    assert "GSC_ROOT" in failure(verify.main, "--build", build)


def test_gsc_root_serves_where_no_data_is_named(build, failure, monkeypatch):
    monkeypatch.setenv("GSC_ROOT", "/nowhere/at/all")
    assert "/nowhere/at/all" in failure(verify.main, "--build", build)


def test_an_empty_split_is_one_line(build, tiny_speech_commands, tmp_path, failure):
    archive = tmp_path / "speech_commands_v0.02"
    shutil.copytree(tiny_speech_commands / archive.name, archive)
    (archive / "testing_list.txt").write_text("")
    for data in (archive, tmp_path):
        assert "testing split" in failure(verify.main, "--build", build, "--data", data)


def test_a_split_that_the_data_does_not_have_is_one_line(build, tiny_speech_commands, failure, tmp_path, write_wav):
    archive, test_set = (tiny_speech_commands / name for name in dataset.archive_names(2))
    write_wav(tmp_path / "wavs" / "yes" / "a.wav", np.ones(RATE, np.int16))
    for data, split in (
        (test_set, "validation"),
        (test_set, "all"),
        (archive, "all"),
        (tmp_path / "wavs", "testing"),
        (tmp_path / "wavs", "validation"),
    ):
        assert "--split" in failure(verify.main, "--build", build, "--data", data, "--split", split)


def test_a_missing_build_is_one_line_that_names_the_command(tmp_path, tiny_speech_commands, failure):
    line = failure(verify.main, "--build", tmp_path / "tau1", "--data", tiny_speech_commands)
    assert "make quantize" in line and not (tmp_path / "tau1").exists()


@pytest.mark.parametrize("change", ["checkpoint", "model", "features", "tau", "onnx", "native", "no native"])
def test_a_build_that_does_not_fit_together_is_one_line_with_the_remedy(change, build, tiny_speech_commands, failure):
    path = build / "conversion.json"
    record = json.loads(path.read_text())
    if change == "checkpoint":
        record["checkpoint"]["sha256"] = "0" * 64
    elif change == "model":
        (build / build_folder.MODEL).write_bytes(b"another model")
    elif change == "features":
        record["features"]["id"] = "0" * 16
    elif change == "tau":
        record["tau"] = 3
    elif change == "native":
        (build / build_folder.NATIVE).write_bytes(b"another network")
    elif change == "no native":
        (build / build_folder.NATIVE).unlink()
    else:
        (build / build_folder.ONNX).unlink()
    path.write_text(json.dumps(record))
    assert "make quantize TAU=1" in failure(verify.main, "--build", build, "--data", tiny_speech_commands)
    assert not any((build / name).exists() for name in MADE)


@pytest.mark.parametrize("options", [("--tau", "4"), ("--max-drop", "nan"), ("--processes", "0")])
def test_impossible_options_are_one_line(options, build, tiny_speech_commands, failure):
    assert options[1] in failure(verify.main, "--build", build, "--data", tiny_speech_commands, *options)


def test_a_build_that_cannot_be_written_is_one_line_before_the_work(
    build, tiny_speech_commands, failure, read_only, monkeypatch
):
    monkeypatch.setattr(backends, "run_all", lambda *arguments: pytest.fail("it began to measure"))
    line = failure(verify.main, "--build", build, "--data", tiny_speech_commands)
    assert line == f"error: {build}: Read-only file system"


def test_ctrl_c_ends_all_processes_in_one_line_and_writes_nothing(build, tiny_speech_commands):
    process = subprocess.Popen(
        command(build, tiny_speech_commands),
        text=True,
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()  # the audio is decoded; workers start next
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)  # ends only when no process holds the pipes any more
    assert process.returncode in (130, -signal.SIGINT)  # a shell shows 130 for both
    assert [line for line in errors.splitlines() if line.startswith("error: interrupted")]
    assert "Traceback" not in errors
    assert not any((build / name).exists() for name in MADE)
