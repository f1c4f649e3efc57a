"""The batches of a run: clips drawn, spliced, augmented, as features on the device that trains."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from common.description import SILENCE, UNKNOWN
from training.augment import NoiseAugment, spec_augment
from training.features import LogMel
from training.field.outside import Outside, weight
from training.recipe import Recipe
from training.splices import Splicer
from training.stream import stream_augment, without_edges

BATCH = 100
SPLICE, EXCERPT = -1, -2
"""Stand for a splice, and for an excerpt of running speech, among the numbers of an epoch's clips."""
AHEAD = 4
"""Batches that are made before the network needs them, where it has a device of its own."""


class Batch(NamedTuple):
    """Log-mel (N,1,40,columns of the window), or (N,1,40,146) for continuous listening; class indices (N); which clips are
    learnt from the teacher too, bool (N). answers: the teacher's logits (N, classes), where it heard the clips before.
    running, seconds: the rows that are excerpts of running speech, and the numbers of their seconds, int64. weight: of the
    clips in the loss (N), where they differ."""

    logmel: torch.Tensor
    target: torch.Tensor
    distil: torch.Tensor
    stream: bool
    answers: torch.Tensor | None = None
    running: np.ndarray = np.empty(0, np.int64)
    seconds: np.ndarray = np.empty(0, np.int64)
    weight: torch.Tensor | None = None

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All that the network and its loss need, in the order of the fields."""
        return [value for value in self if isinstance(value, torch.Tensor)]


@dataclasses.dataclass
class Split:
    """Decoded clips: audio int16 [clips, samples], class index int64 [clips].

    draws: how often each clip is drawn per epoch, on average, float [clips]; None: once.
    distil: which clips are learnt from a teacher too, bool [clips]; None: all but silence.
    """

    audio: np.ndarray
    target: np.ndarray
    draws: np.ndarray | None = None
    distil: np.ndarray | None = None


class Batches:
    """Calling it gives the batches of an epoch.

    noises: background recordings, each int16 [samples]. outside: of the field recipe.
    """

    def __init__(
        self, recipe: Recipe, training: Split, noises: Sequence[np.ndarray], device: torch.device, outside: Outside | None
    ):
        self.recipe, self.device, self.outside = recipe, device, outside
        audio = torch.from_numpy(training.audio)
        self.audio = audio.to(device) if device.type == "cuda" else audio
        self.target = torch.from_numpy(training.target)
        self.draws = training.draws
        self.answers = outside.answers if outside else None
        self.splicer = Splicer(training.audio, training.target) if recipe.splices else None
        self.silence = training.target == recipe.labels.index(SILENCE)
        self.distil = ~self.silence if training.distil is None else training.distil & ~self.silence
        self.augment = NoiseAugment(noises, device, recipe.clip_samples, abrupt=recipe.abrupt)
        self.stream_augment = stream_augment(noises, device, recipe.abrupt) if recipe.stream else None
        self.log_mel = LogMel().to(device)

    @property
    def composed(self) -> int:
        """Splices and excerpts per epoch."""
        return self.recipe.splices + self.recipe.excerpts

    @property
    def drawn(self) -> int:
        """Clips per epoch, splices and excerpts included; an incomplete last batch of them is not used."""
        return (len(self.target) if self.draws is None else int(self.draws.sum() - 1e-6)) + self.composed

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """The numbers of an epoch's clips in their order, int64, with SPLICE and EXCERPT among them."""
        order = rng.permutation(len(self.target))
        if self.draws is None and not self.composed:
            return order
        if self.draws is not None:  # systematic sampling: a clip is drawn its mean number of times, rounded up or down
            passed = np.floor(np.cumsum(self.draws[order]) + rng.random()).astype(int)
            order = np.repeat(order, np.diff(passed, prepend=0))[: self.drawn - self.composed]
        made = np.repeat([SPLICE, EXCERPT], [self.recipe.splices, self.recipe.excerpts])
        return rng.permutation(np.concatenate([order, made]))

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch; all randomness comes from (seed, epoch). Where the device is a GPU they are made ahead,
        by a thread."""
        return ahead(self.made(epoch), self.device) if self.device.type == "cuda" else self.made(epoch)

    def made(self, epoch: int) -> Iterator[Batch]:
        """They themselves, each when it is asked for."""
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
                target[running[silence[running]]] = self.recipe.labels.index(SILENCE)
                logmel = self.log_mel(samples)
                logmel = spec_augment(without_edges(logmel) if streamed else logmel, self.recipe.tau, rng)
            answers = self.answers[picked].to(self.device) if self.answers is not None else None
            weights = self.weights(running, len(index), epoch)
            on_device = target.to(self.device), torch.from_numpy(distil).to(self.device)
            yield Batch(logmel, *on_device, streamed, answers, running, seconds, weights)

    def weights(self, running: np.ndarray, clips: int, epoch: int) -> torch.Tensor | None:
        """Those of the clips of a batch in the loss, float32 [clips]; None where all count alike."""
        if not self.recipe.excerpts:
            return None
        weights = np.ones(clips, np.float32)
        weights[running] = weight(epoch, self.recipe.epochs, self.recipe.weight)
        return torch.from_numpy(weights).to(self.device)


def ahead(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches, made up to AHEAD before they are asked for by a thread, in a stream of the GPU of its own."""
    stream, ready, stopped = torch.cuda.Stream(device), queue.Queue[tuple | BaseException](AHEAD), threading.Event()
    stream.wait_stream(torch.cuda.current_stream(device))

    def put(item: tuple | BaseException) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def make() -> None:
        try:
            with torch.cuda.device(device), torch.cuda.stream(stream):
                for batch in batches:
                    put((batch, stream.record_event()))
                    if stopped.is_set():
                        return
            put(())
        except BaseException as error:  # raised where the batches are asked for
            put(error)

    threading.Thread(target=make, daemon=True).start()
    try:
        while item := ready.get():
            if isinstance(item, BaseException):
                raise item
            batch, done = item
            now = torch.cuda.current_stream(device)
            now.wait_event(done)
            for tensor in batch.tensors:
                tensor.record_stream(now)  # its memory is the other stream's
            yield batch
    finally:
        stopped.set()
