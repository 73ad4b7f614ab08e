"""An audit before the panel: the operator files a case for each item, and goes on with the same words after a death."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.audit.filings import CLOSED, Filings, Venue
from reperform.consensus.audit.record import NotAnsweredError
from reperform.consensus.docket import Docket, DocketUnreachableError, Slot
from reperform.evidence.audit.answers import Answers, NotHeld
from reperform.evidence.audit.plan import Examination
from reperform.evidence.case import Filing, Ground
from reperform.evidence.digest import Digest
from reperform.evidence.dsse import Envelope
from reperform.evidence.receipt import receipt_id
from reperform.evidence.roster import RosterRefusedError
from reperform.evidence.values import Output
from reperform.replayer.node import Node
from reperform.tests.audit.bank import Bank
from reperform.tests.audit.office import Office
from reperform.tests.audit.test_draw import quiet
from reperform.tests.world import PANEL, model


class Hearing:
    """An audit before the panel of tests/world.py."""

    def __init__(self, office: Office) -> None:
        self.office, self.world = office, office.bank.world
        self.desk = office.desk()
        self.desk.take(office.file, quiet)
        self.nodes: list[Node] = self.world.nodes()

    def filings(self, docket: Docket | None = None, name: str | None = None) -> Filings:
        """The operator's part, as a process that was just started has it."""
        return Filings(
            self.office.at / "desk" / "cases",
            self.office.desk().record,
            self.office.drawn,
            self.office.holdings(),
            Venue(docket or self.world.docket, name),
            rosters=self.office.bank.rosters,
            clock=lambda: self.world.now,
        )

    def others(self) -> None:
        """What docket and panel do."""
        self.world.keeper.step(self.world.now)
        for node in self.nodes:
            node.step(self.world.now)
        self.world.now += 1

    def play(self, filings: Filings, rounds: int = 60, at_once: int = 200) -> Mapping[int, str]:
        """Until nothing is left to do."""
        for _ in range(rounds):
            if not filings.step(at_once):
                return filings.results
            self.others()
        raise AssertionError("cases are still open")

    def cases(self) -> list[Path]:
        """The operator's private files."""
        return sorted((self.office.at / "desk" / "cases").glob("*.filed"))


@pytest.fixture
def hearing(tmp_path: Path) -> Hearing:
    """Six decisions, all of which are drawn; the last was edited."""
    bank = Bank(tmp_path / "world")
    for number in range(5):
        bank.decide(str(number))
    bank.decide("5", lambda committed: Output("approve", model(committed).tensors))
    office = Office(tmp_path / "office", bank, rate="0.1", confidence="0.99", examination=Examination.PANEL)
    assert len(office.entries) == 6
    return Hearing(office)


def test_every_item_gets_its_verdict(hearing: Hearing) -> None:
    results = hearing.play(hearing.filings())
    *honest, edited = hearing.office.entries
    assert results == {**dict.fromkeys(honest, "UPHELD"), edited: "REFUTED"}
    assert hearing.cases() == []  # they have openings
    filed = [r for r in hearing.desk.record.everything() if r.what.startswith("filing ")]
    assert [r.entry for r in filed] == hearing.office.entries


def test_the_cases_are_the_operators_own(hearing: Hearing) -> None:
    hearing.filings().step()
    drawn = {receipt_id(file.receipt) for file in hearing.office.bank.files.values()}
    filings = [hearing.world.docket.read(name)[Slot.FILING][0].parse(Filing) for name in changed(hearing)]
    assert {filing.receipt for filing in filings} == drawn
    assert {filing.ground for filing in filings} == {Ground.AUDIT}
    assert {filing.signing for filing in filings} == {hearing.world.rings["Harbour Bank"].signing.public}
    assert all(path.stat().st_mode & 0o077 == 0 for path in hearing.cases())


def changed(hearing: Hearing) -> tuple[Digest, ...]:
    return hearing.world.docket.changes(0).filings


