"""Replayers that do not do their work, or do it twice, or do somebody else's.

Each is a node with one dishonest habit; where a habit needs luck or a conspiracy, it is given both. None of
them has a key that is not its own: that is what the cryptography is trusted for.
"""

# ruff: noqa: ARG002 -- a habit need not look at everything that an honest node looks at

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from reperform.consensus.docket import Docket, Slot
from reperform.consensus.proceeding import Proceeding
from reperform.evidence.ballot import NONCE_BYTES, Ballot, Finding, Result, Vote, ballot_commitment
from reperform.evidence.case import Case
from reperform.evidence.commitment import Role, tag
from reperform.evidence.digest import Digest, Domain, digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.receipt import Receipt
from reperform.evidence.sealing import Purpose, seal
from reperform.evidence.values import DType, Output, Tensor
from reperform.replayer.node import Node
from reperform.replayer.notebook import Notebook, Page
from reperform.replayer.replay import Replay, Replayed
from reperform.tests.world import World, honest


def guess(_: Receipt, committed: bytes) -> Replayed:
    """An answer without a run: most applications are declined."""
    output = Output("decline", (Tensor("score", DType.F32, (1,), bytes(4)),))
    return Replayed(to_bytes(output), digest(Domain.TRACE, b"guessed" + committed))


def lucky(receipt: Receipt, committed: bytes) -> Replayed:
    """The right output, known by luck; nobody is lucky about every intermediate value."""
    return replace(honest(receipt, committed), trace=digest(Domain.TRACE, secrets.token_bytes(32)))


class Agreeable(Node):
    """Votes MATCH whatever it found."""

    def _decide(self, proceeding: Proceeding, case: Case, page: Page, now: int) -> Vote | None:
        vote = super()._decide(proceeding, case, page, now)
        known = vote is not None and page.result.answer is not None
        return self._say(proceeding, page, Finding.MATCH, None) if known else vote


class Denier(Node):
    """Votes MISMATCH whatever it found."""

    def _decide(self, proceeding: Proceeding, case: Case, page: Page, now: int) -> Vote | None:
        vote = super()._decide(proceeding, case, page, now)
        known = vote is not None and page.result.answer is not None
        return self._say(proceeding, page, Finding.MISMATCH, None) if known else vote


class Absent(Node):
    """Never says anything."""

    def _advance(self, proceeding: Proceeding, now: int) -> None:
        pass


class NeverReveals(Node):
    """Commits, and is not heard of again."""

    def _vote(self, proceeding: Proceeding, case: Case, now: int) -> None:
        pass

    def _attest(self, proceeding: Proceeding, case: Case, now: int) -> None:
        pass


class NoBallot(Node):
    """Waits until the others have voted, and votes without a ballot."""

    def _commit(self, proceeding: Proceeding, case: Case, now: int) -> None:
        pass

    def _vote(self, proceeding: Proceeding, case: Case, now: int) -> None:
        others = [s.document for s in proceeding.votes if s.document.node != self._id]
        if others and all(s.document.node != self._id for s in proceeding.votes):
            vote = replace(others[0], node=self._id)
            self._post(proceeding, {Slot.VOTE: Envelope.sign(vote, self._keys.signers)})

    def _attest(self, proceeding: Proceeding, case: Case, now: int) -> None:
        self._vote(proceeding, case, now)


class Copycat(Node):
    """Copies another's ballot, and its result once that is shown."""

    def _commit(self, proceeding: Proceeding, case: Case, now: int) -> None:
        others = [s.document for s in proceeding.ballots if s.document.node != self._id]
        if others and all(s.document.node != self._id for s in proceeding.ballots):
            ballot = replace(others[0], node=self._id)
            self._post(proceeding, {Slot.BALLOT: Envelope.sign(ballot, self._keys.signers)})

    def _vote(self, proceeding: Proceeding, case: Case, now: int) -> None:
        others = [s.document for s in proceeding.votes if s.document.node != self._id]
        if others and self._id in proceeding.outstanding():
            vote = replace(others[0], node=self._id)
            self._post(proceeding, {Slot.VOTE: Envelope.sign(vote, self._keys.signers)})


