"""The two synthesisers of the open recipe's clips, by Debian's names: espeak-ng, with many accents, and flite.

Voice, speed and pitch are drawn from the caller's random generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.errors import UserError
from training.spoken.synthesisers import espeak, flite

SYNTHESISERS = espeak.PROGRAM, flite.PROGRAM
ACCENTS, LANGUAGES = espeak.ACCENTS, espeak.LANGUAGES
FLITE_SHARE = 0.4


def missing() -> list[str]:
    """The synthesisers that are not installed."""
    return [module.PROGRAM for module in (espeak, flite) if not module.installed()]


def need_synthesisers() -> None:
    """UserError where a synthesiser is not installed."""
    for name in missing():
        raise UserError(f"{name} is not installed; install it (Debian: apt-get install {' '.join(SYNTHESISERS)})")


def say(text: str, accents: Sequence[str], rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A spoken text: samples, float64 in +-1, and their rate in Hz. accents: from which that of espeak-ng is drawn.

    Raises UserError where the synthesiser fails.
    """
    if rng.random() < FLITE_SHARE:
        return flite.say(text, str(rng.choice(flite.VOICES)), rng)
    return espeak.say(text, f"{rng.choice(accents)}+{rng.choice(espeak.VARIANTS)}", rng)
