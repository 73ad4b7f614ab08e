"""A roster's life by its commands: each root holder on its own machine, a keeper that nobody has to trust."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reperform.cli.keys import write_public
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.enrolment import Enrolment
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Node, OrganisationRole
from reperform.tests.cli.run import refused, reperform
from reperform.tests.world import DOCKET, World

ROOTS = ("root-a", "root-b", "root-c")
NODES = {"bank": "operator", "docket": "docket", "audit": "replayer", "union": "replayer", "authority": "replayer"}
FIRST = ("--roster", "roster.dsse", "--roots", "roots.json")


def done(at: Path, *arguments: str) -> dict[str, Any]:
    ran = reperform(*arguments, "--json", at=at)
    assert ran.returncode == 0, ran.stderr
    body: dict[str, Any] = json.loads(ran.stdout)
    return body


def new_keys(at: Path, name: str, post_quantum: bool) -> None:
    keys = KeyRing.generate(post_quantum=post_quantum)
    keys.write(at / f"{name}.key")
    (at / f"{name}.key.pub").write_text(write_public(Node.of(name, keys)))


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with everybody's keys and a first epoch."""
    post_quantum = request.param != "ed25519"
    for name in (*ROOTS, *NODES, "fourth", "audit-new", "root-d"):
        new_keys(tmp_path, name, post_quantum)
    roots = ", ".join(f'"{root}.key.pub"' for root in ROOTS)
    lines = ['name = "mortgages"', "quorum = 2", "days = 30", f'suite = "{request.param}"', "root_threshold = 2"]
    lines.append(f"roots = [{roots}]")
    for name, role in NODES.items():
        lines += ["[[organisation]]", f'name = "{name} org"', f'role = "{role}"', f'nodes = ["{name}.key.pub"]']
    (tmp_path / "roster.toml").write_text("\n".join(lines))
    done(tmp_path, "roster", "new", "roster.toml", "--sign", "root-a.key", "--sign", "root-b.key")
    return tmp_path


@pytest.mark.parametrize("home", ["ed25519", "ed25519+ml-dsa-44"], indirect=True)
def test_a_roster_takes_up_a_log_and_gives_it_other_keys(home: Path) -> None:
    for name in ("log", "log-new"):
        new_keys(home, name, post_quantum=True)
    ran = refused(reperform("roster", "renew", "--log-key", "log.key.pub", *FIRST, at=home))
    assert "--log-origin" in ran
    rule = ("--log-origin", "log.bank.example", "--log-key", "log.key.pub", "--witnesses", "2")
    assert done(home, "roster", "renew", *rule, *FIRST)["changes"][0]["kind"] == "log"
    for root in ROOTS[:2]:
        done(home, "roster", "sign", "roster.draft", "--key", f"{root}.key", *FIRST, "--out", f"{root}.signed")
    signed = [f"{root}.signed" for root in ROOTS[:2]]
    shown = done(home, "roster", "publish", *signed, *FIRST, "--out", "roster-2.dsse")
    assert (shown["log"]["origin"], shown["witnesses"]) == ("log.bank.example", 2)
    (home / "roster.draft").unlink()
    both = ("--roster", "roster.dsse", "--roster", "roster-2.dsse", "--roots", "roots.json")
    body = done(home, "roster", "renew", "--log-key", "log-new.key.pub", *both)
    assert [change["kind"] for change in body["changes"]] == ["log"]


def enrolment(at: Path, key: str, out: str, organisation: str, name: str = "") -> str:
    request = Enrolment.of(
        KeyRing.read(at / f"{key}.key"), organisation=organisation, role=OrganisationRole.REPLAYER, node=name or key
    )
    (at / out).write_bytes(to_bytes(request))
    return out


def published(at: Path, epoch: int, before: tuple[str, ...], *holders: str) -> tuple[str, ...]:
    """Sign the draft by each holder alone, and publish it; the options that name the new chain."""
    for holder in holders:
        done(at, "roster", "sign", "roster.draft", "--key", f"{holder}.key", *before, "--out", f"{holder}.{epoch}")
    signed = [f"{holder}.{epoch}" for holder in holders]
    done(at, "roster", "publish", *signed, *before, "--out", f"roster-{epoch}.dsse")
    (at / "roster.draft").unlink()
    return (*before, "--roster", f"roster-{epoch}.dsse")


