"""A world whose roster names a log, and logs of every character: trees in memory that are signed with its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from reperform.consensus.log.publisher import sign_checkpoint
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope, Signed
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Log, Roster, Suite
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.tlog.note import Note
from reperform.evidence.tlog.request import Request
from reperform.evidence.tlog.tree import consistency_proof, leaf_hash, node_hash, root
from reperform.replayer.database import Database
from reperform.replayer.witness.witness import Witness
from reperform.tests.world import PANEL, START, World

ORIGIN = "log.example/decisions"
NAME = PANEL[0]


@dataclass(frozen=True)
class Tree:
    """A log in memory: its entries, and what it says of itself at any size."""

    entries: tuple[bytes, ...]

    @classmethod
    def of(cls, text: str) -> Tree:
        """A log whose entries are the letters of a text."""
        return cls(tuple(letter.encode() for letter in text))

    @cached_property
    def _leaves(self) -> list[bytes]:
        return [leaf_hash(entry) for entry in self.entries]

    def read(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree."""
        if level == 0:
            return self._leaves[index]
        return node_hash(self.read(level - 1, 2 * index), self.read(level - 1, 2 * index + 1))

    def checkpoint(self, size: int | None = None, origin: str = ORIGIN) -> Checkpoint:
        """The tree of this size; of all entries unless told otherwise."""
        size = len(self.entries) if size is None else size
        return Checkpoint(origin, size, Digest(root(size, self.read)))

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        """That the tree of size `old` is how that of size `new` begins."""
        return consistency_proof(old, new, self.read) if 0 < old < new else ()


@dataclass
class Scene:
    """A world with a log on its roster, of which two organisations must be witnesses."""

    world: World
    log: KeyRing
    epochs: list[Signed[Roster]] = field(default_factory=list)

    @property
    def rosters(self) -> list[Roster]:
        """The epochs' documents."""
        return [each.document for each in self.epochs]

    @classmethod
    def of(cls, folder: Path, suite: Suite = Suite.ED25519, **changes: object) -> Scene:
        """A new one; `changes` are of the roster."""
        world = World(folder, suite=suite)
        ring = KeyRing.generate(post_quantum=suite is not Suite.ED25519)
        log = Log(ORIGIN, ring.signing.public, None if ring.post_quantum is None else ring.post_quantum.public)
        changes = {"log": log, "witnesses": 2, **changes}
        world.roster = replace(world.roster, **changes)  # type: ignore[arg-type]  # by name
        world.roster_envelope = Envelope.sign(world.roster, world.root[:2])
        return cls(world, ring, [Signed(world.roster, frozenset(), world.roster_envelope)])

    def sign(self, checkpoint: Checkpoint, ring: KeyRing | None = None) -> Note:
        """The log's word for a checkpoint."""
        return sign_checkpoint(checkpoint, (self.log if ring is None else ring).signers, START // 1000)

    def request(self, tree: Tree, old: int, new: int | None = None) -> Request:
        """What an honest log with this tree submits."""
        checkpoint = tree.checkpoint(new)
        return Request(old, tree.proof(old, checkpoint.size), self.sign(checkpoint))

    def witness(self, name: str = NAME, folder: Path | None = None) -> Witness:
        """A panel member's witness, with its database."""
        return Witness(Database(folder or self.folder(name)), [self.world.rings[name]], lambda: self.epochs)

    def folder(self, name: str = NAME) -> Path:
        """The state of a panel member's node."""
        return self.world.folder / f"{name}, state"

    def next_epoch(self, **changes: object) -> Roster:
        """The roster's next epoch, known to everybody."""
        before = self.rosters[-1]
        following = {"epoch": before.epoch + 1, "previous": before.roster_id, **changes}
        roster = replace(before, **following)  # type: ignore[arg-type]  # by name
        self.epochs.append(Signed(roster, frozenset(), Envelope.sign(roster, self.world.root[:2])))
        return roster

    def write(self) -> None:
        """Everything that commands need, as files in the world's folder."""
        folder = self.world.folder
        for name in self.world.panel:
            self.world.rings[name].write(folder / f"{name}.key")
        self.log.write(folder / "log.key")
        (folder / "roster.dsse").write_bytes(to_bytes(self.world.roster_envelope))
        (folder / "roots.json").write_text(self.world.roots.to_json())

    def configure(self, name: str, **settings: Sequence[str] | str) -> Path:
        """The configuration of a panel member's node."""
        lines = {"docket": "docket", "key": f"{name}.key", "roots": "roots.json", "state": str(self.folder(name))}
        body = {**lines, "rosters": ["roster.dsse"], **settings}
        path = self.world.folder / f"{name}.toml"
        path.write_text("".join(f"{key} = {value!r}\n" for key, value in body.items()))
        return path
