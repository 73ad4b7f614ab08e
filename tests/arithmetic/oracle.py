"""portable-1 computed slowly from its definition: Python integers, fractions and mpmath, no tensors.

Written from docs/arithmetic.md alone. Vectors are lists of floats that hold float32 (or, where the page says so,
float64) values; results are such floats.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]
from reperform.executor.arithmetic.exhaustive import EXACT

_PRECISION = 300

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **EXACT,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "reciprocal": lambda x: 1 / x,
}


def rn32(x: Fraction) -> float:
    """RN32 of an exact value; zero comes out as +0 unless x is negative."""
    if x == 0:
        return 0.0
    magnitude = abs(x)
    exponent = max(_exponent_above(magnitude) - 24, -149)
    rounded = round(magnitude / Fraction(2) ** exponent)  # Python rounds ties to even
    value = rounded * Fraction(2) ** exponent
    return math.copysign(math.inf if value >= Fraction(2) ** 128 else float(value), x)


def rn64(x: Fraction) -> float:
    """RN64 of an exact value: Python divides integers with one rounding."""
    return x.numerator / x.denominator


def function(name: str, x: float) -> float:
    """RN32 f(x) for an x where f is finite and not zero (§1)."""
    with mpmath.workprec(_PRECISION):
        value = FUNCTIONS[name](mpmath.mpf(x))
        sign, significand, exponent, _ = value._mpf_
    return rn32((-1) ** sign * Fraction(int(significand)) * Fraction(2) ** exponent)


def scaled(v: Sequence[float], bits: int) -> tuple[list[int], int]:
    """The integers of a vector and its exponent (§2 step 1)."""
    peak = max((abs(Fraction(x)) for x in v), default=Fraction(0))
    if peak == 0:
        return [0] * len(v), 0
    e = _exponent_above(peak)
    return [round(Fraction(x) * Fraction(2) ** (bits - e)) for x in v], e


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    """The dot product of §2."""
    (qa, ea), (qb, eb) = scaled(a, 20), scaled(b, 20)
    s = sum(x * y for x, y in zip(qa, qb, strict=True))
    return rn32(Fraction(float(s)) * Fraction(2) ** (ea + eb - 40)) + 0.0


def sum64(v: Sequence[float]) -> float:
    """Sum64 of §3."""
    q, e = scaled(v, 40)
    return float(Fraction(float(sum(q))) * Fraction(2) ** (e - 40))


def add32(a: float, b: float) -> float:
    """One float32 addition."""
    if math.isinf(a) or math.isinf(b) or a + b == 0:
        return a + b
    return rn32(Fraction(a) + Fraction(b))


def mul32(a: float, b: float) -> float:
    """One float32 multiplication."""
    if math.isinf(a) or math.isinf(b) or 0 in (a, b):
        return a * b
    return rn32(Fraction(a) * Fraction(b))


def layer_norm(
    x: Sequence[float], weight: Sequence[float] | None, bias: Sequence[float] | None, eps: float
) -> list[float]:
    """Layer normalisation of one row (§4)."""
    mean = sum64(x) / len(x)
    c = [v - mean for v in x]
    variance = sum64([v * v for v in c]) / len(x)
    r = function("rsqrt", rn32(Fraction(variance + eps)))
    y = [rn32(Fraction(v * r)) for v in c]
    if weight is not None:
        y = [mul32(v, w) for v, w in zip(y, weight, strict=True)]
    if bias is not None:
        y = [add32(v, b) for v, b in zip(y, bias, strict=True)]
    return [v + 0.0 for v in y]


def softmax(x: Sequence[float]) -> list[float]:
    """Softmax of one row (§5)."""
    u, z = _weights(x, max(x))
    return [rn32(Fraction(v / z)) for v in u]


def attention(
    query: Sequence[float],
    keys: Sequence[Sequence[float]],
    values: Sequence[Sequence[float]],
    added: Sequence[float],
    scale: float,
) -> list[float]:
    """One query row of attention (§5); `added` holds the mask, -inf where a key is excluded."""
    scores = [add32(mul32(dot(query, k), scale), m) for k, m in zip(keys, added, strict=True)]
    left = [j for j, s in enumerate(scores) if s != -math.inf]
    width = len(values[0])
    if not left:
        return [0.0] * width
    u, z = _weights([scores[j] for j in left], max(scores[j] for j in left))
    rows = [scaled(values[j], 20) for j in left]
    w = [0.0 if not any(h) else x * 2.0**f for x, (h, f) in zip(u, rows, strict=True)]
    q, g = scaled(w, 20)
    sums = [sum(a * h[d] for a, (h, _) in zip(q, rows, strict=True)) for d in range(width)]
    return [rn32(Fraction(float(s) * 2.0 ** (g - 40) / z)) + 0.0 for s in sums]


def float32(x: float) -> float:
    """A Python float rounded to float32 by the platform, to make test inputs."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def _weights(scores: Sequence[float], peak: float) -> tuple[list[float], float]:
    t = [s if s == -math.inf else rn32(Fraction(s) - Fraction(peak)) for s in scores]
    u = [0.0 if v < -110 else 1.0 if v == 0 else function("exp", v) for v in t]
    return u, float(sum(round(Fraction(v) * 2**40) for v in u)) * 2.0**-40


def _exponent_above(magnitude: Fraction) -> int:
    """The e with 2^(e-1) ≤ magnitude < 2^e."""
    e = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    return e + 1 if magnitude >= Fraction(2) ** e else e


def _check() -> None:
    """The oracle's own rounding agrees with the platform's conversion."""
    for value in (1.0, 1 / 3, 2.0**-149, 2.0**-150, 1.5 * 2.0**-149, 3.4e38, 2.0**-126 * (1 - 2.0**-25)):
        if rn32(Fraction(value)) != float32(value):
            raise AssertionError(value)


_check()
