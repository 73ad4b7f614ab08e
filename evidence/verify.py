"""Offline verification of an evidence pack: one function of numbered steps. It raises, or returns what it proved.

It needs the pack, the root keys that the reader trusts, and nothing else: no network, no clock, no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from .attestation import check_quorum, statement, summary
from .ballot import Ballot, Finding, Vote, ballot_id, open_by_replayer, silent, vote_id
from .case import Case, open_case
from .commitment import Commitment, CommitmentBrokenError, Role, key_digest, tag
from .digest import Digest
from .documents import from_bytes
from .dsse import Signed
from .encoding import MalformedError
from .errors import ReperformError
from .inclusion import Place, open_inclusion
from .lists import BallotList, VoteList, open_list
from .manifest import Manifest
from .pack import Disclosure, Pack, Revealed
from .receipt import Receipt, open_receipt, parse_input, receipt_id
from .revocation import check_not_revoked, in_effect, revoked
from .roots import RootKeys
from .roster import Roster, named_roster, open_rosters
from .tally import Matter, Tally, Verdict, tally
from .values import Input, Output


class VerificationError(ReperformError):
    """Why a pack proves nothing, and at which step that showed."""

    def __init__(self, step: int, title: str, cause: ReperformError) -> None:
        super().__init__(f"step {step}, {title}: {cause.cause}", advice=cause.advice)
        self.step = step
        self.title = title


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What was shown of the decision's content, proved to be what was committed."""

    input: Input | None
    output: Output | None
    answer: Output | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What a pack proves, to a reader who trusts the root keys and fewer than a quorum of the panel."""

    verdict: Verdict
    receipt: Receipt
    receipt_id: Digest
    operator: str
    manifest: Manifest
    case: Case
    case_id: Digest
    roster: Roster
    place: Place | None  # of the receipt in the log
    tally: Tally
    signed_by: tuple[str, ...]
    silent: tuple[str, ...]  # nodes with a listed ballot and no listed vote, sorted
    disproved: tuple[str, ...]  # nodes whose counted MATCH or MISMATCH the disclosure shows to be false, sorted
    disclosed: Disclosed | None


def verify(data: bytes, roots: RootKeys) -> Verified:
    """Verify the bytes of a pack against trusted root keys. Raises VerificationError.

    1. The pack is one canonical document.
    2. Every roster is signed by a threshold of root keys: the first by `roots`, each later one by its predecessor's.
    3. The receipt names one of these rosters, and an executor of its operator signed it while it was in force.
    4. The model manifest is the one whose id the receipt names, of the same execution class.
    5. The docket of that roster with which it was filed opened the case, and it is about this receipt. An audit was
       filed with the key of the executor that signed the receipt.
    6. If the filing carries a proof that the receipt stands in the roster's log: it does, under a checkpoint that
       enough organisations witnessed, and behind the checkpoint that it names.
    7. The docket closed a list of ballots in time, and the pack holds exactly these, each by its panel node.
    8. The docket closed a list of votes over these ballots in time.
    9. The pack holds exactly these votes, each by its panel node and none by a revoked key; nobody who could still
       vote was left out.
    10. A quorum of the roster's organisations signed the statement of exactly the verdict that these votes give, with
       no revoked key.
    11. The same organisations signed the same verdict as a verification summary.
    12. What is disclosed is what was committed, and does not disprove the verdict: beside the quorum's answer, the
        output equals it if the verdict is UPHELD, and differs from it if it is REFUTED. A single vote that it
        disproves is named, not refused: else one member could keep an honest quorum's answer from being shown.
    """
    with _step(1, "reading the pack"):
        pack = from_bytes(Pack, data)
    with _step(2, "the rosters"):
        rosters = open_rosters(pack.rosters, roots)
    with _step(3, "the receipt"):
        roster = named_roster((signed.document for signed in rosters), pack.receipt.parse(Receipt).roster)
        receipt = open_receipt(pack.receipt, roster)
        operator, _ = roster.member(receipt.document.executor)
    with _step(4, "the model manifest"):
        _check_manifest(pack.manifest, receipt.document)
    with _step(5, "the case"):
        case = open_case(pack.case, receipt.document, roster)
        if case.document.filing.receipt != receipt_id(pack.receipt):
            raise MalformedError("the case is about another receipt")
    with _step(6, "the log"):
        inclusion, epochs = case.document.filing.inclusion, [signed.document for signed in rosters]
        place = None if inclusion is None else open_inclusion(inclusion, receipt, epochs)
        gone = in_effect(revoked(epochs), None if place is None else place.index)
    with _step(7, "the ballots"):
        ballot_list = open_list(pack.ballot_list, BallotList, case.document, roster).document
        ballot_list.check(case)
        matter = Matter(roster, receipt, case, ballot_list, place)
        ballots = [_of_case(open_by_replayer(envelope, Ballot, roster), matter) for envelope in pack.ballots]
        if tuple(sorted(ballot_id(envelope) for envelope in pack.ballots)) != ballot_list.ballots:
            raise MalformedError("the ballots are not those on the closed list")
    with _step(8, "the list of votes"):
        vote_list = open_list(pack.vote_list, VoteList, case.document, roster).document
        vote_list.check(case, ballot_list)
    with _step(9, "the votes"):
        votes = [_of_case(open_by_replayer(envelope, Vote, roster), matter) for envelope in pack.votes]
        if tuple(sorted(vote_id(envelope) for envelope in pack.votes)) != vote_list.votes:
            raise MalformedError("the votes are not those on the closed list")
        for signed in votes:
            check_not_revoked(signed.document.node, gone)
        vote_list.check_waited(case.document, silent(ballots, votes))
    with _step(10, "the quorum's attestation"):
        result = tally(matter, vote_list, ballots, votes)
        signed_by = check_quorum(pack.attestation, statement(matter, result), roster)
        for signature in pack.attestation.signatures:
            check_not_revoked(signature.key_id, gone)
    with _step(11, "the verification summary"):
        if check_quorum(pack.summary, summary(matter, result), roster) != signed_by:
            raise MalformedError("the summary is not signed by the organisations that signed the attestation")
    with _step(12, "what is disclosed"):
        disclosed = None if pack.disclosure is None else _check_disclosure(pack.disclosure, matter, result)
    return Verified(
        verdict=result.verdict,
        receipt=receipt.document,
        receipt_id=receipt_id(pack.receipt),
        operator=operator.name,
        manifest=pack.manifest,
        case=case.document,
        case_id=matter.case_id,
        roster=roster,
        place=place,
        tally=result,
        signed_by=signed_by,
        silent=_names(roster, silent(ballots, votes)),
        disproved=_disproved(pack.disclosure, result),
        disclosed=disclosed,
    )


C = TypeVar("C", Ballot, Vote)


@contextmanager
def _step(number: int, title: str) -> Iterator[None]:
    try:
        yield
    except ReperformError as error:
        raise VerificationError(number, title, error) from error


def _check_manifest(manifest: Manifest, receipt: Receipt) -> None:
    if manifest.model_id != receipt.model:
        raise MalformedError(f"it is of model {manifest.model_id.short()}, the receipt names {receipt.model.short()}")
    if manifest.execution_class is not receipt.execution_class:
        raise MalformedError(f"it is of class {manifest.execution_class}, the receipt of {receipt.execution_class}")


def _of_case(signed: Signed[C], matter: Matter) -> Signed[C]:
    if signed.document.case != matter.case_id:
        raise MalformedError(f"a {signed.document.KIND.partition('/')[0]} of another case is on the list")
    return signed


def _names(roster: Roster, nodes: Collection[Digest]) -> tuple[str, ...]:
    return tuple(sorted(node.name for node in roster.panel() if node.node_id in nodes))


def _check_disclosure(disclosure: Disclosure, matter: Matter, result: Tally) -> Disclosed:
    receipt = matter.receipt.document
    shown_input = _opened(disclosure.input, receipt.input, Role.INPUT)
    shown_output = _opened(disclosure.output, receipt.output, Role.OUTPUT)
    if disclosure.answer is not None:
        if key_digest(disclosure.answer.key) != matter.case.document.filing.panel_key:
            raise CommitmentBrokenError("the answer's key is not the panel key of the case")
        if tag(Role.ANSWER, disclosure.answer.value, disclosure.answer.key) != result.answer:
            raise CommitmentBrokenError("the answer is not the one that the quorum agreed on")
        if shown_output is not None:
            _check_verdict(shown_output, disclosure.answer.value, result.verdict)
    return Disclosed(
        input=None if shown_input is None else parse_input(shown_input),
        output=None if shown_output is None else from_bytes(Output, shown_output),
        answer=None if disclosure.answer is None else from_bytes(Output, disclosure.answer.value),
    )


def _check_verdict(output: bytes, answer: bytes, verdict: Verdict) -> None:
    if (answer == output) != (verdict is Verdict.UPHELD):
        same = "is" if answer == output else "is not"
        raise CommitmentBrokenError(f"the verdict is {verdict}, but the output {same} the quorum's answer")


def _disproved(disclosure: Disclosure | None, result: Tally) -> tuple[str, ...]:
    """Under the panel key a MATCH has the output's tag, and a MISMATCH has not."""
    if disclosure is None or disclosure.output is None or disclosure.answer is None:
        return ()
    claimed = tag(Role.ANSWER, disclosure.output.value, disclosure.answer.key)
    findings = {True: Finding.MATCH, False: Finding.MISMATCH}
    return tuple(
        sorted(
            line.node
            for line in result.counted
            if line.vote.finding not in (Finding.INDETERMINATE, findings[line.vote.result.answer == claimed])
        )
    )


def _opened(revealed: Revealed | None, commitment: Commitment, role: Role) -> bytes | None:
    if revealed is None:
        return None
    if not commitment.opens_to(role, revealed.value, revealed.key):
        raise CommitmentBrokenError(f"the {role.partition('/')[0]} is not the one that the receipt commits to")
    return revealed.value
