"""The training loop: the paper's recipe, seeded, resumable after every epoch."""

from __future__ import annotations

import dataclasses
import io
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from common.atomic import write_bytes
from common.description import UNKNOWN
from common.errors import UserError
from common.schema import check
from training import prior
from training.average import WeightAverage
from training.batches import BATCH, Batches, Split
from training.distill import Teacher
from training.field.negatives import Negatives, keyword_probability
from training.field.outside import Outside
from training.model import BCResNet, load_weights
from training.recipe import NEWER, PEAK_RATE, RENAMED, Recipe
from training.step import Step

WARMUP_EPOCHS = 5
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-3
PAPER_EPOCHS = 200


def learning_rate(step: int, steps_an_epoch: int, epochs: int, peak: float = PEAK_RATE, trained: bool = False) -> float:
    """Linear warm-up over 5 epochs to `peak`, then a cosine to 0. `step` counts batches from 0.

    Warm-up takes at most half of the epochs, or a tenth where the initial weights are `trained`.
    """
    warmup = min(WARMUP_EPOCHS, epochs / (10 if trained else 2)) * steps_an_epoch
    if step < warmup:
        return min(peak, peak * (step + 1) / warmup)  # the last step would exceed it where `warmup` is no whole number
    return peak / 2 * (1 + math.cos(math.pi * (step - warmup) / (epochs * steps_an_epoch - warmup)))


def kept_epoch(recipe: Recipe, history: Sequence[dict]) -> int:
    """The epoch, from 1, whose weights are kept: the last, or that with most right answers over validation clips, as
    recorded and changed together, the later of equals."""
    if recipe.last:
        return len(history)
    right = [row["correct"] + row.get("outside", 0) for row in history]
    return len(right) - right[::-1].index(max(right))


class Trainer:
    """A training run over decoded clips.

    validation: log-mel as `logits` takes it; validation_target: class indices int64 [clips].
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
        outside: Outside | None = None,
        outside_validation: np.ndarray | None = None,
    ):
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.state = recipe, device, state
        self.batches = Batches(recipe, training, noises, device, outside)
        self.validation = torch.from_numpy(validation)
        self.validation_target = validation_target
        self.outside = outside
        self.outside_validation = outside_validation
        self.model = BCResNet(recipe.tau, len(recipe.labels), recipe.dropout).to(device)
        self.step = Step(self.model, recipe, device, teacher, self.batches.answers is not None)
        self.optimizer = torch.optim.SGD(self.model.parameters(), recipe.rate, MOMENTUM, weight_decay=WEIGHT_DECAY)
        self.average = WeightAverage(self.model, recipe.average) if recipe.average else None
        self.history: list[dict] = []
        self.kept: dict[str, torch.Tensor] = {}
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
                "best": self.kept,  # the name in older files
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
        saved, recipe = self.saved()
        if key := self.differs(recipe):
            raise UserError(
                f"{self.state}: holds a run with {key} {recipe.get(key)}, not {getattr(self.recipe, key)}; "
                "repeat its options, or choose another --out"
            )
        try:
            self.take(saved)
        except Exception as error:  # so does what takes the parts
            raise self.damaged(error) from None

    def saved(self) -> tuple[dict, dict]:
        """The content of the state file, and the recipe in it, as today's names have it; UserError where it is damaged."""
        try:
            saved = torch.load(self.state, map_location=self.device, weights_only=True)
            recipe = NEWER | {RENAMED.get(key, key): value for key, value in saved["recipe"].items()}
            return saved, recipe | {key: tuple(recipe[key]) for key in ("labels", "parts")}
        except Exception as error:  # torch.load raises many kinds, depending on what is damaged
            raise self.damaged(error) from None

    def differs(self, recipe: dict) -> str:
        """The first field in which a saved recipe is another one than this run's; empty where it is the same."""
        ours = dataclasses.asdict(self.recipe)
        return next((key for key in ours if ours[key] != recipe.get(key)), "")

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
            self.average.take(saved["average"])
        if self.negatives:
            self.negatives.take(saved["hard"].numpy())
        self.kept, self.history, self.seconds = saved["best"], saved["history"], float(saved["seconds"])

    def begin_with(self, tensors: dict[str, np.ndarray]) -> None:
        """Take the weights and statistics of a checkpoint in place of random ones; UserError where they do not fit."""
        load_weights(self.model, tensors, "--start")
        if self.average:
            self.average = WeightAverage(self.model, self.recipe.average)

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the model's weights and statistics."""
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    @property
    def negatives(self) -> Negatives | None:
        """Running speech, where the recipe has excerpts of it."""
        return self.outside.negatives if self.outside else None

    def train_epoch(self, progress: Callable = lambda batches, count: batches) -> None:
        """Train one epoch, validate, and save the state. `progress(batches, count)` wraps the epoch's batches."""
        started = time.monotonic()
        self.model.train()
        if not self.step.graphs:
            self.step.record()
        torch.manual_seed((self.recipe.seed << 16) + self.epoch + 1)
        steps = max(1, self.batches.drawn // BATCH)
        self.losses, self.steps = torch.zeros((), device=self.device), 0
        for step, batch in enumerate(progress(self.batches(self.epoch), steps)):
            rate = learning_rate(
                self.epoch * steps + step, steps, self.recipe.epochs, self.recipe.rate, bool(self.recipe.start)
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss, logits = self.step(batch)
            self.optimizer.step()
            if self.average:
                self.average.update(self.model)
            if self.negatives:
                self.negatives.learn(batch.running, batch.seconds, keyword_probability(logits, self.recipe.labels))
            self.losses += loss
            self.steps += 1
        if self.negatives:
            self.negatives.rescore()
        latest = self.weights()
        if self.average:
            self.model.load_state_dict(self.average.weights)
        row, weights = self.validated()
        self.seconds += time.monotonic() - started
        self.history.append(row)
        if kept_epoch(self.recipe, self.history) == self.epoch:
            self.kept = weights
        self.model.load_state_dict(latest)
        self.save()

    def validated(self) -> tuple[dict, dict[str, torch.Tensor]]:
        """The epoch's row of the history: mean loss, and how many validation clips are classified rightly, as recorded and
        changed; and the weights in the model, with the prior of other words that the row is of."""
        answers, column = [self.logits(self.validation)], self.recipe.labels.index(UNKNOWN)
        if self.outside_validation is not None:
            answers.append(self.logits(self.outside_validation))
        by = prior.chosen(answers, self.validation_target, column) if self.recipe.prior else 0.0
        counts = [prior.right(logits, self.validation_target, column, by) for logits in answers]
        row = {"loss": self.running_loss(), **dict(zip(("correct", "outside"), counts))}
        return row | ({"prior": by} if self.recipe.prior else {}), prior.lowered(self.weights(), column, by)

    def running_loss(self) -> float:
        """Mean loss of the epoch's batches so far."""
        return float(self.losses) / max(1, self.steps)

    @torch.no_grad()
    def logits(self, logmel: torch.Tensor | np.ndarray) -> np.ndarray:
        """Float log-mel [clips, 40, columns of the window] -> logits, float32 [clips, classes], in full precision."""
        self.model.eval()
        batches = torch.as_tensor(logmel)[:, None].split(500)
        return torch.cat([self.model(batch.to(self.device)).cpu() for batch in batches]).numpy()

    def load_kept(self) -> dict[str, np.ndarray]:
        """Load the weights of the epoch that is kept into the model; return them."""
        self.model.load_state_dict(self.kept)
        return {name: value.cpu().numpy() for name, value in self.kept.items() if not name.endswith("num_batches_tracked")}
