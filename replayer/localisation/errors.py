"""What stops a localisation."""

from __future__ import annotations

from ...evidence.errors import ReperformError


class LocalisationError(ReperformError):
    """It cannot be said who is wrong, and why."""
