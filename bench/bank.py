"""A bank for benches: it decides, its log is on disk, and an organisation of its panel leads audits of it."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Final

from reperform.consensus.audit.conduct import Conduct
from reperform.consensus.audit.folder import AuditFolder
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.publisher import CHECKPOINT, sign_checkpoint
from reperform.consensus.log.sequencer import BATCH, create, sequencing
from reperform.evidence.audit.plan import Examination, Plan
from reperform.evidence.commitment import Commitment, Role, new_key
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.manifest import ExecutionClass
from reperform.evidence.receipt import DecisionFile, Opening, Receipt
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.tlog.cosignature import cosign
from reperform.evidence.tlog.note import Note
from reperform.tests.evidence.ledger import ORIGIN
from reperform.tests.world import BANK, PANEL, World

LEAD: Final = PANEL[0]
HOUR: Final = 3_600_000  # milliseconds
SIGNED_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class Desk:
    """How the bank decides: under whose keys and epoch, with which model, and which tree its receipts name."""

    keys: Path  # a file, because no key goes from one process to another
    roster: Digest
    model: Digest
    checkpoint: Checkpoint
    time: int

    def decide(self, sequence: int, committed: bytes, output: bytes) -> DecisionFile:
        """A decision file, signed."""
        keys, opening = _read_keys(self.keys), Opening(committed, new_key(), output, new_key())
        receipt = Receipt(
            decision=secrets.token_bytes(16),
            executor=keys.signing.public.key_id,
            sequence=sequence,
            model=self.model,
            execution_class=ExecutionClass.PORTABLE_1,
            input=Commitment.make(Role.INPUT, opening.input, opening.input_key),
            output=Commitment.make(Role.OUTPUT, opening.output, opening.output_key),
            roster=self.roster,
            time=self.time,
            checkpoint=self.checkpoint,
        )
        return DecisionFile(Envelope.sign(receipt, [keys.signing]), opening)

    def receipts(self, sequences: Sequence[int]) -> list[bytes]:
        """Entries of the log, of decisions about nothing."""
        return [to_bytes(self.decide(sequence, b"input", b"output").receipt) for sequence in sequences]


class Bank:
    """The world of tests/world.py, whose bank has a log on disk that two organisations witness."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder / "world", witnesses=2)
        self.world.now = time.time_ns() // 1_000_000
        self.storage = FolderStorage(folder / "log")
        self.world.rings[BANK].write(folder / "bank.key")
        (self._signer,) = self.world.ledger.signers
        self._shown: bytes | None = None
        create(self.storage, ORIGIN, self._signer)
        self.checkpoint = self.append([b"the log begins"])

    def desk(self, model: Digest) -> Desk:
        """Where the bank decides with a model now."""
        world = self.world
        return Desk(self.folder / "bank.key", world.roster.roster_id, model, self.checkpoint, world.now)

    def append(self, entries: Iterable[bytes]) -> Checkpoint:
        """Enter these in the log, and show it, cosigned."""
        with sequencing(self.storage, ORIGIN, self._signer) as sequencer:
            left = iter(entries)
            while batch := list(islice(left, BATCH)):
                sequencer.append(batch)
            checkpoint = sequencer.checkpoint
        world, seconds = self.world, self.world.now // 1000
        note = sign_checkpoint(checkpoint, [self._signer], seconds)
        signatures = [
            cosign(checkpoint, node.cosigner, key, seconds)
            for node in world.roster.panel()
            for key in world.roster.signers(world.rings[node.name])
        ]
        shown = Note(note.text, (*note.signatures, *signatures)).to_bytes()
        self.storage.swap(CHECKPOINT, self._shown, shown)
        self._shown = shown
        return checkpoint

    def announce(self, announcement: Envelope) -> int:
        """As the operator's desk does."""
        return self.append([to_bytes(announcement)]).size - 1

    def conduct(self, rate: str, confidence: str) -> Conduct:
        """An audit of all decisions, planned."""
        world = self.world
        keys = world.rings[LEAD]
        lead = keys.signing.public.key_id
        conduct = Conduct(
            AuditFolder(self.folder / "audit"), keys, [world.roster], self.storage, lambda: world.now, untold
        )
        conduct.lead.plan(
            Plan(
                name="last month",
                roster=world.roster.roster_id,
                lead=lead,
                auditors=(lead,),
                origin=ORIGIN,
                first=0,
                end=None,
                rate=rate,
                confidence=confidence,
                expected=0,
                strata=None,
                examination=Examination.POOL,
                beacon=None,
                created=world.now,
                reveal_by=world.now + HOUR,
                answer_by=world.now + 2 * HOUR,
            )
        )
        return conduct


@cache
def _read_keys(path: Path) -> KeyRing:
    return KeyRing.read(path)


def untold(entries: Iterable[bytes], _: int) -> Iterator[bytes]:
    """No progress is shown."""
    return iter(entries)


def receipts(desk: Desk, count: int) -> Iterator[bytes]:
    """So many receipts, signed by all cores."""
    parts = [range(first, min(first + SIGNED_AT_ONCE, count)) for first in range(0, count, SIGNED_AT_ONCE)]
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as signers:
        for first in range(0, len(parts), 8 * cores):
            for signed in signers.map(partial(Desk.receipts, desk), parts[first : first + 8 * cores]):
                yield from signed
