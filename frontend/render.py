"""The C sources of the feature pipeline and of the level meter as text, from the templates in c/ and the tables.

    python -m frontend.render OUT

writes them to the folder OUT, for use without a model; `python -m firmware_gen` ships them with one.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

import jinja2
import numpy as np

from common import atomic, names
from common.ctext import without_comments
from common.description import FEATURES, FeatureDescription
from common.errors import OptionParser, one_line_errors
from common.templates import source_environment
from frontend.level import LEVEL
from frontend.tables import LOG_BITS, LOG_INDEX_BITS, LOG_SLOPE_BITS, POINTS, tables

TEMPLATES = Path(__file__).parent / "c"
HEADERS = ("frontend.h", "frontend_kernels.h", "frontend_tables.h")
SOURCES = ("frontend.c", "frontend_dsp.c", "frontend_mve.c", "frontend_tables.c")
FILES = HEADERS + SOURCES
LEVEL_HEADER, LEVEL_SOURCE = "kws_level.h", "kws_level.c"
SHIPPED = (*FILES, LEVEL_HEADER, LEVEL_SOURCE)
"""The pipeline and the level meter, which is no part of what `pipeline_id` names."""
HEAD = """// SPDX-License-Identifier: Apache-2.0
// Generated from the tables and templates of frontend/; not to be edited."""


def hexadecimal(number: str) -> str:
    """16 hexadecimal digits as a 64-bit C constant."""
    return f"0x{int(number, 16):016x}ULL"


def pairs(values: np.ndarray) -> list[str]:
    """Neighbouring 16-bit values as 32-bit words, the first in the lower half.

    >>> pairs(np.array([1, -1]))
    ['0xffff0001u']
    """
    low, high = np.asarray(values).reshape(-1, 2).T & 0xFFFF
    return [f"0x{word:08x}u" for word in high << 16 | low]


def couples(values: np.ndarray) -> list[str]:
    """Values [n, 2] as initialisers of inner arrays. C has no literal for -2^31, which therefore is a difference.

    >>> couples(np.array([[1, -2147483648]]))
    ['{1, -2147483647 - 1}']
    """

    def literal(value: int) -> str:
        return str(value) if value > -(2**31) else f"{value + 1} - 1"

    return [f"{{{literal(a)}, {literal(b)}}}" for a, b in values.tolist()]


def rows(values: Iterable[object], per_row: int) -> list[str]:
    """Values with commas, `per_row` on each row.

    >>> rows([1, 2, 3], 2)
    ['1, 2,', '3,']
    """
    texts = [f"{value}," for value in values]
    return [" ".join(texts[start : start + per_row]) for start in range(0, len(texts), per_row)]


@functools.cache
def environment(prefix: str) -> jinja2.Environment:
    return source_environment(TEMPLATES, {"couples": couples, "pairs": pairs, "rows": rows}, prefix=prefix)


def render(
    name: str,
    features: FeatureDescription,
    head: str,
    identity: str,
    pipeline: str,
    level: str = "0",
    prefix: str = names.PREFIX,
    linked: bool = True,
) -> str:
    t = tables(features)
    return (
        environment(prefix)
        .get_template(f"{name}.j2")
        .render(
            f=features,
            t=t,
            level=LEVEL,
            points=POINTS,
            state_bytes=8 * POINTS + 2 * features.window + 4,
            log_bits=LOG_BITS,
            log_index_bits=LOG_INDEX_BITS,
            log_slope_bits=LOG_SLOPE_BITS,
            head=head.rstrip("\n"),
            identity=identity.rstrip("\n"),
            pipeline_id=hexadecimal(pipeline),
            level_id=hexadecimal(level),
            linked=linked,
        )
    )


@functools.cache
def pipeline_id(features: FeatureDescription = FEATURES) -> str:
    """First 16 hex digits of the SHA-256 of all sources, but for comments and white space: of tables and arithmetic.

    Raises UserError where the pipeline cannot compute such features.
    """
    texts = [without_comments(render(name, features, "", "", "0", linked=False)) for name in FILES]
    return hashlib.sha256("\n".join((features.id, *texts)).encode()).hexdigest()[:16]


def level_id(features: FeatureDescription = FEATURES) -> str:
    """The same of the level meter."""
    texts = [without_comments(render(name, features, "", "", "0", linked=False)) for name in (LEVEL_HEADER, LEVEL_SOURCE)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def feature_identity(features: FeatureDescription) -> str:
    """The lines by which a header says which features it is for, where it belongs to no model."""
    return f"#define KWS_FEATURE_ID {hexadecimal(features.id)}  // names the description of the features"


def source(
    name: str,
    features: FeatureDescription = FEATURES,
    head: str = HEAD,
    identity: str | None = None,
    prefix: str = names.PREFIX,
) -> str:
    """The text of one of `SHIPPED`, C99 (the headers C++11 as well).

    `head` opens the file: licence and origin as C comments. `identity` stands in the public headers and says what they
    belong to. `prefix`: of every name in it. Raises UserError where the pipeline cannot compute such features.
    """
    identity = feature_identity(features) if identity is None else identity
    return render(name, features, head, identity, pipeline_id(features), level_id(features), prefix)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m frontend.render", __doc__)
    parser.add_argument("out", type=Path, help="folder for the sources")
    out = parser.parse_args(argv).out
    for name in SHIPPED:
        atomic.write_text(out / name, source(name))
    print(f"{out}: {len(SHIPPED)} files, pipeline {pipeline_id()}")


if __name__ == "__main__":
    sys.exit(main())
