"""Which implementation of portable-1 serves a tensor: chosen here, once, and never visible in a bit.

The reference (`reference/`) is plain torch and runs on any device. On CPUs the fused loops (`cpu/`) do the same
faster where numba is installed. The environment variable REPERFORM_KERNELS=reference keeps to the reference: to
compare the two, or to do without compiled code.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Final, Protocol

import torch
from torch import Tensor

from .errors import RefusedArithmeticError

VARIABLE = "REPERFORM_KERNELS"

_REFERENCE_ALONE: Final = ContextVar("reference alone", default=False)


class Operand(Protocol):
    """One side of a matrix product, made ready by the kernels that will use it (§2 step 1)."""

    @property
    def shape(self) -> torch.Size:
        """Rows N and length K."""

    @property
    def nbytes(self) -> int:
        """Memory held."""


class Kernels(Protocol):
    """What an implementation provides; arguments are as functional.py takes them, and already checked by it."""

    NAME: str

    def product(self) -> str: ...
    def prepare(self, rows: Tensor) -> Operand: ...
    def linear(self, x: Tensor, weight: Tensor | Operand, bias: Tensor | None) -> Tensor: ...
    def matmul(self, a: Tensor, b: Tensor) -> Tensor: ...
    def scaled_dot_product_attention(  # noqa: PLR0917
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, is_causal: bool, scale: float | None
    ) -> Tensor: ...
    def softmax(self, x: Tensor, dim: int) -> Tensor: ...
    def log_softmax(self, x: Tensor, dim: int) -> Tensor: ...
    def normalised(
        self, rows: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, operation: str
    ) -> Tensor: ...
    def sum64(self, vectors: Tensor, operation: str) -> Tensor: ...
    def mean64(self, vectors: Tensor, operation: str) -> Tensor: ...
    def exp(self, x: Tensor) -> Tensor: ...
    def log(self, x: Tensor) -> Tensor: ...
    def sin(self, x: Tensor) -> Tensor: ...
    def cos(self, x: Tensor) -> Tensor: ...
    def tanh(self, x: Tensor) -> Tensor: ...
    def erf(self, x: Tensor) -> Tensor: ...
    def sigmoid(self, x: Tensor) -> Tensor: ...
    def silu(self, x: Tensor) -> Tensor: ...
    def gelu(self, x: Tensor, approximate: str) -> Tensor: ...
    def softplus(self, x: Tensor) -> Tensor: ...
    def sqrt(self, x: Tensor) -> Tensor: ...
    def rsqrt(self, x: Tensor) -> Tensor: ...
    def reciprocal(self, x: Tensor) -> Tensor: ...


def serving(x: Tensor) -> Kernels:
    """The kernels for tensors on the device of x."""
    return _reference() if _REFERENCE_ALONE.get() else _for(x.device.type)


@contextmanager
def reference_alone() -> Iterator[None]:
    """The reference serves in here, whatever else could. Weights that were made ready outside do not fit."""
    before = _REFERENCE_ALONE.set(True)
    try:
        yield
    finally:
        _REFERENCE_ALONE.reset(before)


def _reference() -> Kernels:
    from . import reference  # noqa: PLC0415  # kernels are loaded when they are first needed

    return reference


@cache
def _for(device: str) -> Kernels:
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in {"", "cpu", "reference"}:
        raise RefusedArithmeticError(f"{VARIABLE}={wanted!r:.40} names no kernels", advice="use cpu or reference")
    if device != "cpu" or wanted == "reference":
        return _reference()
    try:
        from . import cpu  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if wanted == "cpu" or error.name not in {"numba", "llvmlite"}:
            raise
        logging.getLogger(__name__).warning(
            "numba is not installed: the reference serves, with the same answers, several times slower"
        )
        return _reference()
    return cpu
