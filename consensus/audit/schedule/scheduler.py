"""Conducts what is due. Everything it needs to know it reads from the calendar and the audits' folders."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from ....evidence.errors import ReperformError
from ..lead import NotYetError
from .calendar import Calendar, Run, State
from .timetable import Scheduled, Timetable

log = logging.getLogger(__name__)

GIVE_UP: Final = 24 * 3_600_000  # milliseconds after the last deadline, for what goes on failing


@dataclass(frozen=True, slots=True)
class Conducted:
    """What came of an audit: whether its assurance was reached, and where its report is."""

    reached: bool
    report: Path


class Conducts(Protocol):
    """Takes an audit as far as it can be taken now."""

    def __call__(self, audit: Scheduled, folder: Path, first: int, frozen: Callable[[int], None]) -> Conducted:
        """`first` is the first entry of the log that it covers; `frozen` is told the one behind the last.

        Raises NotYetError while somebody else must act first, ReperformError.
        """
        ...


class Scheduler:
    """Call `step` again and again; each time, what can be done is done."""

    def __init__(
        self,
        timetable: Timetable,
        calendar: Calendar,
        conduct: Conducts,
        alert: Callable[[Run, Path], None],
        clock: Callable[[], int],
    ) -> None:
        """`alert` tells whoever must know of a run that ended, and where its folder is. Raises ReperformError."""
        self._timetable = timetable
        self._calendar = calendar
        self._conduct = conduct
        self._alert = alert
        self._clock = clock
        self._said: dict[tuple[Run, int], str] = {}

    def step(self) -> list[Run]:
        """Enter what came due, go on with what is open, tell what ended; the runs that ended, and were not told before.

        Raises CalendarError. Whatever else goes wrong with a run is logged, and tried again in the next step.
        """
        audits = {audit.name: audit for audit in self._timetable.audit}
        for audit in audits.values():
            now = self._clock()
            if due := audit.due_between(self._calendar.since(audit.name, now), now):
                self._calendar.enter(audit.name, due, now)
        for run in self._calendar.open_runs():
            if run.name in audits:
                self._go_on(run, audits[run.name])
            else:
                self._say(logging.WARNING, run, "it left the timetable; put it back, and it goes on")
        ended = self._calendar.untold()
        for run in ended:
            self._tell(run)
        return ended

    def folder(self, run: Run) -> Path:
        """Where a run keeps everything."""
        return self._timetable.folder / run.name / str(run.due)

    def _go_on(self, run: Run, audit: Scheduled) -> None:
        try:
            conducted = self._conduct(
                audit, self.folder(run), self._calendar.covered(run.name), lambda end: self._calendar.cover(run, end)
            )
        except NotYetError as error:
            self._say(logging.INFO, run, error.cause)
        except (ReperformError, OSError) as error:
            self._say(logging.WARNING, run, str(error))
            deadline = self._calendar.entered(run) + 60_000 * (audit.reveal_within + audit.answer_within)
            if self._clock() > deadline + GIVE_UP:
                self._calendar.end(run, State.REFUSED)
        else:
            self._calendar.end(run, State.REACHED if conducted.reached else State.NOT_REACHED)

    def _tell(self, run: Run) -> None:
        level = logging.ERROR if run.alarming else logging.INFO
        self._say(level, run, f"ended: {run.state}; {self.folder(run)}")
        try:
            self._alert(run, self.folder(run))
        except ReperformError as error:
            self._say(logging.WARNING, run, f"nobody could be told: {error.cause}")  # next time
        else:
            self._calendar.tell(run)

    def _say(self, level: int, run: Run, what: str) -> None:
        """Once, as long as it is the same."""
        if self._said.get((run, level)) != what:
            self._said[run, level] = what
            log.log(level, "audit %s, due %s: %s", run.name, _moment(run.due), what)


def _moment(due: int) -> str:
    """A due time as people read it."""
    return datetime.fromtimestamp(due / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
