"""e^x, ln x and their relatives in float64, from + - * / and bit patterns alone (§0, §1).

Every function takes and returns float64; relative error below 2^-50 for the arguments named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# ln 2 in two parts; the first has 32 bits, so that its products with small integers are exact.
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_LOG2_E = float.fromhex("0x1.71547652b82fep+0")

# Adding 1.5·2^52 rounds to an integer and leaves it in the low bits of the significand.
ROUNDING_SHIFT = float.fromhex("0x1.8p+52")

# Taylor: at abs(r) ≤ ln(2)/2 the first term left out of e^r is below 2^-57.
_EXP = tuple(1 / math.factorial(n) for n in range(14))

# 2·artanh(s) = 2s·(1 + s²/3 + s⁴/5 + ...); at s ≤ 1/3 the first term left out is below 2^-56.
_ARTANH = tuple(1 / (2 * n + 1) for n in range(17))
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD

# Beyond these e^x rounds to +0 or overflows in float32, and stays an ordinary float64.
EXP_LOWEST = -120.0
EXP_HIGHEST = 120.0


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Σ c_n·x^n by Horner's rule, every step rounded."""
    result = x * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        result.add_(coefficient).mul_(x)
    return result.add_(coefficients[0])


def exp64(x: Tensor, low_part: Tensor | None = None) -> Tensor:
    """e^(x + low_part) for abs(x) ≤ 120 of at most 48 bits, and a low_part below 2^-20·x."""
    reduced, exponent_bits = _reduce(x, low_part)
    result = polynomial(reduced, _EXP)
    # e^r lies in (0.7, 1.42): adding k to the exponent field multiplies by 2^k exactly.
    result.view(torch.int64).add_(exponent_bits)
    return result


def expm1_64(x: Tensor) -> Tensor:
    """e^x - 1 for 0 ≤ x ≤ 120 of at most 48 bits."""
    reduced, exponent_bits = _reduce(x, None)
    power = torch.ones_like(x)
    power.view(torch.int64).add_(exponent_bits)
    result = polynomial(reduced, _EXP[1:]).mul_(reduced).mul_(power)
    return result.add_(power.sub_(1.0))


def _reduce(x: Tensor, low_part: Tensor | None) -> tuple[Tensor, Tensor]:
    """R = x - k·ln 2 with abs(r) ≤ ln(2)/2, and k shifted to the exponent field."""
    shifted = (x * _LOG2_E).add_(ROUNDING_SHIFT)
    exponent_bits = shifted.view(torch.int64) << 52
    count = shifted.sub_(ROUNDING_SHIFT)
    reduced = x - count * _LN2_HIGH  # exact: both are multiples of 2^-50 and their difference is small
    low = count * _LN2_LOW
    if low_part is not None:
        low.sub_(low_part)
    return reduced.sub_(low), exponent_bits


def log64(x: Tensor) -> Tensor:
    """Ln x for normal positive x; relative error below 2^-50 where x has at most 24 bits."""
    bits = x.view(torch.int64) - _SQRT_HALF_BITS
    exponent = bits >> 52
    significand = (x.view(torch.int64) - (exponent << 52)).view(torch.float64)
    count = exponent.to(torch.float64)
    low = _two_artanh(significand - 1.0, significand + 1.0).add_(count * _LN2_LOW)
    return low.add_(count.mul_(_LN2_HIGH))


def log1p64(x: Tensor) -> Tensor:
    """ln(1 + x) for 0 ≤ x ≤ 1."""
    return _two_artanh(x, x + 2.0)


def _two_artanh(numerator: Tensor, denominator: Tensor) -> Tensor:
    """2·artanh(n/d) = ln((d + n)/(d - n)) for abs(n/d) ≤ 1/3."""
    s = numerator / denominator
    return polynomial(s * s, _ARTANH).mul_(s).mul_(2.0)
