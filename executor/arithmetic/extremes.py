"""Comparisons that choose: zeros come out as +0, and the lowest index wins a tie (§0, §7)."""

from __future__ import annotations

import torch
from torch import Tensor

from .errors import NonFiniteError, RefusedArithmeticError
from .zeros import positive_zero


def relu(x: Tensor) -> Tensor:
    """X where x > 0, otherwise +0 (§0)."""
    return _without_negative_zero(torch.relu(x))


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """The larger, elementwise (§7)."""
    return _without_negative_zero(torch.maximum(a, b))


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """The smaller, elementwise (§7)."""
    return _without_negative_zero(torch.minimum(a, b))


def clamp(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """min(max(x, low), high), each bound left out where it is None (§7)."""
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


def amax(x: Tensor, dim: int | list[int] | tuple[int, ...] = (), keepdim: bool = False) -> Tensor:
    """The largest value over dimensions, all of them if none is given (§7)."""
    return _without_negative_zero(x.amax(dim, keepdim))


def amin(x: Tensor, dim: int | list[int] | tuple[int, ...] = (), keepdim: bool = False) -> Tensor:
    """The smallest value over dimensions, all of them if none is given (§7)."""
    return _without_negative_zero(x.amin(dim, keepdim))


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The lowest index of the largest value, int64; over the flattened tensor if dim is None (§0)."""
    return _first_extreme(x, dim, keepdim, largest=True)


def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The lowest index of the smallest value, int64; over the flattened tensor if dim is None (§0)."""
    return _first_extreme(x, dim, keepdim, largest=False)


def _first_extreme(x: Tensor, dim: int | None, keepdim: bool, *, largest: bool) -> Tensor:
    name = "argmax" if largest else "argmin"
    if dim is None:
        index = _first_extreme(x.reshape(-1), 0, False, largest=largest)
        return index.reshape([1] * x.dim()) if keepdim else index
    length = x.shape[dim] if x.dim() else 1
    if length == 0:
        raise RefusedArithmeticError(f"{name} of nothing is not defined")
    if bool(x.isnan().any()):
        raise NonFiniteError(f"an operand of {name} holds a NaN")
    values = x if x.dim() else x.reshape(1)
    extreme = values.amax(dim, keepdim=True) if largest else values.amin(dim, keepdim=True)
    places = torch.arange(length, device=x.device)
    places = places.reshape([-1 if d == dim % values.dim() else 1 for d in range(values.dim())])
    index = torch.where(values == extreme, places, length).amin(dim, keepdim=keepdim)
    return index if x.dim() else index.reshape(())


def _without_negative_zero(result: Tensor) -> Tensor:
    return positive_zero(result) if result.is_floating_point() else result
