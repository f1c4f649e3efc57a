"""The exports: the same generated files, in each ecosystem's documented layout; written whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import json
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml
from exported import EXAMPLES, FOLDERS, ROOT, compiled, copy_of, export_all, include_paths, pdsc_of
from firmware_builds import AWKWARD, change_record, contents, generate, write_small_build

from common.markdown import code
from firmware_gen import __main__ as generator, __version__
from firmware_gen.export.__main__ import FORMATS, main
from firmware_gen.export.library import PUBLIC, load

SEMVER = r"\d+\.\d+\.\d+"
ARDUINO_CATEGORIES = {
    "Display",
    "Communication",
    "Signal Input/Output",
    "Sensors",
    "Device Control",
    "Timing",
    "Data Storage",
    "Data Processing",
    "Other",
}
MODULE_KEYS = {"name": str, "build": dict, "samples": list, "tests": list, "boards": list, "blobs": list}
"""Of Zephyr's module.yml."""
PDSC_ORDER = (
    "vendor",
    "name",
    "description",
    "url",
    "license",
    "requirements",
    "releases",
    "keywords",
    "taxonomy",
    "components",
)
VALIDATE_PLATFORMIO = """
import sys
from platformio.package.manifest import schema
from platformio.package.pack import PackagePacker
schema.ManifestSchema.load_spdx_licenses = staticmethod(lambda: {"licenses": [{"licenseId": "Apache-2.0"}]})
PackagePacker(sys.argv[1]).pack(sys.argv[2])
"""
"""What `pio pkg pack` does, without fetching the list of licences, one of which is Apache-2.0."""
VALIDATE_KCONFIG = """
import sys, kconfiglib
configuration = kconfiglib.Kconfig(sys.argv[1], warn_to_stderr=False)
assert not configuration.warnings, configuration.warnings
assert {"KWS_BCRESNET", "KWS_BCRESNET_STREAM_COLUMNS", "KWS_BCRESNET_SELFTEST"} <= set(configuration.syms)
"""


