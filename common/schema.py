"""Check the content of a JSON file against a schema before it is used.

    check(figures, {"clips": int, "rows": Each({"top1": float, "note?": str}), "ci95": (float, float)})

A form is a type (`float`: any number), `None`, a dict of forms by key (one that ends in `?` is optional, others
are ignored), a list of one form (of every entry), a tuple of forms (one for each entry), `Each` or `Either`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "an object", list: "a list"}


class Each(NamedTuple):
    """An object of any keys, every value of which has this form."""

    form: Any


class Either(NamedTuple):
    """One form or the other; the error of a value that has neither is that of the second."""

    first: Any
    second: Any


def check(value: Any, form: Any, where: str = "") -> None:
    """ValueError, with the path and the expected form, where a JSON value has another form."""
    if isinstance(form, Either):
        try:
            check(value, form.first, where)
        except ValueError:
            check(value, form.second, where)
    elif isinstance(form, Each):
        check_type(value, dict, where)
        for key, entry in value.items():
            check(entry, form.form, f"{where}.{key}")
    elif isinstance(form, dict):
        check_type(value, dict, where)
        for key, entry in form.items():
            name = key.removesuffix("?")
            if name in value:
                check(value[name], entry, f"{where}.{name}")
            elif name == key:
                raise ValueError(f"{f'{where}.{name}'.lstrip('.')} is missing")
    elif isinstance(form, (list, tuple)):
        check_type(value, list, where)
        if isinstance(form, tuple) and len(value) != len(form):
            raise ValueError(f"{where.lstrip('.')} has {len(value)} entries, not {len(form)}")
        for index, entry in enumerate(value):
            check(entry, form[0 if isinstance(form, list) else index], f"{where}.{index}")
    elif form is None:
        if value is not None:
            raise ValueError(f"{where.lstrip('.')} is not null")
    else:
        check_type(value, form, where)


def fits(value: object, form: Any) -> bool:
    """Whether a JSON value has this form."""
    try:
        check(value, form)
    except ValueError:
        return False
    return True


def check_type(value: object, kind: type, where: str) -> None:
    """ValueError unless the value is of this type; true and false are not numbers."""
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where.lstrip('.') or 'it'} is not {NAMES[kind]}")
