"""Layer and group normalisation (§4), a row at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numba import prange
from torch import Tensor

from ..errors import NonFiniteError
from ..zeros import positive_zero
from .compile import kernel, parallel_kernel, tasks_for
from .integers import NOT_FINITE, Array, scale, scale64
from .roots import rsqrt32
from .sums import exact_sum

_ABSENT = np.empty(0, np.float32)


def layer_norm(
    x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Float32 x normalised over its last dimensions, which are normalized_shape (§4)."""
    length = math.prod(normalized_shape)
    w, b = (None if p is None else p.expand(normalized_shape).reshape(-1).contiguous() for p in (weight, bias))
    return _normalised(x.reshape(-1, length) if x.numel() else x, w, b, eps, "layer_norm").reshape(x.shape)


def group_norm(x: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Float32 x [N, C, ...] normalised over each of num_groups groups of channels (§4)."""
    rows = x.reshape(x.shape[0] * num_groups, -1) if x.numel() else x
    result = _normalised(rows, None, None, eps, "group_norm").reshape(x.shape)
    for parameter, apply in ((weight, torch.mul), (bias, torch.add)):
        if parameter is not None:
            result = apply(result, parameter.reshape(-1, *[1] * (x.dim() - 2)))
    return positive_zero(result)


def _normalised(rows: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, operation: str) -> Tensor:
    rows = rows.contiguous()
    out = torch.empty_like(rows)
    if out.numel():
        w, b = (_ABSENT if p is None else p.numpy() for p in (weight, bias))
        if not _rows(rows.numpy(), w, b, float(eps), tasks_for(*rows.shape), out.numpy()):
            raise NonFiniteError(f"an operand of {operation} holds a NaN or an infinity")
    return out


@parallel_kernel
def _rows(rows: Array, weight: Array, bias: Array, eps: float, tasks: int, out: Array) -> bool:  # noqa: PLR0917
    finite = np.ones(tasks, np.bool_)
    for t in prange(tasks):
        centred, squares = np.empty(rows.shape[1]), np.empty(rows.shape[1])
        for r in range(t * len(rows) // tasks, (t + 1) * len(rows) // tasks):
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
    for i in range(x.size):
        centred[i] = np.float64(x[i]) - mean
        squares[i] = centred[i] * centred[i]
    variance = exact_sum(squares, scale64(squares)) / np.float64(x.size)
    slope = np.float64(rsqrt32(np.float32(variance + eps)))
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