@pytest.mark.parametrize("home", ["ed25519+ml-dsa-44"], indirect=True)
def test_a_roster_lives_through_enrolment_rotation_revocation_and_other_root_keys(home: Path) -> None:
    done(home, "roster", "renew", "--quorum", "3", *FIRST)
    done(home, "roster", "enrol", enrolment(home, "fourth", "fourth.enrolment", "fourth org"), *FIRST)
    own = ("--organisation", "audit org", "--role", "replayer", "--name", "audit", "--replacing", "audit.key")
    done(home, "keys", "enrol", "audit-new.key", *own, "--out", "audit.enrolment")
    drafted = done(home, "roster", "rotate", "audit.enrolment", *FIRST)
    assert {change["kind"] for change in drafted["changes"]} == {"rules", "joins", "rotates"}
    second = published(home, 2, FIRST, "root-a", "root-c")

    done(home, "roster", "revoke", "union", "--effective", "0", *second)
    new_roots = [option for root in ("root-b", "root-c", "root-d") for option in ("--root", f"{root}.key.pub")]
    drafted = done(home, "roster", "renew", *new_roots, "--days", "90", *second)
    assert [change["kind"] for change in drafted["changes"]] == ["leaves", "revoked", "roots"]
    third = published(home, 3, second, "root-a", "root-b")

    drafted = done(home, "roster", "renew", *third)
    stranger = reperform("roster", "sign", "roster.draft", "--key", "root-a.key", *third, "--out", "no", at=home)
    assert "is not one of the root keys" in refused(stranger)
    fourth = published(home, 4, third, "root-d", "root-c")
    shown = done(home, "roster", "show", *[item for item in fourth if item.startswith("roster")], *fourth[2:4])
    assert shown["epoch"] == 4
    assert [entry["effective"] for entry in shown["revoked"]] == [0]
    assert [o["name"] for o in shown["organisations"] if o["role"] == "replayer"] == [
        "audit org", "authority org", "fourth org",
    ]  # fmt: skip


@pytest.mark.parametrize("home", ["ed25519"], indirect=True)
def test_one_root_holder_alone_publishes_nothing_and_is_told_what_rests_on_its_word(home: Path) -> None:
    request = enrolment(home, "audit-new", "audit.enrolment", "audit org", "audit")
    done(home, "roster", "rotate", request, "--lost", *FIRST)
    said = done(home, "roster", "sign", "roster.draft", "--key", "root-a.key", *FIRST, "--out", "a.signed")
    assert [change["kind"] for change in said["changes"]] == ["replaced"]
    assert "said to be lost" in said["changes"][0]["what"]
    for parts in (["a.signed"], ["a.signed", "a.signed"]):
        reason = refused(reperform("roster", "publish", *parts, *FIRST, "--out", "roster-2.dsse", at=home))
        assert "carries 1 of 2 needed root signatures" in reason
    assert not (home / "roster-2.dsse").exists()


@pytest.mark.parametrize("home", ["ed25519"], indirect=True)
def test_what_a_keeper_must_not_draft_is_refused_with_the_next_step(home: Path) -> None:
    """And nothing is written."""
    attempts = {
        "same key twice": ("enrol", enrolment(home, "audit", "1", "another org", "another")),
        "as operator, and cannot be replayer": ("enrol", enrolment(home, "fourth", "2", "bank org")),
        "say --lost": ("rotate", enrolment(home, "audit-new", "3", "audit org", "audit")),
        "has no node 'audit-new'": ("rotate", enrolment(home, "audit-new", "4", "audit org")),
        "has no node 'nobody'": ("revoke", "nobody"),
        "choose another quorum": ("renew", "--quorum", "1"),
        "does not exist": ("enrol", "nothing"),
        "payload of type": ("enrol", "roster.dsse"),
    }
    for message, command in attempts.items():
        assert message in refused(reperform("roster", *command, *FIRST, at=home)), message
    assert not (home / "roster.draft").exists()


def test_a_docket_whose_roster_has_expired_finishes_its_cases(tmp_path: Path) -> None:
    """It starts, and says so."""
    world = World(tmp_path / "world")
    expired = replace(world.roster, valid_until=world.roster.valid_from + 1)
    (tmp_path / "roster.dsse").write_bytes(to_bytes(Envelope.sign(expired, world.root[:2])))
    (tmp_path / "roots.json").write_text(world.roots.to_json())
    world.rings[DOCKET].write(tmp_path / "docket.key")
    command = ("docket", "run", "--docket", "docket", "--key", "docket.key", *FIRST)
    with subprocess.Popen(
        [sys.executable, "-m", "reperform.cli.main", *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as keeper:
        assert keeper.stderr is not None
        told = [keeper.stderr.readline(), keeper.stderr.readline()]
        keeper.terminate()
    assert "has expired; get the current epoch from the roster's keeper; what was decided before is judged" in told[0]
    assert told[1].strip().endswith("running")
    assert keeper.returncode == 0
