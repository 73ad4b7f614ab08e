"""What portable-1 refuses to compute (docs/arithmetic.md §0 and §7)."""

from __future__ import annotations

from ...evidence.errors import ReperformError


class RefusedArithmeticError(ReperformError):
    """An operation, argument, dtype or size that portable-1 does not define."""


class UndecidedRoundingError(ReperformError):
    """An input so near to a midpoint that its rounding must be listed (§1), and is not: a bug, here or in the list."""


class NonFiniteError(ReperformError):
    """A NaN, or an infinity where §0 does not allow one."""


def not_finite(operation: str) -> NonFiniteError:
    """An operand of §2, §3 or §5 that is not a number."""
    return NonFiniteError(f"an operand of {operation} holds a NaN or an infinity")


def undecided(function: str) -> UndecidedRoundingError:
    """A function met what should be on its list of midpoints."""
    return UndecidedRoundingError(
        f"{function} of an input that is too near to a midpoint and not on the list",
        advice="run `reperform selftest`, and report this input",
    )
