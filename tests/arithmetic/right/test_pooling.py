"""Pooling against plain loops over each window (§0, §3, §7)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reperform.executor import arithmetic
from reperform.executor.arithmetic import pooling
from reperform.tests.arithmetic import oracle
from reperform.tests.arithmetic.bits import same_bits
from torch import Tensor

WINDOWS = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), st.booleans())


def image(*shape: int) -> Tensor:
    """Few different values, so that there are ties, and zeros of both signs."""
    few = torch.tensor([-1.5, -0.0, 0.0, 0.25, 3.0])
    return few[torch.randint(0, 5, shape, generator=torch.Generator().manual_seed(sum(shape)))]


def counted(length: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> list[tuple[int, int]]:
    """First place and the one after the last of each window, the padding included and what is beyond it not."""
    steps = (length + 2 * padding - kernel) / stride
    count = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
    starts = [i * stride - padding for i in range(count)]
    return [(s, min(s + kernel, length + padding)) for s in starts if s < length]


@settings(deadline=None)
@given(WINDOWS, st.booleans())
def test_mean_over_each_window(window: tuple[int, int, int, int, bool], count_include_pad: bool) -> None:
    length, kernel, stride, padding, ceil_mode = window
    places = counted(length, kernel, stride, padding, ceil_mode)
    assume(2 * padding <= kernel and places)
    x = torch.randn(2, 3, length, generator=torch.Generator().manual_seed(length))

    def mean(row: list[float], first: int, last: int) -> float:
        inside = row[max(first, 0) : last]
        return oracle.mean(inside + [0.0] * (last - first - len(inside) if count_include_pad else 0))

    expected = torch.tensor([[[mean(row, *p) for p in places] for row in rows] for rows in x.tolist()])
    result = arithmetic.avg_pool1d(x, kernel, stride, padding, ceil_mode, count_include_pad)
    assert same_bits(result, expected)
    # Two dimensions: the same windows across, single rows down.
    flat = arithmetic.avg_pool2d(x, (1, kernel), (1, stride), (0, padding), ceil_mode, count_include_pad)
    assert same_bits(flat, expected)


@settings(deadline=None)
@given(WINDOWS, WINDOWS, st.integers(1, 3))
def test_largest_of_each_window_and_its_first_place(
    down: tuple[int, int, int, int, bool], across: tuple[int, int, int, int, bool], dilation: int
) -> None:
    (height, *vertical, ceil_mode), (width, *horizontal, _) = down, across
    assume(all(2 * padding <= kernel for kernel, _, padding in (vertical, horizontal)))
    window: Any = (*zip(vertical, horizontal, strict=True), dilation, ceil_mode)
    x = image(2, 2, height, width)
    try:
        values, places = F.max_pool2d(x, *window, return_indices=True)
    except RuntimeError:
        assume(False)
    assume(bool((values > -math.inf).all()))
    result, first = arithmetic.max_pool2d_with_indices(x, *window)
    assert same_bits(result, values + 0.0)
    assert torch.equal(first, places)  # this torch kernel looks at a window in order, and keeps the first
    assert same_bits(arithmetic.max_pool2d(x, *window), result)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 7), (8, 9)])
def test_adaptive_windows(size: tuple[int, int]) -> None:
    x = image(2, 3, 5, 7)

    def ends(n: int, length: int) -> list[tuple[int, int]]:
        return [(math.floor(i * length / n), math.ceil((i + 1) * length / n)) for i in range(n)]

    windows = [[x[..., a:b, c:d].flatten(2) for c, d in ends(size[1], 7)] for a, b in ends(size[0], 5)]
    means = [[[[oracle.mean(w[i, j].tolist()) for w in line] for line in windows] for j in range(3)] for i in range(2)]
    largest = torch.stack([torch.stack([w.amax(-1) for w in line], -1) for line in windows], -2) + 0.0
    assert same_bits(arithmetic.adaptive_avg_pool2d(x, size), torch.tensor(means))
    values, places = arithmetic.adaptive_max_pool2d(x, size)
    assert same_bits(values, largest)
    assert torch.equal(x.flatten(2).gather(2, places.flatten(2)), largest.flatten(2))
    assert same_bits(arithmetic.adaptive_avg_pool1d(x[:, :, 0], size[1]), F_rows(x, size[1]))


def F_rows(x: Tensor, n: int) -> Tensor:  # noqa: N802
    return arithmetic.adaptive_avg_pool2d(x[:, :, :1], (1, n)).squeeze(2)


def test_zeros_come_out_positive_and_padding_is_minus_infinity() -> None:
    x = torch.tensor([[[-0.0, -0.0, -3.0]]])
    assert same_bits(arithmetic.max_pool1d(x, 2, 1), torch.tensor([[[0.0, 0.0]]]))
    assert same_bits(arithmetic.max_pool1d(x - 1, 2, 2, 1), torch.tensor([[[-1.0, -1.0]]]))
    assert same_bits(arithmetic.max_pool1d(x[..., :1], 2, 1, 1, 2), torch.tensor([[[-math.inf]]]))
    assert same_bits(arithmetic.avg_pool1d(torch.tensor([[[-0.0, -0.0]]]), 2), torch.zeros(1, 1, 1))


def test_the_first_of_equal_values_has_the_index() -> None:
    x = torch.tensor([[[[1.0, 2.0, 2.0], [2.0, -0.0, 0.0], [-1.0, 0.0, -0.0]]]])
    values, places = arithmetic.max_pool2d_with_indices(x, 2, 1)
    assert values.tolist() == [[[[2.0, 2.0], [2.0, 0.0]]]]
    assert places.tolist() == [[[[1, 1], [3, 4]]]]


@pytest.mark.parametrize("elements", [1, 20])
def test_blocks_change_no_bit(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(3, 5, 6, 7)
    whole = arithmetic.avg_pool2d(x, 3, 2, 1), arithmetic.max_pool2d(x, 3, 2, 1)
    monkeypatch.setattr(pooling, "WINDOW_ELEMENTS", elements)
    assert same_bits(arithmetic.avg_pool2d(x, 3, 2, 1), whole[0])
    assert same_bits(arithmetic.max_pool2d(x, 3, 2, 1), whole[1])


@pytest.mark.parametrize("arguments", [(3, 1, 2), (5,), (0,), (2, 1, -1), ([2, 2],), (2, 0.5)])
def test_windows_that_torch_has_not_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises((arithmetic.RefusedArithmeticError, TypeError)):
        arithmetic.max_pool1d(torch.ones(1, 1, 4), *arguments)


def test_windows_that_no_machine_could_hold_are_refused_at_once() -> None:
    for huge in (1 << 23, 1 << 40):
        with pytest.raises(arithmetic.RefusedArithmeticError):
            arithmetic.avg_pool1d(torch.ones(1, 1, 4), huge, 1, huge // 2)
        with pytest.raises(arithmetic.RefusedArithmeticError):
            arithmetic.adaptive_avg_pool1d(torch.ones(1, 1, 4), huge)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_the_mean_of_infinities_stops_the_run(bad: float) -> None:
    with pytest.raises(arithmetic.NonFiniteError):
        arithmetic.avg_pool1d(torch.tensor([[[1.0, bad]]]), 2)
