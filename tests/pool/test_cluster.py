"""A cluster of several nodes on this machine, reached as an auditor reaches it; a node, then the head, is killed."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util.client import worker as client
from reperform.consensus.audit.replays import Job, Outcome
from reperform.evidence.values import Record
from reperform.executor.model import PinnedModel
from reperform.replayer.pool import batches as rules
from reperform.replayer.pool.crew import Crew
from reperform.replayer.pool.errors import PoolError
from reperform.replayer.pool.inline import Inline
from reperform.replayer.pool.on_ray import OnRay
from reperform.replayer.pool.place import open_pool
from reperform.replayer.pool.worker import Whereabouts
from reperform.tests.pool.conftest import Jobs
from reperform.tests.pool.crews import gone, hear, in_time

pytestmark = pytest.mark.xdist_group("ray")

OURS = "reperform:Audit House"


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, so that there is much to hand out."""
    monkeypatch.setattr(rules, "WINDOW_JOBS", 40)
    monkeypatch.setattr(rules, "RECORDS", 10)


class Nodes:
    """A cluster in a process of its own (several_nodes.py): the head is another organisation's, two nodes are ours."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.address = f"ray://127.0.0.1:{port}"
        module = "reperform.tests.pool.several_nodes"
        self._command = [sys.executable, "-m", module, port, "reperform:Another House", OURS, OURS]
        self.start()

    def start(self) -> None:
        """Start it, at its address."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._wait("ready")

    def kill(self, what: str) -> None:
        """End a node by its id, or `head`, as if its machine had lost power."""
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)
        self._wait("gone")

    def close(self) -> None:
        """End all of it."""
        try:
            self._process.communicate(timeout=30)
        finally:
            self._process.kill()

    def _wait(self, word: str) -> None:
        assert self._process.stdout is not None
        with in_time():
            while (line := self._process.stdout.readline()).strip() != word:
                assert line, "the cluster's process ended"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    started = Nodes()
    yield started
    started.close()


@pytest.fixture
def jobs(scorer: PinnedModel, applicants: list[Record], jobs_of: Jobs) -> list[Job]:
    few = jobs_of(scorer, applicants[:50])
    return [replace(few[entry % 50], entry=entry) for entry in range(600)]


def test_machines_of_nobody_are_no_pool(nodes: Nodes, mortgage: Path) -> None:
    with (
        pytest.raises(PoolError, match="no machine of the Ray cluster that is alive has processors and the resource"),
        in_time(),
        open_pool(nodes.address, [mortgage], resource="reperform:Nobody"),
    ):
        pass


def test_a_cluster_goes_on_without_a_node_and_stops_without_its_head_until_that_is_there_again(
    nodes: Nodes, mortgage: Path, jobs: list[Job]
) -> None:
    """One story, because a cluster takes long to start."""
    expected = hear(Inline([mortgage]), jobs)[0]
    settled: list[int] = []
    with in_time(), pytest.raises(PoolError) as refusal, open_pool(nodes.address, [mortgage], resource=OURS) as pool:  # noqa: PT012  # which step raised is seen below
        assert isinstance(pool, OnRay)
        crew: Crew = pool._crew
        where = {member.where.node for member in crew.members if member.where is not None}
        listed: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        # By default one worker for each of the organisation's processors, and for no others.
        assert where == {node["NodeID"] for node in listed if OURS in node["Resources"]}
        assert len(where) == len(crew.members) == 2
        assert all(OURS in _holds(member.actor) for member in crew.members)  # so that it was not by chance

        victim = crew.members[0].where
        assert victim is not None
        outcomes, events = hear(pool, _killing(jobs, lambda: _kill_node(nodes, victim)))
        assert outcomes == expected
        assert victim.node[:12] in events[0].what
        assert "jobs were queued again" in events[0].what

        for said in pool(_killing(jobs, lambda: nodes.kill("head"))):
            assert isinstance(said, Outcome)
            assert said == expected[said.entry]
            settled.append(said.entry)
    assert 0 < len(settled) == len(set(settled)) < len(jobs)
    assert re.search("the connection to the Ray cluster is lost|has not answered", refusal.value.cause)
    assert "what was settled is kept" in refusal.value.advice

    nodes.close()
    nodes.start()
    rest = [job for job in jobs if job.entry not in settled]
    with in_time(), open_pool(nodes.address, [mortgage], resource=OURS) as pool:
        outcomes, events = hear(pool, rest)
    assert outcomes == {job.entry: expected[job.entry] for job in rest}
    assert events == []


def _holds(actor: Any) -> Any:
    """What Ray gave a worker, for it alone."""
    asked = actor.__ray_call__.remote(lambda _: ray.get_runtime_context().get_assigned_resources())  # type: ignore[no-untyped-call]
    return ray.get(asked, timeout=60)


def _killing(jobs: list[Job], kill: Callable[[], None]) -> Iterator[Job]:
    """The jobs, half of them after the blow."""
    for number, job in enumerate(jobs):
        if number == len(jobs) // 2:
            kill()
        yield job


def _kill_node(nodes: Nodes, victim: Whereabouts) -> None:
    """End a node, and wait for its worker, which ends itself when it notices."""
    nodes.kill(victim.node)
    gone(victim.process)


def test_a_cluster_that_is_not_there_is_no_pool(mortgage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "INITIAL_TIMEOUT_SEC", 0.2)
    monkeypatch.setattr(client, "MAX_TIMEOUT_SEC", 0.2)
    with (
        pytest.raises(PoolError, match=r"no pool at ray://127\.0\.0\.1:9"),
        in_time(),
        open_pool("ray://127.0.0.1:9", [mortgage]),
    ):
        pass
