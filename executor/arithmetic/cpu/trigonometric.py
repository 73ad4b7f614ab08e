"""Sine and cosine in float64, one element at a time (§1).

Both are ± sin(x - n·π/2) with abs(x - n·π/2) ≤ π/2: n is even for the sine and odd for the cosine. So one polynomial
serves both.
"""

from __future__ import annotations

import numpy as np

from .compile import fma
from .exponential import SHIFT
from .inline import bits_of, float_of, inlined, polynomial

LARGEST_ANGLE = 2.0**24

# π/2 in parts of 29, 29 and 53 bits: products of the first two with integers below 2^24 are exact, fused or not.
_HALF_PI_1 = float.fromhex("0x1.921fb54p+0")
_HALF_PI_2 = float.fromhex("0x1.10b4611p-30")
_HALF_PI_3 = float.fromhex("0x1.4c4c6628b80dcp-59")
_1_PI = float.fromhex("0x1.45f306dc9c883p-2")

# sin r = r + r³·Q(r²): the interpolant of (sin(r)/r - 1)/r² at Chebyshev nodes, r² in [0, 2.468]; error below 2^-54.
SIN = (
    float.fromhex("-0x1.5555555555555p-3"),
    float.fromhex("0x1.1111111111107p-7"),
    float.fromhex("-0x1.a01a01a018aa5p-13"),
    float.fromhex("0x1.71de3a54561b5p-19"),
    float.fromhex("-0x1.ae6455a1a043dp-26"),
    float.fromhex("0x1.612401499e430p-33"),
    float.fromhex("-0x1.ae513316545cap-41"),
    float.fromhex("0x1.89a3d18edd0b4p-49"),
)


@inlined
def sin64(x: float) -> float:
    """Sin x for x of at most 24 bits, abs(x) ≤ 2^24."""
    shifted = fma(x, _1_PI, SHIFT)
    value = _sine(x, 2.0 * (shifted - SHIFT), bits_of(shifted) << 63)
    return x if x == 0.0 else value


@inlined
def cos64(x: float) -> float:
    """Cos x for x of at most 24 bits, abs(x) ≤ 2^24."""
    shifted = fma(x, _1_PI, -0.5) + SHIFT
    return _sine(x, fma(2.0, shifted - SHIFT, 1.0), (bits_of(shifted) + 1) << 63)


@inlined
def _sine(x: float, n: float, sign: np.int64) -> float:
    """sin(x - n·π/2), its sign bit changed by `sign`.

    The first difference is exact: both sides are multiples of 2^-28, unless n is 0 or x so small that the cosine is 1.
    The second is exact where it is below 2^-5, which keeps all bits of what is left of the angle nearest to a zero.
    """
    r = fma(n, -_HALF_PI_3, fma(n, -_HALF_PI_2, fma(n, -_HALF_PI_1, x)))
    square = r * r
    return float_of(bits_of(fma(r * square, polynomial(square, SIN), r)) ^ sign)
