"""Weights that other code saved, under this project's names.

They may be of the official BC-ResNet code, of a Lightning module around it, or of this project's own network.

Nothing in a file is run: pickles are read with PyTorch's `weights_only`, which takes tensors and plain values alone.
"""

from __future__ import annotations

import contextlib
import io
import pickletools
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors

from common.checkpoint import check_values
from common.description import BANDS, FEATURES, MELS, STAGES, TAUS, channels
from training.model import BCResNet

FOLDERS = ("state_dict", "model_state_dict", "best", "model", "net", "weights")
"""Keys under which training programs save a network's weights, among other things. `best` is this project's."""
REMEDY = "save its weights alone, where it was trained, with torch.save(model.state_dict(), 'weights.pt')"
COUNTER = "num_batches_tracked"
"""Of BatchNorm: how often it was trained, which no inference reads."""
SETTINGS = {
    **dict.fromkeys(("n_mels", "num_mels", "mels", "n_mel"), FEATURES.mels),
    **dict.fromkeys(("sample_rate", "sampling_rate", "sr"), FEATURES.sample_rate),
    **dict.fromkeys(("hop_length", "hop"), FEATURES.hop),
    **dict.fromkeys(("win_length", "window"), FEATURES.window),
    "n_fft": FEATURES.fft,
}
"""Settings that programs save beside the weights, and what they must be here."""


class Foreign(NamedTuple):
    """A network that other code saved.

    tensors: float32 by their names in `training.model.BCResNet`. names: whose they were, `official` or `own`. prefix: what
    stood before each. ignored: names of what is saved beside the network.
    """

    tau: float
    classes: int
    tensors: dict[str, np.ndarray]
    names: str
    prefix: str
    ignored: tuple[str, ...]


def official_modules() -> dict[str, str]:
    """Name of each module with weights in the official code -> its name here.

    There the blocks lie in stages; a block has a branch `f2` along frequency, whose first layer is the 1x1 convolution where
    it is a transition, and a branch `f1` along time; a layer is a convolution and its norm; and the last one, of 1x1, is the
    output.
    """
    found = {f"cnn_head.{index}": f"head.{index}" for index in (0, 1)}
    found |= {f"classifier.{index}": f"classifier.{index}" for index in (0, 1, 2)} | {"classifier.5": "output"}
    block = 0
    for stage, (count, _, _) in enumerate(STAGES):
        for index in range(count):
            theirs, ours, transition = f"BCBlocks.{stage}.{index}", f"blocks.{block}", index == 0
            if transition:
                found |= {f"{theirs}.f2.0.block.{part}": f"{ours}.transition.{part}" for part in (0, 1)}
            along_frequency = f"{theirs}.f2.{int(transition)}.block"
            found |= {
                f"{along_frequency}.0": f"{ours}.frequency",
                f"{along_frequency}.1.ssnorm": f"{ours}.ssn.norm",
                f"{theirs}.f1.0.block.0": f"{ours}.temporal",
                f"{theirs}.f1.0.block.1": f"{ours}.norm",
                f"{theirs}.f1.1": f"{ours}.pointwise",
            }
            block += 1
    return found


def read(content: bytes) -> Foreign:
    """The network in a file's content. ValueError, which says what it is instead, where it is none that fits."""
    saved = safetensors_of(content) if is_safetensors(content) else unpickled(content)
    check_settings(saved)
    return named(tensors_of(saved))


def is_safetensors(content: bytes) -> bool:
    """Whether the content begins as a safetensors file does: a length, and a JSON object."""
    return content[8:9] == b"{"


def safetensors_of(content: bytes) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file; ValueError where it is damaged."""
    try:
        return load_safetensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"truncated, or no safetensors file ({error})") from None


def unpickled(content: bytes) -> object:
    """What `torch.save` wrote; ValueError where it would run code, or is nothing of the kind."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds, depending on what the content is
        if "TorchScript" in str(error):
            raise ValueError(f"a TorchScript program, not weights; {REMEDY}") from None
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        call = refused[1] if refused else first_call(content)
        if call:
            raise ValueError(f"a pickle that would call {call}, which is not run; {REMEDY}") from None
        raise ValueError(f"no checkpoint, or a damaged one ({type(error).__name__}); {REMEDY}") from None


def first_call(content: bytes) -> str:
    """What a pickle that PyTorch does not read would call first, such as `os.system`; empty where it calls nothing."""
    texts: list[str] = []
    with contextlib.suppress(Exception):  # of what is no pickle
        for code, value, _ in pickletools.genops(content):
            if code.name == "GLOBAL":
                return str(value).replace(" ", ".")
            if code.name == "STACK_GLOBAL":
                return ".".join(texts[-2:])
            texts += [value] if isinstance(value, str) else []
    return ""


def tensors_of(saved: object) -> dict[str, torch.Tensor]:
    """The tensors by name: those of the file itself, or of the first of `FOLDERS` in it."""
    places = [saved, *(saved[name] for name in FOLDERS if name in saved)] if isinstance(saved, Mapping) else []
    for place in places:
        if isinstance(place, Mapping):
            found = {name: value for name, value in place.items() if isinstance(name, str) and torch.is_tensor(value)}
            if any(name.endswith("head.0.weight") for name in found) or (place is saved and len(found) == len(saved) > 0):
                return found
    what = (
        f"it holds {', '.join(sorted(map(str, saved))[:5]) or 'nothing'}"
        if isinstance(saved, Mapping)
        else type(saved).__name__
    )
    raise ValueError(f"no weights by name in it ({what}); {REMEDY}")


