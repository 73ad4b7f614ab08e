"""The docket's keeper: opens cases on valid filings, closes the ballots, closes the votes. It decides nothing else."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from ..evidence.ballot import ballot_id, vote_id
from ..evidence.case import CHALLENGE_BYTES, Case, Deadlines
from ..evidence.digest import Digest
from ..evidence.dsse import Envelope
from ..evidence.keyfile import KeyRing
from ..evidence.lists import BallotList, VoteList
from ..evidence.roster import OrganisationRole, Roster, check_serves
from .agenda import Agenda
from .docket import Docket, Slot
from .proceeding import Phase, Proceeding, phase

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long (milliseconds) each step may take, counted from the end of the step before."""

    openings: int
    ballots: int
    release: int
    votes: int
    attestation: int

    def deadlines(self, opened: int) -> Deadlines:
        """The deadlines of a case that is opened now."""
        openings = opened + self.openings
        ballots = openings + self.ballots
        release = ballots + self.release
        votes = release + self.votes
        return Deadlines(openings, ballots, release, votes, votes + self.attestation)


class Keeper:
    """Moves every proceeding on a docket as far as it can be moved now."""

    def __init__(self, docket: Docket, keys: KeyRing, rosters: Sequence[Roster], patience: Patience) -> None:
        self._docket = docket
        self._keys = keys
        self._patience = patience
        self._id = keys.signing.public.key_id
        self._agenda = Agenda(docket, rosters)
        check_serves(rosters, keys, OrganisationRole.DOCKET)  # at the start, not at the first filing

    def step(self, now: int) -> tuple[tuple[Digest, str], ...]:
        """One round. Returns what could not be taken up, and why. Raises DocketError."""
        return self._agenda.take_up(lambda proceeding: self._advance(proceeding, now), now)

    def _advance(self, proceeding: Proceeding, now: int) -> None:
        if proceeding.filing.document.docket != self._id:
            return  # filed with another docket of this roster
        case, ballots = proceeding.case, proceeding.ballot_list
        match phase(proceeding, now):
            case Phase.FILED if Slot.CASE not in proceeding.taken:
                self._post(proceeding, Slot.CASE, self._case(proceeding, now))
            case Phase.COMMITTING if case is not None and Slot.BALLOT_LIST not in proceeding.taken:
                # A clock that was set back waits: a list from before the case was opened would be refused.
                if now >= case.document.opened and (_complete(proceeding) or now > case.document.deadlines.ballots):
                    self._post(proceeding, Slot.BALLOT_LIST, self._ballot_list(proceeding, now))
            case Phase.REVEALING if case is not None and ballots is not None and Slot.VOTE_LIST not in proceeding.taken:
                everybody = not proceeding.outstanding()
                if now >= ballots.document.closed and (everybody or now > case.document.deadlines.votes):
                    self._post(proceeding, Slot.VOTE_LIST, self._vote_list(proceeding, now))
            case _:
                pass  # it is others' turn

    def _case(self, proceeding: Proceeding, now: int) -> Case:
        return Case(
            filing=proceeding.filing.document,
            roster=proceeding.roster.roster_id,
            challenge=secrets.token_bytes(CHALLENGE_BYTES),
            opened=now,
            deadlines=self._patience.deadlines(now),
        )

    def _ballot_list(self, proceeding: Proceeding, now: int) -> BallotList:
        ballots = tuple(sorted(ballot_id(signed.envelope) for signed in proceeding.ballots))
        return BallotList(proceeding.case_id, ballots, now)

    def _vote_list(self, proceeding: Proceeding, now: int) -> VoteList:
        """Every vote that its author signed, whether or not it will count: that is the tally's to say."""
        votes = tuple(sorted(vote_id(signed.envelope) for signed in proceeding.votes))
        return VoteList(proceeding.case_id, proceeding.matter().ballots.list_id, votes, now)

    def _post(self, proceeding: Proceeding, slot: Slot, document: Case | BallotList | VoteList) -> None:
        self._docket.post(proceeding.filing_id, {slot: Envelope.sign(document, proceeding.roster.signers(self._keys))})
        log.info("filing %s: posted %s", proceeding.filing_id.short(), slot)


def _complete(proceeding: Proceeding) -> bool:
    panel = {node.node_id for node in proceeding.panel}
    return panel <= {signed.document.node for signed in proceeding.ballots}
