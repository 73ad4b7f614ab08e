"""The executor's journal: no number is lost, used twice or skipped, whatever happens to the process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from reperform.consensus.log.committed import read_committed
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.sequencer import create
from reperform.evidence.accounts import Accounts
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import payload_type
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.receipt import Abandonment, AbandonReason, Receipt, open_abandonment, open_receipt
from reperform.evidence.roster import Log, RosterRefusedError
from reperform.executor.journal import Entry, Journal, JournalError
from reperform.tests.protocol.executors import ORIGIN, executor_of, tree_hash, vault_of
from reperform.tests.room import within
from reperform.tests.world import BANK, START, World

SCRIPT: Final = Path(__file__).with_name("killed_executor.py")
BATCH: Final = 2


def decide(world: World, statement: int | str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Decide one batch in a process that is killed at a statement, or cannot write files beyond `limit` bytes."""
    command = [sys.executable, str(SCRIPT), str(world.folder), str(statement), str(BATCH)]
    return subprocess.run(within(limit, command), capture_output=True, text=True, check=False)


@pytest.fixture
def bank(world: World) -> World:
    """A world whose bank can be started from disk."""
    world.rings[BANK].write(world.folder / "bank.key")
    log = KeyRing.generate()
    log.write(world.folder / "log.key")
    world.roster = replace(world.roster, log=Log(ORIGIN, log.signing.public, None))
    create(FolderStorage(world.folder / "log"), ORIGIN, log.signing)
    (world.folder / "roster").write_bytes(to_bytes(world.roster))
    vault_of(world.folder).__exit__(None, None, None)
    return world


def read(world: World) -> list[Entry]:
    """All settled numbers; there must be no open one."""
    with Journal(world.folder / "journal", world.rings[BANK].signing.public.key_id) as journal:
        assert journal.open_reservations() == ()
        return list(journal.entries())


def test_killed_at_every_step_every_number_is_accounted_for_once_everywhere(bank: World) -> None:
    done = decide(bank, "every")
    assert done.returncode == 0, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    handed_out = {int(line[0]): line[1] for line in said if len(line) > 1}
    assert len(handed_out) == sum(len(line) > 1 for line in said)
    assert said.count(["killed"]) > 60
    assert said[-1] == ["alive"]
    assert decide(bank, 0).returncode == 0
    entries = read(bank)
    assert [entry.sequence for entry in entries] == list(range(len(entries)))
    receipts, abandoned = {}, 0
    with vault_of(bank.folder) as vault:
        openings = {kept.decision: kept for kept in vault.everything()}
        for entry in entries:
            if not entry.abandoned:
                signed = open_receipt(entry.envelope, bank.roster)
                assert signed.document.sequence == entry.sequence
                receipts[entry.sequence] = entry.envelope.payload.hex()
                file = vault.read(openings.pop(signed.document.decision))
                assert file.receipt == entry.envelope
            else:
                given_up = open_abandonment(entry.envelope, bank.roster).document
                assert (given_up.sequence, given_up.reason) == (entry.sequence, AbandonReason.CRASHED)
                abandoned += 1
        assert vault.holdings(START).erased == 0  # what was signed was not abandoned after
    assert openings == {}  # none that nobody knows of
    assert handed_out.items() <= receipts.items()
    assert abandoned >= BATCH
    assert len(receipts) > len(handed_out)  # of who was killed between signing and handing out
    decisions = [_decision(entry) for entry in entries]
    assert len(set(decisions)) == len(decisions)
    _check_log(bank, entries)


def _check_log(bank: World, entries: list[Entry]) -> None:
    """Every settled number stands in the log once, where the journal says; by the log alone all are accounted for."""
    log = FolderStorage(bank.folder / "log")
    _, committed = read_committed(log, ORIGIN, [KeyRing.read(bank.folder / "log.key").signing.public])
    logged = list(Prover(log).entries(0, committed.size))
    assert sorted(entry.index or 0 for entry in entries) == list(range(committed.size))
    assert {entry.index: to_bytes(entry.envelope) for entry in entries} == dict(enumerate(logged))
    accounts = Accounts(ORIGIN, [bank.roster], lambda size: tree_hash(logged[:size]))
    findings = [finding for index, entry in enumerate(logged) for finding in accounts.take(index, entry).findings]
    assert (findings, list(accounts.missing())) == ([], [])
    assert accounts.decisions + accounts.abandonments == len(entries)


def _issued(entry: Entry) -> Receipt | Abandonment:
    return entry.envelope.parse(Abandonment) if entry.abandoned else entry.envelope.parse(Receipt)


def _decision(entry: Entry) -> bytes:
    return _issued(entry).decision


def test_a_second_process_is_refused_while_the_first_one_works(bank: World) -> None:
    with Journal(bank.folder / "journal", bank.rings[BANK].signing.public.key_id) as journal:
        reserved = journal.reserve(1)
        done = decide(bank, 0)
        assert done.returncode != 0
        assert "is in use by another process; one executor at a time; stop the other" in done.stderr
        assert done.stdout == ""
        assert journal.open_reservations() == reserved
    assert decide(bank, 0).returncode == 0
    assert [entry.sequence for entry in read(bank)] == [0, 1, 2]


def test_a_second_journal_in_the_same_process_is_refused_too(bank: World) -> None:
    key = bank.rings[BANK].signing.public.key_id
    with Journal(bank.folder / "journal", key), pytest.raises(JournalError, match="in use"):
        Journal(bank.folder / "journal", key)


def test_a_journal_of_another_key_is_refused_and_not_locked(bank: World) -> None:
    assert decide(bank, 0).returncode == 0
    with pytest.raises(JournalError, match="belongs to another executor key; give each key"):
        Journal(bank.folder / "journal", KeyRing.generate().signing.public.key_id)
    assert len(read(bank)) == BATCH


