"""Adding rows durably: whoever adds at the same moment shares one transaction, and one wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from sqlalchemy import Connection, Engine, insert

from ..docket import DocketError
from .engine import StoreError, writing
from .tables import documents

Row = Mapping[str, object]
# Entries in one transaction: so many, at most, are told late that they were kept.
MAX_TOGETHER: Final = 64


@dataclass
class _Entry:
    rows: Sequence[Row]
    done: bool = False
    added: bool = False
    error: DocketError | None = field(default_factory=lambda: StoreError("the database did not keep a document"))


class Ledger:
    """Adds rows that `check` lets pass; it is asked within the transaction, and says False for what is there.

    Rows that come together are added together, or none of them.
    """

    def __init__(self, engine: Engine, check: Callable[[Connection, Row], bool]) -> None:
        self._engine = engine
        self._check = check
        self._waiting: deque[_Entry] = deque()
        self._turn = Lock()

    def add(self, rows: Sequence[Row]) -> bool:
        """Whether any is new. They are on disk when this returns. Raises what `check` raises, and StoreError."""
        entry = _Entry(rows)
        self._waiting.append(entry)
        while not entry.done:
            with self._turn:
                if not entry.done:  # else somebody else has written it down along with their own
                    self._write()
        if entry.error is not None:
            raise entry.error
        return entry.added

    def _write(self) -> None:
        entries = [self._waiting.popleft() for _ in range(min(MAX_TOGETHER, len(self._waiting)))]
        refused: dict[int, DocketError] = {}
        try:
            with writing(self._engine) as connection:
                for number, entry in enumerate(entries):
                    try:
                        new = [row for row in entry.rows if self._check(connection, row)]
                    except DocketError as error:
                        refused[number] = error
                        continue
                    if new:
                        connection.execute(insert(documents), new)
                        entry.added = True
            for number, entry in enumerate(entries):
                entry.error = refused.get(number)
        except StoreError as error:
            for entry in entries:
                entry.error = error
        finally:
            for entry in entries:
                entry.done = True
