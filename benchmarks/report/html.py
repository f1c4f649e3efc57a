"""The report as one self-contained HTML page: text, tables and plots of `report.merge`'s dict.

Every figure on the page is tied to its place in report.json: `data-key` is the JSON pointer (RFC 6901), `value` or
`data-value` what stands there. What was not measured is not shown, but the command that measures it is.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jinja2
from markupsafe import Markup

from benchmarks.report import comparison, plots, text as report_text
from benchmarks.report.plots import Figure, Stack, Whisker
from benchmarks.report.text import MAIN_CORE, TITLES

KB = 1024
SPACE = "\N{NO-BREAK SPACE}"
STYLES = {
    "int": lambda value: f"{value:,}",
    "plain": lambda value: f"{value:g}",
    "yes": lambda value: "yes" if value else "no",
    "percent": lambda value: f"{100 * value:.2f}{SPACE}%",
    "percent1": lambda value: f"{100 * value:.1f}{SPACE}%",
    "points": lambda value: f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−"),
    "points1": lambda value: f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−"),
    "db": lambda value: f"{value:.1f}{SPACE}dB",
    "kb": lambda value: f"{value / KB:.1f}{SPACE}KB",
    "bytes": lambda value: f"{value:,}{SPACE}B",
    "millions": lambda value: f"{value / 1e6:.2f}{SPACE}M",
    "thousands": lambda value: f"{value / 1e3:.1f}{SPACE}k",
}
"""How a figure is shown, by name."""
STAGES = {
    "ends": ("c5", "head and tail"),
    "transition": ("c1", "1×1 transition"),
    "mean": ("c2", "frequency mean"),
    "temporal": ("c3", "temporal 3-tap, SiLU"),
    "base": ("c4", "1×1 behind it"),
    "frequency": ("c0", "frequency 3×1, norm, sum"),
    "rest": ("c6", "rings, loops, average"),
}
"""Stages of the computation, and their class and name."""
ENDS = {"head": "head 5×5", "depthwise": "tail 5×5", "hidden": "tail 1×1", "output": "output"}
"""Layers outside the blocks, and their name."""
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
"""Parts of `memory.state_parts`, and their class and name."""
FLASH = {
    "code": ("c0", "code"),
    "weights": ("c1", "weights"),
    "tables": ("c3", "tables"),
    "constants": ("c4", "constants"),
    "model": ("c2", "model file"),
}
"""Parts of the flash, and their class and name."""
SHORT_TITLES = {
    "pytorch": "PyTorch, float",
    "onnx": "ONNX Runtime, float",
    "tflite": "TFLite, int8",
    "tflm": "TFLM, int8",
    "native": "native engine",
    "native_in_noise": "native, in noise",
    "native_stream": "native, in a stream",
}
HEADINGS = {"backends": "On training's log-mel", "device_backends": "On the device's own features"}
SILENT = "not measured yet"


def look_up(report: dict, pointer: str):
    """What a JSON pointer (RFC 6901) points to; KeyError or IndexError where there is nothing."""
    found = report
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        found = found[int(step) if isinstance(found, list) else step]
    return found


Step = str | int | tuple
"""A key, an index, or several of them."""


def pointer(*steps: Step) -> str:
    """The JSON pointer along keys and indices."""
    return "".join(
        pointer(*step) if isinstance(step, tuple) else "/" + str(step).replace("~", "~0").replace("/", "~1")
        for step in steps
    )


class Page:
    """The figures of a report, each with its JSON pointer, and the plots, for the template."""

    def __init__(self, report: dict) -> None:
        self.report = report

    def has(self, *steps: Step) -> bool:
        """Whether the report has a value there."""
        try:
            return look_up(self.report, pointer(*steps)) is not None
        except (KeyError, IndexError, TypeError):
            return False

    def figure(self, style: str, *steps: Step) -> Figure:
        """The figure there, shown in a style of `STYLES`."""
        key = pointer(*steps)
        value = look_up(self.report, key)
        return Figure(key, value, STYLES[style](value))

    def data(self, style: str, *steps: Step) -> Markup:
        """The same as an element of the page."""
        found = self.figure(style, *steps)
        return Markup('<data value="{}" data-key="{}">{}</data>').format(json.dumps(found.value), found.key, found.text)

    def optional(self, style: str, *steps: Step) -> Markup:
        """The same, nothing where the report has none."""
        return self.data(style, *steps) if self.has(*steps) else Markup("")

    def interval(self, style: str, *steps: Step) -> Markup:
        """Both ends of an interval."""
        return Markup("{} to {}").format(self.data(style, *steps, 0), self.data(style, *steps, 1))

    @property
    def best(self) -> str:
        """The backend on device features for the headline: the native engine where it was measured, else TFLM."""
        return "native" if self.has("accuracy", "device_backends", "native") else "tflm"

    def backends(self) -> list[tuple[str, str, str]]:
        """(set, name, title) of every backend that was measured, in the order of the report."""
        return [
            (
                rows,
                name,
                TITLES[name] + (", device features" if rows == "device_backends" and not name.startswith("native") else ""),
            )
            for rows in ("backends", "device_backends")
            for name in self.report["accuracy"][rows]
        ]

    def whisker_rows(self, row) -> list[Whisker]:
        """`row(group, name, label)` of every backend, under a heading for the features; None leaves one out."""
        rows = []
        for group, heading in HEADINGS.items():
            rows.append(Whisker(heading))
            rows += [
                found
                for name in self.report["accuracy"][group]
                if (found := row(group, name, SHORT_TITLES[name])) is not None
            ]
        return rows + [Whisker(SHORT_TITLES[name], note=SILENT) for name in self.missing()]

    def missing(self) -> list[str]:
        """Rows of the native engine that no verification of this engine has."""
        return (
            []
            if "refused" in self.report["native"]
            else [name for name in TITLES if name.startswith("native") and not self.has("accuracy", "device_backends", name)]
        )

    @property
    def best_name(self) -> str:
        return {"native": "the native engine", "tflm": "TFLM in int8"}[self.best]

    def boards(self) -> dict:
        return self.report["native"]["costs"]["boards"]

    def layers(self, core: str) -> bool:
        return self.has("native", "costs", "boards", core, "layers")

    # plots

    def plot_accuracy(self) -> Markup:
        def row(group: str, name: str, label: str) -> Whisker:
            at = ("accuracy", group, name)
            return Whisker(
                label,
                self.figure("percent", at, "top1"),
                self.figure("percent", at, "ci95", 0),
                self.figure("percent", at, "ci95", 1),
                kind(name),
            )

        return Markup(
            plots.whiskers(
                "accuracy",
                "Top-1 accuracy of each backend",
                "A dot for each backend with its 95 % interval; the dashed line is PyTorch in float.",
                self.whisker_rows(row),
                100,
                " %",
                self.figure("percent", "accuracy", "backends", "pytorch", "top1"),
            )
        )

    def plot_drop(self) -> Markup:
        def row(group: str, name: str, label: str) -> Whisker | None:
            at = ("accuracy", group, name)
            if not self.has(at, "drop_points"):
                return None
            return Whisker(
                label,
                self.figure("points", at, "drop_points"),
                self.figure("points", at, "drop_ci95", 0),
                self.figure("points", at, "drop_ci95", 1),
                kind(name),
            )

        return Markup(
            plots.whiskers(
                "drop",
                "Points of accuracy lost against PyTorch in float",
                "A dot for each backend with its paired 95 % interval; to the right is worse.",
                self.whisker_rows(row),
                1,
                "",
            )
        )

    def plot_confusion(self, group: str, name: str) -> Markup:
        labels = self.report["labels"]
        counts = self.report["accuracy"][group][name]["confusion"]
        matrix = [
            [self.figure("int", "accuracy", group, name, "confusion", row, column) for column in range(len(labels))]
            for row in range(len(labels))
        ]
        shares = [[count / max(1, sum(row)) for count in row] for row in counts]
        return Markup(
            plots.heat(
                f"confusion-{group}-{name}",
                f"Confusion matrix, {TITLES[name]}",
                "Clips by true class, down, and answer, across.",
                [label.strip("_") for label in labels],
                matrix,
                shares,
            )
        )

    def measured_labels(self) -> list[str]:
        """Classes that have clips."""
        return [label for label in self.report["labels"] if self.has("accuracy", "recall_drop_points", self.best, label)]

    def plot_recall(self) -> Markup:
        rows = [
            (
                label.strip("_"),
                self.figure("percent1", "accuracy", "backends", "pytorch", "recall", label),
                self.figure("percent1", "accuracy", "device_backends", self.best, "recall", label),
            )
            for label in self.measured_labels()
        ]
        return Markup(
            plots.dumbbells(
                "recall",
                "Recall of each class, in percent",
                "An open dot for PyTorch in float, a filled one for the device.",
                rows,
                100,
                24,
            )
        )

    def plot_recall_drop(self) -> Markup:
        rows = [
            (label.strip("_"), self.figure("points1", "accuracy", "recall_drop_points", self.best, label))
            for label in self.measured_labels()
        ]
        return Markup(
            plots.differences(
                "recall-drop",
                "Points of recall that each class loses",
                "A bar to the right is a loss against PyTorch in float, to the left a gain.",
                rows,
                24,
            )
        )

    def field_rows(self, kind: str) -> list[tuple[int, str]]:
        """(number, name) of the conditions of the field test that have a `window` or `reported`."""
        return [
            (index, report_text.condition(row))
            for index, row in enumerate(self.report["field"]["rows"])
            if row[kind] is not None
        ]

    def plot_field(self, kind: str) -> Markup:
        """The shares of `window` or `reported` of all conditions."""
        title = "Right answers to whole windows" if kind == "window" else "Keywords reported alone, in a stream"
        rows = self.field_rows(kind)
        at = ("field", "rows")
        return Markup(
            plots.ranges(
                f"field-{kind}",
                title,
                "A dot for each condition with its 95 % interval; the dashed line is the sound as it was recorded.",
                [
                    (
                        name,
                        self.figure("percent1", at, index, kind, "ci95", 0),
                        self.figure("percent1", at, index, kind, "share"),
                        self.figure("percent1", at, index, kind, "ci95", 1),
                    )
                    for index, name in rows
                ],
                100,
                46,
                self.figure("percent1", at, rows[0][0], kind, "share"),
            )
        )

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
        """The stages of a window on every core, on one scale, or each core's on its own."""
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
        """Names of what the flash of "engine" or "frontend" was divided into on the core that is shown."""
        at = ("native", "costs", "boards", MAIN_CORE)
        finer = ("code", "weights", "tables")
        names = finer if all(self.has(at, f"{part}_{name}_bytes") for name in finer) else ("code", "constants")
        return [name for name in names if self.has(at, f"{part}_{name}_bytes")]

    def plot_flash(self) -> Markup:
        """Bytes of flash on the core that is shown, and TFLM's model beside them."""
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
        """A bar in the table of ops."""
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
        """What the builds of the recorded rows are."""
        return comparison.builds(self.report["comparison"])

    def compared(self) -> list[int]:
        """Which rows of the comparison know their instructions on the core that is shown."""
        return [index for index, row in enumerate(self.report["comparison"]) if MAIN_CORE in row["instructions"]]

    def plot_compared(self, index: int) -> Markup:
        """A bar for the instructions of one row of the comparison, on the scale of the greatest."""
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

    def test_part(self) -> tuple | None:
        """Steps to the accuracy on test clips alone, where validation clips were among the verified; else None."""
        for origin in (self.report["accuracy"]["parts"] or {}) if self.report["accuracy"]["split"] == "all" else ():
            if origin.startswith("test"):
                at = ("accuracy", "parts", origin)
                return next(
                    (steps for steps in ((*at, "device_top1", self.best), (*at, "top1", self.best)) if self.has(steps)), None
                )
        return None


def kind(name: str) -> str:
    """The class of a backend's colour."""
    return "c0" if name.startswith("native") else "c1" if name in ("tflite", "tflm") else "c2"


@functools.cache
def template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def page(report: dict) -> str:
    """report.html of a report."""
    return template().render(
        page=Page(report),
        report=report,
        stages=STAGES,
        parts=PARTS,
        main_core=MAIN_CORE,
        titles=TITLES,
        short=SHORT_TITLES,
        silent=SILENT,
    )
