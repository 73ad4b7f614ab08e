"""`reperform vault` as a user types it, and `decide` with a vault and a log."""

from __future__ import annotations

import json
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.cli.output import moment
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.sequencer import create
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.receipt import DecisionFile, Receipt
from reperform.evidence.roster import Log
from reperform.examples.mortgage.data import applications
from reperform.examples.mortgage.train import record, train_and_pin
from reperform.executor.vault.store import DAY
from reperform.tests.cli.run import ROOT, refused, reperform
from reperform.tests.protocol.executors import DAYS, ORIGIN, vault_of
from reperform.tests.vault.decisions import decided
from reperform.tests.world import BANK, START, World

KEY = ("--vault-key", "elsewhere/vault-key")
ID = "1f0e5c2a" + "00" * 12


@pytest.fixture
def file(tmp_path: Path) -> DecisionFile:
    """A decision, kept in a vault."""
    kept = decided(World(tmp_path / "world"), 7, decision=bytes.fromhex(ID))
    with vault_of(tmp_path) as vault:
        vault.keep([kept, decided(World(tmp_path / "world"), 8)], START)
    return kept


def said(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """The JSON that a command printed."""
    assert done.returncode == 0, done.stderr
    body: dict[str, object] = json.loads(done.stdout)
    return body


def test_a_vault_is_made_with_a_key_that_was_made_before(tmp_path: Path) -> None:
    init = ("vault", "init", "a/vault", "--days", "30", "--vault-key", "key")
    assert "cannot be read" in refused(reperform(*init, at=tmp_path))
    assert not (tmp_path / "a" / "vault").exists()
    assert said(reperform("vault", "key", "key", "--json", at=tmp_path)) == {"key": "key"}
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert "never overwritten" in refused(reperform("vault", "key", "key", at=tmp_path))
    assert said(reperform(*init, "--json", at=tmp_path)) == {"vault": "a/vault", "days": 30}
    assert "a vault is never overwritten" in refused(reperform(*init, at=tmp_path))
    none = {"days": 30, "kept": 0, "held": 0, "expired": 0, "erased": 0}
    assert said(reperform("vault", "status", "a/vault", "--json", at=tmp_path)) == none


def test_a_decision_file_is_exported_once_more_for_its_subject_alone(file: DecisionFile, tmp_path: Path) -> None:
    export = ("vault", "export", "vault", "1f0e5c2a", "--out", "out.decision")
    assert said(reperform(*export, *KEY, "--json", at=tmp_path)) == {"decisions": 1, "out": "out.decision"}
    assert (tmp_path / "out.decision").read_bytes() == to_bytes(file)
    assert stat.S_IMODE((tmp_path / "out.decision").stat().st_mode) == 0o600
    assert "out.decision exists" in refused(reperform(*export, *KEY, at=tmp_path))


def test_the_key_may_come_from_a_command(file: DecisionFile, tmp_path: Path) -> None:
    export = ("vault", "export", "vault", ID, "--out", "out.decision", "--vault-key-command")
    assert "ended with status" in refused(reperform(*export, "cat nothing", at=tmp_path))
    assert "does not end" in refused(reperform(*export, "cat 'nothing", at=tmp_path))
    assert reperform(*export, "cat 'elsewhere/vault-key'", at=tmp_path).returncode == 0
    assert from_bytes(DecisionFile, (tmp_path / "out.decision").read_bytes()) == file


def test_an_erased_decision_is_gone_and_says_when(file: DecisionFile, tmp_path: Path) -> None:
    erase = ("vault", "erase", "vault", file.receipt.parse(Receipt).decision.hex()[:8])
    held = reperform("vault", "retain", "vault", ID, "--until", "2999-12-31", "--json", at=tmp_path)
    assert said(held) == {"decision": ID, "held": True, "ends": 32_503_593_600_000}
    assert "is held" in refused(reperform(*erase, at=tmp_path))
    lifted = reperform("vault", "retain", "vault", ID, "--lift", at=tmp_path)
    assert lifted.stdout == f"{ID} is kept until {moment(START + DAYS * DAY)}\n"
    assert said(reperform(*erase, "--json", at=tmp_path)) == {"erased": 1, "decision": ID}
    shown = said(reperform("vault", "show", "vault", ID, "--json", at=tmp_path))
    assert isinstance(shown["erased"], int)
    assert "erased" in reperform("vault", "show", "vault", ID, at=tmp_path).stdout
    export = ("vault", "export", "vault", "--out", "again")
    assert "was erased" in refused(reperform(*export, ID, *KEY, at=tmp_path))
    assert said(reperform(*export, "--all", *KEY, "--json", at=tmp_path)) == {"decisions": 1, "out": "again"}
    (other,) = (tmp_path / "again").iterdir()
    assert other.name.startswith("000000008-")


def test_what_is_over_is_erased_and_periods_can_be_changed(file: DecisionFile, tmp_path: Path) -> None:
    assert file
    assert said(reperform("vault", "retain", "vault", "--all", "--days", "36525", "--json", at=tmp_path)) == {
        "days": 36525
    }
    assert said(reperform("vault", "erase", "vault", "--expired", "--json", at=tmp_path)) == {"erased": 0}
    reperform("vault", "retain", "vault", ID, "--until", "2001-01-01", at=tmp_path)
    assert said(reperform("vault", "erase", "vault", "--expired", "--json", at=tmp_path)) == {"erased": 1}
    held = {"days": 36525, "kept": 1, "held": 0, "expired": 0, "erased": 1}
    assert said(reperform("vault", "status", "vault", "--json", at=tmp_path)) == held


def test_a_vault_gets_another_key(file: DecisionFile, tmp_path: Path) -> None:
    reperform("vault", "key", "new", at=tmp_path)
    rotate = ("vault", "rotate", "vault", "--new-key", "new", *KEY)
    assert said(reperform(*rotate, "--json", at=tmp_path)) == {"decisions": 2}
    export = ("vault", "export", "vault", ID, "--out", "out.decision")
    assert "does not open with this vault key" in refused(reperform(*export, *KEY, at=tmp_path))
    assert reperform(*export, "--vault-key", "new", at=tmp_path).returncode == 0
    assert (tmp_path / "out.decision").read_bytes() == to_bytes(file)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("erase", "vault"), "it must be said what; name one decision, or give --expired"),
        (("erase", "vault", ID, "--expired"), "it must be said what"),
        (("erase", "vault", "1f0e5c2"), "named by 8 to 32 hexadecimal digits"),
        (("erase", "vault", "1F0E5C2A"), "named by 8 to 32 hexadecimal digits"),
        (("erase", "vault", "ffffffff0"), "has no decision ffffffff0; check the id and the vault"),
        (("erase", "nothing", ID), "does not exist; make a vault with `reperform vault init`"),
        (("retain", "vault", ID), "how long, once; give one of --days, --until and --lift"),
        (("retain", "vault", ID, "--days", "3", "--lift"), "how long, once"),
        (("retain", "vault", ID, "--all", "--days", "3"), "it must be said what"),
        (("retain", "vault", "--all", "--lift"), "it must be said what"),
        (("retain", "vault", ID, "--days", "0"), "keep decisions for 1 to 36525 days"),
        (("export", "vault", "--out", "x", *KEY), "it must be said what; name one decision, or give --all"),
        (("export", "vault", ID, "--out", "x"), "give either --vault-key or --vault-key-command"),
        (("export", "vault", ID, "--out", "x", *KEY, "--vault-key-command", "cat x"), "give either"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    arguments: tuple[str, ...], why: str, file: DecisionFile, tmp_path: Path
) -> None:
    assert why in refused(reperform("vault", *arguments, at=tmp_path))
    with vault_of(tmp_path) as vault:
        assert len(vault.everything()) == 2
        assert vault.find(bytes.fromhex(ID)) == file
    assert not (tmp_path / "x").exists()


