"""ONNX -> float .tflite by onnx2tf, without its transposes and grouped convolutions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import onnx
import onnx2tf
import tensorflow as tf

from convert import flatbuffer


def float_tflite(model: onnx.ModelProto) -> bytes:
    """ONNX with features (1,1,mels,columns) -> float .tflite with features (1,mels,columns,1)."""
    with tempfile.TemporaryDirectory() as folder:
        source, replacements = Path(folder, "model.onnx"), Path(folder, "replacements.json")
        onnx.save(model, source)
        replacements.write_text(json.dumps(layout_hints(model)))
        try:
            network = onnx2tf.convert(
                input_onnx_file_path=str(source),
                output_folder_path=folder,
                param_replacement_file=str(replacements),
                not_use_onnxsim=True,  # the graph needs no simplification
                disable_model_save=True,
                non_verbose=True,
            )
        except SystemExit:  # onnx2tf exits where it cannot convert
            raise RuntimeError("onnx2tf gave up on the graph") from None
        call = tf.function(lambda features: network(features))
        _, _, mels, columns = (size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim)
        shape = [1, mels, columns, 1]
        concrete = call.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="features"))
        data = tf.lite.TFLiteConverter.from_concrete_functions([concrete], network).convert()
    mended = flatbuffer.read(data)
    flatbuffer.depthwise_from_grouped(mended)
    flatbuffer.narrow_constants(mended)
    return flatbuffer.write(mended)


def layout_hints(model: onnx.ModelProto) -> dict:
    """Layout of each ReLU after a broadcast add, which onnx2tf would lose."""
    return {
        "format_version": 1,
        "operations": [
            {
                "op_name": node.name,
                "param_target": "outputs",
                "param_name": node.output[0],
                "post_process_transpose_perm": [0, 2, 3, 1],
            }
            for node in model.graph.node
            if node.name.endswith("broadcast_relu")
        ],
    }
