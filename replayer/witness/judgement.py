"""What a witness does with a checkpoint that is submitted to it: C2SP tlog-witness, add-checkpoint. Pure.

A witness cosigns only what extends all that it has cosigned of a log. That is all that it promises, and no request,
order of requests or log can make it do anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from ...evidence.errors import ReperformError
from ...evidence.keyfile import KeyRing
from ...evidence.keys import SigningKey
from ...evidence.revocation import revoked
from ...evidence.roster import OrganisationRole, Roster, RosterRefusedError
from ...evidence.tlog.checkpoint import Checkpoint
from ...evidence.tlog.note import Note
from ...evidence.tlog.request import Request
from ...evidence.tlog.tree import EMPTY_ROOT, check_consistency
from ...evidence.witnessed import check_signed, log_keys


class Outcome(Enum):
    """How add-checkpoint ends, and with which status it is answered."""

    COSIGNED = HTTPStatus.OK
    MALFORMED = HTTPStatus.BAD_REQUEST
    REFUSED = HTTPStatus.FORBIDDEN  # not signed by the log; or by a log that is proved to have forked
    UNKNOWN = HTTPStatus.NOT_FOUND
    CONFLICT = HTTPStatus.CONFLICT
    INCONSISTENT = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True)
class Trust:
    """The newest epoch in force, which names the log; and the keys that this node cosigns with, each with its name."""

    roster: Roster
    signers: tuple[tuple[str, SigningKey], ...]


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The largest checkpoint of a log that was cosigned here, with the log's signatures and this witness's own.

    `seconds` (since 1970) is the latest time in a cosignature of this log.
    """

    checkpoint: Checkpoint
    seconds: int
    note: Note


@dataclass(frozen=True, slots=True)
class Known:
    """What a witness knows about a log when a checkpoint arrives. `rivals` are notes that the log signed of the same
    size, with another root; `forked` says that such a thing was proved before.
    """

    cosigned: Cosigned | None
    rivals: tuple[Note, ...] = ()
    forked: bool = False

    @property
    def size(self) -> int:
        """The size of the largest checkpoint that was cosigned; 0 if there is none."""
        return 0 if self.cosigned is None else self.cosigned.checkpoint.size


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome, and why. `suspect` says that the log has signed a checkpoint that nobody has placed yet."""

    outcome: Outcome
    reason: str = ""
    suspect: bool = False


def trust(rosters: Sequence[Roster], rings: Sequence[KeyRing], origin: str, now: int) -> Trust | None:
    """What the newest of these epochs in force at `now` (milliseconds since 1970) says of the log of this origin.

    None if it names another log or none, or if none of these keys is a replayer's on it, or that key is revoked.
    """
    signed = now // 1000 * 1000  # cosignatures tell whole seconds, and count if that time is the epoch's
    in_force = [roster for roster in rosters if roster.valid_from <= signed and now <= roster.valid_until]
    if not in_force or in_force[-1].log is None or in_force[-1].log.origin != origin:
        return None
    roster, gone, signers = in_force[-1], revoked(rosters), list[tuple[str, SigningKey]]()
    for ring in rings:
        name = ring.signing.public.key_id
        try:
            _, node = roster.member_as(name, OrganisationRole.REPLAYER)
            keys = roster.signers(ring)
        except RosterRefusedError:
            continue
        if name not in gone:
            signers += [(node.cosigner, key) for key in keys]
    return Trust(roster, tuple(signers)) if signers else None


def signed_by_log(note: Note, roster: Roster) -> Note:
    """The note with the log's signatures alone. Raises a ReperformError unless all its keys of this epoch signed it."""
    check_signed(note, roster)
    known = () if roster.log is None else log_keys(roster.log, roster)
    return Note(note.text, tuple(each for each in map(note.signature_by, known) if each is not None))


def judge(request: Request, checkpoint: Checkpoint, known: Known, trust: Trust | None) -> Judgement:
    """Whether to cosign `checkpoint`, which is that of the request's note.

    1. The origin is that of a known log, and
    2. the log has signed it, and has not forked.
    3. The old size is not above the new one, and
    4. is that of the largest checkpoint that was cosigned.
    5. The log has not signed another root of this size.
    6. The proof shows that the tree extends the one that was cosigned.
    """
    size = checkpoint.size
    if trust is None:
        return Judgement(Outcome.UNKNOWN, "this log is not known here")
    try:
        check_signed(request.note, trust.roster)
    except ReperformError:
        return Judgement(Outcome.REFUSED, "the log has not signed this with all its keys")
    if request.old_size > size:
        return Judgement(Outcome.MALFORMED, "the old size is above that of the checkpoint")
    if known.forked:
        return Judgement(Outcome.REFUSED, "this log is proved to have forked, and is not cosigned any more")
    if request.old_size != known.size:
        # Whoever asks with a wrong size has as a rule just forgotten the right one; old checkpoints are rarer.
        return Judgement(Outcome.CONFLICT, str(known.size), suspect=size < known.size or bool(known.rivals))
    if known.rivals:
        return Judgement(Outcome.INCONSISTENT, "the log has signed two trees of this size", suspect=True)
    try:
        _check_extends(request, checkpoint, known)
    except ReperformError:
        return Judgement(Outcome.INCONSISTENT, "the proof does not show that the log only grew", suspect=True)
    return Judgement(Outcome.COSIGNED)


def _check_extends(request: Request, checkpoint: Checkpoint, known: Known) -> None:
    old = EMPTY_ROOT if known.cosigned is None else known.cosigned.checkpoint.root.value
    check_consistency(known.size, old, checkpoint.size, checkpoint.root.value, request.proof)
