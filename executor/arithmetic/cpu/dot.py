"""Linear layers and matrix products (§2).

A task takes some rows of the left side, packs them, and goes through the panels of the right side; tasks run on all
threads and share nothing but what they read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import torch
from numba import prange
from torch import Tensor

from ..errors import not_finite
from ..kernels import Operand
from . import float64, int16
from .compile import allocating_kernel, kernel, parallel_kernel, threads
from .int16 import combined
from .integers import PRECISION, Array, room, rounded
from .products import EXACT16, Product, blocks, columns, pack_panel, pack_rows, panel_size, rows_size, serving, sums
from .tiles import LINE, ROWS, prefetch_to_read, prefetch_to_write

# A task's packed rows stay in a core's second-level cache while it goes through the panels, which come from farther.
_TASK_WORDS = 1 << 17

# A panel of no more float64 is fetched into the same cache while the one before it is used.
_NEAR = 1 << 15

_UNIT = 2.0**-PRECISION

_FLOAT64, _INT16 = int(Product.FLOAT64), int(Product.INT16)
_TILE16, _COLUMNS16, _products16 = int16.TILE, int16.COLUMNS, int16.products
_products64 = float64.products


@dataclass(frozen=True)
class Packed:
    """Vectors [N, K] as panels for one kind of product, with the scale of each."""

    product: Product
    shape: torch.Size
    panels: Tensor
    scales: Tensor

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.panels.nbytes + self.scales.nbytes


def prepare(rows: Tensor) -> Packed:
    """The rows [N, K] of a weight, packed as columns (§2 step 1)."""
    return _packed(rows, "a weight", serving())


def linear(x: Tensor, weight: Tensor | Operand, bias: Tensor | None) -> Tensor:
    """Rows of x with rows of weight, then the bias (§2)."""
    packed = _packed(weight, "linear", serving()) if isinstance(weight, Tensor) else weight
    if not isinstance(packed, Packed):
        raise TypeError("a weight that was prepared for other kernels")
    result = _product(x.reshape(x.shape[:-1].numel(), x.shape[-1]), packed, bias, "linear")
    return result.reshape(*x.shape[:-1], *packed.shape[:-1])


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Rows of a [..., M, K] with columns of b [..., K, N] (§2)."""
    vectors = b.transpose(-1, -2)
    if b.dim() == 2:
        packed = _packed(vectors, "matmul", serving())
        return _product(a.reshape(a.shape[:-1].numel(), a.shape[-1]), packed, None, "matmul").reshape(
            *a.shape[:-1], b.shape[-1]
        )
    batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # type: ignore[no-untyped-call]
    out = torch.zeros(*batch, a.shape[-2], b.shape[-1])
    if out.numel() and a.shape[-1]:
        left = a.expand(*batch, *a.shape[-2:]).reshape(-1, *a.shape[-2:]).contiguous()
        right = vectors.expand(*batch, *vectors.shape[-2:]).reshape(-1, *vectors.shape[-2:]).contiguous()
        if not _batched(left.numpy(), right.numpy(), out.view(-1, *out.shape[-2:]).numpy()):
            raise not_finite("matmul")
    return out


