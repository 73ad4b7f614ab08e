"""A log that holds a receipt: the operator's, as short as can be, with whichever witnesses a test wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import SigningKey
from reperform.evidence.roster import Log, Node
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.tlog.cosignature import cosign
from reperform.evidence.tlog.note import Note, sign_note
from reperform.evidence.tlog.proof import Proof
from reperform.evidence.tlog.tree import inclusion_proof, leaf_hash, node_hash, root

ORIGIN = "log.harbour.example/decisions"


@dataclass(frozen=True)
class Ledger:
    """A log's keys, and its entries. `signers` are those that the suite asks for."""

    signers: Sequence[SigningKey]
    entries: tuple[bytes, ...] = (b"first", b"second", b"third")

    @classmethod
    def of(cls, keys: KeyRing, *, post_quantum: bool) -> Ledger:
        """An operator's log under its keys."""
        return cls(keys.signers if post_quantum else (keys.signing,))

    def on_roster(self) -> Log:
        """The log as rosters name it."""
        second = self.signers[1].public if len(self.signers) > 1 else None
        return Log(ORIGIN, self.signers[0].public, second)

    def with_entries(self, *entries: Envelope | bytes) -> Ledger:
        """The log, grown."""
        grown = (entry if isinstance(entry, bytes) else to_bytes(entry) for entry in entries)
        return replace(self, entries=(*self.entries, *grown))

    def read(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree, the slow way."""
        if level == 0:
            return leaf_hash(self.entries[index])
        return node_hash(self.read(level - 1, 2 * index), self.read(level - 1, 2 * index + 1))

    def checkpoint(self) -> Checkpoint:
        """Its state."""
        size = len(self.entries)
        return Checkpoint(ORIGIN, size, Digest(root(size, self.read)))

    def note(self, witnesses: Iterable[tuple[Node, Sequence[SigningKey]]], seconds: int) -> Note:
        """The signed checkpoint, with these nodes' cosignatures."""
        checkpoint = self.checkpoint()
        first, *second = self.signers
        signatures = [sign_note(checkpoint.text(), ORIGIN, first)]
        signatures += [cosign(checkpoint, ORIGIN, key, seconds) for key in second]
        signatures += [cosign(checkpoint, node.cosigner, key, seconds) for node, keys in witnesses for key in keys]
        return Note(checkpoint.text(), tuple(signatures))

    def prove(self, index: int, note: Note) -> str:
        """The proof that an entry stands under this checkpoint."""
        return str(Proof(index, inclusion_proof(index, len(self.entries), self.read), note, None))
