"""The examination: what counts as which finding, that dying changes none, and that nothing is believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from reperform.cli.audit.examine import Openings, desk_client
from reperform.consensus.audit.ledger import Ledger, LedgerError, NotAskedError
from reperform.consensus.audit.population import draw
from reperform.consensus.audit.replays import Event, Job, Outcome, Replays
from reperform.consensus.audit.run import Examination, Source
from reperform.evidence.audit.answers import Broken, NotHeld, Opened
from reperform.evidence.audit.draw import Drawn
from reperform.evidence.audit.examined import Examined
from reperform.evidence.audit.exhibit import Exhibit, open_exhibit
from reperform.evidence.ballot import Reason
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.values import Output
from reperform.tests.audit.bank import HOUR, Audit, Bank
from reperform.tests.audit.test_draw import quiet
from reperform.tests.world import model


def honest(jobs: Iterable[Job]) -> Iterator[Outcome | Event]:
    """What honest machines say."""
    for job in jobs:
        yield Outcome(job.entry, to_bytes(model(job.input)))


class Operator:
    """Answers for the bank; `instead` has what it says of some entries instead."""

    def __init__(self, bank: Bank, instead: Mapping[int, Opened | None] | None = None) -> None:
        self.bank, self.instead = bank, instead or {}

    def __call__(self, entries: Sequence[int]) -> Mapping[int, Opened]:
        """What it says."""
        said = {entry: self.instead.get(entry, self.bank.files[entry]) for entry in entries if entry in self.bank.files}
        said |= {entry: answer for entry, answer in self.instead.items() if entry in entries}
        return {entry: answer for entry, answer in said.items() if answer is not None}


class Auditing:
    """An audit that is drawn, with its ledger."""

    def __init__(self, bank: Bank, folder: Path, begins: int = 0, **changes: object) -> None:
        """begins: how many milliseconds after the draw the examination does."""
        self.bank = bank
        self.audit = Audit(bank, folder, **{"rate": "0.02", "confidence": "0.99", **changes})
        self.drawn: Drawn = self.audit.draw()
        self.population = draw(bank.shelf(), self.drawn, bank.rosters, None, quiet)
        bank.world.now += begins
        self.sample = [entry for stratum in self.population.strata for entry in stratum.sample]
        Ledger.create(
            self.audit.folder.ledger,
            self.drawn.draw_id,
            strata=self.population.strata,
            receipts=self.population.receipts,
            coverage=b"",
            started=bank.world.now,
        )

    def open(self) -> Ledger:
        """The ledger."""
        return Ledger(self.audit.folder.ledger, self.drawn.draw_id)

    def run(
        self, operator: Source | None = None, replays: Replays = honest, asks: bool = True
    ) -> dict[int, tuple[Examined, str]]:
        """Examine; what stands in the ledger afterwards about items that are no MATCH."""
        with self.open() as ledger:
            examination = Examination(
                ledger, self.drawn, self.audit.folder.evidence, lambda: self.bank.world.now, asks=asks
            )
            for _ in examination.run(operator or Operator(self.bank), replays):
                pass
            return {item.entry: (settled.finding, settled.cause) for item, settled in ledger.unlike()}

    def left(self) -> int:
        """How many items are open."""
        with self.open() as ledger:
            return ledger.left()


@pytest.fixture
def auditing(bank: Bank, tmp_path: Path) -> Auditing:
    """All 40 decisions are drawn."""
    auditing = Auditing(bank, tmp_path / "audit")
    assert len(auditing.sample) == 40
    return auditing


def test_an_honest_bank_has_no_deviation(auditing: Auditing) -> None:
    assert auditing.run() == {}
    assert auditing.left() == 0
    with auditing.open() as ledger:
        assert ledger.counts() == {("all", Examined.MATCH): 40}


def test_every_way_to_deviate_is_found_for_what_it_is(bank: Bank, tmp_path: Path) -> None:
    lie = bank.decide("5", lambda committed: Output("approve", model(committed).tensors))
    auditing = Auditing(bank, tmp_path / "audit")
    erased, swapped, edited, ill = auditing.sample[:4]
    assert lie in auditing.sample
    operator = Operator(
        bank,
        {
            erased: NotHeld.ERASED,
            swapped: Broken("the opening is of another receipt", bank.files[auditing.sample[5]]),
            edited: Broken("what was handed over does not open, or is no decision file", None),
        },
    )

    def failing(jobs: Iterable[Job]) -> Iterator[Outcome | Event]:
        for job in jobs:
            if job.entry == ill:
                yield Event(5, "worker 1 was lost")
                yield Outcome(job.entry, None, Reason.RUN, "the run stopped")
            else:
                yield from honest([job])

    found = auditing.run(operator, failing)
    assert found == {
        erased: (Examined.MISSING, "the operator says that it has no opening: erased"),
        swapped: (Examined.BROKEN, "the opening is of another receipt"),
        edited: (Examined.BROKEN, "what was handed over does not open, or is no decision file"),
        ill: (Examined.INDETERMINATE, "run: the run stopped"),
        lie: (Examined.MISMATCH, "the pinned model gives another output"),
    }
    assert auditing.left() == 0
    with auditing.open() as ledger:
        assert ledger.events() == [Event(5, "worker 1 was lost")]
        digests = {item.entry: settled.evidence for item, settled in ledger.unlike()}
    assert digests[erased] is None
    kept = auditing.audit.folder.evidence / f"{lie:012d}.exhibit"
    assert kept.stat().st_mode & 0o077 == 0
    wanted = digests[lie]
    assert wanted is not None
    assert open_exhibit(kept.read_bytes(), wanted) == Exhibit(
        bank.files[lie], to_bytes(model(bank.files[lie].opening.input))
    )
    with pytest.raises(MalformedError, match="not the exhibit"):
        open_exhibit(kept.read_bytes(), Digest(bytes(32)))


def test_what_is_not_answered_is_open_until_the_plan_says_it_is_missing(auditing: Auditing) -> None:
    bank, late = auditing.bank, auditing.sample[:3]
    silent = Operator(bank, dict.fromkeys(late))
    assert auditing.run(silent) == {}
    assert auditing.left() == 3
    assert auditing.run(Operator(bank, dict.fromkeys(late[1:]))) == {}
    assert auditing.left() == 2
    bank.world.now += 2 * HOUR
    assert auditing.run(silent) == dict.fromkeys(late[1:], (Examined.MISSING, "no answer in time"))


def test_a_lead_that_comes_after_the_time_for_answers_calls_nobody_silent(bank: Bank, tmp_path: Path) -> None:
    auditing = Auditing(bank, tmp_path / "audit", begins=2 * HOUR)
    last = auditing.sample[-1]
    with pytest.raises(NotAskedError, match="nobody asked the operator before the time for its answers had passed"):
        auditing.run(Operator(bank, {last: None}))
    with auditing.open() as ledger:
        assert ledger.counts() == {("all", Examined.MATCH): 39}  # whatever is there counts
    assert auditing.left() == 1
    assert auditing.run() == {}
    assert auditing.left() == 0


def test_a_lead_that_began_in_time_and_asked_nobody_calls_nobody_silent(auditing: Auditing) -> None:
    silent = Operator(auditing.bank, dict.fromkeys(auditing.sample))

    def broken(jobs: Iterable[Job]) -> Iterator[Outcome | Event]:
        raise AwayError(f"no machine is there for {jobs}")

    with pytest.raises(AwayError):
        auditing.run(silent, broken)  # before anybody was asked
    assert auditing.run(silent, asks=False) == {}  # neither a desk nor a folder was named
    auditing.bank.world.now += 2 * HOUR
    for _ in range(2):
        with pytest.raises(NotAskedError, match="plan another audit"):
            auditing.run(silent)
    assert auditing.left() == 40


def test_an_operator_is_asked_where_its_desk_or_its_folder_is_named(tmp_path: Path) -> None:
    assert Openings(None, tmp_path).named
    assert Openings(desk_client("http://127.0.0.1:9", None), None).named
    assert not Openings(None, None).named


def test_an_operator_that_was_away_was_asked_all_the_same(auditing: Auditing) -> None:
    def away(entries: Sequence[int]) -> Mapping[int, Opened]:
        raise AwayError(f"it is away, and says nothing about {entries}")

    with pytest.raises(AwayError):
        auditing.run(away)
    auditing.bank.world.now += 2 * HOUR
    assert len(auditing.run(Operator(auditing.bank, dict.fromkeys(auditing.sample)))) == 40
    assert auditing.left() == 0


class AwayError(ReperformError):
    """Somebody is away."""


def test_an_operator_that_goes_away_takes_nothing_from_what_was_found(auditing: Auditing) -> None:
    operator, asked = Operator(auditing.bank), []

    def going(entries: Sequence[int]) -> Mapping[int, Opened]:
        asked.append(entries)
        if len(asked) > 1:
            raise AwayError("it is away")
        return operator(entries[:30])

    def after_each(jobs: Iterable[Job]) -> Iterator[Outcome | Event]:
        yield from honest(jobs)
        going([])

    with pytest.raises(AwayError):
        auditing.run(going, after_each)
    assert auditing.left() == 10
    assert auditing.run() == {}
    assert auditing.left() == 0


def test_machines_that_die_leave_items_open_and_the_next_run_finds_the_same(bank: Bank, tmp_path: Path) -> None:
    lie = bank.decide("5", lambda committed: Output("approve", model(committed).tensors))
    whole, broken = (Auditing(bank, tmp_path / name) for name in ("whole", "broken"))
    expected = whole.run()

    def dying(jobs: Iterable[Job]) -> Iterator[Outcome | Event]:
        for number, job in enumerate(jobs):
            if number == 7:
                raise AwayError("the cluster is gone")
            yield from honest([job])

    for _ in range(3):
        with pytest.raises(AwayError):
            broken.run(replays=dying)
    assert broken.left() == 41 - 21
    assert broken.run() == expected
    assert lie in expected


def test_a_ledger_belongs_to_one_draw(auditing: Auditing) -> None:
    with pytest.raises(LedgerError, match="no ledger of this draw"):
        Ledger(auditing.audit.folder.ledger, Digest(bytes(32)))
    with pytest.raises(LedgerError, match="does not exist"):
        Ledger(auditing.audit.folder.path / "nothing", auditing.drawn.draw_id)
