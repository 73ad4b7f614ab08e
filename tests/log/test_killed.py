"""A log whose writer is killed at every step that it takes: it goes on, without a fork and without a lost entry."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from reperform.consensus.log.fsck import Fsck
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.publisher import read_published
from reperform.consensus.log.sequencer import create, sequencing
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from reperform.evidence.tlog.tree import check_consistency
from reperform.tests.log.conftest import ORIGIN, storage_at
from reperform.tests.log.killed_writer import BATCHES

# A life without an end takes more steps than these, and fewer than those.
LEAST_STEPS: Final = 20
MOST_STEPS: Final = 300


@dataclass
class Lives:
    """One writer after another on one log, and what they said."""

    place: str
    process: subprocess.Popen[str]
    pending: dict[str, None] = field(default_factory=dict)
    acknowledged: dict[str, int] = field(default_factory=dict)
    signed: list[Checkpoint] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    born: Iterator[int] = field(default_factory=count)

    def live(self, number: int, when: str) -> bool:
        """One writer's life; whether it was killed. What the one before did not get acknowledged is appended again."""
        if not self.pending:
            self.pending = {f"{next(self.born)}": None for _ in range(sum(BATCHES))}
        order = {"place": self.place, "number": number, "when": when, "entries": list(self.pending)}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "died" in said:
                return bool(said["died"])
            self._hear(said)
        raise AssertionError("no writer can be born any more")

    def _hear(self, said: dict[str, Any]) -> None:
        if "ack" in said:
            index, entry = said["ack"]
            assert self.acknowledged.setdefault(entry, index) == index
            self.pending.pop(entry, None)
        elif "signed" in said:
            checkpoint = parse_checkpoint(base64.b64decode(said["signed"]).decode())
            if checkpoint.origin == ORIGIN:
                self.signed.append(checkpoint)
        else:
            self.changed.append(said["changed"])


@contextmanager
def lives(place: str, key: Path) -> Iterator[Lives]:
    """Lives to come."""
    command = [sys.executable, "-m", "reperform.tests.log.killed_writer", str(key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Lives(place, process)
        finally:
            process.kill()


@pytest.mark.parametrize("when", ["before", "after", "power"])
def test_a_writer_killed_at_every_step_loses_nothing_and_forks_nothing(
    place: str, when: str, key: Path, keys: KeyRing
) -> None:
    if when == "power" and place.startswith("s3://"):
        pytest.skip("a store acknowledges an object when it is durable: the same as after")
    storage = storage_at(place)
    create(storage, ORIGIN, keys.signing)
    with lives(place, key) as writers:
        steps, whole = 1, False
        while not whole and steps < MOST_STEPS:
            whole = not writers.pending
            if writers.live(steps, when):
                steps, whole = steps + 1, False
    assert LEAST_STEPS < steps < MOST_STEPS, steps
    assert writers.pending == {}
    check(writers, keys)


def check(writers: Lives, keys: KeyRing) -> None:
    """What was acknowledged stands where it was said to, nothing stands twice, all that was signed is of this tree."""
    storage = storage_at(writers.place)
    with sequencing(storage, ORIGIN, keys.signing) as sequencer:
        committed = sequencer.checkpoint
    fsck = Fsck(storage, committed)
    entries = [entry.decode() for entry in fsck.entries()]
    assert fsck.damages == []
    assert len(entries) == len(set(entries)) == len(writers.acknowledged)
    assert {entry: index for index, entry in enumerate(entries)} == writers.acknowledged
    assert writers.changed == []
    shown = read_published(storage)
    assert shown is not None
    assert parse_checkpoint(shown.text) == committed
    prover = Prover(storage)
    assert len({each.size for each in writers.signed}) > 10
    for each in writers.signed:
        proof = prover.consistency(each.size, committed.size)
        check_consistency(each.size, each.root.value, committed.size, committed.root.value, proof)
    assert list(storage.list("staging")) == []
