"""A storage of a log does what its interface says, in a folder and in a bucket."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.objects import ObjectStorage
from reperform.consensus.log.storage import Storage, StorageError, SwappedError
from reperform.tests.log.s3 import Server

LIMIT = 2**20


def test_what_was_written_is_read_and_what_was_not_is_none(storage: Storage) -> None:
    files = {"tile/0/000": b"hashes", "tile/0/x001/234.p/7": b"other hashes", "checkpoint": b""}
    storage.write(files)
    assert {path: storage.read(path, LIMIT) for path in files} == files
    assert storage.read("tile/0/001", LIMIT) is None
    assert storage.read("tile/1/x001/234", LIMIT) is None


def test_many_files_are_written_at_once(storage: Storage) -> None:
    files = {f"tile/entries/{number:03}": secrets.token_bytes(1000) for number in range(100)}
    storage.write(files)
    assert {path: storage.read(path, LIMIT) for path in files} == files


def test_what_is_larger_than_a_reader_expects_is_refused(storage: Storage) -> None:
    storage.write({"checkpoint": bytes(101)})
    assert storage.read("checkpoint", 101) == bytes(101)
    with pytest.raises(StorageError, match="larger than 100 bytes"):
        storage.read("checkpoint", 100)


def test_a_swap_finds_what_it_expects_or_changes_nothing(storage: Storage) -> None:
    storage.swap("staged", None, b"first")
    with pytest.raises(SwappedError):
        storage.swap("staged", None, b"second")
    with pytest.raises(SwappedError):
        storage.swap("staged", b"firs", b"second")
    with pytest.raises(SwappedError):
        storage.swap("never", b"anything", b"second")
    assert storage.read("staged", LIMIT) == b"first"
    storage.swap("staged", b"first", b"a longer second")
    assert storage.read("staged", LIMIT) == b"a longer second"
    assert storage.read("never", LIMIT) is None


def test_a_folder_lists_its_own_files_and_none_below(storage: Storage) -> None:
    storage.write(dict.fromkeys(("tile/0/000", "tile/0/000.p/1", "tile/0/000.p/12", "tile/0/000.p1"), b"x"))
    assert list(storage.list("tile/0/000.p")) == ["tile/0/000.p/1", "tile/0/000.p/12"]
    assert list(storage.list("tile/0")) == ["tile/0/000", "tile/0/000.p1"]
    assert list(storage.list("tile/7")) == []


def test_what_was_deleted_is_gone_and_can_be_deleted_again(storage: Storage) -> None:
    storage.write({"staging/1": b"x"})
    storage.delete("staging/1")
    storage.delete("staging/1")
    assert storage.read("staging/1", LIMIT) is None


SWAPPING = """
import os, sys
from reperform.consensus.log.storage import SwappedError
from reperform.tests.log.conftest import storage_at
storage, won = storage_at(sys.argv[1]), 0
while (number := int((now := storage.read("staged", 100) or b"0 nobody").split()[0])) < 60:
    try:
        storage.swap("staged", now if number else None, b"%d %d" % (number + 1, os.getpid()))
        won += 1
    except SwappedError:
        pass
print(won)
"""


def test_of_many_who_swap_at_once_one_wins(place: str) -> None:
    command = [sys.executable, "-c", SWAPPING, place]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    won = [int(racer.communicate()[0]) for racer in racers]
    assert sum(won) == 60, won


def test_the_second_writer_of_a_folder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = FolderStorage(tmp_path), FolderStorage(tmp_path)
    with first.alone(), pytest.raises(StorageError, match="in use by another process"), second.alone():
        pass
    with second.alone():
        pass


def test_what_a_dead_writer_left_unfinished_is_deleted_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / "0123").write_bytes(b"half")
    with FolderStorage(tmp_path).alone():
        assert list((tmp_path / ".unfinished").iterdir()) == []


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "tile").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="cannot be written"):
        FolderStorage(tmp_path).write({"tile/0/000": b"x"})
    assert list((tmp_path / ".unfinished").iterdir() if (tmp_path / ".unfinished").exists() else ()) == []


def test_a_bucket_that_is_not_there_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match="that the bucket exists"):
        ObjectStorage("s3://nowhere/log").write({"checkpoint": b"x"})


@pytest.mark.parametrize("url", ["s3://", "s3:///key", "https://bucket/key", "s3://bucket/log?x=1"])
def test_what_is_no_address_of_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="s3://BUCKET/PREFIX"):
        ObjectStorage(url)


def test_a_store_that_ignores_conditions_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server.started("careless") as careless:
        for name, value in careless.environment.items():
            monkeypatch.setenv(name, value)
        for _ in range(2):
            with (
                pytest.raises(StorageError, match="does not honour conditional writes"),
                ObjectStorage(careless.place()).alone(),
            ):
                pass
