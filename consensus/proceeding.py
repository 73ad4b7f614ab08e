"""A proceeding: what the documents posted about one filing amount to. Pure; time is an argument.

`assemble` believes nothing that it cannot verify against the rosters; what it refuses it lists with the cause.
Documents are named by their signed bytes, so two envelopes with the same payload are one document.
`phase` reads the state of the proceeding from the verified documents and the time. There is no other state:
whoever holds the same documents is in the same phase.

    filed → opened → committing → revealing → attesting → closed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TypeVar

from ..evidence.ballot import Ballot, Vote, ballot_id, open_by_replayer, silent, vote_id
from ..evidence.case import (
    Case,
    Filing,
    Openings,
    Release,
    case_id,
    filer_keys,
    filing_id,
    open_by_filer,
    open_case,
    open_filing,
)
from ..evidence.digest import Digest
from ..evidence.dsse import Envelope, Signed
from ..evidence.encoding import MalformedError
from ..evidence.errors import ReperformError
from ..evidence.inclusion import Place, open_inclusion
from ..evidence.lists import BallotList, VoteList, open_list
from ..evidence.receipt import Receipt, open_receipt, receipt_id
from ..evidence.revocation import check_not_revoked, in_effect, revoked
from ..evidence.roster import Node, Revocation, Roster, named_roster
from ..evidence.tally import Matter, Tally, tally
from .docket import Docket, Slot


class Phase(StrEnum):
    """Where a proceeding stands."""

    FILED = "filed"  # the docket has not opened a case
    OPENED = "opened"  # the filer owes the openings
    COMMITTING = "committing"  # replayers owe their ballots
    REVEALING = "revealing"  # the filer owes the output's key, replayers their votes, the docket their list
    ATTESTING = "attesting"  # replayers owe their signatures
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Refused:
    """A posted document that counts for nothing, and why."""

    slot: Slot
    cause: str


@dataclass(frozen=True, slots=True)
class Proceeding:
    """The verified documents of one filing.

    `taken` are the slots of one author in which that author has spoken, whether or not its words can stand:
    to fill them again would only contradict what is there.
    """

    filing_id: Digest
    filing: Signed[Filing]
    receipt: Signed[Receipt]
    roster: Roster
    place: Place | None  # of the receipt in the log; None where the filing does not prove it
    panel: tuple[Node, ...]  # those of the roster whose keys are not revoked for this receipt
    case: Signed[Case] | None
    openings: Signed[Openings] | None
    ballots: tuple[Signed[Ballot], ...]
    ballot_list: Signed[BallotList] | None
    release: Signed[Release] | None
    votes: tuple[Signed[Vote], ...]
    vote_list: Signed[VoteList] | None
    attestations: tuple[Envelope, ...]
    summaries: tuple[Envelope, ...]
    refused: tuple[Refused, ...]
    taken: frozenset[Slot]

    @property
    def case_id(self) -> Digest:
        """The case's name. Raises MalformedError while there is none."""
        if self.case is None:
            raise MalformedError("the docket has not opened a case on this filing")
        return case_id(self.case.envelope)

    def matter(self) -> Matter:
        """What the votes are about. Raises MalformedError before the ballots are closed."""
        if self.case is None or self.ballot_list is None:
            raise MalformedError("the ballots of this case are not closed")
        return Matter(self.roster, self.receipt, self.case, self.ballot_list.document, self.place)

    def listed_ballots(self) -> tuple[Signed[Ballot], ...]:
        """The ballots on the closed list; none while it is not closed."""
        listed = () if self.ballot_list is None else self.ballot_list.document.ballots
        return tuple(signed for signed in self.ballots if ballot_id(signed.envelope) in listed)

    def listed_votes(self) -> tuple[Signed[Vote], ...]:
        """The votes on the closed list; none while it is not closed."""
        listed = () if self.vote_list is None else self.vote_list.document.votes
        return tuple(signed for signed in self.votes if vote_id(signed.envelope) in listed)

    def outstanding(self) -> frozenset[Digest]:
        """The nodes with a listed ballot that have not voted, as far as is known here."""
        return silent(self.listed_ballots(), self.votes)

    def tally(self) -> Tally:
        """The tally of the votes on the list. Raises MalformedError before it is closed."""
        if self.vote_list is None:
            raise MalformedError("the votes of this case are not closed")
        return tally(self.matter(), self.vote_list.document, self.ballots, self.votes)


