"""One audit of mortgage decisions from its plan to its report, by the functions that the commands call."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from reperform.bench.bank import Bank, untold
from reperform.cli.audit.answer import finder
from reperform.consensus.audit.answers import Holdings
from reperform.consensus.audit.desk import Desk
from reperform.consensus.audit.record import Record as OperatorsRecord
from reperform.consensus.audit.run import Examination
from reperform.consensus.audit.source import Asked, FolderAnswers
from reperform.evidence.audit.examined import Examined
from reperform.evidence.documents import to_bytes
from reperform.evidence.files import write_file
from reperform.evidence.receipt import DecisionFile
from reperform.examples.mortgage.data import applications
from reperform.examples.mortgage.train import record
from reperform.executor.model import PinnedModel
from reperform.executor.vault.key import VaultKey
from reperform.executor.vault.store import OpenVault, Vault
from reperform.replayer.pool.inline import Inline
from reperform.tests.world import BANK

DECISIONS: Final = 5000
LEAST: Final = 2995  # items
RATE, CONFIDENCE = "0.001", "0.99"  # of 5,000 decisions this has some more drawn than that
DAYS: Final = 30


def whole_audit(folder: Path, model: Path) -> dict[str, float]:
    """How many decisions were examined, and the seconds in all and of each part. The bank has decided before."""
    folder.mkdir()
    bank, vault = Bank(folder), _vault(folder)
    files = _decide(bank, model)
    with vault:
        vault.keep(files, bank.world.now)
        bank.append(to_bytes(file.receipt) for file in files)
        return _timed(bank, vault, model)


def _timed(bank: Bank, vault: OpenVault, model: Path) -> dict[str, float]:
    keys, rosters = bank.world.rings[BANK], [bank.world.roster]
    marks = {"begun": time.perf_counter()}

    conduct = bank.conduct(RATE, CONFIDENCE)
    drawn = conduct.draw(None, bank)
    with conduct.open(drawn) as ledger:  # the auditor reads the log, and draws
        marks["draw"] = time.perf_counter()

        desk = Desk(
            OperatorsRecord(bank.folder / "desk"),
            rosters,
            Holdings([keys], bank.storage, finder(vault)),
            at_most=None,
            clock=conduct.clock,
        )
        desk.take(conduct.folder.draw(), untold)  # so does the operator
        for number, (_, envelope) in enumerate(desk.everything(drawn)):
            write_file(bank.folder / "answers" / f"{number:06d}.dsse", to_bytes(envelope))
        marks["answer"] = time.perf_counter()

        asked = Asked(drawn, ledger.receipts(), rosters, conduct.keys.sealing)
        source = FolderAnswers(bank.folder / "answers", asked)
        examination = Examination(ledger, drawn, conduct.folder.evidence, conduct.clock)
        for _ in examination.run(source, Inline([model])):
            pass
        marks["examine"] = time.perf_counter()

        conduct.report(ledger, drawn)
        marks["report"] = time.perf_counter()
        items, matches = ledger.drawn(), sum(n for (_, found), n in ledger.counts().items() if found is Examined.MATCH)
    if items != matches or items < LEAST:
        raise SystemExit(f"{matches} of {items} decisions match")
    parts = {f"audit_{name}_seconds": marks[name] - marks[before] for before, name in pairwise(marks)}
    return {"audit_items": items, "audit_seconds": marks["report"] - marks["begun"], **parts}


def _vault(folder: Path) -> OpenVault:
    key = VaultKey.generate()
    Vault.create(folder / "vault", key, DAYS)
    return OpenVault(folder / "vault", key)


def _decide(bank: Bank, folder: Path) -> list[DecisionFile]:
    model, rows = PinnedModel.load(folder), [record(row) for row in applications()]
    desk = bank.desk(model.model_id)
    inputs = [to_bytes(row) for row in rows]
    outputs = [to_bytes(output) for output in model.run(rows)]
    many = len(rows)
    return [desk.decide(number, inputs[number % many], outputs[number % many]) for number in range(DECISIONS)]
