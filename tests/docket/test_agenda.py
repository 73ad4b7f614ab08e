"""What a party looks at again: what changed, what a deadline changes, what it could not do; and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from reperform.consensus import agenda as agenda_module
from reperform.consensus.agenda import RETRY, Agenda
from reperform.consensus.docket import Changes, Docket, DocketError, DocketUnreachableError, Slot
from reperform.consensus.folder import FolderDocket
from reperform.consensus.proceeding import Proceeding
from reperform.evidence.digest import Digest
from reperform.evidence.dsse import Envelope
from reperform.tests.world import World


class Telling(FolderDocket):
    """A folder that tells each change once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._history: list[Digest] = []

    def changes(self, after: int) -> Changes:
        return Changes(len(self._history), tuple(dict.fromkeys(self._history[after:])))

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        super().post(filing, said)
        self._history.append(filing)


class Watched:
    """A docket that notes what is read, and fails when it is told to."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self.reads: list[Digest] = []
        self.fail: DocketError | None = None

    def changes(self, after: int) -> Changes:
        return self._docket.changes(after)

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        self._docket.post(filing, said)

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        self.reads.append(filing)
        if self.fail is not None:
            raise self.fail
        return self._docket.read(filing)


@pytest.fixture
def watched(world: World) -> Watched:
    return Watched(world.docket)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world whose docket tells changes once."""
    return World(tmp_path / "world", make_docket=Telling)


def nothing(_: Proceeding) -> None:
    pass


def settle(agenda: Agenda, watched: Watched, now: int, act: Callable[[Proceeding], None] = nothing) -> int:
    """Take up until nothing is new; how often something was read."""
    before = -1
    start = len(watched.reads)
    while len(watched.reads) != before:
        before = len(watched.reads)
        agenda.take_up(act, now)
    return len(watched.reads) - start


def test_what_does_not_change_is_read_at_its_deadlines_and_not_between(world: World, watched: Watched) -> None:
    filed, _ = world.file(world.decision())
    world.keeper.step(world.now)
    world.keeper.step(world.now)
    agenda = Agenda(watched, [world.roster])
    settle(agenda, watched, world.now)
    case = world.proceeding(filed.filing_id).case
    assert case is not None
    limits = case.document.deadlines
    for limit in (limits.openings, limits.ballots, limits.release, limits.votes, limits.attestation):
        assert settle(agenda, watched, limit) == 0
        assert settle(agenda, watched, limit + 1) == 1
    assert settle(agenda, watched, limits.attestation + 10**9) == 0


def test_a_part_that_could_not_be_done_is_tried_again_later(world: World, watched: Watched) -> None:
    world.file(world.decision())
    agenda = Agenda(watched, [world.roster])
    tries = []

    def fails(proceeding: Proceeding) -> None:
        tries.append(proceeding)
        raise DocketError("not now")

    assert settle(agenda, watched, world.now, fails) >= 1
    done = len(tries)
    agenda.take_up(fails, world.now + RETRY - 1)
    assert len(tries) == done
    ((_, cause),) = agenda.take_up(fails, world.now + RETRY)
    assert (len(tries), cause) == (done + 1, "not now")
    agenda.take_up(tries.append, world.now + 2 * RETRY)
    agenda.take_up(tries.append, world.now + 9 * RETRY)
    assert len(tries) == done + 2


def test_what_is_no_filing_is_not_looked_at_again_until_it_changes(world: World, watched: Watched) -> None:
    filed = world.filing(world.decision())
    world.docket.post(filed.filing_id, {Slot.FILING: filed.filing})
    agenda = Agenda(watched, [world.roster])
    ((_, cause),) = agenda.take_up(nothing, world.now)
    assert "has no valid receipt" in cause
    assert settle(agenda, watched, world.now + 10**6) == 0
    world.docket.post(filed.filing_id, {Slot.RECEIPT: filed.decision.receipt})
    assert settle(agenda, watched, world.now + 10**6) == 1


def test_a_docket_that_vanishes_in_a_round_costs_no_change(world: World, watched: Watched) -> None:
    world.file(world.decision())
    agenda = Agenda(watched, [world.roster])
    watched.fail = DocketUnreachableError("gone")
    for _ in range(2):
        with pytest.raises(DocketUnreachableError):
            agenda.take_up(nothing, world.now)
    watched.fail = None
    assert settle(agenda, watched, world.now) >= 1


def test_a_clock_that_was_ahead_costs_no_case(world: World, watched: Watched) -> None:
    world.file(world.decision())
    for _ in range(2):
        world.keeper.step(world.now)
    agenda = Agenda(watched, [world.roster])
    settle(agenda, watched, world.now + 10**9)
    acted: list[Proceeding] = []
    settle(agenda, watched, world.now, acted.append)
    assert acted


def test_memory_of_cases_that_ended_is_bounded(world: World, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agenda_module, "MAX_ENDED", 2)
    for number in range(4):
        world.file(world.decision(income=str(number)))
    for _ in range(8):
        world.keeper.step(world.now)
    agenda = Agenda(watched, [world.roster])
    settle(agenda, watched, world.now + 10**9)
    assert len(agenda._ended) == 2
