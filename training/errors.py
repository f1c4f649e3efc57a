"""One way to say what is wrong with the user's input: a line, and a non-zero exit."""
from __future__ import annotations

import functools
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend. The message is one line: what is wrong, where, the remedy."""


def one_line_errors(main: Callable[..., int | None]) -> Callable[..., int]:
    """Wrap a command's `main` so that bad input, a full disk and Ctrl-C end in one line.

    Exit status: 2 for bad input, 1 for a failing file system, 130 for Ctrl-C.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs) -> int:
        try:
            return main(*args, **kwargs) or 0
        except UserError as error:
            message, status = " ".join(str(error).split()), 2
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            message, status = f"{where}{error.strerror or error}", 1
        except KeyboardInterrupt:
            message, status = "interrupted; what was complete before is kept", 130
        print(f"error: {message}", file=sys.stderr)
        return status

    return wrapped
