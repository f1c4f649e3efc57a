"""One way to say what is wrong with the user's input: a line, and a non-zero exit."""
from __future__ import annotations

import argparse
import functools
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from common import interrupts


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
    """Wrap a command's `main` so that bad input, a failing file system and Ctrl-C end in one line.

    Exit status: what `main` returns, 1 where it found a regression; 2 for every failure, a fault of the program itself
    (which keeps its traceback) among them; 130 for Ctrl-C.
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs) -> int:
        interrupts.hear()
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
    """Let characters that the terminal's encoding lacks, such as those of a path, be printed as escapes."""
    if sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
