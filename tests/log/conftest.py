"""Logs in both kinds of storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.objects import ObjectStorage
from reperform.consensus.log.storage import Storage
from reperform.evidence.keyfile import KeyRing
from reperform.tests.log.s3 import Server

ORIGIN = "log.example/decisions"


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log's key file."""
    path = tmp_path_factory.mktemp("keys") / "log.key"
    KeyRing.generate().write(path)
    return path


@pytest.fixture(scope="session")
def keys(key: Path) -> KeyRing:
    """The log's keys."""
    return KeyRing.read(key)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """An S3-compatible store."""
    with Server.started() as started:
        yield started


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a log is not yet."""
    if request.param == "folder":
        return str(tmp_path / "log")
    server: Server = request.getfixturevalue("server")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server.place()


def storage_at(place: str) -> Storage:
    """The storage of this place."""
    return ObjectStorage(place) if place.startswith("s3://") else FolderStorage(Path(place))


@pytest.fixture
def storage(place: str) -> Storage:
    """A storage with nothing in it."""
    return storage_at(place)
