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
from .inline import block, inlined
from .int16 import combined
from .integers import PRECISION, Array, room
from .products import (
    EXACT16,
    Product,
    blocks,
    columns,
    pack_panel,
    pack_rows,
    panel_size,
    rows_size,
    serving,
    steps,
    sums,
)
from .tiles import LINE, ROWS, Ahead, prefetch_to_write

# A task's packed rows stay in a core's second-level cache while it goes through the panels, which come from farther.
_TASK_WORDS = 1 << 17

# A panel of no more float64 is fetched into the same cache while the one before it is used: there is room for two.
_NEAR = 1 << 16

_UNIT = 2.0**-PRECISION

_FLOAT64, _INT16 = int(Product.FLOAT64), int(Product.INT16)
_COLUMNS16, _products16 = int16.COLUMNS, int16.products
_COLUMNS64, _products64 = float64.COLUMNS, float64.products


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
    # Without a -0 in the bias, a product that was rounded to -0 becomes +0 when it is added.
    bias = torch.zeros(width) if bias is None else bias.contiguous() + 0.0
    out = torch.empty(rows, width)
    if not (out.numel() and length):
        return out.zero_() + bias
    product = int(packed.product)  # numba looks longer at an enumeration
    tiles, size = -(-rows // ROWS), rows_size(product, length)
    tasks, groups = _division(tiles, -(-width // columns(product)), size)
    space = torch.empty(threads(), (tiles // tasks + 1) * size, dtype=torch.float64)
    finite = _linear(
        product,
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


@inlined
def _round_row(  # noqa: PLR0917
    summed: bool,
    digits: bool,
    total: Array,
    parts: Array,
    at: int,
    unit: float,
    scales: Array,
    bias: Array,
    out: Array,
    width: int,
) -> None:
    """One row of a tile from place `at` on; `width` is that of `out`."""
    results = block()  # LLVM need not ask, row after row, whether these overlap with anything
    for j in range(np.uint64(width)):
        place = np.uint64(at) + j
        value = total[place] * unit if summed else 0.0
        if digits:
            value += combined(parts, place, unit)
        results[j] = np.float32(value * scales[j]) + bias[j]
    for j in range(np.uint64(width)):
        out[j] = results[j]


@kernel
def _round(  # noqa: PLR0917
    summed: bool, digits: bool, total: Array, parts: Array, finish: _Finish, row: int, left: int, out: Array
) -> None:
    """The sums of a tile, scaled and rounded, then the bias, into out from [row, left].

    They are in total where `summed`, in parts as products of digits where `digits`; if both, they are added.
    """
    width = total.size // ROWS
    right = min(left + width, out.shape[1])
    scales, bias = finish.scales[left:right], finish.bias[left:right]
    for r in range(min(ROWS, len(out) - row)):
        unit, results = finish.row_scales[row + r] * _UNIT * _UNIT, out[row + r, left:right]
        if right - left == _COLUMNS16:  # loops of known lengths have no ends to look for
            _round_row(summed, digits, total, parts, r * width, unit, scales, bias, results, _COLUMNS16)
        elif right - left == _COLUMNS64:
            _round_row(summed, digits, total, parts, r * width, unit, scales, bias, results, _COLUMNS64)
        else:
            _round_row(summed, digits, total, parts, r * width, unit, scales, bias, results, right - left)


@kernel
def _ask_for_results(row: int, left: int, width: int, out: Array) -> None:
    """Have the memory fetched to which the next tile's results will go."""
    right = min(left + width, out.shape[1])
    for r in range(row, min(row + ROWS, len(out))):
        for place in range(r * out.shape[1] + left, r * out.shape[1] + right, LINE // 4):
            prefetch_to_write(out, place)


@kernel
def _share(next_panel: int, size: int, tile: int, tiles: int, steps: int) -> Ahead:
    """A tile's share of the next panel, step by step: asked for all at once it would keep the tile's own data waiting.

    Rounding up, the last tiles may ask for what lies beyond the panel, or the memory: that does no harm.
    """
    pace = (8 * size + tiles * steps - 1) // (tiles * steps)
    return Ahead(8 * next_panel + tile * steps * pace, pace)


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
    near, paces = apart <= _NEAR, steps(product, length)
    for p in range(first, last):
        panel, left = p * apart, p * width
        for t in range(tiles):
            tile, row = t * size, t * ROWS
            ahead = _share(panel + apart, apart, t, tiles, paces) if near and p + 1 < last else Ahead(0, 0)
            if digits:
                if count > 1:
                    sums(product, packed, tile, panels, panel, length, count - 1, total, block, parts, carry, ahead)
                _products16(packed, tile, panels, panel, count - 1, length, parts, ahead)
            elif count == 1:
                _products64(packed, tile, panels, panel, 0, length, total, ahead)
            else:
                sums(product, packed, tile, panels, panel, length, count, total, block, parts, carry, ahead)
            # Here, because what is rounded is near, and waits for nothing.
            if t + 1 < tiles:
                _ask_for_results(row + ROWS, left, width, out)
            else:
                _ask_for_results(0, left + width, width, out)
            _round(count > 1 or not digits, digits, total, parts, finish, row, left, out)


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
