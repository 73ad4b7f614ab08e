"""Packs in which everything is properly signed, by parties who have no right to it. Each is refused at its step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from reperform.evidence.attestation import sign_statement, statement, summary
from reperform.evidence.ballot import Ballot, Finding, Result
from reperform.evidence.case import Ground, case_id
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.pack import Disclosure, Pack, Revealed
from reperform.evidence.roster import Organisation, OrganisationRole, Suite
from reperform.evidence.tally import SetAside, Tally, Verdict
from reperform.evidence.times import LATEST
from reperform.evidence.values import Output, Record
from reperform.evidence.verify import VerificationError, verify
from reperform.tests.evidence.scene import (
    BANK,
    DOCKET,
    INPUT,
    MANIFEST,
    OTHER_OUTPUT,
    OUTPUT,
    START,
    FiledBy,
    Scene,
    Story,
    refuted,
    ring,
    signing_key,
    upheld,
)

A, B, C = "Audit House", "Consumer Union", "Finance Authority"
SUITES = pytest.mark.parametrize("suite", list(Suite))


def refused(pack: Pack | Story, step: int, reason: str) -> VerificationError:
    """The pack is refused at this step, for this reason, by a reader who trusts the scene's root keys."""
    data = to_bytes(pack.pack() if isinstance(pack, Story) else pack)
    with pytest.raises(VerificationError) as caught:
        verify(data, Scene().roots)
    assert caught.value.step == step, caught.value
    assert reason in caught.value.cause
    return caught.value


# What a genuine pack proves.


@SUITES
@pytest.mark.parametrize(("story", "verdict"), [(upheld, Verdict.UPHELD), (refuted, Verdict.REFUTED)])
def test_a_genuine_pack_proves_its_verdict_and_names_everybody(
    suite: Suite, story: Callable[..., Story], verdict: Verdict
) -> None:
    told = story(suite=suite)
    proved = verify(to_bytes(told.pack(disclosure=told.disclosure())), told.scene.roots)
    assert (proved.verdict, proved.operator, proved.signed_by) == (verdict, BANK, (A, B, C))
    assert proved.manifest == MANIFEST
    assert proved.disclosed is not None
    assert isinstance(proved.disclosed.input, Record)
    assert isinstance(proved.disclosed.answer, Output)
    assert proved.disclosed.answer.decision == "decline"
    assert proved.disclosed.output is not None
    assert proved.disclosed.output.decision == ("decline" if verdict is Verdict.UPHELD else "approve")


def test_each_part_of_a_disclosure_stands_alone() -> None:
    story = upheld()
    whole = story.disclosure()
    for shown in (
        Disclosure(whole.input, None, None),
        Disclosure(None, whole.output, None),
        Disclosure(None, None, whole.answer),
    ):
        proved = verify(to_bytes(story.pack(disclosure=shown)), story.scene.roots).disclosed
        assert proved is not None
        assert [part is None for part in (proved.input, proved.output, proved.answer)].count(False) == 1


def test_a_quorum_is_enough_without_the_third_organisation() -> None:
    story = upheld()
    partial = story.with_votes(story.votes[:2]).attested(by=[A, B])
    assert verify(to_bytes(partial.pack()), story.scene.roots).signed_by == (A, B)


def test_a_case_in_which_nobody_voted_is_not_upheld() -> None:
    story = upheld().with_votes([])
    silent = story.attested()
    assert verify(to_bytes(silent.pack()), silent.scene.roots).verdict is Verdict.INCONCLUSIVE
    refused(story, 10, "not the one that follows from the votes")


# Step 1: reading.


def test_a_pack_of_another_kind_or_with_bytes_behind_it_is_refused_at_reading() -> None:
    data = to_bytes(upheld().pack())
    for bad in (b"", b"\x80", data + b"\x00", data[:-1], to_bytes(MANIFEST)):
        with pytest.raises(VerificationError) as caught:
            verify(bad, Scene().roots)
        assert caught.value.step == 1


# Step 2: rosters.


def test_a_roster_with_one_root_signature_missing_is_refused() -> None:
    story = upheld()
    one = Envelope.sign(story.scene.roster, story.scene.root_keys[:1])
    refused(replace(story, rosters=(one,)), 2, "1 of 2 needed root signatures")


