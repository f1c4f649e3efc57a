"""Run a function over many arguments in worker processes, which Ctrl-C ends with one line."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from common import progress
from common.errors import UserError


def run(
    function: Callable,
    arguments: Sequence[tuple],
    processes: int | None = None,
    initializer: Callable | None = None,
    initargs: tuple = (),
) -> Iterator[tuple[int, Any]]:
    """Call `function(*arguments[i])` for every i; yield (i, result) in the order in which they end.

    processes: None: as many as cores. They are spawned, not forked, since the threads of PyTorch and TensorFlow do not
    survive a fork. Ctrl-C, or an error of one call, ends all of them. Raises what a call raised, and UserError where a
    process was killed.
    """
    processes = min(processes or len(os.sched_getaffinity(0)), len(arguments))
    earlier = set(multiprocessing.active_children())
    pool = concurrent.futures.ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_start, initargs=(initializer, initargs)
    )
    try:
        with interrupts_held():
            futures = {pool.submit(function, *values): index for index, values in enumerate(arguments)}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.result()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - earlier:
            child.kill()
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "a process was killed, most often for want of memory; close other programs and run it again"
            ) from None
        raise
    pool.shutdown()


def in_order(
    function: Callable,
    arguments: Sequence[tuple],
    what: str,
    unit: str,
    processes: int | None = None,
    initializer: Callable | None = None,
    initargs: tuple = (),
) -> list:
    """As `run`, but returns all results, in the order of `arguments`; progress counts the items of each first argument."""
    results = [None] * len(arguments)
    with progress.counting(sum(len(items) for items, *_ in arguments), what, unit) as update:
        for index, result in run(function, arguments, processes, initializer, initargs):
            results[index] = result
            update(len(arguments[index][0]))
    return results


@contextlib.contextmanager
def temporary_files_in(folder: str | os.PathLike) -> Iterator[None]:
    """Let processes started in the block keep temporary files in `folder`, with which those of a killed one are removed."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = os.path.abspath(folder)
    try:
        yield
    finally:
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Block SIGINT in the block. Processes started in it never receive it: their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(initializer: Callable | None, initargs: tuple) -> None:
    """Initialise a worker that ends with its parent, however that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    """End with the parent: after a killed one, a worker would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
    os._exit(1)
