"""A docket that is served, and parties of every character, each a process of its own; the test is the filer."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from reperform.consensus.client import HttpDocket
from reperform.consensus.conclusion import Conclusion, NoQuorumError, conclude
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import Proceeding, collect
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.faults import Fault, faults
from reperform.evidence.misbehaviour import Misbehaviour, prove
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Output
from reperform.evidence.verify import verify
from reperform.tests.docket.parties import Parties
from reperform.tests.world import PANEL, World, model

GOOD, ALSO_GOOD, BAD = PANEL
PROXY = "the proxy"
STEP = 2  # seconds that each step of a case may take
READY = "running"  # what a party logs when it begins
LONG = 12 * STEP  # seconds after which a case that should have ended has not


@dataclass
class Docket:
    """The service and what stands in front of it."""

    parties: Parties
    proxy: str = ""

    @property
    def world(self) -> World:
        return self.parties.world

    def start(self, name: str, character: str = "honest", url: str | None = None) -> None:
        """Start a panel member's node; it sees the docket through the proxy unless an address is given."""
        where = f"{self.proxy}/{name.split(maxsplit=1)[0]}" if url is None else url
        told = self.parties.log(name).count(READY)
        self.parties._start(name, "reperform.tests.adversaries.party", self.world.folder, name, where, character)
        while self.parties.log(name).count(READY) == told and self.parties.running[name].poll() is None:
            time.sleep(0.05)

    @contextmanager
    def among(self, name: str, character: str) -> Iterator[None]:
        """One more node, for as long as the block runs."""
        self.start(name, character)
        try:
            yield
        finally:
            self.parties.kill(name)

    @contextmanager
    def habits(self, **habits: str) -> Iterator[None]:
        """What the proxy does to whom (by the first word of their names), for as long as the block runs."""
        path = self.world.folder / "habits"
        path.write_text(json.dumps(habits))
        try:
            yield
        finally:
            path.write_text("{}")

    def dispute(self, answer: Callable[[bytes], Output] = model) -> tuple[FiledDecision, HttpDocket, Filer]:
        """File a dispute, straight with the service."""
        self.world.now = time.time_ns() // 10**6
        filed = FiledDecision.of(
            self.world.decision(answer), self.world.filer_keys, self.world.rings["Docket Office"].signing.public.key_id
        )
        docket = HttpDocket(self.parties.url)
        filer = Filer(docket, self.world.filer_keys, filed)
        filer.file()
        return filed, docket, filer

    def settle(self, answer: Callable[[bytes], Output] = model, signers: int = 2) -> Settled:
        """Dispute a decision, and do the filer's part until so many organisations have signed."""
        filed, docket, filer = self.dispute(answer)
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            proceeding = collect(docket, filed.filing_id, [self.world.roster])
            filer.step(proceeding)
            try:
                conclusion = conclude(proceeding)
                if len(conclusion.attestation.signatures) >= signers:
                    return Settled(self.world, filed, docket, proceeding, conclusion)
            except NoQuorumError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"no quorum after {LONG} seconds: {self.parties.log(GOOD)[-2000:]}")


@dataclass
class Settled:
    """A case with a verdict, and what a stranger makes of it."""

    world: World
    filed: FiledDecision
    docket: HttpDocket
    proceeding: Proceeding
    conclusion: Conclusion

    @property
    def verdict(self) -> Verdict:
        """What the pack proves offline."""
        pack = self.world.pack(self.proceeding, self.filed)
        return verify(to_bytes(pack), self.world.roots).verdict

    def proved(self) -> dict[Fault, set[str]]:
        """The faults that everything posted proves, each checked again from the bytes of its file."""
        posted = self.docket.read(self.filed.filing_id)
        return prove_all(self.world, [envelope for slot in posted.values() for envelope in slot])

    def voters(self) -> set[str]:
        """Whose votes count."""
        return {line.node for line in self.conclusion.tally.counted}


def prove_all(world: World, documents: Sequence[Envelope]) -> dict[Fault, set[str]]:
    """What documents prove to a stranger who is handed one file for each fault."""
    found: dict[Fault, set[str]] = {}
    for proof in faults(documents, [world.roster]):
        proved = prove(to_bytes(Misbehaviour.of(proof, [world.roster_envelope])), world.roots)
        found.setdefault(proved.fault, set()).update(node.name for _, node in proved.nodes)
    return found


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docket]:
    """A docket with two honest nodes; the third seat is the test's."""
    folder = tmp_path_factory.mktemp("adversaries")
    world = World(folder / "world")
    parties = Parties(world, f"sqlite:///{folder / 'docket.sqlite'}", step=STEP)
    docket = Docket(parties)
    (world.folder / "habits").write_text("{}")
    try:
        parties.serve()
        docket.proxy = start_proxy(parties)
        for name in (GOOD, ALSO_GOOD):
            docket.start(name)
        yield docket
    finally:
        for name in list(parties.running):
            parties.kill(name)


def start_proxy(parties: Parties, name: str = PROXY, certificate: Sequence[Path] = ()) -> str:
    """Start a proxy before the docket; its address."""
    command = ["reperform.tests.adversaries.proxy", parties.world.folder, parties.url, *certificate]
    process = subprocess.Popen([sys.executable, "-m", *map(str, command)], stdout=subprocess.PIPE, text=True)
    parties.running[name] = process  # type: ignore[assignment]  # stopped like the others
    assert process.stdout is not None
    return process.stdout.readline().strip()
