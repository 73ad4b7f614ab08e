"""The report, out of a finished ledger."""

from __future__ import annotations

from collections.abc import Iterator

from ...evidence.accounts import Irregularity
from ...evidence.audit.coverage import Coverage, number_of
from ...evidence.audit.draw import Drawn
from ...evidence.audit.examined import Examined
from ...evidence.audit.report import MAX_ITEMS, MAX_REMARKS, MAX_TEXT, Event, Item, Report, StratumReport
from ...evidence.audit.strata import UNDISCLOSED
from ...evidence.documents import from_bytes
from ...evidence.dsse import Envelope
from ...evidence.receipt import receipt_id
from .lead import NotYetError
from .ledger import Ledger


def make_report(ledger: Ledger, drawn: Drawn, ended: int) -> Report:
    """What was found about every item. Raises NotYetError while one is open."""
    if left := ledger.left():
        raise NotYetError(
            f"{left} of {ledger.drawn()} items are not examined yet",
            advice="run the audit again; what is not answered in time is a deviation then",
        )
    document, started = ledger.about()
    coverage, counts = from_bytes(Coverage, document), ledger.counts()
    strata = tuple(
        StratumReport.of(stratum, {finding: counts.get((stratum.name, finding), 0) for finding in Examined})
        for stratum in ledger.strata()
    )
    return Report(
        draw=drawn.draw_id,
        strata=strata,
        items=tuple(_items(ledger)),
        coverage=coverage,
        not_covered=tuple(_not_covered(drawn, coverage, strata)),
        events=tuple(Event(event.time, _line(event.what)) for event in ledger.events()[:MAX_REMARKS]),
        started=started,
        ended=ended,
    )


def _items(ledger: Ledger) -> Iterator[Item]:
    for number, (item, settled) in enumerate(ledger.unlike()):
        if number == MAX_ITEMS:
            return
        name = receipt_id(from_bytes(Envelope, item.receipt))
        yield Item(item.entry, name, settled.finding, _line(settled.cause), settled.evidence)


def _not_covered(drawn: Drawn, coverage: Coverage, strata: tuple[StratumReport, ...]) -> Iterator[str]:
    within, size = drawn.frozen.range, drawn.frozen.witnessed.checkpoint.size
    if within.start:
        yield f"decisions at entries before {within.start}: the plan does not ask for them"
    if within.stop < size:
        yield f"decisions at entries from {within.stop} on: the plan does not ask for them"
    yield f"decisions at entries from {size} on: they were logged after the population was frozen"
    if unsigned := number_of(coverage.irregular, Irregularity.UNSIGNED.name):
        yield f"{unsigned} entries that say they are receipts, and that no executor of a known roster signed"
    if coverage.missing:
        yield f"{coverage.missing} numbers that executors used, or gave up, without a word in the log"
    if any(stratum.name == UNDISCLOSED for stratum in strata):
        yield "the strata of decisions whose operator discloses none: they are a stratum of their own"


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_TEXT]
