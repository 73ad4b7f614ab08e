"""The exact product by digits of 11 bits (§2 step 2), for processors with VNNI.

Each integer of 20 bits is low + 2^11·high, low in [-1024, 1023] and high in [-512, 512]. Three products serve for four
(Karatsuba and Ofman 1962): Σ(a·b) = ll + 2^11·(bb - ll - hh) + 2^22·hh, with ll of the low digits, hh of the high ones
and bb of their sums. All are below 1,537 in size, so that int32 holds 896 products. Against the six products of int8
that three digits of 7 bits need, int16 costs as many instructions and leaves half as much to combine.

Two digits share an int32. Which two is free, as long as both operands agree: the k-th of the first half of a block with
the k-th of its second half, so that a loop over them is one over vectors.
"""

from __future__ import annotations

import numpy as np

from .compile import allocating_kernel, fma
from .inline import inlined
from .integers import Array, factors, integer
from .tiles import INT16, ROWS, Ahead

COLUMNS = INT16.columns
BLOCK = INT16.block
TILE = ROWS * COLUMNS

_LOW_BITS = 11
_HALF = np.int32(1 << (_LOW_BITS - 1))
_MASK = np.int32(0xFFFF)
# ll + 2^11·(bb - ll - hh) + 2^22·hh, by products: each is read once, and converted where it is read.
_OF_LOW, _OF_BOTH, _OF_HIGH = 1.0 - 2.0**_LOW_BITS, 2.0**_LOW_BITS, 2.0 ** (2 * _LOW_BITS) - 2.0**_LOW_BITS
_HIGH_AT, _BOTH_AT = np.uint64(TILE), np.uint64(2 * TILE)

_multiply = INT16.multiply


@inlined
def pairs(length: int) -> int:
    """Steps of a block of so many values."""
    return (length + 1) // 2


@inlined
def stride(length: int) -> int:
    """Pairs from one packed row to the next: no power of two, so that rows do not share sets of the cache."""
    return (pairs(min(length, BLOCK)) + 15) // 16 * 16 + 8


@inlined
def rows_size(length: int) -> int:
    """Room for a tile's packed rows, in float64: blocks, each of three planes of ROWS rows."""
    return (length + BLOCK - 1) // BLOCK * 3 * ROWS * stride(length) // 2


@inlined
def panel_size(length: int) -> int:
    """Room for a panel of packed columns, in float64: blocks, each of three planes of steps of COLUMNS."""
    return pairs(length) * 3 * COLUMNS // 2


@inlined
def _two(first: np.int32, second: np.int32) -> np.int32:
    return np.int32(np.int32(first & _MASK) | np.int32(second << 16))


@inlined
def _high(whole: np.int32) -> np.int32:
    return np.int32(np.int32(whole + _HALF) >> _LOW_BITS)


@inlined
def _low(whole: np.int32, high: np.int32) -> np.int32:
    return np.int32(whole - np.int32(high << _LOW_BITS))


@inlined
def _digits(values: Array, start: int, size: int, power: float, out: Array, at: int, apart: int) -> None:  # noqa: PLR0917
    """The digits of a block of float32 values: low, high and their sums, a plane of pairs each, from out[at] on."""
    lift, rest = factors(power)
    half = pairs(size)
    # Unsigned, for numba would look at each place whether it counts from the end.
    first, second = np.uint64(start), np.uint64(start + half)
    low, high, both = np.uint64(at), np.uint64(at + apart), np.uint64(at + 2 * apart)
    for k in range(np.uint64(size // 2)):
        a, b = integer(values[first + k], lift, rest), integer(values[second + k], lift, rest)
        a_high, b_high = _high(a), _high(b)
        a_low, b_low = _low(a, a_high), _low(b, b_high)
        out[low + k] = _two(a_low, b_low)
        out[high + k] = _two(a_high, b_high)
        out[both + k] = _two(np.int32(a_low + a_high), np.int32(b_low + b_high))
    if size % 2:
        a = integer(values[start + half - 1], lift, rest)
        a_high = _high(a)
        a_low = _low(a, a_high)
        out[at + half - 1], out[at + apart + half - 1] = a_low & _MASK, a_high & _MASK
        out[at + 2 * apart + half - 1] = np.int32(a_low + a_high) & _MASK


@inlined
def pack_row(row: Array, power: float, place: int, digits: Array, at: int) -> None:
    """A row [K] of float32 as the `place`-th of a tile; `at` is that tile's place in float64, digits are int32."""
    apart = stride(row.size)
    to = 2 * at + place * apart
    for start in range(0, row.size, BLOCK):
        _digits(row, start, min(BLOCK, row.size - start), power, digits, to, ROWS * apart)
        to += 3 * ROWS * apart


@allocating_kernel
def pack_column(column: Array, power: float, place: int, out: Array, at: int) -> None:
    """A column [K] of float32 as the `place`-th of the panel at out[at]."""
    digits, planes = out.view(np.int32), np.empty((3, BLOCK // 2), np.int32)
    to = 2 * at + place
    for start in range(0, column.size, BLOCK):
        size = min(BLOCK, column.size - start)
        _digits(column, start, size, power, planes.reshape(-1), 0, BLOCK // 2)
        for plane in range(3):
            for k in range(pairs(size)):
                digits[to] = planes[plane, k]
                to += COLUMNS


@inlined
def products(  # noqa: PLR0917
    rows: Array, tile: int, panels: Array, panel: int, block: int, length: int, parts: Array, ahead: Ahead
) -> None:
    """The three products of one block of the tile at rows[tile] and the panel at panels[panel].

    parts [3·TILE] int32 gets those of the low digits, of the high ones, and of both.
    """
    first = block * BLOCK
    steps, apart = pairs(min(BLOCK, length - first)), stride(length)
    a, b = tile + block * 3 * ROWS * apart // 2, panel + pairs(first) * 3 * COLUMNS // 2
    for plane in range(3):
        soon = ahead.at + (3 * pairs(first) + plane * steps) * ahead.pace
        _multiply(parts, plane * TILE, COLUMNS, rows, a, apart, panels, b, steps, soon, ahead.pace)
        a += ROWS * apart // 2
        b += steps * COLUMNS // 2


@inlined
def combined(parts: Array, at: np.uint64, unit: float) -> float:
    """The exact sum that the three products at parts[at] stand for, times a power of two.

    Every term and every sum of terms is `unit` times an integer below 2^52.
    """
    low, high, both = parts[at], parts[at + _HIGH_AT], parts[at + _BOTH_AT]
    middle = fma(np.float64(both), _OF_BOTH * unit, np.float64(low) * (_OF_LOW * unit))
    value: float = fma(np.float64(high), _OF_HIGH * unit, middle)
    return value
