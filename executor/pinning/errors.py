"""Why a model cannot be pinned."""

from __future__ import annotations

from ...evidence.errors import ReperformError


class PinError(ReperformError):
    """A model that cannot be pinned."""
