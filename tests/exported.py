"""What the tests of the exports share: each format's library folder, and what its build files say of it."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as xml
from pathlib import Path

from firmware_gen.export.__main__ import FORMATS, main

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "arduino": "BCResNetKWS",
    "cmsis-pack": "BCResNet.KWS",
    "zephyr": "kws_bcresnet",
    "esp-idf": "kws_bcresnet",
    "platformio": "kws_bcresnet",
}
EXAMPLES = {
    "arduino": "examples/listen/listen.ino",
    "cmsis-pack": "examples/listen/main.c",
    "zephyr": "samples/listen/src/main.c",
    "esp-idf": "examples/listen/main/main.c",
    "platformio": "examples/listen/src/main.cpp",
}


def copy_of(build: Path, out: Path) -> Path:
    """As much of a build folder as an export reads, by the same name: the remedies name it."""
    return shutil.copytree(build, out / build.name, ignore=shutil.ignore_patterns("graphs", "export", "bench.json"))


def export_all(build: Path) -> dict[str, Path]:
    """Format -> folder of the library."""
    for form in FORMATS:
        assert main(["--build", str(build), "--format", form]) == 0
    return {form: build / "export" / form / FOLDERS[form] for form in FORMATS}


def cmake_list(text: str, keyword: str) -> list[str]:
    """What follows a keyword of a CMake command up to the next one or the closing parenthesis."""
    found = re.search(rf"\b{keyword}\b\(?\s*((?:\"?[\w./]*[a-z.][\w./]*\"?\s*)+)", text)
    return [item.strip('"') for item in found[1].split()]


def pdsc_of(library: Path) -> xml.Element:
    (path,) = library.glob("*.pdsc")
    return xml.parse(path).getroot()


def compiled(form: str, library: Path) -> list[Path]:
    """The sources that the ecosystem compiles, as its own build files tell."""
    if form in ("arduino", "platformio"):
        return sorted((library / "src").rglob("*.c"))
    if form == "cmsis-pack":
        files = pdsc_of(library).iter("file")
        return [library / file.get("name") for file in files if file.get("category") == "source" and not file.get("attr")]
    text = (library / "CMakeLists.txt").read_text()
    if form == "esp-idf":
        return [library / name for name in cmake_list(text, "SRCS")]
    return [library / name for name in cmake_list(text, "zephyr_library_sources") + ["src/kws_selftest.c"]]


def include_paths(form: str, library: Path) -> dict[str, list[Path]]:
    """What the ecosystem puts on the include path: `library` when it compiles the library, `application` the rest."""
    if form == "arduino":
        folders = ["src"]
    elif form == "platformio":
        build = json.loads((library / "library.json").read_text())["build"]
        folders = [build["includeDir"], build["srcDir"]]
    elif form == "cmsis-pack":
        headers = [file for file in pdsc_of(library).iter("file") if file.get("category") == "header"]
        places = [(library / file.get("name")).parent for file in headers]
        public = {place for place, file in zip(places, headers) if file.get("scope") != "private"}
        return {"application": sorted(public), "library": sorted({*places})}
    elif form == "esp-idf":
        text = (library / "CMakeLists.txt").read_text()
        public, private = cmake_list(text, "INCLUDE_DIRS"), cmake_list(text, "PRIV_INCLUDE_DIRS")
        return {"application": [library / name for name in public], "library": [library / name for name in public + private]}
    else:
        folders = cmake_list((library / "CMakeLists.txt").read_text(), "zephyr_include_directories")
    paths = [library / name for name in folders]
    return {"application": paths, "library": paths}