class TwoVotes(Node):
    """Votes MATCH and MISMATCH, to be right in any case."""

    def _vote(self, proceeding: Proceeding, case: Case, now: int) -> None:
        page = self._notebook.read(proceeding.case_id)
        release = proceeding.release
        if page is None or release is None or page.output == b"" or self._id not in proceeding.outstanding():
            return
        for finding in (Finding.MATCH, Finding.MISMATCH):
            vote = self._say(proceeding, page, finding, None)
            self._post(proceeding, {Slot.VOTE: Envelope.sign(vote, self._keys.signers)})


class TwoBallots(Node):
    """Commits to an invented result beside its own, and chooses between them when it knows more."""

    def _commit(self, proceeding: Proceeding, case: Case, now: int) -> None:
        name = proceeding.case_id
        before = self._notebook.read(name)
        super()._commit(proceeding, case, now)
        if before is None and self._notebook.read(name) is not None:
            invented = Result(digest(Domain.TRACE, b"a"), digest(Domain.TRACE, b"b"), bytes(NONCE_BYTES))
            ballot = Ballot(name, self._id, ballot_commitment(name, self._id, invented))
            self._post(proceeding, {Slot.BALLOT: Envelope.sign(ballot, self._keys.signers)})


class LastWord(Node):
    """Holds its MISMATCH back until the panel has signed a verdict."""

    def _vote(self, proceeding: Proceeding, case: Case, now: int) -> None:
        pass

    def _attest(self, proceeding: Proceeding, case: Case, now: int) -> None:
        page = self._notebook.read(proceeding.case_id)
        if page is None or page.vote is not None or len(proceeding.summaries) < proceeding.roster.quorum:
            return
        if page.output:
            vote = Envelope.sign(self._say(proceeding, page, Finding.MISMATCH, None), self._keys.signers)
            self._notebook.write(replace(page, vote=vote))
            self._post(proceeding, {Slot.VOTE: vote})


class HalfSigner(Node):
    """Signs one of the two statements."""

    def _post(self, proceeding: Proceeding, said: Mapping[Slot, Envelope]) -> None:
        super()._post(proceeding, {slot: word for slot, word in said.items() if slot is not Slot.SUMMARY})


class Elsewhere(Node):
    """Votes as if it were about something else: `change` is what it puts in its vote."""

    change: Callable[[Vote], Vote] = staticmethod(lambda vote: vote)

    def _decide(self, proceeding: Proceeding, case: Case, page: Page, now: int) -> Vote | None:
        vote = super()._decide(proceeding, case, page, now)
        return None if vote is None else type(self).change(vote)


def elsewhere(change: Callable[[Vote], Vote]) -> type[Node]:
    """A node that changes its votes."""
    return type("Elsewhere", (Elsewhere,), {"change": staticmethod(change)})


NAMED: Mapping[str, Callable[[Vote], Vote]] = {
    "case": lambda vote: replace(vote, case=_other(vote.case)),
    "receipt": lambda vote: replace(vote, receipt=_other(vote.receipt)),
    "roster": lambda vote: replace(vote, roster=_other(vote.roster)),
    "epoch": lambda vote: replace(vote, epoch=vote.epoch + 1),
    "model": lambda vote: replace(vote, model=_other(vote.model)),
    "ballots": lambda vote: replace(vote, ballots=_other(vote.ballots)),
    "node": lambda vote: replace(vote, node=_other(vote.node)),
}


def _other(name: Digest) -> Digest:
    return digest(Domain.CASE, name.value)


