"""What portable-1 refuses to compute (docs/arithmetic.md §0 and §7)."""

from __future__ import annotations

from ...evidence.errors import ReperformError


class RefusedArithmeticError(ReperformError):
    """An operation, argument, dtype or size that portable-1 does not define."""


class NonFiniteError(ReperformError):
    """A NaN, or an infinity where §0 does not allow one."""
