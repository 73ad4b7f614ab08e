"""Everything that a report says, once, as plain values: what is JSON here is what table and page show."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final

from ....evidence.accounts import Irregularity
from ....evidence.audit.draw import Drawn
from ....evidence.audit.examined import Examined
from ....evidence.audit.figures import BothWays, Figure, Figures, figures
from ....evidence.audit.report import Report
from ....evidence.audit.strata import ByAmount, ByModel, ByOutcome, Strata
from ....evidence.digest import Digest
from ....evidence.dsse import Signed
from ....evidence.roster import Roster
from .clauses import CLAUSES, DISCLAIMER, LIMITS

DECIMALS: Final = 4  # of a percentage
METHOD: Final = (
    "Sample size: the fewest items with which the tolerable rate is rejected at the plan's confidence although the"
    " expected deviations occur, by the exact hypergeometric distribution of each stratum's population.",
    "Drawing: without replacement, the items with the smallest tickets, SHA-256 of the seed and the entry's number.",
    "Upper bound of a stratum: the largest number of deviations that the exact one-sided hypergeometric test does not"
    " reject at the plan's confidence. No approximation; integers only.",
    "Upper bound of the whole: the sum of the strata's bounds at confidence 1 - (1 - c)/k for k strata, all of which"
    " hold at once by Bonferroni's inequality.",
    "Assurance: reached if in every stratum the tolerable rate is rejected; then it is for the whole, at the same"
    " confidence, even where the sum of bounds exceeds it.",
    "Point estimate: deviations found over items examined, weighted by the strata's populations. It is no bound.",
    "Deviations are MISMATCH, MISSING, BROKEN and MISLABELLED. INDETERMINATE items are counted both ways; the assurance"
    " is judged with them as deviations.",
)


@dataclass(frozen=True, slots=True)
class Account:
    """A verified report, the draw that it is of, and the figures that follow."""

    signed: Signed[Report]
    drawn: Drawn
    figures: Figures

    @classmethod
    def of(cls, signed: Signed[Report], drawn: Drawn) -> Account:
        """The account of a report that `open_report` verified under this draw."""
        return cls(signed, drawn, figures(signed.document, drawn.plan))

    def body(self) -> dict[str, Any]:
        """All of it, for machines."""
        report, plan, roster = self.signed.document, self.drawn.plan, self.drawn.roster
        return {
            "audit": plan.name,
            "reached": self.figures.reached,
            "plan": {
                "id": str(self.drawn.frozen.announced.plan_id),
                "tolerable_rate": _rate(plan.tolerable),
                "confidence": _rate(plan.assurance),
                "expected": plan.expected,
                "strata": _described(plan.strata),
                "examination": str(plan.examination),
                "created": plan.created,
                "reveal_by": plan.reveal_by,
                "answer_by": plan.answer_by,
                "lead": _who(plan.lead, roster),
                "auditors": [_who(node, roster) for node in plan.auditors],
                "roster": {"name": roster.name, "epoch": roster.epoch, "id": str(roster.roster_id)},
            },
            "population": self._population(),
            "draw": self._draw(),
            "figures": {
                "strata": [_both(each, self._findings(each.name)) for each in self.figures.strata],
                "whole": _both(self.figures.whole, self._findings(None)),
            },
            "items": [
                {
                    "entry": item.entry,
                    "receipt": str(item.receipt),
                    "finding": str(item.finding),
                    "deviates": item.finding.deviates,
                    "cause": item.cause,
                    "evidence": None if item.evidence is None else str(item.evidence),
                }
                for item in report.items
            ],
            "items_in_all": self.figures.whole.sample - self._findings(None)[Examined.MATCH],
            "coverage": self._coverage(),
            "not_covered": [*report.not_covered, *LIMITS],
            "events": [{"time": event.time, "what": event.what} for event in report.events],
            "started": report.started,
            "ended": report.ended,
            "method": list(METHOD),
            "clauses": {"note": DISCLAIMER, "served": [asdict(clause) for clause in CLAUSES]},
            "signed": {
                "by": _who(plan.lead, roster),
                "keys": [str(key) for key in sorted(self.signed.signers)],
                "sha256": hashlib.sha256(self.signed.envelope.payload).hexdigest(),
            },
        }

    def _population(self) -> dict[str, Any]:
        frozen = self.drawn.frozen
        checkpoint = frozen.witnessed.checkpoint
        return {
            "log": checkpoint.origin,
            "first": frozen.range.start,
            "last": frozen.range.stop - 1,
            "decisions": self.figures.whole.population,
            "size": checkpoint.size,
            "root": str(checkpoint.root),
            "witnesses": list(frozen.witnessed.organisations),
            "witnessed": frozen.witnessed.time,
            "announcement": str(frozen.announced.announcement),
            "announced_at": frozen.entry,
            "labels": None if frozen.freeze.labels is None else str(frozen.freeze.labels),
        }

    def _draw(self) -> dict[str, Any]:
        draw, plan = self.drawn.draw, self.drawn.plan
        return {
            "id": str(self.drawn.draw_id),
            "seed": str(self.drawn.seed),
            "beacon": plan.beacon,
            "beacon_value": None if draw.beacon is None else draw.beacon.hex(),
            "time": draw.time,
            "faults": [_who(node.node_id, self.drawn.roster) for node in self.drawn.missing],
        }

    def _findings(self, name: str | None) -> dict[Examined, int]:
        strata = [each for each in self.signed.document.strata if name in (None, each.name)]
        return {finding: sum(each.found(finding) for each in strata) for finding in Examined}

    def _coverage(self) -> dict[str, Any]:
        coverage = self.signed.document.coverage
        return {
            "entries": coverage.entries,
            "decisions": coverage.decisions,
            "abandoned": {count.of: count.number for count in coverage.abandoned},
            "irregular": [
                {"kind": count.of, "meaning": str(Irregularity[count.of]), "number": count.number}
                for count in coverage.irregular
            ],
            "missing_numbers": coverage.missing,
            "gaps": [
                {"executor": str(gap.executor), "first": gap.first, "last": gap.last, "entry": gap.entry}
                for gap in coverage.gaps
            ],
        }


def percent(fraction: Fraction, *, up: bool = False) -> str:
    """A fraction in per cent with up to four decimals: to the nearest, or `up`, as a bound is rounded."""
    scaled = fraction * 100 * 10**DECIMALS
    whole, decimals = divmod(ceil(scaled) if up else round(scaled), 10**DECIMALS)
    return f"{whole}.{decimals:0{DECIMALS}}".rstrip("0").rstrip(".")


def _rate(fraction: Fraction, *, up: bool = False) -> dict[str, str]:
    return {"fraction": str(fraction), "percent": percent(fraction, up=up)}


def _both(found: BothWays, findings: Mapping[Examined, int]) -> dict[str, Any]:
    return {
        "name": found.name,
        "population": found.population,
        "sample": found.sample,
        "findings": {str(finding): number for finding, number in findings.items()},
        "cautious": _figure(found.cautious),
        "lenient": _figure(found.lenient),
    }


def _figure(found: Figure) -> dict[str, Any]:
    return {
        "deviations": found.deviations,
        "estimate": _rate(found.estimate),
        "bound": found.bound,
        "rate": _rate(found.rate, up=True),
        "reached": found.reached,
    }


def _who(name: Digest, roster: Roster) -> dict[str, str]:
    organisation, node = roster.member(name)
    return {"organisation": organisation.name, "node": node.name, "id": str(name)}


def _described(strata: Strata | None) -> str:
    match strata:
        case None:
            return "none"
        case ByModel():
            return "by model"
        case ByOutcome():
            return "by outcome, as the operator disclosed it"
        case ByAmount():
            return f"by {strata.column}, as the operator disclosed it"
