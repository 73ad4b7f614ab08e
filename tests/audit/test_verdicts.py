"""What the lead reads off a docket: a verdict for each item, the panel's and not the operator's."""

from __future__ import annotations

from pathlib import Path

import pytest
from reperform.consensus.audit.ledger import Ledger, NotAskedError, Settled
from reperform.consensus.audit.panel import PanelExamination
from reperform.consensus.audit.population import draw
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import Proceeding
from reperform.evidence.audit.examined import Examined
from reperform.evidence.audit.exhibit import exhibit_id
from reperform.evidence.audit.plan import Examination
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Output
from reperform.evidence.verify import verify
from reperform.tests.audit.bank import HOUR, Bank
from reperform.tests.audit.office import Office
from reperform.tests.audit.test_draw import quiet
from reperform.tests.audit.test_panel import Hearing
from reperform.tests.protocol.play import settle
from reperform.tests.world import BANK, DOCKET, MANIFEST, model


class Reading:
    """A hearing, and the lead that reads its docket."""

    def __init__(self, hearing: Hearing, folder: Path) -> None:
        self.hearing, self.folder, self.world = hearing, folder, hearing.world
        office = hearing.office
        population = draw(office.bank.shelf(), office.drawn, office.bank.rosters, None, quiet)
        self.path = office.audit.folder.ledger
        Ledger.create(
            self.path,
            office.drawn.draw_id,
            strata=population.strata,
            receipts=population.receipts,
            coverage=b"",
            started=self.world.now,
        )

    def read(self) -> tuple[dict[int, Settled], int]:
        """What is no MATCH, and how many items are open."""
        office = self.hearing.office
        with Ledger(self.path, office.drawn.draw_id) as ledger:
            examination = PanelExamination(
                ledger=ledger,
                drawn=office.drawn,
                folder=self.folder,
                clock=lambda: self.world.now,
                rosters=[self.world.roster_envelope],
                epochs=office.bank.rosters,
                manifests={MANIFEST.model_id: MANIFEST},
            )
            for _ in examination.run(self.world.docket):
                pass
            return {item.entry: settled for item, settled in ledger.unlike()}, ledger.left()

    def file(self, entry: int, filer: type[Filer]) -> None:
        """The bank files one decision, and everybody goes on to the end."""
        decision, keys = self.hearing.office.bank.files[entry], self.world.rings[BANK]
        inclusion = self.world.inclusion(decision.receipt)
        docket = self.world.rings[DOCKET].signing.public.key_id
        filed = FiledDecision.in_audit(decision, keys, self.world.roster, docket, inclusion)
        party = filer(self.world.docket, keys, filed)
        party.file()
        settle(self.world, filed.filing_id, party, self.hearing.nodes)


class Silent(Filer):
    """Files, and hands over nothing."""

    def step(self, proceeding: Proceeding) -> None:
        pass


class Withholding(Filer):
    """Hands over the input, and never the key of the output."""

    def step(self, proceeding: Proceeding) -> None:
        if proceeding.ballot_list is None:
            super().step(proceeding)


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    """Six decisions, all of which are drawn; the last was edited."""
    bank = Bank(tmp_path / "world")
    for number in range(5):
        bank.decide(str(number))
    bank.decide("5", lambda committed: Output("approve", model(committed).tensors))
    office = Office(tmp_path / "office", bank, rate="0.1", confidence="0.99", examination=Examination.PANEL)
    return Reading(Hearing(office), tmp_path / "evidence")


def test_verdicts_become_findings_and_a_refutation_is_kept_with_its_pack(reading: Reading) -> None:
    assert reading.read() == ({}, 6)
    reading.hearing.play(reading.hearing.filings())
    (found,), left = reading.read()[0].values(), reading.read()[1]
    edited = reading.hearing.office.entries[-1]
    assert (found.entry, found.finding, left) == (edited, Examined.MISMATCH, 0)
    data = (reading.folder / f"{edited:012d}.pack").read_bytes()
    assert found.evidence == exhibit_id(data)
    assert verify(data, reading.world.roots).verdict is Verdict.REFUTED


def test_what_was_not_filed_is_missing_when_the_time_for_it_is_over(reading: Reading) -> None:
    reading.world.now += 2 * HOUR - 1 - 1
    assert reading.read() == ({}, 6)
    reading.world.now += 2
    found, left = reading.read()
    assert left == 0
    assert {settled.finding for settled in found.values()} == {Examined.MISSING}


def test_a_lead_that_comes_after_the_time_for_cases_calls_nobody_silent(reading: Reading) -> None:
    reading.world.now += 2 * HOUR
    for _ in range(2):
        with pytest.raises(NotAskedError, match="nobody asked the operator before the time for its answers had passed"):
            reading.read()
    with Ledger(reading.path, reading.hearing.office.drawn.draw_id) as ledger:
        assert ledger.left() == 6


@pytest.mark.parametrize(("filer", "finding"), [(Silent, Examined.MISSING), (Withholding, Examined.BROKEN)])
def test_an_operator_that_hands_over_nothing_or_no_key_deviates(
    reading: Reading, filer: type[Filer], finding: Examined
) -> None:
    entry = reading.hearing.office.entries[0]
    reading.file(entry, filer)
    found, left = reading.read()
    assert (left, {number: settled.finding for number, settled in found.items()}) == (5, {entry: finding})


def test_a_refutation_is_not_undone_by_filing_again(reading: Reading) -> None:
    edited = reading.hearing.office.entries[-1]
    reading.file(edited, Filer)
    reading.file(edited, Silent)
    assert reading.read()[0][edited].finding is Examined.MISMATCH


def test_a_second_case_is_taken_where_the_first_came_to_nothing(reading: Reading) -> None:
    honest = reading.hearing.office.entries[0]
    reading.file(honest, Silent)
    reading.file(honest, Filer)
    found, left = reading.read()
    assert (found, left) == ({}, 5)


def test_a_dispute_of_the_same_decision_is_no_answer(reading: Reading) -> None:
    entry = reading.hearing.office.entries[0]
    decision, world = reading.hearing.office.bank.files[entry], reading.world
    filed = FiledDecision.of(
        decision,
        world.filer_keys,
        world.rings[DOCKET].signing.public.key_id,
        world.inclusion(decision.receipt),
    )
    party = Filer(world.docket, world.filer_keys, filed)
    party.file()
    settle(world, filed.filing_id, party, reading.hearing.nodes)
    assert reading.read() == ({}, 6)
