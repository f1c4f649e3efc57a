"""The exports compile with nothing but the include paths that the ecosystem gives, for every kind of core, and their
examples, over stand-ins of the frameworks, hear a word."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exported import EXAMPLES, ROOT, compiled, copy_of, export_all, include_paths
from firmware_builds import SANITISERS, WARNINGS, compiler

from common.audio import read_wav
from common.description import FEATURES
from demo import listen as terminal
from engine import network, render
from firmware_gen import inputs
from firmware_gen.export.__main__ import FORMATS
from frontend.level import ADVICE, Status

STUB = ROOT / "tests" / "export_stub"
ARM = {"cortex-m0plus": "-mcpu=cortex-m0plus", "cortex-m4": "-mcpu=cortex-m4", "cortex-m55": "-mcpu=cortex-m55"}
CMAKE_STUBS = {
    "esp-idf": """
function(idf_component_register)
  cmake_parse_arguments(ARG "" "" "SRCS;INCLUDE_DIRS;PRIV_INCLUDE_DIRS" ${ARGN})
  message("${ARG_SRCS}|${ARG_INCLUDE_DIRS}|${ARG_PRIV_INCLUDE_DIRS}|${ARG_UNPARSED_ARGUMENTS}")
endfunction()
function(target_compile_options)
endfunction()
""",
    "zephyr": """
set(CONFIG_KWS_BCRESNET y)
set(CONFIG_KWS_BCRESNET_SELFTEST y)
set(CONFIG_KWS_BCRESNET_STREAM_COLUMNS 30)
set(sources "")
function(zephyr_include_directories)
  set(directories "${ARGN}" PARENT_SCOPE)
endfunction()
function(zephyr_compile_definitions)
  set(definitions "${ARGN}" PARENT_SCOPE)
endfunction()
function(zephyr_library_named name)
  set(library ${name} PARENT_SCOPE)
endfunction()
function(zephyr_library_compile_definitions)
  set(private "${ARGN}" PARENT_SCOPE)
endfunction()
function(zephyr_library_compile_options)
endfunction()
function(zephyr_library_sources)
  set(sources ${sources} ${ARGN} PARENT_SCOPE)
endfunction()
function(zephyr_library_sources_ifdef symbol)
  if(${symbol})
    set(sources ${sources} ${ARGN} PARENT_SCOPE)
  endif()
endfunction()
""",
}
"""The build systems' functions, to see what they are called with."""


@pytest.fixture(scope="module")
def libraries(tau1_build, tmp_path_factory) -> dict[str, Path]:
    """Read only."""
    return export_all(copy_of(tau1_build, tmp_path_factory.mktemp("export")))


def includes(paths: list[Path]) -> list[str]:
    return [f"-I{path}" for path in paths]


def objects(command: list[str], sources: list[Path], out: Path, *flags: str) -> list[Path]:
    """Each source compiled to an object file in `out`; a warning fails the test."""
    out.mkdir(parents=True, exist_ok=True)
    subprocess.run([*command, *WARNINGS, *flags, "-c", *sources], cwd=out, check=True)
    return [out / f"{source.stem}.o" for source in sources]


def example_objects(form: str, library: Path, command: list[str], out: Path, *flags: str) -> list[Path]:
    """The example compiled over the stand-in of its framework, C++ where the framework is."""
    source = library / EXAMPLES[form]
    is_cpp = form in ("arduino", "platformio")
    if source.suffix == ".ino":  # what the IDE does to a sketch
        sketch = out.parent / "listen.cpp"
        sketch.write_text(f'#include <Arduino.h>\n#line 1 "{source}"\n{source.read_text()}')
        source = sketch
    if is_cpp:
        command = [command[0].replace("gcc", "g++"), *command[1:]]
    paths = include_paths(form, library)["application"] + [STUB, STUB / ("arduino" if is_cpp else form)]
    board = sorted((STUB / form).glob("*.c"))
    return objects(command, [source, *board], out, "-std=gnu++14" if is_cpp else "-std=gnu11", *includes(paths), *flags)


