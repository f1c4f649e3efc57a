"""Generate the firmware sources of a converted model.

    python -m firmware_gen --tau 1
    python -m firmware_gen --build build/tau1 --prefix door

Reads model_int8.tflite, native.npz, conversion.json and, where it is there, detector.json from the build folder, writes
its firmware/ folder. Thresholds that lie beside the checkpoint, as `make keyword` leaves them, become the build's where it
has none. Without --prefix the names keep the one that they have there.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from common import build_folder, locks, names, options, sources
from common.errors import OptionParser, one_line_errors
from common.reading import sha256_of
from detector import render as detector, settings as thresholds
from engine import render as engine
from firmware_gen import __version__, folder, inputs, model_array, rendering, settings, tflm
from firmware_gen.identity import identity, native_identity
from firmware_gen.inputs import Inputs
from frontend import render


def heading(template: str, values: Mapping[str, Any]) -> dict[str, str]:
    """First lines of the files of engine/, frontend/ and detector/, identity check of their headers, and prefix."""
    prefix = str(values["prefix"])
    return {
        "head": rendering.render(template, **values),
        "identity": rendering.render("_identity.j2", **values),
        "prefix": prefix,
    }


def frontend_file(name: str, source: Inputs) -> str:
    """A source of the feature pipeline, tied to the model, or of the level meter.

    UserError where the pipeline cannot compute the model's features.
    """
    return render.source(name, source.features, **heading("_head.j2", identity(source)))


def detector_file(name: str, source: Inputs) -> str:
    """A source of the detector, with the settings of the build."""
    return detector.sources(source.detector, **heading("_head.j2", identity(source)))[name]


def native_files(source: Inputs) -> dict[str, str]:
    """The native engine's sources in a folder of their own; none where the engine cannot hold the network.

    They depend on features and network alone: another .tflite file of the same network leaves them as they are.
    """
    if source.native is None:
        return {}
    heads = heading("_native_head.j2", native_identity(source))
    texts = engine.sources(source.native, **heads) | engine.selftest_sources(source.native, heads["head"], source.prefix)
    return {f"{NATIVE}/{name}": text for name, text in texts.items()}


NATIVE = "native"
"""Subfolder of the native engine."""
PACKAGES = ("Jinja2", "numpy")
"""Whose versions may shape the text."""

RENDERERS: Mapping[str, Callable[[Inputs], str]] = {
    "model.h": model_array.model_h,
    "model.cc": model_array.model_cc,
    "model_settings.h": settings.model_settings_h,
    "op_resolver.h": tflm.op_resolver_h,
    "kws_tflm.h": tflm.kws_tflm_h,
    "kws_tflm.cc": tflm.kws_tflm_cc,
    **{name: functools.partial(frontend_file, name) for name in render.SHIPPED},
    **{name: functools.partial(detector_file, name) for name in detector.FILES},
}
"""Every generated file and the pure function that makes its text."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m firmware_gen", __doc__)
    which = parser.add_mutually_exclusive_group()
    options.add_build(which)
    options.add_tau(which)
    options.add_prefix(parser, None, f"that of the firmware there, {names.PREFIX} without one")
    parser.add_argument("--version", action="version", version=f"firmware_gen {__version__}")
    return parser.parse_args(argv)


def fingerprint(build: Path, prefix: str = names.PREFIX) -> str:
    """SHA-256 of all that the generated text depends on: the inputs, the prefix, the generator, and what it is made of."""
    templates = [
        path
        for where in (rendering.TEMPLATES, render.TEMPLATES, detector.TEMPLATES, engine.TEMPLATES)
        for path in where.glob("*.j2")
    ]
    read = [sha256_of(path.read_bytes()) for path in (build / inputs.CONVERSION, build / inputs.MODEL)]
    decided = inputs.detector_settings(build, build_folder.load(build))
    read.append(sha256_of(json.dumps(decided.to_json()).encode()))
    generator = sources.digest("firmware_gen.__main__", files=templates)
    versions = [metadata.version(package) for package in PACKAGES]
    return sha256_of(" ".join((__version__, prefix, *read, generator, *versions)).encode())


def generate(source: Inputs) -> dict[str, str]:
    """Name -> text of every generated file. UserError where an op has no TFLM resolver function."""
    files = {name: renderer(source) for name, renderer in RENDERERS.items()} | native_files(source)
    return {names.file_name(name, source.prefix): text for name, text in files.items()}


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    build, _ = options.build_and_tau(args)
    chosen = None if args.prefix is None else names.checked(args.prefix)
    with locks.rewriting(build):
        bring_up_to_date(build, chosen)


def bring_up_to_date(build: Path, prefix: str | None = None) -> None:
    """Generate the firmware of a build folder where it has not that of its present content and this prefix; without one, the
    prefix that it has."""
    out = build / "firmware"
    prefix = prefix or folder.prefix(out)
    if beside := inputs.settings_beside(build, build_folder.load(build)):
        thresholds.save(build / thresholds.FILE, beside)
        print(f"{build / thresholds.FILE}: the thresholds beside the checkpoint")
    source = dataclasses.replace(inputs.load(build), prefix=prefix)
    stamp = fingerprint(build, prefix)
    if folder.is_up_to_date(out, stamp):
        print(f"{out}: up to date")
        return
    files = generate(source)
    files[folder.MANIFEST] = folder.manifest(
        files,
        spdx="Apache-2.0",
        generator=f"firmware_gen {__version__}",
        model_sha256=source.sha256,
        prefix=prefix,
        fingerprint=stamp,
    )
    folder.replace_folder(out, files)
    if source.native is None:
        print(f"{out}: no {NATIVE}/, the native engine cannot hold this network (see {inputs.CONVERSION})")
    print(
        f"{out}: {len(files)} files, model {len(source.model):,} bytes, arena {source.arena_bytes:,} bytes on a 64-bit host"
    )


if __name__ == "__main__":
    sys.exit(main())
