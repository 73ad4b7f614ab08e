"""A world for each test, and a pinned model for all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reperform.evidence.inputs import NumberColumn, RecordInput
from reperform.evidence.rules import Threshold
from reperform.evidence.values import Record
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.pin import pin
from reperform.tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A bank, a docket and three replaying organisations, two of which are a quorum."""
    return World(tmp_path)


@pytest.fixture(scope="session")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real pinned model of the world's applications, small enough to be made in a moment."""
    torch.manual_seed(1)
    layers = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1), torch.nn.Flatten(0))
    folder = tmp_path_factory.mktemp("pinned") / "model"
    candidate = Candidate(
        name="a small model",
        module=layers,
        examples=[Record.of({"income": income}) for income in ("1000.0", "4000.0", "9000.5")],
        input=RecordInput((NumberColumn("income", "monthly income", "4000.0", "1000.0"),)),
        outputs=("score",),
        rule=Threshold("0.0", "approve", "decline"),
    )
    pin(candidate, folder)
    return folder
