"""Ctrl-C while a command loads its modules ends it with one line and no traceback.

Every package calls `end_while_loading` before its other imports; `common.errors.one_line_errors` takes over when the command
runs.
"""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = "interrupted; what was complete before is kept"
STATUS = 130
"""Exit status after Ctrl-C, as in a shell: 128 + SIGINT."""


def end_while_loading() -> None:
    """While a command (`python -m …`) is loaded, let Ctrl-C end the process at once, with one line.

    Where Ctrl-C is ignored, as for a background process of a shell, it stays ignored.
    """
    is_command = sys.argv[:1] == ["-m"]  # Python sets argv[0] to this until it has found the module
    if is_command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_from_now_on() -> None:
    """Undo `end_while_loading`: from now on Ctrl-C raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, f"error: {INTERRUPTED}\n".encode())
    os._exit(STATUS)  # nothing has been started that needs cleaning up
