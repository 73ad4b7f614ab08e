"""The tally: one pure function from verified documents to a verdict. Every replayer and every reader runs it.

1. A vote counts only if it is on the docket's list of votes, names this very case and opens its node's ballot,
   and if its node has one ballot and one vote on the lists. What does not count is set aside with its reason.
   Nothing that is not on a list moves the verdict, so that the verdict is the same for all who hold the lists.
2. Votes support each other if finding, answer and trace are equal. Support is counted in organisations; one
   whose own nodes contradict each other supports nothing.
3. A MISMATCH is never outvoted: beside a MATCH, or beside a MISMATCH with another answer, the case is CONTESTED.
4. UPHELD and REFUTED need the quorum's number of organisations behind one and the same answer and trace.
   UPHELD speaks for the operator: it needs, besides, the receipt's place in the log, where the roster names one.
5. Anything else is INCONCLUSIVE, or, where the operator owed an opening and a quorum never got it, UNANSWERED.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .ballot import Ballot, Finding, Reason, Vote, ballot_commitment, ballot_id, vote_id
from .case import Case, Ground, case_id
from .digest import Digest
from .dsse import Signed
from .inclusion import Place
from .lists import BallotList, VoteList
from .manifest import ExecutionClass
from .receipt import Receipt, receipt_id
from .roster import Organisation, OrganisationRole, Roster


class Verdict(StrEnum):
    """What a quorum says about a case."""

    UPHELD = "UPHELD"
    REFUTED = "REFUTED"
    CONTESTED = "CONTESTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    UNANSWERED = "UNANSWERED"


class SetAside(StrEnum):
    """Why a vote does not count."""

    NOT_ON_PANEL = "its organisation may not vote"
    LATE = "it is not on the closed list of votes"
    ANOTHER_MATTER = "it names another case, receipt, roster, model or list of ballots"
    NO_BALLOT = "its node has no ballot on the closed list of ballots"
    TWO_BALLOTS = "its node cast two ballots"
    TWO_VOTES = "its node signed two different votes"
    BALLOT_BROKEN = "it does not open its node's ballot"


@dataclass(frozen=True, slots=True)
class Matter:
    """What the votes are about: everything a vote must name."""

    roster: Roster
    receipt: Signed[Receipt]
    case: Signed[Case]
    ballots: BallotList
    place: Place | None  # None where the filing carries no proof of it

    @property
    def case_id(self) -> Digest:
        """The case's name."""
        return case_id(self.case.envelope)

    def is_subject_of(self, vote: Vote) -> bool:
        """Whether the vote is about this matter and no other."""
        return _named(vote) == self.names()

    def names(self) -> tuple[Digest | int | ExecutionClass, ...]:
        """What a vote must name, in the order of its fields. Takes digests of whole documents: ask once."""
        receipt = self.receipt.document
        return (
            self.case_id,
            receipt_id(self.receipt.envelope),
            self.roster.roster_id,
            self.roster.epoch,
            receipt.model,
            receipt.execution_class,
            self.ballots.list_id,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One vote in the tally."""

    organisation: str
    node: str
    vote: Vote
    set_aside: SetAside | None


@dataclass(frozen=True, slots=True)
class Tally:
    """The verdict, the answer and trace that a quorum agreed on (UPHELD and REFUTED only), and every vote.

    `votes` is the list over which the verdict was taken; `lines` may hold votes that are not on it, set aside.
    """

    votes: VoteList
    verdict: Verdict
    answer: Digest | None
    trace: Digest | None
    lines: tuple[Line, ...]

    @property
    def counted(self) -> tuple[Line, ...]:
        """The votes that count."""
        return tuple(line for line in self.lines if line.set_aside is None)


def tally(matter: Matter, listed: VoteList, ballots: Sequence[Signed[Ballot]], votes: Sequence[Signed[Vote]]) -> Tally:
    """Judge a case. Ballots and votes must have had their signatures verified; nothing else is assumed."""
    names, on_ballots, on_votes = matter.names(), frozenset(matter.ballots.ballots), frozenset(listed.votes)
    ballots_of = _by_node(signed for signed in ballots if ballot_id(signed.envelope) in on_ballots)
    votes_of = _by_node(votes)
    lines = []
    for node_id in sorted(votes_of):
        distinct = {signed.envelope.payload: signed for signed in votes_of[node_id]}
        in_time = {payload for payload, signed in distinct.items() if vote_id(signed.envelope) in on_votes}
        organisation, node = matter.roster.member(node_id)
        for payload in sorted(distinct):
            vote = distinct[payload].document
            why: SetAside | None = SetAside.LATE
            if payload in in_time:
                why = _set_aside(names, organisation, vote, ballots_of.get(node_id, []), len(in_time))
            lines.append(Line(organisation.name, node.name, vote, why))
    counted = [line for line in lines if line.set_aside is None]
    verdict, answer, trace = _verdict(counted, matter.roster.quorum, matter.case.document.filing.ground)
    if verdict is Verdict.UPHELD and matter.roster.log is not None and matter.place is None:
        verdict, answer, trace = Verdict.INCONCLUSIVE, None, None
    return Tally(listed, verdict, answer, trace, tuple(lines))


def _named(vote: Vote) -> tuple[object, ...]:
    return (vote.case, vote.receipt, vote.roster, vote.epoch, vote.model, vote.execution_class, vote.ballots)


def _by_node(documents: Iterable[Signed[Ballot]] | Iterable[Signed[Vote]]) -> Mapping[Digest, list[Signed]]:  # type: ignore[type-arg]
    found: dict[Digest, list[Signed]] = defaultdict(list)  # type: ignore[type-arg]
    for signed in documents:
        found[signed.document.node].append(signed)
    return found


def _set_aside(
    names: tuple[object, ...], organisation: Organisation, vote: Vote, ballots: Sequence[Signed[Ballot]], votes: int
) -> SetAside | None:
    if organisation.role is not OrganisationRole.REPLAYER:
        return SetAside.NOT_ON_PANEL
    if _named(vote) != names:
        return SetAside.ANOTHER_MATTER
    if votes > 1:
        return SetAside.TWO_VOTES
    commitments = {signed.document.commitment for signed in ballots if signed.document.case == vote.case}
    if not commitments:
        return SetAside.NO_BALLOT
    if len(commitments) > 1:
        return SetAside.TWO_BALLOTS
    if commitments != {ballot_commitment(vote.case, vote.node, vote.result)}:
        return SetAside.BALLOT_BROKEN
    return None


def _verdict(counted: Sequence[Line], quorum: int, ground: Ground) -> tuple[Verdict, Digest | None, Digest | None]:
    matches = _support(counted, Finding.MATCH)
    mismatches = _support(counted, Finding.MISMATCH)
    if mismatches and (matches or len({answer for answer, _ in mismatches}) > 1):
        return Verdict.CONTESTED, None, None
    for verdict, support in ((Verdict.UPHELD, matches), (Verdict.REFUTED, mismatches)):
        for (answer, trace), organisations in support.items():
            if len(organisations) >= quorum:  # at most one group can: the quorum is more than half
                return verdict, answer, trace
    unanswered = {line.organisation for line in counted if line.vote.reason is Reason.UNANSWERED}
    if ground is Ground.AUDIT and len(unanswered) >= quorum:
        return Verdict.UNANSWERED, None, None
    return Verdict.INCONCLUSIVE, None, None


def _support(counted: Sequence[Line], finding: Finding) -> Mapping[tuple[Digest | None, Digest | None], set[str]]:
    groups: dict[tuple[Digest | None, Digest | None], set[str]] = defaultdict(set)
    for line in counted:
        if line.vote.finding is finding:
            groups[line.vote.result.answer, line.vote.result.trace].add(line.organisation)
    supporters = Counter(name for organisations in groups.values() for name in organisations)
    # A group that loses its last supporter stays: its MISMATCH was found, and is not outvoted.
    return {key: {name for name in names if supporters[name] == 1} for key, names in groups.items()}
