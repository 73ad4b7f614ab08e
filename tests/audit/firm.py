"""A bank with a real pinned scorer, and its auditors, by the commands that they would run. Everything is files."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reperform.examples.mortgage.data import applications
from reperform.examples.mortgage.train import record, train_and_pin
from reperform.tests.cli.run import reperform

DECISIONS: Final = 60
START_SECONDS: Final = 60
ROLES: Final = {"bank": "operator", "docket": "docket", "auditor": "auditor", "union": "auditor", "a": "replayer"}
TRUST: Final = ("--roster", "roster.dsse", "--roots", "roots.json")
LOG: Final = ("--log", "log")
BANK: Final = ("--key", "bank.key", "--vault", "vault", "--vault-key", "vault-key")


@dataclass
class Firm:
    """A folder in which the commands are run."""

    at: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command, with everything that says whom to trust."""
        return reperform(*arguments, *TRUST, at=self.at)

    def told(self, *arguments: str | Path, status: int = 0) -> dict[str, Any]:
        """What a command says to machines."""
        done = self.run(*arguments, "--json")
        assert done.returncode == status, (done.stdout, done.stderr)
        body: dict[str, Any] = json.loads(done.stdout)
        return body

    def publish(self) -> None:
        """The bank publishes its log."""
        self.told("log", "checkpoint", *LOG, "--key", "log.key")

    def plan(self, folder: str, *options: str, by: str = "auditor") -> None:
        """Plan an audit in which every decision is drawn."""
        aim = ("--rate", "0.01", "--confidence", "0.999")
        self.told("audit", "plan", folder, *aim, "--key", f"{by}.key", *options)

    def announce(self, folder: str, *commitments: str) -> None:
        """Join the commitments, and have the bank log and publish the announcement."""
        self.told("audit", "announce", folder, *commitments, "--key", "auditor.key")
        self.told("log", "append", f"{folder}/announcement.dsse", *LOG, "--key", "log.key")
        self.publish()

    @contextmanager
    def desk(self, folder: str = "desk") -> Iterator[str]:
        """The address of the bank's desk, a process of its own."""
        with self.started("audit", "answer", "--listen", "127.0.0.1:0", *BANK, *LOG, "--log-key", "log.key",
                          "--desk", folder, *TRUST) as process:  # fmt: skip
            yield listening(process)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs until the block ends."""
        command = [sys.executable, "-m", "reperform.cli.main", *arguments]
        with subprocess.Popen(command, cwd=self.at, stderr=subprocess.PIPE, text=True, env=quiet()) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)


def quiet() -> dict[str, str]:
    """Threads that wait by spinning would slow each other down."""
    return {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}


def listening(process: subprocess.Popen[str]) -> str:
    """The address that a service says it listens at."""
    assert process.stderr is not None
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and (line := process.stderr.readline()):
        found = re.search(r"listening at (http://\S+)", line)
        if found:
            return found[1]
    raise AssertionError("the service does not listen")


def open_firm(at: Path) -> Firm:
    """Keys, a roster, a log without witnesses, a vault, a model, and decisions."""
    firm = Firm(at)
    for name in (*ROLES, "log", "root"):
        reperform("keys", "new", f"{name}.key", "--name", name, at=at)
    lines = ['name = "mortgages"', "quorum = 1", "days = 365", 'suite = "ed25519"', "root_threshold = 1"]
    lines += ['roots = ["root.key.pub"]', "[log]", 'origin = "log.bank.example/decisions"', 'key = "log.key.pub"']
    lines += ["witnesses = 0"]
    for name, role in ROLES.items():
        lines += ["[[organisation]]", f'name = "{name}"', f'role = "{role}"', f'nodes = ["{name}.key.pub"]']
    (at / "roster.toml").write_text("\n".join([*lines, ""]))
    signed = ("--sign", "root.key", "--out", "roster.dsse", "--roots-out", "roots.json")
    assert reperform("roster", "new", "roster.toml", *signed, at=at).returncode == 0
    firm.told("log", "init", *LOG, "--key", "log.key")
    train_and_pin(at / "model")
    _write_applications(at / "applications.csv")
    reperform("vault", "key", "vault-key", at=at)
    reperform("vault", "init", "vault", "--days", "30", "--vault-key", "vault-key", at=at)
    out = ("--journal", "journal", "--out", "decisions", *LOG, "--log-key", "log.key")
    firm.told("decide", "applications.csv", "--model", "model", *BANK, *out)
    firm.publish()
    return firm


def _write_applications(path: Path) -> None:
    rows = [record(row) for row, _ in zip(applications(), range(DECISIONS), strict=False)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([entry.column for entry in rows[0].entries])
        writer.writerows(["" if entry.value is None else entry.value for entry in row.entries] for row in rows)
