"""Known answers of portable-1: a machine that gets one wrong must not decide and must not vote.

The inputs are drawn from SHA-256, so they are the same everywhere; selftest.json holds the digest of each
answer. `python -m reperform.executor.selftest --write` writes that file, which only a change of
docs/arithmetic.md can be a reason for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ..evidence.digest import Digest, Domain, digest
from ..evidence.errors import ReperformError
from .arithmetic import sample
from .arithmetic.kernels import serving
from .arithmetic.operations import TABLE
from .tensors import digest_of

ANSWERS: Final = "selftest.json"
_FUNCTIONS: Final = ("exp", "tanh", "erf", "sigmoid", "silu", "softplus", "reciprocal", "neg", "abs", "relu")
_OF_POSITIVES: Final = ("sqrt", "rsqrt", "log")
_ANGLES: Final = ("sin", "cos")
# Around the block length of exact float64 products, and the encoder's own sizes.
_LENGTHS: Final = (1, 7, 384, 1536, 8192, 8193, 20000)


class SelfTestError(ReperformError):
    """A machine that does not compute portable-1."""


@dataclass(frozen=True, slots=True)
class Report:
    """How many vectors were computed, all correctly; the digest of the file of answers; the kernels that served."""

    vectors: int
    answers: Digest
    kernels: str


def selftest() -> Report:
    """Compute every vector and compare. Raises SelfTestError, naming the first that differs."""
    text = files(__package__).joinpath(ANSWERS).read_bytes()
    expected: dict[str, str] = json.loads(text)
    computed = dict(answers())
    if computed.keys() != expected.keys():
        raise SelfTestError(f"{ANSWERS} is not of this release", advice="install reperform again")
    for name, answer in computed.items():
        if answer != expected[name]:
            raise SelfTestError(
                f"self-test vector {name!r} came out wrong on this machine",
                advice="do not decide or vote here; report the processor and the torch version",
            )
    kernels = serving(torch.empty(0))
    return Report(len(computed), digest(Domain.FILE, text), f"{kernels.NAME}, products of {kernels.product()}")


def answers() -> Iterator[tuple[str, str]]:
    """Each vector's name, and the digest of what this machine computes."""
    with torch.inference_mode():
        for name, compute in _vectors():
            try:
                yield name, str(digest_of(compute()))
            except (ReperformError, RuntimeError, TypeError, ValueError) as error:
                raise SelfTestError(f"self-test vector {name!r} stopped: {error!s:.200}") from error


Vector = tuple[str, Callable[[], torch.Tensor]]


def _vectors() -> Iterator[Vector]:
    for function in (*_FUNCTIONS, *_OF_POSITIVES, *_ANGLES):
        yield _vector(f"aten.{function}.default", "", _patterns(function))
    yield _vector("aten.gelu.default", "", _patterns("gelu"))
    yield _vector("aten.gelu.default", "tanh", _patterns("gelu_tanh"), approximate="tanh")
    for operation in ("add", "sub", "mul", "div"):
        yield _vector(f"aten.{operation}.Tensor", "", _patterns("left"), _values(operation, 4096))
    for length in _LENGTHS:
        x, w, b = _values("x", 3, length), _values("w", 5, length), _values("b", 5)
        yield _vector("aten.linear.default", f"{length}", x, w, b)
    yield _vector("aten.matmul.default", "", _values("a", 2, 3, 17, 40), _values("b", 2, 1, 40, 9))
    for operation in ("sum.dim_IntList", "mean.dim"):
        yield _vector(f"aten.{operation}", "", _values(operation, 4, 5000), [1])
    x, w, b = _values("x", 6, 384), _values("w", 384), _values("b", 384)
    yield _vector("aten.layer_norm.default", "", x, [384], w, b, 1e-12)
    for operation in ("softmax", "log_softmax"):
        yield _vector(f"aten.{operation}.int", "", _values(operation, 5, 1000), -1)
    q, k, v = (_values(n, 2, 3, 11, 32) for n in "qkv")
    # The first query of the second row has no key left.
    mask = torch.tril(torch.ones(2, 1, 11, 11, dtype=torch.bool), diagonal=2)
    mask[1, 0, 0] = False
    attention = "aten.scaled_dot_product_attention.default"
    yield _vector(attention, "", q, k, v)
    yield _vector(attention, "causal", q, k, v, None, 0.0, True)
    yield _vector(attention, "boolean mask", q, k, v, mask)
    yield _vector(attention, "float mask", q, k, v, torch.where(mask, 0.0, -torch.inf))
    images, filters = _values("images", 2, 6, 13, 11), _values("filters", 4, 3, 3, 3)
    yield _vector("aten.conv2d.default", "grouped", images, filters, _values("b", 4), [2, 1], [1, 1], [1, 1], 2)
    yield _vector("aten.conv1d.default", "", _values("sound", 1, 2, 5000), _values("window", 3, 2, 4500))
    yield _vector("aten.group_norm.default", "", images, 3, _values("w", 6), _values("b", 6))
    yield _vector("aten.avg_pool2d.default", "", images, [3, 3], [2, 2], [1, 1], True, False)
    yield _vector("aten.max_pool2d.default", "", torch.where(images < 1, -0.0, images), [3, 3])
    yield _vector("aten.argsort.default", "", _values("argsort", 6, 40).round(), 1, True)
    yield "sample", _sampled


