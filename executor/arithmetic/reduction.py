"""The shapes of reductions: several dimensions are reduced as one flattened vector (§3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from .zeros import positive_zero

Dimensions = int | Sequence[int] | None


def _reduced(x: Tensor, dim: Dimensions) -> list[int]:
    if dim is None:
        return list(range(x.dim()))
    dims = [dim] if isinstance(dim, int) else list(dim)
    return sorted({d % max(x.dim(), 1) for d in dims}) if dims else list(range(x.dim()))


def flattened(x: Tensor, dim: Dimensions) -> Tensor:
    """The reduced dimensions as one last dimension; their order does not matter to an exact sum."""
    reduced = [d for d in _reduced(x, dim) if d < x.dim()]
    kept = [d for d in range(x.dim()) if d not in reduced]
    length = math.prod(x.shape[d] for d in reduced)
    return x.permute([*kept, *reduced]).reshape([*(x.shape[d] for d in kept), length])


def restored(result: Tensor, x: Tensor, dim: Dimensions, keepdim: bool) -> Tensor:
    """The float64 results [..., 1] for the vectors of `flattened`, rounded to the dtype of x, as the reduction of x."""
    rounded = positive_zero(result.squeeze(-1).to(x.dtype))
    if keepdim:
        for d in _reduced(x, dim):
            if d < x.dim():
                rounded = rounded.unsqueeze(d)
    return rounded
