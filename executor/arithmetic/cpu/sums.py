"""Exact sums and means (§3)."""

from __future__ import annotations

import numpy as np
import torch
from numba import prange
from torch import Tensor

from ..errors import not_finite
from .compile import kernel, parallel_kernel, tasks_for
from .integers import NOT_FINITE, SHIFTED, Array, factor, scale, scale64, shifted

PRECISION = 40
_UNIT = 2.0**-PRECISION


@kernel
def exact_sum(vector: Array, power: float) -> float:
    """RN64 of the sum of the integers nearest to v·2^40 / power, times power·2^-40: Sum64 of a vector of that scale."""
    by = factor(power, PRECISION)
    total = np.int64(0)
    for i in range(vector.size):
        total += shifted(vector[i], by)
    total -= vector.size * SHIFTED  # whatever wraps around on the way, the sum itself is below 2^63
    return np.float64(total) * (power * _UNIT)


def sum64(vectors: Tensor, operation: str) -> Tensor:
    """Sum64 over the last dimension of float32 or float64 [..., n], kept: float64 [..., 1] (§3)."""
    rows = vectors.reshape(vectors.shape[:-1].numel(), vectors.shape[-1]).contiguous()
    out = torch.empty(*vectors.shape[:-1], 1, dtype=torch.float64)
    if not out.numel():
        return out
    sums = _sums64 if rows.dtype == torch.float64 else _sums
    if not sums(rows.numpy(), tasks_for(*rows.shape), out.view(-1).numpy()):
        raise not_finite(operation)
    return out


def mean64(vectors: Tensor, operation: str) -> Tensor:
    """RN64(Sum64 / n) over the last dimension, kept: float64 [..., 1] (§3)."""
    return sum64(vectors, operation) / torch.full((), vectors.shape[-1], dtype=torch.float64)


@parallel_kernel
def _sums(rows: Array, tasks: int, out: Array) -> bool:
    finite = np.ones(tasks, np.bool_)
    for t in prange(tasks):
        for r in range(t * len(rows) // tasks, (t + 1) * len(rows) // tasks):
            power = scale(rows[r])
            finite[t] &= power != NOT_FINITE
            out[r] = exact_sum(rows[r], power)
    return bool(finite.all())


@parallel_kernel
def _sums64(rows: Array, tasks: int, out: Array) -> bool:
    finite = np.ones(tasks, np.bool_)
    for t in prange(tasks):
        for r in range(t * len(rows) // tasks, (t + 1) * len(rows) // tasks):
            power = scale64(rows[r])
            finite[t] &= power != NOT_FINITE
            out[r] = exact_sum(rows[r], power)
    return bool(finite.all())
