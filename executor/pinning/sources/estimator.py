"""Fitted estimators of scikit-learn, alone or at the end of a Pipeline, become data: nothing is unpickled or called
when a decision is made again.

The object must be in memory already; the library is not imported. What is taken over was read from the sources of
scikit-learn 1.9.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from ....evidence.rules import Largest, Rule, Threshold
from ....evidence.values import Input, Record, parse_decimal
from ..candidate import TOLERANCE, Candidate, Original
from ..errors import PinError
from ..tabular.columns import Domain, Feature, Number, Table, lay_out
from ..tabular.ensemble import Ensemble, Link
from ..tabular.linear import Linear, Perceptron
from ..tabular.notes import Note
from ..tabular.trees import Tree
from .estimator_columns import by_position, kind, transformed
from .estimator_encoders import is_missing, text
from .estimator_trees import boosting, forest, histogram, histogram_boosting

_LOGISTIC: Final = ("LogisticRegression", "LogisticRegressionCV")
_SCORES: Final = ("LinearSVC", "SGDClassifier")
_VALUES: Final = (
    *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
    *("SGDRegressor", "LinearSVR"),
)
_TREES: Final = ("DecisionTreeClassifier", "DecisionTreeRegressor")
_FORESTS: Final = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
_BOOSTING: Final = ("GradientBoostingClassifier", "GradientBoostingRegressor")
_HISTOGRAM: Final = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
_PERCEPTRONS: Final = ("MLPClassifier", "MLPRegressor")
_SUPPORTED: Final = (*_LOGISTIC, *_SCORES, *_VALUES, *_TREES, *_FORESTS, *_BOOSTING, *_HISTOGRAM, *_PERCEPTRONS)

# Both sides reach the same leaves; float32 and its functions leave some 1e-7 of the output's size.
_LEAVES: Final = 1e-5


@dataclass(frozen=True, slots=True)
class _Head:
    """The last module, and how the library is asked for the same: by `method`, for the second of two classes.

    boundary: the decision between two classes is for the second one from here, or, if not `at_boundary`, above.
    """

    module: torch.nn.Module
    method: str
    boundary: float = 0.5
    at_boundary: bool = False
    tolerance: float = TOLERANCE

    @property
    def output(self) -> str:
        """A name."""
        return {"predict": "value", "predict_proba": "probability", "decision_function": "score"}[self.method]


def from_estimator(
    estimator: object,
    examples: Sequence[Record],
    *,
    name: str,
    notes: Mapping[str, Note],
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Candidate:
    """The Candidate of a fitted estimator or Pipeline.

    examples: rows as the library takes them; columns that the model does not use are left out. columns: the names of
    the library's columns, where it was fitted on an array without names. labels: the classes in words, in the order of
    `classes_`. Raises PinError, naming what is not supported and its place.
    """
    names = _names(estimator, columns)
    *before, (where, fitted) = _steps(estimator, "")
    classes = _classes(fitted, where)
    features: list[Feature] = [Number(column) for column in names]
    for place, step in before:
        features = transformed(step, features, place)
    trees: list[Tree] = []
    if kind(fitted) in _HISTOGRAM:
        features, trees = histogram(fitted, features, where)
    spec, prepared, marks = lay_out(features, notes, may_miss=fitted.__sklearn_tags__().input_tags.allow_nan)
    head = _head(fitted, trees, marks, len(classes))
    used = {column.name for column in spec.columns}
    return Candidate(
        name,
        torch.nn.Sequential(prepared, head.module),
        [Record(tuple(entry for entry in record.entries if entry.column in used)) for record in examples],
        spec,
        [head.output],
        _rule(head, classes, labels),
        original=_original(estimator, head.method, names, features),
        tolerance=head.tolerance,
    )


def _names(estimator: Any, columns: Sequence[str]) -> list[str]:
    names = list(columns) or list(getattr(estimator, "feature_names_in_", []))
    if not hasattr(estimator, "n_features_in_"):
        raise PinError(f"{kind(estimator)} is not fitted, or takes no table", advice="fit it, and pin what was fitted")
    if len(names) != estimator.n_features_in_ or len(set(names)) != len(names):
        raise PinError(
            f"there are {len(set(names))} names for {estimator.n_features_in_} columns",
            advice="fit the estimator on a DataFrame, or name the columns of the array in their order",
        )
    return names


def _steps(fitted: Any, where: str) -> list[tuple[str, Any]]:
    """Transformers and at last an estimator, each with its place."""
    if kind(fitted) != "Pipeline":
        return [(where or "the top", fitted)]
    places = [(f"{where}.{name}".lstrip("."), step) for name, step in fitted.steps]
    return [*places[:-1], *_steps(places[-1][1], places[-1][0])]


def _classes(fitted: Any, where: str) -> list[str]:
    """The texts of an estimator's classes; none if it gives a value. Raises PinError for what is not supported."""
    if kind(fitted) not in _SUPPORTED:
        raise PinError(f"{kind(fitted)} at {where} is not supported", advice=f"supported are {', '.join(_SUPPORTED)}")
    classes = getattr(fitted, "classes_", None)
    if isinstance(classes, list) or _questions(fitted) > 1:
        raise PinError(f"{kind(fitted)} at {where} answers several questions", advice="fit one estimator for each")
    texts = [] if classes is None else [text(each) for each in classes.tolist()]
    if len(texts) == 1:
        raise PinError(f"{kind(fitted)} at {where} has only seen one class")
    return texts


