"""Two speech synthesisers, by Debian's names: espeak-ng, with many accents, and flite, with voices from recorded speech.

Voice, speed and pitch are drawn from the caller's random generator.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

import numpy as np

from common import wav
from common.errors import UserError

SYNTHESISERS = "espeak-ng", "flite"
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
ESPEAK_VOICES = tuple(
    (
        "f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo "
        "Jacky Lee Marco Mario Michael Mike Nguyen adam anika antonio aunty belinda benjamin boris caleb david ed "
        "edward grandma grandpa iven iven2 john klatt klatt2 klatt4 linda max michel miguel norbert pablo paul pedro "
        "quincy rob robert sandro shelby steph steph2 steph3 travis victor zac"
    ).split()
)
FLITE_VOICES = "kal16", "awb", "rms", "slt"
FLITE_SHARE = 0.4
WORDS_A_MINUTE = 110, 230
PITCH = 15, 85  # of espeak-ng's 0 to 99
STRETCH = 0.7, 1.4  # of flite's durations


def missing() -> list[str]:
    """The synthesisers that are not installed."""
    return [name for name in SYNTHESISERS if shutil.which(name) is None]


def need_synthesisers() -> None:
    """UserError where a synthesiser is not installed."""
    for name in missing():
        raise UserError(f"{name} is not installed; install it (Debian: apt-get install {' '.join(SYNTHESISERS)})")


def say(text: str, accents: Sequence[str], rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A spoken text: samples, float64 in +-1, and their rate in Hz. accents: from which that of espeak-ng is drawn.

    Raises UserError where the synthesiser fails.
    """
    if rng.random() < FLITE_SHARE:
        return flite(text, str(rng.choice(FLITE_VOICES)), rng)
    return espeak(text, f"{rng.choice(accents)}+{rng.choice(ESPEAK_VOICES)}", rng)


def flite(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text in a voice of flite, at a random speed; as `say`."""
    stretch = f"duration_stretch={rng.uniform(*STRETCH):.2f}"
    return run(["flite", "-voice", voice, "--setf", stretch, "-t", text, "-o", "/dev/stdout"])


def espeak(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text in a voice of espeak-ng, `<accent>+<variant>`, at a random speed and pitch; as `say`."""
    speed, pitch = str(rng.integers(*WORDS_A_MINUTE)), str(rng.integers(*PITCH))
    return run(["espeak-ng", "-v", voice, "-s", speed, "-p", pitch, "--stdout", text])


def run(command: list[str]) -> tuple[np.ndarray, int]:
    """Run a synthesiser that writes a mono wav file to stdout: samples, float64 in +-1, and their rate in Hz."""
    done = subprocess.run(command, capture_output=True)
    try:
        sound = wav.parse(done.stdout)
        if done.returncode or len(sound.data) < 2:
            raise ValueError("no sound")
    except ValueError as error:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"{' '.join(command)}: {lines[-1] if lines else error}; is {command[0]} complete?") from None
    return np.frombuffer(sound.data, "<i2", len(sound.data) // 2) / 32768, sound.rate
