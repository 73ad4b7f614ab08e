"""The exact product of the integers as they are, in float64 (§2 step 2), for every processor.

Up to 8,192 products of 40 bits no partial sum passes 2^53: exact in any order, with fused multiply-add or without.
"""

from __future__ import annotations

from .compile import kernel
from .inline import inlined
from .integers import Array, factors, integer
from .tiles import FLOAT64, ROWS, Ahead

COLUMNS = FLOAT64.columns
BLOCK = FLOAT64.block

_multiply = FLOAT64.multiply


@inlined
def stride(length: int) -> int:
    """Integers from one packed row to the next: no power of two, so that rows do not share sets of the cache."""
    return (min(length, BLOCK) + 7) // 8 * 8 + 8


@inlined
def rows_size(length: int) -> int:
    """Room for a tile's packed rows: blocks of ROWS rows."""
    return (length + BLOCK - 1) // BLOCK * ROWS * stride(length)


@inlined
def panel_size(length: int) -> int:
    """Room for a panel of packed columns."""
    return length * COLUMNS


@kernel
def pack_row(row: Array, power: float, place: int, out: Array, at: int) -> None:
    """A row [K] of float32 as the `place`-th of the tile at out[at]."""
    lift, rest = factors(power)
    apart = stride(row.size)
    to = at + place * apart
    for start in range(0, row.size, BLOCK):
        values = row[start : start + BLOCK]
        integers = out[to : to + values.size]
        for k in range(values.size):
            integers[k] = integer(values[k], lift, rest)
        to += ROWS * apart


@kernel
def pack_column(column: Array, power: float, place: int, out: Array, at: int) -> None:
    """A column [K] of float32 as the `place`-th of the panel at out[at]; columns stand side by side at each step."""
    lift, rest = factors(power)
    for k in range(column.size):
        out[at + place + k * COLUMNS] = integer(column[k], lift, rest)


@inlined
def products(  # noqa: PLR0917
    rows: Array, tile: int, panels: Array, panel: int, block: int, length: int, out: Array, ahead: Ahead
) -> None:
    """The exact sums of one block of the tile at rows[tile] and the panel at panels[panel], into out [ROWS·COLUMNS]."""
    first, apart = block * BLOCK, stride(length)
    a, b = tile + block * ROWS * apart, panel + first * COLUMNS
    soon = ahead.at + first * ahead.pace
    _multiply(out, 0, COLUMNS, rows, a, apart, panels, b, min(BLOCK, length - first), soon, ahead.pace)