def test_a_roster_signed_by_panel_members_instead_of_root_keys_is_refused() -> None:
    story = upheld()
    theirs = Envelope.sign(story.scene.roster, [ring(n).signing for n in (A, B)])
    refused(replace(story, rosters=(theirs,)), 2, "no say here")


def test_a_pack_without_a_roster_is_refused() -> None:
    refused(replace(upheld(), rosters=()), 2, "there is no roster")


# Step 3: the receipt.


def test_a_receipt_under_a_roster_that_is_not_in_the_pack_is_refused() -> None:
    refused(Scene().story(roster=Digest(bytes(32))), 3, "not at hand")


@pytest.mark.parametrize(("time", "reason"), [(START - 1001, "not in force yet"), (START + 10**9 + 1, "has expired")])
def test_a_receipt_from_outside_the_rosters_validity_is_refused(time: int, reason: str) -> None:
    refused(Scene().story(time=time), 3, reason)


def test_a_receipt_by_a_panel_member_is_refused() -> None:
    story = upheld()
    receipt = Envelope.sign(story.scene.receipt(executor=story.scene.node_id(A)), story.scene.signers(A))
    refused(replace(story, receipt=receipt), 3, "whose role is replayer, not operator")


def test_a_receipt_without_its_post_quantum_signature_is_refused() -> None:
    scene = Scene(suite=Suite.ED25519_ML_DSA_44)
    story = scene.story()
    for keys in (scene.signers(BANK)[:1], scene.signers(BANK)[1:]):
        refused(replace(story, receipt=Envelope.sign(scene.receipt(), keys)), 3, "whose signature is needed")


# Step 4: the manifest.


def test_the_manifest_of_another_model_is_refused() -> None:
    refused(upheld().pack(manifest=replace(MANIFEST, name="another model")), 4, "the receipt names")


# Step 5: the case.


def test_a_case_opened_by_the_bank_or_by_a_panel_member_is_refused() -> None:
    story = upheld()
    for node, role in ((BANK, "operator"), (A, "replayer")):
        case = story.scene.case(story.receipt)
        case = replace(case, filing=replace(case.filing, docket=story.scene.node_id(node)))
        opened = Envelope.sign(case, story.scene.signers(node))
        refused(replace(story, case=opened), 5, f"whose role is {role}, not docket")


def test_a_case_opened_by_another_docket_of_the_roster_than_it_was_filed_with_is_refused() -> None:
    scene = Scene(dockets=(DOCKET, "Second Office"))
    story = scene.story()
    verify(to_bytes(story.pack()), scene.roots)
    second = Envelope.sign(scene.case(story.receipt), scene.signers("Second Office"))
    refused(replace(story, case=second), 5, "has no say here")


def test_a_case_about_another_receipt_is_refused() -> None:
    refused(replace(upheld(), case=upheld(name="another case").case), 5, "about another receipt")


@SUITES
def test_an_operator_that_filed_an_audit_and_handed_over_nothing_is_charged(suite: Suite) -> None:
    scene = Scene(ground=Ground.AUDIT, suite=suite)
    story = scene.story({name: scene.result(name, None) for name in (A, B, C)})
    assert verify(to_bytes(story.pack()), scene.roots).verdict is Verdict.UNANSWERED


@pytest.mark.parametrize("filer", ["a stranger", DOCKET, A])
def test_an_audit_that_the_operator_did_not_file_is_refused_even_if_everybody_signed_it(filer: str) -> None:
    scene = FiledBy(ground=Ground.AUDIT, by=filer)
    story = scene.story({name: scene.result(name, None) for name in (A, B, C)})
    assert story.tally().verdict is Verdict.UNANSWERED
    refused(story, 5, "an audit of this receipt is filed by node 'Harbour Bank'")


# Step 6: the ballots.


def test_a_list_of_ballots_that_closes_another_case_is_refused() -> None:
    story, other = upheld(), upheld(name="another case")
    refused(replace(story, ballot_list=other.ballot_list, ballots=other.ballots), 7, "belongs to another case")
    refused(story.with_ballots(story.ballots, case=case_id(other.case)), 7, "belongs to another case")


