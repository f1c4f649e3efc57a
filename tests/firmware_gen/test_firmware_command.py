"""The command that generates the firmware: what it refuses, when it writes, and what it is made of.

The build of the shipped checkpoint is checked as well.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tflite_micro
from firmware_builds import (
    AWKWARD,
    ROOT,
    STUB,
    ObjectFile,
    change_record,
    compile_objects,
    contents,
    generate,
    record_of,
    write_small_build,
)
from tflite_micro import runtime

import firmware_gen.__main__ as generator
from convert.tflm_ops import ADD_FUNCTIONS, INT8_KERNELS
from firmware_gen import folder, rendering, settings


@pytest.fixture
def build(tmp_path) -> Path:
    return write_small_build(tmp_path / "tau1")


# ---- the parts ----


def test_arena_to_reserve_is_aligned_and_not_below_the_measured_one():
    for measured in (1, 16, 9001, 116_416):
        assert measured <= settings.arena_to_reserve(measured) < measured + 16
        assert settings.arena_to_reserve(measured) % 16 == 0


def test_arena_estimate_is_the_smallest_aligned_arena_that_worked_on_arm():
    """Four bytes more than were used suffice; rounded up, whatever the remainder."""
    for (graph, _), (host, arm) in settings.RECORDED_ARENAS.items():
        estimate = settings.arena_estimate(graph, host)
        assert arm + 4 <= estimate < arm + 4 + 16 and estimate % 16 == 0
        for size in range(host, host + 16):
            assert settings.arena_estimate(graph, size) >= size - (host - arm) + 4


def test_recorded_arenas_are_of_the_graphs_as_they_are_built(tau1_build):
    for name, graph in record_of(tau1_build)["graphs"].items():
        assert settings.RECORDED_ARENAS[name, 1][0] == graph["arena_bytes"]


def test_float_literals_read_back_as_the_same_float32():
    values = np.random.default_rng(0).standard_normal(2000).astype(np.float32) * np.float32(1e-3)
    for value in (*values, np.float32(0.09375), np.float32(1e-30), np.float32(16777216), np.float32(-2)):
        text = rendering.float_literal(float(value))
        assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text) and ("." in text or "e" in text)
        assert np.float32(text.removesuffix("f")) == value


def test_comments_cannot_be_closed_or_continued():
    for text in ("a */ b", "/* a", "line\nline", "back\\", "??/", "größe"):
        clean = rendering.comment(text)
        assert clean.isascii() and clean.isprintable() and not clean.endswith("\\")
        assert not re.search(r"\*/|/\*|\?\?", clean)


@pytest.mark.parametrize("text", ["", "1st", "two words", "int", "class", "a__b", "_a", "größe", "a;"])
def test_names_that_are_no_identifiers_are_refused(text):
    with pytest.raises(ValueError, match="not an identifier"):
        rendering.identifier(text)


def test_resolver_functions_cover_every_builtin_op_of_tflite_micro():
    """The wheel exports a Register_<OP> for each op; those that no Add function of a built-in op takes are listed."""
    (library,) = Path(tflite_micro.__file__).parent.rglob("_runtime*.so")
    data, registered = library.read_bytes(), set()
    for match in re.finditer(rb"_ZN6tflite5micro(\d+)Register_", data):  # mangled: the name's length, the name
        name = data[match.end(1) : match.end(1) + int(match[1])].decode()
        registered.add(name.removeprefix("Register_"))
    custom = {"BASIC_CLASSIFIER", "CIRCULAR_BUFFER", "DECODE", "DETECTION_POSTPROCESS", "ETHOSU"}
    assert registered - custom - {"L2NORM_REF"} == set(ADD_FUNCTIONS)


def test_the_stand_in_declares_every_resolver_function():
    header = (STUB / "tensorflow/lite/micro/micro_mutable_op_resolver.h").read_text()
    declared = {f"Add{name}" for name in re.findall(r"^  TFLM_STUB_ADD(?:_ANY)?\((\w+)\)$", header, re.M)}
    assert declared == set(ADD_FUNCTIONS.values())
    takes_kernels = {f"Add{name}" for name in re.findall(r"^  TFLM_STUB_ADD_ANY\((\w+)\)$", header, re.M)}
    assert takes_kernels == {ADD_FUNCTIONS[op] for op in INT8_KERNELS}


# ---- running the command ----


def test_second_run_says_up_to_date_and_writes_nothing(build, capsys):
    firmware = generate(build)
    before = {path.name: path.stat().st_mtime_ns for path in firmware.iterdir()}
    generate(build)
    assert "up to date" in capsys.readouterr().out.splitlines()[-1]
    assert {path.name: path.stat().st_mtime_ns for path in firmware.iterdir()} == before


def test_edited_or_missing_file_is_generated_again(build):
    before = contents(generate(build))
    (build / "firmware" / "model.h").write_text("edited")
    assert contents(generate(build)) == before
    (build / "firmware" / "kws_tflm.cc").unlink()
    assert contents(generate(build)) == before


def test_changed_input_or_generator_is_generated_again(build, monkeypatch, capsys):
    first = contents(generate(build))
    change_record(build, "output", "zero_point", value=6)
    second = contents(generate(build))
    assert first["model_settings.h"] != second["model_settings.h"]
    monkeypatch.setattr(generator, "__version__", "9.9.9")
    generate(build)
    assert "up to date" not in capsys.readouterr().out


def test_same_inputs_give_the_same_bytes_in_any_folder(tmp_path):
    first, second = (contents(generate(write_small_build(tmp_path / name))) for name in ("one", "two"))
    assert first == second


def test_manifest_lists_every_file_with_its_hash(build):
    files = contents(generate(build))
    record = json.loads(files.pop(folder.MANIFEST))
    assert record["files"] == {name: hashlib.sha256(text).hexdigest() for name, text in files.items()}


def test_tau_names_the_build_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change_record(write_small_build(tmp_path / "build" / "tau1.5"), "tau", value=1.5)
    assert generator.main(["--tau", "1.5"]) == 0
    assert (tmp_path / "build" / "tau1.5" / "firmware" / "model.cc").is_file()


def test_help_needs_neither_torch_nor_tensorflow():
    script = (
        "import sys, firmware_gen.__main__ as generator\n"
        "assert not {'torch', 'tensorflow'} & set(sys.modules)\n"
        "generator.main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "python -m firmware_gen --build build/tau1" in done.stdout


def refused(capsys, build: Path, *arguments: str) -> str:
    """The one line with which the command refuses; nothing was written."""
    before = sorted(build.iterdir()) if build.is_dir() else None
    capsys.readouterr()
    assert generator.main([*arguments] or ["--build", str(build)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert before == (sorted(build.iterdir()) if build.is_dir() else None)
    return printed.err


def test_tau_that_does_not_exist_is_refused(capsys, tmp_path):
    assert "tau 7 does not exist" in refused(capsys, tmp_path, "--tau", "7")


@pytest.mark.parametrize("name", ["model_int8.tflite", "conversion.json"])
def test_missing_file_is_refused(capsys, build, name):
    (build / name).unlink()
    line = refused(capsys, build)
    assert str(build / name) in line and "make quantize TAU=1" in line


def test_missing_build_folder_is_refused(capsys, tmp_path):
    assert "make quantize TAU=3" in refused(capsys, tmp_path / "tau3")


def test_truncated_model_is_refused(capsys, build):
    model = build / "model_int8.tflite"
    model.write_bytes(model.read_bytes()[:100])
    assert f"{model}: truncated, 100 of" in refused(capsys, build)


def test_model_of_another_conversion_is_refused(capsys, build):
    model = build / "model_int8.tflite"
    model.write_bytes(model.read_bytes()[:-1] + b"\0")
    assert f"{model}: not the model that conversion.json describes" in refused(capsys, build)


def test_file_that_is_no_tflite_model_is_refused(capsys, build):
    model = build / "model_int8.tflite"
    model.write_bytes(b"x" * model.stat().st_size)
    change_record(build, "graphs", "small", "sha256", value=hashlib.sha256(model.read_bytes()).hexdigest())
    assert f"{model}: not a TFLite model" in refused(capsys, build)


def test_damaged_description_is_refused(capsys, build):
    description = build / "conversion.json"
    description.write_text(description.read_text()[:200])
    assert f"{description}: " in refused(capsys, build)


@pytest.mark.parametrize(
    "keys, value, says",
    [
        (("graphs", "small", "ops"), ..., "ops"),
        (("graph",), "large", "large"),
        (("labels",), ["one", "two"], "2 labels"),
        (("labels",), [1] * len(AWKWARD), "labels.0 is not a text"),
        (("labels",), None, "labels is not a list"),
        (("input", "shape"), [1, 5, 11, 1], "input shape"),
        (("input", "scale"), 0.2, "not those of the int8 features"),
        (("input", "zero_point"), 0, "not those of the int8 features"),
        (("output", "scale"), 0.0, "no int8 quantisation"),
        (("output", "zero_point"), 128, "no int8 quantisation"),
        (("features", "id"), "0" * 16, "do not match their id"),
        (("features", "mels"), ..., "mels"),
        (("graphs", "small", "arena_bytes"), 0, "must be positive"),
        (("graphs", "small", "ops"), {}, "must be positive"),
    ],
)
def test_description_that_does_not_fit_together_is_refused(capsys, build, keys, value, says):
    change_record(build, *keys, value=value)
    line = refused(capsys, build)
    assert "conversion.json: " in line and says in line and "make quantize TAU=1" in line


def test_op_without_a_resolver_function_is_refused_by_name(capsys, build):
    change_record(build, "graphs", "small", "ops", value={"CONV_2D": 1, "GELU": 2, "CUSTOM": 1})
    assert "no resolver function for CUSTOM, GELU" in refused(capsys, build)


@pytest.mark.parametrize("failing", ["write", "rename", "interrupt"])
def test_failing_write_leaves_the_old_firmware_as_it_was(build, capsys, monkeypatch, failing):
    before = contents(generate(build))
    change_record(build, "output", "zero_point", value=6)
    calls = []

    def fail_on_the_second_call(original, error):
        def call(*args, **kwargs):
            calls.append(args)
            if len(calls) == 2:
                raise error
            return original(*args, **kwargs)

        return call

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "model.cc")
    if failing == "rename":
        monkeypatch.setattr(os, "rename", fail_on_the_second_call(os.rename, full))
    else:
        error = full if failing == "write" else KeyboardInterrupt()
        monkeypatch.setattr(Path, "write_bytes", fail_on_the_second_call(Path.write_bytes, error))
    assert generator.main(["--build", str(build)]) == (130 if failing == "interrupt" else 2)
    assert capsys.readouterr().err.count("\n") == 1
    assert len(calls) >= 2
    assert contents(build / "firmware") == before
    left = sorted(path.name for path in build.iterdir())
    assert left == ["conversion.json", "firmware", "model.onnx", "model_int8.tflite"]


# ---- the build of the shipped checkpoint ----


def test_firmware_of_the_real_model_holds_its_bytes_and_exactly_its_ops(tau1_build, tmp_path):
    schema = runtime.schema_fb
    model = (tau1_build / "model_int8.tflite").read_bytes()
    (unit,) = compile_objects(["g++"], [tau1_build / "firmware" / "model.cc"], tmp_path, "-std=c++11")
    compiled = ObjectFile(unit)
    assert compiled.bytes_of(compiled.symbol("g_kws_model_data")) == model

    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    used = {
        names[graph.operatorCodes[operator.opcodeIndex].builtinCode]
        for subgraph in graph.subgraphs
        for operator in subgraph.operators
    }
    text = (tau1_build / "firmware" / "op_resolver.h").read_text()
    assert sorted(re.findall(r"resolver\.(Add\w+)\(\)", text)) == sorted(ADD_FUNCTIONS[op] for op in used)
    for_int8 = re.findall(r"resolver\.(Add\w+)\(Register_(\w+)_INT8\(\)\)", text)
    assert sorted(for_int8) == sorted((ADD_FUNCTIONS[op], op) for op in used & set(INT8_KERNELS))


def test_quantisation_in_the_settings_is_that_of_the_real_model_to_the_bit(tau1_build):
    """kws_tflm_init() compares the scales for equality, so a rounded one would be refused on the device."""
    text = (tau1_build / "firmware" / "model_settings.h").read_text()
    interpreter = runtime.Interpreter.from_bytes((tau1_build / "model_int8.tflite").read_bytes(), arena_size=4 << 20)
    for side, details in [("INPUT", interpreter.get_input_details(0)), ("OUTPUT", interpreter.get_output_details(0))]:
        quantisation = details["quantization_parameters"]
        scale = re.search(rf"#define KWS_{side}_SCALE (\S+)f\n", text)[1]
        zero_point = re.search(rf"#define KWS_{side}_ZERO_POINT \((\S+)\)\n", text)[1]
        assert [np.float32(scale)] == quantisation["scales"].tolist()
        assert [int(zero_point)] == quantisation["zero_points"].tolist()


def test_arena_to_reserve_suffices_for_the_real_model_in_tflite_micro(tau1_build):
    text = (tau1_build / "firmware" / "model_settings.h").read_text()
    reserve = int(re.search(r"#define KWS_TFLM_ARENA_BYTES (\d+)u", text)[1])
    model = (tau1_build / "model_int8.tflite").read_bytes()
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=reserve)
    assert interpreter.get_input_details(0)["shape"].tolist() == record_of(tau1_build)["input"]["shape"]
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(model, arena_size=reserve * 3 // 4)


CRASHES = """
import os, resource, sys
from tflite_micro import runtime

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
model, reserve = open(sys.argv[1], "rb").read(), int(sys.argv[2])
for size in range(0, reserve, reserve // 400):
    child = os.fork()
    if child == 0:
        os.close(2)  # TFLM's log
        try:
            runtime.Interpreter.from_bytes(model, arena_size=size)
        except RuntimeError:
            pass
        os._exit(0)
    if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
        print(size)
"""
"""Prints the sizes of arenas, of 400 up to the one to reserve, in which tflite-micro dies in place of an error."""


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["accurate", "small"])
def test_tflm_dies_in_some_small_arenas_all_below_half_of_the_one_to_reserve(tau1_build, graph):
    """So kws_tflm_init() does not ask it below half."""
    reserve = settings.arena_to_reserve(record_of(tau1_build)["graphs"][graph]["arena_bytes"])
    command = [sys.executable, "-c", CRASHES, tau1_build / "graphs" / f"{graph}.tflite", str(reserve)]
    sizes = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout.split()
    assert sizes and max(map(int, sizes)) < reserve // 2
