"""Hashes as text: a line of base64 each, as proofs are written down (c2sp.org/tlog-proof, c2sp.org/tlog-witness)."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Final

from ..encoding import MalformedError

MAX_HASHES: Final = 63  # of a proof: as many as a tree can have levels
PATTERN: Final = r"(?:[A-Za-z0-9+/]{43}=\n)*"


def to_lines(hashes: Iterable[bytes]) -> str:
    """The lines."""
    return "".join(f"{base64.b64encode(each).decode()}\n" for each in hashes)


def from_lines(lines: str) -> tuple[bytes, ...]:
    """The hashes in lines of the PATTERN. Raises MalformedError for too many."""
    hashes = tuple(base64.b64decode(line) for line in lines.split())
    if len(hashes) > MAX_HASHES:
        raise MalformedError(f"a proof has at most {MAX_HASHES} hashes")
    return hashes
