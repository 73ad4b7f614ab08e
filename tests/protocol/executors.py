"""An executor of the bank of tests/world.py: its journal, its vault and a log, all on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.files import write_atomically
from reperform.evidence.keys import SigningKey
from reperform.evidence.manifest import Manifest
from reperform.evidence.roster import Log as NamedLog
from reperform.evidence.roster import Roster, Suite
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.values import Input, Output
from reperform.executor.journal import Journal
from reperform.executor.service import Executor, Log
from reperform.executor.vault.key import VaultKey
from reperform.executor.vault.store import OpenVault, Vault
from reperform.tests.world import BANK, MANIFEST, World, model

ORIGIN = "log.harbour.example/decisions"
DAYS = 30


class FunctionModel:
    """The function of tests/world.py as a pinned model."""

    @property
    def manifest(self) -> Manifest:
        """What it is."""
        return MANIFEST

    @property
    def model_id(self) -> Digest:
        """Its name."""
        return MANIFEST.model_id

    def run(self, inputs: Sequence[Input]) -> list[Output]:
        """One output per input."""
        return [model(to_bytes(value)) for value in inputs]


class FileLog:
    """A log in one file, stricter than a real one: it refuses an entry that it has. `step` is called at every write."""

    def __init__(self, path: Path, step: Callable[[], None] = lambda: None) -> None:
        self._path, self._step = path, step
        self.entries = list(from_bytes_list(path.read_bytes())) if path.exists() else []

    @property
    def origin(self) -> str:
        """Its name."""
        return ORIGIN

    def seen(self) -> Checkpoint:
        """What has been committed."""
        return Checkpoint(ORIGIN, len(self.entries), Digest(tree_hash(self.entries)))

    def find(self, envelopes: Sequence[Envelope]) -> list[int | None]:
        """Where entries stand."""
        entries = [to_bytes(envelope) for envelope in envelopes]
        return [self.entries.index(entry) if entry in self.entries else None for entry in entries]

    def append(self, envelopes: Sequence[Envelope]) -> range:
        """Enter all, or none."""
        if not envelopes:
            raise AssertionError("nothing to append")
        entries = [to_bytes(envelope) for envelope in envelopes]
        if len({*self.entries, *entries}) != len(self.entries) + len(entries):
            raise AssertionError("an entry was appended twice")
        self._step()
        self.entries += entries
        write_atomically(self._path, b"".join(len(entry).to_bytes(4, "big") + entry for entry in self.entries))
        self._step()
        return range(len(self.entries) - len(entries), len(self.entries))


def from_bytes_list(data: bytes) -> list[bytes]:
    """The entries of a log's file."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def tree_hash(entries: Sequence[bytes]) -> bytes:
    """The Merkle Tree Hash of RFC 9162 §2.1.1, as its text says it."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    half = 1 << (len(entries) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_hash(entries[:half]) + tree_hash(entries[half:])).digest()


def with_log(world: World) -> Roster:
    """The world's roster, naming a log."""
    post_quantum = None if world.suite is Suite.ED25519 else world.root[0].public
    return replace(world.roster, log=NamedLog(ORIGIN, SigningKey.generate().public, post_quantum))


def journal_of(world: World) -> Journal:
    """The bank's journal."""
    return Journal(world.folder / "journal", world.rings[BANK].signing.public.key_id)


def vault_of(folder: Path) -> OpenVault:
    """The bank's vault; made at first."""
    key = folder / "elsewhere" / "vault-key"
    if not (folder / "vault").exists():
        key.parent.mkdir(exist_ok=True)
        VaultKey.generate().write(key)
        Vault.create(folder / "vault", VaultKey.read(key), DAYS)
    return OpenVault(folder / "vault", VaultKey.read(key))


def executor_of(
    world: World,
    journal: Journal,
    vault: OpenVault,
    log: Log | None = None,
    running: FunctionModel | None = None,
) -> Executor:
    """The bank's executor."""
    return Executor(
        running or FunctionModel(),
        world.rings[BANK],
        world.roster,
        journal=journal,
        vault=vault,
        log=log,
        clock=lambda: world.now,
    )


def held_on_disk(folder: Path) -> bytes:
    """Every byte of every file of a folder and those in it."""
    return b"".join(Path(at, name).read_bytes() for at, _, names in os.walk(folder) for name in names)


def read_envelopes(log: FileLog) -> list[Envelope]:
    """A log's entries."""
    return [from_bytes(Envelope, entry) for entry in log.entries]
