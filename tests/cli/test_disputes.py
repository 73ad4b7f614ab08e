"""`reperform dispute show, list, watch`: a case as anybody sees it, in a folder and over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reperform.consensus.admission import Admission
from reperform.consensus.docket import Slot
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.keeper import Patience
from reperform.consensus.store.engine import open_engine
from reperform.consensus.store.store import Store
from reperform.evidence.documents import to_bytes
from reperform.replayer.node import Node
from reperform.tests.cli.run import refused, reperform
from reperform.tests.docket.running import running
from reperform.tests.protocol.adversaries import TwoVotes, enrol
from reperform.tests.protocol.play import another_model
from reperform.tests.world import DOCKET, PANEL, World, model

GOOD, ALSO_GOOD, BAD = PANEL
HOUR = 3600_000


@dataclass
class Home:
    """A folder from which a filer's commands run, and the world around it."""

    at: Path
    world: World
    docket: str

    def file(self, name: str, answer: Any = model) -> tuple[FiledDecision, Filer]:
        """A dispute whose folder is `disputes/NAME`."""
        filed, filer = self.world.file(self.world.decision(answer))
        state = self.at / "disputes" / name
        state.mkdir(parents=True)
        (state / "filed-decision.msgpack").write_bytes(to_bytes(filed))
        return filed, filer

    def rounds(self, filed: FiledDecision, filer: Filer, nodes: list[Node], count: int = 6) -> None:
        for _ in range(count):
            self.world.round(filed.filing_id, filer, nodes)

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        trust = ("--docket", self.docket, "--roster", "roster.dsse", "--roots", "roots.json")
        return reperform("dispute", *arguments, *trust, at=self.at)

    def show(self, case: str, *options: str) -> dict[str, Any]:
        done = self.run("show", case, *options, "--json")
        assert done.returncode == 0, done.stderr
        body: dict[str, Any] = json.loads(done.stdout)
        return body


