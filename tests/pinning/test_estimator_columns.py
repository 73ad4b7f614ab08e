"""Transformers of scikit-learn are taken over as data: a pinned model's features are those that they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas
import pytest
from reperform.evidence.inputs import CategoryColumn, NumberColumn, RecordInput, Unknown
from reperform.evidence.values import Record
from reperform.examples.mortgage.forest import table
from reperform.examples.mortgage.train import CATEGORIES, NUMBERS
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.sources.estimator import from_estimator
from reperform.executor.pinning.sources.estimator_columns import transformed
from reperform.executor.pinning.tabular.columns import Number, lay_out
from reperform.executor.pinning.tabular.notes import Note
from reperform.executor.preprocessing import encoder
from reperform.executor.refusal import InputError
from reperform.tests.pinning import mortgages
from reperform.tests.pinning.mortgages import Array
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

NUMERIC, WORDS = list(NUMBERS), list(CATEGORIES)
FEW = ["loanprc", "rep", "term"]  # in this order nowhere else
UNKNOWN = {"handle_unknown": "use_encoded_value", "unknown_value": -1}


def frame() -> pandas.DataFrame:
    """The applications as people hold them."""
    given = pandas.DataFrame(table(mortgages.rows()), columns=[*NUMERIC, *WORDS])
    return given.astype(dict.fromkeys(NUMERIC, float))


def whole(given: pandas.DataFrame) -> pandas.DataFrame:
    """With numbers for categories, as a CSV reader leaves them."""
    return given.astype(dict.fromkeys(WORDS, float))


def record_of(row: dict[str, str | None], columns: Sequence[str]) -> Record:
    return Record.of({column: row[column] for column in columns})


def features(fitted: Any, columns: Sequence[str], *, may_miss: bool) -> tuple[RecordInput, Array]:
    """What a pinned model makes of all applications: float64 [1989, features], NaN where a mark is 1."""
    made = transformed(fitted, [Number(column) for column in columns], "")
    spec, module, marks = lay_out(made, {}, may_miss=may_miss)
    used = [column.name for column in spec.columns]
    (row,) = encoder(spec, {}).tensors([record_of(row, used) for row in mortgages.rows()])
    given = module(row).double().numpy()
    for index, mark in enumerate(marks):
        if mark is not None:
            given[given[:, mark] > 0, index] = np.nan
    return spec, given[:, : len(marks)]


NUMBERS_ONLY: dict[str, Callable[[], Any]] = {
    "mean": SimpleImputer,
    "median": lambda: SimpleImputer(strategy="median", add_indicator=True),
    "most frequent": lambda: SimpleImputer(strategy="most_frequent"),
    "constant": lambda: SimpleImputer(strategy="constant", fill_value=-7.5, add_indicator=True),
    "standard": StandardScaler,
    "without a mean": lambda: StandardScaler(with_mean=False),
    "robust": lambda: RobustScaler(quantile_range=(10, 90)),
    "largest": MaxAbsScaler,
    "filled and marked, then standardised": lambda: make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
    "standardised, then filled": lambda: make_pipeline(RobustScaler(), SimpleImputer(strategy="median")),
    "standardised twice": lambda: make_pipeline(StandardScaler(), RobustScaler()),
    "some, in another order": lambda: make_column_transformer(("passthrough", FEW)),
    "the others": lambda: make_column_transformer(("drop", FEW), remainder=StandardScaler()),
}
ENCODED: dict[str, Callable[[], Any]] = {
    "one of several": lambda: OneHotEncoder(sparse_output=False),
    "but the first": lambda: OneHotEncoder(drop="first", handle_unknown="ignore"),
    "but of two": lambda: OneHotEncoder(drop="if_binary"),
    "rare ones in a group": lambda: OneHotEncoder(min_frequency=100, handle_unknown="infrequent_if_exist"),
    "rare ones in a group, but the first": lambda: OneHotEncoder(max_categories=3, drop="first"),
    "codes": OrdinalEncoder,
    "codes, then filled": lambda: make_pipeline(OrdinalEncoder(), SimpleImputer(add_indicator=True)),
    "codes of missing ones": lambda: OrdinalEncoder(encoded_missing_value=-5, **UNKNOWN),
    "codes, standardised": lambda: make_pipeline(OrdinalEncoder(), StandardScaler()),
    "filled, one of several": lambda: make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
    "a word for missing": lambda: make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder(handle_unknown="ignore")
    ),
    "codes, one of several": lambda: make_pipeline(OrdinalEncoder(), OneHotEncoder(handle_unknown="ignore")),
}


@pytest.mark.parametrize("name", NUMBERS_ONLY)
def test_numbers_become_the_features_that_scikit_learn_makes(name: str) -> None:
    given = frame()[NUMERIC]
    fitted = NUMBERS_ONLY[name]().fit(given)
    spec, found = features(fitted, NUMERIC, may_miss=True)
    expected = np.asarray(fitted.transform(given), np.float64)
    if name.startswith("standardised"):
        # A column is scaled once, and filled in its own unit: the last bits of binary64 differ.
        assert np.allclose(found, expected, rtol=2.0**-23, atol=2.0**-40, equal_nan=True)
    else:
        assert np.array_equal(found, expected.astype(np.float32), equal_nan=True)
    assert all(isinstance(column, NumberColumn) for column in spec.columns)


def test_numbers_between_two_bounds() -> None:
    given = frame()[NUMERIC]
    fitted = MinMaxScaler((-1, 3)).fit(given)
    _, found = features(fitted, NUMERIC, may_miss=True)
    # x * scale + min in scikit-learn is one rounding of binary64 away from (x - mean) / scale.
    assert np.allclose(found, fitted.transform(given), rtol=2.0**-23, atol=2.0**-48, equal_nan=True)


# scikit-learn does not fill numbers with words.
BOTH = [
    (name, of) for name in ENCODED for of in ("texts", "numbers") if (name, of) != ("a word for missing", "numbers")
]


@pytest.mark.parametrize(("name", "of"), BOTH)
def test_categories_become_the_features_that_scikit_learn_makes(name: str, of: str) -> None:
    given = frame()[WORDS] if of == "texts" else whole(frame()[WORDS])
    fitted = ENCODED[name]().fit(given)
    spec, found = features(fitted, WORDS, may_miss=True)
    expected = fitted.transform(given)
    expected = expected.toarray() if hasattr(expected, "toarray") else expected
    assert np.array_equal(found, np.asarray(expected, np.float32), equal_nan=True)
    assert all(isinstance(column, CategoryColumn) for column in spec.columns)


def logistic(before: Any) -> Candidate:
    """A model of two columns: income, and one of categories."""
    given = frame()[["appinc", "occ"]].fillna({"appinc": 60})
    transformer = ColumnTransformer([("words", before, ["occ"])], remainder="passthrough")
    fitted = make_pipeline(transformer, LogisticRegression(solver="newton-cholesky")).fit(given, mortgages.approved())
    return from_estimator(fitted, [], name="logistic", notes={"appinc": Note("income", "USD 1000 per year")})


def agrees(pinned: Candidate, record: Record) -> None:
    """With scikit-learn, on a record."""
    assert pinned.original is not None
    expected = pinned.original(record)[0].item()
    assert math.isclose(mortgages.found(pinned, [record])[0], expected, rel_tol=1e-6)


def test_what_is_unknown_or_missing_does_what_the_encoder_says() -> None:
    strange = [Record.of({"appinc": "80", "occ": occ}) for occ in ("7", "1.0", None)]
    ignoring, refusing = (logistic(OneHotEncoder(handle_unknown=how)) for how in ("ignore", "error"))
    for record in strange:
        agrees(ignoring, record)
        with pytest.raises(InputError, match="column 'occ' has"):
            mortgages.found(refusing, [record])
    coded = logistic(OrdinalEncoder(**UNKNOWN))
    for record in strange:
        agrees(coded, record)
    # NaN, which logistic regression does not take.
    coded = logistic(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=math.nan))
    for record in strange:
        with pytest.raises(InputError, match="column 'occ' has"):
            mortgages.found(coded, [record])
    with pytest.raises(InputError, match="column 'appinc' has no value"):
        mortgages.found(ignoring, [Record.of({"appinc": None, "occ": "1"})])


def test_a_tree_takes_what_is_missing_to_the_side_that_it_learnt() -> None:
    given = frame()[["rep", "term", "occ"]]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=math.nan)
    before = ColumnTransformer([("words", codes, ["occ"])], remainder="passthrough")
    records = [
        Record.of({"rep": rep, "term": term, "occ": occ})
        for rep in (None, "1")
        for term in (None, "360")
        for occ in (None, "1", "7")
    ]
    for model in (
        DecisionTreeClassifier(max_depth=6),
        HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]),
    ):
        fitted = make_pipeline(before, model).fit(given, mortgages.approved())
        pinned = from_estimator(fitted, [], name="tree", notes={})
        for record in records:
            agrees(pinned, record)


def test_a_number_for_a_category_is_written_as_a_whole_one() -> None:
    given = whole(frame()[WORDS])[["occ"]]
    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(
        given, mortgages.approved()
    )
    pinned = from_estimator(fitted, [], name="numbers", notes={})
    agrees(pinned, Record.of({"occ": "1"}))
    # It could be a known one in other digits, which scikit-learn would take.
    with pytest.raises(InputError, match="a category that the model does not know"):
        mortgages.found(pinned, [Record.of({"occ": "1.0"})])


def test_the_manifest_says_what_a_column_is() -> None:
    spec = logistic(make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())).input
    assert isinstance(spec, RecordInput)
    occ, income = spec.columns
    assert occ == CategoryColumn("occ", "", ("1", "2", "3"), Unknown.REFUSED, "1")
    assert income == NumberColumn("appinc", "income", unit="USD 1000 per year")


def test_columns_that_are_not_used_are_left_out() -> None:
    given = frame()[["appinc", "rep", "term"]]
    before = make_column_transformer(("passthrough", ["term", "appinc"]))
    fitted = make_pipeline(before, SimpleImputer(), LinearRegression()).fit(given, mortgages.incomes())
    record = record_of(mortgages.rows()[0], ["appinc", "rep", "term"])
    pinned = from_estimator(fitted, [record], name="two", notes={})
    assert pinned.examples == [record_of(mortgages.rows()[0], ["appinc", "term"])]
    agrees(pinned, record_of(mortgages.rows()[0], ["appinc", "term"]))


REFUSED: dict[str, Callable[[], tuple[Any, str]]] = {
    "products": lambda: (PolynomialFeatures(), "PolynomialFeatures at before is not supported"),
    "inside": lambda: (
        ColumnTransformer([("one", make_pipeline(SimpleImputer(), PolynomialFeatures()), ["rep"])]),
        r"PolynomialFeatures at before\.one\.polynomialfeatures is not supported",
    ),
    "a function": lambda: (FunctionTransformer(np.log1p), "function of FunctionTransformer at before"),
    "clipping": lambda: (MinMaxScaler(clip=True), "MinMaxScaler at before clips"),
    "a number for missing": lambda: (SimpleImputer(missing_values=666), "SimpleImputer at before takes 666"),
    "two scales": lambda: (
        make_column_transformer((StandardScaler(), ["rep"]), ("passthrough", ["rep"])),
        "takes the column 'rep' in two ways",
    ),
    "two kinds": lambda: (
        make_column_transformer((SimpleImputer(), ["rep"]), (OneHotEncoder(), ["rep"])),
        "takes the column 'rep' in two ways",
    ),
    "scaled, then encoded": lambda: (
        make_pipeline(StandardScaler(), OneHotEncoder(handle_unknown="ignore")),
        "column 'rep' is encoded at .* after it is scaled",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_is_refused_with_its_place(name: str) -> None:
    before, words = REFUSED[name]()
    given = frame()[["rep", "term"]].fillna(0)
    fitted = Pipeline([("before", before), ("tree", DecisionTreeClassifier(max_depth=2))]).fit(
        given, mortgages.approved()
    )
    with pytest.raises(PinError, match=words):
        from_estimator(fitted, [], name="refused", notes={})


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"age": Note("years")}, "note on a column 'age'"),
        ({"rep": Note(categories=("a",))}, "categories for the column 'rep'"),
    ],
)
def test_notes_are_on_columns_that_are_used(notes: dict[str, Note], words: str) -> None:
    fitted = LinearRegression().fit(frame()[["rep"]].fillna(0), mortgages.incomes())
    with pytest.raises(PinError, match=words):
        from_estimator(fitted, [], name="refused", notes=notes)
