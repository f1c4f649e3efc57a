"""What every generated file says of itself: generator, model, and the three hashes that tie a build together."""
from __future__ import annotations

from firmware_gen import __version__
from firmware_gen.inputs import Inputs
from frontend import render


def identity(inputs: Inputs) -> dict[str, object]:
    """Values for the templates' shared head and identity check.

    `feature_id`, `pipeline_id` and `model_hash` are 64-bit hexadecimal constants, the first 16 digits of the SHA-256
    of the description of the features, of the sources that compute them and of the .tflite file. Raises UserError
    where the feature pipeline cannot compute the model's features.
    """
    return {
        "generator": __version__,
        "tau": f"{inputs.tau:g}",
        "graph": inputs.graph,
        "sha256": inputs.sha256,
        "model_bytes": len(inputs.model),
        "feature_id": render.hexadecimal(inputs.features.id),
        "pipeline_id": render.hexadecimal(render.pipeline_id(inputs.features)),
        "model_hash": render.hexadecimal(inputs.sha256[:16]),
    }
