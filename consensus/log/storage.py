"""Where a log is kept: paths with bytes behind them, and one of them changed by compare-and-swap alone.

    staged          the committed tree: the commit point. It changes by compare-and-swap alone
    staging/…       what belongs to a tree that may be about to be committed; gone when it was applied
    tile/…          tiles and entry bundles of C2SP tlog-tiles; what is written once is never changed
    checkpoint      the newest checkpoint that is published; it changes by compare-and-swap alone

A path is one or more names with "/" between them. What a storage returned from is on disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from ...evidence.errors import ReperformError

# Bytes of what changes by compare-and-swap: a note with many signatures is smaller.
MAX_SWAPPED: Final = 2**20


class StorageError(ReperformError):
    """The log's storage does not do what it is asked. Nothing that it acknowledged before is lost."""


class SwappedError(StorageError):
    """A compare-and-swap found something else than expected: somebody else has written in the meantime."""


class Reader(Protocol):
    """Read a log; whoever does believes nothing of it that they did not check."""

    def read(self, path: str, limit: int) -> bytes | None:
        """What is behind a path, or None. Raises StorageError, also for more than `limit` bytes."""


class Storage(Reader, Protocol):
    """Keep a log. Every method raises StorageError; what it should have done with one path is then done or not done."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put bytes behind paths. Each is whole or absent at any moment; all are durable when this returns."""

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """Put `new` behind a path, if it is `old` that is there (None: nothing). Durable when this returns.

        Raises SwappedError if it is something else, even against a writer in another process or on another machine.
        """

    def delete(self, path: str) -> None:
        """Forget a path; one with nothing behind it is forgotten already."""

    def list(self, folder: str) -> Sequence[str]:
        """The paths that begin with `folder` and "/", without further folders below it."""

    def alone(self) -> AbstractContextManager[None]:
        """Be the only writer for as long as the block runs, as far as this storage can see to it."""