def test_a_list_of_ballots_closed_by_a_panel_member_is_refused() -> None:
    story = upheld()
    refused(story.with_ballots(story.ballots, by=A), 7, "has no say here")


def test_a_list_closed_before_the_case_was_opened_is_refused() -> None:
    story = upheld()
    early = story.with_ballots(story.ballots, closed=START - 1).with_votes().attested()
    refused(early, 7, "before the case was opened")


def test_a_ballot_more_or_less_than_on_the_list_is_refused() -> None:
    story = upheld()
    refused(replace(story, ballots=story.ballots[1:]), 7, "not those on the closed list")
    refused(replace(story, ballots=(*story.ballots, story.ballots[0])), 7, "not those on the closed list")


def test_a_ballot_of_the_banks_own_node_is_refused() -> None:
    story = upheld()
    mine = replace(story, results={BANK: story.scene.result(BANK, OUTPUT)}).ballot(BANK)
    refused(story.with_ballots([*story.ballots, mine]).with_votes().attested(), 7, "whose role is operator")


# Steps 7 and 8: the list of votes, and the votes.


def test_a_list_of_votes_by_a_panel_member_or_of_another_case_or_other_ballots_is_refused() -> None:
    story, other = upheld(), upheld(name="another case")
    refused(story.with_votes(by=A), 8, "has no say here")
    refused(replace(story, vote_list=other.vote_list), 8, "belongs to another case")
    refused(story.with_votes(ballots=case_id(story.case)), 8, "over another list of ballots")


@pytest.mark.parametrize("closed", [START + 1999, START + 5001, LATEST])
def test_a_list_of_votes_from_before_the_ballots_or_after_the_case_is_refused(closed: int) -> None:
    story = upheld().with_votes(closed=closed).attested()
    refused(story, 8, "closed before the ballots were, or after the case's end")


def test_a_list_closed_before_the_deadline_over_the_votes_that_the_docket_likes_is_refused() -> None:
    """Even if all who are on it signed."""
    story = upheld()
    early = story.with_votes(story.votes[:2], closed=START + 4000).attested(by=[A, B])
    refused(early, 9, "closed while 1 with a ballot had time to vote")
    everybody = story.with_votes(closed=START + 2000).attested()
    assert verify(to_bytes(everybody.pack()), story.scene.roots).verdict is Verdict.UPHELD


def test_a_vote_more_or_less_than_on_the_list_is_refused() -> None:
    """A finder can leave out no vote: neither a dissent nor who failed."""
    for story in (upheld(), refuted()):
        for votes in (story.votes[1:], (*story.votes, story.votes[0]), (*story.votes, story.vote(A, epoch=2)), ()):
            refused(replace(story, votes=votes), 9, "not those on the closed list")


def test_a_vote_of_the_banks_own_node_is_refused() -> None:
    story = upheld()
    mine = replace(story, results={BANK: story.scene.result(BANK, OUTPUT)}).vote(BANK)
    refused(story.with_votes([*story.votes, mine]), 9, "whose role is operator, not replayer")


def test_a_vote_in_a_panel_members_name_signed_by_the_bank_is_refused() -> None:
    story = upheld()
    refused(story.with_votes([story.vote(A, by=BANK), *story.votes[1:]]), 9, "has no say here")


def test_votes_of_another_case_of_the_same_parties_are_refused() -> None:
    story, other = upheld(), upheld(name="another case")
    refused(story.with_votes(other.votes), 9, "a vote of another case is on the list")


def test_ballots_of_another_case_of_the_same_parties_are_refused() -> None:
    story, other = upheld(), upheld(name="another case")
    refused(story.with_ballots([*story.ballots[1:], other.ballot(A)]), 7, "a ballot of another case is on the list")


def aside(story: Story) -> dict[str, SetAside]:
    """Whose votes a reader is told to be set aside, and why; the verdict is the one without them."""
    proved = verify(to_bytes(story.pack()), story.scene.roots)
    assert proved.verdict is story.tally().verdict
    return {line.node: line.set_aside for line in proved.tally.lines if line.set_aside is not None}