def _sampled() -> torch.Tensor:
    """Tokens drawn at several settings (§6)."""
    logits = _values("logits", 3, 500)
    settings = ((1.0, None, None), (0.7, 40, None), (1.3, None, 0.9), (0.2, 5, 0.5), (0.0, None, None))
    seed = hashlib.sha256(b"reperform/selftest/v1 seed").digest()
    return torch.stack(
        [
            sample(logits, temperature=t, top_k=k, top_p=p, seed=seed, position=position)
            for position, (t, k, p) in enumerate(settings)
        ]
    )


def _vector(name: str, variant: str, *args: Any, **kwargs: Any) -> Vector:
    return f"{name} {variant}".strip(), lambda: TABLE[name](*args, **kwargs)


def _stream(label: str, count: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """`count` 32-bit numbers, SHA-256 of the label and a counter."""
    blocks = (hashlib.sha256(f"reperform/selftest/v1 {label} {i}".encode()).digest() for i in range(-(-count // 8)))
    return np.frombuffer(b"".join(blocks), dtype=">u4")[:count].astype(np.uint32)


def _values(label: str, *shape: int) -> torch.Tensor:
    """Float32 of 24 random bits each, between 2^-30 and 2^6 in size, both signs."""
    raw = _stream(f"values {label} {shape}", int(np.prod(shape))).astype(np.int64)
    significand, exponent = (raw >> 8) - (1 << 23), (raw & 0xFF) % 12 - 30 + 7
    return torch.from_numpy(np.ldexp(significand.astype(np.float32), exponent.astype(np.int32))).reshape(shape)


def _patterns(function: str) -> torch.Tensor:
    """4,096 float32 of any bit pattern, subnormal numbers among them, that `function` takes."""
    bits = _stream(f"patterns {function}", 4096)
    if function in _OF_POSITIVES:
        bits &= np.uint32(0x7FFFFFFF)
    if function in _ANGLES:
        bits = bits % np.uint32(0x4B800000)  # below 2^24
    else:
        # Half of them where functions bend: 2^-16 to 2^16 in size.
        near = (bits[::2] & np.uint32(0x800FFFFF)) + (np.uint32(111) + (bits[::2] >> 23) % 32 << np.uint32(23))
        bits[::2] = near.astype(np.uint32)
    values = bits.view(np.float32)
    return torch.from_numpy(np.where(np.isfinite(values), values, np.float32(1)))


def main() -> None:
    """Check this machine against the known answers, or write them anew."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {ANSWERS}")
    if parser.parse_args().write:
        text = json.dumps(dict(answers()), indent=1, sort_keys=True) + "\n"
        Path(__file__).with_name(ANSWERS).write_text(text, encoding="utf-8")
    report = selftest()
    print(f"{report.vectors} vectors, all as in {ANSWERS} ({report.answers.short()})")


if __name__ == "__main__":
    main()
