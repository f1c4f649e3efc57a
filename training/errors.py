"""One way to say what is wrong with the user's input: a line, and a non-zero exit."""
from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from typing import NoReturn


class UserError(Exception):
    """Something the user can mend. The message is one line: what is wrong, where, the remedy."""


class OptionParser(argparse.ArgumentParser):
    """A command's options, under its name; `doc` is its help. A wrong option is a UserError, not a page of usage."""

    def __init__(self, command: str, doc: str, epilog: str | None = None):
        super().__init__(command, description=doc, epilog=epilog, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        """Raise the UserError; called by argparse."""
        raise UserError(f"{message}; `{self.prog} --help` lists the options")


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
