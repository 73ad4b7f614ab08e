"""Convolutions against Python integers, bit for bit (§2)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.executor import arithmetic
from reperform.executor.arithmetic import convolution
from reperform.tests.arithmetic import oracle
from reperform.tests.arithmetic.bits import same_bits
from torch import Tensor

FLOATS = st.floats(width=32, min_value=-4, max_value=4) | st.floats(
    width=32, allow_nan=False, allow_infinity=False, allow_subnormal=True
)


def values(draw: st.DrawFn, *shape: int) -> Tensor:
    count = math.prod(shape)
    # Few different values: what is tested is which element meets which.
    few = torch.tensor(draw(st.lists(FLOATS, min_size=1, max_size=6)))
    seed = draw(st.integers(0, 2**16))
    return few[torch.randint(0, len(few), (count,), generator=torch.Generator().manual_seed(seed))].reshape(shape)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[tuple[Any, ...], tuple[tuple[int, int], tuple[int, int]]]:
    groups = draw(st.sampled_from([1, 2, 3]))
    small = st.integers(1, 2)
    channels, outputs = groups * draw(small), groups * draw(small)
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation = (draw(small), draw(small))
    padding: Any = draw(st.sampled_from(["same", "valid", (0, 0), (1, 0), (2, 1)]))
    stride = (1, 1) if padding == "same" else (draw(small), draw(small))
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if padding == "same":
        around = tuple((s // 2, s - s // 2) for s in spans)
    else:
        around = tuple((p, p) for p in ((0, 0) if padding == "valid" else padding))
    least = [max(1, s + 1 - sum(a)) for s, a in zip(spans, around, strict=True)]
    size = [n + draw(st.integers(0, 2)) for n in least]
    x, weight = values(draw, 1, channels, *size), values(draw, outputs, channels // groups, *kernel)
    bias = values(draw, outputs) if draw(st.booleans()) else None
    return (x, weight, bias, stride, padding, dilation, groups), around  # type: ignore[return-value]


@settings(deadline=None)
@given(convolutions())
def test_any_stride_padding_dilation_and_groups(
    case: tuple[tuple[Any, ...], tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    (x, weight, bias, stride, padding, dilation, groups), around = case
    expected = oracle.convolution(
        x[0].tolist(), weight.tolist(), None if bias is None else bias.tolist(), stride, around, dilation, groups
    )
    result = arithmetic.conv2d(x, weight, bias, stride, padding, dilation, groups)
    assert same_bits(result, torch.tensor([expected]))


@pytest.mark.parametrize("elements", [1, 7, 100])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_blocks_change_no_bit(elements: int, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias = torch.randn(3, 4, 5, 6), torch.randn(8, 4 // groups, 3, 2), torch.randn(8)
    whole = arithmetic.conv2d(x, weight, bias, 1, 1, 1, groups)
    monkeypatch.setattr(convolution, "PATCH_ELEMENTS", elements)
    assert same_bits(arithmetic.conv2d(x, weight, bias, 1, 1, 1, groups), whole)


@pytest.mark.parametrize("padding", [0, 2, "same", "valid"])
def test_one_dimension_is_two_with_one_column(padding: int | str) -> None:
    x, weight, bias = torch.randn(2, 4, 9), torch.randn(6, 2, 3), torch.randn(6)
    both: Any = padding if isinstance(padding, str) else (padding, 0)
    expected = arithmetic.conv2d(x[..., None], weight[..., None], bias, 1, both, (2, 1), 2)[..., 0]
    assert same_bits(arithmetic.conv1d(x, weight, bias, 1, padding, 2, 2), expected)
    assert same_bits(arithmetic.conv1d(x[0], weight, bias, 1, padding, 2, 2), expected[0])


def test_depthwise_is_one_convolution_for_each_channel() -> None:
    x, weight = torch.randn(2, 64, 8, 8), torch.randn(64, 1, 3, 3)
    x[:, 5] *= 2.0**40
    single = [arithmetic.conv2d(x[:, c : c + 1], weight[c : c + 1], padding=1) for c in range(64)]
    assert same_bits(arithmetic.conv2d(x, weight, padding=1, groups=64), torch.cat(single, 1))


def test_every_patch_has_a_scale_of_its_own() -> None:
    x = torch.tensor([[[2.0**60, 1.0, 2.0**-60, 0.0, -0.0]]])
    result = arithmetic.conv1d(x, torch.ones(1, 1, 1))
    assert same_bits(result, x + 0.0)
    assert same_bits(arithmetic.conv1d(x, torch.ones(1, 1, 1), torch.tensor([0.1])), x + torch.tensor([0.1]))


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_infinite_operands_stop_the_run_where_a_patch_reaches_them(bad: float) -> None:
    x, weight = torch.zeros(1, 1, 5), torch.ones(1, 1, 1)
    x[0, 0, 1] = bad
    assert same_bits(arithmetic.conv1d(x, weight, stride=2), torch.zeros(1, 1, 3))
    with pytest.raises(arithmetic.NonFiniteError):
        arithmetic.conv1d(x, weight)
    with pytest.raises(arithmetic.NonFiniteError):
        arithmetic.conv1d(torch.zeros(1, 1, 5), weight * bad)


@pytest.mark.parametrize(
    ("x", "weight", "arguments"),
    [
        ((1, 4, 5), (2, 3, 1), {}),
        ((1, 4, 5), (3, 2, 1), {"groups": 2}),
        ((1, 4, 5), (2, 4, 6), {}),
        ((1, 4, 5), (2, 4, 3), {"dilation": 3}),
        ((1, 4, 5), (2, 4, 3), {"stride": 0}),
        ((1, 4, 5), (2, 4, 3), {"padding": -1}),
        ((1, 4, 5), (2, 4, 3), {"padding": "same", "stride": 2}),
        ((1, 4, 5), (2, 4, 3), {"padding": "full"}),
        ((1, 4, 5), (2, 4, 3), {"padding": [1, 1]}),
        ((4, 5, 5, 5), (2, 4, 3), {}),
    ],
)
def test_what_does_not_fit_is_refused(x: tuple[int, ...], weight: tuple[int, ...], arguments: dict[str, Any]) -> None:
    with pytest.raises(arithmetic.RefusedArithmeticError, match="conv1d"):
        arithmetic.conv1d(torch.ones(x), torch.ones(weight), **arguments)


def test_filters_of_more_than_2_to_the_20_are_refused() -> None:
    x = torch.ones(1).expand(1, 1, (1 << 20) + 1)
    with pytest.raises(arithmetic.RefusedArithmeticError, match=r"2\^20"):
        arithmetic.conv1d(x, x)


def test_shapes_are_those_of_torch() -> None:
    x, weight = torch.randn(2, 6, 11, 7), torch.randn(9, 2, 3, 2)
    for arguments in ((None, 2, 1, 1, 3), (None, (3, 1), (2, 0), (1, 2), 3), (None, 1, "same", 2, 3)):
        native = F.conv2d(x, weight, *arguments)
        result = arithmetic.conv2d(x, weight, *arguments)
        assert result.shape == native.shape
        assert torch.allclose(result, native, atol=1e-4)
