"""What a docket's service and its clients say to each other besides envelopes: documents in the strict encoding.

Nothing here is signed and nothing is believed: what matters is inside the envelopes. `Changes` travels too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from ..evidence.digest import Digest
from ..evidence.dsse import Envelope
from .docket import Slot

DOCUMENT_TYPE: Final = "application/vnd.reperform.document"
PROBLEM_TYPE: Final = "application/problem+json"  # RFC 9457

# The longest (seconds) that a request for changes may wait for some.
MAX_WAIT: Final = 30
# How many filings may be read with one request.
MAX_TOGETHER: Final = 32
# How many documents may be posted with one request: receipt and filing, or attestation and summary.
MAX_SAID: Final = 2


@dataclass(frozen=True, slots=True)
class Posted:
    """The bytes of an envelope, and the slot that it stands in."""

    KIND: ClassVar[str] = "posted/v1"
    slot: Slot
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything posted about one filing, or what somebody posts about it, in the order of posting."""

    KIND: ClassVar[str] = "documents/v1"
    filing: Digest
    documents: tuple[Posted, ...]


@dataclass(frozen=True, slots=True)
class Filings:
    """The first of the filings that were asked for, each complete: as many as go into one answer, at least one."""

    KIND: ClassVar[str] = "filings/v1"
    filings: tuple[Documents, ...]


@dataclass(frozen=True, slots=True)
class Rosters:
    """Every epoch of the roster under which the docket is kept, signed by the root keys."""

    KIND: ClassVar[str] = "rosters/v1"
    epochs: tuple[Envelope, ...]
