"""The generated C engine on this machine equals the integer model, and the integer model itself, for every width."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess

import numpy as np
import pytest
from engine_inputs import CLASS_COUNTS, SEED, at_the_ends, extremes, numbered
from firmware_builds import SANITISERS, WARNINGS

from benchmarks.cost.engine_on_core import stream_scores
from common.description import FEATURES, TAUS
from common.errors import UserError
from engine import golden, render
from engine.binding import Engine, Status
from engine.network import Network, check
from engine.plan import plan
from engine.random_network import random_features, random_network

GOAL_STATE = {1: 12_288, 3: 34_000, 8: 90_000}
"""Bytes of rings and scratch."""
GOAL_STREAM = 5 * 1024
COMPILERS = {
    "gcc": ["gcc"],
    "clang": ["clang"],
    **{
        core: ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb"]
        for core in ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33")
    },
    "cortex-m55": ["arm-none-eabi-gcc", "-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"],
}


@pytest.fixture(scope="module", params=TAUS, ids=lambda tau: f"tau {tau:g}")
def network(request) -> Network:
    """A network of every width with random weights."""
    return random_network(request.param)


@pytest.fixture(scope="module")
def engine(network) -> Engine:
    return Engine(network)


@pytest.fixture(scope="module")
def small() -> Engine:
    """The narrowest network."""
    return Engine(random_network(1))


def test_window_in_c_equals_the_integer_model(network, engine):
    clips = np.concatenate([random_features(3), extremes()])
    assert np.array_equal(engine.windows(clips), golden.window(network, clips))


@pytest.mark.parametrize("clip_samples", [16_160, 20_800, 25_600])
def test_a_longer_window_in_c_equals_the_integer_model_too(clip_samples):
    made = random_network(1, clip_samples=clip_samples)
    clips = random_features(3, features=made.features)
    assert np.array_equal(Engine(made).windows(clips), golden.window(made, clips))
    with pytest.raises(ValueError, match="WRONG_LENGTH"):
        Engine(made).windows(random_features(1))


def test_a_network_of_another_window_has_another_identity():
    made = [random_network(1, clip_samples=samples) for samples in (16_000, 20_800)]
    assert len({*map(render.engine_id, made)}) == 2
    assert len({render.sources(one)["kws_model.h"] for one in made}) == 2


def test_column_by_column_equals_the_whole_window_with_its_zero_padding(network):
    clip = random_features(1, 5)
    assert np.array_equal(golden.Stream(network).window(clip[0].T), golden.window(network, clip)[0])


def test_stream_in_c_equals_the_integer_model(network, engine):
    columns = np.concatenate([*random_features(1, 2), *extremes()[2:]], 1).T
    logits = golden.stream(network, columns).astype(np.int64)
    n = render.STREAM_COLUMNS
    expected = [golden.average(logits[i : i + n].sum(0), n) for i in range(len(logits) - n + 1)]
    assert np.array_equal(engine.stream(columns), expected)


def test_stream_of_the_integer_model_equals_its_columns(network):
    columns = random_features(1, 3)[0].T[: network.delay + 4]
    stream = golden.Stream(network)
    pushed = [row for row in map(stream.push, columns) if row is not None]
    assert len(pushed) == 4 and np.array_equal(pushed, golden.stream(network, columns))


def test_random_networks_tell_clips_apart(network):
    """One whose scores never change would pass every comparison."""
    scores = golden.window(network, np.concatenate([random_features(3), extremes()]))
    assert len(np.unique(scores, axis=0)) == len(scores)


def test_state_is_within_its_goal(network, engine):
    goal = GOAL_STATE.get(network.tau)
    assert goal is None or engine.state_bytes - engine.stream_bytes <= goal
    assert engine.stream_bytes <= GOAL_STREAM


def test_plan_gives_every_column_whole_words_of_its_own(network):
    found = plan(network)
    ends = {"inputs": 0, "means": 0}
    for layer in found.layers:
        assert (layer.inputs, layer.means) == (ends["inputs"], ends["means"]) and layer.column % 4 == 0
        ends["inputs"] += layer.dilation * layer.column
        ends["means"] += 2 * layer.dilation * layer.channels
    assert ends == {"inputs": found.inputs_bytes, "means": found.means}


@pytest.mark.parametrize("columns", ["0", "-1", "102", "10000", "(1 - 1)", "MANY"])
def test_an_average_over_more_columns_than_a_window_has_or_none_is_refused(small, tmp_path, columns):
    for name, text in render.sources(small.network).items():
        (tmp_path / name).write_text(text)
    command = ["gcc", "-std=c99", f"-DKWS_STREAM_COLUMNS={columns}", "-DKWS_PLAIN_NAMES", "-c", "kws_engine.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode and '#error "KWS_STREAM_COLUMNS: a number from 1 to KWS_FRAMES is wanted"' in done.stderr


def test_longest_average_of_a_stream_is_within_its_goal():
    engine = Engine(random_network(1), ("-DKWS_STREAM_COLUMNS=101",))
    assert engine.stream_bytes <= GOAL_STREAM
    columns = np.concatenate(random_features(2, 7), 1).T
    assert len(engine.stream(columns)) == len(columns) - engine.network.delay - 100


def test_stream_runs_on_beyond_its_counter(small):
    """Columns are counted up to 32,767; a signal that repeats must go on giving the same scores after that."""
    period, n = FEATURES.frames, render.STREAM_COLUMNS
    columns = np.tile(random_features(1, 11)[0].T, (330, 1))
    logits = golden.stream(small.network, columns[: 4 * period]).astype(np.int64)[-period - n + 1 :]
    expected = [golden.average(logits[i : i + n].sum(0), n) for i in range(period)]
    assert np.array_equal(small.stream(columns)[-period:], expected)


def test_misuse_is_told_by_the_return_value(small):
    clip = random_features(1)[0].T
    small.restore(bytes(len(small.save())))
    assert small.push(clip[0]) == small.scores_window()[0] == small.scores_stream()[0] == Status.NOT_RESET
    small.reset()
    assert small.scores_window()[0] == Status.WRONG_LENGTH and small.scores_stream()[0] == Status.NOT_YET
    for column in clip[:-1]:
        assert small.push(column) == Status.OK
    assert small.scores_window()[0] == Status.WRONG_LENGTH
    assert small.push(clip[-1]) == Status.OK
    before = small.save()
    assert small.push(clip[0]) == Status.OK and small.scores_window()[0] == Status.WRONG_LENGTH
    small.restore(before)
    status, scores = small.scores_window()
    assert status == Status.OK and np.array_equal(scores, golden.window(small.network, clip.T[None])[0])
    assert small.scores_window()[0] == Status.WRONG_LENGTH  # the state is reset, not forgotten


def test_state_that_was_moved_goes_on(small):
    clip = random_features(1, 9)[0]
    small.reset()
    for column in clip.T[:70]:
        small.push(column)
    saved = small.save()
    small.restore(b"\xa5" * len(saved))
    small.restore(saved)
    for column in clip.T[70:]:
        small.push(column)
    assert np.array_equal(small.scores_window()[1], golden.window(small.network, clip[None])[0])


def test_features_of_another_type_or_shape_are_refused(small):
    for wrong in (np.zeros(40), np.zeros(39, np.int8), np.zeros((1, 40), np.int8)):
        with pytest.raises(ValueError, match="columns int8"):
            small.push(wrong)
    with pytest.raises(ValueError, match="WRONG_LENGTH"):
        small.windows(np.zeros((1, 40, 100), np.int8))


def test_probabilities_equal_the_integer_model_and_are_softmax(small):
    rng = np.random.default_rng(0)
    scale = small.network.score_scale
    scores = np.concatenate([rng.integers(-1 << 15, 1 << 15, (50, 12)), rng.normal(0, 2 / scale, (50, 12)).round()])
    scores = np.clip(scores, -(1 << 15), (1 << 15) - 1).astype(np.int16)
    found = np.stack([small.probability(row) for row in scores])
    assert np.array_equal(found, golden.probability(small.network, scores))
    logits = scores * scale
    softmax = np.exp(logits - logits.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    assert np.abs(found / 255 - softmax).max() < 0.02  # a sixteenth of a unit in the exponent, at its steepest


@pytest.mark.parametrize("compiler", COMPILERS)
def test_sources_compile_without_a_warning(compiler, small, tmp_path):
    command = COMPILERS[compiler]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    for name, text in render.sources(small.network).items():
        (tmp_path / name).write_text(text)
    subprocess.run([*command, "-std=c99", "-O2", "-pedantic", *WARNINGS, "-c", *render.SOURCES], cwd=tmp_path, check=True)
    header = tmp_path / "all.cc"
    header.write_text('#include "kws_engine.h"\nint main() { return static_cast<int>(sizeof(kws_engine) == 0); }\n')
    plus = [command[0].replace("gcc", "g++") if "gcc" in command[0] else "clang++", *command[1:]]
    subprocess.run([*plus, "-std=c++11", *WARNINGS, "-c", header], cwd=tmp_path, check=True)


def test_headers_and_sources_of_two_builds_do_not_compile_together(small, tmp_path):
    foreign = render.sources(random_network(1, 1))
    for name, text in (render.sources(small.network) | {"kws_model.h": foreign["kws_model.h"]}).items():
        (tmp_path / name).write_text(text)
    for name in render.SOURCES:
        done = subprocess.run(["gcc", "-c", name], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode and "of different builds" in done.stderr


SANITISED = """
#include <stdio.h>
#include <string.h>
#include "kws_engine.h"

