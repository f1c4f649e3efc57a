"""The form of verify.json and bench.json, as far as reports and budgets read them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.cost import engine_layers
from benchmarks.cost.quantities import MAIN_CORE
from common.schema import Each, Either, check

INTERVAL = (float, float)
TOP1 = {"top1": float, "ci95": INTERVAL}
ROW = TOP1 | {"recall": Each(Either(None, float)), "confusion": [[int]], "worst": {"label": str, "recall": float}}
COMPARED = ROW | {"drop_points": float, "drop_ci95": INTERVAL, "agreement": float, "sqnr_db?": Either(None, float)}
"""Of a backend: PyTorch on log-mel, and those that are compared with it."""
STREAM = {
    "surroundings_ms": int,
    "noise": str,
    "noise_level": INTERVAL,
    "snr_db_quartiles": [Either(None, float)],
    "sensitivity": str,
    "detector": str,
    "lag_ms": int,
    "columns": int,
}
ACCURACY = {
    "measured": str,
    "command": str,
    "clips": int,
    "data": {"origin": str, "sha256": str},
    "split": str,
    "bit_exact_with_tflm": bool,
    "backends": {"pytorch": ROW, "onnx": COMPARED, "tflite": COMPARED, "tflm": COMPARED},
    "device_backends": {
        "pytorch": COMPARED,
        "onnx": COMPARED,
        "tflite": COMPARED,
        "tflm": COMPARED,
        "native?": COMPARED,
        "native_in_noise?": COMPARED,
        "native_stream?": COMPARED | {"drop_against_in_noise": {"points": float, "ci95": INTERVAL}},
    },
    "native": Either(None, Either({"refused": str}, {"sha256": str, "stream": STREAM})),
    "parts": Either(None, Each({"clips": int, "top1": Each(float), "device_top1": Each(float)})),
}
"""What a report takes of a verification, once it has left out what is of another network."""
KNOWN_ACCURACY = {
    "measured": str,
    "labels": [str],
    "clips": int,
    "backends": {"pytorch": TOP1},
    "device_backends": Each(TOP1 | {"agreement?": float}),
}
"""What a budget takes of it."""
COSTS = dict.fromkeys(
    ("network_window", "network_hop", "engine_state_bytes", "stream_state_bytes", "engine_flash_bytes", "stack_bytes"), int
)
MORE_COSTS = dict.fromkeys(
    (
        "engine_code_bytes",
        "engine_weights_bytes",
        "engine_tables_bytes",
        "frontend_hop",
        "frontend_clip",
        "frontend_state_bytes",
        "frontend_stack_bytes",
        "frontend_flash_bytes",
        "frontend_code_bytes",
        "detector_hop",
        "detector_state_bytes",
        "detector_stack_bytes",
        "detector_flash_bytes",
    ),
    int,
)
LAYERS = {"blocks": [dict.fromkeys(engine_layers.STAGES, int)], **dict.fromkeys(("head", *engine_layers.TAIL, "rest"), int)}
CORE = {
    "board": str,
    "bit_exact": bool,
    "note?": str,
    "layers?": LAYERS,
    **COSTS,
    **{f"{key}?": kind for key, kind in MORE_COSTS.items()},
}
NPU = {
    "rows": [
        {"npu": str, "measured": str, "command": str, "vela": str, "model": str, "system": str, "memory_mode": str}
        | dict.fromkeys(("tflite_bytes", "cycles", "sram_bytes", "dram_bytes", "flash_bytes", "clock_hz"), int)
        | {
            "layers": [
                {"operator": str, "target": str} | dict.fromkeys(("sram_bytes", "cycles", "flash_cycles", "macs"), int)
            ]
        }
    ]
}
"""What a report takes of npu.json."""
SHARE = {"right": int, "clips": int, "share": float, "ci95": INTERVAL}
FIELD = {
    "measured": str,
    "command": str,
    "clips": int,
    "data": {"origin": str, "sha256": str},
    "sensitivity": str,
    "detector": str,
    "native": str,
    "rows": [{"group": str, "title": str, "window": SHARE, "reported": Either(None, SHARE)}],
}
"""What it takes of a field test."""
CURVE = {
    "native": str,
    "detector": str,
    "hours": float,
    "keywords": int,
    "points": [{"rate": float, "missed": float, "words": Each([Either(None, float)])}],
}
"""What it takes of the curve that `benchmarks.tune` wrote."""
BENCH = {"clip": str, "compiler": str, "emulator?": Either(None, str), "boards": {MAIN_CORE: CORE}}
"""What a report takes of a bench."""


def check_accuracy(found: dict, labels: Sequence[str]) -> None:
    """ValueError where a report cannot be made of a verification of a network of these labels."""
    check(found, ACCURACY)
    rows = [*found["backends"].values(), *found["device_backends"].values()]
    for row in rows:
        if list(row["recall"]) != list(labels) or {*map(len, (row["confusion"], *row["confusion"]))} != {len(labels)}:
            raise ValueError("a backend's recall or confusion is of other labels")
        if [recall is None for recall in row["recall"].values()] != [
            recall is None for recall in rows[0]["recall"].values()
        ]:
            raise ValueError("a class has clips for some backends alone")
