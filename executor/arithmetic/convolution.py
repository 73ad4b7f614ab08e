"""Convolutions: dot products of patches and filters (§2). Exact movement of elements, then `linear` or `matmul`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from . import functional
from .errors import RefusedArithmeticError
from .sizes import Size, sizes

# How many elements of patches are written out at a time: bounds memory, and cannot change a bit.
PATCH_ELEMENTS: Final = 1 << 22


def conv1d(  # noqa: PLR0917
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """x [N, C, L] or [C, L] with filters [O, C/groups, K] gives [N, O, L'] or [O, L']; bias [O] (§2)."""
    return _convolution("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(  # noqa: PLR0917
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """x [N, C, H, W] or [C, H, W] with filters [O, C/groups, R, S] gives [N, O, H', W'] or [O, H', W'] (§2)."""
    return _convolution("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def _convolution(  # noqa: PLR0917
    name: str,
    dims: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Tensor:
    if x.dim() == dims + 1:
        return _convolution(name, dims, x.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    fits = x.dim() == weight.dim() == dims + 2 and groups > 0 and weight.numel() and not weight.shape[0] % groups
    if not fits or x.shape[1] != weight.shape[1] * groups or (bias is not None and bias.shape != weight.shape[:1]):
        raise RefusedArithmeticError(f"{name} of {list(x.shape)} with filters {list(weight.shape)}, groups={groups}")
    steps, gaps = sizes(name, "stride", stride, dims, least=1), sizes(name, "dilation", dilation, dims, least=1)
    around = _around(name, padding, weight.shape[2:], steps, gaps)
    padded = torch.constant_pad_nd(x, [size for pair in reversed(around) for size in pair])
    patches = _patches(name, padded, weight.shape[2:], steps, gaps)
    return _products(patches, weight, bias, groups)


def _patches(name: str, x: Tensor, kernel: Sequence[int], steps: Sequence[int], gaps: Sequence[int]) -> Tensor:
    """The patches of padded x [N, C, ...] as a view [N, ..., C, *kernel] of it."""
    dims = len(kernel)
    for d, (size, step, gap) in enumerate(zip(kernel, steps, gaps, strict=True)):
        span = gap * (size - 1) + 1
        if span > x.shape[2 + d]:
            raise RefusedArithmeticError(f"{name}: a patch spans {span} and its padded input {x.shape[2 + d]}")
        x = x.unfold(2 + d, span, step)[..., ::gap]
    return x.movedim(1, 1 + dims)


def _products(patches: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
    """All patches [N, L, ..., C, *kernel] with all filters of their group: [N, O, L, ...]."""
    outer = patches.shape[: weight.dim() - 1]
    filters = weight.reshape(groups, weight.shape[0] // groups, -1)
    prepared = functional.prepare(filters[0]) if groups == 1 else None
    result = patches.new_empty(*outer, weight.shape[0])
    for part in _blocks(outer, weight[0].numel() * groups):
        block = patches[part]
        grouped = block.reshape(*block.shape[: len(outer)], groups, *weight.shape[1:]).movedim(len(outer), 0)
        rows = grouped.reshape(groups, -1, filters.shape[-1])
        if prepared is not None:
            block = functional.linear(rows[0], prepared, bias)
        else:
            block = functional.matmul(rows, filters.transpose(1, 2)).transpose(0, 1).flatten(1)
            block = block if bias is None else block + bias
        result[part] = block.reshape(result[part].shape)
    return result.movedim(-1, 1)


def _blocks(outer: Sequence[int], patch: int) -> list[tuple[slice, slice]]:
    """Slices of the first two sizes of `outer`, each with about PATCH_ELEMENTS elements in patches of `patch`."""
    line = patch * max(1, torch.Size(outer[2:]).numel())
    lines = max(1, min(outer[1], PATCH_ELEMENTS // line))
    examples = max(1, PATCH_ELEMENTS // (line * outer[1])) if lines == outer[1] else 1
    return [
        (slice(first, first + examples), slice(top, top + lines))
        for first in range(0, outer[0], examples)
        for top in range(0, outer[1], lines)
    ]


def _around(
    name: str, padding: Size | str, kernel: Sequence[int], steps: Sequence[int], gaps: Sequence[int]
) -> list[tuple[int, int]]:
    """Zeros before and after, for each dimension."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same" and set(steps) == {1}:
        totals = [gap * (size - 1) for size, gap in zip(kernel, gaps, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, str):
        raise RefusedArithmeticError(f"{name} with padding={padding!r} and a stride of {list(steps)} is not defined")
    return [(size, size) for size in sizes(name, "padding", padding, len(kernel), least=0)]