@pytest.mark.parametrize("core", ARM)
@pytest.mark.parametrize("form", FORMATS)
def test_library_and_example_compile_for_arm(form, core, libraries, tmp_path):
    compiler(core.removesuffix("plus"))
    command = ["arm-none-eabi-gcc", ARM[core], "-mthumb", *(["-mfloat-abi=hard"] if core == "cortex-m55" else [])]
    library = libraries[form]
    sources = compiled(form, library)
    units = objects(command, sources, tmp_path / "library", "-std=c99", *includes(include_paths(form, library)["library"]))
    units += example_objects(form, library, command, tmp_path / "example")
    assert all(unit.is_file() for unit in units) and len(units) > len(sources)


@pytest.fixture(scope="module")
def units(libraries, tmp_path_factory) -> list[Path]:
    """The library for this machine, under the sanitisers; the sources are the same in every export."""
    library = libraries["arduino"]
    return objects(
        ["gcc"],
        compiled("arduino", library),
        tmp_path_factory.mktemp("units"),
        "-std=c99",
        "-O1",
        *SANITISERS,
        *includes(include_paths("arduino", library)["library"]),
    )


@pytest.fixture(scope="module")
def listen(libraries, units, tmp_path_factory) -> Callable[..., list[str]]:
    """`listen(form, samples, **environment) -> lines`: what the example of a format prints; see export_stub/microphone.h."""
    programs: dict[str, Path] = {}

    def run(form: str, samples: np.ndarray, **environment: object) -> list[str]:
        if form not in programs:
            out = tmp_path_factory.mktemp(form)
            example = example_objects(form, libraries[form], ["gcc"], out / "example", *SANITISERS)
            programs[form] = out / "listen"
            subprocess.run(["g++", *SANITISERS, *units, *example, "-o", programs[form]], check=True)
        env = os.environ | {name: str(value) for name, value in environment.items()}
        done = subprocess.run([programs[form]], input=samples.tobytes(), capture_output=True, check=False, env=env)
        assert (done.returncode, done.stderr) == (0, b""), done.stdout
        return done.stdout.decode().splitlines()

    return run


YES = read_wav(ROOT / "examples" / "yes.wav")
LONG = np.concatenate([YES, np.zeros(5 * FEATURES.sample_rate, np.int16), YES])
"""A word, more silence than the level meter waits for, the word again."""


@pytest.mark.parametrize("form", FORMATS)
def test_example_hears_a_word(form, listen):
    heard = [line for line in listen(form, YES) if "%" in line]
    assert len(heard) == 1 and heard[0].startswith("yes ("), heard


def test_every_example_prints_the_same_lines(listen, tau1_build):
    made = network.load(tau1_build / "native.npz")
    lines = {form: listen(form, LONG) for form in FORMATS}
    for form, (what, engine, *rest) in lines.items():
        assert what == "form: portable C", form
        assert engine == f"engine: BC-ResNet-1, {len(made.labels)} classes, {render.engine_id(made)}", form
        assert [re.sub(r"\d+", "N", line) for line in rest] == ["yes (N %)", "level: ok", "yes (N %)"], form


@pytest.mark.parametrize("form", FORMATS)
def test_example_says_after_some_seconds_that_bytes_are_swapped(form, listen):
    if form == "zephyr":
        pytest.skip("its stand-in makes the samples quieter, and swapped bytes with them")
    said = [line for line in listen(form, np.tile(YES.byteswap(), 6)) if line.startswith("level: ")]
    assert said == [f"level: {ADVICE[Status.SWAPPED]}"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "clock, status", [(100, Status.OK), (97, Status.OK), (36, Status.WRONG_RATE), (200, Status.WRONG_RATE)]
)
def test_example_s_clock_tells_a_wrong_rate(form, listen, clock, status):
    said = [line for line in listen(form, LONG, STUB_CLOCK=clock) if line.startswith("level: ")]
    assert said == [f"level: {ADVICE[status]}"]


@pytest.mark.parametrize("form", FORMATS)
def test_example_hears_again_after_a_fault_and_counts_it(form, listen):
    lines = listen(form, LONG, STUB_FAULT=3 * FEATURES.sample_rate)
    assert next(line for line in lines if "lost" in line) == "sound was lost, times: 1"
    assert sum(line.startswith("yes (") for line in lines) == 2, lines