def test_a_wrong_key_that_takes_no_number_leaves_a_fresh_journal_to_the_right_one(bank: World) -> None:
    stranger, place = KeyRing.generate(), bank.folder / "journal"
    own = bank.rings[BANK]
    bank.roster = replace(bank.roster, log=None)
    with vault_of(bank.folder) as vault:
        bank.rings[BANK] = stranger
        with Journal(place, stranger.signing.public.key_id) as journal, pytest.raises(RosterRefusedError):
            executor_of(bank, journal, vault)
        bank.rings[BANK], bank.now, moment = own, bank.roster.valid_until + 1, bank.now
        with Journal(place, own.signing.public.key_id) as journal, pytest.raises(RosterRefusedError):
            executor_of(bank, journal, vault)
    bank.now = moment
    assert decide(bank, 0).returncode == 0
    assert len(read(bank)) == BATCH
    with pytest.raises(JournalError, match="belongs to another executor key"):
        Journal(place, stranger.signing.public.key_id)


def test_the_first_number_makes_a_journal_its_keys(bank: World) -> None:
    place, key = bank.folder / "journal", bank.rings[BANK].signing.public.key_id
    with Journal(place, key) as journal:
        journal.reserve(1)
    with pytest.raises(JournalError, match="belongs to another executor key"):
        Journal(place, KeyRing.generate().signing.public.key_id)
    with Journal(place, key) as journal:
        assert len(journal.open_reservations()) == 1


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to look like a file" * 100, b"SQLite format 3\0"]
)
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(bank: World, content: bytes) -> None:
    (bank.folder / "journal").write_bytes(content)
    with pytest.raises(JournalError, match="cannot be used as a journal"):
        Journal(bank.folder / "journal", bank.rings[BANK].signing.public.key_id)
    assert (bank.folder / "journal").read_bytes() == content


def test_a_place_that_is_no_folder_is_refused(bank: World) -> None:
    with pytest.raises(JournalError, match="cannot be used as a journal"):
        Journal(bank.folder / "bank.key" / "journal", bank.rings[BANK].signing.public.key_id)


@pytest.mark.parametrize("room", [0, 4096, 16384, 40960, 61440])
def test_a_full_disk_gives_an_error_and_no_half_decision(bank: World, room: int) -> None:
    """The largest files here are those of the journal and of the vault; the limit is on each."""
    done = decide(bank, 0, limit=room)
    if done.returncode == 0:
        assert room > 40000
        assert len(read(bank)) == BATCH
        return
    assert any(f"{name}Error" in done.stderr for name in ("Journal", "Vault", "Storage")), done.stderr
    assert "Traceback" in done.stderr  # the command line, which this script is not, would print the last line
    assert done.stdout == ""
    assert decide(bank, 0).returncode == 0
    entries = read(bank)
    assert [entry.sequence for entry in entries] == list(range(len(entries)))
    assert [entry.envelope.payload_type for entry in entries[-BATCH:]] == [payload_type(Receipt)] * BATCH


def test_damage_in_the_file_is_an_error_of_the_journal(bank: World) -> None:
    assert decide(bank, 0).returncode == 0
    path = bank.folder / "journal"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE entry SET envelope = x'00' WHERE sequence = 1")
    database.close()
    with Journal(path, bank.rings[BANK].signing.public.key_id) as journal, pytest.raises(JournalError, match="damaged"):
        list(journal.entries())


def test_a_number_is_settled_once(bank: World) -> None:
    assert decide(bank, 0).returncode == 0
    settled = read(bank)
    with Journal(bank.folder / "journal", bank.rings[BANK].signing.public.key_id) as journal:
        (number,) = journal.reserve(1)
        assert number.sequence == BATCH
        for wrong in (settled[0], Entry(99, settled[0].envelope)):
            with pytest.raises(JournalError, match="is not reserved, or settled already"):
                journal.record([Entry(number.sequence, settled[0].envelope), wrong])
        assert journal.open_reservations() == (number,)  # all or none
        assert list(journal.entries()) == settled


def test_a_place_in_the_log_is_written_down_once_for_one_number(bank: World) -> None:
    assert decide(bank, 0).returncode == 0
    settled = read(bank)
    assert [entry.index for entry in settled] == [0, 1]
    with Journal(bank.folder / "journal", bank.rings[BANK].signing.public.key_id) as journal:
        (number,) = journal.reserve(1)
        for wrong in ({0: 2}, {number.sequence: 2}, {9: 2}):
            with pytest.raises(JournalError, match="cannot stand at index 2 of the log"):
                journal.place(wrong)
        journal.record([Entry(number.sequence, settled[0].envelope)])
        assert [entry.sequence for entry in journal.unlogged(10)] == [number.sequence]
        with pytest.raises(JournalError, match="number 2 cannot stand at index 1 of the log"):
            journal.place({number.sequence: 1})
        assert (journal.logged(), len(journal.unlogged(10))) == (2, 1)
        journal.place({number.sequence: 7})
        assert (journal.logged(), journal.unlogged(10)) == (8, ())


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_journal_of_another_version_is_refused_and_left_as_it_is(bank: World, version: int) -> None:
    path = bank.folder / "journal"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE entry (sequence INTEGER PRIMARY KEY, sealed_opening BLOB)")
        database.execute(f"PRAGMA user_version = {version}")
    database.close()
    with pytest.raises(JournalError, match="is no journal of version 2; run the version of reperform that made it"):
        Journal(path, bank.rings[BANK].signing.public.key_id)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT name FROM sqlite_schema").fetchall() == [("entry",)]
    database.close()
