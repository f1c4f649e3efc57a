"""Words from a speech synthesiser, for training: hundreds of other words, and the keywords too.

    python -m training.synthesis --out build/synthetic
    python -m training.synthesis --others 1000 --keywords 300 --seed 1 --out build/few

espeak-ng (Debian's name) speaks each word in one of its English accents and voices; the recording is made
to differ as people and rooms do: length of the vocal tract, speed, pitch, echo, microphone, level, hiss.
Keywords are spoken as well, so that a network cannot take "synthetic" for "unknown". Every clip is drawn
from its own seed: the same options give the same clips, however many processes make them.
"""
from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training import clip_folder, workers
from training.description import KEYWORDS
from training.errors import OptionParser, UserError, one_line_errors
from training.room import recorded

SYNTHESISER = "espeak-ng"
WORDS = Path(__file__).with_name("words.txt")
DATASET_WORDS = ("backward bed bird cat dog eight five follow forward four happy house learn marvin nine one seven "
                 "sheila six three tree two visual wow zero").split()
"""The other words of Speech Commands: drawn DATASET_SHARE times as often as another word."""
DATASET_SHARE = 4
ACCENTS = ("en-gb", "en-us", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029",
           "en-us-nyc")
VOICES = ("f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo "
          "Jacky Lee Marco Mario Michael Mike Nguyen adam anika antonio aunty belinda benjamin boris caleb david ed "
          "edward grandma grandpa iven iven2 john klatt klatt2 klatt4 linda max michel miguel norbert pablo paul pedro "
          "quincy rob robert sandro shelby steph steph2 steph3 travis victor zac").split()
WORDS_A_MINUTE = 110, 230
PITCH = 15, 85  # of espeak-ng's 0 to 99
ECHOES = 0.7  # share of the clips
CHUNK = 100  # clips a process makes at a time


def other_words() -> list[str]:
    """The words of words.txt, sorted. None is a keyword."""
    lines = WORDS.read_text().splitlines()
    return sorted({word for line in lines if not line.startswith("#") for word in line.split()})


def plan(others: int, keywords: int, seed: int) -> list[str]:
    """The word of each clip: keywords in turn, then other words, each drawn by its share."""
    words = other_words()
    share = np.array([DATASET_SHARE if word in DATASET_WORDS else 1.0 for word in words])
    drawn = np.random.default_rng(seed).choice(len(words), others, p=share / share.sum())
    return [KEYWORDS[index % len(KEYWORDS)] for index in range(keywords)] + [words[index] for index in drawn]


def speak(word: str, voice: str, speed: int, pitch: int) -> tuple[np.ndarray, int]:
    """Samples of a word, float64 in +-1, and their rate in Hz. Raises UserError where espeak-ng fails."""
    command = [SYNTHESISER, "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    done = subprocess.run(command, capture_output=True)
    if done.returncode or len(done.stdout) <= 44:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"{' '.join(command)}: {reason[-1] if reason else 'no sound'}; is {SYNTHESISER} complete?")
    with wave.open(io.BytesIO(done.stdout)) as wav:  # its header gives no true length: it was written to a pipe
        rate = wav.getframerate()
    samples = np.frombuffer(done.stdout[44:len(done.stdout) // 2 * 2], "<i2")
    return samples / 32768, rate


def clip(word: str, seed: Sequence[int]) -> np.ndarray:
    """One second with a spoken word in it, int16 [16000]."""
    rng = np.random.default_rng(seed)
    voice = f"{ACCENTS[rng.integers(len(ACCENTS))]}+{VOICES[rng.integers(len(VOICES))]}"
    samples, rate = speak(word, voice, int(rng.integers(*WORDS_A_MINUTE)), int(rng.integers(*PITCH)))
    return recorded(samples, rate, ECHOES, rng)


def chunk(words: Sequence[str], seed: int, first: int) -> np.ndarray:
    """Clips of `words`, int16 [words, 16000], the first of which is clip number `first` of the whole."""
    return np.stack([clip(word, (seed, first + index)) for index, word in enumerate(words)])


def generate(words: Sequence[str], seed: int, out: Path, processes: int | None = None) -> None:
    """Speak `words` into the folder `out` (see `training.clip_folder`)."""
    if shutil.which(SYNTHESISER) is None:
        raise UserError(f"{SYNTHESISER} is not installed; install it (Debian: apt-get install {SYNTHESISER})")
    parts = [(list(words[start:start + CHUNK]), seed, start) for start in range(0, len(words), CHUNK)]
    with tqdm(total=len(words), desc="speaking", unit="clip", disable=None) as bar:
        def made() -> Iterator[tuple[int, np.ndarray]]:
            for index, clips in workers.run(chunk, parts, processes):
                yield index * CHUNK, clips
                bar.update(len(clips))

        clip_folder.write(out, words, seed, made())


def load(folder: Path) -> tuple[np.ndarray, list[str]]:
    """The clips of a folder that `generate` wrote, int16 [clips, 16000] (mapped), and their words; UserError if none."""
    return clip_folder.load(folder, "synthetic words",
                            f"`python -m training.synthesis --out {folder}` (needs {SYNTHESISER})")


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m training.synthesis", __doc__)
    parser.add_argument("--out", type=Path, default=Path("build/synthetic"), help="default build/synthetic")
    parser.add_argument("--others", type=int, default=9000, help="clips of other words (default 9000)")
    parser.add_argument("--keywords", type=int, default=3000, help="clips of keywords (default 3000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    args = parser.parse_args(argv)
    if min(args.others, args.keywords, args.processes) < 1 or args.seed < 0:
        raise UserError("--others, --keywords and --processes must be at least 1, --seed at least 0")
    generate(plan(args.others, args.keywords, args.seed), args.seed, args.out, args.processes)
    print(f"{args.out}: {args.keywords} clips of {len(KEYWORDS)} keywords, {args.others} of other words")


if __name__ == "__main__":
    sys.exit(main())
