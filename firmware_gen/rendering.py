"""Values as C text: comments, identifiers, numbers, rows of bytes, and the rendering of a template.

Whatever comes out of these functions is valid C99, C++11 and C++17 alike. Strings: common/ctext.py.
"""

from __future__ import annotations

import functools
import re
import struct
from pathlib import Path

import jinja2

from common import names
from common.ctext import c_string
from common.markdown import code, one_line
from common.templates import source_environment
from engine import render as engine
from frontend import render as frontend

TEMPLATES = Path(__file__).parent / "templates"
KEYWORDS = frozenset(
    """
    alignas alignof and asm auto bool break case catch char class const constexpr continue decltype default delete do
    double else enum explicit export extern false final float for friend goto if inline int long mutable namespace new
    noexcept not nullptr operator or private protected public register restrict return short signed sizeof static
    struct switch template this throw true try typedef typeid typename union unsigned using virtual void volatile
    while xor
""".split()
)
"""Reserved in C99, in C++17 or in both."""


def comment(text: object) -> str:
    """`text` on one line, fit for either kind of C comment: printable ASCII that cannot end or continue it.

    >>> comment("a */ b")
    'a * / b'
    """
    line = re.sub(r"[^\x20-\x7e]", "?", " ".join(str(text).split()))
    line = re.sub(r"\?(?=\?)", "? ", line)  # no trigraph: one of them is a backslash
    return line.replace("*/", "* /").replace("/*", "/ *").rstrip("\\")


def identifier(text: str) -> str:
    """`text` itself when it is an identifier that is free in C and in C++; ValueError otherwise."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text) or "__" in text or text in KEYWORDS:
        raise ValueError(f"{text!r} is not an identifier in C and C++")
    return text


def float_literal(value: float) -> str:
    """The shortest decimal literal of type `float` that reads back as the float32 nearest to `value`.

    >>> float_literal(0.09375), float_literal(3.0), float_literal(1e-6)
    ('0.09375f', '3.0f', '1e-06f')
    """
    packed = struct.pack("<f", value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == packed:
            break
    return text + ("f" if re.search(r"[.e]", text) else ".0f")


def byte_rows(data: bytes, per_row: int = 12) -> list[str]:
    """Hexadecimal bytes with commas, `per_row` on each row.

    >>> byte_rows(bytes([1, 255, 16]), per_row=2)
    ['0x01, 0xff,', '0x10,']
    """
    rows = (data[start : start + per_row] for start in range(0, len(data), per_row))
    return [" ".join(f"0x{byte:02x}," for byte in row) for row in rows]


def grouped(number: int) -> str:
    """An integer for the human eye: 82528 -> '82,528'."""
    return f"{number:,}"


@functools.cache
def environment(prefix: str) -> jinja2.Environment:
    """Besides its own templates, it has those of the C that the TFLM code shares with engine and frontend, such as
    `engine/softmax.j2`."""
    return source_environment(
        TEMPLATES,
        {
            "c_string": c_string,
            "code": code,
            "comment": comment,
            "float": float_literal,
            "grouped": grouped,
            "one_line": one_line,
            "rows": frontend.rows,
        },
        {"engine": engine.TEMPLATES, "frontend": frontend.TEMPLATES},
        prefix,
    )


def render(template: str, prefix: str = names.PREFIX, **values: object) -> str:
    """The text of `templates/<template>` filled in; a name that the template misses is an error.

    prefix: of the names of C in it.
    """
    return environment(prefix).get_template(template).render(linked=True, **values)
