"""The HTML page's plots of cost: memory, instructions and flash."""

from __future__ import annotations

from markupsafe import Markup

from benchmarks.cost.quantities import MAIN_CORE
from benchmarks.report import comparison, plots
from benchmarks.report.plots import Stack
from benchmarks.report.values import Values

STAGES = {
    "ends": ("c5", "head and tail"),
    "transition": ("c1", "1×1 transition"),
    "mean": ("c2", "frequency mean"),
    "temporal": ("c3", "temporal 3-tap, SiLU"),
    "base": ("c4", "1×1 behind it"),
    "frequency": ("c0", "frequency 3×1, norm, sum"),
    "rest": ("c6", "rings, loops, average"),
}
"""Stages of the computation: CSS class and title."""
ENDS = {"head": "head 5×5", "depthwise": "tail 5×5", "hidden": "tail 1×1", "output": "output"}
"""Layers outside the blocks, and their titles."""
PARTS = {
    "inputs": ("c0", "inputs of the blocks, rings"),
    "means": ("c1", "means of the blocks, rings"),
    "tail": ("c2", "columns of the tail, ring"),
    "columns": ("c3", "columns on their way, scratch"),
    "features": ("c4", "features, ring"),
    "vectors": ("c5", "vectors, scratch"),
    "sum": ("c6", "sum of the scores"),
    "counters": ("c7", "counters"),
}
"""Parts of `memory.state_parts`: CSS class and title."""
FLASH = {
    "code": ("c0", "code"),
    "weights": ("c1", "weights"),
    "tables": ("c3", "tables"),
    "constants": ("c4", "constants"),
    "model": ("c2", "model file"),
}
"""Parts of the flash: CSS class and title."""


