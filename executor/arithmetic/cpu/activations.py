"""Activation functions in float64, one element at a time (§1)."""

from __future__ import annotations

from .compile import fma
from .exponential import FARTHEST, clamped, exp64, expm1_reduced, log1p64, reduced
from .inline import inlined
from .normal import FARTHEST as GELU_FARTHEST
from .normal import QUICK_FARTHEST, normal64, tail64

# 2·√(2/π), and 0.044715 times it; the first parts have 29 bits, so that products with 24 are exact.
_LINEAR_HIGH, _LINEAR_LOW = float.fromhex("0x1.9884533p+0"), float.fromhex("0x1.a86ca11a1f968p-29")
_CUBIC_HIGH, _CUBIC_LOW = float.fromhex("0x1.2444f2ap-4"), float.fromhex("0x1.362d2bd26f78cp-34")

# Adding and subtracting these leaves multiples of 2^-17 and of 2^-20: 24 bits of a square up to 121 and a slope up
# to 11.
_SHIFT_SQUARE = 1.5 * 2.0**35
_SHIFT_SLOPE = 1.5 * 2.0**32

# gelu_tanh rounds to -0 in float32 from here down and to x long before here up.
_GELU_TANH_FARTHEST = 11.0


@inlined
def tanh64(x: float) -> float:
    """(e^2x - 1)/(e^2x + 1)."""
    r, power = reduced(clamped(2.0 * x, -FARTHEST, FARTHEST))
    growth: float = fma(power, expm1_reduced(r), power - 1.0)
    return x if x == 0.0 else growth / (growth + 2.0)


@inlined
def sigmoid64(x: float) -> float:
    """1/(1 + e^-x)."""
    return 1.0 / (1.0 + exp64(-x))


@inlined
def silu64(x: float) -> float:
    """x/(1 + e^-x)."""
    z = -FARTHEST if x < -FARTHEST else x
    return _halved(z, z / (1.0 + exp64(-z)))


@inlined
def gelu64(x: float) -> float:
    """x·Φ(x), which is max(x, 0) - abs(x)·(1 - Φ(abs(x)))."""
    z = clamped(abs(x), 0.0, GELU_FARTHEST)
    value: float = fma(-z, tail64(z), x if x > 0.0 else 0.0)
    return _halved(x, value)


@inlined
def gelu_quick(x: float) -> tuple[float, float]:
    """x·Φ(x) and its error, from a Φ that is known absolutely: half the work, and worth little where Φ is small.

    The error is twice abs(x)·2^-47, since the product and the ends of the interval are rounded too: of ordinary inputs
    it leaves few in doubt, and more digits cost more than they decide. From 5.65 up x·Φ(x) and this value both round to
    x, for 1 - Φ is below 2^-26; from -5.65 down nothing is claimed.
    """
    size = abs(x)
    return x * normal64(x), size * 2.0**-46 if x > -QUICK_FARTHEST else size


@inlined
def gelu_tanh64(x: float) -> float:
    """x/(1 + e^-w) with w = x·(a + b·x²), which is (x/2)·(1 + tanh(w/2)).

    w reaches 112 and its absolute error is the relative error of e^-w. So a + b·x² is held in two parts, the first of
    24 bits, whose product with x is exact; the differences from it are exact, or lose less than 2^-70.
    """
    z = clamped(x, -_GELU_TANH_FARTHEST, _GELU_TANH_FARTHEST)
    square = z * z
    square_high = (square + _SHIFT_SQUARE) - _SHIFT_SQUARE
    slope = (fma(square, _CUBIC_HIGH, _LINEAR_HIGH) + _SHIFT_SLOPE) - _SHIFT_SLOPE
    rest = fma(square_high, _CUBIC_HIGH, _LINEAR_HIGH - slope)
    rest += fma(square - square_high, _CUBIC_HIGH, fma(square, _CUBIC_LOW, _LINEAR_LOW))
    r, power = reduced(-(z * slope))
    growth: float = fma(power, expm1_reduced(fma(-z, rest, r)), power)
    return _halved(x, (x if x > -_GELU_TANH_FARTHEST else z) / (1.0 + growth))


@inlined
def softplus64(x: float) -> float:
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^-abs(x))."""
    return log1p64(exp64(-abs(x))) + (x if x > 0.0 else 0.0)


@inlined
def _halved(x: float, value: float) -> float:
    """The value, or near 0 one that is x/2 and something of either sign of x.

    Where x/2 may be a tie among subnormal float32 values, float64 cannot see the something; a larger one breaks the tie
    as the exact value would, and changes nothing else.
    """
    half = 0.5 + 2.0**-40 if x > 0.0 else 0.5 - 2.0**-40
    return x * half if abs(x) < 2.0**-100 else value
