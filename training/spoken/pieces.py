"""Training clips of other words, cut out of recordings of speech: human voices in place of a synthesiser's.

    python -m training.speech ~/czech_audiobooks --out build/speech
    python -m training.speech /usr/share/games/fillets-ng/sound /usr/share/ktuberling/sounds --clips 20000

Takes any recordings in which the keywords are not spoken; those of another language serve best. Each is cut where it is
quietest into pieces as long as a word, and each piece gets the acoustic augmentation of synthetic words: length of the
vocal tract, echo, microphone, level, noise. The same folders and options give the same clips, whatever the number of
processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from common import options, workers
from common.description import FEATURES
from common.errors import OptionParser, UserError, one_line_errors
from training.data import clip_folder
from training.data.recordings import Excerpt, excerpts, read
from training.spoken.acoustics import RATE, recorded

EXCERPT = 20  # seconds read at a time
FRAME = FEATURES.hop  # 10 ms
SHORTEST, LONGEST = 0.25, 0.85  # seconds of a piece
LEAST_RANGE = 0.2  # seconds: smallest range of a piece's length, from the shortest on, in which its end is searched
SMOOTHED = 5  # frames of the moving average that is the envelope
QUIET = 0.08
"""Fraction of the envelope's 99th percentile below which no piece begins."""
FAINTEST = 0.01
"""Fraction of full scale: pieces with a lower peak are left out."""
FADE = RATE // 100
CHUNK = 50  # excerpts per task of a process
ECHOES = 0.5  # fraction of the clips with an added echo: recordings have their room's already
SECONDS_A_CLIP = 0.8
"""Seconds of recordings read for each requested clip: pauses are not part of a piece."""


def enough(found: Sequence[Excerpt], clips: int, seed: int) -> list[Excerpt]:
    """A random choice of the excerpts, enough for so many clips, or all of them, in the order of `found`."""
    order = np.random.default_rng(seed).permutation(len(found))
    seconds = np.cumsum([found[index].seconds for index in order])
    taken = np.searchsorted(seconds, SECONDS_A_CLIP * clips) + 1
    return [found[index] for index in sorted(order[:taken])]


def pieces(samples: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut speech at 16 kHz, float64 [samples], where it is quietest: views of SHORTEST to LONGEST seconds.

    The last one may be shorter, down to SHORTEST - LEAST_RANGE.
    """
    frames = len(samples) // FRAME
    shortest, longest, least = (round(seconds * RATE / FRAME) for seconds in (SHORTEST, LONGEST, LEAST_RANGE))
    if frames < shortest:
        return
    rms = np.sqrt((samples[: frames * FRAME].reshape(frames, FRAME) ** 2).mean(1))
    envelope = np.convolve(rms, np.full(SMOOTHED, 1 / SMOOTHED), "same")
    loud = envelope > max(QUIET * np.percentile(envelope, 99), 1e-6)
    start = 0
    while loud[start:].any():
        start += int(loud[start:].argmax())
        latest = start + int(rng.integers(shortest + least, longest + 1))
        end = start + shortest + int(envelope[start + shortest : latest + 1].argmin()) if latest < frames else frames
        piece = samples[start * FRAME : end * FRAME]
        if end - start >= shortest - least and np.abs(piece).max() >= FAINTEST:
            yield piece
        start = end


def faded(piece: np.ndarray) -> np.ndarray:
    """The piece with a fade-in and a fade-out of 10 ms, so that a cut through a vowel makes no click."""
    length = min(FADE, len(piece) // 4)
    ramp = np.linspace(0, 1, length)
    piece = piece.copy()
    piece[:length] *= ramp
    piece[len(piece) - length :] *= ramp[::-1]
    return piece


def named(excerpt: Excerpt, clips: int) -> list[str]:
    """The name of each clip of an excerpt: its recording, and the second at which the excerpt begins."""
    return [f"{excerpt.path.name} {excerpt.start // excerpt.rate}"] * clips


def clips_of(excerpt: Excerpt, seed: Sequence[int]) -> np.ndarray:
    """The augmented pieces of an excerpt, int16 [pieces, 16000]."""
    rng = np.random.default_rng(seed)
    made = [recorded(faded(piece), RATE, ECHOES, rng) for piece in pieces(read(excerpt), rng)]
    return np.array(made, np.int16).reshape(-1, FEATURES.clip_samples)


def chunk(part: Sequence[Excerpt], seed: int, first: int) -> list[np.ndarray]:
    """The clips of each excerpt of `part`, whose first is number `first` of all excerpts."""
    return [clips_of(excerpt, (seed, first + index)) for index, excerpt in enumerate(part)]


def generate(folders: Sequence[Path], clips: int, seed: int, out: Path, processes: int | None = None) -> int:
    """Cut the recordings of `folders` into at most `clips` clips, written into `out` (see `training.data.clip_folder`).

    Returns their number. UserError where there is no speech in them.
    """
    taken = enough(excerpts(folders, EXCERPT), clips, seed)
    parts = [(taken[start : start + CHUNK], seed, start) for start in range(0, len(taken), CHUNK)]
    cut = [clip for part in workers.in_order(chunk, parts, "cutting", "excerpt", processes) for clip in part]
    words = [name for excerpt, rows in zip(taken, cut) for name in named(excerpt, len(rows))][:clips]
    if not words:
        raise UserError(f"{folders[0]}: no speech in these recordings; name a folder of speech")
    clip_folder.write(out, words, seed, [(0, np.concatenate(cut)[:clips])])
    return len(words)


def load(folder: Path) -> np.ndarray:
    """The clips of a folder that `generate` wrote, int16 [clips, 16000] (mapped); UserError where there are none."""
    return clip_folder.load(folder, "pieces of speech", f"`python -m training.speech RECORDINGS --out {folder}`")[0]


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m training.speech", __doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="recordings, at any depth")
    parser.add_argument("--out", type=Path, default=Path("build/speech"), help="default build/speech")
    parser.add_argument("--clips", type=int, default=20000, help="at most (default 20000)")
    options.add_seed(parser)
    options.add_processes(parser)
    args = parser.parse_args(argv)
    if min(args.clips, args.processes) < 1 or args.seed < 0:
        raise UserError("--clips and --processes must be at least 1, --seed at least 0")
    with clip_folder.making(args.out):
        clips = generate(args.folders, args.clips, args.seed, args.out, args.processes)
    print(f"{args.out}: {clips} clips, each a piece of speech as long as a word")
