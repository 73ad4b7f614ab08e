"""Crews for tests, and what ends their workers."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
import ray
from reperform.consensus.audit.replays import Event, Job, Outcome, Replays
from reperform.evidence.digest import Digest
from reperform.replayer.pool import crew as crews
from reperform.replayer.pool.crew import Crew
from reperform.replayer.pool.replaying import Answer
from reperform.replayer.pool.worker import Whereabouts, Worker

POISON = b"an input that no process survives"
LIMIT = 120.0  # seconds after which a test that hangs has failed


class Fragile(Worker):
    """A worker whose process is killed by one input, as a processor's fault or the kernel's memory killer does it."""

    def replay(self, model: Digest, inputs: Sequence[bytes]) -> list[Answer]:
        """As Worker says, until it is killed."""
        if any(POISON in committed for committed in inputs):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().replay(model, inputs)


class Miscalculating(Worker):
    """A worker on a machine that does not compute portable-1."""

    def arrive(self) -> Whereabouts:
        """As Worker says."""
        from reperform.executor import selftest

        honest = selftest.answers
        selftest.answers = lambda: ((name, answer[::-1]) for name, answer in honest())
        return super().arrive()


class MakeCrew(Protocol):
    """As `crew`, where there is a connection."""

    def __call__(
        self, models: Sequence[Path], workers: int, kind: type[Worker] = Worker, start: float = LIMIT
    ) -> AbstractContextManager[Crew]: ...


@contextmanager
def crew(models: Sequence[Path], workers: int, kind: type[Worker] = Worker, start: float = LIMIT) -> Iterator[Crew]:
    """A crew of workers of a kind, in the connection that there is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crews, "Worker", kind)
        made = Crew(models, workers, None, start)
    yield made
    for member in made.members:
        ray.kill(member.actor, no_restart=True)


def hear(replays: Replays, jobs: Iterable[Job]) -> tuple[dict[int, Outcome], list[Event]]:
    """All that a pool says: the outcomes by entry, each seen once, and the events."""
    outcomes: dict[int, Outcome] = {}
    events = []
    with in_time():
        for said in replays(jobs):
            if isinstance(said, Event):
                events.append(said)
            else:
                assert said.entry not in outcomes
                outcomes[said.entry] = said
    return outcomes, events


@contextmanager
def in_time(limit: float = LIMIT) -> Iterator[None]:
    """Nothing may hang: the process of a test that does ends, saying so."""
    done = threading.Event()

    def watch() -> None:
        if not done.wait(limit):
            print(f"a test of the pool hung for {limit} seconds", file=sys.stderr, flush=True)
            os._exit(70)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def kill(process: int) -> None:
    """SIGKILL, and wait until it is gone."""
    os.kill(process, signal.SIGKILL)
    gone(process)


def gone(process: int) -> None:
    """Wait for the end of a process."""
    until = time.monotonic() + 30
    while Path(f"/proc/{process}/exe").exists():
        assert time.monotonic() < until, f"process {process} does not end"
        time.sleep(0.01)
