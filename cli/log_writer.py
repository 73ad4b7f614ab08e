"""An operator's log as an executor writes to it: consensus keeps it, and neither knows of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..consensus.log.prover import Prover
from ..consensus.log.sequencer import Sequencer, sequencing
from ..consensus.log.storage import Storage, StorageError
from ..evidence.documents import to_bytes
from ..evidence.dsse import Envelope
from ..evidence.keyfile import KeyRing
from ..evidence.roster import Roster
from ..evidence.tlog.checkpoint import Checkpoint
from .log_place import leaf_of, log_keys_of, named_log, open_storage, seen_by
from .trust import read_keys


@dataclass(frozen=True, slots=True)
class LogWriter:
    """The log of a roster, with this process as its one writer."""

    origin: str
    sequencer: Sequencer
    prover: Prover

    def seen(self) -> Checkpoint:
        """The tree that is committed. Whoever later publishes a checkpoint can only publish one that continues it."""
        return self.sequencer.checkpoint

    def find(self, envelopes: Sequence[Envelope]) -> list[int | None]:
        """Where entries stand. Nothing stands before the checkpoint that it names, so only what follows is read."""
        size, leaves = self.sequencer.checkpoint.size, [leaf_of(envelope) for envelope in envelopes]
        since = min((seen_by(envelope) for envelope in envelopes), default=size)
        places = self.prover.find(leaves, since, size) if since < size else {}
        return [places.get(leaf) for leaf in leaves]

    def append(self, envelopes: Sequence[Envelope]) -> range:
        """Enter them."""
        return self.sequencer.append([to_bytes(envelope) for envelope in envelopes])


@contextmanager
def writing(place: str | None, key: Path | None, rosters: Sequence[Roster]) -> Iterator[LogWriter | None]:
    """Write to the log that the newest of these epochs names, for as long as the block runs; None without a place.

    Raises StorageError, RosterRefusedError.
    """
    if place is None:
        yield None
        return
    if key is None:
        raise StorageError(f"writing to the log in {place} needs its key", advice="give it with --log-key")
    with writing_to(open_storage(place), read_keys(key), rosters) as writer:
        yield writer


@contextmanager
def writing_to(storage: Storage, keys: KeyRing, rosters: Sequence[Roster]) -> Iterator[LogWriter]:
    """The same, with everything at hand. Under a new key the log goes on from what an earlier epoch's committed."""
    origin, (signing, *_) = named_log(rosters[-1]).origin, rosters[-1].log_signers(keys)
    with sequencing(storage, origin, signing, log_keys_of(rosters)) as sequencer:
        yield LogWriter(origin, sequencer, Prover(storage))
