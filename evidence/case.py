"""A case: one decision under examination, from filing to the release of the output's key.

Who disputes signs with keys made for this case alone; in an audit the filer is the operator's executor, and signs
as a node does. The docket publishes the case with a random challenge and
deadlines. Openings reach each panel member sealed and without the output; the key of the output commitment
is released, sealed likewise, only to a closed list of ballots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar, Final, TypeVar

from .commitment import Commitment, CommitmentBrokenError, Role, key_digest
from .digest import Digest, Domain, digest
from .dsse import Envelope, Signed, open_signed
from .encoding import MalformedError
from .keys import Algorithm, PublicKey, SignatureRefusedError
from .receipt import Receipt
from .roster import OrganisationRole, Roster, RosterRefusedError
from .sealing import check_sealing_key
from .times import check_range

CHALLENGE_BYTES: Final = 32
MAX_INCLUSION: Final = 48 * 1024  # fourteen witnesses that sign with ML-DSA-44


class Ground(StrEnum):
    """Why a decision is examined; who owes the opening follows from it."""

    DISPUTE = "dispute"  # filed by whoever holds the opening
    AUDIT = "audit"  # drawn by an auditor, and filed by the operator, which owes the opening


@dataclass(frozen=True, slots=True)
class Filing:
    """A request to examine one receipt, made to one docket.

    `docket` is the id of that docket's node: a roster may have several, and if each could open a case on one filing,
    any of them could undo what another has begun. `panel_key` is the digest of the key under which replayers tag
    answers. `inclusion` is the proof that the receipt stands in the roster's log (c2sp.org/tlog-proof), if the filer
    has one: an operator that keeps a receipt out of the log must not escape the dispute by it.
    """

    KIND: ClassVar[str] = "filing/v1"
    receipt: Digest
    ground: Ground
    docket: Digest
    signing: PublicKey
    sealing: bytes
    panel_key: Digest
    inclusion: str | None

    def __post_init__(self) -> None:
        if self.signing.algorithm is not Algorithm.ED25519:
            raise MalformedError("a filer signs with Ed25519")
        if self.inclusion is not None and len(self.inclusion) > MAX_INCLUSION:
            raise MalformedError(f"a proof of inclusion of more than {MAX_INCLUSION} characters")
        # Who finds a MISMATCH seals its own answer to this key; with a bad one it could not vote.
        check_sealing_key(self.sealing)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Until when (milliseconds since 1970) each step may take place."""

    KIND: ClassVar[str] = "deadlines/v1"
    openings: int
    ballots: int
    release: int
    votes: int
    attestation: int

    def __post_init__(self) -> None:
        steps = (0, self.openings, self.ballots, self.release, self.votes, self.attestation)
        if any(later <= earlier for earlier, later in pairwise(steps)):
            raise MalformedError("deadlines must follow one another")
        check_range(self.attestation)


@dataclass(frozen=True, slots=True)
class Case:
    """A filing that its docket has opened. Signed by that docket."""

    KIND: ClassVar[str] = "case/v1"
    filing: Filing
    roster: Digest
    challenge: bytes
    opened: int
    deadlines: Deadlines

    def __post_init__(self) -> None:
        if len(self.challenge) != CHALLENGE_BYTES:
            raise MalformedError(f"a challenge of {len(self.challenge)} bytes, expected {CHALLENGE_BYTES}")
        if not 0 <= self.opened < self.deadlines.openings:
            raise MalformedError("a case's deadlines lie after its opening")


def case_id(envelope: Envelope) -> Digest:
    """How documents name a case: the digest of its signed bytes."""
    return digest(Domain.CASE, envelope.payload)


def filing_id(envelope: Envelope) -> Digest:
    """How a docket names a filing before there is a case."""
    return digest(Domain.FILING, envelope.payload)


def filer_keys(filing: Filing, receipt: Receipt, roster: Roster) -> tuple[PublicKey, ...]:
    """The keys that sign whatever its filer says. `roster` is the one that the receipt names.

    Raises RosterRefusedError unless the filer may file on this ground. Whoever holds an opening may dispute. An audit
    can end in UNANSWERED, a charge against the operator, so only the operator itself may leave an opening out of one:
    docs/decisions/0010.
    """
    match filing.ground:
        case Ground.DISPUTE:
            return (filing.signing,)
        case Ground.AUDIT:
            _, executor = roster.member_as(receipt.executor, OrganisationRole.OPERATOR)
            if filing.signing != executor.signing:
                raise RosterRefusedError(
                    f"an audit of this receipt is filed by node {executor.name!r}, which issued it, and by nobody else",
                    advice="ask the operator to file it, or file a dispute",
                )
            return roster.keys_of(executor)


def open_filing(envelope: Envelope, receipt: Receipt, roster: Roster) -> Signed[Filing]:
    """Verify that who may file it signed a filing. Raises RosterRefusedError, SignatureRefusedError."""
    filing = envelope.parse(Filing)
    roster.member_as(filing.docket, OrganisationRole.DOCKET)
    return open_signed(envelope, Filing, filer_keys(filing, receipt, roster))


def open_case(envelope: Envelope, receipt: Receipt, roster: Roster) -> Signed[Case]:
    """Verify that a case may be opened on its filing, and that the docket of its filing opened it under this roster.

    What the filer signed does not travel with a case: that it did, the panel has seen (`consensus/proceeding.py`).
    """
    filer_keys(envelope.parse(Case).filing, receipt, roster)
    return open_docket_case(envelope, roster)


def open_docket_case(envelope: Envelope, roster: Roster) -> Signed[Case]:
    """Verify that a docket opened this case under this roster; whoever filed it. For charges against that docket."""
    case = envelope.parse(Case)
    if case.roster != roster.roster_id:
        raise RosterRefusedError(f"the case names another roster than epoch {roster.epoch} of {roster.name!r}")
    _, node = roster.member_as(case.filing.docket, OrganisationRole.DOCKET)
    return open_signed(envelope, Case, roster.keys_of(node))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A message that only one node can open."""

    KIND: ClassVar[str] = "sealed/v1"
    recipient: Digest
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Openings:
    """The opening for each panel member. Signed by the filer."""

    KIND: ClassVar[str] = "openings/v1"
    case: Digest
    sealed: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """The key of the output commitment for each panel member, given against a closed list of ballots."""

    KIND: ClassVar[str] = "release/v1"
    case: Digest
    ballots: Digest
    sealed: tuple[Sealed, ...]


@dataclass(frozen=True, slots=True)
class PanelOpening:
    """What a replayer is given before it votes: the input, never the output."""

    KIND: ClassVar[str] = "panel-opening/v1"
    input: bytes
    input_key: bytes
    panel_key: bytes

    def check(self, commitment: Commitment, panel_key: Digest) -> None:
        """Raises CommitmentBrokenError unless this is the input of the receipt and the key of the case."""
        if not commitment.opens_to(Role.INPUT, self.input, self.input_key):
            raise CommitmentBrokenError("the input is not the one that the receipt commits to")
        if key_digest(self.panel_key) != panel_key:
            raise CommitmentBrokenError("the panel key is not the one that the case names")


F = TypeVar("F", Openings, Release)


def open_by_filer(envelope: Envelope, cls: type[F], keys: Iterable[PublicKey], case: Digest) -> Signed[F]:
    """Verify that the filer of this case, with its `filer_keys`, signed these sealed messages; they belong to it."""
    signed = open_signed(envelope, cls, keys)
    if signed.document.case != case:
        raise SignatureRefusedError("sealed messages of another case")
    return signed
