"""The backends of a verification, each alone and in worker processes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import backends, clips
from benchmarks.listening import streaming
from common import build_folder
from common.description import FEATURES
from common.errors import UserError
from detector import settings
from engine import golden, network
from frontend import binding
from training.data import dataset


def test_native_backends_give_the_engines_scores_and_repeat(tau1_build, tiny_speech_commands):
    audio = dataset.read_clips(dataset.folder_clips(tiny_speech_commands / dataset.archive_names(2)[1])[:5])
    noises, path = clips.background(tiny_speech_commands).noises, tau1_build / build_folder.NATIVE
    made = network.load(path)
    decided = settings.default(made.labels)
    first, second = (backends.native_backends(path, noises, decided) for _ in range(2))
    assert np.array_equal(first["native"](audio), np.float32(made.score_scale) * golden.window(made, binding.columns(audio)))
    noisy = np.stack([streaming.noisy_clip(clip, noises) for clip in audio])
    assert np.array_equal(first["native_in_noise"](audio), first["native"](noisy))
    for name in backends.NATIVES:
        logits = first[name](audio)
        assert np.array_equal(logits, second[name](audio))
        assert np.array_equal(logits[3:], second[name](audio[3:]))  # whatever is measured beside it


class Fatal:
    """Ends the process that unpickles it, as the kernel does when memory runs out."""

    def __reduce__(self):
        return os._exit, (1,)


@pytest.mark.parametrize(
    "source, words",
    [({"checkpoint": Fatal()}, "killed"), ({"checkpoint": Path("absent.safetensors")}, "absent.safetensors")],
)
def test_a_failure_in_a_worker_reaches_the_user(source, words):
    with pytest.raises(UserError, match=words):
        backends.run_all(source, np.zeros((2, FEATURES.clip_samples), np.int16), 1)


def test_a_damaged_onnx_file_is_one_line(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match="model.onnx: damaged"):
        backends.onnx_backend(tmp_path / "model.onnx")
