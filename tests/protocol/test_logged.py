"""Cases on a roster with a log: what the parties make of a receipt that stands in it, and of one that does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.admission import Admission, NotAdmittedError
from reperform.consensus.docket import Slot
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import Proceeding, assemble
from reperform.evidence.documents import to_bytes
from reperform.evidence.receipt import DecisionFile
from reperform.evidence.roster import Revocation, Roster, Suite
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Output
from reperform.evidence.verify import verify
from reperform.tests.world import DOCKET, PANEL, World, model


@pytest.fixture(params=Suite)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, suite=request.param, witnesses=2)


def filed(world: World, decision: DecisionFile, inclusion: str | None) -> FiledDecision:
    docket = world.rings[DOCKET].signing.public.key_id
    return FiledDecision.of(decision, world.filer_keys, docket, inclusion=inclusion)


def played(world: World, filing: FiledDecision) -> Proceeding:
    filer, nodes = Filer(world.docket, world.filer_keys, filing), world.nodes()
    filer.file()
    for _ in range(6):
        proceeding = world.round(filing.filing_id, filer, nodes)
    return proceeding


def another(_: bytes) -> Output:
    return replace(model(b""), decision="approve")


def test_a_receipt_in_the_log_is_upheld_and_its_pack_says_where_it_stands(world: World) -> None:
    proceeding, filing, _ = world.run(world.decision(), world.nodes())
    found = verify(to_bytes(world.pack(proceeding, filing)), world.roots)
    assert (found.verdict, found.place) == (Verdict.UPHELD, proceeding.place)
    assert found.place is not None
    assert found.place.witnessed.organisations == tuple(sorted(PANEL))


def test_without_a_proof_an_operator_is_not_upheld(world: World) -> None:
    filing = filed(world, world.decision(), None)
    proceeding = played(world, filing)
    assert proceeding.tally().verdict is Verdict.INCONCLUSIVE
    found = verify(to_bytes(world.pack(proceeding, filing)), world.roots)
    assert (found.verdict, found.place) == (Verdict.INCONCLUSIVE, None)


def test_without_a_proof_an_operator_is_refuted_all_the_same(world: World) -> None:
    proceeding = played(world, filed(world, world.decision(another), None))
    assert proceeding.tally().verdict is Verdict.REFUTED


def test_a_filing_with_a_proof_that_does_not_hold_is_not_taken(world: World) -> None:
    decision = world.decision()
    other = world.decision(income="1.00")
    for proof in (world.inclusion(other.receipt), world.inclusion(decision.receipt, by=PANEL[:1]), "no proof"):
        filing = filed(world, decision, proof)
        docket = Admission([world.roster], world.rings[DOCKET].signing.public.key_id)
        posted = {Slot.RECEIPT: [decision.receipt]}
        with pytest.raises(NotAdmittedError, match="this is no filing"):
            docket.check(filing.filing_id, Slot.FILING, filing.filing, posted)
        Filer(world.docket, world.filer_keys, filing).file()
        assert [cause for name, cause in world.keeper.step(world.now) if name == filing.filing_id] != []
        assert world.docket.read(filing.filing_id)[Slot.CASE] == ()


@pytest.mark.parametrize("effective", [3, 4])
def test_a_key_counts_on_what_stands_before_its_revocation(tmp_path: Path, effective: int) -> None:
    """The receipt is entry 3; the checkpoint over it has four entries."""
    world = World(tmp_path, witnesses=2)
    gone = world.rings[PANEL[0]].signing.public.key_id
    kept = tuple(each for each in world.roster.organisations if each.name != PANEL[0])
    second = replace(
        world.roster,
        epoch=2,
        previous=world.roster.roster_id,
        organisations=kept,
        revoked=(Revocation(gone, effective),),
    )
    rosters: list[Roster] = [world.roster, second]
    decision = world.decision()
    filing = filed(world, decision, world.inclusion(decision.receipt, by=PANEL[1:]))
    posted = {Slot.RECEIPT: [decision.receipt], Slot.FILING: [filing.filing]}
    panel = [node.node_id for node in assemble(filing.filing_id, posted, rosters).panel]
    assert (gone in panel) == (effective == 4)
    assert len(panel) == (3 if effective == 4 else 2)
