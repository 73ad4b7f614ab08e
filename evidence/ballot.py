"""Ballots and votes: commit first, reveal afterwards.

A ballot hides what a replayer found until all ballots are in; it binds the node, the case, the answer and
the intermediate values, so that a copied ballot opens for nobody but its author. A vote opens it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, TypeVar

from .digest import Digest, Domain, digest
from .documents import to_bytes
from .dsse import Envelope, Signed, open_signed
from .encoding import MalformedError
from .manifest import ExecutionClass
from .roster import OrganisationRole, Roster

NONCE_BYTES: Final = 32


class Finding(StrEnum):
    """What one replayer found. Silence is none of these."""

    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    INDETERMINATE = "INDETERMINATE"


class Reason(StrEnum):
    """Why a finding is INDETERMINATE."""

    OPENING = "opening"  # what was handed over does not open the receipt
    UNANSWERED = "unanswered"  # nothing was handed over in time
    MODEL = "model"  # this node has no copy of the model that the receipt names
    EXECUTION_CLASS = "execution-class"  # this machine cannot run that class
    RUN = "run"  # the run stopped with an error
    RELEASE = "release"  # the key of the output commitment was not released


@dataclass(frozen=True, slots=True)
class Result:
    """What a replayer computed, as it is hidden in the ballot and shown in the vote.

    `answer` and `trace` are tags under the panel's key (commitment.Role): equal for equal values, and
    without meaning to whoever does not hold that key. Both are absent if the run gave no answer.
    """

    KIND: ClassVar[str] = "result/v1"
    answer: Digest | None
    trace: Digest | None
    nonce: bytes

    def __post_init__(self) -> None:
        if len(self.nonce) != NONCE_BYTES:
            raise MalformedError(f"a nonce of {len(self.nonce)} bytes, expected {NONCE_BYTES}")
        if (self.answer is None) != (self.trace is None):
            raise MalformedError("an answer and the trace of its computation come together")


@dataclass(frozen=True, slots=True)
class _Bound:
    KIND: ClassVar[str] = "bound-result/v1"
    case: Digest
    node: Digest
    result: Result


def ballot_commitment(case: Digest, node: Digest, result: Result) -> Digest:
    """SHA-256 over case, node and result. It hides: the result carries 32 random bytes."""
    return digest(Domain.BALLOT_COMMITMENT, to_bytes(_Bound(case, node, result)))


@dataclass(frozen=True, slots=True)
class Ballot:
    """A node's commitment to its result."""

    KIND: ClassVar[str] = "ballot/v1"
    case: Digest
    node: Digest
    commitment: Digest


@dataclass(frozen=True, slots=True)
class Vote:
    """A node's finding. It names everything that it is about, so that it says nothing anywhere else.

    `sealed_answer` is the node's own output, for the filer alone; empty unless the finding is MISMATCH.
    """

    KIND: ClassVar[str] = "vote/v1"
    case: Digest
    receipt: Digest
    roster: Digest
    epoch: int
    model: Digest
    execution_class: ExecutionClass
    ballots: Digest
    node: Digest
    finding: Finding
    reason: Reason | None
    result: Result
    sealed_answer: bytes

    def __post_init__(self) -> None:
        if (self.finding is Finding.INDETERMINATE) != (self.reason is not None):
            raise MalformedError("an INDETERMINATE finding, and no other, has a reason")
        if self.finding is not Finding.INDETERMINATE and self.result.answer is None:
            raise MalformedError(f"a finding of {self.finding} without an answer")
        if bool(self.sealed_answer) != (self.finding is Finding.MISMATCH):
            raise MalformedError("a MISMATCH, and no other finding, carries the node's own answer")


def ballot_id(envelope: Envelope) -> Digest:
    """How a list names a ballot."""
    return digest(Domain.BALLOT, envelope.payload)


def vote_id(envelope: Envelope) -> Digest:
    """How a list names a vote."""
    return digest(Domain.VOTE, envelope.payload)


def silent(ballots: Iterable[Signed[Ballot]], votes: Iterable[Signed[Vote]]) -> frozenset[Digest]:
    """The nodes that cast one of these ballots and none of these votes."""
    return frozenset({signed.document.node for signed in ballots} - {signed.document.node for signed in votes})


B = TypeVar("B", Ballot, Vote)


def open_by_replayer(envelope: Envelope, cls: type[B], roster: Roster) -> Signed[B]:
    """Verify a ballot or a vote by the node that it names. Raises RosterRefusedError for who may not vote."""
    document = envelope.parse(cls)
    _, node = roster.member_as(document.node, OrganisationRole.REPLAYER)
    return open_signed(envelope, cls, roster.keys_of(node))