def test_a_vote_that_names_another_epoch_is_set_aside() -> None:
    story = upheld()
    votes = [story.vote(A, epoch=2), story.vote(B), story.vote(C)]
    assert aside(story.with_votes(votes).attested()) == {A: SetAside.ANOTHER_MATTER}


def test_a_copied_ballot_opens_for_nobody_but_its_author() -> None:
    story = upheld()
    lazy = story.scene.result(A, OUTPUT)  # everything that Audit House reveals, nonce and all
    copier = replace(story, results={**story.results, B: lazy})
    commitment = story.ballot(A).parse(Ballot).commitment
    copied = copier.with_ballots([story.ballot(A), story.ballot(B, commitment=commitment), story.ballot(C)])
    assert aside(copied.with_votes().attested()) == {B: SetAside.BALLOT_BROKEN}
    alone = copier.with_ballots([story.ballot(A), story.ballot(B, commitment=commitment)])
    alone = alone.with_votes([alone.vote(A), alone.vote(B)])
    refused(alone.attested(result=replace(story.tally(), votes=alone.votes_closed())), 10, "not the one that follows")


def test_a_vote_without_a_ballot_on_the_list_is_set_aside() -> None:
    story = upheld()
    late = story.with_ballots([b for b in story.ballots if b != story.ballot(A)]).with_votes().attested()
    assert aside(late) == {A: SetAside.NO_BALLOT}


def test_two_different_votes_of_one_node_are_set_aside_and_both_shown() -> None:
    story = upheld()
    second = story.vote(A, finding=Finding.MISMATCH, sealed_answer=b"also sealed")
    both = story.with_votes([*story.votes, second]).attested()
    assert aside(both) == {A: SetAside.TWO_VOTES}
    assert len(both.pack().votes) == 4


def test_two_ballots_of_one_node_are_set_aside() -> None:
    story = upheld()
    second = replace(story, results={A: story.scene.result(A, OTHER_OUTPUT)}).ballot(A)
    assert aside(story.with_ballots([*story.ballots, second]).with_votes().attested()) == {A: SetAside.TWO_BALLOTS}


@pytest.mark.parametrize("verdict", [Verdict.REFUTED, Verdict.CONTESTED])
def test_a_pack_against_somebody_holds_everybodys_signed_finding(verdict: Verdict) -> None:
    scene = Scene(output=OTHER_OUTPUT)
    false = scene.result(C, OTHER_OUTPUT) if verdict is Verdict.CONTESTED else scene.result(C, None)
    story = scene.story({A: scene.result(A, OUTPUT), B: scene.result(B, OUTPUT), C: false})
    proved = verify(to_bytes(story.pack()), scene.roots)
    assert proved.verdict is verdict
    assert [line.node for line in proved.tally.counted] == [A, B, C]
    for i in range(3):
        refused(replace(story, votes=story.votes[:i] + story.votes[i + 1 :]), 9, "not those on the closed list")


def test_who_committed_and_did_not_vote_is_named() -> None:
    story = upheld()
    whole = verify(to_bytes(story.pack()), story.scene.roots)
    assert whole.silent == ()
    for silent in ((C,), (B, C), (A, B, C)):
        votes = [story.vote(node) for node in (A, B, C) if node not in silent]
        proved = verify(to_bytes(story.with_votes(votes).attested().pack()), story.scene.roots)
        assert proved.silent == silent
    absent = story.with_ballots([story.ballot(A), story.ballot(B)]).with_votes([])
    assert verify(to_bytes(absent.with_votes([absent.vote(B)]).attested().pack()), story.scene.roots).silent == (A,)


# Steps 9 and 10: the quorum.


def _claim(story: Story, verdict: Verdict) -> Tally:
    return replace(story.tally(), verdict=verdict)


def test_an_attestation_of_another_verdict_than_the_votes_give_is_refused_even_if_everybody_signed_it() -> None:
    for story, verdict in ((upheld(), Verdict.REFUTED), (refuted(), Verdict.UPHELD)):
        refused(story.attested(result=_claim(story, verdict)), 10, "not the one that follows from the votes")


def test_an_attestation_by_less_than_a_quorum_is_refused() -> None:
    refused(upheld().attested(by=[B]), 10, "signed by 1 organisations; the quorum is 2")


