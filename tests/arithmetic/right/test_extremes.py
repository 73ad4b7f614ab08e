"""Zeros and ties of the operations that choose (§0, §7)."""

from __future__ import annotations

import math

import pytest
import torch
from reperform.executor import arithmetic
from reperform.tests.arithmetic.bits import same_bits

ZEROS = torch.tensor([[0.0, -0.0], [-0.0, 0.0], [-0.0, -0.0], [0.0, 0.0]])
POSITIVE = torch.zeros(4)


def test_zeros_come_out_positive() -> None:
    a, b = ZEROS.unbind(1)
    assert same_bits(arithmetic.maximum(a, b), POSITIVE)
    assert same_bits(arithmetic.minimum(a, b), POSITIVE)
    assert same_bits(arithmetic.amax(ZEROS, 1), POSITIVE)
    assert same_bits(arithmetic.amin(ZEROS, 1), POSITIVE)
    assert same_bits(arithmetic.clamp(a, torch.tensor(-1.0), torch.tensor(1.0)), POSITIVE)
    assert same_bits(arithmetic.clamp(a, torch.tensor(-0.0)), POSITIVE)


def test_relu_of_anything_not_above_zero_is_positive_zero() -> None:
    x = torch.tensor([-1.0, -0.0, 0.0, -math.inf, math.inf, 2.0**-149, 3.0])
    assert same_bits(arithmetic.relu(x), torch.tensor([0.0, 0.0, 0.0, 0.0, math.inf, 2.0**-149, 3.0]))


def test_the_lowest_index_wins_a_tie() -> None:
    x = torch.tensor([[1.0, 3.0, 3.0], [-0.0, 0.0, -1.0], [2.0, 2.0, 2.0]])
    assert arithmetic.argmax(x, 1).tolist() == [1, 0, 0]
    assert arithmetic.argmin(x, 1).tolist() == [0, 2, 0]
    assert arithmetic.argmax(x).item() == 1
    assert arithmetic.argmax(x, 1, keepdim=True).shape == (3, 1)
    assert arithmetic.argmax(torch.tensor(4.0)).item() == 0
    assert arithmetic.argmax(torch.zeros(100_000)).item() == 0


def test_argmax_of_nan_or_nothing_is_an_error() -> None:
    with pytest.raises(arithmetic.NonFiniteError):
        arithmetic.argmax(torch.tensor([1.0, math.nan]))
    with pytest.raises(arithmetic.RefusedArithmeticError):
        arithmetic.argmax(torch.zeros(2, 0), 1)
