"""Receipts: what an executor says about one decision, and about a number that it gave up.

A receipt ties model, hidden input and hidden output together under one sequence number. Sequence numbers have
no gaps: a number that was reserved but produced nothing gets an abandonment with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, TypeVar

from .commitment import Commitment, CommitmentBrokenError, Role
from .digest import Digest, Domain, digest
from .documents import from_bytes
from .dsse import Envelope, Signed, open_signed
from .encoding import MalformedError
from .manifest import ExecutionClass
from .roster import OrganisationRole, Roster, RosterRefusedError
from .times import check_range
from .tlog.checkpoint import Checkpoint
from .values import Input, Output

DECISION_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Receipt:
    """One decision. `time` is the executor's clock, in milliseconds since 1970."""

    KIND: ClassVar[str] = "receipt/v1"
    decision: bytes
    executor: Digest
    sequence: int
    model: Digest
    execution_class: ExecutionClass
    input: Commitment
    output: Commitment
    roster: Digest
    time: int
    checkpoint: Checkpoint | None

    def __post_init__(self) -> None:
        _check_numbers(self.decision, self.sequence, self.time)


class AbandonReason(StrEnum):
    """Why a reserved number has no decision."""

    CRASHED = "crashed"  # the executor restarted before it had an answer
    INPUT_REFUSED = "input-refused"
    RUN_FAILED = "run-failed"


@dataclass(frozen=True, slots=True)
class Abandonment:
    """A sequence number that was reserved and given up."""

    KIND: ClassVar[str] = "abandonment/v1"
    decision: bytes
    executor: Digest
    sequence: int
    reason: AbandonReason
    roster: Digest
    time: int
    checkpoint: Checkpoint | None

    def __post_init__(self) -> None:
        _check_numbers(self.decision, self.sequence, self.time)


def _check_numbers(decision: bytes, sequence: int, time: int) -> None:
    if len(decision) != DECISION_ID_BYTES:
        raise MalformedError(f"a decision id of {len(decision)} bytes, expected {DECISION_ID_BYTES}")
    if sequence < 0:
        raise MalformedError("sequence numbers are not negative")
    check_range(time)


def receipt_id(envelope: Envelope) -> Digest:
    """How documents name a receipt: the digest of its signed bytes."""
    return digest(Domain.RECEIPT, envelope.payload)


def open_receipt(envelope: Envelope, roster: Roster) -> Signed[Receipt]:
    """Verify that an executor of the roster signed this receipt while the roster was in force."""
    return _open_issued(envelope, Receipt, roster)


def open_abandonment(envelope: Envelope, roster: Roster) -> Signed[Abandonment]:
    """Verify that an executor of the roster gave this number up while the roster was in force."""
    return _open_issued(envelope, Abandonment, roster)


Issued = TypeVar("Issued", Receipt, Abandonment)


def _open_issued(envelope: Envelope, cls: type[Issued], roster: Roster) -> Signed[Issued]:
    issued = envelope.parse(cls)
    _, node = roster.member_as(issued.executor, OrganisationRole.OPERATOR)
    signed = open_signed(envelope, cls, roster.keys_of(node))
    if issued.roster != roster.roster_id:
        kind = cls.KIND.partition("/")[0]
        raise RosterRefusedError(f"the {kind} names another roster than epoch {roster.epoch} of {roster.name!r}")
    roster.check_time(issued.time)
    return signed


@dataclass(frozen=True, slots=True)
class Opening:
    """The private half of a receipt: the committed bytes and the keys of their commitments."""

    KIND: ClassVar[str] = "opening/v1"
    input: bytes
    input_key: bytes
    output: bytes
    output_key: bytes

    def check(self, receipt: Receipt) -> tuple[Input, Output]:
        """What was committed. Raises CommitmentBrokenError unless both halves open the receipt."""
        if not receipt.input.opens_to(Role.INPUT, self.input, self.input_key):
            raise CommitmentBrokenError("the input is not the one that the receipt commits to")
        if not receipt.output.opens_to(Role.OUTPUT, self.output, self.output_key):
            raise CommitmentBrokenError("the output is not the one that the receipt commits to")
        return parse_input(self.input), from_bytes(Output, self.output)


def parse_input(data: bytes) -> Input:
    """Read a committed input of any kind. Raises MalformedError."""
    value: Input = from_bytes(Input, data)  # type: ignore[arg-type]  # a union of document classes
    return value


@dataclass(frozen=True, slots=True)
class DecisionFile:
    """What the subject of a decision is handed: the receipt and its opening. With it they can dispute."""

    KIND: ClassVar[str] = "decision-file/v1"
    receipt: Envelope
    opening: Opening
