"""The exact product by digits of 11 bits (§2 step 2), for processors with VNNI.

Each integer of 20 bits is low + 2^11·high, low in [-1024, 1023] and high in [-512, 512]. Three products serve for four
(Karatsuba and Ofman 1962): Σ(a·b) = ll + 2^11·(bb - ll - hh) + 2^22·hh, with ll of the low digits, hh of the high ones
and bb of their sums. All are below 1,537 in size, so that int32 holds 896 products. Against the six products of int8
that three digits of 7 bits need, int16 costs as many instructions and leaves half as much to combine.
"""

from __future__ import annotations

import numpy as np

from .compile import kernel
from .inline import inlined
from .integers import Array, factors, integer
from .tiles import INT16, ROWS

COLUMNS = INT16.columns
BLOCK = INT16.block

_LOW_BITS = 11
_HALF = np.int32(1 << (_LOW_BITS - 1))
_OF_LOW = np.float64(1 - (1 << _LOW_BITS))
_OF_BOTH = np.float64(1 << _LOW_BITS)
_OF_HIGH = np.float64((1 << (2 * _LOW_BITS)) - (1 << _LOW_BITS))

TILE = ROWS * COLUMNS
_multiply = INT16.multiply


@kernel
def _stride(length: int) -> int:
    """Digits from one packed row to the next: no power of two, so that rows do not share sets of the cache."""
    return (min(length, BLOCK) + 31) // 32 * 32 + 16


@kernel
def rows_size(length: int) -> int:
    """Bytes of a tile's packed rows."""
    return (length + BLOCK - 1) // BLOCK * 3 * ROWS * _stride(length) * 2


@kernel
def panel_size(length: int) -> int:
    """Bytes of a panel of packed columns."""
    return (length + 1) // 2 * 3 * COLUMNS * 4


@kernel
def _digits(values: Array, start: int, stop: int, power: float, out: Array, at: int, plane: int) -> None:  # noqa: PLR0917
    """The digits of values[start:stop]: low, high and both, a plane each; a zero after an odd number."""
    lift, rest = factors(power)
    # Unsigned, for numba would look at each place whether it counts from the end; int32, which it would widen.
    first, to, apart = np.uint64(start), np.uint64(at), np.uint64(plane)
    for k in range(np.uint64(stop - start)):
        whole = np.int32(integer(values[first + k], lift, rest))
        upper = np.int32(np.int32(whole + _HALF) >> _LOW_BITS)
        lower = np.int32(whole - np.int32(upper << _LOW_BITS))
        out[to + k] = lower
        out[to + apart + k] = upper
        out[to + apart + apart + k] = np.int32(lower + upper)
    if (stop - start) % 2:
        for i in range(3):
            out[at + i * plane + stop - start] = 0


@kernel
def pack_row(row: Array, power: float, place: int, out: Array) -> None:
    """A row [K] of float32 as the `place`-th of a tile's rows: blocks, each of three planes of ROWS rows."""
    digits = out.view(np.int16)
    stride = _stride(row.size)
    at = place * stride
    for start in range(0, row.size, BLOCK):
        _digits(row, start, min(start + BLOCK, row.size), power, digits, at, ROWS * stride)
        at += 3 * ROWS * stride


@kernel
def pack_column(column: Array, power: float, place: int, out: Array) -> None:
    """A column [K] of float32 as the `place`-th of a panel's: blocks, each of three planes of pairs."""
    pairs = out.view(np.int32)
    planes = np.empty((3, BLOCK // 2 + 1), np.int32)
    at = place
    for start in range(0, column.size, BLOCK):
        stop = min(start + BLOCK, column.size)
        _digits(column, start, stop, power, planes.reshape(-1).view(np.int16), 0, BLOCK + 2)
        for plane in range(3):
            for pair in range((stop - start + 1) // 2):
                pairs[at] = planes[plane, pair]
                at += COLUMNS


@kernel
def products(rows: Array, panel: Array, block: int, length: int, parts: Array) -> None:
    """The three products of one block of one tile: parts [3, ROWS·COLUMNS] int32, flat, of low, high and both."""
    first = block * BLOCK
    steps = (min(BLOCK, length - first) + 1) // 2
    a, b = rows.view(np.int32), panel.view(np.int32)
    stride = _stride(length) // 2
    a_at, b_at = block * 3 * ROWS * stride, first // 2 * 3 * COLUMNS
    for plane in range(3):
        _multiply(parts, plane * TILE, COLUMNS, a, a_at, stride, b, b_at, steps)
        a_at += ROWS * stride
        b_at += steps * COLUMNS


@inlined
def combined(low: np.int32, high: np.int32, both: np.int32) -> float:
    """The exact sum that three products stand for: every term and sum of terms is an integer below 2^53."""
    return np.float64(low) * _OF_LOW + np.float64(both) * _OF_BOTH + np.float64(high) * _OF_HIGH


@kernel
def multiply(rows: Array, panel: Array, block: int, length: int, parts: Array, out: Array) -> None:  # noqa: PLR0917
    """One block of one tile: out [ROWS·COLUMNS] float64 gets the exact sums; parts is room to work in."""
    products(rows, panel, block, length, parts)
    for i in range(TILE):
        out[i] = combined(parts[i], parts[TILE + i], parts[2 * TILE + i])
