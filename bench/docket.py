"""What a docket carries: cases per minute from filing to a quorum's signatures, over real sockets and processes.

    python bench/docket.py [--json] [--cases N] [--open N] [--store sqlite|postgresql]

The service, three nodes and the filers are five processes on one machine. The model is a function, so that what is
measured is the docket and the documents; filling up to N open cases and draining them counts. `p99_ms` is the time
from filing to a conclusion; with N cases open at once it follows from the throughput. `lost` counts the cases that
had no quorum's UPHELD in the end.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reperform.bench.machine import machine
from reperform.cli.trust import now
from reperform.consensus.agenda import Agenda
from reperform.consensus.client import HttpDocket
from reperform.consensus.conclusion import NoQuorumError, conclude
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import Phase, Proceeding, phase
from reperform.evidence.digest import Digest
from reperform.evidence.tally import Verdict
from reperform.tests.docket.parties import Parties
from reperform.tests.docket.postgres import Server
from reperform.tests.world import DOCKET, World

STEP_SECONDS: Final = 600
LIMIT_SECONDS: Final = 600
QUOTA: Final = ("--requests-per-minute", "1000000", "--filings-per-filer", "1000000")


class Filers:
    """All filers in one process, each with a case of its own."""

    def __init__(self, world: World, docket: HttpDocket) -> None:
        self._world = world
        self._docket = docket
        self._agenda = Agenda(docket, [world.roster])
        self._filers: dict[Digest, Filer] = {}
        self._begun: dict[Digest, float] = {}
        self.seconds: list[float] = []

    @property
    def open(self) -> int:
        """How many cases have no conclusion."""
        return len(self._begun)

    def file(self) -> None:
        """File one more dispute."""
        number = len(self._filers)
        docket = self._world.rings[DOCKET].signing.public.key_id
        filed = FiledDecision.of(self._world.decision(income=f"{number}.50"), self._world.filer_keys, docket)
        filer = Filer(self._docket, self._world.filer_keys, filed)
        self._filers[filed.filing_id], self._begun[filed.filing_id] = filer, time.perf_counter()
        filer.file()

    def step(self) -> None:
        """Do every filer's part."""
        for filing, cause in self._agenda.take_up(self._advance, now()):
            raise RuntimeError(f"{filing.short()}: {cause}")

    def _advance(self, proceeding: Proceeding) -> None:
        filing = proceeding.filing_id
        if filing not in self._begun:
            return
        self._filers[filing].step(proceeding)
        if phase(proceeding, now()) is not Phase.ATTESTING:
            return
        try:
            verdict = conclude(proceeding).tally.verdict
        except NoQuorumError:
            return
        begun = self._begun.pop(filing)
        if verdict is Verdict.UPHELD:
            self.seconds.append(time.perf_counter() - begun)


def run(store: str, cases: int, window: int) -> dict[str, Any]:
    """File `cases` disputes, `window` of them open at a time."""
    with tempfile.TemporaryDirectory() as scratch, _database(store, Path(scratch)) as database:
        world = World(Path(scratch) / "world", now=now())
        parties = Parties(world, database, QUOTA, STEP_SECONDS)
        try:
            filers = Filers(world, HttpDocket(parties.serve()))
            for name in world.panel:
                parties.node(name)
            begun = time.perf_counter()
            filed = 0
            while (filed < cases or filers.open) and time.perf_counter() - begun < LIMIT_SECONDS:
                while filed < cases and filers.open < window:
                    filers.file()
                    filed += 1
                filers.step()
                time.sleep(0.2)
            elapsed = time.perf_counter() - begun
        finally:
            parties.stop()
    return {
        "store": store,
        "cases": cases,
        "open": window,
        "cases_per_minute": round(60 * len(filers.seconds) / elapsed, 1),
        "p50_ms": round(1000 * _quantile(filers.seconds, 0.5)),
        "p99_ms": round(1000 * _quantile(filers.seconds, 0.99)),
        "lost": cases - len(filers.seconds),
    }


@contextmanager
def _database(store: str, folder: Path) -> Iterator[str]:
    if store == "postgresql":
        with Server.started() as server:
            yield server.url
    else:
        yield f"sqlite:///{folder / 'docket.sqlite'}"


def _quantile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(share * (len(seconds) - 1))] if seconds else float("nan")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object a store")
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--open", type=int, default=200, help="how many cases are open at once")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    options = parser.parse_args()
    for store in options.store or ("sqlite", "postgresql"):
        body = {**run(store, options.cases, options.open), "machine": machine()}
        if options.json:
            print(json.dumps(body))
            continue
        for key, value in body.items():
            print(f"{key:20} {value}")


if __name__ == "__main__":
    main()
