"""What was found about one item of a sample."""

from __future__ import annotations

from enum import StrEnum


class Examined(StrEnum):
    """A finding; silence is none of these."""

    MATCH = "MATCH"  # the pinned model gives the committed output, bit for bit
    MISMATCH = "MISMATCH"  # it gives another
    MISSING = "MISSING"  # no opening by the plan's time
    BROKEN = "BROKEN"  # what was handed over does not open the receipt
    MISLABELLED = "MISLABELLED"  # the decision belongs to another stratum than its operator disclosed
    INDETERMINATE = "INDETERMINATE"  # it could not be examined, and nobody is known to be at fault

    @property
    def deviates(self) -> bool:
        """Whether the item counts as a deviation. An INDETERMINATE does not; figures are given both ways."""
        return self not in (Examined.MATCH, Examined.INDETERMINATE)