static kws_engine engine;

int main(void) {
  static int8_t column[KWS_MELS];
  int16_t scores[KWS_CLASSES];
  memset(&engine, 0xA5, sizeof engine);
  if (kws_push(&engine, column) != KWS_NOT_RESET || kws_reset(&engine) != KWS_OK)
    return 1;
  while (fread(column, sizeof column, 1, stdin) == 1) {
    if (kws_push(&engine, column) != KWS_OK)
      return 1;
    if (kws_scores_stream(&engine, scores) == KWS_OK)
      fwrite(scores, sizeof scores, 1, stdout);
    if (engine.columns == KWS_FRAMES) {
      kws_engine copy = engine;
      if (kws_scores_window(&copy, scores) != KWS_OK || copy.columns != 0)
        return 1;
      fwrite(scores, sizeof scores, 1, stdout);
    }
  }
  return 0;
}
"""


SANITISED_NETWORKS = {
    "tau 1.5": lambda: random_network(1.5, 3),
    "at the ends": lambda: at_the_ends(random_network(1, SEED)),
    **{f"{count} classes": lambda count=count: random_network(1, 3, numbered(count)) for count in CLASS_COUNTS},
}


@pytest.mark.parametrize("name", SANITISED_NETWORKS)
def test_sanitisers_find_nothing_in_random_and_extreme_input(name, tmp_path):
    network = SANITISED_NETWORKS[name]()
    files = render.sources(network) | {"main.c": SANITISED}
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    subprocess.run(
        ["gcc", "-std=c99", "-O1", *WARNINGS, *SANITISERS, "-o", "main", *render.SOURCES, "main.c"], cwd=tmp_path, check=True
    )
    columns = np.concatenate([*random_features(1, 4), *extremes()], 1).T
    done = subprocess.run([tmp_path / "main"], input=np.ascontiguousarray(columns).tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    found = np.frombuffer(done.stdout, np.int16).reshape(-1, len(network.labels))
    stream = stream_scores(network, columns, render.STREAM_COLUMNS)
    first = FEATURES.frames - network.delay - render.STREAM_COLUMNS + 1  # scores of the stream up to the window's
    window = golden.window(network, columns[None, : FEATURES.frames].transpose(0, 2, 1))
    assert np.array_equal(found, np.concatenate([stream[:first], window, stream[first:]]))


def test_network_of_a_single_class_or_another_width_is_refused(small):
    with pytest.raises(UserError, match="it has fewer than two classes"):
        random_network(1, labels=numbered(1))
    with pytest.raises(UserError, match="its tau is 1.25, none of 1, 1.5, 2, 3, 6, 8"):
        check(dataclasses.replace(small.network, tau=1.25))


def test_compiler_that_is_missing_is_named(monkeypatch, small):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(UserError, match="no C compiler found"):
        Engine(small.network)
