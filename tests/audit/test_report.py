"""The report: what its lead signs, what is refused, and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from reperform.evidence.accounts import Finding, Irregularity
from reperform.evidence.audit import report as module
from reperform.evidence.audit.attributes import Counted, upper_bound
from reperform.evidence.audit.coverage import MAX_GAPS, Count, Coverage, Gap
from reperform.evidence.audit.examined import Examined
from reperform.evidence.audit.figures import figures
from reperform.evidence.audit.report import MAX_TEXT, Event, Item, Report, StratumReport, open_report
from reperform.evidence.audit.sampling import Stratum
from reperform.evidence.audit.strata import ByModel
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.receipt import AbandonReason
from reperform.tests.audit.bank import SECOND
from reperform.tests.audit.scene import Scene

SOMEBODY = Digest(bytes(32))
ONE_OF_EACH = dict(enumerate(Examined))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.of(tmp_path_factory.mktemp("scene"), skip=True)


def test_a_report_is_verified_with_and_without_the_log(scene: Scene) -> None:
    report = scene.report(ONE_OF_EACH)
    assert open_report(scene.sign(report), scene.drawn).document == report
    assert open_report(scene.sign(report), scene.drawn, scene.population.strata).document == report
    assert from_bytes(Report, to_bytes(report)) == report


def test_a_report_says_what_was_found_and_what_the_log_held(scene: Scene) -> None:
    report = scene.report(ONE_OF_EACH)
    (stratum,) = report.strata
    assert stratum.population == 40
    assert stratum.entries == scene.population.strata[0].sample
    assert [stratum.found(finding) for finding in Examined] == [len(stratum.entries) - 5, 1, 1, 1, 1, 1]
    assert [item.finding for item in report.items] == list(Examined)[1:]
    coverage = report.coverage
    assert (coverage.entries, coverage.decisions, coverage.missing) == (45, 40, 1)  # three entries stood there before
    assert coverage.abandoned == (Count("crashed", 1),)
    assert coverage.irregular == (Count("MISSING", 1),)
    assert [(gap.first, gap.last) for gap in coverage.gaps] == [(2, 2)]


def test_nobody_but_the_lead_signs_it(scene: Scene) -> None:
    with pytest.raises(SignatureRefusedError):
        open_report(scene.sign(scene.report(), by=SECOND), scene.drawn)


def test_a_report_of_another_draw_is_refused(scene: Scene) -> None:
    with pytest.raises(MalformedError, match="another draw"):
        open_report(scene.sign(scene.report(draw=SOMEBODY)), scene.drawn)


def _fewer(report: Report) -> Report:
    (stratum,) = report.strata
    found = (Count(Examined.MATCH, stratum.found(Examined.MATCH) - 1), *stratum.findings[1:])
    return replace(report, strata=(replace(stratum, sample=stratum.sample[8:], findings=found),))


def _larger(report: Report) -> Report:
    return replace(report, strata=(replace(report.strata[0], population=400),))


def _outside(report: Report) -> Report:
    (stratum,) = report.strata
    return replace(report, strata=(replace(stratum, sample=stratum.sample[:-8] + (45).to_bytes(8, "big")),))


def _twice(report: Report) -> Report:
    (stratum,) = report.strata
    return replace(report, strata=(replace(stratum, name="again"), stratum))


def _hidden(report: Report) -> Report:
    return replace(report, items=report.items[1:])


def _softened(report: Report) -> Report:
    first, *others = report.items
    return replace(report, items=(replace(first, finding=Examined.INDETERMINATE), *others))


def _strange(report: Report) -> Report:
    (stratum,), (first, *others) = report.strata, report.items
    entry = next(entry for entry in range(first.entry + 1) if entry not in stratum.entries)
    return replace(report, items=(replace(first, entry=entry), *others))


def _half_read(report: Report) -> Report:
    return replace(report, coverage=replace(report.coverage, entries=44))


def _uncounted(report: Report) -> Report:
    return replace(report, coverage=replace(report.coverage, decisions=41))


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        (_fewer, "the plan asks for"),
        (_larger, "the plan asks for"),
        (_outside, "not in the population"),
        (_twice, "drawn twice"),
        (_hidden, "not those that it counts"),
        (_softened, "not those that it counts"),
        (_strange, "an item that was not drawn"),
        (_half_read, "as it was frozen"),
        (_uncounted, "not all the decisions"),
    ],
)
def test_a_report_that_contradicts_itself_or_the_draw_is_refused(
    scene: Scene, forged: Callable[[Report], Report], why: str
) -> None:
    envelope = scene.sign(forged(scene.report({3: Examined.MISMATCH, 5: Examined.MISSING})))
    with pytest.raises(MalformedError, match=why):
        open_report(envelope, scene.drawn)


def test_another_sample_than_the_seeds_is_refused_by_whoever_has_the_log(scene: Scene) -> None:
    report = scene.report()
    (stratum,) = report.strata
    others = sorted(set(range(40)) - set(stratum.entries))
    chosen = sorted([*stratum.entries[1:], others[0]])
    kind = replace(stratum, sample=b"".join(entry.to_bytes(8, "big") for entry in chosen))
    envelope = scene.sign(replace(report, strata=(kind,)))
    open_report(envelope, scene.drawn)  # without the log nobody can tell
    with pytest.raises(MalformedError, match="another sample"):
        open_report(envelope, scene.drawn, scene.population.strata)


def test_of_very_many_items_the_first_are_listed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ITEMS", 2)
    report = scene.report({1: Examined.MISMATCH, 2: Examined.MISSING, 3: Examined.MISMATCH})
    open_report(scene.sign(replace(report, items=report.items[:2])), scene.drawn)
    for items in (report.items, report.items[:1]):
        with pytest.raises(MalformedError, match="not those that it counts"):
            open_report(scene.sign(replace(report, items=items)), scene.drawn)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Count("MATCH", 0),
        lambda: Count("MATCH", -1),
        lambda: StratumReport("all", 2, bytes(8), (Count("MATCH", 2),)),
        lambda: StratumReport("all", 2, bytes(8), (Count("FINE", 1),)),
        lambda: StratumReport("all", 2, bytes(16), (Count("MATCH", 2),)),
        lambda: StratumReport("all", 2, bytes(9), (Count("MATCH", 1),)),
        lambda: StratumReport("all", 0, bytes(8), (Count("MATCH", 1),)),
        lambda: StratumReport("all", 2, b"", ()),
        lambda: StratumReport("two\nlines", 2, bytes(8), (Count("MATCH", 1),)),
        lambda: StratumReport(
            "all", 2, (0).to_bytes(8, "big") + (1).to_bytes(8, "big"), (Count("BROKEN", 1), Count("MATCH", 1))
        ),
        lambda: Item(0, SOMEBODY, Examined.MATCH, "", None),
        lambda: Item(0, SOMEBODY, Examined.MISSING, "x" * (MAX_TEXT + 1), None),
        lambda: Gap(SOMEBODY, 3, 2, 9),
        lambda: Coverage(3, 4, (), (), 0, ()),
        lambda: Coverage(3, 3, (Count("bored", 1),), (), 0, ()),
        lambda: Coverage(3, 3, (), (Count("MISSING", 1),), 1, ()),
        lambda: Coverage(3, 3, (), (Count("MISSING", 1),), 3, (Gap(SOMEBODY, 1, 2, 2),)),
        lambda: Coverage(3, 3, (), (), 2, (Gap(SOMEBODY, 1, 2, 2),)),
        lambda: Event(-1, "too early"),
        lambda: Event(0, "two\nlines"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_read(build: Callable[[], object]) -> None:
    with pytest.raises(MalformedError):
        build()


@pytest.mark.parametrize(
    "changes",
    [
        {"started": 2, "ended": 1},
        {"ended": 10**18},
        {"not_covered": ("two\nlines",)},
        {"events": (Event(0, "again"),) * 10_001},
    ],
)
def test_so_is_a_report_with_impossible_parts(scene: Scene, changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        scene.report(**changes)


def test_items_stand_by_entry_and_strata_by_name(scene: Scene) -> None:
    report = scene.report(ONE_OF_EACH)
    (stratum,) = report.strata
    with pytest.raises(MalformedError, match="by entry"):
        replace(report, items=report.items[::-1])
    with pytest.raises(MalformedError, match="by name"):
        replace(report, strata=(stratum, stratum))


def test_of_very_many_gaps_the_first_are_listed_and_all_are_counted() -> None:
    gaps = [Finding(Irregularity.MISSING, 5 * n, SOMEBODY, (3 * n, 3 * n + 1)) for n in range(MAX_GAPS + 5)]
    coverage = Coverage.of(
        9000, 8000, abandoned={AbandonReason.CRASHED: 0}, irregular={"MISSING": len(gaps)}, missing=2010, gaps=gaps
    )
    assert (len(coverage.gaps), coverage.missing, coverage.abandoned) == (MAX_GAPS, 2 * (MAX_GAPS + 5), ())
    with pytest.raises(MalformedError):
        replace(coverage, missing=2 * MAX_GAPS + 4)


def test_a_clean_sample_reaches_the_assurance(scene: Scene) -> None:
    plan, report = scene.drawn.plan, scene.report()
    found = figures(report, plan)
    sample = len(report.strata[0].entries)
    assert found.reached
    assert found.whole.cautious == found.strata[0].cautious == found.whole.lenient
    assert found.whole.cautious.bound == upper_bound(Counted(0, sample, 40), plan.assurance) == 3
    assert found.whole.cautious.rate == Fraction(3, 40) < plan.tolerable


@pytest.mark.parametrize("finding", [finding for finding in Examined if finding.deviates])
def test_a_deviation_of_any_kind_defeats_a_plan_that_expects_none(scene: Scene, finding: Examined) -> None:
    found = figures(scene.report({4: finding}), scene.drawn.plan)
    assert not found.reached
    assert (found.whole.cautious.deviations, found.whole.indeterminate) == (1, 0)
    assert found.whole.cautious.estimate == Fraction(1, found.whole.sample)


def test_what_could_not_be_examined_counts_both_ways_and_the_cautious_one_decides(scene: Scene) -> None:
    found = figures(scene.report({4: Examined.INDETERMINATE}), scene.drawn.plan)
    assert not found.reached
    assert (found.whole.lenient.deviations, found.whole.lenient.reached) == (0, True)
    assert (found.whole.cautious.deviations, found.whole.cautious.reached) == (1, False)
    assert found.whole.cautious.bound > found.whole.lenient.bound


def test_which_findings_are_deviations() -> None:
    assert [finding for finding in Examined if not finding.deviates] == [Examined.MATCH, Examined.INDETERMINATE]


def test_expected_deviations_do_not_defeat_it(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, expected=1)
    assert figures(scene.report({4: Examined.MISMATCH}), scene.drawn.plan).reached
    assert not figures(scene.report({4: Examined.MISMATCH, 5: Examined.MISSING}), scene.drawn.plan).reached


def test_the_whole_is_reached_only_if_every_stratum_is(scene: Scene) -> None:
    clean, other = scene.report().strata[0], scene.report({1: Examined.BROKEN}).strata[0]
    two = replace(scene.report(), strata=(replace(clean, name="a"), replace(other, name="b")))
    found = figures(two, scene.drawn.plan)
    assert [each.cautious.reached for each in found.strata] == [True, False]
    assert not found.reached
    half = Fraction("0.975")  # two bounds hold at once, at 95 %
    sample = len(clean.entries)
    assert found.whole.cautious.bound == sum(upper_bound(Counted(x, sample, 40), half) for x in (0, 1))
    assert found.whole.cautious.estimate == Fraction(1, 2 * sample)
    assert (found.whole.population, found.whole.sample) == (80, 2 * sample)


def test_an_audit_of_no_decisions_reaches_nothing(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, decisions=0)
    report = open_report(scene.sign(scene.report()), scene.drawn, scene.population.strata).document
    found = figures(report, scene.drawn.plan)
    assert (found.strata, found.whole.population, found.whole.cautious.bound, found.reached) == ((), 0, 0, False)


def test_strata_by_model_are_reported_each(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, strata=ByModel())
    report = open_report(scene.sign(scene.report()), scene.drawn, scene.population.strata).document
    assert [len(stratum.name) for stratum in report.strata] == [64]
    assert StratumReport.of(Stratum("a", 2, (0, 1)), {Examined.MATCH: 2}).entries == (0, 1)


def test_a_lead_cannot_forget_an_item() -> None:
    with pytest.raises(ReperformError, match="not as many as were drawn"):
        StratumReport.of(Stratum("all", 9, (1, 4, 7)), {Examined.MATCH: 2})
