"""A world for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from reperform.tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A bank, a docket and three replaying organisations, two of which are a quorum."""
    return World(tmp_path)
