"""The section of report.md on the int8 model compiled for an Ethos-U, beside the native engine on a CPU."""

from __future__ import annotations

from benchmarks.cost import baseline, npu
from common.description import FEATURES

CORE = "cortex-m55"
"""The core beside an Ethos-U, on which the native engine would run."""
CPI = 1.5
"""Cycles an instruction, assumed, as in `make budget`."""
HOPS = FEATURES.sample_rate // FEATURES.hop


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def native_costs(report: dict) -> tuple[dict, str]:
    """Figures of the native engine on `CORE`, and where they are from: this build's bench, else the recorded ones."""
    costs = report["native"].get("costs")
    if costs:
        return costs["boards"][CORE], "counted in the emulator"
    agreed = baseline.load()
    return agreed["taus"][f"{report['tau']:g}"]["boards"][CORE], f"counted in the emulator, recorded {agreed['recorded']}"


def advice(row: dict, costs: dict, origin: str) -> str:
    """Which of both is the better choice, and by which figures. row: of npu.json. costs, origin: as of `native_costs`."""
    window, hop = CPI * costs["network_window"], CPI * costs["network_hop"]
    often = HOPS * hop / row["cycles"]
    memory = (
        f"The native engine needs {costs['engine_state_bytes'] + costs['stream_state_bytes']:,} bytes of RAM, the NPU "
        f"{row['sram_bytes']:,} of SRAM."
    )
    single = (
        f"For single windows the NPU is the faster one by {window / row['cycles']:.1f}"
        if row["cycles"] < window
        else f"Even for single windows the native engine is the faster one by {row['cycles'] / window:.1f}"
    )
    return (
        f"The native engine on {CORE} executes {costs['network_window']:,} instructions a window and "
        f"{costs['network_hop']:,} for the next 10 ms of a stream ({origin}); at an assumed {CPI:g} cycles an "
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
    costs, origin = native_costs(report)
    parts = [
        "Estimates by Vela, Arm's compiler, with a model of the NPU and of the memory in the named system; nothing was "
        "executed.",
        markdown(
            ["NPU", "cycles a window", "SRAM, bytes", "flash, bytes", "model_vela, bytes", "system", "Vela", "compiled"],
            [
                [
                    row["npu"],
                    f"{row['cycles']:,}",
                    f"{row['sram_bytes']:,}",
                    f"{row['flash_bytes']:,}",
                    f"{row['tflite_bytes']:,}",
                    f"{row['system']}, {row['memory_mode']}",
                    row["vela"],
                    row["measured"],
                ]
                for row in rows
            ],
        ),
    ]
    for row in rows:
        sums = npu.by_operator(row["layers"])
        parts += [
            f"{row['npu']}, by operator; every layer is in `npu/{row['npu']}/layers.csv`. SRAM is what is in use while a "
            "layer runs, at most.",
            markdown(
                ["operator", "layers", "cycles", "cycles of reading flash, at the same time", "SRAM, bytes", "MACs"],
                [
                    [name, *(f"{of[key]:,}" for key in ("layers", "cycles", "flash_cycles", "sram_bytes", "macs"))]
                    for name, of in sums.items()
                ],
            ),
            advice(row, costs, origin),
        ]
    return "\n\n".join(parts)
