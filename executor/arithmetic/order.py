"""Order among values: of equal ones the lowest index comes first, up or down (§0). Nothing is rounded.

-0 and +0 are equal, and stay as they are: sorting moves elements.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .errors import NonFiniteError, RefusedArithmeticError


def sort(x: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    """The values of x along dim in order, and their indices, int64."""
    indices = argsort(x, dim, descending)
    return (x.gather(dim, indices) if x.dim() else x.clone()), indices


def argsort(x: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """The indices, int64, that put x along dim in order."""
    if x.is_floating_point():
        if bool(x.isnan().any()):
            raise NonFiniteError("an operand of sort holds a NaN")
        x = x + 0.0  # a sort by bits would tell -0 from +0
    return torch.sort(x, dim=dim, descending=descending, stable=True).indices


def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest values of x along dim, or the smallest, in order, and their indices, int64."""
    length = x.shape[dim] if x.dim() else 1
    if not 0 <= k <= length:
        raise RefusedArithmeticError(f"the first {k} of {length} values are not defined")
    values, indices = sort(x, dim, largest)
    return (values.narrow(dim, 0, k), indices.narrow(dim, 0, k)) if x.dim() else (values, indices)
