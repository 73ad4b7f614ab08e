"""A log in a folder: one file per path, written elsewhere in it, synced and renamed; the folders are synced too."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from .storage import MAX_SWAPPED, StorageError, SwappedError

WRITER: Final = ".writer"  # held for as long as somebody writes
SWAP: Final = ".swap"  # held for a moment, so that to compare and to swap are one
# How many files are synced at once.
AT_ONCE: Final = 16
UNFINISHED: Final = ".unfinished"  # a folder of what is being written


class FolderStorage:
    """A `Storage` on a file system that keeps the promises of POSIX rename, fsync and flock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._syncing = ThreadPoolExecutor(AT_ONCE, "log-sync")

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of a file."""
        try:
            with (self.folder / path).open("rb") as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refuses("be read", error) from error
        if len(data) > limit:
            raise StorageError(f"{path} of the log at {self.folder} is larger than {limit} bytes")
        return data

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, sync them, rename them to their places, and sync the folders that these stand in."""
        unfinished: list[tuple[Path, Path]] = []
        try:
            for path, data in files.items():
                target, beside = self.folder / path, self.folder / UNFINISHED / secrets.token_hex(16)
                self._make(target.parent)
                self._make(beside.parent)
                unfinished.append((beside, target))
                with beside.open("xb") as file:
                    file.write(data)
            self._sync([beside for beside, _ in unfinished])
            for beside, target in unfinished:
                beside.replace(target)
            self._sync({target.parent for _, target in unfinished})
        except OSError as error:
            for beside, _ in unfinished:
                beside.unlink(missing_ok=True)
            raise self._refuses("be written", error) from error

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """Compare and write while no other process can."""
        with self._lock(SWAP) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if self.read(path, MAX_SWAPPED) != old:
                raise SwappedError(f"{path} of the log at {self.folder} was changed by another writer")
            self.write({path: new})

    def delete(self, path: str) -> None:
        """Unlink a file."""
        try:
            (self.folder / path).unlink(missing_ok=True)
        except OSError as error:
            raise self._refuses("be written", error) from error

    def list(self, folder: str) -> Sequence[str]:
        """The files of a folder."""
        try:
            return sorted(f"{folder}/{each.name}" for each in (self.folder / folder).iterdir() if each.is_file())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._refuses("be read", error) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the writer's lock. Whoever dies lets go, and leaves no more behind than what is deleted here."""
        with self._lock(WRITER) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageError(
                    f"the log at {self.folder} is in use by another process that writes to it", advice="stop it first"
                ) from error
            for path in self.list(UNFINISHED):
                self.delete(path)
            yield

    def _lock(self, name: str) -> IO[str]:
        try:
            self._make(self.folder)
            return (self.folder / name).open("w")
        except OSError as error:
            raise self._refuses("be written", error) from error

    def _make(self, folder: Path) -> None:
        """Make a folder whose name, and those of the folders above it, are as durable as what will stand in it."""
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)

    def _sync(self, paths: Collection[Path]) -> None:
        # All at once: a disk syncs sixteen files in the time of one.
        for _ in self._syncing.map(_sync, paths):
            pass

    def _refuses(self, what: str, error: OSError) -> StorageError:
        return StorageError(
            f"the log at {self.folder} cannot {what}: {error.strerror or error}",
            advice="see that the folder is there, belongs to you, and has room",
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
