"""espeak-ng: formant synthesis, over a hundred languages, each in as many voices as it has variants.

It alone reads phonemes (`[[kOmpj'u:t@]]`), and it gives those of any text, for the synthesisers that take no letters.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.errors import UserError
from training.spoken.synthesisers.program import run

PROGRAM = "espeak-ng"
REMEDY = "Debian: apt-get install espeak-ng"
READS_PHONEMES = True
SHARE = 2
ACCENTS = (
    "en-gb",
    "en-us",
    "en-us",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
    "en-us-nyc",
)
LANGUAGES = tuple(
    (
        "af ca cs cy da de el en-gb en-gb-scotland en-us eo es et eu fi fr-fr ga gn haw hr hu id is it ku la lt lv ms "
        "mt nb nl pl pt pt-br ro sk sl sq sv sw tr uz vi"
    ).split()
)
"""Languages of espeak-ng that are written in Latin letters, each with its own pronunciation of them."""
VARIANTS = tuple(
    (
        "f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo "
        "Jacky Lee Marco Mario Michael Mike Nguyen adam anika antonio aunty belinda benjamin boris caleb david ed "
        "edward grandma grandpa iven iven2 john klatt klatt2 klatt4 linda max michel miguel norbert pablo paul pedro "
        "quincy rob robert sandro shelby steph steph2 steph3 travis victor zac"
    ).split()
)
WORDS_A_MINUTE = 110, 230
PITCH = 15, 85  # of espeak-ng's 0 to 99


def installed() -> bool:
    return shutil.which(PROGRAM) is not None


def ask(options: Sequence[str], text: str = "") -> str:
    """What espeak-ng writes about a text; UserError where it is not installed or fails."""
    if not installed():
        raise UserError(f"{PROGRAM} is not installed; install it (Debian: apt-get install espeak-ng flite)")
    done = subprocess.run([PROGRAM, *options], input=text, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{PROGRAM} {' '.join(options)}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return done.stdout


@functools.lru_cache(4096)
def ipa(text: str, accent: str) -> str:
    """A text, or phonemes, in the letters of the International Phonetic Alphabet."""
    return " ".join(ask(["-q", "--ipa", "-v", accent, text]).split())


def voices(language: str) -> list[str]:
    """The voices of a language, `<accent>+<variant>`: each accent that it has, in each variant."""
    rows = [line.split() for line in ask(["--voices"]).splitlines()[1:]]
    accents = [
        row[1]
        for row in rows
        if (row[1] == language or row[1].startswith(f"{language}-")) and not row[4].startswith(("mb/", "!v/"))
    ]
    return [f"{accent}+{variant}" for accent in sorted({*accents}) for variant in VARIANTS]


def throats(voice: str) -> tuple[str, ...]:
    """Who speaks, whatever the accent."""
    return (voice.rsplit("+", 1)[1],)


def files(voice: str) -> list[Path]:
    """The models that speak: none, the program is one."""
    return []


def say(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text at a random speed and pitch: samples, float64 in +-1, and their rate in Hz."""
    speed, pitch = str(rng.integers(*WORDS_A_MINUTE)), str(rng.integers(*PITCH))
    return run([PROGRAM, "-v", voice, "-s", speed, "-p", pitch, "--stdout", text])
