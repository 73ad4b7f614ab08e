"""A filer who lies gets no verdict; above all, it cannot make an honest operator look refuted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reperform.consensus.docket import Slot
from reperform.consensus.filer import Filer
from reperform.consensus.proceeding import Proceeding
from reperform.evidence.ballot import Finding, Reason
from reperform.evidence.case import Openings
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.sealing import Purpose
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Record
from reperform.tests.protocol.lying_filers import (
    EmptyOpenings,
    EmptyRelease,
    JunkOpenings,
    JunkRelease,
    Liar,
    NoOpenings,
    NoRelease,
    ReleaseToAnotherList,
    ShortInputKey,
    ShortOutputKey,
    TwoOpenings,
    TwoReleases,
    WrongInput,
    WrongInputKey,
    WrongOutputKey,
    WrongPanelKey,
    liar,
    reseal,
)
from reperform.tests.protocol.play import attested, edited, play, settle, verdict_of
from reperform.tests.world import PANEL, World

REASONS = {
    WrongInput: Reason.OPENING,
    WrongInputKey: Reason.OPENING,
    ShortInputKey: Reason.OPENING,
    WrongPanelKey: Reason.OPENING,
    JunkOpenings: Reason.OPENING,
    EmptyOpenings: Reason.UNANSWERED,
    NoOpenings: Reason.UNANSWERED,
    TwoOpenings: Reason.UNANSWERED,
    WrongOutputKey: Reason.RELEASE,
    ShortOutputKey: Reason.RELEASE,
    JunkRelease: Reason.RELEASE,
    EmptyRelease: Reason.RELEASE,
    ReleaseToAnotherList: Reason.RELEASE,
    NoRelease: Reason.RELEASE,
    TwoReleases: Reason.RELEASE,
}


@pytest.mark.parametrize("kind", REASONS, ids=lambda kind: kind.__name__)
def test_a_lying_filer_gets_no_verdict_but_the_reason(world: World, kind: type[Liar]) -> None:
    proceeding, _, _ = play(world, world.decision(), world.nodes(), liar(world, kind, PANEL))
    assert verdict_of(proceeding) is Verdict.INCONCLUSIVE
    found = {(signed.document.finding, signed.document.reason) for signed in proceeding.votes}
    assert found == {(Finding.INDETERMINATE, REASONS[kind])}
    assert len(proceeding.votes) == len(PANEL)
    assert attested(proceeding) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("kind", [WrongInput, WrongPanelKey, WrongOutputKey], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("victims", [1, 2])
def test_who_is_lied_to_says_so_and_the_others_judge(world: World, kind: type[Liar], victims: int) -> None:
    for answer, verdict in ((None, Verdict.UPHELD), (edited, Verdict.REFUTED)):
        decision = world.decision() if answer is None else world.decision(answer)
        proceeding, _, _ = play(world, decision, world.nodes(), liar(world, kind, PANEL[:victims]))
        assert verdict_of(proceeding) is (verdict if victims == 1 else Verdict.INCONCLUSIVE)
        lied_to = {world.rings[name].signing.public.key_id for name in PANEL[:victims]}
        puzzled = {s.document.node for s in proceeding.votes if s.document.finding is Finding.INDETERMINATE}
        assert puzzled == lied_to


def test_different_inputs_to_different_nodes_refute_nobody(world: World) -> None:
    class Three(Liar):
        def _openings(self, proceeding: Proceeding) -> Openings:
            opening = self.opening()
            return Openings(
                proceeding.case_id,
                tuple(
                    reseal(
                        self.world,
                        proceeding,
                        name,
                        to_bytes(replace(opening, input=to_bytes(Record.of({"income": str(i)})))),
                        Purpose.PANEL_OPENING,
                    )
                    for i, name in enumerate(PANEL)
                ),
            )

    proceeding, _, _ = play(world, world.decision(), world.nodes(), liar(world, Three, PANEL))
    assert {signed.document.reason for signed in proceeding.votes} == {Reason.OPENING}
    assert verdict_of(proceeding) is Verdict.INCONCLUSIVE


def test_another_filers_openings_and_release_are_refused(world: World) -> None:
    decision = world.decision()
    filed, filer = world.file(decision)
    stranger = Filer(world.docket, KeyRing.generate(), filed)
    world.keeper.step(world.now)
    stranger.step(world.proceeding(filed.filing_id))
    assert world.proceeding(filed.filing_id).openings is None
    proceeding = settle(world, filed.filing_id, filer, world.nodes())
    assert verdict_of(proceeding) is Verdict.UPHELD
    assert any(refused.slot is Slot.OPENINGS for refused in proceeding.refused)


def test_a_filing_that_no_answer_could_be_sealed_to_is_refused(world: World) -> None:
    """With such a key MATCH could be voted and MISMATCH could not."""
    filed = world.filing(world.decision())
    proceeding, _, _ = play(world, world.decision(), [])
    with pytest.raises(MalformedError, match="sealing key"):
        replace(proceeding.filing.document, sealing=bytes(32))
    # Nor can one be read that somebody else wrote.
    good = filed.filing.payload
    bad = good.replace(world.filer_keys.sealing.public, bytes(32))
    assert bad != good
    envelope = Envelope.sign_bytes(filed.filing.payload_type, bad, [world.filer_keys.signing])
    forged = replace(filed, filing=envelope)
    Filer(world.docket, world.filer_keys, forged).file()
    causes = dict(world.keeper.step(world.now))
    assert "sealing key" in causes[forged.filing_id]


def test_a_filing_signed_by_another_key_is_refused(world: World) -> None:
    filed = world.filing(world.decision())
    forged = replace(
        filed,
        filing=Envelope.sign_bytes(filed.filing.payload_type, filed.filing.payload, [KeyRing.generate().signing]),
    )
    Filer(world.docket, world.filer_keys, forged).file()
    ((name, cause),) = world.keeper.step(world.now)
    assert name == filed.filing_id
    assert "has no say here" in cause
    assert world.docket.read(filed.filing_id)[Slot.CASE] == ()


def test_a_filing_without_its_receipt_is_named_and_passed_over(world: World) -> None:
    filed = world.filing(world.decision())
    world.docket.post(filed.filing_id, {Slot.FILING: filed.filing})
    ((name, cause),) = world.keeper.step(world.now)
    assert (name, "has no valid receipt" in cause) == (filed.filing_id, True)
    other, filer = world.file(world.decision(income="2"))
    assert verdict_of(settle(world, other.filing_id, filer, world.nodes())) is Verdict.UPHELD


def test_a_filer_to_whom_the_docket_does_not_show_its_words_says_the_same_again(world: World) -> None:
    """Sealed anew they would be other words, and two that contradict each other do not stand."""
    filed, filer = world.file(world.decision())
    nodes = world.nodes()
    for _ in range(6):
        world.keeper.step(world.now)
        proceeding = world.proceeding(filed.filing_id)
        unshown = frozenset({Slot.OPENINGS, Slot.RELEASE})
        for _ in range(2):
            filer.step(replace(proceeding, openings=None, release=None, taken=proceeding.taken - unshown))
        for node in nodes:
            node.step(world.now)
    for slot in (Slot.OPENINGS, Slot.RELEASE):
        assert len(world.docket.read(filed.filing_id)[slot]) == 1
    assert verdict_of(world.proceeding(filed.filing_id)) is Verdict.UPHELD
