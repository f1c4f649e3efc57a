"""What is exported: the generated files of the build's firmware/ folder, unchanged, and their names."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from common import names
from common.build_folder import remedy
from common.errors import UserError
from common.labels import is_word
from common.shipped import ROOT
from detector import render as detector
from firmware_gen import __version__, folder, inputs, rendering
from firmware_gen.__main__ import NATIVE, fingerprint
from frontend import render as frontend

NAME = "kws_bcresnet"
"""Of the library with the default prefix, where the ecosystem has no other rule."""
PUBLIC = ("frontend.h", "kws_detector.h", "kws_engine.h", "kws_level.h", "kws_model.h", "kws_selftest.h")
"""The headers that an application includes; each includes public ones only."""
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows


@dataclasses.dataclass(frozen=True)
class Library:
    """All that the exports are made of."""

    tau: str
    labels: tuple[str, ...]
    checkpoint_sha256: str
    sources: Mapping[str, str]  # file name without a folder -> text, byte for byte the generated one
    license: str
    notice: str
    fingerprint: str  # of the generated files
    prefix: str = names.PREFIX  # of every name in them
    version: str = __version__

    @property
    def words(self) -> tuple[str, ...]:
        """The labels that are words: neither silence nor the unknown."""
        return tuple(label for label in self.labels if is_word(label))

    @property
    def name(self) -> str:
        """Of the library, where the ecosystem has no other rule."""
        return names.renamed(NAME, self.prefix)

    @property
    def short_name(self) -> str:
        """KWS, or the prefix in capitals: the part of a name by which two libraries differ."""
        return self.prefix.upper()

    @property
    def public(self) -> tuple[str, ...]:
        """The headers that an application includes."""
        return tuple(names.file_name(name, self.prefix) for name in PUBLIC)

    @property
    def compiled(self) -> tuple[str, ...]:
        """The sources that a compiler is given, sorted."""
        return tuple(name for name in sorted(self.sources) if name.endswith(".c"))

    @property
    def private(self) -> tuple[str, ...]:
        """The headers that only the sources include, sorted."""
        return tuple(name for name in sorted(self.sources) if name.endswith(".h") and name not in self.public)


def load(build: Path) -> Library:
    """The library of a build folder such as `build/tau1`.

    Raises UserError where there is no conversion, where the engine cannot hold its network, and where firmware/ is not
    what this conversion and this generator give.
    """
    source = inputs.load(build)
    firmware = build / "firmware"
    prefix = folder.prefix(firmware)
    stamp = fingerprint(build, prefix)
    if source.native is None:
        raise UserError(
            f"{build}: the native engine cannot hold this network (see {inputs.CONVERSION}), and nothing else is exported"
        )
    if not folder.is_up_to_date(firmware, stamp):
        raise UserError(f"{firmware}: missing, changed or of another conversion or generator; {remedy(build)}")
    paths = [firmware / names.file_name(name, prefix) for name in (*frontend.SHIPPED, *detector.FILES)]
    paths += sorted((firmware / NATIVE).glob("*.[ch]"))
    return Library(
        tau=f"{source.tau:g}",
        labels=source.labels,
        checkpoint_sha256=source.checkpoint_sha256,
        sources={path.name: path.read_bytes().decode() for path in paths},
        license=(ROOT / "LICENSE").read_text("utf-8"),
        notice=(ROOT / "NOTICE").read_text("utf-8"),
        fingerprint=stamp,
        prefix=prefix,
    )


def render(template: str, library: Library, **values: object) -> str:
    """The text of `templates/export/<template>`, which is given the library."""
    return rendering.render(
        f"export/{template}", library.prefix, library=library, name=library.name, public=library.public, **values
    )


def documents(library: Library, readme: str, **values: object) -> dict[str, str]:
    """LICENSE, NOTICE and README.md, the latter from a template, which is given the values."""
    return {
        "LICENSE": library.license,
        "NOTICE": render("NOTICE.j2", library).rstrip() + "\n",
        "README.md": render(readme, library, **values),
    }


def in_two_folders(library: Library) -> dict[str, str]:
    """The sources with their public headers in include/ and everything else in src/."""
    return {f"include/{name}" if name in library.public else f"src/{name}": text for name, text in library.sources.items()}


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A zip file (path -> text or bytes) with the same bytes on every machine.

    Stored, not compressed: what zlib makes of the same input differs between its versions.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.create_system = 3  # Unix, so that the permissions below are read
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, folder.content(file))
    return out.getvalue()


def below(top: str, files: Mapping[str, str | bytes]) -> dict[str, str | bytes]:
    """The same files in a folder."""
    return {f"{top}/{name}": file for name, file in files.items()}
