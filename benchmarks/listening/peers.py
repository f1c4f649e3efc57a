"""Wake words of others on the same recordings: their false accepts an hour, and the words that they miss.

    python -m benchmarks.peers ~/radio
    python -m benchmarks.peers ~/radio --keywords ~/words --record "Radio"
    python -m benchmarks.peers ~/radio --peer pymicro-wakeword

Each peer is a package with models, of the versions in requirements/peers.txt, in an environment of its own; `make peers`
makes that. Its program (`peer_*.py` in benchmarks/listening/) hears the stream that benchmarks.false_accepts counts on:
recordings in which none of the words is said, with the noise of a quiet room between them (benchmarks/listening/
continuous.py). Its models decide at the package's own settings, which are printed. None of the packages has a refractory
time: one word makes a row of activations. Those less than a second behind the one before are one report here.

--keywords names folders of recordings in which one word is said each, in folders called like the word (`hey_jarvis`). They
are a stream as well; a recording is missed where a model of just that phrase has no activation in it or in the pause behind
it. Recordings of a phrase that no model has are left out, and named.

--record keeps the counts in benchmarks/listening/recorded_peers.json, which the documentation shows; without it nothing is
written.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from benchmarks.listening import continuous, recorded_peers
from common import progress, workers
from common.description import FEATURES
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import poisson, wilson
from common.reading import json_object
from common.shipped import ROOT
from training.data import recordings

PEERS = {
    "pymicro-wakeword": "benchmarks.listening.peer_microwakeword",
    "pyopen-wakeword": "benchmarks.listening.peer_openwakeword",
}
"""The programs of the peers by package."""
PYTHON = Path(".venv-peers/bin/python")
REMEDY = "`make peers` installs what requirements/peers.txt names"
APART = FEATURES.sample_rate
"""Samples from one activation to the next from which on it is another report."""
PIPE_BYTES = 1 << 20
"""Of sound that may wait for a peer: the faster of two is then not held up by the other."""
SETTINGS = (
    "each model at its package's own settings, none of which has a refractory time: activations less than "
    f"{APART / FEATURES.sample_rate:g} s behind\nthe one before are one report"
)


class Placed(NamedTuple):
    """A recording in the stream: its first sample there, and how many it has, at 16 kHz."""

    path: Path
    start: int
    samples: int


class Heard(NamedTuple):
    """A model of a peer, and after how many samples of the stream each of its activations came, rising."""

    package: str
    version: str
    name: str
    phrase: str
    settings: str
    activations: list[int]


class Program:
    """A peer's program that runs in its environment, and the files that its output goes to."""

    def __init__(self, package: str, python: Path, process: subprocess.Popen[bytes], out: IO[bytes], err: IO[bytes]):
        assert process.stdin
        self.package, self.python, self.process, self.sound = package, python, process, process.stdin
        self.out, self.err, self.fed = out, err, 0

    def feed(self, samples: np.ndarray) -> None:
        """Go on with the stream, int16 [samples]. UserError where the program has ended."""
        self.fed += len(samples)
        rest = memoryview(samples.astype("<i2").tobytes())
        try:
            while rest:
                rest = rest[self.sound.write(rest) :]
        except BrokenPipeError:
            raise self.failure() from None

    def heard(self) -> list[Heard]:
        """End the stream: its models with their activations. UserError where the program failed."""
        self.sound.close()
        status = self.process.wait()
        self.out.seek(0)
        try:
            told, *lines = map(json_object, self.out.read().splitlines())
            complete = not status and lines[-1] == {"heard": self.fed}
        except (ValueError, IndexError):
            complete = False
        if not complete:
            raise self.failure()
        made = [Heard(self.package, told["version"], **model, activations=[]) for model in told["models"]]
        by_name = {model.name: model for model in made}
        for line in lines[:-1]:
            by_name[line["model"]].activations.append(line["sample"])
        return made

    def failure(self) -> UserError:
        """The error that says how the program ended."""
        status = self.process.wait()
        self.err.seek(0)
        last = self.err.read().decode(errors="backslashreplace").strip().rpartition("\n")[2]
        return UserError(f"{self.package}: failed in {self.python} (status {status}{f', {last}' if last else ''}); {REMEDY}")


