"""scikit-learn's trees, forests and gradient boosting, as ensembles (tabular/ensemble.py).

`DecisionTree*`, `RandomForest*`, `ExtraTrees*` and `GradientBoosting*` round features to binary32 and compare them
with binary64 thresholds, as a pinned model does: the same leaves are reached. `HistGradientBoosting*` compares binary64
features; there the answers can only differ for a feature that is no binary32 number and lies within half a unit in
its last place of a threshold.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import PinError
from ..tabular import columns
from ..tabular.columns import Feature
from ..tabular.ensemble import Ensemble, Link
from ..tabular.trees import LEAF, Array, Comparison, Number, Tree
from .estimator_columns import transformed


def forest(trees: Sequence[Any], marks: Sequence[int | None], *, classes: int) -> Ensemble:
    """The mean of fitted trees: of the probability of the last of two classes, of all of more, or of a value."""
    outputs = slice(1, 2) if classes == 2 else slice(None)
    grown = [_tree(tree.tree_, tree.tree_.value[:, 0, outputs]) for tree in trees]
    base = [0.0] * (classes if classes > 2 else 1)
    return Ensemble(grown, _numbers(marks), comparison=Comparison.AT_MOST, base=base, mean=len(trees) > 1)


def boosting(fitted: Any, marks: Sequence[int | None], link: Link, *, scale: float) -> Ensemble:
    """The sum of GradientBoosting's trees and its first guess; `scale` multiplies both."""
    if fitted.init_ != "zero" and type(fitted.init_).__name__ not in ("DummyClassifier", "DummyRegressor"):
        raise PinError(
            f"gradient boosting starts from a {type(fitted.init_).__name__}, which is not supported",
            advice="fit it without init, or with init='zero'",
        )
    base = fitted._raw_predict_init(np.zeros((1, len(marks)), np.float32))[0] * scale
    # One for each class in turn.
    grown = [
        _tree(tree.tree_, tree.tree_.value[:, 0] * (fitted.learning_rate * scale)) for tree in fitted.estimators_.flat
    ]
    return Ensemble(
        grown, _numbers(marks), comparison=Comparison.AT_MOST, base=base.tolist(), groups=len(base), link=link
    )


def _tree(tree: Any, value: Array) -> Tree:
    inner = tree.children_left != LEAF
    return Tree(
        feature=np.where(inner, tree.feature, 0).astype(np.int64),
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        missing_left=tree.missing_go_to_left.astype(bool),
        value=value,
    )


def _numbers(marks: Sequence[int | None]) -> list[Number]:
    return [Number(element, mark) for element, mark in enumerate(marks)]


def histogram(fitted: Any, features: Sequence[Feature], where: str) -> tuple[list[Feature], list[Tree]]:
    """The features that a HistGradientBoosting's trees compare, and the trees.

    A node that asks for a set of categories compares a feature of its own, which is 0 for what goes left.
    """
    if fitted._preprocessor is not None:
        steps, chosen = fitted._preprocessor.named_transformers_, fitted._preprocessor._transformer_to_input_indices
        encoded = transformed(steps["encoder"], [features[index] for index in chosen["encoder"]], where)
        features = [*encoded, *(features[index] for index in chosen["numerical"])]
    every = list(features)
    trees = []
    for predictor in itertools.chain.from_iterable(fitted._predictors):
        nodes = predictor.nodes
        inner = nodes["is_leaf"] == 0
        by_set = inner & (nodes["is_categorical"] == 1)
        compared = nodes["feature_idx"].astype(np.int64)
        for node in np.flatnonzero(by_set).tolist():
            asked = _set(predictor, node, every[compared[node]], where)
            if asked not in every:
                every.append(asked)
            compared[node] = every.index(asked)
        trees.append(
            Tree(
                feature=np.where(inner, compared, 0),
                threshold=np.where(by_set, 0.5, nodes["num_threshold"]),
                left=np.where(inner, nodes["left"].astype(np.int64), LEAF),
                right=np.where(inner, nodes["right"].astype(np.int64), LEAF),
                missing_left=nodes["missing_go_to_left"] == 1,
                value=nodes["value"][:, None],
            )
        )
    return every, trees


def _set(predictor: Any, node: int, feature: Feature, where: str) -> Feature:
    """0 for the categories that go left at a node, 1 for the others."""
    if isinstance(feature, columns.Number):
        raise PinError(f"{where} takes the column {feature.column!r:.60} for a category without its encoder")
    words = predictor.raw_left_cat_bitsets[predictor.nodes["bitset_idx"][node]].tolist()
    missing_left = bool(predictor.nodes["missing_go_to_left"][node])

    def goes_left(code: float) -> bool:
        return missing_left if math.isnan(code) else bool(words[int(code) // 32] >> int(code) % 32 & 1)

    return replace(feature, values=tuple(float(not goes_left(code)) for code in feature.values))


def histogram_boosting(fitted: Any, trees: Sequence[Tree], marks: Sequence[int | None], link: Link) -> Ensemble:
    """The sum of the trees of `histogram` and of the first guess."""
    base = fitted._baseline_prediction[0].tolist()
    return Ensemble(trees, _numbers(marks), comparison=Comparison.AT_MOST, base=base, groups=len(base), link=link)
