"""A row's bits do not depend on what is computed beside it: the batch, padding, or later tokens."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from reperform.executor import arithmetic
from reperform.tests.arithmetic.bits import same_bits
from reperform.tests.arithmetic.same.battery import encoder_layer, noise
from torch import Tensor


def test_a_row_of_a_product_does_not_depend_on_the_batch() -> None:
    x, w = noise(64, 384, seed=1), noise(50, 384, seed=2)
    x[5] *= 2.0**40
    whole = arithmetic.linear(x, w)
    for rows in (slice(0, 1), slice(7, 8), slice(3, 40)):
        assert same_bits(whole[rows], arithmetic.linear(x[rows], w))


def test_an_example_does_not_depend_on_the_batch() -> None:
    x, mask = noise(3, 12, 64, seed=3, scale=2), torch.zeros(3, 1, 12, 12)
    whole = encoder_layer(arithmetic, x, mask)
    for i in range(3):
        assert same_bits(whole[i : i + 1], encoder_layer(arithmetic, x[i : i + 1], mask[:1]))


@pytest.mark.parametrize("excluded", [-math.inf, torch.finfo(torch.float32).min])
@pytest.mark.parametrize("garbage", [0.0, 1.0, 1e6])
def test_an_example_does_not_depend_on_its_padding(excluded: float, garbage: float) -> None:
    x = noise(1, 12, 64, seed=4, scale=2)
    alone = encoder_layer(arithmetic, x, torch.zeros(1, 1, 12, 12))
    padded = torch.cat([x, garbage * noise(1, 5, 64, seed=5)], 1)
    mask = torch.zeros(1, 1, 1, 17)
    mask[..., 12:] = excluded
    assert same_bits(alone, encoder_layer(arithmetic, padded, mask)[:, :12])


def test_a_token_does_not_depend_on_later_tokens() -> None:
    q, k, v = (noise(2, 4, 20, 16, seed=s, scale=3) for s in (6, 7, 8))
    v[:, :, 15:] *= 2.0**50
    whole = arithmetic.scaled_dot_product_attention(q, k, v, is_causal=True)
    for length in (1, 7, 19):
        a, b, c = (t[:, :, :length] for t in (q, k, v))
        assert same_bits(whole[:, :, :length], arithmetic.scaled_dot_product_attention(a, b, c, is_causal=True))


def test_one_pass_gives_what_token_by_token_decoding_gave() -> None:
    q, k, v = (noise(1, 2, 9, 16, seed=s, scale=3) for s in (9, 10, 11))
    whole = arithmetic.scaled_dot_product_attention(q, k, v, is_causal=True)
    steps = [
        arithmetic.scaled_dot_product_attention(q[:, :, t : t + 1], k[:, :, : t + 1], v[:, :, : t + 1])
        for t in range(9)
    ]
    assert same_bits(whole, torch.cat(steps, 2))


def test_an_image_does_not_depend_on_the_batch() -> None:
    images, filters, each = noise(5, 6, 9, 11, seed=14), noise(8, 6, 3, 3, seed=15), noise(6, 1, 2, 2, seed=16)
    images[2] *= 2.0**40

    def layers(x: Tensor) -> Tensor:
        x = arithmetic.max_pool2d(arithmetic.conv2d(x, each, None, 1, 1, 1, 6), 3, 2, 1)
        return arithmetic.adaptive_avg_pool2d(
            arithmetic.conv2d(x, filters, filters[:, 0, 0, 0], padding="same"), (2, 3)
        )

    whole = layers(images)
    for part in (slice(0, 1), slice(2, 3), slice(1, 4)):
        assert same_bits(whole[part], layers(images[part]))


def test_a_patch_does_not_depend_on_what_lies_around_it() -> None:
    x, filters = noise(1, 4, 8, 20, seed=17), noise(8, 4, 3, 3, seed=18)
    far = x.clone()
    far[..., 10:] *= 2.0**60
    near = arithmetic.conv2d(x, filters)[..., :8]
    assert same_bits(near, arithmetic.conv2d(far, filters)[..., :8])
    assert same_bits(near, arithmetic.conv2d(x[..., :10], filters))


@pytest.mark.parametrize("rearrange", [lambda x: x.flip(-1), lambda x: x.roll(17, -1)])
def test_sums_do_not_depend_on_the_order(rearrange: Callable[[Tensor], Tensor]) -> None:
    x = noise(3, 9000, seed=12) * 2.0 ** (noise(3, 9000, seed=13, scale=30).round())
    moved = rearrange(x)
    assert same_bits(arithmetic.sum(x, 1), arithmetic.sum(moved, 1))
    assert same_bits(arithmetic.matmul(x[:1], x[1:2].T), arithmetic.matmul(moved[:1], moved[1:2].T))
    assert same_bits(rearrange(arithmetic.layer_norm(x, [9000])), arithmetic.layer_norm(moved, [9000]))
