"""Keepers of a docket with habits of their own, each holding the docket's true key. For simulations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from reperform.consensus.docket import Docket, Slot
from reperform.consensus.proceeding import Proceeding, collect
from reperform.evidence.ballot import ballot_id, vote_id
from reperform.evidence.digest import Digest
from reperform.evidence.dsse import Envelope
from reperform.evidence.errors import ReperformError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.lists import BallotList, VoteList
from reperform.evidence.roster import Roster


class Crook:
    """Acts when it likes, on what it sees, for one filing."""

    def __init__(self, docket: Docket, keys: KeyRing, roster: Roster, filing: Digest, random: Random) -> None:
        self._docket = docket
        self._keys = keys
        self._roster = roster
        self._filing = filing
        self.random = random
        self._left = random.randint(1, 3)  # how often it does something

    def step(self, now: int) -> None:
        """Look, and perhaps do something."""
        try:
            proceeding = collect(self._docket, self._filing, [self._roster])
            if proceeding.case is not None and self._left and self.random.random() < 0.3 and self.act(proceeding, now):
                self._left -= 1
        except ReperformError:
            pass  # it is in no hurry

    def act(self, proceeding: Proceeding, now: int) -> bool:
        """Do it, if it can be done now."""
        raise NotImplementedError

    def sign(self, slot: Slot, document: BallotList | VoteList) -> bool:
        """Post a list."""
        self._docket.post(self._filing, {slot: Envelope.sign(document, self._keys.signers)})
        return True

    def some(self, names: Sequence[Digest]) -> tuple[Digest, ...]:
        """Those that it likes."""
        return tuple(sorted(self.random.sample(names, self.random.randint(0, len(names)))))


class HastyBallots(Crook):
    """Closes the ballots when it likes, over those that it likes, and perhaps again."""

    def act(self, proceeding: Proceeding, now: int) -> bool:
        cast = [ballot_id(signed.envelope) for signed in proceeding.ballots]
        return self.sign(Slot.BALLOT_LIST, BallotList(proceeding.case_id, self.some(cast), now))


class HastyVotes(Crook):
    """Closes the votes when it likes, over those that it likes, dated as it likes, and perhaps again."""

    def act(self, proceeding: Proceeding, now: int) -> bool:
        if proceeding.case is None or proceeding.ballot_list is None:
            return False
        limits = proceeding.case.document.deadlines
        closed = self.random.choice([now, now, limits.votes + 1, limits.attestation])
        votes = self.some([vote_id(signed.envelope) for signed in proceeding.votes])
        ballots = proceeding.ballot_list.document.list_id
        return self.sign(Slot.VOTE_LIST, VoteList(proceeding.case_id, ballots, votes, closed))


class DropsDissent(Crook):
    """Closes the votes once, after the deadline, without those that contradict the most."""

    def act(self, proceeding: Proceeding, now: int) -> bool:
        case, ballots, votes = proceeding.case, proceeding.ballot_list, proceeding.votes
        if case is None or ballots is None or not votes or now <= case.document.deadlines.votes:
            return False
        findings = [signed.document.finding for signed in votes]
        liked = max(sorted(set(findings)), key=findings.count)
        kept = sorted(vote_id(signed.envelope) for signed in votes if signed.document.finding is liked)
        self._left = 1
        closed = VoteList(proceeding.case_id, ballots.document.list_id, tuple(kept), now)
        return self.sign(Slot.VOTE_LIST, closed)


CROOKS: Sequence[Callable[[Docket, KeyRing, Roster, Digest, Random], Crook]] = (HastyBallots, HastyVotes, DropsDissent)
