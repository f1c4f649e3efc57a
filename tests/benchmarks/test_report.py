"""The report says what was measured, where it comes from, and nothing of another model."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import backends, statistics
from benchmarks.listening import streaming
from benchmarks.report import contents, text as report_text
from common import build_folder
from engine import network, render
from firmware_gen.inputs import detector_settings

KEYS = """tau checkpoint.sha256 model.parameters model.macs model.tflite_bytes model.ops memory.arena_bytes
calibration.source calibration.clips fidelity.agreement fidelity.sqnr_db fidelity.bit_exact_with_tflm""".split()
GRAPH_KEYS = ("tflite_bytes", "arena_bytes", "agreement", "sqnr_db")


def at(content: dict, dotted: str):
    """The value behind a dotted key."""
    for key in dotted.split("."):
        content = content[key]
    return content


@pytest.fixture
def build(tau1_build, tmp_path) -> Path:
    """A copy of a real build in which nothing was verified yet."""
    path = tmp_path / "tau1"
    shutil.copytree(tau1_build, path)
    for name in (build_folder.VERIFY, build_folder.REPORT_JSON, build_folder.REPORT_MARKDOWN):
        (path / name).unlink(missing_ok=True)
    return path


@pytest.fixture
def nothing_recorded(tmp_path) -> Path:
    return tmp_path / "absent.verify.json"


def verification(build: Path, **changes) -> dict:
    """What a verification of the build's model would have found on 40 random clips."""
    labels = json.loads((build / "conversion.json").read_text())["labels"]
    rng = np.random.default_rng(3)
    target = np.arange(40) % len(labels)
    reference = rng.normal(size=(40, len(labels))) + 4 * np.eye(len(labels))[target]
    logits = {
        name: reference + 0.1 * scale * rng.normal(size=reference.shape)
        for scale, name in enumerate(("pytorch", "onnx", "tflite", "tflm"))
    }
    rows = {name: statistics.describe(values, target, labels) for name, values in logits.items()}
    for name in list(logits)[1:]:
        rows[name] |= statistics.compare(reference, logits[name], target)
    device = {name: {**rows[name], **statistics.compare(reference, logits[name] + 0.01, target)} for name in rows}
    device |= {
        "native": device["tflm"],
        **{name: {key: value for key, value in device["tflm"].items() if key != "sqnr_db"} for name in backends.IN_NOISE},
    }
    device["native_stream"]["drop_against_in_noise"] = {"points": 0.7, "ci95": [0.35, 1.08]}
    conversion = json.loads((build / "conversion.json").read_text())
    facts, decided = conversion["native"], detector_settings(build, conversion)
    native = {
        "sha256": facts["sha256"],
        "stream": streaming.settings(facts["delay_columns"], decided)
        | {"noise": "a fan", "snr_db_quartiles": [10.0, 20.0, None]},
    }
    sha256 = hashlib.sha256((build / build_folder.MODEL).read_bytes()).hexdigest()
    return {
        "clips": 40,
        "split": "testing",
        "backends": rows,
        "device_backends": device,
        "bit_exact_with_tflm": True,
        "data": {"origin": "forty clips", "sha256": "0"},
        "model": {"sha256": sha256},
        "native": native,
        "measured": "2031-05-07",
        "command": "python -m benchmarks.verify_int8 --tau 1 --data DATA",
    } | changes


def write_json(path: Path, content: dict) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_report_has_every_key(build, nothing_recorded):
    contents.write(build, nothing_recorded)
    content = json.loads((build / build_folder.REPORT_JSON).read_text())
    for key in KEYS:
        assert at(content, key) is not None, key
    for graph in ("small", "accurate"):
        assert all(at(content, f"graphs.{graph}.{key}") is not None for key in GRAPH_KEYS)


def test_report_describes_the_model_file_that_is_there(build, nothing_recorded):
    content = contents.merge(build, nothing_recorded)
    model = (build / build_folder.MODEL).read_bytes()
    assert content["model"]["tflite_bytes"] == len(model)
    assert content["model"]["sha256"] == hashlib.sha256(model).hexdigest()
    assert {row["op"]: row["count"] for row in content["model"]["op_table"]} == content["model"]["ops"]


def test_without_a_verification_the_report_says_how_to_make_one(build, nothing_recorded):
    content = contents.write(build, nothing_recorded)
    assert content["accuracy"] is None and content["fidelity"]["source"] == "calibration clips"
    assert "make verify TAU=1" in (build / build_folder.REPORT_MARKDOWN).read_text()
    assert "not measured" in report_text.short(content)


def test_a_recorded_accuracy_of_this_model_is_marked_with_its_date_and_command(build, tmp_path):
    found = verification(build)
    content = contents.write(build, write_json(tmp_path / "recorded.json", found))
    assert content["accuracy"]["origin"] == "recorded"
    assert content["accuracy"]["backends"] == found["backends"]
    assert content["fidelity"]["source"] == "calibration clips"
    text = (build / build_folder.REPORT_MARKDOWN).read_text()
    assert f"recorded {found['measured']} with `{found['command']}`" in text and "not measured in this build" in text
    assert f"recorded {found['measured']}" in report_text.short(content)


