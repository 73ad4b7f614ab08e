"""What a node owes in a proceeding: its part of what the case awaits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..consensus.awaited import awaited
from ..consensus.docket import Slot
from ..consensus.proceeding import Proceeding
from ..evidence.digest import Digest


class Work(StrEnum):
    """What a case may wait for a node to post."""

    BALLOT = "ballot"
    VOTE = "vote"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Duty:
    """What is owed, and until when (milliseconds since 1970)."""

    work: Work
    due: int


_WORK: Final = {Slot.BALLOT: Work.BALLOT, Slot.VOTE: Work.VOTE, Slot.ATTESTATION: Work.SIGNATURE}


def owed(proceeding: Proceeding, node: Digest, now: int) -> Duty | None:
    """What `node` has not posted yet, of what it can post now."""
    for item in awaited(proceeding, now):
        if node in item.nodes and item.until is not None:
            return Duty(_WORK[item.slot], item.until)
    return None
