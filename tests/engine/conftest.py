"""Pinned models that the tests share, made once for all workers of a run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from reperform.examples.mortgage.train import train_and_pin
from reperform.examples.sentence_encoder.pin import pin_encoder
from reperform.executor.model import PinnedModel

Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Two test workers share two cores; no result depends on it."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def wheels() -> Path:
    """Where `make demo` keeps its wheels too."""
    return Path(__file__).parents[2] / ".cache" / "wheels"


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once(name, make)` calls make(path) in one worker; the others wait for the same path."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def run(name: str, make: Callable[[Path], object]) -> Path:
        path = shared / name
        with _alone(shared / f"{name}.lock"):
            if not path.exists():
                make(path)
        return path

    return run


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def mortgage(once: Once, wheels: Path) -> Path:
    """The pinned mortgage scorer."""
    return once("mortgage", lambda path: train_and_pin(path, cache=wheels))


@pytest.fixture(scope="session")
def encoder(once: Once, wheels: Path) -> Path:
    """The pinned sentence encoder."""
    return once("encoder", lambda path: pin_encoder(path, cache=wheels))


@pytest.fixture(scope="session")
def scorer(mortgage: Path) -> PinnedModel:
    """The mortgage scorer, loaded."""
    return PinnedModel.load(mortgage)
