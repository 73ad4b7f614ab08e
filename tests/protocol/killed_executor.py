"""An executor in a process of its own that decides a batch and is killed at a chosen step.

    python killed_executor.py FOLDER STEP BATCH

A step is a statement of the journal or the vault that is about to run, or the moment before or after a change of the
log's storage: together, before and after every write. It prints what it handed out, then "alive". STEP 0 kills nobody;
STEP "every" kills one process after the other, each a step later, until one lives.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from reperform.cli.log_writer import writing_to
from reperform.consensus.log.folder import FolderStorage
from reperform.evidence.documents import from_bytes
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Roster
from reperform.evidence.values import Record
from reperform.executor.journal import Journal
from reperform.executor.service import Executor
from reperform.executor.vault import database
from reperform.tests.protocol.executors import FunctionModel, vault_of
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


class SteppedStorage(FolderStorage):
    """A log's storage that has a step before and after everything that it changes."""

    def __init__(self, folder: Path, steps: Steps) -> None:
        self.steps = steps
        super().__init__(folder)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write."""
        self.steps()
        super().write(files)
        self.steps()

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """Swap."""
        self.steps()
        super().swap(path, old, new)
        self.steps()

    def delete(self, path: str) -> None:
        """Delete."""
        self.steps()
        super().delete(path)
        self.steps()


def decide(folder: Path, step: int, batch: int) -> None:
    """Decide one batch."""
    keys, log_keys = KeyRing.read(folder / "bank.key"), KeyRing.read(folder / "log.key")
    roster = from_bytes(Roster, (folder / "roster").read_bytes())
    steps = Steps(step)
    count(steps)
    with (
        Journal(folder / "journal", keys.signing.public.key_id) as journal,
        vault_of(folder) as vault,
        writing_to(SteppedStorage(folder / "log", steps), log_keys, [roster]) as log,
    ):
        parts = (FunctionModel(), keys, roster)
        executor = Executor(*parts, journal=journal, vault=vault, log=log, clock=lambda: START)
        for decision in executor.decide([Record.of({"income": str(i)}) for i in range(batch)]):
            print(decision.sequence, decision.file.receipt.payload.hex(), flush=True)
        print("alive", flush=True)


def main(folder: Path, step: str, batch: int) -> None:
    """Once, or killed at every step in turn; who dies is a child of this process, which has imported everything."""
    if step != "every":
        decide(folder, int(step), batch)
        return
    for at in itertools.count(1):
        child = os.fork()
        if child == 0:
            decide(folder, at, batch)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return
        if os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(1)
        print("killed", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
