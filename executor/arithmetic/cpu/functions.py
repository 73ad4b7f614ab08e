"""Functions of one variable, correctly rounded for every float32 (§1).

A row function takes a contiguous float32 vector x and another of its length for the results, which may be x itself,
runs on the thread that calls it, and returns a Status: other loops call it for their own rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import prange
from torch import Tensor, empty_like, float32

from ..errors import RefusedArithmeticError, undecided
from .activations import gelu64, gelu_quick, gelu_tanh64, sigmoid64, silu64, softplus64, tanh64
from .compile import kernel, parallel_kernel
from .exponential import exp64, log64
from .normal import erf64
from .roots import reciprocal32, rsqrt32, sqrt32
from .rounding import Row, Status, direct_row, listed, quickly_rounded_row, rounded_row
from .trigonometric import LARGEST_ANGLE, cos64, sin64

_EXP, _LOG, _SIN, _COS, _TANH, _ERF = map(listed, ("exp", "log", "sin", "cos", "tanh", "erf"))
_SIGMOID, _SILU, _GELU, _GELU_TANH, _SOFTPLUS = map(listed, ("sigmoid", "silu", "gelu", "gelu_tanh", "softplus"))

_OUT_OF_DOMAIN = int(Status.OUT_OF_DOMAIN)

# A chunk is one thread's piece of work; vectors of one chunk are not worth waking another thread for.
_CHUNK = 1 << 13


@kernel
def exp_row(x: Row, out: Row) -> int:
    """e^x."""
    return rounded_row(exp64, _EXP, x, out)


@kernel
def log_row(x: Row, out: Row) -> int:
    """Ln x: -inf at ±0, NaN below."""
    return rounded_row(log64, _LOG, x, out)


@kernel
def sin_row(x: Row, out: Row) -> int:
    """Sin x for abs(x) ≤ 2^24, beyond it out of domain."""
    return rounded_row(sin64, _SIN, x, out) if _angles(x) else _OUT_OF_DOMAIN


@kernel
def cos_row(x: Row, out: Row) -> int:
    """Cos x for abs(x) ≤ 2^24, beyond it out of domain."""
    return rounded_row(cos64, _COS, x, out) if _angles(x) else _OUT_OF_DOMAIN


@kernel
def _angles(x: Row) -> bool:
    beyond = False
    for i in range(x.size):
        beyond |= abs(x[i]) > LARGEST_ANGLE
    return not beyond


@kernel
def tanh_row(x: Row, out: Row) -> int:
    """Tanh x."""
    return rounded_row(tanh64, _TANH, x, out)


@kernel
def erf_row(x: Row, out: Row) -> int:
    """Erf x."""
    return rounded_row(erf64, _ERF, x, out)


@kernel
def sigmoid_row(x: Row, out: Row) -> int:
    """1/(1 + e^-x)."""
    return rounded_row(sigmoid64, _SIGMOID, x, out)


@kernel
def silu_row(x: Row, out: Row) -> int:
    """x/(1 + e^-x)."""
    return rounded_row(silu64, _SILU, x, out)


@kernel
def gelu_row(x: Row, out: Row) -> int:
    """x·Φ(x)."""
    return quickly_rounded_row(gelu_quick, gelu64, _GELU, x, out)


@kernel
def gelu_tanh_row(x: Row, out: Row) -> int:
    """(x/2)·(1 + tanh(√(2/π)·(x + 0.044715·x³)))."""
    return rounded_row(gelu_tanh64, _GELU_TANH, x, out)


@kernel
def softplus_row(x: Row, out: Row) -> int:
    """ln(1 + e^x)."""
    return rounded_row(softplus64, _SOFTPLUS, x, out)


@kernel
def sqrt_row(x: Row, out: Row) -> int:
    """√x: -0 at -0, NaN below."""
    return direct_row(sqrt32, x, out)


@kernel
def rsqrt_row(x: Row, out: Row) -> int:
    """1/√x: ±inf at ±0, NaN below."""
    return direct_row(rsqrt32, x, out)


@kernel
def reciprocal_row(x: Row, out: Row) -> int:
    """1/x."""
    return direct_row(reciprocal32, x, out)


RowFunction = Callable[[Row, Row], int]

ROWS: dict[str, RowFunction] = {
    "exp": exp_row,
    "log": log_row,
    "sin": sin_row,
    "cos": cos_row,
    "tanh": tanh_row,
    "erf": erf_row,
    "sigmoid": sigmoid_row,
    "silu": silu_row,
    "gelu": gelu_row,
    "gelu_tanh": gelu_tanh_row,
    "softplus": softplus_row,
    "sqrt": sqrt_row,
    "rsqrt": rsqrt_row,
    "reciprocal": reciprocal_row,
}


def exp(x: Tensor) -> Tensor:
    """e^x (§1)."""
    return _apply("exp", x)


def log(x: Tensor) -> Tensor:
    """Ln x (§1): -inf at ±0, NaN below."""
    return _apply("log", x)


def sqrt(x: Tensor) -> Tensor:
    """√x (§1): -0 at -0, NaN below."""
    return _apply("sqrt", x)


def rsqrt(x: Tensor) -> Tensor:
    """1/√x (§1): ±inf at ±0, NaN below."""
    return _apply("rsqrt", x)


def reciprocal(x: Tensor) -> Tensor:
    """1/x (§1)."""
    return _apply("reciprocal", x)


def sin(x: Tensor) -> Tensor:
    """Sin x for abs(x) ≤ 2^24; beyond it RefusedArithmeticError (§1)."""
    return _apply("sin", x)


def cos(x: Tensor) -> Tensor:
    """Cos x for abs(x) ≤ 2^24; beyond it RefusedArithmeticError (§1)."""
    return _apply("cos", x)


def tanh(x: Tensor) -> Tensor:
    """Tanh x (§1)."""
    return _apply("tanh", x)


def erf(x: Tensor) -> Tensor:
    """Erf x (§1)."""
    return _apply("erf", x)


def sigmoid(x: Tensor) -> Tensor:
    """1/(1 + e^-x) (§1)."""
    return _apply("sigmoid", x)


def silu(x: Tensor) -> Tensor:
    """x/(1 + e^-x) (§1)."""
    return _apply("silu", x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x·Φ(x), or with approximate="tanh" the function that §1 names gelu_tanh."""
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    if approximate not in names:
        raise RefusedArithmeticError(f"gelu with approximate={approximate!r} is not defined")
    return _apply(names[approximate], x)


def softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x) (§1)."""
    return _apply("softplus", x)


def _apply(name: str, x: Tensor) -> Tensor:
    """RN32 f(x), elementwise, for float32 x of any shape; contiguous."""
    if x.dtype != float32:
        raise RefusedArithmeticError(f"{name} of {x.dtype} is not defined, only of float32")
    inputs = x.detach().contiguous()
    result = empty_like(inputs)
    row, values, out = ROWS[name], inputs.reshape(-1).numpy(), result.reshape(-1).numpy()
    status = row(values, out) if values.size <= _CHUNK else _by_chunks(_address(name), values, out)
    if status == Status.OUT_OF_DOMAIN:
        raise RefusedArithmeticError(f"{name} is not defined beyond 2^24")
    if status:
        raise undecided(name)
    return result


@parallel_kernel
def _by_chunks(row: RowFunction, x: Row, out: Row) -> int:
    """One row function over a long vector; the highest Status."""
    chunks = (x.size + _CHUNK - 1) // _CHUNK
    status = np.zeros(chunks, np.int64)
    for chunk in prange(chunks):
        piece = slice(chunk * _CHUNK, (chunk + 1) * _CHUNK)
        status[chunk] = row(x[piece], out[piece])
    return int(status.max())


class _Address(numba.types.WrapperAddressProtocol):  # type: ignore[misc]
    """A compiled row function as a value: one loop over chunks, compiled once, calls any of them through a pointer."""

    _SIGNATURE = numba.int64(numba.float32[::1], numba.float32[::1])

    def __init__(self, row: Any) -> None:
        row.compile(self._SIGNATURE.args)
        self._compiled = row.overloads[self._SIGNATURE.args]

    def __wrapper_address__(self) -> int:
        name = self._compiled.fndesc.llvm_cfunc_wrapper_name
        return int(self._compiled.library.get_pointer_to_function(name))

    def signature(self) -> Any:
        return self._SIGNATURE


@cache
def _address(name: str) -> _Address:
    return _Address(ROWS[name])
