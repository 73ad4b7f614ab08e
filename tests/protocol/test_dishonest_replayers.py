"""No replayer below the quorum moves a verdict. One that says MISMATCH makes a case contested, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.docket import Slot
from reperform.consensus.keeper import Keeper
from reperform.consensus.proceeding import collect
from reperform.evidence.ballot import Reason, Vote
from reperform.evidence.digest import Domain, digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.receipt import Receipt
from reperform.evidence.roster import Node as Member
from reperform.evidence.roster import Organisation, OrganisationRole, Roster, RosterRefusedError, Suite
from reperform.evidence.tally import SetAside, Verdict
from reperform.evidence.values import Output
from reperform.replayer.node import Node
from reperform.replayer.notebook import Notebook
from reperform.replayer.replay import IndeterminateError, Replay, Replayed
from reperform.tests.protocol.adversaries import (
    NAMED,
    Absent,
    Agreeable,
    Copycat,
    Denier,
    HalfSigner,
    LastWord,
    NeverReveals,
    NoBallot,
    TwoBallots,
    TwoVotes,
    elsewhere,
    enrol,
    forged_vote,
    guess,
    lucky,
)
from reperform.tests.protocol.play import another_model, attested, edited, play, set_aside, verdict_of, verified
from reperform.tests.world import BANK, DOCKET, PANEL, World, honest, model

GOOD, ALSO_GOOD, BAD = PANEL

Character = tuple[type[Node], Replay]

# Those whose votes do not count, or support nothing.
POWERLESS: dict[str, Character] = {
    "guesses and agrees": (Agreeable, guess),
    "has the right output and no trace": (Node, lucky),
    "copies a ballot": (Copycat, honest),
    "votes twice": (TwoVotes, honest),
    "casts two ballots": (TwoBallots, honest),
    "votes without a ballot": (NoBallot, honest),
    "commits and never reveals": (NeverReveals, honest),
    "is absent": (Absent, honest),
    **{f"votes for another {name}": (elsewhere(change), honest) for name, change in NAMED.items()},
}
# Those whose MISMATCH stands against the others'.
LIARS: dict[str, Character] = {
    "guesses": (Node, guess),
    "denies what it found": (Denier, honest),
    "guesses and denies": (Denier, guess),
}

powerless = pytest.mark.parametrize("character", POWERLESS.values(), ids=POWERLESS.keys())
liars = pytest.mark.parametrize("character", LIARS.values(), ids=LIARS.keys())


def panel(world: World, *characters: Character) -> list[Node]:
    """Nodes of these characters, in the order of the panel."""
    return [enrol(world, name, cls, replay) for name, (cls, replay) in zip(world.panel, characters, strict=True)]


HONEST: Character = (Node, honest)
ABSENT: Character = (Absent, honest)


@powerless
def test_beside_an_honest_quorum_it_changes_nothing(world: World, character: Character) -> None:
    proceeding, filed, _ = play(world, world.decision(), panel(world, HONEST, HONEST, character))
    assert verdict_of(proceeding) is Verdict.UPHELD
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD


@powerless
def test_it_cannot_complete_a_quorum(world: World, character: Character) -> None:
    proceeding, _, _ = play(world, world.decision(), panel(world, HONEST, ABSENT, character))
    assert verdict_of(proceeding) is Verdict.INCONCLUSIVE


@powerless
def test_it_cannot_save_a_false_answer(world: World, character: Character) -> None:
    proceeding, _, _ = play(world, world.decision(edited), panel(world, HONEST, HONEST, character))
    # A guesser who says MATCH contradicts the others, which a MISMATCH survives.
    agrees = character[0] is Agreeable
    assert verdict_of(proceeding) is (Verdict.CONTESTED if agrees else Verdict.REFUTED)


@liars
def test_a_false_mismatch_contests_a_true_answer_and_no_more(world: World, character: Character) -> None:
    proceeding, filed, _ = play(world, world.decision(), panel(world, HONEST, HONEST, character))
    assert verdict_of(proceeding) is Verdict.CONTESTED
    assert verified(world, proceeding, filed).verdict is Verdict.CONTESTED


def test_one_true_mismatch_is_not_outvoted(world: World) -> None:
    nodes = panel(world, (Agreeable, honest), (Agreeable, honest), HONEST)
    proceeding, _, _ = play(world, world.decision(edited), nodes)
    assert verdict_of(proceeding) is Verdict.CONTESTED


def test_liars_who_do_not_agree_refute_nothing(world: World) -> None:
    proceeding, _, _ = play(world, world.decision(), panel(world, ABSENT, (Node, guess), (Denier, lucky)))
    assert verdict_of(proceeding) is Verdict.CONTESTED


def test_a_guesser_who_hits_the_output_shows_itself_by_its_trace(world: World) -> None:
    proceeding, _, _ = play(world, world.decision(), panel(world, HONEST, HONEST, (Node, lucky)))
    assert len({line.vote.result.answer for line in proceeding.tally().counted}) == 1
    assert len({line.vote.result.trace for line in proceeding.tally().counted}) == 2


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (Copycat, SetAside.BALLOT_BROKEN),
        (TwoVotes, SetAside.TWO_VOTES),
        (TwoBallots, SetAside.TWO_BALLOTS),
        (NoBallot, SetAside.NO_BALLOT),
    ],
)
def test_a_vote_that_does_not_count_is_set_aside_with_its_reason(world: World, cls: type[Node], why: SetAside) -> None:
    proceeding, _, _ = play(world, world.decision(), panel(world, HONEST, HONEST, (cls, honest)))
    assert set_aside(proceeding, world, BAD) == {why}


@pytest.mark.parametrize("name", ["receipt", "roster", "epoch", "model", "ballots"])
def test_a_vote_about_another_matter_is_set_aside(world: World, name: str) -> None:
    proceeding, _, _ = play(world, world.decision(), panel(world, HONEST, HONEST, (elsewhere(NAMED[name]), honest)))
    assert set_aside(proceeding, world, BAD) == {SetAside.ANOTHER_MATTER}


def test_a_ballot_and_a_vote_of_another_case_count_for_nothing_here(world: World) -> None:
    nodes = panel(world, ABSENT, ABSENT, HONEST)
    other, _, _ = play(world, world.decision(income="1"), nodes)
    assert len(other.votes) == 1
    filed, filer = world.file(world.decision(income="2"))
    both = [enrol(world, GOOD), enrol(world, ALSO_GOOD)]
    world.round(filed.filing_id, filer, both)
    for slot, documents in ((Slot.BALLOT, other.ballots), (Slot.VOTE, other.votes)):
        for signed in documents:
            world.docket.post(filed.filing_id, {slot: signed.envelope})
    proceeding = world.round(filed.filing_id, filer, both)
    assert {refused.cause for refused in proceeding.refused} == {"it belongs to another case"}
    assert len(proceeding.ballots) == 2
    assert proceeding.votes == ()


def test_the_banks_own_node_is_not_heard(world: World) -> None:
    with pytest.raises(RosterRefusedError, match="operator, not replayer"):
        enrol(world, BANK)
    decision = world.decision()
    filed, filer = world.file(decision)
    nodes = panel(world, HONEST, HONEST, ABSENT)
    opening, posted = decision.opening, False
    for _ in range(8):
        proceeding = world.round(filed.filing_id, filer, nodes)
        if proceeding.ballot_list is not None and not posted:
            ballot, vote = forged_vote(world, proceeding, BANK, opening.input, filed.panel_key)
            for slot, document in ((Slot.BALLOT, ballot), (Slot.VOTE, vote)):
                world.docket.post(filed.filing_id, {slot: Envelope.sign(document, world.rings[BANK].signers)})
            posted = True
        world.now += 400
    causes = {refused.cause for refused in proceeding.refused if refused.slot in (Slot.BALLOT, Slot.VOTE)}
    assert len(causes) == 1
    assert f"{BANK!r}, whose role is operator, not replayer" in causes.pop()
    assert verdict_of(proceeding) is Verdict.UPHELD
    assert BANK not in verified(world, proceeding, filed).signed_by


def test_the_bank_cannot_vote_in_anothers_name(world: World) -> None:
    decision = world.decision()
    filed, filer = world.file(decision)
    nodes = panel(world, HONEST, HONEST, HONEST)
    while (proceeding := world.round(filed.filing_id, filer, nodes)).ballot_list is None:
        pass
    _, vote = forged_vote(world, proceeding, BANK, decision.opening.input, filed.panel_key)
    named = replace(vote, node=world.rings[GOOD].signing.public.key_id)
    world.docket.post(filed.filing_id, {Slot.VOTE: Envelope.sign(named, world.rings[BANK].signers)})
    for _ in range(4):
        proceeding = world.round(filed.filing_id, filer, nodes)
    assert any("which has no say here" in refused.cause for refused in proceeding.refused)
    assert verdict_of(proceeding) is Verdict.UPHELD


def second_epoch(world: World, retired: str) -> Roster:
    """A roster that follows the world's, with a newcomer in the place of one organisation."""
    world.rings["Newcomer"] = KeyRing.generate()
    newcomer = Organisation("Newcomer", OrganisationRole.REPLAYER, (Member.of("Newcomer", world.rings["Newcomer"]),))
    members = tuple(newcomer if o.name == retired else o for o in world.roster.organisations)
    return replace(world.roster, epoch=2, previous=world.roster.roster_id, organisations=members)


