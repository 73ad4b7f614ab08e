"""Operations of a graph that take float64 operands (§0): the look-up of leaf values, their sum, and its rounding.

Every other operation refuses a float64 tensor, and none makes one of anything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch

FLOAT64: Final = frozenset(
    {
        # Sum64, its quotient by a number of values, one addition, and RN32.
        "aten.sum.dim_IntList",
        "aten.mean.dim",
        "aten.add.Tensor",
        "aten._to_copy.default",
        "aten.to.dtype",
        # Nothing but their elements.
        *(f"aten.{name}.default" for name in ("embedding", "index_select", "gather", "cat", "clone", "expand")),
        *(f"aten.{name}.default" for name in ("view", "reshape", "permute", "unsqueeze", "squeeze")),
        "aten.squeeze.dim",
        "aten.squeeze.dims",
        "aten.index.Tensor",
        "aten.select.int",
        "aten.slice.Tensor",
        "aten.where.self",
    }
)


def among(values: Iterable[object]) -> bool:
    """Whether a float64 tensor is among the arguments of an operation, or in a list among them."""
    for value in values:
        if isinstance(value, torch.Tensor):
            if value.dtype == torch.float64:
                return True
        elif isinstance(value, list | tuple) and among(value):
            return True
    return False
