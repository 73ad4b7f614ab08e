"""What shows a deviation to whoever may see the decision: anybody who runs the pinned model on it. Private."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..digest import Digest, Domain, digest
from ..documents import from_bytes
from ..encoding import MalformedError
from ..receipt import DecisionFile


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A decision that was drawn, and the bytes of the output that the pinned model gives, if it gives one."""

    KIND: ClassVar[str] = "audit-exhibit/v1"
    decision: DecisionFile
    output: bytes | None


def exhibit_id(data: bytes) -> Digest:
    """How a report names an exhibit, or the evidence pack of a case before the panel: the digest of the file."""
    return digest(Domain.AUDIT_EXHIBIT, data)


def open_exhibit(data: bytes, wanted: Digest) -> Exhibit:
    """The exhibit that a report names. Raises MalformedError for another one."""
    if exhibit_id(data) != wanted:
        raise MalformedError("this is not the exhibit that the report names")
    return from_bytes(Exhibit, data)
