"""Compile the int8 model of a build for an Ethos-U, and estimate what it costs there.

    python -m benchmarks.npu --tau 1 --npu ethos-u55-128

Runs Vela, of the version in requirements/vela.txt, which `make npu` installs into an environment of its own. Writes
npu/<NPU>/ into the build folder: model_vela.cc and model_vela.h (the command stream as a C array, by the prefix of the
build's firmware), model_vela.tflite and layers.csv, and npu.json, which the report shows. Vela's cycles and what it places
into SRAM, DRAM and flash are its estimates by a model of the NPU and of the memory of its own default system; nothing is
executed. What is to be flashed is the array, whose bytes are counted. A graph from which an operator falls back to the CPU
is refused.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cost import quantities
from common import build_folder, locks, names, options
from common.atomic import write_text
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import read_json
from firmware_gen import __version__, folder, rendering

VELA = Path(".venv-vela/bin/vela")
REMEDY = "`make npu` installs what requirements/vela.txt names"
NPUS = (
    *(f"ethos-u55-{macs}" for macs in (32, 64, 128, 256)),
    *(f"ethos-u65-{macs}" for macs in (256, 512)),
    *(f"ethos-u85-{macs}" for macs in (128, 256, 512, 1024, 2048)),
)
"""Names that Vela knows; the number is MACs a cycle."""
COLUMNS = ("NNG Operator", "Target", "Staging Usage", "Op Cycles", "OffFlash AC", "OnFlash AC", "MAC Count")
"""Of Vela's table of layers."""
KB = 1024


def run_vela(vela: Path, model: Path, npu: str, out: Path) -> None:
    """Compile `model` into the folder `out`. UserError where Vela is not there or fails."""
    command = [vela, model, f"--accelerator-config={npu}", f"--output-dir={out}", "--verbose-performance"]
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace")
    except OSError:
        raise UserError(f"{vela}: not there; {REMEDY}") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise UserError(f"{model}: Vela cannot compile it ({last or f'status {done.returncode}'})")


