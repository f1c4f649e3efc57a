"""Checkpoint -> folded network -> ONNX -> full-int8 TFLite. ONNX and TensorFlow live here only."""
