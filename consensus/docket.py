"""What a docket is to those who use it: a place where signed documents about a filing are posted and read.

A docket can delay and withhold; it cannot forge, because nobody believes a document for where it was found.
This interface is all that filers, replayers and the docket's own keeper ask for, so that folders, HTTP and
databases are interchangeable behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from ..evidence.digest import Digest
from ..evidence.dsse import Envelope
from ..evidence.errors import ReperformError


class DocketError(ReperformError):
    """The docket cannot take or give a document."""


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


class Docket(Protocol):
    """Post and read. Nothing that was posted is ever replaced; the same document posted twice is posted once."""

    def filings(self) -> Iterable[Digest]:
        """The ids of everything that was filed, in a stable order."""
        ...

    def post(self, filing: Digest, slot: Slot, envelope: Envelope) -> None:
        """Add a document. Raises DocketError if it cannot be kept."""
        ...

    def read(self, filing: Digest, slot: Slot) -> tuple[Envelope, ...]:
        """The documents posted so far. They may be anybody's: nothing about them was verified."""
        ...
