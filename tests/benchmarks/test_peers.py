"""Wake words of others hear the stream of the project's own counts, each in a program in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from benchmarks.listening import continuous, peers, recorded, recorded_peers
from benchmarks.listening.peers import APART, Heard, Placed
from benchmarks.report import figures
from common.description import FEATURES
from common.errors import UserError
from common.intervals import poisson, wilson
from common.reading import sha256
from common.shipped import ROOT, checkpoint_path, detector_path
from detector import settings
from detector.settings import SENSITIVITIES

SECOND = FEATURES.sample_rate
CHUNK = 100
LOUD, LOUDER = 5000, 20000
FAKE = f"""
import numpy as np
from benchmarks.listening import peer_worker
from benchmarks.listening.peer_worker import Model

def hear(chunk):
    samples = np.frombuffer(chunk, np.int16)
    yield from (index for index, least in enumerate(({LOUD}, {LOUDER})) if samples.max() >= least)

models = [Model("loud", "Hey Loud", "above {LOUD}"), Model("louder", "louder", "above {LOUDER}")]
peer_worker.serve("numpy", models, hear, {CHUNK})
"""
"""A peer whose models answer to loud samples; its package is one that is there."""
INSTALLED = ROOT / peers.PYTHON


class Recorded(subprocess.Popen):
    """A process that the test knows of."""

    begun: ClassVar[list[subprocess.Popen]] = []

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.begun.append(self)


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """The file of a peer's program, `fake`, the only one, that runs with the Python of the tests."""
    monkeypatch.setattr(peers, "PEERS", {"fake": "fake_peer"})
    monkeypatch.setattr(peers.subprocess, "Popen", Recorded)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "programs"))
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "fake_peer.py").write_text(FAKE)
    return tmp_path / "programs" / "fake_peer.py"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "recordings"


def write(path: Path, seconds: float, *clicks: tuple[float, int]) -> Path:
    """A recording with single samples at the seconds and of the heights that `clicks` name."""
    samples = np.zeros(round(seconds * SECOND), np.int16)
    for second, height in clicks:
        samples[round(second * SECOND)] = height
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, SECOND)
    return path


def listen(*paths: Path) -> tuple[list[Placed], list[Heard]]:
    return peers.listen(Path(sys.executable), list(peers.PEERS), paths)


def run(capsys, *arguments: object) -> str:
    assert peers.main([*map(str, arguments), "--python", sys.executable]) == 0
    return capsys.readouterr().out


def model(phrase: str, *activations: int, package: str = "some") -> Heard:
    return Heard(package, "1", phrase, phrase, "", list(activations))


# The stream


