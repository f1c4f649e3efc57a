"""Training clips from speech synthesisers: hundreds of other words, the keywords, and running speech.

    python -m training.synthesis --out build/synthetic
    python -m training.synthesis --voices ~/voices --out build/synthetic
    python -m training.synthesis --others 1000 --keywords 300 --running 500 --seed 1 --out build/few

espeak-ng or flite (Debian's names) speaks each word in one of its English voices, followed by acoustic augmentation: length
of the vocal tract, speed, pitch, echo, microphone, level, noise. Keywords are spoken as well, so that a network cannot learn
"synthetic" as "unknown". Running speech is a second of several other words in a row, pronounced as in one of many languages:
most of what a device hears is no single word. With --voices, a folder of published networks that speak, these and all other
installed synthesisers say the words (training/spoken/speakers.py). Every clip has a seed of its own: the same options give
the same clips, whatever the number of processes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from common import options, progress, workers
from common.description import KEYWORDS
from common.errors import OptionParser, UserError, one_line_errors
from training.data import clip_folder
from training.spoken import speakers, voices
from training.spoken.acoustics import CLIP, placed, recorded, voiced
from training.spoken.speakers import Voice
from training.spoken.synthesisers import models

WORDS = Path(__file__).with_name("words.txt")
DATASET_WORDS = (
    "backward bed bird cat dog eight five follow forward four happy house learn marvin nine one seven "
    "sheila six three tree two visual wow zero"
).split()
"""The other words of Speech Commands, drawn DATASET_SHARE times as often as any word that is not in it."""
DATASET_SHARE = 4
RUNNING = "(running speech)"
"""In the list of words, the entry of a clip of running speech."""
WORDS_AT_ONCE = 5, 9
ECHOES = 0.7  # fraction of the clips with an echo
CHUNK = 100  # clips per task of a process
COMPARED = 25  # most clips of a folder that are made again to check which program made them
ROUNDING = 2  # PCM units by which the same clip may differ between processors
REMEDY = "`python -m training.synthesis --out {}`"


@functools.cache
def other_words() -> list[str]:
    """The words of words.txt, sorted. None is a keyword."""
    lines = WORDS.read_text("utf-8").splitlines()
    return sorted({word for line in lines if not line.startswith("#") for word in line.split()})


def running_words() -> list[str]:
    """The words of running speech: `other_words` except the data set's, as those can be held out of training."""
    return [word for word in other_words() if word not in DATASET_WORDS]


def plan(others: int, keywords: int, running: int, seed: int) -> list[str]:
    """The word of each clip: the keywords in turn, then other words drawn at random, then RUNNING."""
    words = other_words()
    share = np.array([DATASET_SHARE if word in DATASET_WORDS else 1.0 for word in words])
    drawn = np.random.default_rng(seed).choice(len(words), others, p=share / share.sum())
    return (
        [KEYWORDS[index % len(KEYWORDS)] for index in range(keywords)]
        + [words[index] for index in drawn]
        + [RUNNING] * running
    )


def clip(word: str, seed: Sequence[int], mix: Sequence[Voice] = ()) -> np.ndarray:
    """One second with a spoken word in it, or of running speech, int16 [16000]. mix: who says words; empty: espeak-ng and
    flite."""
    rng = np.random.default_rng(seed)
    if word == RUNNING:
        return running_speech(rng)
    if mix:
        return recorded(*speakers.say(word, speakers.draw(mix, word, rng), rng), ECHOES, rng)
    return recorded(*voices.say(word, voices.ACCENTS, rng), ECHOES, rng)


def running_speech(rng: np.random.Generator) -> np.ndarray:
    """A second of several words spoken in a row, int16 [16000]."""
    text = " ".join(rng.choice(running_words(), rng.integers(*WORDS_AT_ONCE)))
    spoken = voiced(*voices.say(text, voices.LANGUAGES, rng), rng)
    start = rng.integers(max(1, len(spoken) - CLIP + 1))
    return placed(spoken[start : start + CLIP], ECHOES, rng)


