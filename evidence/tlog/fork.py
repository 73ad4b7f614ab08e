"""The proof that a log has two histories: two checkpoints that it signed, which no append-only log can both have.

Either they are of one size and differ in their roots; or the larger tree is shown, by a consistency proof, to begin
with another tree than the smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from ..digest import Digest
from ..documents import from_bytes
from ..dsse import Envelope
from ..encoding import MalformedError
from ..errors import ReperformError
from ..roots import RootKeys
from ..roster import Roster, open_rosters
from ..witnessed import by_newest, check_signed
from .checkpoint import Checkpoint
from .note import Note
from .tree import check_consistency


class NoForkError(ReperformError):
    """Two checkpoints that one log can have signed."""


@dataclass(frozen=True, slots=True)
class Fork:
    """A charge against a log, the smaller tree first. Nothing in it is true until prove_fork() has returned.

    `beginning` is the root of as many entries of the larger tree as the smaller one has, and `proof` the consistency
    proof from there (RFC 9162 §2.1.4); None and empty where both have one size.
    """

    KIND: ClassVar[str] = "fork/v1"
    rosters: tuple[Envelope, ...]
    small: bytes
    large: bytes
    beginning: Digest | None
    proof: tuple[Digest, ...]

    @classmethod
    def of(
        cls,
        small: Note,
        large: Note,
        rosters: Sequence[Envelope],
        beginning: bytes | None = None,
        proof: Sequence[bytes] = (),
    ) -> Self:
        """A proof, made to be handed on."""
        begins = None if beginning is None else Digest(beginning)
        hashes = tuple(Digest(each) for each in proof)
        return cls(tuple(rosters), small.to_bytes(), large.to_bytes(), begins, hashes)


@dataclass(frozen=True, slots=True)
class Forked:
    """A proved fork: what the log signed."""

    small: Checkpoint
    large: Checkpoint


def prove_fork(data: bytes, roots: RootKeys) -> Forked:
    """Check the bytes of a proof against trusted root keys. Raises ReperformError.

    1. The proof is one canonical document.
    2. Every roster is signed by a threshold of root keys: the first by `roots`, each later one by its predecessor's.
    3. Both checkpoints are of one log, and signed with the keys that some of these rosters names for it.
    4. They contradict each other.
    """
    fork = from_bytes(Fork, data)
    rosters = [signed.document for signed in open_rosters(fork.rosters, roots)]
    small, large = _signed(fork.small, rosters), _signed(fork.large, rosters)
    if small.origin != large.origin:
        raise NoForkError("the checkpoints are of two logs")
    if fork.beginning is None:
        if small.size != large.size or fork.proof:
            raise MalformedError("a fork between two sizes is proved by how the larger tree begins")
        beginning = large.root
    else:
        beginning = fork.beginning
        proof = [each.value for each in fork.proof]
        check_consistency(small.size, beginning.value, large.size, large.root.value, proof)
    if beginning == small.root:
        raise NoForkError(f"the tree of {large.size} entries begins with that of {small.size}: this is one history")
    return Forked(small, large)


def _signed(data: bytes, rosters: Sequence[Roster]) -> Checkpoint:
    """The keys of a log may have changed in between: each checkpoint is judged by the newest epoch that accepts it."""
    note = Note.parse(data)
    return by_newest(rosters, lambda roster: check_signed(note, roster))
