"""How much memory an audit takes at its most, by how many decisions there are: in a fresh process for each.

    python -m reperform.bench.populations make FOLDER DECISIONS
    python -m reperform.bench.populations draw|examine FOLDER

`make` writes a log of so many receipts, each signed, and has an audit of it drawn. `draw` is the auditor's part of
that once more: every entry is read and verified. `examine` is of a ledger in which all decisions were drawn; they run
through the pool's batches, and the model is a function that answers at once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from reperform.bench.bank import Bank, receipts, untold
from reperform.consensus.audit.folder import AuditFolder
from reperform.consensus.audit.ledger import Ledger
from reperform.consensus.audit.population import draw
from reperform.consensus.audit.replays import Event, Job, Outcome
from reperform.consensus.audit.run import Examination
from reperform.consensus.log.folder import FolderStorage
from reperform.evidence.audit.draw import Drawn, open_draw
from reperform.evidence.audit.sampling import Stratum
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.files import read_document
from reperform.evidence.receipt import DecisionFile
from reperform.evidence.roster import Roster
from reperform.replayer.pool.batches import Batch, batches
from reperform.tests.world import MANIFEST

POPULATIONS: Final = (10**4, 10**5)
LONG: Final = 10**6
STEPS: Final = ("draw", "examine")
RATE, CONFIDENCE = "0.001", "0.95"


def peaks(folder: Path, populations: Sequence[int]) -> dict[str, dict[str, float]]:
    """The most that each step took, in MB, by the size of the population."""
    body: dict[str, dict[str, float]] = {step: {} for step in STEPS}
    for population in populations:
        at = folder / str(population)
        at.mkdir()
        _alone("make", str(at), str(population))
        for step in STEPS:
            body[step][str(population)] = float(_alone(step, str(at)))
    return body


def make(folder: Path, decisions: int) -> None:
    """What the steps need."""
    bank = Bank(folder)
    desk = bank.desk(MANIFEST.model_id)
    bank.append(receipts(desk, decisions))
    drawn = bank.conduct(RATE, CONFIDENCE).draw(None, bank)
    one = desk.decide(0, b"input", b"output")
    Ledger.create(
        folder / "all.sqlite",
        drawn.draw_id,
        strata=[Stratum("all", decisions, tuple(range(decisions)))],
        receipts=dict.fromkeys(range(decisions), to_bytes(one.receipt)),
        coverage=b"",
        started=0,
    )
    (folder / "one.decision").write_bytes(to_bytes(one))
    (folder / "roster.dsse").write_bytes(to_bytes(bank.world.roster_envelope))


def draw_again(folder: Path) -> None:
    """The sample, out of the whole log."""
    drawn, rosters = _drawn(folder)
    census = draw(FolderStorage(folder / "log"), drawn, rosters, None, untold).census
    if census.irregular:
        raise SystemExit(f"the log is irregular: {census.irregular}")


def examine(folder: Path) -> None:
    """All of a ledger."""
    (drawn, _), one = _drawn(folder), read_document(folder / "one.decision", DecisionFile)

    def source(entries: Sequence[int]) -> Mapping[int, DecisionFile]:
        return dict.fromkeys(entries, one)

    def replays(jobs: Iterable[Job]) -> Iterator[Outcome | Event]:
        for item in batches(jobs, {MANIFEST.model_id: MANIFEST.input}):
            yield from item.outcomes([b"output"] * len(item.jobs)) if isinstance(item, Batch) else [item]

    with Ledger(folder / "all.sqlite", drawn.draw_id) as ledger:
        for _ in Examination(ledger, drawn, folder, lambda: 0).run(source, replays):
            pass
        if ledger.left() or any(ledger.unlike()):
            raise SystemExit("not every decision matches")


def peak_mb() -> float:
    """The most memory that this process has held since its program was started."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise SystemExit("this system does not say how much memory a process has held")


def _drawn(folder: Path) -> tuple[Drawn, list[Roster]]:
    rosters = [read_document(folder / "roster.dsse", Envelope).parse(Roster)]
    return open_draw(AuditFolder(folder / "audit").draw(), rosters), rosters


def _alone(*arguments: str) -> str:
    command = [sys.executable, "-m", "reperform.bench.populations", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """One step, in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["make", *STEPS])
    parser.add_argument("folder", type=Path)
    parser.add_argument("decisions", type=int, nargs="?", default=POPULATIONS[0])
    options = parser.parse_args()
    if options.step == "make":
        make(options.folder, options.decisions)
        return
    {"draw": draw_again, "examine": examine}[options.step](options.folder)
    print(peak_mb())


if __name__ == "__main__":
    main()