class Dawdler(Node):
    """Denies what it found, as late as it can: around the deadline, or when the votes are closed."""

    delay = 0  # milliseconds after the deadline

    def _vote(self, proceeding: Proceeding, case: Case, now: int) -> None:
        page = self._notebook.read(proceeding.case_id)
        if page is None or page.vote is not None or not page.output or now < case.deadlines.votes + self.delay:
            return
        vote = Envelope.sign(self._say(proceeding, page, Finding.MISMATCH, None), self._keys.signers)
        self._notebook.write(replace(page, vote=vote))
        self._post(proceeding, {Slot.VOTE: vote})

    def _attest(self, proceeding: Proceeding, case: Case, now: int) -> None:
        self._vote(proceeding, case, max(now, case.deadlines.votes + self.delay))


def dawdler(delay: int) -> type[Node]:
    """A node that votes so many milliseconds after the deadline."""
    return type("Dawdler", (Dawdler,), {"delay": delay})


class SecondThoughts(Node):
    """Votes as it found, and the opposite as soon as the votes are closed."""

    def _attest(self, proceeding: Proceeding, case: Case, now: int) -> None:
        page = self._notebook.read(proceeding.case_id)
        if page is not None and page.vote is not None and page.output:
            first = page.vote.parse(Vote)
            opposite = Finding.MISMATCH if first.finding is Finding.MATCH else Finding.MATCH
            second = replace(
                first, finding=opposite, reason=None, sealed_answer=b"" if opposite is Finding.MATCH else b"s"
            )
            self._post(proceeding, {Slot.VOTE: Envelope.sign(second, self._keys.signers)})


class YesterdaysVotes(Node):
    """Says again what it said in another case: its ballot and vote of then, and its own of today in their words."""

    def _vote(self, proceeding: Proceeding, case: Case, now: int) -> None:
        super()._vote(proceeding, case, now)
        page = self._notebook.read(proceeding.case_id)
        if page is not None and page.vote is not None:
            vote = page.vote.parse(Vote)
            old = replace(vote, case=_other(vote.case), ballots=_other(vote.ballots))
            self._post(proceeding, {Slot.VOTE: Envelope.sign(old, self._keys.signers)})
            ballot = Ballot(old.case, self._id, ballot_commitment(old.case, self._id, old.result))
            self._post(proceeding, {Slot.BALLOT: Envelope.sign(ballot, self._keys.signers)})


def enrol(
    world: World,
    name: str,
    cls: type[Node] = Node,
    replay: Replay = honest,
    *,
    docket: Docket | None = None,
    notebook: Notebook | None = None,
) -> Node:
    """A panel member's node of some character."""
    book = Notebook(world.folder / name) if notebook is None else notebook
    return cls(world.docket if docket is None else docket, world.rings[name], [world.roster], book, replay)


def forged_vote(world: World, proceeding: Proceeding, signer: str, committed: bytes, key: bytes) -> tuple[Ballot, Vote]:
    """A ballot and the MISMATCH that opens it, by anybody who has seen the opening."""
    ring, matter = world.rings[signer], proceeding.matter()
    node = ring.signing.public.key_id
    replayed = guess(proceeding.receipt.document, committed)
    result = Result(tag(Role.ANSWER, replayed.output, key), tag(Role.TRACE, replayed.trace.value, key), bytes(32))
    vote = Vote(
        case=matter.case_id,
        receipt=matter.case.document.filing.receipt,
        roster=matter.roster.roster_id,
        epoch=matter.roster.epoch,
        model=matter.receipt.document.model,
        execution_class=matter.receipt.document.execution_class,
        ballots=matter.ballots.list_id,
        node=node,
        finding=Finding.MISMATCH,
        reason=None,
        result=result,
        sealed_answer=seal(
            replayed.output,
            matter.case.document.filing.sealing,
            purpose=Purpose.ANSWER,
            context=matter.case_id.value,
        ),
    )
    return Ballot(matter.case_id, node, ballot_commitment(matter.case_id, node, result)), vote
