"""The network between docket, nodes and filer is cut, at every phase of a case, by pulling cables of real hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from reperform.cli.trust import now
from reperform.consensus.docket import Slot
from reperform.evidence.documents import to_bytes
from reperform.evidence.tally import Verdict
from reperform.evidence.verify import verify
from reperform.tests.network.hosts import Hosts, hosts
from reperform.tests.world import DOCKET, FILER, PANEL, World

SECONDS = 90
# Longer than the first attempts of a client, so that some of them fail.
CUT = 4.0


@dataclass
class Network:
    """A world's parties, each a process on its own host."""

    world: World
    hosts: Hosts
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def serve(self) -> None:
        """Start the docket's service and wait until it listens."""
        folder = self.world.folder
        self._start(
            DOCKET, "reperform.cli.main", "docket", "serve", "--key", folder / f"{DOCKET}.key",
            "--roster", folder / "roster.dsse", "--roots", folder / "roots.json", "--step", 60,
            "--database", f"sqlite:///{folder / 'docket.sqlite'}", "--listen", "0.0.0.0:8000",
        )  # fmt: skip
        self.until(lambda: "listening at" in self.log(DOCKET))

    def node(self, name: str) -> None:
        """Start a node."""
        url = f"http://{self.hosts.address(name)}:8000"
        self._start(name, "reperform.tests.docket.parties", self.world.folder, name, url)

    def file(self) -> None:
        """Start the filer."""
        self._start(
            FILER, "reperform.tests.network.filer", self.world.folder, f"http://{self.hosts.address(FILER)}:8000"
        )

    def log(self, name: str) -> str:
        """What a process has written."""
        return (self.world.folder / f"{name}.log").read_text()

    def posted(self, slot: Slot) -> int:
        """How many documents of a kind the nodes say that they have posted."""
        return sum(len(re.findall(rf"posted {slot}\n", self.log(name))) for name in PANEL)

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait for something."""
        end = time.monotonic() + SECONDS
        while not ready():
            assert time.monotonic() < end, {name: self.log(name)[-2000:] for name in self.running}
            time.sleep(0.05)

    def stop(self) -> None:
        """End all processes."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(timeout=30)

    def _start(self, name: str, module: str, *arguments: object) -> None:
        command = [*self.hosts.within(name), sys.executable, "-m", module, *map(str, arguments)]
        with (self.world.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    world = World(tmp_path / "world", now=now())
    folder = world.folder
    for name in (DOCKET, *PANEL):
        world.rings[name].write(folder / f"{name}.key")
    world.filer_keys.write(folder / "filer.key")
    (folder / "roster.dsse").write_bytes(to_bytes(world.roster_envelope))
    (folder / "roots.json").write_text(world.roots.to_json())
    (folder / "filed").write_bytes(to_bytes(world.filing(world.decision())))
    with hosts(DOCKET, (*PANEL, FILER)) as made:
        running = Network(world, made)
        try:
            yield running
        finally:
            running.stop()


pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root on Linux can make hosts; CI does"
)

WHEN: list[tuple[str, Slot | None]] = [("filing", None), ("ballots", Slot.BALLOT), ("votes", Slot.VOTE)]


@pytest.mark.parametrize("cut", [(PANEL[0],), (*PANEL, FILER)], ids=["one node", "everybody"])
@pytest.mark.parametrize("slot", [slot for _, slot in WHEN], ids=[name for name, _ in WHEN])
def test_a_case_survives_a_cut(network: Network, slot: Slot | None, cut: Sequence[str]) -> None:
    network.serve()
    for name in PANEL:
        network.node(name)
    network.file()
    if slot is not None:
        network.until(lambda: network.posted(slot) > 0)
    for host in cut:
        network.hosts.cut(host)
    time.sleep(0.5)  # what was under way may still arrive
    before = {host: len(network.log(host)) for host in cut}
    time.sleep(CUT)
    assert not any("posted" in network.log(host)[before[host] :] for host in cut)
    assert not (network.world.folder / "pack").exists()
    for host in cut:
        network.hosts.mend(host)
    network.until(lambda: network.running[FILER].poll() is not None)
    assert network.running[FILER].returncode == 0, network.log(FILER)
    verified = verify((network.world.folder / "pack").read_bytes(), network.world.roots)
    assert verified.verdict is Verdict.UPHELD
    assert all(network.posted(kind) == len(PANEL) for kind in (Slot.BALLOT, Slot.VOTE, Slot.ATTESTATION))
