"""Keep memory that a batch has freed for the next batch."""
from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
KEEP_BELOW = 1 << 30
NEVER_TRIM = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Tell glibc not to hand freed blocks back to the kernel, for the whole process.

    Activations of a batch are as large as those of the one before. By default each is mapped anew,
    and its pages are cleared by the kernel at first touch. Where there is no glibc, nothing happens.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, KEEP_BELOW)
    mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