@contextmanager
def home_in(folder: Path, served: bool) -> Iterator[Home]:
    patience = Patience(HOUR, HOUR, HOUR, HOUR, HOUR)
    world = World(folder / "world", now=time.time_ns() // 10**6 - 1000, patience=patience)
    (folder / "roster.dsse").write_bytes(to_bytes(world.roster_envelope))
    (folder / "roots.json").write_text(world.roots.to_json())
    if not served:
        yield Home(folder, world, "world/docket")
        return
    admission = Admission([world.roster], world.rings[DOCKET].signing.public.key_id)
    world.docket = Store(open_engine(f"sqlite:///{folder / 'docket.sqlite'}"), admission)
    world.keeper = world.keeper_of(DOCKET)
    with running(world) as url:
        yield Home(folder, world, url)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_in(tmp_path, served=False) as home:
        yield home


@pytest.mark.parametrize("served", [False, True], ids=["folder", "service"])
def test_a_case_is_shown_as_it_stands_with_who_is_awaited_until_when(tmp_path: Path, served: bool) -> None:
    with home_in(tmp_path, served) as home:
        filed, filer = home.file("mine")
        body = home.show("disputes/mine")
        assert (body["phase"], body["awaited"]) == ("filed", [{"what": "case", "of": [DOCKET], "until": None}])
        nodes = [home.world.node(GOOD), home.world.node(ALSO_GOOD)]
        home.rounds(filed, filer, nodes, 1)
        if not served:  # a service would not have admitted it
            home.world.docket.post(filed.filing_id, {Slot.VOTE: filed.filing})
        body = home.show(str(filed.filing_id))
        case = home.world.proceeding(filed.filing_id).case
        assert case is not None
        assert body["phase"] == "committing"
        assert body["ballots"] == [GOOD, ALSO_GOOD]
        assert body["awaited"] == [{"what": "ballot", "of": [BAD], "until": case.document.deadlines.ballots}]
        assert [item["slot"] for item in body["refused"]] == ([] if served else ["vote"])


def test_who_votes_twice_is_shown_as_proved_and_the_file_proves_it_to_strangers(home: Home, tmp_path: Path) -> None:
    filed, filer = home.file("mine")
    nodes = [home.world.node(GOOD), home.world.node(ALSO_GOOD), enrol(home.world, BAD, TwoVotes)]
    home.rounds(filed, filer, nodes)
    body = home.show("disputes/mine", "--export", "evidence")
    assert body["verdict"] == "UPHELD"
    assert body["misbehaviour"] == [{"fault": "two-votes", "nodes": [BAD]}]
    assert [(item["node"], item["set_aside"]) for item in body["findings"] if item["node"] == BAD] == [
        (BAD, "its node signed two different votes")
    ] * 2
    (file,) = (tmp_path / "evidence").iterdir()
    told = home.run("show", "disputes/mine").stdout
    assert f"PROVED     two-votes, by {BAD}" in told
    assert "--export FOLDER" in told
    proved = reperform("verify", file, "--roots", "roots.json", "--json", at=tmp_path)
    assert proved.returncode == 0, proved.stderr
    assert json.loads(proved.stdout)["nodes"] == [f"{BAD}: {BAD}"]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    refused(reperform("verify", file, "--roots", "roots.json", at=tmp_path))


@pytest.mark.parametrize(("answer", "verdict", "status"), [(model, "UPHELD", 0), (another_model, "REFUTED", 1)])
def test_watching_ends_with_the_verdict_as_exit_status(home: Home, answer: Any, verdict: str, status: int) -> None:
    filed, filer = home.file("mine", answer)
    home.rounds(filed, filer, home.world.nodes())
    watched = home.run("watch", "disputes/mine", "--json")
    assert watched.returncode == status, watched.stderr
    assert [json.loads(line)["verdict"] for line in watched.stdout.splitlines()] == [verdict]
    assert f"verdict    {verdict}, signed by a quorum" in home.run("watch", str(filed.filing_id)).stdout


def test_watching_tells_every_change_as_documents_come(home: Home) -> None:
    filed, filer = home.file("mine")
    command = ("-m", "reperform.cli.main", "dispute", "watch", "disputes/mine", "--docket", home.docket, "--json")
    trust = ("--roster", "roster.dsse", "--roots", "roots.json")
    with subprocess.Popen(
        [sys.executable, *command, *trust], cwd=home.at, stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout is not None
        told = [json.loads(watcher.stdout.readline())]
        nodes = home.world.nodes()
        while told[-1]["verdict"] is None:
            home.rounds(filed, filer, nodes, 1)
            told.append(json.loads(watcher.stdout.readline()))
    assert watcher.returncode == 0
    assert [told[0]["phase"], told[-1]["phase"]] == ["filed", "attesting"]
    assert told[-1]["verdict"] == "UPHELD"


def test_a_case_that_goes_on_is_left_with_exit_status_3(home: Home) -> None:
    home.file("mine")
    assert "still open" in refused(home.run("watch", "disputes/mine", "--timeout", "1"), status=3)


def test_filings_are_listed_with_their_phase(home: Home) -> None:
    first, filer = home.file("first")
    home.rounds(first, filer, home.world.nodes())
    home.file("second")
    lost = home.at / "disputes" / "third"
    lost.mkdir()
    (lost / "filed-decision.msgpack").write_bytes(to_bytes(home.world.filing(home.world.decision())))
    done = home.run("list", "disputes", "--json")
    assert done.returncode == 0, done.stderr
    listed = {Path(item["state"]).name: item for item in json.loads(done.stdout)["filings"]}
    assert (listed["first"]["phase"], listed["first"]["verdict"]) == ("attesting", "UPHELD")
    assert (listed["second"]["phase"], listed["second"]["verdict"]) == ("filed", None)
    assert "nothing is posted" in listed["third"]["cause"]


def test_what_is_no_case_is_refused_with_the_next_step(home: Home) -> None:
    assert "give the folder that" in refused(home.run("show", "nothing"))
    assert "check the docket and the id" in refused(home.run("show", "00" * 32))