@contextlib.contextmanager
def running(package: str, python: Path) -> Iterator[Program]:
    """Start a peer's program; where it still runs at the end of the block, it is killed."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with workers.interrupts_held():
            process = subprocess.Popen(
                [python, "-m", PEERS[package]],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=os.environ | {"PYTHONPATH": paths},
                bufsize=0,
                pipesize=PIPE_BYTES,
            )
        try:
            yield Program(package, python, process, out, err)
        finally:
            process.kill()
            process.communicate()


def listen(python: Path, packages: Sequence[str], paths: Sequence[Path]) -> tuple[list[Placed], list[Heard]]:
    """The recordings as one stream to the peers of these packages, in the environment of the interpreter `python`.

    -> the recordings that have samples, and the models. UserError where one cannot be read, or a peer does not run.
    """
    if not python.is_file():
        raise UserError(f"{python}: no such interpreter; {REMEDY}")
    placed: list[Placed] = []
    with contextlib.ExitStack() as stack:
        programs = [stack.enter_context(running(package, python)) for package in packages]

        def feed(block: np.ndarray) -> int:
            for program in programs:
                program.feed(block)
            return len(block)

        position = feed(continuous.pause(0))
        for path in progress.over(paths, "listening", "recording"):
            lengths = [feed(block) for block in continuous.sound(path)]
            if any(lengths):
                placed.append(Placed(path, position, sum(lengths[:-1])))
            position += sum(lengths)
        return placed, [model for program in programs for model in program.heard()]


def reports(activations: Sequence[int]) -> list[int]:
    """Of activations, rising, the first of each row of them."""
    return [at for before, at in zip([-APART, *activations], activations) if at - before >= APART]


def recording_at(placed: Sequence[Placed], heard: int) -> int:
    """Index of the latest recording of which a sample is among the first `heard` of the stream; 0 before the first."""
    return max(0, bisect.bisect_left([recording.start for recording in placed], heard) - 1)


def phrase(text: str) -> str:
    """Words in small letters with single blanks: those of `Hey_Jarvis` are `hey jarvis`."""
    return re.sub(r"[\W_]+", " ", text).strip().lower()


def misses(placed: Sequence[Placed], models: Sequence[Heard]) -> list[tuple[Heard, int, int]]:
    """For each model whose phrase is said in recordings, how many of them it missed, and how many there are."""
    found = []
    for model in models:
        said = {index for index, recording in enumerate(placed) if said_in(recording.path) == phrase(model.phrase)}
        if said:
            found.append((model, len(said - {recording_at(placed, at) for at in model.activations}), len(said)))
    return found


def said_in(path: Path) -> str:
    """What is said in a recording, by the name of its folder."""
    return phrase(path.parent.name)


def phrases(models: Sequence[Heard]) -> set[str]:
    """Those that the models wait for."""
    return {phrase(model.phrase) for model in models}


def left_out(words: Sequence[Path], models: Sequence[Heard]) -> dict[str, int]:
    """The phrases that are said in recordings and that none of the models has, with the number of recordings."""
    counts = Counter(said_in(path) for path in words)
    return {said: count for said, count in sorted(counts.items()) if said not in phrases(models)}


def names(models: Sequence[Heard]) -> list[str]:
    """`pymicro-wakeword 2.5.0: alexa` and so on, filled with blanks to one length."""
    texts = [f"{model.package} {model.version}: {model.name}" for model in models]
    return [text.ljust(max(map(len, texts), default=0)) for text in texts]


def rates_table(models: Sequence[Heard], hours: float) -> str:
    """For each model its activations, reports and their rate an hour with its interval, and its settings."""
    cells = names(models)
    lines = [f"{'model':<{len(cells[0])}}{'activations':>13}{'reports':>9}{'an hour':>9}  {'95 % interval':<15}settings"]
    for name, model in zip(cells, models):
        count = len(reports(model.activations))
        low, high = (bound / hours for bound in poisson(count))
        rate = f"{count / hours:>9.1f}  {f'[{low:.1f}, {high:.1f}]':<15}"
        lines.append(f"{name}{len(model.activations):>13}{count:>9}{rate}{model.settings}")
    return "\n".join(lines)


def words_table(words: Sequence[Path], placed: Sequence[Placed], models: Sequence[Heard]) -> str:
    """For each model whose phrase is said the share of recordings that it missed, with its interval; and what was left
    out."""
    found = misses(placed, models)
    lines = []
    for name, (_, missed, count) in zip(names([model for model, _, _ in found]), found):
        low, high = (100 * bound for bound in wilson(missed, count))
        lines.append(f"{name}  missed {missed} of {count}: {100 * missed / count:.1f} % [{low:.1f}, {high:.1f}]")
    lines += [
        f"{said}: {count} recordings left out, no model has this phrase" for said, count in left_out(words, models).items()
    ]
    return "\n".join(lines)


def counted(placed: Sequence[Placed], models: Sequence[Heard]) -> list[dict]:
    """What is recorded of recordings without a word: for each package a recorded_peers.ROW."""
    return [
        package
        | {
            "hours": continuous.hours(placed),
            "recordings": len(placed),
            "models": [
                described(model) | {"activations": len(model.activations), "reports": len(reports(model.activations))}
                for model in of_package
            ],
        }
        for package, of_package in by_package(models)
    ]


def counted_words(words: Sequence[Path], placed: Sequence[Placed], models: Sequence[Heard]) -> list[dict]:
    """What is recorded of recordings of words: for each package a recorded_peers.WORDS."""
    return [
        package
        | {
            "left_out": left_out(words, of_package),
            "models": [
                described(model) | {"recordings": count, "missed": missed}
                for model, missed, count in misses(placed, of_package)
            ],
        }
        for package, of_package in by_package(models)
    ]


def by_package(models: Sequence[Heard]) -> list[tuple[dict[str, str], list[Heard]]]:
    """Each package with its version, as it is recorded, and its models."""
    groups = itertools.groupby(models, lambda model: {"package": model.package, "version": model.version})
    return [(package, list(of_package)) for package, of_package in groups]


def described(model: Heard) -> dict[str, str]:
    """A model as it is recorded."""
    return {"model": model.name, "phrase": phrase(model.phrase), "settings": model.settings}


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.peers", __doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="recordings, at any depth")
    parser.add_argument("--peer", choices=PEERS, help="one of them alone (default: all)")
    parser.add_argument("--keywords", type=Path, help="folders of recordings of a word each, called like the word")
    parser.add_argument("--record", metavar="NAME", help="keep the counts under that name")
    parser.add_argument("--python", type=Path, default=PYTHON, help=f"of the peers' environment (default {PYTHON})")
    args = parser.parse_args(argv)
    python = Path(os.path.abspath(args.python))  # not resolved: the link is what tells Python its environment
    packages = [args.peer] if args.peer else list(PEERS)
    found = recordings.find_and_tell(args.folders)
    words = recordings.find_and_tell([args.keywords], ()).paths if args.keywords else []
    placed, models = listen(python, packages, found.paths)
    if not placed:
        raise UserError(f"{args.folders[0]}: {recordings.nothing_in(found)}")
    hours = continuous.hours(placed)
    print(f"{hours:.2f} hours, {len(placed)} recordings of {', '.join(map(str, args.folders))}")
    print(f"{continuous.PROTOCOL}\n{SETTINGS}\n{rates_table(models, hours)}")
    said, heard = (
        listen(python, packages, [path for path in words if said_in(path) in phrases(models)]) if words else ([], [])
    )
    if words:
        print(f"{len(words)} recordings of {args.keywords}\n{words_table(words, said, heard)}")
    if args.record:
        rows, keywords = counted(placed, models), counted_words(words, said, heard)
        recorded_peers.record(args.record, continuous.PROTOCOL, rows, keywords)
        print(recorded_peers.PATH)
