"""What the arguments of graph operations must be before arithmetic is done with them (§0).

Floating tensors are float32; float64.py lists the operations that take float64. A Python number
that meets float32 is a float64 rounded once to float32; an integer tensor that meets float32 is
converted, each element rounded once. Integers among themselves are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import NonFiniteError, RefusedArithmeticError

Number = bool | int | float

_INTEGERS = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})
_WIDENED = frozenset({torch.float16, torch.bfloat16})
_EXACT_IN_FLOAT64 = 1 << 53


def refuse(operation: str, argument: str) -> RefusedArithmeticError:
    """The error for an argument that the arithmetic page does not define."""
    return RefusedArithmeticError(
        f"{operation}: {argument} is not defined by portable-1", advice="see docs/arithmetic.md"
    )


def expect(operation: str, argument: str, value: object, *allowed: object) -> None:
    """Refuse an argument unless it has one of the values that the page defines."""
    if not any(value is a or (type(value) is type(a) and value == a) for a in allowed):
        raise refuse(operation, f"{argument}={value!r}")


def is_integer(dtype: torch.dtype) -> bool:
    """Whether arithmetic on this dtype is exact: bool and the integers of up to 64 bits."""
    return dtype in _INTEGERS


def check_dtype(operation: str, *tensors: Tensor | None) -> None:
    """Refuse float64, half precision and whatever else is neither float32 nor an integer."""
    for tensor in tensors:
        if tensor is not None and tensor.dtype != torch.float32 and not is_integer(tensor.dtype):
            raise refuse(operation, f"an operand of {tensor.dtype}")


def check_float32(operation: str, *tensors: Tensor | None) -> None:
    """Refuse any tensor that is not float32; absent ones pass."""
    for tensor in tensors:
        if tensor is not None and tensor.dtype != torch.float32:
            raise refuse(operation, f"an operand of {tensor.dtype}")


def check_floating(operation: str, x: Tensor) -> None:
    """Refuse a tensor that is neither float32 nor float64."""
    if x.dtype != torch.float64:
        check_float32(operation, x)


def scalar32(value: Number, device: torch.device | None = None) -> Tensor:
    """A Python number as a float64 rounded once to float32, of no dimensions."""
    return torch.tensor(float(value), dtype=torch.float64, device=device).to(torch.float32)


def pair(operation: str, a: Tensor | Number, b: Tensor | Number) -> tuple[Tensor, Tensor]:
    """Two operands in the dtype they meet in: float32 if either is floating, otherwise integers."""
    tensors = [t for t in (a, b) if isinstance(t, Tensor)]
    if not tensors:
        raise refuse(operation, "two Python numbers")
    check_dtype(operation, *tensors)
    floating = any(isinstance(v, float) or (isinstance(v, Tensor) and v.is_floating_point()) for v in (a, b))
    if floating:
        return _as_float32(operation, a, tensors[0]), _as_float32(operation, b, tensors[0])
    # A Python integer stays weak, as in torch: it does not widen the tensor it meets.
    return _as_integer(a, tensors[0]), _as_integer(b, tensors[0])


def convert(operation: str, x: Tensor, dtype: torch.dtype) -> Tensor:
    """X in another dtype: exact, or rounded once (integers to float32), or truncated toward zero
    (float32 to integers). Refused: float64, narrower floats, and values that do not fit.
    """
    if x.dtype == dtype:
        return x
    if dtype == torch.float32 and x.dtype in _WIDENED:
        return x.to(dtype)
    check_dtype(operation, x)
    if dtype == torch.float32:
        return _integers_to_float32(operation, x)
    if not is_integer(dtype):
        raise refuse(operation, f"a conversion to {dtype}")
    if dtype != torch.bool:
        _check_range(operation, x, dtype)
    return x.to(dtype)


def dimensions(dim: int | Sequence[int] | None) -> list[int] | None:
    """The dimensions to reduce, or None for all, from what ATen passes for them."""
    if dim is None or dim == []:
        return None
    return [dim] if isinstance(dim, int) else list(dim)


def _as_float32(operation: str, value: Tensor | Number, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return convert(operation, value, torch.float32)
    return scalar32(value, like.device)


def _as_integer(value: Tensor | Number, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value
    weak = like.dtype == torch.bool and not isinstance(value, bool)
    return torch.tensor(value, dtype=torch.int64 if weak else like.dtype, device=like.device)


def _integers_to_float32(operation: str, x: Tensor) -> Tensor:
    if x.dtype == torch.int64 and x.numel() and bool((x.abs() > _EXACT_IN_FLOAT64).any()):
        raise refuse(operation, "an integer beyond 2^53 as float32")
    # By way of float64, which is exact: the direct conversion of int64 is not on the page's list.
    return x.to(torch.float64).to(torch.float32)


def _check_range(operation: str, x: Tensor, dtype: torch.dtype) -> None:
    if not x.numel() or x.dtype == torch.bool:
        return
    if x.is_floating_point() and not bool(torch.isfinite(x).all()):
        raise NonFiniteError(f"{operation}: a NaN or an infinity has no value in {dtype}")
    limits = torch.iinfo(dtype)
    low, high = int(x.amin().item()), int(x.amax().item())
    if low < limits.min or high > limits.max:
        raise refuse(operation, f"a value outside {dtype}")
