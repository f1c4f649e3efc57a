"""The integer network: what the native engine computes with, and the proof that none of its sums can overflow.

Every product with a 16-bit multiplier k is `(a * k) >> 16`, floored, as SMULWB, SMLAWB and VMULH compute it; where a
result is rounded to nearest, 0.5 is added before the shift. Scales are chosen so that every multiplier
is an integer from the start (convert/native.py); nothing is lost to its rounding.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np

from common.atomic import write_bytes
from common.ctext import c_string
from common.description import BANDS, FEATURES, STAGES, TAUS, FeatureDescription, channels, windowed
from common.errors import UserError

FRACTION = 3
"""Fractional bits of an activation before it is rounded to 8 bits."""
HALF = 1 << (FRACTION - 1)
ACTIVATION_MAX = 255
BASE_MAX = (1 << 14) - 1
"""The temporal branch's contribution, with `FRACTION` bits, saturates at 15 bits: so its sum with the frequency
branch's, which is a 16-bit sum times a 16-bit multiplier, fits 16 bits. The MVE form adds it without its half: there
the lowest sum saturates at 16 bits, where the ReLU gives 0 anyway."""
SILU_ENTRIES = 1024
SILU_SHIFT = 14
"""The temporal sum shifted right by this is an index of the table of SiLU; its middle is 0."""
SILU_STEP = 1 / 64
"""Between two entries, which so reach from -8 to 8."""
SILU_FRACTION = 11
"""Fractional bits of SiLU's values."""
DEPTHWISE_SHIFT = 5
"""From the sum of the classifier's depthwise convolution to its 16-bit value."""
HIDDEN_MAX = (1 << 12) - 1
"""Largest value of the layer in front of the logits."""
HEAD_TAPS = 5
CLASSIFIER_TAPS = 5


def mean_shift(rows: int) -> int:
    """From the weighted sum over 5, 10 or 20 rows, which is what 40 mels come to, to the 16-bit mean: 3, 4 or 5 bits."""
    return {5: 3, 10: 4, 20: 5}[rows]


@dataclasses.dataclass(frozen=True)
class Dense:
    """A convolution or matrix product with its requantisation: `((weight . x + bias) * multiplier) >> 16`.

    weight: int8 [out, ...]. bias: int32 [out], in units of the sum. multiplier: int16 [out], positive.
    """

    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray


@dataclasses.dataclass(frozen=True)
class Block:
    """One BC-ResNet block of C channels, from `rows` rows to `rows / stride`.

    transition: 1x1 convolution [C, C_in] in front of it, to unsigned 8 bits; None in a normal block.
    taps: int8 [C, 5, 3], depthwise along frequency, of each (channel, band); SubSpectralNorm and, in a normal block,
        the identity shortcut are in them. bias: int16 [C, 5]. multiplier: int16 [C, 5]. The sum fits 16 bits.
    mean: int8 [C, rows], weights of the block's input for the frequency mean of the normalised convolution;
        mean_bias: int32 [C], its half included.
    temporal: int16 [C, 3], taps `dilation` columns apart; temporal_bias: int32 [C], half and table's middle included.
    pointwise: [C, C] from SiLU's values to the temporal branch's contribution.
    """

    transition: Dense | None
    stride: int
    dilation: int
    taps: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    mean: np.ndarray
    mean_bias: np.ndarray
    temporal: np.ndarray
    temporal_bias: np.ndarray
    pointwise: Dense

    @property
    def channels(self) -> int:
        return len(self.taps)

    @property
    def rows(self) -> int:
        return self.mean.shape[1]


@dataclasses.dataclass(frozen=True)
class Network:
    """The whole network, features int8 to scores int16.

    head: [C, 5, 5] (frequency, time) on features as they are: their zero point is in the bias; unsigned 8 bits out.
    silu: int16 [1024]. depthwise: int8 [C, 5, 5] (frequency, time). classifier: [K, C]. output: [classes, K].
    score_scale: real logit = score * score_scale. clip_samples: of the window.
    """

    tau: float
    labels: tuple[str, ...]
    head: Dense
    silu: np.ndarray
    blocks: tuple[Block, ...]
    depthwise: np.ndarray
    classifier: Dense
    output: Dense
    score_scale: float
    clip_samples: int = FEATURES.clip_samples

    @property
    def features(self) -> FeatureDescription:
        """What it takes."""
        return windowed(self.clip_samples)

    @property
    def delay(self) -> int:
        """Columns by which the last layer's output is behind the feature that it is centred on: 58."""
        return HEAD_TAPS // 2 + sum(block.dilation for block in self.blocks) + CLASSIFIER_TAPS // 2


