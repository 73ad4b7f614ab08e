"""Replays on a Ray crew: batches out, outcomes in, and what a lost worker had goes to others, not silently."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from ...consensus.audit.replays import Event, Job, Outcome
from ...evidence.ballot import Reason
from .batches import Batch, batches
from .crew import Crew, LostError, Member

AHEAD: Final = 2  # batches that a worker has: one that it runs, and the next
PATIENCE: Final = 1800.0  # seconds for a batch, which is made to take one
LOSSES: Final = 3  # workers that a job may take down with it


class OnRay:
    """Implements Replays with a crew. Raises PoolError when the cluster or all workers are gone."""

    def __init__(self, crew: Crew, patience: float = PATIENCE) -> None:
        self._crew = crew
        self._patience = patience

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Outcome | Event]:
        """As Replays says."""
        fresh = batches(jobs, self._crew.held)
        queue: deque[Batch] = deque()
        try:
            while True:
                yield from self._hand_out(queue, fresh)
                if not queue and not any(member.under_way for member in self._crew.members):
                    return
                for member in self._crew.wait():
                    yield from self._hear(member, queue)
                yield from self._late(queue)
        finally:
            for member in self._crew.members:  # who is left by a caller that stops has no more to tell
                member.under_way.clear()

    def _hand_out(self, queue: deque[Batch], fresh: Iterator[Batch | Outcome]) -> Iterator[Outcome]:
        """Give every worker work, the idle first, until all have enough. The queue is empty when nothing is left."""
        for ahead in range(AHEAD):
            for member in self._crew.ready():
                while len(member.under_way) <= ahead:
                    yield from _fill(queue, fresh)
                    if not queue:
                        return
                    self._crew.replay(member, queue.popleft())
        yield from _fill(queue, fresh)

    def _hear(self, member: Member, queue: deque[Batch]) -> Iterator[Outcome | Event]:
        try:
            if member.coming is not None:
                self._crew.welcome(member)
                return
            answers = self._crew.answers(member)
        except LostError as error:
            yield from self._lose(member, str(error), queue)
            return
        _, batch = member.under_way.popleft()
        member.since = time.monotonic()
        yield from batch.outcomes(answers)

    def _late(self, queue: deque[Batch]) -> Iterator[Outcome | Event]:
        now = time.monotonic()
        for member in list(self._crew.members):
            if member.coming is not None and now > member.deadline:
                yield from self._lose(member, "it did not start in time", queue)
            elif member.under_way and now - member.since > self._patience:
                yield from self._lose(member, f"no answer for {self._patience:.0f} seconds", queue)

    def _lose(self, member: Member, why: str, queue: deque[Batch]) -> Iterator[Outcome | Event]:
        """Queue what a worker had. What it ran goes one by one from now on, to find the job that ends workers."""
        queued = [batch for _, batch in member.under_way]
        given_up = []
        if queued:
            running = queued.pop(0)
            losses = running.losses + 1
            if losses >= LOSSES:
                given_up = list(running.jobs)
            else:
                queued = [Batch(running.model, (job,), losses) for job in running.jobs] + queued
        queue.extend(queued)
        replaced = "another one is started" if self._crew.dismiss(member) else "no other is started"
        count = sum(len(batch.jobs) for batch in queued)
        told = f"the {member} was lost ({why}); {count} jobs were queued again; {replaced}"
        yield Event(time.time_ns() // 1_000_000, told)
        for job in given_up:
            cause = f"{LOSSES} workers were lost, each while it ran this input"
            yield Outcome(job.entry, None, Reason.RUN, cause)


def _fill(queue: deque[Batch], fresh: Iterator[Batch | Outcome]) -> Iterator[Outcome]:
    """Bring a batch into an empty queue, if one is left."""
    while not queue and (item := next(fresh, None)) is not None:
        if isinstance(item, Batch):
            queue.append(item)
        else:
            yield item
