"""What a node keeps for itself: private, whole, and no longer than it may."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from reperform.evidence.documents import to_bytes
from reperform.evidence.tally import Verdict
from reperform.evidence.values import DType, Output, Tensor
from reperform.replayer.database import FILE, Database, DatabaseError
from reperform.replayer.notebook import Notebook
from reperform.replayer.replay import Replayed
from reperform.tests.protocol.play import settle, verdict_of
from reperform.tests.world import PANEL, World, honest

NAME = PANEL[0]
SECRET = b"an output that only one person may see"


def secretive(*arguments: object) -> Replayed:
    """An output that can be searched for."""
    output = Output("approve", (Tensor("score", DType.BOOL, (len(SECRET),), SECRET),))
    return Replayed(to_bytes(output), honest(*arguments).trace)  # type: ignore[arg-type]


def large(*arguments: object) -> Replayed:
    """An output that needs room."""
    output = Output("approve", (Tensor("scores", DType.BOOL, (10**5,), bytes(10**5)),))
    return Replayed(to_bytes(output), honest(*arguments).trace)  # type: ignore[arg-type]


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_an_output_is_kept_while_the_case_lasts_and_then_erased_from_every_file(world: World) -> None:
    nodes = world.nodes({NAME: secretive})
    filed, filer = world.file(world.decision())
    world.round(filed.filing_id, filer, [])
    world.round(filed.filing_id, filer, nodes)
    folder, notebook = world.folder / NAME, Notebook(world.folder / NAME)
    assert SECRET in on_disk(folder)
    notebook.erase(world.now)
    assert SECRET in on_disk(folder)
    proceeding = settle(world, filed.filing_id, filer, nodes)
    assert verdict_of(proceeding) is Verdict.CONTESTED
    case = proceeding.case
    assert case is not None
    before = notebook.read(proceeding.case_id)
    assert before is not None
    assert SECRET in before.output
    notebook.erase(case.document.deadlines.attestation)
    assert not before.erased
    notebook.erase(case.document.deadlines.attestation + 1)
    assert SECRET not in on_disk(folder)
    after = notebook.read(proceeding.case_id)
    assert after is not None
    assert after.erased
    assert (after.vote, after.attestation, after.result) == (before.vote, before.attestation, before.result)


def test_an_output_that_was_read_while_it_was_to_be_erased_is_gone_at_the_next_round(world: World) -> None:
    filed, filer = world.file(world.decision())
    nodes = world.nodes({NAME: secretive})
    for _ in range(2):
        world.round(filed.filing_id, filer, nodes)
    folder = world.folder / NAME
    reader = sqlite3.connect(folder / FILE)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM pages").fetchall()
    notebook = Notebook(folder)
    notebook._database._connection.execute("PRAGMA busy_timeout = 50")
    notebook.erase(world.now + 10**6)
    assert SECRET in on_disk(folder)
    reader.close()
    notebook.erase(world.now + 10**6)
    assert SECRET not in on_disk(folder)


def test_a_clock_that_was_ahead_costs_the_vote_and_never_makes_a_wrong_one(world: World) -> None:
    filed, filer = world.file(world.decision())
    world.round(filed.filing_id, filer, world.nodes())
    Notebook(world.folder / NAME).erase(world.now + 10**6)
    proceeding = settle(world, filed.filing_id, filer, world.nodes())
    assert verdict_of(proceeding) is Verdict.UPHELD
    mine = world.rings[NAME].signing.public.key_id
    assert mine in {signed.document.node for signed in proceeding.listed_ballots()}
    assert mine not in {signed.document.node for signed in proceeding.votes}


def test_every_file_of_the_database_is_closed_to_others(world: World) -> None:
    filed, filer = world.file(world.decision())
    node = world.node(NAME)
    for _ in range(3):
        world.round(filed.filing_id, filer, [node])
    files = list((world.folder / NAME).iterdir())
    assert len(files) == 3  # the database, its log and the log's index
    assert [path for path in (*files, world.folder / NAME) if path.stat().st_mode & 0o077] == []


def test_a_page_of_another_case_is_refused(world: World) -> None:
    filed, filer = world.file(world.decision())
    for _ in range(3):
        proceeding = world.round(filed.filing_id, filer, world.nodes())
    folder = world.folder / NAME
    Database(folder).write("UPDATE pages SET name = ?", filed.filing_id.value)
    assert Notebook(folder).read(proceeding.case_id) is None
    with pytest.raises(DatabaseError, match="the page of another case; an old copy is no help"):
        Notebook(folder).read(filed.filing_id)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("UPDATE pages SET page = x'00'", "a page that is none"),
        ("DROP TABLE pages", "no such table"),
        (
            "PRAGMA user_version = 7",
            "is of version 7, and this is version 2; run the version of reperform that made it",
        ),
    ],
)
def test_a_damaged_database_is_an_error_with_a_next_step(damage: str, why: str, world: World) -> None:
    filed, filer = world.file(world.decision())
    for _ in range(3):
        proceeding = world.round(filed.filing_id, filer, world.nodes())
    Database(world.folder / NAME).write(damage)
    with pytest.raises(DatabaseError, match=why):
        Notebook(world.folder / NAME).read(proceeding.case_id)


def test_what_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"years of work" * 1000)
    with pytest.raises(DatabaseError, match="file is not a database; see that this user may write it"):
        Notebook(tmp_path)
    assert path.read_bytes() == b"years of work" * 1000


def test_a_node_whose_disk_is_full_posts_nothing(world: World) -> None:
    filed, filer = world.file(world.decision())
    node = world.node(NAME, large)
    world.round(filed.filing_id, filer, [])
    filer.step(world.proceeding(filed.filing_id))
    node._notebook._database._connection.execute("PRAGMA max_page_count = 1")
    ((name, cause),) = node.step(world.now)
    assert name == filed.filing_id
    assert "database or disk is full" in cause
    assert world.proceeding(filed.filing_id).ballots == ()
