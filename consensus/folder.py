"""A docket in a folder: one file per document, named by its digest. For one machine, or for exchange by media.

    FOLDER/<filing id>/<slot>/<SHA-256 of the envelope>.dsse

A document appears by the renaming of a finished and synced file, so that a reader never sees half of one, and
under the name of its content, so that nobody can take another's place or replace what stands there.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..evidence.digest import Digest
from ..evidence.documents import from_bytes, to_bytes
from ..evidence.dsse import Envelope
from ..evidence.encoding import MAX_BYTES, MalformedError
from ..evidence.files import write_atomically
from .docket import Changes, DocketError, Slot

# One filer, one docket, and a panel of at most 1,024 nodes: nothing honest posts more.
MAX_DOCUMENTS: Final = 4096
SUFFIX: Final = ".dsse"


class FolderDocket:
    """A `Docket` on a file system that keeps the promises of POSIX rename."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def changes(self, after: int) -> Changes:
        """Every filing, sorted. Times of folders are no position: what comes by media brings its own."""
        filings = []
        try:
            names = sorted(entry.name for entry in self.folder.iterdir())
        except OSError as error:
            raise DocketError(
                f"there is no docket at {self.folder}: {error.strerror}",
                advice="create the folder, or name the right one",
            ) from error
        for name in names:
            try:
                filings.append(Digest.from_hex(name))
            except MalformedError:
                continue  # not a filing: what else people keep in the folder is no business of ours
        return Changes(after, tuple(filings))

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        """Add documents; posting them again changes nothing."""
        for slot, envelope in said.items():
            self._post(filing, slot, to_bytes(envelope))

    def _post(self, filing: Digest, slot: Slot, data: bytes) -> None:
        place = self.folder / str(filing) / slot
        try:
            place.mkdir(parents=True, exist_ok=True)
            path = place / (hashlib.sha256(data).hexdigest() + SUFFIX)
            if _content(path) != data:  # under the name of a document stands that document and nothing else
                write_atomically(path, data)
        except OSError as error:
            raise DocketError(f"the docket at {self.folder} cannot take a {slot}: {error.strerror}") from error

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        """The documents posted so far, in the order of their names. What is no envelope is passed over."""
        return {slot: self._read(self.folder / str(filing) / slot) for slot in Slot}

    def _read(self, place: Path) -> tuple[Envelope, ...]:
        try:
            paths = sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else []
            if len(paths) > MAX_DOCUMENTS:
                raise DocketError(f"{len(paths)} documents in one slot; the limit is {MAX_DOCUMENTS}")
            return tuple(envelope for path in paths if (envelope := _envelope(path)) is not None)
        except OSError as error:
            raise DocketError(f"the docket at {self.folder} cannot be read: {error.strerror}") from error


def _envelope(path: Path) -> Envelope | None:
    """The envelope in a file. Anybody can put junk into a shared folder; it must not stop the others."""
    data = _content(path)
    try:
        return None if data is None else from_bytes(Envelope, data)
    except MalformedError:
        return None


def _content(path: Path) -> bytes | None:
    """The bytes of a plain file; None for what is absent, closed to us, or something else than a plain file."""
    try:
        # A link could lead out of the docket, and a pipe would never end.
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, PermissionError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES + 1)