def check_settings(saved: object) -> None:
    """ValueError where settings saved beside the weights say that the features are others than this project's."""
    if not isinstance(saved, Mapping):
        return
    for place in (saved, saved.get("hyper_parameters"), saved.get("config"), saved.get("args")):
        for name, value in place.items() if isinstance(place, Mapping) else ():
            wanted = SETTINGS.get(name) if isinstance(name, str) else None
            if wanted is not None and isinstance(value, (int, float)) and value != wanted:
                raise ValueError(f"trained with {name} {value}, but the features here have {wanted}; train it on those")


def named(found: Mapping[str, torch.Tensor]) -> Foreign:
    """The network among these tensors; ValueError, which says what does not fit."""
    official, own = (sorted(prefixes_of(found, anchor)) for anchor in ("cnn_head.0.weight", "head.0.weight"))
    names, prefixes = ("official", official) if official else ("own", own)
    if not prefixes:
        first = next(iter(found), "nothing")
        raise ValueError(f"no BC-ResNet of the official code or of this project: its first tensor is {first!a}")
    if len(prefixes) > 1:
        raise ValueError(f"several networks in it ({', '.join(prefixes)}); {REMEDY}")
    prefix = prefixes[0]
    inside = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    inside = {name: value for name, value in inside.items() if not name.endswith(COUNTER)}
    ignored = tuple(sorted(name for name in found if not name.startswith(prefix)))
    check_filters({name: found[name] for name in ignored})
    ours = renamed(inside) if names == "official" else inside
    tau, classes = check_sizes(ours)
    tensors = {name: array_of(name, value) for name, value in sorted(ours.items())}
    return Foreign(tau, classes, tensors, names, prefix, ignored)


def prefixes_of(names: Iterable[str], anchor: str) -> list[str]:
    """What stands before a tensor's name, wherever it stands: empty, or ends in a full stop."""
    return [name.removesuffix(anchor) for name in names if name == anchor or name.endswith(f".{anchor}")]


def check_filters(beside: Mapping[str, torch.Tensor]) -> None:
    """ValueError where a mel filter bank that was saved beside the network has another shape than the one here."""
    wanted = (FEATURES.fft // 2 + 1, FEATURES.mels)
    for name, value in beside.items():
        if name.endswith((".fb", "mel_basis")) and tuple(value.shape) not in (wanted, wanted[::-1]):
            raise ValueError(
                f"trained on other features: its mel filters {name} have the shape {tuple(value.shape)}, those here "
                f"{wanted}; train it on {FEATURES.mels} mels"
            )


def renamed(found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors by their official names -> by this project's. ValueError for one that is not in the official network."""
    modules, ours = official_modules(), {}
    for name, value in found.items():
        module, _, part = name.rpartition(".")
        if module not in modules:
            norm = re.fullmatch(r"(BCBlocks\.\d+\.\d+\.f2\.\d\.block\.1)(\.ssnorm)?", module)
            if norm and f"{norm[1]}.ssnorm" in modules:
                raise ValueError(f"no SubSpectralNorm with a scale for each band: it holds {name}; train it with one")
            raise ValueError(f"it holds {name}, which the official BC-ResNet does not have")
        ours[f"{modules[module]}.{part}"] = (
            value[:, :, 0, 0] if name == "classifier.5.weight" and value.dim() == 4 else value
        )
    return ours


def check_sizes(found: Mapping[str, torch.Tensor]) -> tuple[float, int]:
    """Width and number of classes of a network by its own names; ValueError where it is not one of this project's."""
    head = tuple(found["head.0.weight"].shape)
    widths = {channels(tau)[0]: tau for tau in TAUS}
    if head[1:] != (1, 5, 5) or head[0] not in widths:
        known = ", ".join(f"{count} (tau {tau:g})" for count, tau in widths.items())
        raise ValueError(f"of another width: its first convolution is {list(head)}, but its channels must be one of {known}")
    tau = widths[head[0]]
    output = found.get("output.weight")
    if output is None or output.dim() != 2:
        raise ValueError("its last layer, with an output for each label, is missing")
    classes = len(output)
    wanted = {
        name: tuple(value.shape) for name, value in BCResNet(tau, classes).state_dict().items() if not name.endswith(COUNTER)
    }
    for name, shape in wanted.items():
        if name not in found:
            what = " (no SubSpectralNorm?)" if ".ssn." in name else ""
            raise ValueError(f"it lacks what is called {name} here{what}")
        has = tuple(found[name].shape)
        if has != shape:
            raise ValueError(f"{reason(name, has, shape)}: what is called {name} here is {list(has)}, not {list(shape)}")
    extra = sorted({*found} - {*wanted})
    if extra:
        raise ValueError(f"it holds {extra[0]}, which BC-ResNet does not have")
    return tau, classes


def reason(name: str, has: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What a tensor of another shape means."""
    if name.startswith("classifier.0.") and has[0] == wanted[0]:
        return f"of another number of mels than {MELS}"
    if ".ssn." in name:
        return f"SubSpectralNorm of another number of bands than {BANDS}, or of another width"
    return "of another width"


def array_of(name: str, value: torch.Tensor) -> np.ndarray:
    """A tensor as float32; ValueError where it cannot be weights."""
    if not value.is_floating_point() or value.layout != torch.strided:
        raise ValueError(f"its {name} is of type {value.dtype}, but weights must be floating-point numbers")
    array = value.detach().float().numpy()
    check_values(name, array)
    return array
