"""What an audit will do, said before anybody knows what will be drawn: the plan, and the nonces that it waits for.

The lead signs a plan. Each auditor commits to a nonce under it. Both go into the operator's log as one entry, the
announcement: so nobody can run several audits and show the one that came out well, and the order of what follows is
shown by the log, not by clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import ClassVar, Final

from ..digest import Digest, Domain, digest
from ..dsse import Envelope, Signed, open_signed
from ..encoding import MalformedError
from ..roster import Node, OrganisationRole, Roster, RosterRefusedError, named_roster
from ..times import check_range
from ..values import parse_canonical
from .strata import Strata

NONCE_BYTES: Final = 32
MAX_AUDITORS: Final = 8  # an announcement is an entry of a log: at most 65,535 bytes, with ML-DSA-44 too
MAX_NAME: Final = 200  # characters
MAX_EXPECTED: Final = 1000
# A stratum is drawn from before it is counted; from here on none needs more than one without end (attributes.py).
LEAST_CONFIDENCE: Final = Fraction(3, 4)
AUDITORS: Final = frozenset((OrganisationRole.AUDITOR, OrganisationRole.REPLAYER))


class Examination(StrEnum):
    """Who runs what was drawn again."""

    PANEL = "panel"  # every item becomes a case for the roster's panel
    POOL = "pool"  # the lead's own organisation


@dataclass(frozen=True, slots=True)
class Plan:
    """An audit of the decisions among the log's entries from `first` up to `end`, or up to the frozen checkpoint.

    `rate` is the tolerable rate of deviations and `confidence` the assurance that there are fewer, in shortest decimal
    text between 0 and 1; `expected` is how many deviations in the sample shall not defeat it. `beacon` names a public
    value that goes into the seed, if any; it must not be known yet. Times are milliseconds since 1970.
    """

    KIND: ClassVar[str] = "audit-plan/v1"
    name: str
    roster: Digest
    lead: Digest
    auditors: tuple[Digest, ...]
    origin: str
    first: int
    end: int | None
    rate: str
    confidence: str
    expected: int
    strata: Strata | None
    examination: Examination
    beacon: str | None
    created: int
    reveal_by: int
    answer_by: int

    def __post_init__(self) -> None:
        for text in (self.name, *([] if self.beacon is None else [self.beacon])):
            if not 0 < len(text) <= MAX_NAME or not text.isprintable():
                raise MalformedError(f"the name of an audit or a beacon has 1 to {MAX_NAME} characters on one line")
        if list(self.auditors) != sorted(set(self.auditors)) or len(self.auditors) > MAX_AUDITORS:
            raise MalformedError(f"an audit has up to {MAX_AUDITORS} auditors, in the order of their ids")
        if self.lead not in self.auditors:
            raise MalformedError("the lead of an audit is one of its auditors")
        if self.first < 0 or (self.end is not None and self.end <= self.first):
            raise MalformedError("an audit is about entries from `first` up to `end`")
        for fraction in (self.tolerable, self.assurance):
            if not 0 < fraction < 1:
                raise MalformedError("rate and confidence lie between 0 and 1", advice="write 5 % as 0.05")
        if self.assurance < LEAST_CONFIDENCE:
            raise MalformedError(f"a confidence of less than {float(LEAST_CONFIDENCE)} assures of nothing")
        if not 0 <= self.expected <= MAX_EXPECTED:
            raise MalformedError(f"an audit expects 0 to {MAX_EXPECTED} deviations")
        if not 0 <= self.created < self.reveal_by < self.answer_by:
            raise MalformedError("a plan's deadlines follow one another")
        check_range(self.answer_by)

    @property
    def tolerable(self) -> Fraction:
        """The tolerable rate of deviations, exactly."""
        return _fraction(self.rate)

    @property
    def assurance(self) -> Fraction:
        """The confidence, exactly."""
        return _fraction(self.confidence)


def _fraction(text: str) -> Fraction:
    parse_canonical(text)
    return Fraction(text)


@dataclass(frozen=True, slots=True)
class NonceCommitment:
    """An auditor's nonce, hidden. Signed by that auditor."""

    KIND: ClassVar[str] = "audit-nonce/v1"
    plan: Digest
    node: Digest
    commitment: Digest


