"""`reperform replay`: run many decisions again, and compare with what their receipts commit to."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from ..consensus.audit.replays import Event, Job, Outcome, Replays
from ..evidence.ballot import Finding
from ..evidence.commitment import CommitmentBrokenError
from ..evidence.documents import from_bytes
from ..evidence.encoding import MalformedError
from ..evidence.files import read_document
from ..evidence.receipt import DecisionFile, Receipt, open_receipt
from ..evidence.roster import Roster, named_roster
from ..evidence.values import Output
from .output import NEGATIVE_VERDICT, AsJson, describe_output, progress, tell
from .trust import RootsFile, RosterFiles, read_rosters

log = logging.getLogger(__name__)

Place = Annotated[
    str,
    typer.Option("--pool", help="inline, here and without Ray; local, on all processors here; or ray://HOST:PORT."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Workers of the pool; by default one a processor.")]
Resource = Annotated[
    str | None, typer.Option(help="The resource that a worker's machine must have, as reperform:ORGANISATION.")
]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out for one decision file."""

    path: Path
    finding: Finding
    cause: str
    claimed: Output
    answer: Output | None

    def body(self) -> dict[str, Any]:
        """For machines."""
        return {
            "decision": str(self.path),
            "finding": str(self.finding),
            "cause": self.cause,
            "claimed": describe_output(self.claimed),
            "answer": None if self.answer is None else describe_output(self.answer),
        }

    def line(self) -> str:
        """For people."""
        told = self.cause
        if self.finding is Finding.MISMATCH and self.answer is not None:
            told = f"claimed {describe_output(self.claimed)}; the model {describe_output(self.answer)}"
        return f"{self.finding:13} {self.path}{told and f': {told}'}"


def replay(
    decisions: Annotated[list[Path], typer.Argument(help="Decision files that the operator handed out.")],
    model: Annotated[list[Path], typer.Option(help="A pinned model; repeat for several.", show_default=False)],
    roster: RosterFiles,
    roots: RootsFile,
    pool: Place = "inline",
    workers: Workers = None,
    resource: Resource = None,
    as_json: AsJson = False,
) -> None:
    """Run decisions again, and say of each whether the pinned model gives the output that its receipt commits to.

    Example: reperform replay decisions/*.decision --model models/mortgage --pool local --roster roster.dsse
    --roots roots.json

    Exit status 0: all match. 1: one does not, or its model could not be run. 2: an opening is not of its receipt, or
    other bad input. Whoever reaches the ports of a Ray cluster can run code on it; it never spans organisations.
    """
    from ..replayer.pool.place import open_pool

    rosters = [signed.document for signed in read_rosters(roster, roots)]
    with open_pool(pool, model, workers=workers, resource=resource) as replays:
        found = _replayed(decisions, rosters, replays)
    counts = {str(finding): sum(item.finding is finding for item in found) for finding in Finding}
    summary = ", ".join(f"{count} {finding}" for finding, count in counts.items())
    lines = [item.line() for item in found if item.finding is not Finding.MATCH]
    tell(as_json, {"findings": counts, "decisions": [item.body() for item in found]}, *lines, summary)
    if any(item.finding is not Finding.MATCH for item in found):
        raise typer.Exit(NEGATIVE_VERDICT)


def _opened(path: Path, rosters: Sequence[Roster]) -> tuple[Receipt, DecisionFile]:
    """A decision file that opens its receipt. Raises a ReperformError naming the file."""
    file = read_document(path, DecisionFile)
    judging = named_roster(rosters, file.receipt.parse(Receipt).roster)
    receipt = open_receipt(file.receipt, judging).document
    try:
        file.opening.check(receipt)
    except CommitmentBrokenError as error:
        raise CommitmentBrokenError(f"{path}: {error.cause}", advice=error.advice) from error
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error
    return receipt, file


def _replayed(paths: Sequence[Path], rosters: Sequence[Roster], replays: Replays) -> list[Replayed]:
    """What came out for each file, in their order. A file is read when the pool asks for its job."""
    found: dict[int, Replayed] = {}
    claimed: dict[int, bytes] = {}

    def jobs() -> Iterator[Job]:
        for entry, path in enumerate(paths):
            receipt, file = _opened(path, rosters)
            claimed[entry] = file.opening.output
            yield Job(entry, receipt, file.opening.input)

    for outcome in _watched(replays(jobs()), len(paths)):
        path, output = paths[outcome.entry], claimed.pop(outcome.entry)
        found[outcome.entry] = _judged(path, output, outcome)
    return [found[entry] for entry in range(len(paths))]


def _watched(said: Iterable[Outcome | Event], total: int) -> Iterator[Outcome]:
    """A progress bar; what happened to the machines is told beside it."""
    with Progress(console=progress, transient=True, disable=not progress.is_terminal) as bar:
        task = bar.add_task("replaying", total=total)
        for item in said:
            if isinstance(item, Event):
                log.warning("%s", item.what)
            else:
                bar.advance(task)
                yield item


def _judged(path: Path, claimed: bytes, outcome: Outcome) -> Replayed:
    said = from_bytes(Output, claimed)
    if outcome.output is None:
        return Replayed(path, Finding.INDETERMINATE, f"{outcome.reason}: {outcome.cause}", said, None)
    same = outcome.output == claimed
    answer = from_bytes(Output, outcome.output)
    return Replayed(path, Finding.MATCH if same else Finding.MISMATCH, "", said, answer)
