"""The operator's record of the audits that it answered: what was asked, what was released, to whom and when.

SQLite, in the operator's folder. It holds no opening: draws, entries of the log, and times (milliseconds since 1970).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...evidence.audit.answers import Answers, NotHeld
from ...evidence.audit.draw import AuditFile, Drawn
from ...evidence.digest import Digest
from ...evidence.documents import from_bytes, to_bytes
from ...evidence.errors import ReperformError
from ...evidence.files import make_folder
from .answers import Item

FILE: Final = "audits.sqlite"
VERSION: Final = 1
BUSY: Final = 10.0  # seconds to wait for another process
PERIOD_DAYS: Final = 30
PERIOD: Final = PERIOD_DAYS * 24 * 60 * 60 * 1000  # milliseconds
OPENING: Final = "opening"
AT_ONCE: Final = 256  # rows

_TABLES: Final = f"""
BEGIN;
CREATE TABLE draw (
    draw BLOB PRIMARY KEY,
    plan BLOB NOT NULL UNIQUE,
    lead BLOB NOT NULL,
    accepted INTEGER NOT NULL,
    file BLOB NOT NULL        -- the audit file
) STRICT;
CREATE TABLE item (
    draw BLOB NOT NULL REFERENCES draw, entry INTEGER NOT NULL, receipt BLOB NOT NULL, PRIMARY KEY (draw, entry)
) STRICT;
CREATE TABLE released (
    draw BLOB NOT NULL REFERENCES draw, entry INTEGER NOT NULL, what TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (draw, entry, what)
) STRICT;
CREATE TABLE ended (
    draw BLOB NOT NULL REFERENCES draw, entry INTEGER NOT NULL, how TEXT NOT NULL, PRIMARY KEY (draw, entry)
) STRICT;
PRAGMA user_version = {VERSION};
COMMIT;
"""


class RecordError(ReperformError):
    """A record that cannot be used."""


class NotAnsweredError(ReperformError):
    """An audit that this operator does not answer."""


@dataclass(frozen=True, slots=True)
class Released:
    """That something about an item was first said at `time`: its opening, why there is none, or that it was filed."""

    draw: Digest
    lead: Digest
    entry: int
    what: str
    time: int


class Record:
    """The file in a folder. One object serves one thread. All methods raise RecordError."""

    def __init__(self, folder: Path) -> None:
        """Open it, or make it, readable for this user alone."""
        self.path = folder / FILE
        make_folder(folder, mode=0o700)
        with self._translated():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its other files this mode
            self._connection = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            if self._rows("PRAGMA user_version") == [(0,)]:
                self._connection.executescript(_TABLES)
        if self._rows("PRAGMA user_version") != [(VERSION,)]:
            raise RecordError(f"{self.path} is no record of version {VERSION}", advice="name another folder")

    def known(self, drawn: Drawn) -> bool:
        """Whether this draw was accepted. Raises NotAnsweredError if it is the second one for its plan."""
        rows = self._rows("SELECT draw FROM draw WHERE plan = ?", drawn.frozen.announced.plan_id.value)
        if rows and rows != [(drawn.draw_id.value,)]:
            raise NotAnsweredError("this plan was drawn from before, with another draw", advice="plan another audit")
        return bool(rows)

    def accept(self, drawn: Drawn, file: AuditFile, items: Sequence[Item], *, now: int, at_most: int | None) -> None:
        """Write down what was drawn, before anything is answered. Raises NotAnsweredError if it is too much."""
        draw = drawn.draw_id.value
        with self._transaction():
            if self.known(drawn):
                return
            question = "SELECT count(*) FROM item JOIN draw USING (draw) WHERE accepted > ?"
            ((before,),) = self._rows(question, now - PERIOD)
            if at_most is not None and before + len(items) > at_most:
                raise NotAnsweredError(
                    f"the audit draws {len(items)} decisions; of {at_most} in {PERIOD_DAYS} days, {before} are used up",
                    advice="plan a smaller sample, or ask the operator for more",
                )
            values = (draw, drawn.frozen.announced.plan_id.value, drawn.lead.node_id.value, now, to_bytes(file))
            self._connection.execute("INSERT INTO draw VALUES (?, ?, ?, ?, ?)", values)
            self._connection.executemany("INSERT INTO item VALUES (?, ?, ?)", ((draw, *item) for item in items))

    def file(self, draw: Digest) -> AuditFile | None:
        """The audit file of a draw that was accepted."""
        rows = self._rows("SELECT file FROM draw WHERE draw = ?", draw.value)
        return from_bytes(AuditFile, rows[0][0]) if rows else None

    def items(self, draw: Digest, after: int) -> Iterator[Item]:
        """The items of a draw behind an entry, in order."""
        question = f"SELECT entry, receipt FROM item WHERE draw = ? AND entry > ? ORDER BY entry LIMIT {AT_ONCE}"  # noqa: S608
        while rows := self._rows(question, draw.value, after):
            yield from rows
            after = rows[-1][0]

    def release(self, answers: Answers, now: int) -> None:
        """Write down what is about to be said."""
        said = [(answer.entry, str(answer.said) if isinstance(answer.said, NotHeld) else OPENING)
                for answer in answers.answers]  # fmt: skip
        with self._transaction():
            self._connection.executemany(
                "INSERT OR IGNORE INTO released VALUES (?, ?, ?, ?)",
                [(answers.draw.value, entry, what, now) for entry, what in said],
            )

    def filed(self, draw: Digest, entry: int, filing: Digest, now: int) -> None:
        """Write down that a case is about to be filed."""
        with self._transaction():
            values = (draw.value, entry, f"filing {filing}", now)
            self._connection.execute("INSERT OR IGNORE INTO released VALUES (?, ?, ?, ?)", values)

    def end(self, draw: Digest, entry: int, how: str) -> None:
        """Write down how a case ended: nothing is owed in it any more."""
        with self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO ended VALUES (?, ?, ?)", (draw.value, entry, how))

    def ended(self, draw: Digest) -> dict[int, str]:
        """How the cases ended that did, by entry."""
        return dict(self._rows("SELECT entry, how FROM ended WHERE draw = ?", draw.value))

    def everything(self) -> list[Released]:
        """What was ever released, in the order in which it was."""
        rows = self._rows(
            "SELECT draw, lead, entry, what, time FROM released JOIN draw USING (draw) ORDER BY time, draw, entry"
        )
        return [Released(Digest(draw), Digest(lead), *others) for draw, lead, *others in rows]

    def _rows(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._connection.execute(question, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise RecordError(
                f"{self.path} cannot be used: {error}", advice="see that there is room; nothing was answered"
            ) from error
