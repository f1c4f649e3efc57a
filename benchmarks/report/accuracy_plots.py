"""The HTML page's plots of accuracy: top-1, drop, confusion and recall of each backend."""

from __future__ import annotations

from markupsafe import Markup

from benchmarks.report import plots
from benchmarks.report.plots import Whisker
from benchmarks.report.text import TITLES
from benchmarks.report.values import Values
from common.labels import title

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
NOT_MEASURED = "not measured yet"


class AccuracyPlots(Values):
    """The plots of `accuracy` in the report."""

    @property
    def best(self) -> str:
        """The backend on device features for the headline: the native engine where it was measured, else TFLM."""
        return "native" if self.has("accuracy", "device_backends", "native") else "tflm"

    @property
    def best_name(self) -> str:
        return {"native": "the native engine", "tflm": "TFLM in int8"}[self.best]

    def backends(self) -> list[tuple[str, str, str]]:
        """(group, name, title) of every backend that was measured, in the order of the report."""
        return [
            (
                rows,
                name,
                TITLES[name] + (", device features" if rows == "device_backends" and not name.startswith("native") else ""),
            )
            for rows in ("backends", "device_backends")
            for name in self.report["accuracy"][rows]
        ]

    def missing(self) -> list[str]:
        """Rows of the native engine that were not verified."""
        return (
            []
            if "refused" in self.report["native"]
            else [name for name in TITLES if name.startswith("native") and not self.has("accuracy", "device_backends", name)]
        )

    def test_part(self) -> tuple | None:
        """Steps of the pointer to the accuracy on test clips alone, where validation clips were verified too; else None."""
        for origin in (self.report["accuracy"]["parts"] or {}) if self.report["accuracy"]["split"] == "all" else ():
            if origin.startswith("test"):
                at = ("accuracy", "parts", origin)
                return next(
                    (steps for steps in ((*at, "device_top1", self.best), (*at, "top1", self.best)) if self.has(steps)), None
                )
        return None

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
        return rows + [Whisker(SHORT_TITLES[name], note=NOT_MEASURED) for name in self.missing()]

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
                [plots.short(title(label)) for label in labels],
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
                plots.short(title(label)),
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
            (plots.short(title(label)), self.figure("points1", "accuracy", "recall_drop_points", self.best, label))
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


def kind(name: str) -> str:
    """The CSS class of a backend's colour."""
    return "c0" if name.startswith("native") else "c1" if name in ("tflite", "tflm") else "c2"
