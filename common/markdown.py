"""Any text in Markdown: in a table, and as code, which readers see as it was written."""

from __future__ import annotations

import re
import unicodedata

from common.labels import UNPRINTABLE


def cell(value: object) -> str:
    r"""A value as a cell of a table, whose columns a bar would end.

    >>> cell("a|b")
    'a\\|b'
    """
    return str(value).replace("|", "\\|")


def one_line(text: str) -> str:
    """Text with blanks for line ends and other control characters.

    >>> one_line("two\\nlines")
    'two lines'
    """
    return "".join(" " if unicodedata.category(character) in UNPRINTABLE else character for character in text)


def code(text: str) -> str:
    """Text as a span of code on one line: between more backticks than stand side by side in it.

    >>> code("yes"), code("`a`")
    ('`yes`', '`` `a` ``')
    """
    text = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    blank = " " * text.startswith("`") or " " * text.endswith("`")
    return f"{fence}{blank}{text}{blank}{fence}"
