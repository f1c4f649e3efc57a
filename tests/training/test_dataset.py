"""Which clips make up each split, and what is said of a folder that does not hold the data set."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny_clips import OTHER_WORDS

from common.description import FEATURES, KEYWORDS, LABELS, SILENCE, UNKNOWN
from common.errors import UserError
from training.__main__ import main
from training.data import clip_folder, dataset

TRAINING, TEST_SET = dataset.archive_names(2)


@pytest.fixture
def archive(tiny_speech_commands) -> Path:
    return tiny_speech_commands / TRAINING


@pytest.fixture
def copy(tiny_speech_commands, tmp_path) -> Path:
    """A copy of the tiny data set that the test may spoil."""
    return shutil.copytree(tiny_speech_commands, tmp_path / "copy")


def listed(archive: Path, split: str) -> set[str]:
    """The names in a split by the archive's own lists."""
    lists = {name: set((archive / f"{name}_list.txt").read_text().split()) for name in ("validation", "testing")}
    every = {f"{path.parent.name}/{path.name}" for path in archive.glob("*/*.wav")}
    words = {name for name in every if not name.startswith(dataset.NOISE)}
    return lists.get(split, words - lists["validation"] - lists["testing"])


@pytest.mark.parametrize("split", dataset.SPLITS)
def test_a_split_has_every_listed_keyword_under_its_own_name(archive, split):
    clips = [clip for clip in dataset.split_clips(archive, split, 2) if clip.label in KEYWORDS]
    assert {clip.name for clip in clips} == {n for n in listed(archive, split) if n.split("/")[0] in KEYWORDS}
    assert all(clip.path.parent.name == clip.label for clip in clips)


@pytest.mark.parametrize("split", dataset.SPLITS)
def test_unknown_is_made_of_the_other_words_of_the_same_split(archive, split):
    clips = [clip for clip in dataset.split_clips(archive, split, 2) if clip.label == UNKNOWN]
    others = {name for name in listed(archive, split) if name.split("/")[0] not in KEYWORDS}
    assert clips and {clip.name for clip in clips} <= others


def test_no_clip_is_in_two_splits(archive):
    names = [clip.name for split in dataset.SPLITS for clip in dataset.split_clips(archive, split, 2) if clip.path]
    assert len(names) == len(set(names))


def test_unknown_and_silence_are_cut_to_the_benchmarks_size(archive, monkeypatch):
    for version in dataset.EXTRA:
        monkeypatch.setitem(dataset.EXTRA, version, (7, 3, 2))
    for split, size in zip(dataset.SPLITS, (7, 3, 2)):
        labels = [clip.label for clip in dataset.split_clips(archive, split, 2)]
        assert labels.count(UNKNOWN) == labels.count(SILENCE) == size


def test_the_other_words_that_are_kept_are_the_first_by_their_hash_and_so_of_every_word(archive, monkeypatch):
    monkeypatch.setitem(dataset.EXTRA, 1, (8,) * 3)
    others = [name for name in listed(archive, "training") if name.split("/")[0] not in KEYWORDS]
    kept = sorted(others, key=lambda name: hashlib.sha1(name.encode()).digest())[:8]
    clips = [clip.name for clip in dataset.split_clips(archive, "training", 1) if clip.label == UNKNOWN]
    assert clips == sorted(kept) and {name.split("/")[0] for name in clips} == {*OTHER_WORDS}


def test_the_cut_of_unknown_does_not_depend_on_where_or_in_which_order_the_files_lie(copy, archive, monkeypatch):
    ours = [clip.name for clip in dataset.split_clips(archive, "validation", 2)]
    others = [name for name in listed(archive, "validation") if name.split("/")[0] not in KEYWORDS]
    assert sum(name in ours for name in others) < len(others)
    whole = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *a: reversed(list(whole(*a))))
    assert [clip.name for clip in dataset.split_clips(copy / TRAINING, "validation", 2)] == ours


