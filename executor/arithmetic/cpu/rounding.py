"""Correct rounding of functions of one variable, row by row (§1).

As in the reference, a float64 evaluation with a relative error below 2^-50 is rounded at both ends of an interval that
must hold the exact value (Ziv's test). Where they differ anywhere in a block, its elements are gone through one by one,
and a doubtful one is looked up in the list of inputs that are near to a midpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ..reference.midpoints import MIDPOINTS
from .inline import BLOCK, block, inlined
from .tiles import LINE, prefetch_to_read, prefetch_to_write

Row = NDArray[np.float32]
Evaluation = Callable[[float], float]
# A value, and an error that also covers the rounding of value - error and value + error.
Quick = Callable[[float], tuple[float, float]]


class Status(IntEnum):
    """How a row ended; every row function returns one as an int."""

    ROUNDED = 0
    UNDECIDED = 1
    OUT_OF_DOMAIN = 2


_UNDECIDED = int(Status.UNDECIDED)

# Of a block with a doubtful input, so many with it are evaluated again.
_FEW = 32

# Twice what the evaluations promise, so that the rounding of the ends themselves does not matter.
_INNER = 1.0 - 2.0**-49
_OUTER = 1.0 + 2.0**-49


def listed(name: str) -> NDArray[np.int64]:
    """The inputs near a midpoint in increasing order: twice the bit pattern, plus 1 if it rounds away from zero."""
    return np.array(
        sorted(2 * int(p, 16) + away for away, text in enumerate(MIDPOINTS[name]) for p in text.split()), np.int64
    )


@inlined
def rounded_row(evaluate: Evaluation, near: NDArray[np.int64], x: Row, out: Row) -> int:
    """RN32 of a function that `evaluate` gives in float64; `out` may be x itself."""
    inputs = block()
    for start in range(0, x.size, BLOCK):
        # Whether x and out overlap need not be asked of a copy, and the slow path still has the inputs.
        piece, results = x[start : start + BLOCK], out[start : start + BLOCK]
        for i in range(piece.size):
            inputs[i] = piece[i]
        status = _rounded(evaluate, near, inputs, results)
        if status:
            return status
    return 0


@inlined
def quickly_rounded_row(quick: Quick, evaluate: Evaluation, near: NDArray[np.int64], x: Row, out: Row) -> int:
    """As `rounded_row`, by an evaluation that costs less; where that leaves a doubt, `evaluate` and the list decide."""
    inputs, lower = block(), block()
    for start in range(0, x.size, BLOCK):
        piece, results = x[start : start + BLOCK], out[start : start + BLOCK]
        for i in range(piece.size):
            inputs[i] = piece[i]
        # While a block is worked on, have the next one fetched, if there is one; a long vector comes from far away.
        for place in range(start + BLOCK, start + 2 * BLOCK, LINE // 4):
            prefetch_to_read(x, place)
            prefetch_to_write(out, place)
        doubtful = np.int32(0)
        for i in range(piece.size):
            value, error = quick(float(inputs[i]))
            low, high = np.float32(value - error), np.float32(value + error)
            doubtful = np.int32(doubtful | _difference(low, high))
            lower[i] = low
            results[i] = high
        if doubtful:
            for first in range(0, piece.size, _FEW):
                few = slice(first, first + _FEW)
                if _differ(lower[few], results[few]):
                    status = _rounded(evaluate, near, inputs[few], results[few])
                    if status:
                        return status
    return 0


@inlined
def _difference(a: np.float32, b: np.float32) -> np.int32:
    """0 if they are the same."""
    return np.int32(np.float32(a).view(np.int32) ^ np.float32(b).view(np.int32))


@inlined
def _differ(lower: Row, upper: Row) -> bool:
    """Whether any element does."""
    doubtful = np.int32(0)
    for i in range(upper.size):
        doubtful = np.int32(doubtful | _difference(lower[i], upper[i]))
    return bool(doubtful)


@inlined
def _rounded(evaluate: Evaluation, near: NDArray[np.int64], inputs: Row, results: Row) -> int:
    """RN32 of a block, as many as there are results."""
    doubtful = np.int32(0)
    for i in range(results.size):
        inner, outer = _ends(evaluate(float(inputs[i])))
        doubtful = np.int32(doubtful | _difference(inner, outer))
        results[i] = outer
    return _settle(evaluate, near, inputs, results) if doubtful else 0


@inlined
def _ends(y: float) -> tuple[np.float32, np.float32]:
    return np.float32(y * _INNER), np.float32(y * _OUTER)


@inlined
def _settle(evaluate: Evaluation, near: NDArray[np.int64], inputs: Row, results: Row) -> int:
    """Replace those results that should have been rounded toward zero."""
    for i in range(results.size):
        inner, outer = _ends(evaluate(float(inputs[i])))
        if inner != outer and not np.isnan(outer):
            entry = 2 * np.int64(np.float32(inputs[i]).view(np.uint32))
            place = np.searchsorted(near, entry)
            if place == near.size or near[place] - entry > 1:
                return _UNDECIDED
            if near[place] == entry:
                results[i] = inner
    return 0


@inlined
def direct_row(evaluate: Callable[[np.float32], np.float32], x: Row, out: Row) -> int:
    """A function whose evaluation is already rounded correctly; `out` may be x itself."""
    inputs = block()
    for start in range(0, x.size, BLOCK):
        piece, results = x[start : start + BLOCK], out[start : start + BLOCK]
        for i in range(piece.size):
            inputs[i] = piece[i]
        for i in range(piece.size):
            results[i] = evaluate(inputs[i])
    return 0
