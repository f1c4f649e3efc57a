"""The instructions of the native engine by layer.

Every kind of layer is one function of the engine (kws_kernels.h), so the emulator counts the instructions of every call;
the block of a call follows from the order in which the engine goes through its layers, column by column.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.cost.emulator import GuestError
from engine.network import CLASSIFIER_TAPS, HEAD_TAPS, Network

STAGES = ("transition", "mean", "temporal", "base", "frequency")
TAIL = ("depthwise", "hidden", "output")
FUNCTIONS = {stage: f"kws_{stage}" for stage in ("head", *STAGES, *TAIL)}
"""The function of each stage of the computation."""


def order(network: Network) -> list[tuple[str, int | None]]:
    """Stage and block, None outside blocks, of every call that a window makes, in the order of execution.

    A layer runs as soon as the columns it needs are complete; after the last column of the window the later layers continue
    until each has computed its last column.
    """
    calls: list[tuple[str, int | None]] = []
    end = network.features.frames
    for step in range(end + network.delay):
        position = step - HEAD_TAPS // 2
        if 0 <= position < end:
            calls.append(("head", None))
        for index, block in enumerate(network.blocks):
            if 0 <= position < end:
                if block.transition is not None:
                    calls.append(("transition", index))
                calls.append(("mean", index))
            position -= block.dilation
            if 0 <= position < end:
                calls += [(stage, index) for stage in ("temporal", "base", "frequency")]
        position -= CLASSIFIER_TAPS // 2
        if 0 <= position < end:
            calls += [(stage, None) for stage in TAIL]
    return calls


def by_layer(network: Network, calls: Mapping[str, list[int]], total: int) -> dict:
    """Instructions of one window: {"head": n, "blocks": [{"transition": n, ...}, ...], "depthwise": n, ..., "rest": n}.

    calls: of each function in `FUNCTIONS`, the instructions of each call, those of the window first. total: of the
    whole window; `rest` are those outside the layers: rings, loops, the average. Raises GuestError where the calls are not
    those that `order` expects.
    """
    waiting = {stage: iter(calls[function]) for stage, function in FUNCTIONS.items()}
    sums = {"head": 0, **dict.fromkeys(TAIL, 0)}
    blocks = [dict.fromkeys(STAGES, 0) for _ in network.blocks]
    for stage, block in order(network):
        count = next(waiting[stage], None)
        if count is None:
            raise GuestError(f"the engine calls {FUNCTIONS[stage]} less often than it has to for a window")
        (sums if block is None else blocks[block])[stage] += count
    taken = sum(sums.values()) + sum(sum(row.values()) for row in blocks)
    if taken > total:
        raise GuestError(f"the layers of a window take {taken:,} instructions, the whole of it {total:,}")
    return {"head": sums["head"], "blocks": blocks, **{stage: sums[stage] for stage in TAIL}, "rest": total - taken}


def table(network: Network, layers: dict) -> str:
    """The instructions of a window by layer and stage, as the terminal shows them."""
    lines = [
        f"{'layer':<34}" + "".join(f"{stage:>11}" for stage in STAGES) + f"{'sum':>12}",
        f"{'head 5x5':<89}{layers['head']:>12,}",
    ]
    for index, (block, row) in enumerate(zip(network.blocks, layers["blocks"])):
        name = f"block {index}: {block.channels} x {block.rows}" + (f" / {block.stride}" if block.stride > 1 else "")
        cells = "".join(f"{row[stage]:>11,}" if row[stage] else f"{'':>11}" for stage in STAGES)
        lines.append(f"{name + f', dilation {block.dilation}':<34}{cells}{sum(row.values()):>12,}")
    sums = {stage: sum(row[stage] for row in layers["blocks"]) for stage in STAGES}
    lines.append(f"{'all blocks':<34}" + "".join(f"{value:>11,}" for value in sums.values()) + f"{sum(sums.values()):>12,}")
    for stage, name in zip((*TAIL, "rest"), ("depthwise 5x5", "hidden", "output", "rest: rings, loops, average")):
        lines.append(f"{name:<89}{layers[stage]:>12,}")
    total = sum(sums.values()) + sum(layers[stage] for stage in ("head", *TAIL, "rest"))
    return "\n".join([*lines, f"{'window':<89}{total:>12,}"])
