"""Vectors as integers under one power of two: §2 step 1, shared by §3 and §5."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import not_finite

_EXPONENT_BIAS = 1023
_SIGNIFICAND_BITS = 52

# A float64 sum of integers is exact in any order while no partial sum can pass 2^53.
_EXACT_BITS = 53


@dataclass(frozen=True)
class ScaledIntegers:
    """v ≈ integers · 2^-bits · scale, for every vector along one dimension.

    integers: float64, integer values, abs ≤ 2^bits, the shape of v.
    scale: float64, 2^e with 2^(e-1) ≤ max abs(v) < 2^e, or 0 where the vector is all zero;
    the shape of v with that dimension of size 1.
    """

    integers: Tensor
    scale: Tensor
    bits: int

    @property
    def shape(self) -> torch.Size:
        """That of v."""
        return self.integers.shape

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.integers.nbytes + self.scale.nbytes


def power_of_two(exponent: Tensor) -> Tensor:
    """2^exponent as float64, for int64 exponents from -1022 to 1023."""
    return ((exponent + _EXPONENT_BIAS) << _SIGNIFICAND_BITS).view(torch.float64)


def exponent_above(magnitude: Tensor) -> Tensor:
    """The e with 2^(e-1) ≤ m < 2^e as int64, for normal positive float64 m; 0 where m is zero."""
    biased = magnitude.view(torch.int64) >> _SIGNIFICAND_BITS
    return torch.where(magnitude == 0, 0, biased - (_EXPONENT_BIAS - 1))


def scaled_integers(vectors: Tensor, dim: int, bits: int, operation: str) -> ScaledIntegers:
    """The integer nearest to v · 2^(bits-e), ties to even, for each element (§2 step 1).

    vectors: float32, or float64 whose nonzero row maxima lie within 2^±900.
    Raises NonFiniteError, naming `operation`, where an element is infinite or NaN.
    """
    if vectors.shape[dim]:
        peak = vectors.abs().amax(dim, keepdim=True).to(torch.float64)
    else:
        peak = vectors.sum(dim, keepdim=True).to(torch.float64)
    check_finite(peak, operation)
    exponent = exponent_above(peak)
    integers = vectors.to(torch.float64, copy=True).mul_(power_of_two(bits - exponent))
    scale = torch.where(peak == 0, 0.0, power_of_two(exponent))
    return ScaledIntegers(integers.round_(), scale, bits)


def exact_sum(integers: Tensor, dim: int, bits: int) -> Tensor:
    """RN64 of the exact sum along dim (kept, size 1) of float64 integers of abs ≤ 2^bits.

    The caller bounds the length so that the sum stays below 2^63.
    """
    if integers.shape[dim] <= 1 << (_EXACT_BITS - bits):
        return integers.sum(dim, keepdim=True)
    return integers.to(torch.int64).sum(dim, keepdim=True).to(torch.float64)


def check_finite(values: Tensor, operation: str) -> None:
    """Raise NonFiniteError unless all values are finite (§0, operands of §2, §3 and §5)."""
    if not bool(torch.isfinite(values).all()):
        raise not_finite(operation)