def test_a_smaller_cut_is_part_of_a_larger_one(archive, monkeypatch):
    def unknown(size: int) -> set[str]:
        monkeypatch.setitem(dataset.EXTRA, 1, (size,) * 3)
        return {clip.name for clip in dataset.split_clips(archive, "training", 1) if clip.label == UNKNOWN}

    assert unknown(3) < unknown(8)


def test_the_silence_of_validation_is_the_same_every_time_and_never_louder_than_the_noise(archive):
    noises = dataset.read_noises(archive)
    clips = [clip for clip in dataset.split_clips(archive, "validation", 2) if clip.label == SILENCE]
    audio = dataset.read_clips(clips, noises)
    np.testing.assert_array_equal(audio, dataset.read_clips(clips, noises))
    assert len({row.tobytes() for row in audio}) == len(clips)
    loudest = max(np.abs(noise.astype(int)).max() for noise in noises)
    assert 0 < np.abs(audio.astype(int)).max() <= loudest


def test_the_silence_of_validation_is_as_often_faint_as_loud():
    noise = np.full(2 * FEATURES.clip_samples, 10_000, np.int16)
    level = np.array([dataset.silence_excerpt([noise], index)[0] / 10_000 for index in range(400)])
    assert np.histogram(level, 4, (0, 1))[0].min() > 70


def test_clips_of_a_longer_window_are_padded_around_and_silence_is_as_long():
    noise = np.full(40_000, 10_000, np.int16)
    assert dataset.silence_excerpt([np.zeros(18_000, np.int16), noise], 3, 20_800).shape == (20_800,)
    assert dataset.silence_excerpt([np.zeros(18_000, np.int16), noise], 3, 20_800).any()
    with pytest.raises(UserError, match="no recording is longer than the 1.3 s of a clip; unpack"):
        dataset.silence_excerpt([noise[:20_800]], 3, 20_800)


def test_a_folder_s_array_of_another_length_goes_into_the_middle_or_is_refused(tmp_path):
    audio = np.ones((2, 17_600), np.int16)
    clip_folder.write(tmp_path, ["yes", "no"], 0, [(0, audio)], audio.shape[1])
    clips = dataset.folder_clips(tmp_path)
    found = dataset.read_clips(clips, clip_samples=20_800)
    assert found[:, 1600:19_200].all() and found.sum() == audio.sum()
    with pytest.raises(UserError, match="clips of 17600 samples, but the network hears 16000"):
        dataset.read_clips(clips)


def test_either_archive_may_be_given_on_its_own(tiny_speech_commands):
    for name, test_set in ((TRAINING, False), (TEST_SET, True)):
        own = tiny_speech_commands / name
        assert dataset.find_archive(tiny_speech_commands, 2, test_set) == own
        assert dataset.find_archive(own, 2, test_set) == own
        assert dataset.find_archive(own, 2, not test_set) is None
        assert dataset.find_archive(tiny_speech_commands, 1, test_set) is None


def test_the_test_set_is_read_by_its_folders(tiny_speech_commands):
    clips = dataset.folder_clips(tiny_speech_commands / TEST_SET)
    assert [clip.label for clip in clips] == [label for label in sorted(LABELS) for _ in range(2)]
    assert dataset.read_clips(clips).shape == (len(clips), FEATURES.clip_samples)


def test_wav_files_of_any_case_and_depth_are_clips_named_from_their_words_folder_on(tmp_path, write_wav):
    samples = np.ones(FEATURES.clip_samples, np.int16)
    for name in ("yes/a.WAV", "yes/c.Wav", "yes/alice/1.wav", "no/b.wav"):
        write_wav(tmp_path / name, samples)
    clips = dataset.folder_clips(tmp_path)
    assert [clip.name for clip in clips] == ["no/b.wav", "yes/a.WAV", "yes/alice/1.wav", "yes/c.Wav"]
    assert all(clip.label == clip.word == clip.name.split("/")[0] for clip in clips)
    assert dataset.passed_over(tmp_path) == ""


