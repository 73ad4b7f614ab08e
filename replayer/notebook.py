"""A node's notebook: what it computed and what it said, on disk before anybody else sees it.

A node that is restarted reads here what it had found and signed, so that it can never commit to two results
or sign two votes in one case. A page holds the recomputed output, which is personal, until the case is over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ..evidence.ballot import Reason, Result
from ..evidence.digest import Digest
from ..evidence.documents import from_bytes, to_bytes
from ..evidence.dsse import Envelope
from ..evidence.encoding import MalformedError
from .database import Database, DatabaseError


@dataclass(frozen=True, slots=True)
class Page:
    """A node's work on one case. `output` is empty, and `reason` is set, if the run gave no answer.

    `ends` is when the case is over (milliseconds since 1970).
    `witnessed` are others' votes, one of a node, that this node saw posted in time. It does not sign a verdict that
    leaves out any of those nodes; a docket could not make it forget them by waiting until it is restarted.
    """

    KIND: ClassVar[str] = "page/v1"
    case: Digest
    ends: int
    result: Result
    reason: Reason | None
    output: bytes
    vote: Envelope | None
    witnessed: tuple[Envelope, ...]
    attestation: Envelope | None
    summary: Envelope | None

    @property
    def erased(self) -> bool:
        """Whether there was an output, which is no longer kept."""
        return self.result.answer is not None and not self.output


class Notebook:
    """One page per case, in the database of a folder that only this node uses."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder)
        self._traces_left = True  # of outputs, in the database's log

    def read(self, case: Digest) -> Page | None:
        """The page of a case, if there is one. Raises DatabaseError."""
        rows = self._database.rows("SELECT page FROM pages WHERE name = ?", case.value)
        if not rows:
            return None
        page = self._parse(rows[0][0])
        if page.case != case:
            raise DatabaseError(
                f"{self._database.path} has the page of another case",
                advice="an old copy is no help: docs/run-a-node.md",
            )
        return page

    def write(self, page: Page) -> None:
        """Keep a page. It is on disk when this returns."""
        row = (page.case.value, page.ends, bool(page.output), to_bytes(page))
        self._database.write("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)", *row)

    def erase(self, now: int) -> None:
        """Erase the outputs of the cases that are over. What was said in them is kept."""
        for (data,) in self._database.rows("SELECT page FROM pages WHERE held AND ends < ?", now):
            self.write(replace(self._parse(data), output=b""))
            self._traces_left = True
        if self._traces_left:
            self._traces_left = not self._database.empty_log()

    def _parse(self, data: bytes) -> Page:
        try:
            return from_bytes(Page, data)
        except MalformedError as error:
            raise DatabaseError(
                f"{self._database.path} has a page that is none: {error.cause}",
                advice="an old copy is no help: docs/run-a-node.md",
            ) from error
