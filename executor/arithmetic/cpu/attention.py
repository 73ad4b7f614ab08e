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

from .compile import kernel, parallel_kernel
from .functions import exp_row, rsqrt
from .heads import BLOCK, COLUMNS, pack_query, packed, stride, sums
from .integers import NOT_FINITE, PRECISION, Array, factor, nearest, power_above, room, rounded
from .tiles import ROWS
from .weights import Weighed, raise_for, units, weigh

_NOT_FINITE, _UNDECIDED = int(Weighed.NOT_FINITE), int(Weighed.UNDECIDED)
_UNIT, _UNIT40 = 2.0**-PRECISION, 2.0**-40

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
    given = torch.full((), q.shape[3] if scale is None else scale, dtype=torch.float64).to(torch.float32)
    by = (rsqrt(given) if scale is None else given).item()
    mask = None if attn_mask is None else _mask(attn_mask, [*batch, q.shape[2], q.shape[1], k.shape[1]])
    out = torch.zeros(*q.shape[:3], v.shape[3])
    if out.numel() and k.numel():
        status = _attend(
            q.numpy(),
            *packed(k, v),
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


@kernel
def _score(totals: Array, at: int, unit: float, key_scales: Array, by: np.float32, scores: Array) -> None:  # noqa: PLR0917
    """Step 1 of one query."""
    first = np.uint64(at)
    for j in range(np.uint64(scores.size)):
        scores[j] = rounded(totals[first + j] * (unit * key_scales[j])) * by


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
        total += units(weights[j])
    power = power_above(np.int64(peak).view(np.float64))
    by = factor(power, PRECISION)
    for start in range(0, weights.size, BLOCK):
        mine, integers = products[start : min(start + BLOCK, weights.size)], tile[start // BLOCK, place]
        for j in range(mine.size):
            integers[j] = nearest(mine[j] * by)
    return np.float64(total) * _UNIT40, power


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
    apart = max(key_panels.shape[0], value_panels.shape[0]) * COLUMNS
    asked = np.zeros(((depth + BLOCK - 1) // BLOCK, ROWS, stride(depth)))
    weighed = np.zeros(((tokens + BLOCK - 1) // BLOCK, ROWS, stride(tokens)))
    totals, products, scores = room(ROWS * apart), room(tokens), np.empty(ROWS * tokens, np.float32)
    powers, sizes = np.empty(ROWS), np.empty(ROWS)
    for start in range(first, last, ROWS):
        rows = min(ROWS, last - start)
        longest = min(tokens, start + rows) if causal else tokens
        for r in range(rows):
            powers[r] = pack_query(q[start + r, head], r, asked)
            if powers[r] == NOT_FINITE:
                return _NOT_FINITE
        for panel in range((longest + COLUMNS - 1) // COLUMNS):
            sums(asked, key_panels, panel, depth, totals, panel * COLUMNS, apart)
        for r in range(rows):
            row = scores[r * longest : (r + 1) * longest]
            _score(totals, r * apart, powers[r] * _UNIT * _UNIT, key_scales, by, row)
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
            sums(weighed, value_panels, panel, longest, totals, panel * COLUMNS, apart)
        for r in range(rows):
            row, at, unit = out[start + r, head], np.uint64(r * apart), powers[r] * _UNIT40
            for c in range(np.uint64(width)):
                row[c] = rounded(totals[at + c] * unit / sizes[r])
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
