"""Text of C sources: string literals, and sources without their comments."""

from __future__ import annotations

import re


def c_string(text: str) -> str:
    r"""A string literal of C99, C++11 and later that holds the UTF-8 bytes of `text` and a zero behind them.

    Bytes outside printable ASCII become octal escapes: unlike hexadecimal ones these end after three digits, and unlike \u
    they can be any byte. `?` is escaped because of trigraphs. ValueError, one line, for a NUL and for an unpaired surrogate,
    which no C string can hold.

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
        raise ValueError(f"{text!a} holds half of a surrogate pair and is no text") from None
    if 0 in data:
        raise ValueError(f"{text!a} holds a NUL, where a C string would end")
    return '"' + "".join(escaped(byte) for byte in data) + '"'


def without_comments(source: str) -> str:
    r"""C source -> the same without `//` comments, with single blanks as its white space.

    >>> without_comments('int x;  // no\nchar *y = "//";')
    'int x; char *y = "//";'
    """
    return " ".join(re.sub(r'("(?:[^"\\\n]|\\.)*")|//.*', lambda match: match[1] or "", source).split())
