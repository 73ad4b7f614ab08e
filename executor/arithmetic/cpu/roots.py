"""√x, 1/√x and 1/x, one element at a time (§1).

No list of midpoints is needed: see reference/roots.py, and docs/arithmetic.md for how near a root can be to a midpoint.
"""

from __future__ import annotations

import numpy as np

from .compile import fma
from .inline import bits_of, float_of, inlined, polynomial

# Half the exponent, negated: within 3.5 % of 1/√x (Lomont 2003).
_SEED = 0x5FE6EB50C7B537A9

# (1 - h)^(-1/2) - 1, divided by h, by Taylor. With h = 1 - x·y², y·(1 - h)^(-1/2) is 1/√x: from abs(h) ≤ 0.07 the first
# gives 20 bits, and from those the second all.
_FIRST = (1 / 2, 3 / 8, 5 / 16, 35 / 128)
_SECOND = (1 / 2, 3 / 8)

_INFINITY = 0x7FF << 52


@inlined
def _rsqrt64(x: float) -> float:
    """1/√x for normal positive float64 x; relative error below 2^-52."""
    y = float_of(_SEED - (bits_of(x) >> 1))
    h = fma(-x * y, y, 1.0)
    y = fma(y * h, polynomial(h, _FIRST), y)
    h = fma(-x * y, y, 1.0)
    value: float = fma(y * h, polynomial(h, _SECOND), y)
    return value


@inlined
def rsqrt32(x: np.float32) -> np.float32:
    """1/√x: ±inf at ±0, NaN below."""
    z = np.float64(x)
    pole = float_of(bits_of(z) | _INFINITY)
    end = pole if z == 0.0 else (np.nan if z < 0.0 else (0.0 if z == np.inf else z))
    return np.float32(_rsqrt64(z) if 0.0 < z < np.inf else end)


@inlined
def sqrt32(x: np.float32) -> np.float32:
    """√x: -0 at -0, NaN below."""
    z = np.float64(x)
    inverse = _rsqrt64(z)
    root = z * inverse
    root = fma(0.5 * inverse, fma(-root, root, z), root)
    return np.float32(root if 0.0 < z < np.inf else (np.nan if z < 0.0 else z))


@inlined
def reciprocal32(x: np.float32) -> np.float32:
    """1/x: the division of float32 is correctly rounded."""
    return np.float32(1.0) / x
