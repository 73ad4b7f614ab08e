"""Audits by the calendar: each due time once, whatever dies; and whoever must know is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from reperform.consensus.audit.lead import NotYetError
from reperform.consensus.audit.schedule.calendar import Calendar, CalendarError, Run, State
from reperform.consensus.audit.schedule.scheduler import GIVE_UP, Conducted, Scheduler
from reperform.consensus.audit.schedule.timetable import Scheduled, Timetable
from reperform.consensus.audit.schedule.webhook import WebhookError
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError

TEXT = """
log = "https://log.example"
desk = "https://desk.example"
key = "auditor.key"
roster = ["roster.dsse", "later.dsse"]
roots = "roots.json"
models = ["model"]
folder = "audits"

[[audit]]
name = "monthly"
cron = "0 6 1 * *"
rate = "0.01"
"""


def at(*when: int) -> int:
    """A moment, in milliseconds since 1970."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type,misc]  # year, month, …


@pytest.fixture
def table(tmp_path: Path) -> Timetable:
    """One audit a month."""
    (tmp_path / "timetable.toml").write_text(TEXT)
    table = Timetable.read(tmp_path / "timetable.toml")
    table.folder.mkdir()
    return table


def test_a_timetable_is_read_with_paths_beside_it(table: Timetable, tmp_path: Path) -> None:
    assert table.key == tmp_path / "auditor.key"
    assert table.roster == (tmp_path / "roster.dsse", tmp_path / "later.dsse")
    assert table.audit == (Scheduled("monthly", "0 6 1 * *", "0.01"),)
    assert (table.pool, table.workers, table.webhook) == ("inline", None, None)


@pytest.mark.parametrize(
    ("before", "after", "match"),
    [
        ('rate = "0.01"', "rate = 0.01", "'rate' has a value of another type than str"),
        ('rate = "0.01"', "", "'rate' is missing"),
        ('rate = "0.01"', 'rate = "0.01"\nrat = "1"', "'rat' is no setting"),
        ('rate = "0.01"', 'rate = "0.01"\nexpected = true', "'expected' has a value of another type"),
        ('log = "https://log.example"', "", "'log' is missing"),
        ('roots = "roots.json"', "roots = 5", "'roots' has a value of another type than Path"),
        ('models = ["model"]', "models = [5]", "'models' has a value of another type"),
        ("0 6 1 * *", "0 6 1 *", "is no cron expression"),
        ("0 6 1 * *", "0 0 6 1 * *", "is no cron expression"),  # with seconds, or with a year
        ("0 6 1 * *", "", "is no cron expression"),
        ("0 6 1 * *", "0 6 30 2 *", "Bad day-of-month"),  # it never comes
        ('"monthly"', '"../monthly"', "small letters"),
        ("[[audit]]", "[audit]", "audits are tables"),
        ("[[audit]]", '[[audit]]\nname = "monthly"\ncron = "0 6 1 * *"\nrate = "0.1"\n[[audit]]', "a name of its own"),
        (TEXT, "x = [", "is no TOML file"),
        (TEXT, "audit = []", "is missing"),
    ],
)
def test_a_timetable_that_makes_no_sense_is_refused_by_name(
    tmp_path: Path, before: str, after: str, match: str
) -> None:
    path = tmp_path / "timetable.toml"
    path.write_text(TEXT.replace(before, after))
    with pytest.raises(MalformedError, match=match) as refused:
        Timetable.read(path)
    assert str(path) in str(refused.value)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Berlin."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_times_are_utc_and_begin_after_the_last(table: Timetable) -> None:
    (monthly,) = table.audit
    due = monthly.due_between(at(2026, 1, 31, 12), at(2026, 4, 1, 6))
    assert due == [at(2026, month, 1, 6) for month in (2, 3, 4)]
    assert monthly.due_between(due[-1], at(2026, 5, 1, 5, 59)) == []
    nightly = Scheduled("nightly", "30 2 * * *", "0.01")  # an hour that Berlin leaves out once a year, and has twice
    nights = nightly.due_between(at(2026, 1, 1), at(2027, 1, 1))
    assert nights == [at(2026, 1, 1, 2, 30) + day * 86_400_000 for day in range(365)]
    leap = Scheduled("leap", "0 0 29 2 *", "0.01").due_between(at(2026, 1, 1), at(2034, 1, 1))
    assert leap == [at(2028, 2, 29), at(2032, 2, 29)]


class Office:
    """A scheduler, and what it did. `conduct` is what becomes of an audit."""

    def __init__(self, table: Timetable) -> None:
        self.table, self.now = table, at(2026, 1, 15)
        self.conducted: list[tuple[Path, int]] = []
        self.told: list[Run] = []
        self.conduct: Callable[[], bool] = lambda: True
        self.deaf = False

    def step(self) -> list[Run]:
        """A service that was just started takes one step."""
        with Calendar(self.table.folder / "calendar.sqlite") as calendar:
            return self.scheduler(calendar).step()

    def scheduler(self, calendar: Calendar) -> Scheduler:
        """The service."""
        return Scheduler(self.table, calendar, self._conduct, self._alert, lambda: self.now)

    def runs(self) -> list[Run]:
        """The calendar."""
        with Calendar(self.table.folder / "calendar.sqlite") as calendar:
            return calendar.runs()

    def _conduct(self, audit: Scheduled, folder: Path, first: int, frozen: Callable[[int], None]) -> Conducted:
        assert folder.parent.name == audit.name
        self.conducted.append((folder, first))
        frozen(100 * len(self.conducted))
        reached = self.conduct()
        return Conducted(reached, folder / "report.html")

    def _alert(self, run: Run, folder: Path) -> None:
        assert folder.name == str(run.due)
        if self.deaf:
            raise WebhookError("nobody listens")
        self.told.append(run)


