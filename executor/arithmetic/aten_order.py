"""Sorting in a graph (§0)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from . import order
from .operands import check_dtype
from .symbols import Entry


def sort(x: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    """Values in order, and their indices."""
    check_dtype("aten.sort", x)
    return order.sort(x, dim, descending)


def argsort(x: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """The indices that put x in order."""
    check_dtype("aten.argsort", x)
    return order.argsort(x, dim, descending)


def sort_stable(
    x: Tensor,
    *,
    stable: bool | None,  # noqa: ARG001  # every sort here is
    dim: int = -1,
    descending: bool = False,
) -> tuple[Tensor, Tensor]:
    """Values in order, and their indices."""
    return sort(x, dim, descending)


def argsort_stable(
    x: Tensor,
    *,
    stable: bool,  # noqa: ARG001  # every sort here is
    dim: int = -1,
    descending: bool = False,
) -> Tensor:
    """The indices that put x in order."""
    return argsort(x, dim, descending)


def topk(
    x: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,  # noqa: A002, ARG001  # results here are sorted whether asked or not
) -> tuple[Tensor, Tensor]:
    """The first k values in order, and their indices."""
    check_dtype("aten.topk", x)
    return order.topk(x, k, dim, largest)


OPERATIONS: Mapping[str, Entry] = {
    "aten.sort.default": ("§0", False, sort),
    "aten.sort.stable": ("§0", False, sort_stable),
    "aten.argsort.default": ("§0", False, argsort),
    "aten.argsort.stable": ("§0", False, argsort_stable),
    "aten.topk.default": ("§0", False, topk),
}
