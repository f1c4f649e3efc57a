"""Ctrl-C while a command still loads its modules: the one line that it gives later, and no traceback.

Every package calls `end_while_loading` first of all; `common.errors.one_line_errors` takes over once a command runs.
"""
from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = "interrupted; what was complete before is kept"
STATUS = 130
"""Exit status after Ctrl-C, as a shell has it."""


def end_while_loading() -> None:
    """Let Ctrl-C end the process at once, in one line, where it is a command (`python -m …`) that is being loaded.

    Where Ctrl-C is ignored, as in the background of a shell, it stays so.
    """
    is_command = sys.argv[:1] == ["-m"]  # what it is until the module is found
    if is_command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def hear() -> None:
    """From now on Ctrl-C is a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, f"error: {INTERRUPTED}\n".encode())
    os._exit(STATUS)  # nothing was begun that would have to be tidied up
