"""The Jinja environment of the templates of generated sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jinja2


def source_environment(
    folder: Path, filters: dict[str, Callable], others: dict[str, Path] | None = None
) -> jinja2.Environment:
    """An environment for the templates of `folder`; those of `others` are found as `<key>/<name>`.

    A line that holds only a tag leaves no line in the output; nothing is escaped; an undefined name is an error.
    """
    loaders: list[jinja2.BaseLoader] = [jinja2.FileSystemLoader(folder)]
    if others:
        loaders.append(jinja2.PrefixLoader({name: jinja2.FileSystemLoader(path) for name, path in others.items()}))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(filters)
    return environment
