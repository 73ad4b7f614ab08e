"""What fitted transformers of scikit-learn do to columns, as features (tabular/columns.py).

The library is not imported: a fitted object is known by its class, and its numbers are read from the attributes that
scikit-learn documents.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from ..errors import PinError
from ..tabular.columns import Feature, Mark, Number
from .estimator_encoders import is_nan, one_hot, ordinal


def kind(fitted: object) -> str:
    """The name of a class of scikit-learn; of any other, its module's too."""
    name = type(fitted).__name__
    module = type(fitted).__module__
    return name if module.partition(".")[0] == "sklearn" else f"{module}.{name}"


def transformed(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    """The features that a fitted transformer makes of features. Raises PinError for what has no such form."""
    if fitted in ("passthrough", None):
        return list(features)
    name = kind(fitted)
    if name not in _TRANSFORMERS:
        raise PinError(
            f"{name} at {where or 'the top'} is not supported", advice=f"supported are {', '.join(_TRANSFORMERS)}"
        )
    return _TRANSFORMERS[name](fitted, features, where)


def by_position(fitted: Any) -> Any:
    """The same for rows of an array. A ColumnTransformer fitted on a DataFrame finds columns by name, in one only."""
    again = copy.copy(fitted)
    if kind(fitted) == "Pipeline":
        again.steps = [(name, by_position(step)) for name, step in fitted.steps]
    elif kind(fitted) == "ColumnTransformer":
        places = fitted._transformer_to_input_indices
        again.transformers_ = [(name, by_position(step), places[name]) for name, step, _ in fitted.transformers_]
    return again


def _pipeline(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    made = list(features)
    for name, step in fitted.steps:
        made = transformed(step, made, f"{where}.{name}".lstrip("."))
    return made


def _column_transformer(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    made: list[Feature] = []
    for name, step, _ in fitted.transformers_:
        chosen = [features[index] for index in fitted._transformer_to_input_indices[name]]
        if chosen and not (isinstance(step, str) and step == "drop"):
            made += transformed(step, chosen, f"{where}.{name}".lstrip("."))
    return made


def _function(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    """The form that `passthrough` has once it is fitted."""
    if fitted.func is not None:
        raise PinError(
            f"the function of FunctionTransformer at {where} cannot be pinned",
            advice="compute it before the record is committed, or use transformers that are data",
        )
    return list(features)


def _standard(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    return _scaled(features, fitted.mean_ if fitted.with_mean else None, fitted.scale_, where)


def _min_max(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    if fitted.clip:
        raise PinError(f"MinMaxScaler at {where} clips, which a column cannot", advice="fit it with clip=False")
    # x * scale + min
    return _scaled(features, -fitted.min_ / fitted.scale_, 1 / fitted.scale_, where)


def _max_abs(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    return _scaled(features, None, fitted.scale_, where)


def _robust(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    return _scaled(
        features,
        fitted.center_ if fitted.with_centering else None,
        fitted.scale_ if fitted.with_scaling else None,
        where,
    )


def _scaled(features: Sequence[Feature], means: Any, scales: Any, where: str) -> list[Feature]:
    """(x - mean) / scale of each, None being 0 and 1."""
    means = np.zeros(len(features)) if means is None else means
    scales = np.ones(len(features)) if scales is None else scales
    return [
        _affine(feature, float(mean), float(scale), where)
        for feature, mean, scale in zip(features, means, scales, strict=True)
    ]


def _affine(feature: Feature, mean: float, scale: float, where: str) -> Feature:
    if not isinstance(feature, Number):
        return replace(feature, values=tuple((value - mean) / scale for value in feature.values))
    if isinstance(feature.stand_in, str):
        raise PinError(f"the column {feature.column!r:.60} is text, and is scaled at {where}")
    if (feature.mean, feature.scale) == (0.0, 1.0):
        return replace(feature, mean=mean, scale=scale)
    return replace(feature, mean=feature.mean + mean * feature.scale, scale=feature.scale * scale)


def _imputer(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    if not is_nan(fitted.missing_values):
        raise PinError(
            f"SimpleImputer at {where} takes {fitted.missing_values!r:.20} for a missing value",
            advice="fit it with missing_values=nan: in a record a missing value is missing",
        )
    filled = [
        _filled(feature, value)
        for feature, value in zip(features, fitted.statistics_.tolist(), strict=True)
        if not is_nan(value)  # the imputer drops a column of which it has seen no value
    ]
    marked = fitted.indicator_.features_.tolist() if fitted.add_indicator else []
    return [*filled, *(_indicator(features[index], where) for index in marked)]


def _filled(feature: Feature, value: Any) -> Feature:
    if not isinstance(feature, Number):
        return replace(feature, values=tuple(float(value) if math.isnan(old) else old for old in feature.values))
    if feature.stand_in is not None:
        return feature
    if isinstance(value, str):
        return replace(feature, stand_in=value)
    return replace(feature, stand_in=float(value) * feature.scale + feature.mean)


def _indicator(feature: Feature, where: str) -> Feature:
    if isinstance(feature, Number):
        if feature.stand_in is not None:
            raise PinError(f"SimpleImputer at {where} marks {feature.column!r:.60}, of which no value is missing")
        return Mark(feature.column)
    return replace(feature, values=tuple(float(math.isnan(value)) for value in feature.values))


_TRANSFORMERS: Final[Mapping[str, Callable[[Any, Sequence[Feature], str], list[Feature]]]] = MappingProxyType(
    {
        "Pipeline": _pipeline,
        "ColumnTransformer": _column_transformer,
        "StandardScaler": _standard,
        "MinMaxScaler": _min_max,
        "MaxAbsScaler": _max_abs,
        "RobustScaler": _robust,
        "SimpleImputer": _imputer,
        "OneHotEncoder": one_hot,
        "OrdinalEncoder": ordinal,
        "FunctionTransformer": _function,
    }
)