def version_of(vela: Path) -> str:
    """Vela's version. UserError where it is not there."""
    try:
        return subprocess.run([str(vela), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise UserError(f"{vela}: not there; {REMEDY}") from None


def only(out: Path, pattern: str) -> Path:
    """The one file that Vela wrote by a name like that. UserError where there is none."""
    found = sorted(out.glob(pattern))
    if len(found) != 1:
        raise UserError(f"Vela wrote no {pattern}; it is of another version than requirements/vela.txt names: {REMEDY}")
    return found[0]


def read_layers(text: str) -> list[dict]:
    """Vela's layers in order: `operator`, `target`, `sram_bytes` in use while it runs, `cycles`, `flash_cycles` of its
    reads from flash, `macs`. Those of no cycles are part of the layer before. UserError where a column is missing."""
    rows = []
    for row in csv.DictReader(io.StringIO(text)):
        try:
            operator, target, *numbers = (row[name] for name in COLUMNS)
            sram, cycles, off, on, macs = (int(float(number)) for number in numbers)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"Vela's table of layers is of another form ({error}); {REMEDY}") from None
        rows.append(
            {
                "operator": operator,
                "original": row.get("Original Operator") or operator,
                "target": target,
                "sram_bytes": sram,
                "cycles": cycles,
                "flash_cycles": off + on,
                "macs": macs,
            }
        )
    if not rows:
        raise UserError(f"Vela's table of layers is empty; {REMEDY}")
    return rows


def refuse_fallback(layers: Sequence[dict], npu: str, model: Path) -> None:
    """UserError where an operator does not run on the NPU."""
    left = Counter(layer["original"] for layer in layers if layer["target"] != "NPU")
    if left:
        named = ", ".join(f"{count} {name}" for name, count in left.items())
        raise UserError(
            f"{model}: {named} would run on the CPU, not on {npu}; choose the other graph with `make quantize GRAPH=`, "
            "small or accurate"
        )


def totals(text: str) -> dict:
    """Vela's totals: `cycles`, the `sram_bytes`, `dram_bytes` and `flash_bytes` that it places there, `clock_hz` and
    `memory_mode` of the system it assumes. Weights lie in flash or, where that has a DRAM, in it; the command stream is
    counted nowhere."""
    try:
        (row,) = csv.DictReader(io.StringIO(text))
        flash = float(row["off_chip_flash_memory_used"]) + float(row["on_chip_flash_memory_used"])
        return {
            "cycles": int(float(row["cycles_total"])),
            "sram_bytes": int(KB * float(row["sram_memory_used"])),
            "dram_bytes": int(KB * float(row["dram_memory_used"])),
            "flash_bytes": int(KB * flash),
            "clock_hz": int(float(row["core_clock"])),
            "system": row["system_config"],
            "memory_mode": row["memory_mode"],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"Vela's summary is of another form ({error}); {REMEDY}") from None


def by_operator(layers: Sequence[dict]) -> dict[str, dict]:
    """Layers added up by operator, the most cycles first; `sram_bytes` is the largest."""
    sums: dict[str, dict] = {}
    for layer in layers:
        row = sums.setdefault(layer["operator"], {"layers": 0, "cycles": 0, "flash_cycles": 0, "macs": 0, "sram_bytes": 0})
        row["layers"] += 1
        row["sram_bytes"] = max(row["sram_bytes"], layer["sram_bytes"])
        for key in ("cycles", "flash_cycles", "macs"):
            row[key] += layer[key]
    return dict(sorted(sums.items(), key=lambda pair: -pair[1]["cycles"]))


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m benchmarks.npu", __doc__)
    options.add_build(parser)
    options.add_tau(parser)
    parser.add_argument("--npu", default="ethos-u55-128", help=f"one of {', '.join(NPUS)} (default ethos-u55-128)")
    parser.add_argument("--vela", type=Path, default=VELA, help=f"Vela's program (default {VELA})")
    return parser.parse_args(argv)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    npu = quantities.choice("NPU", args.npu, NPUS)
    build, tau = options.build_and_tau(args)
    with locks.rewriting(build), tempfile.TemporaryDirectory() as temporary:
        conversion = build_folder.load(build)
        model = build_folder.converted_model(build, conversion)
        sha256 = conversion["graphs"][conversion["graph"]]["sha256"]
        version, out = version_of(args.vela), Path(temporary)
        run_vela(args.vela, build / build_folder.MODEL, npu, out)
        table = only(out, "*per-layer.csv").read_text()
        layers = read_layers(table)
        refuse_fallback(layers, npu, build / build_folder.MODEL)
        compiled = only(out, "*_vela.tflite").read_bytes()
        made = {
            "npu": npu,
            "measured": datetime.date.today().isoformat(),
            "command": f"make npu TAU={tau:g} NPU={npu}",
            "vela": version,
            "model": sha256,
            "tflite_bytes": len(compiled),
            **totals(only(out, "*summary*.csv").read_text()),
            "layers": layers,
        }
        prefix = folder.prefix(build / "firmware")
        array = {
            names.file_name(name, prefix): rendering.render(
                f"{name}.j2",
                prefix,
                generator=__version__,
                model_sha256=sha256,
                vela=version,
                accelerator=npu,
                size=len(compiled),
                rows=rendering.byte_rows(compiled),
            )
            for name in ("model_vela.cc", "model_vela.h")
        }
        target = build / "npu" / npu
        target.parent.mkdir(exist_ok=True)
        folder.replace_folder(target, {**array, "model_vela.tflite": compiled, "layers.csv": table})
        path = build / build_folder.NPU
        before = read_json(path, f"remove it and run `make npu TAU={tau:g}`") or {}
        kept = [row for row in before.get("rows", []) if row.get("npu") != npu and row.get("model") == sha256]
        rows = sorted([*kept, made], key=lambda row: NPUS.index(row["npu"]))
        write_text(path, json.dumps({"rows": rows}, indent=1) + "\n")
    print(f"{npu}, by ethos-u-vela {version} (estimates, nothing is executed; {len(model):,} bytes of int8 model):")
    print(f"  cycles      {made['cycles']:,} a window, {made['cycles'] / made['clock_hz'] * 1e3:.2f} ms at ", end="")
    print(f"{made['clock_hz'] / 1e6:g} MHz ({made['system']}, {made['memory_mode']})")
    print(f"  to flash    {len(compiled):,} bytes, the array of {next(iter(array))}")
    print(f"  in use      SRAM {made['sram_bytes']:,} bytes, DRAM {made['dram_bytes']:,}, flash {made['flash_bytes']:,}")
    for name, row in by_operator(layers).items():
        print(f"  {name:<16} {row['layers']:>4} layers {row['cycles']:>9,} cycles")
    print(f"  files       {target}/")
