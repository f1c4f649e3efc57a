"""The C sources of the native engine as text, from the templates in c/ and an integer network.

    python -m engine.render build/tau1/native.npz OUT

writes them to the folder OUT; `python -m firmware_gen` ships them with the rest of the firmware.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from pathlib import Path
from typing import Any

import jinja2

from common import atomic, names
from common.ctext import c_string, without_comments
from common.description import BANDS, STREAM_COLUMNS
from common.errors import OptionParser, one_line_errors
from common.templates import source_environment
from engine import network as definition, pack_dsp, pack_mve, selftest, tables
from engine.network import Network
from engine.plan import plan
from frontend import render as frontend
from frontend.render import HEAD, feature_identity, hexadecimal, pipeline_id, rows

TEMPLATES = Path(__file__).parent / "c"
HEADERS = ("kws_engine.h", "kws_model.h", "kws_kernels.h", "kws_portable.h", "kws_dsp.h", "kws_mve.h")
SOURCES = ("kws_engine.c", "kws_model.c", "kws_portable.c", "kws_dsp.c", "kws_mve.c")
FILES = HEADERS + SOURCES
SELFTEST = ("kws_selftest.h", "kws_selftest.c")
"""Not among `FILES`, because what they hold follows from those: KWS_ENGINE_ID does not depend on it."""


@functools.cache
def environment(prefix: str) -> jinja2.Environment:
    return source_environment(TEMPLATES, {"rows": rows}, {"frontend": frontend.TEMPLATES}, prefix)


def render(
    name: str,
    network: Network,
    head: str,
    identity: str,
    engine: str,
    prefix: str = names.PREFIX,
    linked: bool = True,
    **more: object,
) -> str:
    constants = {
        key.lower(): getattr(definition, key)
        for key in (
            "FRACTION",
            "HALF",
            "BASE_MAX",
            "HEAD_TAPS",
            "DEPTHWISE_SHIFT",
            "HIDDEN_MAX",
            "SILU_ENTRIES",
            "SILU_SHIFT",
            "SILU_STEP",
            "SILU_FRACTION",
        )
    }
    return (
        environment(prefix)
        .get_template(f"{name}.j2")
        .render(
            network=network,
            plan=plan(network),
            dsp=pack_dsp,
            packed=pack_mve.pack(network),
            f=network.features,
            window=network.features.window_text,
            bands=BANDS,
            tau=f"{network.tau:g}",
            tail_taps=definition.CLASSIFIER_TAPS,
            exponentials=tables.exponentials(network.score_scale),
            score_scale=f"{network.score_scale!r}f",
            class_names=[c_string(name) for name in network.labels],
            stream_columns=STREAM_COLUMNS,
            head=head.rstrip("\n"),
            identity=identity.rstrip("\n"),
            engine_id=f"0x{engine}ULL",
            linked=linked,
            **constants,
            **more,
        )
    )


def engine_id(network: Network) -> str:
    """First 16 hex digits of the SHA-256 of all sources, but for comments and white space: of network and arithmetic."""
    texts = [without_comments(render(name, network, "", "", "0", linked=False)) for name in FILES]
    return hashlib.sha256("\n".join((network.features.id, *texts)).encode()).hexdigest()[:16]


def sources(network: Network, head: str = HEAD, identity: str | None = None, prefix: str = names.PREFIX) -> dict[str, str]:
    """Name -> text of every one of `FILES`, C99 (the headers C++11 as well).

    `head` opens each file: licence and origin as C comments. `identity` stands in the public headers and says what they
    belong to. `prefix`: of every name in them.
    """
    identity = feature_identity(network.features) if identity is None else identity
    engine = engine_id(network)
    return {name: render(name, network, head, identity, engine, prefix) for name in FILES}


def selftest_sources(network: Network, head: str = HEAD, prefix: str = names.PREFIX) -> dict[str, str]:
    """Name -> text of the self-test's files, with the checksums of the golden model: a second or so of NumPy."""
    hops = selftest.SAMPLES // network.features.hop + network.features.frames + network.delay
    values: dict[str, Any] = {
        "checksums": selftest.checksums(network, STREAM_COLUMNS),
        "pipeline_id": hexadecimal(pipeline_id(network.features)),
        "hops": hops,
        "selftest_samples": selftest.SAMPLES,
        "chirp": selftest.chirp(),
        "chirp_hz": (selftest.CHIRP_START, selftest.CHIRP_END),
        "segment_bits": selftest.SEGMENT_BITS,
        "noise_factors": selftest.NOISE_FACTORS,
        "threshold": selftest.THRESHOLD,
        "turn_bits": selftest.TURN_BITS,
    }
    engine = engine_id(network)
    return {name: render(name, network, head, "", engine, prefix, **values) for name in SELFTEST}


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m engine.render", __doc__)
    parser.add_argument("network", type=Path, help="integer network that python -m convert wrote")
    parser.add_argument("out", type=Path, help="folder for the sources")
    args = parser.parse_args(argv)
    network = definition.load(args.network)
    files = sources(network) | selftest_sources(network)
    for name, text in files.items():
        atomic.write_text(args.out / name, text)
    print(f"{args.out}: {len(files)} files")


if __name__ == "__main__":
    sys.exit(main())
