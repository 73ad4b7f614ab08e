"""Attribute sampling: the published tables, scipy as an oracle, and what a bound promises, computed exactly."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, comb

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reperform.evidence.audit.attributes import (
    GRID,
    Counted,
    overall_bound,
    sample_size,
    upper_bound,
    upper_rate,
)
from reperform.evidence.encoding import MalformedError

CONFIDENCE = Fraction("0.95")
MARGIN = 1e-9  # scipy computes with binary64: nearer to the limit than this it has no say

# AICPA, Audit Sampling, appendix A: tolerable rate, and the sample for 0, 1 and 2 expected deviations.
AT_5_PERCENT_RISK = [
    ("0.02", 149, 236, 313),
    ("0.03", 99, 157, 208),
    ("0.04", 74, 117, 156),
    ("0.05", 59, 93, 124),
    ("0.06", 49, 78, 103),
    ("0.07", 42, 66, 88),
    ("0.08", 36, 58, 77),
    ("0.09", 32, 51, 68),
    ("0.1", 29, 46, 61),
    ("0.15", 19, 30, 40),
    ("0.2", 14, 22, 30),
]
AT_10_PERCENT_RISK = [("0.03", 76, 129, 176), ("0.04", 57, 96, 132), ("0.05", 45, 77, 105), ("0.1", 22, 38, 52)]
# The same, table of results at 5 % risk: sample, and upper limits in per cent for 0, 1 and 2 deviations.
UPPER_LIMITS = [
    (20, "14.0", "21.7", "28.3"),
    (25, "11.3", "17.7", "23.2"),
    (50, "5.9", "9.2", "12.1"),
    (60, "4.9", "7.7", "10.2"),
    (100, "3.0", "4.7", "6.2"),
]

rates = st.fractions(Fraction(1, 500), Fraction(1, 2), max_denominator=1000)
confidences = st.fractions(Fraction(1, 2), Fraction(999, 1000), max_denominator=1000)


@st.composite
def counts(draw: st.DrawFn, most: int = 2000) -> Counted:
    population = draw(st.integers(1, most))
    sample = draw(st.integers(1, population))
    return Counted(draw(st.integers(0, min(sample, 40))), sample, population)


@pytest.mark.parametrize(
    ("rate", "size"), [("0.1", 29), ("0.05", 59), ("0.03", 99), ("0.01", 299), ("0.001", 2995), ("0.0001", 29956)]
)
def test_the_published_sizes_without_deviations(rate: str, size: int) -> None:
    assert sample_size(Fraction(rate), CONFIDENCE) == size


@pytest.mark.parametrize(
    ("confidence", "row"),
    [*(("0.95", row) for row in AT_5_PERCENT_RISK), *(("0.9", row) for row in AT_10_PERCENT_RISK)],
)
def test_the_published_sizes_with_deviations(confidence: str, row: tuple[str, int, int, int]) -> None:
    rate, *sizes = row
    assert [sample_size(Fraction(rate), Fraction(confidence), expected=x) for x in range(3)] == sizes


@pytest.mark.parametrize("row", UPPER_LIMITS)
def test_the_published_upper_limits(row: tuple[int, str, str, str]) -> None:
    sample, *limits = row
    bounds = [upper_rate(x, sample, CONFIDENCE) for x in range(3)]
    assert [ceil(bound * 1000) for bound in bounds] == [int(Fraction(limit) * 10) for limit in limits]


def test_a_thousand_decisions_with_ten_that_deviate() -> None:
    assert sample_size(Fraction("0.01"), CONFIDENCE, population=1000) == 258
    assert upper_bound(Counted(0, 258, 1000), CONFIDENCE) == 9


def test_a_large_population_takes_no_more_than_one_without_end() -> None:
    assert sample_size(Fraction("0.001"), CONFIDENCE, population=10**6) == 2990
    assert upper_bound(Counted(0, 2990, 10**6), CONFIDENCE) == 999


@settings(max_examples=200, deadline=None)
@given(rates, confidences, st.integers(0, 12), st.integers(1, 2000))
def test_a_sample_is_as_large_as_it_must_be_and_no_larger(
    rate: Fraction, confidence: Fraction, expected: int, population: int
) -> None:
    from scipy.stats import hypergeom

    size, bad = sample_size(rate, confidence, expected=expected, population=population), ceil(rate * population)
    assert 0 < size <= population
    if size < population:
        assert hypergeom.cdf(expected, population, bad, size) <= float(1 - confidence) + MARGIN
    if size > expected:
        assert hypergeom.cdf(expected, population, bad, size - 1) >= float(1 - confidence) - MARGIN


@settings(max_examples=200, deadline=None)
@given(rates, confidences, st.integers(0, 12))
def test_so_is_a_sample_of_a_population_without_end(rate: Fraction, confidence: Fraction, expected: int) -> None:
    from scipy.stats import binom

    size = sample_size(rate, confidence, expected=expected)
    assert binom.cdf(expected, size, float(rate)) <= float(1 - confidence) + MARGIN
    assert binom.cdf(expected, size - 1, float(rate)) >= float(1 - confidence) - MARGIN


@settings(max_examples=200, deadline=None)
@given(counts(), confidences)
def test_a_bound_is_the_largest_number_that_is_not_rejected(counted: Counted, confidence: Fraction) -> None:
    from scipy.stats import hypergeom

    x, n, population = counted.deviations, counted.sample, counted.population
    bound, risk = upper_bound(counted, confidence), float(1 - confidence)
    assert x <= bound <= population - (n - x)
    assert hypergeom.cdf(x, population, bound, n) >= risk - MARGIN
    if bound < population - (n - x):
        assert hypergeom.cdf(x, population, bound + 1, n) <= risk + MARGIN


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 40), confidences)
def test_a_bound_of_a_population_without_end_is_clopper_and_pearsons(n: int, x: int, confidence: Fraction) -> None:
    from scipy.stats import beta

    assume(x < n)
    bound = upper_rate(x, n, confidence)
    exact = float(beta.ppf(float(confidence), x + 1, n - x))
    assert exact - MARGIN <= float(bound) <= exact + 1 / GRID + MARGIN
    assert (bound * GRID).denominator == 1


@pytest.mark.parametrize("confidence", [Fraction(1, 2), Fraction(4, 5), CONFIDENCE])
@pytest.mark.parametrize("population", [1, 2, 7, 12, 19])
def test_a_bound_is_below_the_truth_at_most_as_often_as_it_says(population: int, confidence: Fraction) -> None:
    for sample in range(population + 1):
        bounds = [upper_bound(Counted(x, sample, population), confidence) for x in range(sample + 1)]
        for bad in range(population + 1):
            below = sum(comb(bad, x) * comb(population - bad, sample - x) for x in range(sample + 1) if bounds[x] < bad)
            assert Fraction(below, comb(population, sample)) <= 1 - confidence


def test_so_is_the_bound_over_strata() -> None:
    sizes, samples, confidence = (5, 8), (3, 4), Fraction(4, 5)
    ways = comb(sizes[0], samples[0]) * comb(sizes[1], samples[1])
    for first in range(sizes[0] + 1):
        for second in range(sizes[1] + 1):
            below = 0
            for x in range(samples[0] + 1):
                for y in range(samples[1] + 1):
                    counted = [Counted(x, samples[0], sizes[0]), Counted(y, samples[1], sizes[1])]
                    if overall_bound(counted, confidence) < first + second:
                        below += (
                            comb(first, x)
                            * comb(sizes[0] - first, samples[0] - x)
                            * comb(second, y)
                            * comb(sizes[1] - second, samples[1] - y)
                        )
            assert Fraction(below, ways) <= 1 - confidence


def test_one_stratum_needs_no_correction() -> None:
    counted = Counted(2, 60, 900)
    assert overall_bound([counted], CONFIDENCE) == upper_bound(counted, CONFIDENCE)
    assert overall_bound([counted] * 2, CONFIDENCE) == 2 * upper_bound(counted, Fraction("0.975"))


@settings(max_examples=100, deadline=None)
@given(rates, confidences, st.integers(0, 12), st.integers(1, 1000))
def test_as_many_deviations_as_were_expected_still_show_it_unless_there_are_too_many(
    rate: Fraction, confidence: Fraction, expected: int, population: int
) -> None:
    size = sample_size(rate, confidence, expected=expected, population=population)
    for x in range(min(expected, size) + 1):
        bound = upper_bound(Counted(x, size, population), confidence)
        assert bound < rate * population or (size == population and bound == x)


@settings(max_examples=100, deadline=None)
@given(rates, confidences, st.integers(0, 12), st.integers(1, 1000))
def test_more_deviations_and_more_confidence_cost_more_and_a_finite_population_less(
    rate: Fraction, confidence: Fraction, expected: int, population: int
) -> None:
    size = sample_size(rate, confidence, expected=expected)
    assert size < sample_size(rate, confidence, expected=expected + 1)
    assert size <= sample_size(rate, (1 + confidence) / 2, expected=expected)
    if confidence >= Fraction(3, 5):
        assert size >= sample_size(rate, confidence, expected=expected, population=population)


@settings(max_examples=100, deadline=None)
@given(counts(500), confidences)
def test_a_bound_grows_with_deviations_and_confidence_and_shrinks_with_the_sample(
    counted: Counted, confidence: Fraction
) -> None:
    x, n, population = counted.deviations, counted.sample, counted.population
    bound = upper_bound(counted, confidence)
    assert bound <= upper_bound(counted, (1 + confidence) / 2)
    if x < n:
        assert bound <= upper_bound(Counted(x + 1, n, population), confidence)
    if n < population:
        assert bound >= upper_bound(Counted(x, n + 1, population), confidence)


def test_whoever_examines_everything_knows_and_whoever_examines_nothing_does_not() -> None:
    assert upper_bound(Counted(3, 50, 50), CONFIDENCE) == 3
    assert upper_bound(Counted(0, 0, 50), CONFIDENCE) == 50
    assert upper_rate(0, 0, CONFIDENCE) == upper_rate(4, 4, CONFIDENCE) == 1
    assert overall_bound([], CONFIDENCE) == 0


def test_a_sample_that_can_show_nothing_is_everything() -> None:
    assert sample_size(Fraction("0.01"), CONFIDENCE, population=20) == 19  # one in twenty is found in nineteen
    assert sample_size(Fraction("0.01"), CONFIDENCE, population=10) == 10
    assert sample_size(Fraction("0.1"), CONFIDENCE, expected=5, population=30) == 30
    assert sample_size(Fraction("0.1"), CONFIDENCE, population=0) == 0


@pytest.mark.parametrize("outside", [Fraction(0), Fraction(1), Fraction(-1, 2), Fraction(3, 2)])
def test_what_is_no_fraction_is_refused(outside: Fraction) -> None:
    with pytest.raises(MalformedError, match="between 0 and 1"):
        sample_size(outside, CONFIDENCE)
    with pytest.raises(MalformedError, match="between 0 and 1"):
        sample_size(CONFIDENCE, outside)
    with pytest.raises(MalformedError, match="between 0 and 1"):
        upper_bound(Counted(0, 1, 2), outside)
    with pytest.raises(MalformedError, match="between 0 and 1"):
        overall_bound([], outside)


@pytest.mark.parametrize("numbers", [(-1, 2, 3), (3, 2, 3), (1, 4, 3)])
def test_counts_that_cannot_be_are_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(MalformedError, match="among the sample"):
        Counted(*numbers)
    with pytest.raises(MalformedError, match="not negative"):
        sample_size(CONFIDENCE, CONFIDENCE, expected=-1)
    with pytest.raises(MalformedError, match="among the sample"):
        upper_rate(3, 2, CONFIDENCE)
