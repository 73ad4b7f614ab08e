"""Whole cases over real sockets while what keeps the docket is killed: the service at every write, and PostgreSQL."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
from reperform.cli.trust import now
from reperform.consensus.client import HttpDocket
from reperform.consensus.docket import DocketError
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import Proceeding, collect
from reperform.consensus.store.engine import StoreError, alone, open_engine
from reperform.evidence.documents import to_bytes
from reperform.evidence.tally import Verdict
from reperform.evidence.verify import verify
from reperform.tests.docket import killed_service
from reperform.tests.docket.parties import Parties
from reperform.tests.docket.postgres import Server
from reperform.tests.docket.test_processes import Acknowledging, concluded
from reperform.tests.world import DOCKET, PANEL, World

SECONDS = 120
# Every author of every slot but openings and release, which are one each as well: what a case comes to.
DOCUMENTS = 6 + 1 + 4 * len(PANEL)


@pytest.fixture
def parties(database: str, tmp_path: Path) -> Iterator[Parties]:
    running = Parties(World(tmp_path / "world", now=now()), database)
    try:
        yield running
    finally:
        running.stop()


def play(
    parties: Parties, docket: Acknowledging, filed: FiledDecision, between: Callable[[Proceeding | None], None]
) -> Proceeding:
    """Do the filer's part to the end; `between` is called after each look at the case."""
    filer = Filer(docket, parties.world.filer_keys, filed)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        proceeding = None
        try:
            filer.file()
            proceeding = collect(docket, filed.filing_id, [parties.world.roster])
            filer.step(proceeding)
        except DocketError:
            pass  # it was killed; it comes back
        if proceeding is not None and concluded(proceeding):
            return proceeding
        between(proceeding)
        time.sleep(0.02)
    raise AssertionError({name: parties.log(name)[-2000:] for name in (DOCKET, *PANEL)})


def check(parties: Parties, docket: Acknowledging, filed: FiledDecision, proceeding: Proceeding) -> None:
    """The verdict is right, nothing that was acknowledged is gone, and nobody said two things."""
    posted = docket.read(filed.filing_id)
    assert all(envelope in posted[slot] for _, slot, envelope in docket.kept)
    assert sum(map(len, posted.values())) == DOCUMENTS
    assert proceeding.refused == ()
    pack = to_bytes(parties.world.pack(proceeding, filed))
    assert verify(pack, parties.world.roots).verdict is Verdict.UPHELD


def test_a_service_that_dies_at_every_write(parties: Parties, monkeypatch: pytest.MonkeyPatch) -> None:
    world, deaths = parties.world, cycle(("1:before", "1:after"))
    parties.service = "reperform.tests.docket.killed_service"
    monkeypatch.setenv(killed_service.VARIABLE, next(deaths))
    docket = Acknowledging(HttpDocket(parties.serve(), pause=lambda _: None))
    for name in PANEL:
        parties.node(name)
    died = 0

    def revive(_: Proceeding | None) -> None:
        nonlocal died
        if parties.running[DOCKET].poll() is not None:
            assert parties.running[DOCKET].returncode == -signal.SIGKILL
            died += 1
            monkeypatch.setenv(killed_service.VARIABLE, next(deaths))
            parties.serve()

    filed = world.filing(world.decision())
    proceeding = play(parties, docket, filed, revive)
    monkeypatch.delenv(killed_service.VARIABLE)
    parties.kill(DOCKET)
    parties.serve()
    check(parties, docket, filed, proceeding)
    assert died >= DOCUMENTS  # several documents may share a transaction, and each is tried twice


def steps(proceeding: Proceeding) -> int:
    """How many kinds of documents a case has by now."""
    kinds = (
        proceeding.case, proceeding.openings, proceeding.ballots, proceeding.ballot_list, proceeding.release,
        proceeding.votes, proceeding.vote_list, proceeding.attestations,
    )  # fmt: skip
    return sum(map(bool, kinds))


def test_a_database_that_dies_at_every_step(tmp_path: Path) -> None:
    with Server.started() as server:
        parties = Parties(World(tmp_path / "world", now=now()), server.url)
        docket = Acknowledging(HttpDocket(parties.serve(), pause=lambda _: None))
        for name in PANEL:
            parties.node(name)
        died: list[int] = []

        def kill(proceeding: Proceeding | None) -> None:
            if proceeding is not None and steps(proceeding) not in (0, *died):
                died.append(steps(proceeding))
                server.kill()
                server.start()

        filed = parties.world.filing(parties.world.decision())
        try:
            proceeding = play(parties, docket, filed, kill)
            check(parties, docket, filed, proceeding)
        finally:
            parties.stop()
        assert len(died) >= 5  # what came between two looks was not there alone


def test_who_lost_its_place_as_keeper_signs_nothing_until_it_is_free() -> None:
    with Server.started() as server:
        first, second = open_engine(server.url), open_engine(server.url)
        with alone(first) as still:
            with pytest.raises(StoreError, match="in use by another process"), alone(second):
                pass
            still()
            server.kill()
            server.start()
            with alone(open_engine(server.url)):  # another process, begun since
                for _ in range(2):
                    with pytest.raises(StoreError, match="in use by another process"):
                        still()
            still()
