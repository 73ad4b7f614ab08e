"""Models of XGBoost are pinned from their file, and answer as XGBoost does."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.inputs import CategoryColumn, Unknown
from reperform.evidence.values import Record
from reperform.examples.mortgage.train import CATEGORIES
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.pin import pin
from reperform.executor.pinning.sources import ubjson
from reperform.executor.pinning.sources.xgboost import from_dump
from reperform.executor.pinning.sources.xgboost_json import parse
from reperform.executor.pinning.tabular.notes import Note
from reperform.tests.pinning import mortgages
from reperform.tests.pinning.mortgages import Array

HOSTILE = sorted(Path(__file__).with_name("hostile").glob("xgboost/*_fail"))
SOME = 300  # applications


def matrix(x: Array, y: Array | None, names: list[str]) -> xgboost.DMatrix:
    types = ["c" if name in CATEGORIES else "q" for name in names]
    return xgboost.DMatrix(x, y, feature_names=names, feature_types=types, enable_categorical=True, nthread=1)


def trained(data: xgboost.DMatrix, rounds: int, path: Path, **parameters: Any) -> xgboost.Booster:
    booster = xgboost.train({"nthread": 1, "seed": 0, **parameters}, data, rounds)
    booster.save_model(path)
    return booster


def test_all_applications_are_scored_as_xgboost_scores_them(tmp_path: Path) -> None:
    data = matrix(mortgages.matrix(), mortgages.approved(), mortgages.NAMES)
    path = tmp_path / "scorer.json"
    booster = trained(data, 30, path, objective="binary:logistic", max_cat_to_onehot=1)
    records, leaves = mortgages.records(), parse(path.read_bytes()).trees
    assert any(tree.sets for tree in leaves)
    candidate = from_dump(path, records[:20], name="scorer", notes=mortgages.notes(), labels=["decline", "approve"])
    pin(candidate, tmp_path / "pinned")
    outputs = PinnedModel.load(tmp_path / "pinned").run(records)
    probability = booster.predict(data)
    # XGBoost rounds to binary32 after each tree, which may add up to half a unit of all leaves, and its exponential is
    # not exact either.
    leaf = max(float(np.abs(tree.conditions[tree.left == -1]).max()) for tree in leaves)
    assert np.abs(mortgages.answers(outputs) - probability).max() < 2.0**-24 * (len(leaves) * leaf + 4)
    assert [output.decision == "approve" for output in outputs] == (probability > 0.5).tolist()
    assert 0 < (probability > 0.5).sum() < len(records)


@pytest.mark.parametrize(
    "parameters",
    [
        {"objective": "binary:logistic", "base_score": 0.3, "booster": "dart", "rate_drop": 0.5},
        {"objective": "binary:logitraw", "base_score": 0.3},
        {"objective": "reg:logistic", "base_score": 0.0},
        {"objective": "reg:squarederror"},
        {"objective": "reg:absoluteerror"},
        {"objective": "count:poisson", "base_score": 0.3},
        {"objective": "reg:gamma", "base_score": 0.3},
        {"objective": "rank:pairwise"},
        {"objective": "multi:softprob", "num_class": 3, "base_score": 0.3},
        {"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 2, "subsample": 0.6},
        {"objective": "multi:softmax", "num_class": 3},
    ],
    ids=lambda parameters: " ".join(map(str, parameters.values())),
)
def test_every_way_to_train_is_taken_over(parameters: dict[str, Any], tmp_path: Path) -> None:
    x, records = mortgages.matrix()[:SOME], mortgages.records()[:SOME]
    y = np.digitize(mortgages.incomes(), [55, 85]) if "num_class" in parameters else mortgages.approved()
    data = matrix(x, (y[:SOME] + (parameters["objective"] == "reg:gamma")).astype(float), mortgages.NAMES)
    booster = trained(data, 4, tmp_path / "model.json", **parameters)
    candidate = from_dump(tmp_path / "model.json", [], name="model", notes=mortgages.notes())
    assert candidate.original is not None
    expected, found = booster.predict(data), mortgages.found(candidate, records)
    by_hand = np.array([candidate.original(one)[0].tolist() for one in records[:20]])
    if parameters["objective"] == "multi:softmax":
        found, by_hand = found.argmax(1), by_hand.argmax(1)
    assert np.allclose(found, expected, rtol=2e-6, atol=2e-6)
    assert np.allclose(by_hand, expected[:20], rtol=2e-6, atol=2e-6)


def test_both_forms_of_the_file_hold_the_same_model(tmp_path: Path) -> None:
    data = matrix(mortgages.matrix()[:SOME], mortgages.approved()[:SOME], mortgages.NAMES)
    booster = trained(data, 5, tmp_path / "model.json", objective="binary:logistic", max_cat_to_onehot=1)
    booster.save_model(tmp_path / "model.ubj")
    assert (tmp_path / "model.ubj").read_bytes()[1:2] != b'"'
    one, other = (
        from_dump(tmp_path / f"model.{form}", [], name="model", notes=mortgages.notes()) for form in ("json", "ubj")
    )
    assert one.input == other.input
    tables, others = one.module.state_dict(), other.module.state_dict()
    assert all(tables[name].equal(others[name]) for name in tables | others)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from([1, 9]))
def test_values_at_thresholds_go_where_xgboost_sends_them(
    tmp_path_factory: pytest.TempPathFactory, seed: int, one_hot: int
) -> None:
    random, names = np.random.default_rng(seed), ["a", "b", "c", CATEGORIES[0]]
    values = np.array([math.nan, 0.0, -0.0, 1e-40, -1.0, 0.1, 0.5, 3.0, 1e30])
    x = np.column_stack([random.choice(values, (80, 3)), random.integers(0, 5, 80)])
    x[random.random(80) < 0.1, 3] = math.nan
    y = np.nansum(x * random.normal(size=4) % 7, 1) + random.normal(size=80)
    path = tmp_path_factory.mktemp("xgboost") / "model.json"
    booster = trained(matrix(x, y, names), 4, path, max_depth=4, max_cat_to_onehot=one_hot)
    near = np.array(
        [*values, *np.concatenate([tree.conditions for tree in parse(path.read_bytes()).trees])], np.float32
    )
    near = np.concatenate([near, np.nextafter(near, np.float32(-9)), np.nextafter(near, np.float32(9))]).astype(float)
    rows = np.column_stack([random.choice(near, (200, 3)), random.choice([math.nan, *range(7)], 200)])
    records = [_record(names, row) for row in rows.tolist()]
    found = mortgages.found(from_dump(path, [], name="model", notes={}), records)
    assert np.allclose(found, booster.predict(matrix(rows, None, names)), rtol=2e-6, atol=2e-6)


def test_categories_that_the_file_names_are_taken_over(tmp_path: Path) -> None:
    x, y = np.array([[float(i % 3), i % 2] for i in range(60)]), np.array([float(i % 3 == 1) for i in range(60)])
    trained(matrix(x, y, [CATEGORIES[0], "b"]), 2, tmp_path / "model.json", max_cat_to_onehot=9)
    model = json.loads((tmp_path / "model.json").read_text())
    texts = {"offsets": [0, 3, 9, 14], "values": list(b"ownrentedother")}
    model["learner"]["gradient_booster"]["model"]["cats"] = {"enc": [texts, {"offsets": [], "values": []}]}
    (tmp_path / "model.json").write_text(json.dumps(model))
    column = from_dump(tmp_path / "model.json", [], name="model", notes={}).input.columns[0]  # type: ignore[union-attr]
    assert column == CategoryColumn(
        CATEGORIES[0], "", ("own", "rented", "other", "missing"), unknown=Unknown.REFUSED, stand_in="missing"
    )


def test_trees_from_after_the_best_round_are_refused(tmp_path: Path) -> None:
    x, y = mortgages.matrix()[:SOME], mortgages.approved()[:SOME]
    data, held_back = matrix(x[50:], y[50:], mortgages.NAMES), matrix(x[:50], 1 - y[:50], mortgages.NAMES)
    said: dict[str, Any] = {"objective": "binary:logistic", "nthread": 1}
    booster = xgboost.train(said, data, 9, evals=[(held_back, "held")], early_stopping_rounds=2, verbose_eval=False)
    booster.save_model(tmp_path / "all.json")
    with pytest.raises(PinError, match="after its best round"):
        from_dump(tmp_path / "all.json", [], name="model", notes=mortgages.notes())
    booster[: booster.best_iteration + 1].save_model(tmp_path / "best.json")
    from_dump(tmp_path / "best.json", [], name="model", notes=mortgages.notes())


@pytest.mark.parametrize(
    "parameters",
    [{"booster": "gblinear"}, {"objective": "binary:hinge"}, {"objective": "survival:cox"}],
    ids=lambda parameters: " ".join(parameters.values()),
)
def test_what_is_not_supported_is_refused_by_name(parameters: dict[str, Any], tmp_path: Path) -> None:
    data = matrix(mortgages.matrix()[:SOME, :5], mortgages.approved()[:SOME], mortgages.NAMES[:5])
    trained(data, 1, tmp_path / "model.json", **parameters)
    with pytest.raises(PinError, match=next(iter(parameters.values()))):
        from_dump(tmp_path / "model.json", [], name="model", notes={})


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_what_xgboost_would_not_write_is_refused(case: Path) -> None:
    (model,) = case.glob("model.*")
    with pytest.raises(ReperformError) as refusal:
        from_dump(model, [], name="model", notes={"f0": Note()})
    assert isinstance(refusal.value, PinError | MalformedError)
    assert (case / "error").read_text().strip() in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_corpus_is_there() -> None:
    assert len(HOSTILE) > 15


@settings(max_examples=200)
@given(st.binary(max_size=60).map(lambda tail: b"{" + tail))
def test_no_bytes_do_worse_than_be_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        ubjson.loads(data + b"!")


def _record(names: list[str], row: list[float]) -> Record:
    return Record.of({name: _text(name, value) for name, value in zip(names, row, strict=True)})


def _text(name: str, value: float) -> str | None:
    if math.isnan(value):
        return None
    return str(int(value)) if name in CATEGORIES else repr(value)
