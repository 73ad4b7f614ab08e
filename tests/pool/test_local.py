"""A pool of processes on this machine: the same bytes, and processes that are really killed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.consensus.audit.replays import Job, Outcome
from reperform.evidence.ballot import Reason
from reperform.evidence.values import Record, Text
from reperform.executor.model import PinnedModel
from reperform.replayer.pool import batches as rules
from reperform.replayer.pool import on_ray
from reperform.replayer.pool.cluster import connected
from reperform.replayer.pool.crew import Crew
from reperform.replayer.pool.errors import PoolError
from reperform.replayer.pool.inline import Inline
from reperform.replayer.pool.on_ray import OnRay
from reperform.tests.pool.conftest import Jobs
from reperform.tests.pool.crews import POISON, Fragile, MakeCrew, Miscalculating, crew, hear, in_time, kill

pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture(scope="module")
def crew_of() -> Iterator[MakeCrew]:
    """Ray on this machine, for the tests of this file, with room for four workers."""
    with connected(None, 4):
        yield crew


@pytest.fixture(scope="module")
def pair(crew_of: MakeCrew, mortgage: Path, encoder: Path) -> Iterator[Crew]:
    """Two workers with both models. A test may kill them: they are replaced."""
    with crew_of([mortgage, encoder], 2) as ready:
        yield ready


@pytest.fixture(scope="module")
def mixed(
    scorer: PinnedModel, reader: PinnedModel, applicants: list[Record], texts: list[Text], jobs_of: Jobs
) -> list[Job]:
    """Jobs for both models, two of which stop."""
    both = [*jobs_of(scorer, [*applicants[:60], Text("no record")]), *jobs_of(reader, [*texts, applicants[0]])]
    return [replace(job, entry=number) for number, job in enumerate(both)]


@pytest.fixture(scope="module")
def inline(mortgage: Path, encoder: Path, mixed: list[Job]) -> dict[int, Outcome]:
    """What a pool without Ray says."""
    return hear(Inline([mortgage, encoder]), mixed)[0]


@given(data=st.data())
@settings(max_examples=5)
def test_a_pool_says_the_bytes_that_this_process_computes(
    pair: Crew, mixed: list[Job], inline: dict[int, Outcome], data: st.DataObject
) -> None:
    some = data.draw(st.lists(st.sampled_from(mixed), unique_by=lambda job: job.entry, max_size=40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "RECORDS", data.draw(st.integers(1, 50)))
        patch.setattr(rules, "TEXT_BYTES", data.draw(st.integers(1, 4000)))
        outcomes, events = hear(OnRay(pair), iter(some))
    assert outcomes == {job.entry: inline[job.entry] for job in some}
    assert events == []


def test_a_killed_worker_costs_an_event_and_no_outcome(
    pair: Crew, mixed: list[Job], inline: dict[int, Outcome]
) -> None:
    victim = pair.ready()[0].where
    assert victim is not None

    def jobs() -> Iterator[Job]:
        """The process dies when the first batches are out."""
        for number, job in enumerate(mixed):
            if number == 60:
                kill(victim.process)
            yield job

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "WINDOW_JOBS", 10)
        outcomes, events = hear(OnRay(pair), jobs())
    assert outcomes == inline
    (event,) = events
    assert f"worker process {victim.process} on node" in event.what
    assert "jobs were queued again; another one is started" in event.what
    assert len(pair.members) == 2


def test_an_input_that_kills_its_workers_is_given_up_and_no_other(
    crew_of: MakeCrew, mortgage: Path, scorer: PinnedModel, applicants: list[Record], jobs_of: Jobs
) -> None:
    """And when no worker can be kept, the pool says so."""
    jobs = jobs_of(scorer, applicants[:30])
    jobs[7] = replace(jobs[7], input=POISON)
    with crew_of([mortgage], 1, Fragile) as fragile, pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_ray, "LOSSES", 2)
        outcomes, events = hear(OnRay(fragile), jobs)
        assert outcomes.keys() == set(range(30))
        assert [entry for entry, outcome in outcomes.items() if outcome.output is None] == [7]
        assert outcomes[7].reason is Reason.RUN
        assert outcomes[7].cause == "2 workers were lost, each while it ran this input"
        assert len(events) == 2

        fragile._replacements = 0
        with pytest.raises(PoolError, match="no worker of the pool is left"):
            hear(OnRay(fragile), [jobs[7]])


def test_a_worker_that_computes_something_else_is_refused(crew_of: MakeCrew, mortgage: Path) -> None:
    with (
        pytest.raises(PoolError, match=r"worker that was starting failed: self-test vector .* came out wrong"),
        in_time(),
        crew_of([mortgage], 1, Miscalculating),
    ):
        pass


def test_workers_that_no_machine_has_room_for_are_not_waited_for(crew_of: MakeCrew, mortgage: Path) -> None:
    with (
        pytest.raises(PoolError, match="of 9 workers did not start within 2 seconds"),
        in_time(),
        crew_of([mortgage], 9, start=2),
    ):
        pass
