"""The workers of a Ray pool: started, lost, replaced. Ray restarts none and repeats nothing by itself."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from .batches import Batch, Held
from .cluster import ANSWER, bounded, check_own_processes, connected, processors
from .errors import PoolError
from .replaying import Answer
from .shared import SharedModel
from .worker import ENVIRONMENT, Whereabouts, Worker

START: Final = 300.0  # seconds to become ready: the first start on a machine compiles for a minute, on all its cores
LOAD: Final = 300.0  # seconds for a model to reach the cluster
HEAD_EVERY: Final = 5.0  # seconds between two questions to the head; Ray ends this process a minute after it is gone
BEAT: Final = 1.0  # seconds after which deadlines are looked at


class LostError(Exception):
    """A worker that is gone. It never leaves the pool."""


@dataclass(eq=False, slots=True)
class Member:
    """One worker, and its batches: the first is the one that it runs."""

    actor: Any
    coming: Any  # the reference that answers when it has arrived, then when it is ready; None then
    deadline: float
    where: Whereabouts | None = None
    under_way: deque[tuple[Any, Batch]] = field(default_factory=deque)
    since: float = 0.0  # when it began with the first

    def __str__(self) -> str:
        return "worker that was starting" if self.where is None else f"worker {self.where}"


class Crew:
    """Workers with the models of a pool. What Ray raises about one of them comes out as LostError, all else as
    PoolError.
    """

    def __init__(self, models: Sequence[Path], workers: int | None, resource: str | None, start: float = START) -> None:
        shared = [SharedModel.of(folder) for folder in models]
        self.held: Held = {model.model_id: model.takes for model in shared}
        self._shared = {model.model_id: [bounded(partial(ray.put, model), LOAD)] for model in shared}
        self._make = ray.remote(Worker).options(
            num_cpus=1,
            resources={} if resource is None else {resource: 0.001},
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": ENVIRONMENT},
        )
        self._made: dict[str, Any] = {}  # by node, the reference of its operands, which one of its workers makes
        self._resource = resource
        self._start = start
        self._asked = time.monotonic()
        self.members: list[Member] = []
        there = processors(resource)
        size = workers or there
        self._replacements = 8 + 2 * size
        for _ in range(size):
            self._hire()
        self._assemble()

    def ready(self) -> list[Member]:
        """Who can be given work."""
        return [member for member in self.members if member.coming is None]

    def replay(self, member: Member, batch: Batch) -> None:
        """Give a batch to a worker."""
        if not member.under_way:
            member.since = time.monotonic()
        reference = bounded(partial(member.actor.replay.remote, batch.model, batch.inputs()))
        member.under_way.append((reference, batch))

    def wait(self) -> list[Member]:
        """Who has something to say: is ready, has answers, or is lost. Nobody, after a moment. Raises PoolError."""
        first = {
            m.under_way[0][0] if m.coming is None else m.coming: m for m in self.members if m.coming or m.under_way
        }
        if not first:
            raise PoolError("no worker of the pool is left", advice="see what ended them, and give the command again")
        done, _ = bounded(lambda: ray.wait(list(first), num_returns=len(first), timeout=0))
        if not done:
            done, _ = bounded(lambda: ray.wait(list(first), timeout=BEAT))
        check_own_processes()
        if time.monotonic() - self._asked > HEAD_EVERY:
            processors(self._resource)
            self._asked = time.monotonic()
        return [first[reference] for reference in done]

    def welcome(self, member: Member) -> None:
        """A worker that has arrived loads the models; one that has loaded them is ready.

        The first of a machine makes the weights ready for all of it. Raises LostError if the worker is gone, PoolError
        if it failed.
        """
        answer = _fetch(member, member.coming)
        if member.where is not None:
            member.coming = None
            return
        member.where = answer
        node = member.where.node
        if node not in self._made:
            self._made[node] = bounded(partial(member.actor.make.remote, self._shared))
        member.coming = bounded(partial(member.actor.load.remote, self._shared, [self._made[node]]))

    def answers(self, member: Member) -> list[Answer]:
        """What came out of the first batch of a worker that is done with it. Raises as welcome does."""
        reference, _ = member.under_way[0]
        answers: list[Answer] = _fetch(member, reference)
        return answers

    def dismiss(self, member: Member) -> bool:
        """End a worker for good, and start another one in its place, unless too many were. Whether one is."""
        self.members.remove(member)
        if member.coming is not None and member.where is not None:  # perhaps it was making them
            self._made.pop(member.where.node, None)
        bounded(lambda: ray.kill(member.actor, no_restart=True))
        if self._replacements:
            self._replacements -= 1
            self._hire()
            return True
        return False

    def _hire(self) -> None:
        actor: Any = bounded(self._make.remote)
        coming = bounded(actor.arrive.remote)
        self.members.append(Member(actor, coming, time.monotonic() + self._start))

    def _assemble(self) -> None:
        """Wait until all are ready."""
        while coming := [member for member in self.members if member.coming is not None]:
            if time.monotonic() > coming[0].deadline:
                raise PoolError(
                    f"{len(coming)} of {len(self.members)} workers did not start within {self._start:.0f} seconds",
                    advice="see that machines are free, and have the resource that is asked for",
                )
            for member in self.wait():
                if member.coming is not None:
                    try:
                        self.welcome(member)
                    except LostError as error:
                        raise PoolError(f"a worker was lost when it started: {error}") from error


@contextmanager
def crew(address: str | None, models: Sequence[Path], workers: int | None, resource: str | None) -> Iterator[Crew]:
    """Workers that are ready, until the end of the context. address: of a cluster; None for this machine."""
    with connected(address, workers):
        yield Crew(models, workers, resource)


def _fetch(member: Member, reference: Any) -> Any:
    """What a worker's reference gives that is done."""

    def get() -> Any:
        try:
            return ray.get(reference, timeout=ANSWER)
        except GetTimeoutError:
            raise
        except RayTaskError as error:
            raise PoolError(f"the {member} failed: {' '.join(str(error.cause).split()):.300}") from error
        except RayError as error:  # the worker, its machine, or what it left there
            raise LostError(type(error).__name__) from error

    return bounded(get)
