"""Models of XGBoost, from the file that `Booster.save_model` writes.

XGBoost takes features as binary32 and compares them with binary32 thresholds, as a pinned model does: the same leaves
are reached. It adds them in binary32, in the order of the trees; a pinned model adds them exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from ....evidence.encoding import MalformedError
from ....evidence.inputs import Unknown
from ....evidence.values import Input
from ..candidate import Candidate
from ..errors import PinError
from ..tabular.dumped import Columns, candidate
from ..tabular.ensemble import Ensemble, Link
from ..tabular.notes import Note
from ..tabular.trees import Comparison, Feature, Membership, Number, Tree
from .xgboost_json import JsonTree, Model, parse

_LINKS: Final[Mapping[str, Link]] = {
    **dict.fromkeys(("binary:logistic", "reg:logistic"), Link.SIGMOID),
    **dict.fromkeys(("multi:softprob", "multi:softmax"), Link.SOFTMAX),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie"), Link.EXP),
    **dict.fromkeys(("binary:logitraw", "reg:squarederror", "reg:squaredlogerror"), Link.IDENTITY),
    **dict.fromkeys(("reg:pseudohubererror", "reg:absoluteerror"), Link.IDENTITY),
    **dict.fromkeys(("rank:pairwise", "rank:ndcg", "rank:map"), Link.IDENTITY),
}
_NEAREST_TO_CERTAIN: Final = 1e-6  # XGBoost keeps a base probability so far from 0 and 1


def from_dump(
    path: Path,
    examples: Sequence[Input],
    *,
    name: str,
    notes: Mapping[str, Note],
    labels: Sequence[str] = (),
) -> Candidate:
    """The Candidate of a model file. labels: the classes 0, 1, ... in words. Raises PinError, MalformedError."""
    try:
        model = parse(path.read_bytes())
    except OSError as error:
        raise PinError(f"{path} cannot be read: {error.strerror}") from error
    if model.objective not in _LINKS:
        raise PinError(
            f"XGBoost's objective {model.objective!r:.60} is not supported", advice=f"supported are {', '.join(_LINKS)}"
        )
    link = _LINKS[model.objective]
    base = [_margin(link, score) for score in model.base]
    columns = _columns(model, notes)
    trees, features = _trees(model, columns)
    module = Ensemble(trees, features, comparison=Comparison.BELOW, base=base, groups=model.outputs, link=link)
    return candidate(name, module, columns, notes, examples, labels, lambda row: _raw(model, row, base))


def _margin(link: Link, score: float) -> float:
    """What a base score, given as an output, is as a raw output: ObjFunction::ProbToMargin."""
    if link is Link.SIGMOID:
        score = min(max(score, _NEAREST_TO_CERTAIN), 1 - _NEAREST_TO_CERTAIN)
        return math.log(score / (1 - score))
    if link is Link.EXP:
        if score <= 0:
            raise MalformedError("an XGBoost model has a base score that is not positive")
        return math.log(score)
    return score


def _columns(model: Model, notes: Mapping[str, Note]) -> Columns:
    met: dict[int, set[int]] = {feature: set() for feature, is_one in enumerate(model.categorical) if is_one}
    for tree in model.trees:
        for node, members in tree.sets.items():
            if int(tree.features[node]) not in met:
                raise MalformedError("an XGBoost model takes a feature as a number and as a category")
            met[int(tree.features[node])] |= members
    known: list[Mapping[str, int] | None] = []
    for feature, name in enumerate(model.names):
        words = notes.get(name, Note()).categories or model.categories.get(feature, ())
        if feature not in met:
            known.append(None)
        elif words:
            known.append({word: number for number, word in enumerate(words)})
        else:
            known.append({str(number): number for number in sorted(met[feature])})
    # XGBoost refuses a category that it does not know if it knows them by name, and else takes it as in no set.
    return Columns(model.names, known, Unknown.REFUSED if model.categories else Unknown.ZEROS)


def _trees(model: Model, columns: Columns) -> tuple[list[Tree], list[Feature]]:
    features: dict[Feature, int] = {}
    firsts = columns.firsts()
    by_output: list[list[Tree]] = [[] for _ in range(model.outputs)]
    for tree, group, weight in zip(model.trees, model.groups, model.weights, strict=True):
        inner = np.not_equal(tree.left, -1)
        used = [
            features.setdefault(_feature(tree, node, columns, firsts), len(features)) if inner[node] else 0
            for node in range(len(inner))
        ]
        by_set = np.isin(np.arange(len(inner)), list(tree.sets))
        by_output[group].append(
            Tree(
                feature=np.array(used, np.int64),
                threshold=np.where(by_set, 0.5, tree.conditions),
                left=tree.left,
                right=tree.right,
                missing_left=tree.default_left,
                value=(tree.conditions * weight)[:, None],
            )
        )
    # Tree t of an ensemble adds to output t mod groups.
    return [tree for round_ in zip(*by_output, strict=True) for tree in round_], list(features)


def _feature(tree: JsonTree, node: int, columns: Columns, firsts: Sequence[int]) -> Feature:
    index = int(tree.features[node])
    first, known = firsts[index], columns.categories[index]
    if (known is not None) is not (node in tree.sets):
        raise MalformedError("an XGBoost model takes a feature as a number and as a category")
    if known is None:
        return Number(first, mark=first + 1)
    # What is in the set goes right, and so does a missing category, which is the last, if that is its side.
    members = [first + i for i, number in enumerate(known.values()) if number in tree.sets[node]]
    return Membership((*members, *([] if tree.default_left[node] else [first + len(known)])))


def _raw(model: Model, row: Sequence[float], base: Sequence[float]) -> list[float]:
    """XGBoost's CPUPredictor, but that leaves are added in binary64."""
    raw = list(base)
    for tree, group, weight in zip(model.trees, model.groups, model.weights, strict=True):
        node = 0
        while tree.left[node] != -1:
            node = int((tree.left if _goes_left(tree, node, row) else tree.right)[node])
        raw[group] += float(tree.conditions[node]) * weight
    return raw


def _goes_left(tree: JsonTree, node: int, row: Sequence[float]) -> bool:
    """GetNextNode of predict_fn.h."""
    x = row[tree.features[node]]
    if math.isnan(x):
        return bool(tree.default_left[node])
    if node in tree.sets:
        return int(x) not in tree.sets[node]
    return bool(np.float32(x) < tree.conditions[node])
