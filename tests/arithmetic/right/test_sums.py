"""Sums and means against Python integers, bit for bit (§3)."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.executor import arithmetic
from reperform.tests.arithmetic import oracle
from reperform.tests.arithmetic.bits import same_bits

SIGNIFICANDS = st.integers(-(1 << 53), 1 << 53)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=True)


def expected_sum(values: list[float]) -> float:
    return oracle.rn32(Fraction(oracle.sum64(values))) + 0.0


@settings(deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=20))
def test_any_floats(values: list[float]) -> None:
    x = torch.tensor(values)
    mean = oracle.rn32(Fraction(oracle.sum64(values) / len(values))) + 0.0
    assert same_bits(arithmetic.sum(x), torch.tensor(expected_sum(values)))
    assert same_bits(arithmetic.mean(x), torch.tensor(mean))


@settings(deadline=None)
@given(st.lists(st.tuples(SIGNIFICANDS, st.integers(-300, 300)), min_size=1, max_size=20))
def test_float64_stays_float64(parts: list[tuple[int, int]]) -> None:
    values = [math.ldexp(significand, exponent) for significand, exponent in parts]
    x = torch.tensor(values, dtype=torch.float64)
    assert same_bits(arithmetic.sum(x), torch.tensor(oracle.sum64(values) + 0.0, dtype=torch.float64))
    mean = oracle.sum64(values) / len(values) + 0.0
    assert same_bits(arithmetic.mean(x), torch.tensor(mean, dtype=torch.float64))


@pytest.mark.parametrize("bad", [2.0**-901, 2.0**-1074, 2.0**900, -1.7e308])
def test_float64_whose_scale_float64_cannot_hold_is_refused(bad: float) -> None:
    rows = torch.tensor([[0.0, 1.0], [0.0, bad]], dtype=torch.float64)
    for reduce in (arithmetic.sum, arithmetic.mean):
        with pytest.raises(arithmetic.RefusedArithmeticError, match=r"2\^900"):
            reduce(rows, 1)
    largest = math.nextafter(2.0**900, 0.0)
    edges = torch.tensor([[2.0**-900, -5e-324], [largest, 2.0**-1074]], dtype=torch.float64)
    expected = [oracle.sum64(row) for row in edges.tolist()]
    assert arithmetic.sum(edges, 1).tolist() == expected


@pytest.mark.parametrize("length", [1, 8191, 8192, 8193, 20000])
def test_lengths_around_the_exact_float64_sum(length: int) -> None:
    x = torch.randn(length, generator=torch.Generator().manual_seed(length)) + 3
    assert same_bits(arithmetic.sum(x), torch.tensor(expected_sum(x.tolist())))


def test_what_is_left_of_sums_beyond_53_bits_is_exact() -> None:
    # Integers near 2^40 whose sum reaches 2^60 and comes back, with ones strewn in: float64 would have lost them.
    half = torch.full((1 << 21,), 1 - 2.0**-24)
    half[torch.rand(half.shape, generator=torch.Generator().manual_seed(5)) < 0.5] = 2.0**-40
    ones = int((half == 2.0**-40).sum())
    x = torch.cat([half, torch.where(half == 2.0**-40, half, -half).roll(12345)])
    assert arithmetic.sum(x).item() == 2 * ones * 2.0**-40


@pytest.mark.parametrize("dim", [None, (), 0, -1, (0, 2), [1], (2, 0, 1)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_dimensions_are_reduced_as_one_vector(dim: int | tuple[int, ...] | None, keepdim: bool) -> None:
    x = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    native = torch.sum(x, dim, keepdim)
    result = arithmetic.sum(x, dim, keepdim)
    assert result.shape == native.shape == arithmetic.mean(x, dim, keepdim).shape
    assert torch.allclose(result, native, atol=1e-5)
    if dim == (0, 2):
        columns = [x[:, i].flatten().tolist() for i in range(4)]
        assert result.flatten().tolist() == [expected_sum(column) for column in columns]


def test_zero_sums_are_positive_and_scalars_are_themselves() -> None:
    assert same_bits(arithmetic.sum(torch.tensor([-0.0, -0.0])), torch.tensor(0.0))
    assert same_bits(arithmetic.sum(torch.tensor([1.0, -1.0])), torch.tensor(0.0))
    assert same_bits(arithmetic.sum(torch.zeros(2, 0), 1), torch.zeros(2))
    assert same_bits(arithmetic.mean(torch.tensor(-2.5)), torch.tensor(-2.5))


def test_more_than_2_to_the_22_values_are_refused() -> None:
    assert arithmetic.sum(torch.ones(1).expand(1 << 22)).item() == 2.0**22
    with pytest.raises(arithmetic.RefusedArithmeticError, match=r"2\^22"):
        arithmetic.sum(torch.ones(1).expand((1 << 22) + 1))


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_infinite_operands_stop_the_run(bad: float) -> None:
    with pytest.raises(arithmetic.NonFiniteError, match="mean"):
        arithmetic.mean(torch.tensor([[1.0, bad]]), 1)
    with pytest.raises(arithmetic.NonFiniteError, match="sum"):
        arithmetic.sum(torch.tensor([[1.0, bad]], dtype=torch.float64), 1)
