"""Estimators of scikit-learn are pinned as data, and answer as scikit-learn does."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from reperform.evidence.documents import to_bytes
from reperform.evidence.inputs import RecordInput
from reperform.evidence.rules import Largest, Threshold
from reperform.evidence.values import Record
from reperform.examples.mortgage.forest import LABELS, boosted_pipeline, candidate, forest_pipeline, table
from reperform.examples.mortgage.train import CATEGORIES, NUMBERS
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.pin import pin
from reperform.executor.pinning.sources.estimator import from_estimator
from reperform.executor.pinning.sources.estimator_encoders import text
from reperform.executor.preprocessing import encoder
from reperform.tests.pinning import mortgages
from reperform.tests.pinning.mortgages import Array
from sklearn import ensemble, linear_model, neural_network, svm, tree
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

# Of a number of binary32: features, coefficients, products and sums are each rounded once.
HALF_UNIT = 2.0**-24

WITHOUT = """
import hashlib, pathlib, sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("sklearn", "joblib", "pandas", "narwhals"):
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
from reperform.evidence.documents import to_bytes
from reperform.executor.model import PinnedModel
from reperform.tests.pinning import mortgages

for directory in sys.argv[1:]:
    outputs = PinnedModel.load(pathlib.Path(directory)).run(mortgages.records()[:50])
    print(hashlib.sha256(b"".join(map(to_bytes, outputs))).hexdigest())
"""


def frame() -> pandas.DataFrame:
    """The applications as people hold them."""
    columns = [*NUMBERS, *CATEGORIES]
    given = pandas.DataFrame(table(mortgages.rows()), columns=columns)
    return given.astype(dict.fromkeys(NUMBERS, float))


def prepared() -> Any:
    """Filled, marked and standardised numbers; categories one by one."""
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(drop="first", handle_unknown="ignore")
    return make_column_transformer((numbers, list(NUMBERS)), (categories, list(CATEGORIES)))


def prepared_logistic() -> Any:
    """Logistic regression of what has no names."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), RobustScaler())
    places = list(range(len(NUMBERS))), list(range(len(NUMBERS), len(NUMBERS) + len(CATEGORIES)))
    before = make_column_transformer((numbers, places[0]), (OneHotEncoder(), places[1]))
    return make_pipeline(before, linear_model.LogisticRegression(solver="newton-cholesky"))


def incomes() -> Array:
    """Three classes."""
    return np.digitize(mortgages.incomes(), [55, 85]).astype(np.float64)


@cache
def encoded(spec: RecordInput) -> torch.Tensor:
    """All applications as a model takes them."""
    used = {column.name for column in spec.columns}
    records = [Record(tuple(e for e in record.entries if e.column in used)) for record in mortgages.records()]
    return encoder(spec, {}).tensors(records)[0]


def native(given: Candidate) -> Array:
    """What a candidate's module answers to all applications in native torch: the pins show that portable-1 does."""
    assert isinstance(given.input, RecordInput)
    return np.asarray(given.module(encoded(given.input)).detach().double().numpy(), np.float64)


def decided(given: Candidate, answers: Array) -> list[str]:
    """The rule, on answers."""
    match given.rule:
        case Threshold(at, at_or_above, below):
            return [at_or_above if answer >= float(at) else below for answer in answers.tolist()]
        case Largest(labels):
            return [labels[index] for index in answers.argmax(1).tolist()]
    return []


