"""What portable-1 refuses to compute (docs/arithmetic.md §0 and §7)."""

from __future__ import annotations

from ...evidence.errors import ReperformError


class RefusedArithmeticError(ReperformError):
    """An operation, argument, dtype or size that portable-1 does not define."""


class UndecidedRoundingError(ReperformError):
    """An input so near to a midpoint that its rounding must be listed (§1), and is not: a bug, here or in the list."""


class NonFiniteError(ReperformError):
    """A NaN, or an infinity where §0 does not allow one."""
