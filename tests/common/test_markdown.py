"""Any label in Markdown is read as it was written."""

from __future__ import annotations

import pytest

from common.markdown import cell, code


@pytest.mark.parametrize(
    "text, written",
    [
        ("yes", "`yes`"),
        ("`x`", "`` `x` ``"),
        ("a`b", "``a`b``"),
        ("``", "``` `` ```"),
        ("<b> & [x](y) *", "`<b> & [x](y) *`"),
        ("two\nlines\x07", "`two lines `"),
        ("\N{MAN}\u200d\N{WOMAN}", "`\N{MAN}\u200d\N{WOMAN}`"),
    ],
)
def test_a_span_of_code_holds_any_text_on_one_line(text, written):
    assert code(text) == written


def test_a_cell_of_a_table_ends_at_no_bar_in_it():
    assert cell("a|b") == "a\\|b" and cell(3) == "3"
