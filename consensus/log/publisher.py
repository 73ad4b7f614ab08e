"""The checkpoint that a log shows: signed by the log, witnessed where its roster asks for it, never a smaller one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from ...evidence.keys import Algorithm, SigningKey
from ...evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from ...evidence.tlog.cosignature import cosign
from ...evidence.tlog.note import MAX_BYTES, Note, sign_note
from ...evidence.witnessed import NotWitnessedError
from .prover import Prover
from .storage import Reader, Storage

if TYPE_CHECKING:
    from .witnesses import Gathered

CHECKPOINT: Final = "checkpoint"
MAX_NOTE: Final = MAX_BYTES

# The consistency proof (RFC 9162 §2.1.4.1) between two sizes of the log.
Prove = Callable[[int, int], Sequence[bytes]]


class Witnessing(Protocol):
    """Have a checkpoint cosigned (witnesses.py)."""

    def cosign(self, note: Note, prove: Prove) -> Gathered:
        """The cosignatures that were to be had, and whether they are enough."""


def read_published(reader: Reader) -> Note | None:
    """The checkpoint that a log shows; nothing of it is verified. Raises StorageError, MalformedError."""
    data = reader.read(CHECKPOINT, MAX_NOTE)
    return None if data is None else Note.parse(data)


class Publisher:
    """Signs checkpoints with the log's keys, has them witnessed, and shows them."""

    def __init__(
        self, storage: Storage, keys: Sequence[SigningKey], now: Callable[[], int], witnesses: Witnessing | None = None
    ) -> None:
        """`now` is the time in milliseconds since 1970. Without witnesses a checkpoint is shown as it is signed."""
        self._storage, self._keys, self._now, self._witnesses = storage, keys, now, witnesses
        self._prover = Prover(storage)

    def publish(self, committed: Checkpoint) -> Note:
        """Sign a committed checkpoint whose files are applied, and show it; the note that is shown now.

        Raises NotWitnessedError, and then what was shown before goes on being shown; StorageError.
        """
        data = self._storage.read(CHECKPOINT, MAX_NOTE)
        if data is not None:
            shown = Note.parse(data)
            if parse_checkpoint(shown.text).size >= committed.size:
                return shown
        note = self._witnessed(sign_checkpoint(committed, self._keys, self._now() // 1000))
        self._storage.swap(CHECKPOINT, data, note.to_bytes())
        return note

    def _witnessed(self, note: Note) -> Note:
        if self._witnesses is None:
            return note
        gathered = self._witnesses.cosign(note, self._prover.consistency)
        if not gathered.enough:
            causes = "; ".join(f"{address}: {cause}" for address, cause in gathered.refusals.items())
            raise NotWitnessedError(
                f"fewer organisations cosigned the checkpoint than the roster asks for ({causes or 'no answer'})",
                advice="what was appended is safe; try again when the witnesses answer",
            )
        return Note(note.text, (*note.signatures, *gathered.signatures))


def sign_checkpoint(checkpoint: Checkpoint, keys: Sequence[SigningKey], seconds: int) -> Note:
    """A checkpoint signed by its log with every key: Ed25519 as a note signature, ML-DSA-44 as a cosignature."""
    text, origin = checkpoint.text(), checkpoint.origin
    return Note(
        text,
        tuple(
            sign_note(text, origin, key)
            if key.public.algorithm is Algorithm.ED25519
            else cosign(checkpoint, origin, key, seconds)
            for key in keys
        ),
    )
