"""A bank that decides and logs, witnessed; and auditors. Keys and documents are real; the log's files are in memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from reperform.consensus.audit.folder import AuditFolder
from reperform.consensus.audit.lead import Lead, commit
from reperform.consensus.log.edge import Edge
from reperform.consensus.log.publisher import CHECKPOINT
from reperform.evidence.audit.draw import Drawn, new_reveal, open_freeze
from reperform.evidence.audit.plan import NONCE_BYTES, Examination, Plan
from reperform.evidence.commitment import Commitment, Role, new_key
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.receipt import Abandonment, AbandonReason, DecisionFile, Opening, Receipt
from reperform.evidence.roster import Roster
from reperform.evidence.tlog.note import Note
from reperform.evidence.values import Output, Record
from reperform.tests.evidence.ledger import ORIGIN
from reperform.tests.world import BANK, MANIFEST, PANEL, World, model

HOUR = 3_600_000  # milliseconds
LEAD, SECOND, THIRD = PANEL


class Shelf:
    """A log's files, to be read."""

    def __init__(self, entries: Iterable[bytes], note: Note) -> None:
        edge, self.files = Edge(), {CHECKPOINT: note.to_bytes()}
        for entry in entries:  # each was committed by itself, and a receipt may name any tree that was
            edge, full = edge.grown([entry])
            self.files |= {**full, **edge.partial()}

    def read(self, path: str, limit: int) -> bytes | None:
        """What is behind a path."""
        data = self.files.get(path)
        assert data is None or len(data) <= limit
        return data


class Bank:
    """The world of tests/world.py with a witnessed log, in which decisions stand."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder, witnesses=2)
        self.files: dict[int, DecisionFile] = {}
        self.sequence = 0

    @property
    def rosters(self) -> list[Roster]:
        """Every epoch."""
        return [self.world.roster]

    def name(self, of: str) -> Digest:
        """A node's id."""
        return self.world.rings[of].signing.public.key_id

    def append(self, entry: Envelope | bytes) -> int:
        """Enter something in the log; where it stands."""
        self.world.ledger = self.world.ledger.with_entries(entry)
        return len(self.world.ledger.entries) - 1

    def decide(self, income: str, answer: Callable[[bytes], Output] = model) -> int:
        """Decide, and log the receipt; where it stands."""
        committed = to_bytes(Record.of({"income": income}))
        opening = Opening(committed, new_key(), to_bytes(answer(committed)), new_key())
        receipt = Receipt(
            decision=secrets.token_bytes(16),
            executor=self.name(BANK),
            sequence=self._number(),
            model=MANIFEST.model_id,
            execution_class=MANIFEST.execution_class,
            input=Commitment.make(Role.INPUT, opening.input, opening.input_key),
            output=Commitment.make(Role.OUTPUT, opening.output, opening.output_key),
            roster=self.world.roster.roster_id,
            time=self.world.now,
            checkpoint=self.world.ledger.checkpoint(),
        )
        file = DecisionFile(Envelope.sign(receipt, self.world.rings[BANK].signers), opening)
        entry = self.append(file.receipt)
        self.files[entry] = file
        return entry

    def give_up(self) -> int:
        """Give a number up."""
        abandonment = Abandonment(
            decision=secrets.token_bytes(16),
            executor=self.name(BANK),
            sequence=self._number(),
            reason=AbandonReason.CRASHED,
            roster=self.world.roster.roster_id,
            time=self.world.now,
            checkpoint=self.world.ledger.checkpoint(),
        )
        return self.append(Envelope.sign(abandonment, self.world.rings[BANK].signers))

    def shelf(self) -> Shelf:
        """The log as it is shown now, witnessed by the panel."""
        witnesses = [
            (node, self.world.roster.signers(self.world.rings[node.name])) for node in self.world.roster.panel()
        ]
        return Shelf(self.world.ledger.entries, self.world.ledger.note(witnesses, self.world.now // 1000))

    def plan(self, *auditors: str, **changes: object) -> Plan:
        """A plan of the first of these auditors."""
        names = [self.name(each) for each in auditors or (LEAD,)]
        plan = Plan(
            name="last month",
            roster=self.world.roster.roster_id,
            lead=names[0],
            auditors=tuple(sorted(names)),
            origin=ORIGIN,
            first=0,
            end=None,
            rate="0.1",
            confidence="0.95",
            expected=0,
            strata=None,
            examination=Examination.POOL,
            beacon=None,
            created=self.world.now,
            reveal_by=self.world.now + HOUR,
            answer_by=self.world.now + 2 * HOUR,
        )
        return replace(plan, **changes)  # type: ignore[arg-type]

    def _number(self) -> int:
        self.sequence += 1
        return self.sequence - 1


class Audit:
    """An audit of a bank by these auditors, step by step."""

    def __init__(self, bank: Bank, folder: Path, *auditors: str, **changes: object) -> None:
        self.bank = bank
        self.auditors = auditors or (LEAD,)
        self.folder = AuditFolder(folder)
        self.lead = Lead(self.folder, bank.world.rings[self.auditors[0]], bank.rosters, lambda: bank.world.now)
        self.lead.plan(bank.plan(*self.auditors, **changes))
        self.nonces = {name: secrets.token_bytes(NONCE_BYTES) for name in self.auditors[1:]}

    def announce(self) -> int:
        """Everybody commits, and the bank logs it; where it stands."""
        for name, nonce in self.nonces.items():
            self.lead.join(commit(self.folder.plan(), nonce, self.bank.world.rings[name], self.bank.world.roster))
        return self.bank.append(self.lead.announce())

    def freeze(self) -> None:
        """Freeze what the log has, and reveal the lead's nonce."""
        self.lead.freeze(self.bank.shelf())
        self.lead.reveal()

    def reveals(self) -> Iterator[Envelope]:
        """The other auditors' nonces."""
        frozen = open_freeze(self.folder.freeze(), self.folder.announcement(), self.bank.rosters)
        for name, nonce in self.nonces.items():
            keys = self.bank.world.rings[name]
            yield Envelope.sign(new_reveal(frozen, keys.signing.public.key_id, nonce), keys.signers[:1])

    def draw(self) -> Drawn:
        """All of it."""
        self.announce()
        self.freeze()
        for reveal in self.reveals():
            self.lead.take(reveal)
        return self.lead.draw(None)
