"""Objects that all tasks of a worker process share, such as an engine: made once in each process, not sent with every task.

workers.run(task, arguments, processes, worker_tools.prepare, (make, path))    # in the parent
engine = worker_tools.get()                                                    # in `task`: make(path)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_maker: list[Callable[[], Any]] = []
"""In a worker, the function that makes its tools; in the parent, empty."""


def prepare(make: Callable, *arguments: Any) -> None:
    """Initializer of a worker: set how its tools are made.

    The first `get` calls `make(*arguments)`, so an error of it is raised by a task and reaches the user unchanged.
    """
    _maker[:] = [functools.cache(functools.partial(make, *arguments))]


def get() -> Any:
    """The tools of this worker, which the first call makes."""
    return _maker[0]()
