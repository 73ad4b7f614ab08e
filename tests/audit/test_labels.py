"""Strata that only the operator knows: disclosed before the draw, checked after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.audit.folder import FolderError
from reperform.consensus.audit.labelling import make_labels
from reperform.consensus.audit.lead import NotYetError
from reperform.consensus.audit.ledger import Ledger
from reperform.consensus.audit.population import Population, draw
from reperform.consensus.audit.run import Examination
from reperform.evidence.audit.examined import Examined
from reperform.evidence.audit.labels import Labels, open_labels
from reperform.evidence.audit.plan import Announced, open_announcement
from reperform.evidence.audit.strata import MISSING, UNDISCLOSED, ByAmount, ByModel, ByOutcome, Strata
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.receipt import DecisionFile, Receipt
from reperform.evidence.roster import RosterRefusedError
from reperform.evidence.values import Output, Record, Text
from reperform.tests.audit.bank import LEAD, Audit, Bank
from reperform.tests.audit.test_draw import quiet
from reperform.tests.audit.test_run import Operator, honest
from reperform.tests.world import BANK, MANIFEST

BY_INCOME = ByAmount("income", ("1010", "1030"))


def labels_of(bank: Bank, announced: Announced) -> Labels:
    """What an honest bank discloses."""
    by_id = {file.receipt.parse(Receipt).decision: file for file in bank.files.values()}
    return make_labels(
        announced,
        bank.name(BANK),
        by_id.get,
        reader=bank.shelf(),
        checkpoint=bank.world.ledger.checkpoint(),
        rosters=bank.rosters,
        progress=quiet,
    )


class Stratified:
    """An audit in strata, up to the announcement."""

    def __init__(self, bank: Bank, folder: Path, strata: Strata = BY_INCOME) -> None:
        self.bank = bank
        self.audit = Audit(bank, folder, strata=strata, rate="0.02", confidence="0.99")
        self.audit.announce()
        self.announced = open_announcement(self.audit.folder.announcement(), bank.rosters)

    def disclose(self, labels: Labels, by: str = BANK) -> Envelope:
        """Hand the lead labels, signed."""
        envelope = Envelope.sign(labels, self.bank.world.rings[by].signers[:1])
        self.audit.folder.write("labels.dsse", envelope)
        return envelope

    def drawn(self, labels: Labels | None) -> Population:
        """Freeze and draw."""
        self.audit.freeze()
        return draw(self.bank.shelf(), self.audit.lead.draw(None), self.bank.rosters, labels, quiet)


def test_each_stratum_is_drawn_by_itself(bank: Bank, tmp_path: Path) -> None:
    bank.decide("1030.0")  # on a bound
    stratified = Stratified(bank, tmp_path / "audit")
    labels = labels_of(bank, stratified.announced)
    stratified.disclose(labels)
    population = stratified.drawn(labels)
    assert {stratum.name: stratum.population for stratum in population.strata} == {
        "1010 to below 1030": 20,
        "below 1010": 10,
        "from 1030": 11,
    }
    assert all(len(stratum.sample) == stratum.population for stratum in population.strata)


def test_what_nobody_disclosed_is_a_stratum_of_its_own(bank: Bank, tmp_path: Path) -> None:
    stratified = Stratified(bank, tmp_path / "audit")
    labels = labels_of(bank, stratified.announced)
    stratified.disclose(labels)
    bank.decide("5000")
    counted = Counter({stratum.name: stratum.population for stratum in stratified.drawn(labels).strata})
    assert counted[UNDISCLOSED] == 1
    assert counted.total() == 41


def test_a_false_label_is_a_deviation(bank: Bank, tmp_path: Path) -> None:
    stratified = Stratified(bank, tmp_path / "audit")
    honestly = labels_of(bank, stratified.announced)
    entry = next(entry for entry in bank.files if honestly.of(entry) == "below 1010")
    numbers = bytearray(honestly.numbers)
    numbers[entry] = honestly.names.index("from 1030") + 1
    falsely = replace(honestly, numbers=bytes(numbers))
    stratified.disclose(falsely)
    population = stratified.drawn(falsely)
    drawn, folder = stratified.audit.lead.draw(None), stratified.audit.folder
    Ledger.create(
        folder.ledger,
        drawn.draw_id,
        strata=population.strata,
        receipts=population.receipts,
        coverage=b"",
        started=bank.world.now,
    )
    with Ledger(folder.ledger, drawn.draw_id) as ledger:
        for _ in Examination(ledger, drawn, folder.evidence, lambda: bank.world.now).run(Operator(bank), honest):
            pass
        assert ledger.left() == 0
        assert [(item.entry, settled.finding) for item, settled in ledger.unlike()] == [(entry, Examined.MISLABELLED)]


def test_a_population_in_strata_waits_for_its_labels(bank: Bank, tmp_path: Path) -> None:
    stratified = Stratified(bank, tmp_path / "audit")
    with pytest.raises(NotYetError, match="has not disclosed"):
        stratified.audit.freeze()
    plain = Stratified(bank, tmp_path / "plain", ByModel())
    plain.disclose(labels_of(bank, stratified.announced))
    with pytest.raises(FolderError, match="does not ask for"):
        plain.audit.freeze()


def test_labels_are_by_an_operator_and_for_one_audit(bank: Bank, tmp_path: Path) -> None:
    stratified = Stratified(bank, tmp_path / "audit")
    labels = labels_of(bank, stratified.announced)
    roster = bank.world.roster
    name = stratified.announced.announcement
    by_lead = Envelope.sign(replace(labels, node=bank.name(LEAD)), bank.world.rings[LEAD].signers[:1])
    with pytest.raises(RosterRefusedError, match="not operator"):
        open_labels(by_lead, name, roster)
    other = Envelope.sign(replace(labels, announcement=roster.roster_id), bank.world.rings[BANK].signers[:1])
    with pytest.raises(MalformedError, match="another audit"):
        open_labels(other, name, roster)


def test_models_need_no_labels(bank: Bank, tmp_path: Path) -> None:
    (stratum,) = Stratified(bank, tmp_path / "audit", ByModel()).drawn(None).strata
    assert stratum.name == str(MANIFEST.model_id)


@pytest.mark.parametrize(
    ("income", "label"),
    [
        ("-1e30", "below 1010"),
        ("1009.9999999999999999999999999", "below 1010"),
        ("1010", "1010 to below 1030"),
        ("1.01e3", "1010 to below 1030"),
        ("1030", "from 1030"),
        ("1e-4000000", "below 1010"),
        (None, MISSING),
    ],
)
def test_amounts_are_compared_as_they_are_written(income: str | None, label: str) -> None:
    assert BY_INCOME.label(Record.of({"income": income}), Output("approve", ())) == label


def test_a_text_has_no_amount() -> None:
    assert BY_INCOME.label(Text("1020"), Output("approve", ())) == MISSING
    assert ByOutcome.label(Text("1020"), Output(None, ())) == MISSING
    assert ByOutcome.label(Text("1020"), Output("approve", ())) == "approve"


@pytest.mark.parametrize("bounds", [(), ("2", "1"), ("1", "1.0"), ("x",), ("nan",), tuple(map(str, range(70)))])
def test_bounds_that_divide_nothing_are_refused(bounds: tuple[str, ...]) -> None:
    with pytest.raises(MalformedError):
        ByAmount("income", bounds)


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ("b", "a")},
        {"names": ("a", "a")},
        {"names": ("a\n",)},
        {"names": ("",)},
        {"names": (UNDISCLOSED,)},
        {"names": ("a" * 65,)},
        {"numbers": b"\x03"},
        {"first": -1},
        {"names": tuple(f"{number:03d}" for number in range(64))},
    ],
)
def test_labels_that_make_no_sense_are_refused(bank: Bank, changes: dict[str, object]) -> None:
    labels = Labels(bank.world.roster.roster_id, bank.name(BANK), 0, ("a", "b"), b"\x00\x01\x02")
    with pytest.raises(MalformedError):
        replace(labels, **changes)  # type: ignore[arg-type]  # several fields


def test_a_decision_that_is_not_kept_has_no_label(bank: Bank, tmp_path: Path) -> None:
    stratified = Stratified(bank, tmp_path / "audit")
    erased = next(iter(bank.files))
    gone: DecisionFile = bank.files.pop(erased)
    labels = labels_of(bank, stratified.announced)
    assert labels.of(erased) is None
    bank.files[erased] = gone
    assert labels_of(bank, stratified.announced).of(erased) is not None
