"""What the tasks of a worker process share is made once in each, and an error in its making is told as it is."""

from __future__ import annotations

import os

import pytest

from common import worker_tools, workers
from common.errors import UserError


def pid_and_text(text: str) -> tuple[int, str, list]:
    return os.getpid(), text, []


def refused(text: str) -> None:
    raise UserError(f"{text}: damaged")


def task(number: int) -> tuple[int, str, int]:
    """The process that made the tools, their text, and how many tasks they have served."""
    pid, text, served = worker_tools.get()
    served.append(number)
    assert pid == os.getpid()
    return pid, text, len(served)


def test_tools_are_made_once_in_each_process():
    answers = [
        answer
        for _, answer in workers.run(
            task, [(number,) for number in range(6)], 2, worker_tools.prepare, (pid_and_text, "text")
        )
    ]
    assert {text for _, text, _ in answers} == {"text"} and os.getpid() not in {pid for pid, _, _ in answers}
    for pid in {pid for pid, _, _ in answers}:
        served = sorted(count for own, _, count in answers if own == pid)
        assert served == list(range(1, len(served) + 1))


def test_an_error_in_the_making_reaches_the_caller():
    with pytest.raises(UserError, match="model: damaged"):
        list(workers.run(task, [(0,)], 1, worker_tools.prepare, (refused, "model")))
