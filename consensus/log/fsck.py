"""The whole log once more, from its entries alone: every hash, every tile, and the roots of its checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ...evidence.tlog.checkpoint import Checkpoint
from ...evidence.tlog.tiles import TILE, parse_path
from ...evidence.tlog.tree import root
from .edge import Edge
from .prover import DamagedError, Prover
from .storage import Reader

# Bundles that are taken up at once.
STEP: Final = 64
# What is told of a log that is damaged all over.
MAX_DAMAGES: Final = 100
_ENTRIES: Final = "tile/entries/"


class Fsck:
    """Derives a log's tiles from its entries, and compares them with those that are stored.

    The work is done while somebody takes `entries`; then `damages` has what was found. An entry that cannot be read
    is the last: nothing after it can be derived. Both methods raise StorageError if the storage does not answer.
    """

    def __init__(self, reader: Reader, checkpoint: Checkpoint) -> None:
        """`checkpoint` names the tree that must come out."""
        self._reader, self._prover, self._checkpoint = reader, Prover(reader), checkpoint
        self.damages: list[str] = []

    def entries(self) -> Iterator[bytes]:
        """Every entry, in order."""
        edge, size = Edge(), self._checkpoint.size
        while edge.size < size:
            try:
                entries = self._take(edge.size // TILE)
            except DamagedError as error:
                self._found(f"{error}; nothing after it can be derived")
                return
            edge, files = edge.grown(entries)
            self._compare(files.items())
            yield from entries
        self._compare(edge.partial().items())
        if edge.root != self._checkpoint.root.value:
            self._found(f"the tree of its {size} entries is not the one of its checkpoint")

    def check_earlier(self, checkpoint: Checkpoint) -> None:
        """Compare an earlier tree too, with the tiles as they are stored."""
        if checkpoint.size > self._checkpoint.size:
            self._found(
                f"a checkpoint of {checkpoint.size} entries is shown, and {self._checkpoint.size} are committed"
            )
        elif root(checkpoint.size, self._prover.read(checkpoint.size)) != checkpoint.root.value:
            self._found(
                f"the tree of its first {checkpoint.size} entries is not the one of the checkpoint that it shows"
            )

    def _take(self, first: int) -> Sequence[bytes]:
        size = self._checkpoint.size
        last = min(first + STEP, -(-size // TILE))
        return [entry for number in range(first, last) for entry in self._prover.bundle(number, size)]

    def _compare(self, files: Iterable[tuple[str, bytes]]) -> None:
        for path, derived in files:
            if path.startswith(_ENTRIES):
                continue  # what was derived was read from there
            stored = self._prover.file(parse_path(path))
            if stored != derived:
                self._found(f"{path} is not what the entries say" if stored is not None else f"there is no {path}")

    def _found(self, damage: str) -> None:
        if len(self.damages) < MAX_DAMAGES:
            self.damages.append(damage)
