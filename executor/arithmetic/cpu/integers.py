"""Vectors of floats as integers under one power of two (§2 step 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compile import allocating_kernel, fma, kernel

Array = NDArray[Any]

PRECISION = 20

# What `scale` gives for a vector with an infinity or a NaN in it.
NOT_FINITE = -1.0

_MAGNITUDE32, _INFINITY32 = 0x7FFFFFFF, 0x7F800000
_MAGNITUDE64, _INFINITY64 = 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000

# Adding these leaves an integer in the low bits of the significand.
_SHIFT64 = np.float64(1.5 * 2.0**52)
SHIFTED = _SHIFT64_BITS = np.int64(_SHIFT64.view(np.int64))
_SHIFT32 = np.float32(1.5 * 2.0**23)
_SHIFT32_BITS = np.int32(0x4B400000)
_TINY, _LIFT = 2.0**-100, 2.0**64


@kernel
def scale(vector: Array) -> float:
    """2^e with 2^(e-1) ≤ max abs(v) < 2^e for float32 v; 0 if all are zero; NOT_FINITE."""
    patterns = vector.view(np.int32)
    peak = np.int32(0)
    for i in range(patterns.size):  # integers, in the order of the magnitudes: their maximum vectorises
        peak = max(peak, np.int32(patterns[i] & _MAGNITUDE32))
    if peak >= _INFINITY32:
        return NOT_FINITE
    return power_above(np.float64(np.int32(peak).view(np.float32)))


@kernel
def scale64(vector: Array) -> float:
    """As `scale`, for float64 v, whose largest is zero or between 2^-1000 and 2^1000."""
    patterns = vector.view(np.int64)
    peak = np.int64(0)
    for i in range(patterns.size):
        peak = max(peak, np.int64(patterns[i] & _MAGNITUDE64))
    if peak >= _INFINITY64:
        return NOT_FINITE
    return power_above(np.int64(peak).view(np.float64))


@kernel
def power_above(magnitude: float) -> float:
    """2^e with 2^(e-1) ≤ m < 2^e for m of float64, zero or between 2^-1000 and 2^1000; 0 for zero."""
    power = np.int64(np.float64(magnitude).view(np.int64) & _INFINITY64).view(np.float64)
    return power * 2.0  # exact; a zero has no bits of an exponent


@kernel
def factor(power: float, bits: int) -> float:
    """2^(bits-e) for a scale 2^e, by which v becomes an integer of so many bits when it is rounded; 0 for 0."""
    return 0.0 if power == 0.0 else np.float64(1 << bits) / power


@kernel
def shifted(value: float, by: float) -> np.int64:
    """The integer nearest to value·by, for a power of two that loses nothing, plus SHIFTED; abs ≤ 2^51, ties to even.

    A sum of such integers needs SHIFTED taken away only once. The product is exact, fused with the sum or not.
    """
    return np.float64(fma(np.float64(value), by, _SHIFT64)).view(np.int64)


@kernel
def nearest(value: float, by: float) -> float:
    """The integer nearest to value·by, as `shifted` gives it: the sum has no bits for less than one."""
    return fma(value, by, _SHIFT64) - _SHIFT64  # type: ignore[no-any-return]


@kernel
def factors(power: float) -> tuple[np.float32, np.float32]:
    """2^(20-e) for a scale 2^e as two factors within float32; 0 for 0."""
    lift = 1.0 if power > _TINY else _LIFT
    return np.float32(lift), np.float32(factor(power, PRECISION) / lift)


@kernel
def integer(value: np.float32, lift: np.float32, rest: np.float32) -> np.int32:
    """The integer of 20 bits nearest to a float32 times its factors: all exact but the sum, which rounds to integers.

    A product below 2^-126 may be rounded before; it becomes 0 either way.
    """
    return np.int32(np.int32(np.float32(value * lift * rest + _SHIFT32).view(np.int32)) - _SHIFT32_BITS)


@allocating_kernel
def room(size: int) -> Array:
    """So many float64 to work in, from a multiple of 64 bytes on, so that no vector lies across two lines of cache."""
    memory = np.empty(size + 8)
    first = (-memory.ctypes.data % 64) // 8
    return memory[first : first + size]


@kernel
def rounded(value: float) -> np.float32:
    """RN32, a zero as +0 (§0)."""
    return np.float32(np.float32(value) + np.float32(0.0))
