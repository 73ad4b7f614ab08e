"""The documents of a case, sorted out of a heap of anybody's: what verifies, by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .ballot import Ballot, Vote, ballot_id, open_by_replayer, vote_id
from .case import Case, Filing, case_id, filer_keys, open_docket_case
from .digest import Digest
from .documents import to_bytes
from .dsse import Envelope, Signed
from .errors import ReperformError
from .inclusion import Place, open_inclusion
from .lists import BallotList, VoteList, open_list
from .receipt import Receipt, open_receipt, receipt_id
from .roster import Roster, named_roster

D = TypeVar("D", Ballot, Vote, BallotList, VoteList)
S = TypeVar("S", bound=Signed[Any])


@dataclass(frozen=True, slots=True)
class Papers:
    """The verified documents of one case, each payload once, in the order of their bytes."""

    case: Signed[Case]
    roster: Roster
    receipt: Signed[Receipt] | None
    place: Place | None  # of the receipt in the log
    ballots: Sequence[Signed[Ballot]]
    votes: Sequence[Signed[Vote]]
    ballot_lists: Sequence[Signed[BallotList]]
    vote_lists: Sequence[Signed[VoteList]]
    everything: Sequence[Envelope]  # whatever there is, verified or not

    @property
    def case_id(self) -> Digest:
        """The case's name."""
        return case_id(self.case.envelope)

    @property
    def docket(self) -> Digest:
        """The node that closes this case's lists."""
        return self.case.document.filing.docket

    def listed(self, ballots: BallotList, votes: VoteList) -> tuple[list[Signed[Ballot]], list[Signed[Vote]]] | None:
        """Everything on these lists; None unless all of it is at hand."""
        cast = [signed for signed in self.ballots if ballot_id(signed.envelope) in ballots.ballots]
        said = [signed for signed in self.votes if vote_id(signed.envelope) in votes.votes]
        whole = (len(cast), len(said)) == (len(ballots.ballots), len(votes.votes))
        return (cast, said) if whole else None

    def closings(self) -> Iterator[tuple[Signed[BallotList], Signed[VoteList]]]:
        """Every list of votes with the list of ballots that it is over."""
        for votes in self.vote_lists:
            for ballots in self.ballot_lists:
                if votes.document.ballots == ballots.document.list_id:
                    yield ballots, votes


def sorted_out(documents: Iterable[Envelope], rosters: Sequence[Roster]) -> tuple[Papers, ...]:
    """The papers of every case that a docket of these rosters opened."""
    distinct = {to_bytes(envelope): envelope for envelope in documents}
    everything = [distinct[key] for key in sorted(distinct)]
    cases = _opened(everything, lambda envelope: open_docket_case(envelope, _roster(envelope, rosters)))
    found = (_papers(case, rosters, everything) for case in cases)
    return tuple(papers for papers in found if papers is not None)


def _roster(envelope: Envelope, rosters: Sequence[Roster]) -> Roster:
    return named_roster(rosters, envelope.parse(Case).roster)


def _papers(case: Signed[Case], rosters: Sequence[Roster], everything: Sequence[Envelope]) -> Papers | None:
    """None for a case whose filing nobody might make, or that does not hold what it claims: nobody is bound by it."""
    name, roster = case_id(case.envelope), named_roster(rosters, case.document.roster)

    def of_case(opened: Callable[[Envelope], Signed[D]]) -> list[Signed[D]]:
        return [signed for signed in _opened(everything, opened) if signed.document.case == name]

    receipts = _opened(everything, lambda envelope: open_receipt(envelope, roster))
    receipt = next((r for r in receipts if receipt_id(r.envelope) == case.document.filing.receipt), None)
    try:
        if receipt is not None:
            filer_keys(case.document.filing, receipt.document, roster)
        place = None if receipt is None else _place(case.document.filing, receipt, rosters)
    except ReperformError:
        return None
    return Papers(
        case=case,
        roster=roster,
        receipt=receipt,
        place=place,
        ballots=of_case(lambda envelope: open_by_replayer(envelope, Ballot, roster)),
        votes=of_case(lambda envelope: open_by_replayer(envelope, Vote, roster)),
        ballot_lists=of_case(lambda envelope: open_list(envelope, BallotList, case.document, roster)),
        vote_lists=of_case(lambda envelope: open_list(envelope, VoteList, case.document, roster)),
        everything=everything,
    )


def _place(filing: Filing, receipt: Signed[Receipt], rosters: Sequence[Roster]) -> Place | None:
    return None if filing.inclusion is None else open_inclusion(filing.inclusion, receipt, rosters)


def _opened(envelopes: Iterable[Envelope], opened: Callable[[Envelope], S]) -> list[S]:
    """Those that verify, each payload once."""
    found: dict[bytes, S] = {}
    for envelope in envelopes:
        try:
            found.setdefault(envelope.payload, opened(envelope))
        except ReperformError:
            continue  # what nobody signed proves nothing
    return list(found.values())
