"""The exact product of the integers as they are, in float64 (§2 step 2), for every processor.

Up to 8,192 products of 40 bits no partial sum passes 2^53: exact in any order, with fused multiply-add or without.
"""

from __future__ import annotations

import numpy as np

from .compile import kernel
from .integers import Array, factors, integer
from .tiles import FLOAT64, ROWS

COLUMNS = FLOAT64.columns
BLOCK = FLOAT64.block

_multiply = FLOAT64.multiply


@kernel
def stride(length: int) -> int:
    """Integers from one packed row to the next: no power of two, so that rows do not share sets of the cache."""
    return (min(length, BLOCK) + 7) // 8 * 8 + 8


@kernel
def rows_size(length: int) -> int:
    """Bytes of a tile's packed rows."""
    return (length + BLOCK - 1) // BLOCK * ROWS * stride(length) * 8


@kernel
def panel_size(length: int) -> int:
    """Bytes of a panel of packed columns."""
    return length * COLUMNS * 8


@kernel
def pack_row(row: Array, power: float, place: int, out: Array) -> None:
    """A row [K] as the `place`-th of a tile's rows: blocks of ROWS rows."""
    integers = out.view(np.float64)
    lift, rest = factors(power)
    apart = stride(row.size)
    at = place * apart
    for start in range(0, row.size, BLOCK):
        values = row[start : start + BLOCK]
        block = integers[at : at + values.size]
        for k in range(values.size):
            block[k] = integer(values[k], lift, rest)
        at += ROWS * apart


@kernel
def pack_column(column: Array, power: float, place: int, out: Array) -> None:
    """A column [K] as the `place`-th of a panel's, which stand side by side at each step."""
    integers = out.view(np.float64)
    lift, rest = factors(power)
    for k in range(column.size):
        integers[k * COLUMNS + place] = integer(column[k], lift, rest)


@kernel
def multiply(rows: Array, panel: Array, block: int, length: int, out: Array) -> None:
    """One block of one tile: out [ROWS·COLUMNS] float64 gets the exact sums."""
    first = block * BLOCK
    a, b = rows.view(np.float64), panel.view(np.float64)
    apart = stride(length)
    _multiply(out, 0, COLUMNS, a, block * ROWS * apart, apart, b, first * COLUMNS, min(BLOCK, length - first))
