"""The training loop: the paper's recipe, seeded, resumable at every epoch."""
from __future__ import annotations

import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from common.atomic import write_bytes
from training.augment import NoiseAugment, spec_augment
from common.description import SILENCE, UNKNOWN
from training.distill import Teacher, distilled
from common.errors import UserError
from training.features import LogMel
from common.schema import check
from training.model import BCResNet, DROPOUT, load_weights
from training.splices import Splicer
from training.stream import heard, stream_augment

PEAK_RATE = 0.1
WARMUP_EPOCHS = 5
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-3
BATCH = 100
PAPER_EPOCHS = 200
SPLICE = -1


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What determines the result of a run, bit for bit, on one kind of device."""

    tau: float
    labels: tuple[str, ...]
    epochs: int
    seed: int
    precision: str  # "float32", or "bfloat16" for the activations
    data: str  # hash of the clips and noises, and of how often each is drawn
    rate: float = PEAK_RATE
    smoothing: float = 0.0  # of the labels
    average: float = 0.0  # share of the mean that a step leaves: the weights kept are a running mean; 0: the last
    parts: tuple[str, ...] = ()  # of the open recipe
    splices: int = 0  # other words made of keywords, an epoch
    start: str = ""  # hash of the weights that it begins with; empty: random
    stream: float = 0.0  # share of the batches that are heard as a stream hears them
    dropout: float = DROPOUT  # of channels
    teacher: str = ""  # hash of the weights that are distilled; empty: none
    steps: float = 0.0  # share of the silences in which the noise begins or ends


class Batch(NamedTuple):
    """Log-mel (N,1,40,101), or (N,1,40,146) as a stream hears it; class indices (N); whether a teacher is asked (N)."""

    logmel: torch.Tensor
    target: torch.Tensor
    asked: torch.Tensor
    stream: bool


@dataclasses.dataclass
class Split:
    """Decoded clips: audio int16 [clips, 16000], class index int64 [clips].

    draws: how often a clip is drawn in an epoch, on average, float [clips]; None: each once.
    asked: whether a teacher is asked about a clip, bool [clips]; None: about each.
    """

    audio: np.ndarray
    target: np.ndarray
    draws: np.ndarray | None = None
    asked: np.ndarray | None = None


def learning_rate(step: int, steps_an_epoch: int, epochs: int, peak: float = PEAK_RATE, trained: bool = False
                  ) -> float:
    """Linear warm-up over 5 epochs to `peak`, then a cosine to 0. `step` counts batches from 0.

    A short run warms up for half of its epochs, or a tenth where it begins with `trained` weights.
    """
    warmup = min(WARMUP_EPOCHS, epochs / (10 if trained else 2)) * steps_an_epoch
    if step < warmup:
        return min(peak, peak * (step + 1) / warmup)  # the last step of a warm-up of no whole number would pass it
    return peak / 2 * (1 + math.cos(math.pi * (step - warmup) / (epochs * steps_an_epoch - warmup)))


def default_precision(device: torch.device) -> str:
    """bfloat16 where the hardware multiplies it natively, else float32."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() and has_avx512_bf16() else "float32"


def has_avx512_bf16() -> bool:
    """Whether this x86-64 processor has bfloat16 dot products."""
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


class RunningMean:
    """The mean of a model's weights and statistics over the latest steps, by which it is judged and kept.

    share: of the mean that a step leaves; early in a run less, so that the first steps are soon forgotten.
    """

    def __init__(self, model: nn.Module, share: float):
        self.share = share
        self.weights = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's weights, after a step, into the mean."""
        mean, now = self.weights, model.state_dict()
        steps = int(next(value for name, value in now.items() if name.endswith("num_batches_tracked")))
        share = min(self.share, steps / (steps + 9))
        floating = [name for name in now if now[name].is_floating_point()]
        torch._foreach_lerp_([mean[name] for name in floating], [now[name] for name in floating], 1 - share)
        for name in now.keys() - set(floating):
            mean[name].copy_(now[name])


