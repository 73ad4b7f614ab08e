"""Dot products against Python integers, bit for bit (§2)."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.executor import arithmetic
from reperform.tests.arithmetic import oracle
from reperform.tests.arithmetic.bits import same_bits
from torch import Tensor

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=True)
MODERATE = st.floats(width=32, min_value=-4, max_value=4)
TIES = st.integers(-(2**21), 2**21).map(lambda n: n / 2.0**21)


def expected(a: Tensor, b: Tensor) -> Tensor:
    return torch.tensor([[oracle.dot(row, column) for column in b.T.tolist()] for row in a.tolist()])


def matrices(rows: int, length: int, columns: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scales = 2.0 ** torch.randint(-30, 30, (rows, 1), generator=generator)
    return torch.randn(rows, length, generator=generator) * scales, torch.randn(length, columns, generator=generator)


@settings(deadline=None)
@given(st.integers(1, 6).flatmap(lambda k: st.tuples(*[st.lists(s, min_size=k, max_size=k) for s in (FLOATS, FLOATS)])))
def test_any_floats(vectors: tuple[list[float], list[float]]) -> None:
    a, b = torch.tensor([vectors[0]]), torch.tensor([vectors[1]]).T
    assert same_bits(arithmetic.matmul(a, b), expected(a, b))


@settings(deadline=None)
@given(st.lists(st.tuples(MODERATE | TIES, MODERATE | TIES), min_size=1, max_size=40))
def test_floats_of_one_size_and_ties(pairs: list[tuple[float, float]]) -> None:
    a, b = torch.tensor([[x for x, _ in pairs]]), torch.tensor([[y] for _, y in pairs])
    assert same_bits(arithmetic.matmul(a, b), expected(a, b))


@pytest.mark.parametrize("length", [1, 2, 8191, 8192, 8193, 20000])
def test_lengths_around_the_block(length: int) -> None:
    a, b = matrices(2, length, 2, seed=length)
    assert same_bits(arithmetic.matmul(a, b), expected(a, b))


@pytest.mark.parametrize("length", [8192, 8193, 20000])
def test_the_largest_integers_there_are(length: int) -> None:
    # 1 - 2^-24 rounds to 2^20 exactly: the sum is length·2^40, and 8193·2^40 + 1 needs the rounding of RN64.
    a = torch.full((1, length), 1 - 2.0**-24)
    b = a.clone().T
    b[0] = 1 - 2.0**-20
    assert same_bits(arithmetic.matmul(a, b), expected(a, b))
    assert same_bits(arithmetic.matmul(-a, b), expected(-a, b))


def test_what_is_left_of_sums_beyond_53_bits_is_exact() -> None:
    # Products near 2^40 whose sum reaches 2^59 and comes back: float64 would have lost what is left.
    integers = torch.randint(1 << 19, 1 << 20, (2, (1 << 19) - 1), generator=torch.Generator().manual_seed(4))
    (p, q), one = integers, torch.tensor([1])
    qa, qb = torch.cat([p, p.flip(0), one]), torch.cat([q, -q.flip(0), one])
    a, b = (qa * 2.0**-20).to(torch.float32), (qb * 2.0**-20).to(torch.float32)
    assert arithmetic.matmul(a, b).item() == 2.0**-40


def test_an_exact_tie_goes_to_even() -> None:
    # 2^-20 steps beside a maximum of 1: 2.5 and 3.5 steps become 2 and 4.
    a = torch.tensor([[0.75, 2.5 * 2.0**-20], [0.75, 3.5 * 2.0**-20]])
    assert arithmetic.matmul(a, torch.tensor([[0.0], [1.0]])).flatten().tolist() == [2 * 2.0**-20, 4 * 2.0**-20]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_zero_results_are_positive(sign: float) -> None:
    tiny = 2.0**-100
    for a, b in [([0.0], [-1.0 * sign]), ([-0.0], [1.0]), ([tiny], [-tiny * sign]), ([1.0, -1.0], [1.0, 1.0])]:
        result = arithmetic.matmul(torch.tensor([a]), torch.tensor([b]).T)
        assert same_bits(result, torch.zeros(1, 1))


def test_zero_rows_and_zero_lengths() -> None:
    a, b = matrices(3, 5, 2, seed=1)
    a[1] = 0
    assert same_bits(arithmetic.matmul(a, b), expected(a, b))
    assert same_bits(arithmetic.matmul(torch.ones(2, 0), torch.ones(0, 3)), torch.zeros(2, 3))


def test_subnormal_and_huge_rows() -> None:
    a = torch.tensor([[2.0**-149, -3 * 2.0**-149], [3e38, -1e38], [2.0**-149, 1e38]])
    assert same_bits(arithmetic.matmul(a, a.T), expected(a, a.T))
    assert arithmetic.matmul(a, a.T)[1, 1] == math.inf


def test_bias_is_one_addition_after() -> None:
    a, b = matrices(4, 9, 3, seed=5)
    bias = torch.tensor([1e-3, -1e3, -0.0])
    assert same_bits(arithmetic.linear(a, b.T, bias), expected(a, b) + bias)
    assert same_bits(arithmetic.addmm(bias, a, b), expected(a, b) + bias)
    batched = arithmetic.baddbmm(bias, a[None], b[None])
    assert same_bits(batched[0], expected(a, b) + bias)


@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2)), ((2, 1, 2, 3), (4, 3, 5))],
)
def test_shapes_are_those_of_torch(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = torch.randn(left, generator=generator), torch.randn(right, generator=generator)
    native = torch.matmul(a, b)
    result = arithmetic.matmul(a, b)
    assert result.shape == native.shape
    assert torch.allclose(result, native, atol=1e-5)


def test_linear_takes_any_leading_shape() -> None:
    x, w = torch.randn(2, 3, 4), torch.randn(5, 4)
    assert arithmetic.linear(x, w).shape == (2, 3, 5)
    assert arithmetic.linear(x[0, 0], w).shape == (5,)
    assert arithmetic.linear(x[:0], w).shape == (0, 3, 5)
    assert same_bits(arithmetic.linear(x, w)[1, 2], arithmetic.linear(x[1, 2], w))


def test_longer_than_2_to_the_20_is_refused() -> None:
    a = torch.ones(1, (1 << 20) + 1)
    with pytest.raises(arithmetic.RefusedArithmeticError, match=r"2\^20"):
        arithmetic.matmul(a, a.T)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_infinite_operands_stop_the_run(bad: float) -> None:
    a = torch.tensor([[1.0, bad]])
    for left, right in [(a, torch.ones(2, 1)), (torch.zeros(1, 2), a.T)]:
        with pytest.raises(arithmetic.NonFiniteError, match="matmul"):
            arithmetic.matmul(left, right)
