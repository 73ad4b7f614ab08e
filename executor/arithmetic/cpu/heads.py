"""What attention multiplies (§5): queries, keys and values of one head as integers, packed, and their exact sums.

Keys and values become panels of columns and queries tiles of rows, for products in float64: heads are too narrow for
the digits of int16 to pay.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import float64
from .compile import allocating_kernel, kernel
from .integers import NOT_FINITE, Array, factors, integer, room, scale
from .tiles import LINE, NARROW, ROWS, prefetch_to_read

COLUMNS, BLOCK = NARROW.columns, NARROW.block
stride = float64.stride
_multiply = NARROW.multiply

# Tokens ahead of the one that is packed whose components are fetched: no two of one head are neighbours in memory.
_AHEAD = 8

# Blocks after which exact sums move from float64 to int64.
_EXACT = 8192 // BLOCK


class Packed(NamedTuple):
    """The keys and values of one head: panels [n, length, COLUMNS] of integers, and the scale of each key and value."""

    keys: Array
    key_scales: Array
    values: Array
    value_scales: Array


class More(NamedTuple):
    """Room for products of more than one block."""

    block: Array
    carry: Array


@allocating_kernel
def packed(k: Array, v: Array, head: int, tokens: int) -> tuple[bool, Packed]:
    """The first of the keys and values [T, H, D] of one head; False if not finite."""
    keys, values = _panels(tokens, k.shape[2]), _panels(v.shape[2], tokens)
    result = Packed(keys, room(tokens), values, room(tokens))
    rows = np.zeros((COLUMNS, k.shape[2]))
    finite = _pack_keys(k, head, rows, keys, result.key_scales)
    return _pack_values(v, head, values, result.value_scales) and finite, result


@allocating_kernel
def more() -> More:
    """Room for products of more than one block."""
    return More(np.empty((ROWS, COLUMNS)), np.empty((ROWS, COLUMNS), np.int64))


@allocating_kernel
def _panels(columns: int, length: int) -> Array:
    count = (columns + COLUMNS - 1) // COLUMNS
    space = room(count * length * COLUMNS).reshape(count, length, COLUMNS)
    space[-1] = 0.0  # which may have more columns than are filled
    return space


@kernel
def _integers(row: Array, power: float, out: Array) -> None:
    lift, rest = factors(power)
    for d in range(row.size):
        out[d] = integer(row[d], lift, rest)


@kernel
def fetch(tokens: Array, token: int, head: int) -> None:
    """Have one head of one of tokens [T, H, D] fetched, soon to be read; it need not exist."""
    depth = tokens.shape[2]
    first = (token * tokens.shape[1] + head) * depth
    for place in range(first, first + depth, LINE // 4):
        prefetch_to_read(tokens, place)


@kernel
def _pack_keys(k: Array, head: int, rows: Array, out: Array, scales: Array) -> bool:
    """Each key a column under its own scale; rows [COLUMNS, D] is room to work in."""
    tokens, depth = scales.size, k.shape[2]
    for first in range(0, tokens, COLUMNS):
        for c in range(min(COLUMNS, tokens - first)):
            key = k[first + c, head]
            fetch(k, first + c + _AHEAD, head)
            power = scale(key)
            if power == NOT_FINITE:
                return False
            scales[first + c] = power
            _integers(key, power, rows[c])
        panel = out[first // COLUMNS]
        for d in range(depth):
            for c in range(COLUMNS):
                panel[d, c] = rows[c, d]
    return True


@kernel
def _pack_values(v: Array, head: int, out: Array, scales: Array) -> bool:
    """Each component of the values a column, each value under its own scale (step 4)."""
    for j in range(scales.size):
        value = v[j, head]
        fetch(v, j + _AHEAD, head)
        power = scale(value)
        if power == NOT_FINITE:
            return False
        scales[j] = power
        for first in range(0, value.size, COLUMNS):
            _integers(value[first : first + COLUMNS], power, out[first // COLUMNS, j])
    return True


@kernel
def pack_query(row: Array, place: int, tile: Array) -> float:
    """A query as the `place`-th row of a tile; its scale, or NOT_FINITE."""
    power = scale(row)
    for start in range(0, row.size, BLOCK):
        _integers(row[start : start + BLOCK], power, tile[start // BLOCK, place])
    return power


@kernel
def _more_sums(  # noqa: PLR0917
    rows: Array, panels: Array, start: int, length: int, totals: Array, at: int, stride: int, more: More
) -> None:
    """Add what the blocks after the first give."""
    block, carry = more
    carry[:] = 0
    for b in range(1, (length + BLOCK - 1) // BLOCK):
        steps = min(BLOCK, length - b * BLOCK)
        apart, first = rows.shape[2], start + b * BLOCK * COLUMNS
        _multiply(block, 0, COLUMNS, rows, b * ROWS * apart, apart, panels, first, steps, 0, 0)
        for r in range(ROWS):
            for c in range(COLUMNS):
                place = at + r * stride + c
                if b % _EXACT == 0:
                    carry[r, c] += np.int64(totals[place])
                    totals[place] = 0.0
                totals[place] += block[r, c]
    if length > _EXACT * BLOCK:
        for r in range(ROWS):
            for c in range(COLUMNS):
                place = at + r * stride + c
                totals[place] = np.float64(carry[r, c] + np.int64(totals[place]))


@kernel
def sums(  # noqa: PLR0917
    rows: Array, panels: Array, panel: int, length: int, totals: Array, at: int, stride: int, more: More
) -> None:
    """RN64 of the exact sums of a tile with one panel, into totals [ROWS·stride] from `at` on."""
    start = panel * panels.shape[1] * COLUMNS
    _multiply(totals, at, stride, rows, 0, rows.shape[2], panels, start, min(length, BLOCK), 0, 0)
    if length > BLOCK:
        _more_sums(rows, panels, start, length, totals, at, stride, more)
