"""What the command says of sound files, and the tables that it prints."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from benchmarks.listening import level
from benchmarks.listening.level_sounds import FORMATS
from common.audio import read_wav
from common.shipped import EXAMPLES
from frontend import level_binding
from frontend.level import ADVICE, Status


def printed(capsys, *arguments) -> list[str]:
    assert level.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_files_and_folders_are_read_each_on_a_line(tmp_path, write_wav, capsys):
    samples = read_wav(EXAMPLES / "yes.wav")
    write_wav(tmp_path / "deep" / "yes.wav", samples.byteswap())
    (tmp_path / "dump.raw").write_bytes(samples.tobytes() + b"x")
    raw, wav, shipped = printed(capsys, tmp_path, EXAMPLES / "yes.wav")
    assert raw == f"{tmp_path}/dump.raw: " + shipped.partition(": ")[2]
    assert shipped.endswith(f"{level_binding.measure(samples)}, loudest -21.8 dBFS, ok")
    assert wav.endswith(ADVICE[Status.SWAPPED])


def test_other_rates_and_channels_are_converted_first(tmp_path, write_wav, capsys):
    time = np.arange(2 * 48000) / 48000
    tone = np.rint(8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    write_wav(tmp_path / "stereo.wav", np.repeat(tone, 2), rate=48000, channels=2)
    (line,) = printed(capsys, tmp_path / "stereo.wav")
    assert line.endswith("peak -12.2 dBFS, RMS -15.3 dBFS, loudest -15.3 dBFS, ok") or "RMS -15.2" in line


def test_sound_files_of_a_folder_that_cannot_be_read_are_told(tmp_path, capsys):
    shutil.copy(EXAMPLES / "yes.wav", tmp_path)
    (tmp_path / "a.m4a").touch()
    passed, line = printed(capsys, tmp_path)
    assert (
        passed.startswith(f"passed over a sound file ({tmp_path / 'a.m4a'}) in formats that cannot be read")
        and "yes" in line
    )


def test_bad_input_is_one_line(tmp_path, failure, monkeypatch):
    monkeypatch.delenv("GSC_ROOT", raising=False)
    assert "no sound named" in failure(level.main)
    assert "no such file" in failure(level.main, tmp_path / "none.wav")
    assert "no recordings here" in failure(level.main, tmp_path)
    (tmp_path / "empty").mkdir()
    assert "empty: no recordings here" in failure(level.main, EXAMPLES, tmp_path / "empty")
    assert "no Speech Commands named" in failure(level.main, "--measure")
    (tmp_path / "text.wav").write_text("no sound")
    assert "; name another, or remove it" in failure(level.main, tmp_path / "text.wav")


def test_the_tables_name_every_kind_and_every_format(tiny_speech_commands, capsys, monkeypatch):
    monkeypatch.setattr(level, "SECONDS", (1,))
    lines = printed(capsys, "--measure", "--count", 1, "--data", tiny_speech_commands)
    rows = [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")]
    assert {"speech", "noise", "music", "quiet room", "silence", *FORMATS} <= set(rows)


@pytest.mark.parametrize("part, whole, shown", [(0, 9, "0"), (1, 3000, "0.0"), (1, 2, "50.0"), (0, 0, "0")])
def test_a_share_of_0_is_none_at_all(part, whole, shown):
    assert level.share(part, whole) == shown