def test_two_nodes_of_one_organisation_are_no_quorum() -> None:
    scene = Scene(panel={A: 2, B: 1, C: 1})
    story = scene.story()
    refused(story.attested(by=[f"{A} 1", f"{A} 2"]), 10, "signed by 1 organisations; the quorum is 2")
    verify(to_bytes(story.attested(by=[f"{A} 1", f"{A} 2", B]).pack()), scene.roots)


def test_an_attestation_that_the_operator_or_the_docket_signed_too_is_refused() -> None:
    for outsider in (BANK, DOCKET):
        refused(upheld().attested(by=[A, outsider]), 10, "has no say here")
        refused(upheld().attested(by=[A, B, C, outsider]), 10, "has no say here")


def test_an_attestation_with_half_of_a_nodes_signatures_is_refused() -> None:
    scene = Scene(suite=Suite.ED25519_ML_DSA_44)
    story = scene.story()
    keys = [*scene.signers(A), *scene.signers(B)[:1]]
    half = sign_statement(statement(story.matter(), story.tally()), keys)
    refused(replace(story, attestation=half), 10, "without all algorithms")


def test_an_attestation_of_another_case_is_refused() -> None:
    refused(replace(upheld(), attestation=upheld(name="another case").attestation), 10, "not the one that follows")


def test_a_summary_and_an_attestation_cannot_stand_in_for_each_other() -> None:
    story = upheld()
    refused(replace(story, summary=story.attestation), 11, "not the one that follows")
    refused(replace(story, attestation=story.summary), 10, "not the one that follows")


def test_a_summary_that_disagrees_with_the_attestation_is_refused() -> None:
    story = refuted()
    passed = summary(story.matter(), _claim(story, Verdict.UPHELD))
    forged = sign_statement(passed, [ring(n).signing for n in (A, B, C)])
    refused(replace(story, summary=forged), 11, "not the one that follows")


def test_a_summary_by_other_organisations_than_the_attestation_is_refused() -> None:
    story = upheld()
    refused(replace(story, summary=story.attested(by=[B, C]).summary), 11, "organisations that signed the attestation")


def test_a_closing_time_beyond_every_calendar_is_refused_and_does_not_crash_the_reader() -> None:
    story = upheld()
    assert story.vote_list is not None
    closed = story.votes_closed().closed
    huge = story.vote_list.payload.replace(closed.to_bytes(8, "big"), (2**64 - 1).to_bytes(8, "big"))
    assert huge != story.vote_list.payload
    forged = Envelope.sign_bytes(story.vote_list.payload_type, huge, story.scene.signers(DOCKET))
    refused(replace(story, vote_list=forged), 8, "the year 9999")


# Step 11: what is disclosed.


def test_the_disclosure_of_another_decision_is_refused() -> None:
    refused(upheld().pack(disclosure=upheld(name="another case").disclosure()), 12, "the key is not the one")


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (lambda s: Disclosure(Revealed(OUTPUT, s.key("input")), None, None), "the input is not the one"),
        (lambda s: Disclosure(None, Revealed(OTHER_OUTPUT, s.key("output")), None), "the output is not the one"),
        (lambda s: Disclosure(None, None, Revealed(OTHER_OUTPUT, s.key("panel"))), "not the one that the quorum"),
        (lambda s: Disclosure(None, None, Revealed(OUTPUT, s.key("output"))), "not the panel key of the case"),
        (lambda _: Disclosure(Revealed(INPUT, b"short"), None, None), "expected 32"),
    ],
)
def test_a_disclosed_value_that_was_not_committed_is_refused(shown: Callable[[Scene], Disclosure], reason: str) -> None:
    story = upheld()
    refused(story.pack(disclosure=shown(story.scene)), 12, reason)


def test_no_answer_can_be_disclosed_where_the_quorum_agreed_on_none() -> None:
    scene = Scene()
    results: dict[str, Result] = {A: scene.result(A, None), B: scene.result(B, None), C: scene.result(C, OUTPUT)}
    story = scene.story(results)
    assert verify(to_bytes(story.pack()), scene.roots).verdict is Verdict.INCONCLUSIVE
    shown = Disclosure(None, None, Revealed(OUTPUT, scene.key("panel")))
    refused(story.pack(disclosure=shown), 12, "not the one that the quorum agreed on")


