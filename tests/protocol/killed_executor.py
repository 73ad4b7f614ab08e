"""An executor in a process of its own that decides a batch and is killed at a chosen step.

    python killed_executor.py FOLDER STEP BATCH

A step is a statement of the journal or the vault that is about to run, or the moment before or after a write of the
log: together, before and after every write. It prints what it handed out, then "alive". STEP 0 kills nobody.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from reperform.evidence.documents import from_bytes
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Roster
from reperform.evidence.values import Record
from reperform.executor.journal import Journal
from reperform.executor.service import Executor
from reperform.executor.vault import database
from reperform.tests.protocol.executors import FileLog, FunctionModel, vault_of
from reperform.tests.world import START


class Steps:
    """Counts; kills its process at one."""

    def __init__(self, last: int) -> None:
        self.seen, self.last = 0, last

    def __call__(self, _: str = "") -> None:
        """One step."""
        self.seen += 1
        if self.seen == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def count(steps: Steps) -> None:
    """Have every journal and vault of this process count its statements."""
    begin, prepare = Journal._begin, database.Database._prepare

    def journal(self: Journal) -> None:
        self._database.set_trace_callback(steps)
        begin(self)

    def vault(self: database.Database) -> None:
        self._connection.set_trace_callback(steps)
        prepare(self)

    Journal._begin, database.Database._prepare = journal, vault  # type: ignore[method-assign]


def main(folder: Path, step: int, batch: int) -> None:
    """Decide one batch."""
    keys = KeyRing.read(folder / "bank.key")
    roster = from_bytes(Roster, (folder / "roster").read_bytes())
    steps = Steps(step)
    count(steps)
    with Journal(folder / "journal", keys.signing.public.key_id) as journal, vault_of(folder) as vault:
        log = FileLog(folder / "log", steps) if roster.log else None
        parts = (FunctionModel(), keys, roster)
        executor = Executor(*parts, journal=journal, vault=vault, log=log, clock=lambda: START)
        for decision in executor.decide([Record.of({"income": str(i)}) for i in range(batch)]):
            print(decision.sequence, decision.file.receipt.payload.hex(), flush=True)
        print("alive")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
