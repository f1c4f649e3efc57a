"""Checkpoint -> folded network -> ONNX -> full-int8 TFLite. ONNX and TensorFlow live here only."""

from common.interrupts import end_while_loading

end_while_loading()
