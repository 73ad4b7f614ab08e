"""The files of a log that anybody can fetch: tiles of hashes, and bundles of entries (c2sp.org/tlog-tiles).

A tile has the roots of up to 256 subtrees of 256**level entries each, side by side; a bundle the entries under a tile
of level 0. Only the last ones of a tree have fewer, and those have the number in their path.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..encoding import MalformedError
from .tree import MAX_SIZE

TILE: Final = 256
LEVELS: Final = 8  # of tiles: 256**8 is more than MAX_SIZE
MAX_ENTRY: Final = 2**16 - 1  # bytes
MAX_BUNDLE: Final = TILE * (2 + MAX_ENTRY)
_LENGTH: Final = struct.Struct(">H")
_PATH: Final = re.compile(
    # A log has up to 2**55 tiles on a level: 17 digits. Python reads no number of more than 4,300.
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,5})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Tile `index` of a level, with `width` hashes."""

    level: int
    index: int
    width: int = TILE

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"tile/{self.level}/{_number(self.index, self.width)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Bundle `index`, with `width` entries."""

    index: int
    width: int = TILE

    @property
    def path(self) -> str:
        """Where it is served."""
        return f"tile/entries/{_number(self.index, self.width)}"


def parse_path(path: str) -> Tile | Bundle:
    """The tile or bundle of a path. Raises MalformedError."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedError("this is no path of a tile")
    index = int((match[2] + match[3]).replace("x", "").replace("/", ""))
    width = TILE if match[4] is None else int(match[4])
    found = Bundle(index, width) if match[1] == "entries" else Tile(int(match[1]), index, width)
    # Not in its shortest form, a full tile said to be partial, or behind the last entry that a log can have.
    if found.path != path or width > TILE or index > MAX_SIZE // TILE:
        raise MalformedError("this is no path of a tile")
    return found


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each behind its length. Raises MalformedError for one that is too long."""
    if any(len(entry) > MAX_ENTRY for entry in entries):
        raise MalformedError(f"an entry of a log has at most {MAX_ENTRY} bytes")
    return b"".join(part for entry in entries for part in (_LENGTH.pack(len(entry)), entry))


def decode_bundle(data: bytes) -> tuple[bytes, ...]:
    """The entries of a bundle. Raises MalformedError."""
    entries = tuple(_entries(data))
    if not 0 < len(entries) <= TILE:
        raise MalformedError(f"a bundle of {len(entries)} entries; it has 1 to {TILE}")
    return entries


def _entries(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        start = at + _LENGTH.size
        if start > len(data):
            raise MalformedError("a bundle of entries breaks off")
        at = start + _LENGTH.unpack_from(data, at)[0]
        if at > len(data):
            raise MalformedError("a bundle of entries breaks off")
        yield data[start:at]


def _number(index: int, width: int) -> str:
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03}")
    return "/".join(parts) + ("" if width == TILE else f".p/{width}")
