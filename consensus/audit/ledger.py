"""The ledger of one audit: what was drawn, and what became of each item. A killed audit goes on from here.

SQLite, in the lead's folder. Nothing of a decision's content is in it: entries, receipts, findings.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ...evidence.audit.examined import Examined
from ...evidence.audit.sampling import Stratum
from ...evidence.digest import Digest
from ...evidence.errors import ReperformError
from .replays import Event

VERSION: Final = 1
BUSY: Final = 10.0  # seconds to wait for another process

_TABLES: Final = """
CREATE TABLE audit (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    draw BLOB NOT NULL,
    coverage BLOB NOT NULL,  -- a document
    started INTEGER NOT NULL -- milliseconds since 1970
) STRICT;
CREATE TABLE stratum (name TEXT PRIMARY KEY, population INTEGER NOT NULL) STRICT;
CREATE TABLE item (
    entry INTEGER PRIMARY KEY,
    stratum TEXT NOT NULL REFERENCES stratum,
    receipt BLOB NOT NULL,   -- the envelope, as it stands in the log
    finding TEXT,            -- NULL while it is open
    cause TEXT,
    evidence BLOB            -- the digest of a file beside the ledger
) STRICT;
CREATE INDEX item_open ON item (entry) WHERE finding IS NULL;
CREATE TABLE asked (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    time INTEGER NOT NULL    -- when the operator was first asked, in time
) STRICT;
CREATE TABLE event (number INTEGER PRIMARY KEY, time INTEGER NOT NULL, what TEXT NOT NULL) STRICT;
"""


class LedgerError(ReperformError):
    """A ledger that cannot be used."""


class NotAskedError(ReperformError):
    """An operator that nobody asked in time, so that its silence says nothing."""


@dataclass(frozen=True, slots=True)
class Item:
    """A decision that was drawn, and not examined yet."""

    entry: int
    stratum: str
    receipt: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """What was found about an item; why, where it is no MATCH; and the digest of the evidence that is kept of it."""

    entry: int
    finding: Examined
    cause: str = ""
    evidence: Digest | None = None


class Ledger:
    """The file. One process uses it at a time. All methods raise LedgerError."""

    def __init__(self, path: Path, draw: Digest) -> None:
        """Open the ledger of this draw."""
        if not path.exists():
            raise LedgerError(f"{path} does not exist", advice="begin with `reperform audit run`")
        self.path = path
        with self._translated():
            self._connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
            self._connection.execute("PRAGMA synchronous = FULL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            rows = self._connection.execute("SELECT draw FROM audit").fetchall() if version == VERSION else []
        if rows != [(draw.value,)]:
            self._connection.close()
            raise LedgerError(f"{path} is no ledger of this draw", advice="keep each audit in a folder of its own")

    @staticmethod
    def create(
        path: Path,
        draw: Digest,
        *,
        strata: Sequence[Stratum],
        receipts: Mapping[int, bytes],
        coverage: bytes,
        started: int,
    ) -> None:
        """Write down what was drawn, whole or not at all. `receipts` are the envelopes of the items, by entry."""
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        try:
            connection = sqlite3.connect(beside, isolation_level=None)
            try:
                connection.execute("BEGIN")
                for statement in _TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute("INSERT INTO audit VALUES (1, ?, ?, ?)", (draw.value, coverage, started))
                connection.executemany(
                    "INSERT INTO stratum VALUES (?, ?)", [(stratum.name, stratum.population) for stratum in strata]
                )
                connection.executemany(
                    "INSERT INTO item VALUES (?, ?, ?, NULL, NULL, NULL)",
                    ((entry, stratum.name, receipts[entry]) for stratum in strata for entry in stratum.sample),
                )
                connection.execute(f"PRAGMA user_version = {VERSION}")
                connection.execute("COMMIT")
            finally:
                connection.close()
            beside.replace(path)
        except (OSError, sqlite3.Error) as error:
            beside.unlink(missing_ok=True)
            raise LedgerError(f"{path} cannot be written: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def open_items(self, after: int, limit: int) -> list[Item]:
        """The next items that are not examined, in the order of their entries; those up to `after` are passed over."""
        question = "SELECT entry, stratum, receipt FROM item WHERE finding IS NULL AND entry > ? ORDER BY entry LIMIT ?"
        return [Item(*row) for row in self._rows(question, after, limit)]

    def settle(self, settled: Sequence[Settled], events: Sequence[Event] = ()) -> None:
        """Write down what was found, and what happened. On disk when this returns."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(
                    "UPDATE item SET finding = ?, cause = ?, evidence = ? WHERE entry = ? AND finding IS NULL",
                    [
                        (each.finding, each.cause, None if each.evidence is None else each.evidence.value, each.entry)
                        for each in settled
                    ],
                )
                self._connection.executemany(
                    "INSERT INTO event (time, what) VALUES (?, ?)", [(event.time, event.what) for event in events]
                )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite rolls back by itself when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    def ask(self, time: int) -> None:
        """Write down that the operator was asked, unless it was before. On disk when this returns."""
        with self._translated():
            self._connection.execute("INSERT OR IGNORE INTO asked VALUES (1, ?)", (time,))

    def check_asked(self) -> None:
        """Raises NotAskedError unless the operator was asked: no silence counts before."""
        if not self._rows("SELECT time FROM asked"):
            raise NotAskedError(
                "nobody asked the operator before the time for its answers had passed, and some are not here",
                advice="they are not its fault: plan another audit",
            )

    def left(self) -> int:
        """How many items are open."""
        ((count,),) = self._rows("SELECT count(*) FROM item WHERE finding IS NULL")
        return int(count)

    def drawn(self) -> int:
        """How many items there are."""
        ((count,),) = self._rows("SELECT count(*) FROM item")
        return int(count)

    def strata(self) -> list[Stratum]:
        """What was drawn, by name."""
        samples: dict[str, list[int]] = {}
        for name, entry in self._rows("SELECT stratum, entry FROM item ORDER BY entry"):
            samples.setdefault(name, []).append(entry)
        strata = self._rows("SELECT name, population FROM stratum ORDER BY name")
        return [Stratum(name, population, tuple(samples.get(name, ()))) for name, population in strata]

    def receipts(self) -> dict[int, bytes]:
        """The envelopes of what was drawn, by entry, as they stand in the log."""
        return dict(self._rows("SELECT entry, receipt FROM item"))

    def counts(self) -> dict[tuple[str, Examined], int]:
        """How many items of each stratum have each finding."""
        rows = self._rows("SELECT stratum, finding, count(*) FROM item WHERE finding IS NOT NULL GROUP BY 1, 2")
        return {(stratum, Examined(finding)): count for stratum, finding, count in rows}

    def unlike(self) -> Iterator[tuple[Item, Settled]]:
        """The items that are no MATCH, in the order of their entries."""
        question = "SELECT * FROM item WHERE finding <> ? ORDER BY entry"
        for entry, stratum, receipt, finding, cause, evidence in self._rows(question, Examined.MATCH):
            digest = None if evidence is None else Digest(evidence)
            yield Item(entry, stratum, receipt), Settled(entry, Examined(finding), cause, digest)

    def events(self) -> list[Event]:
        """What happened, in order."""
        return [Event(time, what) for time, what in self._rows("SELECT time, what FROM event ORDER BY number")]

    def about(self) -> tuple[bytes, int]:
        """The document about what the log's entries were, and when the audit began."""
        ((coverage, started),) = self._rows("SELECT coverage, started FROM audit")
        return coverage, started

    def _rows(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._connection.execute(question, values).fetchall()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise LedgerError(
                f"{self.path} cannot be used: {error}", advice="see that there is room, then run the audit again"
            ) from error
