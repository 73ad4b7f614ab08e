"""Digests of what this process computes, as JSON: portable-1, and native torch as the control.

Run as a program by test_machines.py, once for every setting of the processor and the libraries. Inputs are made from
integers, so that they are the same everywhere whatever torch's generators do.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from reperform.executor import arithmetic
from torch import Tensor

_MULTIPLIER = 6364136223846793005
_INCREMENT = 1442695040888963407


def noise(*shape: int, seed: int, scale: float = 1.0) -> Tensor:
    """Float32 between -scale and scale, from a linear congruential generator in wrapping int64."""
    state = torch.arange(torch.Size(shape).numel(), dtype=torch.int64) + seed * 1_000_003
    for _ in range(4):
        state = (state * _MULTIPLIER + _INCREMENT) ^ (state >> 29)
    return ((state >> 40).to(torch.float32) * (scale * 2.0**-23)).reshape(shape)


def patterns(seed: int) -> Tensor:
    """Float32 of any size and sign, zeros and infinities among them."""
    state = torch.arange(200_000, dtype=torch.int64) + seed * 1_000_003
    for _ in range(4):
        state = (state * _MULTIPLIER + _INCREMENT) ^ (state >> 29)
    values = (state >> 32).to(torch.int32).view(torch.float32)
    ends = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 2.0**-149, -(2.0**-149), 2.0**-126, -1.0])
    return torch.cat([values[values.isfinite()], ends])


NATIVE = SimpleNamespace(
    exp=torch.exp, log=torch.log, sin=torch.sin, cos=torch.cos, tanh=torch.tanh, erf=torch.erf, sqrt=torch.sqrt,
    rsqrt=torch.rsqrt, reciprocal=torch.reciprocal, sigmoid=torch.sigmoid, silu=F.silu, gelu=F.gelu,
    softplus=F.softplus, linear=F.linear, matmul=torch.matmul, softmax=F.softmax, log_softmax=F.log_softmax,
    layer_norm=F.layer_norm, sum=torch.sum, mean=torch.mean, relu=F.relu, maximum=torch.maximum,
    scaled_dot_product_attention=F.scaled_dot_product_attention, conv1d=F.conv1d, conv2d=F.conv2d,
    avg_pool2d=F.avg_pool2d, max_pool2d=F.max_pool2d, adaptive_avg_pool2d=F.adaptive_avg_pool2d, topk=torch.topk,
    argsort=torch.argsort,
)  # fmt: skip


def encoder_layer(a: Any, x: Tensor, mask: Tensor) -> Tensor:
    """One layer of a sentence encoder, 64 wide, 4 heads."""
    width = 64
    q, k, v = (
        a.linear(x, noise(width, width, seed=i, scale=0.2), noise(width, seed=10 + i)).unflatten(-1, (4, 16))
        for i in range(3)
    )
    mixed = a.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask)
    x = a.layer_norm(x + mixed.transpose(1, 2).flatten(2), [width], noise(width, seed=20), noise(width, seed=21))
    wide = a.gelu(a.linear(x, noise(256, width, seed=22, scale=0.3), noise(256, seed=23)))
    return a.layer_norm(x + a.linear(wide, noise(width, 256, seed=24, scale=0.2)), [width])  # type: ignore[no-any-return]


def battery(a: Any) -> dict[str, Callable[[], Tensor]]:
    """What is computed, by name."""
    anything = patterns(1)
    positive = anything.abs()
    angles = anything[anything.abs() < 2.0**24]
    rows = noise(7, 300, seed=2, scale=9)
    image = noise(2, 8, 30, 30, seed=16, scale=3)
    ends = torch.tensor([0.0, -0.0, 1.0, -1.0] * 9)
    functions = {
        **dict.fromkeys(("exp", "tanh", "erf", "reciprocal", "sigmoid", "silu", "gelu", "softplus"), anything),
        **dict.fromkeys(("log", "sqrt", "rsqrt"), positive),
        **dict.fromkeys(("sin", "cos"), angles),
    }
    return {
        **{name: partial(getattr(a, name), x) for name, x in functions.items()},
        "linear": lambda: a.linear(noise(33, 384, seed=3), noise(100, 384, seed=4), noise(100, seed=5)),
        "long dot": lambda: a.matmul(noise(3, 20_000, seed=6), noise(20_000, 5, seed=7)),
        "batched matmul": lambda: a.matmul(noise(3, 1, 9, 17, seed=8), noise(2, 17, 6, seed=9)),
        "softmax": lambda: a.softmax(rows, -1),
        "log_softmax": lambda: a.log_softmax(rows, -1),
        "layer_norm": lambda: a.layer_norm(rows, [300]),
        "sum": lambda: a.sum(noise(4, 30_000, seed=12), 1),
        "float64 sum": lambda: a.sum(noise(4, 30_000, seed=12).double() / 3, 1),
        "mean": lambda: a.mean(noise(400, 30, seed=13), 0),
        "signs of zero": lambda: torch.cat([a.relu(ends), a.maximum(ends, ends.flip(0))]),
        "convolution": lambda: a.conv2d(image, noise(12, 8, 3, 3, seed=17), noise(12, seed=18), 2, 1),
        "depthwise convolution": lambda: a.conv2d(image, noise(8, 1, 3, 3, seed=19), None, 1, 2, 2, 8),
        "long convolution": lambda: a.conv1d(image.flatten(2), noise(8, 8, 300, seed=20), None, 5),
        "pooling": lambda: a.avg_pool2d(image, 3, 2, 1) + a.max_pool2d(image, 3, 2, 1),
        "uneven pooling": lambda: a.adaptive_avg_pool2d(image, (5, 3)),
        "order": lambda: a.topk(anything.round(), 1000)[1] + a.argsort(ends)[3],
        "encoder layer": lambda: encoder_layer(a, noise(2, 40, 64, seed=14, scale=2), noise(2, 1, 40, 40, seed=15)),
    }


def main() -> None:
    """Print {"portable-1": {name: digest}, "native": {name: digest}}."""
    report = {
        label: {name: hashlib.sha256(compute().numpy().tobytes()).hexdigest() for name, compute in battery(a).items()}
        for label, a in (("portable-1", arithmetic), ("native", NATIVE))
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