@pytest.fixture(scope="module")
def build(tau1_build, tmp_path_factory) -> Path:
    return copy_of(tau1_build, tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def libraries(build) -> dict[str, Path]:
    """Read only."""
    return export_all(build)


@pytest.fixture
def small(tmp_path) -> Path:
    """A build whose network the native engine cannot hold, with firmware."""
    build = write_small_build(tmp_path / "tau1")
    change_record(build, "native", value={"refused": "too large"})
    generate(build)
    return build


# ---- every format ----


@pytest.mark.parametrize("form", FORMATS)
def test_sources_are_the_generated_ones_and_no_others(form, build, libraries):
    firmware, library = build / "firmware", libraries[form]
    patterns = ("frontend*", "kws_detector*", "kws_level.*", "native/*")
    expected = {path.name: path.read_bytes() for pattern in patterns for path in firmware.glob(pattern)}
    umbrella = {"BCResNetKWS.h"} if form == "arduino" else set()
    found = {path.name: path.read_bytes() for folder in ("include", "src") for path in library.glob(f"{folder}/*")}
    assert {name: found[name] for name in found.keys() - umbrella} == expected
    assert {path.name for path in compiled(form, library)} == {name for name in expected if name.endswith(".c")}
    assert all(path.is_dir() for paths in include_paths(form, library).values() for path in paths)


@pytest.mark.parametrize("form", FORMATS)
def test_licence_notice_and_readme_are_there(form, build, libraries):
    library = libraries[form]
    conversion = json.loads((build / "conversion.json").read_text())
    assert (library / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    notice = (library / "NOTICE").read_text()
    assert notice.endswith((ROOT / "NOTICE").read_text()) and conversion["checkpoint"]["sha256"] in notice
    readme = (library / "README.md").read_text()
    assert all(f"`{label}`" in readme for label in conversion["labels"])
    assert "kws_frontend_push(" in readme and "kws_scores_stream(" in readme and "TFLM's own library" in readme
    assert (library / EXAMPLES[form]).is_file()


@pytest.mark.parametrize("form", FORMATS)
def test_no_template_is_left_over(form, libraries):
    for name, data in contents(libraries[form]).items():
        text = data.decode()
        assert text.endswith("\n") and not text.endswith("\n\n"), name
        assert not re.search(r"{%|%}|{{|}}(?!,|;|\n|\))", text), name
        assert all(line == line.rstrip() for line in text.splitlines()), name


@pytest.mark.parametrize("form", FORMATS)
def test_same_bytes_again_and_nothing_written_when_up_to_date(form, build, libraries, capsys):
    folder = build / "export" / form
    first, stamp = contents(folder), folder.stat().st_mtime_ns
    assert main(["--build", str(build), "--format", form]) == 0
    assert capsys.readouterr().out == f"{folder}: up to date\n"
    assert folder.stat().st_mtime_ns == stamp
    (folder / FOLDERS[form] / "README.md").write_text("changed")
    assert main(["--build", str(build), "--format", form]) == 0
    assert contents(folder) == first


# ---- what is refused ----


def test_unknown_format_is_one_line(build, failure):
    assert failure(main, "--build", build, "--format", "mbed") == (
        "error: format mbed does not exist; choose one of arduino, cmsis-pack, zephyr, esp-idf, platformio"
    )
    assert failure(main, "--build", build).startswith("error: no format given; choose one of ")


def test_stale_firmware_is_refused_with_the_remedy(tau1_build, tmp_path, failure):
    build = copy_of(tau1_build, tmp_path)
    source = build / "firmware" / "native" / "kws_engine.c"
    source.write_text(source.read_text() + "// mine\n")
    line = failure(main, "--build", build, "--format", "zephyr")
    assert "firmware: missing, changed or of another conversion" in line and line.endswith("run `make quantize TAU=1`")
    shutil.rmtree(build / "firmware")
    assert failure(main, "--build", build, "--format", "zephyr") == line
    assert not (build / "export").exists()


def test_network_that_the_engine_cannot_hold_is_refused(small, failure):
    assert "the native engine cannot hold this network" in failure(main, "--build", small, "--format", "arduino")
    assert not (small / "export").exists()


def test_full_disk_leaves_the_old_export(tau1_build, tmp_path, failure, monkeypatch):
    build = copy_of(tau1_build, tmp_path)
    assert main(["--build", str(build), "--format", "esp-idf"]) == 0
    (build / "export" / "esp-idf" / "kws_bcresnet" / "NOTICE").unlink()
    before, written = contents(build / "export"), []

    def write_bytes(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) == 9:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    assert "No space left on device" in failure(main, "--build", build, "--format", "esp-idf")
    assert contents(build / "export") == before and len(written) == 9


# ---- the layouts ----


def test_arduino_library_follows_the_specification(libraries):
    library = libraries["arduino"]
    properties = dict(line.split("=", 1) for line in (library / "library.properties").read_text().splitlines())
    assert set(properties) == {
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "url",
        "architectures",
        "includes",
    }
    assert all(properties.values()) and properties["version"] == __version__
    assert re.fullmatch(r"[A-Za-z][\w.-]{0,15}", properties["name"]) and properties["name"] == library.name
    assert "arduino" not in (properties["name"] + properties["maintainer"]).lower()
    assert properties["category"] in ARDUINO_CATEGORIES
    architectures = properties["architectures"].split(",")
    assert "mbed_nano" in architectures and "avr" not in architectures and all(map(str.strip, architectures))
    assert properties["sentence"].endswith(".") and not properties["paragraph"].startswith(properties["sentence"])
    assert (library / "src" / properties["includes"]).is_file()
    assert {path.name for path in library.iterdir()} == {
        "library.properties",
        "src",
        "examples",
        "LICENSE",
        "NOTICE",
        "README.md",
    }
    assert not any(path.is_dir() for path in (library / "src").iterdir())
    sketch = library / EXAMPLES["arduino"]
    assert sketch.stem == sketch.parent.name


def test_labels_of_any_kind_stay_on_their_line(build):
    source = dataclasses.replace(load(build), labels=AWKWARD)
    for make in FORMATS.values():
        texts = {name: text for name, text in make(source).items() if isinstance(text, str)}
        (readme,) = (text for name, text in texts.items() if name.endswith("/README.md"))
        assert all(code(label) in readme for label in AWKWARD) and "`größe`" in readme
        for name, text in texts.items():
            if name.endswith("library.properties"):
                assert len(text.splitlines()) == 10 and all("=" in line for line in text.splitlines())


def test_arduino_zip_holds_the_one_folder(libraries):
    library = libraries["arduino"]
    with zipfile.ZipFile(library.parent / f"{library.name}-{__version__}.zip") as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {f"{library.name}/{name}": data for name, data in contents(library).items()}


def test_pack_holds_the_folder_and_a_valid_description(libraries):
    library, package = libraries["cmsis-pack"], pdsc_of(libraries["cmsis-pack"])
    assert tuple(element.tag for element in package) == PDSC_ORDER
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", package.get("schemaVersion"))
    vendor, name = package.findtext("vendor"), package.findtext("name")
    assert re.fullmatch(r"[\w-]+", vendor) and re.fullmatch(r"[\w-]+", name)
    (version,) = {release.get("version") for release in package.iter("release")}
    assert re.fullmatch(SEMVER, version) and version == __version__
    (date,) = {release.get("date") for release in package.iter("release")}
    assert f"\n## {version}, {date}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert package.find("url") is not None and not package.findtext("url")  # on no web server
    assert (library / f"{vendor}.{name}.pdsc").is_file() and (library / package.findtext("license")).is_file()
    with zipfile.ZipFile(library.parent / f"{vendor}.{name}.{version}.pack") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents(library)


def test_pack_lists_every_file_once(libraries):
    library, package = libraries["cmsis-pack"], pdsc_of(libraries["cmsis-pack"])
    (component,) = package.iter("component")
    assert set(component.keys()) == {"Cclass", "Cgroup", "Csub", "Cversion"}
    assert all(3 <= len(component.get(key)) <= 32 for key in ("Cclass", "Cgroup"))
    assert [element.tag for element in component] == ["description", "files"]
    (taxonomy,) = package.iter("taxonomy")
    assert {key: component.get(key) for key in ("Cclass", "Cgroup")} == taxonomy[0].attrib
    categories = {".md": "doc", ".h": "header", ".c": "source"}
    listed = [file.get("name") for file in component.iter("file")]
    assert len(set(listed)) == len(listed)
    assert set(listed) == contents(library).keys() - {"LICENSE", "NOTICE", "BCResNet.KWS.pdsc"}
    for file in component.iter("file"):
        assert file.get("category") == categories[Path(file.get("name")).suffix]
        assert (file.get("attr") == "template" and file.get("select")) or set(file.keys()) - {"scope"} == {
            "category",
            "name",
        }
        private = file.get("category") == "header" and Path(file.get("name")).name not in PUBLIC
        assert file.get("scope") == ("private" if private else None), file.get("name")


def test_zephyr_module_names_what_is_there(libraries):
    library = libraries["zephyr"]
    module = yaml.safe_load((library / "zephyr" / "module.yml").read_text())
    assert all(isinstance(module[key], MODULE_KEYS[key]) for key in module)
    assert module["build"].keys() == {"cmake", "kconfig"}
    cmake = library / module["build"]["cmake"] / "CMakeLists.txt"
    kconfig = (library / module["build"]["kconfig"]).read_text()
    symbols = set(re.findall(r"CONFIG_(KWS_\w+)", cmake.read_text()))
    assert symbols == set(re.findall(r"^config (\w+)$", kconfig, re.M))
    for folder in module["samples"]:
        samples = list((library / folder).rglob("sample.yaml"))
        assert samples
        for path in samples:
            tests = yaml.safe_load(path.read_text())["tests"]
            assert all(re.fullmatch(r"sample(\.\w+)+", name) for name in tests)
            assert (path.parent / "prj.conf").is_file() and (path.parent / "CMakeLists.txt").is_file()
            assert "CONFIG_KWS_BCRESNET=y" in (path.parent / "prj.conf").read_text().splitlines()


def test_the_packs_of_two_networks_have_components_of_their_own(libraries, tau1_build, tmp_path):
    build = copy_of(tau1_build, tmp_path)
    generator.main(["--build", str(build), "--prefix", "door"])
    main(["--build", str(build), "--format", "cmsis-pack"])
    packages = [pdsc_of(libraries["cmsis-pack"]), pdsc_of(build / "export" / "cmsis-pack" / "BCResNet.DOOR")]
    keys = ("Cclass", "Cgroup", "Csub", "Cvariant", "Cversion")
    found = [tuple(package.find("components/component").get(key) for key in keys) for package in packages]
    checkpoint = json.loads((tau1_build / "conversion.json").read_text())["checkpoint"]["sha256"]
    assert all(checkpoint[:12] in package.findtext("components/component/description") for package in packages)
    assert found[0] != found[1] and [names[2] for names in found] == ["KWS", "DOOR"]
    for package, component in zip(("KWS", "DOOR"), found):
        readme = (
            (libraries["cmsis-pack"] / "README.md") if package == "KWS" else next(build.rglob("BCResNet.DOOR/README.md"))
        )
        assert f"  - component: {':'.join(component[:3])}\n" in readme.read_text()


@pytest.mark.parametrize("form", FORMATS)
def test_a_readme_says_what_is_set_and_ends_its_list_of_classes(form, libraries):
    text = (libraries[form] / "README.md").read_text()
    assert re.search(r"^Its 12 classes:\n`.*\.\n\n\S", text, re.M)
    said = {
        "arduino": ("115,200 baud", "`GAIN`", "arduino:mbed_nano"),
        "platformio": ("`GAIN`",),
        "esp-idf": ("GPIO 4", "26, 25 and 33", "L/R pin to ground"),
        "zephyr": ("CONFIG_LISTEN_GAIN_BITS",),
        "cmsis-pack": ("board_read_microphone(", "board_milliseconds(", "board_put("),
    }
    assert [words for words in said[form] if words not in text] == []


def test_getting_started_tells_how_many_files_the_library_has(tau1_build, tmp_path, capsys):
    main(["--build", str(copy_of(tau1_build, tmp_path)), "--format", "arduino"])
    (count,) = re.findall(r"export/arduino: (\d+ files)", capsys.readouterr().out)
    assert f"export/arduino: {count};" in (ROOT / "docs" / "getting-started.md").read_text()


def test_zephyr_averages_over_as_many_columns_as_the_generated_header(libraries):
    header = (libraries["zephyr"] / "include" / "kws_model.h").read_text()
    kconfig = (libraries["zephyr"] / "Kconfig").read_text()
    assert (
        re.search(r"STREAM_COLUMNS\n.*\n\tdefault (\d+)", kconfig)[1]
        == re.search(r"#define KWS_STREAM_COLUMNS (\d+)", header)[1]
    )


def test_esp_idf_component_and_its_example_describe_themselves(libraries):
    library = libraries["esp-idf"]
    component = yaml.safe_load((library / "idf_component.yml").read_text())
    assert component["version"] == __version__ and re.fullmatch(SEMVER, component["version"])
    assert component["license"] == "Apache-2.0" and component["description"] and component["dependencies"]["idf"]
    assert all(re.fullmatch(r"[a-z0-9_]{3,32}", tag) for tag in component["tags"])
    example = (library / EXAMPLES["esp-idf"]).parent
    dependency = yaml.safe_load((example / "idf_component.yml").read_text())["dependencies"]
    assert (example / dependency[library.name]["path"]).resolve() == library.resolve()
    declared = set(re.findall(r"^config (\w+)$", (example / "Kconfig.projbuild").read_text(), re.M))
    assert declared == set(re.findall(r"CONFIG_(\w+)", (example / "main.c").read_text()))


def default_pins(text: str, target: str) -> list[int]:
    """What Kconfig gives the example's pins on a chip: the first default whose condition holds."""
    pins = []
    for entry in re.findall(r"^config \w+_GPIO\n(?: .*\n)+", text, re.M):
        defaults = re.findall(r"^    default (\d+)(?: if IDF_TARGET_(\w+))?$", entry, re.M)
        pins.append(next(int(pin) for pin, chip in defaults if chip in ("", target)))
    return pins


def test_esp_idf_s_pins_are_none_of_the_flash_s_on_any_chip(libraries):
    text = (libraries["esp-idf"] / EXAMPLES["esp-idf"]).with_name("Kconfig.projbuild").read_text()
    flash = {
        "ESP32": range(6, 12),
        "ESP32S2": range(26, 33),
        "ESP32S3": range(26, 38),
        "ESP32C3": range(11, 18),
        "ESP32C6": range(24, 31),
        "ESP32H2": range(15, 22),
    }
    for target, taken in flash.items():
        pins = default_pins(text, target)
        assert len(set(pins)) == 3 and not set(pins) & set(taken), target
    assert max(default_pins(text, "ESP32")[:2]) < 34  # the clocks are outputs


def test_platformio_library_follows_the_manifest_s_rules(libraries):
    library = libraries["platformio"]
    manifest = json.loads((library / "library.json").read_text())
    assert re.fullmatch(r"[a-z0-9_]{1,50}", manifest["name"]) and manifest["name"] == library.name
    assert manifest["version"] == __version__ and manifest["license"] == "Apache-2.0"
    assert 1 <= len(manifest["description"]) <= 255
    assert all((library / "include" / header).is_file() for header in manifest["headers"])
    for example in manifest["examples"]:
        assert all((library / example["base"] / name).is_file() for name in example["files"])
    project = (library / "examples/listen/platformio.ini").read_text()
    linked = re.search(r"^lib_deps = symlink://(.*)$", project, re.M)[1]
    assert (library / "examples/listen" / linked).resolve() == library.resolve()


# ---- the ecosystems' own validators ----


@pytest.fixture(scope="module")
def validators(tmp_path_factory) -> Path:
    """bin/ of a virtual environment with requirements/validators.txt."""
    folder = tmp_path_factory.mktemp("validators")
    venv.create(folder, with_pip=True)
    done = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", ROOT / "requirements" / "validators.txt"],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"the validators do not install: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin"


@pytest.mark.slow
def test_platformio_packs_the_library(libraries, validators, tmp_path):
    subprocess.run([validators / "python", "-c", VALIDATE_PLATFORMIO, libraries["platformio"], tmp_path], check=True)
    assert (tmp_path / f"kws_bcresnet-{__version__}.tar.gz").is_file()


@pytest.mark.slow
def test_component_manager_packs_the_component(libraries, validators, tmp_path):
    subprocess.run(
        [
            validators / "compote",
            "component",
            "pack",
            "--project-dir",
            libraries["esp-idf"],
            "--name",
            "kws_bcresnet",
            "--dest-dir",
            tmp_path,
        ],
        check=True,
    )
    assert (tmp_path / f"kws_bcresnet_{__version__}.tgz").is_file()


@pytest.mark.slow
def test_kconfig_reads_without_a_warning(libraries, validators):
    subprocess.run([validators / "python", "-c", VALIDATE_KCONFIG, libraries["zephyr"] / "Kconfig"], check=True)


def test_the_command_runs_from_a_shell(build, libraries):
    command = [sys.executable, "-m", "firmware_gen.export", "--build", build, "--format", "zephyr"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{build}/export/zephyr: up to date\n")
