"""Cases, filings, ballots and sealed messages: who may say what, and about which case."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from reperform.evidence.ballot import (
    Ballot,
    Finding,
    Reason,
    Result,
    Vote,
    ballot_commitment,
    ballot_id,
    open_by_replayer,
)
from reperform.evidence.case import (
    Case,
    Deadlines,
    Ground,
    Openings,
    PanelOpening,
    Release,
    case_id,
    filer_keys,
    filing_id,
    open_by_filer,
    open_case,
    open_filing,
)
from reperform.evidence.commitment import CommitmentBrokenError
from reperform.evidence.digest import Digest
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError, Value, encode
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.lists import BallotList, VoteList, open_list
from reperform.evidence.receipt import Receipt
from reperform.evidence.roster import RosterRefusedError, Suite
from reperform.evidence.times import LATEST
from reperform.tests.evidence.scene import BANK, DOCKET, INPUT, OUTPUT, START, Scene, ring, signing_key, upheld

STORY = upheld()
SCENE, ROSTER = STORY.scene, STORY.scene.roster
CASE: Case = STORY.case.parse(Case)
FILING = CASE.filing
RECEIPT: Receipt = STORY.receipt.parse(Receipt)
FILER = ring(SCENE.filer)
KEYS = filer_keys(FILING, RECEIPT, ROSTER)
VOTE: Vote = STORY.votes[0].parse(Vote)


def test_a_filing_is_signed_by_the_key_that_it_names() -> None:
    assert open_filing(Envelope.sign(FILING, [FILER.signing]), RECEIPT, ROSTER).document == FILING
    for wrong in ([signing_key("stranger")], [FILER.signing, signing_key("stranger")]):
        with pytest.raises(SignatureRefusedError):
            open_filing(Envelope.sign(FILING, wrong), RECEIPT, ROSTER)


@pytest.mark.parametrize("sealing", [b"", bytes(31), bytes(32), bytes([1]) + bytes(31)])
def test_a_filer_whose_answers_could_not_be_sealed_is_refused(sealing: bytes) -> None:
    with pytest.raises(MalformedError, match="sealing key"):
        replace(FILING, sealing=sealing)


def test_a_filer_signs_with_ed25519() -> None:
    assert FILER.post_quantum is not None
    with pytest.raises(MalformedError, match="signs with Ed25519"):
        replace(FILING, signing=FILER.post_quantum.public)


def test_deadlines_follow_one_another() -> None:
    good = [1, 2, 3, 4, 5]
    assert Deadlines(*good).attestation == 5
    for i in range(1, 5):
        for wrong in ([*good[:i], good[i - 1], *good[i + 1 :]], [*good[:i], 0, *good[i + 1 :]]):
            with pytest.raises(MalformedError, match="follow one another"):
                Deadlines(*wrong)
    with pytest.raises(MalformedError, match="follow one another"):
        Deadlines(0, 1, 2, 3, 4)
    with pytest.raises(MalformedError, match="year 9999"):
        Deadlines(1, 2, 3, 4, LATEST + 1)


@pytest.mark.parametrize("changes", [{"challenge": bytes(31)}, {"opened": -1}, {"opened": CASE.deadlines.openings}])
def test_a_case_that_breaks_a_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(CASE, **changes)


def filed_with(node: str) -> Case:
    """The case, had it been filed with this node."""
    return replace(CASE, filing=replace(FILING, docket=SCENE.node_id(node)))


def test_only_a_docket_opens_a_case_and_only_under_its_roster() -> None:
    assert open_case(STORY.case, RECEIPT, ROSTER).document == CASE
    with pytest.raises(RosterRefusedError, match="names another roster"):
        open_case(STORY.case, RECEIPT, Scene(quorum=3).roster)
    with pytest.raises(RosterRefusedError, match="not docket"):
        open_case(Envelope.sign(filed_with(BANK), SCENE.signers(BANK)), RECEIPT, ROSTER)
    with pytest.raises(SignatureRefusedError):
        open_case(Envelope.sign(CASE, SCENE.signers("Audit House")), RECEIPT, ROSTER)


def test_two_openings_of_one_filing_are_two_cases() -> None:
    again = Envelope.sign(replace(CASE, challenge=bytes(32)), SCENE.signers(DOCKET))
    assert case_id(again) != case_id(STORY.case)
    assert filing_id(STORY.case) != case_id(STORY.case)


@pytest.mark.parametrize("kind", [Openings, Release])
def test_sealed_messages_are_the_filers_and_of_this_case(kind: type[Any]) -> None:
    name = case_id(STORY.case)
    extra = (Digest(bytes(32)),) if kind is Release else ()
    document = kind(name, *extra, ())
    assert open_by_filer(Envelope.sign(document, [FILER.signing]), kind, KEYS, name).document == document
    with pytest.raises(SignatureRefusedError, match="no say here"):
        open_by_filer(Envelope.sign(document, SCENE.signers(DOCKET)), kind, KEYS, name)
    with pytest.raises(SignatureRefusedError, match="another case"):
        open_by_filer(Envelope.sign(document, [FILER.signing]), kind, KEYS, Digest(bytes(32)))


def test_a_replayer_checks_that_the_input_and_the_panel_key_are_the_committed_ones() -> None:
    receipt = SCENE.receipt()
    opening = PanelOpening(INPUT, SCENE.key("input"), SCENE.key("panel"))
    opening.check(receipt.input, FILING.panel_key)
    for wrong in (
        replace(opening, input=OUTPUT),
        replace(opening, input_key=SCENE.key("panel")),
        replace(opening, panel_key=SCENE.key("input")),
    ):
        with pytest.raises(CommitmentBrokenError):
            wrong.check(receipt.input, FILING.panel_key)
    with pytest.raises(CommitmentBrokenError):
        opening.check(replace(receipt.input, mac=receipt.output.mac), FILING.panel_key)


# Ballots and votes.


def test_a_ballot_binds_case_node_answer_trace_and_nonce() -> None:
    result = SCENE.result("Audit House", OUTPUT)
    one, two = Digest(bytes(32)), Digest(bytes(31) + b"\x01")
    commitments = {
        ballot_commitment(one, one, result),
        ballot_commitment(two, one, result),
        ballot_commitment(one, two, result),
        ballot_commitment(one, one, replace(result, answer=one)),
        ballot_commitment(one, one, replace(result, trace=one)),
        ballot_commitment(one, one, replace(result, nonce=bytes(32))),
        ballot_commitment(one, one, replace(result, answer=None, trace=None)),
    }
    assert len(commitments) == 7


def test_a_commitment_and_the_name_of_a_ballot_are_digests_of_different_kinds() -> None:
    result, node = SCENE.result("Audit House", OUTPUT), Digest(bytes(32))
    assert result.answer is not None
    assert result.trace is not None
    inner: Value = {
        "answer": result.answer.value,
        "kind": "result/v1",
        "nonce": result.nonce,
        "trace": result.trace.value,
    }
    bound = encode({"case": node.value, "kind": "bound-result/v1", "node": node.value, "result": inner})
    expected = hashlib.sha256(b"reperform/ballot-commitment/v1\x00" + bound).digest()
    assert ballot_commitment(node, node, result).value == expected
    assert ballot_id(Envelope.sign_bytes("any", bound, SCENE.signers("Audit House"))).value != expected


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
def test_a_nonce_has_32_bytes(nonce: bytes) -> None:
    with pytest.raises(MalformedError, match="nonce"):
        Result(None, None, nonce)


def test_an_answer_and_its_trace_come_together() -> None:
    for answer, trace in ((Digest(bytes(32)), None), (None, Digest(bytes(32)))):
        with pytest.raises(MalformedError, match="come together"):
            Result(answer, trace, bytes(32))


@pytest.mark.parametrize("finding", list(Finding))
@pytest.mark.parametrize("reason", [None, Reason.RUN])
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("sealed", [b"", b"sealed"])
def test_a_vote_says_neither_more_nor_less_than_its_finding_needs(
    finding: Finding, reason: Reason | None, sealed: bytes, *, answered: bool
) -> None:
    result = VOTE.result if answered else Result(None, None, bytes(32))
    allowed = {
        Finding.MATCH: reason is None and answered and not sealed,
        Finding.MISMATCH: reason is None and answered and bool(sealed),
        Finding.INDETERMINATE: reason is not None and not sealed,
    }
    changes: dict[str, Any] = {"finding": finding, "reason": reason, "result": result, "sealed_answer": sealed}
    if allowed[finding]:
        assert replace(VOTE, **changes).finding is finding
    else:
        with pytest.raises(MalformedError):
            replace(VOTE, **changes)


def test_a_list_names_each_ballot_once_and_sorted() -> None:
    one, two = Digest(bytes(32)), Digest(bytes(31) + b"\x01")
    assert BallotList(one, (one, two), START).ballots == (one, two)
    for wrong in ((two, one), (one, one)):
        with pytest.raises(MalformedError, match="once, sorted"):
            BallotList(one, wrong, START)
    for time in (-1, LATEST + 1, 2**64 - 1):
        with pytest.raises(MalformedError, match="year 9999"):
            BallotList(one, (), time)


def test_a_list_names_each_vote_once_and_sorted() -> None:
    one, two = Digest(bytes(32)), Digest(bytes(31) + b"\x01")
    assert VoteList(one, one, (one, two), START).votes == (one, two)
    for wrong in ((two, one), (one, one)):
        with pytest.raises(MalformedError, match="once, sorted"):
            VoteList(one, one, wrong, START)
    with pytest.raises(MalformedError, match="year 9999"):
        VoteList(one, one, (), LATEST + 1)


@pytest.mark.parametrize("kind", [Ballot, Vote])
def test_only_a_panel_member_casts_a_ballot_and_votes_and_only_for_itself(kind: type[Any]) -> None:
    envelope = STORY.ballot("Audit House") if kind is Ballot else STORY.vote("Audit House")
    document = envelope.parse(kind)
    assert open_by_replayer(envelope, kind, ROSTER).document == document
    for author in (BANK, DOCKET):
        theirs = Envelope.sign(replace(document, node=SCENE.node_id(author)), SCENE.signers(author))
        with pytest.raises(RosterRefusedError, match="not replayer"):
            open_by_replayer(theirs, kind, ROSTER)
    with pytest.raises(SignatureRefusedError):
        open_by_replayer(Envelope.sign(document, SCENE.signers("Consumer Union")), kind, ROSTER)


@pytest.mark.parametrize("kind", [BallotList, VoteList])
def test_only_the_docket_of_the_case_closes_its_lists(kind: type[Any]) -> None:
    envelope = STORY.ballot_list if kind is BallotList else STORY.vote_list
    assert envelope is not None
    assert open_list(envelope, kind, CASE, ROSTER).document == envelope.parse(kind)
    theirs = Envelope.sign(envelope.parse(kind), SCENE.signers("Audit House"))
    for docket, refusal in ((DOCKET, SignatureRefusedError), ("Audit House", RosterRefusedError)):
        with pytest.raises(refusal):
            open_list(theirs, kind, filed_with(docket), ROSTER)


LISTED, CLOSED = STORY.matter().ballots, STORY.votes_closed()
LIMITS = CASE.deadlines


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"case": Digest(bytes(32))}, "another case"),
        ({"closed": CASE.opened - 1}, "before the case was opened"),
        ({"closed": LIMITS.attestation + 1}, "after its end"),
    ],
)
def test_a_list_of_ballots_is_of_its_case_and_from_its_time(changes: dict[str, Any], reason: str) -> None:
    for closed in (CASE.opened, LIMITS.attestation):
        replace(LISTED, closed=closed).check(STORY.matter().case)
    with pytest.raises(MalformedError, match=reason):
        replace(LISTED, **changes).check(STORY.matter().case)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"case": Digest(bytes(32))}, "another case"),
        ({"ballots": Digest(bytes(32))}, "another list of ballots"),
        ({"closed": LISTED.closed - 1}, "before the ballots were"),
        ({"closed": LIMITS.attestation + 1}, "after the case's end"),
    ],
)
def test_a_list_of_votes_is_over_its_ballots_and_from_its_time(changes: dict[str, Any], reason: str) -> None:
    for closed in (LISTED.closed, LIMITS.attestation):
        replace(CLOSED, closed=closed).check(STORY.matter().case, LISTED)
    with pytest.raises(MalformedError, match=reason):
        replace(CLOSED, **changes).check(STORY.matter().case, LISTED)


def test_a_docket_waits_for_votes_until_everybody_has_voted_or_their_time_is_over() -> None:
    someone = frozenset({SCENE.node_id("Audit House")})
    replace(CLOSED, closed=LISTED.closed).check_waited(CASE, frozenset())
    replace(CLOSED, closed=LIMITS.votes + 1).check_waited(CASE, someone)
    with pytest.raises(MalformedError, match="1 with a ballot had time to vote"):
        replace(CLOSED, closed=LIMITS.votes).check_waited(CASE, someone)


AUDIT = Scene(ground=Ground.AUDIT)


@pytest.mark.parametrize("suite", list(Suite))
def test_the_filer_of_an_audit_is_the_executor_and_signs_as_a_node_does(suite: Suite) -> None:
    scene = Scene(ground=Ground.AUDIT, suite=suite)
    story = scene.story()
    receipt, filing = story.receipt.parse(Receipt), story.case.parse(Case).filing
    assert open_filing(Envelope.sign(filing, scene.signers(BANK)), receipt, scene.roster).document == filing
    assert filer_keys(filing, receipt, scene.roster) == scene.roster.keys_of(scene.member(BANK))
    assert open_case(story.case, receipt, scene.roster).document.filing == filing


def test_an_audit_under_two_algorithms_is_not_filed_with_one() -> None:
    scene = Scene(ground=Ground.AUDIT, suite=Suite.ED25519_ML_DSA_44)
    story = scene.story()
    filing = Envelope.sign(story.case.parse(Case).filing, [ring(BANK).signing])
    with pytest.raises(SignatureRefusedError, match="not signed by key"):
        open_filing(filing, story.receipt.parse(Receipt), scene.roster)


@pytest.mark.parametrize("name", ["a stranger", DOCKET, "Audit House"])
def test_an_audit_that_anybody_but_the_executor_filed_is_refused_even_if_a_docket_opened_it(name: str) -> None:
    receipt = AUDIT.receipt()
    filing = replace(FILING, ground=Ground.AUDIT, signing=ring(name).signing.public)
    with pytest.raises(RosterRefusedError, match=r"filed by node 'Harbour Bank'.*; ask the operator"):
        open_filing(Envelope.sign(filing, [ring(name).signing]), receipt, ROSTER)
    envelope = Envelope.sign(replace(CASE, filing=filing), SCENE.signers(DOCKET))
    with pytest.raises(RosterRefusedError, match="and by nobody else"):
        open_case(envelope, receipt, ROSTER)


def test_another_executor_of_the_operator_does_not_file_an_audit() -> None:
    """Who issued the receipt answers for it; so a stolen key of one machine charges no other."""
    bank = next(each for each in ROSTER.organisations if each.name == BANK)
    second = replace(bank, nodes=(*bank.nodes, SCENE.member("the bank's second machine")))
    roster = replace(ROSTER, organisations=tuple(second if each == bank else each for each in ROSTER.organisations))
    filing = replace(FILING, ground=Ground.AUDIT, signing=ring("the bank's second machine").signing.public)
    with pytest.raises(RosterRefusedError, match="and by nobody else"):
        filer_keys(filing, RECEIPT, roster)
    assert filer_keys(replace(filing, signing=ring(BANK).signing.public), RECEIPT, roster)
