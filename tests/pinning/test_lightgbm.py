"""Models of LightGBM are pinned from their text, and answer as LightGBM does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.values import Record
from reperform.examples.mortgage.train import CATEGORIES
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.pin import pin
from reperform.executor.pinning.sources.lightgbm import from_dump
from reperform.executor.pinning.sources.lightgbm_text import parse
from reperform.executor.pinning.tabular.notes import Note
from reperform.tests.pinning import mortgages
from reperform.tests.pinning.mortgages import Array

HOSTILE = sorted(Path(__file__).with_name("hostile").glob("lightgbm/*_fail"))

# LightGBM adds binary64 leaves in binary64; what is pinned rounds the sum to binary32 once, and the link once.
HALF_UNIT = 2.0**-24

SOME = 300  # applications

QUIET = {"verbose": -1, "num_threads": 1}
SMALL = {"min_data_in_leaf": 2, "min_data_in_bin": 1, "min_data_per_group": 2, "cat_smooth": 1, "cat_l2": 0}


def trained(x: Array, y: Array, names: list[str], rounds: int, **parameters: Any) -> lightgbm.Booster:
    categorical = [name for name in names if name in CATEGORIES]
    data = lightgbm.Dataset(x, y, feature_name=names, categorical_feature=categorical)
    return lightgbm.train({**QUIET, **SMALL, **parameters}, data, rounds)


def mortgage(y: Array, rounds: int = 20, **parameters: Any) -> lightgbm.Booster:
    return trained(mortgages.matrix(), y, mortgages.NAMES, rounds, **parameters)


def test_all_applications_are_scored_as_lightgbm_scores_them(tmp_path: Path) -> None:
    booster = mortgage(mortgages.approved(), rounds=40, objective="binary")
    booster.save_model(tmp_path / "scorer.txt")
    assert "num_cat=1" in (tmp_path / "scorer.txt").read_text()
    records = mortgages.records()
    candidate = from_dump(
        tmp_path / "scorer.txt", records[:20], name="scorer", notes=mortgages.notes(), labels=["decline", "approve"]
    )
    pin(candidate, tmp_path / "pinned")
    outputs = PinnedModel.load(tmp_path / "pinned").run(records)
    probability, raw = (np.asarray(booster.predict(mortgages.matrix(), raw_score=raw)) for raw in (False, True))
    difference = np.abs(mortgages.answers(outputs) - probability)
    assert (difference <= HALF_UNIT * (np.abs(raw) / 4 + 1)).all()
    assert [output.decision == "approve" for output in outputs] == (probability > 0.5).tolist()
    assert 0 < (probability > 0.5).sum() < len(records)


def test_classes_have_trees_of_their_own(tmp_path: Path) -> None:
    third = np.digitize(mortgages.incomes(), [55, 85]).astype(float)
    booster = mortgage(third, rounds=5, objective="multiclass", num_class=3)
    booster.save_model(tmp_path / "incomes.txt")
    records = mortgages.records()
    pin(from_dump(tmp_path / "incomes.txt", records[:9], name="incomes", notes=mortgages.notes()), tmp_path / "pinned")
    outputs = PinnedModel.load(tmp_path / "pinned").run(records)
    probabilities = np.asarray(booster.predict(mortgages.matrix()))
    assert np.abs(mortgages.answers(outputs) - probabilities).max() < 1e-6
    assert [int(str(output.decision)) for output in outputs] == probabilities.argmax(1).tolist()


@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": "binary", "zero_as_missing": True, "sigmoid": 0.7},
        {"objective": "binary", "use_missing": False},
        {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
        {"objective": "binary", "boosting": "dart", "drop_rate": 0.5},
        {"objective": "cross_entropy"},
        {"objective": "multiclassova", "num_class": 2, "sigmoid": 2.0},
        {"objective": "regression"},
        {"objective": "huber"},
        {"objective": "quantile"},
        {"objective": "poisson"},
        {"objective": "tweedie"},
    ],
    ids=lambda parameters: " ".join(map(str, parameters.values())),
)
def test_every_way_to_train_is_taken_over(parameters: dict[str, Any], tmp_path: Path) -> None:
    x, records = mortgages.matrix()[:SOME], mortgages.records()[:SOME]
    booster = trained(x, mortgages.approved()[:SOME], mortgages.NAMES, 4, **parameters)
    booster.save_model(tmp_path / "model.txt")
    candidate = from_dump(tmp_path / "model.txt", [], name="model", notes=mortgages.notes())
    assert candidate.original is not None
    expected = np.asarray(booster.predict(x))
    assert np.allclose(mortgages.found(candidate, records), expected, rtol=1e-6, atol=1e-7)
    by_hand = [candidate.original(one)[0].tolist() for one in records[:20]]
    assert np.allclose(by_hand, expected[:20], rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1 << 30), st.booleans(), st.booleans())
def test_values_at_thresholds_go_where_lightgbm_sends_them(
    tmp_path_factory: pytest.TempPathFactory, seed: int, use_missing: bool, zero_as_missing: bool
) -> None:
    random = np.random.default_rng(seed)
    values = np.array([math.nan, 0.0, -0.0, 1e-35, 2e-35, -1.0, 0.1, 0.5, 3.0, 1e30])
    x = np.column_stack([random.choice(values, (80, 3)), random.integers(0, 5, 80)])
    x[random.random(80) < 0.1, 3] = math.nan
    y = np.nansum(x * random.normal(size=4) % 7, 1) + random.normal(size=80)
    said = {"objective": "regression", "use_missing": use_missing, "zero_as_missing": zero_as_missing, "num_leaves": 8}
    booster = trained(x, y, ["a", "b", "c", CATEGORIES[0]], 4, **said)
    path = tmp_path_factory.mktemp("lightgbm") / "model.txt"
    booster.save_model(path)
    thresholds = np.concatenate([t.thresholds[t.decisions % 2 == 0] for t in parse(path.read_bytes()).trees])
    near = np.array([np.float32(t) for t in (*values, *thresholds)])
    near = np.concatenate([near, np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(9))]).astype(float)
    near = near[~np.isinf(near)]
    rows = np.column_stack([random.choice(near, (200, 3)), random.choice([math.nan, *range(7)], 200)])
    records = [_record(["a", "b", "c", CATEGORIES[0]], row) for row in rows.tolist()]
    found = mortgages.found(from_dump(path, [], name="model", notes={}), records)
    assert np.allclose(found, booster.predict(rows), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_what_lightgbm_would_not_write_is_refused(case: Path) -> None:
    with pytest.raises(ReperformError) as refusal:
        from_dump(case / "model.txt", [], name="model", notes={})
    assert isinstance(refusal.value, PinError | MalformedError)
    assert (case / "error").read_text().strip() in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_corpus_is_there() -> None:
    assert len(HOSTILE) > 15


def test_notes_must_be_on_columns_of_the_model(tmp_path: Path) -> None:
    mortgage(mortgages.approved(), rounds=1, objective="binary").save_model(tmp_path / "model.txt")
    for notes, words in (
        ({"age": Note("no column")}, "a column 'age'"),
        ({"price": Note(categories=("low", "high"))}, "takes as a number"),
    ):
        with pytest.raises(PinError, match=words):
            from_dump(tmp_path / "model.txt", [], name="model", notes=notes)
    with pytest.raises(PinError, match="3 labels for 2 classes"):
        from_dump(tmp_path / "model.txt", [], name="model", notes={}, labels=["a", "b", "c"])


def _record(names: list[str], row: list[float]) -> Record:
    return Record.of({name: _text(name, value) for name, value in zip(names, row, strict=True)})


def _text(name: str, value: float) -> str | None:
    if math.isnan(value):
        return None
    return str(int(value)) if name in CATEGORIES else repr(value)
