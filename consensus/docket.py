"""What a docket is to those who use it: a place where signed documents about a filing are posted and read.

A docket can delay and withhold; it cannot forge, because nobody believes a document for where it was found.
This interface is all that filers, replayers and the docket's own keeper ask for, so that folders, HTTP and
databases are interchangeable behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar, Protocol

from ..evidence.digest import Digest
from ..evidence.documents import from_bytes
from ..evidence.dsse import Envelope
from ..evidence.errors import ReperformError
from ..evidence.keys import MAX_REMEMBERED, MAX_REMEMBERED_BYTES


class DocketError(ReperformError):
    """The docket cannot take or give a document."""


class DocketUnreachableError(DocketError):
    """The docket does not answer, whatever it is asked."""


class Slot(StrEnum):
    """What kinds of documents are posted about a filing."""

    RECEIPT = "receipt"
    FILING = "filing"
    CASE = "case"
    OPENINGS = "openings"
    BALLOT = "ballot"
    BALLOT_LIST = "ballot-list"
    RELEASE = "release"
    VOTE = "vote"
    VOTE_LIST = "vote-list"
    ATTESTATION = "attestation"
    SUMMARY = "summary"


@lru_cache(maxsize=MAX_REMEMBERED)
def _parse_once(data: bytes) -> Envelope:
    return from_bytes(Envelope, data)


def parse_envelope(data: bytes) -> Envelope:
    """The envelope in these bytes. Raises MalformedError. Dockets are read again and again; it is parsed once."""
    return _parse_once(data) if len(data) <= MAX_REMEMBERED_BYTES else from_bytes(Envelope, data)


@dataclass(frozen=True, slots=True)
class Changes:
    """Filings about which something was posted after a position, and the position from which to go on."""

    KIND: ClassVar[str] = "changes/v1"
    position: int
    filings: tuple[Digest, ...]


class Docket(Protocol):
    """Post and read. Nothing that was posted is ever replaced; the same document posted twice is posted once."""

    def changes(self, after: int) -> Changes:
        """What was posted after a position that an earlier answer gave, or since the beginning (0).

        One answer need not hold everything. A docket that cannot tell reports every filing, each time.
        Raises DocketError.
        """
        ...

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        """Add what an author says about a filing at once, in this order. Raises DocketError if it cannot be kept."""
        ...

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        """The documents posted so far, under every slot. They may be anybody's: nothing about them was verified."""
        ...
