"""What is asked of a log that is kept in tiles: proofs, entries, and where an entry stands.

Nothing that is read here is believed: a proof is for whoever checks it against a checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from ...evidence.encoding import MalformedError
from ...evidence.tlog.tiles import MAX_BUNDLE, TILE, Bundle, Tile, decode_bundle, encode_bundle
from ...evidence.tlog.tree import HASH_BYTES as HASH
from ...evidence.tlog.tree import Read, consistency_proof, inclusion_proof
from .edge import Rows, pyramid
from .storage import Reader, StorageError

# Tiles whose hashes are kept in memory, about 50 kB each: many of the upper levels, which every proof goes through, and
# few of level 0, of which there are too many to come again soon.
KEPT: Final = 256
KEPT_LEAVES: Final = 8


class DamagedError(StorageError):
    """A file that the log must have, and has not, or not in the form that it must have."""


class Prover:
    """Proofs and entries of a log of any size up to what is stored. All methods raise StorageError."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._leaves = lru_cache(KEPT_LEAVES)(self._pyramid)
        self._upper = lru_cache(KEPT)(self._pyramid)

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """That the entry at `index` is in the tree of this size (RFC 9162 §2.1.3.1)."""
        return inclusion_proof(index, size, self.read(size))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """That the tree of size `old` is how the one of size `new` begins (RFC 9162 §2.1.4.1)."""
        return consistency_proof(old, new, self.read(new))

    def read(self, size: int) -> Read:
        """The hashes of the complete subtrees of a tree of this size."""

        def read(level: int, index: int) -> bytes:
            tile, height = divmod(level, 8)
            number, offset = divmod(index << height, TILE)
            rows = (self._upper if tile else self._leaves)(_tile(tile, number, size))
            return rows[height][offset >> height]

        return read

    def leaves(self, since: int, size: int) -> Iterator[bytes]:
        """The leaf hashes from index `since` on."""
        for number in range(since // TILE, -(-size // TILE)):
            yield from self.tile(_tile(0, number, size))[max(since - number * TILE, 0) :]

    def find(self, leaf_hashes: Collection[bytes], since: int, size: int) -> Mapping[bytes, int]:
        """Where the entries of these leaf hashes stand, at or after `since`; the first place of each that has one."""
        wanted, found = set(leaf_hashes), dict[bytes, int]()
        for index, leaf in enumerate(self.leaves(since, size), since):
            if leaf in wanted:
                found[leaf] = index
                wanted.remove(leaf)
                if not wanted:
                    break
        return found

    def entries(self, since: int, size: int) -> Iterator[bytes]:
        """The entries from index `since` on."""
        for number in range(since // TILE, -(-size // TILE)):
            yield from self.bundle(number, size)[max(since - number * TILE, 0) :]

    def bundle(self, number: int, size: int) -> Sequence[bytes]:
        """The entries of one bundle."""
        bundle = Bundle(number, min(TILE, size - number * TILE))
        try:
            entries = decode_bundle(self._must(bundle))
        except MalformedError as error:
            raise DamagedError(f"{bundle.path} is no bundle of entries: {error}") from error
        if len(entries) != bundle.width:
            raise DamagedError(f"{bundle.path} has {len(entries)} entries, not {bundle.width}")
        return entries

    def tile(self, tile: Tile) -> Sequence[bytes]:
        """The hashes of one tile."""
        data = self._must(tile)
        if len(data) != tile.width * HASH:
            raise DamagedError(f"{tile.path} has {len(data)} bytes, not {tile.width * HASH}")
        return [data[offset : offset + HASH] for offset in range(0, len(data), HASH)]

    def file(self, wanted: Tile | Bundle) -> bytes | None:
        """A tile or a bundle as a client asks for it; a partial one, once that is gone, out of the full one."""
        limit = MAX_BUNDLE if isinstance(wanted, Bundle) else TILE * HASH
        data = self._reader.read(wanted.path, limit)
        if data is None and wanted.width < TILE:
            full = self._reader.read(replace(wanted, width=TILE).path, limit)
            if full is not None and isinstance(wanted, Bundle):
                return encode_bundle(decode_bundle(full)[: wanted.width])
            return full and full[: wanted.width * HASH]
        return data

    def _must(self, wanted: Tile | Bundle) -> bytes:
        data = self.file(wanted)
        if data is None:
            raise DamagedError(f"the log has no {wanted.path}")
        return data

    def _pyramid(self, tile: Tile) -> Rows:
        return pyramid(self.tile(tile))


def _tile(level: int, number: int, size: int) -> Tile:
    return Tile(level, number, min(TILE, (size >> 8 * level) - number * TILE))
