"""Whatever is made once is made anew when anything that it is made of changes, or when it is damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import firmware_gen.__main__ as generator
from benchmarks.cost import emulator
from common import build_folder, sources
from convert import __main__ as converter
from firmware_gen.export import __main__ as exporter, library
from frontend import binding
from training.data import dataset, decoded

ROOT = Path(__file__).parents[1]
WATCHED = """if True:
    import runpy, sys
    opened = []
    sys.addaudithook(lambda event, values: opened.append(str(values[0])) if event == "open" else None)
    command, *sys.argv = sys.argv[1:]
    try:
        runpy.run_module(command, run_name="__main__")
    except SystemExit as end:
        assert not end.code, end.code
    finally:
        modules = [module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]
        print("\\0".join(["", *opened, *modules]))
"""
"""Runs a command, then prints every file that it opened or imported."""


def files_of(command: str, *arguments: object) -> set[Path]:
    """The project's own files that a command reads: sources, templates, tables. Not what it finds in build/."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, command, command, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    paths = {Path(ROOT, name) for name in done.stdout.partition("\0")[2].rstrip("\n").split("\0")}
    return {
        path
        for path in paths
        if path.is_relative_to(ROOT)
        and path.suffix != ".pyc"
        and path.is_file()
        and path.relative_to(ROOT).parts[0] in (*sources.PACKAGES, "LICENSE", "NOTICE")
    }


@pytest.fixture
def altered(monkeypatch) -> Callable[[Path], None]:
    """`altered(path)`: let this file, and no other, read as if a line had been added to it."""
    whole, before = Path.read_bytes, sources.imported

    def alter(changed: Path) -> None:
        monkeypatch.setattr(Path, "read_bytes", lambda path: whole(path) + b"\n" * (path == changed))
        monkeypatch.setattr(Path, "read_text", lambda path, *arguments, **options: path.read_bytes().decode())
        monkeypatch.setattr(sources, "imported", before)

    return alter


def forgotten(files: set[Path], altered: Callable, key: Callable[[], str]) -> list[str]:
    """Those of `files` that can change while the key stays."""
    before, left = key(), []
    for path in sorted(files):
        altered(path)
        if key() == before:
            left.append(str(path.relative_to(ROOT)))
    return left


def test_firmware_depends_on_every_file_that_the_generator_reads(tau1_build, tmp_path, altered):
    build = shutil.copytree(tau1_build, tmp_path / "tau1", ignore=shutil.ignore_patterns("firmware"))
    files = files_of("firmware_gen", "--build", build)
    assert {"description.py", "kws_engine.c.j2", "frontend.c.j2", "model.cc.j2", "build_folder.py"} <= {
        p.name for p in files
    }
    assert forgotten(files, altered, lambda: generator.fingerprint(build)) == []


def test_an_export_depends_on_every_file_that_the_exporter_reads(tau1_build, tmp_path, altered):
    build = shutil.copytree(tau1_build, tmp_path / "tau1")
    files = files_of("firmware_gen.export", "--build", build, "--format", "zephyr")
    assert {"LICENSE", "description.py", "zephyr.py", "prj.conf.j2"} <= {path.name for path in files}

    def key() -> str:
        stamp = generator.fingerprint(build)
        source = library.Library(
            "1", (), "", {}, *((library.ROOT / name).read_text() for name in ("LICENSE", "NOTICE")), stamp
        )
        return exporter.fingerprint(source, "zephyr")

    assert forgotten(files, altered, key) == []


def test_the_columns_of_a_stream_are_in_the_firmware_and_a_stale_one_is_not_exported(
    tau1_build, tmp_path, altered, capsys, failure
):
    build = shutil.copytree(tau1_build, tmp_path / "tau1")
    assert generator.main(["--build", str(build)]) == 0 and "up to date" in capsys.readouterr().out
    altered(sources.ROOT / "common" / "description.py")
    assert "firmware: missing, changed or of another" in failure(exporter.main, "--build", build, "--format", "arduino")
    assert generator.main(["--build", str(build)]) == 0 and "up to date" not in capsys.readouterr().out
    assert exporter.main(["--build", str(build), "--format", "arduino"]) == 0