def _packed(vectors: Tensor, operation: str, product: Product) -> Packed:
    shape = vectors.shape
    vectors = vectors.reshape(shape[:-1].numel(), shape[-1]).contiguous()
    panels = -(-vectors.shape[0] // columns(product))
    packed = torch.zeros(panels * panel_size(product, shape[-1]), dtype=torch.float64)
    scales = torch.empty(vectors.shape[0], dtype=torch.float64)
    if not _pack(product, vectors.numpy(), packed.numpy(), scales.numpy()):
        raise not_finite(operation)
    return Packed(product, shape, packed, scales)


def _product(x: Tensor, packed: Packed, bias: Tensor | None, operation: str) -> Tensor:
    x = x.contiguous()
    rows, length = x.shape
    width = packed.scales.numel()
    bias = torch.zeros(width) if bias is None else bias.contiguous()
    out = torch.empty(rows, width)
    if not (out.numel() and length):
        return out.zero_() + bias
    tiles, size = -(-rows // ROWS), rows_size(packed.product, length)
    tasks, groups = _division(tiles, -(-width // columns(packed.product)), size)
    space = torch.empty(threads(), (tiles // tasks + 1) * size, dtype=torch.float64)
    finite = _linear(
        int(packed.product),
        x.numpy(),
        packed.panels.numpy(),
        packed.scales.numpy(),
        bias.numpy(),
        tasks,
        groups,
        space.numpy(),
        out.numpy(),
    )
    if not finite:
        raise not_finite(operation)
    return out


def _division(tiles: int, panels: int, size: int) -> tuple[int, int]:
    """Into how many tasks the tiles of rows, of so many float64, are divided, and each of them again by panels."""
    tasks = -(-tiles // max(1, _TASK_WORDS // size))
    if tiles >= 4 * threads():
        return -(-tasks // threads()) * threads(), 1
    return tasks, max(1, min(panels, threads() // tasks))


@allocating_kernel
def _pack_one(product: int, vectors: Array, p: int, panels: Array, scales: Array) -> bool:
    """The p-th panel of vectors [N, K]."""
    width, size = columns(product), panel_size(product, vectors.shape[1])
    mine = slice(p * width, min((p + 1) * width, vectors.shape[0]))
    return pack_panel(product, vectors[mine], panels, p * size, scales[mine])


@parallel_kernel
def _pack(product: int, vectors: Array, panels: Array, scales: Array) -> bool:
    count = (vectors.shape[0] + columns(product) - 1) // columns(product)
    finite = np.empty(count, np.bool_)
    for p in prange(count):
        finite[p] = _pack_one(product, vectors, p, panels, scales)
    return bool(finite.all())


class _Finish(NamedTuple):
    """What makes results of exact sums: the scales of rows and columns, and a bias."""

    row_scales: Array
    scales: Array
    bias: Array


class _Room(NamedTuple):
    """What a tile needs to work in."""

    total: Array
    block: Array
    carry: Array
    parts: Array


@kernel
def _round(total: Array, finish: _Finish, row: int, left: int, out: Array) -> None:
    """The sums of a tile, scaled and rounded, then the bias, into out from [row, left]."""
    width = total.size // ROWS
    right = min(left + width, out.shape[1])
    scales, bias = finish.scales[left:right], finish.bias[left:right]
    for r in range(min(ROWS, len(out) - row)):
        unit = finish.row_scales[row + r] * _UNIT * _UNIT
        values, results = total[r * width : (r + 1) * width], out[row + r, left:right]
        for j in range(results.size):
            results[j] = rounded(values[j] * (unit * scales[j])) + bias[j]


@kernel
def _round_digits(total: Array, parts: Array, finish: _Finish, row: int, left: int, out: Array) -> None:  # noqa: PLR0917
    """As `_round`, with the products of digits of a last block to be added."""
    right = min(left + _COLUMNS16, out.shape[1])
    scales, bias = finish.scales[left:right], finish.bias[left:right]
    low, high, both = parts[:_TILE16], parts[_TILE16 : 2 * _TILE16], parts[2 * _TILE16 :]
    for r in range(min(ROWS, len(out) - row)):
        unit = finish.row_scales[row + r] * _UNIT * _UNIT
        results, at = out[row + r, left:right], np.uint64(r * _COLUMNS16)
        for j in range(np.uint64(results.size)):
            value = total[at + j] + combined(low[at + j], high[at + j], both[at + j])
            results[j] = rounded(value * (unit * scales[j])) + bias[j]


@kernel
def _ask_for_results(row: int, left: int, width: int, out: Array) -> None:
    """Have the memory fetched to which a tile's results will go."""
    for r in range(row, min(row + ROWS, len(out))):
        results = out[r]
        for j in range(left, min(left + width, out.shape[1]), LINE // 4):
            prefetch_to_write(results, j)


@kernel
def _ask_for_panel(panels: Array, at: int, size: int, tile: int, tiles: int) -> None:
    """Have a tile's share of the next panel fetched, if that leaves the cache room for everything else."""
    if size <= _NEAR:
        for place in range(at + size * tile // tiles, at + size * (tile + 1) // tiles, LINE // 8):
            prefetch_to_read(panels, place)


@allocating_kernel
def _task(  # noqa: PLR0917
    product: int,
    x: Array,
    panels: Array,
    scales: Array,
    bias: Array,
    first: int,
    last: int,
    packed: Array,
    out: Array,
) -> bool:
    """Some rows with the panels from `first` to before `last`."""
    rows, width = x.shape[0], columns(product)
    finish = _Finish(np.empty(rows), scales, bias)
    if not pack_rows(product, x, packed, finish.row_scales):
        return False
    space = _Room(
        room(ROWS * width),
        room(ROWS * width),
        np.empty(ROWS * width, np.int64),
        room(3 * ROWS * width).view(np.int32),
    )
    space.total[:] = 0.0
    _tiles(product, x.shape[1], packed, panels, first, last, finish, space, out)
    return True


@kernel
def _tiles(  # noqa: PLR0917
    product: int,
    length: int,
    packed: Array,
    panels: Array,
    first: int,
    last: int,
    finish: _Finish,
    space: _Room,
    out: Array,
) -> None:
    """Packed rows with some panels, one after the other."""
    total, block, carry, parts = space
    width, size, apart = columns(product), rows_size(product, length), panel_size(product, length)
    tiles, count = (len(out) + ROWS - 1) // ROWS, blocks(product, length)
    digits = product == _INT16 and count <= EXACT16
    for p in range(first, last):
        panel, left = p * apart, p * width
        for t in range(tiles):
            tile, row = t * size, t * ROWS
            _ask_for_results(row, left, width, out)
            if p + 1 < last:
                _ask_for_panel(panels, panel + apart, apart, t, tiles)
            if digits:
                if count > 1:
                    sums(product, packed, tile, panels, panel, length, count - 1, total, block, parts, carry)
                _products16(packed, tile, panels, panel, count - 1, length, parts)
                _round_digits(total, parts, finish, row, left, out)
                continue
            if count == 1:
                _products64(packed, tile, panels, panel, 0, length, total)
            else:
                sums(product, packed, tile, panels, panel, length, count, total, block, parts, carry)
            _round(total, finish, row, left, out)


@allocating_kernel
def _matrix(a: Array, b: Array, out: Array) -> bool:
    size, count = panel_size(_FLOAT64, a.shape[1]), (b.shape[0] + columns(_FLOAT64) - 1) // columns(_FLOAT64)
    panels, scales, bias = (
        room(count * size),
        np.empty(b.shape[0]),
        np.zeros(b.shape[0], np.float32),
    )
    for p in range(count):
        if not _pack_one(_FLOAT64, b, p, panels, scales):
            return False
    tile_size, tiles = rows_size(_FLOAT64, a.shape[1]), (a.shape[0] + ROWS - 1) // ROWS
    at_once = min(tiles, max(1, _TASK_WORDS // tile_size)) * ROWS
    packed = room(at_once // ROWS * tile_size)
    for first in range(0, a.shape[0], at_once):
        mine = slice(first, min(first + at_once, a.shape[0]))
        if not _task(_FLOAT64, a[mine], panels, scales, bias, 0, count, packed, out[mine]):
            return False
    return True


@parallel_kernel
def _linear(  # noqa: PLR0917
    product: int,
    x: Array,
    panels: Array,
    scales: Array,
    bias: Array,
    tasks: int,
    groups: int,
    space: Array,
    out: Array,
) -> bool:
    tiles = (x.shape[0] + ROWS - 1) // ROWS
    width = columns(product)
    count = (out.shape[1] + width - 1) // width
    finite = np.empty(tasks * groups, np.bool_)
    for t in prange(tasks * groups):
        task, group = t // groups, t % groups
        mine = slice(task * tiles // tasks * ROWS, min((task + 1) * tiles // tasks * ROWS, x.shape[0]))
        first, last = group * count // groups, (group + 1) * count // groups
        packed = space[numba.get_thread_id()]
        finite[t] = _task(product, x[mine], panels, scales, bias, first, last, packed, out[mine])
    return bool(finite.all())


@parallel_kernel
def _batched(a: Array, b: Array, out: Array) -> bool:
    """a [B, M, K] with vectors b [B, N, K], by float64: each matrix is packed for one use only."""
    finite = np.empty(a.shape[0], np.bool_)
    for i in prange(a.shape[0]):
        finite[i] = _matrix(a[i], b[i], out[i])
    return bool(finite.all())
