"""The parties of the demonstration, as processes with keys of their own that exchange nothing but documents."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...evidence.errors import ReperformError
from ...evidence.files import write_file
from ...evidence.keyfile import KeyRing
from ..trust import read_keys

BANK: Final = "Harbour Bank"
DOCKET: Final = "Docket Office"
PANEL: Final = ("Audit House", "Consumer Union", "Finance Authority")
ROOTS: Final = ("root-a", "root-b", "root-c")
LOG: Final = "decision-log"
ORIGIN: Final = "log.harbour.example/decisions"
PATIENCE: Final = 60.0  # seconds, for a party to answer
_LISTENING: Final = re.compile(r"listening at (http://[0-9.:]+)\b")

# A reader who verifies needs no torch. Here it cannot be imported even where it is installed.
WITHOUT_TORCH: Final = "import sys; sys.modules['torch'] = None; from reperform.cli.main import main; main()"


class DemoError(ReperformError):
    """The demonstration did not go as it should."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The folder of the demonstration, and where things stand in it."""

    folder: Path

    @property
    def roots(self) -> Path:
        """The root keys that a reader trusts."""
        return self.folder / "roots.json"

    @property
    def roster(self) -> Path:
        """The signed roster."""
        return self.folder / "roster.dsse"

    @property
    def docket(self) -> Path:
        """The docket's folder."""
        return self.folder / "docket"

    @property
    def log(self) -> Path:
        """The folder of the bank's log."""
        return self.folder / "log"

    def home(self, party: str) -> Path:
        """A party's own folder, which in life is its own machine."""
        return self.folder / "parties" / party.lower().replace(" ", "-")

    def key(self, party: str) -> Path:
        """A party's private keys."""
        return self.home(party) / "node.key"

    def keys(self, party: str) -> KeyRing:
        """A party's private keys, read."""
        return read_keys(self.key(party))

    def trust(self) -> list[str]:
        """The options by which a command is told whom to trust."""
        return ["--roster", str(self.roster), "--roots", str(self.roots)]

    def write_roster(self) -> None:
        """Everybody makes keys; the roster names their public halves; two of three root keys sign it."""
        for party in (BANK, LOG, DOCKET, *PANEL, *ROOTS):
            self.home(party).mkdir(parents=True, exist_ok=True)
            reperform("keys", "new", str(self.key(party)), "--name", party)
        roles = {BANK: "operator", DOCKET: "docket"}
        lines = [
            'name = "mortgages"',
            "quorum = 2",
            "days = 365",
            'suite = "ed25519"',
            "root_threshold = 2",
            f"roots = {json.dumps([self._public(root) for root in ROOTS])}",
            "[log]",
            f"origin = {json.dumps(ORIGIN)}",
            f"key = {json.dumps(self._public(LOG))}",
            f"witnesses = {len(PANEL)}",
        ]
        for party in (BANK, DOCKET, *PANEL):
            role = roles.get(party, "replayer")
            nodes = json.dumps([self._public(party)])
            lines += ["[[organisation]]", f"name = {json.dumps(party)}", f'role = "{role}"', f"nodes = {nodes}"]
        description = self.folder / "roster.toml"
        write_file(description, "\n".join([*lines, ""]).encode())
        signers = [option for root in ROOTS[:2] for option in ("--sign", str(self.key(root)))]
        out = ["--out", str(self.roster), "--roots-out", str(self.roots)]
        reperform("roster", "new", str(description), *signers, *out)
        reperform("log", "init", "--log", str(self.log), "--key", str(self.key(LOG)), *self.trust())

    def _public(self, party: str) -> str:
        return str(self.key(party).with_name("node.key.pub").relative_to(self.folder))

    @contextmanager
    def running(self, model: Path) -> Iterator[Sequence[str]]:
        """The docket and three nodes, each with its own copy of the model, until the block ends.

        The nodes witness the log besides; these are their addresses.
        """
        docket = ["docket", "run", "--docket", str(self.docket), "--key", str(self.key(DOCKET)), *self.trust()]
        commands = {(DOCKET, "log"): [*docket, "--interval", "0.05"]}
        for party in PANEL:
            home = self.home(party)
            shutil.copytree(model, home / "model")
            given = ["--model", str(home / "model"), "--docket", str(self.docket), *self.trust()]
            reperform("node", "init", str(home), "--organisation", party, "--key", str(self.key(party)), *given)
            config = ["--config", str(home / "node.toml")]
            commands[party, "log"] = ["node", "run", *config, "--interval", "0.05"]
            commands[party, "witness.log"] = ["node", "witness", *config, "--listen", "127.0.0.1:0"]
        self.docket.mkdir()
        processes = []
        try:
            for (party, name), command in commands.items():
                processes.append(self._start(self.home(party) / name, command))
            yield [_address(self.home(party) / "witness.log") for party in PANEL]
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    @staticmethod
    def _start(path: Path, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with path.open("wb") as log:
            return subprocess.Popen(_command(arguments), stderr=log, stdout=log, env=_environment())

    def publish(self, witnesses: Sequence[str]) -> None:
        """The bank has its log's checkpoint witnessed, and shows it."""
        at = [option for witness in witnesses for option in ("--witness", witness)]
        reperform("log", "checkpoint", "--log", str(self.log), "--key", str(self.key(LOG)), *at, *self.trust())

    def prove(self, decision: Path) -> None:
        """An applicant asks the log for the proof that their receipt stands in it."""
        reperform("log", "prove", str(decision), "--log", str(self.log), "--out", str(_proof(decision)), *self.trust())

    def dispute(self, decision: Path, model: Path, pack: Path) -> dict[str, Any]:
        """An applicant's own process disputes a decision and stays until there is a verdict."""
        place = ["--docket", str(self.docket), "--manifest", str(model / "manifest.msgpack")]
        place += ["--inclusion", str(_proof(decision))]
        out = ["--state", str(decision.with_suffix(".dispute")), "--out", str(pack), "--timeout", "120"]
        done = _run(["dispute", "file", str(decision), *place, *out, *self.trust(), "--json"])
        if done.returncode not in (0, 1):
            raise DemoError(f"the dispute failed: {done.stderr.strip()}{self._last_words()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def _last_words(self) -> str:
        """What the parties' logs end with: where to look when a case does not end."""
        ends = []
        for party in (DOCKET, *PANEL):
            lines = (self.home(party) / "log").read_text(errors="replace").strip().splitlines()
            ends.append(f"; {party}: {lines[-1]:.120}" if lines else "")
        return "".join(ends)

    def verify(self, pack: Path) -> subprocess.CompletedProcess[str]:
        """A stranger's process, without torch, verifies a pack."""
        command = [sys.executable, "-c", WITHOUT_TORCH, "verify", str(pack), "--roots", str(self.roots), "--json"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _proof(decision: Path) -> Path:
    return decision.with_suffix(".tlog-proof")


def _address(log: Path) -> str:
    """Where a service listens, as it says when it does. Raises DemoError."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = _LISTENING.search(log.read_text(errors="replace"))
        if found is not None:
            return found[1]
        time.sleep(0.05)
    raise DemoError("a witness does not answer")


def reperform(*arguments: str) -> None:
    """Run a command that must succeed."""
    done = _run(arguments)
    if done.returncode != 0:
        raise DemoError(f"`reperform {' '.join(arguments[:2])}` failed: {done.stderr.strip()}")


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(arguments), capture_output=True, text=True, check=False, timeout=300)


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "reperform.cli.main", *arguments]


def _environment() -> dict[str, str]:
    # Three nodes share this machine; in life each has its own. The bits do not depend on any of it.
    return {**os.environ, "OMP_NUM_THREADS": "1"}
