"""An ESP-IDF component with an example that listens to an I2S microphone.

Format: ESP-IDF's build system (idf_component_register) and the IDF Component Manager's idf_component.yml. The cores are
Xtensa or RISC-V, so the plain C kernels run.
"""

from __future__ import annotations

from firmware_gen.export.library import Library, below, documents, in_two_folders, render

TEMPLATES = {
    "CMakeLists.txt": "CMakeLists.txt.j2",
    "idf_component.yml": "idf_component.yml.j2",
    "examples/listen/CMakeLists.txt": "example_CMakeLists.txt.j2",
    "examples/listen/main/CMakeLists.txt": "main_CMakeLists.txt.j2",
    "examples/listen/main/idf_component.yml": "main_idf_component.yml.j2",
    "examples/listen/main/Kconfig.projbuild": "Kconfig.projbuild.j2",
    "examples/listen/main/main.c": "main.c.j2",
}


def files(library: Library) -> dict[str, str | bytes]:
    """Path -> content of the whole export."""
    tree = {path: render(f"esp_idf/{template}", library) for path, template in TEMPLATES.items()}
    return below(library.name, {**tree, **in_two_folders(library), **documents(library, "esp_idf/README.md.j2")})
