"""`make listen`: the firmware's chain on the host's microphone, or on a file."""

from __future__ import annotations

import sys
import time
import types

import numpy as np
import pytest

from common.audio import read_wav
from common.resampling import by_spectrum
from common.shipped import ROOT
from demo import listen

EXAMPLES = sorted((ROOT / "examples").glob("*.wav"))
YES = ROOT / "examples" / "yes.wav"


def run(capsys, build, *arguments) -> list[str]:
    """The lines that a run prints, which must succeed."""
    capsys.readouterr()
    assert listen.main(["--build", str(build), *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_word_of_a_file_and_its_level_are_printed(tau1_build, capsys, path):
    heard, level = run(capsys, tau1_build, "--wav", path)
    assert heard.startswith(f"{path.stem} (") and " %)  at 0." in heard
    assert level.startswith("level: peak -") and level.endswith(", ok")


def test_lines_are_those_of_the_example(tau1_build, capsys):
    readme = (ROOT / "README.md").read_text()
    heard, level = run(capsys, tau1_build, "--wav", YES)
    assert f"stream: {heard}\n{level}\n" in readme


def test_any_rate_and_any_length_is_heard(tau1_build, capsys, write_wav, tmp_path):
    samples = by_spectrum(np.tile(read_wav(YES).astype(float), 3), 44_100 / 16_000)
    path = write_wav(tmp_path / "three.wav", np.clip(samples, -32768, 32767).astype(np.int16), 44_100)
    assert [line.split()[0] for line in run(capsys, tau1_build, "--wav", path)] == ["yes", "yes", "yes", "level:"]


def test_a_file_without_a_word(tau1_build, capsys, write_wav, tmp_path):
    path = write_wav(tmp_path / "noise.wav", np.random.default_rng(1).normal(0, 100, 32_000).astype(np.int16))
    assert run(capsys, tau1_build, "--wav", path)[0] == "no word"


def test_real_time_takes_as_long_as_the_sound(tau1_build, capsys):
    times = []
    for arguments in ((), ("--real-time",)):
        started = time.monotonic()
        run(capsys, tau1_build, "--wav", YES, *arguments)
        times.append(time.monotonic() - started)
    assert times[1] >= len(read_wav(YES)) / 16_000


def test_sensitivity_decides(tau1_build):
    blocks = [np.tile(read_wav(YES), 2)]
    source = listen.inputs.load(tau1_build)
    for name in listen.SENSITIVITIES:
        assert listen.Ear(source.native, source.detector, name).detector.preset == source.detector.preset(name)
    assert listen.listen(listen.Ear(source.native, source.detector), blocks, endless=False) == 2


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("--wav", "nowhere.wav"), "nowhere.wav: no such file; name a sound file"),
        (("--wav", "README.md"), "README.md: cannot be read (Format not recognised); name a sound file"),
        (("--wav", "examples"), "examples: a folder; name a sound file"),
        (("--wav", str(YES), "--sensitivity", "extreme"), "no sensitivity extreme; choose one of low, medium, high"),
        (("--wav", str(YES), "--device", "USB"), "not allowed with argument"),
    ],
)
def test_what_cannot_be_heard_is_one_line(tau1_build, failure, arguments, says):
    assert says in failure(listen.main, "--build", tau1_build, *arguments)


# ---- Microphone ----


class PortAudioError(Exception):
    pass


class InputStream:
    """One that plays yes twice and is then interrupted."""

    def __init__(self, samplerate, blocksize, device, channels, dtype, callback):
        assert (samplerate, blocksize, channels, dtype) == (48_000, 4800, 1, "int16")
        self.blocksize, self.callback = blocksize, callback
        FAKE.opened.append(device)

    def __enter__(self):
        louder = by_spectrum(np.tile(read_wav(YES).astype(float), 5), 3)
        samples = np.clip(np.rint(louder), -32768, 32767).astype(np.int16)[:, None]
        for start in range(0, len(samples) - self.blocksize, self.blocksize):
            self.callback(samples[start : start + self.blocksize], self.blocksize, None, None)
        return self

    def __exit__(self, *_):
        FAKE.opened.append("closed")


def query_devices(device=None, kind=None):
    if kind is None:
        return [
            {"index": 0, "name": "Built-in", "max_input_channels": 2},
            {"index": 1, "name": "Loudspeaker", "max_input_channels": 0},
        ]
    if device not in (None, 0, "Built"):
        raise ValueError(f"No input device matching {device!r}")
    return {"default_samplerate": 48_000.0}


FAKE = types.SimpleNamespace(opened=[], PortAudioError=PortAudioError, InputStream=InputStream, query_devices=query_devices)


@pytest.fixture
def sounddevice(monkeypatch):
    """The package, with one microphone; Ctrl-C where its sound ends."""
    FAKE.opened.clear()
    monkeypatch.setitem(sys.modules, "sounddevice", FAKE)

    class Queue:
        def __init__(self):
            self.blocks = []

        def put(self, block):
            self.blocks.append(block)

        def get(self):
            if not self.blocks:
                raise KeyboardInterrupt
            return self.blocks.pop(0)

    monkeypatch.setattr(listen.queue, "SimpleQueue", Queue)
    return FAKE


@pytest.mark.parametrize("device, opened", [((), None), (("--device", "0"), 0), (("--device", "Built"), "Built")])
def test_the_words_at_a_microphone_are_printed_until_ctrl_c(tau1_build, capsys, sounddevice, device, opened):
    lines = run(capsys, tau1_build, *device)
    assert lines[0] == "listening for down, go, left, no, off, on, right, stop, up, yes; Ctrl-C ends it"
    words = [line.split()[0] for line in lines[1:] if line]
    assert words == ["yes"] * len(words) and len(words) >= 3
    assert sounddevice.opened[0] == opened


def test_advice_on_the_level_is_printed_where_it_changes(tau1_build, capsys):
    source = listen.inputs.load(tau1_build)
    quiet, yes = np.random.default_rng(1).normal(0, 3, 80_000).astype(np.int16), np.tile(read_wav(YES), 5)

    def blocks():
        yield from (quiet, quiet, yes, yes)
        raise KeyboardInterrupt

    listen.listen(listen.Ear(source.native, source.detector), blocks(), endless=True)
    levels = [line for line in capsys.readouterr().out.splitlines() if line.startswith("level: ")]
    assert len(levels) == 2 and "quiet" in levels[0] and levels[1].endswith(", ok")


def test_a_microphone_that_does_not_exist_is_one_line_with_those_that_do(tau1_build, failure, sounddevice, monkeypatch):
    line = failure(listen.main, "--build", tau1_build, "--device", "USB")
    assert "microphone USB: No input device matching 'USB'; choose one of 0 Built-in" in line
    monkeypatch.setattr(sounddevice, "query_devices", lambda *asked: query_devices("none", *asked[1:]) if asked else [])
    line = failure(listen.main, "--build", tau1_build, "--device", "USB")
    assert line.endswith("; none is there: connect one, or name a file (make: WAV=FILE)")


def test_a_missing_package_and_a_missing_library_are_one_line(tau1_build, failure, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert "pip install -r requirements/listen.txt" in failure(listen.main, "--build", tau1_build)

    class Broken:
        def find_spec(self, name, *_):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert "apt-get install libportaudio2" in failure(listen.main, "--build", tau1_build)
