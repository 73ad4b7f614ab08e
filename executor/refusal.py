"""The refusal of an input. It stands alone so that issuing receipts needs no torch."""

from __future__ import annotations

from ..evidence.errors import ReperformError


class InputError(ReperformError):
    """An input that the pinned model does not take."""
