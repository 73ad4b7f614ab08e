"""The parties of the demonstration, as processes with keys of their own that exchange nothing but documents."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
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
        for party in (BANK, DOCKET, *PANEL, *ROOTS):
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

    def _public(self, party: str) -> str:
        return str(self.key(party).with_name("node.key.pub").relative_to(self.folder))

    @contextmanager
    def running(self, model: Path) -> Iterator[None]:
        """The docket and three nodes, each with its own copy of the model, until the block ends."""
        docket = ["docket", "run", "--docket", str(self.docket), "--key", str(self.key(DOCKET)), *self.trust()]
        commands = {DOCKET: docket}
        for party in PANEL:
            home = self.home(party)
            shutil.copytree(model, home / "model")
            given = ["--model", str(home / "model"), "--docket", str(self.docket), *self.trust()]
            reperform("node", "init", str(home), "--organisation", party, "--key", str(self.key(party)), *given)
            commands[party] = ["node", "run", "--config", str(home / "node.toml")]
        self.docket.mkdir()
        processes = []
        try:
            for party, command in commands.items():
                processes.append(self._start(party, [*command, "--interval", "0.05"]))
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _start(self, party: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.home(party) / "log").open("wb") as log:
            return subprocess.Popen(_command(arguments), stderr=log, stdout=log, env=_environment())

    def dispute(self, decision: Path, model: Path, pack: Path) -> dict[str, Any]:
        """An applicant's own process disputes a decision and stays until there is a verdict."""
        place = ["--docket", str(self.docket), "--manifest", str(model / "manifest.msgpack")]
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
