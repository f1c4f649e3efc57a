"""A PlatformIO library with an example project.

Format: PlatformIO's documentation, "library.json". include/ and src/ are on the include path, src/ is compiled.
"""

from __future__ import annotations

import json

from firmware_gen.export.library import Library, below, documents, in_two_folders, render

PLATFORMS = ("atmelsam", "espressif32", "native", "nordicnrf52", "raspberrypi", "renesas-ra", "ststm32", "teensy")
"""Those of 32 bits and more that PlatformIO has; an 8-bit AVR has neither the memory nor the int."""


def manifest(library: Library) -> str:
    """library.json."""
    return (
        json.dumps(
            {
                "name": library.name,
                "version": library.version,
                "description": f"Keyword spotting with BC-ResNet-{library.tau} in integers: 16 kHz sound in, words out. "
                "No interpreter, no allocation.",
                "keywords": "keyword spotting, speech, tinyml, microcontroller, cortex-m",
                "authors": [{"name": "BC-ResNet KWS", "maintainer": True}],
                "license": "Apache-2.0",
                "headers": [name for name in library.public if not name.endswith(("model.h", "selftest.h"))],
                "frameworks": "*",
                "platforms": PLATFORMS,
                "build": {"includeDir": "include", "srcDir": "src", "flags": "-O2", "unflags": "-Os"},
                "examples": [{"name": "listen", "base": "examples/listen", "files": ["platformio.ini", "src/main.cpp"]}],
            },
            indent=2,
        )
        + "\n"
    )


def files(library: Library) -> dict[str, str | bytes]:
    """Path -> content of the whole export."""
    return below(
        library.name,
        {
            "library.json": manifest(library),
            "examples/listen/platformio.ini": render("platformio/platformio.ini.j2", library),
            "examples/listen/src/main.cpp": render("platformio/main.cpp.j2", library),
            **in_two_folders(library),
            **documents(library, "platformio/README.md.j2"),
        },
    )
