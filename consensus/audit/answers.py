"""The operator's answers about what was drawn of its decisions. Pure: what is held comes in as a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...evidence.audit.answers import MAX_ANSWERS, MAX_SEALED, Answer, Answers, NotHeld, operator_of, receipt_in
from ...evidence.audit.draw import Drawn
from ...evidence.audit.plan import Examination
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope
from ...evidence.keyfile import KeyRing
from ...evidence.receipt import DecisionFile
from ...evidence.roster import OrganisationRole, Roster, RosterRefusedError
from ..log.storage import Reader

# What is held of a decision, by its id. Raises ReperformError if that cannot be said now.
Find = Callable[[bytes], DecisionFile | NotHeld]

# An entry of the log: its index and its bytes.
Item = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the operator has: its keys of each epoch, its log, its openings, and labels that it has disclosed."""

    rings: Sequence[KeyRing]
    reader: Reader
    find: Find
    labels: Sequence[Envelope] = ()


def answering_keys(roster: Roster, rings: Iterable[KeyRing]) -> KeyRing:
    """The first of these keys that an operator's node has on this roster. Raises RosterRefusedError."""
    operators = {
        node.node_id for organisation, node in roster.members() if organisation.role is OrganisationRole.OPERATOR
    }
    for keys in rings:
        if keys.signing.public.key_id in operators:
            roster.signers(keys)
            return keys
    raise RosterRefusedError(
        f"none of these keys is an operator's on epoch {roster.epoch} of roster {roster.name!r}",
        advice="give the executor's key file with --key; of several epochs, each",
    )


def own_items(drawn: Drawn, sample: Mapping[int, bytes], keys: KeyRing, rosters: Sequence[Roster]) -> tuple[Item, ...]:
    """What was drawn of the decisions of the organisation with these keys: several operators may share a log."""
    organisation, _ = drawn.roster.member(keys.signing.public.key_id)
    return tuple(
        (entry, data)
        for entry, data in sorted(sample.items())
        if operator_of(receipt_in(data), rosters) == organisation.name
    )


def held(entry: bytes, find: Find) -> DecisionFile | NotHeld:
    """The decision file of a receipt that stands in the log; another receipt's is none of it."""
    found = find(receipt_in(entry).decision)
    if isinstance(found, DecisionFile) and to_bytes(found.receipt) != entry:
        return NotHeld.NOT_KEPT
    return found


def answer_next(drawn: Drawn, items: Iterable[Item], find: Find, keys: KeyRing) -> tuple[Envelope, Answers]:
    """Answers to the next of these items, as many as go into one envelope; none if there are no more.

    Where the panel examines, the openings go to the panel, and the lead is told only what is not held.
    """
    answers, size = list[Answer](), 0
    for number, data in items:
        found = held(data, find)
        if isinstance(found, NotHeld):
            answers.append(Answer(number, found))
        elif drawn.plan.examination is Examination.POOL:
            answers.append(Answer.opening(drawn, number, found))
            size += len(to_bytes(found))
        if len(answers) == MAX_ANSWERS or size >= MAX_SEALED:
            break
    document = Answers(drawn.draw_id, keys.signing.public.key_id, tuple(answers))
    return Envelope.sign(document, drawn.roster.signers(keys)), document
