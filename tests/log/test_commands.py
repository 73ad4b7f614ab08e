"""`reperform log` as its users run it: processes, exit statuses, files, over a socket where others read it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from reperform.cli.trust import now
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.receipt import Abandonment, AbandonReason, DecisionFile, Receipt
from reperform.evidence.roster import Log, Roster
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.tlog.proof import Proof
from reperform.evidence.tlog.tree import EMPTY_ROOT, leaf_hash
from reperform.tests.cli.run import refused, reperform
from reperform.tests.evidence.scene import upheld
from reperform.tests.log.s3 import Server
from reperform.tests.world import BANK, World

ORIGIN = "log.bank.example/decisions"
EMPTY = Checkpoint(ORIGIN, 0, Digest(EMPTY_ROOT))


@dataclass
class Bank:
    """A bank with a log, at a folder with everything that its commands need."""

    at: Path
    world: World
    roster: Roster
    log: str = "log"

    def run(self, command: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """`reperform log …`, with everything that says whom to trust."""
        trust = ("--roster", "roster.dsse", "--roots", "roots.json")
        return reperform("log", command, *arguments, "--log", self.log, *trust, at=self.at, **environment)

    def keep(self, command: str, *arguments: str | Path, **environment: str) -> dict[str, Any]:
        """A command of who keeps the log, which succeeds."""
        return told(self.run(command, *arguments, "--key", "log.key", "--json", **environment))

    def issue(self, name: str, sequence: int, **changed: Any) -> Path:
        """A decision file."""
        decision = self.world.decision()
        receipt = replace(
            decision.receipt.parse(Receipt),
            **{"sequence": sequence, "roster": self.roster.roster_id, "checkpoint": EMPTY, **changed},
        )
        path = self.at / name
        path.write_bytes(
            to_bytes(DecisionFile(Envelope.sign(receipt, self.world.rings[BANK].signers), decision.opening))
        )
        return path


def told(done: subprocess.CompletedProcess[str], status: int = 0) -> dict[str, Any]:
    """What a command printed for machines."""
    assert done.returncode == status, (done.stdout, done.stderr)
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def bank_at(folder: Path, witnesses: int = 0) -> Bank:
    """A bank whose roster names a log, and how many witnesses it needs."""
    world, keys = World(folder / "world", now=now()), KeyRing.generate()
    roster = replace(world.roster, log=Log(ORIGIN, keys.signing.public, None), witnesses=witnesses)
    keys.write(folder / "log.key")
    (folder / "roster.dsse").write_bytes(to_bytes(Envelope.sign(roster, world.root[:2])))
    (folder / "roots.json").write_text(world.roots.to_json())
    return Bank(folder, world, roster)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return bank_at(tmp_path)


@contextmanager
def served(bank: Bank) -> Iterator[str]:
    """The address at which `reperform log serve` serves the bank's log."""
    command = [sys.executable, "-m", "reperform.cli.main", "log", "serve", "--log", bank.log, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=bank.at, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            yield next(match[0] for line in lines if (match := re.search(r"http://[0-9.:]+", line)))
        finally:
            process.terminate()
            process.communicate()


def test_from_an_empty_folder_to_a_proof_that_a_stranger_checks(bank: Bank) -> None:
    files = [bank.issue(f"{number}.decision", number) for number in range(3)]
    assert bank.keep("init") == {"origin": ORIGIN, "log": "log", "size": 0}
    appended = bank.keep("append", *files[:2])
    assert [each["index"] for each in appended["entries"]] == [0, 1]
    assert bank.keep("append", *files) == {
        "entries": [{"file": str(path), "index": index} for index, path in enumerate(files)], "appended": 1, "size": 3,
    }  # fmt: skip
    assert "no checkpoint of the log is published" in refused(bank.run("prove", files[0]))
    assert bank.keep("checkpoint")["size"] == 3
    assert told(bank.run("checkpoint", "--json"))["witnessed_by"] == []
    assert told(bank.run("fsck", "--json"))["damages"] == []
    with served(bank) as address:
        bank.log = address
        assert told(bank.run("prove", files[1], "--json"))["index"] == 1
        whole = told(bank.run("verify", "--json"))
        assert (whole["verified"], whole["decisions"], whole["faults"]) == (True, 3, [])
        assert "can only be read" in refused(bank.run("append", files[0], "--key", "log.key"))
        assert "can only be read" in refused(bank.run("fsck"))
    trust = ("--roster", "roster.dsse", "--roots", "roots.json")
    proved = reperform("log", "verify", files[1], *trust, at=bank.at)
    assert proved.returncode == 0
    assert proved.stdout.startswith("IN THE LOG: entry 1\n")
    other = reperform("log", "verify", files[0], "--proof", f"{files[1]}.tlog-proof", *trust, at=bank.at)
    assert "it is not proved that this is entry 1" in refused(other)


def test_what_is_not_in_the_log_is_a_verdict(bank: Bank) -> None:
    bank.keep("init")
    bank.keep("append", bank.issue("0.decision", 0))
    bank.keep("checkpoint")
    done = bank.run("prove", bank.issue("1.decision", 1), "--json")
    assert told(done, 1) == {"included": False, "size": 1}


def test_an_attestation_joins_the_log_out_of_its_pack(bank: Bank) -> None:
    pack = upheld().pack()
    (bank.at / "my.pack").write_bytes(to_bytes(pack))
    bank.keep("init")
    bank.keep("append", "my.pack", "roster.dsse")
    bank.keep("checkpoint")
    assert told(bank.run("prove", "my.pack", "--json"))["index"] == 0
    assert Proof.parse((bank.at / "my.pack.tlog-proof").read_bytes()).hashes == (
        leaf_hash((bank.at / "roster.dsse").read_bytes()),
    )


def test_gaps_and_numbers_used_twice_are_seen_by_anybody(bank: Bank) -> None:
    bank.keep("init")
    given_up = Abandonment(
        bytes(16),
        bank.world.rings[BANK].signing.public.key_id,
        1,
        AbandonReason.CRASHED,
        bank.roster.roster_id,
        now(),
        EMPTY,
    )
    (bank.at / "1.dsse").write_bytes(to_bytes(Envelope.sign(given_up, bank.world.rings[BANK].signers)))
    files = [
        bank.issue("0.decision", 0),
        bank.at / "1.dsse",
        bank.issue("5.decision", 5),
        bank.issue("again", 5, time=now()),
    ]
    assert bank.keep("append", *files)["size"] == 4
    bank.keep("checkpoint")
    done = bank.run("verify")
    assert done.returncode == 1
    assert "numbers 2 to 4" in done.stdout
    assert "entry 3: an earlier entry has this number" in done.stdout


def test_a_damaged_log_is_a_verdict_and_names_the_file(bank: Bank) -> None:
    bank.keep("init")
    bank.keep("append", bank.issue("0.decision", 0))
    bank.keep("checkpoint")
    (bank.at / "log" / "tile" / "0" / "000.p" / "1").write_bytes(bytes(32))
    assert told(bank.run("fsck", "--json"), 1)["damages"][0] == "tile/0/000.p/1 is not what the entries say"
    assert told(bank.run("verify", "--json"), 1)["verified"] is False
    assert "reperform log fsck" in refused(bank.run("append", bank.issue("1.decision", 1), "--key", "log.key"))


def test_mistakes_are_told_in_one_line(bank: Bank) -> None:
    decision = bank.issue("0.decision", 0)
    assert "make one with `reperform log init`" in refused(bank.run("append", decision, "--key", "log.key"))
    bank.keep("init")
    assert "there is a log already" in refused(bank.run("init", "--key", "log.key"))
    KeyRing.generate().write(bank.at / "other.key")
    assert "is not that of the log" in refused(bank.run("append", decision, "--key", "other.key"))
    assert refused(bank.run("append", "nothing", "--key", "log.key")).startswith("nothing does not exist")
    assert "give FILE, or --log" in refused(bank.run("verify", decision))
    (bank.at / "junk").write_bytes(b"junk")
    assert refused(bank.run("append", "junk", "--key", "log.key")).startswith("junk: ")


def test_without_enough_witnesses_entries_are_taken_and_nothing_is_published(tmp_path: Path) -> None:
    bank = bank_at(tmp_path, witnesses=2)
    bank.keep("init")
    bank.keep("append", bank.issue("0.decision", 0))
    assert "fewer organisations cosigned" in refused(bank.run("checkpoint", "--key", "log.key"))
    silent = bank.run("checkpoint", "--key", "log.key", "--witness", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9" in refused(silent)
    assert bank.keep("append", bank.issue("1.decision", 1))["size"] == 2
    assert not (bank.at / "log" / "checkpoint").exists()


def test_a_log_in_a_bucket(server: Server, bank: Bank) -> None:
    bank.log = server.place()
    bank.keep("init", **server.environment)
    assert bank.keep("append", bank.issue("0.decision", 0), **server.environment)["size"] == 1
    bank.keep("checkpoint", **server.environment)
    assert told(bank.run("fsck", "--json", **server.environment))["damages"] == []
