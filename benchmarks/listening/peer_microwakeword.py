"""The peer microWakeWord: the models inside the package `pymicro-wakeword`, at the settings that it carries for each.

Run by benchmarks/listening/peers.py in the environment of requirements/peers.txt. As the package's own command does, every
column of features goes to each model, and an answer of True is an activation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model as Builtin

from benchmarks.listening import peer_worker
from benchmarks.listening.peer_worker import Model

CHUNK = 160
"""Samples at a time: the package's hop of 10 ms."""


def main() -> None:
    models = [MicroWakeWord.from_builtin(builtin) for builtin in Builtin]
    features = MicroWakeWordFeatures()

    def hear(chunk: bytes) -> Iterator[int]:
        for column in features.process_streaming(chunk):
            for index, model in enumerate(models):
                if model.process_streaming(column):
                    yield index

    described = [
        Model(
            model.id,
            model.wake_word,
            f"mean of {model.sliding_window_size} probabilities, one each {10 * model.stride} ms, "
            f"above {model.probability_cutoff:g}",
        )
        for model in models
    ]
    peer_worker.serve("pymicro-wakeword", described, hear, CHUNK)


if __name__ == "__main__":
    main()
