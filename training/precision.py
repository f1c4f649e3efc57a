"""The precision of the activations that a device multiplies fastest."""

from __future__ import annotations

from pathlib import Path

import torch


def default_precision(device: torch.device) -> str:
    """bfloat16 where the hardware multiplies it natively, else float32."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() and has_avx512_bf16() else "float32"


def has_avx512_bf16() -> bool:
    """Whether this x86-64 processor has bfloat16 dot products."""
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
