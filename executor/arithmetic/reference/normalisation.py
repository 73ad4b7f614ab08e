"""Normalisation (§4)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..zeros import positive_zero
from .functions import rsqrt
from .sums import mean64


def normalised(rows: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, operation: str) -> Tensor:
    """Each of float32 rows [R, n] normalised, then times weight [n], plus bias [n] (§4)."""
    centred = rows.to(torch.float64) - mean64(rows, operation)
    variance = mean64(centred * centred, operation)
    slope = rsqrt((variance + eps).to(torch.float32)).to(torch.float64)
    y = centred.mul_(slope).to(torch.float32)
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return positive_zero(y)