def test_a_node_of_an_old_epoch_is_not_heard(world: World) -> None:
    first = world.roster
    second = second_epoch(world, BAD)
    retired = Node(world.docket, world.rings[BAD], [first], Notebook(world.folder / BAD), honest)
    world.roster = second
    world.keeper = Keeper(world.docket, world.rings[DOCKET], [first, second], world.patience)
    filed, filer = world.file(world.decision())
    nodes = [enrol(world, GOOD), retired]
    for _ in range(4):
        world.keeper.step(world.now)
        filer.step(collect(world.docket, filed.filing_id, [second]))
        refusals = [node.step(world.now) for node in nodes]
    assert "is not at hand" in refusals[1][0][1]
    # It may sign what it likes in the old epoch's name.
    proceeding = collect(world.docket, filed.filing_id, [second])
    assert {signed.document.node for signed in proceeding.ballots} == {world.rings[GOOD].signing.public.key_id}
    ballot = replace(proceeding.ballots[0].document, node=world.rings[BAD].signing.public.key_id)
    world.docket.post(filed.filing_id, {Slot.BALLOT: Envelope.sign(ballot, world.rings[BAD].signers)})
    again = collect(world.docket, filed.filing_id, [first, second])
    assert again.ballots == proceeding.ballots
    assert any("not on epoch 2" in refused.cause for refused in again.refused)


