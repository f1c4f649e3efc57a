"""A Zephyr module with a sample that listens to a digital microphone.

Format: Zephyr's documentation, "Modules (External projects)": zephyr/module.yml names the CMake folder, the Kconfig
file and the samples.
"""

from __future__ import annotations

from engine.render import STREAM_COLUMNS
from firmware_gen.export.library import Library, below, documents, in_two_folders, render

TEMPLATES = {
    "zephyr/module.yml": "module.yml.j2",
    "CMakeLists.txt": "CMakeLists.txt.j2",
    "Kconfig": "Kconfig.j2",
    "samples/listen/CMakeLists.txt": "sample_CMakeLists.txt.j2",
    "samples/listen/Kconfig": "sample_Kconfig.j2",
    "samples/listen/prj.conf": "prj.conf.j2",
    "samples/listen/sample.yaml": "sample.yaml.j2",
    "samples/listen/boards/xiao_ble_nrf52840_sense.overlay": "xiao_ble_nrf52840_sense.overlay.j2",
    "samples/listen/src/main.c": "main.c.j2",
}


def files(library: Library) -> dict[str, str | bytes]:
    """Path -> content of the whole export."""
    tree = {
        path: render(f"zephyr/{template}", library, stream_columns=STREAM_COLUMNS) for path, template in TEMPLATES.items()
    }
    return below(library.name, {**tree, **in_two_folders(library), **documents(library, "zephyr/README.md.j2")})