def test_a_conversion_depends_on_every_module_that_it_is_made_of_and_on_the_packages_that_it_calls(altered, monkeypatch):
    files = {path for path in files_of("convert", "--help") if path.suffix == ".py"}  # templates are in the pipeline's id
    files |= {*(ROOT / "convert").glob("*.py")}
    assert {"native.py", "gate.py", "golden.py", "description.py", "checkpoint.py", "dataset.py"} <= {p.name for p in files}

    def key() -> str:
        return converter.fingerprint("a checkpoint", "some clips", "a pipeline")

    assert forgotten(files, altered, key) == []
    before, version = key(), converter.metadata.version
    for package in ("numpy", "tensorflow", "onnxsim", "flatbuffers"):
        changed = {package: "another version"}
        monkeypatch.setattr(converter.metadata, "version", lambda name, changed=changed: changed.get(name) or version(name))
        assert key() != before
    assert converter.fingerprint("another checkpoint", "some clips", "a pipeline") != before


@pytest.mark.parametrize("damage", ["missing", "cut"])
@pytest.mark.parametrize("name", ["graphs/small.onnx", "graphs/accurate.tflite", "calibration.txt", "native.npz"])
def test_a_conversion_of_which_a_file_is_missing_or_damaged_is_made_again(tau1_build, tmp_path, name, damage):
    build = shutil.copytree(tau1_build, tmp_path / "tau1")
    mark = build_folder.load(build)["fingerprint"]
    assert converter.already_made(build, mark)
    (build / name).unlink() if damage == "missing" else (build / name).write_bytes((build / name).read_bytes()[:-1])
    assert converter.already_made(build, mark) is None


@pytest.mark.parametrize("name", [build_folder.MODEL, build_folder.ONNX])
@pytest.mark.parametrize("content", [None, b"cut", "the other graph's"], ids=str)
def test_whatever_a_killed_change_of_the_graph_left_the_next_run_mends(tau1_build, tmp_path, name, content):
    build = shutil.copytree(tau1_build, tmp_path / "tau1")
    whole = {path: (build / path).read_bytes() for path in (build_folder.MODEL, build_folder.ONNX, build_folder.CONVERSION)}
    facts = build_folder.load(build)
    (other,) = {*converter.GRAPH_NAMES} - {facts["graph"]}
    suffix = Path(name).suffix
    if content is None:
        (build / name).unlink()
    else:
        (build / name).write_bytes(content if content == b"cut" else (build / "graphs" / f"{other}{suffix}").read_bytes())
    assert converter.main(["--build", str(build), "--graph", facts["graph"]]) == 0
    assert {path: (build / path).read_bytes() for path in whole} == whole


def test_a_checkpoint_that_was_moved_is_named_where_it_is_now(tau1_build, tmp_path, capsys):
    build = shutil.copytree(tau1_build, tmp_path / "tau1")
    moved = shutil.copy(ROOT / "checkpoints" / "tau1.safetensors", tmp_path / "mine.safetensors")
    assert converter.main(["--build", str(build), "--checkpoint", str(moved)]) == 0
    assert "converting" not in capsys.readouterr().out and build_folder.load(build)["checkpoint"]["path"] == str(moved)


def test_a_build_that_was_renamed_to_another_width_is_refused(tau1_build, tmp_path, failure, monkeypatch):
    from benchmarks.cost import on_board
    from benchmarks.report import contents

    shutil.copytree(tau1_build, tmp_path / "build" / "tau3")
    monkeypatch.chdir(tmp_path)
    for main, options in (
        (generator.main, ()),
        (exporter.main, ("--format", "arduino")),
        (contents.main, ()),
        (on_board.main, ()),
    ):
        assert "build/tau3/conversion.json: holds tau 1, not 3; run `make quantize TAU=3`" in failure(
            main, "--tau", 3, *options
        )


# Decoded clips


@pytest.fixture
def copy(tiny_speech_commands, tmp_path) -> Path:
    """A copy of the tiny training archive that the test may change."""
    name = dataset.archive_names(2)[0]
    return shutil.copytree(tiny_speech_commands / name, tmp_path / name)


def validation(archive: Path, cache: Path) -> np.ndarray:
    clips = dataset.split_clips(archive, "validation", 2)
    return decoded.decoded(clips, "validation", dataset.read_noises(archive), cache).audio


