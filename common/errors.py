"""Errors of the user's input: one line on stderr and a non-zero exit status."""

from __future__ import annotations

import argparse
import functools
import io
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from common import interrupts


class UserError(Exception):
    """An error that the user can fix. The message is one line: where, what is wrong, the remedy."""


class OptionParser(argparse.ArgumentParser):
    """The options of a command; `doc` is its help text. A wrong option raises UserError instead of printing the usage."""

    def __init__(self, command: str, doc: str, epilog: str | None = None):
        super().__init__(
            command, description=doc, epilog=epilog, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def error(self, message: str) -> NoReturn:
        """Raise the UserError; called by argparse."""
        raise UserError(f"{message}; `{self.prog} --help` lists the options")


def one_line_errors(main: Callable[..., int | None]) -> Callable[..., int]:
    """Wrap a command's `main` so that bad input, a failing file system and Ctrl-C end it with one line on stderr.

    Exit status: what `main` returns (0, or 1 for a regression); 2 for every failure, including a bug in the program, whose
    traceback is printed; 130 for Ctrl-C.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs) -> int:
        interrupts.raise_from_now_on()
        print_any_text()
        status = 2
        try:
            return main(*args, **kwargs) or 0
        except UserError as error:
            message = str(error)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror or error}"
        except MemoryError:
            message = "out of memory; close other programs and run it again"
        except KeyboardInterrupt:
            message, status = interrupts.INTERRUPTED, interrupts.STATUS
        except Exception:
            traceback.print_exc()
            message = "this is a fault of the program, not of its input; please report it with the lines above"
        print("error:", " ".join(message.split()), file=sys.stderr)
        return status

    return wrapped


def print_any_text() -> None:
    """Print characters that the terminal's encoding lacks, in a path for example, as escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