def test_sound_files_that_are_not_read_are_counted_aloud(tmp_path, write_wav):
    write_wav(tmp_path / "yes" / "a.wav", np.ones(FEATURES.clip_samples, np.int16))
    (tmp_path / "yes" / "notes.txt").touch()
    assert dataset.passed_over(tmp_path) == ""
    (tmp_path / "loose.wav").touch()
    assert dataset.passed_over(tmp_path) == f"{tmp_path}: passed over a sound file, no <label>/*.wav: loose.wav"
    (tmp_path / "yes" / "b.flac").touch()
    (tmp_path / "yes" / "c.MP3").touch()
    assert dataset.passed_over(tmp_path) == f"{tmp_path}: passed over 3 sound files, no <label>/*.wav: loose.wav, …"


def test_the_training_archive_is_read_at_any_case_and_depth_too(copy, archive, write_wav):
    samples = np.ones(2 * FEATURES.clip_samples, np.int16)
    for name in ("yes/alice/1.wav", "yes/B.WAV", f"{dataset.NOISE}/hum.WAV"):
        write_wav(copy / TRAINING / name, samples)
    with open(copy / TRAINING / "validation_list.txt", "a") as file:
        file.write("yes/alice/1.wav\n")

    def new(split: str) -> set[str]:
        ours, theirs = ({clip.name for clip in dataset.split_clips(a, split, 2)} for a in (copy / TRAINING, archive))
        return {name for name in ours - theirs if name.startswith("yes")}

    assert (new("training"), new("validation")) == ({"yes/B.WAV"}, {"yes/alice/1.wav"})
    assert len(dataset.read_noises(copy / TRAINING)) == 1 + len(dataset.read_noises(archive))


def test_names_and_lists_that_are_no_utf_8_are_read_as_they_are(copy, archive):
    name = os.fsdecode(b"yes/h\xe4lt.wav")
    clip = dataset.split_clips(archive, "training", 2)[0]
    shutil.copy(clip.path, copy / TRAINING / name)
    with open(copy / TRAINING / "validation_list.txt", "ab") as file:
        file.write(b"yes/h\xe4lt.wav\n")
    (found,) = (clip for clip in dataset.split_clips(copy / TRAINING, "validation", 2) if clip.key == name)
    assert found.name == "yes/h\\xe4lt.wav" and found.path == copy / TRAINING / name
    assert name not in {clip.key for clip in dataset.split_clips(copy / TRAINING, "training", 2)}


def test_a_missing_list_gives_one_line(copy, tmp_path, failure):
    (copy / TRAINING / "testing_list.txt").unlink()
    line = failure(main, "--epochs", 1, "--data", copy, "--out", tmp_path / "out")
    assert str(copy / TRAINING / "testing_list.txt") in line and "unpack the archive again" in line


@pytest.mark.parametrize("labels", [(SILENCE, UNKNOWN, "yes", "bed"), (UNKNOWN, "bed"), ("bed", "cat"), (SILENCE, "no")])
def test_a_split_has_the_words_of_other_labels_and_as_many_of_the_rest_as_of_a_word(archive, labels):
    clips = dataset.split_clips(archive, "training", 2, labels=labels)
    words = dataset.keywords(labels)
    assert {clip.label for clip in clips} == {*labels}
    assert {clip.name for clip in clips if clip.label in words} == {
        name for name in listed(archive, "training") if name.split("/")[0] in words
    }
    assert not {clip.word for clip in clips if clip.label == UNKNOWN} & {*words, dataset.NOISE}
    count = Counter(clip.label for clip in clips)
    for label in {SILENCE, UNKNOWN} & {*labels}:
        assert count[label] == round(sum(count[word] for word in words) / len(words))


