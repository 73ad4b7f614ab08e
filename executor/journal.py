"""The executor's journal: numbers are reserved on disk before the model runs, so that none can be dropped quietly.

One SQLite file (write-ahead log, every commit synced). A reserved number ends as a receipt or as an
abandonment; what a crash left open is found at the next start. The journal holds what is signed, never what was
decided about whom: openings stand in the vault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from types import TracebackType
from typing import Final, Self

from ..evidence.digest import Digest
from ..evidence.documents import from_bytes, to_bytes
from ..evidence.dsse import Envelope, payload_type
from ..evidence.encoding import MalformedError
from ..evidence.errors import ReperformError
from ..evidence.receipt import DECISION_ID_BYTES, Abandonment
from .transaction import transaction

VERSION: Final = 2
SCHEMA: Final = f"""
BEGIN;
CREATE TABLE executor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key_id BLOB NOT NULL CHECK (length(key_id) = 32)
) STRICT;
CREATE TABLE entry (
    sequence INTEGER PRIMARY KEY CHECK (sequence >= 0),
    decision BLOB NOT NULL UNIQUE,
    envelope BLOB,            -- the receipt or abandonment; NULL while the number is only reserved
    abandoned INTEGER,        -- whether it is an abandonment
    log_index INTEGER UNIQUE  -- where it stands in the log; NULL until that is known
) STRICT;
CREATE INDEX reserved ON entry (sequence) WHERE envelope IS NULL;
CREATE INDEX unlogged ON entry (sequence) WHERE envelope IS NOT NULL AND log_index IS NULL;
CREATE INDEX abandoned ON entry (sequence) WHERE abandoned;
PRAGMA user_version = {VERSION};
COMMIT;
"""


# How long (seconds) to wait for a process that is about to let go of the journal.
PATIENCE: Final = 1.0


class JournalError(ReperformError):
    """A journal that cannot be used."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """A sequence number, and the id of the decision that it is for."""

    sequence: int
    decision: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of a number: a receipt or an abandonment, and its index in the log, once that is known."""

    sequence: int
    envelope: Envelope
    index: int | None = None

    @property
    def abandoned(self) -> bool:
        """Whether the number was given up."""
        return self.envelope.payload_type == payload_type(Abandonment)


class Journal:
    """The journal of one executor key. A second process that wants to use it is refused."""

    def __init__(self, path: Path, executor: Digest) -> None:
        self.path = path
        self._executor = executor
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"{path} cannot be used as a journal: {error}") from error
        try:
            self._begin()
        except BaseException:
            self._database.close()  # it would hold the lock until it is collected
            raise

    def _begin(self) -> None:
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version == 0 and self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                self._database.executescript(SCHEMA)
                version = VERSION
            if version != VERSION:
                raise JournalError(
                    f"{self.path} is no journal of version {VERSION}",
                    advice="run the version of reperform that made it, or name another file",
                )
            owner = self._database.execute("SELECT key_id FROM executor").fetchone()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:  # the low byte of extended codes
                raise JournalError(
                    f"{self.path} is in use by another process", advice="one executor at a time; stop the other"
                ) from error
            raise JournalError(f"{self.path} cannot be used as a journal: {error}") from error
        if owner is not None and owner != (self._executor.value,):
            raise JournalError(
                f"{self.path} belongs to another executor key", advice="give each key a journal of its own"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()

    def reserve(self, count: int) -> tuple[Reservation, ...]:
        """Take the next `count` numbers. They are on disk when this returns.

        The first reservation makes the journal its key's: a wrong key that was refused before it took no number
        leaves the journal to the right one.
        """
        with self._transaction():
            self._database.execute("INSERT OR IGNORE INTO executor VALUES (1, ?)", (self._executor.value,))
            (first,) = self._database.execute("SELECT coalesce(max(sequence) + 1, 0) FROM entry").fetchone()
            reserved = tuple(Reservation(first + i, token_bytes(DECISION_ID_BYTES)) for i in range(count))
            rows = [(r.sequence, r.decision) for r in reserved]
            self._database.executemany("INSERT INTO entry (sequence, decision) VALUES (?, ?)", rows)
        return reserved

    def open_reservations(self) -> tuple[Reservation, ...]:
        """Numbers without a receipt or an abandonment."""
        query = "SELECT sequence, decision FROM entry WHERE envelope IS NULL ORDER BY sequence"
        with self._reading():
            return tuple(Reservation(*row) for row in self._database.execute(query))

    def record(self, entries: Sequence[Entry]) -> None:
        """Settle reserved numbers, all or none. They are on disk when this returns."""
        with self._transaction():
            for entry in entries:
                changed = self._database.execute(
                    "UPDATE entry SET envelope = ?, abandoned = ? WHERE sequence = ? AND envelope IS NULL",
                    (to_bytes(entry.envelope), entry.abandoned, entry.sequence),
                )
                if changed.rowcount != 1:
                    raise JournalError(f"number {entry.sequence} is not reserved, or settled already")

    def place(self, indices: Mapping[int, int]) -> None:
        """Write down where settled numbers stand in the log: index by number. All or none; on disk when this returns.

        Raises JournalError for a number that has a place already, and for an index that is another number's.
        """
        with self._transaction():
            for sequence, index in indices.items():
                changed = self._database.execute(
                    "UPDATE OR IGNORE entry SET log_index = ? "
                    "WHERE sequence = ? AND envelope IS NOT NULL AND log_index IS NULL",
                    (index, sequence),
                )
                if changed.rowcount != 1:
                    raise JournalError(f"number {sequence} cannot stand at index {index} of the log")

    def entries(self) -> Iterator[Entry]:
        """Every settled number, in order."""
        return self._entries("envelope IS NOT NULL")

    def unlogged(self, limit: int) -> tuple[Entry, ...]:
        """The first `limit` settled numbers of which it is not known that they stand in the log."""
        return tuple(self._entries("envelope IS NOT NULL AND log_index IS NULL", limit))

    def abandoned(self) -> tuple[bytes, ...]:
        """The ids of the decisions that were given up."""
        with self._reading():
            return tuple(
                decision for (decision,) in self._database.execute("SELECT decision FROM entry WHERE abandoned")
            )

    def logged(self) -> int:
        """The size that the log has at least: one more than the highest index that is known."""
        with self._reading():
            (size,) = self._database.execute("SELECT coalesce(max(log_index) + 1, 0) FROM entry").fetchone()
        return int(size)

    def _entries(self, which: str, limit: int = -1) -> Iterator[Entry]:
        query = f"SELECT sequence, envelope, log_index FROM entry WHERE {which} ORDER BY sequence LIMIT ?"  # noqa: S608
        with self._reading():
            for sequence, envelope, index in self._database.execute(query, (limit,)):
                yield Entry(sequence, from_bytes(Envelope, envelope), index)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, MalformedError) as error:
            raise JournalError(f"{self.path} is damaged: {error}", advice="restore it from its backup") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with transaction(self._database):
                yield
        except sqlite3.Error as error:
            raise JournalError(f"{self.path} cannot be written: {error}") from error
