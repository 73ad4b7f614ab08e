"""An operator's office: the bank of tests/audit/bank.py with its log, its vault and its keys on disk."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from reperform.cli.audit.answer import finder
from reperform.consensus.audit.answers import Find, Holdings
from reperform.consensus.audit.desk import Desk
from reperform.consensus.audit.population import draw
from reperform.consensus.audit.record import Record
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.publisher import CHECKPOINT
from reperform.consensus.log.sequencer import create, sequencing
from reperform.evidence.audit.answers import receipt_in
from reperform.evidence.audit.draw import AuditFile, Drawn
from reperform.evidence.documents import to_bytes
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.sealing import SealingKey
from reperform.executor.vault.key import VaultKey
from reperform.executor.vault.store import OpenVault, Vault
from reperform.tests.audit.bank import LEAD, Audit, Bank
from reperform.tests.evidence.ledger import ORIGIN
from reperform.tests.world import BANK


class Office:
    """A folder with everything that `reperform audit answer` needs, and an audit that was drawn."""

    def __init__(self, at: Path, bank: Bank, *auditors: str, **changes: object) -> None:
        self.at, self.bank = at, bank
        at.mkdir(exist_ok=True)
        self.audit = Audit(bank, at / "lead", *auditors, **changes)
        self.drawn: Drawn = self.audit.draw()
        self.file: AuditFile = self.audit.folder.draw()
        self.sample = draw(bank.shelf(), self.drawn, bank.rosters, None, lambda entries, _: iter(entries)).receipts
        self._write()

    @property
    def entries(self) -> list[int]:
        """What was drawn."""
        return sorted(self.sample)

    @property
    def lead(self) -> KeyRing:
        """The lead's keys."""
        return self.bank.world.rings[LEAD]

    def vault(self) -> OpenVault:
        """The bank's vault."""
        return OpenVault(self.at / "vault", VaultKey.read(self.at / "vault-key"))

    def desk(self, name: str = "desk", find: Find | None = None, at_most: int | None = None) -> Desk:
        """The bank's desk, with its record in a folder of this name."""
        holdings = self.holdings(find)
        record = Record(self.at / name)
        return Desk(record, self.bank.rosters, holdings, at_most=at_most, clock=lambda: self.bank.world.now)

    def holdings(self, find: Find | None = None) -> Holdings:
        """What the bank has."""
        return Holdings([self.bank.world.rings[BANK]], FolderStorage(self.at / "log"), find or finder(self.vault()))

    def erase(self, entry: int) -> None:
        """Destroy an opening."""
        with closing(self.vault()._database), self.vault() as vault:
            kept = vault.named(self.decision(entry).hex())
            vault.erase(kept, self.bank.world.now)

    def decision(self, entry: int) -> bytes:
        """A decision's id."""
        return receipt_in(self.sample[entry]).decision

    def _write(self) -> None:
        world, log = self.bank.world, FolderStorage(self.at / "log")
        first = world.ledger.signers[0]
        create(log, ORIGIN, first)
        with sequencing(log, ORIGIN, first) as sequencer:
            for entry in world.ledger.entries:  # each by itself: a receipt names the tree before it
                sequencer.append([entry])
        log.swap(CHECKPOINT, None, self.bank.shelf().files[CHECKPOINT])
        KeyRing(first, SealingKey.generate()).write(self.at / "log.key")
        world.rings[BANK].write(self.at / "bank.key")
        (self.at / "roster.dsse").write_bytes(to_bytes(world.roster_envelope))
        (self.at / "roots.json").write_text(world.roots.to_json())
        (self.at / "draw.audit").write_bytes(to_bytes(self.file))
        VaultKey.generate().write(self.at / "vault-key")
        Vault.create(self.at / "vault", VaultKey.read(self.at / "vault-key"), 30)
        with self.vault() as vault:
            vault.keep(list(self.bank.files.values()), world.now)
