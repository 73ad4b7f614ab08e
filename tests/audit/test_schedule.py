"""Audits by the calendar: each due time once, whatever dies; and whoever must know is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from reperform.consensus.audit.lead import NotYetError
from reperform.consensus.audit.schedule.calendar import Calendar, CalendarError, Run, State
from reperform.consensus.audit.schedule.scheduler import GIVE_UP, Conducted, Scheduler
from reperform.consensus.audit.schedule.timetable import Scheduled, Timetable
from reperform.consensus.audit.schedule.webhook import WebhookError, post
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
        ("0 6 1 * *", "0 6 30 2 *", "Bad day-of-month"),
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


def test_times_are_utc_and_begin_after_the_last(table: Timetable) -> None:
    (monthly,) = table.audit
    due = monthly.due_between(at(2026, 1, 31, 12), at(2026, 4, 1, 6))
    assert due == [at(2026, month, 1, 6) for month in (2, 3, 4)]
    assert monthly.due_between(due[-1], at(2026, 5, 1, 5, 59)) == []


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
            return Scheduler(self.table, calendar, self._conduct, self._alert, lambda: self.now).step()

    def runs(self) -> list[Run]:
        """The calendar."""
        with Calendar(self.table.folder / "calendar.sqlite") as calendar:
            return calendar.runs()

    def _conduct(self, audit: Scheduled, folder: Path, first: int, frozen: Callable[[int], None]) -> Conducted:
        assert folder.parent.name == audit.name
        self.conducted.append((folder, first))
        reached = self.conduct()
        frozen(100 * len(self.conducted))
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
    folders = [office.table.folder / "monthly" / str(at(2026, month, 1, 6)) for month in (2, 3)]
    assert office.conducted == [(folders[0], 0), (folders[1], 100)]  # from where the one before ended
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
    office.now, office.conduct = at(2026, 2, 1, 6), failing
    deadline = office.now + 60_000 * (monthly.reveal_within + monthly.answer_within) + GIVE_UP
    office.step()
    office.now = deadline
    assert office.step() == []
    office.now += 1
    (told,) = office.step()
    assert (told.state, told.alarming) == (State.REFUSED, True)


def test_what_could_not_be_told_is_told_later_and_once(office: Office) -> None:
    office.now, office.deaf = at(2026, 2, 1, 6), True
    assert office.step() == []
    assert office.step() == []
    office.deaf = False
    assert len(office.step()) == 1
    assert office.step() == []
    assert len(office.conducted) == 1


def test_an_audit_that_left_the_timetable_is_kept_and_not_conducted(office: Office) -> None:
    office.now, office.conduct = at(2026, 2, 1, 6), waiting
    office.step()
    path = office.table.folder.parent / "timetable.toml"
    path.write_text(TEXT.replace("monthly", "weekly"))
    office.table, before = Timetable.read(path), len(office.conducted)
    office.step()
    assert len(office.conducted) == before
    assert [run.state for run in office.runs()] == [State.OPEN]


def test_another_file_is_no_calendar(tmp_path: Path) -> None:
    (tmp_path / "calendar").write_bytes(b"not a database, and long enough to be looked at as one" * 100)
    with pytest.raises(CalendarError, match="cannot be used"):
        Calendar(tmp_path / "calendar")


@contextmanager
def listening(status: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address that hears, and what it heard."""
    heard: list[dict[str, Any]] = []

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", heard
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_is_told_what_ended_and_nothing_else(tmp_path: Path) -> None:
    run = Run("monthly", 5, State.MISSED)
    with listening(204) as (address, heard):
        post(address, run, tmp_path)
    assert heard == [{"audit": "monthly", "due": 5, "state": "missed", "alarm": True, "folder": str(tmp_path)}]
    with pytest.raises(WebhookError, match="does not answer"):
        post(address, run, tmp_path)
    with listening(500) as (address, _), pytest.raises(WebhookError, match="answers 500"):
        post(address, run, tmp_path)
