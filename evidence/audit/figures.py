"""What a report allows one to state: derived from it and the plan, by everybody alike, and written down nowhere.

INDETERMINATE items are counted twice: as deviations, which is what the assurance is judged by, and as none.

The assurance is reached if in every stratum a rate of the plan's tolerable rate or more is rejected at the plan's
confidence. Then it is rejected for the whole, too, at the same confidence: with that rate in the whole, at least one
stratum has it, and is mistaken for better with a chance of at most 1 - confidence. The bound for the whole is another
statement, for which all strata's bounds must hold at once (attributes.overall_bound); it can exceed the tolerable rate
although the assurance is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .attributes import Counted, overall_bound, upper_bound
from .examined import Examined
from .plan import Plan
from .report import Report, StratumReport


@dataclass(frozen=True, slots=True)
class Figure:
    """Deviations found, the rate that they are an estimate of, and the most that there may be in the population."""

    deviations: int
    estimate: Fraction
    bound: int  # decisions
    rate: Fraction  # bound / population
    reached: bool


@dataclass(frozen=True, slots=True)
class BothWays:
    """The figures of a stratum, or of the whole, with INDETERMINATE items as deviations, and as none."""

    name: str
    population: int
    sample: int
    indeterminate: int
    cautious: Figure
    lenient: Figure


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of an audit. `reached` is the answer: whether the plan's assurance was reached, cautiously."""

    strata: tuple[BothWays, ...]
    whole: BothWays

    @property
    def reached(self) -> bool:
        """Whether there are fewer deviations than tolerable, at the plan's confidence."""
        return self.whole.cautious.reached


def figures(report: Report, plan: Plan) -> Figures:
    """The figures of a report that was verified. An audit of no decisions reaches nothing."""
    strata = tuple(_stratum(stratum, plan) for stratum in report.strata)
    return Figures(strata, _whole(strata, plan))


def _stratum(stratum: StratumReport, plan: Plan) -> BothWays:
    sample, unknown = len(stratum.entries), stratum.found(Examined.INDETERMINATE)
    found = sum(stratum.found(finding) for finding in Examined if finding.deviates)

    def figure(deviations: int) -> Figure:
        bound = upper_bound(Counted(deviations, sample, stratum.population), plan.assurance)
        rate = Fraction(bound, stratum.population)
        return Figure(deviations, Fraction(deviations, sample), bound, rate, rate < plan.tolerable)

    lenient = figure(found)
    cautious = figure(found + unknown) if unknown else lenient
    return BothWays(stratum.name, stratum.population, sample, unknown, cautious, lenient)


def _whole(strata: Sequence[BothWays], plan: Plan) -> BothWays:
    population, sample = sum(each.population for each in strata), sum(each.sample for each in strata)
    unknown = sum(each.indeterminate for each in strata)

    def figure(parts: Sequence[Figure]) -> Figure:
        counted = [
            Counted(part.deviations, each.sample, each.population) for part, each in zip(parts, strata, strict=True)
        ]
        bound = overall_bound(counted, plan.assurance)
        weighted = sum((part.estimate * each.population for part, each in zip(parts, strata, strict=True)), Fraction())
        return Figure(
            deviations=sum(part.deviations for part in parts),
            estimate=weighted / max(population, 1),
            bound=bound,
            rate=Fraction(bound, max(population, 1)),
            reached=bool(parts) and all(part.reached for part in parts),
        )

    lenient = figure([each.lenient for each in strata])
    cautious = figure([each.cautious for each in strata]) if unknown else lenient
    return BothWays("all decisions", population, sample, unknown, cautious, lenient)
