"""The draw: a frozen population, nonces revealed after it, and the seed that follows from both.

    seed = digest(AUDIT_SEED, root and size of the frozen tree, plan, the nonces in the order of the auditors, beacon)

Nobody chooses a sample. The operator does not know the nonces when the population is frozen, and an auditor does not
know the others'; one honest auditor, or a beacon, is enough. An auditor who reveals nothing can at most choose between
two samples, its own nonce in or out, and is named as at fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from ..digest import Digest, Domain, digest
from ..documents import to_bytes
from ..dsse import Envelope, open_signed
from ..encoding import MalformedError
from ..roster import Node, Roster
from ..times import check_range
from ..tlog.proof import Proof
from ..tlog.tree import check_inclusion, leaf_hash
from ..witnessed import Witnessed, open_checkpoint
from .plan import NONCE_BYTES, Announced, Plan, auditor, commit_nonce, open_announcement

MAX_PROOF: Final = 64 * 1024
MAX_BEACON: Final = 1024  # bytes


@dataclass(frozen=True, slots=True)
class Freeze:
    """The population: the log as it stood at the checkpoint in `proof`, which proves that the announcement is in it.

    `proof` is a tlog-proof (c2sp.org/tlog-proof). `labels` is the digest of the operator's disclosed strata, if the
    plan asks for them. Signed by the lead, who signs one of these for a plan.
    """

    KIND: ClassVar[str] = "audit-freeze/v1"
    announcement: Digest
    proof: str
    labels: Digest | None

    def __post_init__(self) -> None:
        if len(self.proof) > MAX_PROOF:
            raise MalformedError(f"a proof of inclusion of more than {MAX_PROOF} characters")


@dataclass(frozen=True, slots=True)
class Reveal:
    """An auditor's nonce, for this frozen population. Signed by that auditor."""

    KIND: ClassVar[str] = "audit-reveal/v1"
    freeze: Digest
    node: Digest
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Draw:
    """What the seed was made of. `time` is the lead's clock. Signed by the lead, once for a freeze."""

    KIND: ClassVar[str] = "audit-draw/v1"
    freeze: Digest
    reveals: tuple[Envelope, ...]
    beacon: bytes | None
    time: int

    def __post_init__(self) -> None:
        if self.beacon is not None and not 0 < len(self.beacon) <= MAX_BEACON:
            raise MalformedError(f"a beacon's value has 1 to {MAX_BEACON} bytes")
        check_range(self.time)


@dataclass(frozen=True, slots=True)
class AuditFile:
    """Everything that was signed up to the draw: with the log, and the roster's root keys, anybody draws again."""

    KIND: ClassVar[str] = "audit-file/v1"
    announcement: Envelope
    freeze: Envelope
    draw: Envelope


@dataclass(frozen=True, slots=True)
class _Seed:
    KIND: ClassVar[str] = "audit-seed/v1"
    root: Digest
    size: int
    plan: Digest
    nonces: tuple[bytes | None, ...]
    beacon: bytes | None