class CostPlots(Values):
    """The plots of the native engine, the TFLM graph and their comparison."""

    def boards(self) -> dict:
        return self.report["native"]["costs"]["boards"]

    def layers(self, core: str) -> bool:
        return self.has("native", "costs", "boards", core, "layers")

    def plot_state(self) -> Markup:
        state = ("native", "state")
        segments = [(kind, title, self.figure("bytes", state, "parts", part)) for part, (kind, title) in PARTS.items()]
        return Markup(
            plots.ribbon(
                "state",
                "The native engine's state by part",
                "One bar, as long as the whole state.",
                segments,
                self.report["native"]["state"]["bytes"],
            )
        )

    def plot_rings(self) -> Markup:
        blocks = self.report["native"]["state"]["blocks"]
        rows = [
            Stack(
                f"block {index}",
                tuple(
                    (kind, title, self.figure("bytes", "native", "state", "blocks", index, part))
                    for kind, title, part in (("c0", "inputs", "inputs_bytes"), ("c1", "means", "means_bytes"))
                ),
                self.figure("int", "native", "state", "blocks", index, "bytes"),
            )
            for index in range(len(blocks))
        ]
        high = max(block["bytes"] for block in blocks)
        return Markup(
            plots.stacks(
                "rings",
                "Rings of each block",
                "Bytes that each block keeps from column to column: its inputs, then its means.",
                rows,
                high,
                26,
                16,
            )
        )

    def plot_live(self) -> Markup:
        steps = [
            (f"op {index}, {row['op']}", self.figure("bytes", "memory", "live_tensors", index, "bytes"))
            for index, row in enumerate(self.report["memory"]["live_tensors"])
        ]
        lines = [("TFLM arena, 64-bit host", self.figure("bytes", "memory", "arena_bytes"), "k-tflm")]
        if self.has("native", "state"):
            lines.append(("native engine, state", self.figure("bytes", "native", "state", "bytes"), "k-native"))
        return Markup(
            plots.profile(
                "live",
                "Memory along the layers",
                "A column for each op of the TFLM graph, as "
                "high as the tensors alive while it runs; lines for the whole arena and for the "
                "native engine's whole state.",
                steps,
                lines,
            )
        )

    def plot_layers(self, core: str) -> Markup:
        at = ("native", "costs", "boards", core)
        made = self.boards()[core]

        def alone(label: str, name: str) -> Stack:
            kind, title = STAGES["rest" if name == "rest" else "ends"]
            return Stack(
                label, ((kind, title, self.figure("int", at, "layers", name)),), self.figure("thousands", at, "layers", name)
            )

        rows = [alone(ENDS["head"], "head")]
        for index, block in enumerate(made["layers"]["blocks"]):
            rows.append(
                Stack(
                    f"block {index}",
                    tuple((*STAGES[stage], self.figure("int", at, "layers", "blocks", index, stage)) for stage in block),
                    self.figure("thousands", at, "block_instructions", index),
                )
            )
        rows += [*(alone(title, name) for name, title in ENDS.items() if name != "head"), alone("the rest", "rest")]
        high = max(made["layers"]["head"], made["layers"]["rest"], *made["block_instructions"])
        return Markup(
            plots.stacks(
                f"layers-{core}",
                f"Instructions of a window on {core}",
                "A bar for each layer, in segments for its stages.",
                rows,
                high,
                28,
            )
        )

    def plot_cores(self, same_scale: bool) -> Markup:
        """The stages of a window on every core, in instructions, or as shares of the core's total."""
        rows = []
        cores = [core for core in self.boards() if self.layers(core)]
        for core in cores:
            at = ("native", "costs", "boards", core)
            segments = tuple((*STAGES[stage], self.figure("int", at, "stage_instructions", stage)) for stage in STAGES)
            rows.append(Stack(core, segments, self.figure("millions", at, "network_window") if same_scale else None))
        high = max(self.boards()[core]["network_window"] for core in cores) if same_scale else None
        return Markup(
            plots.stacks(
                "cores" if same_scale else "shares",
                "Instructions of a window on each core",
                "A bar for each core, in segments for the stages of the computation"
                + ("." if same_scale else "; each fills the width."),
                rows,
                high,
                31,
                *([] if same_scale else [0]),
            )
        )

    def flash_parts(self, part: str) -> list[str]:
        """Names of the parts of the flash of "engine" or "frontend" on `MAIN_CORE`."""
        at = ("native", "costs", "boards", MAIN_CORE)
        finer = ("code", "weights", "tables")
        names = finer if all(self.has(at, f"{part}_{name}_bytes") for name in finer) else ("code", "constants")
        return [name for name in names if self.has(at, f"{part}_{name}_bytes")]

    def plot_flash(self) -> Markup:
        """Bytes of flash on `MAIN_CORE`, beside TFLM's model."""
        at = ("native", "costs", "boards", MAIN_CORE)
        rows, high = [], self.report["model"]["tflite_bytes"]
        for part, title in (("engine", "engine"), ("frontend", "features")):
            segments = tuple(
                (FLASH[name][0], FLASH[name][1], self.figure("bytes", at, f"{part}_{name}_bytes"))
                for name in self.flash_parts(part)
            )
            if segments:
                rows.append(Stack(title, segments, self.figure("kb", at, f"{part}_flash_bytes")))
                high = max(high, sum(figure.value for _, _, figure in segments))
        rows.append(
            Stack(
                "TFLM model",
                ((*FLASH["model"], self.figure("bytes", "model", "tflite_bytes")),),
                self.figure("kb", "model", "tflite_bytes"),
            )
        )
        return Markup(
            plots.stacks(
                "flash",
                "Flash by part",
                f"Bytes on {MAIN_CORE}: the native engine and the feature "
                "pipeline by part, and the model file that TFLM needs.",
                rows,
                high,
                31,
                22,
            )
        )

    def flash_legend(self) -> list[tuple[str, str]]:
        used = {name for part in ("engine", "frontend") for name in self.flash_parts(part)} | {"model"}
        return [entry for name, entry in FLASH.items() if name in used]

    def plot_op(self, row: int, column: str) -> Markup:
        """The bar of one op in the table of ops."""
        most = max(entry[column] for entry in self.report["model"]["op_table"])
        op = self.report["model"]["op_table"][row]["op"]
        return Markup(
            plots.stacks(
                f"op-{column}-{row}",
                f"{op}: {column}",
                "As long as its share of the greatest.",
                [Stack("", (("c0", op, self.figure("int", "model", "op_table", row, column)),), None)],
                most,
                0,
                0,
            )
        )

    def builds(self) -> str:
        """The builds of the recorded rows."""
        return comparison.builds(self.report["comparison"])

    def compared(self) -> list[int]:
        """Indices of the rows of the comparison with instructions on `MAIN_CORE`."""
        return [index for index, row in enumerate(self.report["comparison"]) if MAIN_CORE in row["instructions"]]

    def plot_compared(self, index: int) -> Markup:
        """The bar of the instructions of one row of the comparison; the largest has the full width."""
        rows = self.report["comparison"]
        most = max(rows[other]["instructions"][MAIN_CORE] for other in self.compared())
        bar = (
            "c2" if rows[index]["recorded"] else "c0",
            rows[index]["name"],
            self.figure("int", "comparison", index, "instructions", MAIN_CORE),
        )
        return Markup(
            plots.stacks(
                f"compared-{index}",
                f"{rows[index]['name']}: instructions on {MAIN_CORE}",
                "As long as its share of the greatest.",
                [Stack("", (bar,), None)],
                most,
                0,
                0,
            )
        )
