"""Parties are really killed, at everything that they write, and restarted: same words, same verdict."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from reperform.consensus.docket import Slot
from reperform.consensus.filer import FiledDecision, Filer
from reperform.evidence.ballot import Ballot, Vote, ballot_id
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope, payload_type
from reperform.evidence.roster import Suite
from reperform.evidence.tally import Verdict
from reperform.replayer.database import Database
from reperform.replayer.notebook import Page
from reperform.tests.protocol.play import edited, verified
from reperform.tests.world import DOCKET, PANEL, World

SCRIPT: Final = Path(__file__).with_name("killed_party.py")
NODE: Final = PANEL[0]
# A node writes page, ballot, page (the others' votes), page (its own), vote, page, two statements; and so on.
WRITES: Final = {"node": 8, "keeper": 3, "filer": 4}


def lay_out(world: World, filed: FiledDecision) -> None:
    """Put on disk what a party reads when it starts."""
    for name, ring in (*world.rings.items(), ("filer", world.filer_keys)):
        ring.write(world.folder / f"{name}.key")
    (world.folder / "roster").write_bytes(to_bytes(world.roster))
    (world.folder / "filed").write_bytes(to_bytes(filed))


def step(world: World, role: str, name: str, when: str) -> bool:
    """One step of one party in its own process; whether it was killed."""
    done = subprocess.run(
        [sys.executable, SCRIPT, role, world.folder, name, str(world.now), when],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert done.returncode or done.stdout.strip() == "()"
    return done.returncode != 0


def live(world: World, role: str, name: str, others: Callable[[], object]) -> list[str]:
    """Kill the party before and after every write until it has none left; the kills, in order."""
    kills: list[str] = []
    idle = 0
    while idle < 2:
        others()
        when = "after" if kills and kills[-1] == "before" else "before"
        if step(world, role, name, when):
            kills.append(when)
            idle = 0
        else:
            idle += 1
        world.now += 1
    return kills


def words(folder: Path, node: str, world: World) -> tuple[set[bytes], set[bytes]]:
    """Every ballot and vote of a node that anybody could have seen, or that it would say again.

    Those are its notebook's pages, all files of the docket, and what crashes left behind in the docket.
    """
    ballots: set[bytes] = set()
    votes: set[bytes] = set()
    mine = world.rings[node].signing.public.key_id
    files = [path.read_bytes() for path in (folder / "docket").rglob("*") if path.is_file()]
    pages = Database(folder / node, only_read=True).rows("SELECT page FROM pages")
    said = [from_bytes(Envelope, data) for data in files if data]
    said += [vote for (data,) in pages if (vote := from_bytes(Page, data).vote) is not None]
    for envelope in said:
        if envelope.payload_type == payload_type(Ballot) and envelope.parse(Ballot).node == mine:
            ballots.add(envelope.payload)
        if envelope.payload_type == payload_type(Vote) and envelope.parse(Vote).node == mine:
            votes.add(envelope.payload)
    return ballots, votes


@pytest.mark.parametrize("suite", Suite)
def test_a_node_killed_at_every_write_never_says_two_things(tmp_path: Path, suite: Suite) -> None:
    world = World(tmp_path, suite)
    filed, filer = world.file(world.decision(edited))
    lay_out(world, filed)
    others = [world.node(name) for name in PANEL[1:]]
    kills = live(world, "node", NODE, lambda: world.round(filed.filing_id, filer, others))
    assert kills == ["before", "after"] * WRITES["node"]
    ballots, votes = words(tmp_path, NODE, world)
    assert (len(ballots), len(votes)) == (1, 1)
    proceeding = world.proceeding(filed.filing_id)
    shown = verified(world, proceeding, filed, filer.answer(proceeding))
    assert (shown.verdict, shown.signed_by) == (Verdict.REFUTED, PANEL)
    assert len(shown.tally.counted) == 3


def test_a_keeper_killed_at_every_write_opens_one_case_and_closes_each_list_once(world: World) -> None:
    filed, filer = world.file(world.decision())
    lay_out(world, filed)
    nodes = world.nodes()

    def others() -> None:
        filer.step(world.proceeding(filed.filing_id))
        for node in nodes:
            node.step(world.now)

    kills = live(world, "keeper", DOCKET, others)
    assert kills == ["before", "after"] * WRITES["keeper"]
    for slot in (Slot.CASE, Slot.BALLOT_LIST, Slot.VOTE_LIST):
        assert len(world.docket.read(filed.filing_id)[slot]) == 1
    proceeding = world.proceeding(filed.filing_id)
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD
    assert set(proceeding.matter().ballots.ballots) == {ballot_id(s.envelope) for s in proceeding.ballots}


def test_a_filer_killed_at_every_write_hands_over_one_opening_and_one_key(world: World) -> None:
    filed = world.filing(world.decision())
    lay_out(world, filed)
    nodes = world.nodes()

    def others() -> None:
        world.keeper.step(world.now)
        for node in nodes:
            node.step(world.now)

    kills = live(world, "filer", "filer", others)
    assert kills == ["before", "after"] * WRITES["filer"]
    for slot in (Slot.RECEIPT, Slot.FILING, Slot.OPENINGS, Slot.RELEASE):
        assert len(world.docket.read(filed.filing_id)[slot]) == 1
    for _ in range(2):
        proceeding = world.round(filed.filing_id, Filer(world.docket, world.filer_keys, filed), nodes)
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD


def test_what_a_crash_leaves_behind_is_not_read_by_anybody(world: World) -> None:
    filed, filer = world.file(world.decision())
    lay_out(world, filed)
    world.round(filed.filing_id, filer, [])
    filer.step(world.proceeding(filed.filing_id))
    for when in ("before", "after", "before"):  # the page is written; the ballot is not
        assert step(world, "node", NODE, when)
    place = world.folder / "docket" / str(filed.filing_id) / Slot.BALLOT
    assert len(list(place.iterdir())) == 1
    assert world.docket.read(filed.filing_id)[Slot.BALLOT] == ()
    assert not step(world, "node", NODE, "never")
    assert len(world.docket.read(filed.filing_id)[Slot.BALLOT]) == 1
