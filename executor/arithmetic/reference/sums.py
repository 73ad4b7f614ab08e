"""Sum and mean (§3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import RefusedArithmeticError
from ..zeros import positive_zero
from .scaling import exact_sum, scaled_integers

PRECISION = 40
LONGEST_SUM = 1 << 22


def sum64(vectors: Tensor, operation: str) -> Tensor:
    """Sum64 over the last dimension of float32 or float64 [..., n], kept: float64 [..., 1] (§3)."""
    length = vectors.shape[-1]
    if length > LONGEST_SUM:
        raise RefusedArithmeticError(f"{operation}: sums over {length} values pass 2^22")
    scaled = scaled_integers(vectors, -1, PRECISION, operation)
    return exact_sum(scaled.integers, -1, PRECISION).mul_(scaled.scale * 2.0**-PRECISION)


def mean64(vectors: Tensor, operation: str) -> Tensor:
    """RN64(Sum64 / n) over the last dimension, kept: float64 [..., 1] (§3)."""
    count = torch.full((), vectors.shape[-1], dtype=torch.float64, device=vectors.device)
    return sum64(vectors, operation) / count


def sum(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Sum of float32 values over the dimensions `dim`, all of them if None or empty (§3)."""
    return _restore(sum64(_flattened(x, dim), "sum"), x, dim, keepdim)


def mean(x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Mean of float32 values over the dimensions `dim`, all of them if None or empty (§3)."""
    return _restore(mean64(_flattened(x, dim), "mean"), x, dim, keepdim)


def _reduced(x: Tensor, dim: int | Sequence[int] | None) -> list[int]:
    if dim is None:
        return list(range(x.dim()))
    dims = [dim] if isinstance(dim, int) else list(dim)
    return sorted({d % max(x.dim(), 1) for d in dims}) if dims else list(range(x.dim()))


def _flattened(x: Tensor, dim: int | Sequence[int] | None) -> Tensor:
    """The reduced dimensions as one last dimension; their order does not matter to an exact sum."""
    reduced = [d for d in _reduced(x, dim) if d < x.dim()]
    kept = [d for d in range(x.dim()) if d not in reduced]
    length = math.prod(x.shape[d] for d in reduced)
    return x.permute([*kept, *reduced]).reshape([*(x.shape[d] for d in kept), length])


def _restore(result: Tensor, x: Tensor, dim: int | Sequence[int] | None, keepdim: bool) -> Tensor:
    rounded = positive_zero(result.squeeze(-1).to(torch.float32))
    if keepdim:
        for d in _reduced(x, dim):
            if d < x.dim():
                rounded = rounded.unsqueeze(d)
    return rounded
