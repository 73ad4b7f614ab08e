"""The kernels for CPUs and the reference give the same bytes, whatever the pattern, shape, chunk or thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from reperform.executor.arithmetic.cpu import functions
from reperform.executor.arithmetic.reference import functions as reference
from reperform.executor.arithmetic.reference.midpoints import MIDPOINTS
from reperform.tests.arithmetic.bits import from_patterns, random_patterns, same_bits
from torch import Tensor

NAMES = sorted(functions.ROWS)


def function(implementation: ModuleType, name: str) -> Callable[[Tensor], Tensor]:
    if name == "gelu_tanh":
        return lambda x: implementation.gelu(x, approximate="tanh")
    found: Callable[[Tensor], Tensor] = getattr(implementation, name)
    return found


def within_domain(name: str, x: Tensor) -> Tensor:
    return x[x.abs() <= 2.0**24] if name in {"sin", "cos"} else x[(x >= 0)] if name in {"log", "sqrt", "rsqrt"} else x


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_million_patterns_give_the_same_bytes(name: str) -> None:
    significands = [0, 1, 2, 0x2AAAAA, 0x3FFFFF, 0x400000, 0x400001, 0x7FFFFE, 0x7FFFFF]
    structured = from_patterns([e << 23 | s for e in (*range(255), *range(256, 511)) for s in significands])
    usual = torch.randn(1 << 19, generator=torch.Generator().manual_seed(5)) * 5
    infinite = torch.tensor([torch.inf, -torch.inf])
    x = within_domain(name, torch.cat([structured, infinite, usual, random_patterns(1 << 19, 31)]))
    assert same_bits(function(functions, name)(x), function(reference, name)(x))


@pytest.mark.parametrize("name", ["exp", "sqrt"])
def test_lengths_around_blocks_and_chunks_change_nothing(name: str) -> None:
    x = torch.randn(20_000, generator=torch.Generator().manual_seed(6)).abs()
    whole = function(reference, name)(x)
    for length in (0, 1, 7, 8, 31, 33, 255, 256, 257, 511, 4095, 4096, 4097, 8191, 8192, 8193, 20_000):
        assert same_bits(function(functions, name)(x[:length]), whole[:length])
        # Not at the start of an allocation, nor aligned to a vector.
        assert same_bits(function(functions, name)(x[20_000 - length :]), whole[20_000 - length :])


@pytest.mark.parametrize("name", NAMES)
def test_one_thread_and_two_give_the_same_bytes(name: str) -> None:
    x = torch.rand(50_000, generator=torch.Generator().manual_seed(7)) * 20
    torch.set_num_threads(1)
    alone = function(functions, name)(x)
    torch.set_num_threads(2)
    assert same_bits(function(functions, name)(x), alone)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_may_be_its_own_result_and_nothing_beside_it_is_touched(name: str) -> None:
    near = from_patterns([int(pattern, 16) for patterns in MIDPOINTS.get(name, ()) for pattern in patterns.split()])
    x = torch.cat([torch.rand(1000, generator=torch.Generator().manual_seed(8)) * 20, near])
    row = torch.cat([torch.full((3,), 7.0), x, torch.full((3,), 7.0)]).numpy()
    inside = row[3:-3]
    assert functions.ROWS[name](inside, inside) == 0
    assert inside.tobytes() == function(reference, name)(x).numpy().tobytes()
    assert np.all(row[:3] == 7.0)
    assert np.all(row[-3:] == 7.0)


def test_shapes_and_strides_are_those_of_the_reference() -> None:
    x = torch.randn(6, 40, 50, generator=torch.Generator().manual_seed(9))
    for view in (x, x.transpose(0, 2), x[:, ::3, 1:7], x[0, 0, 0], x[:, :0], x[2, 3:4].expand(5, 50)):
        result = functions.exp(view)
        assert same_bits(result, reference.exp(view))
        assert result.is_contiguous()
    untouched = x.clone()
    functions.exp(x)
    assert torch.equal(x, untouched)


@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_nan_beside_others(name: str) -> None:
    x = torch.tensor([1.0, torch.nan, 1.0])
    assert function(functions, name)(x).isnan().tolist() == [False, True, False]
