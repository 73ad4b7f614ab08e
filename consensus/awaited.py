"""What a case waits for, of whom, and until when: read from its documents and the time, as its phase is."""

from __future__ import annotations

from dataclasses import dataclass

from ..evidence.digest import Digest
from .docket import Slot
from .proceeding import Phase, Proceeding, phase


@dataclass(frozen=True, slots=True)
class Awaited:
    """A document that is owed by each of these nodes, or by the filer if there are none.

    `until` is milliseconds since 1970; None where nobody set a time: a docket that does not act can be waited for.
    """

    slot: Slot
    nodes: tuple[Digest, ...]
    until: int | None


def awaited(proceeding: Proceeding, now: int) -> tuple[Awaited, ...]:
    """Everything that the case waits for at `now` (milliseconds since 1970). Nothing once it is closed."""
    docket = (proceeding.filing.document.docket,)
    if proceeding.case is None:
        return (Awaited(Slot.CASE, docket, None),)
    limits = proceeding.case.document.deadlines
    match phase(proceeding, now):
        case Phase.OPENED:
            return (Awaited(Slot.OPENINGS, (), limits.openings),)
        case Phase.COMMITTING:
            cast = {signed.document.node for signed in proceeding.ballots}
            missing = tuple(node.node_id for node in proceeding.panel if node.node_id not in cast)
            return _of_panel(Slot.BALLOT, missing, limits.ballots, now) or (Awaited(Slot.BALLOT_LIST, docket, None),)
        case Phase.REVEALING:
            key = () if proceeding.release is not None else (Awaited(Slot.RELEASE, (), limits.release),)
            votes = _of_panel(Slot.VOTE, tuple(sorted(proceeding.outstanding())), limits.votes, now)
            return (*(key if now <= limits.release else ()), *votes) or (Awaited(Slot.VOTE_LIST, docket, None),)
        case Phase.ATTESTING:
            return _of_panel(Slot.ATTESTATION, _unsigned(proceeding), limits.attestation, now)
        case _:
            return ()


def _of_panel(slot: Slot, nodes: tuple[Digest, ...], until: int, now: int) -> tuple[Awaited, ...]:
    return (Awaited(slot, nodes, until),) if nodes and now <= until else ()


def _unsigned(proceeding: Proceeding) -> tuple[Digest, ...]:
    """The nodes with a listed ballot that have not put their key under both statements."""
    both = [
        {signature.key_id for envelope in posted for signature in envelope.signatures}
        for posted in (proceeding.attestations, proceeding.summaries)
    ]
    cast = {signed.document.node for signed in proceeding.listed_ballots()}
    return tuple(sorted(cast - (both[0] & both[1])))
