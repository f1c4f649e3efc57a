"""The ops of a .tflite: their number, multiply-accumulates and bytes of constants."""

from __future__ import annotations

import collections

import numpy as np

from convert import flatbuffer


def op_table(data: bytes) -> list[dict]:
    """One row per kind of op of a .tflite: op, count, macs, and bytes of its constants; most MACs first."""
    model = flatbuffer.read(data)
    graph = model.subgraphs[0]
    rows: dict[str, collections.Counter] = {}
    counted = set()
    for operator in graph.operators:
        name = flatbuffer.op_name(model, operator)
        row = rows.setdefault(name, collections.Counter())
        row["count"] += 1
        row["macs"] += _op_macs(name, graph, operator)
        for index in operator.inputs:
            values = flatbuffer.constant(model, graph.tensors[index]) if index >= 0 else None
            if values is not None and graph.tensors[index].buffer not in counted:
                counted.add(graph.tensors[index].buffer)
                row["bytes"] += values.nbytes
    table = [{"op": name, "count": row["count"], "macs": row["macs"], "bytes": row["bytes"]} for name, row in rows.items()]
    return sorted(table, key=lambda row: (-row["macs"], row["op"]))


def _op_macs(name: str, graph, operator) -> int:
    """Multiply-accumulates of one op of the graph, including those with the zeros of widened kernels."""
    if name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    weight = graph.tensors[operator.inputs[1]].shape
    out = graph.tensors[operator.outputs[0]].shape
    if name == "DEPTHWISE_CONV_2D":
        return int(np.prod(out[1:]) * weight[1] * weight[2])
    return int(np.prod(out[1:]) * np.prod(weight[1:]))
