"""Sum and mean (§3)."""

from __future__ import annotations

import torch
from torch import Tensor

from .scaling import exact_sum, scaled_integers

PRECISION = 40


def sum64(vectors: Tensor, operation: str) -> Tensor:
    """Sum64 over the last dimension of float32 or float64 [..., n], kept: float64 [..., 1] (§3)."""
    scaled = scaled_integers(vectors, -1, PRECISION, operation)
    return exact_sum(scaled.integers, -1, PRECISION).mul_(scaled.scale * 2.0**-PRECISION)


def mean64(vectors: Tensor, operation: str) -> Tensor:
    """RN64(Sum64 / n) over the last dimension, kept: float64 [..., 1] (§3)."""
    count = torch.full((), vectors.shape[-1], dtype=torch.float64, device=vectors.device)
    return sum64(vectors, operation) / count
