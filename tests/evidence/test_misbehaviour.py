"""Faults are found in signed documents, proved to strangers, and never those of the honest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from reperform.evidence.attestation import sign_statement, statement, summary
from reperform.evidence.ballot import Ballot, Finding, vote_id
from reperform.evidence.case import Ground, case_id
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope, Signature
from reperform.evidence.encoding import decode, encode
from reperform.evidence.errors import ReperformError
from reperform.evidence.faults import Fault, Proof, faults
from reperform.evidence.keys import SigningKey
from reperform.evidence.misbehaviour import Misbehaviour, UnprovedError, prove
from reperform.evidence.roots import RootKeys
from reperform.evidence.roster import Suite
from reperform.evidence.tally import Verdict
from reperform.tests.evidence.scene import BANK, DOCKET, OTHER_OUTPUT, OUTPUT, START, FiledBy, Story, refuted, upheld

A, B, C = "Audit House", "Consumer Union", "Finance Authority"


def papers(story: Story, *more: Envelope) -> list[Envelope]:
    """Everything that was posted in a case, and more."""
    pack = story.pack()
    lists = (pack.ballot_list, pack.vote_list)
    return [pack.receipt, pack.case, *lists, *pack.ballots, *pack.votes, pack.attestation, pack.summary, *more]


def found(story: Story, *more: Envelope) -> list[Proof]:
    """The faults in everything that was posted; each stands alone before a stranger, and nothing less does."""
    proofs = list(faults(papers(story, *more), [story.scene.roster]))
    for proof in proofs:
        data = to_bytes(Misbehaviour.of(proof, story.rosters))
        proved = prove(data, story.scene.roots)
        assert (proved.fault, tuple(node.node_id for _, node in proved.nodes)) == (proof.fault, proof.nodes)
        for less in combinations(proof.documents, len(proof.documents) - 1):
            with pytest.raises(UnprovedError):
                prove(to_bytes(Misbehaviour(proof.fault, proof.nodes, story.rosters, less)), story.scene.roots)
    return proofs


def who(story: Story, proofs: Sequence[Proof]) -> list[tuple[Fault, tuple[str, ...]]]:
    """Faults, and the names of those whose they are."""
    names = {node.node_id: node.name for _, node in story.scene.roster.members()}
    return [(proof.fault, tuple(names[node] for node in proof.nodes)) for proof in proofs]


def second_vote(story: Story) -> Envelope:
    return story.vote(A, finding=Finding.MISMATCH, sealed_answer=b"sealed to the filer")


def second_ballot(story: Story) -> Envelope:
    return replace(story, results={A: story.scene.result(A, OTHER_OUTPUT)}).ballot(A)


SUITES = pytest.mark.parametrize("suite", list(Suite))


@SUITES
@pytest.mark.parametrize("told", [upheld, refuted])
def test_where_everybody_is_honest_there_is_no_fault(told: Callable[..., Story], suite: Suite) -> None:
    story = told(suite=suite)
    assert found(story) == []
    # Not with the papers of another case beside them, nor signed again, nor in other envelopes.
    other = told(suite=suite, name="another case")
    again = [Envelope.sign_bytes(e.payload_type, e.payload, story.scene.signers(A)) for e in story.ballots[:1]]
    retyped = [replace(e, payload_type="application/json") for e in (*story.ballots, *story.votes)]
    assert found(story, *papers(other), *again, *retyped) == []


def test_one_quorum_of_signatures_and_each_alone_are_no_two_statements() -> None:
    story = upheld()
    alone = [story.attested(by=[node]).pack() for node in (A, B, C)]
    assert found(story, *(e for pack in alone for e in (pack.attestation, pack.summary))) == []


@SUITES
def test_two_ballots_and_two_votes_of_a_node_are_its_faults(suite: Suite) -> None:
    story = upheld(suite=suite)
    assert who(story, found(story, second_ballot(story))) == [(Fault.TWO_BALLOTS, (A,))]
    both = story.with_votes([*story.votes, second_vote(story)]).attested()
    assert who(both, found(both)) == [(Fault.TWO_VOTES, (A,))]


@SUITES
def test_faults_in_an_audit_are_found_where_the_operator_filed_it_and_nowhere_else(suite: Suite) -> None:
    """Nobody is bound by an audit that somebody else filed: no honest party said anything in it."""
    for filer, faults_found in ((BANK, [(Fault.TWO_BALLOTS, (A,))]), (A, [])):
        story = FiledBy(suite=suite, ground=Ground.AUDIT, by=filer).story()
        assert who(story, found(story, second_ballot(story))) == faults_found


def test_a_vote_that_does_not_open_its_ballot_is_its_nodes_fault() -> None:
    story = upheld()
    lazy = replace(story, results={**story.results, B: story.results[A]})
    commitment = story.ballot(A).parse(Ballot).commitment
    copied = lazy.with_ballots([lazy.ballot(A), lazy.ballot(B, commitment=commitment), lazy.ballot(C)])
    assert who(copied, found(copied.with_votes().attested())) == [(Fault.BALLOT_BROKEN, (B,))]


def test_an_unlisted_vote_is_late_or_left_out_and_nobody_can_tell_which() -> None:
    story = upheld()
    late = story.with_votes(story.votes[:2]).attested()
    (proof,) = found(late, *story.votes)
    left_out = next(vote for vote in story.votes if vote not in late.votes)
    assert proof.documents[-1] == left_out
    assert who(late, [proof])[0][1][1:] == (DOCKET,)


@SUITES
def test_a_docket_that_says_a_thing_twice_is_named(suite: Suite) -> None:
    story = upheld(suite=suite)
    scene = story.scene
    case = Envelope.sign(scene.case(story.receipt, challenge=bytes(32)), scene.signers(DOCKET))
    ballots = story.with_ballots(story.ballots, closed=START + 2001).ballot_list
    votes = story.with_votes(closed=START + 4002).vote_list
    for fault, more in (
        (Fault.TWO_CASES, case),
        (Fault.TWO_BALLOT_LISTS, ballots),
        (Fault.TWO_VOTE_LISTS, votes),
    ):
        assert more is not None
        assert who(story, found(story, more)) == [(fault, (DOCKET,))]


def test_lists_out_of_their_time_are_the_dockets_fault() -> None:
    story = upheld()
    early = story.with_ballots(story.ballots, closed=START - 1).with_votes().attested()
    assert (Fault.BAD_LIST, (DOCKET,)) in who(early, found(early))
    for closed in (START + 1, START + 5001):
        late = story.with_votes(closed=closed).attested()
        assert who(late, found(late)) == [(Fault.BAD_LIST, (DOCKET,))]
    hasty = story.with_votes(story.votes[:2], closed=START + 4000).attested()
    assert who(hasty, found(hasty)) == [(Fault.BAD_LIST, (DOCKET,))]


def test_a_list_that_names_a_vote_twice_is_the_dockets_fault() -> None:
    story = upheld()
    assert story.vote_list is not None
    body = decode(story.vote_list.payload)
    assert isinstance(body, dict)
    assert isinstance(body["votes"], list)
    twice = encode({**body, "votes": [*body["votes"], body["votes"][-1]]})
    forged = Envelope.sign_bytes(story.vote_list.payload_type, twice, story.scene.signers(DOCKET))
    assert who(story, found(story, forged)) == [(Fault.BAD_LIST, (DOCKET,))]
    by_another = Envelope.sign_bytes(story.vote_list.payload_type, twice, story.scene.signers(A))
    assert found(story, by_another) == []


def test_a_list_over_what_can_be_no_vote_or_ballot_of_the_case_is_the_dockets_fault() -> None:
    story, other = upheld(), upheld(name="another case")
    bank = replace(story, results={BANK: story.scene.result(BANK, OUTPUT)})
    for stranger in (other.vote(A), bank.vote(BANK), story.ballot(A)):
        listed = replace(story, vote_list=story.with_votes([*story.votes, stranger]).vote_list)
        assert (Fault.BAD_LIST, (DOCKET,)) in who(listed, found(listed, stranger))
    for stranger in (other.ballot(A), bank.ballot(BANK), story.vote(A)):
        listed = replace(story, ballot_list=story.with_ballots([*story.ballots, stranger]).ballot_list)
        assert (Fault.BAD_LIST, (DOCKET,)) in who(listed, found(listed, stranger))


def test_a_list_cannot_be_made_bad_by_what_is_written_on_an_envelope() -> None:
    """A list names payloads. Whoever wraps a true vote in another type, or signs it badly, proves nothing by that."""
    story = upheld()
    for envelope in (*story.votes, *story.ballots):
        unsigned = replace(envelope, signatures=(Signature(envelope.signatures[0].key_id, bytes(64)),))
        assert found(story, unsigned, replace(envelope, payload_type="application/x")) == []


@SUITES
def test_who_signs_what_the_votes_do_not_say_is_named(suite: Suite) -> None:
    story = refuted(suite=suite)
    lie = replace(story.tally(), verdict=Verdict.UPHELD)
    lying = story.attested(by=[A], result=lie).pack()
    faults_of = who(story, found(story, lying.attestation))
    assert faults_of == [(Fault.TWO_STATEMENTS, (A,)), (Fault.FALSE_STATEMENT, (A,))]
    # Signed by itself, without the true one beside it, it is false all the same; so is a summary that passes.
    alone = replace(story, attestation=lying.attestation, summary=lying.summary)
    assert who(alone, found(alone)) == [(Fault.FALSE_STATEMENT, (A,))]
    true, false = statement(story.matter(), story.tally()), summary(story.matter(), story.tally())
    passed = sign_statement(
        false.replace(b'"FAILED","verifiedLevels"', b'"PASSED","verifiedLevels"'), story.scene.signers(B)
    )
    assert passed.payload not in (true, false)
    assert who(story, found(story, passed)) == [(Fault.FALSE_STATEMENT, (B,))]


def test_two_quorums_that_contradict_each_other_have_a_member_in_common_and_it_is_proved() -> None:
    """A docket that closes two lists, and a member that signs over both: everything needed for two verdicts."""
    story = upheld()
    dissent = replace(story, results={**story.results, C: story.scene.result(C, OTHER_OUTPUT)})
    one = dissent.with_ballots([dissent.ballot(n) for n in (A, B, C)]).with_votes()
    other = one.with_votes([one.vote(A), one.vote(B)])
    one, other = one.attested(by=[B, C]), other.attested(by=[A, B])
    assert {story.tally().verdict for story in (one, other)} == {Verdict.CONTESTED, Verdict.UPHELD}
    proofs = who(one, found(one, *papers(other)))
    assert {(Fault.TWO_STATEMENTS, (B,)), (Fault.TWO_VOTE_LISTS, (DOCKET,))} == set(proofs)


def test_half_of_a_nodes_signatures_prove_nothing() -> None:
    story = refuted(suite=Suite.ED25519_ML_DSA_44)
    lie = statement(story.matter(), replace(story.tally(), verdict=Verdict.UPHELD))
    half = sign_statement(lie, story.scene.signers(A)[:1])
    ballot = second_ballot(story)
    halves = [replace(ballot, signatures=ballot.signatures[:1]), half]
    assert found(story, *halves) == []


# What a stranger refuses.


def exhibit(story: Story) -> Misbehaviour:
    (proof,) = faults(papers(story, second_ballot(story)), [story.scene.roster])
    return Misbehaviour.of(proof, story.rosters)


def test_a_charge_is_proved_against_root_keys_and_only_those_who_are_charged() -> None:
    story = upheld()
    charge, roots = exhibit(story), story.scene.roots
    proved = prove(to_bytes(charge), roots)
    assert [(organisation.name, node.name) for organisation, node in proved.nodes] == [(A, A)]
    strangers = RootKeys(tuple(SigningKey.generate().public for _ in range(3)), 2)
    for bad, trusted in (
        (charge, strangers),
        (replace(charge, rosters=()), roots),
        (replace(charge, nodes=(story.scene.node_id(B),)), roots),
        (replace(charge, nodes=()), roots),
        (replace(charge, fault=Fault.TWO_VOTES), roots),
        (replace(charge, documents=(*charge.documents, story.vote(A))), roots),
        (replace(charge, documents=()), roots),
    ):
        with pytest.raises(ReperformError):
            prove(to_bytes(bad), trusted)
    for data in (b"", to_bytes(charge)[:-1], to_bytes(charge) + b"\x00", to_bytes(story.pack())):
        with pytest.raises(ReperformError):
            prove(data, roots)


def test_every_bit_of_a_proof_counts() -> None:
    story = upheld()
    data = to_bytes(exhibit(story))
    for at in range(0, len(data), 37):
        flipped = bytearray(data)
        flipped[at] ^= 1 << (at % 8)
        with pytest.raises(ReperformError):
            prove(bytes(flipped), story.scene.roots)


def test_nobody_is_charged_with_what_a_forger_signed_in_their_name() -> None:
    story, forger = upheld(), SigningKey.generate()
    ballot = Ballot(case_id(story.case), story.scene.node_id(A), story.ballot(B).parse(Ballot).commitment)
    for keys in ([forger], story.scene.signers(B)):
        assert found(story, Envelope.sign(ballot, keys)) == []
    assert vote_id(story.votes[0]) in story.votes_closed().votes
