"""Models, jobs, and what Ray is told in tests: no usage reports, loopback alone, a token of this run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.audit.replays import Job
from reperform.evidence.documents import to_bytes
from reperform.evidence.receipt import Receipt
from reperform.evidence.values import Input, Record, Text
from reperform.examples.mortgage.data import applications
from reperform.examples.mortgage.train import record
from reperform.executor.model import PinnedModel
from reperform.tests.engine.conftest import encoder, mortgage, once, scorer, wheels
from reperform.tests.world import World

__all__ = ["encoder", "mortgage", "once", "scorer", "wheels"]

# Before Ray is imported, and for all processes that it starts.
os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
    RAY_AUTH_MODE="token",
    RAY_AUTH_TOKEN=secrets.token_hex(32),
    RAY_ENABLE_AUTO_CONNECT="0",
    RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S="1",
    RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S="5",
    RAY_CLIENT_RECONNECT_GRACE_PERIOD="3",
    RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S="5",
)

Jobs = Callable[[PinnedModel, Sequence[Input]], list[Job]]


@pytest.fixture(scope="session")
def jobs_of(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    """Jobs for a model, one for each input; their entries count from 0."""
    receipt = World(tmp_path_factory.mktemp("world")).decision().receipt.parse(Receipt)

    def make(model: PinnedModel, inputs: Sequence[Input]) -> list[Job]:
        named = replace(receipt, model=model.model_id)
        return [Job(entry, named, to_bytes(value)) for entry, value in enumerate(inputs)]

    return make


@pytest.fixture(scope="session")
def reader(encoder: Path) -> PinnedModel:
    """The sentence encoder, loaded."""
    return PinnedModel.load(encoder)


@pytest.fixture(scope="session")
def applicants(wheels: Path) -> list[Record]:
    """Records that the scorer takes."""
    return [record(row) for row in applications(wheels)]


@pytest.fixture(scope="session")
def texts() -> list[Text]:
    """Texts of many lengths."""
    return [Text(f"{'The income is too low. ' * (number % 7)}Case {number}.") for number in range(60)]
