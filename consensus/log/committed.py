"""The committed tree: a log's commit point, before anything of it is signed as a checkpoint.

It is a note of its own origin, which no roster names. So a writer who loses the swap has signed nothing that anybody
could take for a second history, and who merely writes to the storage cannot have the log sign a tree of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...evidence.keys import PublicKey, SigningKey
from ...evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from ...evidence.tlog.note import Note, NoteKey, sign_note
from .storage import Reader, StorageError

STAGED: Final = "staged"
MAX_NOTE: Final = 4096


def sign_committed(checkpoint: Checkpoint, key: SigningKey) -> bytes:
    """What is put behind `staged`."""
    name = _origin(checkpoint.origin)
    text = Checkpoint(name, checkpoint.size, checkpoint.root).text()
    return Note(text, (sign_note(text, name, key),)).to_bytes()


def read_committed(reader: Reader, origin: str, keys: Iterable[PublicKey]) -> tuple[bytes, Checkpoint]:
    """The note as it is, and the tree that it commits to. Raises ReperformError unless one of the keys has signed it.

    `keys` are the log's: a new one finds what the one before it committed.
    """
    data = reader.read(STAGED, MAX_NOTE)
    if data is None:
        raise StorageError("there is no log here that could be written to", advice="make one with `reperform log init`")
    name = _origin(origin)
    note = Note.parse(data)
    committed = parse_checkpoint(note.text)
    signed = [(each, by) for each in (NoteKey.ed25519(name, key) for key in keys) if (by := note.signature_by(each))]
    if committed.origin != name or not signed:
        raise StorageError(f"the log here is not {origin} with a key that the roster names", advice="check --log")
    for each, signature in signed:
        each.verify(signature, note.text)
    return data, Checkpoint(origin, committed.size, committed.root)


def _origin(origin: str) -> str:
    return f"{origin}/{STAGED}"
