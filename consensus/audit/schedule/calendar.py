"""What became of each due audit: SQLite, so that a service that dies neither forgets one nor runs one twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ....evidence.errors import ReperformError

VERSION: Final = 1
BUSY: Final = 10.0  # seconds to wait for another process

_TABLES: Final = f"""
BEGIN;
CREATE TABLE audit (name TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT; -- times are milliseconds since 1970
CREATE TABLE run (
    name TEXT NOT NULL REFERENCES audit,
    due INTEGER NOT NULL,
    entered INTEGER NOT NULL,
    state TEXT NOT NULL,
    end INTEGER,             -- behind the last entry of the log that it froze
    told INTEGER NOT NULL,   -- whether whoever must know was told
    PRIMARY KEY (name, due)
) STRICT;
PRAGMA user_version = {VERSION};
COMMIT;
"""


class CalendarError(ReperformError):
    """A calendar that cannot be used."""


class State(StrEnum):
    """How a due audit stands."""

    OPEN = "open"
    REACHED = "reached"  # the plan's assurance was reached
    NOT_REACHED = "not-reached"
    MISSED = "missed"  # nobody was there; a later one covers its decisions
    REFUSED = "refused"  # it could not be conducted, and will not be


@dataclass(frozen=True, slots=True)
class Run:
    """One audit that came due."""

    name: str
    due: int
    state: State

    @property
    def alarming(self) -> bool:
        """Whether somebody must know."""
        return self.state in (State.NOT_REACHED, State.MISSED, State.REFUSED)


class Calendar:
    """The file. One process uses it at a time. All methods raise CalendarError."""

    def __init__(self, path: Path) -> None:
        """Open it; make it, if it is not there."""
        self.path = path
        with self._translated():
            self._connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._connection.executescript(_TABLES)
            elif version != VERSION:
                self._connection.close()
                raise CalendarError(f"{path} is no calendar of version {VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def since(self, name: str, now: int) -> int:
        """The last time that an audit was due; at first, now: what was due before it was scheduled is not missed."""
        with self._translated():
            self._connection.execute("INSERT OR IGNORE INTO audit VALUES (?, ?)", (name, now))
        ((since,),) = self._rows(
            "SELECT coalesce((SELECT max(due) FROM run WHERE name = audit.name), since) FROM audit WHERE name = ?", name
        )
        return int(since)

    def enter(self, name: str, due: Iterable[int], now: int) -> None:
        """Enter due times, all at once: the last is open, those before it were missed."""
        *missed, last = due
        rows = [*((name, time, now, State.MISSED) for time in missed), (name, last, now, State.OPEN)]
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT INTO run VALUES (?, ?, ?, ?, NULL, 0)", rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def entered(self, run: Run) -> int:
        """When a run was entered: after an absence that is later than it was due."""
        ((entered,),) = self._rows("SELECT entered FROM run WHERE name = ? AND due = ?", run.name, run.due)
        return int(entered)

    def covered(self, name: str) -> int:
        """Up to which entry of the log earlier audits of this name cover it. What was refused covers nothing."""
        question = "SELECT coalesce(max(end), 0) FROM run WHERE name = ? AND state <> ?"
        ((end,),) = self._rows(question, name, State.REFUSED)
        return int(end)

    def cover(self, run: Run, end: int) -> None:
        """Write down up to which entry a run covers the log."""
        self._write("UPDATE run SET end = ? WHERE name = ? AND due = ?", end, run.name, run.due)

    def end(self, run: Run, state: State) -> None:
        """Write down how a run ended."""
        self._write("UPDATE run SET state = ? WHERE name = ? AND due = ?", state, run.name, run.due)

    def open_runs(self) -> list[Run]:
        """What is not finished, by time."""
        return self._select("state = ?", State.OPEN)

    def untold(self) -> list[Run]:
        """What ended, and nobody was told yet, by time."""
        return self._select("state <> ? AND NOT told", State.OPEN)

    def tell(self, run: Run) -> None:
        """Write down that it was told."""
        self._write("UPDATE run SET told = 1 WHERE name = ? AND due = ?", run.name, run.due)

    def runs(self) -> list[Run]:
        """Everything, by time."""
        return self._select("1")

    def _select(self, which: str, *values: object) -> list[Run]:
        rows = self._rows(f"SELECT name, due, state FROM run WHERE {which} ORDER BY due, name", *values)  # noqa: S608
        return [Run(name, due, State(state)) for name, due, state in rows]

    def _rows(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._connection.execute(question, values).fetchall()

    def _write(self, statement: str, *values: object) -> None:
        with self._translated():
            self._connection.execute(statement, values)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise CalendarError(f"{self.path} cannot be used: {error}") from error
