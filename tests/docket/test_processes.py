"""Whole cases over real sockets between real processes, in both databases; the service is killed again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from reperform.cli.trust import now
from reperform.consensus.client import HttpDocket
from reperform.consensus.conclusion import NoQuorumError, conclude
from reperform.consensus.docket import DocketUnreachableError, Slot
from reperform.consensus.filer import Filer
from reperform.consensus.proceeding import Proceeding, collect
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.tally import Verdict
from reperform.evidence.verify import verify
from reperform.tests.docket.parties import Parties
from reperform.tests.world import DOCKET, PANEL, World

SECONDS = 60
INCOME = "987654.321"  # of nobody else; what is searched for in everything that the parties leave behind


@pytest.fixture
def parties(database: str, tmp_path: Path) -> Iterator[Parties]:
    running = Parties(World(tmp_path / "world", now=now()), database)
    try:
        yield running
    finally:
        running.stop()


class Acknowledging:
    """A docket that notes what it was told is kept."""

    def __init__(self, docket: HttpDocket) -> None:
        self._docket = docket
        self.changes, self.read = docket.changes, docket.read
        self.kept: list[tuple[Digest, Slot, Envelope]] = []

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        self._docket.post(filing, said)
        self.kept += ((filing, slot, envelope) for slot, envelope in said.items())


def until(
    world: World, docket: Acknowledging, filer: Filer, filing: Digest, ready: Callable[[Proceeding], bool]
) -> None:
    """Do the filer's part until the case is as the test wants it."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            proceeding = collect(docket, filing, [world.roster])
            filer.step(proceeding)
            if ready(proceeding):
                return
        except DocketUnreachableError:
            pass  # it was killed; it comes back
        time.sleep(0.05)
    raise AssertionError("the case does not go on")


def concluded(proceeding: Proceeding) -> bool:
    try:
        return len(conclude(proceeding).attestation.signatures) == len(PANEL)
    except NoQuorumError:
        return False


MOMENTS: list[Callable[[Proceeding], bool]] = [
    lambda proceeding: proceeding.case is not None,
    lambda proceeding: bool(proceeding.ballots),
    lambda proceeding: bool(proceeding.votes),
]


def test_a_service_that_is_killed_at_every_step_loses_nothing_that_it_acknowledged(parties: Parties) -> None:
    world = parties.world
    docket = Acknowledging(HttpDocket(parties.serve()))
    for name in PANEL:
        parties.node(name)
    filed = world.filing(world.decision(income=INCOME))
    filer = Filer(docket, world.filer_keys, filed)
    filer.file()
    for moment in MOMENTS:
        until(world, docket, filer, filed.filing_id, moment)
        seen = docket.read(filed.filing_id)
        parties.kill(DOCKET)
        parties.serve()
        after = docket.read(filed.filing_id)
        assert all(set(seen[slot]) <= set(after[slot]) for slot in Slot)
        assert all(envelope in after[slot] for _, slot, envelope in docket.kept)
    until(world, docket, filer, filed.filing_id, concluded)
    proceeding = collect(docket, filed.filing_id, [world.roster])
    assert proceeding.refused == ()
    assert verify(to_bytes(world.pack(proceeding, filed)), world.roots).verdict is Verdict.UPHELD
    assert all(len(posted) == (3 if len(posted) > 1 else 1) for posted in docket.read(filed.filing_id).values())
    assert parties.stop() == dict.fromkeys((DOCKET, *PANEL), 0)
    _nothing_personal(parties)


def _nothing_personal(parties: Parties) -> None:
    """Neither the input nor its key stands in the database, nor in any log."""
    logs = [parties.log(name) for name in (DOCKET, *PANEL)]
    assert all("listening" in log or "running" in log for log in logs)
    assert [log for log in logs if INCOME in log or "127.0.0.1:" in log.replace(parties.url, "")] == []
    if parties.database.startswith("sqlite:///"):
        path = Path(parties.database.removeprefix("sqlite:///"))
        data = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    else:
        with psycopg.connect(parties.database) as connection:
            rows = connection.execute("SELECT envelope FROM documents").fetchall()
        data = b"".join(row[0] for row in rows)
    assert b"application/vnd.reperform.filing.v1+msgpack" in data
    assert INCOME.encode() not in data


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_start_that_cannot_be_says_why(parties: Parties) -> None:
    parties.database = "sqlite:////nowhere/docket.sqlite"
    with pytest.raises(RuntimeError, match="error: the sqlite database refuses: OperationalError; see that it runs"):
        parties.serve()
    del parties.running[DOCKET]


def test_two_processes_cannot_keep_one_docket(parties: Parties, tmp_path: Path) -> None:
    parties.serve()
    second = Parties(World(tmp_path / "second"), parties.database)
    with pytest.raises(RuntimeError, match="in use by another process that keeps this docket; stop it first"):
        second.serve()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_address_that_is_taken_is_an_error_with_a_next_step(parties: Parties, tmp_path: Path) -> None:
    second = Parties(World(tmp_path / "second"), f"sqlite:///{tmp_path / 'second.sqlite'}")
    second.url = parties.serve()
    with pytest.raises(RuntimeError, match=r"cannot listen at 127.0.0.1:\d+: Address already in use"):
        second.serve()
