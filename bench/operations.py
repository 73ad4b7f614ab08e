"""Single operations, native and portable-1: ATen's names, and the shapes of models that people pin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from reperform.bench.timing import Call
from reperform.executor.arithmetic.operations import TABLE
from reperform.executor.arithmetic.prepared import PREPARED
from reperform.tests.arithmetic.same.battery import noise
from torch import Tensor


@dataclass(frozen=True)
class Operation:
    """One operation on arguments of one shape."""

    name: str
    aten: str
    arguments: tuple[Any, ...]
    prepared: bool = False

    def native(self) -> Call:
        """The call of torch's own."""
        _, packet, overload = self.aten.split(".")
        return partial(getattr(getattr(torch.ops.aten, packet), overload), *self.arguments)

    def portable(self) -> Call:
        """The call that a pinned model makes; the weight is prepared, as it is there."""
        if not self.prepared:
            return partial(TABLE[self.aten], *self.arguments)
        how = PREPARED[self.aten]
        arguments = list(self.arguments)
        arguments[how.argument] = how.prepare(arguments[how.argument])
        return partial(how.function, *arguments)

    def check(self) -> None:
        """That both give the same result but for rounding: what is timed is the same work."""
        native, portable = self.native()(), self.portable()()
        for a, b in zip(_tensors(portable), _tensors(native), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def _tensors(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else list(value)


def operations() -> Iterator[Operation]:
    """Every operation that is compared."""
    yield from _products()
    yield from _convolutions()
    yield from _rows()
    yield from _elements()
    yield from _recurrent()


def _products() -> Iterator[Operation]:
    shapes = [
        (1024, 384, 384), (1024, 384, 1536), (1024, 1536, 384), (256, 576, 2304), (256, 2304, 576),
        (16, 384, 1536), (1, 576, 2304), (4096, 17, 32),
    ]  # fmt: skip
    for m, k, n in shapes:
        x, weight, bias = noise(m, k, seed=1), noise(n, k, seed=2), noise(n, seed=3)
        yield Operation(f"linear {m}x{k}x{n}", "aten.linear.default", (x, weight, bias), prepared=True)
    for m, k, n in ((512, 512, 512), (64, 2048, 64)):
        yield Operation(f"matmul {m}x{k}x{n}", "aten.matmul.default", (noise(m, k, seed=1), noise(k, n, seed=2)))
    for b, m, k, n in ((96, 128, 32, 128), (9, 256, 256, 64)):
        pair = noise(b, m, k, seed=1), noise(b, k, n, seed=2)
        yield Operation(f"bmm {b}x{m}x{k}x{n}", "aten.bmm.default", pair)
    for b, heads, tokens, width in ((8, 12, 128, 32), (1, 12, 16, 32), (1, 9, 256, 64)):
        q, k_, v = (noise(b, heads, tokens, width, seed=seed) for seed in range(3))
        mask, causal = (None, True) if width == 64 else (torch.ones(b, 1, 1, tokens, dtype=torch.bool), False)
        name = f"attention {b}x{heads}x{tokens}x{width}" + " causal" * causal
        yield Operation(name, "aten.scaled_dot_product_attention.default", (q, k_, v, mask, 0.0, causal))


def _convolutions() -> Iterator[Operation]:
    for name, x, out, kernel, stride, groups in (
        ("conv2d 3x3 64", (1, 64, 56, 56), 64, 3, 1, 1),
        ("conv2d 7x7 stem", (1, 3, 224, 224), 64, 7, 2, 1),
        ("conv2d 1x1", (1, 256, 28, 28), 128, 1, 1, 1),
        ("conv2d 3x3 depthwise", (1, 128, 28, 28), 128, 3, 1, 128),
    ):
        weight = noise(out, x[1] // groups, kernel, kernel, seed=2)
        around = [stride] * 2, [kernel // 2] * 2, [1, 1], groups
        yield Operation(name, "aten.conv2d.default", (noise(*x, seed=1), weight, noise(out, seed=3), *around))
    weight = noise(64, 64, 3, seed=2)
    arguments = noise(4, 64, 256, seed=1), weight, noise(64, seed=3), [1], [1], [1], 1
    yield Operation("conv1d 3 64", "aten.conv1d.default", arguments)
    image = noise(1, 64, 112, 112, seed=1)
    yield Operation("max_pool2d", "aten.max_pool2d.default", (image, [3, 3], [2, 2], [1, 1]))
    yield Operation("avg_pool2d", "aten.avg_pool2d.default", (image, [2, 2], [2, 2]))
    yield Operation("adaptive_avg_pool2d", "aten.adaptive_avg_pool2d.default", (image, [1, 1]))


def _rows() -> Iterator[Operation]:
    x, image = noise(1024, 1536, seed=1), noise(4, 64, 32, 32, seed=1)
    for width in (384, 576):
        rows, gain, bias = noise(1024, width, seed=1), noise(width, seed=2), noise(width, seed=3)
        yield Operation(f"layer_norm 1024x{width}", "aten.layer_norm.default", (rows, [width], gain, bias, 1e-5))
    gain, bias, mean, variance = (noise(64, seed=seed).abs() + 0.1 for seed in range(4))
    yield Operation("group_norm", "aten.group_norm.default", (image, 8, gain, bias, 1e-5))
    arguments = image, gain, bias, mean, variance, False, 0.1, 1e-5, False
    yield Operation("batch_norm", "aten.batch_norm.default", arguments)
    yield Operation("softmax 12288x128", "aten.softmax.int", (noise(12288, 128, seed=1), 1))
    yield Operation("softmax 16x30522", "aten.softmax.int", (noise(16, 30522, seed=1), 1))
    yield Operation("log_softmax 1024x1536", "aten.log_softmax.int", (x, 1))
    yield Operation("sum rows", "aten.sum.dim_IntList", (x, [1]))
    yield Operation("sum columns", "aten.sum.dim_IntList", (x, [0]))
    yield Operation("sum all", "aten.sum.default", (x,))
    yield Operation("mean rows", "aten.mean.dim", (x, [1]))
    yield Operation("amax rows", "aten.amax.default", (x, [1]))
    yield Operation("argmax rows", "aten.argmax.default", (x, 1))
    yield Operation("topk 16x30522", "aten.topk.default", (noise(16, 30522, seed=1), 10))
    # No two alike, whose order torch leaves open.
    yield Operation("sort rows", "aten.sort.default", (x.argsort(1).to(torch.float32),))


def _elements() -> Iterator[Operation]:
    x, y = noise(1024, 1536, seed=1, scale=4.0), noise(1024, 1536, seed=2).abs() + 0.1
    for name in ("exp", "tanh", "erf", "sigmoid", "silu", "gelu", "softplus", "sin", "cos", "relu", "neg", "square"):
        yield Operation(name, f"aten.{name}.default", (x,))
    yield Operation("gelu small", "aten.gelu.default", (x[:16].contiguous(),))
    for name in ("log", "sqrt", "rsqrt", "reciprocal"):
        yield Operation(name, f"aten.{name}.default", (y,))
    for name in ("add", "sub", "mul", "div"):
        yield Operation(name, f"aten.{name}.Tensor", (x, y))
    yield Operation("maximum", "aten.maximum.default", (x, y))
    yield Operation("clamp", "aten.clamp.default", (x, -1.0, 1.0))
    yield Operation("where", "aten.where.self", (x > y, x, y))
    yield Operation("pow 3", "aten.pow.Tensor_Scalar", (x, 3))
    ids = torch.arange(8 * 128).remainder(30522).reshape(8, 128)
    yield Operation("embedding", "aten.embedding.default", (noise(30522, 384, seed=1), ids))


def _recurrent() -> Iterator[Operation]:
    x, width = noise(4, 32, 128, seed=1), 128
    for name, gates in (("lstm", 4), ("gru", 3)):
        sizes = [(gates * width, width), (gates * width, width), (gates * width,), (gates * width,)]
        weights = [noise(*size, seed=seed, scale=0.08) for seed, size in enumerate(sizes)]
        zeros = torch.zeros(1, 4, width)
        state = [zeros, zeros] if name == "lstm" else zeros
        arguments = x, state, weights, True, 1, 0.0, False, False, True
        yield Operation(f"{name} 4x32x128", f"aten.{name}.input", arguments)
