"""The log's side of C2SP tlog-witness: a signed checkpoint goes out, cosignatures of the roster's witnesses come back.

Nothing that a witness answers is believed: what does not verify is named and left out.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from ...evidence.errors import ReperformError
from ...evidence.roster import Roster
from ...evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from ...evidence.tlog.cosignature import check_cosignature, cosigner_key
from ...evidence.tlog.note import Note, NoteSignature
from ...evidence.tlog.request import Request
from ...evidence.witnessed import open_checkpoint
from .publisher import Prove
from .remote import Remote
from .storage import StorageError

SIZE_TYPE: Final = "text/x.tlog.size"
MAX_ANSWER: Final = 64 * 1024  # bytes: 16 cosignatures by ML-DSA-44, and some
# How often one witness is asked about one checkpoint: it is told the size that it knows, and that may change once more.
TRIES: Final = 3
PATIENCE: Final = 10.0  # seconds
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


class WitnessError(StorageError):
    """A witness that does not cosign, or answers what no witness says."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The cosignatures that verified, and by address why others did not come; late ones are not waited for."""

    signatures: tuple[NoteSignature, ...]
    enough: bool
    refusals: Mapping[str, str]


class Witnesses:
    """The witnesses at some addresses, asked side by side. Whose cosignatures count, rosters say."""

    def __init__(
        self,
        addresses: Sequence[str],
        rosters: Callable[[], Sequence[Roster]],
        authority: Path | None = None,
        *,
        patience: float = PATIENCE,
    ) -> None:
        """`patience` is how long (seconds) one checkpoint may take. Raises RemoteError for an address that is none."""
        self._witnesses = [_Witness(Remote(each, authority, what="a witness's address")) for each in addresses]
        self._rosters = rosters
        self._patience = patience

    def cosign(self, note: Note, prove: Prove) -> Gathered:
        """Ask all of them about a checkpoint that the log has signed; return once enough organisations cosigned it.

        `prove` is called by one thread at a time, and not any more when this has returned.
        """
        checkpoint, rosters, proving = parse_checkpoint(note.text), self._rosters(), _Proving(prove)
        answers: SimpleQueue[tuple[str, bytes | ReperformError]] = SimpleQueue()
        for witness in self._witnesses:
            # A daemon: a witness that answers a byte a minute keeps nobody from ending.
            threading.Thread(target=witness.ask, args=(note, checkpoint, proving, answers.put), daemon=True).start()
        end, left, refusals, witnessed = (
            time.monotonic() + self._patience,
            len(self._witnesses),
            dict[str, str](),
            False,
        )
        found: dict[tuple[str, bytes], NoteSignature] = {}  # a note has one signature of each key
        while left and not (witnessed and rosters[-1].witnesses):
            try:
                address, answer = answers.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                break
            left -= 1
            try:
                found |= {(each.name, each.key_id): each for each in _verified(answer, note, checkpoint, rosters)}
            except ReperformError as error:
                refusals[address] = str(error)
            witnessed = _witnessed(Note(note.text, (*note.signatures, *found.values())), rosters)
        proving.end()
        return Gathered(tuple(found.values()), witnessed, refusals)


class _Proving:
    """The log's proofs, for threads that may outlive the question."""

    def __init__(self, prove: Prove) -> None:
        self._prove: Prove | None = prove
        self._lock = threading.Lock()

    def __call__(self, old: int, new: int) -> tuple[bytes, ...]:
        with self._lock:
            if self._prove is None:
                raise WitnessError("it is too late to ask again")
            return tuple(self._prove(old, new))

    def end(self) -> None:
        with self._lock:
            self._prove = None


class _Witness:
    """One witness, and the size of the log that it knows."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._size = 0
        self._busy = threading.Lock()

    def ask(
        self,
        note: Note,
        checkpoint: Checkpoint,
        prove: Callable[[int, int], tuple[bytes, ...]],
        answer: Callable[[tuple[str, bytes | ReperformError]], None],
    ) -> None:
        if not self._busy.acquire(blocking=False):
            answer((self._remote.address, WitnessError("it has not answered about an earlier checkpoint yet")))
            return
        try:
            answer((self._remote.address, self._cosigned(note, checkpoint, prove)))
        except ReperformError as error:
            answer((self._remote.address, error))
        finally:
            self._busy.release()

    def _cosigned(self, note: Note, checkpoint: Checkpoint, prove: Callable[[int, int], tuple[bytes, ...]]) -> bytes:
        for _ in range(TRIES):
            old = self._size
            if old > checkpoint.size:
                self._size = 0  # or it would never be asked again, if it was a lie
                raise WitnessError(f"it knows {old} entries of the log already, and was asked about {checkpoint.size}")
            proof = prove(old, checkpoint.size) if 0 < old < checkpoint.size else ()
            reply = self._remote.post("add-checkpoint", Request(old, proof, note).to_bytes(), MAX_ANSWER)
            if reply.status == HTTPStatus.OK:
                self._size = checkpoint.size
                return reply.body
            size = _SIZE.fullmatch(reply.body)
            if reply.status != HTTPStatus.CONFLICT or reply.kind != SIZE_TYPE or size is None:
                raise WitnessError(f"it answers {reply.status}: {reply.cause}")
            self._size = int(size[1])
        raise WitnessError("it names another size of the log every time that it is asked")


def _verified(
    answer: bytes | ReperformError, note: Note, checkpoint: Checkpoint, rosters: Sequence[Roster]
) -> list[NoteSignature]:
    """The cosignatures in an answer. Those by keys that no roster knows are ignored, as the specification asks."""
    if isinstance(answer, ReperformError):
        raise answer
    shown = Note.parse(note.text.encode() + b"\n" + answer)
    known = {
        (each.name, each.key_id): (node.cosigner, key)
        for roster in rosters
        for node in roster.panel()
        for key in roster.keys_of(node)
        for each in (cosigner_key(node.cosigner, key),)
    }
    found = [each for each in shown.signatures if (each.name, each.key_id) in known]
    for each in found:
        check_cosignature(each, checkpoint, *known[each.name, each.key_id])
    if not found:
        raise WitnessError("it signs with no key that is on the roster")
    return found


def _witnessed(note: Note, rosters: Sequence[Roster]) -> bool:
    try:
        open_checkpoint(note, rosters)
    except ReperformError:
        return False
    return True
