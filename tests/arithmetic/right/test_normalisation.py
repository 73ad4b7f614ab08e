"""Normalisation against its definition in Python, bit for bit (§4)."""

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
from torch import Tensor

FLOATS = st.floats(width=32, min_value=-1e6, max_value=1e6, allow_subnormal=True)


def sample(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@settings(deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=12), st.sampled_from([1e-5, 1e-12, 0.1]))
def test_one_row(values: list[float], eps: float) -> None:
    expected = oracle.layer_norm(values, None, None, eps)
    assert same_bits(arithmetic.layer_norm(torch.tensor(values), [len(values)], eps=eps), torch.tensor(expected))


def test_an_eps_of_the_size_of_the_variance_is_added_in_float64() -> None:
    x = sample(60, 6) * 3e-3
    expected = [oracle.layer_norm(row, None, None, 1e-5) for row in x.tolist()]
    assert same_bits(arithmetic.layer_norm(x, [6], eps=1e-5), torch.tensor(expected))


@pytest.mark.parametrize("size", [384, 9000])
def test_rows_with_weight_and_bias(size: int) -> None:
    x, weight, bias = sample(2, size) * 7 + 3, sample(size), sample(size) / 9
    expected = [oracle.layer_norm(row, weight.tolist(), bias.tolist(), 1e-12) for row in x.tolist()]
    assert same_bits(arithmetic.layer_norm(x, [size], weight, bias, 1e-12), torch.tensor(expected))


def test_several_dimensions_are_one_row() -> None:
    x, weight = sample(2, 3, 4), sample(3, 4)
    flat = arithmetic.layer_norm(x.reshape(2, 12), [12], weight.flatten())
    assert same_bits(arithmetic.layer_norm(x, [3, 4], weight), flat.reshape(2, 3, 4))


def test_groups_are_rows() -> None:
    x, weight, bias = sample(2, 6, 5), sample(6), sample(6) - 2
    plain = torch.stack([arithmetic.layer_norm(g, [2, 5]) for e in x for g in e.reshape(3, 2, 5)]).reshape(2, 6, 5)
    expected = plain * weight[:, None] + bias[:, None]
    assert same_bits(arithmetic.group_norm(x, 3, weight, bias), expected)
    assert torch.allclose(expected, torch.nn.functional.group_norm(x, 3, weight, bias), atol=1e-5)
    by_channel = torch.nn.functional.instance_norm(x, weight=weight, bias=bias)
    assert torch.allclose(arithmetic.instance_norm(x, weight, bias), by_channel, atol=1e-5)


def test_batch_norm_step_by_step() -> None:
    x, mean, var, weight, bias = sample(4, 3), sample(3), sample(3).abs(), sample(3), sample(3) + 1
    rows = []
    for row in x.tolist():
        out = []
        for v, m, s, w, b in zip(row, mean.tolist(), var.tolist(), weight.tolist(), bias.tolist(), strict=True):
            slope = oracle.mul32(oracle.function("rsqrt", oracle.rn32(Fraction(s + 1e-5))), w)
            out.append(oracle.add32(oracle.mul32(oracle.add32(v, -m), slope), b))
        rows.append(out)
    assert same_bits(arithmetic.batch_norm(x, mean, var, weight, bias, 1e-5), torch.tensor(rows))
    images = x[:, :, None, None].expand(4, 3, 2, 2)
    result = arithmetic.batch_norm(images, mean, var, weight, bias, 1e-5)
    assert same_bits(result[..., 1, 0], torch.tensor(rows))


def test_zero_results_are_positive() -> None:
    x = torch.full((1, 4), -2.0)
    assert same_bits(arithmetic.layer_norm(x, [4], torch.full((4,), -1.0)), torch.zeros(1, 4))
    zero = arithmetic.batch_norm(x, torch.full((4,), -2.0), torch.ones(4), torch.full((4,), -1.0))
    assert same_bits(zero, torch.zeros(1, 4))


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_infinite_operands_stop_the_run(bad: float) -> None:
    with pytest.raises(arithmetic.NonFiniteError, match="layer_norm"):
        arithmetic.layer_norm(torch.tensor([1.0, bad]), [2])


@pytest.mark.parametrize(
    ("first", "weight", "bias", "eps"),
    [
        (0.0, math.inf, 0.0, 1e-5),  # 0·inf
        (1.0, 3e36, -math.inf, 1e-5),  # 128·3e36, which is an infinity, less one
        (1.0, math.nan, 0.0, 1e-5),
        (1.0, 1.0, math.nan, 1e-5),
        (0.0, 1.0, 0.0, 0.0),  # 0/0
        (0.0, 1.0, 0.0, 1e-60),
    ],
)
def test_a_layer_norm_that_makes_a_nan_stops_the_run(first: float, weight: float, bias: float, eps: float) -> None:
    x = torch.zeros(1, 1 << 14)
    x[0, 0] = first
    with pytest.raises(arithmetic.NonFiniteError):
        arithmetic.layer_norm(x, x.shape[1:], torch.full(x.shape[1:], weight), torch.full(x.shape[1:], bias), eps)


def test_an_infinite_bias_that_makes_no_nan_is_an_addend() -> None:
    result = arithmetic.layer_norm(torch.ones(2, 8), [8], torch.ones(8), torch.full((8,), math.inf))
    assert bool((result == math.inf).all())


def test_another_shape_than_declared_is_refused() -> None:
    with pytest.raises(arithmetic.RefusedArithmeticError, match="layer_norm"):
        arithmetic.layer_norm(torch.ones(2, 3), [2])
