"""An audit that was drawn, and a report of it with one of everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reperform.consensus.audit.population import Population, draw
from reperform.evidence.audit.draw import Drawn
from reperform.evidence.audit.examined import Examined
from reperform.evidence.audit.report import Event, Item, Report, StratumReport
from reperform.evidence.digest import Domain, digest
from reperform.evidence.documents import from_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.receipt import receipt_id
from reperform.tests.audit.bank import LEAD, Audit, Bank

Marks = Mapping[int, Examined]  # by the item's place in its stratum's sample


@dataclass
class Scene:
    """A bank with decisions, an audit of them, and what was drawn."""

    bank: Bank
    drawn: Drawn
    population: Population

    @classmethod
    def of(cls, folder: Path, decisions: int = 40, *auditors: str, skip: bool = False, **changes: object) -> Scene:
        """Decide so often, and draw. `skip`: a number is left out, and one is given up."""
        bank = Bank(folder)
        for number in range(decisions):
            bank.sequence += skip and number == 2
            bank.decide(f"{number}.5")
        if skip:
            bank.give_up()
        drawn = Audit(bank, folder / "audit", *auditors, **changes).draw()
        population = draw(bank.shelf(), drawn, bank.rosters, None, lambda entries, _: iter(entries))
        return cls(bank, drawn, population)

    def report(self, marks: Marks | None = None, **changes: Any) -> Report:
        """The report in which these items of each stratum are no MATCH."""
        marks, strata, items, census = marks or {}, [], [], self.population.census
        for stratum in self.population.strata:
            findings = dict.fromkeys(Examined, 0)
            for place, entry in enumerate(stratum.sample):
                finding = marks.get(place, Examined.MATCH)
                findings[finding] += 1
                if finding is not Examined.MATCH:
                    receipt = receipt_id(from_bytes(Envelope, self.population.receipts[entry]))
                    items.append(Item(entry, receipt, finding, "a cause", digest(Domain.FILE, b"evidence")))
            strata.append(StratumReport.of(stratum, findings))
        now = self.bank.world.now
        report = Report(
            draw=self.drawn.draw_id,
            strata=tuple(strata),
            items=tuple(sorted(items, key=lambda item: item.entry)),
            coverage=census.coverage(),
            not_covered=("the decisions of the night of the move",),
            events=(Event(now, "a worker was lost; its items were queued again"),),
            started=now,
            ended=now + 60_000,
        )
        return replace(report, **changes)

    def sign(self, report: Report, by: str = LEAD) -> Envelope:
        """A report as this node signs it."""
        return Envelope.sign(report, self.drawn.roster.signers(self.bank.world.rings[by]))
