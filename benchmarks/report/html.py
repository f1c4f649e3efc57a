"""The report as one self-contained HTML page: text, tables and plots of `report.merge`'s dict.

Every figure on the page is tied to its place in report.json: `data-key` is the JSON pointer (RFC 6901), `value` or
`data-value` what stands there. What was not measured is not shown, but the command that measures it is.
"""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

from benchmarks.report.accuracy_plots import SHORT_TITLES, SILENT, AccuracyPlots
from benchmarks.report.cost_plots import PARTS, STAGES, CostPlots
from benchmarks.report.text import MAIN_CORE, TITLES


class Page(AccuracyPlots, CostPlots):
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
