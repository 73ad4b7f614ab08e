"""Scaled dot product attention (§5), one tile of queries at a time.

A task packs the keys and values of one head, as panels for exact products in float64, and takes all queries of that
head or some of them through scores, weights and weighted values: what it works on stays in its core's cache. Tensors
are read and written token by token, [B, L, H, D], which is how a linear layer leaves them and how the next one takes
them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numba import prange
from torch import Tensor

from .compile import allocating_kernel, kernel, parallel_kernel, threads
from .functions import exp_row, rsqrt
from .heads import BLOCK, COLUMNS, More, Packed, fetch, more, pack_query, packed, stride, sums
from .integers import NOT_FINITE, PRECISION, SHIFTED, Array, factor, nearest, power_above, room, rounded, shifted
from .tiles import ROWS
from .weights import UNITS, Weighed, raise_for, weigh

_NOT_FINITE, _UNDECIDED = int(Weighed.NOT_FINITE), int(Weighed.UNDECIDED)
_UNIT, _UNIT40 = 2.0**-PRECISION, 2.0**-40

_NOTHING_EXCLUDED = torch.empty(1, 1, 1, 0, dtype=torch.bool)
_NOTHING_ADDED = torch.empty(1, 1, 1, 0)


def scaled_dot_product_attention(  # noqa: PLR0917
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, is_causal: bool, scale: float | None
) -> Tensor:
    """Attention in the five steps of §5."""
    batch = torch.broadcast_shapes(*(t.shape[:-3] for t in (query, key, value)))  # type: ignore[no-untyped-call]
    q, k, v = (_by_token(t, batch) for t in (query, key, value))
    given = torch.full((), q.shape[3] if scale is None else scale, dtype=torch.float64).to(torch.float32)
    by = (rsqrt(given) if scale is None else given).item()
    mask = None if attn_mask is None else _mask(attn_mask, [*batch, q.shape[2], q.shape[1], k.shape[1]])
    out = torch.empty(*q.shape[:3], v.shape[3])
    if not k.numel():
        out.zero_()
    elif out.numel():
        status = _attend(
            q.numpy(),
            k.numpy(),
            v.numpy(),
            (mask if mask is not None and mask.dtype == torch.bool else _NOTHING_EXCLUDED).numpy(),
            (mask if mask is not None and mask.dtype != torch.bool else _NOTHING_ADDED).numpy(),
            is_causal,
            np.float32(by),
            _parts(q.shape[0] * q.shape[2], q.shape[1]),
            out.numpy(),
        )
        raise_for(status, "attention")
    heads_first = out.transpose(1, 2)
    return heads_first if query.dim() == 4 else heads_first.reshape(*query.shape[:-1], value.shape[-1])


def _parts(heads: int, length: int) -> int:
    """Into how many tasks the queries of each head are divided: one, if there are heads enough for all threads."""
    return max(1, min(-(-length // ROWS), 4 * threads() // heads))


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
def _exclude(scores: Array, allowed: Array) -> None:
    """Step 2 of one query, for a mask of booleans."""
    for j in range(scores.size):
        scores[j] = scores[j] if allowed[j] else np.float32(-np.inf)


@kernel
def _add(scores: Array, added: Array) -> None:
    """Step 2 of one query, for a mask of numbers."""
    for j in range(scores.size):
        scores[j] += added[j]


@kernel
def _weigh_values(weights: Array, value_scales: Array, place: int, products: Array, tile: Array) -> tuple[float, float]:
    """Step 4 of one query: its w, whose integers become the `place`-th row of a tile; its Z, and the scale of w."""
    peak, total = np.int64(0), np.int64(0)
    for j in range(weights.size):
        products[j] = np.float64(weights[j]) * value_scales[j]
        peak = max(peak, np.float64(products[j]).view(np.int64))  # in the order of the products, none negative
        total += shifted(weights[j], UNITS)
    total -= weights.size * SHIFTED
    power = power_above(np.int64(peak).view(np.float64))
    by = factor(power, PRECISION)
    for start in range(0, weights.size, BLOCK):
        mine, integers = products[start : min(start + BLOCK, weights.size)], tile[start // BLOCK, place]
        for j in range(mine.size):
            integers[j] = nearest(mine[j], by)
    return np.float64(total) * _UNIT40, power


class _Room(NamedTuple):
    """What a tile of queries needs to work in."""

    asked: Array
    weighed: Array
    totals: Array
    products: Array
    scores: Array
    powers: Array
    sizes: Array


@allocating_kernel
def _head(  # noqa: PLR0917
    q: Array,
    k: Array,
    v: Array,
    head: int,
    read: int,
    first: int,
    last: int,
    allowed: Array,
    added: Array,
    causal: bool,
    by: np.float32,
    out: Array,
) -> int:
    """The queries from `first` to before `last` of one head, which reads one of the keys' heads.

    Tensors [L or T, H, D], and masks of that head.
    """
    tokens = min(k.shape[0], last) if causal else k.shape[0]
    finite, memory = packed(k, v, read, tokens)
    if not finite:
        return _NOT_FINITE
    depth, columns = q.shape[2], max(len(memory.keys), len(memory.values)) * COLUMNS
    space = _Room(
        np.zeros(((depth + BLOCK - 1) // BLOCK, ROWS, stride(depth))),
        np.zeros(((tokens + BLOCK - 1) // BLOCK, ROWS, stride(tokens))),
        room(ROWS * columns),
        room(tokens),
        np.empty(ROWS * tokens, np.float32),
        np.empty(ROWS),
        np.empty(ROWS),
    )
    others = more()
    status = 0
    for start in range(first, last, ROWS):
        stop = min(start + ROWS, last)
        status = max(status, _tile(q, memory, head, start, stop, allowed, added, causal, by, space, others, out))
    return status


@kernel
def _tile(  # noqa: PLR0912, PLR0917
    q: Array,
    memory: Packed,
    head: int,
    first: int,
    last: int,
    allowed: Array,
    added: Array,
    causal: bool,
    by: np.float32,
    space: _Room,
    more: More,
    out: Array,
) -> int:
    """At most ROWS queries."""
    asked, weighed, totals, products, scores, powers, sizes = space
    rows, tokens, apart = last - first, memory.key_scales.size, totals.size // ROWS
    longest = min(tokens, last) if causal else tokens
    for r in range(rows):
        powers[r] = pack_query(q[first + r, head], r, asked)
        fetch(q, last + r, head)  # for the next tile
        if powers[r] == NOT_FINITE:
            return _NOT_FINITE
    for panel in range((longest + COLUMNS - 1) // COLUMNS):
        sums(asked, memory.keys, panel, q.shape[2], totals, panel * COLUMNS, apart, more)
    for r in range(rows):
        row = scores[r * longest : (r + 1) * longest]
        _score(totals, r * apart, powers[r] * _UNIT * _UNIT, memory.key_scales, by, row)
        if allowed.size:
            _exclude(row, allowed[(first + r) % len(allowed)])
        if added.size:
            _add(row, added[(first + r) % len(added)])
        if causal:
            row[first + r + 1 :] = -np.inf
        if weigh(row) == _NOT_FINITE:
            return _NOT_FINITE
    if exp_row(scores[: rows * longest], scores[: rows * longest]):  # of -inf it is 0
        return _UNDECIDED
    for r in range(rows):
        row = scores[r * longest : (r + 1) * longest]
        sizes[r], powers[r] = _weigh_values(row, memory.value_scales, r, products, weighed)
        if sizes[r] == 0.0:  # no key is left
            sizes[r] = 1.0
    for panel in range(len(memory.values)):
        sums(weighed, memory.values, panel, longest, totals, panel * COLUMNS, apart, more)
    for r in range(rows):
        row, at, unit = out[first + r, head], np.uint64(r * apart), powers[r] * _UNIT40
        for c in range(np.uint64(row.size)):
            row[c] = rounded(totals[at + c] * unit / sizes[r])
    return 0


@parallel_kernel
def _attend(  # noqa: PLR0917
    q: Array,
    k: Array,
    v: Array,
    allowed: Array,
    added: Array,
    causal: bool,
    by: np.float32,
    parts: int,
    out: Array,
) -> int:
    """Tensors [B, L or T, H, D] and masks [B or 1, H or 1, L or 1, T or 0]; each head in so many parts."""
    batch, length, heads, _ = q.shape
    tiles = (length + ROWS - 1) // ROWS
    status = np.zeros(batch * heads * parts, np.int64)
    for t in prange(batch * heads * parts):
        b, h, part = t // (heads * parts), t // parts % heads, t % parts
        status[t] = _head(
            q[b],
            k[b],
            v[b],
            h,
            h * k.shape[2] // heads,
            part * tiles // parts * ROWS,
            min((part + 1) * tiles // parts * ROWS, length),
            allowed[b % allowed.shape[0], h % allowed.shape[1]],
            added[b % added.shape[0], h % added.shape[1]],
            causal,
            by,
            out[b],
        )
    return int(status.max())