class Trainer:
    """A run over decoded clips.

    noises: background recordings, each int16 [samples].
    state: the file that holds the run after each epoch.
    """

    def __init__(self, recipe: Recipe, training: Split, validation: np.ndarray, validation_target: np.ndarray,
                 noises: Sequence[np.ndarray], device: torch.device, state: Path, teacher: Teacher | None = None):
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.state = recipe, device, state
        self.on_device = device.type == "cuda"
        audio = torch.from_numpy(training.audio)
        self.audio = audio.to(device) if self.on_device else audio
        self.target = torch.from_numpy(training.target)
        self.draws = training.draws
        self.unknown = recipe.labels.index(UNKNOWN) if recipe.splices else None
        self.splicer = Splicer(training.audio, training.target) if recipe.splices else None
        self.silence = training.target == recipe.labels.index(SILENCE)
        self.asked = ~self.silence if training.asked is None else training.asked & ~self.silence
        self.validation = torch.from_numpy(validation)
        self.validation_target = validation_target
        self.augment = NoiseAugment(noises, device, steps=recipe.steps)
        self.stream_augment = stream_augment(noises, device, recipe.steps) if recipe.stream else None
        self.teacher = teacher
        self.log_mel = LogMel().to(device)
        self.model = BCResNet(recipe.tau, len(recipe.labels), recipe.dropout).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), recipe.rate, MOMENTUM, weight_decay=WEIGHT_DECAY)
        self.average = RunningMean(self.model, recipe.average) if recipe.average else None
        self.history: list[dict] = []
        self.best: dict[str, torch.Tensor] = {}
        self.seconds = 0.0

    @property
    def epoch(self) -> int:
        """Epochs that are complete."""
        return len(self.history)

    def save(self) -> None:
        """Write the whole run, so that `resume` continues it as if it had not stopped."""
        file = io.BytesIO()  # not the disk itself: torch.save hides the reason where that is full
        torch.save({
            "recipe": dataclasses.asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.weights if self.average else {},
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "seconds": self.seconds,
        }, file)
        write_bytes(self.state, file.getvalue())

    def resume(self) -> None:
        """Continue from the state file; UserError where it belongs to another run, or is damaged."""
        try:
            saved = torch.load(self.state, map_location=self.device, weights_only=True)
            recipe = {**saved["recipe"], **{key: tuple(saved["recipe"][key]) for key in ("labels", "parts")}}
        except Exception as error:  # torch.load raises many kinds, depending on what is damaged
            raise self.damaged(error) from None
        ours = dataclasses.asdict(self.recipe)
        differing = [key for key in ours if ours[key] != recipe.get(key)]
        if differing:
            key = differing[0]
            raise UserError(f"{self.state}: holds a run with {key} {recipe.get(key)}, not {ours[key]}; "
                            "repeat its options, or choose another --out")
        try:
            self.take(saved)
        except Exception as error:  # so does what takes the parts
            raise self.damaged(error) from None

    def damaged(self, error: Exception) -> UserError:
        return UserError(f"{self.state}: damaged ({type(error).__name__}); remove it to start the run anew")

    def take(self, saved: dict) -> None:
        """Become the run that `save` wrote. An exception of some kind where a part of it is missing or of another form."""
        check(saved["history"], [{"loss": float, "correct": int}])
        if len(saved["history"]) > self.recipe.epochs:
            raise ValueError("more epochs than there are")
        self.model.load_state_dict(saved["model"])
        shapes = {name: value.shape for name, value in self.model.state_dict().items()}
        for weights in [saved["best"]] * bool(saved["history"]) + [saved["average"]] * bool(self.average):
            if {name: value.shape for name, value in weights.items()} != shapes:
                raise ValueError("weights of another network")
        self.optimizer.load_state_dict(saved["optimizer"])
        if any(state["momentum_buffer"].shape != weight.shape for weight, state in self.optimizer.state.items()):
            raise ValueError("momentum of another network")
        if self.average:
            self.average.weights = saved["average"]
        self.best, self.history, self.seconds = saved["best"], saved["history"], float(saved["seconds"])

    def begin_with(self, tensors: dict[str, np.ndarray]) -> None:
        """Take the weights and statistics of a checkpoint in place of random ones; UserError where they do not fit."""
        load_weights(self.model, tensors, "--start")
        if self.average:
            self.average = RunningMean(self.model, self.recipe.average)

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the model's weights and statistics."""
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def autocast(self):
        """Activations in the recipe's precision; weights, norms' statistics and loss stay float32."""
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    @property
    def drawn(self) -> int:
        """Clips of an epoch, splices included; whole batches of them are used."""
        return (len(self.target) if self.draws is None else int(self.draws.sum() - 1e-6)) + self.recipe.splices

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """The clips of an epoch in their order, int64; SPLICE stands for a splice."""
        order = rng.permutation(len(self.target))
        if self.draws is None and not self.recipe.splices:
            return order
        if self.draws is not None:  # systematic sampling: the number of draws of a clip is its mean, rounded up or down
            passed = np.floor(np.cumsum(self.draws[order]) + rng.random()).astype(int)
            order = np.repeat(order, np.diff(passed, prepend=0))[:self.drawn - self.recipe.splices]
        return rng.permutation(np.concatenate([order, np.full(self.recipe.splices, SPLICE)]))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch; all randomness from (seed, epoch)."""
        rng = np.random.default_rng([self.recipe.seed, epoch])
        order = self.order(rng)
        for start in range(0, len(order) - len(order) % BATCH or len(order), BATCH):
            index = order[start:start + BATCH]
            spliced = np.flatnonzero(index == SPLICE)
            picked = torch.from_numpy(index)
            clips, target = self.audio[picked.to(self.audio.device)], self.target[picked]
            silence, asked = self.silence[index], self.asked[index]
            if len(spliced):
                made = np.stack([self.splicer(rng) for _ in spliced])
                clips[spliced] = torch.from_numpy(made).to(clips.device)
                target[spliced], silence[spliced], asked[spliced] = self.unknown, False, True
            streamed = bool(self.recipe.stream) and rng.random() < self.recipe.stream
            with torch.no_grad():
                samples = (self.stream_augment if streamed else self.augment)(clips, silence, rng)
                logmel = self.log_mel(samples)
                logmel = spec_augment(heard(logmel) if streamed else logmel, self.recipe.tau, rng)
            yield Batch(logmel, target.to(self.device, non_blocking=True), torch.from_numpy(asked).to(self.device),
                        streamed)

    def loss(self, batch: Batch) -> torch.Tensor:
        """What a step makes smaller."""
        with self.autocast():
            logits = self.model(batch.logmel, inside=batch.stream).float()
            taught = self.teacher(batch.logmel) if self.teacher else None
        losses = nn.functional.cross_entropy(logits, batch.target, label_smoothing=self.recipe.smoothing,
                                             reduction="none")
        return losses.mean() if taught is None else distilled(losses, logits, taught, batch.asked)

    def train_epoch(self, progress: Callable = lambda batches, steps: batches) -> None:
        """One epoch, its validation, and the state on disk. `progress` wraps the batches, given their number."""
        started = time.monotonic()
        torch.manual_seed((self.recipe.seed << 16) + self.epoch + 1)
        self.model.train()
        steps = max(1, self.drawn // BATCH)
        self.losses, self.steps = torch.zeros((), device=self.device), 0
        for step, batch in enumerate(progress(self.batches(self.epoch), steps)):
            rate = learning_rate(self.epoch * steps + step, steps, self.recipe.epochs, self.recipe.rate,
                                 bool(self.recipe.start))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            loss.backward()
            self.optimizer.step()
            if self.average:
                self.average.update(self.model)
            self.losses += loss.detach()
            self.steps += 1
        latest = self.weights()
        if self.average:
            self.model.load_state_dict(self.average.weights)
        correct = int((self.logits(self.validation).argmax(1) == self.validation_target).sum())
        self.seconds += time.monotonic() - started
        if correct >= max((row["correct"] for row in self.history), default=0):
            self.best = self.weights()
        self.model.load_state_dict(latest)
        self.history.append({"loss": self.running_loss(), "correct": correct})
        self.save()

    def running_loss(self) -> float:
        """The mean loss of the epoch's batches so far."""
        return float(self.losses) / max(1, self.steps)

    @torch.no_grad()
    def logits(self, logmel: torch.Tensor | np.ndarray) -> np.ndarray:
        """Float log-mel [clips, 40, 101] -> logits, float32 [clips, classes], in full precision."""
        self.model.eval()
        rows = [self.model(batch[:, None].to(self.device)).cpu()
                for batch in torch.as_tensor(logmel).split(500)]
        return torch.cat(rows).numpy()

    def load_best(self) -> dict[str, np.ndarray]:
        """Put the weights of the best epoch by validation (the later of equals) into the model; return them."""
        self.model.load_state_dict(self.best)
        return {name: value.cpu().numpy() for name, value in self.best.items()
                if not name.endswith("num_batches_tracked")}
