"""Which wav files are read, and the one line that each of the others gets."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.cost import on_board
from common import wav
from common.audio import read_clip, read_wav
from common.description import FEATURES
from common.errors import UserError

SECOND = FEATURES.clip_samples


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).integers(-32768, 32768, SECOND).astype(np.int16)


def refusal(path, read=read_clip) -> str:
    """The line that a file gets; it names the file."""
    with pytest.raises(UserError) as caught:
        read(path)
    line = str(caught.value)
    assert "\n" not in line and line.startswith(f"{path}: ")
    return line


def chunks(*parts: tuple[bytes, bytes]) -> bytes:
    """A RIFF/WAVE file of the chunks given."""
    body = b"WAVE" + b"".join(name + struct.pack("<I", len(data)) + data for name, data in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pcm_format(code: int = 1, bits: int = 16) -> bytes:
    width = bits // 8
    return struct.pack("<HHIIHH", code, 1, FEATURES.sample_rate, FEATURES.sample_rate * width, width, bits)


def test_samples_are_read_exactly(tmp_path, write_wav, samples):
    np.testing.assert_array_equal(read_wav(write_wav(tmp_path / "a.wav", samples)), samples)


def test_a_short_clip_is_padded_with_zeros_at_its_end(tmp_path, write_wav, samples):
    clip = read_clip(write_wav(tmp_path / "a.wav", samples[:11_000]))
    np.testing.assert_array_equal(clip, np.concatenate([samples[:11_000], np.zeros(SECOND - 11_000, np.int16)]))
    assert clip.dtype == np.int16


def test_what_is_shorter_than_a_longer_window_lies_in_its_middle(tmp_path, write_wav, samples):
    window = SECOND + 4800
    clip = read_clip(write_wav(tmp_path / "a.wav", samples[:11_000]), window)
    second = read_clip(tmp_path / "a.wav")
    np.testing.assert_array_equal(clip, np.concatenate([np.zeros(2400, np.int16), second, np.zeros(2400, np.int16)]))
    long = np.resize(samples, window - 1)
    np.testing.assert_array_equal(read_clip(write_wav(tmp_path / "b.wav", long), window), np.append(long, np.int16(0)))
    with pytest.raises(UserError, match=r"longer than the 1\.3 s \(20800 samples\) of a clip"):
        read_clip(write_wav(tmp_path / "c.wav", np.resize(samples, window + 1)), window)


def test_other_chunks_in_the_file_are_passed_over(tmp_path, samples):
    path = tmp_path / "a.wav"
    path.write_bytes(chunks((b"fmt ", pcm_format()), (b"LIST", b"INFOabcd"), (b"data", samples.tobytes())))
    np.testing.assert_array_equal(read_wav(path), samples)


def piped(path: Path, samples: np.ndarray, size: int) -> Path:
    """A wav file as a program writes it to a pipe: it cannot go back and fill in the sizes."""
    data = chunks((b"fmt ", pcm_format()), (b"LIST", b"INFOISFT\x04\0\0\0abc\0"), (b"data", samples.tobytes()))
    at = len(data) - samples.nbytes - 4
    path.write_bytes(data[:4] + struct.pack("<I", size) + data[8:at] + struct.pack("<I", size) + data[at + 4 :])
    return path


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_F000, 0x8000_0000])
def test_a_file_that_came_through_a_pipe_ends_where_it_ends(tmp_path, samples, size):
    np.testing.assert_array_equal(read_wav(piped(tmp_path / "a.wav", samples, size)), samples)


def test_an_extensible_format_is_what_its_guid_says(tmp_path, samples):
    for subtype, words in (("PCM_16", None), ("PCM_24", "24 bits, PCM"), ("FLOAT", "32 bits, float")):
        path = tmp_path / f"{subtype}.wav"
        soundfile.write(path, samples, FEATURES.sample_rate, subtype, format="WAVEX")
        assert path.read_bytes()[20:22] == b"\xfe\xff"
        if words:
            assert words in refusal(path)
        else:
            np.testing.assert_array_equal(read_wav(path), samples)


def test_an_extensible_format_of_another_family_is_refused(tmp_path, samples):
    path = tmp_path / "a.wav"
    body = pcm_format(0xFFFE) + struct.pack("<HHI", 22, 16, 4) + b"\1\0" + bytes(14)
    path.write_bytes(chunks((b"fmt ", body), (b"data", samples.tobytes())))
    assert "encoding 65534" in refusal(path)


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_F000])
def test_what_came_through_a_pipe_and_what_is_no_wav_file_lack_nothing(tmp_path, samples, size):
    assert wav.missing_bytes(piped(tmp_path / "a.wav", samples, size)) == 0
    for content in (b"", b"OggS and more", b"RIFF\0\0\0\0WAVE", chunks((b"fmt ", pcm_format()))):
        (tmp_path / "b.wav").write_bytes(content)
        assert wav.missing_bytes(tmp_path / "b.wav") == 0


@pytest.mark.parametrize("missing", [0, 1, 1001, 2 * SECOND])
def test_what_a_wav_file_lacks_is_told_from_its_headers(tmp_path, samples, missing):
    content = chunks((b"fmt ", pcm_format()), (b"LIST", b"even"), (b"data", samples.tobytes()))
    (tmp_path / "a.wav").write_bytes(content[: len(content) - missing])
    assert wav.missing_bytes(tmp_path / "a.wav") == missing


@pytest.mark.parametrize("name", [b"LIST", b"fmt "])
def test_a_chunk_that_is_longer_than_the_file_is_refused(tmp_path, samples, name):
    path = tmp_path / "a.wav"
    first = b"fmt " + struct.pack("<I", 16) + pcm_format() if name != b"fmt " else b""
    path.write_bytes(b"RIFF\x40\0\0\0WAVE" + first + name + struct.pack("<I", 50_000) + samples[:100].tobytes())
    assert "says 50000 bytes, but 200 are there" in refusal(path)


def test_a_pipe_and_a_folder_are_refused_at_once(tmp_path, samples):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    assert "no plain file" in refusal(tmp_path / "pipe.wav")
    assert "a folder" in refusal(tmp_path / "folder.wav")


def test_a_missing_file_a_folder_and_one_that_cannot_be_read_end_a_command_alike(
    tmp_path, monkeypatch, capsys, write_wav, samples
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(on_board, "firmware_of", lambda build: build)
    locked = write_wav(tmp_path / "locked.wav", samples)
    whole = Path.read_bytes

    def read_bytes(path):
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    for path, reason in ((tmp_path / "none.wav", "no such file"), (tmp_path, "a folder"), (locked, "Permission denied")):
        assert on_board.main(["--wav", str(path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {path}: ") and reason in line


def test_a_stereo_file_is_refused(tmp_path, write_wav, samples):
    assert "2 channels" in refusal(write_wav(tmp_path / "a.wav", samples, channels=2))


def test_a_file_at_8_khz_is_refused(tmp_path, write_wav, samples):
    assert "8000 Hz" in refusal(write_wav(tmp_path / "a.wav", samples[:8000], rate=8000))


def test_a_file_of_8_bits_is_refused(tmp_path, write_wav, samples):
    assert "8 bits" in refusal(write_wav(tmp_path / "a.wav", samples.astype(np.uint8)))


def test_a_file_of_floats_is_refused(tmp_path, samples):
    path = tmp_path / "a.wav"
    path.write_bytes(chunks((b"fmt ", pcm_format(3, 32)), (b"data", samples.astype(np.float32).tobytes())))
    assert "16-bit PCM" in refusal(path)


def test_a_file_without_samples_is_refused(tmp_path, write_wav, samples):
    assert "no samples" in refusal(write_wav(tmp_path / "a.wav", samples[:0]))


def test_a_file_longer_than_a_second_is_refused_as_a_clip_only(tmp_path, write_wav, samples):
    path = write_wav(tmp_path / "a.wav", np.append(samples, samples[:1]))
    assert f"{SECOND + 1} samples" in refusal(path)
    assert len(read_wav(path)) == SECOND + 1


@pytest.mark.parametrize("length", [0, 3, 11, 20, 36, 43])
def test_a_file_that_ends_within_its_header_is_refused(tmp_path, write_wav, samples, length):
    path = write_wav(tmp_path / "a.wav", samples)
    path.write_bytes(path.read_bytes()[:length])
    assert "not a" in refusal(path)


@pytest.mark.parametrize("missing", [1, 2, 1001, 2 * SECOND - 1, 2 * SECOND])
def test_a_truncated_file_is_refused(tmp_path, write_wav, samples, missing):
    path = write_wav(tmp_path / "a.wav", samples)
    path.write_bytes(path.read_bytes()[:-missing])
    assert "truncated" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [
        b"ID3 some other music format",
        bytes(1000),
        b"RIFF\0\0\0\0AVI ",
        chunks((b"data", bytes(100))),
        chunks((b"fmt ", pcm_format())),
        chunks((b"fmt ", b"\1\0")),
        chunks((b"fmt ", pcm_format(1, 16)[:14] + b"\0\0")),
    ],
    ids=["text", "zeros", "avi", "no format", "no data", "short format", "zero bits"],
)
def test_what_is_no_wav_file_is_refused(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert "not a" in refusal(path)
