"""Whoever falls silent, the case ends: with the deadline, and with the reason."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import Phase, Proceeding, phase
from reperform.evidence.ballot import Finding, Reason
from reperform.evidence.receipt import Receipt
from reperform.evidence.tally import Verdict
from reperform.replayer.node import Node
from reperform.replayer.replay import IndeterminateError, Replayed
from reperform.tests.protocol.adversaries import NeverReveals, enrol
from reperform.tests.protocol.play import attested, documents
from reperform.tests.world import PANEL, World, honest

STEP: Final = 500  # milliseconds; each step of a case may take 1,000


def live(world: World, filed: FiledDecision, filer: Filer, nodes: list[Node], ends: dict[str, int]) -> Proceeding:
    """Play through all deadlines; whoever is named in `ends` stops acting at that time after the start."""
    start = world.now
    while True:
        elapsed = world.now - start
        if elapsed < ends.get("docket", 10**6):
            assert world.keeper.step(world.now) == ()
        if elapsed < ends.get("filer", 10**6):
            filer.step(world.proceeding(filed.filing_id))
        for name, node in zip(PANEL, nodes, strict=True):
            if elapsed < ends.get(name, 10**6):
                assert node.step(world.now) == ()
        proceeding = world.proceeding(filed.filing_id)
        if elapsed > 7000:
            assert proceeding.case is None or phase(proceeding, world.now) is Phase.CLOSED
            return proceeding
        world.now += STEP


def test_a_filer_who_never_opens_ends_without_a_verdict_on_the_answer(world: World) -> None:
    filed, filer = world.file(world.decision())
    proceeding = live(world, filed, filer, world.nodes(), {"filer": 0})
    assert proceeding.tally().verdict is attested(proceeding) is Verdict.INCONCLUSIVE
    assert {line.vote.reason for line in proceeding.tally().counted} == {Reason.UNANSWERED}


def test_a_filer_who_never_releases_ends_inconclusive_with_the_reason(world: World) -> None:
    filed, filer = world.file(world.decision())
    proceeding = live(world, filed, filer, world.nodes(), {"filer": STEP})
    assert proceeding.openings is not None
    assert proceeding.tally().verdict is attested(proceeding) is Verdict.INCONCLUSIVE
    assert {line.vote.reason for line in proceeding.tally().counted} == {Reason.RELEASE}


@pytest.mark.parametrize("when", [0, STEP, 2 * STEP, 3 * STEP])
@pytest.mark.parametrize("silent", [1, 2, 3])
def test_silent_nodes_end_a_case_upheld_or_inconclusive(world: World, silent: int, when: int) -> None:
    filed, filer = world.file(world.decision())
    proceeding = live(world, filed, filer, world.nodes(), dict.fromkeys(PANEL[:silent], when))
    voted = sum(line.vote.finding is Finding.MATCH for line in proceeding.tally().counted)
    assert proceeding.tally().verdict is (Verdict.UPHELD if voted >= 2 else Verdict.INCONCLUSIVE)
    signers = 3 - silent if when <= 2 * STEP else 3
    assert attested(proceeding) is (proceeding.tally().verdict if signers >= 2 else None)


def test_two_who_commit_and_never_reveal_end_a_case_inconclusive(world: World) -> None:
    filed, filer = world.file(world.decision())
    nodes = [world.node(PANEL[0]), *(enrol(world, name, NeverReveals) for name in PANEL[1:])]
    proceeding = live(world, filed, filer, nodes, {})
    assert len(proceeding.ballots) == 3
    assert proceeding.tally().verdict is Verdict.INCONCLUSIVE


def test_a_docket_that_never_opens_leaves_the_filing_as_it_is(world: World) -> None:
    filed, filer = world.file(world.decision())
    proceeding = live(world, filed, filer, world.nodes(), {"docket": 0})
    assert (proceeding.case, phase(proceeding, world.now), attested(proceeding)) == (None, Phase.FILED, None)


def test_a_docket_that_never_closes_the_ballots_ends_without_a_verdict(world: World) -> None:
    filed, filer = world.file(world.decision())
    proceeding = live(world, filed, filer, world.nodes(), {"docket": STEP})
    assert len(proceeding.ballots) == 3
    assert (proceeding.release, proceeding.votes, attested(proceeding)) == (None, (), None)


@pytest.mark.parametrize("reason", [Reason.MODEL, Reason.EXECUTION_CLASS, Reason.RUN])
def test_nodes_that_cannot_run_the_model_say_why(world: World, reason: Reason) -> None:
    def unable(_: Receipt, __: bytes) -> Replayed:
        raise IndeterminateError(reason, "not here")

    filed, filer = world.file(world.decision())
    nodes = [world.node(name, unable if name in PANEL[:2] else honest) for name in PANEL]
    proceeding = live(world, filed, filer, nodes, {})
    assert proceeding.tally().verdict is attested(proceeding) is Verdict.INCONCLUSIVE
    found = {line.vote.reason for line in proceeding.tally().counted}
    assert found == {reason, None}


def test_every_party_may_fall_silent_at_every_moment(world: World) -> None:
    """One long run of many cases, so that every one of them ends: no exception, no hang, no growth."""
    parties = ("docket", "filer", PANEL[0])
    for who, moment in product(parties, (0, STEP, 2 * STEP)):
        filed, filer = world.file(world.decision(income=f"{parties.index(who)}.{moment}"))
        nodes = world.nodes()
        proceeding = live(world, filed, filer, nodes, {who: moment})
        before = documents(world)
        for node in nodes:
            assert node.step(world.now) == ()
        assert world.keeper.step(world.now) == () or who == "docket"
        assert attested(proceeding) in (None, Verdict.UPHELD, Verdict.INCONCLUSIVE)
        assert len(documents(world)) <= len(before) + 1
        # The next case starts from an empty docket, or each would be looked at in every step.
        (world.folder / "docket" / str(filed.filing_id)).rename(world.folder / str(filed.filing_id))
