"""The filer's side of a case: whoever holds an opening files, hands the input to the panel, and releases the key.

In an audit that is the operator: docs/decisions/0010.

The filer keeps the key of the output until the docket has closed the ballots, so no replayer can learn the
claimed output before it has committed to its own; not even the docket can tell it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from ..evidence.ballot import Finding, Vote
from ..evidence.case import Filing, Ground, Openings, PanelOpening, Release, Sealed, filing_id, open_filing
from ..evidence.commitment import Role, key_digest, new_key, tag
from ..evidence.digest import Digest
from ..evidence.documents import Document, to_bytes
from ..evidence.dsse import Envelope
from ..evidence.keyfile import KeyRing
from ..evidence.keys import SigningKey
from ..evidence.receipt import DecisionFile, open_receipt, receipt_id
from ..evidence.roster import Node, Roster
from ..evidence.sealing import Purpose, SealBrokenError, seal
from .docket import Docket, Slot
from .proceeding import Proceeding


@dataclass(frozen=True, slots=True)
class FiledDecision:
    """What a filer must keep until the case is over, besides the keys that signed the filing. Private."""

    KIND: ClassVar[str] = "filed-decision/v1"
    decision: DecisionFile
    filing: Envelope
    panel_key: bytes

    @classmethod
    def of(cls, decision: DecisionFile, keys: KeyRing, docket: Digest, inclusion: str | None = None) -> Self:
        """Write and sign a dispute with the docket of this id, with a fresh panel key."""
        panel_key = new_key()
        filing = _filing(Ground.DISPUTE, decision, keys, docket=docket, panel_key=panel_key, inclusion=inclusion)
        return cls(decision, Envelope.sign(filing, (keys.signing,)), panel_key)

    @classmethod
    def in_audit(
        cls, decision: DecisionFile, keys: KeyRing, roster: Roster, docket: Digest, inclusion: str | None = None
    ) -> Self:
        """The same in an audit: `keys` are those of the executor that issued the receipt, `roster` the one it names.

        Raises RosterRefusedError for the keys of anybody else.
        """
        panel_key = new_key()
        filing = _filing(Ground.AUDIT, decision, keys, docket=docket, panel_key=panel_key, inclusion=inclusion)
        envelope = Envelope.sign(filing, roster.signers(keys))
        open_filing(envelope, open_receipt(decision.receipt, roster).document, roster)
        return cls(decision, envelope, panel_key)

    @property
    def filing_id(self) -> Digest:
        """How the docket names the filing."""
        return filing_id(self.filing)


class Filer:
    """Does the filer's part of one case, as far as it can be done now. Doing it again does no harm."""

    def __init__(self, docket: Docket, keys: KeyRing, filed: FiledDecision) -> None:
        self._docket = docket
        self._keys = keys
        self._filed = filed
        self._said: dict[Digest, Envelope] = {}  # what was sealed to a case, or to a list of ballots

    def file(self) -> None:
        """Post receipt and filing. The filing goes last: from then on there is something to find."""
        said = {Slot.RECEIPT: self._filed.decision.receipt, Slot.FILING: self._filed.filing}
        self._docket.post(self._filed.filing_id, said)

    def step(self, proceeding: Proceeding) -> None:
        """Hand the openings to the panel of an opened case; release the key to a closed list of ballots."""
        if proceeding.case is not None and Slot.OPENINGS not in proceeding.taken:
            self._post(proceeding, Slot.OPENINGS, proceeding.case_id, lambda: self._openings(proceeding))
        if proceeding.ballot_list is not None and Slot.RELEASE not in proceeding.taken:
            self._post(proceeding, Slot.RELEASE, proceeding.matter().ballots.list_id, lambda: self._release(proceeding))

    def answer(self, proceeding: Proceeding) -> bytes | None:
        """The pinned model's own output, where a quorum refuted the operator's; only the filer can read it."""
        agreed = proceeding.tally().answer
        for signed in proceeding.votes:
            vote = signed.document
            if vote.finding is Finding.MISMATCH and vote.result.answer == agreed:
                value = self._unseal(vote)
                # A node can seal anything; only what it is bound to by its tag is its answer.
                if value is not None and tag(Role.ANSWER, value, self._filed.panel_key) == agreed:
                    return value
        return None

    def _unseal(self, vote: Vote) -> bytes | None:
        try:
            return self._keys.sealing.open(vote.sealed_answer, purpose=Purpose.ANSWER, context=vote.case.value)
        except SealBrokenError:
            return None

    def _openings(self, proceeding: Proceeding) -> Openings:
        opening = self._filed.decision.opening
        message = to_bytes(PanelOpening(opening.input, opening.input_key, self._filed.panel_key))
        context = proceeding.case_id.value
        nodes = proceeding.panel
        return Openings(
            proceeding.case_id,
            tuple(_sealed(node, message, Purpose.PANEL_OPENING, context) for node in nodes),
        )

    def _release(self, proceeding: Proceeding) -> Release:
        ballots = proceeding.matter().ballots
        committed = {signed.document.node for signed in proceeding.listed_ballots()}
        nodes = [node for node in proceeding.panel if node.node_id in committed]
        key = self._filed.decision.opening.output_key
        sealed = tuple(_sealed(node, key, Purpose.OUTPUT_KEY, ballots.list_id.value) for node in nodes)
        return Release(proceeding.case_id, ballots.list_id, sealed)

    def _post(self, proceeding: Proceeding, slot: Slot, to: Digest, write: Callable[[], Document]) -> None:
        """Say it, in the same words again where the docket does not show them yet: sealed anew they would be others."""
        if to not in self._said:
            self._said[to] = Envelope.sign(write(), self._signers(proceeding))
        self._docket.post(proceeding.filing_id, {slot: self._said[to]})

    def _signers(self, proceeding: Proceeding) -> tuple[SigningKey, ...]:
        if proceeding.filing.document.ground is Ground.AUDIT:
            return proceeding.roster.signers(self._keys)
        return (self._keys.signing,)


def _filing(
    ground: Ground, decision: DecisionFile, keys: KeyRing, *, docket: Digest, panel_key: bytes, inclusion: str | None
) -> Filing:
    return Filing(
        receipt=receipt_id(decision.receipt),
        ground=ground,
        docket=docket,
        signing=keys.signing.public,
        sealing=keys.sealing.public,
        panel_key=key_digest(panel_key),
        inclusion=inclusion,
    )


def _sealed(node: Node, message: bytes, purpose: Purpose, context: bytes) -> Sealed:
    return Sealed(node.node_id, seal(message, node.sealing, purpose=purpose, context=context))
