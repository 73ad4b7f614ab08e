"""What fitted transformers of scikit-learn do to columns, as features (tabular/columns.py).

The library is not imported: a fitted object is known by its class, and its numbers are read from the attributes that
scikit-learn documents. What an encoder makes of each of its categories is asked of the encoder itself.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from ....evidence.inputs import Unknown
from ..errors import PinError
from ..tabular.columns import Domain, Feature, Mark, Number, Table


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
    if not _is_nan(fitted.missing_values):
        raise PinError(
            f"SimpleImputer at {where} takes {fitted.missing_values!r:.20} for a missing value",
            advice="fit it with missing_values=nan: in a record a missing value is missing",
        )
    filled = [
        _filled(feature, value)
        for feature, value in zip(features, fitted.statistics_.tolist(), strict=True)
        if not _is_nan(value)  # the imputer drops a column of which it has seen no value
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


def _one_hot(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    dropped = [int(i is not None) for i in _each(fitted.drop_idx_, features)]
    grouped = [0 if i is None else len(i) - 1 for i in _each(getattr(fitted, "infrequent_categories_", None), features)]
    known = map(len, fitted.categories_)
    return _encoded(fitted, features, [k - d - g for k, d, g in zip(known, dropped, grouped, strict=True)], where)


def _ordinal(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    return _encoded(fitted, features, [1] * len(features), where)


def _each(listed: Any, features: Sequence[Feature]) -> Sequence[Any]:
    return [None] * len(features) if listed is None else listed


def _encoded(fitted: Any, features: Sequence[Feature], widths: Sequence[int], where: str) -> list[Feature]:
    """Of each feature, the `widths` features that an encoder makes of it."""
    fillers = [categories[0] for categories in fitted.categories_]
    made: list[Feature] = []
    for index, (feature, width) in enumerate(zip(features, widths, strict=True)):
        first = sum(widths[:index])

        def answer(point: Any, at: int = index, elements: slice = slice(first, first + width)) -> list[float] | None:
            return _answer(fitted, [*fillers[:at], point, *fillers[at + 1 :]], elements)

        if isinstance(feature, Number):
            made += _categories(feature, list(fitted.categories_[index]), answer, where)
        else:
            # An encoder after another: what is refused by the second has no value.
            rows = [answer(value) or [math.nan] * width for value in feature.values]
            made += [replace(feature, values=values) for values in zip(*rows, strict=True)]
    return made


def _answer(fitted: Any, row: Sequence[Any], elements: slice) -> list[float] | None:
    """What an encoder makes of a row, and None for one that it refuses."""
    given = np.empty((1, len(row)), dtype=object)
    given[0] = row
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of unknown categories, and of names that an array has not
            made = fitted.transform(given)
    except ValueError:
        return None
    dense = made.toarray() if hasattr(made, "toarray") else np.asarray(made)
    return [float(value) for value in dense[0, elements]]


def _categories(
    column: Number, categories: Sequence[Any], answer: Callable[[Any], list[float] | None], where: str
) -> list[Feature]:
    """The tables of a column of categories, one for each element that its encoder gives."""
    if (column.mean, column.scale) != (0.0, 1.0):
        raise PinError(f"the column {column.column!r:.60} is encoded at {where} after it is scaled")
    words = {text(category): category for category in categories if not is_missing(category)}
    absent = [None if category is None else math.nan for category in categories if is_missing(category)]
    if len(words) + len(absent) < len(categories) or len(absent) > 1:
        raise PinError(f"the column {column.column!r:.60} has two kinds of missing values, or of one text, at {where}")
    rows = {word: answer(category) for word, category in words.items()}
    given: dict[str, object] = dict(words)
    stand_in = _other("missing", words) if column.stand_in is None else text(column.stand_in)
    if stand_in not in rows:
        given[stand_in] = absent[0] if absent else math.nan
        rows[stand_in] = answer(given[stand_in] if column.stand_in is None else column.stand_in)
    # An unknown number could be a known one in other digits ("2.0").
    in_words = all(isinstance(category, str) for category in words.values())
    unknown = answer(_other("unknown", words)) if in_words else None
    known = {word: row for word, row in rows.items() if row is not None}
    domain = Domain(
        column.column,
        tuple(known),
        tuple(given[word] for word in known),
        stand_in if stand_in in known else None,
        Unknown.REFUSED if unknown is None else Unknown.ZEROS,
    )
    width = max(map(len, known.values()), default=0)
    return [Table(domain, values) for values in zip(unknown or [0.0] * width, *known.values(), strict=True)]


def _other(word: str, words: Mapping[str, object]) -> str:
    """A text that is none of `words`."""
    while word in words:
        word = f"({word})"
    return word


def text(category: object) -> str:
    """How a category stands in a record: a whole number without a point."""
    match category:
        case str():
            return str(category)
        case bool() | np.bool_():
            return str(bool(category))
        case int() | np.integer():
            return str(int(category))
        case float() | np.floating() if math.isfinite(category):
            return str(int(category)) if float(category).is_integer() else repr(float(category))
    raise PinError(f"a category is a {type(category).__name__}; a record has texts and numbers")


def is_missing(category: object) -> bool:
    """Whether a category is scikit-learn's for a value that is missing."""
    return category is None or _is_nan(category)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


_TRANSFORMERS: Final[Mapping[str, Callable[[Any, Sequence[Feature], str], list[Feature]]]] = MappingProxyType(
    {
        "Pipeline": _pipeline,
        "ColumnTransformer": _column_transformer,
        "StandardScaler": _standard,
        "MinMaxScaler": _min_max,
        "MaxAbsScaler": _max_abs,
        "RobustScaler": _robust,
        "SimpleImputer": _imputer,
        "OneHotEncoder": _one_hot,
        "OrdinalEncoder": _ordinal,
        "FunctionTransformer": _function,
    }
)