def test_the_test_set_serves_a_model_of_some_of_its_words(tiny_speech_commands):
    folder = tiny_speech_commands / TEST_SET
    clips = dataset.clips_of_test_set(folder, (SILENCE, UNKNOWN, "yes", "no"), 2)
    assert Counter(clip.label for clip in clips) == {"yes": 2, "no": 2, UNKNOWN: 2, SILENCE: 2}
    assert not {clip.word for clip in clips if clip.label == UNKNOWN} & {"yes", "no", SILENCE}
    assert [clip.label for clip in dataset.clips_of_test_set(folder, ("yes", "no"), 2)] == ["no", "no", "yes", "yes"]
    assert dataset.clips_of_test_set(folder, LABELS[::-1], 2) == dataset.folder_clips(folder)


def test_a_folder_without_the_data_set_gives_one_line_with_the_remedy(tmp_path, failure):
    for data in (tmp_path, tmp_path / "missing"):
        line = failure(main, "--epochs", 1, "--data", data, "--out", tmp_path / "out")
        assert str(data) in line and "DOWNLOAD=1" in line
    assert list(tmp_path.iterdir()) == []


def test_a_class_folder_that_is_no_label_gives_one_line_before_training_begins(copy, tmp_path, failure):
    (copy / TEST_SET / "up").rename(copy / TEST_SET / "upwards")
    (copy / TEST_SET / "up").mkdir()
    line = failure(main, "--epochs", 1, "--data", copy, "--out", tmp_path / "out")
    assert str(copy / TEST_SET / "upwards") in line and "not a label" in line
    assert not (tmp_path / "out").exists()


def test_a_folder_of_the_training_archive_that_is_no_word_with_clips_does_not_matter(copy, archive):
    (copy / TRAINING / "notes").mkdir()
    ours, theirs = ([clip.name for clip in dataset.split_clips(a, "training", 2)] for a in (copy / TRAINING, archive))
    assert ours == theirs


def test_a_keyword_without_clips_gives_one_line(copy, tmp_path, failure):
    shutil.rmtree(copy / TRAINING / "left")
    line = failure(main, "--epochs", 1, "--data", copy, "--out", tmp_path / "out")
    assert "no clip of left" in line and str(copy / TRAINING) in line


def test_an_empty_split_is_an_error(copy):
    (copy / TRAINING / "testing_list.txt").write_text("")
    with pytest.raises(UserError, match="testing split has no clip"):
        dataset.split_clips(copy / TRAINING, "testing", 2)


def test_an_archive_without_noise_gives_one_line(copy, tmp_path, failure):
    shutil.rmtree(copy / TRAINING / dataset.NOISE)
    line = failure(main, "--epochs", 1, "--data", copy, "--out", tmp_path / "out")
    assert str(copy / TRAINING / dataset.NOISE) in line


def test_a_noise_shorter_than_a_second_gives_one_line(copy, tmp_path, failure, write_wav):
    path = write_wav(copy / TRAINING / dataset.NOISE / "short.wav", np.zeros(FEATURES.clip_samples, np.int16))
    assert str(path) in failure(main, "--epochs", 1, "--data", copy, "--out", tmp_path / "out")


def test_a_bad_clip_gives_one_line_that_names_it_and_leaves_no_cache(copy, tmp_path, failure, write_wav):
    path = next(clip.path for clip in dataset.split_clips(copy / TRAINING, "training", 2) if clip.label == "yes")
    write_wav(path, np.zeros(8000, np.int16), rate=8000)
    line = failure(main, "--epochs", 1, "--data", copy, "--out", tmp_path / "out")
    assert str(path) in line and "8000 Hz" in line
    assert not list(tmp_path.glob("out/**/*.npy"))


def test_the_real_splits_have_the_benchmarks_sizes(gsc_root):
    archive = dataset.training_archive(gsc_root, 2)
    for index, split in enumerate(("training", "validation")):
        labels = [clip.label for clip in dataset.split_clips(archive, split, 2)]
        assert labels.count(UNKNOWN) == labels.count(SILENCE)
        assert labels.count(SILENCE) in {extra[index] for extra in dataset.EXTRA.values()}
        assert set(labels) == set(LABELS)


