"""Times in documents: whole milliseconds since 1970, up to the end of the year 9999.

The range is that of RFC 3339, in which an attestation writes them for other tools. An integer of 64 bits
reaches much further, to moments that no calendar can name.
"""

from __future__ import annotations

from typing import Final

from .encoding import MalformedError

LATEST: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z


def check_range(time: int) -> None:
    """Raise MalformedError unless `time` can be written as a date."""
    if not 0 <= time <= LATEST:
        raise MalformedError("a time lies between 1970 and the year 9999, in milliseconds since 1970")
