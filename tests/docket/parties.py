"""A world's parties as processes: the service, and nodes whose model is a function, on loopback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from reperform.cli.rounds import keep_going, start_log
from reperform.consensus.client import HttpDocket
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Roster
from reperform.replayer.node import Node
from reperform.replayer.notebook import Notebook
from reperform.tests.world import DOCKET, World, honest

START_SECONDS = 30


@dataclass
class Parties:
    """Processes of a world whose keys and rosters are written into its folder."""

    world: World
    database: str
    options: tuple[str, ...] = ("--requests-per-minute", "1000000")
    step: int = 60  # seconds
    service: str = "reperform.cli.main"
    url: str = ""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folder = self.world.folder
        for name in (DOCKET, *self.world.panel):
            self.world.rings[name].write(folder / f"{name}.key")
        (folder / "roster.dsse").write_bytes(to_bytes(self.world.roster_envelope))
        (folder / "roots.json").write_text(self.world.roots.to_json())

    def serve(self) -> str:
        """Start the service, at the port that it had before if it had one; its address, once it listens."""
        folder = self.world.folder
        port = self.url.rpartition(":")[2] or "0"
        trust = ("--roster", folder / "roster.dsse", "--roots", folder / "roots.json")
        written = len(self.log(DOCKET))
        process = self._start(
            DOCKET, self.service, "docket", "serve", "--key", folder / f"{DOCKET}.key", *trust,
            "--database", self.database, "--listen", f"127.0.0.1:{port}", "--step", self.step, *self.options,
        )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            over = process.poll() is not None  # asked first: what it wrote before its end is in the log
            found = re.search(r"listening at (http\S+)", self.log(DOCKET)[written:])
            if found:
                self.url = found[1]
                return self.url
            if over:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the service did not start: {self.log(DOCKET)}")

    def node(self, name: str) -> None:
        """Start a node."""
        self._start(name, "reperform.tests.docket.parties", self.world.folder, name, self.url)

    def log(self, name: str) -> str:
        """What a process has written."""
        path = self.world.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def kill(self, name: str) -> None:
        """What a loss of power does to a process."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> dict[str, int]:
        """Ask all to stop; how they ended."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(timeout=30) for name, process in self.running.items()}

    def _start(self, name: str, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        with self._log(name) as log:
            command = [sys.executable, "-m", module, *map(str, arguments)]
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})
        self.running[name] = process
        return process

    def _log(self, name: str) -> IO[bytes]:
        return (self.world.folder / f"{name}.log").open("ab")


def main(folder: Path, name: str, url: str) -> None:
    """Run a node."""
    start_log(False)
    roster = from_bytes(Envelope, (folder / "roster.dsse").read_bytes()).parse(Roster)
    docket = HttpDocket(url)
    node = Node(docket, KeyRing.read(folder / f"{name}.key"), [roster], Notebook(folder / name), honest)
    keep_going(node.step, 0.2, docket.wait)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
