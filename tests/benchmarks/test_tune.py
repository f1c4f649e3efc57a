"""Thresholds are chosen for the wanted false accepts, on recordings that the figures are not of; the firmware takes them."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import quantize
from benchmarks.listening import continuous, listen_test, thresholds, tune
from benchmarks.listening.continuous import Scored
from benchmarks.listening.thresholds import GRID, Answers, Counts
from benchmarks.report import contents
from common import build_folder
from common.audio import read_wav
from common.description import FEATURES
from common.halves import even_halves, half
from common.intervals import missed
from detector import settings
from detector.settings import NEVER, SENSITIVITIES, Threshold
from engine import network
from engine.binding import Engine
from firmware_gen import __main__ as firmware_gen, inputs

EXAMPLES = Path(__file__).parents[2] / "examples"
LABELS = ("_silence_", "_unknown_", "yes", "no")


def sound(word: int, probability: int, hops: int) -> Answers:
    """A word, between hops of silence."""
    winner = np.array([0] * 5 + [word] * hops + [0] * 60, np.uint8)
    return Answers(winner, np.where(winner == word, probability, 200).astype(np.uint8))


@pytest.fixture(scope="module")
def counts() -> Counts:
    """yes: 10 sure recordings, and 100 false accepts in 10 hours that are shorter; no: as unsure as its false accepts."""
    spoken = [sound(2, 255, 40)] * 10 + [sound(3, 210, 20)] * 10
    false = [sound(2, 255, 20)] * 100 + [sound(3, 210, 20)] * 50
    together = Answers(*(np.concatenate(parts) for parts in zip(*false)))
    return thresholds.count(spoken, np.repeat([2, 3], 10), [together], 10.0, LABELS, 0)


def test_hits_and_reports_are_what_the_detector_gives(counts):
    row = GRID.index(Threshold(230, 20))
    assert counts.hits[row].tolist() == [0, 0, 10, 0] and counts.reports[row].tolist() == [0, 0, 100, 0]
    row = GRID.index(Threshold(204, 20))
    assert counts.hits[row].tolist() == [0, 0, 10, 10] and counts.reports[row].tolist() == [0, 0, 100, 50]


def test_each_word_pays_where_it_costs_least(counts):
    many, few = (thresholds.choose(counts, LABELS, wanted) for wanted in (5.1, 4.9))
    assert thresholds.rate(counts, many) == 5.0 and thresholds.rate(counts, few) == 0.0
    assert many[:2] == few[:2] == (NEVER, NEVER)
    assert many[2].hops > 20, "yes loses nothing by longer persistence"
    hits = [counts.hits[GRID.index(row[3]), 3] for row in (many, few)]
    assert hits == [10, 0], "no has to go where fewer false accepts are wanted"


LOGITS, HOPS = np.repeat(thresholds.LOGITS, len(thresholds.HOPS)), np.array([pair.hops for pair in GRID])
RATE, FALL, LENGTH = 200.0, 0.9, 8.0
"""False accepts an hour of the loosest pair; logits, and hops, over which they fall to 1/e."""


def drawn(hours: float, seed: int) -> Counts:
    """Random recordings of one word, and of false accepts that grow fewer with the logit and with the hops."""
    rng = np.random.default_rng(seed)
    events = rng.poisson(RATE * hours)
    logit, length = rng.exponential(FALL, events), min(thresholds.HOPS) + rng.exponential(LENGTH, events)
    sure, lasts = rng.normal(3.5, 1.5, 60), rng.normal(45, 12, 60)
    hits, reports = (np.zeros((len(GRID), 3), np.int64) for _ in range(2))
    hits[:, 2] = ((sure >= LOGITS[:, None]) & (lasts >= HOPS[:, None])).sum(1)
    reports[:, 2] = ((logit >= LOGITS[:, None]) & (length >= HOPS[:, None])).sum(1)
    return Counts(hits, np.array([0, 0, 60]), reports, hours)


@pytest.mark.parametrize("hours, wanted", [(0.4, 0.2), (0.4, 1.0), (1.2, 0.2), (1.2, 1.0), (20.0, 1.0)])
def test_few_hours_give_the_wanted_rate_too_and_not_that_of_the_luckiest_pair(hours, wanted):
    true = []
    for seed in range(30):
        threshold = thresholds.choose(drawn(hours, seed), LABELS[:3], wanted)[2]
        row = GRID.index(threshold)
        true.append(RATE * np.exp(-(LOGITS[row] - LOGITS[0]) / FALL - (threshold.hops - min(thresholds.HOPS)) / LENGTH))
    assert wanted / 2 < np.mean(true) < 2.2 * wanted


def test_what_is_expected_is_what_was_counted_where_that_is_enough():
    counts = drawn(50.0, 0)
    rates = thresholds.expected(counts)
    many = counts.reports >= thresholds.FEW
    assert many.any() and np.array_equal(rates[many], (counts.reports / counts.hours)[many])
    assert (rates >= counts.reports / counts.hours).all() and (rates[:, 2] > 0).all()
    nothing = thresholds.expected(counts._replace(reports=np.zeros_like(counts.reports)))
    assert (nothing > 0).all() and nothing.max() == 0.5 / 50


def test_the_curve_falls_and_is_of_the_other_half(counts):
    other = Counts(counts.hits // 2, counts.said, counts.reports * 2, counts.hours)
    points = thresholds.curve(counts, other, LABELS)
    assert [point["rate"] for point in points] == sorted((point["rate"] for point in points), reverse=True)
    assert points[0]["words"]["no"] == [10.0, 0.5] and points[-1]["rate"] == 0


def test_halves_share_no_speaker_and_no_recording():
    names = [f"{speaker}_nohash_{take}.wav" for speaker in ("ab12", "cd34", "ef56", "0a1b") for take in range(3)]
    assert all(half(f"{name[:4]}_nohash_9.wav") == half(name) for name in names)
    assert {half(f"x{number}.wav") for number in range(20)} == {0, 1}


@pytest.mark.parametrize("count", [2, 3, 8])
def test_few_recordings_are_halved_word_by_word(count):
    target = np.repeat([2, 5, 7], count)
    side = even_halves([f"{word}/{take}.wav" for word in ("down", "no", "on") for take in range(count)], target)
    for word in (2, 5, 7):
        assert abs(int((side[target == word] == 0).sum()) - int((side[target == word] == 1).sum())) == count % 2


def test_few_recordings_of_a_speaker_are_in_one_half():
    names = [f"{word}/{who}_nohash_{take}.wav" for word in ("no", "on") for who in "abcd" for take in range(3)]
    side = even_halves(names, np.repeat([5, 7], 12))
    speakers = {who: {int(row) for name, row in zip(names, side) if f"/{who}_" in name} for who in "abcd"}
    assert sorted(map(len, speakers.values())) == [1] * 4 and int(side.sum()) == 12


def stream(*seconds: int) -> list[Scored]:
    """Recordings of so many seconds, each known by the probability in all of its hops."""
    rate, hop = FEATURES.sample_rate, FEATURES.hop
    hops = [(second * rate + continuous.PAUSE) // hop for second in seconds]
    return [
        Scored(Path(f"{n}.wav"), second * rate, np.zeros(count, np.uint8), np.full(count, n, np.uint8))
        for n, (second, count) in enumerate(zip(seconds, hops))
    ]


def owners(halves: tune.Halves) -> list[list[int]]:
    """The numbers of the recordings in each half, in their order."""
    return [[int(answers.probability[0]) for answers in part] for part in halves.parts]


def test_short_recordings_are_halved_one_by_one():
    halves = tune.negatives(stream(300, 10, 299, 60, 300))
    assert owners(halves) == [[0, 2, 4], [1, 3]] and not halves.shared
    assert halves.hours == pytest.approx([899 / 3600, 70 / 3600])
    assert owners(tune.negatives(stream(*[300] * 6))) == [[0, 2, 4], [1, 3, 5]]
    assert tune.negatives([]) == ([[], []], [0.0, 0.0], False)


@pytest.mark.parametrize("seconds", [(3600, 3000, 700, 20), (900, 301, 20, 400, 1200, 5), (301, 301, 301, 301)])
def test_a_recording_of_more_than_five_minutes_is_in_one_half_alone(seconds):
    halves = tune.negatives(stream(*seconds))
    first, second = ({*part} for part in owners(halves))
    assert not first & second and first | second == {*range(len(seconds))} and not halves.shared
    assert sum(halves.hours) == pytest.approx(sum(seconds) / 3600) and min(halves.hours) >= 0.4 * sum(halves.hours)
    for part in halves.parts:
        whole = tune.joined(part).probability
        assert {n: int((whole == n).sum()) for n in np.unique(whole)} == {
            int(n): (seconds[n] * 100 + 200) for n in np.unique(whole)
        }


@pytest.mark.parametrize("seconds", [(1500,), (1200, 1200, 600), (36000, 60, 60, 60, 60)])
def test_too_few_recordings_are_cut_and_that_is_told(seconds):
    halves = tune.negatives(stream(*seconds))
    assert halves.shared and min(halves.hours) > 0.3 * sum(halves.hours)
    assert sum(halves.hours) == pytest.approx(sum(seconds) / 3600)
    assert sum(map(len, halves.parts)) == sum(-(-second // 300) for second in seconds)


def test_a_word_without_recordings_gets_the_strictest_thresholds_and_is_named(counts):
    said = np.where(np.arange(len(LABELS)) == 3, 0, counts.said)
    for wanted in (0.1, 100.0):
        chosen = thresholds.choose(counts._replace(said=said, hits=counts.hits * (said > 0)), LABELS, wanted)
        assert chosen[3] == GRID[-1] == Threshold(max(row.probability for row in GRID), max(row.hops for row in GRID))
    (line,) = tune.without_recordings(LABELS, np.array([2, 2]))
    assert line.startswith("no recordings to choose on") and line.endswith(": no")
    assert tune.without_recordings(LABELS, np.array([2, 3])) == []


@pytest.fixture
def build(tau1_build, tmp_path) -> Path:
    return Path(shutil.copytree(tau1_build, tmp_path / "build" / "tau1"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """Recordings of keywords, four of each of two words at 8 kHz, and twelve of noise without any."""
    where = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for word in ("yes", "no"):
        (where / "keywords" / word).mkdir(parents=True)
        clip = read_wav(EXAMPLES / f"{word}.wav")[::2]
        for take in range(8):
            soundfile.write(where / "keywords" / word / f"{take}.wav", clip * rng.uniform(0.5, 1) / 32768, 8000)
    (where / "noise").mkdir()
    for take in range(12):
        soundfile.write(where / "noise" / f"{take}.flac", rng.normal(0, 0.01, 48000), 16000)
    return where / "keywords", where / "noise"


def test_each_sensitivity_whose_false_accepts_were_extrapolated_is_named_with_what_was_counted_and_expected():
    counts = drawn(2.0, 0)
    counted, expected = counts.reports[:, 2], 2.0 * thresholds.expected(counts)[:, 2]
    few = int(np.flatnonzero((counted >= 2) & (counted < expected))[0])
    loose = int(np.flatnonzero(counted >= thresholds.FEW)[-1])
    assert counted[few] < thresholds.FEW and counted[-1] == 0
    presets = {name: (NEVER, NEVER, GRID[row]) for name, row in (("low", -1), ("medium", few), ("high", loose))}
    low, medium = tune.extrapolated(presets, counts)  # of high, enough were counted
    assert low.startswith("low: extrapolated for 1 of 1 words, with fewer than 10 false accepts: 0.")
    assert low.endswith("in 2.00 hours, 0 were counted; longer recordings tell more")
    assert (
        medium.startswith("medium: ")
        and f"{expected[few]:.2f} are expected of all words in 2.00 hours, {counted[few]} were" in medium
    )


def test_thresholds_of_own_recordings_go_into_the_firmware_with_its_prefix(build, folders, capsys, tmp_path):
    keywords, noise = folders
    firmware_gen.main(["--build", str(build), "--prefix", "door"])
    before = (build / "firmware" / "door_detector.c").read_text()
    own = [str(noise), "--build", str(build), "--keywords", str(keywords)]
    tune.main([*own, "--out", str(tmp_path / "alone.json"), "--pause", "0"])
    assert settings.load(tmp_path / "alone.json").pause_ms == 0 and "may be said amid speech" in capsys.readouterr().out
    assert (build / "firmware" / "door_detector.c").read_text() == before
    assert not (build / build_folder.CURVE).exists(), "a curve of other thresholds than the build's"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tune, "PIECE", 1)
        few = tmp_path / "few"
        few.mkdir()
        for take in range(tune.LEAST - 1):
            shutil.copy(noise / f"{take}.flac", few)
        tune.main([str(few), *own[1:], "--out", str(tmp_path / "few.json")])
    assert "both halves hold pieces of the same" in capsys.readouterr().out
    (tmp_path / "unread").mkdir()
    soundfile.write(tmp_path / "unread" / "Yes.wav", np.zeros(16000), 16000)
    (tmp_path / "unread" / "a.m4a").touch()
    tune.main([str(tmp_path / "unread"), *own])
    text = capsys.readouterr().out
    assert text.startswith(
        f"passed over a sound file ({tmp_path / 'unread' / 'Yes.wav'}) named after a keyword, and a sound"
    )
    assert f"({tmp_path / 'unread' / 'a.m4a'}) in formats that cannot be read: write it anew" in text.splitlines()[0]
    assert "both halves hold pieces" not in text
    assert (build / "firmware" / "door_detector.c").read_text() != before and "next:" not in text
    assert "for 0.5 false accepts" not in text and "reported on the other half" in text
    for name in SENSITIVITIES:
        assert f"{name}: 0.0 [0.0," in text and f"{name}: extrapolated for 10 of 10 words" in text
    made = settings.load(build / settings.FILE)
    assert "0.5 false accepts an hour" in made.chosen and made.measured is None
    high = made.tried["presets"]["high"]
    share = missed(8, high["keywords"][0]["hit"])
    assert high["keywords"][0]["said"] == 8 and f"missed {share} % of 8" in text
    header = (build / "firmware" / "door_detector.h").read_text()
    assert "DOOR_SENSITIVITY_HIGH\n//   false accepts an hour, recordings without words: 0.0 [0.0," in header
    assert "with `make tune`" in header and f"//   missed, recordings of keywords: {share} % of 8\n" in header
    assert made.pause_ms == settings.PAUSE_MS and f"pause: a word begins at most {made.pause_ms} ms" in text
    source = inputs.load(build)
    assert source.detector == made
    yes = source.labels.index("yes")
    assert made.presets["high"][yes].hops and not made.presets["high"][0].hops
    curve = json.loads((build / build_folder.CURVE).read_text())
    assert curve["native"] == made.native and curve["points"]
    report = contents.write(build)
    page = (build / build_folder.REPORT_HTML).read_text()
    for written in (page, (build / build_folder.REPORT_MARKDOWN).read_text()):
        assert "begins at most 1,300 ms after a pause" in written
    assert report["detector"]["curve"] == curve and "were chosen on" in (build / build_folder.REPORT_MARKDOWN).read_text()
    for index, point in enumerate(curve["points"]):
        assert f'data-key="/detector/curve/points/{index}/missed" data-value="{point["missed"]}"' in page
        assert f'data-key="/detector/curve/points/{index}/words/yes/0"' in page
    quantize.take_thresholds(settings.load(tmp_path / "alone.json"), tmp_path / "alone.json", build)
    assert contents.merge(build)["detector"]["curve"] is None, "of other thresholds"


def test_thresholds_beside_the_checkpoint_become_those_of_a_build_that_has_none(build, tmp_path, monkeypatch, capsys):
    """As `make keyword` leaves them: neither `make quantize` nor `make demo` has to be told of them."""
    monkeypatch.setattr(inputs, "detector_paths", lambda tau: [])  # as of a network that is not shipped
    conversion = build_folder.load(build)
    conversion["checkpoint"]["path"] = str(tmp_path / "keyword.safetensors")
    (build / build_folder.CONVERSION).write_text(json.dumps(conversion))
    labels, native = conversion["labels"], conversion["native"]["sha256"]
    mine = dataclasses.replace(settings.default(labels), native=native, chosen="speech")
    beside = tmp_path / "keyword.detector.json"
    settings.save(beside, dataclasses.replace(mine, native="of another network"))
    firmware_gen.main(["--build", str(build)])
    assert "Thresholds are defaults" in (build / "firmware" / "kws_detector.h").read_text()
    settings.save(beside, mine)
    firmware_gen.main(["--build", str(build)])
    assert "detector.json: the thresholds beside the checkpoint" in capsys.readouterr().out
    assert "Thresholds were chosen on speech" in (build / "firmware" / "kws_detector.h").read_text()
    settings.save(beside, dataclasses.replace(mine, chosen="other speech"))
    firmware_gen.main(["--build", str(build)])  # what the build has stays: `make tune` may have chosen it
    assert settings.load(build / settings.FILE) == mine


def test_thresholds_of_another_network_are_refused(build, tmp_path, failure):
    conversion = build_folder.load(build)
    made = settings.default(conversion["labels"])
    settings.save(tmp_path / "other.json", made)
    with pytest.raises(Exception, match="other.json: chosen for another network; make it again with `make tune`"):
        quantize.take_thresholds(settings.load(tmp_path / "other.json"), tmp_path / "other.json", build)
    assert not (build / settings.FILE).exists()


def test_bad_input_is_one_line(build, folders, tmp_path, failure, monkeypatch):
    keywords, noise = folders
    monkeypatch.delenv("GSC_ROOT", raising=False)
    own = ("--build", build, "--keywords", keywords)
    assert "RECORDINGS=DIR" in failure(tune.main, *own)
    assert "--keywords DIR" in failure(tune.main, noise, "--build", build)
    for rate in ("0", "-1", "nan", "inf", "1e400"):
        assert "a number above 0" in failure(tune.main, noise, *own, f"--false-accepts={rate}")
    for pause in ("-10", "2560", "15"):
        assert f"--pause {pause}: a pause of 0 to 2550 ms" in failure(tune.main, noise, *own, f"--pause={pause}")
    assert f"{tmp_path}: a folder; name a file" in failure(tune.main, noise, *own, "--out", tmp_path)
    assert "nowhere: no such folder" in failure(tune.main, tmp_path / "nowhere", *own)
    assert "nowhere: no such folder; name one with recordings of the words" in failure(
        tune.main, noise, "--build", build, "--keywords", tmp_path / "nowhere"
    )
    assert "no folder here is named like one of the words" in failure(
        tune.main, noise, "--build", build, "--keywords", noise
    )
    (tmp_path / "few").mkdir()
    soundfile.write(tmp_path / "few" / "one.wav", np.zeros(16000), 16000)
    assert "few: 1 recordings of at most five minutes" in failure(tune.main, tmp_path / "few", *own)
    (tmp_path / "words" / "yes").mkdir(parents=True)
    one_speaker = ("--build", build, "--keywords", tmp_path / "words")
    for take in range(5):
        soundfile.write(tmp_path / "words" / "yes" / f"ab12_nohash_{take}.wav", np.ones(8000), 16000)
    assert "5 recordings of keywords, 0 of them in one half" in failure(tune.main, noise, *one_speaker)
    soundfile.write(tmp_path / "words" / "yes" / "none.wav", np.zeros(0), 16000)
    assert "none.wav: holds no samples; remove it" in failure(tune.main, noise, *one_speaker)
    assert not (build / settings.FILE).exists() and not (build / build_folder.CURVE).exists()
    assert "no such file" in failure(quantize.main, "--tau", "1", "--detector", tmp_path / "nowhere.json")


def test_the_listening_test_counts_what_it_says_and_keeps_it(
    build, tiny_speech_commands, folders, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(listen_test, "ROOM_SECONDS", 20)
    monkeypatch.setattr(listen_test, "MUSIC_PIECES", 2)
    monkeypatch.setattr(listen_test, "MUSIC_SECONDS", 4)
    out, shipped = build / "scenes", tmp_path / "shipped.json"
    decided = inputs.detector_settings(build, build_folder.load(build))
    settings.save(shipped, dataclasses.replace(decided, measured=None))
    monkeypatch.setattr(listen_test, "detector_paths", lambda tau: [shipped])
    own = ["--build", str(build), "--data", str(tiny_speech_commands), "--record"]
    (tmp_path / "own").mkdir()
    shutil.copytree(folders[1], tmp_path / "own" / "fan")
    soundfile.write(tmp_path / "own" / "fan" / "yes.wav", np.zeros(16000), 16000)
    (tmp_path / "own" / "loose.m4a").touch()
    listen_test.main([*own, "--recordings", str(tmp_path / "own"), "--out", str(out)])
    text = capsys.readouterr().out
    found, truth = (json.loads((build / name).read_text()) for name in (listen_test.FILE, listen_test.TRUTH))
    assert f"passed over a sound file ({tmp_path / 'own' / 'loose.m4a'}) beside folders; put them into a folder" in text
    assert f"passed over a sound file ({tmp_path / 'own' / 'fan' / 'yes.wav'}) named after a keyword\n" in text
    for name in SENSITIVITIES:
        assert f"sensitivity {name}" in text
        rows, kinds = found["presets"][name]["keywords"], found["presets"][name]["false_accepts"]
        assert [(row["background"], row["snr_db"]) for row in rows][:2] == [("quiet room", None), ("noise", 20.0)]
        assert all(row["hit"] <= row["said"] == len(truth["scenes"][0]["said"]) for row in rows)
        assert [row["kind"] for row in kinds] == ["quiet room", "noise", "music", "fan"]
        assert kinds[-1]["hours"] == pytest.approx(12 * 3 / 3600)
    kept = settings.load(shipped)
    assert text.endswith(f"{shipped}\n") and kept.presets == decided.presets
    assert kept.measured["presets"] == found["presets"]
    assert len(truth["scenes"]) == 8 and {path.name for path in out.iterdir()} == {row["file"] for row in truth["scenes"]}
    audio, rate = soundfile.read(out / "music_10_db.wav", dtype="int16")
    assert (
        rate == 16000 and len(audio) == next(row for row in truth["scenes"] if row["file"] == "music_10_db.wav")["samples"]
    )


def test_another_number_of_columns_is_shown_and_nothing_is_kept(
    build, tiny_speech_commands, folders, tmp_path, capsys, monkeypatch, failure
):
    monkeypatch.setattr(listen_test, "ROOM_SECONDS", 20)
    monkeypatch.setattr(listen_test, "MUSIC_PIECES", 1)
    monkeypatch.setattr(listen_test, "MUSIC_SECONDS", 4)
    heard, hear = [], Engine.stream

    def in_this_process(function, tasks, what, unit, processes, prepare, arguments):
        prepare(*arguments)
        return [function(*task) for task in tasks]

    monkeypatch.setattr(listen_test.worker_tools, "_maker", [])
    monkeypatch.setattr(listen_test.workers, "in_order", in_this_process)
    monkeypatch.setattr(Engine, "stream", lambda self, columns: heard.append(self.stream_bytes) or hear(self, columns))
    before = sorted(path.name for path in build.iterdir())
    own = ["--build", str(build), "--data", str(tiny_speech_commands)]
    assert listen_test.main([*own, "--columns", "10"]) == 0
    assert "sensitivity medium" in capsys.readouterr().out and sorted(path.name for path in build.iterdir()) == before
    assert set(heard) == {Engine(network.load(build / "native.npz"), ("-DKWS_STREAM_COLUMNS=10",)).stream_bytes}
    for columns in ("0", "102"):
        assert "1 to 101 are wanted" in failure(listen_test.main, *own, "--columns", columns)
    for more in (["--record"], ["--recordings", folders[1]]):
        assert "keeps nothing; leave out" in failure(listen_test.main, *own, "--columns", "10", *more)


def test_figures_of_other_thresholds_are_refused_before_anything_is_heard(
    build, tiny_speech_commands, monkeypatch, tmp_path, failure
):
    decided = settings.default(build_folder.load(build)["labels"])
    monkeypatch.setattr(listen_test, "hear_all", None)
    monkeypatch.setattr(listen_test, "detector_paths", lambda tau: [tmp_path / "shipped.json", tmp_path / "none.json"])
    settings.save(tmp_path / "shipped.json", decided)
    line = failure(listen_test.main, "--build", build, "--data", tiny_speech_commands, "--record")
    assert "the build's thresholds are not those of shipped.json, none.json" in line


def test_places_and_recordings_are_looked_at_before_anything_is_heard(
    build, tiny_speech_commands, monkeypatch, tmp_path, failure
):
    monkeypatch.setattr(listen_test, "hear_all", None)
    own = ("--build", build, "--data", tiny_speech_commands)
    (tmp_path / "file").touch()
    (tmp_path / "kinds" / "radio").mkdir(parents=True)
    assert "file: not a folder" in failure(listen_test.main, *own, "--out", tmp_path / "file")
    refused = functools.partial(failure, listen_test.main, *own, "--recordings")
    radio = tmp_path / "kinds" / "radio"
    assert "radio: no recordings here" in refused(tmp_path / "kinds")
    soundfile.write(radio / "go.wav", np.zeros(16000), 16000)
    assert "radio: all recordings are named after keywords, as go.wav" in refused(tmp_path / "kinds")
    soundfile.write(radio / "empty.wav", np.zeros(0), 16000)
    for folder in (tmp_path / "kinds", radio):
        assert "radio: no sound in these recordings" in refused(folder)
    (radio / "bad.ogg").write_bytes(b"no sound")
    assert "bad.ogg: cannot be read" in refused(radio)
    for name in ("noise", "Music", "quiet room"):
        (tmp_path / "own" / name).mkdir(parents=True)
        assert f"own/{name}: a kind of this name is heard in any case" in refused(tmp_path / "own")
        soundfile.write(tmp_path / "own" / name / "a.wav", np.zeros(16000), 16000)
        assert f"{name}: a kind of this name is heard in any case" in refused(tmp_path / "own" / name)
        shutil.rmtree(tmp_path / "own" / name)
    assert "make: RECORDINGS=DIR" in failure(listen_test.main, *own, "--recordings", tmp_path / "none")


def test_files_named_after_words_of_the_network_are_passed_over_and_those_after_others_words_are_heard(
    build, folders, tiny_speech_commands, tmp_path, monkeypatch, capsys, failure
):
    path = build / build_folder.CONVERSION
    conversion = json.loads(path.read_text())
    conversion["labels"][conversion["labels"].index("off")] = "computer"
    path.write_text(json.dumps(conversion))
    (tmp_path / "radio").mkdir()
    of_others = [tmp_path / "radio" / name for name in ("off.flac", "off.wav")]
    for where in (tmp_path / "radio" / "computer.wav", *of_others):
        soundfile.write(where, np.zeros(16000), 16000)
    line = failure(tune.main, tmp_path / "radio", "--build", build, "--keywords", folders[0])
    assert "radio: 2 recordings of at most five minutes" in line
    assert listen_test.kinds(tmp_path / "radio", conversion["labels"]) == {"radio": of_others}
    assert "computer.wav) named after" in capsys.readouterr().out
    for path in of_others:
        path.unlink()
    monkeypatch.setattr(listen_test, "hear_all", None)
    own = ("--build", build, "--data", tiny_speech_commands, "--recordings", tmp_path / "radio")
    assert "as computer.wav; name a folder of others" in failure(listen_test.main, *own)


def test_words_amid_speech_are_counted_where_there_is_no_pause_and_nowhere_else():
    """A keyword 2 s after the last silence, 50 hops at 230 of 255: once as a recording of it, once as a negative."""
    said = Answers(*np.repeat([[0, 1, 2, 0], [255, 255, 230, 255]], [40, 200, 50, 40], 1).astype(np.uint8))
    row = GRID.index(Threshold(204, 20))
    for pause_ms, heard in ((0, 1), (2200, 1), (settings.PAUSE_MS, 0)):
        counts = thresholds.count([said], np.array([2]), [said], 1.0, LABELS, pause_ms)
        assert (counts.hits[row, 2], counts.reports[row, 2]) == (heard, heard)
