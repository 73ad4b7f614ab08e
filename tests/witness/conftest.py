"""Scenes, and witnesses as processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from reperform.evidence.roster import Suite
from reperform.tests.witness.running import Processes
from reperform.tests.witness.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A world whose roster names a log."""
    return Scene.of(tmp_path)


@pytest.fixture(params=list(Suite))
def any_scene(tmp_path: Path, request: pytest.FixtureRequest) -> Scene:
    """The same, under each suite of algorithms."""
    return Scene.of(tmp_path, request.param)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """No process outlives its test."""
    found = Processes(tmp_path)
    yield found
    for name in list(found.started):
        found.kill(name)