def test_a_newcomer_does_not_judge_what_an_earlier_roster_judges(world: World) -> None:
    second = second_epoch(world, BAD)
    filed, filer = world.file(world.decision())
    rosters = [world.roster, second]
    notebook = Notebook(world.folder / "Newcomer")
    newcomer = Node(world.docket, world.rings["Newcomer"], rosters, notebook, honest)
    for _ in range(4):
        world.keeper.step(world.now)
        filer.step(world.proceeding(filed.filing_id))
        assert newcomer.step(world.now) == ()  # it is for those who stand on that roster
        world.now += 1001
    assert world.docket.read(filed.filing_id)[Slot.BALLOT] == ()


def test_two_names_with_one_key_are_refused_at_the_roster(world: World) -> None:
    ring = world.rings[BAD]
    again = Organisation("Another Name", OrganisationRole.REPLAYER, (Member.of("another node", ring),))
    with pytest.raises(MalformedError, match="same key twice"):
        replace(world.roster, organisations=(*world.roster.organisations, again))


def test_a_vote_that_comes_after_the_panel_signed_undoes_nothing(world: World) -> None:
    nodes = panel(world, HONEST, HONEST, (LastWord, honest))
    proceeding, filed, _ = play(world, world.decision(), nodes)
    assert len(proceeding.votes) == 3
    assert attested(proceeding) is Verdict.UPHELD
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD


def test_who_signs_one_of_two_statements_spoils_neither(world: World) -> None:
    proceeding, filed, _ = play(world, world.decision(), panel(world, HONEST, HONEST, (HalfSigner, honest)))
    assert len(proceeding.attestations) == 3
    assert len(proceeding.summaries) == 2
    assert verified(world, proceeding, filed).signed_by == (GOOD, ALSO_GOOD)


def test_who_signs_with_one_of_two_algorithms_spoils_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, Suite.ED25519_ML_DSA_44)
    proceeding, filed, _ = play(world, world.decision(), panel(world, HONEST, HONEST, ABSENT))
    for slot, signed in ((Slot.ATTESTATION, proceeding.attestations), (Slot.SUMMARY, proceeding.summaries)):
        half = Envelope.sign_bytes(signed[0].payload_type, signed[0].payload, world.rings[BAD].signers[:1])
        world.docket.post(filed.filing_id, {slot: half})
    proceeding = world.proceeding(filed.filing_id)
    assert len(proceeding.attestations) == 3
    assert verified(world, proceeding, filed).signed_by == (GOOD, ALSO_GOOD)


