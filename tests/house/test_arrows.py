"""The arrows of the house: who may import whom. Read docs/architecture.md for the reasons."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from reperform.tests.house.layout import (
    PACKAGE,
    ROOT,
    Import,
    imports,
    modules,
    packages_declared,
    packages_on_disk,
    room_of,
)

# A folder may import from these, and from itself.
ARROWS: Final = {
    "": {"evidence"},
    "evidence": set(),
    "executor": {"evidence"},
    "consensus": {"evidence"},
    "replayer": {"evidence", "executor", "consensus"},
    "examples": {"evidence", "executor"},
    "cli": {"", "evidence", "executor", "consensus", "replayer", "examples"},
}
BASE: Final = {"cryptography", "msgpack"}  # what evidence needs; besides, the standard library
TIMESTAMPS: Final = Path("evidence/timestamp.py")  # imports its extra when it is called
SERVERS_DATABASES: Final = {"sqlalchemy", "alembic", "psycopg"}
DATABASES: Final = {"sqlite3", "dbm"} | SERVERS_DATABASES
HTTP_SERVERS: Final = {"fastapi", "starlette", "uvicorn", "prometheus_client"}
HTTP_CLIENTS: Final = {"httpx", "requests", "urllib3"}
# Of a docket, of models, of logs and witnesses, of time-stamps, and of whoever must know of an audit.
CLIENTS: Final = {
    Path("consensus/client.py"),
    Path("replayer/source.py"),
    Path("consensus/log/remote.py"),
    Path("consensus/log/timestamps.py"),
    Path("consensus/audit/schedule/webhook.py"),
}
SERVICES: Final = (
    "consensus/service",
    "consensus/log/service.py",
    "consensus/audit/service.py",
    "replayer/witness/service.py",
)
NUMERIC: Final = {"torch", "numpy", "numba", "safetensors", "tokenizers", "transformers"}
UNPICKLING: Final = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
# With a flag, in a process without network; and a reader that finds no classes.
UNPICKLERS: Final = frozenset(
    Path(path)
    for path in (
        "executor/pinning/confined.py",
        "executor/pinning/unpickle.py",
        "executor/pinning/unpickled.py",
        "examples/prompt_guard/published.py",
    )
)
RAY_ROOMS: Final = ("replayer/pool", "executor/serve")

Rule = Callable[[Import], bool]


def _against_the_arrows(found: Import) -> bool:
    room = room_of(found.path)
    return found.top == PACKAGE and found.room != room and found.room not in ARROWS[room]


def _absolute_inside(found: Import) -> bool:
    return found.top == PACKAGE and not found.relative


def _evidence_needs_more(found: Import) -> bool:
    allowed = BASE | {PACKAGE} | (set(sys.stdlib_module_names) - DATABASES)
    if found.path == TIMESTAMPS:
        allowed |= {"rfc3161_client"}
    return room_of(found.path) == "evidence" and found.top not in allowed


def _consensus_computes(found: Import) -> bool:
    return room_of(found.path) == "consensus" and found.top in NUMERIC


def _ray_outside_the_pool(found: Import) -> bool:
    return found.top == "ray" and not found.path.as_posix().startswith(RAY_ROOMS)


def _database_outside_the_store(found: Import) -> bool:
    return found.top in SERVERS_DATABASES and not found.path.is_relative_to("consensus/store")


def _http_outside_the_services(found: Import) -> bool:
    return found.top in HTTP_SERVERS and not any(found.path.is_relative_to(place) for place in SERVICES)


def _unnamed_http_client(found: Import) -> bool:
    return found.top in HTTP_CLIENTS and found.path not in CLIENTS


def _unpickles(found: Import) -> bool:
    return found.top in UNPICKLING and found.path not in UNPICKLERS


RULES: Final = {
    "imports follow the arrows": _against_the_arrows,
    "imports inside the package are relative": _absolute_inside,
    "evidence needs cryptography and msgpack only": _evidence_needs_more,
    "consensus does not compute": _consensus_computes,
    "ray stays in the pool": _ray_outside_the_pool,
    "the docket's database stays in its store": _database_outside_the_store,
    "the HTTP server stays in the services": _http_outside_the_services,
    "named modules are clients over HTTP": _unnamed_http_client,
    "only named modules unpickle": _unpickles,
}

# One line that breaks each rule, and where it stands.
BROKEN: Final = [
    ("imports follow the arrows", "evidence/new.py", "from ..executor import graph"),
    ("imports follow the arrows", "evidence/new.py", "from .. import consensus"),
    ("imports follow the arrows", "executor/arithmetic/new.py", "from ...consensus.docket import Docket"),
    ("imports follow the arrows", "consensus/new.py", "from ..executor.journal import Journal"),
    ("imports follow the arrows", "consensus/new.py", "def f():\n    from ..replayer import node"),
    ("imports follow the arrows", "executor/new.py", "from ..replayer.node import Node"),
    ("imports follow the arrows", "replayer/new.py", "from ..cli import main"),
    ("imports follow the arrows", "examples/new.py", "from ..replayer import node"),
    ("imports follow the arrows", "__init__.py", "from .executor import model"),
    ("imports inside the package are relative", "cli/new.py", "import reperform.evidence.keys"),
    ("imports inside the package are relative", "evidence/new.py", "from reperform.evidence import keys"),
    ("evidence needs cryptography and msgpack only", "evidence/new.py", "import torch"),
    ("evidence needs cryptography and msgpack only", "evidence/new.py", "def f():\n    import numpy.random"),
    ("evidence needs cryptography and msgpack only", "evidence/new.py", "import sqlite3"),
    ("evidence needs cryptography and msgpack only", "evidence/new.py", "from ray.util import placement"),
    ("evidence needs cryptography and msgpack only", "evidence/new.py", "import typer"),
    ("evidence needs cryptography and msgpack only", "evidence/new.py", "import rfc3161_client"),
    ("evidence needs cryptography and msgpack only", "evidence/timestamp.py", "import httpx"),
    ("consensus does not compute", "consensus/new.py", "from torch import Tensor"),
    ("consensus does not compute", "consensus/new.py", "import numpy as np"),
    ("ray stays in the pool", "executor/new.py", "import ray"),
    ("ray stays in the pool", "replayer/node.py", "import ray"),
    ("the docket's database stays in its store", "consensus/new.py", "from sqlalchemy import select"),
    ("the docket's database stays in its store", "cli/new.py", "def f():\n    import psycopg"),
    ("the docket's database stays in its store", "consensus/service/new.py", "import alembic.config"),
    ("the HTTP server stays in the services", "consensus/store/new.py", "from fastapi import FastAPI"),
    ("the HTTP server stays in the services", "cli/new.py", "def f():\n    import uvicorn"),
    ("the HTTP server stays in the services", "consensus/log/new.py", "from starlette.routing import Route"),
    ("the HTTP server stays in the services", "replayer/witness/new.py", "from starlette.routing import Route"),
    ("named modules are clients over HTTP", "replayer/new.py", "import httpx"),
    ("named modules are clients over HTTP", "consensus/service/new.py", "from httpx import Client"),
    ("only named modules unpickle", "executor/new.py", "import pickle"),
]
ALLOWED: Final = [
    ("replayer/pool.py", "import ray"),
    ("executor/serve.py", "from ray import serve"),
    ("replayer/new.py", "from ..consensus.docket import Docket\nfrom ..executor.model import PinnedModel"),
    ("cli/demo/new.py", "from ...replayer.node import Node\nfrom ..output import tell"),
    ("executor/arithmetic/new.py", "from ...evidence.values import DType\nimport torch"),
    ("consensus/new.py", "import sqlite3\nfrom ..evidence.roster import Roster"),
    ("consensus/store/new.py", "import sqlalchemy\nfrom ...evidence.roster import Roster"),
    ("consensus/service/new.py", "from starlette.types import Scope"),
    ("consensus/client.py", "import httpx"),
    ("consensus/log/remote.py", "import httpx"),
    ("evidence/timestamp.py", "def f():\n    import rfc3161_client"),
    ("replayer/witness/service.py", "from starlette.routing import Route"),
    ("tests/new.py", "import pickle\nfrom reperform.evidence import keys"),
]


@pytest.mark.parametrize("name", RULES)
def test_the_house_keeps_the_rule(name: str) -> None:
    broken = [str(found) for found in imports() if RULES[name](found)]
    assert broken == []


@pytest.mark.parametrize(("name", "path", "line"), BROKEN)
def test_a_breach_of_the_rule_would_be_seen(tmp_path: Path, name: str, path: str, line: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(line)
    assert [found for found in imports(tmp_path) if RULES[name](found)]


@pytest.mark.parametrize(("path", "line"), ALLOWED)
def test_what_is_allowed_is_not_taken_for_a_breach(tmp_path: Path, path: str, line: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(line)
    assert [str(found) for found in imports(tmp_path) for rule in RULES.values() if rule(found)] == []


def test_every_folder_has_its_arrows() -> None:
    assert {room_of(path) for path in modules()} == ARROWS.keys()


def test_the_listed_packages_are_the_folders() -> None:
    assert set(packages_declared()) == packages_on_disk()
    assert packages_declared() == sorted(packages_declared())


def test_every_module_stands_in_a_package() -> None:
    folders = {".".join([PACKAGE, *path.parent.parts]) for path in modules()}
    assert folders == packages_on_disk()


def test_there_are_modules_to_look_at() -> None:
    assert len(modules()) > 60
    assert len(imports()) > 300
    assert (ROOT / "evidence" / "verify.py").is_file()
