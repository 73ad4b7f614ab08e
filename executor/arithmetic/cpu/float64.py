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

_STRIDE = FLOAT64.stride
_multiply = FLOAT64.multiply


@kernel
def rows_size(length: int) -> int:
    """Bytes of a tile's packed rows."""
    return (length + BLOCK - 1) // BLOCK * ROWS * _STRIDE * 8


@kernel
def panel_size(length: int) -> int:
    """Bytes of a panel of packed columns."""
    return length * COLUMNS * 8


@kernel
def pack_row(row: Array, power: float, place: int, out: Array) -> None:
    """A row [K] as the `place`-th of a tile's rows: blocks of ROWS rows."""
    integers = out.view(np.float64)
    lift, rest = factors(power)
    at = place * _STRIDE
    for start in range(0, row.size, BLOCK):
        values = row[start : start + BLOCK]
        block = integers[at : at + values.size]
        for k in range(values.size):
            block[k] = integer(values[k], lift, rest)
        at += ROWS * _STRIDE


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
    _multiply(out, 0, COLUMNS, a, block * ROWS * _STRIDE, b, first * COLUMNS, min(BLOCK, length - first))
