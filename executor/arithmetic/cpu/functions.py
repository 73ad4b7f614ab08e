"""Functions of one variable, correctly rounded for every float32 (§1).

A row function takes a contiguous float32 vector x and another of its length for the results, which may be x itself,
runs on the thread that calls it, and returns a Status: other loops call it for their own rows.
"""

from __future__ import annotations

from .compile import kernel
from .exponential import exp64
from .rounding import Row, listed, rounded_row

_EXP = listed("exp")


@kernel
def exp_row(x: Row, out: Row) -> int:
    """e^x."""
    return rounded_row(exp64, _EXP, x, out)