def phase(proceeding: Proceeding, now: int) -> Phase:
    """The state of a proceeding at `now` (milliseconds since 1970)."""
    if proceeding.case is None:
        return Phase.FILED
    deadlines = proceeding.case.document.deadlines
    if now > deadlines.attestation:
        return Phase.CLOSED
    if proceeding.ballot_list is None:
        answered = proceeding.openings is not None or now > deadlines.openings
        return Phase.COMMITTING if answered else Phase.OPENED
    return Phase.REVEALING if proceeding.vote_list is None else Phase.ATTESTING


S = TypeVar("S")
C = TypeVar("C", Ballot, BallotList, Vote, VoteList)


def collect(docket: Docket, filing: Digest, rosters: Sequence[Roster]) -> Proceeding:
    """Read and verify everything posted about a filing. Raises ReperformError if it is no valid filing."""
    return assemble(filing, docket.read(filing), rosters)


def assemble(filing: Digest, posted: Mapping[Slot, Sequence[Envelope]], rosters: Sequence[Roster]) -> Proceeding:
    """Verify documents. Raises ReperformError unless filing and receipt are valid; the rest may be junk."""
    sieve = _Sieve(posted)
    request = _request(posted, filing)
    issued = sieve.only(Slot.RECEIPT, partial(_open_receipt, filing=request, rosters=rosters))
    if issued is None:
        raise MalformedError(f"filing {filing.short()} has no valid receipt: {sieve.cause(Slot.RECEIPT)}")
    receipt, roster = issued
    keys = filer_keys(request, receipt.document, roster)
    opened_filing = sieve.only(Slot.FILING, partial(_open_filing, name=filing, receipt=receipt.document, roster=roster))
    if opened_filing is None:
        raise MalformedError(f"{filing.short()} is not a valid filing: {sieve.cause(Slot.FILING)}")
    place = None if request.inclusion is None else open_inclusion(request.inclusion, receipt, rosters)
    gone = in_effect(revoked(rosters), None if place is None else place.index)
    panel = tuple(node for node in roster.panel() if node.node_id not in gone)
    start = Proceeding(
        filing_id=filing, filing=opened_filing, receipt=receipt, roster=roster, place=place, panel=panel, case=None,
        openings=None,
        ballots=(), ballot_list=None, release=None, votes=(), vote_list=None, attestations=(), summaries=(),
        refused=(), taken=frozenset(),
    )  # fmt: skip
    case = sieve.only(Slot.CASE, partial(_open_case, filing=request, receipt=receipt.document, roster=roster))
    if case is None:
        return replace(start, refused=sieve.refused, taken=sieve.taken)
    name = case_id(case.envelope)
    opened = replace(
        start,
        case=case,
        openings=sieve.only(Slot.OPENINGS, lambda e: open_by_filer(e, Openings, keys, name)),
        ballots=sieve.every(Slot.BALLOT, lambda e: _by_panel(open_by_replayer(e, Ballot, roster), name, gone)),
        release=sieve.only(Slot.RELEASE, lambda e: open_by_filer(e, Release, keys, name)),
        votes=sieve.every(Slot.VOTE, lambda e: _by_panel(open_by_replayer(e, Vote, roster), name, gone)),
    )
    ballots_closed = sieve.standing(
        Slot.BALLOT_LIST,
        lambda e: replace(opened, ballot_list=_of_case(open_list(e, BallotList, case.document, roster), name)),
        _check_ballot_list,
    )
    votes_closed = sieve.standing(
        Slot.VOTE_LIST,
        lambda e: replace(
            ballots_closed or opened, vote_list=_of_case(open_list(e, VoteList, case.document, roster), name)
        ),
        _check_vote_list,
    )
    return replace(
        votes_closed or ballots_closed or opened,
        attestations=tuple(posted.get(Slot.ATTESTATION, ())),
        summaries=tuple(posted.get(Slot.SUMMARY, ())),
        refused=sieve.refused,
        taken=sieve.taken,
    )