def test_a_recorded_accuracy_of_another_model_is_left_out(build, tmp_path):
    recorded = write_json(tmp_path / "recorded.json", verification(build, model={"sha256": "0" * 64}))
    assert contents.merge(build, recorded)["accuracy"] is None


def bench(build: Path, **changes) -> dict:
    """What a bench of the build's native engine would have found on two cores."""
    rows = {
        core: {
            "board": "a board",
            "network_window": 4_567_890 + index,
            "network_hop": 56_789,
            "engine_state_bytes": 12_345,
            "stream_state_bytes": 789,
            "engine_flash_bytes": 34_567,
            "stack_bytes": 321,
            "bit_exact": True,
            "frontend_hop": 1,
        }
        for index, core in enumerate(("cortex-m4", "cortex-m55"))
    }
    engine = render.engine_id(network.load(build / build_folder.NATIVE))
    return {"engine": engine, "clip": "a clip", "compiler": "a compiler", "boards": rows} | changes


def test_native_accuracy_is_in_both_forms_of_the_report(build, tmp_path):
    found = verification(build)
    content = contents.write(build, write_json(tmp_path / "recorded.json", found))
    assert content["accuracy"]["device_backends"] == found["device_backends"]
    assert content["accuracy"]["native"] == found["native"]
    text, short = (build / build_folder.REPORT_MARKDOWN).read_text(), report_text.short(content)
    stream = next(line for line in text.splitlines() if line.startswith("| native engine, in a stream |"))
    row = found["device_backends"]["native_stream"]
    assert f"{100 * row['top1']:.2f} %" in stream and f"{100 * row['agreement']:.2f} %" in stream and "dB" not in stream
    assert "the stream and its detector lose 0.70 points (95 % interval 0.35 to 1.08)" in text
    assert "a fan" in text and "10 / 20 / no noise dB" in text and f"{found['native']['stream']['lag_ms']} ms" in text
    for word in ("native", "in a stream"):
        line = next(line for line in short.splitlines() if line.strip().startswith(word))
        assert f"drop {row['drop_points']:.2f} points ({report_text.span(row['drop_ci95'])})" in line


@pytest.mark.parametrize("native", [{}, {"sha256": "0" * 64, "stream": {}}, {"refused": "too large"}])
def test_native_rows_of_another_network_are_left_out(build, tmp_path, native):
    recorded = write_json(tmp_path / "recorded.json", verification(build, native=native))
    found = contents.write(build, recorded)["accuracy"]
    assert list(found["device_backends"]) == ["pytorch", "onnx", "tflite", "tflm"] and found["native"] is None
    assert "in a stream" not in (build / build_folder.REPORT_MARKDOWN).read_text()


@pytest.mark.parametrize("otherwise", [{"columns": 31}, {"detector": "0x1"}])
def test_rows_in_noise_of_streams_made_otherwise_are_left_out(build, tmp_path, otherwise):
    found = verification(build)
    found["native"]["stream"].update(otherwise)
    contents.write(build, write_json(tmp_path / "recorded.json", found))
    assert "in a stream" not in (build / build_folder.REPORT_MARKDOWN).read_text()
    accuracy = contents.merge(build, write_json(tmp_path / "recorded.json", found))["accuracy"]
    assert list(accuracy["device_backends"]) == ["pytorch", "onnx", "tflite", "tflm", "native"]


def test_costs_of_this_engine_stand_beside_tflms(build, nothing_recorded):
    found = write_json(build / build_folder.BENCH, bench(build))
    content = contents.write(build, nothing_recorded)
    facts = json.loads((build / "conversion.json").read_text())["native"]
    assert {key: content["native"][key] for key in facts} == facts
    assert content["native"]["costs"]["boards"]["cortex-m55"]["network_window"] == 4_567_891
    arena = f"{content['memory']['arena_bytes']:,}"
    text, short = (build / build_folder.REPORT_MARKDOWN).read_text(), report_text.short(content)
    for number in ("4,567,890", "56,789", "12,345", "789", "34,567", arena):
        assert number in text and number in short
    assert "4,567,891" in text and "make bench" not in short
    found.write_text(json.dumps(bench(build, engine="0" * 16)))
    content = contents.write(build, nothing_recorded)
    assert content["native"]["costs"] is None
    for text in ((build / build_folder.REPORT_MARKDOWN).read_text(), report_text.short(content)):
        assert "not measured yet" in text and "make bench TAU=1" in text and "4,567,890" not in text


@pytest.mark.parametrize("spoil", ["{", "boards"])
def test_a_damaged_bench_is_one_line(build, failure, spoil):
    (build / build_folder.BENCH).write_text("{" if spoil == "{" else json.dumps(bench(build, boards={"cortex-m4": 3})))
    assert build_folder.BENCH in failure(contents.main, "--build", build)
    assert not (build / build_folder.REPORT_JSON).exists()


