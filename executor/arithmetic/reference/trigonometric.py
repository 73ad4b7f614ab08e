"""Sine and cosine in float64 (§1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .exponential import ROUNDING_SHIFT, polynomial

# π/2 in parts of 29, 29 and 53 bits: products of the first two with integers below 2^24 are exact.
_HALF_PI = tuple(map(float.fromhex, ("0x1.921fb54000000p+0", "0x1.10b4611000000p-30", "0x1.4c4c6628b80dcp-59")))
_2_PI = float.fromhex("0x1.45f306dc9c883p-1")

# Taylor: at abs(r) ≤ π/4 the first terms left out are below 2^-58.
_SIN = tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(9))
_COS = tuple((-1) ** n / math.factorial(2 * n) for n in range(9))


def sin64(x: Tensor) -> Tensor:
    """Sin x for float64 x of at most 24 bits, abs(x) ≤ 2^24."""
    return torch.where(x == 0, x, _quadrant(x, 0))


def cos64(x: Tensor) -> Tensor:
    """Cos x for float64 x of at most 24 bits, abs(x) ≤ 2^24."""
    return _quadrant(x, 1)


def _quadrant(x: Tensor, offset: int) -> Tensor:
    shifted = (x * _2_PI).add_(ROUNDING_SHIFT)
    quadrant = shifted.view(torch.int64) + offset
    count = shifted - ROUNDING_SHIFT
    # Cody and Waite: the first difference is exact, and the second where it is below 2^-4, which keeps all bits
    # of what is left of the argument that is nearest to a zero: 252.898... is 2^-27.8 from 161·π/2.
    reduced = x - count * _HALF_PI[0]
    reduced.sub_(count * _HALF_PI[1]).sub_(count * _HALF_PI[2])
    square = reduced * reduced
    sine = polynomial(square, _SIN).mul_(reduced)
    cosine = polynomial(square, _COS)
    value = torch.where((quadrant & 1) == 0, sine, cosine)
    return torch.where((quadrant & 2) == 0, value, -value)
