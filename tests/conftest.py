"""What several tests share: a tiny data set in the official layout, wav files of every kind, one-line failures."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_clips import OTHER_WORDS, tone

from common import checkpoint, locks
from common.description import FEATURES, KEYWORDS, LABELS
from common.errors import UserError
from demo import browser
from demo.browser import Browser
from training.data import dataset

ROOT = Path(__file__).parent.parent
KEYWORD_CLIPS = {"training": 5, "validation": 1, "testing": 1}
OTHER_CLIPS = {"training": 10, "validation": 6, "testing": 4}


def write_wav_file(path: Path, samples: np.ndarray, rate: int = FEATURES.sample_rate, channels: int = 1) -> Path:
    """PCM of the width of `samples` (int16, or uint8), interleaved where there are several channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(samples.dtype.itemsize)
        wav.setframerate(rate)
        wav.writeframes(samples.tobytes())
    return path


@pytest.fixture(scope="session")
def write_wav():
    """`write_wav(path, samples, rate=16000, channels=1) -> path`."""
    return write_wav_file


@pytest.fixture(scope="session")
def tiny_speech_commands(tmp_path_factory) -> Path:
    """A folder with both archives of v0.02 in the official layout, a few clips of each word. Read only."""
    data = tmp_path_factory.mktemp("tiny")
    archive, test_set = (data / name for name in dataset.archive_names(2))
    rng = np.random.default_rng(0)
    lists: dict[str, list[str]] = {split: [] for split in dataset.SPLITS}
    for word in KEYWORDS + OTHER_WORDS:
        counts = KEYWORD_CLIPS if word in KEYWORDS else OTHER_CLIPS
        for split, count in counts.items():
            for _ in range(count):
                name = f"{word}/{rng.integers(1 << 32):08x}_nohash_0.wav"
                write_wav_file(archive / name, tone(rng, word))
                lists[split].append(name)
    for split in ("validation", "testing"):
        (archive / f"{split}_list.txt").write_text("".join(f"{name}\n" for name in lists[split]))
    for index in range(2):
        noise = rng.normal(0, 2000, FEATURES.clip_samples * (3 + index) // 2).astype(np.int16)
        write_wav_file(archive / dataset.NOISE / f"noise{index}.wav", noise)
    for label in LABELS:
        for index in range(2):
            write_wav_file(test_set / label / f"{index}.wav", tone(rng, label))
    return data


@pytest.fixture(scope="session")
def gsc_root() -> Path:
    """The folder of real Speech Commands; the test is skipped where $GSC_ROOT names none."""
    root = os.environ.get("GSC_ROOT")
    if not root:
        pytest.skip("needs real audio: set GSC_ROOT to a folder with Speech Commands")
    return Path(root)


@pytest.fixture(scope="session")
def shipped_tau1() -> checkpoint.Checkpoint:
    """The shipped checkpoint of tau = 1."""
    return checkpoint.load(ROOT / "checkpoints" / "tau1.safetensors")


@pytest.fixture(scope="session")
def tau1_build() -> Path:
    """The converted shipped checkpoint and its firmware, in a folder of the tests' own, kept between runs. Read only."""
    build = ROOT / "build" / "tests" / "tau1"
    for stage in (("convert", "--tau", "1"), ("firmware_gen",)):
        done = subprocess.run(
            [sys.executable, "-m", *stage, "--build", str(build)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    return build


@pytest.fixture(scope="session")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    """One browser for all tests, which open pages in it anew; its microphone hears examples/yes.wav again and again."""
    try:
        browser.program()
    except UserError as missing:
        pytest.skip(f"needs a browser: {missing}")
    microphone = f"--use-file-for-fake-audio-capture={ROOT / 'examples' / 'yes.wav'}"
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--mute-audio", microphone)
    with Browser(tmp_path_factory.mktemp("browser"), *fake) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def interrupts_not_ignored():
    """Child processes get Ctrl-C even where the tests run in the background of a shell, where it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def read_only(monkeypatch):
    """No folder can be written."""

    def refused(*_, dir, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir / "tmpa1b2c3d4"))

    monkeypatch.setattr(locks.tempfile, "TemporaryFile", refused)


@pytest.fixture
def failure(capsys):
    """`failure(main, *arguments) -> line`: runs a command that must fail with one line on stderr."""

    def run(main, *arguments) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) != 0
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: ")
        return lines[0]

    return run
