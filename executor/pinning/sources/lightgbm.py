"""Models of LightGBM, from the text that `Booster.save_model` writes.

LightGBM compares binary64 features with binary64 thresholds; a pinned model takes a feature as binary32. The answers
can only differ for a feature that is no binary32 number and lies within half a unit in its last place of a threshold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ....evidence.encoding import MalformedError
from ....evidence.inputs import Unknown
from ....evidence.values import Input, parse_decimal
from ..candidate import Candidate
from ..errors import PinError
from ..tabular.dumped import Columns, candidate
from ..tabular.ensemble import Ensemble, Link
from ..tabular.notes import Note
from ..tabular.trees import LEAF, Comparison, Feature, Membership, Number, Tree
from .lightgbm_text import Text, TextTree, parse

_CATEGORICAL: Final = 1
_DEFAULT_LEFT: Final = 2
_ZERO: Final = 1  # what counts as missing, in bits 2 and 3 of a decision
_NAN: Final = 2
_NEAR_ZERO: Final = float(np.float32(1e-35))

_LINKS: Final[Mapping[str, Link]] = {
    **dict.fromkeys(("binary", "multiclassova", "cross_entropy"), Link.SIGMOID),
    "multiclass": Link.SOFTMAX,
    **dict.fromkeys(("poisson", "gamma", "tweedie"), Link.EXP),
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), Link.IDENTITY),
    **dict.fromkeys(("lambdarank", "rank_xendcg", "custom", ""), Link.IDENTITY),
}


def from_dump(
    path: Path,
    examples: Sequence[Input],
    *,
    name: str,
    notes: Mapping[str, Note],
    labels: Sequence[str] = (),
) -> Candidate:
    """The Candidate of a model text. labels: the classes 0, 1, ... in words. Raises PinError, MalformedError."""
    try:
        text = parse(path.read_bytes())
    except OSError as error:
        raise PinError(f"{path} cannot be read: {error.strerror}") from error
    link, scale = _objective(text)
    columns = Columns(text.names, _categories(text, notes), Unknown.ZEROS)
    trees, features = _trees(text, columns, scale)
    outputs = text.per_iteration
    module = Ensemble(
        trees,
        features,
        comparison=Comparison.AT_MOST,
        base=[0.0] * outputs,
        groups=outputs,
        mean=text.average,
        link=link,
    )
    return candidate(name, module, columns, notes, examples, labels, lambda row: _raw(text, row, scale))


def _objective(text: Text) -> tuple[Link, float]:
    """The link, and what it multiplies raw outputs by, which may as well be done to the leaves."""
    objective, *parameters = text.objective.split(" ")
    if objective not in _LINKS or "sqrt" in parameters:
        raise PinError(
            f"LightGBM's objective {text.objective!r:.60} is not supported",
            advice=f"supported are {', '.join(filter(None, _LINKS))}",
        )
    scales = [parse_decimal(p.removeprefix("sigmoid:")) for p in parameters if p.startswith("sigmoid:")]
    return _LINKS[objective], scales[0] if scales else 1.0


def _categories(text: Text, notes: Mapping[str, Note]) -> list[Mapping[str, int] | None]:
    """The categories of each feature and their numbers, or None for one that LightGBM took as a number."""
    numbers = [_numbers(info) for info in text.infos]
    count = sum(each is not None for each in numbers)
    if text.categories is not None and len(text.categories) != count:
        raise PinError(
            f"LightGBM took {count} features as categories, and pandas {len(text.categories)}",
            advice="train it with unordered categories of two values or more only",
        )
    named = iter(text.categories or ())
    known: list[Mapping[str, int] | None] = []
    for name, each in zip(text.names, numbers, strict=True):
        own: Sequence[str] = () if each is None else next(named, ())
        words = notes.get(name, Note()).categories or own
        known.append({word: number for number, word in enumerate(words)} if words and each is not None else each)
    return known


def _numbers(info: str) -> dict[str, int] | None:
    """The categories in LightGBM's own words for them, which are numbers; -1 is a missing one."""
    if info == "none" or info.startswith("["):
        return None
    texts = info.split(":")
    if not all(re.fullmatch(r"-1|0|[1-9][0-9]{0,9}", text) for text in texts):
        raise MalformedError("a LightGBM model describes a feature in a way that is not known")
    return {str(number): number for number in sorted(set(map(int, texts)) - {-1})}


