"""Python's text as C's, for whatever writes C sources: string literals, and sources without their comments."""
from __future__ import annotations

import re


def c_string(text: str) -> str:
    r"""A string literal of C99, C++11 and later that holds the UTF-8 bytes of `text` and a zero behind them.

    Bytes outside printable ASCII become octal escapes, which, unlike hexadecimal ones, cannot run into the character
    behind them and, unlike \u, may be any byte; `?` is escaped because of trigraphs. ValueError, one line, for what no
    C string can hold: a NUL, and halves of surrogate pairs, which are no text.

    >>> c_string('say "yes?"')
    '"say \\"yes\\?\\""'
    """
    def escaped(byte: int) -> str:
        if chr(byte) in '"\\?':
            return "\\" + chr(byte)
        return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"

    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{ascii(text)} holds half of a surrogate pair and is no text") from None
    if 0 in data:
        raise ValueError(f"{ascii(text)} holds a NUL, where a C string would end")
    return '"' + "".join(escaped(byte) for byte in data) + '"'


def without_comments(source: str) -> str:
    r"""C with `//` comments -> what the compiler sees of it, in words a blank apart.

    >>> without_comments('int x;  // no\nchar *y = "//";')
    'int x; char *y = "//";'
    """
    return " ".join(re.sub(r'("(?:[^"\\\n]|\\.)*")|//.*', lambda match: match[1] or "", source).split())