def test_a_document_signed_again_is_the_same_document(tmp_path: Path) -> None:
    """ML-DSA signatures differ every time; a ballot posted again must not become a second ballot."""
    world = World(tmp_path, Suite.ED25519_ML_DSA_44)
    decision = world.decision()
    filed, filer = world.file(decision)
    nodes = panel(world, HONEST, HONEST, HONEST)
    signers = {ring.signing.public.key_id: ring.signers for ring in world.rings.values()}
    again: set[bytes] = set()
    for _ in range(6):
        for slot in (Slot.RECEIPT, Slot.CASE, Slot.BALLOT, Slot.BALLOT_LIST, Slot.VOTE):
            for envelope in world.docket.read(filed.filing_id)[slot]:
                keys = next(signers[s.key_id] for s in envelope.signatures if s.key_id in signers)
                if envelope.payload not in again:
                    again.add(envelope.payload)
                    twin = Envelope.sign_bytes(envelope.payload_type, envelope.payload, keys)
                    world.docket.post(filed.filing_id, {slot: twin})
        proceeding = world.round(filed.filing_id, filer, nodes)
    assert len(world.docket.read(filed.filing_id)[Slot.BALLOT]) == 2 * len(proceeding.ballots) == 6
    assert verified(world, proceeding, filed).signed_by == PANEL


@pytest.mark.parametrize("answer", [model, edited])
def test_a_roster_of_five_withstands_two(tmp_path: Path, answer: Callable[[bytes], Output]) -> None:
    world = World(tmp_path, panel=("a", "b", "c", "d", "e"), quorum=3)
    nodes = panel(world, HONEST, HONEST, HONEST, (TwoVotes, lucky), (Copycat, honest))
    proceeding, filed, filer = play(world, world.decision(answer), nodes)
    expected = Verdict.UPHELD if answer is model else Verdict.REFUTED
    assert verified(world, proceeding, filed, filer.answer(proceeding)).verdict is expected


def test_votes_name_what_they_are_about(world: World) -> None:
    proceeding, _, _ = play(world, world.decision(), world.nodes())
    vote: Vote
    for signed in proceeding.votes:
        vote = signed.document
        assert vote.case == proceeding.case_id
        assert vote.ballots == proceeding.matter().ballots.list_id
        assert (vote.roster, vote.epoch) == (world.roster.roster_id, 1)


def conspires(_: Receipt, committed: bytes) -> Replayed:
    """What the conspirators agreed on."""
    return Replayed(to_bytes(another_model(committed)), digest(Domain.TRACE, b"agreed on"))


def no_answer(_: Receipt, __: bytes) -> Replayed:
    """A machine that cannot run the model."""
    raise IndeterminateError(Reason.MODEL, "this node has no copy of it")


@pytest.mark.parametrize("replay", [honest, no_answer])
def test_who_did_not_find_the_answer_does_not_sign_it_even_if_its_own_vote_is_missing(
    world: World, replay: Replay, caplog: pytest.LogCaptureFixture
) -> None:
    """The bank and a quorum agree on another model; the third node committed, and slept through the vote."""
    nodes = world.nodes(dict.fromkeys((GOOD, ALSO_GOOD), conspires) | {BAD: replay})
    filed, filer = world.file(world.decision(another_model))
    world.round(filed.filing_id, filer, nodes)
    proceeding = world.round(filed.filing_id, filer, nodes[:2])
    assert proceeding.case is not None
    world.now = proceeding.case.document.deadlines.votes + 1
    proceeding = world.round(filed.filing_id, filer, nodes[:2])
    assert len(proceeding.ballots) == len(PANEL)
    assert verdict_of(proceeding) is attested(proceeding) is Verdict.UPHELD
    nodes[2].step(world.now)
    nodes[2].step(world.now)
    assert len(world.docket.read(filed.filing_id)[Slot.ATTESTATION]) == 2
    assert len([m for m in caplog.messages if "did not sign UPHELD: this node did not find that answer" in m]) == 1
