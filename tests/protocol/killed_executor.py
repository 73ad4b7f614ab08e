"""An executor in a process of its own that decides a batch and is killed at a chosen SQL statement.

    python killed_executor.py FOLDER STATEMENT BATCH

It prints the numbers that it handed out, then "alive". STATEMENT 0 kills nobody.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.manifest import Manifest
from reperform.evidence.roster import Roster
from reperform.evidence.values import Input, Output, Record
from reperform.executor.journal import Journal
from reperform.executor.service import Executor
from reperform.tests.world import MANIFEST, START, model


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


class KilledJournal(Journal):
    """A journal whose process dies when the database is about to run its `statement`-th statement."""

    statement = 0

    def _begin(self) -> None:
        seen = [0]

        def trace(_: str) -> None:
            seen[0] += 1
            if seen[0] == self.statement:
                os.kill(os.getpid(), signal.SIGKILL)

        self._database.set_trace_callback(trace)
        super()._begin()


def main(folder: Path, statement: int, batch: int) -> None:
    """Decide one batch."""
    keys = KeyRing.read(folder / "bank.key")
    roster = from_bytes(Roster, (folder / "roster").read_bytes())
    KilledJournal.statement = statement
    with KilledJournal(folder / "journal", keys.signing.public.key_id) as journal:
        executor = Executor(FunctionModel(), keys, roster, journal, lambda: START)
        for decision in executor.decide([Record.of({"income": str(i)}) for i in range(batch)]):
            print(decision.sequence, decision.file.receipt.payload.hex(), flush=True)
        print("alive")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
