"""Correct rounding of functions of one variable (§1).

A function is evaluated in float64 with a relative error below 2^-50. Rounding that to float32
gives RN32 of the exact value, unless a midpoint between two float32 values lies within the
error. Whether one may is seen by rounding the two ends of the interval (Ziv's test). The few
inputs whose exact value is that near to a midpoint are listed, with their answers, in
`midpoints.py`; reperform.executor.arithmetic.exhaustive finds them by trying all 2^32 inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from ..errors import RefusedArithmeticError, undecided
from .midpoints import MIDPOINTS

Evaluation = Callable[[Tensor], Tensor]

# Half-width of the tested interval: twice the 2^-50 that the evaluations promise, so that the
# rounding of the ends themselves does not matter. Exact values are then within 2^-48 of a midpoint.
HALF_WIDTH = 2.0**-49

# float64 temporaries of this many elements stay in a core's cache.
_CHUNK = 1 << 16


def correctly_rounded(name: str, evaluate: Evaluation, x: Tensor) -> Tensor:
    """RN32 f(x), elementwise, for float32 x of any shape; contiguous."""
    if x.dtype != torch.float32:
        raise RefusedArithmeticError(f"{name} of {x.dtype} is not defined, only of float32")
    flat = x.reshape(-1)
    result = torch.empty_like(flat)
    for start in range(0, flat.numel(), _CHUNK):
        piece = flat[start : start + _CHUNK]
        result[start : start + _CHUNK] = _round(name, piece, evaluate(piece.to(torch.float64)))
    return result.reshape(x.shape)


def _round(name: str, x: Tensor, y: Tensor) -> Tensor:
    inner = (y * (1.0 - HALF_WIDTH)).to(torch.float32)
    outer = (y * (1.0 + HALF_WIDTH)).to(torch.float32)
    if torch.equal(inner, outer):
        return outer
    doubtful = (inner != outer) & ~y.isnan()
    bits = x[doubtful].view(torch.int32)
    away = torch.isin(bits, _listed(name, True, x.device))
    known = away | torch.isin(bits, _listed(name, False, x.device))
    if not bool(known.all()):
        raise undecided(name)
    inner[doubtful] = torch.where(away, outer[doubtful], inner[doubtful])
    return torch.where(y.isnan(), outer, inner)


@cache
def _listed(name: str, away: bool, device: torch.device) -> Tensor:
    """The listed inputs, as int32 bit patterns, that round away from zero, or those that do not."""
    toward_zero, away_from_zero = MIDPOINTS.get(name, ("", ""))
    patterns = (away_from_zero if away else toward_zero).split()
    signed = [int(p, 16) - (int(p, 16) >> 31 << 32) for p in patterns]
    return torch.tensor(signed, dtype=torch.int32, device=device)
