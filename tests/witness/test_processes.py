"""`reperform node witness` as a process, with the state of its node: killed at every step, stopped, misconfigured."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import httpx
import pytest
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.tlog.checkpoint import parse_checkpoint
from reperform.evidence.tlog.note import Note
from reperform.replayer.database import FILE
from reperform.tests.cli.run import refused, reperform
from reperform.tests.witness.killed_witness import STEPS, VARIABLE
from reperform.tests.witness.running import Processes
from reperform.tests.witness.scene import NAME, ORIGIN, Scene, Tree

HONEST, FORK = Tree.of("abcdefghij"), Tree.of("abcdXfghij")
SHOWN = f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
DEADLY = "reperform.tests.witness.killed_witness"


def submit(url: str, scene: Scene, old: int, new: int, tree: Tree = HONEST) -> httpx.Response:
    return httpx.post(f"{url}/add-checkpoint", content=scene.request(tree, old, new).to_bytes(), timeout=30)


@pytest.mark.parametrize("step", STEPS)
def test_a_witness_killed_at_any_step_contradicts_nothing_that_it_told(
    step: str, scene: Scene, processes: Processes
) -> None:
    scene.write()
    command = ("node", "witness", "--config", scene.configure(NAME))
    url = processes.listen(NAME, *command, module=DEADLY, **{VARIABLE: f"2:{step}"})
    assert submit(url, scene, 0, 3).status_code == 200
    with pytest.raises(httpx.TransportError):
        submit(url, scene, 3, 7)
    assert processes.started[NAME].wait(timeout=30) == -9
    url = processes.listen(NAME, *command)
    known = {"judged": 3, "written": 3, "committed": 7}[step]
    assert submit(url, scene, 0, 9).content == b"%d\n" % known
    assert parse_checkpoint(Note.parse(httpx.get(url + SHOWN).content).text) == HONEST.checkpoint(known)
    # Neither back, nor to another history.
    assert submit(url, scene, 0, 3).status_code == 409
    assert submit(url, scene, 0, 2).status_code == 409
    if step == "committed":
        assert submit(url, scene, 3, 7).status_code == 409
        assert submit(url, scene, 7, 9, FORK).status_code == 422
    # And what was not told is told to whoever asks again.
    assert submit(url, scene, known, 7).status_code == 200
    assert processes.stop(NAME) == 0


def test_two_witnesses_do_not_run_on_one_state_and_a_node_may_run_beside_one(
    scene: Scene, processes: Processes
) -> None:
    scene.write()
    config = scene.configure(NAME)
    url = processes.listen(NAME, "node", "witness", "--config", config)
    second = reperform("node", "witness", "--config", config, "--listen", "127.0.0.1:0", at=scene.world.folder)
    assert "is in use by another process" in refused_log(second.stderr)
    assert submit(url, scene, 0, 3).status_code == 200
    other = sqlite3.connect(scene.folder() / FILE)  # as `node run` writes
    other.execute("INSERT INTO facts VALUES ('beside', x'00')")
    other.commit()
    assert submit(url, scene, 3, 9).status_code == 200
    status = reperform("node", "status", "--config", config, "--json", at=scene.world.folder)
    assert json.loads(status.stdout)["witness"]["running"] is True
    (log,) = json.loads(status.stdout)["witness"]["logs"]
    assert (log["origin"], log["size"], log["forked"], log["suspects"]) == (ORIGIN, 9, False, 0)
    assert processes.stop(NAME) == 0
    status = reperform("node", "status", "--config", config, at=scene.world.folder)
    assert "witness:   NOT RUNNING" in status.stdout
    assert f"log {ORIGIN}, 9 entries cosigned" in status.stdout


def refused_log(stderr: str) -> str:
    """The last line: what the command says when it ends."""
    return stderr.strip().splitlines()[-1].removeprefix("error: ")


def test_who_is_not_on_the_roster_is_told_so(scene: Scene) -> None:
    scene.write()
    KeyRing.generate().write(scene.world.folder / "stranger.key")
    config = scene.configure(NAME, key="stranger.key")
    done = reperform("node", "witness", "--config", config, "--listen", "127.0.0.1:0", at=scene.world.folder)
    assert done.returncode == 2
    assert "is not on epoch 1 of roster 'mortgages'" in refused_log(done.stderr)


def test_without_the_extra_that_serves_the_command_names_it(scene: Scene) -> None:
    scene.write()
    (scene.world.folder / "uvicorn.py").write_text("raise ModuleNotFoundError(name='uvicorn')")
    done = reperform(
        "node", "witness", "--config", scene.configure(NAME), at=scene.world.folder, PYTHONPATH=str(scene.world.folder)
    )
    assert refused(done) == "this command needs uvicorn; install reperform with its extra [server]"


def test_a_roster_without_a_log_has_no_witnesses(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, log=None, witnesses=0)
    scene.write()
    config = scene.configure(NAME)
    done = reperform("node", "witness", "--config", config, "--listen", "127.0.0.1:0", at=tmp_path)
    assert done.returncode == 2
    assert "no roster with a log is known here" in refused_log(done.stderr)
    assert refused(reperform("node", "fork", "log.fork", "--config", config, at=tmp_path)).startswith(
        "this witness knows of no fork"
    )
