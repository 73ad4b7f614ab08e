"""Softmax and attention against their definition in Python, bit for bit (§5)."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.executor import arithmetic
from reperform.executor.arithmetic import scaled_dot_product_attention as attention
from reperform.tests.arithmetic import oracle
from reperform.tests.arithmetic.bits import same_bits
from torch import Tensor

SCORES = st.floats(width=32, min_value=-200, max_value=200)


def sample(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def expected(q: Tensor, k: Tensor, v: Tensor, added: Tensor, scale: float) -> Tensor:
    rows = [
        oracle.attention(row, k.tolist(), v.tolist(), mask, scale)
        for row, mask in zip(q.tolist(), added.expand(q.shape[0], k.shape[0]).tolist(), strict=True)
    ]
    return torch.tensor(rows)


@settings(deadline=None)
@given(st.lists(SCORES | st.just(-math.inf), min_size=1, max_size=9).filter(lambda r: max(r) > -math.inf))
def test_softmax_of_one_row(row: list[float]) -> None:
    assert same_bits(arithmetic.softmax(torch.tensor(row), 0), torch.tensor(oracle.softmax(row)))


def test_softmax_of_a_long_row() -> None:
    row = sample(9000)
    assert same_bits(arithmetic.softmax(row, -1), torch.tensor(oracle.softmax(row.tolist())))


def test_weights_are_counted_in_units_of_2_to_the_minus_40() -> None:
    # 2^20 weights of 0.6 units count as one unit each, and of 0.4 units as none.
    for units, counted in [(0.6, 2.0**-20), (0.4, 0.0)]:
        row = torch.full(((1 << 20) + 1,), math.log(units * 2.0**-40))
        row[-1] = 0.0
        assert arithmetic.softmax(row, 0)[-1].item() == oracle.float32(1 / (1 + counted))


def test_softmax_along_any_dimension() -> None:
    x = sample(3, 4, 5)
    assert same_bits(arithmetic.softmax(x, 1), arithmetic.softmax(x.transpose(1, 2), 2).transpose(1, 2))


def test_log_softmax_by_its_parts() -> None:
    x = torch.cat([sample(2, 7), torch.full((2, 1), -math.inf)], 1)
    t = x - x.amax(1, keepdim=True)
    z = (arithmetic.exp(t).double() * 2.0**40).round().sum(1, keepdim=True) * 2.0**-40
    assert same_bits(arithmetic.log_softmax(x, 1), t - arithmetic.log(z.float()))
    assert (arithmetic.log_softmax(x, 1)[:, -1] == -math.inf).all()


@pytest.mark.parametrize("function", [arithmetic.softmax, arithmetic.log_softmax])
@pytest.mark.parametrize("row", [[-math.inf, -math.inf], [math.inf, 0.0], [math.nan, 0.0]])
def test_rows_without_a_finite_maximum_stop_the_run(function: object, row: list[float]) -> None:
    with pytest.raises(arithmetic.NonFiniteError, match="softmax"):
        function(torch.tensor([row]), 1)  # type: ignore[operator]


def test_attention_without_a_mask() -> None:
    q, k, v = sample(3, 8), sample(5, 8), sample(5, 6)
    scale = oracle.function("rsqrt", 8.0)
    assert same_bits(attention(q, k, v), expected(q, k, v, torch.zeros(5), scale))


@pytest.mark.parametrize("scale", [0.1, 3.0, -2.0])
def test_attention_with_a_float_mask_and_a_scale(scale: float) -> None:
    q, k, v, mask = sample(3, 8), sample(5, 8), sample(5, 6), sample(3, 5)
    mask[0, 2] = -math.inf
    mask[1] = torch.finfo(torch.float32).min
    assert same_bits(attention(q, k, v, mask, scale=scale), expected(q, k, v, mask, oracle.float32(scale)))


def test_attention_to_many_keys() -> None:
    q, k, v = sample(1, 2), sample(9000, 2), sample(9000, 2)
    assert same_bits(attention(q, k, v), expected(q, k, v, torch.zeros(9000), oracle.function("rsqrt", 2.0)))


def test_excluding_a_key_is_the_same_however_it_is_said() -> None:
    q, k, v = sample(4, 8), sample(4, 8), sample(4, 3)
    allowed = torch.ones(4, 4, dtype=torch.bool).tril()
    added = torch.zeros(4, 4).masked_fill(~allowed, -math.inf)
    scale = oracle.function("rsqrt", 8.0)
    causal = expected(q, k, v, added, scale)
    assert same_bits(attention(q, k, v, is_causal=True), causal)
    assert same_bits(attention(q, k, v, allowed), causal)
    assert same_bits(attention(q, k, v, added), causal)


def test_a_query_with_no_key_left_gives_zeros() -> None:
    q, k, v = sample(2, 8), sample(3, 8), sample(3, 4)
    mask = torch.tensor([[False, False, False], [True, False, True]])
    result = attention(q, k, v, mask)
    assert same_bits(result[0], torch.zeros(4))
    assert same_bits(result[1:], attention(q[1:], k[[0, 2]], v[[0, 2]]))


def test_value_rows_of_very_different_size() -> None:
    q, k, v = sample(3, 8), sample(5, 8), sample(5, 4)
    v *= 2.0 ** torch.tensor([[0], [60], [-60], [-148], [20]])
    scale = oracle.function("rsqrt", 8.0)
    assert same_bits(attention(q, k, v), expected(q, k, v, torch.zeros(5), scale))


def test_a_zero_value_row_does_not_set_the_weights_exponent() -> None:
    # Its weight is 1 beside 2^-30, which would otherwise lose all its bits.
    q, k = torch.tensor([[1.0]]), torch.tensor([[21.0], [0.0], [0.1]])
    v = torch.tensor([[0.0, -0.0], [1.0, 3.0], [-1.0, 2.0]])
    result = attention(q, k, v, scale=1.0)
    assert same_bits(result, expected(q, k, v, torch.zeros(3), 1.0))
    assert result[0, 1] > 0


def test_scores_far_below_the_maximum_weigh_nothing() -> None:
    q, k, v = torch.tensor([[30.0]]), torch.tensor([[1.0], [-10.0], [0.5]]), sample(3, 4)
    assert same_bits(attention(q, k, v, scale=1.0), expected(q, k, v, torch.zeros(3), 1.0))


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_query_heads_share_key_heads_by_ratio(heads: int) -> None:
    q, k, v = sample(2, 8, 3, 4), sample(2, heads, 5, 4), sample(2, heads, 5, 4)
    repeated = attention(q, k.repeat_interleave(8 // heads, 1), v.repeat_interleave(8 // heads, 1))
    assert same_bits(attention(q, k, v), repeated)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("operand", [0, 1, 2])
def test_infinite_operands_stop_the_run_even_if_excluded(bad: float, operand: int) -> None:
    q, k, v = sample(3, 4), sample(3, 4), sample(3, 4)
    (q, k, v)[operand][2, 1] = bad
    mask = torch.tensor([True, True, False])
    with pytest.raises(arithmetic.NonFiniteError, match="attention"):
        attention(q, k, v, mask)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_mask_of_infinity_or_nan_stops_the_run(bad: float) -> None:
    x = sample(2, 4)
    with pytest.raises(arithmetic.NonFiniteError, match="attention"):
        attention(x, x, x, torch.tensor([0.0, bad]))
