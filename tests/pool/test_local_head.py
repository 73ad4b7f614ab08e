"""A pool of this machine whose head is killed: it says so soon, and what came before stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ray._private import worker as ray_worker
from reperform.consensus.audit.replays import Job, Outcome
from reperform.evidence.values import Record
from reperform.executor.model import PinnedModel
from reperform.replayer.pool import batches as rules
from reperform.replayer.pool.errors import PoolError
from reperform.replayer.pool.inline import Inline
from reperform.replayer.pool.place import open_pool
from reperform.tests.pool.conftest import Jobs
from reperform.tests.pool.crews import hear, in_time, kill

pytestmark = pytest.mark.xdist_group("ray")

SOON = 60.0  # seconds, of which the pool takes few: Ray itself would wait for a minute, and end this process then


def test_a_pool_whose_head_is_killed_says_so(
    mortgage: Path, scorer: PinnedModel, applicants: list[Record], jobs_of: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "WINDOW_JOBS", 40)
    monkeypatch.setattr(rules, "RECORDS", 10)
    few = jobs_of(scorer, applicants[:50])
    work = [replace(few[entry % 50], entry=entry) for entry in range(600)]
    expected = hear(Inline([mortgage]), work)[0]
    settled: list[int] = []
    killed = 0.0

    def jobs() -> Iterator[Job]:
        nonlocal killed
        for number, job in enumerate(work):
            if number == 300:
                node = ray_worker._global_node
                assert node is not None
                (head,) = node.all_processes["gcs_server"]
                kill(head.process.pid)
                killed = time.monotonic()
            yield job

    with in_time(), pytest.raises(PoolError) as refusal, open_pool("local", [mortgage], workers=1) as pool:  # noqa: PT012  # which step raised is seen below
        for said in pool(jobs()):
            assert isinstance(said, Outcome)
            assert said == expected[said.entry]
            settled.append(said.entry)
    assert refusal.value.cause == "Ray's process gcs_server on this machine has ended"
    assert "what was settled is kept" in refusal.value.advice
    assert killed
    assert time.monotonic() - killed < SOON
    assert 0 < len(settled) == len(set(settled)) < len(work)
