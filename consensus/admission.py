"""What a docket that strangers can reach takes in: only what somebody entitled to it can have posted. Pure.

A slot is filled by its author. So a stranger cannot fill a case's slots, and an author can fill its own with
little: enough to contradict itself where all can see it, not enough to be a flood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..evidence.attestation import PAYLOAD_TYPE
from ..evidence.ballot import Ballot, Vote
from ..evidence.case import Case, Filing, Openings, Release
from ..evidence.digest import Digest
from ..evidence.documents import Document, to_bytes
from ..evidence.dsse import Envelope
from ..evidence.encoding import MalformedError
from ..evidence.errors import ReperformError
from ..evidence.lists import BallotList, VoteList
from ..evidence.receipt import Receipt, open_receipt
from ..evidence.roster import Roster, named_roster
from .docket import DocketError, Slot
from .proceeding import Proceeding, assemble

# Two contradict each other; a third says nothing more.
MAX_PER_AUTHOR: Final = 2

_KIB: Final = 1024
# Bytes of an envelope. A panel has at most 1,024 nodes, and a post-quantum signature 2,420 bytes; openings carry
# the input once for each node, and a vote may carry an output. A filing carries a proof of inclusion, a case a filing.
MAX_BYTES: Final[Mapping[Slot, int]] = {
    Slot.RECEIPT: 16 * _KIB,
    Slot.FILING: 64 * _KIB,
    Slot.CASE: 64 * _KIB,
    Slot.OPENINGS: 16 * _KIB * _KIB,
    Slot.BALLOT: 16 * _KIB,
    Slot.BALLOT_LIST: 64 * _KIB,
    Slot.RELEASE: 1024 * _KIB,
    Slot.VOTE: 1024 * _KIB,
    Slot.VOTE_LIST: 64 * _KIB,
    Slot.ATTESTATION: 16 * _KIB,
    Slot.SUMMARY: 16 * _KIB,
}

_BESIDES: Final = 2048  # bytes of an opening for one node besides the input: keys, padding, and its part of the rest


def largest_input(panel: int) -> int:
    """How many bytes an encoded input may have, to be put before a panel of so many nodes."""
    return MAX_BYTES[Slot.OPENINGS] // max(1, panel) - _BESIDES


_KINDS: Final[Mapping[Slot, type[Document]]] = {
    Slot.RECEIPT: Receipt,
    Slot.FILING: Filing,
    Slot.CASE: Case,
    Slot.OPENINGS: Openings,
    Slot.BALLOT: Ballot,
    Slot.BALLOT_LIST: BallotList,
    Slot.RELEASE: Release,
    Slot.VOTE: Vote,
    Slot.VOTE_LIST: VoteList,
}


class NotAdmittedError(DocketError):
    """A document by somebody who has no say in this slot, or that says nothing that counts there."""


class CrowdedError(DocketError):
    """A slot or a quota that its author has used up."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules of the docket that the node `docket` keeps under these rosters."""

    rosters: Sequence[Roster]
    docket: Digest

    def check(self, filing: Digest, slot: Slot, envelope: Envelope, posted: Mapping[Slot, Sequence[Envelope]]) -> None:
        """Raise NotAdmittedError unless this document may stand beside those that were `posted` about the filing."""
        if len(to_bytes(envelope)) > MAX_BYTES[slot]:
            raise NotAdmittedError(f"a {slot} has at most {MAX_BYTES[slot]} bytes")
        # Apart from what follows, whose errors say what is wrong: this one would show what somebody wrote.
        try:
            if slot in _KINDS:
                envelope.parse(_KINDS[slot])
        except MalformedError as error:
            raise NotAdmittedError(f"its payload is no {slot} as docs/documents.md has it") from error
        try:
            self._check(filing, slot, envelope, posted)
        except ReperformError as error:
            raise NotAdmittedError(f"this is no {slot} for filing {filing.short()}: {error.cause}") from error

    def _check(self, filing: Digest, slot: Slot, envelope: Envelope, posted: Mapping[Slot, Sequence[Envelope]]) -> None:
        if slot is Slot.RECEIPT:
            # It comes before the filing that names it, and stands on its own until then.
            open_receipt(envelope, named_roster(self.rosters, envelope.parse(Receipt).roster))
            if not posted.get(Slot.FILING):
                return
        proceeding = assemble(filing, {**posted, slot: (envelope,)}, self.rosters)
        refused = [refused.cause for refused in proceeding.refused if refused.slot is slot]
        if refused:
            raise MalformedError(refused[0])
        if proceeding.filing.document.docket != self.docket:
            raise MalformedError("it was filed with another docket")
        if slot in (Slot.RECEIPT, Slot.FILING):
            return
        if proceeding.case is None:
            raise MalformedError("there is no case on it yet")
        if slot in (Slot.ATTESTATION, Slot.SUMMARY):
            _check_statement(envelope, proceeding)


def _check_statement(envelope: Envelope, proceeding: Proceeding) -> None:
    """Signed by the panel. Whether it is the verdict of the votes is judged by whoever concludes the case."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise MalformedError("a statement is of another type")
    roster = proceeding.roster
    signers = envelope.check(roster.panel_keys())
    # Else anybody could put others' signatures together in many ways, and fill the slot with them.
    if signers not in [{key.key_id for key in roster.keys_of(node)} for node in roster.panel()]:
        raise MalformedError("each node signs alone, with all its keys")
