"""The generated firmware sources: their bytes, their compilation, their behaviour over a stand-in for TFLM.

The stand-in under tests/tflm_stub declares what TFLM declares; the models are made-up bytes with a made-up
description, so that nothing here needs TensorFlow.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from firmware_builds import (
    TARGETS,
    TFLM,
    Driver,
    ObjectFile,
    build_driver,
    change_record,
    compile_objects,
    compiler,
    contents,
    generate,
    record_of,
    write_build,
    write_small_build,
)

from common.description import FEATURES, LABELS
from convert.tflm_ops import ADD_FUNCTIONS, INT8_KERNELS
from engine import golden
from engine.tables import EXPONENTIAL_END, exponentials
from firmware_gen import __version__


@pytest.fixture(scope="module", params=["small", "full size"])
def generated(request, tmp_path_factory) -> Path:
    """A build folder with its firmware, read-only by agreement: once small and awkward, once as for Speech Commands."""
    path = tmp_path_factory.mktemp("generated") / "tau1"
    if request.param == "small":
        write_small_build(path)
        change_record(path, "output", "scale", value=float(np.float32(0.0123)))
    else:
        write_build(path, FEATURES, LABELS, {"DEPTHWISE_CONV_2D": 90, "CONV_2D": 30, "HARD_SWISH": 12, "PADV2": 1})
        change_record(path, "output", "scale", value=float(np.float32(0.0356)))  # as the shipped models have it
    generate(path)
    return path


# ---- the text ----


def test_every_file_names_licence_generator_and_model(generated):
    sha256 = hashlib.sha256((generated / "model_int8.tflite").read_bytes()).hexdigest()
    for name, text in contents(generated / "firmware").items():
        head = text.decode()[:600]
        assert "Apache-2.0" in head and f"firmware_gen {__version__}" in head and sha256 in head, name
        if not name.endswith(".json"):
            assert head.startswith("// SPDX-License-Identifier: Apache-2.0\n"), name


def test_generated_lines_are_short_and_ascii(generated):
    for name, text in contents(generated / "firmware").items():
        assert text.isascii() and max(map(len, text.splitlines())) <= 120, name
    rows = re.findall(r"^    (0x.*)$", (generated / "firmware" / "model.cc").read_text(), re.M)
    assert {row.count("0x") for row in rows[:-1]} == {12}


def test_every_header_names_the_three_hashes_and_gives_c_linkage(generated):
    """op_resolver.h is a template of C++ and says that it has no C linkage to give."""
    settings = (generated / "firmware" / "model_settings.h").read_text()
    hashes = re.findall(r"^#define (KWS_MODEL_HASH|KWS_FEATURE_ID|KWS_PIPELINE_ID) (0x[0-9a-f]{16}ULL)", settings, re.M)
    assert len(dict(hashes)) == 3
    for path in (generated / "firmware").glob("*.h"):
        text = path.read_text()
        for name, value in hashes:
            assert f"#if defined({name}) && {name} != {value}\n#error" in text, path.name
        assert path.name == "op_resolver.h" or '#ifdef __cplusplus\nextern "C" {\n#endif\n' in text, path.name


# ---- compiled ----


@pytest.mark.parametrize("target", ["host", "cortex-m0"])
def test_bytes_in_the_object_file_equal_the_tflite(generated, tmp_path, target):
    (unit,) = compile_objects(compiler(target), [generated / "firmware" / "model.cc"], tmp_path, "-std=c++11")
    compiled = ObjectFile(unit)
    data, size = compiled.symbol("g_kws_model_data"), compiled.symbol("g_kws_model_data_size")
    model = (generated / "model_int8.tflite").read_bytes()
    assert compiled.bytes_of(data) == model
    assert struct.unpack("<I", compiled.bytes_of(size)) == (len(model),)
    assert data.is_global and size.is_global


@pytest.mark.parametrize("target", ["host", "cortex-m0"])
def test_model_array_is_constant_and_aligned_to_16_bytes(generated, tmp_path, target):
    (unit,) = compile_objects(compiler(target), [generated / "firmware" / "model.cc"], tmp_path, "-std=c++11")
    compiled = ObjectFile(unit)
    data = compiled.symbol("g_kws_model_data")
    assert compiled.sections[data.section][8] % 16 == 0 and data.value % 16 == 0
    assert compiled.section_names[data.section].startswith(".rodata")


@pytest.mark.parametrize("namespaces", ["flat", "nested"])
@pytest.mark.parametrize("standard", ["c++11", "c++17"])
@pytest.mark.parametrize("target", TARGETS)
def test_every_file_compiles_without_warnings(generated, tmp_path, target, standard, namespaces):
    firmware = generated / "firmware"
    alone = []
    for header in sorted(firmware.glob("*.h")):  # each header by itself, and twice
        alone.append(tmp_path / f"alone_{header.stem}.cc")
        alone[-1].write_text(f'#include "{header.name}"\n' * 2)
    flags = ["-O2", f"-I{firmware}", *(["-DTFLM_STUB_NESTED"] if namespaces == "nested" else [])]
    cxx = compiler(target)
    units = compile_objects(cxx, [*firmware.glob("*.cc"), *alone], tmp_path, f"-std={standard}", *flags)
    units += compile_objects(
        [cxx[0].replace("g++", "gcc"), *cxx[1:]], list(firmware.glob("*.c")), tmp_path / "c", "-std=c99", *flags
    )
    assert len(units) == len(list(firmware.iterdir())) - 1 and all(unit.is_file() for unit in units)  # - manifest


def errors(generated: Path, *flags: str) -> str:
    """What the compiler says of kws_tflm.cc with further flags."""
    command = ["g++", "-std=c++17", "-fsyntax-only", f"-I{generated / 'firmware'}", *TFLM, *flags]
    return subprocess.run([*command, generated / "firmware" / "kws_tflm.cc"], capture_output=True, text=True).stderr


def test_missing_static_memory_is_an_error_where_it_changes_the_tensors(generated):
    """The newer releases have one layout and do not know the macro; a library may have been compiled without it."""
    assert errors(generated) == ""
    assert "compile with -DTF_LITE_STATIC_MEMORY" in errors(generated, "-UTF_LITE_STATIC_MEMORY")
    assert errors(generated, "-UTF_LITE_STATIC_MEMORY", "-DTFLM_STUB_NESTED") == ""
    assert errors(generated, "-UTF_LITE_STATIC_MEMORY", "-DKWS_TFLM_DYNAMIC_TENSORS") == ""


@pytest.mark.parametrize("command", ["gcc", "arm-none-eabi-gcc"])
def test_interface_headers_compile_as_c99(generated, tmp_path, command):
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    source = tmp_path / "user.c"
    source.write_text(
        '#include "kws_tflm.h"\n#include "model.h"\n#include "model_settings.h"\n'
        "static kws_frontend frontend;\nstatic kws_ring ring;\n"
        "int start(uint8_t *arena);\nint hear(const int16_t *samples, int8_t *scores);\n"
        "int start(uint8_t *arena) { return (int)kws_tflm_init(arena, KWS_TFLM_ARENA_BYTES); }\n"
        "int hear(const int16_t *samples, int8_t *scores) {\n"
        "  kws_ring_reset(&ring);\n  kws_ring_push(&ring, scores);\n"
        "  return (int)kws_tflm_infer_audio(&frontend, samples, scores) +\n"
        "         (int)kws_tflm_infer_ring(&ring, scores);\n}\n"
    )
    flags = ["-std=c99", "-Wpedantic", "-DKWS_PLAIN_NAMES", f"-I{generated / 'firmware'}"]
    (unit,) = compile_objects([command], [source], tmp_path, *flags)
    needed = {symbol.name for symbol in ObjectFile(unit).symbols if not symbol.section and symbol.is_global}
    assert needed >= {"kws_tflm_init", "kws_tflm_infer_audio", "kws_tflm_infer_ring", "kws_ring_reset", "kws_ring_push"}


@pytest.mark.parametrize("target", ["host", "cortex-m4"])
def test_kws_tflm_allocates_nothing_and_runs_nothing_outside_main(generated, tmp_path, target):
    flags = ["-std=c++17", "-Os", "-DKWS_PLAIN_NAMES"]
    (unit,) = compile_objects(compiler(target), [generated / "firmware" / "kws_tflm.cc"], tmp_path, *flags)
    compiled = ObjectFile(unit)
    assert not [name for name in compiled.section_names if re.match(r"\.(init_array|fini_array|ctors|dtors)", name)]
    needed = {symbol.name for symbol in compiled.symbols if not symbol.section and symbol.name}
    c_library = {"memcpy", "memset", "strcmp", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_", "__cxa_pure_virtual"}
    of_the_stub = {name for name in needed if "tflm_stub" in name or "N6tflite" in name}
    runtime = {name for name in needed if name.startswith(("_ZTVN10__cxxabiv1", "__aeabi_"))}
    assert needed - of_the_stub - runtime <= c_library | {
        "g_kws_model_data",
        "g_kws_model_data_size",
        "g_kws_model_hash",
        "kws_frontend_push",
        "kws_frontend_reset",
    }


# ---- behaviour over the stand-in ----


@pytest.fixture(scope="module")
def driver(generated, tmp_path_factory) -> Driver:
    return build_driver(generated, tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module")
def features(driver, tmp_path_factory) -> np.ndarray:
    return np.random.default_rng(3).integers(-128, 128, (driver.mels, driver.frames), np.int8)


@pytest.fixture(scope="module")
def files(features, tmp_path_factory) -> dict[str, Path]:
    """The same features as the input tensor has them, and column by column."""
    path = tmp_path_factory.mktemp("features")
    (path / "tensor.bin").write_bytes(features.tobytes())
    (path / "columns.bin").write_bytes(features.T.tobytes())
    return {"tensor": path / "tensor.bin", "columns": path / "columns.bin"}


def test_init_gives_tflm_the_model_and_registers_exactly_its_ops_for_int8_alone(driver):
    steps = driver(f"init={driver.arena}", "model", "ops")
    ops = record_of(driver.build)["graphs"]["small"]["ops"]
    assert steps[:2] == [("init", "OK"), ("model", "1")]
    assert {name for what, name in steps if what == "op"} == {
        f"{ADD_FUNCTIONS[op]}, {f'{op} int8' if op in INT8_KERNELS else 'all types'}" for op in ops
    }
    assert ("capacity", str(len(ops))) in steps


def test_a_release_without_int8_registrations_is_served_with_a_macro(generated, tmp_path):
    """It lacks some of the headers as well; who forgets the macro reads a name to look up in the comment."""
    driver = build_driver(generated, tmp_path, "-DTFLM_STUB_OLD", "-DKWS_TFLM_ALL_TYPES")
    steps = driver(f"init={driver.arena}", "ops")
    ops = record_of(generated)["graphs"]["small"]["ops"]
    assert {name for what, name in steps if what == "op"} == {f"{ADD_FUNCTIONS[op]}, all types" for op in ops}
    assert "_INT8" in errors(generated, "-DTFLM_STUB_OLD")


def test_each_failing_registration_is_noticed(driver):
    ops = record_of(driver.build)["graphs"]["small"]["ops"]
    for index in range(len(ops)):
        steps = driver(f"fail_add={index}", f"init={driver.arena}", "ops", "counts", "used")
        assert steps[0] == ("init", "OP_REGISTRATION_FAILED")
        assert len([what for what, _ in steps if what == "op"]) == index  # nothing was tried after it
        assert ("interpreters", "0") in steps and steps[-1] == ("used", "0")


def test_too_small_an_arena_is_reported(driver):
    for size in (0, 1, driver.mels * driver.frames, driver.arena - 16):
        assert driver(f"init={size}", "used") == [("init", "ARENA_TOO_SMALL"), ("used", "0")]


def test_far_too_small_an_arena_is_refused_before_tflm_is_asked(driver):
    """TFLM would write through null or hang in arenas of some sizes, all below half of what is to be reserved."""
    half, aligned = driver.arena // 2, 15
    unseen = [("init", "ARENA_TOO_SMALL"), ("model", "0"), ("interpreters", "0")]
    for size in (0, 1, driver.mels * driver.frames + 16, half - 1):
        assert driver(f"needed={half}", f"init={size}", "model", "counts")[:3] == unseen, size
    assert driver(f"needed={half}", f"init={half}", "model") == [("init", "OK"), ("model", "1")]
    assert driver(f"needed={half}", f"init_unaligned={half + aligned - 1}", "model", "counts")[:3] == unseen
    assert driver(f"needed={half}", f"init_unaligned={half + aligned}", "model") == [("init", "OK"), ("model", "1")]


def test_the_arena_that_is_said_to_suffice_does_and_what_is_said_to_be_used_does_not(driver):
    for needed in range(driver.arena - 20, driver.arena + 1):
        steps = dict(driver(f"needed={needed}", "enough", f"init={driver.arena}", "used", "enough"))
        used, enough = int(steps["used"]), int(steps["enough"])
        assert driver(f"needed={needed}", f"init={used}") == [("init", "ARENA_TOO_SMALL")]
        assert driver(f"needed={needed}", f"init={enough}") == [("init", "OK")]
        assert enough % 16 == 0 and enough - needed < 16
    assert driver("used", "enough", "init=0", "enough") == [
        ("used", "0"),
        ("enough", "0"),
        ("init", "ARENA_TOO_SMALL"),
        ("enough", "0"),
    ]


def test_unaligned_arena_of_the_advised_size_counts_as_too_small(driver):
    assert driver(f"init_unaligned={driver.arena}") == [("init", "ARENA_TOO_SMALL")]
    assert driver(f"init_unaligned={driver.arena + 15}") == [("init", "OK")]


def test_failing_allocation_in_a_sufficient_arena_is_not_blamed_on_it(driver):
    assert driver(f"needed={2 * driver.arena}", f"init={driver.arena}") == [("init", "ALLOCATION_FAILED")]


def test_other_schema_version_is_refused(driver):
    assert driver("version=4", f"init={driver.arena}") == [("init", "SCHEMA_MISMATCH")]


@pytest.mark.parametrize("side", ["input", "output"])
def test_tensor_of_another_type_shape_or_quantisation_is_refused(driver, side):
    entry = getattr(driver, side)
    shape = entry["shape"]
    wrong = [
        {"type": 1},
        {"type": 3},
        {"scale": entry["scale"] * 1.001},
        {"zero_point": entry["zero_point"] + 1},
        {"shape": shape[:-1]},
        {"shape": [*shape, 1]},
        {"shape": [*shape[:-1], shape[-1] + 1]},
    ]
    if side == "input":
        wrong.append({"shape": [shape[0], shape[2], shape[1], shape[3]]})  # transposed
    for changes in wrong:
        steps = driver(f"{side}={driver.tensor(entry, **changes)}", f"init={driver.arena}", "run")
        assert steps[:2] == [("init", f"{side.upper()}_MISMATCH"), ("run", "NOT_INITIALISED")], changes


def test_missing_input_tensor_is_refused(driver):
    assert driver("no_input=1", f"init={driver.arena}") == [("init", "INPUT_MISMATCH")]


def test_columns_arrive_in_the_order_of_the_input_tensor(driver, features, files):
    """Element mel * frames + frame of the tensor is mel `mel` of column `frame`."""
    steps = dict(driver(f"init={driver.arena}", f"columns={files['columns']}", "run", "seen"))
    assert bytes.fromhex(steps["seen"]) == features.tobytes()
    assert steps["run"] == "OK"
    assert bytes.fromhex(steps["scores"]) == features.tobytes()[: driver.output["shape"][1]]


def test_infer_takes_the_order_of_the_input_tensor(driver, features, files):
    steps = dict(driver(f"init={driver.arena}", f"infer={files['tensor']}", "seen"))
    assert bytes.fromhex(steps["seen"]) == features.tobytes()
    assert steps["infer"] == "OK"


def test_input_index_formula_is_that_of_the_tensor(driver):
    shape = driver.mels, driver.frames
    for mel, frame in [(0, 0), (0, driver.frames - 1), (1, 0), (driver.mels - 1, 3)]:
        expected = np.ravel_multi_index((mel, frame), shape)
        assert driver(f"index={mel},{frame}") == [("index", str(expected))]


def test_run_wants_every_column_set_anew(driver, files):
    columns = f"columns={files['columns']}"
    steps = driver(f"init={driver.arena}", "run", columns, "run", "run", "column=0", "column=0", "run", columns, "run")
    assert [result for what, result in steps if what == "run"] == [
        "INPUT_INCOMPLETE",
        "OK",
        "INPUT_INCOMPLETE",
        "INPUT_INCOMPLETE",
        "OK",
    ]


def test_scores_stay_untouched_when_nothing_was_inferred(driver, files):
    steps = driver(f"init={driver.arena}", "fail_invoke=1", f"infer={files['tensor']}", "run")
    assert [result for what, result in steps if what in ("infer", "run")] == ["INVOKE_FAILED", "INPUT_INCOMPLETE"]
    assert {bytes.fromhex(result) for what, result in steps if what == "scores"} == {bytes([99] * driver.output["shape"][1])}


def test_bad_arguments_are_refused(driver):
    outside = [f"column={frame}" for frame in (-1, driver.frames, 2**31 - 1)]
    steps = driver("init_null", f"init={driver.arena}", *outside, "column_null", "run_null", "infer_null")
    assert [result for what, result in steps] == ["BAD_ARGUMENT", "OK", *["BAD_ARGUMENT"] * (len(outside) + 4)]


def test_nothing_works_before_init_or_after_a_failed_one(driver, files):
    use = ["column=0", "run", f"infer={files['tensor']}", "used"]
    steps = driver(*use, f"init={driver.arena}", "init=0", *use)
    refused = [("column", "NOT_INITIALISED"), ("run", "NOT_INITIALISED"), ("infer", "NOT_INITIALISED"), ("used", "0")]
    assert [step for step in steps if step[0] not in ("init", "scores")] == 2 * refused


def test_init_again_starts_afresh_though_the_old_arena_is_gone(driver, files):
    """The driver frees the first arena before the second call; the sanitiser would notice a look at it."""
    steps = driver(
        f"init={driver.arena}",
        f"columns={files['columns']}",
        f"init={driver.arena + 64}",
        "run",
        f"infer={files['tensor']}",
        "counts",
    )
    assert [result for what, result in steps if what in ("init", "run", "infer")] == ["OK", "OK", "INPUT_INCOMPLETE", "OK"]
    assert ("interpreters", "2") in steps and ("destroyed", "0") in steps


def test_int16_scores_and_probabilities_are_those_of_the_int8_logits(driver, tmp_path):
    """Exactly the logits without their zero point, and to the bit the probabilities of engine/golden.py."""
    classes, zero_point = driver.output["shape"][1], driver.output["zero_point"]
    rng = np.random.default_rng(0)
    scores = rng.integers(-128, 128, (500, classes), np.int8)
    scores[:classes] = np.where(np.eye(classes, dtype=bool), 127, -128)  # one class alone
    scores[classes] = 127
    scores[classes + 1 : 200] = rng.integers(100, 128, (199 - classes, classes), np.int8)  # close to each other
    (tmp_path / "scores.bin").write_bytes(scores.tobytes())
    steps = dict(driver(f"probabilities={len(scores)},{tmp_path / 'scores.bin'}"))
    wide = np.frombuffer(bytes.fromhex(steps["wide"]), np.int16).reshape(scores.shape)
    found = np.frombuffer(bytes.fromhex(steps["probabilities"]), np.uint8).reshape(scores.shape)
    np.testing.assert_array_equal(wide, scores.astype(np.int16) - zero_point)
    scale = np.float32(steps["scale"])
    assert scale == np.float32(driver.output["scale"])
    np.testing.assert_array_equal(found, golden.probability(SimpleNamespace(score_scale=float(scale)), wide))
    softmax = np.exp((wide - wide.max(1, keepdims=True)) * np.float64(scale))
    shift = exponentials(float(scale)).shift
    step = np.expm1(2**shift * scale) if shift else 0  # of a weight, at most; the probability p moves by p (1 - p) of that
    end = (classes - 1) * np.exp(-EXPONENTIAL_END)  # of what is left out, at most
    assert np.abs(found - 255 * softmax / softmax.sum(1, keepdims=True)).max() < 255 * (step / 4 + end) + 0.6


def test_labels_arrive_byte_for_byte(driver):
    printed = [bytes.fromhex(result).decode() for what, result in driver("labels") if what == "label"]
    assert printed == record_of(driver.build)["labels"]
