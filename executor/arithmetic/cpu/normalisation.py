"""Normalisation (§4), a row at a time."""

from __future__ import annotations

import numpy as np
import torch
from numba import prange
from torch import Tensor

from ..errors import not_finite
from .compile import kernel, parallel_kernel, tasks_for
from .integers import NOT_FINITE, Array, power_above, scale
from .roots import rsqrt32
from .sums import exact_sum
from .tiles import LINE, prefetch_to_read, prefetch_to_write

_ABSENT = np.empty(0, np.float32)


def normalised(rows: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, operation: str) -> Tensor:
    """Each of float32 rows [R, n] normalised, then times weight [n], plus bias [n] (§4)."""
    rows = rows.contiguous()
    out = torch.empty_like(rows)
    if out.numel():
        w, b = (_ABSENT if p is None else p.contiguous().numpy() for p in (weight, bias))
        if not _rows(rows.numpy(), w, b, float(eps), tasks_for(*rows.shape), out.numpy()):
            raise not_finite(operation)
    return out


@parallel_kernel
def _rows(rows: Array, weight: Array, bias: Array, eps: float, tasks: int, out: Array) -> bool:  # noqa: PLR0917
    finite = np.ones(tasks, np.bool_)
    for t in prange(tasks):
        centred, squares = np.empty(rows.shape[1]), np.empty(rows.shape[1])
        last = (t + 1) * len(rows) // tasks
        for r in range(t * len(rows) // tasks, last):
            if r + 1 < last:
                for place in range(0, rows.shape[1], LINE // 4):
                    prefetch_to_read(rows[r + 1], place)
                    prefetch_to_write(out[r + 1], place)
            finite[t] &= _row(rows[r], weight, bias, eps, centred, squares, out[r])
    return bool(finite.all())


@kernel
def _row(  # noqa: PLR0917
    x: Array, weight: Array, bias: Array, eps: float, centred: Array, squares: Array, out: Array
) -> bool:
    power = scale(x)
    if power == NOT_FINITE:
        return False
    mean = exact_sum(x, power) / np.float64(x.size)
    peak = np.int64(0)
    for i in range(x.size):
        centred[i] = np.float64(x[i]) - mean
        squares[i] = centred[i] * centred[i]
        peak = max(peak, np.float64(squares[i]).view(np.int64))  # in the order of the squares, none negative
    variance = exact_sum(squares, power_above(np.int64(peak).view(np.float64))) / np.float64(x.size)
    slope = np.float64(rsqrt32(np.float32(variance + eps)))
    if weight.size and bias.size:
        for i in range(x.size):
            out[i] = (np.float32(centred[i] * slope) * weight[i] + bias[i]) + np.float32(0.0)
        return True
    for i in range(x.size):
        out[i] = np.float32(centred[i] * slope)
    if weight.size:
        for i in range(x.size):
            out[i] *= weight[i]
    if bias.size:
        for i in range(x.size):
            out[i] += bias[i]
    for i in range(x.size):
        out[i] += np.float32(0.0)
    return True
