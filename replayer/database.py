"""A node's own database: one private SQLite file. What was written is on disk when a call returns."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ..evidence.errors import ReperformError
from ..evidence.files import make_folder
from ..executor.transaction import transaction

FILE: Final = "node.sqlite"
BUSY: Final = 10.0  # seconds to wait for another process that reads or writes

# What each version adds to the one before it.
_VERSIONS: Final = (
    """
CREATE TABLE pages (
    name BLOB PRIMARY KEY, ends INTEGER NOT NULL, held INTEGER NOT NULL, page BLOB NOT NULL
) STRICT;
CREATE INDEX held_until ON pages (ends) WHERE held;
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, envelope BLOB NOT NULL) STRICT;
CREATE TABLE cases (
    filing BLOB PRIMARY KEY, phase TEXT NOT NULL, owed TEXT, due INTEGER, ends INTEGER NOT NULL
) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, fact BLOB NOT NULL) STRICT;
""",
    """
CREATE TABLE cosigned (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, time INTEGER NOT NULL, note BLOB NOT NULL
) STRICT;
CREATE TABLE suspects (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL,
    PRIMARY KEY (origin, size, root)
) STRICT;
CREATE TABLE forks (origin TEXT PRIMARY KEY, found INTEGER NOT NULL, proof BLOB NOT NULL) STRICT;
""",
)
VERSION: Final = len(_VERSIONS)


class DatabaseError(ReperformError):
    """A node's database that cannot be used."""


class Database:
    """The file in a node's folder. One object serves one thread."""

    def __init__(self, folder: Path, *, only_read: bool = False) -> None:
        """Open it; make it, unless it is only read. Raises DatabaseError."""
        self.path = folder / FILE
        if only_read and not self.path.exists():
            raise DatabaseError(f"{self.path} does not exist", advice="this node has not run yet")
        if not only_read:
            make_folder(folder, mode=0o700)
        with self._translated():
            if not only_read:
                os.close(
                    os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
                )  # and SQLite gives its other files this mode
            uri = f"{self.path.absolute().as_uri()}?mode={'ro' if only_read else 'rw'}"
            self._connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
            if not only_read:
                self._prepare()
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            older = "start the node, which brings it up to date"
            raise DatabaseError(
                f"{self.path} is of version {version}, and this is version {VERSION}",
                advice=older if version < VERSION else "run the version of reperform that made it, or a newer one",
            )

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")  # `node status` reads while the node writes
        run("PRAGMA synchronous = FULL")  # in WAL mode, NORMAL would lose the last words when power fails
        run("PRAGMA secure_delete = ON")  # what is replaced is overwritten
        with transaction(self._connection):  # `node run` and `node witness` may begin at the same moment
            (version,) = run("PRAGMA user_version").fetchone()
            for tables in _VERSIONS[version:]:
                for statement in tables.split(";"):
                    run(statement)
            if version < VERSION:
                run(f"PRAGMA user_version = {VERSION}")

    def rows(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """The answer to a SELECT. Raises DatabaseError."""
        with self._translated():
            return self._connection.execute(question, values).fetchall()

    def write(self, statement: str, *values: object) -> None:
        """Run one statement, whole or not at all. Raises DatabaseError."""
        with self._translated():
            self._connection.execute(statement, values)

    def write_all(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Run one statement for every row, all of them or none. Raises DatabaseError."""
        with self.writing(), self._translated():
            self._connection.executemany(statement, rows)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction in which nobody else writes: what is read in it stays true until it is on disk, whole, or not
        at all. Raises DatabaseError.
        """
        with self._translated(), transaction(self._connection):
            yield

    def empty_log(self) -> bool:
        """Move everything into the file and empty the log beside it, where older contents stand.

        False while somebody reads. Raises DatabaseError.
        """
        return self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][:1] == (0,)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(
                f"{self.path} cannot be used: {error}",
                advice="see that this user may write it and that there is room; if it is damaged: docs/run-a-node.md",
            ) from error
