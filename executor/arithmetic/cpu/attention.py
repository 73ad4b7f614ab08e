"""Scaled dot product attention (§5), one tile of queries at a time.

The keys and values of every head are packed once, as panels for exact products in float64; then each task takes some
queries of one head through scores, weights and weighted values. Tensors are read and written token by token,
[B, L, H, D], which is how a linear layer leaves them and how the next one takes them.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import prange
from torch import Tensor

from ..errors import NonFiniteError
from . import float64
from .compile import kernel, parallel_kernel
from .functions import exp_row, rsqrt
from .integers import (
    NOT_FINITE,
    PRECISION,
    Array,
    factor,
    factors,
    integer,
    nearest,
    nearest_bits,
    power_above,
    room,
    scale,
)
from .tiles import NARROW, ROWS
from .weights import Row, raise_for, weigh

_COLUMNS, _BLOCK = NARROW.columns, NARROW.block
_multiply, _stride = NARROW.multiply, float64.stride
_NOT_FINITE, _UNDECIDED = int(Row.NOT_FINITE), int(Row.UNDECIDED)
_UNIT, _UNIT40, _UNITS40 = 2.0**-PRECISION, 2.0**-40, 2.0**40

# Blocks of keys after which exact sums move from float64 to int64.
_EXACT = 8192 // _BLOCK

# Queries of a task: enough to be worth the trip through the keys, few enough that all threads have some.
_QUERIES = 64

_NOTHING_EXCLUDED = torch.empty(1, 0, 0, 0, dtype=torch.bool)
_NOTHING_ADDED = torch.empty(1, 0, 0, 0)


def scaled_dot_product_attention(  # noqa: PLR0917
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, is_causal: bool, scale: float | None
) -> Tensor:
    """Attention in the five steps of §5."""
    batch = torch.broadcast_shapes(*(t.shape[:-3] for t in (query, key, value)))  # type: ignore[no-untyped-call]
    q, k, v = (_by_token(t, batch) for t in (query, key, value))
    rounded = torch.full((), q.shape[3] if scale is None else scale, dtype=torch.float64).to(torch.float32)
    by = (rsqrt(rounded) if scale is None else rounded).item()
    mask = None if attn_mask is None else _mask(attn_mask, [*batch, q.shape[2], q.shape[1], k.shape[1]])
    out = torch.zeros(*q.shape[:3], v.shape[3])
    if out.numel() and k.numel():
        key_panels, key_scales = _room(k, k.shape[1], k.shape[3])
        value_panels, value_scales = _room(v, v.shape[3], v.shape[1])
        if not _pack(k.numpy(), v.numpy(), key_panels, key_scales, value_panels, value_scales):
            raise NonFiniteError("an operand of attention holds a NaN or an infinity")
        status = _attend(
            q.numpy(),
            key_panels,
            key_scales,
            value_panels,
            value_scales,
            (mask if mask is not None and mask.dtype == torch.bool else _NOTHING_EXCLUDED).numpy(),
            (mask if mask is not None and mask.dtype != torch.bool else _NOTHING_ADDED).numpy(),
            is_causal,
            np.float32(by),
            out.numpy(),
        )
        raise_for(status, "attention")
    heads_first = out.transpose(1, 2)
    return heads_first if query.dim() == 4 else heads_first.reshape(*query.shape[:-1], value.shape[-1])


def _by_token(t: Tensor, batch: torch.Size) -> Tensor:
    """[..., H, L, D] as [B, L, H, D], contiguous."""
    heads = t.unsqueeze(0) if t.dim() == 2 else t
    return (
        heads.expand(*batch, *heads.shape[-3:]).reshape(batch.numel(), *heads.shape[-3:]).transpose(1, 2).contiguous()
    )


def _mask(mask: Tensor, shape: list[int]) -> Tensor:
    """A mask that broadcasts to `shape` as four dimensions, the last full and the others full or 1."""
    if len(shape) > 4:
        return mask.expand(shape).reshape(-1, *shape[-3:]).contiguous()
    four = mask.reshape([1] * (4 - mask.dim()) + list(mask.shape))
    return four.expand(*four.shape[:3], shape[-1]).contiguous()


def _room(t: Tensor, columns: int, length: int) -> tuple[Array, Array]:
    """Room for the panels of each head of t [B, T, H, ...], and for the scale of each token."""
    batch, tokens, heads, _ = t.shape
    panels = torch.empty(batch, heads, -(-columns // _COLUMNS), length, _COLUMNS, dtype=torch.float64)
    panels[:, :, -1:] = 0.0  # which may have more columns than are filled
    return panels.numpy(), torch.empty(batch, heads, tokens, dtype=torch.float64).numpy()


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
def _pack_keys(k: Array, head: int, panels: Array, scales: Array) -> bool:
    """Each key a column."""
    depth = k.shape[2]
    rows = np.zeros((_COLUMNS, depth))
    for first in range(0, k.shape[0], _COLUMNS):
        for c in range(min(_COLUMNS, k.shape[0] - first)):
            key, row = k[first + c, head], rows[c]
            power = scale(key)
            if power == NOT_FINITE:
                return False
            scales[first + c] = power
            lift, rest = factors(power)
            for d in range(depth):
                row[d] = integer(key[d], lift, rest)
        panel = panels[first // _COLUMNS]
        for d in range(depth):
            for c in range(_COLUMNS):
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
        for first in range(0, row.size, _COLUMNS):
            for c in range(min(_COLUMNS, row.size - first)):
                panels[first // _COLUMNS, j, c] = integer(row[first + c], lift, rest)
    return True


@kernel
def _sums(  # noqa: PLR0917
    rows: Array, panels: Array, panel: int, length: int, totals: Array, at: int, stride: int
) -> None:
    """RN64 of the exact sums of a tile with one panel, into totals [ROWS·stride] from `at` on."""
    start = panel * panels.shape[1] * _COLUMNS
    _multiply(totals, at, stride, rows, 0, rows.shape[2], panels, start, min(length, _BLOCK))
    if length > _BLOCK:
        _more_sums(rows, panels, start, length, totals, at, stride)


@kernel
def _more_sums(  # noqa: PLR0917
    rows: Array, panels: Array, start: int, length: int, totals: Array, at: int, stride: int
) -> None:
    """Add what the blocks after the first give."""
    block, carry = np.empty((ROWS, _COLUMNS)), np.zeros((ROWS, _COLUMNS), np.int64)
    for b in range(1, (length + _BLOCK - 1) // _BLOCK):
        steps = min(_BLOCK, length - b * _BLOCK)
        apart, first = rows.shape[2], start + b * _BLOCK * _COLUMNS
        _multiply(block, 0, _COLUMNS, rows, b * ROWS * apart, apart, panels, first, steps)
        for r in range(ROWS):
            for c in range(_COLUMNS):
                place = at + r * stride + c
                if b % _EXACT == 0:
                    carry[r, c] += np.int64(totals[place])
                    totals[place] = 0.0
                totals[place] += block[r, c]
    if length > _EXACT * _BLOCK:
        for r in range(ROWS):
            for c in range(_COLUMNS):
                place = at + r * stride + c
                totals[place] = np.float64(carry[r, c] + np.int64(totals[place]))


@kernel
def _score(totals: Array, at: int, unit: float, key_scales: Array, by: np.float32, scores: Array) -> None:  # noqa: PLR0917
    """Step 1 of one query."""
    first = np.uint64(at)
    for j in range(np.uint64(scores.size)):
        scores[j] = (np.float32(totals[first + j] * (unit * key_scales[j])) + np.float32(0.0)) * by


@kernel
def _exclude(scores: Array, head: int, query: int, allowed: Array, added: Array) -> None:
    """Step 2 of one query, but for causality; a dimension of the mask that is 1 serves all heads or queries."""
    if allowed.size:
        places = allowed[head % allowed.shape[0], query % allowed.shape[1]]
        for j in range(scores.size):
            scores[j] = scores[j] if places[j] else np.float32(-np.inf)
    if added.size:
        addends = added[head % added.shape[0], query % added.shape[1]]
        for j in range(scores.size):
            scores[j] += addends[j]


@kernel
def _weigh_values(weights: Array, value_scales: Array, place: int, products: Array, tile: Array) -> tuple[float, float]:
    """Step 4 of one query: its w, whose integers become the `place`-th row of a tile; its Z, and the scale of w."""
    peak, total = np.int64(0), np.int64(0)
    for j in range(weights.size):
        products[j] = np.float64(weights[j]) * value_scales[j]
        peak = max(peak, np.float64(products[j]).view(np.int64))  # in the order of the products, none negative
        total += nearest_bits(np.float64(weights[j]) * _UNITS40)
    power = power_above(np.int64(peak).view(np.float64))
    by = factor(power, PRECISION)
    for start in range(0, weights.size, _BLOCK):
        mine, integers = products[start : min(start + _BLOCK, weights.size)], tile[start // _BLOCK, place]
        for j in range(mine.size):
            integers[j] = nearest(mine[j] * by)
    return np.float64(total) * _UNIT40, power


@kernel
def _pack_query(row: Array, place: int, tile: Array) -> float:
    """A query as the `place`-th row of a tile; its scale."""
    power = scale(row)
    lift, rest = factors(power)
    for start in range(0, row.size, _BLOCK):
        integers, mine = tile[start // _BLOCK, place], row[start : start + _BLOCK]
        for d in range(mine.size):
            integers[d] = integer(mine[d], lift, rest)
    return power


@kernel
def _queries(  # noqa: PLR0912, PLR0917
    q: Array,
    head: int,
    first: int,
    last: int,
    key_panels: Array,
    key_scales: Array,
    value_panels: Array,
    value_scales: Array,
    allowed: Array,
    added: Array,
    causal: bool,
    by: np.float32,
    out: Array,
) -> int:
    """The queries from `first` to before `last` of one head."""
    depth, tokens, width = q.shape[2], key_scales.size, out.shape[2]
    stride = max(key_panels.shape[0], value_panels.shape[0]) * _COLUMNS
    asked = np.zeros(((depth + _BLOCK - 1) // _BLOCK, ROWS, _stride(depth)))
    weighed = np.zeros(((tokens + _BLOCK - 1) // _BLOCK, ROWS, _stride(tokens)))
    totals, products, scores = room(ROWS * stride), room(tokens), np.empty(ROWS * tokens, np.float32)
    powers, sizes = np.empty(ROWS), np.empty(ROWS)
    for start in range(first, last, ROWS):
        rows = min(ROWS, last - start)
        longest = min(tokens, start + rows) if causal else tokens
        for r in range(rows):
            powers[r] = _pack_query(q[start + r, head], r, asked)
            if powers[r] == NOT_FINITE:
                return _NOT_FINITE
        for panel in range((longest + _COLUMNS - 1) // _COLUMNS):
            _sums(asked, key_panels, panel, depth, totals, panel * _COLUMNS, stride)
        for r in range(rows):
            row = scores[r * longest : (r + 1) * longest]
            _score(totals, r * stride, powers[r] * _UNIT * _UNIT, key_scales, by, row)
            _exclude(row, head, start + r, allowed, added)
            if causal:
                row[start + r + 1 :] = -np.inf
            if weigh(row) == _NOT_FINITE:
                return _NOT_FINITE
        if exp_row(scores[: rows * longest], scores[: rows * longest]):  # of -inf it is 0
            return _UNDECIDED
        for r in range(rows):
            row = scores[r * longest : (r + 1) * longest]
            sizes[r], powers[r] = _weigh_values(row, value_scales, r, products, weighed)
            if sizes[r] == 0.0:  # no key is left
                sizes[r] = 1.0
        for panel in range(value_panels.shape[0]):
            _sums(weighed, value_panels, panel, longest, totals, panel * _COLUMNS, stride)
        for r in range(rows):
            row, at, unit = out[start + r, head], np.uint64(r * stride), powers[r] * _UNIT40
            for c in range(np.uint64(width)):
                row[c] = np.float32(totals[at + c] * unit / sizes[r]) + np.float32(0.0)
    return 0


@parallel_kernel
def _attend(  # noqa: PLR0917
    q: Array,
    key_panels: Array,
    key_scales: Array,
    value_panels: Array,
    value_scales: Array,
    allowed: Array,
    added: Array,
    causal: bool,
    by: np.float32,
    out: Array,
) -> int:
    batch, length, heads, _ = q.shape
    key_heads = key_panels.shape[1]
    groups = (length + _QUERIES - 1) // _QUERIES
    status = np.zeros(batch * heads * groups, np.int64)
    for t in prange(batch * heads * groups):
        b, h, g = t // (heads * groups), t // groups % heads, t % groups
        read = h * key_heads // heads
        status[t] = _queries(
            q[b],
            h,
            g * _QUERIES,
            min((g + 1) * _QUERIES, length),
            key_panels[b, read],
            key_scales[b, read],
            value_panels[b, read],
            value_scales[b, read],
            allowed[b % allowed.shape[0]],
            added[b % added.shape[0]],
            causal,
            by,
            out[b],
        )
    return int(status.max())
