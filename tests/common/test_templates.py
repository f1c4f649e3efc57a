"""The environment of the templates of generated sources."""

from __future__ import annotations

import jinja2
import pytest

from common.templates import source_environment


def rendered(tmp_path, text: str, **values: object) -> str:
    """The template `text`, for which there are a filter `twice` and a folder `parts` with `name.j2`."""
    (tmp_path / "own").mkdir()
    (tmp_path / "parts").mkdir()
    (tmp_path / "own" / "main.j2").write_text(text)
    (tmp_path / "parts" / "name.j2").write_text("kws\n")
    environment = source_environment(tmp_path / "own", {"twice": lambda x: 2 * x}, {"parts": tmp_path / "parts"})
    return environment.get_template("main.j2").render(values)


def test_a_line_with_only_a_tag_leaves_no_line_and_nothing_is_escaped(tmp_path):
    assert rendered(tmp_path, "  {% if x %}\n{{ x }};\n  {% endif %}\n", x="a<b") == "a<b;\n"


def test_filters_and_templates_of_other_folders_are_found(tmp_path):
    assert rendered(tmp_path, "{{ 4 | twice }} {% include 'parts/name.j2' %}") == "8 kws\n"


def test_an_undefined_name_is_an_error(tmp_path):
    with pytest.raises(jinja2.UndefinedError, match="absent"):
        rendered(tmp_path, "{{ absent }}")
