"""Layer and group normalisation (§4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..zeros import positive_zero
from .functions import rsqrt
from .sums import mean64


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    """Float32 x normalised over its last dimensions, which are normalized_shape (§4)."""
    rows = x.reshape(*x.shape[: x.dim() - len(normalized_shape)], math.prod(normalized_shape))
    return _affine(_normalised(rows, eps, "layer_norm").reshape(x.shape), weight, bias)


def group_norm(x: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Float32 x [N, C, ...] normalised over each of num_groups groups of channels (§4)."""
    rows = x.reshape(x.shape[0], num_groups, -1)
    normalised = _normalised(rows, eps, "group_norm").reshape(x.shape)
    return _affine(
        normalised,
        None if weight is None else _per_channel(weight, x),
        None if bias is None else _per_channel(bias, x),
    )


def _normalised(rows: Tensor, eps: float, operation: str) -> Tensor:
    """y of §4 over the last dimension: float32 in, float32 out."""
    centred = rows.to(torch.float64) - mean64(rows, operation)
    variance = mean64(centred * centred, operation)
    slope = rsqrt((variance + eps).to(torch.float32)).to(torch.float64)
    return centred.mul_(slope).to(torch.float32)


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return positive_zero(y)


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (x.dim() - 2))
