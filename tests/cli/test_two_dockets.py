"""A dispute is filed with one docket of the roster, by name where there are several."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.evidence.case import Filing
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Node, Organisation, OrganisationRole
from reperform.evidence.times import LATEST
from reperform.tests.cli.run import refused, reperform
from reperform.tests.world import DOCKET, MANIFEST, World

SECOND = "Second Office"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A roster with two dockets, in force whenever this runs, and a decision under it."""
    world = World(tmp_path / "world")
    world.rings[SECOND] = KeyRing.generate()
    second = Organisation(SECOND, OrganisationRole.DOCKET, (Node.of(SECOND, world.rings[SECOND]),))
    organisations = (*world.roster.organisations, second)
    world.roster = replace(world.roster, organisations=organisations, valid_until=LATEST)
    (tmp_path / "roster.dsse").write_bytes(to_bytes(Envelope.sign(world.roster, world.root[:2])))
    (tmp_path / "roots.json").write_text(world.roots.to_json())
    (tmp_path / "manifest.msgpack").write_bytes(to_bytes(MANIFEST))
    (tmp_path / "my.decision").write_bytes(to_bytes(world.decision()))
    (tmp_path / "my.decision").chmod(0o600)
    return world


def dispute(at: Path, *options: str) -> subprocess.CompletedProcess[str]:
    files = ("--docket", "world/docket", "--manifest", "manifest.msgpack", "--state", "state", "--out", "my.pack")
    trust = ("--roster", "roster.dsse", "--roots", "roots.json")
    return reperform("dispute", "file", "my.decision", *files, *trust, "--timeout", "1", *options, at=at)


def test_the_docket_must_be_named_if_the_roster_has_several(world: World, tmp_path: Path) -> None:
    for options in ((), ("--filed-with", "Nobody")):
        message = refused(dispute(tmp_path, *options))
        assert f"has the dockets '{DOCKET}', '{SECOND}'" in message
        assert "with --filed-with" in message
    assert not (tmp_path / "state").exists()
    assert dispute(tmp_path, "--filed-with", SECOND).returncode == 3  # nobody has opened it yet
    (name,) = (path.name for path in world.folder.joinpath("docket").iterdir())
    (path,) = world.folder.joinpath("docket", name, "filing").iterdir()
    filing = from_bytes(Envelope, path.read_bytes()).parse(Filing)
    assert filing.docket == world.rings[SECOND].signing.public.key_id