@dataclass(frozen=True, slots=True)
class Frozen:
    """A population that was verified to be frozen after every commitment: entries of the witnessed tree."""

    announced: Announced
    freeze: Freeze
    freeze_id: Digest
    entry: int  # where the announcement stands
    witnessed: Witnessed

    @property
    def range(self) -> range:
        """The entries of the log among which the decisions are that are audited."""
        plan, size = self.announced.plan, self.witnessed.checkpoint.size
        return range(plan.first, size if plan.end is None else plan.end)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draw that was verified: its seed, and the auditors whose nonces are missing."""

    frozen: Frozen
    draw: Draw
    draw_id: Digest
    seed: Digest
    missing: tuple[Node, ...]

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.frozen.announced.plan

    @property
    def roster(self) -> Roster:
        """The epoch under which the audit runs."""
        return self.frozen.announced.roster

    @property
    def lead(self) -> Node:
        """Whose audit it is."""
        return self.frozen.announced.lead


def freeze_id(envelope: Envelope) -> Digest:
    """How documents name a frozen population."""
    return digest(Domain.AUDIT_FREEZE, envelope.payload)


def draw_id(envelope: Envelope) -> Digest:
    """How documents name a draw."""
    return digest(Domain.AUDIT_DRAW, envelope.payload)


def open_freeze(envelope: Envelope, announcement: Envelope, rosters: Sequence[Roster]) -> Frozen:
    """Verify that the announcement stands in the log under a witnessed checkpoint. Raises ReperformError."""
    announced = open_announcement(announcement, rosters)
    freeze = open_signed(envelope, Freeze, announced.roster.keys_of(announced.lead)).document
    if freeze.announcement != announced.announcement:
        raise MalformedError("the population is frozen for another announcement")
    proof = Proof.parse(freeze.proof.encode())
    since = [roster.roster_id for roster in rosters].index(announced.roster.roster_id)
    witnessed = open_checkpoint(proof.checkpoint, rosters[since:])
    checkpoint = witnessed.checkpoint
    if checkpoint.origin != announced.plan.origin:
        raise MalformedError("the population is frozen in another log")
    check_inclusion(
        leaf_hash(to_bytes(announcement)), proof.index, checkpoint.size, proof.hashes, checkpoint.root.value
    )
    frozen = Frozen(announced, freeze, freeze_id(envelope), proof.index, witnessed)
    if not frozen.range or frozen.range.stop > checkpoint.size:
        raise MalformedError(f"the plan is about entries that the frozen log of {checkpoint.size} does not have")
    return frozen


def open_reveal(envelope: Envelope, frozen: Frozen) -> Reveal:
    """Verify that an auditor revealed, for this population, the nonce that it committed to. Raises ReperformError."""
    reveal, announced = envelope.parse(Reveal), frozen.announced
    open_signed(envelope, Reveal, announced.roster.keys_of(auditor(reveal.node, announced.roster)))
    if reveal.freeze != frozen.freeze_id:
        raise MalformedError("a nonce is revealed for another population")
    committed = {commitment.node: commitment.commitment for commitment in announced.commitments}
    if committed.get(reveal.node) != commit_nonce(announced.plan_id, reveal.node, reveal.nonce):
        raise MalformedError(f"auditor {reveal.node.short()} reveals a nonce that it did not commit to")
    return reveal


def open_draw(file: AuditFile, rosters: Sequence[Roster]) -> Drawn:
    """Verify everything up to the seed, and make the seed. Raises ReperformError."""
    frozen = open_freeze(file.freeze, file.announcement, rosters)
    announced = frozen.announced
    draw = open_signed(file.draw, Draw, announced.roster.keys_of(announced.lead)).document
    if draw.freeze != frozen.freeze_id:
        raise MalformedError("the draw is from another population")
    if (draw.beacon is None) != (announced.plan.beacon is None):
        raise MalformedError("a draw has a beacon's value if, and only if, its plan names a beacon")
    reveals = [open_reveal(envelope, frozen) for envelope in draw.reveals]
    nonces = {reveal.node: reveal.nonce for reveal in reveals}
    if [reveal.node for reveal in reveals] != [name for name in announced.plan.auditors if name in nonces]:
        raise MalformedError("a draw has at most one nonce of each auditor, in their order")
    if not nonces and draw.beacon is None:
        raise MalformedError("nothing random goes into the draw")
    missing = [name for name in announced.plan.auditors if name not in nonces]
    if missing and draw.time < announced.plan.reveal_by:
        raise MalformedError("a draw leaves a nonce out before the time until which it may be revealed")
    return Drawn(
        frozen=frozen,
        draw=draw,
        draw_id=draw_id(file.draw),
        seed=_seed(frozen, tuple(nonces.get(name) for name in announced.plan.auditors), draw.beacon),
        missing=tuple(auditor(name, announced.roster) for name in missing),
    )


def _seed(frozen: Frozen, nonces: tuple[bytes | None, ...], beacon: bytes | None) -> Digest:
    checkpoint = frozen.witnessed.checkpoint
    made_of = _Seed(checkpoint.root, checkpoint.size, frozen.announced.plan_id, nonces, beacon)
    return digest(Domain.AUDIT_SEED, to_bytes(made_of))


def new_reveal(frozen: Frozen, node: Digest, nonce: bytes) -> Reveal:
    """What an auditor signs once it has seen the population frozen. Raises MalformedError for another nonce."""
    committed = {commitment.node: commitment.commitment for commitment in frozen.announced.commitments}
    if len(nonce) != NONCE_BYTES or committed.get(node) != commit_nonce(frozen.announced.plan_id, node, nonce):
        raise MalformedError("this is not the nonce that was committed to under this plan")
    return Reveal(frozen.freeze_id, node, nonce)