def _require(fits: bool, what: str) -> None:
    if not fits:
        raise UserError(f"the native engine cannot hold this network: {what}; train it again, with weight decay")


def _within(low: np.ndarray, high: np.ndarray, bits: int, what: str) -> None:
    """UserError unless every sum from `low` to `high` fits a signed integer of so many bits."""
    limit = 1 << (bits - 1)
    _require(
        bool((low >= -limit).all() and (high < limit).all()),
        f"{what} could reach {int(low.min()):,} ... {int(high.max()):,}, more than {bits} bits hold",
    )


def _sum_bounds(weight: np.ndarray, bias: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest of `weight . x + bias` for x of low ... high; sums go over all but the bias's axes.

    Partial sums stay between them and the bias: every order of summation is safe where these are.
    """
    axes = tuple(range(bias.ndim, weight.ndim))
    w = weight.astype(np.int64)
    positive, negative = np.maximum(w, 0).sum(axes), np.minimum(w, 0).sum(axes)
    low, high = min(low, 0), max(high, 0)
    return positive * low + negative * high + bias, positive * high + negative * low + bias


def _check_dense(layer: Dense, low: int, high: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the requantised outputs, after proving that sums fit."""
    least, greatest = _sum_bounds(layer.weight, layer.bias.astype(np.int64), low, high)
    _within(least, greatest, 32, f"a sum of {what}")
    _require(bool((layer.multiplier > 0).all()), f"a multiplier of {what} is not positive")
    k = layer.multiplier.astype(np.int64)
    least, greatest = least * k >> 16, greatest * k >> 16
    _within(least - BASE_MAX, greatest + BASE_MAX, 32, f"a requantised sum of {what}")
    return least, greatest


def check(network: Network) -> None:
    """Raise UserError unless the network has BC-ResNet's form and no sum can overflow, whatever the input."""
    _require(network.tau in TAUS, f"its tau is {network.tau:g}, none of {', '.join(f'{tau:g}' for tau in TAUS)}")
    _require(len(network.labels) >= 2, "it has fewer than two classes")
    head, *widths, tail = channels(network.tau)
    stages = [
        (c, stride if i == 0 else 1, dilation, i == 0)
        for c, (count, stride, dilation) in zip(widths, STAGES)
        for i in range(count)
    ]
    _require(len(network.blocks) == len(stages), f"it has {len(network.blocks)} blocks, not {len(stages)}")
    _check_types(network)
    _require(network.head.weight.shape == (head, HEAD_TAPS, HEAD_TAPS), "its head has another shape")
    _check_dense(network.head, -128, 127, "the head")
    rows, c_in = FEATURES.mels // 2, head
    silu_low, silu_high = int(network.silu.min()), int(network.silu.max())
    for index, (block, (c, stride, dilation, has_transition)) in enumerate(zip(network.blocks, stages)):
        name = f"block {index}"
        _require(
            (block.channels, block.stride, block.dilation) == (c, stride, dilation)
            and (block.transition is not None) == has_transition
            and block.rows == rows,
            f"{name} has another shape",
        )
        if block.transition is not None:
            _require(block.transition.weight.shape == (c, c_in), f"{name} has another shape")
            _check_dense(block.transition, 0, ACTIVATION_MAX, f"{name}'s transition")
        _within(
            *_sum_bounds(block.taps, block.bias.astype(np.int64), 0, ACTIVATION_MAX),
            16,
            f"a sum of {name}'s frequency convolution",
        )
        _require(bool((block.multiplier > 0).all()), f"a multiplier of {name} is not positive")
        least, greatest = _sum_bounds(block.mean, block.mean_bias.astype(np.int64), 0, ACTIVATION_MAX)
        _within(least, greatest, 32, f"a sum of {name}'s mean")
        shift = mean_shift(block.rows)
        _within(least >> shift, greatest >> shift, 16, f"{name}'s mean")
        _within(
            *_sum_bounds(block.temporal, block.temporal_bias.astype(np.int64), -(1 << 15), (1 << 15) - 1),
            32,
            f"a sum of {name}'s temporal convolution",
        )
        _check_dense(block.pointwise, silu_low, silu_high, f"{name}'s pointwise convolution")
        rows, c_in = rows // stride, c
    least, greatest = _sum_bounds(network.depthwise, np.zeros(c_in, np.int64), 0, ACTIVATION_MAX)
    half = 1 << (DEPTHWISE_SHIFT - 1)
    _within(
        (least + half) >> DEPTHWISE_SHIFT, (greatest + half) >> DEPTHWISE_SHIFT, 16, "the classifier's depthwise convolution"
    )
    _require(network.classifier.weight.shape == (tail, c_in), "its classifier has another shape")
    _check_dense(network.classifier, -(1 << 15), (1 << 15) - 1, "the classifier")
    _require(network.output.weight.shape == (len(network.labels), tail), "its output has another shape")
    _check_dense(network.output, 0, HIDDEN_MAX, "the output")
    for label in network.labels:
        try:
            c_string(label)
        except ValueError as error:
            raise UserError(f"the label {error}; rename it in the checkpoint") from None


def _check_types(network: Network) -> None:
    expected = {
        "weight": np.int8,
        "bias": np.int32,
        "multiplier": np.int16,
        "taps": np.int8,
        "mean": np.int8,
        "mean_bias": np.int32,
        "temporal": np.int16,
        "temporal_bias": np.int32,
        "silu": np.int16,
        "depthwise": np.int8,
    }
    for name, array in to_arrays(network).items():
        kind = name.rsplit(".", 1)[-1]
        is_band_bias = name.startswith("blocks") and name.count(".") == 2 and kind == "bias"
        wanted = np.int16 if is_band_bias else expected[kind]
        _require(array.dtype == wanted, f"{name} is {array.dtype}, not {np.dtype(wanted)}")
    for index, block in enumerate(network.blocks):
        c = block.channels
        shapes = {
            "taps": (c, BANDS, 3),
            "bias": (c, BANDS),
            "multiplier": (c, BANDS),
            "mean_bias": (c,),
            "temporal": (c, 3),
            "temporal_bias": (c,),
        }
        for name, shape in shapes.items():
            _require(getattr(block, name).shape == shape, f"block {index}'s {name} has another shape")
        _require(block.pointwise.weight.shape == (c, c), f"block {index}'s pointwise has another shape")
    _require(network.silu.shape == (SILU_ENTRIES,), "its table of SiLU has another size")


def to_arrays(network: Network) -> dict[str, np.ndarray]:
    """Every array by its name, such as `blocks.3.pointwise.weight`."""
    found: dict[str, np.ndarray] = {}

    def visit(prefix: str, value: object) -> None:
        if isinstance(value, np.ndarray):
            found[prefix] = value
        elif dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                visit(f"{prefix}.{field.name}".lstrip("."), getattr(value, field.name))
        elif isinstance(value, tuple):
            for index, entry in enumerate(value):
                visit(f"{prefix}.{index}", entry)

    visit("", network)
    return found


def save(path: Path, network: Network) -> None:
    """Write the network to a .npz file; the same network gives the same bytes. Its window is in there if it is no second."""
    file = io.BytesIO()
    longer = {} if network.features == FEATURES else {"clip_samples": np.int64(network.clip_samples)}
    np.savez(
        file,
        tau=np.float64(network.tau),
        labels=np.array(network.labels),
        score_scale=np.float64(network.score_scale),
        **longer,
        **to_arrays(network),
    )
    write_bytes(path, file.getvalue())


def load(path: Path) -> Network:
    """Read what `save` wrote; UserError where the file is missing, damaged or no such network."""
    try:
        with np.load(path) as file:
            arrays = dict(file)
        tau, labels = float(arrays.pop("tau")), tuple(str(label) for label in arrays.pop("labels"))
        scale, clip_samples = float(arrays.pop("score_scale")), int(arrays.pop("clip_samples", FEATURES.clip_samples))
        windowed(clip_samples)

        def dense(name: str) -> Dense:
            return Dense(*(arrays[f"{name}.{part}"] for part in ("weight", "bias", "multiplier")))

        blocks: list[Block] = []
        for count, stride, dilation in STAGES:
            for index in range(count):
                name = f"blocks.{len(blocks)}"
                parts = {
                    part: arrays[f"{name}.{part}"]
                    for part in ("taps", "bias", "multiplier", "mean", "mean_bias", "temporal", "temporal_bias")
                }
                first = index == 0
                blocks.append(
                    Block(
                        transition=dense(f"{name}.transition") if first else None,
                        stride=stride if first else 1,
                        dilation=dilation,
                        **parts,
                        pointwise=dense(f"{name}.pointwise"),
                    )
                )
        network = Network(
            int(tau) if tau == int(tau) else tau,
            labels,
            dense("head"),
            arrays["silu"],
            tuple(blocks),
            arrays["depthwise"],
            dense("classifier"),
            dense("output"),
            scale,
            clip_samples,
        )
    except FileNotFoundError:
        raise UserError(f"{path}: missing; run `make quantize`") from None
    except Exception as error:  # NumPy raises many kinds, depending on what is damaged
        raise UserError(f"{path}: damaged ({type(error).__name__}); run `make quantize`") from None
    check(network)
    return network
