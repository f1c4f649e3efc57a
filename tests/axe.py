"""axe-core in a page that the browser shows: what it finds wrong for people who use the keyboard or a screen reader.

https://github.com/dequelabs/axe-core/blob/develop/doc/API.md
"""

from __future__ import annotations

import pytest

from common.shipped import ROOT
from demo.browser import Browser

PROGRAM = ROOT / ".venv-axe" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """axe.run({ elementRef: true }).then(({ violations, incomplete, passes }) => {
  const lines = (rules) => rules.flatMap(({ id, impact, nodes }) => nodes.map(({ target, any, all, none }) =>
    `${impact} ${id}: ${target.join(" ")}: ${[...any, ...all, ...none].map(({ message }) => message).join("; ")}`));
  for (const rule of incomplete.filter(({ id }) => id === "color-contrast")) {
    rule.nodes = rule.nodes.filter(({ element }) => !element.closest("svg"));
  }
  return { violations: lines(violations), undecided: lines(incomplete), passed: passes.map(({ id }) => id) };
})"""


def put_into(browser: Browser) -> None:
    """Make `axe` known to the page that is open; the test is skipped where axe-core is not installed."""
    if not PROGRAM.is_file():
        pytest.skip("axe-core is not installed: make .venv-axe/axe")
    browser.evaluate(f"{PROGRAM.read_text()}; null")


def check(browser: Browser) -> dict[str, list[str]]:
    """What the page shows now, by every rule of axe-core: `violations` and `undecided`, a line for each element, and the
    names of the rules that `passed`. The contrast of text in an SVG is left out where it cannot tell what is behind it."""
    return browser.evaluate(RUN)
