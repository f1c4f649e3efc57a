"""The generated firmware from audio to scores: a clip in one call, a ring of columns, the example main, mixed builds.

Everything runs over the stand-in for TFLM, whose scores are the first elements of the input tensor.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
from firmware_builds import (
    ROOT,
    SMALL,
    STUB,
    TARGETS,
    TFLM,
    Driver,
    build_driver,
    compile_objects,
    compiler,
    generate,
    link,
    record_of,
    write_build,
    write_small_build,
)
from frontend_inputs import recordings

from common.description import FEATURES, LABELS
from convert.interpreters import tflm_logits
from detector.settings import MEDIUM, RISE_MS, UNMEASURED
from frontend import binding, golden, render

EXAMPLE = ROOT / "examples" / "firmware_main.cc"
RUN_EVERY = 10
RUNS_TO_AGREE = -(-UNMEASURED[MEDIUM].hops // RUN_EVERY)
"""As in the example."""


def full_size(path: Path) -> Path:
    write_build(path, FEATURES, LABELS, {"DEPTHWISE_CONV_2D": 90, "CONV_2D": 30, "PADV2": 1})
    generate(path)
    return path


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Path:
    """A build folder with the features of Speech Commands. Read only."""
    return full_size(tmp_path_factory.mktemp("audio") / "tau1")


@pytest.fixture(scope="module")
def driver(build, tmp_path_factory) -> Driver:
    return build_driver(build, tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module")
def small_driver(tmp_path_factory) -> Driver:
    """With 11 frames."""
    path = write_small_build(tmp_path_factory.mktemp("small") / "tau1")
    generate(path)
    return build_driver(path, tmp_path_factory.mktemp("small_driver"))


@pytest.fixture
def save(tmp_path):
    """`save(array) -> path` of a file with its bytes."""

    def write(array: np.ndarray) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.bin"
        path.write_bytes(array.tobytes())
        return path

    return write


def tensors(steps: list[tuple[str, str]], shape: tuple[int, int]) -> list[np.ndarray]:
    """The input tensors that the stand-in was run on, int8 [mels, frames]."""
    return [np.frombuffer(bytes.fromhex(text), np.int8).reshape(shape) for what, text in steps if what == "seen"]


# ---- a clip in one call ----


def test_audio_in_one_call_gives_the_model_the_features_of_the_clip(driver, save):
    """To the bit those of the C on this machine and of the NumPy model: mel by mel, and within a mel frame by frame."""
    sounds = recordings()
    clips = np.stack(
        [
            sounds[name]
            for name in (
                "noise of 2^15 LSB",
                "noise of 2^3 LSB",
                "impulses",
                "a full-scale square wave",
                "a loud tone in band 7",
            )
        ]
    )
    steps = driver(f"init={driver.arena}", *itertools.chain(*((f"audio={save(clip)}", "seen") for clip in clips)))
    assert [result for what, result in steps if what == "audio"] == ["OK"] * len(clips)
    seen = np.stack(tensors(steps, (FEATURES.mels, FEATURES.frames)))
    np.testing.assert_array_equal(seen, golden.columns(clips).transpose(0, 2, 1))
    np.testing.assert_array_equal(seen, binding.columns(clips))
    scores = [bytes.fromhex(text) for what, text in steps if what == "scores"]
    assert scores == [features.tobytes()[: len(LABELS)] for features in seen]


def test_audio_in_one_call_equals_the_clip_function_for_other_features(small_driver, save):
    samples = np.random.default_rng(2).integers(-9999, 9999, SMALL.clip_samples).astype(np.int16)
    steps = small_driver(f"init={small_driver.arena}", f"clip={save(samples)}", f"audio={save(samples)}", "seen")
    columns = np.frombuffer(bytes.fromhex(dict(steps)["clip"]), np.int8).reshape(SMALL.frames, SMALL.mels)
    (seen,) = tensors(steps, (SMALL.mels, SMALL.frames))
    np.testing.assert_array_equal(seen, columns.T)


def test_audio_in_one_call_leaves_the_frontend_reset_whatever_it_held(small_driver, save):
    samples = save(np.ones(SMALL.clip_samples, np.int16))
    steps = small_driver(f"init={small_driver.arena}", "frontend", f"audio={samples}", "frontend")
    assert [result for what, result in steps if what == "frontend"] == ["in use", "reset"]


def test_audio_in_one_call_forgets_columns_that_were_set(small_driver, save):
    columns = save(np.zeros((SMALL.frames, SMALL.mels), np.int8))
    samples = save(np.zeros(SMALL.clip_samples, np.int16))
    steps = small_driver(f"init={small_driver.arena}", f"columns={columns}", f"audio={samples}", "run")
    assert [result for what, result in steps if what in ("audio", "run")] == ["OK", "INPUT_INCOMPLETE"]


# ---- the ring ----


@pytest.mark.parametrize("more", [0, 1, SMALL.frames - 1, SMALL.frames, 2 * SMALL.frames + 3])
def test_ring_gives_the_model_the_latest_columns_oldest_first(small_driver, save, more):
    columns = np.random.default_rng(more).integers(-128, 128, (SMALL.frames + more, SMALL.mels), np.int8)
    steps = small_driver(f"init={small_driver.arena}", f"push_ring={len(columns)},{save(columns)}", "ring", "seen")
    (seen,) = tensors(steps, (SMALL.mels, SMALL.frames))
    np.testing.assert_array_equal(seen, columns[-SMALL.frames :].T)


def test_ring_stays_as_it_was_and_slides_by_one_column(small_driver, save):
    columns = np.random.default_rng(0).integers(-128, 128, (SMALL.frames + 1, SMALL.mels), np.int8)
    steps = small_driver(
        f"init={small_driver.arena}",
        f"push_ring={SMALL.frames},{save(columns[:-1])}",
        "ring",
        "seen",
        "ring",
        "seen",
        f"push_ring=1,{save(columns[-1])}",
        "ring",
        "seen",
    )
    first, again, later = tensors(steps, (SMALL.mels, SMALL.frames))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(later, columns[1:].T)


def test_ring_counts_as_incomplete_until_it_is_full_and_again_after_a_reset(small_driver, save):
    columns = save(np.zeros((SMALL.frames, SMALL.mels), np.int8))
    steps = small_driver(
        f"init={small_driver.arena}",
        "ring",
        f"push_ring={SMALL.frames - 1},{columns}",
        "ring",
        f"push_ring=1,{columns}",
        "ring",
        "reset_ring",
        "ring",
        f"push_ring={SMALL.frames},{columns}",
        "ring",
    )
    assert [result for what, result in steps if what == "ring"] == [
        "INPUT_INCOMPLETE",
        "INPUT_INCOMPLETE",
        "OK",
        "INPUT_INCOMPLETE",
        "OK",
    ]


# ---- errors ----


@pytest.mark.parametrize(
    "next_count",
    [
        (-0x5A5A5A5B, -0x5A5A5A5B),
        (0x01010101, SMALL.frames),
        (SMALL.frames, SMALL.frames),
        (-1, SMALL.frames),
        (-1, -1),
        (3, 4),
        (0, SMALL.frames + 1),
    ],
)
def test_ring_that_was_never_reset_is_refused_and_left_as_it_is(small_driver, save, next_count):
    column, spoil = save(np.zeros(SMALL.mels, np.int8)), "spoil_ring={},{}".format(*next_count)
    steps = small_driver(f"init={small_driver.arena}", spoil, "show_ring", f"push_ring=1,{column}", "ring", "show_ring")
    assert [result for what, result in steps if what in ("push", "ring")] == ["RING_NOT_RESET"] * 2
    before, after = (result for what, result in steps if what == "shown")
    assert before == after and set(bytes.fromhex(dict(steps)["scores"])) == {99}


def test_audio_and_ring_refuse_null_pointers(small_driver):
    steps = small_driver(f"init={small_driver.arena}", "audio_null", "ring_null")
    assert [result for what, result in steps if what in ("audio", "ring")] == ["BAD_ARGUMENT"] * 5


def test_audio_and_ring_want_init_and_leave_the_scores_alone_where_nothing_was_inferred(small_driver, save):
    columns = save(np.zeros((SMALL.frames, SMALL.mels), np.int8))
    use = [f"audio={save(np.zeros(SMALL.clip_samples, np.int16))}", "ring"]
    steps = small_driver(
        f"push_ring={SMALL.frames},{columns}", *use, "init=0", *use, f"init={small_driver.arena}", "fail_invoke=1", *use
    )
    assert [result for what, result in steps if what in ("audio", "ring")] == [
        *["NOT_INITIALISED"] * 4,
        *["INVOKE_FAILED"] * 2,
    ]
    assert {bytes.fromhex(result) for what, result in steps if what == "scores"} == {
        bytes([99] * small_driver.output["shape"][1])
    }


# ---- the example ----


@pytest.mark.parametrize("standard", ["c++11", "c++17"])
@pytest.mark.parametrize("target", TARGETS)
def test_example_main_compiles_without_warnings(build, tmp_path, target, standard):
    compile_objects(compiler(target), [EXAMPLE], tmp_path, f"-std={standard}", "-Os", f"-I{build / 'firmware'}")


@pytest.fixture(scope="module")
def example(build, tmp_path_factory) -> Path:
    return link(tmp_path_factory.mktemp("example") / "example", build / "firmware", EXAMPLE, STUB / "board.cc")


def clicks(seconds: float, phase: int) -> np.ndarray:
    """Faint noise and in every tenth hop a click, in the middle of the columns that leave `phase` over 10, int16."""
    samples = np.random.default_rng(phase).integers(-9, 10, round(seconds * FEATURES.sample_rate)).astype(np.int16)
    samples[phase * FEATURES.hop :: RUN_EVERY * FEATURES.hop] = 20000
    return samples


def words_heard(columns: np.ndarray) -> list[tuple[str, int, bytes]]:
    """What the example has to report over the stand-in for columns int8 [columns, 40]: (word, ms of its middle, tensor)."""
    ends = (end for end in range(RUN_EVERY, len(columns) + 1, RUN_EVERY) if end >= FEATURES.frames)
    windows = ((end - FEATURES.frames, columns[end - FEATURES.frames : end].T.tobytes()) for end in ends)
    winners = itertools.groupby(windows, lambda window: np.frombuffer(window[1], np.int8)[: len(LABELS)].argmax())
    agreed = ((LABELS[label], list(group)) for label, group in winners)
    return [
        (word, 10 * group[0][0] + 500 + RISE_MS, group[RUNS_TO_AGREE - 1][1])
        for word, group in agreed
        if len(group) >= RUNS_TO_AGREE and not word.startswith("_")
    ]


def test_example_main_reports_each_word_once_from_the_columns_of_the_stream(example):
    """In silence no score is above the first, `_silence_`; clicks lift the column of the class that is their phase."""
    pause = np.zeros(24000, np.int16)
    samples = np.concatenate([pause, clicks(2.5, 2), pause, clicks(2.5, 5), pause])
    ran = subprocess.run([example], input=samples.tobytes(), capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, b"")
    reported = [tuple(line.split(" ")) for line in ran.stdout.decode().splitlines()]
    expected = words_heard(golden.stream(samples))
    assert [word for word, *_ in expected] == [LABELS[2 + 1], LABELS[5 + 1]]
    assert [(word, int(ms), bytes.fromhex(tensor)) for word, ms, tensor in reported] == expected


def test_example_main_ends_with_the_status_of_a_run_that_failed(example, driver):
    ran = subprocess.run(
        [example], input=bytes(2 * 2 * FEATURES.sample_rate), capture_output=True, env={**os.environ, "FAIL_INVOKE": "1"}
    )
    assert driver.status[ran.returncode] == "INVOKE_FAILED"


# ---- the real model ----


def test_every_example_word_is_heard_from_its_audio(tau1_build, tmp_path):
    """The generated C computes the features and puts them in order, the tflite-micro interpreter runs the model."""
    driver = build_driver(tau1_build, tmp_path)
    model, labels = (tau1_build / "model_int8.tflite").read_bytes(), record_of(tau1_build)["labels"]
    for path in sorted(EXAMPLE.parent.glob("*.wav")):
        with wave.open(str(path)) as wav:
            (tmp_path / "samples.bin").write_bytes(wav.readframes(wav.getnframes()))
        features = np.stack(
            tensors(
                driver(f"init={driver.arena}", f"audio={tmp_path / 'samples.bin'}", "seen"), (FEATURES.mels, FEATURES.frames)
            )
        )
        assert labels[tflm_logits(model, features)[0].argmax()] == path.stem


# ---- parts of two builds ----


@pytest.fixture(scope="module")
def builds(tmp_path_factory) -> dict[str, Path]:
    """Firmware folders that differ in one thing each from `base`: model, features, or what computes the features."""
    path = tmp_path_factory.mktemp("builds")
    firmware = {
        "base": generate(write_small_build(path / "base")),
        "models": generate(write_small_build(path / "models", seed=2)),
        "features": generate(write_small_build(path / "features", features=dataclasses.replace(SMALL, floor=1e-5))),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "pipeline_id", lambda features: "0123456789abcdef")
        firmware["feature pipelines"] = generate(write_small_build(path / "pipelines"))
    return firmware


def preprocess(text: str, *folders: Path) -> str:
    """The complaints of the preprocessor."""
    includes = [f"-I{folder}" for folder in folders]
    return subprocess.run(
        ["g++", "-std=c++11", "-E", "-o", os.devnull, *includes, *TFLM, "-x", "c++", "-"],
        input=text,
        capture_output=True,
        text=True,
    ).stderr


def test_headers_of_one_build_mix_in_any_order(builds):
    headers = [path.name for path in builds["base"].glob("*.h")]
    for names in (sorted(headers), sorted(headers, reverse=True)):
        assert preprocess("".join(f'#include "{name}"\n' for name in names), builds["base"]) == ""


@pytest.mark.parametrize("what", ["models", "features", "feature pipelines"])
def test_no_header_mixes_with_another_of_another_build(builds, what):
    """All pairs in either order but those of a header and one that it includes: the second is not even read then."""
    headers = {path.name: path.read_text() for path in builds["base"].glob("*.h")}
    for first, second in itertools.permutations(headers, 2):
        if f'#include "{second}"' not in headers[first]:
            text = f'#include "{builds["base"]}/{first}"\n#include "{builds[what]}/{second}"\n'
            assert f"generated for different {what}" in preprocess(text), (first, second)


@pytest.mark.parametrize("what", ["models", "features", "feature pipelines"])
def test_frontend_of_another_build_is_refused_by_the_header_of_the_inference(builds, tmp_path, what):
    """As when one file of a project was replaced and the others were not."""
    for name in ("frontend.h", "model_settings.h", "kws_tflm.h"):
        (tmp_path / name).write_text((builds[what if name == "frontend.h" else "base"] / name).read_text())
    assert f"generated for different {what}" in preprocess('#include "kws_tflm.h"\n', tmp_path)


@pytest.mark.parametrize("what", ["models", "features", "feature pipelines"])
@pytest.mark.parametrize("name", ["model.cc", "kws_tflm.cc"])
def test_source_does_not_compile_with_headers_of_another_build(builds, name, what):
    def errors(headers: Path) -> str:
        command = ["g++", "-std=c++11", "-fsyntax-only", f"-I{headers}", *TFLM, "-x", "c++", "-"]
        return subprocess.run(command, input=(builds["base"] / name).read_text(), capture_output=True, text=True).stderr

    assert errors(builds["base"]) == ""
    assert f"{name} and its headers are of different builds" in errors(builds[what])


def test_model_of_another_build_is_noticed_at_init_though_it_is_as_long(builds, tmp_path):
    assert (builds["base"].parent / "model_int8.tflite").stat().st_size == (
        builds["models"].parent / "model_int8.tflite"
    ).stat().st_size
    units = compile_objects(["gcc"], list(builds["base"].glob("*.c")), tmp_path / "c", "-std=c99")
    sources = [builds["base"] / "kws_tflm.cc", builds["models"] / "model.cc", STUB / "driver.cc"]
    units += compile_objects(["g++"], sources, tmp_path / "cc", "-std=c++11", f"-I{builds['base']}")
    subprocess.run(["g++", "-o", tmp_path / "driver", *units], check=True)
    mixed = Driver(tmp_path / "driver", builds["base"].parent)
    assert mixed(f"init={mixed.arena}") == [("init", "MODEL_MISMATCH")]
