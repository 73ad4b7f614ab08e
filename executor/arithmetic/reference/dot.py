"""Dot products: linear layers and matrix products (§2)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import RefusedArithmeticError
from .scaling import ScaledIntegers, scaled_integers
from .zeros import positive_zero

PRECISION = 20
LONGEST_DOT = 1 << 20

# 2·20 bits per product and 2^13 of them: no partial sum passes 2^53, so float64 stays exact.
_BLOCK = 8192


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., K] with weight [N, K] gives [..., N] (§2); bias [N] is one float32 addition."""
    rows = dot_operand(x.reshape(-1, x.shape[-1]), "linear")
    columns = dot_operand(weight.reshape(-1, weight.shape[-1]), "linear")
    result = dot_products(rows, columns)
    if bias is not None:
        result = result + bias
    return result.reshape(*x.shape[:-1], *weight.shape[:-1])


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Rows of a [..., M, K] with columns of b [..., K, N]; vectors and broadcasting as in torch.matmul (§2)."""
    left = a.unsqueeze(0) if a.dim() == 1 else a
    right = b.unsqueeze(-1) if b.dim() == 1 else b
    result = dot_products(dot_operand(left, "matmul"), dot_operand(right.transpose(-1, -2), "matmul"))
    if b.dim() == 1:
        result = result.squeeze(-1)
    if a.dim() == 1:
        result = result.squeeze(-1 if b.dim() == 1 else -2)
    return result


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """a [B, M, K] with b [B, K, N] gives [B, M, N] (§2)."""
    return matmul(a, b)


def addmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """matmul(a, b), then bias, which broadcasts to [M, N], as one float32 addition (§2)."""
    return matmul(a, b) + bias


def baddbmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """bmm(a, b), then bias, which broadcasts to [B, M, N], as one float32 addition (§2)."""
    return matmul(a, b) + bias


def dot_operand(rows: Tensor, operation: str) -> ScaledIntegers:
    """The rows [..., M, K] of one side as integers of 20 bits (§2 step 1)."""
    if rows.shape[-1] > LONGEST_DOT:
        raise RefusedArithmeticError(f"{operation}: dot products of length {rows.shape[-1]} pass 2^20")
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