def change_noise(archive: Path, write_wav) -> None:
    path = sorted((archive / dataset.NOISE).glob("*.wav"))[0]
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    write_wav(path, dataset.read_wav(path) // 2)
    os.utime(path, ns=times)


def change_clip(archive: Path, write_wav) -> None:
    path = next(clip.path for clip in dataset.split_clips(archive, "validation", 2) if clip.label == "yes")
    write_wav(path, dataset.read_wav(path) // 2)


def change_list(archive: Path, write_wav) -> None:
    path = archive / "validation_list.txt"
    names = path.read_text().split()
    words = [name.split("/")[0] for name in names]
    path.write_text("\n".join(name for name, word in zip(names, words) if word != "cat"))


@pytest.mark.parametrize("change", [change_noise, change_clip, change_list])
def test_clips_are_decoded_again_where_a_noise_a_clip_or_the_choice_of_them_changes(copy, tmp_path, write_wav, change):
    before = np.array(validation(copy, tmp_path / "cache"))
    assert np.array_equal(validation(copy, tmp_path / "cache"), before)
    change(copy, write_wav)
    after = validation(copy, tmp_path / "cache")
    assert not np.array_equal(after, before) and np.array_equal(after, validation(copy, tmp_path / "another"))


def test_decoded_clips_depend_on_every_module_that_reads_them(altered):
    files = sources.imported("training.data.dataset")
    assert {"audio.py", "description.py"} <= {path.name for path in files}
    assert forgotten({*files, ROOT / "training" / "data" / "decoded.py"}, altered, lambda: decoded.fingerprint([], [])) == []


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no array", "cut", "of another shape"], ids=str)
def test_damaged_decoded_clips_are_decoded_again(copy, tmp_path, damage):
    before = np.array(validation(copy, tmp_path / "cache"))
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_bytes()
    if damage == "of another shape":
        np.save(path, before[1:])
    else:
        path.write_bytes(whole[:-100] if damage == "cut" else damage)
    assert np.array_equal(validation(copy, tmp_path / "cache"), before) and path.read_bytes() == whole


# Compiled C


@pytest.fixture
def compiled_before(tmp_path, monkeypatch) -> list[list]:
    """An empty cache; the arguments of every compilation are returned."""
    monkeypatch.setattr(binding, "CACHE", tmp_path / "cache")
    calls, compile_library = [], binding.compile_library

    def counted(*arguments):
        calls.append(arguments)
        compile_library(*arguments)

    monkeypatch.setattr(binding, "compile_library", counted)
    return calls


def test_c_is_compiled_once_and_again_where_its_text_flags_or_compiler_change_or_the_library_is_damaged(
    compiled_before, tmp_path, monkeypatch
):
    files = {"a.c": "int a(void); int a(void) { return 1; }\n", "b.c": "int b(void); int b(void) { return 2; }\n"}
    variants = [
        ("name", files, ("a.c", "b.c")),
        ("other", files, ("a.c", "b.c")),
        ("name", files, ("a.c",)),
        ("name", files, ("a.c", "b.c"), ("-DX",)),
        ("name", {**files, "a.c": files["a.c"] + "\n"}, ("a.c", "b.c")),
    ]
    for _ in range(2):
        for variant in variants:
            binding.compiled(*variant)
    assert len(compiled_before) == len(variants)
    script = tmp_path / "cc"
    script.write_text('#!/bin/sh\nexec cc "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    binding.compiled(*variants[0])
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo newer\nexec cc "$@"\n')
    binding.compiled(*variants[0])
    assert len(compiled_before) == len(variants) + 2
    compile_library = binding.compile_library
    monkeypatch.setattr(binding, "compile_library", lambda command, out, *rest: out.write_bytes(b"no library"))
    with pytest.raises(OSError):
        binding.compiled("damaged", *variants[0][1:])
    monkeypatch.setattr(binding, "compile_library", compile_library)
    assert binding.compiled("damaged", *variants[0][1:]).a() == 1


def test_the_counting_plugin_is_compiled_again_by_another_compiler(tmp_path, monkeypatch):
    monkeypatch.setattr(emulator, "CACHE", tmp_path)
    made, versions, call = [], iter(["one", "one", "two"]), emulator.call

    def recorded(command):
        if "--version" in command:
            return next(versions)
        made.append(command)
        return call(command)

    monkeypatch.setattr(emulator, "call", recorded)
    for _ in range(3):
        emulator.plugin.__wrapped__()
    assert len(made) == 2
