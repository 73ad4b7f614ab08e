"""Python's operators on sizes, and picking one result of several: exact (§7)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from .errors import RefusedArithmeticError

Entry = tuple[str, bool, Callable[..., Any]]

_ON_SIZES: dict[str, Callable[..., Any]] = {
    "operator.add": operator.add,
    "operator.sub": operator.sub,
    "operator.mul": operator.mul,
    "operator.floordiv": operator.floordiv,
    "operator.mod": operator.mod,
    "operator.neg": operator.neg,
    "operator.eq": operator.eq,
    "operator.ne": operator.ne,
    "operator.lt": operator.lt,
    "operator.le": operator.le,
    "operator.gt": operator.gt,
    "operator.ge": operator.ge,
    "operator.and_": operator.and_,
    "operator.or_": operator.or_,
    "operator.not_": operator.not_,
    "torch.sym_max": max,
    "torch.sym_min": min,
    "torch.sym_not": operator.not_,
}


def getitem(results: Sequence[Tensor], index: int) -> Tensor:
    """One result of an operation that has several."""
    if not isinstance(results, tuple | list) or not isinstance(index, int):
        raise RefusedArithmeticError("operator.getitem picks one of several results by an integer, nothing else")
    result: Tensor = results[index]
    return result


def sym_sum(sizes: Sequence[int]) -> int:
    """The sum of several sizes."""
    if not all(isinstance(size, int) for size in sizes):
        raise RefusedArithmeticError("torch.sym_sum is for sizes, which are integers")
    return sum(sizes)


def _entry(name: str, function: Callable[..., Any]) -> Entry:
    # On tensors the same operators would be arithmetic that the page does not define.
    def apply(*operands: int) -> int:
        if not all(isinstance(operand, int) for operand in operands):
            raise RefusedArithmeticError(f"{name} is for sizes, which are integers")
        result: int = function(*operands)
        return result

    return "§7", False, apply


OPERATIONS: Mapping[str, Entry] = {
    "operator.getitem": ("§7", False, getitem),
    "torch.sym_sum": ("§7", False, sym_sum),
    **{name: _entry(name, function) for name, function in _ON_SIZES.items()},
}
