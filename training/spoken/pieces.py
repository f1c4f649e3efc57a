"""Other words cut out of recordings of speech, for training: real voices, which no synthesiser has.

    python -m training.speech ~/czech_audiobooks --out build/speech
    python -m training.speech /usr/share/games/fillets-ng/sound /usr/share/ktuberling/sounds --clips 20000

Any recordings in which the keywords are not said; those of another language serve best. Each is cut where it is
quietest into pieces as long as a word, and each piece is recorded anew as a synthetic word is: length of the
vocal tract, echo, microphone, level, hiss. The same folders and options give the same clips, however many
processes make them.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from common import options
from common import workers
from training.data import clip_folder
from common.description import FEATURES
from common.errors import OptionParser, UserError, one_line_errors
from training.data.recordings import Excerpt, excerpts, read
from training.spoken.acoustics import RATE, recorded

EXCERPT = 20  # seconds that are read at a time
FRAME = FEATURES.hop  # 10 ms
SHORTEST, LONGEST = 0.25, 0.85  # seconds of a piece
LEAST_RANGE = 0.2  # seconds behind the shortest in which a piece may end, at least
SMOOTHED = 5  # frames of the envelope
QUIET = 0.08
"""Of the envelope's 99th percentile: no piece begins with what is quieter."""
FAINTEST = 0.01
"""Of full scale: a piece that nowhere reaches it is left out."""
FADE = RATE // 100
CHUNK = 50  # excerpts a process cuts at a time
ECHOES = 0.5  # share of the clips: a recording has a room of its own
SECONDS_A_CLIP = 0.8
"""Of recordings, for each clip that is wanted: pauses are no part of a piece."""


def enough(found: Sequence[Excerpt], clips: int, seed: int) -> list[Excerpt]:
    """Excerpts drawn from `found`, as many as it takes to cut so many clips, or all, in the order of `found`."""
    order = np.random.default_rng(seed).permutation(len(found))
    seconds = np.cumsum([found[index].seconds for index in order])
    taken = np.searchsorted(seconds, SECONDS_A_CLIP * clips) + 1
    return [found[index] for index in sorted(order[:taken])]


def pieces(samples: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Speech at 16 kHz, float64 [samples], cut where it is quietest: views of SHORTEST to LONGEST seconds.

    The last of them may be shorter, but not than SHORTEST less LEAST_RANGE.
    """
    frames = len(samples) // FRAME
    shortest, longest, least = (round(seconds * RATE / FRAME) for seconds in (SHORTEST, LONGEST, LEAST_RANGE))
    if frames < shortest:
        return
    rms = np.sqrt((samples[:frames * FRAME].reshape(frames, FRAME) ** 2).mean(1))
    envelope = np.convolve(rms, np.full(SMOOTHED, 1 / SMOOTHED), "same")
    loud = envelope > max(QUIET * np.percentile(envelope, 99), 1e-6)
    start = 0
    while loud[start:].any():
        start += int(loud[start:].argmax())
        latest = start + int(rng.integers(shortest + least, longest + 1))
        end = start + shortest + int(envelope[start + shortest:latest + 1].argmin()) if latest < frames else frames
        piece = samples[start * FRAME:end * FRAME]
        if end - start >= shortest - least and np.abs(piece).max() >= FAINTEST:
            yield piece
        start = end


def faded(piece: np.ndarray) -> np.ndarray:
    """The piece, rising and falling within 10 ms: a cut through a vowel is no click."""
    length = min(FADE, len(piece) // 4)
    ramp = np.linspace(0, 1, length)
    piece = piece.copy()
    piece[:length] *= ramp
    piece[len(piece) - length:] *= ramp[::-1]
    return piece


def named(excerpt: Excerpt, clips: int) -> list[str]:
    """What each clip of an excerpt is of: its recording, and the second at which the excerpt begins."""
    return [f"{excerpt.path.name} {excerpt.start // excerpt.rate}"] * clips


def clips_of(excerpt: Excerpt, seed: Sequence[int]) -> np.ndarray:
    """The pieces of an excerpt, each recorded anew, int16 [pieces, 16000]."""
    rng = np.random.default_rng(seed)
    made = [recorded(faded(piece), RATE, ECHOES, rng) for piece in pieces(read(excerpt), rng)]
    return np.array(made, np.int16).reshape(-1, FEATURES.clip_samples)


def chunk(part: Sequence[Excerpt], seed: int, first: int) -> list[np.ndarray]:
    """The clips of each of some excerpts, of which the first is number `first` of all."""
    return [clips_of(excerpt, (seed, first + index)) for index, excerpt in enumerate(part)]


def generate(folders: Sequence[Path], clips: int, seed: int, out: Path, processes: int | None = None) -> int:
    """Cut the recordings of `folders` into at most so many clips, written into `out` (see `training.data.clip_folder`).

    Returns their number. UserError where there is nothing to cut.
    """
    taken = enough(excerpts(folders, EXCERPT), clips, seed)
    parts = [(taken[start:start + CHUNK], seed, start) for start in range(0, len(taken), CHUNK)]
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
