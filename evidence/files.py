"""Files that are whole or absent: write beside, sync, rename."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from .documents import D, from_bytes
from .encoding import MAX_BYTES, MalformedError
from .errors import ReperformError


class FileError(ReperformError):
    """A file that cannot be read or written."""


def read_file(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a file of at most `limit` bytes. Raises FileError."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist", advice="check the name") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise FileError(f"{path} is larger than {limit} bytes")
    return data


def read_document(path: Path, cls: type[D]) -> D:
    """A document from a file. Raises FileError, or MalformedError naming the file."""
    try:
        return from_bytes(cls, read_file(path))
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file that is either whole, on disk and under its name, or not there. Raises OSError."""
    beside = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the name is as durable as the content
    finally:
        os.close(directory)


def make_folder(path: Path, *, mode: int = 0o755) -> None:
    """Make a folder, and those above it, unless it is there. Raises FileError."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path} cannot be made a folder: {error.strerror}") from error


def write_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """write_atomically for what a person asked for: makes the folder, raises FileError."""
    make_folder(path.parent)
    try:
        write_atomically(path, data, mode=mode)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}") from error
