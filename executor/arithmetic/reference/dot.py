"""Dot products: linear layers and matrix products (§2)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kernels import Operand
from ..zeros import positive_zero
from .scaling import ScaledIntegers, scaled_integers

PRECISION = 20

# 2·20 bits per product and 2^13 of them: no partial sum passes 2^53, so float64 stays exact.
_BLOCK = 8192


def prepare(rows: Tensor) -> ScaledIntegers:
    """The rows [N, K] of a weight as integers of 20 bits (§2 step 1)."""
    return dot_operand(rows, "a weight")


def linear(x: Tensor, weight: Tensor | Operand, bias: Tensor | None) -> Tensor:
    """Rows of x with rows of weight, then the bias (§2)."""
    columns = dot_operand(weight, "linear") if isinstance(weight, Tensor) else weight
    if not isinstance(columns, ScaledIntegers):
        raise TypeError("a weight that was prepared for other kernels")
    result = dot_products(dot_operand(x.reshape(-1, x.shape[-1]), "linear"), columns)
    if bias is not None:
        result = result + bias
    return result.reshape(*x.shape[:-1], *columns.shape[:-1])


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Rows of a [..., M, K] with columns of b [..., K, N] (§2)."""
    return dot_products(dot_operand(a, "matmul"), dot_operand(b.transpose(-1, -2), "matmul"))


def dot_operand(rows: Tensor, operation: str) -> ScaledIntegers:
    """The rows [..., M, K] of one side as integers of 20 bits (§2 step 1)."""
    return scaled_integers(rows, -1, PRECISION, operation)


def dot_products(a: ScaledIntegers, b: ScaledIntegers) -> Tensor:
    """All pairs of rows of a [..., M, K] and b [..., N, K], rounded to float32 [..., M, N] (§2 step 3)."""
    products = exact_products(a.integers, b.integers)
    products = products.mul_(a.scale * 2.0 ** -(a.bits + b.bits)).mul_(b.scale.transpose(-1, -2))
    return positive_zero(products.to(torch.float32))


def exact_products(a: Tensor, b: Tensor) -> Tensor:
    """RN64 of the exact integer products of rows of a [..., M, K] and b [..., N, K] (§2 step 2)."""
    columns = b.transpose(-1, -2)
    length = a.shape[-1]
    if length <= _BLOCK:
        return torch.matmul(a, columns)
    blocks = [slice(start, start + _BLOCK) for start in range(0, length, _BLOCK)]
    total = torch.matmul(a[..., blocks[0]], columns[..., blocks[0], :]).to(torch.int64)
    for block in blocks[1:]:
        total += torch.matmul(a[..., block], columns[..., block, :]).to(torch.int64)
    return total.to(torch.float64)