@pytest.fixture
def office(table: Timetable) -> Office:
    """A service that runs since the middle of January."""
    office = Office(table)
    assert office.step() == []
    return office


def waiting() -> bool:
    raise NotYetError("the operator has not answered yet")


def failing() -> bool:
    raise ReperformError("the desk is away")


def test_each_due_time_is_conducted_once_however_often_the_service_starts(office: Office) -> None:
    for month in (2, 3):
        office.now = at(2026, month, 1, 6)
        for _ in range(3):
            office.step()
    folder = office.table.folder / "monthly"
    assert office.conducted == [(folder / str(at(2026, 2, 1, 6)), 0), (folder / str(at(2026, 3, 1, 6)), 100)]
    assert office.told == [Run("monthly", at(2026, month, 1, 6), State.REACHED) for month in (2, 3)]


def test_what_waits_goes_on_with_the_same_folder(office: Office) -> None:
    office.now, office.conduct = at(2026, 2, 1, 6), waiting
    for _ in range(3):
        assert office.step() == []
    office.conduct = lambda: False
    (told,) = office.step()
    assert (told.state, told.alarming) == (State.NOT_REACHED, True)
    assert len({folder for folder, _ in office.conducted}) == 1


def test_after_an_absence_the_last_is_conducted_and_the_others_are_told_as_missed(office: Office) -> None:
    office.now = at(2026, 5, 3)
    told = office.step()
    states = [State.MISSED, State.MISSED, State.MISSED, State.REACHED]
    assert [(run.due, run.state) for run in told] == [
        (at(2026, month, 1, 6), state) for month, state in zip((2, 3, 4, 5), states, strict=True)
    ]
    assert len(office.conducted) == 1
    assert office.step() == []


def test_an_audit_that_fails_is_tried_until_a_day_after_its_last_deadline_and_then_told(office: Office) -> None:
    (monthly,) = office.table.audit
    office.now, office.conduct = at(2026, 4, 28), failing  # nobody was there when it was due: it begins now
    deadline = office.now + 60_000 * (monthly.reveal_within + monthly.answer_within) + GIVE_UP
    assert [run.state for run in office.step()] == [State.MISSED, State.MISSED]
    office.now = deadline
    assert office.step() == []
    office.now += 1
    assert [(run.state, run.alarming) for run in office.step()] == [(State.REFUSED, True)]


def test_the_decisions_of_an_audit_that_was_refused_are_covered_by_the_next(office: Office) -> None:
    office.now, office.conduct = at(2026, 2, 1, 6), failing
    office.step()
    office.now = at(2026, 2, 28)
    assert [run.state for run in office.step()] == [State.REFUSED]
    office.now, office.conduct = at(2026, 3, 1, 6), lambda: True
    office.step()
    assert office.conducted[-1] == (office.table.folder / "monthly" / str(office.now), 0)


@pytest.mark.parametrize("error", [ReperformError("the desk is away"), OSError(28, "No space left on device")])
def test_what_goes_wrong_with_one_audit_does_not_stop_the_others(table: Timetable, error: Exception) -> None:
    office = Office(replace(table, audit=(*table.audit, Scheduled("other", "0 6 1 * *", "0.1"))))
    office.step()

    def alternating() -> bool:
        if len(office.conducted) % 2:
            raise error
        return True

    office.now, office.conduct = at(2026, 2, 1, 6), alternating
    assert [(run.name, run.state) for run in office.step()] == [("other", State.REACHED)]
    office.conduct = lambda: True
    assert [(run.name, run.state) for run in office.step()] == [("monthly", State.REACHED)]


def test_what_could_not_be_told_is_told_later_and_once(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.now, office.deaf, office.conduct = at(2026, 2, 1, 6), True, lambda: False
    with Calendar(office.table.folder / "calendar.sqlite") as calendar, caplog.at_level(logging.INFO):
        scheduler = office.scheduler(calendar)
        ended = scheduler.step()
        assert [run.state for run in ended] == [State.NOT_REACHED]
        assert scheduler.step() == ended  # nobody knows of it yet
        assert len(caplog.messages) == 2  # and the log does not say so in every step
        office.deaf = False
        assert scheduler.step() == ended == office.told
        assert scheduler.step() == []
    assert len(office.conducted) == len(office.told) == 1


def test_an_audit_that_left_the_timetable_is_kept_and_told(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.now, office.conduct = at(2026, 2, 1, 6), waiting
    office.step()
    before, office.table = office.table, replace(office.table, audit=(Scheduled("weekly", "0 6 * * 1", "0.01"),))
    assert office.step() == []
    assert "audit monthly, due 2026-02-01 06:00 UTC: it left the timetable" in caplog.text
    assert (len(office.conducted), [run.state for run in office.runs()]) == (1, [State.OPEN])
    office.table, office.conduct = before, lambda: True
    assert [run.state for run in office.step()] == [State.REACHED]


def test_another_file_is_no_calendar(tmp_path: Path) -> None:
    (tmp_path / "calendar").write_bytes(b"not a database, and long enough to be looked at as one" * 100)
    with pytest.raises(CalendarError, match="cannot be used"):
        Calendar(tmp_path / "calendar")
