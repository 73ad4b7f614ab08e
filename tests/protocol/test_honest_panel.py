"""Honest replayers find what is true, and a stranger can check it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.roster import Suite
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Output
from reperform.tests.protocol.play import EDITED, another_model, edited, play, verdict_of, verified
from reperform.tests.world import PANEL, World, model


@pytest.mark.parametrize("suite", Suite)
def test_a_true_answer_is_upheld_and_the_pack_verifies(tmp_path: Path, suite: Suite) -> None:
    world = World(tmp_path, suite)
    proceeding, filed, filer = play(world, world.decision(), world.nodes())
    assert verdict_of(proceeding) is Verdict.UPHELD
    assert filer.answer(proceeding) is None
    shown = verified(world, proceeding, filed)
    assert (shown.verdict, shown.signed_by) == (Verdict.UPHELD, PANEL)
    assert shown.disclosed is not None
    assert shown.disclosed.output == shown.disclosed.answer == model(filed.decision.opening.input)


@pytest.mark.parametrize("answer", [edited, another_model])
def test_a_false_answer_is_refuted_with_the_models_own(world: World, answer: Callable[[bytes], Output]) -> None:
    proceeding, filed, filer = play(world, world.decision(answer), world.nodes())
    assert verdict_of(proceeding) is Verdict.REFUTED
    own = filer.answer(proceeding)
    assert own is not None
    assert from_bytes(Output, own) == model(filed.decision.opening.input)
    shown = verified(world, proceeding, filed, own)
    assert shown.verdict is Verdict.REFUTED
    assert shown.disclosed is not None
    assert shown.disclosed.output == answer(filed.decision.opening.input)
    assert shown.disclosed.answer == model(filed.decision.opening.input)


def test_an_edited_score_with_the_right_decision_is_refuted_too(world: World) -> None:
    def nearly(committed: bytes) -> Output:
        true = model(committed)
        return Output(true.decision, EDITED.tensors)

    proceeding, _, _ = play(world, world.decision(nearly), world.nodes())
    assert verdict_of(proceeding) is Verdict.REFUTED


def test_every_replayer_signs_the_same_bytes(world: World) -> None:
    proceeding, _, _ = play(world, world.decision(), world.nodes())
    assert len(proceeding.attestations) == len(proceeding.summaries) == len(PANEL)
    assert len({envelope.payload for envelope in proceeding.attestations}) == 1
    assert len({envelope.payload for envelope in proceeding.summaries}) == 1


def test_two_decisions_are_judged_side_by_side(world: World) -> None:
    nodes = world.nodes()
    first, first_filer = world.file(world.decision(income="1"))
    second, second_filer = world.file(world.decision(edited, income="2"))
    for _ in range(6):
        world.round(first.filing_id, first_filer, nodes)
        second_filer.step(world.proceeding(second.filing_id))
    assert verdict_of(world.proceeding(first.filing_id)) is Verdict.UPHELD
    assert verdict_of(world.proceeding(second.filing_id)) is Verdict.REFUTED


def test_an_organisation_with_two_nodes_counts_once(tmp_path: Path) -> None:
    world = World(tmp_path, twins=("Audit House",))
    proceeding, _, _ = play(world, world.decision(), [world.node("Audit House"), world.node("Audit House, twin")])
    assert len(proceeding.tally().counted) == 2
    assert verdict_of(proceeding) is Verdict.INCONCLUSIVE


def test_a_posted_document_can_be_read_back_as_it_was(world: World) -> None:
    filed, filer = world.file(world.decision())
    filer.file()
    proceeding = world.proceeding(filed.filing_id)
    assert to_bytes(proceeding.receipt.envelope) == to_bytes(filed.decision.receipt)
    assert to_bytes(proceeding.filing.envelope) == to_bytes(filed.filing)
