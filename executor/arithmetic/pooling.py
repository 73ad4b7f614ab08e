"""Pooling: the largest or the mean of each window (§0, §3, §7).

A window is the list of places that it takes in each dimension. Padding, dilation, ceil_mode and the uneven windows
of adaptive pooling are then all one thing: windows of as many places are computed together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from torch import Tensor

from . import extremes, functional
from .errors import RefusedArithmeticError
from .sizes import Size, sizes

# The places of each window in one dimension.
Windows = list[range]
# Values [P, windows, n] and places [windows, n] to one result for each window [P, windows].
Reduction = Callable[[Tensor, Tensor], Tensor]

# Windows, and places in one, along one dimension: more than 2^22 could not be averaged (§3).
MOST: Final = functional.LONGEST_SUM

# How many elements of windows are written out at a time: bounds memory, and cannot change a bit.
WINDOW_ELEMENTS: Final = 1 << 22


def _max_pool(  # noqa: PLR0917
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest value of each window, -inf where it is all padding (§7)."""
    return _over(x, _windows(dims, x, kernel_size, stride, padding, dilation, ceil_mode), _largest)


def _max_pool_with_indices(  # noqa: PLR0917
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """The largest value of each window, and its lowest place in the flattened input, int64 (§0)."""
    windows = _windows(dims, x, kernel_size, stride, padding, dilation, ceil_mode)
    return _over(x, windows, _largest), _over(x, windows, _first_place)


def _avg_pool(  # noqa: PLR0917
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window, its padding counted if count_include_pad; never what ceil_mode adds beyond (§3, §7)."""
    windows = _windows(dims, x, kernel_size, stride, padding, 1, ceil_mode, padded=count_include_pad)
    if count_include_pad:
        around = sizes("avg_pool", "padding", padding, dims, least=0)
        x = torch.constant_pad_nd(x, [size for size in reversed(around) for _ in range(2)])
    return _over(x, windows, _mean)


def _adaptive_max_pool(dims: int, x: Tensor, output_size: Size) -> tuple[Tensor, Tensor]:
    """The largest value of each of output_size windows, and its lowest place in the flattened input (§0, §7)."""
    windows = _adaptive_windows(dims, x, output_size)
    return _over(x, windows, _largest), _over(x, windows, _first_place)


def _adaptive_avg_pool(dims: int, x: Tensor, output_size: Size) -> Tensor:
    """The mean of each of output_size windows (§3, §7)."""
    return _over(x, _adaptive_windows(dims, x, output_size), _mean)


# Over the last dimension of float32 [N, C, L] or [C, L], or the last two of [N, C, H, W] or [C, H, W].
max_pool1d, max_pool2d = partial(_max_pool, 1), partial(_max_pool, 2)
max_pool1d_with_indices, max_pool2d_with_indices = (
    partial(_max_pool_with_indices, 1),
    partial(_max_pool_with_indices, 2),
)
avg_pool1d, avg_pool2d = partial(_avg_pool, 1), partial(_avg_pool, 2)
adaptive_max_pool1d, adaptive_max_pool2d = partial(_adaptive_max_pool, 1), partial(_adaptive_max_pool, 2)
adaptive_avg_pool1d, adaptive_avg_pool2d = partial(_adaptive_avg_pool, 1), partial(_adaptive_avg_pool, 2)


def _largest(values: Tensor, _: Tensor) -> Tensor:
    return extremes.amax(values, -1) if values.shape[-1] else values.new_full(values.shape[:-1], -math.inf)


def _first_place(values: Tensor, places: Tensor) -> Tensor:
    return places.expand(values.shape).gather(-1, extremes.argmax(values, -1, keepdim=True)).squeeze(-1)


def _mean(values: Tensor, _: Tensor) -> Tensor:
    return functional.mean(values, -1)


def _over(x: Tensor, windows: list[Windows], reduction: Reduction) -> Tensor:
    """One result for each window: x [..., *lengths] gives [..., *windows]."""
    rows, columns = windows if len(windows) == 2 else ([range(1)], windows[0])
    kept = x.shape[: x.dim() - len(windows)]
    places = sum(map(len, rows)) * sum(map(len, columns))
    planes = x.reshape(math.prod(kept), x.shape[-len(windows) :].numel())
    at_once = max(1, WINDOW_ELEMENTS // max(1, places))
    results = [
        _planes(planes[start : start + at_once], rows, columns, x.shape[-1], reduction)
        for start in range(0, max(1, len(planes)), at_once)
    ]
    return torch.cat(results).reshape(*kept, *map(len, windows))


def _planes(planes: Tensor, rows: Windows, columns: Windows, width: int, reduction: Reduction) -> Tensor:
    """One result for each window of planes [P, height · width], row by row: [P, windows]."""
    numbers, results = [], []
    for i, down in _by_length(rows, planes.device):
        for j, across in _by_length(columns, planes.device):
            places = (down[:, None, :, None] * width + across[None, :, None, :]).flatten(2).flatten(0, 1)
            numbers.append((i[:, None] * len(columns) + j).flatten())
            results.append(reduction(planes[:, places], places))
    return torch.cat(results, 1)[:, torch.cat(numbers).argsort()]


def _by_length(windows: Windows, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """For each number n of places: which windows have it [k], and their places [k, n]."""
    found: dict[int, list[int]] = {}
    for number, window in enumerate(windows):
        found.setdefault(len(window), []).append(number)
    return [
        (torch.tensor(numbers, device=device), _places([windows[i] for i in numbers], length, device))
        for length, numbers in found.items()
    ]


def _places(windows: Windows, length: int, device: torch.device) -> Tensor:
    """The places of windows with the same number of them and the same step [k, length]."""
    starts = torch.tensor([window.start for window in windows], dtype=torch.int64, device=device)
    return starts[:, None] + torch.arange(length, device=device) * windows[0].step


def _windows(  # noqa: PLR0917
    dims: int,
    x: Tensor,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    ceil_mode: bool,
    *,
    padded: bool = False,
) -> list[Windows]:
    """For each dimension the windows that torch takes. With `padded`, places count from the first of the padding."""
    name = f"pooling over {dims} dimensions"
    kernel = sizes(name, "kernel_size", kernel_size, dims, least=1)
    # ATen says [] for a stride that was not given.
    steps = sizes(name, "stride", stride, dims, least=1) if stride else kernel
    around, gaps = sizes(name, "padding", padding, dims, least=0), sizes(name, "dilation", dilation, dims, least=1)
    windows = []
    for length, size, step, pad, gap in zip(_lengths(name, x, dims), kernel, steps, around, gaps, strict=True):
        span = gap * (size - 1) + 1
        count = (length + 2 * pad - span + (step - 1 if ceil_mode else 0)) // step + 1
        if 2 * pad > size or count < 1 or size > MOST:
            raise RefusedArithmeticError(f"{name}: windows of {span} over {length} with a padding of {pad}")
        # ceil_mode adds no window that would begin beyond the input.
        starts = range(-pad, min(count * step - pad, length), step)
        shift, last = (pad, length + pad) if padded else (0, length)
        # Places before the first that counts are skipped a whole number of gaps at a time.
        skipped = [0 if padded else -(min(start, 0) // gap) * gap for start in starts]
        windows.append(
            [range(s + n + shift, min(s + span, last) + shift, gap) for s, n in zip(starts, skipped, strict=True)]
        )
    return windows


def _adaptive_windows(dims: int, x: Tensor, output_size: Size) -> list[Windows]:
    """Window i of n over a length goes from floor(i · length / n) to before ceil((i + 1) · length / n)."""
    name = f"adaptive pooling over {dims} dimensions"
    counts = sizes(name, "output_size", output_size, dims, least=1)
    if max(counts) > MOST:
        raise RefusedArithmeticError(f"{name} to {counts} passes 2^22")
    return [
        [range(i * length // n, -(-(i + 1) * length // n)) for i in range(n)]
        for length, n in zip(_lengths(name, x, dims), counts, strict=True)
    ]


def _lengths(name: str, x: Tensor, dims: int) -> list[int]:
    if x.dim() not in {dims + 1, dims + 2} or 0 in x.shape[-dims:]:
        raise RefusedArithmeticError(f"{name} of a tensor {list(x.shape)} is not defined")
    return list(x.shape[-dims:])
