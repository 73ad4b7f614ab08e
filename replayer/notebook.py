"""A node's notebook: what it computed and what it said, on disk before anybody else sees it.

A node that is restarted reads here what it had found and signed, so that it can never commit to two results
or sign two votes in one case. A page holds the recomputed output until the case is over: the file is private.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..evidence.ballot import Reason, Result
from ..evidence.digest import Digest
from ..evidence.documents import to_bytes
from ..evidence.dsse import Envelope
from ..evidence.errors import ReperformError
from ..evidence.files import read_document, write_file


class NotebookError(ReperformError):
    """A notebook that does not hold what it should."""


@dataclass(frozen=True, slots=True)
class Page:
    """A node's work on one case. `output` is empty, and `reason` is set, if the run gave no answer.

    `witnessed` are others' votes, one of a node, that this node saw posted in time. It does not sign a verdict that
    leaves out any of those nodes; a docket could not make it forget them by waiting until it is restarted.
    """

    KIND: ClassVar[str] = "page/v1"
    case: Digest
    result: Result
    reason: Reason | None
    output: bytes
    vote: Envelope | None
    witnessed: tuple[Envelope, ...]
    attestation: Envelope | None
    summary: Envelope | None


class Notebook:
    """One file per case in a folder that only this node uses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, case: Digest) -> Page | None:
        """The page of a case, if there is one."""
        path = self._path(case)
        try:
            path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NotebookError(f"{path} cannot be read: {error.strerror}") from error
        page = read_document(path, Page)
        if page.case != case:
            raise NotebookError(f"{path} is the page of another case", advice="restore the notebook from its backup")
        return page

    def write(self, page: Page) -> None:
        """Keep a page. It is on disk when this returns."""
        write_file(self._path(page.case), to_bytes(page), mode=0o600)

    def _path(self, case: Digest) -> Path:
        return self._folder / f"{case}.page"
