"""The one error of pools."""

from __future__ import annotations

from ...evidence.errors import ReperformError


class PoolError(ReperformError):
    """Machines that cannot be had, do not compute portable-1, or went away. What was replayed before stands."""
