"""Networks of other words, from the checkpoint through every command: one word, forty of any script, Speech Commands' 35."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from emulated import need_emulator
from exported import export_all
from firmware_builds import WARNINGS
from tiny_clips import tone

from benchmarks.cost import emulator, on_board
from common import checkpoint
from common.audio import read_wav
from common.checkpoint import Checkpoint
from common.description import FEATURES, LABELS, SILENCE, UNKNOWN, windowed
from common.markdown import cell, code
from training.data import clip_folder

ROOT = Path(__file__).parent.parent
SPEECH_COMMANDS = (
    "backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on one "
    "right seven sheila six stop three tree two up visual wow yes zero"
).split()
ANY_TEXT = [
    *(
        'hey "you"',
        "dvířka",
        "ドア",
        "مرحبا",
        "ß",
        "t\u0075\u0308r",
        "hi \N{WAVING HAND SIGN}",
        "100 %",
        "%s%n",
        "a\\b",
        "a\\",
    ),
    *(
        "\\n",
        '\\"',
        '"',
        "don't",
        "??/",
        "??=x",
        "*/",
        "/*",
        "//c",
        "$HOME",
        "`x`",
        "a|b",
        "<b>",
        "&amp;",
        "[x](y)",
        "{{ x }}",
    ),
    *("{% raw %}", "#define", "a, b", ".hidden", "-rf", "CON", "double", "kws_best", "_x", "~", "~1", "a  b", "silence"),
]
NETWORKS = {
    "one": (['hey "you"'], FEATURES.clip_samples),
    "forty": (ANY_TEXT, FEATURES.clip_samples),
    "speech_commands": (SPEECH_COMMANDS, FEATURES.clip_samples),
    "phrase": (["turn on the living room"], 13 * FEATURES.sample_rate // 10),
}
"""Words, and samples of the window."""
CLIPS = 160


def of_other_words(shipped: Checkpoint, words: list[str], clip_samples: int) -> Checkpoint:
    """The shipped network with an output of its own for each word: one of its words', a little changed after the tenth; and
    with a window of its own."""
    rng = np.random.default_rng(0)
    chosen = [0, 1, *(2 + index % (len(LABELS) - 2) for index in range(len(words)))]
    noise = rng.normal(0, 0.15, (len(chosen), 1)) * (np.arange(len(chosen)) >= len(LABELS))[:, None]
    weight = shipped.tensors["output.weight"][chosen]
    changed = weight + noise * weight.std() * rng.normal(size=weight.shape)
    tensors = shipped.tensors | {
        "output.weight": changed.astype(np.float32),
        "output.bias": shipped.tensors["output.bias"][chosen],
    }
    record = {"labels": " ".join(words)}
    return Checkpoint(1, (SILENCE, UNKNOWN, *words), tensors, record, clip_samples=clip_samples)


def run(module: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, tmp_path_factory, shipped_tau1) -> tuple[Path, Path, tuple[str, ...]]:
    """The build of a network of other words, the folder of clips that it was calibrated on, and its labels."""
    folder, (words, clip_samples) = tmp_path_factory.mktemp("own"), NETWORKS[request.param]
    made = of_other_words(shipped_tau1, words, clip_samples)
    checkpoint.save(folder / "own.safetensors", made)
    said, rng = [words[index % len(words)] for index in range(CLIPS - 5)] + 5 * ["zebra"], np.random.default_rng(1)
    audio = np.stack([np.resize(tone(rng, word), clip_samples) for word in said])
    clip_folder.write(folder / "clips", said, 1, [(0, audio)], clip_samples)
    build = folder / "build"
    done = run(
        "benchmarks.quantize",
        *("--checkpoint", folder / "own.safetensors", "--build", build, "--data", folder / "clips"),
    )
    assert done.returncode == 0, done.stderr
    assert "no calibration clip says" not in done.stdout and "DATA=<folder of <label>/*.wav>" in done.stdout
    return build, folder / "clips", made.labels


@pytest.mark.slow
def test_the_firmware_names_every_class_byte_for_byte_without_a_warning(network, tmp_path):
    build, _, labels = network
    firmware = build / "firmware"
    main = tmp_path / "main.c"
    for header, names in (("model_settings.h", "kws_labels"), ("native/kws_model.h", "kws_class_names")):
        main.write_text(
            f'#include <stdio.h>\n#include "{header}"\nint main(void) {{\n'
            f"  for (int index = 0; index < KWS_CLASSES; ++index) {{ puts({names}[index]); }}\n  return 0;\n}}\n"
        )
        objects = [firmware / "native" / "kws_model.c"] if header.startswith("native") else []
        command = [
            "gcc",
            "-std=c99",
            "-trigraphs",
            *WARNINGS,
            "-I",
            firmware,
            "-I",
            firmware / "native",
            "-o",
            tmp_path / "main",
        ]
        subprocess.run([*command, main, *objects], check=True)
        assert subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout.decode().splitlines() == [*labels]


@pytest.mark.slow
def test_the_network_is_verified_on_the_clips_of_an_array_and_reported(network):
    build, clips, labels = network
    done = run("benchmarks.verify_int8", "--build", build, "--data", clips, "--max-drop", 100)
    assert done.returncode == 0, done.stderr
    figures = json.loads((build / "verify.json").read_text())
    assert figures["clips"] == CLIPS and figures["labels"] == [*labels] and figures["bit_exact_with_tflm"]
    done = run("benchmarks.report", "--build", build)
    assert done.returncode == 0 and "int8 on device features" in done.stdout
    report = (build / "report.md").read_text()
    assert all(cell(code(label)) in report for label in labels)
    for line in report.splitlines():
        if line.startswith("| recall, %"):
            assert line.replace("\\|", "").count("|") == 2 + sum(
                figures["backends"]["pytorch"]["recall"][x] is not None for x in labels
            )


@pytest.mark.slow
def test_the_window_is_the_checkpoint_s_in_model_firmware_and_report(network):
    build, _, labels = network
    record = json.loads((build / "conversion.json").read_text())
    features = windowed(record["features"]["clip_samples"])
    longer = labels[2:] == ("turn on the living room",)
    assert features.seconds == (1.3 if longer else 1.0) and features.id == record["features"]["id"]
    assert record["input"]["shape"] == [1, features.mels, features.frames, 1]
    for header, name, value in (
        ("model_settings.h", "KWS_CLIP_SAMPLES", features.clip_samples),
        ("model_settings.h", "KWS_FRAMES", features.frames),
        ("frontend.h", "KWS_FRONTEND_FRAMES", features.frames),
        ("native/kws_model.h", "KWS_FRAMES", features.frames),
    ):
        assert f"#define {name} {value}" in (build / "firmware" / header).read_text()
    done = run("benchmarks.report", "--build", build)
    assert done.returncode == 0, done.stderr
    assert f"{features.window_text} of sound" in (build / "report.html").read_text()


@pytest.mark.slow
def test_bench_finds_a_window_of_the_checkpoint_s_length_exact_on_every_core(network):
    need_emulator()
    build, _, labels = network
    if len(labels) > 3:
        pytest.skip("one of each window is enough")
    done = run("benchmarks.bench", "--build", build)
    assert done.returncode == 0, done.stderr
    figures = json.loads((build / "bench.json").read_text())
    assert all(row["bit_exact"] for row in figures["boards"].values())
    window = windowed(json.loads((build / "conversion.json").read_text())["features"]["clip_samples"]).window_text
    assert f"a window of {window}" in done.stdout and f"a clip of {window}" in done.stdout


@pytest.mark.slow
def test_every_export_tells_the_labels(network):
    build, _, labels = network
    for library in export_all(build).values():
        readme = (library / "README.md").read_text()
        assert all(code(label) in readme for label in labels)


@pytest.mark.slow
def test_the_emulated_board_passes_the_self_test_and_hears(network, tmp_path):
    need_emulator()
    build, _, labels = network
    core = emulator.CORES["cortex-m4"]
    image = on_board.build_program(core, on_board.SELFTEST, on_board.firmware_of(build), tmp_path / "selftest")
    status, text = on_board.run_program(image, np.zeros(0, np.int16))
    assert status == 0 and "pass" in text
    image = on_board.build_program(core, on_board.LISTEN, on_board.firmware_of(build), tmp_path / "listen")
    _, text = on_board.run_program(image, read_wav(ROOT / "examples" / "yes.wav"))
    heard = next(line for line in text.splitlines() if line.startswith("window: "))
    assert heard.partition(": ")[2].rpartition(" (")[0] in labels
