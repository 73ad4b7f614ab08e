"""The rule for zeros: those of §2 to §5 and of max, min and clamp are +0 (§0)."""

from __future__ import annotations

from torch import Tensor


def positive_zero(result: Tensor) -> Tensor:
    """The same values with -0 as +0, in place: (-0) + (+0) is +0, and x + 0 is x."""
    return result.add_(0.0)
