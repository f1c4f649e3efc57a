"""A CMSIS-Pack: the .pack file, and unpacked beside it what it holds.

Format: Open-CMSIS-Pack specification 1.7, PACK.xsd. A project's own main.c is a user code template of the component. Headers
in src/ are private to the component: they are on the include path of its own sources alone.
"""

from __future__ import annotations

from firmware_gen import RELEASED
from firmware_gen.export.library import Library, below, documents, in_two_folders, render, zipped

VENDOR, NAME = "BCResNet", "KWS"
URL = "https://arxiv.org/abs/2106.04140"
"""Of the network's paper, as in the Arduino library: where packs of your own can be downloaded is for you to say."""


def files(library: Library) -> dict[str, str | bytes]:
    """Path -> content of the whole export."""
    sources = in_two_folders(library)
    tree = {
        f"{VENDOR}.{NAME}.pdsc": render(
            "cmsis_pack/pdsc.j2",
            library,
            vendor=VENDOR,
            pack=NAME,
            url=URL,
            released=RELEASED,
            headers=sorted(name for name in sources if name.endswith(".h")),
            compiled=sorted(name for name in sources if name.endswith(".c")),
        ),
        "examples/listen/main.c": render("cmsis_pack/main.c.j2", library),
        **sources,
        **documents(library, "cmsis_pack/README.md.j2"),
    }
    return {**below(f"{VENDOR}.{NAME}", tree), f"{VENDOR}.{NAME}.{library.version}.pack": zipped(tree)}
