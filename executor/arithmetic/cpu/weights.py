"""Softmax, and the weights that it shares with attention (§5)."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch
from numba import prange
from torch import Tensor

from ..errors import NonFiniteError, undecided
from .compile import allocating_kernel, kernel, parallel_kernel, tasks_for
from .functions import exp_row, log_row
from .integers import SHIFTED, Array, shifted

# The weights e^t, which are at most 1, are counted in units of 2^-40.
UNITS, _UNIT = 2.0**40, 2.0**-40

_MAGNITUDE, _INFINITY = 0x7FFFFFFF, 0x7F800000


class Weighed(IntEnum):
    """How a row of weights ended."""

    ORDINARY = 0
    EMPTY = 1
    NOT_FINITE = 2
    UNDECIDED = 3


_ORDINARY, _EMPTY, _NOT_FINITE, _UNDECIDED = map(int, Weighed)


@kernel
def weigh(row: Array) -> int:
    """Turn a row of float32 scores into t = RN32(x - max x) in place, as far as that goes."""
    patterns = row.view(np.int32)
    largest, magnitude = np.int32(-(1 << 31)), np.int32(0)
    for i in range(patterns.size):  # as integers in the order of the values: their maximum vectorises
        pattern = patterns[i]
        largest = max(largest, np.int32(pattern ^ ((pattern >> 31) & _MAGNITUDE)))
        magnitude = max(magnitude, np.int32(pattern & _MAGNITUDE))
    if magnitude > _INFINITY or largest == _INFINITY:
        return _NOT_FINITE
    highest = np.int32(largest ^ ((largest >> 31) & _MAGNITUDE)).view(np.float32)
    if highest == -np.inf:
        return _EMPTY
    for i in range(row.size):
        row[i] -= highest
    return _ORDINARY


@kernel
def count(weights: Array) -> np.int64:
    """The sum of the integers nearest to u·2^40, for weights u of float32 from 0 to 1."""
    total = np.int64(0)
    for i in range(weights.size):
        total += shifted(weights[i], UNITS)
    return np.int64(total - weights.size * SHIFTED)


def softmax(x: Tensor, dim: int) -> Tensor:
    """Softmax of float32 x along dim (§5)."""
    return _by_rows(x, dim, False)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Log-softmax of float32 x along dim (§5)."""
    return _by_rows(x, dim, True)


def raise_for(status: int, operation: str) -> None:
    """The error for the worst row of an operation."""
    if status == Weighed.NOT_FINITE:
        raise NonFiniteError(f"an operand of {operation} holds a NaN or +infinity")
    if status == Weighed.EMPTY:
        raise NonFiniteError(f"a row of {operation} is -infinity throughout")
    if status == Weighed.UNDECIDED:
        raise undecided(f"{operation}: exp or log")


def _by_rows(x: Tensor, dim: int, logarithm: bool) -> Tensor:
    operation = "log_softmax" if logarithm else "softmax"
    rows = x.movedim(dim, -1) if x.dim() else x.reshape(1)
    out = rows.clone(memory_format=torch.contiguous_format)
    if out.numel():
        flat = out.view(-1, out.shape[-1])
        raise_for(_softmax(flat.numpy(), logarithm, tasks_for(*flat.shape)), operation)
    return out.movedim(-1, dim) if x.dim() else out.reshape(())


@parallel_kernel
def _softmax(rows: Array, logarithm: bool, tasks: int) -> int:
    status = np.zeros(tasks, np.int64)
    for t in prange(tasks):
        status[t] = _softmax_rows(rows[t * len(rows) // tasks : (t + 1) * len(rows) // tasks], logarithm)
    return int(status.max())


@allocating_kernel
def _softmax_rows(rows: Array, logarithm: bool) -> int:
    weights, total = np.empty(rows.shape[1], np.float32), np.empty(1, np.float32)
    for r in range(rows.shape[0]):
        row = rows[r]
        status = weigh(row)
        if status:
            return status
        if exp_row(row, weights):
            return _UNDECIDED
        z = np.float64(count(weights)) * _UNIT
        if logarithm:
            total[0] = z
            if log_row(total, total):
                return _UNDECIDED
            for i in range(row.size):
                row[i] = (row[i] - total[0]) + np.float32(0.0)
        else:
            for i in range(row.size):
                row[i] = np.float32(np.float64(weights[i]) / z)
    return _ORDINARY
