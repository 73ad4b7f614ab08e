"""A node's database is brought up to date, by whichever process of the node begins first."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from reperform.replayer.database import VERSION, Database, DatabaseError

OPEN = "import sys, pathlib; from reperform.replayer.database import Database; Database(pathlib.Path(sys.argv[1]))"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of a node that last ran before it could be a witness."""
    database = Database(tmp_path)
    for table in ("cosigned", "suspects", "forks"):
        database.write(f"DROP TABLE {table}")
    database.write("INSERT INTO facts VALUES ('kept', x'01')")
    database.write("PRAGMA user_version = 1")
    database.close()
    return tmp_path


def test_an_older_database_is_brought_up_to_date_with_what_is_in_it(old: Path) -> None:
    database = Database(old)
    assert database.rows("PRAGMA user_version") == [(VERSION,)]
    assert database.rows("SELECT fact FROM facts WHERE name = 'kept'") == [(b"\x01",)]
    assert database.rows("SELECT * FROM cosigned") == []


def test_who_only_reads_an_older_database_is_told_to_start_the_node(old: Path) -> None:
    with pytest.raises(DatabaseError, match=r"is of version 1, .*; start the node, which brings it up to date"):
        Database(old, only_read=True)


def test_processes_that_begin_at_the_same_moment_make_one_database(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)]) for _ in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    assert Database(tmp_path).rows("PRAGMA user_version") == [(VERSION,)]


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with suppress(ZeroDivisionError), database.writing():
        database.write("INSERT INTO facts VALUES ('half', x'01')")
        _ = 1 / 0
    assert database.rows("SELECT * FROM facts") == []
    with pytest.raises(DatabaseError):
        database.write_all("INSERT INTO facts VALUES (?, ?)", [("half", b""), ("half", b"")])
    assert database.rows("SELECT * FROM facts") == []
    with database.writing():
        database.write("INSERT INTO facts VALUES ('whole', x'01')")
    assert Database(tmp_path).rows("SELECT name FROM facts") == [("whole",)]


def test_while_one_process_writes_no_other_does(tmp_path: Path) -> None:
    one, other = Database(tmp_path), Database(tmp_path)
    other.rows("PRAGMA busy_timeout = 1")
    with one.writing(), pytest.raises(DatabaseError, match="locked"), other.writing():
        pass
