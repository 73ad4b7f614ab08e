"""The population, out of the log's entries: every one of them is read, and the tree is derived from what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...evidence.accounts import Accounts, Finding, Irregularity
from ...evidence.audit.coverage import MAX_GAPS, Coverage
from ...evidence.audit.labels import Labels
from ...evidence.audit.strata import Strata, stratum_of
from ...evidence.receipt import AbandonReason, Receipt
from ...evidence.roster import Roster
from ...evidence.tlog.checkpoint import Checkpoint
from ...evidence.tlog.tree import root
from ..log.fsck import Fsck
from ..log.prover import DamagedError, Prover
from ..log.storage import Reader

# What watches over a long work: the entries, passed on as they come.
Progress = Callable[[Iterable[bytes], int], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Frame:
    """Which entries a population is of, and how it is divided."""

    within: range
    strata: Strata | None
    labels: Labels | None

    def stratum_of(self, entry: int, receipt: Receipt) -> str:
        """The stratum of a decision."""
        return stratum_of(receipt, self.strata, None if self.labels is None else self.labels.of(entry))


@dataclass(frozen=True, slots=True)
class Member:
    """A decision of the population."""

    entry: int
    stratum: str
    receipt: Receipt
    data: bytes  # the envelope, as it stands in the log


@dataclass(slots=True)
class Census:
    """What was read besides the population: numbers given up and why, and what is irregular."""

    entries: int = 0
    decisions: int = 0
    abandoned: Counter[AbandonReason] = field(default_factory=Counter)
    irregular: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    gaps: list[Finding] = field(default_factory=list)

    def note(self, finding: Finding) -> None:
        """Count an irregularity, and keep the first gaps."""
        self.irregular[finding.kind.name] += 1
        if finding.kind is Irregularity.MISSING and finding.numbers is not None:
            first, last = finding.numbers
            self.missing += last - first + 1
            if len(self.gaps) < MAX_GAPS:
                self.gaps.append(finding)

    def coverage(self) -> Coverage:
        """As a document."""
        return Coverage.of(
            self.entries,
            self.decisions,
            abandoned=self.abandoned,
            irregular=self.irregular,
            missing=self.missing,
            gaps=self.gaps,
        )


def take_census(
    reader: Reader,
    checkpoint: Checkpoint,
    rosters: Sequence[Roster],
    frame: Frame,
    *,
    visit: Callable[[Member], None],
    progress: Progress,
) -> Census:
    """Read the whole log as it stood at a checkpoint, and visit the decisions of a frame, in order.

    What an executor of a known epoch signed as a receipt is a decision, whatever else is irregular about it; what
    nobody vouches for is not. Raises DamagedError unless the entries are those of the checkpoint.
    """
    check, prover, census = Fsck(reader, checkpoint), Prover(reader), Census()
    accounts = Accounts(checkpoint.origin, rosters, lambda size: root(size, prover.read(size)))
    for entry, data in enumerate(progress(check.entries(), checkpoint.size)):
        taken = accounts.take(entry, data)
        census.entries += 1
        for finding in taken.findings:
            census.note(finding)
        if isinstance(taken.document, Receipt):
            if entry in frame.within:
                census.decisions += 1
                visit(Member(entry, frame.stratum_of(entry, taken.document), taken.document, data))
        elif taken.document is not None:
            census.abandoned[taken.document.reason] += 1
    for finding in accounts.missing():
        census.note(finding)
    if check.damages:
        raise DamagedError(f"the log is damaged: {check.damages[0]}", advice="who keeps it runs `reperform log fsck`")
    return census