PINNED = {"forest": forest_pipeline(), "boosted": boosted_pipeline(), "logistic": prepared_logistic()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pinned models, trained on the first 1,500 applications."""
    path = tmp_path_factory.mktemp("estimators")
    for name, pipeline in PINNED.items():
        pin(candidate(name, pipeline), path / name)
    return path


@pytest.mark.parametrize("name", PINNED)
def test_all_applications_are_decided_as_scikit_learn_decides_them(folder: Path, name: str) -> None:
    outputs = PinnedModel.load(folder / name).run(mortgages.records())
    rows, pipeline = table(mortgages.rows()), PINNED[name]
    difference = np.abs(mortgages.answers(outputs) - pipeline.predict_proba(rows)[:, 1])
    # Of the raw output, whose last bits are those of the probability too.
    error: Any = 0.0
    if name != "forest":
        error = np.abs(pipeline.decision_function(rows)) if name == "boosted" else 5 * size(pipeline, rows)
    assert (difference <= HALF_UNIT * (error / 4 + 1)).all()
    decisions = [output.decision for output in outputs]
    assert decisions == [LABELS[chosen] for chosen in pipeline.predict(rows)]
    assert set(decisions) == set(LABELS)


def test_a_pinned_estimator_needs_no_scikit_learn(folder: Path) -> None:
    directories = [folder / name for name in PINNED]
    command = [sys.executable, "-c", WITHOUT, *map(str, directories)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    outputs = [PinnedModel.load(directory).run(mortgages.records()[:50]) for directory in directories]
    assert found == [hashlib.sha256(b"".join(map(to_bytes, each))).hexdigest() for each in outputs]


def size(pipeline: Any, given: Any) -> Array:
    """What the terms of a linear model's score add up to without their signs; of several, the largest."""
    terms = np.abs(pipeline[:-1].transform(given)) @ np.abs(np.atleast_2d(pipeline[-1].coef_)).T
    return np.asarray((terms + np.abs(pipeline[-1].intercept_)).max(1), np.float64)


LINEAR: dict[str, tuple[Any, Callable[[], Array]]] = {
    "two classes": (linear_model.LogisticRegression(solver="newton-cholesky"), mortgages.approved),
    "three classes": (linear_model.LogisticRegression(max_iter=300), incomes),
    "each against the rest": (linear_model.SGDClassifier(loss="log_loss", random_state=0), incomes),
    "scores": (svm.LinearSVC(), mortgages.approved),
    "no intercept": (linear_model.Ridge(fit_intercept=False), mortgages.incomes),
    "values": (linear_model.ElasticNet(), mortgages.incomes),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_models(name: str) -> None:
    estimator, target = LINEAR[name]
    given = frame()
    pipeline = make_pipeline(prepared(), clone(estimator)).fit(given, target())
    pinned = from_estimator(pipeline, mortgages.records()[:3], name=name, notes={})
    found = native(pinned)
    # Where portable-1 has 5, native torch also rounds in its sum.
    error = (5 + pipeline[-1].n_features_in_) * size(pipeline, given)
    if hasattr(pipeline, "predict_proba"):
        expected = pipeline.predict_proba(given)
        expected, steepest = (expected[:, 1], 1 / 4) if expected.shape[1] == 2 else (expected, 1.0)
        bound = HALF_UNIT * (error * steepest + 2)
    else:
        expected = pipeline.decision_function(given) if pinned.rule else pipeline.predict(given)
        bound = HALF_UNIT * error
    difference = np.abs(found - expected).T
    assert (difference <= bound).all()
    assert decided(pinned, found) == ([text(chosen) for chosen in pipeline.predict(given)] if pinned.rule else [])


SMALL = {"max_depth": 4, "random_state": 0}
TREES: dict[str, tuple[Any, Callable[[], Array]]] = {
    "tree": (tree.DecisionTreeClassifier(**SMALL), mortgages.approved),
    "tree of values": (tree.DecisionTreeRegressor(**SMALL), mortgages.incomes),
    "forest of three classes": (ensemble.RandomForestClassifier(7, **SMALL), incomes),
    "forest of values": (ensemble.RandomForestRegressor(7, **SMALL), mortgages.incomes),
    "extra trees": (ensemble.ExtraTreesClassifier(7, **SMALL), mortgages.approved),
    "histograms of three classes": (ensemble.HistGradientBoostingClassifier(max_iter=5), incomes),
    "histograms of values": (ensemble.HistGradientBoostingRegressor(max_iter=5), mortgages.incomes),
    "histograms of counts": (ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=5), mortgages.incomes),
    "boosting": (ensemble.GradientBoostingClassifier(n_estimators=9), mortgages.approved),
    "exponential": (ensemble.GradientBoostingClassifier(loss="exponential", n_estimators=9), mortgages.approved),
    "boosting of three classes": (ensemble.GradientBoostingClassifier(n_estimators=5), incomes),
    "boosting of values": (ensemble.GradientBoostingRegressor(n_estimators=9), mortgages.incomes),
    "boosting from zero": (ensemble.GradientBoostingRegressor(init="zero", n_estimators=9), mortgages.incomes),
}


@pytest.mark.parametrize("name", TREES)
def test_trees(name: str) -> None:
    estimator, target = TREES[name]
    model = make_pipeline(SimpleImputer(), clone(estimator)) if name.startswith(("b", "exp")) else clone(estimator)
    given = frame()[list(NUMBERS)]
    fitted = model.fit(given, target())
    pinned = from_estimator(fitted, mortgages.records()[:3], name=name, notes={})
    found = native(pinned)
    if pinned.rule:
        expected = fitted.predict_proba(given)
        expected = expected[:, 1] if expected.shape[1] == 2 else expected
        raw = np.abs(fitted.decision_function(given)) if hasattr(fitted, "decision_function") else 0.0
        bound = HALF_UNIT * (2 * np.max(raw, axis=1 if np.ndim(raw) == 2 else None) + 2)
    else:
        expected = fitted.predict(given)
        # The exponential function turns the last bits of its argument into a share.
        bound = HALF_UNIT * np.abs(expected) * (np.log(np.abs(expected)) + 2)
    difference = np.abs(found - expected).T
    assert (difference <= bound).all()
    assert decided(pinned, found) == ([text(chosen) for chosen in fitted.predict(given)] if pinned.rule else [])


PERCEPTRONS: dict[str, tuple[Any, Callable[[], Array]]] = {
    "two classes": (neural_network.MLPClassifier, mortgages.approved),
    "three classes": (neural_network.MLPClassifier, incomes),
    "values": (neural_network.MLPRegressor, mortgages.incomes),
}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("name", PERCEPTRONS)
def test_perceptrons(name: str) -> None:
    given = frame()
    kind, target = PERCEPTRONS[name]
    model = kind(hidden_layer_sizes=(8,), activation="tanh", max_iter=3, random_state=0)
    fitted = make_pipeline(prepared(), model).fit(given, target())
    pinned = from_estimator(fitted, mortgages.records()[:3], name=name, notes={})
    expected = fitted.predict_proba(given) if pinned.rule else fitted.predict(given)
    expected = expected[:, 1] if expected.shape[1:] == (2,) else expected
    found = native(pinned)
    assert np.allclose(found, expected, rtol=2.0**-16, atol=2.0**-16)
    assert decided(pinned, found) == ([text(chosen) for chosen in fitted.predict(given)] if pinned.rule else [])


@pytest.mark.parametrize(
    ("estimator", "chosen"),
    [
        (tree.DecisionTreeClassifier(), "0"),
        (ensemble.RandomForestClassifier(2, bootstrap=False), "0"),
        (ensemble.HistGradientBoostingClassifier(), "0"),
        (ensemble.GradientBoostingClassifier(), "1"),
        (linear_model.LogisticRegression(), "0"),
        (svm.LinearSVC(), "0"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_tie_is_decided_as_scikit_learn_decides_it(estimator: Any, chosen: str) -> None:
    rows = np.zeros((2, 1))
    fitted = clone(estimator).fit(rows, [0, 1])
    assert str(fitted.predict(rows)[0]) == chosen
    record = Record.of({"nothing": "0"})
    pinned = from_estimator(fitted, [record], name="tie", notes={}, columns=["nothing"])
    assert decided(pinned, mortgages.found(pinned, [record])) == [chosen]


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (KNeighborsClassifier(), "KNeighborsClassifier at the top is not supported"),
        (make_pipeline(StandardScaler(), KNeighborsClassifier()), "KNeighborsClassifier at kneighborsclassifier"),
        (Pipeline([("inner", make_pipeline(DummyClassifier()))]), "DummyClassifier at inner.dummyclassifier"),
        (
            ensemble.GradientBoostingClassifier(init=linear_model.LogisticRegression(), n_estimators=2),
            "gradient boosting starts from a LogisticRegression",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_supported_is_refused_by_name(estimator: Any, words: str) -> None:
    fitted = estimator.fit(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1])
    with pytest.raises(PinError, match=words):
        from_estimator(fitted, [], name="refused", notes={}, columns=["a", "b"])


def test_what_is_no_single_answer_is_refused() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    several = [
        tree.DecisionTreeRegressor().fit(rows, rows),
        tree.DecisionTreeClassifier().fit(rows, rows > 3),
        linear_model.Ridge().fit(rows, rows),
    ]
    for fitted in several:
        with pytest.raises(PinError, match="several questions"):
            from_estimator(fitted, [], name="refused", notes={}, columns=["a", "b"])
    one = tree.DecisionTreeClassifier().fit(rows, [1] * 4)
    with pytest.raises(PinError, match="only seen one class"):
        from_estimator(one, [], name="refused", notes={}, columns=["a", "b"])


def test_columns_have_names_and_classes_words() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    fitted = linear_model.LogisticRegression().fit(rows, ["no", "yes", "no", "yes"])
    with pytest.raises(PinError, match="0 names for 2 columns"):
        from_estimator(fitted, [], name="refused", notes={})
    with pytest.raises(PinError, match="1 names for 2 columns"):
        from_estimator(fitted, [], name="refused", notes={}, columns=["a", "a"])
    with pytest.raises(PinError, match="1 labels for 2 classes"):
        from_estimator(fitted, [], name="refused", notes={}, columns=["a", "b"], labels=["yes"])
    with pytest.raises(PinError, match="LogisticRegression is not fitted"):
        from_estimator(clone(fitted), [], name="refused", notes={}, columns=["a", "b"])
    rule = from_estimator(fitted, [], name="named", notes={}, columns=["a", "b"]).rule
    assert rule == Threshold(at="0.5000000596046448", at_or_above="yes", below="no")