def test_the_real_test_set_has_every_label_and_no_clip_of_the_training_archive(gsc_root):
    archive = dataset.training_archive(gsc_root, 2)
    clips = dataset.folder_clips(dataset.find_archive(gsc_root, 2, test_set=True))
    assert {clip.label for clip in clips} == set(LABELS)
    tested = {clip.path.read_bytes() for clip in clips if clip.label == "yes"}
    listed = [clip.path for split in ("training", "validation") for clip in dataset.split_clips(archive, split, 2)]
    assert tested and not any(path.read_bytes() in tested for path in listed if path and path.parent.name == "yes")


def test_no_real_speaker_is_in_both_training_and_validation(gsc_root):
    archive = dataset.training_archive(gsc_root, 2)
    speakers = [
        {clip.path.name.split("_")[0] for clip in dataset.split_clips(archive, split, 2) if clip.path}
        for split in ("training", "validation")
    ]
    assert not speakers[0] & speakers[1]


def test_every_tenth_real_validation_clip_can_be_read(gsc_root):
    archive = dataset.training_archive(gsc_root, 2)
    clips = dataset.split_clips(archive, "validation", 2)[::10]
    audio = dataset.read_clips(clips, dataset.read_noises(archive))
    assert audio.any(1).all()


# ---- clips in an array ----


def array_folder(folder: Path, words: list[str]) -> Path:
    audio = np.arange(len(words), dtype=np.int16)[:, None] * np.ones(FEATURES.clip_samples, np.int16)
    clip_folder.write(folder, words, 0, [(0, audio)])
    return folder


def test_clips_of_an_array_have_the_labels_of_their_words_and_others_are_unknown(tmp_path):
    folder = array_folder(tmp_path, ["lamp", "zebra", "tu\u0308r", "_silence_", "??/"])
    labels = (SILENCE, UNKNOWN, "t\u00fcr", "lamp", "??/")
    clips = dataset.folder_clips(folder, labels)
    assert [clip.label for clip in clips] == ["lamp", UNKNOWN, "t\u00fcr", SILENCE, "??/"]
    assert [clip.name for clip in clips] == ["lamp/0", "zebra/1", "tu\u0308r/2", "_silence_/3", "??//4"]
    assert dataset.read_clips(clips[::-2]).tolist() == [[value] * FEATURES.clip_samples for value in (4, 2, 0)]
    assert [clip.label for clip in dataset.folder_clips(folder, None)] == ["lamp", "zebra", "tu\u0308r", SILENCE, "??/"]
    with pytest.raises(UserError, match=r"'zebra' is not a label of the model .*, which has no _unknown_"):
        dataset.folder_clips(folder, (SILENCE, *labels[2:]))


@pytest.mark.parametrize("damage", ["audio.npy", "clips.json"])
def test_half_a_folder_of_an_array_is_one_line(tmp_path, damage):
    folder = array_folder(tmp_path, ["lamp", "door"])
    (folder / damage).unlink()
    with pytest.raises(UserError, match="no clips here; make them with"):
        dataset.folder_clips(folder, ("lamp", "door"))


def test_a_folder_of_wav_files_is_a_label_however_its_letters_are_composed(tmp_path, write_wav):
    write_wav(tmp_path / "tu\u0308r" / "a.wav", np.ones(9, np.int16))
    assert [clip.label for clip in dataset.folder_clips(tmp_path, ("t\u00fcr",))] == ["t\u00fcr"]


def test_where_some_words_suffice_those_without_clips_are_left_out_and_none_is_refused(archive):
    labels = (SILENCE, UNKNOWN, "bed", "lamp")
    with pytest.raises(UserError, match=r"no clip of lamp; name a folder of recordings, <label>/\*.wav"):
        dataset.split_clips(archive, "training", 2, labels=labels)
    found = dataset.split_clips(archive, "training", 2, labels=labels, some_words=True)
    assert {clip.label for clip in found} == {SILENCE, UNKNOWN, "bed"}
    with pytest.raises(UserError, match="no clip of door, lamp"):
        dataset.split_clips(archive, "training", 2, labels=("door", "lamp"), some_words=True)
