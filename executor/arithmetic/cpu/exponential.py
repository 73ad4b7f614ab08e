"""e^x, ln x and their relatives in float64, one element at a time (§0, §1).

Only + - * /, fused or not, and bit patterns; no branches, so that loops over them become loops of vectors. Relative
error below 2^-50 for the arguments named. Coefficients are those of the interpolating polynomial at the Chebyshev nodes
of the interval named, computed in 300 bits and rounded (the tests compute them again).
"""

from __future__ import annotations

import numpy as np

from .compile import fma
from .inline import bits_of, float_of, inlined, polynomial

# ln 2 in two parts; the first has 32 bits, so that its products with small integers are exact, fused or not.
LN2_HIGH = float.fromhex("0x1.62e42feep-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_LOG2_E = float.fromhex("0x1.71547652b82fep+0")

_ONE = 0x3FF << 52

# Adding 1.5·2^52 rounds to an integer and leaves it in the low bits of the significand.
SHIFT = float.fromhex("0x1.8p+52")

# (e^r - 1 - r)/r² on abs(r) ≤ 0.3466; error below 2^-55 of e^r.
EXP = (
    float.fromhex("0x1.0000000000001p-1"),
    float.fromhex("0x1.5555555555556p-3"),
    float.fromhex("0x1.5555555553d64p-5"),
    float.fromhex("0x1.11111111109b4p-7"),
    float.fromhex("0x1.6c16c1788b646p-10"),
    float.fromhex("0x1.a01a01a7c3d59p-13"),
    float.fromhex("0x1.a019b90eefe8ep-16"),
    float.fromhex("0x1.71de0daf7a6ccp-19"),
    float.fromhex("0x1.2891834686c7ep-22"),
    float.fromhex("0x1.af38a71a18cb9p-26"),
)

# ln((1 + s)/(1 - s)) = 2s + 2s³·Q(s²), Q the interpolant of (artanh(s)/s - 1)/s²: for s² in [0, 0.0295] the error is
# below 2^-57 of the logarithm, and for s² in [0, 1/9] below 2^-56.
LOG = (
    float.fromhex("0x1.5555555555558p-2"),
    float.fromhex("0x1.99999999951f5p-3"),
    float.fromhex("0x1.2492492e0b70cp-3"),
    float.fromhex("0x1.c71c62c42db89p-4"),
    float.fromhex("0x1.7462be245eae3p-4"),
    float.fromhex("0x1.39fd25d62ab23p-4"),
    float.fromhex("0x1.2b6776a1bf0b9p-4"),
)
LOG1P = (
    float.fromhex("0x1.5555555555555p-2"),
    float.fromhex("0x1.999999999a3ddp-3"),
    float.fromhex("0x1.24924923d44c6p-3"),
    float.fromhex("0x1.c71c727143318p-4"),
    float.fromhex("0x1.745cf0b0e03bdp-4"),
    float.fromhex("0x1.3b18b294bebf9p-4"),
    float.fromhex("0x1.10ac75dc602b1p-4"),
    float.fromhex("0x1.eb905e8575054p-5"),
    float.fromhex("0x1.687a6e7c95176p-5"),
    float.fromhex("0x1.4b0a26c5f2aefp-4"),
)
_SQRT_HALF = 0x3FE6A09E667F3BCD

# Where e^x rounds to +0 or overflows in float32 and e^x and e^-x are still ordinary float64.
FARTHEST = 120.0


@inlined
def clamped(x: float, low: float, high: float) -> float:
    """X within [low, high]; NaN stays."""
    x = low if x < low else x
    return high if x > high else x


@inlined
def reduced(x: float) -> tuple[float, float]:
    """R and 2^k with x = r + k·ln 2 and abs(r) ≤ ln(2)/2.

    For abs(x) ≤ 120 of at most 48 bits: the first difference is exact, both sides being multiples of 2^-50.
    """
    shifted = fma(x, _LOG2_E, SHIFT)
    count = shifted - SHIFT
    r = fma(count, -LN2_LOW, fma(count, -LN2_HIGH, x))
    return r, float_of(_ONE + (bits_of(shifted) << 52))


@inlined
def expm1_reduced(r: float) -> float:
    """e^r - 1 for abs(r) ≤ ln(2)/2."""
    value: float = fma(r * r, polynomial(r, EXP), r)
    return value


@inlined
def exp64(x: float) -> float:
    """e^x for x of at most 48 bits, held between the values at ±120."""
    r, power = reduced(clamped(x, -FARTHEST, FARTHEST))
    value: float = fma(power, expm1_reduced(r), power)
    return value


@inlined
def log64(x: float) -> float:
    """Ln x for x of at most 24 bits; -inf at ±0, NaN below."""
    exponent = (bits_of(x) - _SQRT_HALF) >> 52
    significand = float_of(bits_of(x) - (exponent << 52))  # within √½ and √2
    count = float(exponent)
    s = (significand - 1.0) / (significand + 1.0)
    square = s * s
    low = fma(count, LN2_LOW, 2.0 * s * square * polynomial(square, LOG))
    value = fma(count, LN2_HIGH, fma(2.0, s, low))
    end = -np.inf if x == 0.0 else (np.nan if x < 0.0 else x)
    return value if 0.0 < x < np.inf else end


@inlined
def log1p64(x: float) -> float:
    """ln(1 + x) for 0 ≤ x ≤ 1."""
    s = x / (x + 2.0)
    square = s * s
    value: float = 2.0 * fma(s * square, polynomial(square, LOG1P), s)
    return value
