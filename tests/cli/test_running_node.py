"""A node as a process: it answers a case, speaks JSON if asked, and stops when told."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from reperform.tests.cli.conftest import Demo
from reperform.tests.cli.run import ROOT, reperform

BANK = "demo/parties/harbour-bank"
TRUST = ("--roster", "demo/roster.dsse", "--roots", "demo/roots.json")


def start(demo: Demo, log: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "reperform.cli.main", *map(str, arguments), "--json"]
    with log.open("wb") as stream:
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, cwd=demo.home, stderr=stream, env=env)


def set_up(demo: Demo, folder: Path, party: str, docket: str | Path) -> None:
    """A node of one of the demonstration's parties, with another docket."""
    own = ("--key", f"demo/parties/{party}/node.key", "--model", f"{BANK}/model")
    done = reperform("node", "init", folder, "--docket", docket, "--organisation", party, *own, *TRUST, at=demo.home)
    assert done.returncode == 0, done.stderr


def test_two_of_three_nodes_uphold_a_decision_and_every_party_stops_when_told(demo: Demo, tmp_path: Path) -> None:
    """The third never appears: at its deadline the docket closes the ballots without it."""
    docket, key = tmp_path / "docket", "demo/parties/docket-office/node.key"
    docket.mkdir()
    keep = ("--docket", docket, "--key", key, *TRUST)
    running = [start(demo, tmp_path / "docket.log", "docket", "run", *keep, "--step", "8")]
    for party in ("audit-house", "consumer-union"):
        set_up(demo, tmp_path / party, party, docket)
        config = ("--config", tmp_path / party / "node.toml")
        running.append(start(demo, tmp_path / f"{party}.log", "node", "run", *config))
    try:
        shutil.copy(demo.folder / "applicants" / "upheld.decision", tmp_path / "my.decision")
        where = ("--docket", docket, "--manifest", f"{BANK}/model/manifest.msgpack", "--state", tmp_path / "state")
        proof = ("--inclusion", demo.folder / "applicants" / "upheld.tlog-proof")
        done = reperform(
            "dispute",
            "file",
            tmp_path / "my.decision",
            *proof,
            *where,
            "--out",
            tmp_path / "my.pack",
            *TRUST,
            "--json",
            at=demo.home,
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["verdict"] == "UPHELD"
        assert report["signed_by"] == ["Audit House", "Consumer Union"]
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        statuses = [process.wait(timeout=30) for process in running]
    assert statuses == [0, 0, 0]
    events = [json.loads(line) for line in (tmp_path / "audit-house.log").read_text().splitlines()]
    said = " ".join(event["event"] for event in events)
    assert "self-test passed" in said
    assert said.index("posted ballot") < said.index("MATCH") < said.index("posted attestation")
    assert not (tmp_path / "finance-authority").exists()


def test_two_processes_cannot_be_one_node(demo: Demo, tmp_path: Path) -> None:
    set_up(demo, tmp_path, "audit-house", "demo/docket")
    (tmp_path / "state").mkdir()
    with (tmp_path / "state" / ".node").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = reperform("node", "run", at=tmp_path)
    assert done.returncode == 2
    assert "in use by another process" in done.stderr


def another_machine(folder: Path) -> Path:
    """A path with this package, as it is, where one known answer is another: a machine that computes something else."""
    package = folder / "reperform"
    (package / "executor").mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name != "executor":
            (package / path.name).symlink_to(path)
    for path in (ROOT / "executor").iterdir():
        if path.name != "selftest.json":
            (package / "executor" / path.name).symlink_to(path)
    answers = json.loads((ROOT / "executor" / "selftest.json").read_text())
    answers["aten.exp.default"] = answers["aten.tanh.default"]
    (package / "executor" / "selftest.json").write_text(json.dumps(answers))
    return folder


def test_a_node_whose_machine_computes_something_else_does_not_vote_and_says_so(demo: Demo, tmp_path: Path) -> None:
    set_up(demo, tmp_path / "node", "audit-house", demo.folder / "docket")
    machine = another_machine(tmp_path / "machine")
    # The reference: loops that were compiled for one place are compiled anew in another.
    done = reperform("node", "run", at=tmp_path / "node", PYTHONPATH=str(machine), REPERFORM_KERNELS="reference")
    assert done.returncode == 2
    assert "aten.exp.default" in done.stderr
    shown = reperform("node", "status", at=tmp_path / "node")
    assert "aten.exp.default" in shown.stdout


@pytest.mark.parametrize("where", ["log", "docket"])
def test_nothing_that_is_logged_or_posted_shows_what_the_applicant_wrote(demo: Demo, where: str) -> None:
    """The applicant's income is distinctive enough to search for."""
    shown = reperform("verify", "demo/packs/upheld.pack", "--roots", "demo/roots.json", at=demo.home).stdout
    income = shown.partition("atotinc ")[2].partition(",")[0].encode()
    assert len(income) > 4
    paths = demo.folder.rglob("log") if where == "log" else (demo.folder / "docket").rglob("*.dsse")
    files = [path for path in paths if path.is_file()]
    assert files
    assert [path for path in files if income in path.read_bytes()] == []