class _Sieve:
    """Keeps the documents that open, and the causes of those that do not."""

    def __init__(self, posted: Mapping[Slot, Sequence[Envelope]]) -> None:
        self._posted = posted
        self._refused: list[Refused] = []
        self._taken: set[Slot] = set()

    @property
    def refused(self) -> tuple[Refused, ...]:
        return tuple(self._refused)

    @property
    def taken(self) -> frozenset[Slot]:
        return frozenset(self._taken)

    def refuse(self, slot: Slot, cause: str) -> None:
        self._refused.append(Refused(slot, cause))

    def cause(self, slot: Slot) -> str:
        return next((refused.cause for refused in self._refused if refused.slot is slot), "it was not posted")

    def every(self, slot: Slot, opened: Callable[[Envelope], S]) -> tuple[S, ...]:
        found: dict[bytes, S] = {}
        for envelope in self._posted.get(slot, ()):
            try:
                found.setdefault(envelope.payload, opened(envelope))
            except ReperformError as error:
                self.refuse(slot, str(error))
        return tuple(found.values())

    def only(self, slot: Slot, opened: Callable[[Envelope], S]) -> S | None:
        """For slots that one author fills once: two valid documents contradict each other, and neither stands."""
        found = self.every(slot, opened)
        if found:
            self._taken.add(slot)
        if len(found) > 1:
            self.refuse(slot, f"{len(found)} valid documents that contradict each other")
            return None
        return found[0] if found else None

    def standing(self, slot: Slot, opened: Callable[[Envelope], S], check: Callable[[S], None]) -> S | None:
        """For what an author says once, and what stands only if it fits what else was posted."""
        found = self.only(slot, opened)
        try:
            if found is not None:
                check(found)
        except ReperformError as error:
            self.refuse(slot, str(error))
            return None
        return found


def _request(posted: Mapping[Slot, Sequence[Envelope]], name: Digest) -> Filing:
    """What the filing of this name says; whether it says it rightly follows from the receipt that it names."""
    sieve = _Sieve(posted)
    request = sieve.only(Slot.FILING, partial(_parse_filing, name=name))
    if request is None:
        raise MalformedError(f"{name.short()} is not a valid filing: {sieve.cause(Slot.FILING)}")
    return request


def _parse_filing(envelope: Envelope, name: Digest) -> Filing:
    if filing_id(envelope) != name:
        raise MalformedError("it stands under another filing's name")
    return envelope.parse(Filing)


def _open_filing(envelope: Envelope, name: Digest, receipt: Receipt, roster: Roster) -> Signed[Filing]:
    _parse_filing(envelope, name)
    return open_filing(envelope, receipt, roster)


def _open_receipt(envelope: Envelope, filing: Filing, rosters: Sequence[Roster]) -> tuple[Signed[Receipt], Roster]:
    if receipt_id(envelope) != filing.receipt:
        raise MalformedError("it is not the receipt that the filing names")
    roster = named_roster(rosters, envelope.parse(Receipt).roster)
    return open_receipt(envelope, roster), roster


def _open_case(envelope: Envelope, filing: Filing, receipt: Receipt, roster: Roster) -> Signed[Case]:
    signed = open_case(envelope, receipt, roster)
    if signed.document.filing != filing:
        raise MalformedError("it was opened on another filing")
    return signed


def _check_ballot_list(known: Proceeding) -> None:
    """Raises MalformedError unless the list is closed in time, over ballots that are at hand."""
    if known.case is None or known.ballot_list is None:
        raise MalformedError("there is no such list")
    known.ballot_list.document.check(known.case)
    if len(known.listed_ballots()) < len(known.ballot_list.document.ballots):
        raise MalformedError("it names ballots that are not at hand")


def _check_vote_list(known: Proceeding) -> None:
    """Raises MalformedError unless the list is closed in time, over votes that are at hand."""
    if known.case is None or known.ballot_list is None or known.vote_list is None:
        raise MalformedError("the ballots are not closed")
    listed = known.listed_votes()
    if len(listed) < len(known.vote_list.document.votes):
        raise MalformedError("it names votes that are not at hand")
    closed = known.vote_list.document
    closed.check(known.case, known.ballot_list.document)
    closed.check_waited(known.case.document, silent(known.listed_ballots(), listed))


def _of_case(signed: Signed[C], case: Digest) -> Signed[C]:
    if signed.document.case != case:
        raise MalformedError("it belongs to another case")
    return signed


V = TypeVar("V", Ballot, Vote)


def _by_panel(signed: Signed[V], case: Digest, gone: Mapping[Digest, Revocation]) -> Signed[V]:
    check_not_revoked(signed.document.node, gone)
    return _of_case(signed, case)
