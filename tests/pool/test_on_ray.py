"""Whoever is lost, every job has one outcome, or the pool says why not. Without Ray: the crew is imagined."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.consensus.audit.replays import Event, Job, Outcome
from reperform.evidence.ballot import Reason
from reperform.evidence.digest import Digest
from reperform.evidence.inputs import NumberColumn, RecordInput
from reperform.evidence.receipt import Receipt
from reperform.replayer.pool import batches as rules
from reperform.replayer.pool.batches import Batch
from reperform.replayer.pool.crew import Crew, LostError, Member
from reperform.replayer.pool.errors import PoolError
from reperform.replayer.pool.on_ray import AHEAD, LOSSES, OnRay
from reperform.replayer.pool.replaying import Answer
from reperform.replayer.pool.worker import Whereabouts
from reperform.tests.world import World

MODEL, OTHER = Digest(bytes(32)), Digest(bytes([1]) * 32)
BATCH = 5
WINDOW = 12
CHANCE = Random(1)  # noqa: S311  # any will do


class Imagined(Crew):
    """A crew whose workers are lost by chance, when they start and when they run, and by every input with a P."""

    def __init__(self, chance: Random, size: int, replacements: int, risk: float) -> None:
        self.held = {MODEL: RecordInput((NumberColumn("income", "monthly income", "0.0", "1.0"),))}
        self.chance, self.risk = chance, risk
        self.lost = 0
        self.members = []
        self._replacements = replacements
        self._lost: set[Member] = set()
        for number in range(size):
            self._hire()
            self.members[number].coming = None

    def replay(self, member: Member, batch: Batch) -> None:
        """Give a batch to a worker."""
        member.since = time.monotonic()
        member.under_way.append((None, batch))

    def wait(self) -> list[Member]:
        """Some who have something to say."""
        busy = [member for member in self.members if member.coming or member.under_way]
        if not busy:
            raise PoolError("no worker of the pool is left")
        heard = self.chance.sample(busy, self.chance.randint(0, len(busy)))
        self._lost |= {member for member in heard if self._ends(member)}
        return heard

    def welcome(self, member: Member) -> None:
        """Unless it was lost."""
        if member in self._lost:
            raise LostError("it was lost at birth")
        member.coming = None
        member.where = Whereabouts("node", "machine", 1)

    def answers(self, member: Member) -> list[Answer]:
        """Each input, backwards."""
        if member in self._lost:
            raise LostError("it was lost")
        _, batch = member.under_way[0]
        return [committed[::-1] for committed in batch.inputs()]

    def dismiss(self, member: Member) -> bool:
        """End it; another one starts while there are some."""
        self.lost += 1
        self.members.remove(member)
        if self._replacements:
            self._replacements -= 1
            self._hire()
            return True
        return False

    def _hire(self) -> None:
        self.members.append(Member(None, "coming", time.monotonic() + 100))

    def _ends(self, member: Member) -> bool:
        poisoned = member.coming is None and any(b"P" in each for each in member.under_way[0][1].inputs())
        return poisoned or self.chance.random() < self.risk


@pytest.fixture(scope="module")
def receipt(tmp_path_factory: pytest.TempPathFactory) -> Receipt:
    return World(tmp_path_factory.mktemp("world")).decision().receipt.parse(Receipt)


@pytest.fixture(scope="module", autouse=True)
def _few() -> Iterator[None]:
    """Small batches, so that there is much to hand out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "RECORDS", BATCH)
        patch.setattr(rules, "WINDOW_JOBS", WINDOW)
        yield


def jobs_of(receipt: Receipt, letters: Sequence[str]) -> list[Job]:
    """A job for each letter: o is fine, P ends workers, x is of a model that no worker has."""
    models = {letter: OTHER if letter == "x" else MODEL for letter in "oPx"}
    return [
        Job(entry, replace(receipt, model=models[letter]), f"{letter}{entry}".encode())
        for entry, letter in enumerate(letters)
    ]


@given(
    letters=st.lists(st.sampled_from("ooooooPx"), max_size=40),
    crew=st.builds(
        Imagined,
        st.randoms(use_true_random=False),
        size=st.integers(1, 3),
        replacements=st.sampled_from([0, 3, 200]),
        risk=st.sampled_from([0.0, 0.02, 0.3]),
    ),
)
def test_every_job_has_one_outcome_whoever_is_lost(receipt: Receipt, letters: list[str], crew: Imagined) -> None:
    jobs = jobs_of(receipt, letters)
    for _ in range(2):  # a crew serves again, with workers that are still starting
        outcomes: dict[int, Outcome] = {}
        before, events = crew.lost, 0
        try:
            for said in OnRay(crew)(iter(jobs)):
                if isinstance(said, Event):
                    events += 1
                    continue
                assert said.entry not in outcomes
                outcomes[said.entry] = said
        except PoolError:
            assert not crew.members
            assert len(outcomes) < len(jobs)
            return
        assert outcomes.keys() == set(range(len(jobs)))
        assert events == crew.lost - before
        for job, letter in zip(jobs, letters, strict=True):
            outcome = outcomes[job.entry]
            if letter == "x":
                assert outcome.reason is Reason.MODEL
            elif letter == "P":
                assert (outcome.output, outcome.reason) == (None, Reason.RUN)
            elif outcome.output is None:
                assert crew.risk
                assert outcome.cause == f"{LOSSES} workers were lost, each while it ran this input"
            else:
                assert outcome == Outcome(job.entry, job.input[::-1])


@pytest.mark.parametrize("size", [1, 3])
def test_few_jobs_are_pulled_ahead_of_their_outcomes(receipt: Receipt, size: int) -> None:
    """Back-pressure: a window, what the workers have, and the batch that is next."""
    pulled = settled = most = 0

    def jobs() -> Iterator[Job]:
        nonlocal pulled
        for job in jobs_of(receipt, "o" * 500):
            pulled += 1
            yield job

    for said in OnRay(Imagined(CHANCE, size, 0, 0.0))(jobs()):
        assert isinstance(said, Outcome)
        most = max(most, pulled - settled)
        settled += 1
    assert settled == 500
    assert most <= WINDOW + (AHEAD * size + 1) * BATCH


def test_a_worker_that_never_answers_is_lost(receipt: Receipt) -> None:
    """The first to be given work says nothing, ever."""

    class Deaf(Imagined):
        def wait(self) -> list[Member]:
            return [member for member in super().wait() if member.where is not None or member.coming]

    crew = Deaf(CHANCE, 1, 1, 0.0)
    said = list(OnRay(crew, patience=0.05)(jobs_of(receipt, "ooo")))
    (event,) = (each for each in said if isinstance(each, Event))
    assert "(no answer for 0 seconds); 3 jobs were queued again; another one is started" in event.what
    assert {each.entry for each in said if isinstance(each, Outcome) and each.output} == {0, 1, 2}
