"""The native engine's C on emulated cores equals the integer model in Python, to the bit."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from emulated import builds, example_clips, need_emulator, real_clips
from engine_inputs import extremes

from benchmarks.cost import engine_on_core, frontend_on_core
from benchmarks.cost.emulator import CORES
from benchmarks.cost.engine_on_core import Call, Firmware, call
from common.description import FEATURES, LABELS
from engine import golden, render
from engine.binding import Status
from engine.random_network import random_features, random_network
from frontend import golden as frontend

MOVE_AT = 77
BUILDS = builds("-DKWS_ENGINE_PORTABLE")
NETWORKS = {"tau 1, shipped": 6, "tau 3, random": 2}
"""Clips of speech that each runs on."""
MISUSE = [
    *(
        (call(what), status)
        for what, status in (
            (Call.NULL_STATE, Status.BAD_ARGUMENT),
            (Call.NULL_COLUMN, Status.BAD_ARGUMENT),
            (Call.NULL_SCORES, Status.BAD_ARGUMENT),
            (Call.NULL_EVERYWHERE, Status.BAD_ARGUMENT),
            (Call.SCORES_WINDOW, Status.NOT_RESET),
            (Call.SCORES_STREAM, Status.NOT_RESET),
            (Call.OVERWRITE, Status.OK),
            (Call.SCORES_WINDOW, Status.NOT_RESET),
            (Call.SCORES_STREAM, Status.NOT_RESET),
            (Call.RESET, Status.OK),
            (Call.SCORES_WINDOW, Status.WRONG_LENGTH),
            (Call.SCORES_STREAM, Status.NOT_YET),
        )
    ),
]
"""Calls that are not allowed before there is anything to score, and the status of each."""


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Clips int16 [n, 16000]: real ones, spread over all labels, where there are some, else the examples."""
    return np.stack(list((real_clips(max(NETWORKS.values())) or example_clips()).values()))


@pytest.fixture(scope="module")
def firmwares(tau1_build, tmp_path_factory) -> dict[str, Firmware]:
    """The engine of each network."""
    need_emulator()
    random, folder = random_network(3), tmp_path_factory.mktemp("native")
    for name, text in render.sources(random).items():
        (folder / name).write_text(text)
    return dict(zip(NETWORKS, (engine_on_core.find(tau1_build, 1), Firmware(random, folder))))


def windows(name: str, speech: np.ndarray) -> np.ndarray:
    """What a network is tested on, int8 [n, 40, 101]: speech, noise in the features, extremes and alternating ones."""
    features = frontend.columns(speech[: NETWORKS[name]]).transpose(0, 2, 1)
    return np.concatenate([features, random_features(2), extremes()])


