"""A step of training: the loss of a batch and its gradients; on a GPU a recorded graph, which is quicker to start."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import nn

from common.description import FEATURES
from training.batches import BATCH, Batch
from training.distill import Teacher, distilled
from training.recipe import Recipe
from training.stream import COLUMNS

WARM_UP = 3
"""Steps before a graph is recorded: libraries choose their kernels in them."""


class Outcome(NamedTuple):
    """The loss of a batch, a scalar, and its logits (N, classes), without gradients."""

    loss: torch.Tensor
    logits: torch.Tensor


class Graph(NamedTuple):
    """A recorded step: the batch that it reads, what it gives, the gradients that it writes, of each parameter."""

    graph: torch.cuda.CUDAGraph
    batch: Batch
    outcome: Outcome
    gradients: list[torch.Tensor | None]


class Step:
    """Calling it leaves the gradients of a batch in the parameters of the network.

    answered: whether the batches have the teacher's answers, and the teacher is not asked.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, device: torch.device, teacher: Teacher | None, answered: bool):
        self.model, self.recipe, self.device = model, recipe, device
        self.teacher = None if answered else teacher
        self.answered = answered
        self.graphs: dict[bool, Graph] = {}

    def autocast(self):
        """Activations in the recipe's precision; weights, normalisation statistics and loss stay float32."""
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of a batch, a scalar: cross-entropy, with the teacher's divergence where there is a teacher; and its
        logits."""
        with self.autocast():
            logits = self.model(batch.logmel, valid=batch.stream).float()
            teacher_logits = self.teacher(batch.logmel) if self.teacher else batch.answers
        losses = nn.functional.cross_entropy(logits, batch.target, label_smoothing=self.recipe.smoothing, reduction="none")
        if batch.weight is not None:
            losses = losses * batch.weight
        if teacher_logits is None:
            return losses.mean(), logits
        return distilled(losses, logits, teacher_logits, batch.distil), logits

    def __call__(self, batch: Batch) -> Outcome:
        if batch.stream in self.graphs and len(batch.logmel) == BATCH:
            return self.replayed(batch)
        return self.taken(batch)

    def taken(self, batch: Batch) -> Outcome:
        """The step, operation by operation."""
        for parameter in self.model.parameters():
            parameter.grad = None
        loss, logits = self.loss(batch)
        loss.backward()
        return Outcome(loss.detach(), logits.detach())

    def replayed(self, batch: Batch) -> Outcome:
        """The step as it was recorded. The outcome is overwritten by the next step."""
        recorded = self.graphs[batch.stream]
        for ours, given in zip(recorded.batch.tensors, batch.tensors, strict=True):
            ours.copy_(given)
        recorded.graph.replay()
        for parameter, gradient in zip(self.model.parameters(), recorded.gradients):
            parameter.grad = gradient
        return recorded.outcome

    def record(self) -> None:
        """On a GPU, record a step for either kind of batch, while nothing else runs there. Weights and statistics stay."""
        if self.device.type != "cuda":
            return
        kept = {name: value.clone() for name, value in self.model.state_dict().items()}
        try:
            for stream in (False, True) if self.recipe.stream else (False,):
                self.graphs[stream] = self.recorded(stream)
        except RuntimeError as error:  # an older driver, or an operation that cannot be recorded
            self.graphs = {}
            print(f"steps are not recorded on this GPU ({str(error).splitlines()[0]}); training is slower")
        self.model.load_state_dict(kept)

    def recorded(self, stream: bool) -> Graph:
        """A recording with a batch of zeros."""
        batch = self.zeros(stream)
        aside = torch.cuda.Stream(self.device)
        aside.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self.taken(batch)
        torch.cuda.current_stream(self.device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outcome = self.taken(batch)
        return Graph(graph, batch, outcome, [parameter.grad for parameter in self.model.parameters()])

    def zeros(self, stream: bool) -> Batch:
        """A batch of the form that all of a kind have."""
        columns = COLUMNS if stream else self.recipe.features.frames
        one = torch.zeros(BATCH, device=self.device)
        return Batch(
            torch.zeros(BATCH, 1, FEATURES.mels, columns, device=self.device),
            one.long(),
            one.bool(),
            stream,
            torch.zeros(BATCH, len(self.recipe.labels), device=self.device) if self.answered else None,
            weight=one + 1 if self.recipe.excerpts else None,
        )
