"""The report as one self-contained HTML page: text, tables and plots of the dict of `contents.merge`.

Every figure on the page names its place in report.json: `data-key` is the JSON pointer (RFC 6901), `value` or `data-value`
the value there. In place of what was not measured, the page shows the command that measures it.
"""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

from benchmarks.cost.quantities import MAIN_CORE
from benchmarks.report.accuracy_plots import NOT_MEASURED, SHORT_TITLES, AccuracyPlots
from benchmarks.report.cost_plots import PARTS, STAGES, CostPlots
from benchmarks.report.detector_plots import DetectorPlots
from benchmarks.report.field_plots import FieldPlots
from benchmarks.report.npu_section import NpuFigures
from benchmarks.report.text import OTHER_THRESHOLDS, TITLES, pause, recordings
from common.description import windowed
from common.labels import title


class Page(AccuracyPlots, FieldPlots, DetectorPlots, CostPlots, NpuFigures):
    """The figures and plots of a report, for the template report.html.j2."""


@functools.cache
def template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["title"] = title
    return environment.get_template("report.html.j2")


def page(report: dict) -> str:
    """The text of report.html."""
    return template().render(
        page=Page(report),
        report=report,
        stages=STAGES,
        parts=PARTS,
        main_core=MAIN_CORE,
        titles=TITLES,
        short=SHORT_TITLES,
        silent=NOT_MEASURED,
        recordings=recordings(report),
        window=windowed(report["features"]["clip_samples"]).window_text,
        pause=pause,
        other_thresholds=OTHER_THRESHOLDS,
    )
