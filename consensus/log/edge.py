"""The right edge of a tree in tiles (C2SP tlog-tiles): all of it that further entries change.

Everything else that the tree has is full tiles and bundles, which never change. Whoever has the edge and new entries
can tell every file that these add; from the empty edge and all entries, every file of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...evidence.tlog.tiles import TILE, Bundle, Tile, encode_bundle
from ...evidence.tlog.tree import leaf_hash, node_hash, root

Rows = Sequence[Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Edge:
    """A tree of `size` entries: the entries of its last bundle and the hashes of its last tile on every level, as far
    as these are not full.
    """

    size: int = 0
    entries: Sequence[bytes] = ()
    rows: Rows = ()

    @property
    def root(self) -> bytes:
        """The tree's Merkle Tree Hash."""

        def read(level: int, index: int) -> bytes:
            tile, height = divmod(level, 8)
            return pyramid(self.rows[tile])[height][index % (TILE >> height)]

        return root(self.size, read)

    def partial(self) -> Mapping[str, bytes]:
        """The files of the edge: partial tiles and the partial bundle."""
        files = {tile.path: b"".join(self.rows[tile.level]) for tile in partial_tiles(self.size)}
        if self.entries:
            files[Bundle(self.size // TILE, len(self.entries)).path] = encode_bundle(self.entries)
        return files

    def grown(self, entries: Sequence[bytes]) -> tuple[Edge, Mapping[str, bytes]]:
        """The edge after these entries, and the full tiles and bundles that they complete."""
        files = {}
        pending = [*self.entries, *entries]
        for index, full in _full(pending, self.size // TILE):
            files[Bundle(index, TILE).path] = encode_bundle(full)
        rows: list[Sequence[bytes]] = []
        hashes = [leaf_hash(entry) for entry in entries]
        while hashes or len(rows) < len(self.rows):
            level = len(rows)
            row = [*(self.rows[level] if level < len(self.rows) else ()), *hashes]
            hashes = []
            for index, full in _full(row, self.size >> 8 * (level + 1)):
                files[Tile(level, index, TILE).path] = b"".join(full)
                hashes.append(pyramid(full)[-1][0])
            rows.append(_rest(row))
        return Edge(self.size + len(entries), _rest(pending), rows), files


def partial_tiles(size: int) -> Iterator[Tile]:
    """The partial tiles of a tree: at most one on every level."""
    level = 0
    while size >> 8 * level:
        if width := (size >> 8 * level) % TILE:
            yield Tile(level, size >> 8 * (level + 1), width)
        level += 1


def pyramid(hashes: Sequence[bytes]) -> Rows:
    """The complete subtrees within a tile: row h has the roots of those of 2**h hashes."""
    rows = [hashes]
    while len(row := rows[-1]) > 1:
        rows.append([node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)])
    return rows


def _full(items: Sequence[bytes], first: int) -> Iterator[tuple[int, Sequence[bytes]]]:
    for number in range(len(items) // TILE):
        yield first + number, items[number * TILE : (number + 1) * TILE]


def _rest(items: Sequence[bytes]) -> Sequence[bytes]:
    return items[len(items) // TILE * TILE :]