def _questions(fitted: Any) -> int:
    """How many targets an estimator was fitted to."""
    if kind(fitted) in _VALUES:
        return int(np.size(fitted.coef_)) // int(fitted.n_features_in_)
    if kind(fitted) == "MLPClassifier":
        return int(fitted.n_outputs_) if fitted.out_activation_ == "logistic" else 1
    return int(getattr(fitted, "n_outputs_", 1))


def _head(fitted: Any, trees: Sequence[Tree], marks: Sequence[int | None], classes: int) -> _Head:
    name = kind(fitted)
    link = (Link.IDENTITY, Link.SIGMOID, Link.SOFTMAX)[min(max(classes - 1, 0), 2)]
    if name in _TREES:
        return _leaves(forest([fitted], marks, classes=classes), classes)
    if name in _FORESTS:
        return _leaves(forest(fitted.estimators_, marks, classes=classes), classes)
    if name in _BOOSTING:
        scale = 2.0 if fitted.loss == "exponential" else 1.0
        # decision_function(x) >= 0, where the forests and the histograms have >
        return replace(_leaves(boosting(fitted, marks, link, scale=scale), classes), at_boundary=True)
    if name in _HISTOGRAM:
        link = Link.EXP if fitted.loss in ("gamma", "poisson") else link
        return _leaves(histogram_boosting(fitted, trees, marks, link), classes)
    if name in _PERCEPTRONS:
        weights = [weight.T for weight in fitted.coefs_]
        module = Perceptron(weights, fitted.intercepts_, fitted.activation, fitted.out_activation_)
        return _Head(module, "predict_proba" if classes else "predict")
    weight = np.atleast_2d(fitted.coef_)
    bias = np.zeros(len(weight)) + fitted.intercept_
    if name in _LOGISTIC or getattr(fitted, "loss", "") == "log_loss":
        shared = name not in _LOGISTIC and classes > 2
        return _Head(Linear(weight, bias, Link.SIGMOID if shared else link, shared=shared), "predict_proba")
    if classes:
        return _Head(Linear(weight, bias), "decision_function", boundary=0.0)
    return _Head(Linear(weight, bias), "predict")


def _leaves(module: Ensemble, classes: int) -> _Head:
    return _Head(module, "predict_proba" if classes else "predict", tolerance=_LEAVES)


def _rule(head: _Head, classes: Sequence[str], labels: Sequence[str]) -> Rule | None:
    words = tuple(labels) or tuple(classes)
    if len(words) != len(classes):
        raise PinError(f"there are {len(words)} labels for {len(classes)} classes")
    if not classes:
        return None
    if len(classes) > 2:
        return Largest(words)
    boundary = np.float32(head.boundary)
    at = boundary if head.at_boundary else np.nextafter(boundary, np.float32(np.inf))
    return Threshold(at=repr(float(at)), at_or_above=words[1], below=words[0])


def _original(estimator: Any, method: str, names: Sequence[str], features: Sequence[Feature]) -> Original:
    """The estimator's own answer for one record; of two classes, for the second."""
    domains = {feature.column: feature.domain for feature in features if isinstance(feature, Table)}
    answers = getattr(by_position(estimator), method)

    def original(one: Input) -> list[torch.Tensor]:
        if not isinstance(one, Record):
            raise PinError("an example of an estimator is a record")
        values = {entry.column: entry.value for entry in one.entries}
        row = np.empty((1, len(names)), dtype=object if domains else np.float64)
        row[0] = [_given(values.get(name), domains.get(name)) for name in names]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of unknown categories, and of names that an array has not
            answer = np.atleast_1d(answers(row)[0])
        if method == "predict_proba" and len(answer) == 2:
            answer = answer[1:]
        return [torch.tensor(answer if len(answer) > 1 else answer[0], dtype=torch.float64)]

    return original


def _given(value: str | None, domain: Domain | None) -> object:
    """What the library is given for a value."""
    if domain is None:
        return math.nan if value is None else parse_decimal(value)
    given = dict(zip(domain.texts, domain.given, strict=True))
    if value is not None:
        return given.get(value, value)
    filled = math.nan if domain.stand_in is None else given[domain.stand_in]
    return filled if is_missing(filled) else math.nan
