"""The Jinja environment of the templates of generated sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jinja2

from common import names


class Renaming(jinja2.BaseLoader):
    """The templates of another loader with the names of a prefix."""

    def __init__(self, inner: jinja2.BaseLoader, prefix: str):
        self.inner, self.prefix = inner, prefix

    def get_source(self, environment: jinja2.Environment, template: str):
        text, *rest = self.inner.get_source(environment, template)
        return names.renamed(text, self.prefix), *rest


def source_environment(
    folder: Path, filters: dict[str, Callable], others: dict[str, Path] | None = None, prefix: str = names.PREFIX
) -> jinja2.Environment:
    """An environment for the templates of `folder`; those of `others` are found as `<key>/<name>`.

    prefix: of the names of C in them (common/names.py). A line that holds only a tag leaves no line in the output; nothing
    is escaped; an undefined name is an error.
    """
    loaders: list[jinja2.BaseLoader] = [jinja2.FileSystemLoader(folder)]
    if others:
        loaders.append(jinja2.PrefixLoader({name: jinja2.FileSystemLoader(path) for name, path in others.items()}))
    environment = jinja2.Environment(
        loader=Renaming(jinja2.ChoiceLoader(loaders), prefix),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(filters)
    return environment
