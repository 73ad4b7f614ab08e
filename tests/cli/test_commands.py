"""Commands as a user types them: what they write, what they refuse, and how they end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.cli.inputs import read_inputs
from reperform.cli.main import app
from reperform.cli.output import plain
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.pack import Pack
from reperform.evidence.receipt import DecisionFile, parse_input
from reperform.evidence.values import Record, Text
from reperform.executor.vault.key import VaultKey
from reperform.executor.vault.store import Vault
from reperform.tests.cli.conftest import Demo
from reperform.tests.cli.run import refused, reperform
from reperform.tests.world import BANK as BANK_NAME
from reperform.tests.world import World
from typer.main import get_command
from typer.testing import CliRunner

BANK = "demo/parties/harbour-bank"
TRUST = ("--roster", "demo/roster.dsse", "--roots", "demo/roots.json")


def commands() -> list[list[str]]:
    """Every command and subcommand."""
    found = []
    for name, command in sorted(get_command(app).commands.items()):  # type: ignore[attr-defined]
        children = getattr(command, "commands", None)
        found += [[name]] if children is None else [[name, child] for child in sorted(children)]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    done = CliRunner().invoke(app, [*command, "--help"])
    assert done.exit_code == 0
    assert f"Example: reperform {' '.join(command)}" in done.stdout


def test_without_a_command_it_says_what_there_is(tmp_path: Path) -> None:
    assert "dispute" in reperform("--help", at=tmp_path).stdout


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    assert reperform("keys", "new", "a.key", at=tmp_path).returncode == 0
    before = (tmp_path / "a.key").read_bytes()
    assert "never overwritten" in refused(reperform("keys", "new", "a.key", at=tmp_path))
    assert (tmp_path / "a.key").read_bytes() == before


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    reperform("keys", "new", "a.key", at=tmp_path, REPERFORM_KEY_PASSWORD="correct horse")
    (tmp_path / "r.toml").write_text(ROSTER)
    for name in ("bank", "docket", "audit"):
        reperform("keys", "new", f"{name}.key", at=tmp_path)
    new = ("roster", "new", "r.toml", "--sign", "a.key")
    assert "is encrypted; give its password" in refused(reperform(*new, at=tmp_path))
    assert "wrong password" in refused(reperform(*new, at=tmp_path, REPERFORM_KEY_PASSWORD="battery"))
    assert not (tmp_path / "roster.dsse").exists()
    assert reperform(*new, at=tmp_path, REPERFORM_KEY_PASSWORD="correct horse").returncode == 0
    shown = reperform("roster", "show", "roster.dsse", "--roots", "roots.json", "--json", at=tmp_path)
    assert [o["name"] for o in json.loads(shown.stdout)["organisations"]] == ["Bank", "Docket", "Audit"]


ROSTER = """
name = "small"
quorum = 1
days = 1
suite = "ed25519"
root_threshold = 1
roots = ["a.key.pub"]
[[organisation]]
name = "Bank"
role = "operator"
nodes = ["bank.key.pub"]
[[organisation]]
name = "Docket"
role = "docket"
nodes = ["docket.key.pub"]
[[organisation]]
name = "Audit"
role = "replayer"
nodes = ["audit.key.pub"]
"""


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("quorum = 1", "quorum = 2", "a quorum of 2 of 1"),
        ("quorum = 1", "", "quorum"),
        ("quorum = 1", 'quorum = "1"', "quorum is not of type int"),
        ("days = 1", "days = 1\nspare = 3", "unknown fields ['spare']"),
        ('role = "docket"', 'role = "judge"', "role is not one of operator, replayer, auditor, docket"),
        ("audit.key.pub", "bank.key.pub", "the same"),
        ("audit.key.pub", "nobody.key.pub", "nobody.key.pub does not exist"),
        ("days = 1", "days = ", "does not describe a roster"),
    ],
)
def test_a_roster_that_makes_no_sense_is_not_written(old: str, new: str, why: str, tmp_path: Path) -> None:
    for name in ("a", "bank", "docket", "audit"):
        reperform("keys", "new", f"{name}.key", at=tmp_path)
    (tmp_path / "r.toml").write_text(ROSTER.replace(old, new))
    assert why in refused(reperform("roster", "new", "r.toml", "--sign", "a.key", at=tmp_path))
    assert not (tmp_path / "roster.dsse").exists()
    assert not (tmp_path / "roots.json").exists()


def test_a_pack_that_is_missing_or_cut_off_is_refused(demo: Demo, tmp_path: Path) -> None:
    roots = demo.folder / "roots.json"
    assert "does not exist" in refused(reperform("verify", "no.pack", "--roots", roots, at=tmp_path))
    data = (demo.folder / "packs" / "upheld.pack").read_bytes()
    (tmp_path / "cut.pack").write_bytes(data[: len(data) // 2])
    assert "step 1, reading the pack" in refused(reperform("verify", "cut.pack", "--roots", roots, at=tmp_path))


def test_another_rosters_root_keys_do_not_verify_a_pack(demo: Demo, tmp_path: Path) -> None:
    reperform("keys", "new", "a.key", at=tmp_path)
    key = json.loads((tmp_path / "a.key.pub").read_text())["signing"]
    (tmp_path / "roots.json").write_text(json.dumps({"threshold": 1, "keys": [key]}))
    pack = demo.folder / "packs" / "upheld.pack"
    assert "step 2, the rosters" in refused(reperform("verify", pack, "--roots", "roots.json", at=tmp_path))


def test_the_exported_attestation_is_in_toto_for_other_tools(demo: Demo, tmp_path: Path) -> None:
    pack, roots = demo.folder / "packs" / "upheld.pack", demo.folder / "roots.json"
    reperform("verify", pack, "--roots", roots, "--export", "out", at=tmp_path)
    envelope = json.loads((tmp_path / "out" / "attestation.dsse.json").read_text())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert len(envelope["signatures"]) == 3


def decide(demo: Demo, inputs: Path, home: Path) -> subprocess.CompletedProcess[str]:
    options = ("--model", f"{BANK}/model", "--key", f"{BANK}/node.key", *files_of(home), *TRUST)
    shutil.copytree(demo.folder / "log", home / "log")
    log = ("--log", home / "log", "--log-key", demo.folder / "parties" / "decision-log" / "node.key")
    return reperform("decide", inputs, *options, *log, at=demo.home)


def files_of(home: Path) -> tuple[str | Path, ...]:
    """The options of `decide` for its files, all in one folder; the vault is made."""
    key = home / "vault-key"
    VaultKey.generate().write(key)
    Vault.create(home / "vault", VaultKey.read(key), 30)
    return ("--journal", home / "journal", "--vault", home / "vault", "--vault-key", key, "--out", home / "out")


def application(demo: Demo) -> dict[str, str | None]:
    """A declined applicant's own record, as `verify` shows it."""
    disclosure = from_bytes(Pack, (demo.folder / "packs" / "upheld.pack").read_bytes()).disclosure
    assert disclosure is not None
    assert disclosure.input is not None
    value = parse_input(disclosure.input.value)
    assert isinstance(value, Record)
    return {entry.column: entry.value for entry in value.entries}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"shoe_size": "44"}, "shoe_size"),
        ({"income": None}, "income"),
        ({"loanamt": "nan"}, "loanamt"),
        ({"loanamt": "1e999"}, "loanamt"),
        ({"prop": "castle"}, "prop"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_input_outside_the_declared_columns_is_refused_by_the_columns_name(
    change: dict[str, str | None], why: str, demo: Demo, tmp_path: Path
) -> None:
    row = application(demo) | change
    inputs = tmp_path / "in.jsonl"
    inputs.write_text(json.dumps(row) + "\n")
    reason = refused(decide(demo, inputs, tmp_path))
    assert why in reason
    assert "castle" not in reason  # errors name columns, never what stands in them
    assert not (tmp_path / "out").exists()


def test_a_csv_file_is_decided_row_by_row(demo: Demo, tmp_path: Path) -> None:
    row = application(demo)
    inputs = tmp_path / "in.csv"
    line = ",".join(value or "" for value in row.values())
    inputs.write_text(",".join(row) + "\n" + (line + "\n") * 3)
    done = decide(demo, inputs, tmp_path)
    assert done.returncode == 0, done.stderr
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name.partition("-")[0] for path in written] == [f"{n:09d}" for n in range(3)]
    again = ("--vault-key", "vault-key", "--all", "--out", "again")
    assert reperform("vault", "export", "vault", *again, at=tmp_path).returncode == 0
    exported = sorted((tmp_path / "again").iterdir())
    assert [(path.name, path.read_bytes()) for path in exported] == [(p.name, p.read_bytes()) for p in written]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("in.csv", "loanamt,loanamt\n1,2\n", "the same column twice"),
        ("in.csv", "loanamt,appinc\n1\n", "line 2 has 1 fields, and the header 2"),
        ("in.jsonl", '{"loanamt": 1, "loanamt": 2}\n', "line 1 is not JSON, or has the same column twice"),
        ("in.jsonl", '{"loanamt": 1}\n\n', "line 2 is empty"),
        ("in.jsonl", '{"loanamt": [1]}\n', "line 1 is not an object of numbers"),
        ("in.txt", "a text\n", "input 1: input 0 is of kind text; this model takes record"),
        ("in.doc", "x", "is none of .csv, .jsonl, .txt, .pgm"),
        ("in.csv", "", "has no inputs"),
    ],
)
def test_an_input_file_is_read_as_it_stands_or_not_at_all(
    name: str, content: str, why: str, demo: Demo, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert why in refused(decide(demo, tmp_path / name, tmp_path))
    assert not (tmp_path / "journal").exists()


def test_a_text_keeps_every_character_that_is_no_line_feed(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("one\u2028still one\x85and\x0cthis\ntwo\n", newline="")
    assert read_inputs(tmp_path / "in.txt") == [Text("one\u2028still one\x85and\x0cthis"), Text("two")]


def test_the_mark_that_spreadsheets_put_in_front_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,\r\n")
    assert read_inputs(tmp_path / "in.csv") == [Record.of({"a": "1", "b": None})]


def test_names_in_a_pack_cannot_write_over_the_verdict() -> None:
    assert plain("\x1b[3A\rUPHELD\n  finding") == "\\x1b[3A\\rUPHELD\\n  finding"
    assert plain("Kreditanstalt für Wiederaufbau, 東京") == "Kreditanstalt für Wiederaufbau, 東京"


def test_a_full_disk_or_a_defect_never_exits_with_the_status_of_a_verdict(demo: Demo) -> None:
    what = ("verify", "demo/packs/upheld.pack", "--roots", "demo/roots.json")
    command = [sys.executable, "-m", "reperform.cli.main", *what]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=demo.home, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"No space left" in done.stderr


def test_roster_and_root_keys_are_not_written_over_each_other(tmp_path: Path) -> None:
    for name in ("a", "bank", "docket", "audit"):
        reperform("keys", "new", f"{name}.key", at=tmp_path)
    (tmp_path / "r.toml").write_text(ROSTER)
    new = ("roster", "new", "r.toml", "--sign", "a.key")
    assert "name two files" in refused(reperform(*new, "--out", "x", "--roots-out", "./x", at=tmp_path))
    refused(reperform(*new, "--out", "r.toml/x", at=tmp_path))
    assert not (tmp_path / "roots.json").exists()
    assert reperform(*new, at=tmp_path).returncode == 0


def test_an_expired_roster_is_refused_by_who_would_sign_under_it(demo: Demo, tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    expired = replace(world.roster, valid_until=world.roster.valid_from + 1)
    (tmp_path / "roster.dsse").write_bytes(to_bytes(Envelope.sign(expired, world.root[:2])))
    (tmp_path / "roots.json").write_text(world.roots.to_json())
    trust = ("--roster", tmp_path / "roster.dsse", "--roots", tmp_path / "roots.json")
    world.rings[BANK_NAME].write(tmp_path / f"{BANK_NAME}.key")
    (tmp_path / "in.jsonl").write_text(json.dumps(application(demo)))
    files = files_of(tmp_path)
    model = ("--model", f"{BANK}/model")
    bank = ("decide", tmp_path / "in.jsonl", *model, "--key", tmp_path / f"{BANK_NAME}.key", *files)
    assert "has expired; get the current epoch" in refused(reperform(*bank, *trust, at=demo.home))
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "journal").exists()


def test_wrong_weights_are_refused_by_the_name_of_the_tensor(demo: Demo, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(demo.home / BANK / "model", copy)
    data = bytearray((copy / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "weights.safetensors").chmod(0o644)
    (copy / "weights.safetensors").write_bytes(bytes(data))
    set_up(demo, tmp_path, "demo/parties/audit-house/node.key", copy)
    assert "layers." in refused(reperform("node", "run", at=tmp_path))


def test_the_banks_key_cannot_run_a_replayer_node(demo: Demo, tmp_path: Path) -> None:
    set_up(demo, tmp_path, f"{BANK}/node.key", f"{BANK}/model")
    assert "whose role is operator, not replayer" in refused(reperform("node", "run", at=tmp_path))


def set_up(demo: Demo, folder: Path, key: str, model: str | Path) -> None:
    """A node in this folder, with the demonstration's docket."""
    options = ("--docket", "demo/docket", "--organisation", "Anybody", "--key", key, "--model", model, *TRUST)
    done = reperform("node", "init", folder, *options, at=demo.home)
    assert done.returncode == 0, done.stderr


def test_a_dispute_with_somebody_elses_opening_is_refused(demo: Demo, tmp_path: Path) -> None:
    one, other = (
        from_bytes(DecisionFile, (demo.folder / "applicants" / f"{name}.decision").read_bytes())
        for name in ("upheld", "refuted-edited")
    )
    (tmp_path / "mixed.decision").write_bytes(to_bytes(replace(one, opening=other.opening)))
    where = ("--docket", tmp_path / "docket", "--manifest", f"{BANK}/model/manifest.msgpack")
    what = ("--state", tmp_path / "state", "--out", tmp_path / "x.pack")
    reason = refused(reperform("dispute", "file", tmp_path / "mixed.decision", *where, *what, *TRUST, at=demo.home))
    assert "the key is not the one that the commitment names" in reason
    assert not (tmp_path / "docket").exists()
    assert not (tmp_path / "state").exists()  # the right file may be disputed from there next


def test_a_dispute_that_nobody_answers_can_be_taken_up_again(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "docket").mkdir()
    where = ("--docket", tmp_path / "docket", "--manifest", f"{BANK}/model/manifest.msgpack")
    what = ("--state", tmp_path / "state", "--out", tmp_path / "x.pack", "--timeout", "1")
    decision = demo.folder / "applicants" / "upheld.decision"
    proof = ("--inclusion", decision.with_suffix(".tlog-proof"))
    for _ in range(2):
        done = reperform("dispute", "file", decision, *proof, *where, *what, *TRUST, at=demo.home)
        assert "run the same command again" in refused(done, status=3)
    assert len(list((tmp_path / "docket").iterdir())) == 1  # one filing, not two
