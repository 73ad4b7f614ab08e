"""Sorting with ties, against Python's sort by value and index (§0)."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reperform.executor import arithmetic
from reperform.tests.arithmetic.bits import same_bits

TIED = st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 2.0**-149, 1.0, math.inf])


@given(st.lists(TIED, min_size=1, max_size=50), st.booleans(), st.integers(0, 50))
def test_equal_values_keep_their_order(row: list[float], descending: bool, k: int) -> None:
    x = torch.tensor(row)
    expected = sorted(range(len(row)), key=lambda i: -row[i] if descending else row[i])  # Python's sort is stable
    values, indices = arithmetic.sort(x, -1, descending)
    assert indices.tolist() == expected
    assert same_bits(values, x[indices])
    assert arithmetic.argsort(x, 0, descending).tolist() == expected
    k = min(k, len(row))
    values, indices = arithmetic.topk(x, k, -1, descending)
    assert indices.tolist() == expected[:k]
    assert same_bits(values, x[expected[:k]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.int32, torch.bool])
@pytest.mark.parametrize("length", [1, 16, 17, 1000, 50_000])
def test_long_rows_of_every_type(dtype: torch.dtype, length: int) -> None:
    x = torch.randint(0, 5, (3, length), generator=torch.Generator().manual_seed(length)).to(dtype)
    for descending in (False, True):
        key = -x.long() if descending else x.long()
        expected = (key * length + torch.arange(length)).sort(1).indices  # no ties are left
        assert torch.equal(arithmetic.sort(x, 1, descending)[1], expected)
        assert torch.equal(arithmetic.topk(x, 1, 1, descending)[1], expected[:, :1])


def test_along_any_dimension_and_of_one_number() -> None:
    x = torch.randint(0, 3, (4, 5, 6)).float()
    assert torch.equal(arithmetic.sort(x, 0)[1], arithmetic.sort(x.transpose(0, 2), 2)[1].transpose(0, 2))
    assert arithmetic.sort(torch.tensor(3.0))[1].item() == 0
    assert arithmetic.topk(torch.tensor(3.0), 1)[0].item() == 3


def test_nan_and_more_values_than_there_are_stop_the_run() -> None:
    with pytest.raises(arithmetic.NonFiniteError):
        arithmetic.topk(torch.tensor([1.0, math.nan]), 1)
    for k in (3, -1):
        with pytest.raises(arithmetic.RefusedArithmeticError):
            arithmetic.topk(torch.tensor([1.0, 2.0]), k)
