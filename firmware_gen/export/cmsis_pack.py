"""A CMSIS-Pack: the .pack file, and unpacked beside it what it holds.

Format: Open-CMSIS-Pack specification 1.7, PACK.xsd. A project's own main.c is a user code template of the component. Headers
in src/ are private to the component: they are on the include path of its own sources alone.
"""

from __future__ import annotations

from firmware_gen import RELEASED
from firmware_gen.export.library import Library, below, documents, in_two_folders, render, zipped

VENDOR = "BCResNet"
URL = ""
"""Where tools download the pack and look for a newer one: empty, as the specification has it, for one on no web server. Who
puts it on one writes the folder's address there, with a slash at its end."""


def files(library: Library) -> dict[str, str | bytes]:
    """Path -> content of the whole export."""
    sources, name = in_two_folders(library), library.short_name
    tree = {
        f"{VENDOR}.{name}.pdsc": render(
            "cmsis_pack/pdsc.j2",
            library,
            vendor=VENDOR,
            pack=name,
            url=URL,
            released=RELEASED,
            headers=sorted(path for path in sources if path.endswith(".h")),
            compiled=sorted(path for path in sources if path.endswith(".c")),
        ),
        "examples/listen/main.c": render("cmsis_pack/main.c.j2", library),
        **sources,
        **documents(library, "cmsis_pack/README.md.j2", vendor=VENDOR, pack=name),
    }
    return {**below(f"{VENDOR}.{name}", tree), f"{VENDOR}.{name}.{library.version}.pack": zipped(tree)}
