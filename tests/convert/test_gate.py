"""The gate refuses what must not ship, with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from common.description import DETECTION_THRESHOLD, LABELS
from convert import fidelity, flatbuffer, gate, interpreters, make_graph
from convert.flatbuffer import schema
from convert.tflm_ops import ADD_FUNCTIONS


@pytest.fixture
def model(tau1_build):
    """The small graph as objects, for a test to spoil."""
    return flatbuffer.read((tau1_build / "graphs" / "small.tflite").read_bytes())


def refused(model, classes: int = len(LABELS)) -> str:
    with pytest.raises(gate.GateError) as raised:
        gate.check_structure(flatbuffer.write(model), classes)
    return str(raised.value)


def first(model, name: str):
    return next(op for op in model.subgraphs[0].operators if flatbuffer.op_name(model, op) == name)


def rename(model, old: str, new: int) -> None:
    code = model.operatorCodes[first(model, old).opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = new


def test_the_shipped_graph_passes(model):
    gate.check_structure(flatbuffer.write(model), len(LABELS))


def test_transpose_is_refused(model):
    rename(model, "RESHAPE", schema.BuiltinOperator.TRANSPOSE)
    assert "TRANSPOSE" in refused(model)


def test_op_outside_the_resolver_is_refused(model):
    rename(model, "LOGISTIC", schema.BuiltinOperator.LSTM)
    assert "which TFLM's resolver does not have" in refused(model)


def test_grouped_convolution_is_refused(model):
    tensors = model.subgraphs[0].tensors
    operator = next(
        op
        for op in model.subgraphs[0].operators
        if flatbuffer.op_name(model, op) == "CONV_2D" and tensors[op.inputs[1]].shape[3] > 1
    )
    weight = tensors[operator.inputs[1]]
    flatbuffer.set_constant(model, weight, flatbuffer.constant(model, weight)[..., :1])
    assert "grouped CONV_2D" in refused(model)


def test_float_tensor_is_refused(model):
    tensor = model.subgraphs[0].tensors[first(model, "LOGISTIC").outputs[0]]
    tensor.type = schema.TensorType.FLOAT32
    assert "tensor of type FLOAT32" in refused(model)


def test_another_input_scale_is_refused(model):
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].quantization.scale = [np.float32(0.1)]
    assert "the features are defined with" in refused(model)


def test_another_number_of_classes_is_refused(model):
    assert "the output is INT8 [1, 12], not INT8 [1, 11]" in refused(model, 11)


def test_one_differing_bit_between_tflite_and_tflm_is_refused():
    logits = np.zeros((5, 12), np.int8)
    changed = logits.copy()
    changed[3, 7] = 1
    gate.check_bit_exact(logits, logits)
    with pytest.raises(gate.GateError, match="differ on 1 of 5 clips"):
        gate.check_bit_exact(logits, changed)


def test_ranges_that_tflm_computes_differently_give_way_to_the_next_best(monkeypatch):
    features = np.zeros((5, 40, 101), np.int8)
    of_tflm = {b"a": 1, b"b": 0, b"c": 0}
    monkeypatch.setattr(interpreters, "tflm_logits", lambda model, _: np.full((5, 12), of_tflm[model], np.int8))
    reference = np.zeros((5, 12), np.int8)
    candidates = {"mse": (20.0, b"b", reference), "minmax": (30.0, b"a", reference), "p99.99": (10.0, b"c", reference)}
    assert make_graph.choose_ranges(candidates, features) == ("mse", ["minmax"])
    of_tflm.update({b"b": 1, b"c": 1})
    with pytest.raises(gate.GateError, match="differ on 5 of 5 clips"):
        make_graph.choose_ranges(candidates, features)


def logits(*answers: tuple[float, ...]) -> np.ndarray:
    return np.array(answers, float)


def test_answers_must_agree_only_on_clips_on_which_float_is_confident():
    clear, close = (9.0, 7.0, 0.0), (0.2, 0.1, 0.0)
    found = fidelity.facts(logits(*[clear] * 19, close), logits(*[clear] * 19, (0.1, 0.2, 0.0)))
    assert (found["agreement"], found["sure_clips"], found["sure_agreement"]) == (0.95, 19, 1.0)
    gate.check_fidelity(found)
    changed = fidelity.facts(logits(*[clear] * 20), logits(*[clear] * 18, *[(7.9, 8.0, 0.0)] * 2))
    with pytest.raises(
        gate.GateError, match="agree on 90.0 % of the 20 calibration clips that float classifies with 60 % or more"
    ):
        gate.check_fidelity(changed)
    gate.check_fidelity(changed | {"sure_agreement": 0.95})


def test_a_network_that_is_confident_on_no_clip_is_judged_by_the_sqnr_of_its_logits():
    reference = logits((0.2, 0.1, 0.0), (0.0, 0.1, 0.2))
    found = fidelity.facts(reference, reference + logits((0.01, -0.01, 0), (0, 0.01, -0.01)))
    assert (found["sure_clips"], found["sure_agreement"]) == (0, None)
    gate.check_fidelity(found)
    with pytest.raises(gate.GateError, match=r"the logits of int8 have an SQNR of 1.0 dB"):
        gate.check_fidelity(fidelity.facts(reference, reference + logits((0.2, 0, 0), (0, 0, 0.2))))


def test_confident_means_the_detection_threshold_of_a_device():
    share = DETECTION_THRESHOLD / 255
    rival = np.log((1 - share) / share)
    assert fidelity.confident(logits((0, rival - 1e-6), (0, rival + 1e-6))).tolist() == [True, False]


def test_every_op_that_the_firmware_can_register_passes(model):
    """But for those that are refused for another reason. One operator alone, without constants: so it is fast."""
    operator = first(model, "RESHAPE")
    code = model.operatorCodes[operator.opcodeIndex]
    model.subgraphs[0].operators = [operator]
    for buffer in model.buffers:
        buffer.data = None
    for name in set(ADD_FUNCTIONS) - {"TRANSPOSE", "CONV_2D"}:
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
        gate.check_structure(flatbuffer.write(model), len(LABELS))
