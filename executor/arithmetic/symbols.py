"""Python's operators on sizes: integers and truth values, exact (§7)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

Entry = tuple[str, bool, Callable[..., Any]]


def _entry(function: Callable[..., Any]) -> Entry:
    return "§7", False, function


OPERATIONS: Mapping[str, Entry] = {
    "sym.add": _entry(operator.add),
    "sym.sub": _entry(operator.sub),
    "sym.mul": _entry(operator.mul),
    "sym.floordiv": _entry(operator.floordiv),
    "sym.mod": _entry(operator.mod),
    "sym.neg": _entry(operator.neg),
    "sym.eq": _entry(operator.eq),
    "sym.ne": _entry(operator.ne),
    "sym.lt": _entry(operator.lt),
    "sym.le": _entry(operator.le),
    "sym.gt": _entry(operator.gt),
    "sym.ge": _entry(operator.ge),
    "sym.and": _entry(operator.and_),
    "sym.or": _entry(operator.or_),
    "sym.not": _entry(operator.not_),
    "sym.max": _entry(max),
    "sym.min": _entry(min),
    # One result of several: what a graph does with the outputs of split, max.dim and the like.
    "sym.getitem": _entry(operator.getitem),
}
