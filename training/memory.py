"""Keep freed memory in the process, for the next batch."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
KEEP_BELOW = 1 << 30
NEVER_TRIM = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Tell glibc not to return freed blocks to the kernel, for the whole process.

    The activations of every batch have the same sizes. By default glibc maps each anew, and the kernel clears its pages at
    the first access. Does nothing where there is no glibc.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, KEEP_BELOW)
    mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