def test_a_network_that_the_engine_cannot_hold_is_reported_with_the_reason(build, tmp_path):
    recorded = write_json(tmp_path / "recorded.json", verification(build))
    path = build / "conversion.json"
    write_json(path, json.loads(path.read_text()) | {"native": {"refused": "a sum is too large"}})
    (build / build_folder.NATIVE).unlink()
    content = contents.write(build, recorded)
    assert content["native"] == {"refused": "a sum is too large"}
    assert not set(backends.NATIVES) & set(content["accuracy"]["device_backends"])
    for text in ((build / build_folder.REPORT_MARKDOWN).read_text(), report_text.short(content)):
        assert "a sum is too large" in text


def test_a_measured_accuracy_goes_before_a_recorded_one_over_no_more_clips(build, tmp_path):
    recorded = write_json(tmp_path / "recorded.json", verification(build))
    measured = verification(build, measured="2031-06-01")
    write_json(build / build_folder.VERIFY, measured)
    content = contents.write(build, recorded)
    assert content["accuracy"]["origin"] == "measured"
    assert content["fidelity"]["agreement"] == measured["device_backends"]["tflite"]["agreement"]
    assert content["fidelity"]["source"] == "verification"
    text = (build / build_folder.REPORT_MARKDOWN).read_text()
    assert "measured 2031-06-01" in text and "recorded 2031" not in text


def test_a_look_at_fewer_clips_hides_no_record_unless_it_alone_knows_the_native_engine(build, tmp_path):
    write_json(build / build_folder.VERIFY, verification(build, clips=3))
    recorded = verification(build)
    assert contents.merge(build, write_json(tmp_path / "recorded.json", recorded))["accuracy"]["clips"] == 40
    recorded["native"]["sha256"] = "0" * 64
    assert contents.merge(build, write_json(tmp_path / "recorded.json", recorded))["accuracy"]["clips"] == 3


def test_a_verification_of_an_older_model_gives_way_to_the_recorded_one(build, tmp_path):
    recorded = write_json(tmp_path / "recorded.json", verification(build))
    write_json(build / build_folder.VERIFY, verification(build, model={"sha256": "0" * 64}))
    assert contents.merge(build, recorded)["accuracy"]["origin"] == "recorded"


def test_a_manifest_of_another_models_firmware_is_left_out(build, nothing_recorded):
    path = build / build_folder.MANIFEST
    path.parent.mkdir(exist_ok=True)
    sha256 = hashlib.sha256((build / build_folder.MODEL).read_bytes()).hexdigest()
    write_json(path, {"model_sha256": sha256, "files": {}})
    assert contents.merge(build, nothing_recorded)["firmware"]["model_sha256"] == sha256
    write_json(path, {"model_sha256": "0" * 64, "files": {}})
    assert contents.merge(build, nothing_recorded)["firmware"] is None


def test_short_form_fits_a_terminal_and_names_files_that_exist(build, nothing_recorded, capsys):
    contents.write(build, nothing_recorded)
    capsys.readouterr()
    assert contents.main(["--build", str(build)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 12 <= len(lines) <= 22
    named = [Path(word) for line in lines for word in line.split() if word.startswith(str(build))]
    assert len(named) >= 2 and all(path.exists() for path in named)


def test_a_class_that_int8_recognises_less_often_has_lost_points(build):
    found = verification(build)
    label = next(iter(found["backends"]["pytorch"]["recall"]))
    found["backends"]["pytorch"]["recall"][label], found["device_backends"]["tflite"]["recall"][label] = 0.75, 0.5
    assert contents.recall_drops(found)["tflite"][label] == 25


def test_classes_without_clips_are_left_out_of_the_table(build, nothing_recorded):
    found = verification(build)
    labels = list(found["backends"]["tflite"]["recall"])
    for row in found["backends"].values():
        row["recall"][labels[0]] = None
    write_json(build / build_folder.VERIFY, found)
    contents.write(build, nothing_recorded)
    text = (build / build_folder.REPORT_MARKDOWN).read_text()
    head = next(line for line in text.splitlines() if line.startswith("| recall"))
    assert labels[0] not in head and labels[1] in head


@pytest.mark.parametrize("content", ["{", "[]", '{"model": 3}'])
def test_a_damaged_verification_is_one_line(build, failure, content):
    (build / build_folder.VERIFY).write_text(content)
    assert build_folder.VERIFY in failure(contents.main, "--build", build)
    assert not (build / build_folder.REPORT_JSON).exists()


def test_a_damaged_model_is_one_line(build, failure):
    path = build / build_folder.MODEL
    path.write_bytes(path.read_bytes()[:1000])
    assert build_folder.MODEL in failure(contents.main, "--build", build)
    assert not (build / build_folder.REPORT_JSON).exists()


def test_a_tau_that_does_not_exist_is_one_line(failure):
    assert "tau 4 does not exist" in failure(contents.main, "--tau", "4")


def test_a_folder_without_a_build_is_one_line(tmp_path, failure):
    assert "make quantize" in failure(contents.main, "--build", tmp_path / "tau1")
    assert not (tmp_path / "tau1").exists()
