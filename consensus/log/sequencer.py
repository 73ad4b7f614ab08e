"""The one writer of a log: entries get their places, and an entry that has one never loses it.

As Sunlight does it (filippo.io/a-different-CT-log): (1) all new files in one staging object, durable; (2) the new tree
committed by compare-and-swap; (3) the files put where readers look for them; (4) the staging object deleted. Killed
before (2), nothing has happened; after it, whoever comes next does the rest. Nothing is signed as a checkpoint before
it is committed (publisher.py), so there is never a second history to sign.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from ...evidence.digest import Digest
from ...evidence.encoding import MalformedError, decode, encode
from ...evidence.errors import ReperformError
from ...evidence.keys import PublicKey, SigningKey
from ...evidence.tlog.checkpoint import Checkpoint
from ...evidence.tlog.tiles import MAX_ENTRY, TILE, Bundle, Tile
from ...evidence.tlog.tree import leaf_hash
from .committed import STAGED, read_committed, sign_committed
from .edge import Edge, partial_tiles
from .prover import Prover
from .storage import Storage, StorageError, SwappedError

log = logging.getLogger(__name__)

# What is committed at once, at most. A staging object has all its entries, and must stay below evidence's MAX_BYTES.
BATCH: Final = 2**15
BATCH_BYTES: Final = 24 * 2**20
MAX_STAGING: Final = 64 * 2**20


class EntryRefusedError(ReperformError):
    """An entry that no log can hold."""


def create(storage: Storage, origin: str, key: SigningKey) -> Checkpoint:
    """A new log without entries. Raises StorageError if there is one."""
    empty = Checkpoint(origin, 0, Digest(Edge().root))
    try:
        storage.swap(STAGED, None, sign_committed(empty, key))
    except SwappedError as error:
        raise StorageError(
            "there is a log already", advice="name another place, or use the log that is there"
        ) from error
    return empty


def check_entries(entries: Sequence[bytes]) -> None:
    """Raises EntryRefusedError unless all have a size that a log can hold (C2SP tlog-tiles)."""
    for number, entry in enumerate(entries):
        if len(entry) > MAX_ENTRY:
            raise EntryRefusedError(f"entry {number} of these has {len(entry)} bytes; the limit is {MAX_ENTRY}")


@contextmanager
def sequencing(
    storage: Storage, origin: str, key: SigningKey, former: Collection[PublicKey] = ()
) -> Iterator[Sequencer]:
    """Be the writer of a log for as long as the block runs. Raises StorageError if somebody else is."""
    with storage.alone():
        yield Sequencer(storage, origin, key, former)


class Sequencer:
    """The writer. Its methods can be called by several threads; they raise StorageError.

    Two writers at once do no harm: who loses a swap gets SwappedError, then and for ever.
    """

    def __init__(self, storage: Storage, origin: str, key: SigningKey, former: Collection[PublicKey] = ()) -> None:
        """Take up a log where it is, and finish what was committed there, by this key or a `former` one of the log."""
        self._storage, self._origin, self._key = storage, origin, key
        self._keys = {key.public, *former}
        self._lock = threading.Lock()
        self._lost = False
        self._known = False
        self._take_up()

    @property
    def checkpoint(self) -> Checkpoint:
        """The committed tree, all of whose files are where readers look for them."""
        with self._lock:
            self._prepare()
            return self._committed

    def append(self, entries: Sequence[bytes]) -> range:
        """The indices of these entries: they stand in the log when this returns.

        Raises EntryRefusedError before anything is done; StorageError when some may stand in it and others not,
        which `Prover.find` tells.
        """
        check_entries(entries)
        with self._lock:
            self._prepare()
            first = self._edge.size
            for batch in _batches(entries):
                self._prepare()
                self._commit(batch)
            return range(first, self._edge.size)

    def _prepare(self) -> None:
        if self._lost:
            raise SwappedError(
                "another writer has written to this log; this one is out of date", advice="stop one of them"
            )
        if not self._known:
            self._take_up()
        self._apply()

    def _take_up(self) -> None:
        self._note, self._committed = read_committed(self._storage, self._origin, self._keys)
        size = self._committed.size
        self._staging = _staging(self._committed)
        staged = self._storage.read(self._staging, MAX_STAGING)
        self._unapplied = None if staged is None else _read_staging(staged)
        self._apply()
        for path in self._storage.list("staging"):
            # One of a larger tree may be about to be committed; one of this size or less can no more be.
            if int(path.partition("/")[2].partition("-")[0]) <= size:
                self._storage.delete(path)
        self._edge = _load(self._storage, self._committed)
        self._known = True

    def _commit(self, entries: Sequence[bytes]) -> None:
        before = self._edge.partial()
        edge, full = self._edge.grown(entries)
        partial = {path: data for path, data in edge.partial().items() if path not in before}
        committed = Checkpoint(self._origin, edge.size, Digest(edge.root))
        staging, files = _staging(committed), {**full, **partial}
        self._storage.write({staging: encode({"before": self._edge.size, "files": {**files}})})
        note = sign_committed(committed, self._key)
        self._known = False  # until the storage has said so
        try:
            self._storage.swap(STAGED, self._note, note)
        except SwappedError:
            self._lost = True
            raise
        self._known = True
        self._unapplied = (self._edge.size, files)
        self._edge, self._note, self._committed, self._staging = edge, note, committed, staging
        try:
            self._apply()
        except StorageError as error:
            log.warning("%s", error)  # committed all the same; it is tried again before anything else

    def _apply(self) -> None:
        if self._unapplied is None:
            return
        before, files = self._unapplied
        self._storage.write(files)
        for path in _filled(before, files):
            for partial in self._storage.list(f"{path}.p"):
                self._storage.delete(partial)
        self._storage.delete(self._staging)
        self._unapplied = None


def _batches(entries: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    first = size = 0
    for index, entry in enumerate(entries):
        if index - first == BATCH or size + len(entry) > BATCH_BYTES:
            yield entries[first:index]
            first, size = index, 0
        size += len(entry)
    if first < len(entries):
        yield entries[first:]


def _staging(committed: Checkpoint) -> str:
    return f"staging/{committed.size}-{committed.root}"


def _read_staging(data: bytes) -> tuple[int, Mapping[str, bytes]]:
    match decode(data):
        case {"before": int(before), "files": dict(files)}:
            return before, {path: content for path, content in files.items() if isinstance(content, bytes)}
    raise MalformedError("the log's staging object is damaged", advice="restore the storage from a copy")


def _filled(before: int, files: Mapping[str, bytes]) -> Sequence[str]:
    """The full tiles and bundles among files of which there were partial ones."""
    tiles = (Tile(tile.level, tile.index).path for tile in partial_tiles(before))
    return [path for path in (*tiles, Bundle(before // TILE).path) if path in files]


def _load(storage: Storage, committed: Checkpoint) -> Edge:
    """The edge as it is stored. Raises StorageError unless it is that of the committed tree."""
    prover, size = Prover(storage), committed.size
    rows: list[Sequence[bytes]] = [()] * -(-size.bit_length() // 8)
    for tile in partial_tiles(size):
        rows[tile.level] = prover.tile(tile)
    entries = prover.bundle(size // TILE, size) if size % TILE else ()
    edge = Edge(size, entries, rows)
    if edge.root != committed.root.value or [leaf_hash(entry) for entry in entries] != list(rows[0] if rows else ()):
        raise StorageError("the log's files are not those of its tree", advice="see what `reperform log fsck` says")
    return edge
