"""Operations of a graph that make tensors from numbers (§7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .operands import Number, convert, is_integer, refuse, scalar32
from .symbols import Entry

# What torch.export writes beside the numbers: where and how to allocate, nothing about values.
_ALLOCATION = frozenset({"device", "layout", "pin_memory", "memory_format"})


def full(size: Sequence[int], fill_value: Number, *, dtype: torch.dtype | None = None, **allocation: Any) -> Tensor:
    """One number, rounded once if it is to be float32."""
    device = _device("aten.full", allocation)
    return _filled(list(size), fill_value, _natural(fill_value) if dtype is None else dtype, device)


def full_like(x: Tensor, fill_value: Number, *, dtype: torch.dtype | None = None, **allocation: Any) -> Tensor:
    """One number in the shape of x."""
    device = _device("aten.full_like", allocation)
    return _filled(x.shape, fill_value, x.dtype if dtype is None else dtype, device or x.device)


def new_full(
    x: Tensor, size: Sequence[int], fill_value: Number, *, dtype: torch.dtype | None = None, **allocation: Any
) -> Tensor:
    """One number in the dtype of x."""
    device = _device("aten.new_full", allocation)
    return _filled(list(size), fill_value, x.dtype if dtype is None else dtype, device or x.device)


def zeros(size: Sequence[int], *, dtype: torch.dtype | None = None, **allocation: Any) -> Tensor:
    """Zeros; float32 if nothing is said."""
    return full(size, 0, dtype=dtype or torch.float32, **allocation)


def ones(size: Sequence[int], *, dtype: torch.dtype | None = None, **allocation: Any) -> Tensor:
    """Ones; float32 if nothing is said."""
    return full(size, 1, dtype=dtype or torch.float32, **allocation)


def zeros_like(x: Tensor, **keywords: Any) -> Tensor:
    """Zeros in the shape of x."""
    return full_like(x, 0, **keywords)


def ones_like(x: Tensor, **keywords: Any) -> Tensor:
    """Ones in the shape of x."""
    return full_like(x, 1, **keywords)


def new_zeros(x: Tensor, size: Sequence[int], **keywords: Any) -> Tensor:
    """Zeros in the dtype of x."""
    return new_full(x, size, 0, **keywords)


def new_ones(x: Tensor, size: Sequence[int], **keywords: Any) -> Tensor:
    """Ones in the dtype of x."""
    return new_full(x, size, 1, **keywords)


def scalar_tensor(value: Number, *, dtype: torch.dtype | None = None, **allocation: Any) -> Tensor:
    """One number of no dimensions; float32 if nothing is said."""
    return full((), value, dtype=dtype or torch.float32, **allocation)


def arange(end: Number, *, dtype: torch.dtype | None = None, **allocation: Any) -> Tensor:
    """0, 1, ... below end."""
    return arange_step(0, end, 1, dtype=dtype, **allocation)


def arange_start(start: Number, end: Number, *, dtype: torch.dtype | None = None, **allocation: Any) -> Tensor:
    """Start, start + 1, ... below end."""
    return arange_step(start, end, 1, dtype=dtype, **allocation)


def arange_step(
    start: Number, end: Number, step: Number = 1, *, dtype: torch.dtype | None = None, **allocation: Any
) -> Tensor:
    """Start, start + step, ... before end, of integers; if one is written as a float, in float32."""
    device = _device("aten.arange", allocation)
    numbers = (start, end, step)
    if any(value != int(value) for value in numbers):
        raise refuse("aten.arange", "a number that is not an integer")
    count = torch.arange(*map(int, numbers), dtype=torch.int64, device=device)
    natural = torch.float32 if any(isinstance(value, float) for value in numbers) else torch.int64
    return convert("aten.arange", count, natural if dtype is None else dtype)


def _natural(value: Number) -> torch.dtype:
    if isinstance(value, bool):
        return torch.bool
    return torch.int64 if isinstance(value, int) else torch.float32


def _filled(size: Sequence[int], value: Number, dtype: torch.dtype, device: torch.device | None) -> Tensor:
    if dtype == torch.float32:
        return scalar32(value, device).expand(list(size)).clone()
    if not is_integer(dtype):
        raise refuse("aten.full", f"dtype={dtype}")
    if isinstance(value, float):
        raise refuse("aten.full", f"the float {value} in {dtype}")
    return torch.full(list(size), value, dtype=dtype, device=device)


def _device(operation: str, allocation: Mapping[str, Any]) -> torch.device | None:
    for argument in allocation:
        if argument not in _ALLOCATION:
            raise refuse(operation, argument)
    device: torch.device | None = allocation.get("device")
    return device


def _makes(function: Callable[..., Tensor]) -> Entry:
    return "§7", False, function


OPERATIONS: Mapping[str, Entry] = {
    "aten.full.default": _makes(full),
    "aten.full_like.default": _makes(full_like),
    "aten.new_full.default": _makes(new_full),
    "aten.zeros.default": _makes(zeros),
    "aten.zeros_like.default": _makes(zeros_like),
    "aten.new_zeros.default": _makes(new_zeros),
    "aten.ones.default": _makes(ones),
    "aten.ones_like.default": _makes(ones_like),
    "aten.new_ones.default": _makes(new_ones),
    "aten.scalar_tensor.default": _makes(scalar_tensor),
    "aten.arange.default": _makes(arange),
    "aten.arange.start": _makes(arange_start),
    "aten.arange.start_step": _makes(arange_step),
}