def stream(name: str, speech: np.ndarray) -> np.ndarray:
    """Columns int8 [n, 40] of one to three seconds of speech, and a second of noise in the features."""
    columns = frontend.stream(np.concatenate(speech[: NETWORKS[name] // 2]))
    return np.concatenate([columns, random_features(1, 1)[0].T])


def one_by_one(clip: np.ndarray) -> list[bytes]:
    """A window int8 [40, 101] column by column on a state that is garbage at first and is moved on the way."""
    pushes = [call(Call.PUSH, column) for column in clip.T]
    return [
        call(Call.OVERWRITE),
        call(Call.RESET),
        *pushes[:MOVE_AT],
        call(Call.MOVE),
        *pushes[MOVE_AT:],
        call(Call.SCORES_WINDOW),
    ]


@pytest.fixture(scope="module")
def expected(firmwares, speech) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the integer model makes of each network's windows and stream."""
    return {
        name: (
            golden.window(firmware.network, windows(name, speech)),
            engine_on_core.stream_scores(firmware.network, stream(name, speech), render.STREAM_COLUMNS),
        )
        for name, firmware in firmwares.items()
    }


@pytest.fixture(scope="module")
def outcomes(firmwares, speech, tmp_path_factory) -> dict[tuple[str, str], Future]:
    """Every network in every build, computed two at a time: windows, then one of them column by column, then the
    stream."""
    folder = tmp_path_factory.mktemp("images")

    def compute(name: str, build: str):
        core, flags = BUILDS[build]
        image = engine_on_core.build(CORES[core], firmwares[name], folder / f"{name} {build}.elf", flags)
        inputs = windows(name, speech)
        calls = [
            *map(engine_on_core.window, inputs),
            *one_by_one(inputs[0]),
            *engine_on_core.stream(stream(name, speech), MOVE_AT),
        ]
        return engine_on_core.run(image, calls, ())

    with ThreadPoolExecutor(2) as pool:
        yield {(name, build): pool.submit(compute, name, build) for name in NETWORKS for build in BUILDS}


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_core_equals_the_integer_model_bit_for_bit(name, build, outcomes, expected):
    done, (windowed, streamed) = outcomes[name, build].result(), expected[name]
    n, at_once = len(windowed), len(windowed) + FEATURES.frames + 4
    assert set(done.status[:at_once]) == {Status.OK}
    assert [i for i in range(n) if not np.array_equal(done.scores[i], windowed[i])] == []
    assert np.array_equal(done.scores[at_once - 1], windowed[0])
    hops = [i for i in range(at_once + 1, len(done.status)) if i != at_once + 1 + MOVE_AT]
    waiting = len(hops) - len(streamed)
    assert [done.status[i] for i in hops] == [Status.NOT_YET] * waiting + [Status.OK] * len(streamed)
    assert np.array_equal(done.scores[hops[waiting:]], streamed)
    assert (done.scores[hops[:waiting]] == engine_on_core.UNTOUCHED).all()


@pytest.mark.parametrize("core", CORES)
def test_misuse_is_answered_and_harms_nothing(core, firmwares, speech, tmp_path):
    firmware = firmwares["tau 1, shipped"]
    clip = windows("tau 1, shipped", speech)[0]
    pushes = [(call(Call.PUSH, column), Status.OK) for column in clip.T]
    script = [
        (pushes[0][0], Status.NOT_RESET),
        *MISUSE,
        *pushes[:-1],
        (call(Call.SCORES_WINDOW), Status.WRONG_LENGTH),
        pushes[-1],
        (call(Call.NULL_SCORES), Status.BAD_ARGUMENT),
        (call(Call.NULL_COLUMN), Status.BAD_ARGUMENT),
        (call(Call.SCORES_WINDOW), Status.OK),
    ]
    answer = len(script) - 1
    script += [
        (call(Call.SCORES_WINDOW), Status.WRONG_LENGTH),
        (call(Call.SCORES_STREAM), Status.NOT_YET),
        *pushes,
        pushes[0],
        (call(Call.SCORES_WINDOW), Status.WRONG_LENGTH),
        (call(Call.SCORES_STREAM), Status.OK),
    ]
    image = engine_on_core.build(CORES[core], firmware, tmp_path / "misuse.elf")
    done = engine_on_core.run(image, [request for request, _ in script], ())
    assert done.status == [status for _, status in script]
    assert np.array_equal(done.scores[answer], golden.window(firmware.network, clip[None])[0])
    untouched = (done.scores == engine_on_core.UNTOUCHED).all(1)
    assert np.flatnonzero(~untouched).tolist() == [answer, len(script) - 1]


@pytest.mark.parametrize("core", CORES)
def test_from_samples_to_scores_every_core_equals_the_integer_models(core, firmwares, tau1_build, speech, tmp_path):
    firmware, recordings = firmwares["tau 1, shipped"], speech[:2]
    with frontend_on_core.source_folder(tau1_build / "firmware") as folder:
        image = engine_on_core.build_listener(
            CORES[core], firmware, frontend_on_core.sources(folder), tmp_path / "listen.elf"
        )
    status, scores, hop_status, hop_scores = engine_on_core.listen(image, recordings, len(LABELS))
    assert set(status) == {Status.OK}
    features = frontend.columns(recordings).transpose(0, 2, 1)
    assert np.array_equal(scores, golden.window(firmware.network, features))
    columns = frontend.stream(np.concatenate(recordings))
    streamed = engine_on_core.stream_scores(firmware.network, columns, render.STREAM_COLUMNS)
    waiting = len(columns) - len(streamed)
    assert hop_status.tolist() == [engine_on_core.NO_COLUMN] + [Status.NOT_YET] * waiting + [Status.OK] * len(streamed)
    assert np.array_equal(hop_scores[1 + waiting :], streamed)
