"""axe-core finds nothing wrong with the page: both tabs, before and while they are used, dark and light, wide and narrow."""

from __future__ import annotations

import axe
import pytest
from test_demo_for_everyone import SHOW_ALL, TABS, show

from common.shipped import ROOT

LEAST_RULES = 25
"""That say something of the page."""


@pytest.fixture
def checked(opened):
    axe.put_into(opened)
    return opened


def in_use(browser, tab: str) -> None:
    """A recording is open, the microphone is on, everything that can be shown is shown."""
    browser.choose_files("#file", [ROOT / "examples" / "yes.wav"])
    browser.wait_for("kws.ready.then(({ listener: { file } }) => file?.result)")
    browser.evaluate(SHOW_ALL)
    show(browser, tab)
    browser.evaluate(f"document.getElementById('{'start' if tab == 'listen' else 'record-word'}').click()")
    browser.wait_for("kws.ready.then(({ listener, recorder }) => listener.microphone.on || recorder.microphone.on)")


@pytest.mark.parametrize("width", [390, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["just opened", "in use"])
@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_no_violation(checked, tab, state, scheme, width):
    checked.shape(width, 900, scheme)
    if state == "in use":
        in_use(checked, tab)
    else:
        show(checked, tab)
    found = axe.check(checked)
    assert found["violations"] == [] and found["undecided"] == []
    assert len(found["passed"]) > LEAST_RULES and "color-contrast" in found["passed"]


def test_axe_sees_what_is_wrong(checked):
    checked.evaluate(
        """{ document.getElementById("meter").removeAttribute("aria-label");
             document.querySelector("label[for=position]").style.color = "#eee";
             document.querySelector("header p").style.color = "#eee"; }"""
    )
    rules = {line.split()[1].rstrip(":") for line in axe.check(checked)["violations"]}
    assert rules == {"aria-meter-name", "color-contrast"}
