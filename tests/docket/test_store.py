"""A docket in a database, in SQLite and in PostgreSQL: it keeps what it acknowledged, once, and in one order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from reperform.consensus.admission import CrowdedError
from reperform.consensus.docket import DocketError, Slot
from reperform.consensus.filer import Filer
from reperform.consensus.store import store as store_module
from reperform.consensus.store.engine import StoreError, open_engine, reading, writing
from reperform.consensus.store.store import Quota, Store
from reperform.consensus.store.tables import metadata
from reperform.evidence.ballot import Ballot
from reperform.evidence.digest import Digest
from reperform.evidence.dsse import Envelope
from reperform.evidence.tally import Verdict
from reperform.tests.docket.conftest import MakeWorld
from reperform.tests.protocol.play import edited
from reperform.tests.world import PANEL, World
from sqlalchemy import text


def store_of(world: World) -> Store:
    return cast("Store", world.docket)


def test_a_case_is_decided_on_it(database: str, kept: MakeWorld) -> None:
    world = kept(database)
    for answer, verdict in ((None, Verdict.UPHELD), (edited, Verdict.REFUTED)):
        decision = world.decision() if answer is None else world.decision(answer)
        proceeding, filed, _ = world.run(decision, world.nodes(), rounds=8)
        assert proceeding.tally().verdict is verdict
        assert proceeding.refused == ()
        assert len(world.docket.read(filed.filing_id)[Slot.ATTESTATION]) == 3


def test_the_same_document_is_one_document_after_a_restart_too(database: str, kept: MakeWorld) -> None:
    world = kept(database)
    filed, filer = world.file(world.decision())
    before = store_of(world).position()
    filer.file()
    again = Store(open_engine(database), store_of(world)._admission)
    again.post(filed.filing_id, {Slot.FILING: filed.filing})
    assert again.position() == before == 2
    assert again.read(filed.filing_id) == world.docket.read(filed.filing_id)


def test_changes_are_told_once_in_their_order_and_a_page_at_a_time(
    database: str, kept: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_LATER", store_module._LATER.limit(2))
    world = kept(database)
    filed = [world.file(world.decision(income=str(i)))[0].filing_id for i in range(3)]
    first = world.docket.changes(0)
    assert first.filings == tuple(filed[:2])
    second = world.docket.changes(first.position)
    assert second.filings == (filed[2],)
    assert world.docket.changes(second.position) == type(second)(second.position, ())
    world.keeper.step(world.now)
    assert world.docket.changes(second.position).filings == (filed[0], filed[1])


def test_a_receipt_alone_is_no_change(database: str, kept: MakeWorld) -> None:
    world = kept(database)
    filed = world.filing(world.decision())
    world.docket.post(filed.filing_id, {Slot.RECEIPT: filed.decision.receipt})
    assert world.docket.changes(0).filings == ()
    world.docket.post(filed.filing_id, {Slot.FILING: filed.filing})
    assert world.docket.changes(0).filings == (filed.filing_id,)


def test_who_knows_a_later_position_than_the_database_begins_anew(database: str, kept: MakeWorld) -> None:
    """As after a backup was restored."""
    world = kept(database)
    filed, _ = world.file(world.decision())
    assert world.docket.changes(10**12).filings == (filed.filing_id,)
    assert world.docket.changes(10**12).position == store_of(world).position()


def test_no_reader_misses_what_many_post_at_once(database: str, kept: MakeWorld) -> None:
    """Positions are given in the order in which they become visible."""
    world = kept(database)
    decisions = [world.filing(world.decision(income=str(i))) for i in range(24)]
    stores = [store_of(world), Store(open_engine(database), store_of(world)._admission)]  # as two processes would
    seen: set[Digest] = set()
    position = 0
    with ThreadPoolExecutor(8) as pool:

        def file(number: int) -> None:
            stores[number % 2].post(decisions[number].filing_id, {Slot.RECEIPT: decisions[number].decision.receipt})
            stores[number % 2].post(decisions[number].filing_id, {Slot.FILING: decisions[number].filing})

        running = [pool.submit(file, number) for number in range(len(decisions))]
        while not all(task.done() for task in running) or position != store_of(world).position():
            changes = world.docket.changes(position)
            assert changes.position >= position
            seen |= set(changes.filings)
            position = changes.position
        for task in running:
            task.result()
    assert seen == {filed.filing_id for filed in decisions}


def test_a_document_posted_by_many_at_once_is_there_once(database: str, kept: MakeWorld) -> None:
    world = kept(database)
    filed = world.filing(world.decision())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: world.docket.post(filed.filing_id, {Slot.RECEIPT: filed.decision.receipt}), range(16)))
    assert len(world.docket.read(filed.filing_id)[Slot.RECEIPT]) == 1


def test_an_author_contradicts_itself_once_and_no_more(database: str, kept: MakeWorld) -> None:
    world = kept(database)
    filed, filer = world.file(world.decision())
    for _ in range(2):
        proceeding = world.round(filed.filing_id, filer, ())
    keys = world.rings[PANEL[0]]

    def ballot(number: int) -> Envelope:
        commitment = Digest(bytes([number]) * 32)
        return Envelope.sign(Ballot(proceeding.case_id, keys.signing.public.key_id, commitment), keys.signers)

    for number in (1, 2, 1, 2):
        world.docket.post(filed.filing_id, {Slot.BALLOT: ballot(number)})
    with pytest.raises(CrowdedError, match="the author has 2 documents in the slot ballot"):
        world.docket.post(filed.filing_id, {Slot.BALLOT: ballot(3)})
    world.node(PANEL[1]).step(world.now)
    assert len(world.docket.read(filed.filing_id)[Slot.BALLOT]) == 3


def test_a_key_and_a_receipt_are_filed_as_often_as_they_may(database: str, kept: MakeWorld) -> None:
    world = kept(database, Quota(filings_per_filer=2, filings_per_receipt=1))
    decision = world.decision()
    world.file(decision)
    with pytest.raises(CrowdedError, match="this receipt was filed as often as it may be"):
        world.file(decision)
    world.file(world.decision(income="2"))
    refused = world.filing(world.decision(income="3"))
    with pytest.raises(CrowdedError, match="this key has filed as often as it may"):
        Filer(world.docket, world.filer_keys, refused).file()
    assert world.docket.read(refused.filing_id) == dict.fromkeys(Slot, ())  # nor is its receipt kept


def test_the_migrations_make_the_tables_that_the_code_expects(database: str) -> None:
    engine = open_engine(database)
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    open_engine(database)  # and a second start changes nothing


def test_a_database_of_a_later_version_is_refused(database: str) -> None:
    engine = open_engine(database)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'v999'"))
    with pytest.raises(StoreError, match="made by a later version of reperform; install that version"):
        open_engine(database)


def test_every_commit_waits_for_the_disk(database: str) -> None:
    engine = open_engine(database)
    question = {"sqlite": "PRAGMA synchronous", "postgresql": "SHOW synchronous_commit"}[engine.dialect.name]
    with reading(engine) as connection:
        assert connection.exec_driver_sql(question).scalar() in (2, "on")  # 2 is FULL


@pytest.mark.parametrize("url", ["docket.sqlite", "sqlite://", "sqlite:///:memory:", "mysql://localhost/docket"])
def test_other_databases_are_refused_with_a_next_step(url: str) -> None:
    with pytest.raises(StoreError, match="write sqlite:///FILE or postgresql://HOST/NAME"):
        open_engine(url)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/docket.sqlite", "postgresql://nobody:hunter2@127.0.0.1:1/none"])
def test_a_database_that_is_not_there_is_an_error_that_shows_no_password(url: str) -> None:
    with pytest.raises(DocketError, match="database refuses: OperationalError; see that it runs") as raised:
        open_engine(url)
    assert "hunter2" not in str(raised.value)
