"""Stores in both databases, and worlds that are kept in one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from reperform.consensus.admission import Admission
from reperform.consensus.store.engine import open_engine
from reperform.consensus.store.store import Quota, Store
from reperform.tests.docket.postgres import Server
from reperform.tests.world import DOCKET, World


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL server. Fails, and says what to install, where there is none."""
    with Server.started() as started:
        yield started.url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'docket.sqlite'}"
    url: str = request.getfixturevalue("server")
    name = f"docket_{secrets.token_hex(8)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return url.rpartition("/")[0] + "/" + name


MakeWorld = Callable[..., World]


@pytest.fixture
def kept(tmp_path: Path) -> MakeWorld:
    """A world whose docket is a store in this database."""

    def make(database: str, quota: Quota | None = None) -> World:
        world = World(tmp_path / "world")
        admission = Admission([world.roster], world.rings[DOCKET].signing.public.key_id)
        world.docket = Store(open_engine(database), admission, quota)
        world.keeper = world.keeper_of(DOCKET)
        return world

    return make
