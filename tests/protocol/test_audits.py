"""Cases that come of an audit: the operator files them, and nobody else can have it charged with silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from reperform.consensus.admission import Admission, NotAdmittedError
from reperform.consensus.docket import Slot
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import Proceeding
from reperform.evidence.ballot import Finding, Reason
from reperform.evidence.case import Case, Filing, Ground, Openings
from reperform.evidence.digest import Digest
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import RosterRefusedError, Suite
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Output
from reperform.tests.protocol.play import attested, edited, settle, verdict_of, verified
from reperform.tests.world import BANK, DOCKET, PANEL, World, model

STRANGERS: Final = ["a stranger", DOCKET, PANEL[0]]


class Silent(Filer):
    """Files, and hands over nothing."""

    def step(self, proceeding: Proceeding) -> None:
        pass


class Twofaced(Filer):
    """Seals the openings twice, so that they contradict each other."""

    def step(self, proceeding: Proceeding) -> None:
        if proceeding.case is not None and Slot.OPENINGS not in proceeding.taken:
            for _ in range(2):
                openings = Openings(proceeding.case_id, self._openings(proceeding).sealed)
                said = Envelope.sign(openings, proceeding.roster.signers(self._keys))
                self._docket.post(proceeding.filing_id, {Slot.OPENINGS: said})


def docket_id(world: World) -> Digest:
    return world.rings[DOCKET].signing.public.key_id


def audit(
    world: World, filer: type[Filer] = Filer, answer: Callable[[bytes], Output] = model
) -> tuple[Proceeding, FiledDecision]:
    """The bank files an audit of one of its decisions, and everybody goes on to the end."""
    decision, keys = world.decision(answer), world.rings[BANK]
    inclusion = None if world.witnesses is None else world.inclusion(decision.receipt)
    filed = FiledDecision.in_audit(decision, keys, world.roster, docket_id(world), inclusion)
    party = filer(world.docket, keys, filed)
    party.file()
    return settle(world, filed.filing_id, party, world.nodes()), filed


def forged(world: World, name: str) -> tuple[FiledDecision, KeyRing]:
    """An audit that somebody else has written and signed as well as it can."""
    keys = world.rings.get(name, world.filer_keys)
    dispute = FiledDecision.of(world.decision(), keys, docket_id(world))
    body = dispute.filing.parse(Filing)
    filing = Filing(
        receipt=body.receipt,
        ground=Ground.AUDIT,
        docket=body.docket,
        signing=body.signing,
        sealing=body.sealing,
        panel_key=body.panel_key,
        inclusion=None,
    )
    return FiledDecision(dispute.decision, Envelope.sign(filing, (keys.signing,)), dispute.panel_key), keys


@pytest.mark.parametrize("suite", list(Suite))
@pytest.mark.parametrize("witnesses", [None, 2])
def test_an_honest_decision_is_upheld_in_an_audit(tmp_path: Path, suite: Suite, witnesses: int | None) -> None:
    world = World(tmp_path, suite=suite, witnesses=witnesses)
    proceeding, filed = audit(world)
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD


def test_a_decision_that_was_edited_is_refuted_in_an_audit(world: World) -> None:
    proceeding, filed = audit(world, answer=edited)
    found = Filer(world.docket, world.rings[BANK], filed).answer(proceeding)
    assert verified(world, proceeding, filed, found).verdict is Verdict.REFUTED


@pytest.mark.parametrize("filer", [Silent, Twofaced])
def test_an_operator_that_files_and_hands_over_nothing_that_stands_is_charged(world: World, filer: type[Filer]) -> None:
    proceeding, filed = audit(world, filer)
    assert {signed.document.reason for signed in proceeding.votes} == {Reason.UNANSWERED}
    assert verified(world, proceeding, filed).verdict is Verdict.UNANSWERED
    assert attested(proceeding) is Verdict.UNANSWERED


def test_a_subject_that_hands_over_nothing_has_nobody_charged(world: World) -> None:
    filed = world.filing(world.decision())
    silent = Silent(world.docket, world.filer_keys, filed)
    silent.file()
    proceeding = settle(world, filed.filing_id, silent, world.nodes())
    assert {signed.document.finding for signed in proceeding.votes} == {Finding.INDETERMINATE}
    assert verdict_of(proceeding) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("name", STRANGERS)
def test_nobody_else_makes_an_audit_out_of_a_decision_file(world: World, name: str) -> None:
    keys = world.rings.get(name, world.filer_keys)
    with pytest.raises(RosterRefusedError):
        FiledDecision.in_audit(world.decision(), keys, world.roster, docket_id(world))


@pytest.mark.parametrize("name", STRANGERS)
def test_the_docket_opens_no_case_on_an_audit_by_anybody_else(world: World, name: str) -> None:
    filed, keys = forged(world, name)
    Filer(world.docket, keys, filed).file()
    ((_, cause),) = world.keeper.step(world.now)
    assert "an audit of this receipt is filed by node 'Harbour Bank', which issued it, and by nobody else" in cause
    assert world.docket.read(filed.filing_id)[Slot.CASE] == ()
    with pytest.raises(RosterRefusedError, match="; ask the operator to file it, or file a dispute"):
        world.proceeding(filed.filing_id)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_service_does_not_admit_an_audit_by_anybody_else(world: World, name: str) -> None:
    filed, _ = forged(world, name)
    posted = {Slot.RECEIPT: (filed.decision.receipt,)}
    with pytest.raises(NotAdmittedError, match="and by nobody else"):
        Admission([world.roster], docket_id(world)).check(filed.filing_id, Slot.FILING, filed.filing, posted)
    mine = FiledDecision.in_audit(filed.decision, world.rings[BANK], world.roster, docket_id(world))
    Admission([world.roster], docket_id(world)).check(mine.filing_id, Slot.FILING, mine.filing, posted)


@pytest.mark.parametrize("name", STRANGERS)
def test_an_audit_by_anybody_else_gets_no_ballot_even_if_the_docket_opened_it(world: World, name: str) -> None:
    filed, keys = forged(world, name)
    Filer(world.docket, keys, filed).file()
    case = open_anyhow(world, filed)
    for node in world.nodes():
        ((_, cause),) = node.step(case.deadlines.openings + 1)
        assert "and by nobody else" in cause
    assert world.docket.read(filed.filing_id)[Slot.BALLOT] == ()


def test_an_audit_in_the_operators_name_that_it_did_not_sign_gets_no_ballot(world: World) -> None:
    """The case names the operator's key, so a pack would look right; but the panel looks for the signature."""
    filed = FiledDecision.in_audit(world.decision(), world.rings[BANK], world.roster, docket_id(world))
    unsigned = FiledDecision(
        filed.decision, Envelope.sign(filed.filing.parse(Filing), (world.filer_keys.signing,)), filed.panel_key
    )
    Filer(world.docket, world.filer_keys, unsigned).file()
    case = open_anyhow(world, unsigned)
    for node in world.nodes():
        ((_, cause),) = node.step(case.deadlines.openings + 1)
        assert "which has no say here" in cause
    assert world.docket.read(filed.filing_id)[Slot.BALLOT] == ()


def test_a_dispute_is_filed_with_any_key_even_the_operators_own(world: World) -> None:
    for keys in (KeyRing.generate(), world.rings[BANK], world.rings[PANEL[0]]):
        filed = FiledDecision.of(world.decision(), keys, docket_id(world))
        filer = Filer(world.docket, keys, filed)
        filer.file()
        assert verdict_of(settle(world, filed.filing_id, filer, world.nodes())) is Verdict.UPHELD


def open_anyhow(world: World, filed: FiledDecision) -> Case:
    """A case that the docket opens on a filing without looking at it."""
    case = Case(
        filing=filed.filing.parse(Filing),
        roster=world.roster.roster_id,
        challenge=bytes(32),
        opened=world.now,
        deadlines=world.patience.deadlines(world.now),
    )
    world.docket.post(filed.filing_id, {Slot.CASE: Envelope.sign(case, world.rings[DOCKET].signers)})
    return case
