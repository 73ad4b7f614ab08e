"""What fitted encoders of scikit-learn make of categories, asked of the encoders themselves.

So a category that is dropped, grouped with others, missing or unknown is what the library says it is.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ....evidence.inputs import Unknown
from ..errors import PinError
from ..tabular.columns import Domain, Feature, Number, Table


def one_hot(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    """OneHotEncoder: an element for each category or group that is not dropped."""
    dropped = [int(i is not None) for i in _each(fitted.drop_idx_, features)]
    grouped = [0 if i is None else len(i) - 1 for i in _each(getattr(fitted, "infrequent_categories_", None), features)]
    known = map(len, fitted.categories_)
    return _encoded(fitted, features, [k - d - g for k, d, g in zip(known, dropped, grouped, strict=True)], where)


def ordinal(fitted: Any, features: Sequence[Feature], where: str) -> list[Feature]:
    """OrdinalEncoder: a code."""
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
            rows = [row for value in feature.values if (row := answer(value)) is not None]
            if len(rows) < len(feature.values):
                raise PinError(
                    f"the encoder at {where} refuses some of what the column {feature.column!r:.60} is made into",
                    advice="fit it with handle_unknown, or on more rows",
                )
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
    return category is None or is_nan(category)


def is_nan(value: object) -> bool:
    """Whether a value of any kind is NaN."""
    return isinstance(value, float) and math.isnan(value)
