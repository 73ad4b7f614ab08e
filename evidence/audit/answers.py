"""What an operator says about the decisions that were drawn: the opening, sealed to the lead; or why there is none.

Answers are signed by the operator, so that who handed over what, and who said that there is nothing, can be shown.
An opening that does not open is a finding about that one decision, and no reason to refuse the answers beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar, Final

from ..commitment import CommitmentBrokenError
from ..digest import Digest
from ..documents import from_bytes, to_bytes
from ..dsse import Envelope, open_signed
from ..encoding import MalformedError
from ..receipt import DecisionFile, Receipt
from ..roster import OrganisationRole, Roster, RosterRefusedError, named_roster
from ..sealing import Purpose, SealBrokenError, SealingKey, seal
from .draw import Drawn

MAX_ANSWERS: Final = 64  # in one envelope
MAX_SEALED: Final = 16 * 2**20  # bytes of openings in one envelope, from which on no more are added


class NotHeld(StrEnum):
    """Why an operator has no opening."""

    ERASED = "erased"  # it was destroyed, as retention asks for
    NOT_KEPT = "not-kept"  # it is not in the vault


@dataclass(frozen=True, slots=True)
class Answer:
    """About the decision at an entry of the log: its decision file, sealed to the lead's node, or why there is none."""

    KIND: ClassVar[str] = "audit-answer/v1"
    entry: int
    said: bytes | NotHeld

    @classmethod
    def opening(cls, drawn: Drawn, entry: int, decision: DecisionFile) -> Answer:
        """Seal a decision file to the lead, for this item of this draw."""
        sealing, context = drawn.lead.sealing, _context(drawn.draw_id, entry)
        return cls(entry, seal(to_bytes(decision), sealing, purpose=Purpose.AUDIT_OPENING, context=context))


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers about items of one draw, in the order of their entries. Signed by a node of the operator."""

    KIND: ClassVar[str] = "audit-answers/v1"
    draw: Digest
    node: Digest
    answers: tuple[Answer, ...]

    def __post_init__(self) -> None:
        if len(self.answers) > MAX_ANSWERS:
            raise MalformedError(f"{len(self.answers)} answers in one envelope; the limit is {MAX_ANSWERS}")
        entries = [answer.entry for answer in self.answers]
        if any(entry < 0 for entry in entries) or any(later <= earlier for earlier, later in pairwise(entries)):
            raise MalformedError("answers stand once each, in the order of their entries")


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer that is no opening of its item, why, and what was handed over as far as it can be read."""

    cause: str
    decision: DecisionFile | None


Opened = DecisionFile | NotHeld | Broken


def operator_of(receipt: Receipt, rosters: Sequence[Roster]) -> str:
    """The name of the organisation that answers for a receipt. Raises RosterRefusedError."""
    organisation, _ = named_roster(rosters, receipt.roster).member_as(receipt.executor, OrganisationRole.OPERATOR)
    return organisation.name


def receipt_in(entry: bytes) -> Receipt:
    """The receipt in an entry of the log that was drawn."""
    return from_bytes(Envelope, entry).parse(Receipt)


def open_answers(
    envelope: Envelope, drawn: Drawn, sample: Mapping[int, bytes], rosters: Sequence[Roster]
) -> tuple[Answer, ...]:
    """Verify who answers, and about what. `sample` has the log's entries that were drawn, by index.

    Raises ReperformError unless a node of an operator on the audit's roster signed, for this draw, and answers for
    nothing but what was drawn of its own organisation's decisions.
    """
    answers = envelope.parse(Answers)
    organisation, node = drawn.roster.member_as(answers.node, OrganisationRole.OPERATOR)
    open_signed(envelope, Answers, drawn.roster.keys_of(node))
    if answers.draw != drawn.draw_id:
        raise MalformedError("the answers are about another draw")
    for answer in answers.answers:
        entry = sample.get(answer.entry)
        if entry is None:
            raise MalformedError(f"entry {answer.entry} was not drawn")
        if operator_of(receipt_in(entry), rosters) != organisation.name:
            raise RosterRefusedError(f"{organisation.name!r} answers for entry {answer.entry}, which is not its own")
    return answers.answers


def open_answer(answer: Answer, drawn: Drawn, entry: bytes, key: SealingKey) -> Opened:
    """What an answer that was verified says about its entry of the log; the lead's `key` opens it."""
    if isinstance(answer.said, NotHeld):
        return answer.said
    context = _context(drawn.draw_id, answer.entry)
    try:
        message = key.open(answer.said, purpose=Purpose.AUDIT_OPENING, context=context)
        decision = from_bytes(DecisionFile, message)
    except (SealBrokenError, MalformedError):
        return Broken("what was handed over does not open, or is no decision file", None)
    if to_bytes(decision.receipt) != entry:
        return Broken("the opening is of another receipt", decision)
    try:
        decision.opening.check(receipt_in(entry))
    except CommitmentBrokenError as error:
        return Broken(error.cause, decision)
    except MalformedError:
        return Broken("what was committed to is no input and output", decision)
    return decision


def _context(draw: Digest, entry: int) -> bytes:
    return draw.value + entry.to_bytes(8, "big")
