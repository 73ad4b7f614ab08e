"""The vault's file: SQLite, in which what is erased is overwritten where it stands.

Erasure must reach every copy. SQLite's `secure_delete` overwrites what is deleted, but not the copies that stay behind
in a page when rows are moved to another one: out of 88,000 deleted rows, it left parts of five. So the rows of
`opening` are never moved: they are added at the end, never deleted, never resized, and overwritten with zeros of the
same length. The room is not given back.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from ..transaction import transaction
from .errors import VaultError

VERSION: Final = 1
BUSY: Final = 10.0  # seconds to wait for another process that reads or writes
_BREATH: Final = 0.01  # seconds between two attempts

_TABLES: Final = f"""
BEGIN;
CREATE TABLE vault (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL,
    key_check BLOB NOT NULL,
    days INTEGER NOT NULL    -- how long a decision is kept for which nothing else is said
) STRICT;
CREATE TABLE decision (
    number INTEGER PRIMARY KEY,
    decision BLOB NOT NULL UNIQUE,
    receipt BLOB NOT NULL,
    kept INTEGER NOT NULL,   -- when it was put here; times are milliseconds since 1970
    until INTEGER,           -- held until then
    erased INTEGER           -- when it was
) STRICT;
CREATE TABLE opening (
    number INTEGER PRIMARY KEY,
    data_key BLOB NOT NULL,  -- wrapped; zeros if it was erased
    content BLOB NOT NULL    -- the same
) STRICT;
PRAGMA user_version = {VERSION};
"""


class Database:
    """The file. One object serves one thread; several processes may use the file at once."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises VaultError."""
        if not path.exists():
            raise VaultError(f"{path} does not exist", advice="make a vault with `reperform vault init`")
        self.path = path
        with self.translated():
            uri = f"{path.absolute().as_uri()}?mode=rw"
            self._connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
        try:
            with self.translated():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    @staticmethod
    def create(path: Path, vault: bytes, key_check: bytes, days: int) -> None:
        """Make the file of a new vault. Raises VaultError."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite gives its other files this mode
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_TABLES)
                connection.execute("INSERT INTO vault VALUES (1, ?, ?, ?)", (vault, key_check, days))
                connection.execute("COMMIT")
            finally:
                connection.close()
        except FileExistsError as error:
            raise VaultError(f"{path} exists", advice="a vault is never overwritten; choose another name") from error
        except (OSError, sqlite3.Error) as error:
            raise VaultError(f"{path} cannot be made a vault: {error}") from error

    def _prepare(self) -> None:
        run = self._connection.execute
        (version,) = run("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise VaultError(
                f"{self.path} is no vault of version {VERSION}",
                advice="check the name, or run the version of reperform that made it",
            )
        run("PRAGMA synchronous = FULL")  # in WAL mode, NORMAL would lose the last words when power fails
        run("PRAGMA secure_delete = ON")
        run("PRAGMA temp_store = MEMORY")  # nothing of a vault stands in a folder for temporary files
        run("PRAGMA wal_checkpoint(TRUNCATE)")  # finishes an erasure after which a process died

    def rows(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """The answer to a SELECT. Raises VaultError."""
        with self.translated():
            return self._connection.execute(question, values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        """Run one statement."""
        self._connection.execute(statement, values)

    def add(self, data_key: bytes, content: bytes) -> int:
        """Put an opening at the end; its number."""
        done = self._connection.execute("INSERT INTO opening (data_key, content) VALUES (?, ?)", (data_key, content))
        number = done.lastrowid
        if number is None:
            raise VaultError(f"{self.path} gave no number")
        return number

    def overwrite(self, number: int, column: str, data: bytes | None = None) -> None:
        """Write over a value of an opening, by as many bytes; zeros if there are none given."""
        with self._connection.blobopen("opening", column, number) as blob:
            blob.write(bytes(len(blob)) if data is None else data)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done inside, or nothing; on disk afterwards. Raises VaultError."""
        with self.translated(), transaction(self._connection):
            yield

    def empty_log(self) -> None:
        """Move everything into the file and empty the log beside it, where older contents stand.

        Raises VaultError while another process reads for longer than BUSY.
        """
        until = monotonic() + BUSY
        # SQLite waits for a reader by itself, but not for another process that moves the same contents.
        while self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] != 0:
            if monotonic() >= until:
                raise VaultError(
                    f"{self.path}: older contents stand in the file beside it, because another process is reading",
                    advice="run the same command again",
                )
            sleep(_BREATH)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of SQLite as a vault's."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise VaultError(f"{self.path} cannot be used as a vault: {error}") from error
