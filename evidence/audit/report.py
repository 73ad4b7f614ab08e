"""The report of an audit: what was drawn, what was found about each item, and what the log's entries were.

It is signed by the lead. Figures do not stand in it: they follow from it and the plan (figures.py), for whoever reads
it. What counts items stands beside the items, so that a lead signs how many it found to MATCH, and forgets none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final

from ..digest import Digest
from ..dsse import Envelope, Signed, open_signed
from ..encoding import MalformedError
from ..times import check_range
from .attributes import sample_size
from .coverage import Count, Coverage, check_counts, counts, number_of
from .draw import Drawn
from .examined import Examined
from .sampling import Stratum

MAX_ITEMS: Final = 10_000  # items that are listed one by one; all are counted
MAX_REMARKS: Final = 10_000  # events, and what was not covered
MAX_TEXT: Final = 500  # characters
ENTRY_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class StratumReport:
    """One stratum: its decisions, those that were drawn, and how many of these have each finding (`Examined`).

    `sample` has the drawn entries of the log, ascending, each as 8 bytes big-endian.
    """

    KIND: ClassVar[str] = "audit-stratum/v1"
    name: str
    population: int
    sample: bytes
    findings: tuple[Count, ...]

    def __post_init__(self) -> None:
        _check_text(self.name)
        check_counts(self.findings, Examined)
        entries = self.entries
        if len(self.sample) % ENTRY_BYTES or any(later <= earlier for earlier, later in pairwise(entries)):
            raise MalformedError("drawn entries have 8 bytes each, and ascend")
        if not 0 < len(entries) <= self.population:
            raise MalformedError("at least one decision of a stratum is drawn, and not more than there are")
        if sum(count.number for count in self.findings) != len(entries):
            raise MalformedError(f"the findings of stratum {self.name!r} are not as many as were drawn")

    @classmethod
    def of(cls, stratum: Stratum, findings: Mapping[Examined, int]) -> StratumReport:
        """What was found in a stratum. Raises MalformedError unless there is a finding for each item."""
        sample = b"".join(entry.to_bytes(ENTRY_BYTES, "big") for entry in stratum.sample)
        return cls(stratum.name, stratum.population, sample, counts(findings, Examined))

    @property
    def entries(self) -> tuple[int, ...]:
        """The drawn entries of the log."""
        starts = range(0, len(self.sample), ENTRY_BYTES)
        return tuple(int.from_bytes(self.sample[at : at + ENTRY_BYTES], "big") for at in starts)

    def found(self, finding: Examined) -> int:
        """How many items have this finding."""
        return number_of(self.findings, finding)


@dataclass(frozen=True, slots=True)
class Item:
    """An item that is no MATCH: where its receipt stands, why, and the digest of the evidence that the lead keeps.

    `cause` is short and shows nothing of the decision: a report goes to people who may not see it.
    """

    KIND: ClassVar[str] = "audit-item/v1"
    entry: int
    receipt: Digest
    finding: Examined
    cause: str
    evidence: Digest | None

    def __post_init__(self) -> None:
        _check_text(self.cause)
        if self.finding is Examined.MATCH:
            raise MalformedError("an item that is a MATCH is counted, not listed")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during the audit. `time` is the lead's clock, in milliseconds since 1970."""

    KIND: ClassVar[str] = "audit-event/v1"
    time: int
    what: str

    def __post_init__(self) -> None:
        check_range(self.time)
        _check_text(self.what)


@dataclass(frozen=True, slots=True)
class Report:
    """What came out of a draw. `items` are those that are no MATCH, by entry; the first MAX_ITEMS, if there are more.

    Auditors who did not reveal their nonce are not named here: the draw shows them.
    """

    KIND: ClassVar[str] = "audit-report/v1"
    draw: Digest
    strata: tuple[StratumReport, ...]
    items: tuple[Item, ...]
    coverage: Coverage
    not_covered: tuple[str, ...]
    events: tuple[Event, ...]
    started: int
    ended: int

    def __post_init__(self) -> None:
        names = [stratum.name for stratum in self.strata]
        if names != sorted(set(names)):
            raise MalformedError("the strata of a report stand once each, by name")
        if any(later.entry <= earlier.entry for earlier, later in pairwise(self.items)):
            raise MalformedError("the items of a report stand once each, by entry")
        if max(len(self.events), len(self.not_covered)) > MAX_REMARKS:
            raise MalformedError(f"a report has up to {MAX_REMARKS} events, and as many remarks on what is not covered")
        for text in self.not_covered:
            _check_text(text)
        if not 0 <= self.started <= self.ended:
            raise MalformedError("an audit ends after it began")
        check_range(self.ended)


def open_report(envelope: Envelope, drawn: Drawn, strata: Sequence[Stratum] | None = None) -> Signed[Report]:
    """Verify a report of a verified draw. Raises ReperformError at the first step that fails.

    1. The lead of the plan signed it, for this draw.
    2. Each stratum has the plan's sample size for its population, out of the frozen entries, none drawn twice.
    3. With `strata`, the sample that follows from the log and the seed: it is that sample.
    4. The listed items were drawn, and are those that the findings count.
    5. The whole frozen log was read, and its decisions are those of the strata.
    """
    signed = open_signed(envelope, Report, drawn.roster.keys_of(drawn.lead))
    report = signed.document
    if report.draw != drawn.draw_id:
        raise MalformedError("the report is of another draw")
    _check_sizes(report, drawn)
    if strata is not None and [(s.name, s.population, s.entries) for s in report.strata] != [
        (s.name, s.population, s.sample) for s in strata
    ]:
        raise MalformedError("the report is of another sample than follows from the log and the seed")
    _check_items(report)
    if report.coverage.entries != drawn.frozen.witnessed.checkpoint.size:
        raise MalformedError("the report does not cover the log as it was frozen")
    if report.coverage.decisions != sum(stratum.population for stratum in report.strata):
        raise MalformedError("the strata of a report are not all the decisions that were counted")
    return signed


def _check_sizes(report: Report, drawn: Drawn) -> None:
    plan, seen = drawn.plan, set[int]()
    for stratum in report.strata:
        entries, population = stratum.entries, stratum.population
        size = sample_size(plan.tolerable, plan.assurance, expected=plan.expected, population=population)
        if len(entries) != size:
            raise MalformedError(f"{len(entries)} were drawn from stratum {stratum.name!r}; the plan asks for {size}")
        if not seen.isdisjoint(entries) or not set(entries) <= set(drawn.frozen.range):
            raise MalformedError(
                f"what was drawn from stratum {stratum.name!r} is not in the population, or drawn twice"
            )
        seen.update(entries)


def _check_items(report: Report) -> None:
    stratum_of = {entry: stratum.name for stratum in report.strata for entry in stratum.entries}
    if any(item.entry not in stratum_of for item in report.items):
        raise MalformedError("the report lists an item that was not drawn")
    counted = Counter(
        {
            (stratum.name, finding.of): finding.number
            for stratum in report.strata
            for finding in stratum.findings
            if finding.of != Examined.MATCH
        }
    )
    listed = Counter((stratum_of[item.entry], item.finding.value) for item in report.items)
    if len(report.items) != min(counted.total(), MAX_ITEMS) or not listed <= counted:
        raise MalformedError(f"the items of a report are not those that it counts, up to {MAX_ITEMS} of them")


def _check_text(text: str) -> None:
    if len(text) > MAX_TEXT or not text.isprintable():
        raise MalformedError(f"a text in a report has up to {MAX_TEXT} characters on one line")
