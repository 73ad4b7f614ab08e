"""What a node owes in a proceeding: a pure function of the documents and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..consensus.proceeding import Phase, Proceeding, phase
from ..evidence.digest import Digest
from ..evidence.dsse import Envelope


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


def owed(proceeding: Proceeding, node: Digest, now: int) -> Duty | None:
    """What `node` has not posted yet, of what it can post now."""
    if proceeding.case is None:
        return None
    limits = proceeding.case.document.deadlines
    match phase(proceeding, now):
        case Phase.COMMITTING if all(signed.document.node != node for signed in proceeding.ballots):
            return Duty(Work.BALLOT, limits.ballots)
        case Phase.REVEALING if node in proceeding.outstanding():
            return Duty(Work.VOTE, limits.votes)
        case Phase.ATTESTING if any(signed.document.node == node for signed in proceeding.listed_ballots()):
            statements = (proceeding.attestations, proceeding.summaries)
            return (
                None if all(_signs(node, posted) for posted in statements) else Duty(Work.SIGNATURE, limits.attestation)
            )
    return None


def _signs(node: Digest, posted: Sequence[Envelope]) -> bool:
    return any(node == signature.key_id for envelope in posted for signature in envelope.signatures)
