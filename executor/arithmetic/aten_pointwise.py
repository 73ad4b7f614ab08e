"""Elementwise operations of a graph (§1, and the zero rules of §0)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from . import extremes, functional
from .operands import Number, check_dtype, check_float32, convert, expect, is_integer, pair, refuse
from .symbols import Entry

Operand = Tensor | Number


def add(x: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """X + other; of two float64 tensors in float64."""
    expect("aten.add", "alpha", alpha, 1, 1.0)
    if all(isinstance(operand, Tensor) and operand.dtype == torch.float64 for operand in (x, other)):
        return torch.add(x, other)
    a, b = pair("aten.add", x, other)
    return torch.add(a, b)


def sub(x: Operand, other: Operand, *, alpha: Number = 1) -> Tensor:
    """X - other."""
    expect("aten.sub", "alpha", alpha, 1, 1.0)
    a, b = pair("aten.sub", x, other)
    return torch.sub(a, b)


def sub_scalar(x: Operand, other: Operand, alpha: Number = 1) -> Tensor:
    """X - other, with alpha by position."""
    return sub(x, other, alpha=alpha)


def add_scalar(x: Operand, other: Operand, alpha: Number = 1) -> Tensor:
    """X + other, with alpha by position."""
    return add(x, other, alpha=alpha)


def rsub(x: Operand, other: Operand, alpha: Number = 1) -> Tensor:
    """Other - x."""
    expect("aten.rsub", "alpha", alpha, 1, 1.0)
    return sub(other, x)


def mul(x: Operand, other: Operand) -> Tensor:
    """X · other."""
    a, b = pair("aten.mul", x, other)
    return torch.mul(a, b)


def div(x: Operand, other: Operand) -> Tensor:
    """X / other in float32: both sides are tensors, for a number would become a reciprocal (§0)."""
    a, b = pair("aten.div", x, other)
    return torch.div(convert("aten.div", a, torch.float32), convert("aten.div", b, torch.float32))


def div_mode(x: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """X / other; with a rounding mode for integers only, where it is exact."""
    if rounding_mode is None:
        return div(x, other)
    a, b = _integers("aten.div", x, other)
    return torch.div(a, b, rounding_mode=rounding_mode)


def floor_divide(x: Operand, other: Operand) -> Tensor:
    """⌊x / other⌋ of integers."""
    a, b = _integers("aten.floor_divide", x, other)
    return torch.floor_divide(a, b)


def remainder(x: Operand, other: Operand) -> Tensor:
    """X - other·⌊x / other⌋ of integers."""
    a, b = _integers("aten.remainder", x, other)
    return torch.remainder(a, b)


def neg(x: Tensor) -> Tensor:
    """-x."""
    check_dtype("aten.neg", x)
    return torch.neg(x)


def absolute(x: Tensor) -> Tensor:
    """The absolute value."""
    check_dtype("aten.abs", x)
    return torch.abs(x)


def square(x: Tensor) -> Tensor:
    """x²."""
    check_dtype("aten.square", x)
    return x * x


def power(x: Tensor, exponent: Number) -> Tensor:
    """x² = x·x, x³ = (x·x)·x, and the functions √x, 1/√x, 1/x; no other exponent (§1)."""
    check_float32("aten.pow", x)
    powers: dict[float, Callable[[Tensor], Tensor]] = {
        2.0: square,
        3.0: lambda v: (v * v) * v,
        0.5: functional.sqrt,
        -0.5: functional.rsqrt,
        -1.0: functional.reciprocal,
    }
    if float(exponent) not in powers:
        raise refuse("aten.pow", f"the exponent {exponent}")
    return powers[float(exponent)](x)


def clamp(x: Tensor, low: Operand | None = None, high: Operand | None = None) -> Tensor:
    """min(max(x, low), high)."""
    lower = None if low is None else pair("aten.clamp", x, low)[1]
    upper = None if high is None else pair("aten.clamp", x, high)[1]
    bounds = [b for b in (lower, upper) if b is not None]
    if any(b.is_floating_point() for b in bounds):
        x = convert("aten.clamp", x, torch.float32)
    check_dtype("aten.clamp", x)
    return extremes.clamp(x, lower, upper)


def clamp_max(x: Tensor, high: Operand) -> Tensor:
    """min(x, high)."""
    return clamp(x, None, high)


def maximum(x: Tensor, other: Tensor) -> Tensor:
    """The larger."""
    return extremes.maximum(*pair("aten.maximum", x, other))


def minimum(x: Tensor, other: Tensor) -> Tensor:
    """The smaller."""
    return extremes.minimum(*pair("aten.minimum", x, other))


def relu(x: Tensor) -> Tensor:
    """X where x > 0, otherwise +0."""
    check_dtype("aten.relu", x)
    return extremes.relu(x)


def gelu(x: Tensor, *, approximate: str = "none") -> Tensor:
    """x·Φ(x), or gelu_tanh."""
    check_float32("aten.gelu", x)
    return functional.gelu(x, approximate)


def softplus(x: Tensor, beta: Number = 1, threshold: Number = 20) -> Tensor:
    """ln(1 + e^x). From 20 up that rounds to x, so a threshold there changes nothing."""
    check_float32("aten.softplus", x)
    expect("aten.softplus", "beta", beta, 1, 1.0)
    if threshold < 20:
        raise refuse("aten.softplus", f"threshold={threshold}")
    return functional.softplus(x)


def _integers(operation: str, x: Operand, other: Operand) -> tuple[Tensor, Tensor]:
    a, b = pair(operation, x, other)
    if not (is_integer(a.dtype) and is_integer(b.dtype)):
        raise refuse(operation, "a rounded quotient of float32")
    return a, b


def _function(name: str) -> Entry:
    function: Callable[[Tensor], Tensor] = getattr(functional, name)

    def apply(x: Tensor) -> Tensor:
        return function(convert(f"aten.{name}", x, torch.float32) if is_integer(x.dtype) else x)

    return "§1", True, apply


def _comparison(function: Callable[[Tensor, Tensor], Tensor]) -> Entry:
    def apply(x: Operand, other: Operand) -> Tensor:
        return function(*pair(f"aten.{function.__name__}", x, other))

    return "§7", False, apply


def _logical(function: Callable[..., Tensor]) -> Entry:
    def apply(*operands: Any) -> Tensor:
        check_dtype(function.__name__, *(o for o in operands if isinstance(o, Tensor)))
        return function(*operands)

    return "§7", False, apply


def _bitwise(function: Callable[..., Tensor]) -> Entry:
    def apply(*operands: Any) -> Tensor:
        for operand in operands:
            if isinstance(operand, Tensor) and not is_integer(operand.dtype):
                raise refuse(function.__name__, f"an operand of {operand.dtype}")
        return function(*operands)

    return "§7", False, apply


OPERATIONS: Mapping[str, Entry] = {
    "aten.add.Tensor": ("§1", True, add),
    "aten.add.Scalar": ("§1", True, add_scalar),
    "aten.sub.Tensor": ("§1", True, sub),
    "aten.sub.Scalar": ("§1", True, sub_scalar),
    "aten.rsub.Scalar": ("§1", True, rsub),
    "aten.mul.Tensor": ("§1", True, mul),
    "aten.mul.Scalar": ("§1", True, mul),
    "aten.div.Tensor": ("§1", True, div),
    "aten.div.Scalar": ("§1", True, div),
    "aten.div.Tensor_mode": ("§1", True, div_mode),
    "aten.floor_divide.default": ("§7", False, floor_divide),
    "aten.remainder.Scalar": ("§7", False, remainder),
    "aten.remainder.Tensor": ("§7", False, remainder),
    "aten.neg.default": ("§1", False, neg),
    "aten.abs.default": ("§1", False, absolute),
    "aten.square.default": ("§1", True, square),
    "aten.pow.Tensor_Scalar": ("§1", True, power),
    **{
        f"aten.{name}.default": _function(name)
        for name in (
            "sqrt",
            "rsqrt",
            "reciprocal",
            "exp",
            "log",
            "sin",
            "cos",
            "tanh",
            "erf",
            "sigmoid",
            "silu",
        )
    },
    "aten.gelu.default": ("§1", True, gelu),
    "aten.softplus.default": ("§1", True, softplus),
    "aten.relu.default": ("§0", False, relu),
    "aten.clamp.default": ("§7", False, clamp),
    "aten.clamp.Tensor": ("§7", False, clamp),
    "aten.clamp_min.default": ("§7", False, clamp),
    "aten.clamp_min.Tensor": ("§7", False, clamp),
    "aten.clamp_max.default": ("§7", False, clamp_max),
    "aten.clamp_max.Tensor": ("§7", False, clamp_max),
    "aten.maximum.default": ("§7", False, maximum),
    "aten.minimum.default": ("§7", False, minimum),
    **{
        f"aten.{function.__name__}.{overload}": _comparison(function)
        for function in (torch.eq, torch.ne, torch.lt, torch.le, torch.gt, torch.ge)
        for overload in ("Scalar", "Tensor")
    },
    "aten.logical_and.default": _logical(torch.logical_and),
    "aten.logical_or.default": _logical(torch.logical_or),
    "aten.logical_xor.default": _logical(torch.logical_xor),
    "aten.logical_not.default": _logical(torch.logical_not),
    "aten.isnan.default": _logical(torch.isnan),
    "aten.isinf.default": _logical(torch.isinf),
    **{
        f"aten.{name}.{overload}": _bitwise(getattr(torch, f"bitwise_{word}"))
        for word in ("and", "or", "xor")
        for name in (f"bitwise_{word}", f"__{word}__")
        for overload in ("Scalar", "Tensor")
    },
    "aten.bitwise_not.default": _bitwise(torch.bitwise_not),
}
