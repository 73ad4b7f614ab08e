"""Attribute sampling, exactly: how many items a statement needs, and what a sample allows one to state. Integers only.

A population of N decisions has K that deviate. Of n drawn without replacement, X deviate: X is hypergeometric,

    P(X <= x) = Σ C(K, i) C(N - K, n - i) / C(N, n),  i = 0 … x

and a number K is rejected at a confidence c if P(X <= x | K) <= 1 - c. More deviations make small x less likely, so
what is rejected is everything from some K on. The tables of the audit guides (AICPA, Audit Sampling, appendix A) are
those for N without end, where X is binomial.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, comb
from typing import Final

from ..encoding import MalformedError

GRID: Final = 10**9  # rates of populations without end are told in billionths, rounded up


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in one stratum: deviations, items that were examined, and decisions there are in all."""

    deviations: int
    sample: int
    population: int

    def __post_init__(self) -> None:
        if not 0 <= self.deviations <= self.sample <= self.population:
            raise MalformedError("deviations are among the sample, and the sample is in the population")


def sample_size(rate: Fraction, confidence: Fraction, *, expected: int = 0, population: int | None = None) -> int:
    """The fewest items with which up to `expected` deviations still show, at this confidence, fewer than `rate`.

    That is the smallest n with P(X <= expected | K) <= 1 - confidence for the K = ⌈rate · N⌉ deviations that are just
    too many; all N if no smaller sample can show it. Without a population: for one without end, which at the
    confidences that audits use asks for at least as many as any finite one. Raises MalformedError for what is no rate,
    confidence or number.
    """
    _check(rate, confidence)
    if expected < 0 or (population is not None and population < 0):
        raise MalformedError("expected deviations and populations are not negative")
    risk = 1 - confidence
    if population is None:
        return _first(lambda n: _rare_in_endless(expected, n, rate, risk), expected + 1)
    bad = ceil(rate * population)
    return _first(lambda n: _rare(expected, n, bad, population, risk), min(expected + 1, population), population)


def upper_bound(counted: Counted, confidence: Fraction) -> int:
    """The largest number of deviations in the population that is not rejected at this confidence.

    Whatever the true number is, the chance that a bound made this way is below it is at most 1 - confidence.
    """
    _check(confidence)
    x, n, population = counted.deviations, counted.sample, counted.population
    most = population - n + x  # what was examined and does not deviate is known
    return _first(lambda bad: _rare(x, n, bad, population, 1 - confidence), x, most + 1) - 1


def upper_rate(deviations: int, sample: int, confidence: Fraction) -> Fraction:
    """The same for a population without end: Clopper and Pearson's one-sided bound, rounded up to whole 1/GRID."""
    _check(confidence)
    if not 0 <= deviations <= sample:
        raise MalformedError("deviations are among the sample")
    risk = 1 - confidence
    return Fraction(
        _first(lambda part: _rare_in_endless(deviations, sample, Fraction(part, GRID), risk), 0, GRID), GRID
    )


def overall_bound(strata: Sequence[Counted], confidence: Fraction) -> int:
    """An upper bound for the deviations in all strata together.

    The sum of k bounds at confidence 1 - (1 - c)/k: by Bonferroni's inequality the chance that any of them is too low
    is at most 1 - c, and their sum is too low only if one of them is. It holds for strata of any sizes, cautiously.
    """
    _check(confidence)
    each = 1 - (1 - confidence) / max(len(strata), 1)
    return sum(upper_bound(counted, each) for counted in strata)


def _check(*fractions: Fraction) -> None:
    if any(not 0 < fraction < 1 for fraction in fractions):
        raise MalformedError("rate and confidence lie between 0 and 1", advice="write 5 % as 0.05")


def _rare(deviations: int, sample: int, bad: int, population: int, risk: Fraction) -> bool:
    """Whether P(X <= deviations) <= risk, X hypergeometric."""
    few, many = sorted((sample, bad))  # which of the two is drawn from the other makes no difference to X
    if deviations >= few:
        return False  # X is never more
    rest = population - many
    first = max(0, few - rest)
    term, total = comb(many, first) * comb(rest, few - first), 0
    for hits in range(first, deviations + 1):
        total += term
        term = term * (many - hits) * (few - hits) // ((hits + 1) * (rest - few + hits + 1))
    return total * risk.denominator <= risk.numerator * comb(population, few)


def _rare_in_endless(deviations: int, sample: int, rate: Fraction, risk: Fraction) -> bool:
    """Whether P(X <= deviations) <= risk, X binomial; for deviations <= sample."""
    bad, all_ = rate.as_integer_ratio()
    good = all_ - bad
    total, power = 0, 1
    for hits in range(deviations + 1):
        total = total * good + comb(sample, hits) * power
        power *= bad
    chance, whole = total * good ** (sample - deviations), all_**sample
    return bool(chance * risk.denominator <= risk.numerator * whole)


def _first(holds: Callable[[int], bool], start: int, end: int | None = None) -> int:
    """The smallest number from `start` on for which this holds, as it does for all larger ones; or `end`.

    What it asks about stays below twice the answer: the cost grows with the numbers.
    """
    reach = 1
    while (end is None or start + reach < end) and not holds(start + reach):
        reach *= 2
    stop = start + reach if end is None else min(start + reach, end)
    return start + bisect_left(range(start, stop), True, key=holds)
