"""A replayer node: computes blind, commits, votes, tallies, signs. One step at a time, and never twice.

Whatever others will see is in the notebook before it is posted, so a node may be killed at any moment and
goes on with the same words. So are the votes that it saw: what it knows of, no list may leave out.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ..consensus.agenda import Agenda
from ..consensus.docket import Docket, Slot
from ..consensus.proceeding import Phase, Proceeding, phase
from ..evidence.attestation import sign_statement, statement, summary
from ..evidence.ballot import (
    NONCE_BYTES,
    Ballot,
    Finding,
    Reason,
    Result,
    Vote,
    ballot_commitment,
    silent,
    vote_id,
)
from ..evidence.case import Case, PanelOpening, Sealed
from ..evidence.commitment import CommitmentBrokenError, Role, tag
from ..evidence.digest import Digest
from ..evidence.documents import from_bytes
from ..evidence.dsse import Envelope
from ..evidence.encoding import MalformedError
from ..evidence.keyfile import KeyRing
from ..evidence.receipt import receipt_id
from ..evidence.roster import OrganisationRole, Roster, check_serves
from ..evidence.sealing import Purpose, SealBrokenError, seal
from ..evidence.tally import Tally
from .notebook import Notebook, Page
from .replay import IndeterminateError, Replay

log = logging.getLogger(__name__)

# Honest parties' clocks agree to this (milliseconds; NTP keeps them far closer). A vote that was here by its deadline,
# less this, was there for any honest docket that closed the votes after the deadline.
CLOCKS: Final = 500


class Node:
    """One node of a replaying organisation, with one set of keys. Who changes them runs one beside the other."""

    def __init__(
        self,
        docket: Docket,
        keys: KeyRing,
        rosters: Sequence[Roster],
        notebook: Notebook,
        replay: Replay,
        *,
        noted: Callable[[Proceeding, int], None] = lambda _, __: None,
    ) -> None:
        """`noted` is told of every case of this node's that is looked at, and when. Raises RosterRefusedError."""
        self._docket = docket
        self._keys = keys
        self._notebook = notebook
        self._replay = replay
        self._noted = noted
        self._id = keys.signing.public.key_id
        self._agenda = Agenda(docket, rosters)
        self._declined: set[Digest] = set()  # cases whose verdict this node has said that it does not sign
        check_serves(rosters, keys, OrganisationRole.REPLAYER)  # at the start, not at the first case

    def step(self, now: int) -> tuple[tuple[Digest, str], ...]:
        """One round. Returns what could not be taken up, and why. Raises DocketError."""
        return self._agenda.take_up(lambda proceeding: self._advance(proceeding, now), now)

    def _advance(self, proceeding: Proceeding, now: int) -> None:
        case = proceeding.case
        if case is None:
            return
        # Rosters change: whoever judges is on the one that the receipt names. Other keys are for other epochs.
        if all(node.node_id != self._id for node in proceeding.panel):
            return
        self._noted(proceeding, now)
        match phase(proceeding, now):
            case Phase.COMMITTING:
                self._commit(proceeding, case.document, now)
            case Phase.REVEALING:
                self._vote(proceeding, case.document, now)
            case Phase.ATTESTING:
                self._attest(proceeding, case.document, now)
            case _:
                pass  # it is others' turn

    def _commit(self, proceeding: Proceeding, case: Case, now: int) -> None:
        if any(signed.document.node == self._id for signed in proceeding.ballots):
            return
        name = proceeding.case_id
        page = self._notebook.read(name)
        if page is None:
            page = self._examine(proceeding, case, now)
            if page is None:
                return  # the opening may still come
            self._notebook.write(page)
        ballot = Ballot(name, self._id, ballot_commitment(name, self._id, page.result))
        self._post(proceeding, {Slot.BALLOT: Envelope.sign(ballot, proceeding.roster.signers(self._keys))})

    def _examine(self, proceeding: Proceeding, case: Case, now: int) -> Page | None:
        """Replay the opening; None while it has not arrived and may still do so."""
        sealed = _for(self._id, () if proceeding.openings is None else proceeding.openings.document.sealed)
        nonce = secrets.token_bytes(NONCE_BYTES)
        blank = Page(
            proceeding.case_id, case.deadlines.attestation, Result(None, None, nonce), None, b"", None, (), None, None
        )
        if sealed is None:
            return replace(blank, reason=Reason.UNANSWERED) if now > case.deadlines.openings else None
        receipt = proceeding.receipt.document
        try:
            message = self._keys.sealing.open(
                sealed.ciphertext, purpose=Purpose.PANEL_OPENING, context=proceeding.case_id.value
            )
            opening = from_bytes(PanelOpening, message)
            opening.check(receipt.input, case.filing.panel_key)
        except (SealBrokenError, MalformedError, CommitmentBrokenError):
            return replace(blank, reason=Reason.OPENING)
        try:
            replayed = self._replay(receipt, opening.input)
        except IndeterminateError as error:
            log.warning("case %s: %s", proceeding.case_id.short(), error)
            return replace(blank, reason=error.reason)
        answer = tag(Role.ANSWER, replayed.output, opening.panel_key)
        trace = tag(Role.TRACE, replayed.trace.value, opening.panel_key)
        return replace(blank, result=Result(answer, trace, nonce), output=replayed.output)

    def _vote(self, proceeding: Proceeding, case: Case, now: int) -> None:
        page = self._witness(proceeding, case, now)
        if page is None or self._id not in proceeding.outstanding():
            return
        if page.vote is None:
            if now > case.deadlines.votes:
                return  # the list may be closed at any moment; who says nothing now can still sign
            vote = self._decide(proceeding, case, page, now)
            if vote is None:
                return  # the key may still come
            log.info("case %s: %s", proceeding.case_id.short(), vote.finding)
            page = replace(page, vote=Envelope.sign(vote, proceeding.roster.signers(self._keys)))
            self._notebook.write(page)
        if page.vote is not None:
            self._post(proceeding, {Slot.VOTE: page.vote})

    def _decide(self, proceeding: Proceeding, case: Case, page: Page, now: int) -> Vote | None:
        """The vote; None while the output's key has not arrived and may still do so."""
        if page.result.answer is None:
            return self._say(proceeding, page, Finding.INDETERMINATE, page.reason)
        if page.erased:
            return None  # a clock that was ahead had ended the case; what is gone cannot be compared
        if proceeding.release is None:
            late = now > case.deadlines.release
            return self._say(proceeding, page, Finding.INDETERMINATE, Reason.RELEASE) if late else None
        try:
            matches = self._opens_output(proceeding, page)
        except (SealBrokenError, MalformedError, CommitmentBrokenError):
            return self._say(proceeding, page, Finding.INDETERMINATE, Reason.RELEASE)
        return self._say(proceeding, page, Finding.MATCH if matches else Finding.MISMATCH, None)

    def _opens_output(self, proceeding: Proceeding, page: Page) -> bool:
        """Whether what this node computed is what the operator committed to."""
        ballots = proceeding.matter().ballots.list_id
        if proceeding.release is None or proceeding.release.document.ballots != ballots:
            raise CommitmentBrokenError("the key was released to another list of ballots")
        sealed = _for(self._id, proceeding.release.document.sealed)
        if sealed is None:
            raise CommitmentBrokenError("the key was not released to this node")
        key = self._keys.sealing.open(sealed.ciphertext, purpose=Purpose.OUTPUT_KEY, context=ballots.value)
        return proceeding.receipt.document.output.opens_to(Role.OUTPUT, page.output, key)

    def _say(self, proceeding: Proceeding, page: Page, finding: Finding, reason: Reason | None) -> Vote:
        receipt, matter = proceeding.receipt, proceeding.matter()
        filer = matter.case.document.filing.sealing
        answer = b""
        if finding is Finding.MISMATCH:
            answer = seal(page.output, filer, purpose=Purpose.ANSWER, context=matter.case_id.value)
        return Vote(
            case=matter.case_id,
            receipt=receipt_id(receipt.envelope),
            roster=proceeding.roster.roster_id,
            epoch=proceeding.roster.epoch,
            model=receipt.document.model,
            execution_class=receipt.document.execution_class,
            ballots=matter.ballots.list_id,
            node=self._id,
            finding=finding,
            reason=reason,
            result=page.result,
            sealed_answer=answer,
        )

    def _witness(self, proceeding: Proceeding, case: Case, now: int) -> Page | None:
        """This node's page, with the votes that are posted in time: one of each node, which are not this one's."""
        page = self._notebook.read(proceeding.case_id)
        if page is None or now > case.deadlines.votes - CLOCKS:
            return page
        known = {self._id, *(envelope.parse(Vote).node for envelope in page.witnessed)}
        listed = {signed.document.node for signed in proceeding.listed_ballots()}
        new = {s.document.node: s.envelope for s in proceeding.votes if s.document.node in listed - known}
        if new:
            page = replace(page, witnessed=(*page.witnessed, *new.values()))
            self._notebook.write(page)
        return page

    def _attest(self, proceeding: Proceeding, case: Case, now: int) -> None:
        page = self._witness(proceeding, case, now)
        if page is None:
            return  # who took no part does not sign
        if page.attestation is None or page.summary is None:
            if silent(proceeding.listed_ballots(), proceeding.listed_votes()) and now <= case.deadlines.votes:
                return  # such a list can only be from a clock that is ahead: votes may still come
            matter, result = proceeding.matter(), proceeding.tally()
            refusal = self._refusal(proceeding, page, result)
            if refusal is not None:
                self._decline(proceeding.case_id, result, refusal)
                return
            keys = proceeding.roster.signers(self._keys)
            page = replace(
                page,
                attestation=sign_statement(statement(matter, result), keys),
                summary=sign_statement(summary(matter, result), keys),
            )
            self._notebook.write(page)
        mine = (
            (Slot.ATTESTATION, page.attestation, proceeding.attestations),
            (Slot.SUMMARY, page.summary, proceeding.summaries),
        )
        said = {slot: word for slot, word, posted in mine if word is not None and word not in posted}
        if said:
            self._post(proceeding, said)

    def _refusal(self, proceeding: Proceeding, page: Page, result: Tally) -> str | None:
        """Why this node does not sign a verdict, if it does not.

        Its signature says more than that the votes were counted: that its own work was among what was counted,
        that it does not contradict the verdict, and that nobody whose vote this node saw in time was left out. A
        docket that closes its lists over what it likes gets no signature from those who know of more.
        """
        name, ballots, votes = proceeding.case_id, proceeding.listed_ballots(), proceeding.listed_votes()
        mine = Ballot(name, self._id, ballot_commitment(name, self._id, page.result))
        if mine not in [signed.document for signed in ballots]:
            return "the docket left this node's ballot off the list"
        if page.vote is not None and vote_id(page.vote) not in result.votes.votes:
            return "the docket left this node's vote off the list"
        missing = silent(ballots, votes)
        for envelope in page.witnessed:
            node = envelope.parse(Vote).node
            if node in missing:
                return f"the docket left out a vote that was here in time, by node {node.short()}"
        if result.answer is not None and result.answer != page.result.answer:
            return "this node did not find that answer"
        return None

    def _decline(self, case: Digest, result: Tally, refusal: str) -> None:
        if case not in self._declined:
            self._declined.add(case)
            log.warning("case %s: did not sign %s: %s", case.short(), result.verdict, refusal)

    def _post(self, proceeding: Proceeding, said: Mapping[Slot, Envelope]) -> None:
        self._docket.post(proceeding.filing_id, said)
        for slot in said:
            log.info("case %s: posted %s", proceeding.case_id.short(), slot)


def _for(node: Digest, messages: Sequence[Sealed]) -> Sealed | None:
    return next((message for message in messages if message.recipient == node), None)
