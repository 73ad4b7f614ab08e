"""`reperform replay` as an auditor types it."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.receipt import DecisionFile
from reperform.executor.model import PinnedModel
from reperform.tests.cli.run import refused, reperform
from reperform.tests.node.conftest import pinned
from reperform.tests.node.decisions import decided, naming
from reperform.tests.world import World, model

__all__ = ["pinned"]

TRUST = ("--roster", "roster.dsse", "--roots", "roots.json")


@pytest.fixture
def world(tmp_path: Path, pinned: Path) -> World:
    """A folder with a roster, root keys, a model, and four decisions of it."""
    world = World(tmp_path / "world")
    (tmp_path / "roster.dsse").write_bytes(to_bytes(world.roster_envelope))
    (tmp_path / "roots.json").write_text(world.roots.to_json())
    (tmp_path / "model").symlink_to(pinned)
    for number, income in enumerate(("1000.0", "4211.50", "7000.0", "9000.5")):
        (tmp_path / f"{number}.decision").write_bytes(to_bytes(decided(world, pinned, income)))
    return world


@pytest.mark.usefixtures("world")
def test_decisions_that_match_end_with_status_0(tmp_path: Path) -> None:
    files = [f"{number}.decision" for number in range(4)]
    done = reperform("replay", *files, "--model", "model", *TRUST, at=tmp_path)
    assert (done.returncode, done.stdout) == (0, "4 MATCH, 0 MISMATCH, 0 INDETERMINATE\n"), done.stderr


def test_an_edited_answer_and_a_model_that_is_not_here_end_with_status_1(
    world: World, pinned: Path, tmp_path: Path
) -> None:
    edited = naming(world, PinnedModel.load(pinned).model_id)
    (tmp_path / "edited.decision").write_bytes(to_bytes(edited))
    (tmp_path / "foreign.decision").write_bytes(to_bytes(world.decision(model)))
    files = ("edited.decision", "1.decision", "foreign.decision")
    done = reperform("replay", *files, "--model", "model", *TRUST, "--json", at=tmp_path)
    said = json.loads(done.stdout)
    assert done.returncode == 1
    assert said["findings"] == {"MATCH": 1, "MISMATCH": 1, "INDETERMINATE": 1}
    assert [(item["decision"], item["finding"]) for item in said["decisions"]] == [
        ("edited.decision", "MISMATCH"),
        ("1.decision", "MATCH"),
        ("foreign.decision", "INDETERMINATE"),
    ]
    assert said["decisions"][0]["answer"] != said["decisions"][0]["claimed"]
    assert said["decisions"][2]["cause"].startswith("model: this pool has no copy of model")
    told = reperform("replay", *files, "--model", "model", *TRUST, at=tmp_path).stdout
    assert "MISMATCH      edited.decision: claimed decline" in told


def test_a_pool_of_processes_says_what_this_process_says(world: World, pinned: Path, tmp_path: Path) -> None:
    edited = naming(world, PinnedModel.load(pinned).model_id)
    (tmp_path / "edited.decision").write_bytes(to_bytes(edited))
    command = ("replay", "edited.decision", "0.decision", "1.decision", "--model", "model", *TRUST, "--json")
    inline = reperform(*command, at=tmp_path)
    alone = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    local = reperform(*command, "--pool", "local", "--workers", "1", at=tmp_path, **alone)
    assert (local.returncode, local.stdout) == (inline.returncode, inline.stdout), local.stderr
    assert json.loads(local.stdout)["findings"] == {"MATCH": 2, "MISMATCH": 1, "INDETERMINATE": 0}
    assert local.stderr == ""


@pytest.mark.usefixtures("world")
def test_what_is_no_opening_of_its_receipt_is_bad_input(tmp_path: Path) -> None:
    one, other = (from_bytes(DecisionFile, (tmp_path / f"{n}.decision").read_bytes()) for n in (0, 1))
    (tmp_path / "swapped.decision").write_bytes(to_bytes(replace(one, opening=other.opening)))
    options = ("--model", "model", *TRUST)
    assert refused(reperform("replay", "1.decision", "swapped.decision", *options, at=tmp_path)).startswith(
        "swapped.decision: the key is not the one"
    )
    stranger = World(tmp_path / "stranger")
    (tmp_path / "stranger.decision").write_bytes(to_bytes(stranger.decision()))
    told = refused(reperform("replay", "stranger.decision", *options, at=tmp_path))
    assert "which the receipt names, is not at hand" in told


@pytest.mark.usefixtures("world")
def test_what_is_no_pool_or_no_model_is_bad_input(tmp_path: Path) -> None:
    command = ("replay", "1.decision", *TRUST, "--model")
    assert "is no pool" in refused(reperform(*command, "model", "--pool", "cloud", at=tmp_path))
    assert "cannot be read" in refused(reperform(*command, "nowhere", at=tmp_path))
    assert "cannot be read" in refused(reperform(*command, "nowhere", "--pool", "local", at=tmp_path))
