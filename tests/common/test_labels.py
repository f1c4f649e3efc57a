"""Labels: which are words, and what a folder's name means."""

from __future__ import annotations

import pytest

from common.labels import is_word, label_named, labels_of, title


def test_every_label_is_a_word_but_silence_and_the_unknown():
    assert [is_word(label) for label in ("_silence_", "_unknown_", "_x", "yes", "silence")] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert [title(label) for label in ("_silence_", "_unknown_", "_", "_x_")] == ["silence", "unknown", "_", "_x_"]


def test_a_name_means_a_label_however_its_letters_are_composed():
    apart, whole = "t\u0075\u0308r", "t\u00fcr"
    assert label_named(apart, ["yes", whole]) == whole and label_named(whole, [apart]) == apart
    assert label_named("tur", [whole]) is None
    with pytest.raises(ValueError, match="stands twice"):
        labels_of([apart, whole])


def test_a_folder_may_have_underscores_for_the_blanks_of_a_label():
    labels = ["hey computer", "lights out now"]
    for label in labels:
        assert label_named(label, labels) == label_named(label.replace(" ", "_"), labels) == label
    assert label_named("hey-computer", labels) is None and label_named("lights_out now", labels) is None
    assert label_named("a_b", ["a b", "a_b"]) == "a_b" and label_named("a_b", ["a b"]) == "a b"