@dataclass(frozen=True, slots=True)
class Announcement:
    """A plan and every auditor's commitment, in the order of the auditors. Signed by the lead; an entry of the log."""

    KIND: ClassVar[str] = "audit-announcement/v1"
    plan: Envelope
    commitments: tuple[Envelope, ...]


def plan_id(envelope: Envelope) -> Digest:
    """How documents name a plan: the digest of its signed bytes."""
    return digest(Domain.AUDIT_PLAN, envelope.payload)


def announcement_id(envelope: Envelope) -> Digest:
    """How documents name an announcement."""
    return digest(Domain.AUDIT_ANNOUNCEMENT, envelope.payload)


def commit_nonce(plan: Digest, node: Digest, nonce: bytes) -> Digest:
    """The commitment to a nonce of 32 random bytes. It binds plan and auditor: nobody can repeat another's."""
    if len(nonce) != NONCE_BYTES:
        raise MalformedError(f"a nonce of {len(nonce)} bytes, expected {NONCE_BYTES}")
    return digest(Domain.AUDIT_NONCE, plan.value + node.value + nonce)


def auditor(node_id: Digest, roster: Roster) -> Node:
    """The node of an organisation that may audit. Raises RosterRefusedError."""
    organisation, node = roster.member(node_id)
    if organisation.role not in AUDITORS:
        raise RosterRefusedError(
            f"{organisation.name!r} is {organisation.role} on the roster, and does not audit",
            advice="auditors and replayers audit",
        )
    return node


def open_plan(envelope: Envelope, roster: Roster) -> Signed[Plan]:
    """Verify that the lead signed a plan for the log of this roster, and that all its auditors may audit."""
    plan = envelope.parse(Plan)
    if plan.roster != roster.roster_id:
        raise RosterRefusedError(f"the plan names another roster than epoch {roster.epoch} of {roster.name!r}")
    if roster.log is None or roster.log.origin != plan.origin:
        raise RosterRefusedError(f"{plan.origin[:80]!r} is not the log of epoch {roster.epoch} of {roster.name!r}")
    for name in plan.auditors:
        auditor(name, roster)
    roster.check_time(plan.created)
    return open_signed(envelope, Plan, roster.keys_of(auditor(plan.lead, roster)))


@dataclass(frozen=True, slots=True)
class Announced:
    """An announcement that was verified: the plan with its id, and each auditor's commitment."""

    plan: Plan
    plan_id: Digest
    announcement: Digest
    roster: Roster
    lead: Node
    commitments: tuple[NonceCommitment, ...]


def open_announcement(envelope: Envelope, rosters: Sequence[Roster]) -> Announced:
    """Verify a plan and its commitments under the roster that the plan names. Raises ReperformError."""
    announcement = envelope.parse(Announcement)
    roster = named_roster(rosters, announcement.plan.parse(Plan).roster)
    plan, name = open_plan(announcement.plan, roster).document, plan_id(announcement.plan)
    lead = auditor(plan.lead, roster)
    open_signed(envelope, Announcement, roster.keys_of(lead))
    commitments = tuple(open_commitment(each, name, roster) for each in announcement.commitments)
    if tuple(commitment.node for commitment in commitments) != plan.auditors:
        raise MalformedError("an announcement has one commitment of each auditor, in their order")
    return Announced(plan, name, announcement_id(envelope), roster, lead, commitments)


def open_commitment(envelope: Envelope, plan: Digest, roster: Roster) -> NonceCommitment:
    """Verify that an auditor committed to a nonce under this plan."""
    commitment = envelope.parse(NonceCommitment)
    if commitment.plan != plan:
        raise MalformedError("a nonce is committed under another plan")
    return open_signed(envelope, NonceCommitment, roster.keys_of(auditor(commitment.node, roster))).document
