"""What every generated file says of itself: generator, model, and the two hashes that tie a build together."""
from __future__ import annotations

from firmware_gen import __version__
from firmware_gen.inputs import Inputs


def identity(inputs: Inputs) -> dict[str, object]:
    """Values for the templates' shared head and identity check.

    `feature_id` and `model_hash` are 64-bit hexadecimal constants, the first 16 digits of the SHA-256
    of the description of the features and of the .tflite file.
    """
    return {
        "generator": __version__,
        "tau": f"{inputs.tau:g}",
        "graph": inputs.graph,
        "sha256": inputs.sha256,
        "model_bytes": len(inputs.model),
        "feature_id": f"0x{int(inputs.features.id, 16):016x}ULL",
        "model_hash": f"0x{int(inputs.sha256[:16], 16):016x}ULL",
    }
