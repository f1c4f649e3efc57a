"""Identity of a generated file: generator, model, and the hashes by which files of two builds are refused together."""

from __future__ import annotations

from typing import Any

from common.names import renamed
from firmware_gen import __version__
from firmware_gen.inputs import Inputs
from frontend import render


def identity(inputs: Inputs) -> dict[str, Any]:
    """Values for the templates' shared head and identity check.

    `feature_id`, `pipeline_id` and `model_hash` are 64-bit hexadecimal constants, the first 16 digits of the SHA-256
    of the description of the features, of the sources that compute them and of the .tflite file. `ties`: of these,
    what a header belongs to (macro, value, what it names, comment). Raises UserError where the feature pipeline cannot
    compute the model's features.
    """
    values = native_identity(inputs)
    model_hash = render.hexadecimal(inputs.sha256[:16])
    model = (renamed("KWS_MODEL_HASH", inputs.prefix), model_hash, "models", "first 64 bits of the model's SHA-256")
    return values | {
        "graph": inputs.graph,
        "sha256": inputs.sha256,
        "model_bytes": len(inputs.model),
        "model_hash": model_hash,
        "ties": [model, *values["ties"]],
    }


def native_identity(inputs: Inputs) -> dict[str, Any]:
    """The same for the native engine's files, which do not depend on the .tflite file."""
    feature_id = render.hexadecimal(inputs.features.id)
    pipeline_id = render.hexadecimal(render.pipeline_id(inputs.features))
    return {
        "generator": __version__,
        "prefix": inputs.prefix,
        "tau": f"{inputs.tau:g}",
        "classes": inputs.classes,
        "checkpoint_sha256": inputs.checkpoint_sha256,
        "feature_id": feature_id,
        "pipeline_id": pipeline_id,
        "ties": [
            (renamed("KWS_FEATURE_ID", inputs.prefix), feature_id, "features", "names the description of the features"),
            (
                renamed("KWS_PIPELINE_ID", inputs.prefix),
                pipeline_id,
                "feature pipelines",
                "names the arithmetic of the features",
            ),
        ],
    }
