"""Which clips a verification runs over: the official archives, either of them, or `<label>/*.wav`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import clips
from common.description import FEATURES, LABELS, SILENCE
from common.errors import UserError
from training.data import clip_folder, dataset

RATE = FEATURES.sample_rate


def test_the_folder_of_both_archives_means_the_test_set_and_each_alone_means_itself(tiny_speech_commands):
    archive, test_set = (tiny_speech_commands / name for name in dataset.archive_names(2))
    official = dataset.folder_clips(test_set)
    assert clips.choose(tiny_speech_commands, None, LABELS)[0].clips == official
    assert clips.choose(test_set, None, LABELS)[0].clips == official
    assert clips.choose(archive, None, LABELS)[0].clips == dataset.split_clips(archive, "testing", 2)
    for data in (tiny_speech_commands, archive):
        assert clips.choose(data, "validation", LABELS)[0].clips == dataset.split_clips(archive, "validation", 2)


def test_the_silence_of_the_validation_split_is_noise(tiny_speech_commands):
    recordings = clips.decode(clips.choose(tiny_speech_commands, "validation", LABELS), LABELS)
    silence = recordings.audio[recordings.target == LABELS.index(SILENCE)]
    assert len(silence) and np.abs(silence).max(1).all()


def test_archives_of_version_1_are_found_too(tiny_speech_commands, tmp_path):
    for ours, theirs in zip(dataset.archive_names(1), dataset.archive_names(2)):
        (tmp_path / ours).symlink_to(tiny_speech_commands / theirs)
    assert len(clips.choose(tmp_path, "all", LABELS)) == 2


def test_labels_are_the_models_and_not_a_fixed_list(tmp_path, write_wav):
    write_wav(tmp_path / "lamp" / "a.wav", np.ones(RATE, np.int16))
    parts = clips.choose(tmp_path, None, ("tree", "lamp"))
    assert clips.decode(parts, ("tree", "lamp")).target.tolist() == [1]
    with pytest.raises(UserError, match="lamp"):
        clips.choose(tmp_path, None, LABELS)


def test_official_archives_serve_models_of_other_labels(tiny_speech_commands, tmp_path):
    archive, test_set = (tiny_speech_commands / name for name in dataset.archive_names(2))

    def labels(data: Path, split: str | None, model: tuple[str, ...]) -> list[set[str]]:
        return [{clip.label for clip in part.clips} for part in clips.choose(data, split, model)]

    assert labels(tiny_speech_commands, "validation", LABELS[1:]) == [{*LABELS[1:]}]
    assert labels(tiny_speech_commands, "all", ("yes", "no")) == 2 * [{"yes", "no"}]
    with_bed = (SILENCE, "yes", "bed")
    (part,) = clips.choose(tiny_speech_commands, None, with_bed)  # the test set does not say which clips are "bed"
    assert part.clips == dataset.split_clips(archive, "testing", 2, labels=with_bed)
    with pytest.raises(UserError, match="no recordings of bed, which the model knows"):
        clips.choose(test_set, None, with_bed)
    with pytest.raises(UserError, match="no test-set archive of the model's words"):
        clips.choose(tiny_speech_commands, "all", with_bed)
    assert labels(archive, None, ("lamp", "yes")) == [{"yes"}]
    with pytest.raises(UserError, match="no clip of lamp; name a folder of recordings"):
        clips.choose(archive, None, ("lamp",))


def test_a_folder_of_an_array_is_a_verification_of_its_own(tmp_path):
    audio = np.arange(3, dtype=np.int16)[:, None] * np.ones(RATE, np.int16)
    clip_folder.write(tmp_path / "kept", ["lamp", "zebra", "lamp"], 0, [(0, audio)])
    parts = clips.choose(tmp_path / "kept", None, (SILENCE, "_unknown_", "lamp"))
    found = clips.decode(parts, (SILENCE, "_unknown_", "lamp"))
    assert found.target.tolist() == [2, 1, 2] and found.audio[:, 0].tolist() == [0, 1, 2]
    assert found.origins == {"folder of clips in an array (kept)": 3}
    with pytest.raises(UserError, match="it has no splits"):
        clips.choose(tmp_path / "kept", "testing", ("lamp", "zebra"))


def test_a_folder_of_the_benchmarks_labels_and_more_is_a_folder_of_wav_files(tiny_speech_commands, tmp_path, write_wav):
    mine = shutil.copytree(tiny_speech_commands / dataset.archive_names(2)[1], tmp_path / "mine")
    write_wav(mine / "lamp" / "a.wav", np.ones(RATE, np.int16))
    for model in ((*LABELS, "lamp"), None):
        (part,) = clips.choose(mine, None, model)
        assert {clip.label for clip in part.clips} == {*LABELS, "lamp"}
    with pytest.raises(UserError, match="'lamp' is not a label"):
        clips.choose(mine, None, LABELS)