def test_decisions_enter_the_log_that_the_roster_names(tmp_path: Path) -> None:
    wheels = ROOT / ".cache" / "wheels"
    train_and_pin(tmp_path / "model", cache=wheels)
    row = {entry.column: entry.value for entry in record(applications(wheels)[0]).entries}
    world, log = World(tmp_path / "world"), KeyRing.generate()
    named = replace(world.roster, log=Log(ORIGIN, log.signing.public, None))
    (tmp_path / "roster.dsse").write_bytes(to_bytes(Envelope.sign(named, world.root[:2])))
    (tmp_path / "roots.json").write_text(world.roots.to_json())
    world.rings[BANK].write(tmp_path / "bank.key")
    log.write(tmp_path / "log.key")
    (tmp_path / "in.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(row)}")
    vault_of(tmp_path).__exit__(None, None, None)
    create(FolderStorage(tmp_path / "log"), ORIGIN, log.signing)
    trust = ("--roster", "roster.dsse", "--roots", "roots.json")
    files = ("--journal", "journal", "--vault", "vault", *KEY, "--out", "out")
    decide = ("decide", "in.jsonl", "--model", "model", "--key", "bank.key", *trust, *files)
    assert "give it with --log" in refused(reperform(*decide, at=tmp_path))
    assert "needs its key; give it with --log-key" in refused(reperform(*decide, "--log", "log", at=tmp_path))
    writing = ("--log", "log", "--log-key", "log.key")
    wrong = refused(reperform(*decide, "--log", "log", "--log-key", "bank.key", at=tmp_path))
    assert "is not that of the log" in wrong
    for _ in range(2):
        done = reperform(*decide, *writing, at=tmp_path)
        assert done.returncode == 0, done.stderr
    entries = [from_bytes(Envelope, entry) for entry in Prover(FolderStorage(tmp_path / "log")).entries(0, 4)]
    handed = [from_bytes(DecisionFile, path.read_bytes()).receipt for path in sorted((tmp_path / "out").iterdir())]
    assert entries == handed
    seen = [entry.parse(Receipt).checkpoint for entry in entries]
    assert [each and each.size for each in seen] == [0, 0, 2, 2]
    first = sorted((tmp_path / "out").iterdir())[0]
    publish = ("log", "checkpoint", "--log", "log", "--key", "log.key", *trust)
    assert reperform(*publish, at=tmp_path).returncode == 0
    proved = reperform("log", "prove", first, "--log", "log", *trust, "--out", "proof", at=tmp_path)
    assert proved.returncode == 0, proved.stderr
    verified = reperform("log", "verify", "--log", "log", *trust, at=tmp_path)
    assert verified.returncode == 0, (verified.stdout, verified.stderr)
