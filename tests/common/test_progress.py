"""Long work is never silent: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import io
import sys

import pytest

from common import progress, workers


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The seconds that have passed, as the first item; a test sets them."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_a_line_tells_now_and_then_how_much_is_done(clock, capsys):
    with progress.counting(5013, "verifying", "clip") as update:
        for second in range(0, 3 * progress.EVERY, 5):
            clock[0] = second
            update(100)
    printed = capsys.readouterr()
    assert (
        printed.out.splitlines() == ["verifying: 500 of 5,013 clips", "verifying: 900 of 5,013 clips"] and printed.err == ""
    )


def test_short_work_says_nothing(capsys):
    assert list(progress.over([1, 2, 3], "decoding", "clip")) == [1, 2, 3]
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_work_in_processes_of_its_own_is_counted(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0)
    assert workers.in_order(len, [(["a", "b"],), (["c"],)], "verifying", "clip", 1) == [2, 1]
    assert capsys.readouterr().out.splitlines() == ["verifying: 2 of 3 clips", "verifying: 3 of 3 clips"]


def test_on_a_terminal_a_bar_counts(clock, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    for _ in progress.over(range(2), "decoding", "clip"):
        clock[0] += 10 * progress.EVERY
    assert "decoding: 100%" in sys.stderr.getvalue() and "2/2" in sys.stderr.getvalue() and capsys.readouterr().out == ""
