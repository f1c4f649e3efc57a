"""The same clips through PyTorch, ONNX Runtime, int8 TFLite and TFLM, in several processes."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training import checkpoint, workers
from training.description import FEATURES
from training.errors import UserError

NAMES = ("pytorch", "onnx", "tflite", "tflm")
FLOAT, INT8 = NAMES[:2], NAMES[2:]
"""Backends that take the float log-mel, and those that take its int8 representation."""
CHUNK = 16
"""Clips of one task: about a second of work, so that the bar moves and Ctrl-C is heard."""

Backend = Callable[[np.ndarray], np.ndarray]
"""Log-mel float32 [clips, 40, 101] -> logits float32 [clips, classes]."""


def pytorch_backend(path: Path) -> Backend:
    """The float network of a checkpoint, on one thread."""
    import torch

    from training.model import BCResNet

    torch.set_num_threads(1)
    saved = checkpoint.load(path)
    model = BCResNet(saved.tau, len(saved.labels))
    missing, unexpected = model.load_state_dict(
        {name: torch.from_numpy(array) for name, array in saved.tensors.items()}, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"{path}: tensors {unexpected} and {missing} do not fit the network")
    model.eval()

    @torch.no_grad()
    def run(logmel: np.ndarray) -> np.ndarray:
        return model(torch.from_numpy(logmel)[:, None]).numpy()

    return run


def onnx_backend(path: Path) -> Backend:
    """A float ONNX graph in ONNX Runtime, clip by clip in the shape of its input, on one thread.

    Raises UserError where the file is damaged.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class for every kind of damage
        raise UserError(f"{path}: damaged ({type(error).__name__}); make it again with `make quantize`") from None
    name, (_, *shape) = session.get_inputs()[0].name, session.get_inputs()[0].shape

    def run(logmel: np.ndarray) -> np.ndarray:
        rows = [session.run(None, {name: clip.reshape(1, *shape)})[0].reshape(-1) for clip in logmel]
        return np.stack(rows)

    return run


def int8_backend(kind: str, model: bytes, scale: float, zero_point: int) -> Backend:
    """The .tflite on int8 features, logits dequantised: `tflite` (reference kernels) or `tflm`.

    Dequantisation is one to one, so two backends' logits are equal where their int8 outputs are.
    """
    from convert import interpreters

    infer = interpreters.reference_logits if kind == "tflite" else interpreters.tflm_logits

    def run(logmel: np.ndarray) -> np.ndarray:
        logits = infer(model, FEATURES.quantize(logmel))
        return (logits.astype(np.float32) - zero_point) * np.float32(scale)

    return run


def make_backends(source: dict) -> dict[str, Backend]:
    """All four. `source`: paths `checkpoint` and `onnx`, and `tflite` (bytes), `scale`, `zero_point` of its output."""
    backends = {"pytorch": pytorch_backend(source["checkpoint"]), "onnx": onnx_backend(source["onnx"])}
    for kind in INT8:
        backends[kind] = int8_backend(kind, source["tflite"], source["scale"], source["zero_point"])
    return backends


def run_all(source: dict, logmel: np.ndarray, processes: int | None = None,
            what: str = "") -> dict[str, np.ndarray]:
    """Logits of every backend, float32 [clips, classes], with a progress bar over the clips that says `what` they are.

    logmel: float32 [clips, 40, 101]. source: as `make_backends`. processes: as many as cores where None.
    """
    chunks = [logmel[start:start + CHUNK] for start in range(0, len(logmel), CHUNK)]
    results: dict[int, dict[str, np.ndarray]] = {}
    with tqdm(total=len(logmel), desc=f"verifying {what}".strip(), unit="clip", disable=None) as bar:
        for index, result in workers.run(run_chunk, [(chunk,) for chunk in chunks], processes,
                                         note_source, (source,)):
            results[index] = result
            bar.update(len(chunks[index]))
    return {name: np.concatenate([results[index][name] for index in range(len(chunks))]) for name in NAMES}


worker_source: dict = {}
worker_backends: dict[str, Backend] = {}
"""In a worker, where its models come from and its own interpreters; in the parent, empty."""


def note_source(source: dict) -> None:
    """Tell this worker where its models come from."""
    worker_source.update(source)


def run_chunk(logmel: np.ndarray) -> dict[str, np.ndarray]:
    """One task: some clips through each backend of this worker, which the first task loads."""
    if not worker_backends:
        worker_backends.update(make_backends(worker_source))
    return {name: backend(logmel) for name, backend in worker_backends.items()}
