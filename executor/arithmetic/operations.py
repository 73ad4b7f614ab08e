"""The one table of operations (§7, "An operation that is not defined is refused by name").

TABLE maps the names that torch.export gives ATen overloads, and `operator.…` for Python's operators on
sizes, to functions that take exactly the same arguments. It is the allow-list when a model is
pinned, the dispatch of the interpreter, and, held together by a test, the list in
docs/arithmetic.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from . import (
    aten_creation,
    aten_layers,
    aten_movement,
    aten_order,
    aten_pointwise,
    aten_recurrent,
    aten_reductions,
    aten_windows,
    symbols,
)
from .errors import RefusedArithmeticError
from .float64 import FLOAT64, among
from .operands import refuse

_MODULES: Final = (
    aten_pointwise,
    aten_layers,
    aten_windows,
    aten_recurrent,
    aten_reductions,
    aten_order,
    aten_movement,
    aten_creation,
    symbols,
)


@dataclass(frozen=True)
class Operation:
    """One supported operation.

    name: as in a graph. function: takes the operation's ATen arguments. section: of
    docs/arithmetic.md. rounds: whether a result may be rounded; otherwise it is exact.
    """

    name: str
    function: Callable[..., Any]
    section: str
    rounds: bool

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if self.name not in FLOAT64 and among((*arguments, *keywords.values())):
            raise refuse(self.name, "an operand of torch.float64")
        return self.function(*arguments, **keywords)


def _table() -> Mapping[str, Operation]:
    table: dict[str, Operation] = {}
    for module in _MODULES:
        for name, (section, rounds, function) in module.OPERATIONS.items():
            if name in table:
                raise ValueError(f"{name} is listed twice")
            table[name] = Operation(name, function, section, rounds)
    return MappingProxyType(dict(sorted(table.items())))


TABLE: Mapping[str, Operation] = _table()


def operation(name: str) -> Operation:
    """The operation of this name; RefusedArithmeticError if portable-1 does not define it."""
    try:
        return TABLE[name]
    except KeyError:
        raise RefusedArithmeticError(
            f"{name} is not defined by portable-1", advice="docs/arithmetic.md lists what is"
        ) from None
