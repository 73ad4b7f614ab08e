"""The geometry of the page's two plots. Texts stand beside them in HTML, so that they are readable at any width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ....evidence.audit.examined import Examined
from .account import Account

WIDTH: Final = 1000  # units of every plot


@dataclass(frozen=True, slots=True)
class Bar:
    """A stratum's upper bounds, estimate and tolerable rate, each from the left."""

    name: str
    cautious: int
    lenient: int
    estimate: int
    tolerable: int


@dataclass(frozen=True, slots=True)
class Strip:
    """Where a stratum's sample lies in the range, as paths: all items, deviations, and what could not be examined."""

    name: str
    drawn: str
    deviations: str
    unknown: str


def bars(account: Account) -> tuple[Bar, ...]:
    """The strata, and the whole if there are several."""
    figures, tolerable = account.figures, account.drawn.plan.tolerable
    rows = (*figures.strata, figures.whole) if len(figures.strata) != 1 else figures.strata
    longest = max([2 * tolerable, *(row.cautious.rate for row in rows)])

    def scaled(rate: Fraction) -> int:
        return round(rate / longest * WIDTH)

    return tuple(
        Bar(
            row.name,
            scaled(row.cautious.rate),
            scaled(row.lenient.rate),
            scaled(row.cautious.estimate),
            scaled(tolerable),
        )
        for row in rows
    )


def strips(account: Account) -> tuple[Strip, ...]:
    """A strip for each stratum."""
    report, within = account.signed.document, account.drawn.frozen.range
    found = {item.entry: item.finding for item in report.items}

    def path(entries: Iterable[int]) -> str:
        places = sorted({round(Fraction(entry - within.start, max(len(within) - 1, 1)) * WIDTH) for entry in entries})
        return "".join(f"M{place} 0V1" for place in places)

    return tuple(
        Strip(
            stratum.name,
            path(stratum.entries),
            path(entry for entry in stratum.entries if found.get(entry, Examined.MATCH).deviates),
            path(entry for entry in stratum.entries if found.get(entry) is Examined.INDETERMINATE),
        )
        for stratum in report.strata
    )