def chunk(words: Sequence[str], seed: int, first: int, mix: Sequence[Voice] = ()) -> np.ndarray:
    """Clips of `words`, int16 [words, 16000], the first of which is number `first` of all clips."""
    return np.stack([clip(word, (seed, first + index), mix) for index, word in enumerate(words)])


def generate(words: Sequence[str], seed: int, out: Path, processes: int | None = None, mix: Sequence[Voice] = ()) -> None:
    """Speak `words` into the folder `out` (see `training.data.clip_folder`). mix: as for `clip`."""
    voices.need_synthesisers()
    with clip_folder.making(out):
        speak(words, seed, out, processes, mix)


def speak(words: Sequence[str], seed: int, out: Path, processes: int | None, mix: Sequence[Voice]) -> None:
    """Speak the clips and write them into a locked folder."""
    parts = [(list(words[start : start + CHUNK]), seed, start, mix) for start in range(0, len(words), CHUNK)]
    with progress.counting(len(words), "speaking", "clip") as update:

        def made() -> Iterator[tuple[int, np.ndarray]]:
            for index, clips in workers.run(chunk, parts, processes):
                yield index * CHUNK, clips
                update(len(clips))

        names = sorted({voice.synthesiser for voice in mix})
        clip_folder.write(out, words, seed, made(), speakers=names)


def load(folder: Path) -> tuple[np.ndarray, list[str]]:
    """The clips of a folder that `generate` wrote, int16 [clips, 16000] (mapped), and their words.

    UserError where there are none.
    """
    return clip_folder.load(
        folder, "synthetic words", f"{REMEDY.format(folder)} (needs {' and '.join(voices.SYNTHESISERS)})"
    )


def check(folder: Path) -> None:
    """UserError where the clips of a folder differ from those that this program and these synthesisers make by its seed.

    Makes some of them again and compares. Where a synthesiser is not installed, or others spoke as well, prints that
    nothing is compared.
    """
    audio, words = load(folder)
    others = [name for name in clip_folder.speakers_of(folder) if name not in voices.SYNTHESISERS]
    reasons = [f"{name} is not here to compare it with" for name in voices.missing()]
    reasons += [f"{name} spoke as well, and is not compared" for name in others]
    if reasons:
        print(f"{folder}: taken as it is, for {reasons[0]}")
        return
    seed = clip_folder.seed_of(folder)
    keywords, running = (sum(word in kind for word in words) for kind in (KEYWORDS, (RUNNING,)))
    rows = range(0, len(words), len(words) // COMPARED + 1)
    if (
        seed is None
        or words != plan(len(words) - keywords - running, keywords, running, seed)
        or any(differ(audio[row], clip(words[row], (seed, row))) for row in rows)
    ):
        raise UserError(
            f"{folder}: made by another version of this program, of {' or of '.join(voices.SYNTHESISERS)}; make "
            f"it again with {REMEDY.format(folder)}"
        )


def differ(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two clips int16 [16000] differ by more than ROUNDING."""
    return bool(np.abs(first.astype(int) - second).max() > ROUNDING)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m training.synthesis", __doc__)
    parser.add_argument("--out", type=Path, default=Path("build/synthetic"), help="default build/synthetic")
    parser.add_argument("--others", type=int, default=12000, help="clips of other words (default 12000)")
    parser.add_argument("--keywords", type=int, default=4000, help="clips of keywords (default 4000)")
    parser.add_argument("--running", type=int, default=8000, help="clips of running speech (default 8000)")
    parser.add_argument(
        "--voices", type=Path, metavar="DIR", help="published voices of Piper or Kokoro, which speak as well"
    )
    options.add_seed(parser)
    options.add_processes(parser)
    args = parser.parse_args(argv)
    models.use(args.voices)
    if min(args.others, args.keywords, args.running, args.processes) < 1 or args.seed < 0:
        raise UserError("--others, --keywords, --running and --processes must be at least 1, --seed at least 0")
    words = plan(args.others, args.keywords, args.running, args.seed)
    mix = [voice for some in speakers.find("en") for voice in some] if args.voices else []
    generate(words, args.seed, args.out, args.processes, mix)
    print(
        f"{args.out}: {args.keywords} clips of {len(KEYWORDS)} keywords, {args.others} of other words, "
        f"{args.running} of running speech"
    )
