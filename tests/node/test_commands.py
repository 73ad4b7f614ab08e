"""`reperform node` as an administrator types it, over real processes and sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reperform.cli.trust import now
from reperform.consensus.client import HttpDocket
from reperform.consensus.conclusion import NoQuorumError, conclude
from reperform.consensus.filer import Filer
from reperform.consensus.proceeding import collect
from reperform.evidence.documents import from_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.enrolment import open_enrolment
from reperform.evidence.keyfile import KeyFileError, KeyRing
from reperform.evidence.roster import OrganisationRole
from reperform.evidence.tally import Verdict
from reperform.replayer.config import Config
from reperform.replayer.library import Library
from reperform.tests.cli.run import refused, reperform
from reperform.tests.docket.parties import Parties
from reperform.tests.node.decisions import decided
from reperform.tests.world import PANEL, World

INIT = ("node", "init", "node", "--docket", "https://docket.example", "--organisation", "Audit House")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_node_has_keys_a_configuration_and_a_request(world: World, tmp_path: Path) -> None:
    (tmp_path / "trusted.json").write_text(world.roots.to_json())
    done = reperform(*INIT, "--roots", "trusted.json", "--post-quantum", "--json", at=tmp_path)
    assert done.returncode == 0, done.stderr
    node = tmp_path / "node"
    assert mode(node / "node.key") == 0o600
    keys = KeyRing.read(node / "node.key")
    assert keys.post_quantum is not None
    envelope = from_bytes(Envelope, (node / "enrolment.dsse").read_bytes())
    request = open_enrolment(envelope, world.roster).document
    assert (request.organisation, request.role) == ("Audit House", OrganisationRole.REPLAYER)
    assert request.node.node_id == keys.signing.public.key_id
    assert json.loads(done.stdout)["id"] == str(request.node.node_id)
    assert len(envelope.signatures) == 2
    assert (node / "roots.json").read_text() == world.roots.to_json()
    config = Config.read(node / "node.toml")
    assert (config.docket, config.key, config.state) == ("https://docket.example", node / "node.key", node / "state")


def test_a_node_is_set_up_once(tmp_path: Path) -> None:
    assert reperform(*INIT, at=tmp_path).returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "node").iterdir()}
    assert "a node is set up once" in refused(reperform(*INIT, at=tmp_path))
    assert {path.name: path.read_bytes() for path in (tmp_path / "node").iterdir()} == before
    assert "roots.json does not exist" in refused(reperform("node", "run", "--config", "node/node.toml", at=tmp_path))


def test_root_keys_that_are_none_set_nothing_up(tmp_path: Path) -> None:
    (tmp_path / "roots.json").write_text("{}")
    assert "roots.json" in refused(reperform(*INIT, "--roots", "roots.json", at=tmp_path))
    assert not (tmp_path / "node").exists()


def test_an_encrypted_key_needs_its_password_to_run(world: World, tmp_path: Path) -> None:
    (tmp_path / "roots.json").write_text(world.roots.to_json())
    done = reperform(*INIT, "--roots", "roots.json", at=tmp_path, REPERFORM_KEY_PASSWORD="correct horse")
    assert done.returncode == 0
    assert "is encrypted; give its password" in refused(
        reperform("node", "run", "--config", "node/node.toml", at=tmp_path)
    )


def test_the_status_of_a_node_that_never_ran_says_so(world: World, tmp_path: Path) -> None:
    (tmp_path / "roots.json").write_text(world.roots.to_json())
    reperform(*INIT, "--roots", "roots.json", at=tmp_path)
    assert "this node has not run yet" in refused(
        reperform("node", "status", "--config", "node/node.toml", at=tmp_path)
    )
    assert not (tmp_path / "node" / "state").exists()


def test_a_key_that_systemd_shows_to_its_service_is_read_and_no_other_that_a_group_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "node.key"
    KeyRing.generate().write(path)
    path.chmod(0o440)
    with pytest.raises(KeyFileError, match="can be read by others"):
        KeyRing.read(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    KeyRing.read(path)
    path.chmod(0o444)
    with pytest.raises(KeyFileError, match="can be read by others"):
        KeyRing.read(path)


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "reperform.cli.main", "node", "run", "--config", str(folder / "node.toml")]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_a_node_that_is_killed_after_each_of_its_words_says_each_of_them_once(tmp_path: Path, pinned: Path) -> None:
    """The docket and the node are processes; the two others of the panel answer at once."""
    world = World(tmp_path / "world", now=now())
    parties = Parties(world, f"sqlite:///{tmp_path / 'docket.sqlite'}")
    folder = tmp_path / "node"
    try:
        url = parties.serve()
        key = world.folder / f"{PANEL[0]}.key"
        trust = ("--roots", world.folder / "roots.json", "--key", key, "--model", pinned)
        done = reperform("node", "init", folder, "--docket", url, "--organisation", PANEL[0], *trust, at=tmp_path)
        assert done.returncode == 0, done.stderr
        docket = HttpDocket(url)
        filed = world.filing(decided(world, pinned))
        filer = Filer(docket, world.filer_keys, filed)
        filer.file()
        world.docket = docket
        library = Library([pinned])
        others = [world.node(name, library.replay) for name in PANEL[1:]]
        mine = world.rings[PANEL[0]].signing.public.key_id
        node, kills, end = start(folder), 0, time.monotonic() + 150
        while time.monotonic() < end:
            proceeding = collect(docket, filed.filing_id, [world.roster])
            filer.step(proceeding)
            for other in others:
                other.step(now())
            said = [
                any(signed.document.node == mine for signed in proceeding.ballots),
                any(signed.document.node == mine for signed in proceeding.votes),
                any(mine == s.key_id for e in proceeding.attestations for s in e.signatures),
            ]
            if sum(said) > kills:
                node.send_signal(signal.SIGKILL)
                node.wait()
                kills, node = sum(said), start(folder)
            try:
                if len(conclude(proceeding).attestation.signatures) == len(PANEL) and kills == 3:
                    break
            except NoQuorumError:
                pass
            time.sleep(0.1)
        while (folder / "log").read_text().count("INFO running") <= kills and time.monotonic() < end:
            time.sleep(0.1)
        status = reperform("node", "status", "--config", folder / "node.toml", "--json", at=tmp_path)
        node.send_signal(signal.SIGTERM)
        assert node.wait(timeout=60) == 0
    finally:
        parties.stop()
    assert kills == 3, (folder / "log").read_text()
    assert proceeding.tally().verdict is Verdict.UPHELD
    assert (len(proceeding.ballots), len(proceeding.votes), proceeding.refused) == (3, 3, ())
    report = json.loads(status.stdout)
    assert (report["running"], report["roster"]["epoch"], len(report["models"])) == (True, 1, 1)
    assert sum(report["cases"].values()) == 1
