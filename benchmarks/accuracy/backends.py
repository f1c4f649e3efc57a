"""The same clips through PyTorch, ONNX Runtime, int8 TFLite, TFLM and the native engine, in several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.listening import streaming
from common import checkpoint, worker_tools, workers
from common.description import FEATURES
from common.errors import UserError
from common.labels import silence_index
from detector.binding import Detector
from detector.settings import MEDIUM, Settings
from engine import network
from engine.binding import Engine
from frontend import binding

NAMES = ("pytorch", "onnx", "tflite", "tflm")
FLOAT, INT8 = NAMES[:2], NAMES[2:]
"""Backends that take the float log-mel, and those that take its int8 representation."""
NATIVE, NATIVE_IN_NOISE, NATIVE_STREAM = "native", "native_in_noise", "native_stream"
NATIVES = (NATIVE, NATIVE_IN_NOISE, NATIVE_STREAM)
"""The native engine: whole clips, whole clips in the noise of their streams, and clips in streams (see
benchmarks/listening/streaming.py)."""
IN_NOISE = NATIVES[1:]
"""Backends whose audio has noise around the clip, unlike PyTorch's."""
CHUNK = 16
"""Clips of one task, about a second of work; the step of the progress bar."""

Backend = Callable[[np.ndarray], np.ndarray]
"""Clips -> logits float32 [clips, classes]. Those of `NAMES` take log-mel float32 [clips, 40, columns of the window], native
ones samples int16 [clips, samples of the window]."""


def pytorch_backend(path: Path) -> Backend:
    """The float network of a checkpoint, on one thread. UserError where it is no such network."""
    import torch

    from training.model import BCResNet, load_weights

    torch.set_num_threads(1)
    saved = checkpoint.load(path)
    model = BCResNet(saved.tau, len(saved.labels))
    load_weights(model, saved.tensors, str(path))
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


def native_backends(path: Path, noises: Sequence[np.ndarray], decided: Settings) -> dict[str, Backend]:
    """Those of `NATIVES`: the generated C, compiled for this machine. Scores are logits in units of `score_scale`.

    path: of the integer network. noises: of `streaming.Background`. decided: the detector's settings. Raises UserError
    where the C cannot be compiled.
    """
    made = network.load(path)
    engine, silence = Engine(made), silence_index(made.labels)
    detector = Detector(decided.preset(MEDIUM))

    def windows(audio: np.ndarray) -> np.ndarray:
        return engine.windows(binding.columns(audio))

    def windows_in_noise(audio: np.ndarray) -> np.ndarray:
        return windows(np.stack([streaming.noisy_clip(clip, noises) for clip in audio]))

    def streams(audio: np.ndarray) -> np.ndarray:
        hops = (streaming.hops(engine, clip, noises) for clip in audio)
        return np.stack([streaming.answer(engine, detector, scores, silence) for scores in hops])

    def in_logits(scores: Backend) -> Backend:
        return lambda audio: scores(audio) * np.float32(made.score_scale)

    return {name: in_logits(run) for name, run in zip(NATIVES, (windows, windows_in_noise, streams))}


def make_backends(source: dict) -> dict[str, Backend]:
    """All backends. `source`: paths `checkpoint` and `onnx`; `tflite` (bytes), `scale`, `zero_point` of its output; path
    `native`, None where the engine cannot hold the network, and `noises` and the `detector`'s settings for its streams."""
    backends = {"pytorch": pytorch_backend(source["checkpoint"]), "onnx": onnx_backend(source["onnx"])}
    for kind in INT8:
        backends[kind] = int8_backend(kind, source["tflite"], source["scale"], source["zero_point"])
    return backends | (native_backends(source["native"], source["noises"], source["detector"]) if source["native"] else {})


Logits = dict[str, np.ndarray]
"""Of each backend, float32 [clips, classes]."""


def run_all(source: dict, audio: np.ndarray, processes: int | None = None) -> tuple[Logits, Logits]:
    """Logits on float log-mel, and on the features of the device's pipeline; with a progress bar over the clips.

    audio: int16 [clips, samples of the window]. source: as `make_backends`. processes: None: as many as cores. Native
    backends are in the second only, since they take device features only.
    """
    chunks = [audio[start : start + CHUNK] for start in range(0, len(audio), CHUNK)]
    parts = workers.in_order(
        run_chunk,
        [(chunk,) for chunk in chunks],
        "verifying",
        "clip",
        processes,
        worker_tools.prepare,
        (make_backends, source),
    )
    logits, device_logits = (
        {name: np.concatenate([part[which][name] for part in parts]) for name in parts[0][which]} for which in range(2)
    )
    return logits, device_logits


def run_chunk(audio: np.ndarray) -> tuple[Logits, Logits]:
    """One task: some clips through each backend of this worker."""
    from training.features import log_mel

    backends = worker_tools.get()
    logits, device_logits = (
        {name: backends[name](features) for name in NAMES}
        for features in (log_mel(audio), FEATURES.dequantize(binding.columns(audio)))
    )
    return logits, device_logits | {name: backends[name](audio) for name in NATIVES if name in backends}
