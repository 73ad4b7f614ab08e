"""Freed memory is kept by the process, up to a limit.

A model's intermediate values are freed as soon as nothing reads them. glibc gives large ones back to the kernel, which
hands out new, zeroed pages a moment later: 13,000 and more faults in a forward pass of the sentence encoder, which made
it up to a fifth slower, or not, depending on what else happened to lie at the end of the heap.
"""

from __future__ import annotations

import ctypes
from typing import Final

# glibc's malloc.h; what the parameters may be at most, and enough for the values of a forward pass.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST_ON_HEAP: Final = 32 * 1024 * 1024  # bytes
_KEPT: Final = 512 * 1024 * 1024


def keep_freed_memory() -> None:
    """Ask the C library; one that has no such parameters is left as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_ON_HEAP)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
