"""Training speed side by side: the official way of loading with the plain network, and this project's loop.

    python -m benchmarks.training_speed --data DIR --clips 1000 --json

The official way decodes every wav in every epoch and augments clip by clip; the plain network takes its means with pooling
layers. Both are reimplemented here. All train on the same clips, with the same batches and threads, each in a process of its
own, and take turns, so that other load on the machine affects all alike.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from common import options
from common.atomic import write_text
from common.audio import read_clip
from common.description import FEATURES, LABELS, SILENCE, parse_tau
from common.errors import OptionParser, UserError, one_line_errors
from common.workers import interrupts_held
from training import train
from training.augment import NOISE_LEVEL, PROBABILITY, SHIFT, SILENCE_NOISE_LEVEL, spec_augment
from training.data.dataset import Clip, read_noises, split_clips, training_archive
from training.data.decoded import read_training_clips
from training.features import LogMel, log_mel
from training.memory import keep_freed_memory
from training.model import BCResNet, Block
from training.precision import default_precision

CPU = torch.device("cpu")
OUTPUT = Path("build/training_speed.json")
SEED = 0


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all contenders share."""

    data: Path
    ver: int
    tau: float
    clips: int
    threads: int


class Contender:
    """A way of training in a process of its own; `epoch` goes through all clips once."""

    def __init__(self, name: str, make: Callable, *arguments):
        """`make(*arguments)`, in the new process, prepares the way and returns its epoch."""
        self.name = name
        self.seconds: list[float] = []
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(theirs, make, arguments), daemon=True)
        with interrupts_held():
            self.process.start()
        theirs.close()

    def epoch(self) -> float:
        """Train an epoch; its seconds."""
        self.pipe.send(True)
        try:
            return self.pipe.recv()
        except EOFError:
            raise UserError(
                f"the process of '{self.name}' was killed, most often for want of memory; use fewer --clips"
            ) from None


def serve(pipe: Connection, make: Callable, arguments: tuple) -> None:
    """A contender's process: an epoch for each message, answered by its seconds."""
    epoch = make(*arguments)
    with contextlib.suppress(EOFError):
        while pipe.recv():
            started = time.perf_counter()
            epoch()
            pipe.send(time.perf_counter() - started)


class PlainBlock(nn.Module):
    """A block that takes its mean over frequency with a pooling layer: the same function."""

    def __init__(self, block: Block):
        super().__init__()
        self.block = block
        self.pool = nn.AdaptiveAvgPool2d((1, None))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        part = self.block
        a = part.ssn(part.frequency(x if part.transition is None else part.transition(x)))
        b = part.norm(part.temporal(self.pool(a)))
        y = a + part.dropout(part.pointwise(nn.functional.silu(b)))
        return nn.functional.relu(y if part.transition is not None else y + x)


class PlainNetwork(BCResNet):
    """BC-ResNet with pooling layers: the same weights, the same function."""

    def __init__(self, tau: float, classes: int):
        super().__init__(tau, classes)
        self.blocks = nn.Sequential(*(PlainBlock(cast(Block, block)) for block in self.blocks))
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: torch.Tensor, valid: bool = False) -> torch.Tensor:
        if valid:
            raise NotImplementedError("the plain network pads every convolution")
        return self.output(self.pool(self.classifier(self.blocks(self.head(x)))).flatten(1))


class PlainLoop:
    """Decode, augment clip by clip, features and network in float32, in every epoch anew."""

    def __init__(self, network: type[BCResNet], tau: float, clips: Sequence[Clip], noises: Sequence[np.ndarray]):
        torch.manual_seed(SEED)
        self.tau, self.clips = tau, clips
        self.noises = [torch.from_numpy(noise.astype(np.float32) / 32768) for noise in noises]
        self.rng = np.random.default_rng(SEED)
        self.log_mel = LogMel()
        self.model = network(tau, len(LABELS)).train()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), train.PEAK_RATE, train.MOMENTUM, weight_decay=train.WEIGHT_DECAY
        )

    def load(self, clip: Clip) -> torch.Tensor:
        """Float samples [16000] of a clip, from its file; silence is all noise."""
        samples = read_clip(clip.path) if clip.path else np.zeros(FEATURES.clip_samples, np.int16)
        return torch.from_numpy(samples.astype(np.float32) / 32768)

    def augment(self, samples: torch.Tensor, silence: bool) -> torch.Tensor:
        """One clip, shifted and with noise, float [16000]."""
        if not silence and self.rng.random() >= PROBABILITY:
            return samples
        noise = self.noises[self.rng.integers(len(self.noises))]
        offset = self.rng.integers(len(noise) - len(samples))
        level = self.rng.uniform(0, SILENCE_NOISE_LEVEL if silence else NOISE_LEVEL)
        shift = int(self.rng.integers(-SHIFT, SHIFT + 1))
        shifted = nn.functional.pad(samples, (shift, -shift))
        return (shifted + level * noise[offset : offset + len(samples)]).clamp(-1, 1)

    def epoch(self) -> None:
        order = self.rng.permutation(len(self.clips))
        for start in range(0, len(order), train.BATCH):
            chosen = [self.clips[index] for index in order[start : start + train.BATCH]]
            samples = torch.stack([self.augment(self.load(clip), clip.label == SILENCE) for clip in chosen])
            logmel = spec_augment(self.log_mel(samples), self.tau, self.rng)
            target = torch.tensor([LABELS.index(clip.label) for clip in chosen])
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.model(logmel), target).backward()
            self.optimizer.step()


