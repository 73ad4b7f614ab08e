"""Operations with a side that stays the same from run to run, and is made into integers only once (§2 step 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor

from . import functional
from .kernels import Operand
from .operands import check_float32


@dataclass(frozen=True)
class Preparation:
    """For an operation called with positional arguments alone, whose argument number `argument` is a weight.

    function takes what `prepare` makes of the weight in its place.
    """

    argument: int
    prepare: Callable[[Tensor], Operand]
    function: Callable[..., Tensor]


def _rows(weight: Tensor) -> Operand:
    check_float32("a weight", weight)
    return functional.prepare(weight)


def _columns(weight: Tensor) -> Operand:
    return _rows(weight.T)


def _linear(x: Tensor, weight: Operand, bias: Tensor | None = None) -> Tensor:
    check_float32("aten.linear", x, bias)
    return functional.linear(x, weight, bias)


def _addmm(bias: Tensor, a: Tensor, weight: Operand) -> Tensor:
    check_float32("aten.addmm", bias, a)
    return functional.linear(a, weight) + bias


PREPARED: Mapping[str, Preparation] = MappingProxyType(
    {
        "aten.linear.default": Preparation(1, _rows, _linear),
        "aten.addmm.default": Preparation(2, _columns, _addmm),
        "aten.mm.default": Preparation(1, _columns, _linear),
        "aten.matmul.default": Preparation(1, _columns, _linear),
    }
)
