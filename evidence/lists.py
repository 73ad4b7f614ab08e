"""The two lists that a docket closes: the ballots of a case, then its votes.

What is on a list is decided once, by one signature, and is the same for everybody who holds the list: so all
who tally the same lists reach the same verdict, whatever else they saw and whenever they saw it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from .case import Case, case_id
from .digest import Digest, Domain, digest
from .documents import to_bytes
from .dsse import Envelope, Signed, open_signed
from .encoding import MalformedError
from .roster import OrganisationRole, Roster
from .times import check_range


@dataclass(frozen=True, slots=True)
class BallotList:
    """The ballots that were in when the docket closed the list, sorted by digest. Signed by the docket.

    `closed` is the docket's clock in milliseconds since 1970.
    """

    KIND: ClassVar[str] = "ballot-list/v1"
    case: Digest
    ballots: tuple[Digest, ...]
    closed: int

    def __post_init__(self) -> None:
        _check_sorted("ballots", self.ballots)
        check_range(self.closed)

    @property
    def list_id(self) -> Digest:
        """How votes name this list."""
        return digest(Domain.BALLOTS, to_bytes(self))

    def check(self, case: Signed[Case]) -> None:
        """Raises MalformedError unless the list is of this case, and was closed in its time."""
        if self.case != case_id(case.envelope):
            raise MalformedError("the list of ballots belongs to another case")
        if not case.document.opened <= self.closed <= case.document.deadlines.attestation:
            raise MalformedError("the list of ballots was closed before the case was opened, or after its end")


@dataclass(frozen=True, slots=True)
class VoteList:
    """The votes that were in when the docket closed the list, sorted by digest. Signed by the docket.

    `ballots` names the list of ballots that they open; `closed` is the docket's clock in milliseconds since 1970.
    """

    KIND: ClassVar[str] = "vote-list/v1"
    case: Digest
    ballots: Digest
    votes: tuple[Digest, ...]
    closed: int

    def __post_init__(self) -> None:
        _check_sorted("votes", self.votes)
        check_range(self.closed)

    @property
    def list_id(self) -> Digest:
        """How attestations name this list."""
        return digest(Domain.VOTES, to_bytes(self))

    def check(self, case: Signed[Case], ballots: BallotList) -> None:
        """Raises MalformedError unless the list is over these ballots of this case, and was closed in its time."""
        if self.case != case_id(case.envelope):
            raise MalformedError("the list of votes belongs to another case")
        if self.ballots != ballots.list_id:
            raise MalformedError("the list of votes is over another list of ballots")
        if not ballots.closed <= self.closed <= case.document.deadlines.attestation:
            raise MalformedError("the list of votes was closed before the ballots were, or after the case's end")

    def check_waited(self, case: Case, silent: Collection[Digest]) -> None:
        """Raises MalformedError if the list was closed before the votes' deadline without waiting for somebody.

        `silent` are the nodes with a listed ballot and no listed vote. A docket that need not wait for them could
        close the list between the votes that it likes and a dissent that is on its way.
        """
        if silent and self.closed <= case.deadlines.votes:
            raise MalformedError(f"the list of votes was closed while {len(silent)} with a ballot had time to vote")


L = TypeVar("L", BallotList, VoteList)


def open_list(envelope: Envelope, cls: type[L], case: Case, roster: Roster) -> Signed[L]:
    """Verify that the docket of a case closed this list."""
    _, node = roster.member_as(case.filing.docket, OrganisationRole.DOCKET)
    return open_signed(envelope, cls, roster.keys_of(node))


def _check_sorted(what: str, names: tuple[Digest, ...]) -> None:
    if list(names) != sorted(set(names)):
        raise MalformedError(f"a list of {what} names each once, sorted")
