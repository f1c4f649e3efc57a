"""An Arduino library: the folder that goes into libraries/, and the same as a .zip for the IDE's menu.

Format: Arduino library specification, 1.5 format, rev. 2.2. Everything under src/ is compiled, and src/ alone is on the
include path, so all sources lie there side by side.
"""

from __future__ import annotations

from firmware_gen.export.library import Library, below, documents, render, zipped


def files(library: Library) -> dict[str, str | bytes]:
    """Path -> content of the whole export."""
    name = f"BCResNet{library.short_name}"
    tree = {
        "library.properties": render("arduino/library.properties.j2", library, arduino_name=name),
        f"src/{name}.h": render("arduino/umbrella.h.j2", library, arduino_name=name),
        "examples/listen/listen.ino": render("arduino/listen.ino.j2", library, arduino_name=name),
        **below("src", library.sources),
        **documents(library, "arduino/README.md.j2", arduino_name=name),
    }
    return {**below(name, tree), f"{name}-{library.version}.zip": zipped(below(name, tree))}