@pytest.mark.parametrize("form", ["arduino", "platformio"])
def test_arduino_s_example_goes_on_after_a_loop_that_was_too_slow(form, listen):
    lines = listen(form, np.concatenate([np.zeros(8000, np.int16), LONG[: -len(YES)], YES]), STUB_LATE=20)
    assert "sound was lost, times: 1" in lines and lines[-1].startswith("yes (")


@pytest.mark.parametrize("form", ["arduino", "platformio"])
def test_arduino_s_first_lines_wait_for_a_monitor_but_not_for_ever(form, listen):
    lines = listen(form, LONG)
    assert listen(form, LONG, STUB_SERIAL=3000) == lines and lines[0].startswith("form: ")
    late = listen(form, LONG, STUB_SERIAL=7000)  # a monitor that is opened after the start
    assert late == lines[-len(late) :] and 0 < len(late) < len(lines)


@pytest.mark.parametrize("rms", [300, 1000])
def test_every_program_says_the_same_confidence(rms, listen, tau1_build, capsys, write_wav, tmp_path):
    """The examples of the exports and `make listen`: 255ths are rounded, where cutting them off gives another number."""
    noise = np.random.default_rng(0).normal(0, rms, FEATURES.clip_samples)
    samples = np.clip(np.rint(read_wav(ROOT / "examples" / "go.wav") + noise), -32768, 32767).astype(np.int16)
    source = inputs.load(tau1_build)
    ear = terminal.Ear(source.native, source.detector)
    (event,) = ear.hear(samples) + ear.end()
    assert terminal.percent(event.confidence) != 100 * event.confidence // 255
    (heard,) = (line for line in listen("cmsis-pack", samples) if "%" in line)
    assert terminal.main(["--build", str(tau1_build), "--wav", str(write_wav(tmp_path / "go.wav", samples))]) == 0
    assert capsys.readouterr().out.splitlines()[0].split("  at ")[0] == heard


def test_the_sources_are_compiled_for_speed(libraries):
    """A framework's default is -Os or -Og; Arduino's library format has no options of a compiler."""
    assert json.loads((libraries["platformio"] / "library.json").read_text())["build"]["flags"] == "-O2"
    for form, line in (("esp-idf", "target_compile_options(${COMPONENT_LIB} PRIVATE -O2)"), ("zephyr", "options(-O2)")):
        assert line in (libraries[form] / "CMakeLists.txt").read_text()


@pytest.mark.parametrize("form", ["esp-idf", "zephyr"])
def test_example_s_gain_saturates(form, listen):
    loud = np.clip(YES.astype(np.int32) * 40, -32768, 32767).astype(np.int16)
    lines = listen(form, np.tile(loud, 7))
    assert f"level: {ADVICE[Status.CLIPPING]}" in lines


@pytest.mark.parametrize("form", ["arduino", "esp-idf"])
def test_sources_compile_for_risc_v_without_a_c_library(form, libraries, tmp_path):
    """The ESP32-C series: 32 bits, no FPU, and not Arm."""
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    (tmp_path / "string.h").write_text(
        "#include <stddef.h>\nvoid *memcpy(void *, const void *, size_t);\n"
        "void *memmove(void *, const void *, size_t);\nvoid *memset(void *, int, size_t);\n"
    )
    library = libraries[form]
    command = ["clang", "--target=riscv32-unknown-elf", "-march=rv32imc", "-mabi=ilp32", "-ffreestanding", "-std=c99"]
    paths = [tmp_path, *include_paths(form, library)["library"]]
    subprocess.run([*command, *WARNINGS, *includes(paths), "-fsyntax-only", *compiled(form, library)], check=True)


@pytest.mark.parametrize("standard", ["c++11", "gnu++17"])
def test_arduino_s_umbrella_header_brings_everything(standard, libraries, tmp_path):
    states = "kws_frontend f;\nkws_engine e;\nkws_level l;\nkws_selftest_memory m;\n"
    (tmp_path / "all.cc").write_text(f"#include <BCResNetKWS.h>\n{states}")
    objects(["g++"], [tmp_path / "all.cc"], tmp_path / "out", f"-std={standard}", f"-I{libraries['arduino'] / 'src'}")


