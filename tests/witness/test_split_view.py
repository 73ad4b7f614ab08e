"""An operator shows two histories to two witnesses. All are processes, and what comes out is one file for strangers."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path

import httpx
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.roster import Suite
from reperform.evidence.tlog.fork import Fork
from reperform.replayer.config import Config
from reperform.tests.cli.run import refused, reperform
from reperform.tests.witness.operators import View
from reperform.tests.witness.running import Processes
from reperform.tests.witness.scene import ORIGIN, Scene
from reperform.tests.world import PANEL

AUDIT, UNION, _ = PANEL
HASHED = hashlib.sha256(ORIGIN.encode()).hexdigest()
SECONDS = 60  # after which a fork that should have been seen was not


def proof_at(url: str) -> bytes:
    """What a witness publishes as soon as it knows."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        answer = httpx.get(f"{url}/{HASHED}/fork")
        if answer.status_code == 200:
            return answer.content
        time.sleep(0.05)
    raise AssertionError("no fork was seen")


def test_a_split_view_is_detected_and_its_proof_is_one_file_that_anyone_can_check(
    tmp_path: Path, processes: Processes
) -> None:
    scene = Scene.of(tmp_path, Suite.ED25519_ML_DSA_44)
    scene.write()
    common = "a" * 260
    to_audit, to_union = View.of(scene, "to audit", common + "bcd"), View.of(scene, "to union", common + "x")
    log = processes.listen("log", "log", "serve", "--log", to_audit.folder)
    union = processes.listen(UNION, "node", "witness", "--config", scene.configure(UNION))
    config = scene.configure(AUDIT, log=log, witnesses=[union])
    audit = processes.listen(AUDIT, "node", "witness", "--config", config, "--interval", "0.2")
    for view, url in ((to_audit, audit), (to_union, union)):
        shown = view.submitted(url)
        assert (len(shown.signatures), shown.refusals) == (2, {})

    proof = proof_at(audit)
    grown = to_audit.grown("efg")
    assert grown.submitted(audit).refusals == {
        audit: "it answers 403: this log is proved to have forked, and is not cosigned any more"
    }
    assert "has forked" in processes.log(AUDIT)
    assert processes.stop(AUDIT) == 0
    assert processes.stop(UNION) == 0

    # The other one is told by the file, or looks for itself.
    status = reperform("node", "status", "--config", config, "--json", at=tmp_path)
    (told,) = json.loads(status.stdout)["witness"]["logs"]
    assert (told["origin"], told["forked"]) == (ORIGIN, True)
    done = reperform("node", "fork", "log.fork", "--config", config, at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log.fork").read_bytes() == proof

    # A stranger has the file, the root keys and nothing else.
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    shutil.copy(tmp_path / "log.fork", stranger)
    shutil.copy(tmp_path / "roots.json", stranger)
    shutil.rmtree(Config.read(config).state)
    done = reperform("verify", "log.fork", "--roots", "roots.json", at=stranger)
    assert done.returncode == 0, done.stderr
    assert f"PROVED: fork, by log {ORIGIN}" in done.stdout
    report = json.loads(reperform("verify", "log.fork", "--roots", "roots.json", "--json", at=stranger).stdout)
    assert report == {"verified": True, "fault": "fork", "log": ORIGIN, "sizes": [261, 263]}

    fork = from_bytes(Fork, proof)
    same = Fork(fork.rosters, fork.large, fork.large, None, ())
    (stranger / "log.fork").write_bytes(to_bytes(same))
    assert "one history" in refused(reperform("verify", "log.fork", "--roots", "roots.json", at=stranger))
    (stranger / "log.fork").write_bytes(proof.replace(b"\n261\n", b"\n260\n"))
    refused(reperform("verify", "log.fork", "--roots", "roots.json", at=stranger))
