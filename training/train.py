"""The training loop: the paper's recipe, seeded, resumable after every epoch."""

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
from common.description import SILENCE, UNKNOWN
from common.errors import UserError
from common.schema import check
from training.augment import NoiseAugment, spec_augment
from training.average import WeightAverage
from training.distill import Teacher, distilled
from training.features import LogMel
from training.field import outside as outdoors
from training.field.negatives import Negatives, keyword_probability
from training.model import DROPOUT, BCResNet, load_weights
from training.splices import Splicer
from training.stream import stream_augment, without_edges

PEAK_RATE = 0.1
WARMUP_EPOCHS = 5
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-3
BATCH = 100
PAPER_EPOCHS = 200
SPLICE, EXCERPT = -1, -2
"""Stand for a splice, and for an excerpt of running speech, among the numbers of an epoch's clips."""


RENAMED = {"steps": "abrupt"}
"""Field of `Recipe` in older state files -> its name now."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that the result of a run depends on, bit for bit, on one kind of device."""

    tau: float
    labels: tuple[str, ...]
    epochs: int
    seed: int
    precision: str  # "float32", or "bfloat16" for the activations
    data: str  # hash of the clips and noises, and of how often each is drawn
    rate: float = PEAK_RATE
    smoothing: float = 0.0  # label smoothing
    average: float = 0.0  # EMA decay of the saved weights, per step; 0: the weights themselves are saved
    parts: tuple[str, ...] = ()  # of the open recipe
    splices: int = 0  # words spliced from keywords, per epoch
    start: str = ""  # hash of the initial weights; empty: random
    stream: float = 0.0  # fraction of the batches that are made for continuous listening (training/stream.py)
    dropout: float = DROPOUT  # probability, of whole channels
    teacher: str = ""  # hash of the teacher's weights; empty: no distillation
    abrupt: float = 0.0  # fraction of silence clips whose noise starts or stops mid-clip
    outside: str = ""  # hash of the field recipe's rooms, backgrounds and speech; empty: another recipe
    excerpts: int = 0  # of running speech, per epoch
    weight: float = 1.0  # of an excerpt in the loss of the last epoch


NEWER = {field.name: field.default for field in dataclasses.fields(Recipe) if field.default is not dataclasses.MISSING}
"""Fields that older state files lack, and what stands for them."""


class Batch(NamedTuple):
    """Log-mel (N,1,40,101), or (N,1,40,146) for continuous listening; class indices (N); which clips are learnt from the
    teacher too, bool (N). answers: the teacher's logits (N, classes), where it heard the clips before. running, seconds: the
    rows that are excerpts of running speech, and the numbers of their seconds, int64."""

    logmel: torch.Tensor
    target: torch.Tensor
    distil: torch.Tensor
    stream: bool
    answers: torch.Tensor | None = None
    running: np.ndarray = np.empty(0, np.int64)
    seconds: np.ndarray = np.empty(0, np.int64)


@dataclasses.dataclass
class Split:
    """Decoded clips: audio int16 [clips, 16000], class index int64 [clips].

    draws: how often each clip is drawn per epoch, on average, float [clips]; None: once.
    distil: which clips are learnt from a teacher too, bool [clips]; None: all but silence.
    """

    audio: np.ndarray
    target: np.ndarray
    draws: np.ndarray | None = None
    distil: np.ndarray | None = None


def learning_rate(step: int, steps_an_epoch: int, epochs: int, peak: float = PEAK_RATE, trained: bool = False) -> float:
    """Linear warm-up over 5 epochs to `peak`, then a cosine to 0. `step` counts batches from 0.

    Warm-up takes at most half of the epochs, or a tenth where the initial weights are `trained`.
    """
    warmup = min(WARMUP_EPOCHS, epochs / (10 if trained else 2)) * steps_an_epoch
    if step < warmup:
        return min(peak, peak * (step + 1) / warmup)  # the last step would exceed it where `warmup` is no whole number
    return peak / 2 * (1 + math.cos(math.pi * (step - warmup) / (epochs * steps_an_epoch - warmup)))


def standing(row: dict) -> int:
    """What the best epoch has most of: right answers, as recorded and, in the field recipe, changed."""
    return row["correct"] + row.get("outside", 0)


