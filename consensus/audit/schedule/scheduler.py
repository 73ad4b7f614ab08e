"""Conducts what is due. Everything it needs to know it reads from the calendar and the audits' folders."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
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
        self._said: dict[Run, str] = {}

    def step(self) -> list[Run]:
        """Enter what came due, go on with what is open, tell what ended; the runs that ended and were told now."""
        audits = {audit.name: audit for audit in self._timetable.audit}
        for audit in audits.values():
            due = audit.due_between(self._calendar.since(audit.name, self._clock()), self._clock())
            if due:
                self._calendar.enter(audit.name, due)
        for run in self._calendar.open_runs():
            if run.name in audits:
                self._go_on(run, audits[run.name])
        return self._tell()

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
        except ReperformError as error:
            deadline = run.due + 60_000 * (audit.reveal_within + audit.answer_within) + GIVE_UP
            if self._clock() > deadline:
                self._calendar.end(run, State.REFUSED)
            self._say(logging.WARNING, run, str(error))
        else:
            self._calendar.end(run, State.REACHED if conducted.reached else State.NOT_REACHED)

    def _tell(self) -> list[Run]:
        told = []
        for run in self._calendar.untold():
            level = logging.ERROR if run.alarming else logging.INFO
            self._say(level, run, f"ended: {run.state}; {self.folder(run)}")
            try:
                self._alert(run, self.folder(run))
            except ReperformError as error:
                self._say(logging.WARNING, run, f"nobody could be told: {error.cause}")  # next time
                continue
            self._calendar.tell(run)
            told.append(run)
        return told

    def _say(self, level: int, run: Run, what: str) -> None:
        """Once, as long as it is the same."""
        if self._said.get(run) != what:
            self._said[run] = what
            log.log(level, "audit %s, due %d: %s", run.name, run.due, what)
