"""The lead's folder of one audit: what was signed, once each; the nonce; the ledger; and the evidence of deviations.

plan.dsse           nonce (private)        commitments/NODE.dsse     announcement.dsse
labels.dsse         freeze.dsse            reveals/NODE.dsse         draw.audit
ledger.sqlite       evidence/ENTRY.…       report.dsse              lock (held by who takes a step)
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from ...evidence.audit.draw import AuditFile
from ...evidence.documents import Document, to_bytes
from ...evidence.dsse import Envelope
from ...evidence.errors import ReperformError
from ...evidence.files import make_folder, read_document, write_file
from ...evidence.keyfile import read_private

D = TypeVar("D", bound=Document)


class FolderError(ReperformError):
    """An audit's folder that lacks what is needed, or has already what would be written."""


class AuditFolder:
    """One audit's files. What is there is never replaced: an audit has one plan, one population and one draw."""

    LEDGER: Final = "ledger.sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def ledger(self) -> Path:
        """Where the items are kept."""
        return self.path / self.LEDGER

    @property
    def evidence(self) -> Path:
        """Where the evidence of what is no MATCH is kept; private."""
        return self.path / "evidence"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else takes a step of this audit while the block runs: two would freeze, or draw, twice.

        Raises FolderError if somebody does, or nobody can. Whoever dies lets go.
        """
        try:
            file = (self.path / "lock").open("w")
        except OSError as error:
            raise FolderError(
                f"{self.path} cannot be written: {error.strerror}",
                advice="name a folder that `reperform audit plan` made",
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FolderError(
                    f"another command of the audit in {self.path} is at work", advice="wait for its end, and try again"
                ) from error
            yield

    def plan(self) -> Envelope:
        """The plan. This and the following raise FolderError if the step before was not taken."""
        return self._read("plan.dsse", Envelope, "make it with `reperform audit plan`")

    def commitments(self) -> Sequence[Envelope]:
        """The commitments that are here, in the order of their nodes."""
        return self._every("commitments")

    def announcement(self) -> Envelope:
        """The announcement."""
        return self._read("announcement.dsse", Envelope, "make it with `reperform audit announce`")

    def labels(self) -> Envelope | None:
        """The operator's labels, if they are here."""
        return self._read("labels.dsse", Envelope, "") if (self.path / "labels.dsse").exists() else None

    def freeze(self) -> Envelope:
        """The frozen population."""
        return self._read("freeze.dsse", Envelope, "freeze the population with `reperform audit freeze`")

    def reveals(self) -> Sequence[Envelope]:
        """The nonces that are here, in the order of their nodes."""
        return self._every("reveals")

    def draw(self) -> AuditFile:
        """Everything up to the draw."""
        return self._read("draw.audit", AuditFile, "draw with `reperform audit draw`")

    def report(self) -> Envelope:
        """The report."""
        return self._read("report.dsse", Envelope, "finish the audit with `reperform audit run`")

    def has(self, name: str) -> bool:
        """Whether a file of this name is here."""
        return (self.path / name).exists()

    def write(self, name: str, document: Document) -> Path:
        """Write a file that is not here yet, or is the same. Raises FolderError, FileError."""
        path, data = self.path / name, to_bytes(document)
        if path.exists() and path.read_bytes() != data:
            raise FolderError(f"{path} exists", advice="an audit says each thing once; plan another audit")
        make_folder(path.parent)
        write_file(path, data)
        return path

    def nonce(self) -> bytes:
        """This auditor's nonce."""
        return read_private(self.path / "nonce")

    def write_nonce(self, nonce: bytes) -> None:
        """Keep a nonce, readable for this user alone. Raises FolderError if there is one, FileError."""
        if self.has("nonce"):
            raise FolderError(f"{self.path / 'nonce'} exists", advice="an auditor commits to one nonce")
        write_file(self.path / "nonce", nonce, mode=0o600)

    def make(self) -> None:
        """Make the folder. Raises FileError."""
        make_folder(self.path)

    def _read(self, name: str, cls: type[D], advice: str) -> D:
        path = self.path / name
        if not path.exists():
            raise FolderError(f"{path} does not exist", advice=advice)
        return read_document(path, cls)

    def _every(self, name: str) -> list[Envelope]:
        return [read_document(path, Envelope) for path in sorted((self.path / name).glob("*.dsse"))]
