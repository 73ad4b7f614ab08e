"""Trains a random forest and gradient boosting on the mortgage applications with scikit-learn, and pins them.

A Pipeline fills, marks and encodes the columns; it is taken over as data. Made to be disputed, like the scorer of
train.py, which says what is left out and why.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from ...executor.pinning.candidate import Candidate
from ...executor.pinning.pin import pin
from ...executor.pinning.sources.estimator import from_estimator
from ...executor.pinning.tabular.notes import Note
from ..wheels import CACHE
from .data import Row, applications, labels
from .train import CATEGORIES, NUMBERS, TRAINED_ON, record

COLUMNS: Final = (*NUMBERS, *CATEGORIES)
LABELS: Final = ("decline", "approve")


def forest(cache: Path = CACHE) -> Candidate:
    """A random forest, trained on the first 1,500 applications."""
    return candidate("mortgage-forest", forest_pipeline(), cache)


def boosted(cache: Path = CACHE) -> Candidate:
    """Gradient boosting, trained on the first 1,500 applications."""
    return candidate("mortgage-boosted", boosted_pipeline(), cache)


def forest_pipeline() -> Pipeline:
    """100 trees, for which a missing number is filled with the median and marked."""
    before = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median", add_indicator=True), list(range(len(NUMBERS)))),
            ("categories", OneHotEncoder(handle_unknown="ignore", min_frequency=20), _categories()),
        ]
    )
    model = RandomForestClassifier(100, max_depth=6, class_weight="balanced", random_state=0)
    return Pipeline([("before", before), ("forest", model)])


def boosted_pipeline() -> Pipeline:
    """Gradient boosting by histograms, which takes missing values, and categories by their codes."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=math.nan)
    before = ColumnTransformer([("categories", codes, _categories())], remainder="passthrough")
    categorical = list(range(len(CATEGORIES)))
    model = HistGradientBoostingClassifier(max_depth=4, categorical_features=categorical, random_state=0)
    return Pipeline([("before", before), ("boosted", model)])


def candidate(name: str, pipeline: Any, cache: Path = CACHE) -> Candidate:
    """What is pinned, once it is trained."""
    rows, meaning = applications(cache), labels(cache)
    pipeline.fit(table(rows[:TRAINED_ON]), [int(row["approve"] == "1") for row in rows[:TRAINED_ON]])
    notes = {column: Note(meaning[column]) for column in COLUMNS}
    examples = [record(row) for row in rows[:8]]
    return from_estimator(pipeline, examples, name=name, notes=notes, columns=COLUMNS, labels=LABELS)


def table(rows: Sequence[Row]) -> NDArray[np.object_]:
    """What scikit-learn takes: object [rows, columns], numbers and texts, NaN for a missing value."""
    return np.array([[_value(column, row[column]) for column in COLUMNS] for row in rows], dtype=object)


def _value(column: str, value: str | None) -> float | str:
    if value is None:
        return math.nan
    return value if column in CATEGORIES else float(value)


def _categories() -> list[int]:
    return list(range(len(NUMBERS), len(COLUMNS)))


def main() -> None:
    """Train one of the two models and pin it."""
    models = {"forest": forest, "boosted": boosted}
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", choices=models)
    parser.add_argument("directory", type=Path, help="a new folder for the pinned model")
    options = parser.parse_args()
    print(pin(models[options.model](), options.directory))


if __name__ == "__main__":
    main()