@pytest.mark.parametrize("form", CMAKE_STUBS)
def test_cmake_reads_the_same_sources_and_folders(form, libraries, tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    library, script = libraries[form], tmp_path / "read.cmake"
    tail = '\nmessage("${sources}|${directories}||")\n' if form == "zephyr" else ""
    script.write_text(f"{CMAKE_STUBS[form]}\ninclude({library}/CMakeLists.txt){tail}")
    done = subprocess.run(["cmake", "-P", script], capture_output=True, text=True, check=True)
    sources, public, private, rest = (part.split(";") if part else [] for part in done.stderr.strip().split("|"))
    paths = include_paths(form, library)
    assert [library / name for name in sources] == compiled(form, library) and not rest
    assert [library / name for name in public] == paths["application"]
    assert [library / name for name in public + private] == paths["library"]


def cmake(*arguments: str | Path) -> str:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    return subprocess.run(["cmake", *arguments], capture_output=True, text=True, check=True).stderr


def test_zephyr_s_library_has_a_name_and_says_its_kernels(libraries, tmp_path):
    library, script = libraries["zephyr"], tmp_path / "read.cmake"
    tail = 'message("${library}|${private}|${definitions}")'
    script.write_text(f"{CMAKE_STUBS['zephyr']}\ninclude({library}/CMakeLists.txt)\n{tail}\n")
    assert cmake("-P", script).strip() == "kws_bcresnet|KWS_SAY_FORM|KWS_STREAM_COLUMNS=30"


ZEPHYR_PACKAGE = """
# As Zephyr 3.4 reads it: the command line's value alone where there is one, else the variable.
if(DEFINED CACHE{EXTRA_ZEPHYR_MODULES})
  set(modules $CACHE{EXTRA_ZEPHYR_MODULES})
else()
  set(modules ${EXTRA_ZEPHYR_MODULES})
endif()
message("modules: ${modules}")
add_library(app STATIC)
"""


@pytest.mark.parametrize("given", [[], ["another"], ["another", "itself"]])
def test_modules_of_the_command_line_leave_the_sample_its_own(given, libraries, tmp_path):
    library = libraries["zephyr"]
    package = tmp_path / "zephyr" / "ZephyrConfig.cmake"
    package.parent.mkdir()
    package.write_text(ZEPHYR_PACKAGE)
    named = [str(library) if name == "itself" else f"/{name}" for name in given]
    options = [f"-DZephyr_DIR={package.parent}", *([f"-DEXTRA_ZEPHYR_MODULES={';'.join(named)}"] if named else [])]
    for turn in range(2):  # a build that is configured again has the first one's cache
        out = cmake("-S", library / "samples" / "listen", "-B", tmp_path / "out", *options[: None if turn == 0 else 1])
        (modules,) = [line.removeprefix("modules: ") for line in out.splitlines() if line.startswith("modules: ")]
        assert modules.split(";") == list(dict.fromkeys([*named, str(library)]))


@pytest.mark.parametrize(
    "flags, kernels",
    [
        (["-mcpu=cortex-m55", "-mfloat-abi=hard"], "for MVE (Helium)"),
        (["-mcpu=cortex-m55", "-mfloat-abi=soft"], "for DSP instructions"),  # as Zephyr compiles without CONFIG_FPU
        (["-mcpu=cortex-m33+nodsp"], "in portable C"),
    ],
)
def test_a_note_of_the_compiler_names_the_kernels(flags, kernels, libraries, tmp_path):
    compiler("cortex-m55")
    library = libraries["zephyr"]
    command = ["arm-none-eabi-gcc", "-mthumb", *flags, *WARNINGS, "-Wpedantic", "-DKWS_SAY_FORM", "-fsyntax-only"]
    paths = includes(include_paths("zephyr", library)["library"] + [library / "src"])
    done = subprocess.run([*command, *paths, library / "src" / "kws_engine.c"], capture_output=True, text=True, check=True)
    assert f"keyword spotting: kernels {kernels}" in done.stderr