class Trainer:
    """A training run over decoded clips.

    validation: float32 log-mel [clips, 40, 101]; validation_target: class indices int64 [clips].
    noises: background recordings, each int16 [samples].
    state: the file that the run is saved to after each epoch.
    outside, outside_validation: of the field recipe, and its changed validation clips, log-mel like `validation`.
    """

    def __init__(
        self,
        recipe: Recipe,
        training: Split,
        validation: np.ndarray,
        validation_target: np.ndarray,
        noises: Sequence[np.ndarray],
        device: torch.device,
        state: Path,
        teacher: Teacher | None = None,
        outside: outdoors.Outside | None = None,
        outside_validation: np.ndarray | None = None,
    ):
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.state = recipe, device, state
        self.on_device = device.type == "cuda"
        audio = torch.from_numpy(training.audio)
        self.audio = audio.to(device) if self.on_device else audio
        self.target = torch.from_numpy(training.target)
        self.draws = training.draws
        self.answers = outside.answers if outside else None
        self.splicer = Splicer(training.audio, training.target) if recipe.splices else None
        self.silence = training.target == recipe.labels.index(SILENCE)
        self.distil = ~self.silence if training.distil is None else training.distil & ~self.silence
        self.validation = torch.from_numpy(validation)
        self.validation_target = validation_target
        self.augment = NoiseAugment(noises, device, abrupt=recipe.abrupt)
        self.stream_augment = stream_augment(noises, device, recipe.abrupt) if recipe.stream else None
        self.teacher, self.outside = teacher, outside
        self.outside_validation = outside_validation
        self.log_mel = LogMel().to(device)
        self.model = BCResNet(recipe.tau, len(recipe.labels), recipe.dropout).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), recipe.rate, MOMENTUM, weight_decay=WEIGHT_DECAY)
        self.average = WeightAverage(self.model, recipe.average) if recipe.average else None
        self.history: list[dict] = []
        self.best: dict[str, torch.Tensor] = {}
        self.seconds = 0.0

    @property
    def epoch(self) -> int:
        """Epochs that are complete."""
        return len(self.history)

    def save(self) -> None:
        """Write the state of the run, from which `resume` continues with the same result as without a stop."""
        file = io.BytesIO()  # torch.save to a full disk would hide the reason
        torch.save(
            {
                "recipe": dataclasses.asdict(self.recipe),
                "model": self.model.state_dict(),
                "average": self.average.weights if self.average else {},
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "history": self.history,
                "hard": torch.from_numpy(self.negatives.score) if self.negatives else None,
                "seconds": self.seconds,
            },
            file,
        )
        write_bytes(self.state, file.getvalue())

    def resume(self) -> None:
        """Continue from the state file; UserError where it belongs to another run, or is damaged."""
        try:
            saved = torch.load(self.state, map_location=self.device, weights_only=True)
            recipe = NEWER | {RENAMED.get(key, key): value for key, value in saved["recipe"].items()}
            recipe |= {key: tuple(recipe[key]) for key in ("labels", "parts")}
        except Exception as error:  # torch.load raises many kinds, depending on what is damaged
            raise self.damaged(error) from None
        ours = dataclasses.asdict(self.recipe)
        differing = [key for key in ours if ours[key] != recipe.get(key)]
        if differing:
            key = differing[0]
            raise UserError(
                f"{self.state}: holds a run with {key} {recipe.get(key)}, not {ours[key]}; "
                "repeat its options, or choose another --out"
            )
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
        if self.negatives:
            self.negatives.take(saved["hard"].numpy())
        self.best, self.history, self.seconds = saved["best"], saved["history"], float(saved["seconds"])

    def begin_with(self, tensors: dict[str, np.ndarray]) -> None:
        """Take the weights and statistics of a checkpoint in place of random ones; UserError where they do not fit."""
        load_weights(self.model, tensors, "--start")
        if self.average:
            self.average = WeightAverage(self.model, self.recipe.average)

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the model's weights and statistics."""
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def autocast(self):
        """Activations in the recipe's precision; weights, normalisation statistics and loss stay float32."""
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    @property
    def negatives(self) -> Negatives | None:
        """Running speech, where the recipe has excerpts of it."""
        return self.outside.negatives if self.outside else None

    @property
    def made(self) -> int:
        """Splices and excerpts per epoch."""
        return self.recipe.splices + self.recipe.excerpts

    @property
    def drawn(self) -> int:
        """Clips per epoch, splices and excerpts included; an incomplete last batch of them is not used."""
        return (len(self.target) if self.draws is None else int(self.draws.sum() - 1e-6)) + self.made

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """The numbers of an epoch's clips in their order, int64, with SPLICE and EXCERPT among them."""
        order = rng.permutation(len(self.target))
        if self.draws is None and not self.made:
            return order
        if self.draws is not None:  # systematic sampling: a clip is drawn its mean number of times, rounded up or down
            passed = np.floor(np.cumsum(self.draws[order]) + rng.random()).astype(int)
            order = np.repeat(order, np.diff(passed, prepend=0))[: self.drawn - self.made]
        made = np.repeat([SPLICE, EXCERPT], [self.recipe.splices, self.recipe.excerpts])
        return rng.permutation(np.concatenate([order, made]))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch; all randomness comes from (seed, epoch)."""
        rng = np.random.default_rng([self.recipe.seed, epoch])
        order = self.order(rng)
        for start in range(0, len(order) - len(order) % BATCH or len(order), BATCH):
            index = order[start : start + BATCH]
            spliced, running = (np.flatnonzero(index == stands) for stands in (SPLICE, EXCERPT))
            picked = torch.from_numpy(index)
            clips, target = self.audio[picked.to(self.audio.device)], self.target[picked]
            silence, distil = self.silence[index], self.distil[index]
            if self.splicer and len(spliced):
                made = np.stack([self.splicer(rng) for _ in spliced])
                clips[spliced] = torch.from_numpy(made).to(clips.device)
                target[spliced] = self.recipe.labels.index(UNKNOWN)
                silence[spliced], distil[spliced] = False, self.answers is None
            target[running], silence[running], distil[running] = self.recipe.labels.index(UNKNOWN), False, False
            streamed = self.stream_augment is not None and rng.random() < self.recipe.stream
            with torch.no_grad():
                augment = self.stream_augment if self.stream_augment and streamed else self.augment
                samples = augment(clips, silence, rng)
                seconds = self.outside.apply(samples, running, silence, rng) if self.outside else running
                logmel = self.log_mel(samples)
                logmel = spec_augment(without_edges(logmel) if streamed else logmel, self.recipe.tau, rng)
            answers = self.answers[picked].to(self.device) if self.answers is not None else None
            on_device = target.to(self.device, non_blocking=True), torch.from_numpy(distil).to(self.device)
            yield Batch(logmel, *on_device, streamed, answers, running, seconds)

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of a batch, a scalar: cross-entropy, with the teacher's divergence where there is a teacher."""
        with self.autocast():
            logits = self.model(batch.logmel, valid=batch.stream).float()
            teacher_logits = self.teacher(batch.logmel) if self.teacher and self.answers is None else batch.answers
        losses = nn.functional.cross_entropy(logits, batch.target, label_smoothing=self.recipe.smoothing, reduction="none")
        if self.negatives:
            weights = torch.ones_like(losses)
            weights[batch.running] = outdoors.weight(self.epoch, self.recipe.epochs, self.recipe.weight)
            losses = losses * weights
            self.negatives.learn(batch.seconds, keyword_probability(logits[batch.running].detach(), self.recipe.labels))
        if teacher_logits is None:
            return losses.mean()
        return distilled(losses, logits, teacher_logits, batch.distil)

    def train_epoch(self, progress: Callable = lambda batches, count: batches) -> None:
        """Train one epoch, validate, and save the state. `progress(batches, count)` wraps the epoch's batches."""
        started = time.monotonic()
        torch.manual_seed((self.recipe.seed << 16) + self.epoch + 1)
        self.model.train()
        steps = max(1, self.drawn // BATCH)
        self.losses, self.steps = torch.zeros((), device=self.device), 0
        for step, batch in enumerate(progress(self.batches(self.epoch), steps)):
            rate = learning_rate(
                self.epoch * steps + step, steps, self.recipe.epochs, self.recipe.rate, bool(self.recipe.start)
            )
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
        row = {"loss": self.running_loss(), "correct": self.right(self.validation)}
        if self.outside_validation is not None:
            row["outside"] = self.right(self.outside_validation)
        self.seconds += time.monotonic() - started
        if standing(row) >= max(map(standing, self.history), default=0):
            self.best = self.weights()
        self.model.load_state_dict(latest)
        self.history.append(row)
        self.save()

    def right(self, validation: torch.Tensor | np.ndarray) -> int:
        """How many validation clips, log-mel [clips, 40, 101], are classified correctly."""
        return int((self.logits(validation).argmax(1) == self.validation_target).sum())

    def running_loss(self) -> float:
        """Mean loss of the epoch's batches so far."""
        return float(self.losses) / max(1, self.steps)

    @torch.no_grad()
    def logits(self, logmel: torch.Tensor | np.ndarray) -> np.ndarray:
        """Float log-mel [clips, 40, 101] -> logits, float32 [clips, classes], in full precision."""
        self.model.eval()
        rows = [self.model(batch[:, None].to(self.device)).cpu() for batch in torch.as_tensor(logmel).split(500)]
        return torch.cat(rows).numpy()

    def load_best(self) -> dict[str, np.ndarray]:
        """Load the weights of the epoch with the best validation (the later of equals) into the model; return them."""
        self.model.load_state_dict(self.best)
        return {name: value.cpu().numpy() for name, value in self.best.items() if not name.endswith("num_batches_tracked")}
