"""The peer openWakeWord: the models inside the package `pyopen-wakeword`, at the threshold of its README and command.

Run by benchmarks/listening/peers.py in the environment of requirements/peers.txt. As the package's own command does, every
embedding goes to each model, and a probability above the threshold is an activation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyopen_wakeword import Model as Builtin, OpenWakeWord, OpenWakeWordFeatures

from benchmarks.listening import peer_worker
from benchmarks.listening.peer_worker import Model

CHUNK = 1280
"""Samples at a time: the package's step of 80 ms. How the sound is cut changes none of its probabilities."""
THRESHOLD = 0.5
"""The package states it in its README and as default of `--probability-threshold`, and has no other."""


def main() -> None:
    models = [OpenWakeWord.from_builtin(builtin) for builtin in Builtin]
    features = OpenWakeWordFeatures.from_builtin()

    def hear(chunk: bytes) -> Iterator[int]:
        for embedding in features.process_streaming(chunk):
            for index, model in enumerate(models):
                for probability in model.process_streaming(embedding):
                    if probability > THRESHOLD:
                        yield index

    described = [
        Model(model.id, model.id.replace("_", " "), f"a probability, one each 80 ms, above {THRESHOLD:g}")
        for model in models
    ]
    peer_worker.serve("pyopen-wakeword", described, hear, CHUNK)


if __name__ == "__main__":
    main()