def test_only_so_many_cases_are_open_at_once(hearing: Hearing) -> None:
    filings = hearing.filings()
    assert filings.step(at_once=2) == 6
    assert len(changed(hearing)) == 2
    assert Counter(hearing.play(filings, at_once=2).values()) == {"UPHELD": 5, "REFUTED": 1}


class DeadError(Exception):
    """The process is killed here."""


@pytest.mark.parametrize("steps", range(1, 40, 3))
def test_killed_anywhere_the_operator_goes_on_with_the_same_cases(hearing: Hearing, steps: int) -> None:
    left = steps

    class Dying:
        """A docket before whose every use the process may die."""

        def __getattr__(self, name: str) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise DeadError
            return getattr(hearing.world.docket, name)

    with suppress(DeadError):
        hearing.play(hearing.filings(Dying()))  # type: ignore[arg-type]
    results = hearing.play(hearing.filings())
    assert Counter(results.values()) == {"UPHELD": 5, "REFUTED": 1}
    assert len(changed(hearing)) == 6


def test_who_comes_back_after_the_end_finds_that_it_did_not_answer(hearing: Hearing) -> None:
    hearing.filings().step()
    for _ in range(8):
        hearing.others()
        hearing.world.now += 1000
    hearing.world.now += 10**6
    results = hearing.play(hearing.filings())
    assert set(results.values()) == {"UNANSWERED"}
    assert hearing.cases() == []


def test_a_case_that_no_quorum_ends_is_over_when_it_closes(hearing: Hearing) -> None:
    hearing.nodes = hearing.nodes[:1]
    filings = hearing.filings()
    for _ in range(12):
        filings.step()
        hearing.others()
        hearing.world.now += 500
    assert filings.step() == 0
    assert set(filings.results.values()) == {CLOSED}


def test_what_is_not_held_is_not_filed_and_said_to_the_lead(hearing: Hearing) -> None:
    erased = hearing.office.entries[2]
    hearing.office.erase(erased)
    assert erased not in hearing.play(hearing.filings())
    answers = hearing.desk.answers(hearing.office.drawn.draw_id, -1).parse(Answers).answers
    assert [(answer.entry, answer.said) for answer in answers] == [(erased, NotHeld.ERASED)]


def test_a_docket_that_is_away_is_told_and_nothing_is_lost(hearing: Hearing) -> None:
    class Away:
        def post(self, *_: object) -> None:
            raise DocketUnreachableError("it is away")

    with pytest.raises(DocketUnreachableError):
        hearing.filings(Away()).step()  # type: ignore[arg-type]
    assert len(hearing.cases()) == 1
    assert len(hearing.play(hearing.filings())) == 6


def test_others_cases_on_the_docket_are_left_alone(hearing: Hearing) -> None:
    dispute, _ = hearing.world.file(hearing.world.decision())
    hearing.play(hearing.filings())
    assert hearing.world.docket.read(dispute.filing_id)[Slot.OPENINGS] == ()


def test_an_audit_that_the_lead_examines_is_not_brought_before_the_panel(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(NotAnsweredError, match="not the panel"):
        Hearing(Office(tmp_path / "office", bank)).filings()


def test_a_docket_is_named_if_it_is_not_clear_which(hearing: Hearing) -> None:
    with pytest.raises(RosterRefusedError, match="has 0 such dockets"):
        hearing.filings(name="Another Office").step()
    assert hearing.cases() == []


def test_an_executor_whose_keys_are_gone_cannot_file(hearing: Hearing) -> None:
    filings = hearing.filings()
    filings._rings = {}
    with pytest.raises(RosterRefusedError, match="which issued a receipt of the sample"):
        filings.step()


def test_papers_of_the_panel_carry_the_place_in_the_log(hearing: Hearing) -> None:
    hearing.filings().step()
    (name, *_) = changed(hearing)
    proceeding = hearing.world.proceeding(name)
    assert proceeding.place is not None
    assert proceeding.place.index in hearing.office.entries
    assert isinstance(proceeding.filing.envelope, Envelope)
    assert replace(proceeding.filing.document, inclusion=None) != proceeding.filing.document
    assert len(PANEL) == 3
