"""Plot the training loss and the validation accuracy of every epoch of a run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from common.atomic import write_bytes

LOSS_COLOUR, ACCURACY_COLOUR = "tab:orange", "tab:blue"


def write_plot(path: Path, history: Sequence[dict], clips: int, title: str) -> None:
    """Write a PNG of 1,200 x 750 pixels to `path`.

    history: of each epoch its `loss` and the number of correctly classified validation clips, `correct`.
    clips: validation clips.
    """
    epochs = range(1, len(history) + 1)
    accuracy = [100 * row["correct"] / clips for row in history]
    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    losses = figure.add_subplot(title=title, xlabel="epoch")
    losses.plot(epochs, [row["loss"] for row in history], "o-", color=LOSS_COLOUR, markersize=3)
    losses.set_ylabel("training loss", color=LOSS_COLOUR)
    losses.locator_params(axis="x", integer=True)
    accuracies = losses.twinx()
    accuracies.plot(epochs, accuracy, "o-", color=ACCURACY_COLOUR, markersize=3)
    accuracies.set_ylabel(f"validation accuracy, % of {clips} clips (best {max(accuracy):.2f})", color=ACCURACY_COLOUR)
    accuracies.grid(alpha=0.3)
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    write_bytes(path, image.getvalue())
