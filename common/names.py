"""The prefix of every name of the generated C: `kws` unless a build has one of its own, so that two networks fit one image.

With the prefix door, kws_reset becomes door_reset, KWS_CLASSES DOOR_CLASSES, kws_engine.h door_engine.h and frontend.h
door_frontend.h. It is done in the templates, before what a user chose is filled in: a word called kws_on stays as it is.
"""

from __future__ import annotations

import re

from common.errors import UserError

PREFIX = "kws"
LONGEST = 16
"""Letters of a prefix: names and lines stay readable."""
OF_A_NAME = r"(?:(?<![A-Za-z0-9])|(?<=-[DU]))(?:kws|KWS)(?=_)"
"""Also where a compiler's option defines it, as in -DKWS_ENGINE_PORTABLE."""
OTHER_FILES = r"(?<!\w)(?:frontend(?:_[a-z]+|\*)?\.[ch]|model(?:_settings|_vela)?\.(?:h|cc)|op_resolver\.h)\b"
"""The generated files whose default names have no prefix."""
EITHER = re.compile(f"({OF_A_NAME})|({OTHER_FILES})")
"""In one pass, as a prefix can make one look like the other: kws_dsp.c would be frontend_dsp.c."""


def checked(prefix: str) -> str:
    """The prefix itself; UserError where it is none.

    Without an underscore, no name of one prefix is a name of another one.
    """
    if not re.fullmatch(rf"[a-z][a-z0-9]{{,{LONGEST - 1}}}", prefix, re.ASCII):
        raise UserError(f"prefix {prefix!a}: up to {LONGEST} lower-case letters and digits are wanted, a letter first")
    return prefix


def renamed(text: str, prefix: str = PREFIX) -> str:
    """C source, or a template of it, with the names of another prefix.

    >>> renamed('#include "frontend.h"  // for kws_push(), KWS_MELS', "door")
    '#include "door_frontend.h"  // for door_push(), DOOR_MELS'
    """
    if prefix == PREFIX:
        return text

    def other(found: re.Match[str]) -> str:
        if found[1]:
            return prefix if found[1].islower() else prefix.upper()
        return f"{prefix}_{apart(found[2])}"

    return EITHER.sub(other, text)


def apart(name: str) -> str:
    """model.h as model_data.h: next to kws_model.h, both would be door_model.h."""
    return name.replace("model.", "model_data.")


def file_name(path: str, prefix: str = PREFIX) -> str:
    """The name of a generated file, folders before it left as they are.

    >>> file_name("native/kws_model.h", "door"), file_name("model.h", "door")
    ('native/door_model.h', 'door_model_data.h')
    """
    folder, slash, name = path.rpartition("/")
    return folder + slash + renamed(name, prefix)