def _voted(story: Story, findings: dict[str, Finding]) -> Story:
    """The story in which these nodes say this about what they found, true or not."""
    votes = [
        story.vote(n, finding=f, reason=None, sealed_answer=b"sealed" if f is Finding.MISMATCH else b"")
        for n, f in findings.items()
    ]
    return story.with_votes(votes).attested()


def test_a_verdict_that_the_disclosed_output_and_answer_disprove_is_refused() -> None:
    for story, finding, reason in (
        (upheld(), Finding.MISMATCH, "the verdict is REFUTED, but the output is the quorum's answer"),
        (refuted(), Finding.MATCH, "the verdict is UPHELD, but the output is not the quorum's answer"),
    ):
        false = _voted(story, dict.fromkeys((A, B, C), finding))
        verify(to_bytes(false.pack()), story.scene.roots)  # a colluding quorum: only the disclosure tells
        shown = story.disclosure()
        refused(false.pack(disclosure=shown), 12, reason)
        for half in (replace(shown, output=None), replace(shown, answer=None)):
            verify(to_bytes(false.pack(disclosure=half)), story.scene.roots)


def test_one_false_match_is_named_by_the_disclosed_output_and_the_panel_key_and_stops_nobody() -> None:
    scene = Scene()
    story = scene.story({A: scene.result(A, OUTPUT), B: scene.result(B, OUTPUT), C: scene.result(C, OTHER_OUTPUT)})
    false = _voted(story, dict.fromkeys((A, B, C), Finding.MATCH))
    assert false.tally().verdict is Verdict.UPHELD
    shown = false.disclosure()
    for part in (None, replace(shown, output=None), replace(shown, answer=None)):
        assert verify(to_bytes(false.pack(disclosure=part)), scene.roots).disproved == ()
    assert verify(to_bytes(false.pack(disclosure=shown)), scene.roots).disproved == (C,)


def test_a_mismatch_is_true_whatever_the_trace() -> None:
    scene = Scene(output=OTHER_OUTPUT)
    results = {A: scene.result(A, OUTPUT), B: scene.result(B, OUTPUT), C: scene.result(C, OUTPUT, trace="another")}
    story = scene.story(results)
    assert story.tally().verdict is Verdict.REFUTED
    assert verify(to_bytes(story.pack(disclosure=story.disclosure())), scene.roots).disproved == ()


# Chains of epochs.


def _successor(story: Story, epoch: int = 2, previous: Digest | None = None) -> Envelope:
    first = story.scene.roster
    newcomer = Organisation("Newcomer", OrganisationRole.REPLAYER, (story.scene.member("Newcomer"),))
    organisations = (*first.organisations, newcomer)
    previous = previous or first.roster_id
    second = replace(first, epoch=epoch, previous=previous, organisations=organisations, quorum=3)
    return Envelope.sign(second, story.scene.root_keys[1:])


def test_a_decision_is_judged_under_the_epoch_that_its_receipt_names() -> None:
    story = upheld()
    chain = (*story.rosters, _successor(story))
    assert verify(to_bytes(replace(story, rosters=chain).pack()), story.scene.roots).roster.epoch == 1


def test_a_chain_that_skips_an_epoch_or_names_another_predecessor_is_refused() -> None:
    story = upheld()
    for later in (_successor(story, epoch=3), _successor(story, previous=Digest(bytes(32)))):
        refused(replace(story, rosters=(*story.rosters, later)), 2, "does not follow")


def test_a_later_epoch_signed_by_its_own_new_root_keys_is_refused() -> None:
    story = upheld()
    later = _successor(story)
    usurpers = [signing_key("usurper 1"), signing_key("usurper 2")]
    usurped = Envelope.sign_bytes(later.payload_type, later.payload, usurpers)
    refused(replace(story, rosters=(*story.rosters, usurped)), 2, "no say here")


def test_an_error_names_the_step_its_title_and_the_cause() -> None:
    story = upheld()
    error = refused(replace(story, rosters=()), 2, "no roster")
    assert error.cause == "step 2, the rosters: there is no roster"
