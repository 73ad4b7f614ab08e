"""A checkpoint that can be relied on: signed by the roster's log, and cosigned by enough organisations.

A witness cosigns only what extends all that it cosigned before. So whoever would show two histories of one log
needs as many dishonest witnesses as two accepted checkpoints must share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .digest import Digest
from .errors import ReperformError
from .keys import Algorithm
from .revocation import in_effect, revoked
from .roster import Log, Node, OrganisationRole, Revocation, Roster, RosterRefusedError
from .tlog.checkpoint import Checkpoint, parse_checkpoint
from .tlog.cosignature import check_cosignature, cosigner_key
from .tlog.note import KeyType, Note, NoteKey

T = TypeVar("T")


class NotWitnessedError(ReperformError):
    """A checkpoint that must not be relied on."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint, the organisations that cosigned it (sorted), and by when enough of them had.

    `time` is in milliseconds since 1970; None where the roster asks for no witness: then there is only the log's word.
    """

    checkpoint: Checkpoint
    organisations: tuple[str, ...]
    time: int | None


def open_checkpoint(note: Note, rosters: Sequence[Roster]) -> Witnessed:
    """Verify a checkpoint under the newest of these epochs that accepts it. Raises ReperformError if none does.

    Keys change while the log goes on: a checkpoint of last year was signed and cosigned by the keys of last year.
    """
    gone = in_effect(revoked(rosters), parse_checkpoint(note.text).size - 1)
    return by_newest(rosters, lambda roster: _open(note, roster, gone))


def by_newest(rosters: Sequence[Roster], judge: Callable[[Roster], T]) -> T:
    """What `judge` says of the newest epoch that it takes; the refusal of the oldest, if it takes none."""
    refusal: ReperformError = RosterRefusedError("there is no roster")
    for roster in reversed(rosters):
        try:
            return judge(roster)
        except ReperformError as error:
            refusal = error
    raise refusal


def log_keys(log: Log, roster: Roster) -> tuple[NoteKey, ...]:
    """The keys that must sign a checkpoint of the log: Ed25519 as a note, ML-DSA-44 as a cosignature."""
    return tuple(
        NoteKey.ed25519(log.origin, key) if key.algorithm is Algorithm.ED25519 else cosigner_key(log.origin, key)
        for key in roster.keys_of(log)
    )


def check_signed(note: Note, roster: Roster) -> Checkpoint:
    """The checkpoint of the roster's log, which it signed with every key that the suite asks for.

    Raises RosterRefusedError for another log, NotWitnessedError for a signature that is missing,
    SignatureRefusedError for a bad one.
    """
    checkpoint, log = parse_checkpoint(note.text), roster.log
    if log is None or log.origin != checkpoint.origin:
        raise RosterRefusedError(f"epoch {roster.epoch} of {roster.name!r} names no log {checkpoint.origin[:80]!r}")
    for known in log_keys(log, roster):
        signature = note.signature_by(known)
        if signature is None:
            raise NotWitnessedError(f"the checkpoint is not signed by log {log.origin}")
        if known.type is KeyType.ED25519:
            known.verify(signature, note.text)
        else:
            check_cosignature(signature, checkpoint, log.origin, known.key)
    return checkpoint


def _open(note: Note, roster: Roster, gone: Mapping[Digest, Revocation]) -> Witnessed:
    checkpoint = check_signed(note, roster)
    times: dict[str, int] = {}
    for organisation, node in roster.members():
        if organisation.role is OrganisationRole.REPLAYER and node.node_id not in gone:
            time = _cosigned(note, checkpoint, node, roster)
            if time is not None:
                times[organisation.name] = min(time, times.get(organisation.name, time))
    if len(times) < roster.witnesses:
        raise NotWitnessedError(
            f"the checkpoint of {checkpoint.size} entries is cosigned by {len(times)} organisations of epoch "
            f"{roster.epoch}; it needs {roster.witnesses}",
            advice="ask the log for a newer checkpoint",
        )
    by_when = sorted(times.values())[roster.witnesses - 1] if roster.witnesses else None
    return Witnessed(checkpoint, tuple(sorted(times)), by_when)


def _cosigned(note: Note, checkpoint: Checkpoint, node: Node, roster: Roster) -> int | None:
    """When a node cosigned, in milliseconds since 1970; None if it did not, or when this epoch was not in force.

    Raises SignatureRefusedError for a bad signature: what stands under a node's name is by the node, or is refused.
    """
    times = []
    for key in roster.keys_of(node):
        signature = note.signature_by(cosigner_key(node.cosigner, key))
        if signature is None:
            return None
        times.append(1000 * check_cosignature(signature, checkpoint, node.cosigner, key))
    within = roster.valid_from <= min(times) and max(times) <= roster.valid_until
    return max(times) if within else None
