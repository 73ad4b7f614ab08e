"""The loops for this processor give the bytes of the reference, whichever product serves, on any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.executor import arithmetic
from reperform.executor.arithmetic import cpu, kernels, reference
from reperform.executor.arithmetic.cpu import dot
from reperform.executor.arithmetic.cpu.products import Product
from reperform.tests.arithmetic.bits import same_bits
from torch import Tensor

SIZES = st.sampled_from([1, 2, 7, 8, 9, 23, 24, 25, 47, 48, 49, 65])
LENGTHS = st.sampled_from([1, 2, 3, 31, 384, 512, 513, 767, 768, 769, 1537])


@pytest.fixture(scope="module", params=[1, 2], autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Every test on one thread and on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=list(Product))
def product(request: pytest.FixtureRequest) -> Iterator[Product]:
    """Each exact product serves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dot, "serving", lambda: request.param)
        yield request.param


def agree(call: Callable[[], Tensor]) -> None:
    """What a call gives with the reference and with the loops is the same."""
    results = []
    for served in (reference, cpu):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "_for", lambda _, served=served: served)
            results.append(call())
    assert same_bits(*results)


def values(*shape: int, seed: int, spread: float = 8.0) -> Tensor:
    """Float32 of sizes far apart, with zeros and whole rows of zeros among them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator) * 2.0 ** (torch.randn(shape, generator=generator) * spread)
    x = torch.where(torch.rand(shape, generator=generator) < 0.05, 0.0, x)
    return torch.where(torch.rand(*shape[:-1], 1, generator=generator) < 0.1, 0.0, x)


@settings(max_examples=40)
@given(SIZES, LENGTHS, SIZES, st.booleans(), st.integers(0, 1 << 30))
def test_linear(product: Product, m: int, k: int, n: int, biased: bool, seed: int) -> None:  # noqa: PLR0917
    del product
    x, w, b = values(m, k, seed=seed), values(n, k, seed=seed + 1), values(n, seed=seed + 2) if biased else None
    expected = reference.linear(x, w, b)
    assert same_bits(cpu.linear(x, w, b), expected)
    assert same_bits(cpu.linear(x, cpu.prepare(w), b), expected)


def test_linear_of_many_rows(product: Product) -> None:
    del product
    x, w, b = values(1000, 200, seed=1), values(300, 200, seed=2), values(300, seed=3)
    assert same_bits(cpu.linear(x, cpu.prepare(w), b), reference.linear(x, w, b))


@pytest.mark.parametrize("length", [8191, 8192, 8193, 20000])
def test_linear_of_long_rows(product: Product, length: int) -> None:
    del product
    x, w = values(9, length, seed=4, spread=1), values(50, length, seed=5, spread=1)
    assert same_bits(cpu.linear(x, w, None), reference.linear(x, w, None))


@settings(max_examples=20)
@given(st.sampled_from([(), (3,), (2, 3), (1, 3)]), SIZES, LENGTHS, SIZES, st.integers(0, 1 << 30))
def test_matmul(batch: tuple[int, ...], m: int, k: int, n: int, seed: int) -> None:
    a, b = values(*batch, m, k, seed=seed), values(*batch[1:], k, n, seed=seed + 1)
    assert same_bits(cpu.matmul(a, b), reference.matmul(a, b))


@settings(max_examples=40)
@given(
    st.sampled_from([(1, 1), (2, 1), (4, 2), (3, 3)]),
    st.sampled_from([1, 5, 8, 17, 70]),
    st.sampled_from([1, 9, 16, 33, 600]),
    st.sampled_from([1, 8, 16, 33]),
    st.sampled_from(["none", "causal", "boolean", "float", "by key"]),
    st.sampled_from([None, 0.3]),
    st.integers(0, 1 << 30),
)
def test_attention(  # noqa: PLR0917
    heads: tuple[int, int], queries: int, keys: int, depth: int, mask: str, scale: float | None, seed: int
) -> None:
    q = values(2, heads[0], queries, depth, seed=seed, spread=2)
    k, v = (
        values(2, heads[1], keys, depth, seed=seed + 1, spread=2),
        values(2, heads[1], keys, depth + 3, seed=seed + 2),
    )
    generator = torch.Generator().manual_seed(seed)
    masks = {
        "boolean": torch.rand(2, 1, queries, keys, generator=generator) < 0.6,
        "float": torch.randn(heads[0], queries, keys, generator=generator),
        "by key": torch.where(torch.rand(2, 1, 1, keys, generator=generator) < 0.6, 0.0, -torch.inf),
    }
    arguments = (q, k, v, masks.get(mask), mask == "causal", scale)
    expected = reference.scaled_dot_product_attention(*arguments)
    assert same_bits(cpu.scaled_dot_product_attention(*arguments), expected)


def test_attention_to_more_keys_than_float64_adds_exactly() -> None:
    q, k, v = (
        values(1, 3, 8, seed=6, spread=0),
        values(1, 9000, 8, seed=7, spread=0),
        values(1, 9000, 5, seed=8, spread=0),
    )
    expected = reference.scaled_dot_product_attention(q, k, v, None, False, None)
    assert same_bits(cpu.scaled_dot_product_attention(q, k, v, None, False, None), expected)


@settings(max_examples=40)
@given(st.sampled_from([(5,), (3, 40), (2, 3, 17), (70, 100)]), st.integers(-1, 0), st.integers(0, 1 << 30))
def test_softmax(shape: tuple[int, ...], dim: int, seed: int) -> None:
    x = values(*shape, seed=seed, spread=2)
    x = torch.where((x < -3) & (x != x.amax(dim, keepdim=True)), -torch.inf, x)
    assert same_bits(cpu.softmax(x, dim), reference.softmax(x, dim))
    assert same_bits(cpu.log_softmax(x, dim), reference.log_softmax(x, dim))


@settings(max_examples=40)
@given(SIZES, LENGTHS, st.booleans(), st.booleans(), st.sampled_from([1e-5, 1e-12, 1.0]), st.integers(0, 1 << 30))
def test_normalisation(rows: int, length: int, weighted: bool, biased: bool, eps: float, seed: int) -> None:  # noqa: PLR0917
    x = values(rows, length, seed=seed)
    w = values(length, seed=seed + 1) if weighted else None
    b = values(length, seed=seed + 2) if biased else None
    agree(lambda: arithmetic.layer_norm(x, [length], w, b, eps))
    images = values(2, 6, rows, 5, seed=seed)
    w, b = (values(6, seed=seed + i) if there else None for i, there in ((1, weighted), (2, biased)))
    agree(lambda: arithmetic.group_norm(images, 3, w, b, eps))


@settings(max_examples=40)
@given(SIZES, LENGTHS, st.integers(0, 1 << 30))
def test_sums(rows: int, length: int, seed: int) -> None:
    x = values(rows, length, seed=seed, spread=30)
    x = torch.where(x.isfinite(), x, 1.0)
    assert torch.equal(cpu.sum64(x, "sum"), reference.sum64(x, "sum"))
    assert torch.equal(cpu.mean64(x, "mean"), reference.mean64(x, "mean"))
    x = x.double() * (1 + 2.0**-40) + x.double().roll(1)
    assert torch.equal(cpu.sum64(x, "sum"), reference.sum64(x, "sum"))