def _trees(text: Text, columns: Columns, scale: float) -> tuple[list[Tree], list[Feature]]:
    features: dict[Feature, int] = {}
    firsts = columns.firsts()
    trees = []
    for tree in text.trees:
        nodes = len(tree.features)
        used = [features.setdefault(_feature(tree, node, columns, firsts), len(features)) for node in range(nodes)]
        by_set = tree.decisions % 2 == _CATEGORICAL
        left, right = (np.where(child < 0, nodes - 1 - child, child) for child in (tree.left, tree.right))
        leaves = np.full(nodes + 1, LEAF)
        trees.append(
            Tree(
                feature=np.array([*used, *[0] * (nodes + 1)], np.int64),
                threshold=np.concatenate([np.where(by_set, 0.5, _around_zero(tree.thresholds)), np.zeros(nodes + 1)]),
                # What is in a set goes left, and is 1.
                left=np.concatenate([np.where(by_set, right, left), leaves]),
                right=np.concatenate([np.where(by_set, left, right), leaves]),
                missing_left=np.concatenate([tree.decisions & _DEFAULT_LEFT > 0, np.zeros(nodes + 1, bool)]),
                value=np.concatenate([np.zeros(nodes), tree.leaves * scale])[:, None],
            )
        )
    return trees, list(features)


def _around_zero(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds that divide as these do where every x with abs(x) ≤ _NEAR_ZERO is taken for 0."""
    beside = np.where(thresholds >= 0, _NEAR_ZERO, np.nextafter(-_NEAR_ZERO, -1))
    return np.where(np.abs(thresholds) <= _NEAR_ZERO, beside, thresholds)


def _feature(tree: TextTree, node: int, columns: Columns, firsts: Sequence[int]) -> Feature:
    index, decision = int(tree.features[node]), int(tree.decisions[node])
    first, known = firsts[index], columns.categories[index]
    if (known is not None) is not bool(decision & _CATEGORICAL):
        raise MalformedError("a LightGBM model takes a feature as a number and as a category")
    if known is not None:
        members = tree.sets[int(tree.thresholds[node])]
        return Membership(tuple(first + i for i, number in enumerate(known.values()) if number in members))
    missing = decision >> 2
    # Where NaN is not what counts as missing it is taken for 0, which stands there.
    return Number(first, first + 1 if missing == _NAN else None, _NEAR_ZERO if missing == _ZERO else None)


def _raw(text: Text, row: Sequence[float], scale: float) -> list[float]:
    """LightGBM's GBDT::PredictRaw, in binary64."""
    raw = [0.0] * text.per_iteration
    for position, tree in enumerate(text.trees):
        raw[position % text.per_iteration] += _leaf(tree, row)
    rounds = len(text.trees) // text.per_iteration if text.average else 1
    return [scale * (each / rounds) for each in raw]


def _leaf(tree: TextTree, row: Sequence[float]) -> float:
    node = 0 if len(tree.features) else -1
    while node >= 0:
        x, decision = row[tree.features[node]], int(tree.decisions[node])
        node = int((tree.left if _goes_left(tree, node, x, decision) else tree.right)[node])
    return float(tree.leaves[-node - 1])


def _goes_left(tree: TextTree, node: int, x: float, decision: int) -> bool:
    """Tree::NumericalDecision and Tree::CategoricalDecision."""
    if decision & _CATEGORICAL:
        return not math.isnan(x) and int(x) in tree.sets[int(tree.thresholds[node])]
    missing = decision >> 2
    if abs(x) <= _NEAR_ZERO or (math.isnan(x) and missing != _NAN):
        x = 0.0  # numbers near zero already before they reach the trees: RowPairFunctionFromDenseMatrix
    if math.isnan(x) or (missing == _ZERO and x == 0):
        return bool(decision & _DEFAULT_LEFT)
    return x <= float(tree.thresholds[node])
