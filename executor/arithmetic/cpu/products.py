"""Which exact product serves (§2 step 2): chosen here, once, and never visible in a bit.

int16.py on processors whose VNNI instructions give the known answers, float64.py elsewhere. The environment variable
REPERFORM_PRODUCT names one of them: to compare the two, or where a measurement disagrees with this table.
"""

from __future__ import annotations

import os
from enum import IntEnum
from functools import cache
from typing import Final

import numpy as np

from ..errors import RefusedArithmeticError
from . import float64, int16
from .compile import allocating_kernel, kernel
from .int16 import combined
from .integers import NOT_FINITE, PRECISION, Array, scale
from .tiles import HAS_INT16_DOT, LINE, ROWS, Ahead, prefetch_to_read

VARIABLE: Final = "REPERFORM_PRODUCT"

# Blocks of a row's length after which the exact sums move from float64 to int64: 8,192 products at most.
_EXACT64 = 8192 // float64.BLOCK
EXACT16 = 8192 // int16.BLOCK


class Product(IntEnum):
    """The ways to multiply."""

    FLOAT64 = 0
    INT16 = 1


_INT16 = int(Product.INT16)
_C64, _C16 = float64.COLUMNS, int16.COLUMNS
_B64, _B16 = float64.BLOCK, int16.BLOCK
_T16, _pairs16 = int16.TILE, int16.pairs
_rows_size64, _rows_size16 = float64.rows_size, int16.rows_size
_panel_size64, _panel_size16 = float64.panel_size, int16.panel_size
_pack_row64, _pack_row16 = float64.pack_row, int16.pack_row
_pack_column64, _pack_column16 = float64.pack_column, int16.pack_column
_products64, _products16 = float64.products, int16.products


@kernel
def columns(product: int) -> int:
    """Columns of a panel."""
    return _C16 if product == _INT16 else _C64


@kernel
def rows_size(product: int, length: int) -> int:
    """Room for a tile's packed rows, in float64."""
    return _rows_size16(length) if product == _INT16 else _rows_size64(length)


@kernel
def panel_size(product: int, length: int) -> int:
    """Room for a panel's packed columns, in float64."""
    return _panel_size16(length) if product == _INT16 else _panel_size64(length)


@kernel
def pack_rows(product: int, rows: Array, out: Array, scales: Array) -> bool:
    """Rows [n, K] of float32 as tiles of packed rows; scales [n] float64 gets theirs. False if not finite."""
    size = rows_size(product, rows.shape[1])
    digits = out.view(np.int32)
    for r in range(rows.shape[0]):
        row = rows[r]
        for place in range(row.size, 2 * row.size, LINE // 4):  # have the next one fetched meanwhile, if there is one
            prefetch_to_read(row, place)
        power = scale(row)
        if power == NOT_FINITE:
            return False
        scales[r] = power
        if product == _INT16:
            _pack_row16(row, power, r % ROWS, digits, r // ROWS * size)
        else:
            _pack_row64(row, power, r % ROWS, out, r // ROWS * size)
    return True


@allocating_kernel
def pack_panel(product: int, vectors: Array, out: Array, at: int, scales: Array) -> bool:
    """Vectors [n, K] of float32, n at most a panel's columns, as the panel at out[at]. False if not finite."""
    for c in range(vectors.shape[0]):
        power = scale(vectors[c])
        if power == NOT_FINITE:
            return False
        scales[c] = power
        if product == _INT16:
            _pack_column16(vectors[c], power, c, out, at)
        else:
            _pack_column64(vectors[c], power, c, out, at)
    return True


@kernel
def sums(  # noqa: PLR0917
    product: int,
    rows: Array,
    tile: int,
    panels: Array,
    panel: int,
    length: int,
    count: int,
    total: Array,
    block: Array,
    parts: Array,
    carry: Array,
    ahead: Ahead,
) -> None:
    """RN64 of the exact sums of the tile at rows[tile] with the panel at panels[panel], over their first blocks.

    total [ROWS·columns] float64 gets them; the others are room to work in.
    """
    exact = EXACT16 if product == _INT16 else _EXACT64
    if count > exact:
        carry[:] = 0
    for b in range(count):
        first = b % exact == 0
        if first and b > 0:
            _carry(total, carry)
        if product == _INT16:
            _products16(rows, tile, panels, panel, b, length, parts, ahead)
            into = total if first else block
            for i in range(_T16):
                into[i] = combined(parts, np.uint64(i), 1.0)
        else:
            _products64(rows, tile, panels, panel, b, length, total if first else block, ahead)
        if not first:
            for i in range(total.size):
                total[i] += block[i]
    if count > exact:
        _carry(total, carry)
        for i in range(total.size):
            total[i] = np.float64(carry[i])


@kernel
def blocks(product: int, length: int) -> int:
    """Blocks of a row."""
    return (length + _B16 - 1) // _B16 if product == _INT16 else (length + _B64 - 1) // _B64


@kernel
def steps(product: int, length: int) -> int:
    """Steps of a tile with a panel, over all blocks."""
    return 3 * _pairs16(length) if product == _INT16 else length


@kernel
def _carry(total: Array, carry: Array) -> None:
    for i in range(total.size):
        carry[i] += np.int64(total[i])


@cache
def serving() -> Product:
    """The product that serves on this processor. Raises RefusedArithmeticError where none is exact."""
    wanted = os.environ.get(VARIABLE, "").upper()
    if wanted and wanted not in Product.__members__:
        raise RefusedArithmeticError(f"{VARIABLE}={wanted!r:.40} names no product", advice="use float64 or int16")
    choice = [Product[wanted]] if wanted else [*([Product.INT16] if HAS_INT16_DOT else []), Product.FLOAT64]
    for product in choice:
        if gives_known_answers(product):
            return product
    raise RefusedArithmeticError(
        f"the exact product {choice[-1].name.lower()} came out wrong on this processor",
        advice="do not decide or vote here; REPERFORM_KERNELS=reference may still pass `reperform selftest`",
    )


def gives_known_answers(product: Product) -> bool:
    """Whether this processor multiplies and adds exactly at the largest integers, where saturation would show."""
    length = 8192
    # Integers whose digits, and the sums of those, are as large as any; float32 holds them under a scale of 1.
    integers = np.full((ROWS, length), 511 * 2048 + 1023)
    integers[1::2] = -511 * 2048 - 1024
    integers[2::4, ::2] = (1 << 20) - 1
    largest = (integers * 2.0**-PRECISION).astype(np.float32)
    wide = largest[np.arange(columns(product)) % ROWS]
    tile, panel = (np.zeros(size(product, length)) for size in (rows_size, panel_size))
    row_scales, column_scales = np.empty(ROWS), np.empty(len(wide))
    total, block = np.empty(ROWS * len(wide)), np.empty(ROWS * len(wide))
    parts, carry = np.empty(3 * total.size, np.int32), np.empty(total.size, np.int64)
    pack_rows(product, largest, tile, row_scales)
    pack_panel(product, wide, panel, 0, column_scales)
    sums(product, tile, 0, panel, 0, length, blocks(product, length), total, block, parts, carry, Ahead(0, 0))
    expected = integers @ integers[np.arange(len(wide)) % ROWS].T
    return bool((total.astype(np.int64).reshape(expected.shape) == expected).all())
