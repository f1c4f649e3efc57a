"""Memory by part: the native engine's state, and the live tensors of a TFLM graph at each op."""

from __future__ import annotations

import math

import numpy as np

from convert import flatbuffer
from engine.network import HEAD_TAPS, Network
from engine.plan import WORD, plan

COUNTERS = 5
"""Words of the state that count columns and positions in the rings."""


def state_parts(network: Network) -> dict:
    """The engine's state, without that of a stream: `bytes` in total, of each of `parts`, and of the rings of each of
    `blocks`.

    A block keeps its latest inputs, `dilation` columns of 8 bits an element (`inputs_bytes`), and twice as many
    columns of its 16-bit means (`means_bytes`). The members are those of kws_engine in kws_engine.h.
    """
    sizes = plan(network)
    blocks = [
        {
            "channels": layer.channels,
            "rows": layer.rows,
            "dilation": layer.dilation,
            "inputs_bytes": layer.dilation * layer.column,
            "means_bytes": 4 * layer.dilation * layer.channels,
        }
        for layer in sizes.layers
    ]
    for block in blocks:
        block["bytes"] = block["inputs_bytes"] + block["means_bytes"]
    parts = {
        "inputs": sizes.inputs_bytes,
        "means": 2 * sizes.means,
        "features": HEAD_TAPS * sizes.mel_rows,
        "tail": sizes.tail_bytes,
        "columns": sizes.ping_bytes + sizes.pong_bytes,
        "vectors": 2 * 2 * sizes.vector,
        "sum": WORD * len(network.labels),
        "counters": WORD * COUNTERS,
    }
    return {"bytes": sum(parts.values()), "parts": parts, "blocks": blocks}


def live_tensors(model: bytes) -> list[dict]:
    """For each op of a .tflite in order: its kind, and the bytes of all activations that are live while it runs.

    A tensor is live from the op that writes it to the last that reads it; the graph's input is live from the start, its
    output to the end. TFLM's arena holds at least the maximum of these, plus its own records and alignment.
    """
    read = flatbuffer.read(model)
    graph = read.subgraphs[0]
    first = {int(index): 0 for index in graph.inputs}
    last = dict(first)
    for step, operator in enumerate(graph.operators):
        first |= {int(index): step for index in operator.outputs}
        last |= {int(index): step for index in (*operator.inputs, *operator.outputs) if int(index) in first}
    last |= {int(index): len(graph.operators) - 1 for index in graph.outputs}

    def size(index: int) -> int:
        tensor = graph.tensors[index]
        return math.prod(map(int, tensor.shape)) * np.dtype(flatbuffer.DTYPES[tensor.type]).itemsize

    rows = []
    for step, operator in enumerate(graph.operators):
        alive = sum(size(index) for index in first if first[index] <= step <= last[index])
        rows.append({"op": flatbuffer.op_name(read, operator), "bytes": alive})
    return rows
