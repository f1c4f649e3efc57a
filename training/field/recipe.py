"""The field recipe: the open recipe, heard as a device hears it, against running speech.

    python -m training --recipe field --start checkpoints/tau1.safetensors --recordings ~/speech --noise ~/noises

Adds to the open recipe the augmentation of training/field/augment.py, excerpts of running speech whose weight in the loss
rises over the run, and a teacher that heard the clips as they were recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.errors import UserError
from training import openset
from training.data.dataset import Clip
from training.field import backgrounds, rooms
from training.field.augment import PARTS as AUGMENTATION, Field
from training.field.negatives import Negatives
from training.field.outside import Outside

PARTS = (*AUGMENTATION, "excerpts", "weight", "mining", "prior")
"""Parts of this recipe beside those of the open one: --omit leaves any of them out."""
ALL_PARTS = (*openset.PARTS, *PARTS)
SEED = 17
"""Of rooms and backgrounds. The field test has others."""
ROOMS, PIECES = 300, 40
"""Impulse responses; pieces of music, of babble, of hiss."""
EXCERPTS = 3.0
"""Excerpts of running speech per epoch, as a multiple of the recordings of an average keyword."""
WEIGHT = 3.0
"""Weight of an excerpt in the last epoch; 1 in the first."""
LEAST_SPEECH = 60
"""Seconds of recordings without which there is no running speech."""


def parse_omitted(text: str) -> tuple[str, ...]:
    """`"rooms,splices"` -> the parts that are kept, in the order of ALL_PARTS; UserError for a name that is no part."""
    return openset.kept_parts(text, ALL_PARTS, "field")


def material(
    noises: Sequence[np.ndarray], folders: Sequence[Path], noise: Sequence[Path], parts: Sequence[str]
) -> tuple[Outside, str]:
    """Rooms, backgrounds and running speech of a run; and a hash of it all.

    noises: the data set's own, int16 [samples] each, backgrounds like those of `noise`. folders, noise: of recordings of
    speech without keywords, and of real noises; they may be empty. UserError where one cannot be read, or holds less than
    a minute of speech.
    """
    speech = backgrounds.read_all(folders, "speech") if folders else []
    length = sum(map(len, speech))
    if folders and length < LEAST_SPEECH * backgrounds.RATE:
        raise UserError(f"{folders[0]}: less than a minute of speech; name folders that hold more")
    pool = backgrounds.pool(SEED, PIECES, parts, np.concatenate(speech) if speech else None, noise)
    if "noise" in parts:
        pool["noise"] = [*pool.get("noise", []), *(piece for piece in noises if len(piece) >= 2 * backgrounds.RATE)]
    responses = rooms.draw(ROOMS, SEED) if "rooms" in parts else []
    digest = hashlib.sha256()
    for array in [*responses, *(piece for pieces in pool.values() for piece in pieces), *speech]:
        digest.update(np.ascontiguousarray(array).data)
    negatives = Negatives(speech, "mining" in parts) if speech and "excerpts" in parts else None
    return Outside(Field(responses, pool, parts), negatives), digest.hexdigest()[:16]


def extras(clips: Sequence[Clip], outside: Outside, parts: Sequence[str]) -> dict:
    """The fields of `train.Recipe` by which this recipe differs from the open one, apart from the hash.

    Where it learns from running speech, the last epoch is kept: what is mined and weighs more from epoch to epoch is false
    accepts, which no validation clip tells.
    """
    excerpts = round(EXCERPTS * openset.average_keyword(clips)) if outside.negatives else 0
    return {
        "excerpts": excerpts,
        "pauses": excerpts > 0,
        "weight": WEIGHT if "weight" in parts and excerpts else 1.0,
        "prior": "prior" in parts,
        "last": excerpts > 0,
    }