def official_way(settings: Settings, network: type[BCResNet]) -> Callable[[], None]:
    """One epoch of PlainLoop with `network`."""
    torch.set_num_threads(settings.threads)
    clips, noises = choose_clips(settings)
    return PlainLoop(network, settings.tau, clips, noises).epoch


def project_way(settings: Settings, precision: str, state: Path) -> Callable[[], None]:
    """One epoch of `training.train.Trainer`: its batches, one clip of validation, and its state written."""
    keep_freed_memory()
    torch.set_num_threads(settings.threads)
    clips, noises = choose_clips(settings)
    audio = read_training_clips(clips)
    target = np.array([LABELS.index(clip.label) for clip in clips])
    recipe = train.Recipe(settings.tau, LABELS, train.PAPER_EPOCHS, SEED, precision, "benchmark")
    return train.Trainer(recipe, train.Split(audio, target), log_mel(audio[:1]), target[:1], noises, CPU, state).train_epoch


def measure(contenders: Sequence[Contender], rounds: int) -> None:
    """Fill in the seconds of every contender: a round to warm up, then `rounds`, each beginning with another."""
    with tqdm(total=(rounds + 1) * len(contenders), unit="epoch", disable=None) as bar:
        for number in range(-1, rounds):
            for turn in range(len(contenders)):
                contender = contenders[(number + turn) % len(contenders)]
                bar.set_description(contender.name)
                seconds = contender.epoch()
                if number >= 0:
                    contender.seconds.append(seconds)
                bar.update()


def summary(values: np.ndarray) -> dict[str, float]:
    """Median, minimum and maximum."""
    return {"median": float(np.median(values)), "min": float(values.min()), "max": float(values.max())}


def report(contenders: Sequence[Contender], clips: int) -> list[dict]:
    """A row each: clips a second, and the ratio to the first contender, round by round."""
    first = np.array(contenders[0].seconds)
    return [
        {
            "name": c.name,
            "clips_per_second": summary(clips / np.array(c.seconds)),
            "ratio": summary(first / np.array(c.seconds)),
        }
        for c in contenders
    ]


def table(rows: Sequence[dict]) -> str:
    lines = [f"{'':44}{'clips/s':>8}{'spread':>14}{'ratio':>8}{'spread':>16}"]
    for row in rows:
        speed, ratio = row["clips_per_second"], row["ratio"]
        lines.append(
            f"{row['name']:44}{speed['median']:8.0f}{speed['min']:7.0f} to {speed['max']:.0f}"
            f"{ratio['median']:8.2f}{ratio['min']:8.2f} to {ratio['max']:.2f}"
        )
    return "\n".join(lines)


def choose_clips(settings: Settings) -> tuple[list[Clip], list[np.ndarray]]:
    """Training clips of every class in their usual share, whole batches, silence last; and the noises."""
    archive = training_archive(settings.data, settings.ver)
    available = split_clips(archive, "training", settings.ver)
    count = min(settings.clips, len(available)) // train.BATCH * train.BATCH
    if not count:
        raise UserError(
            f"{archive}: holds {len(available)} training clips, fewer than a batch of {train.BATCH}; name a larger data set"
        )
    order = np.random.default_rng(SEED).permutation(len(available))[:count]
    clips = sorted((available[index] for index in order), key=lambda clip: clip.path is None)
    return clips, read_noises(archive)


def line_up(settings: Settings, folder: Path) -> list[Contender]:
    """From the official way to this project's default, a step at a time. `folder` takes the states."""
    contenders = [
        Contender("official loading, plain network, float32", official_way, settings, PlainNetwork),
        Contender("official loading, our network, float32", official_way, settings, BCResNet),
    ]
    default = default_precision(CPU)
    for precision in dict.fromkeys(("float32", default)):
        mark = " (the default here)" if precision == default else ""
        contenders.append(
            Contender(f"this project, {precision}{mark}", project_way, settings, precision, folder / f"{precision}.pt")
        )
    return contenders


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.training_speed", __doc__)
    options.add_archives(parser)
    options.add_tau(parser)
    parser.add_argument("--clips", type=int, default=1000, help="training clips an epoch, whole batches (default 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each that count (default 5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all cores)")
    parser.add_argument("--json", action="store_true", help=f"write {OUTPUT} too")
    args = parser.parse_args(argv)
    tau = parse_tau(args.tau)
    if args.clips < train.BATCH or args.rounds < 1 or args.threads < 1:
        raise UserError(f"at least --clips {train.BATCH}, --rounds 1 and --threads 1 are needed")
    settings = Settings(args.data, args.ver, tau, args.clips, args.threads)
    clips, _ = choose_clips(settings)
    started = time.perf_counter()
    read_training_clips(clips)
    decoding = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        contenders = line_up(settings, Path(folder))
        try:
            measure(contenders, args.rounds)
        finally:
            for contender in contenders:
                contender.process.kill()
                contender.process.join()
    count = len(clips)
    rows = report(contenders, count)
    print(
        f"BC-ResNet-{tau:g}, {count} clips an epoch, batch {train.BATCH}, {args.threads} threads, "
        f"median of {args.rounds} rounds\n{table(rows)}\n"
        f"decoding these clips took {decoding:.1f} s, which this project pays once, not every epoch"
    )
    if args.json:
        write_text(
            OUTPUT,
            json.dumps(
                {
                    "tau": tau,
                    "clips": count,
                    "batch": train.BATCH,
                    "threads": args.threads,
                    "rounds": args.rounds,
                    "torch": torch.__version__,
                    "decoding_seconds_once": decoding,
                    "rows": rows,
                },
                indent=2,
            )
            + "\n",
        )
        print(OUTPUT)


if __name__ == "__main__":
    sys.exit(main())
