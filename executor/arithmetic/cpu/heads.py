"""What attention multiplies (§5): queries, keys and values as integers, packed head by head, and their exact sums.

Keys and values become panels of columns and queries tiles of rows, for products in float64: heads are too narrow for
the digits of int16 to pay.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import prange
from torch import Tensor

from ..errors import not_finite
from . import float64
from .compile import kernel, parallel_kernel
from .integers import NOT_FINITE, Array, factors, integer, scale
from .tiles import NARROW, ROWS

COLUMNS, BLOCK = NARROW.columns, NARROW.block
stride = float64.stride
_multiply = NARROW.multiply

# Blocks after which exact sums move from float64 to int64.
_EXACT = 8192 // BLOCK


def packed(k: Tensor, v: Tensor) -> tuple[Array, Array, Array, Array]:
    """The panels of every head of keys [B, T, H, D], the scale of each key, and the same of values [B, T, H, Dv].

    Raises NonFiniteError.
    """
    key_panels, key_scales = _room(k, k.shape[1], k.shape[3])
    value_panels, value_scales = _room(v, v.shape[3], v.shape[1])
    if not _pack(k.numpy(), v.numpy(), key_panels, key_scales, value_panels, value_scales):
        raise not_finite("attention")
    return key_panels, key_scales, value_panels, value_scales


def _room(t: Tensor, columns: int, length: int) -> tuple[Array, Array]:
    """Room for the panels of each head of t [B, T, H, ...], and for the scale of each token."""
    batch, tokens, heads, _ = t.shape
    panels = torch.empty(batch, heads, -(-columns // COLUMNS), length, COLUMNS, dtype=torch.float64)
    panels[:, :, -1:] = 0.0  # which may have more columns than are filled
    return panels.numpy(), torch.empty(batch, heads, tokens, dtype=torch.float64).numpy()


@kernel
def _pack_keys(k: Array, head: int, panels: Array, scales: Array) -> bool:
    """Each key a column."""
    depth = k.shape[2]
    rows = np.zeros((COLUMNS, depth))
    for first in range(0, k.shape[0], COLUMNS):
        for c in range(min(COLUMNS, k.shape[0] - first)):
            key, row = k[first + c, head], rows[c]
            power = scale(key)
            if power == NOT_FINITE:
                return False
            scales[first + c] = power
            lift, rest = factors(power)
            for d in range(depth):
                row[d] = integer(key[d], lift, rest)
        panel = panels[first // COLUMNS]
        for d in range(depth):
            for c in range(COLUMNS):
                panel[d, c] = rows[c, d]
    return True


@kernel
def _pack_values(v: Array, head: int, panels: Array, scales: Array) -> bool:
    """Each component of the values a column, each value row under its own scale (step 4)."""
    for j in range(v.shape[0]):
        row = v[j, head]
        power = scale(row)
        if power == NOT_FINITE:
            return False
        scales[j] = power
        lift, rest = factors(power)
        for first in range(0, row.size, COLUMNS):
            for c in range(min(COLUMNS, row.size - first)):
                panels[first // COLUMNS, j, c] = integer(row[first + c], lift, rest)
    return True


@parallel_kernel
def _pack(  # noqa: PLR0917
    k: Array, v: Array, key_panels: Array, key_scales: Array, value_panels: Array, value_scales: Array
) -> bool:
    batch, _, heads, _ = k.shape
    finite = np.empty(batch * heads, np.bool_)
    for t in prange(batch * heads):
        b, h = t // heads, t % heads
        keys = _pack_keys(k[b], h, key_panels[b, h], key_scales[b, h])
        finite[t] = _pack_values(v[b], h, value_panels[b, h], value_scales[b, h]) and keys
    return bool(finite.all())


@kernel
def pack_query(row: Array, place: int, tile: Array) -> float:
    """A query as the `place`-th row of a tile; its scale."""
    power = scale(row)
    lift, rest = factors(power)
    for start in range(0, row.size, BLOCK):
        integers, mine = tile[start // BLOCK, place], row[start : start + BLOCK]
        for d in range(mine.size):
            integers[d] = integer(mine[d], lift, rest)
    return power


@kernel
def _more_sums(  # noqa: PLR0917
    rows: Array, panels: Array, start: int, length: int, totals: Array, at: int, stride: int
) -> None:
    """Add what the blocks after the first give."""
    block, carry = np.empty((ROWS, COLUMNS)), np.zeros((ROWS, COLUMNS), np.int64)
    for b in range(1, (length + BLOCK - 1) // BLOCK):
        steps = min(BLOCK, length - b * BLOCK)
        apart, first = rows.shape[2], start + b * BLOCK * COLUMNS
        _multiply(block, 0, COLUMNS, rows, b * ROWS * apart, apart, panels, first, steps)
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
    rows: Array, panels: Array, panel: int, length: int, totals: Array, at: int, stride: int
) -> None:
    """RN64 of the exact sums of a tile with one panel, into totals [ROWS·stride] from `at` on."""
    start = panel * panels.shape[1] * COLUMNS
    _multiply(totals, at, stride, rows, 0, rows.shape[2], panels, start, min(length, BLOCK))
    if length > BLOCK:
        _more_sums(rows, panels, start, length, totals, at, stride)