def test_a_peer_hears_the_stream_of_the_own_counts_sample_by_sample(fake, folder, tmp_path):
    fake.write_text(
        FAKE.replace("def hear(chunk):", f"def hear(chunk):\n    open({str(tmp_path / 'heard')!r}, 'ab').write(chunk)")
    )
    rng = np.random.default_rng(0)
    for name, samples, rate in (("a.wav", SECOND + 7, SECOND), ("b.wav", 40 * SECOND, SECOND), ("c.wav", 8000, 8000)):
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / name, rng.integers(-9999, 9999, samples).astype(np.int16), rate)
    empty = write(folder / "b0.wav", 0)
    placed, _ = listen(folder / "a.wav", empty, *(folder / name for name in ("b.wav", "c.wav")))
    blocks = [continuous.pause(0)]
    for recording in placed:
        assert recording.start == sum(map(len, blocks))
        parts = list(continuous.sound(recording.path))
        assert recording.samples == sum(map(len, parts[:-1])) and np.array_equal(
            parts[-1], continuous.pause(recording.samples)
        )
        blocks += parts
    whole = np.concatenate(blocks)
    assert np.array_equal(np.fromfile(tmp_path / "heard", np.int16), whole[: len(whole) // CHUNK * CHUNK])
    assert [recording.path.name for recording in placed] == ["a.wav", "b.wav", "c.wav"]


def test_activations_come_with_the_samples_heard_until_then(fake, folder):
    placed, (loud, louder) = listen(write(folder / "a.wav", 3, (1, LOUD), (2, LOUDER)))
    first, second = (placed[0].start + seconds * SECOND for seconds in (1, 2))
    assert loud[:5] == ("fake", metadata.version("numpy"), "loud", "Hey Loud", f"above {LOUD}")
    assert loud.activations == [first + CHUNK, second + CHUNK] and louder.activations == [second + CHUNK]


def test_the_sound_is_not_held_back_by_a_peer_that_is_slow_or_talks_much(fake, folder):
    fake.write_text(FAKE.replace(f"({LOUD}, {LOUDER})", "(-32768, -32768)"))
    path = write(folder / "a.wav", 60)
    _, (loud, _) = listen(path)
    assert len(loud.activations) == (60 * SECOND + 2 * continuous.PAUSE) // CHUNK


# Counts


def test_activations_of_a_row_are_one_report():
    assert peers.reports([]) == [] and peers.reports([5]) == [5]
    row = [APART * part // 10 for part in (3, 11, 20, 30, 39)]
    assert peers.reports(row) == [row[0], row[3]]


def test_a_report_in_a_pause_counts_for_the_recording_before_it():
    placed = [Placed(Path(name), start, 100) for name, start in (("a", 32000), ("b", 64160))]
    assert [peers.recording_at(placed, heard) for heard in (1, 32000, 32001, 64160, 64161, 10**9)] == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("name", ["hey_loud", "Hey Loud", "hey-LOUD"])
def test_words_are_those_of_the_folder_and_a_recording_without_an_activation_is_missed(name):
    placed = [Placed(Path("x") / name / f"{index}.wav", index * 1000, 500) for index in range(3)]
    placed.append(Placed(Path("x/loud/3.wav"), 3000, 500))
    models = [model("Hey Loud", 10, 20, 2900, 3100), model("louder", 10)]
    assert [(made.name, missed, count) for made, missed, count in peers.misses(placed, models)] == [("Hey Loud", 1, 3)]
    assert peers.left_out([recording.path for recording in placed], models) == {"loud": 1}


def test_rates_and_misses_are_printed_with_their_intervals_and_nothing_is_written(
    fake, folder, capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(recorded_peers, "PATH", tmp_path / "peers.json")
    write(folder / "radio" / "a.wav", 36, (1, LOUD), (1.5, LOUD), (9, LOUDER), (35.999, LOUD))
    for index, height in enumerate((LOUD, LOUD, 0)):
        write(folder / "words" / "hey_loud" / f"{index}.wav", 1, (0.5, height))
    write(folder / "words" / "nobody" / "0.wav", 1, (0.5, LOUDER))
    lines = run(capsys, folder / "radio", "--keywords", folder / "words").splitlines()
    assert lines[0] == f"0.01 hours, 1 recordings of {folder}/radio" and continuous.PROTOCOL in "\n".join(lines)
    (row,) = (line.split() for line in lines if "loud " in line and "above" in line)
    low, high = (100 * bound for bound in poisson(3))
    assert row[3:6] == ["4", "3", "300.0"] and " ".join(row[6:8]) == f"[{low:.1f}, {high:.1f}]"
    assert " ".join(row[8:]) == f"above {LOUD}"
    low, high = (100 * bound for bound in wilson(1, 3))
    assert lines[-2].endswith(f": loud  missed 1 of 3: 33.3 % [{low:.1f}, {high:.1f}]")
    assert lines[-1] == "nobody: 1 recordings left out, no model has this phrase"
    assert not recorded_peers.PATH.exists()


# Bad input


def test_no_environment_and_a_package_that_is_missing_are_one_line(fake, folder, failure, monkeypatch):
    write(folder / "a.wav", 1)
    line = failure(peers.main, folder, "--python", folder / "python")
    assert line.endswith("/python: no such interpreter; `make peers` installs what requirements/peers.txt names")
    monkeypatch.setattr(peers, "PEERS", {"fake": "not_there"})
    line = failure(peers.main, folder, "--python", sys.executable)
    assert f"fake: failed in {sys.executable} (status 1, " in line and "No module named not_there" in line


@pytest.mark.parametrize("early", ["raise OSError('no library')", "import sys; sys.exit()", "print('{}'); sys.exit()"])
@pytest.mark.parametrize("seconds", [1, 120])
def test_a_peer_that_ends_early_is_one_line_and_gives_no_figures(fake, folder, failure, early, seconds):
    fake.write_text(FAKE.replace("def hear(chunk):", f"def hear(chunk):\n    {early}"))
    path = write(folder / "a.wav", seconds)
    assert "fake: failed in" in failure(peers.main, path.parent, "--python", sys.executable)
    assert Recorded.begun[-1].returncode is not None


def test_an_unreadable_recording_ends_the_peers(fake, folder, failure):
    write(folder / "a.wav", 1)
    (folder / "b.wav").write_bytes(b"no sound")
    assert "b.wav: cannot be read" in failure(peers.main, folder, "--python", sys.executable)
    assert Recorded.begun[-1].returncode is not None


# What is recorded


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """Where the peers' counts are kept, and beside them counts of tau 1 over the recordings called `radio`."""
    monkeypatch.setattr(recorded_peers, "PATH", tmp_path / "recorded_peers.json")
    monkeypatch.setattr(recorded, "PATH", tmp_path / "false_accepts.json")
    decided = settings.load(detector_path(1))
    conversion = {"checkpoint": {"sha256": sha256(checkpoint_path(1))}, "native": {"sha256": decided.native}}
    audio = {"hours": 0.01, "recordings": 1, "protocol": continuous.PROTOCOL}
    recorded.record(1, "radio", conversion, decided, audio, {name: range(7) for name in SENSITIVITIES})
    return tmp_path / "recorded_peers.json"


def test_counts_are_recorded_by_name_and_package_and_shown_beside_the_own(fake, folder, path, capsys):
    write(folder / "radio" / "a.wav", 36, (1, LOUD), (1.5, LOUD), (9, LOUDER))
    write(folder / "words" / "hey_loud" / "0.wav", 1)
    write(folder / "words" / "nobody" / "0.wav", 1)
    assert str(path) in run(capsys, folder / "radio", "--keywords", folder / "words", "--record", "radio")
    found = recorded_peers.load()
    (row,), (keywords,) = found["rows"], found["keywords"]
    assert (row["name"], row["package"], row["hours"], row["recordings"]) == ("radio", "fake", 0.01, 1)
    assert [(made["activations"], made["reports"]) for made in row["models"]] == [(3, 2), (1, 1)]
    assert keywords["left_out"] == {"nobody": 1}
    assert [(made["phrase"], made["recordings"], made["missed"]) for made in keywords["models"]] == [("hey loud", 1, 1)]
    shown = figures.peers_beside()
    low, high = (100 * bound for bound in poisson(2))
    assert f"| `loud` | above {LOUD} | 2: 200.0 [{low:.1f}, {high:.1f}] |" in shown
    assert "| medium sensitivity | 7: 700.0 [" in shown
    assert "misses 1 of 1 recordings of its words: 100.0 %" in " ".join(shown.split()) and '"nobody" (1)' in shown
    write(folder / "radio" / "a.wav", 36)
    run(capsys, folder / "radio", "--record", "radio")
    again = recorded_peers.load()
    assert [[made["reports"] for made in row["models"]] for row in again["rows"]] == [[0, 0]]
    assert again["keywords"] == found["keywords"]


@pytest.mark.parametrize("key, words", [("protocol", "of another protocol"), ("hours", "of other recordings than in")])
def test_what_is_of_another_protocol_or_of_other_recordings_is_not_shown(fake, folder, path, capsys, key, words):
    write(folder / "a.wav", 36)
    run(capsys, folder, "--record", "radio")
    found = json.loads(path.read_text())
    found["rows"][0][key] = {"protocol": "another", "hours": 0.02}[key]
    path.write_text(json.dumps(found))
    with pytest.raises(UserError, match=f"{words}.*; record .*make peers"):
        figures.peers_beside()


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"rows": 3, "keywords": []}', '{"rows": [{"name": 1}], "keywords": []}']
)
def test_a_damaged_file_is_one_line(path, content):
    path.write_text(content)
    with pytest.raises(UserError, match=r"recorded_peers\.json: damaged.*restore it"):
        recorded_peers.load()


# The packages themselves


@pytest.mark.parametrize("package", peers.PEERS)
def test_the_installed_package_is_the_pinned_one_and_hears_no_word_in_a_quiet_room(package, folder):
    if not (INSTALLED.is_file() and (INSTALLED.parents[1] / "peers").is_file()):
        pytest.skip("needs the packages of requirements/peers.txt: run `make peers`")
    placed, models = peers.listen(INSTALLED, [package], [write(folder / "a.wav", 1)])
    assert f"{package}=={models[0].version}" in (ROOT / "requirements" / "peers.txt").read_text().splitlines()
    assert len(placed) == 1 and len(models) >= 4 and not any(made.activations for made in models)
    assert "hey jarvis" in peers.phrases(models)
