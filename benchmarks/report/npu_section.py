"""What the report says of the int8 model compiled for an Ethos-U, beside the native engine on a CPU."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from benchmarks.cost import baseline
from benchmarks.report import plots
from benchmarks.report.plots import Stack
from benchmarks.report.values import Values
from common.description import FEATURES

CORE = "cortex-m55"
"""The core beside an Ethos-U, on which the native engine would run."""
MEMORIES = ("SRAM", "DRAM", "flash")
USES = [f"{memory} in use, bytes" for memory in MEMORIES]
CPI = 1.5
"""Cycles an instruction, assumed, as in `make budget`."""
NOT_COUNTED = f"What the native engine would execute on {CORE} beside it was not counted."
HOPS = FEATURES.sample_rate // FEATURES.hop


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def beside(report: dict) -> dict | None:
    """What stands beside the NPU: figures of the native engine on `CORE`, and their `origin`: this build's bench, else the
    recorded ones. None where there is no native engine, or the bench was of other cores."""
    if "refused" in report["native"]:
        return None
    if costs := report["native"].get("costs"):
        boards, origin = costs["boards"], "counted in the emulator"
    elif report["features"]["clip_samples"] != FEATURES.clip_samples:
        return None  # what is recorded is of a window of one second
    else:
        agreed = baseline.load()
        boards = agreed["taus"][f"{report['tau']:g}"]["boards"]
        origin = f"counted in the emulator, recorded {agreed['recorded']}"
    if CORE not in boards:
        return None
    row = {key: boards[CORE][key] for key in ("network_window", "network_hop", "engine_flash_bytes")}
    ram = boards[CORE]["engine_state_bytes"] + boards[CORE]["stream_state_bytes"]
    return {"core": CORE, "origin": origin, "cycles_an_instruction": CPI, **row, "ram_bytes": ram}


def advice(row: dict, costs: dict) -> str:
    """Which of both is the better choice, and by which figures. row: of npu.json. costs: as of `beside`."""
    cpi = costs["cycles_an_instruction"]
    window, hop = cpi * costs["network_window"], cpi * costs["network_hop"]
    often = HOPS * hop / row["cycles"]
    memory = f"The native engine needs {costs['ram_bytes']:,} bytes of RAM, the NPU {row['sram_bytes']:,} of SRAM."
    single = (
        f"For single windows the NPU is {window / row['cycles']:.1f} times as fast"
        if row["cycles"] < window
        else f"Even for single windows the native engine is {row['cycles'] / window:.1f} times as fast"
    )
    return (
        f"The native engine on {costs['core']} executes {costs['network_window']:,} instructions a window and "
        f"{costs['network_hop']:,} for the next 10 ms of a stream ({costs['origin']}); at an assumed {cpi:g} cycles an "
        f"instruction that is {window:,.0f} and {hop:,.0f} cycles. The NPU computes whole windows only: "
        f"{row['cycles']:,} cycles each (an estimate). {single}, at equal clocks. **For listening without end the native "
        f"engine on the CPU is the better choice** where a score is wanted more often than {often:.1f} times a second: it "
        f"has {HOPS} a second for the cycles of that many windows. The NPU pays where windows are rare, where the CPU has "
        f"other work, or where another network runs on it too. {memory}"
    )


def section(report: dict) -> str:
    """Vela's totals of each NPU, its layers added up by operator for each, and the advice."""
    rows = report["npu"]
    if not rows:
        return f"Not compiled yet: `make npu TAU={report['tau']:g} NPU=ethos-u55-128`."
    costs = report["beside_npu"]
    parts = [
        "Estimates by Vela, Arm's compiler, with a model of the NPU and of the memory in the named system; nothing was "
        "executed. What is to be flashed is the array of model_vela, counted: weights and command stream. Of it Vela tells "
        "where it places the weights, in flash or in the DRAM of a system that has one.",
        markdown(
            ["NPU", "cycles a window", "to flash, bytes", *USES, "system", "Vela", "compiled"],
            [
                [
                    row["npu"],
                    f"{row['cycles']:,}",
                    f"{row['tflite_bytes']:,}",
                    *(f"{row[f'{memory.lower()}_bytes']:,}" for memory in MEMORIES),
                    f"{row['system']}, {row['memory_mode']}",
                    row["vela"],
                    row["measured"],
                ]
                for row in rows
            ],
        ),
    ]
    for row in rows:
        parts += [
            f"{row['npu']}, by operator; every layer is in `npu/{row['npu']}/layers.csv`. SRAM is what is in use while a "
            "layer runs, at most.",
            markdown(
                ["operator", "layers", "cycles", "cycles of reading flash, at the same time", "SRAM, bytes", "MACs"],
                [
                    [of["operator"], *(f"{of[key]:,}" for key in ("layers", "cycles", "flash_cycles", "sram_bytes", "macs"))]
                    for of in row["operators"]
                ],
            ),
            advice(row, costs) if costs else NOT_COUNTED,
        ]
    return "\n\n".join(parts)


class NpuFigures(Values):
    """The plots and the advice of `npu` in the report."""

    def plot_operator(self, npu: int, operator: int) -> Markup:
        """The bar of the cycles of one operator in the table of an NPU's."""
        operators = self.report["npu"][npu]["operators"]
        name = operators[operator]["operator"]
        return Markup(
            plots.stacks(
                f"npu-{npu}-{operator}",
                f"{name}: cycles",
                "As long as its share of the greatest.",
                [Stack("", (("c0", name, self.figure("int", "npu", npu, "operators", operator, "cycles")),), None)],
                max(row["cycles"] for row in operators),
                0,
                0,
            )
        )

    def npu_advice(self, npu: int) -> Markup:
        """Which of NPU and native engine is the better choice."""
        costs = self.report["beside_npu"]
        text = advice(self.report["npu"][npu], costs) if costs else NOT_COUNTED
        return Markup(re.sub(r"\*\*(.*?)\*\*", r"<strong>\1</strong>", str(escape(text))))
