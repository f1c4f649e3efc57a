"""A prefix of one's own: every name of the firmware has it, and two networks run in one program."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from emulated import need_emulator
from exported import copy_of
from firmware_builds import SANITISERS, ObjectFile, compile_objects, contents, write_small_build

from benchmarks import quantize
from benchmarks.cost import emulator, on_board
from benchmarks.cost.emulator import CORES
from common import names
from common.errors import UserError
from engine import render
from engine.random_network import random_network
from firmware_gen import inputs
from firmware_gen.__main__ import generate, main
from firmware_gen.export import __main__ as export
from firmware_gen.inputs import Inputs

BOTH = """
#include "door_frontend.h"
#include "door_level.h"
#include "door_selftest.h"
#include "lamp_frontend.h"
#include "lamp_level.h"
#include "lamp_selftest.h"
#include "put.h"
static door_selftest_memory door;
static lamp_selftest_memory lamp;
int main(void) {
  return door_selftest(&door, put) == 0 && lamp_selftest(&lamp, put) == 0 ? 0 : 1;
}
"""
PUT = {
    "host": "#include <stdio.h>\nstatic void put(char character) { putchar(character); }\n",
    "cortex-m4": '#include "semihosting.h"\n'
    "static void put(char character) { const char text[2] = {character, 0}; host_print(text); }\n",
}


def written(source: Inputs, out: Path) -> Path:
    """The firmware of the inputs in the folder `out`."""
    for name, text in generate(source).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text)
    return out


@pytest.fixture(scope="module")
def sources(tau1_build) -> dict[str, Inputs]:
    """Two networks by their prefixes."""
    source = inputs.load(tau1_build)
    return {
        "door": dataclasses.replace(source, prefix="door"),
        "lamp": dataclasses.replace(source, prefix="lamp", native=random_network(1)),
    }


@pytest.fixture(scope="module")
def firmwares(sources, tmp_path_factory) -> dict[str, Path]:
    """Their firmware. Read only."""
    out = tmp_path_factory.mktemp("two")
    return {prefix: written(source, out / prefix) for prefix, source in sources.items()}


def folders(firmwares: dict[str, Path]) -> list[Path]:
    return [folder for firmware in firmwares.values() for folder in (firmware, firmware / "native")]


def c_files(firmwares: dict[str, Path]) -> list[Path]:
    return [path for folder in folders(firmwares) for path in sorted(folder.glob("*.c"))]


@pytest.mark.parametrize("machine", PUT)
def test_two_networks_run_in_one_program(sources, firmwares, tmp_path, machine):
    (tmp_path / "both.c").write_text(BOTH)
    (tmp_path / "put.h").write_text(PUT[machine])
    units = [tmp_path / "both.c", *c_files(firmwares)]
    if machine == "host":
        flags = [f"-I{path}" for path in folders(firmwares)]
        made = compile_objects(["gcc"], units, tmp_path / "units", "-std=c99", "-O1", *SANITISERS, *flags)
        subprocess.run(["gcc", *SANITISERS, *made, "-o", tmp_path / "both"], check=True)
        done = subprocess.run([tmp_path / "both"], capture_output=True, text=True)
        status, text = done.returncode, done.stdout
    else:
        need_emulator()
        image = emulator.compile_bare(CORES[machine], units, folders(firmwares), tmp_path / "both.elf")
        done = emulator.run_qemu(image, tmp_path, 120, "both")
        status, text = done.returncode, done.stderr
    ids = [render.engine_id(source.native) for source in sources.values()]
    assert re.findall(r"engine (\w{16})", text) == ids and len(set(ids)) == 2
    assert (status, text.count("pass\n"), text.count("FAIL")) == (0, 2, 0)


def test_every_external_symbol_has_the_prefix(firmwares, tmp_path):
    flags = [f"-I{path}" for path in folders(firmwares)]
    units = compile_objects(["gcc"], c_files({"door": firmwares["door"]}), tmp_path / "c", "-std=c99", *flags)
    cpp = sorted(firmwares["door"].glob("*.cc"))
    units += compile_objects(["g++"], cpp, tmp_path / "cc", "-std=c++11", *flags)
    found = {symbol.name for unit in units for symbol in ObjectFile(unit).symbols if symbol.is_global and symbol.section}
    ours = {name for name in found if not re.search("tflite|tflm_stub|_Znw", name)}  # inline ones of others
    assert len(ours) > 60
    assert {name for name in ours if not re.match(r"(g_)?door_|_Z\w*9door_tflm", name)} == set()


def test_every_macro_has_the_prefix_and_no_default_name_is_left(firmwares):
    for name, content in contents(firmwares["door"]).items():
        text = content.decode()
        left = re.findall(
            r"(?i)(?:(?<![a-z0-9])|(?<=-d))kws_\w*|(?<![\w])(?:frontend|model|op_resolver)\w*\.(?:h|cc?)\b", text
        )
        assert left == [], name
        macros = re.findall(r"^ *# *define (\w+)", text, re.M)
        assert not name.endswith(".h") or all(re.match(r"(?i)door_", macro) for macro in macros), name
        assert Path(name).name.startswith("door_")


@pytest.mark.parametrize("command", [["gcc", "-std=c99"], ["g++", "-std=c++11"]])
def test_headers_of_two_prefixes_stand_in_one_file(firmwares, tmp_path, command):
    public = ("frontend.h", "kws_detector.h", "kws_level.h", "kws_selftest.h", "kws_tflm.h", "model.h", "model_settings.h")
    lines = [f'#include "{names.file_name(name, prefix)}"\n' for prefix in firmwares for name in public]
    source = tmp_path / ("all.c" if command[0] == "gcc" else "all.cc")
    source.write_text("".join(lines) + "extern int nothing;\n")
    flags = [f"-I{path}" for path in folders(firmwares)]
    compile_objects(command[:1], [source], tmp_path, command[1], "-Wno-unused-variable", *flags)


def test_words_of_the_user_stay_as_they_are(tmp_path):
    build = write_small_build(tmp_path / "tau1", labels=("_silence_", "_unknown_", "kws_on", "KWS_OFF frontend.h"))
    source = dataclasses.replace(inputs.load(build), prefix="door")
    settings = generate(source)["door_model_settings.h"]
    assert '"kws_on"' in settings and '"KWS_OFF frontend.h"' in settings


def test_the_default_prefix_changes_nothing(tau1_build):
    source = inputs.load(tau1_build)
    assert source.prefix == names.PREFIX
    assert (
        generate(source).items() <= {name: text.decode() for name, text in contents(tau1_build / "firmware").items()}.items()
    )


@pytest.mark.parametrize("prefix", ["frontend", "model", "op", "kernels"])
def test_a_prefix_that_is_the_name_of_a_file_gives_every_file_a_name_of_its_own(tau1_build, prefix):
    made = generate(dataclasses.replace(inputs.load(tau1_build), prefix=prefix))
    assert len(made) == len(generate(inputs.load(tau1_build)))
    assert len({Path(name).name for name in made}) == len(made)
    included = {name for text in made.values() for name in re.findall(r'#include "([^"]+)"', text)}
    assert {name for name in included if name.startswith(prefix)} <= {Path(name).name for name in made}


@pytest.mark.parametrize("prefix", ["", "Door", "1st", "front_door", "_door", "door ", "tür", "door\n", 17 * "d", "../x"])
def test_bad_prefix_is_one_line_and_writes_nothing(tmp_path, failure, prefix):
    build = write_small_build(tmp_path / "tau1")
    assert "lower-case letters" in failure(main, "--build", build, "--prefix", prefix)
    assert not (build / "firmware").exists()
    assert "lower-case letters" in failure(quantize.main, "--build", tmp_path / "new", "--prefix", prefix)
    assert not (tmp_path / "new").exists()


def test_an_option_that_defines_a_macro_is_renamed_as_well():
    assert names.renamed("-DKWS_ENGINE_PORTABLE -UKWS_A ADKWS_B", "door") == "-DDOOR_ENGINE_PORTABLE -UDOOR_A ADKWS_B"


def test_no_name_of_one_prefix_is_one_of_another():
    with pytest.raises(UserError):
        names.checked("kws_level")  # whose kws_level_reset is the level meter's of the default prefix


def test_the_command_generates_again_for_another_prefix(tmp_path, capsys):
    build = write_small_build(tmp_path / "tau1")
    for prefix, says in (("door", "files"), ("door", "up to date"), ("kws", "files")):
        main(["--build", str(build), "--prefix", prefix])
        assert says in capsys.readouterr().out
        assert (build / "firmware" / f"{prefix}_level.h").is_file()
    assert not (build / "firmware" / "door_level.h").exists()


def test_without_a_prefix_the_firmware_keeps_its_own(tmp_path, capsys):
    build = write_small_build(tmp_path / "tau1")
    main(["--build", str(build), "--prefix", "door"])
    (build / "conversion.json").write_text((build / "conversion.json").read_text() + " ")  # so that it is made anew
    main(["--build", str(build)])
    assert "up to date" not in capsys.readouterr().out
    assert (build / "firmware" / "door_level.h").is_file() and not (build / "firmware" / "kws_level.h").exists()


@pytest.fixture(scope="module")
def door_build(tau1_build, tmp_path_factory) -> Path:
    """A copy of the build with a prefix. Read only."""
    build = copy_of(tau1_build, tmp_path_factory.mktemp("door"))
    main(["--build", str(build), "--prefix", "door"])
    return build


def test_the_self_test_of_a_prefixed_build_runs_on_an_emulated_board(door_build, tmp_path):
    need_emulator()
    image = on_board.build_program(CORES["cortex-m4"], on_board.SELFTEST, door_build / "firmware", tmp_path / "program.elf")
    status, text = on_board.run_program(image, np.empty(0, np.int16))
    assert (status, text.splitlines()[-1]) == (0, "pass")


@pytest.mark.parametrize("form", export.FORMATS)
def test_an_export_has_the_prefix_and_no_default_name(door_build, form):
    assert export.main(["--build", str(door_build), "--format", form]) == 0
    out = door_build / "export" / form
    top = {"arduino": "BCResNetDOOR", "cmsis-pack": "BCResNet.DOOR"}.get(form, "door_bcresnet")
    assert (out / top / "README.md").is_file()
    for name, content in contents(out / top).items():
        if name == "NOTICE":
            continue
        left = re.findall(r"(?i)(?<![a-z0-9])kws_\w*|BCResNet\W*KWS|(?<![\w])frontend\w*\.[ch]\b", content.decode())
        assert left == [], name
