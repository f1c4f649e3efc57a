"""The HTML page's plots of the field test."""

from __future__ import annotations

from markupsafe import Markup

from benchmarks.report import plots, text as report_text
from benchmarks.report.values import Values


class FieldPlots(Values):
    """The plots of `field` in the report."""

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
