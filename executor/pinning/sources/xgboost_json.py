"""XGBoost's model file (`Booster.save_model`, JSON or UBJSON), read strictly and without XGBoost.

Written after XGBoost's src/gbm/gbtree_model.cc, src/tree/tree_model.cc and src/data/cat_container.cc.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from ....evidence.encoding import MalformedError
from ....evidence.values import parse_decimal
from ..errors import PinError
from . import ubjson

_LARGEST: Final = float(np.finfo(np.float32).max)

_UNFIT: Final = "train it with the boosters gbtree or dart and one target"


@dataclass(frozen=True, slots=True)
class JsonTree:
    """A tree as it stands in the file, over its nodes; a leaf has -1 for both children.

    features, left, right: int64. conditions: float64 of float32, thresholds of inner nodes and values of leaves.
    default_left: bool, the side of a missing value. sets: by node, the categories that go right.
    """

    features: NDArray[np.int64]
    conditions: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    default_left: NDArray[np.bool_]
    sets: Mapping[int, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Model:
    """A model. base: as in the file. groups: the output that each tree adds to. weights: of the trees, 1 but for dart.

    names: f0, f1, ... where it has none. categorical: by feature. categories: by feature, where the file has texts.
    """

    objective: str
    base: Sequence[float]
    outputs: int
    names: Sequence[str]
    categorical: Sequence[bool]
    categories: Mapping[int, Sequence[str]]
    trees: Sequence[JsonTree]
    groups: Sequence[int]
    weights: Sequence[float]


def parse(data: bytes) -> Model:
    """The model in a file's bytes. Raises MalformedError, and PinError for a kind of model that is not supported."""
    learner = _part(_loads(data), "learner", dict)
    parameters = _part(learner, "learner_model_param", dict)
    booster = _part(learner, "gradient_booster", dict)
    kind = _part(booster, "name", str)
    if kind not in ("gbtree", "dart") or _count(parameters, "num_target", "1") > 1:
        raise PinError(
            f"an XGBoost model of the booster {kind!r:.20} or of several targets is not supported", advice=_UNFIT
        )
    model = _part(booster if "model" in booster else _part(booster, "gbtree", dict), "model", dict)
    features = _count(parameters, "num_feature", None)
    trees = [_tree(tree, features) for tree in _part(model, "trees", list)]
    groups = _integers(model, "tree_info").tolist()
    outputs = max(1, _count(parameters, "num_class", "0"))
    dropper = model if "weight_drop" in model else booster
    dropped = _reals(dropper, "weight_drop").tolist() if "weight_drop" in dropper else []
    if not trees or len(groups) != len(trees) or len(dropped) not in (0, len(trees)):
        raise MalformedError(
            f"an XGBoost model of {len(trees)} trees has {len(groups)} groups and {len(dropped)} weights"
        )
    if any(groups.count(group) * outputs != len(trees) for group in range(outputs)):
        raise MalformedError(f"an XGBoost model's trees are not spread over its {outputs} outputs")
    _check_rounds(learner, len(trees), model)
    names = _texts(learner, "feature_names") or [f"f{i}" for i in range(features)]
    types = _texts(learner, "feature_types") or ["float"] * features
    if len(names) != features or len(types) != features:
        raise MalformedError(f"an XGBoost model of {features} features names {len(names)}")
    return Model(
        _part(_part(learner, "objective", dict), "name", str),
        _base(parameters, outputs),
        outputs,
        names,
        [each == "c" for each in types],
        _categories(model, features),
        trees,
        groups,
        dropped or [1.0] * len(trees),
    )


def _check_rounds(learner: Mapping[str, Any], trees: int, model: Mapping[str, Any]) -> None:
    """Refuse a model that stopped early and holds what came after its best round: its own predictions differ."""
    best = _part(learner, "attributes", dict).get("best_iteration") if "attributes" in learner else None
    rounds = len(_part(model, "iteration_indptr", list)) - 1 if "iteration_indptr" in model else trees
    if best is not None and best != str(rounds - 1):
        raise PinError(
            "an XGBoost model holds trees from after its best round, which scikit-learn's interface leaves out",
            advice="save booster[: booster.best_iteration + 1]",
        )


def _tree(tree: object, features: int) -> JsonTree:
    if not isinstance(tree, dict):
        raise MalformedError("a tree of an XGBoost model is no object")
    if _count(_part(tree, "tree_param", dict), "size_leaf_vector", "1") > 1:
        raise PinError("an XGBoost model has leaves of several outputs, which is not supported", advice=_UNFIT)
    left, right, split = (_integers(tree, key) for key in ("left_children", "right_children", "split_indices"))
    defaults, conditions = _integers(tree, "default_left"), _reals(tree, "split_conditions")
    nodes = _count(_part(tree, "tree_param", dict), "num_nodes", None)
    if {len(array) for array in (left, right, split, defaults, conditions)} != {nodes} or not nodes:
        raise MalformedError("a tree of an XGBoost model does not have what its number of nodes says")
    inner = left != -1
    children = np.concatenate([left[inner], right[inner]])
    if np.any((children < 0) | (children >= nodes)) or np.any(right[~inner] != -1):
        raise MalformedError("a tree of an XGBoost model has a child that is not there")
    if np.any((split < 0) | (split >= features)) or np.any(defaults & ~1):
        raise MalformedError("a tree of an XGBoost model splits by a feature that is not there, or neither way")
    return JsonTree(split, conditions, left, right, defaults == 1, _sets(tree, nodes))


def _sets(tree: Mapping[str, Any], nodes: int) -> dict[int, frozenset[int]]:
    by_set = np.flatnonzero(_integers(tree, "split_type")).tolist() if "split_type" in tree else []
    keys = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    if not by_set:
        return {}
    codes, at, starts, sizes = (_integers(tree, key).tolist() for key in keys)
    if at != by_set or not len(at) == len(starts) == len(sizes) or at[-1] >= nodes:
        raise MalformedError("a tree of an XGBoost model has splits by categories without their sets")
    if min(starts) < 0 or min(sizes) < 0 or max(map(sum, zip(starts, sizes, strict=True))) > len(codes):
        raise MalformedError("a tree of an XGBoost model has a set of categories that is not there")
    return {n: frozenset(codes[s : s + size]) for n, s, size in zip(at, starts, sizes, strict=True)}


def _categories(model: Mapping[str, Any], features: int) -> dict[int, list[str]]:
    """The categories that XGBoost 3.1 and later keep, where a column of a data frame was of type category."""
    columns = _part(_part(model, "cats", dict), "enc", list) if "cats" in model else []
    if len(columns) not in (0, features) or not all(isinstance(column, dict) for column in columns):
        raise MalformedError("an XGBoost model has categories of other features than its own")
    known = {}
    for feature, column in enumerate(columns):
        values = _integers(column, "values").tolist()
        if "offsets" in column:
            bounds = _integers(column, "offsets").tolist()
            if bounds != sorted(bounds) or (bounds and (bounds[0] < 0 or bounds[-1] > len(values))):
                raise MalformedError("an XGBoost model has categories without their bounds")
            letters = bytes(value & 0xFF for value in values)
            try:
                texts = [letters[start:end].decode("utf-8") for start, end in pairwise(bounds)]
            except UnicodeDecodeError as error:
                raise MalformedError("an XGBoost model has a category that is not UTF-8") from error
        else:
            texts = list(map(str, values))
        if texts:
            known[feature] = texts
    return known


def _base(parameters: Mapping[str, Any], outputs: int) -> list[float]:
    """`base_score`: a number, since version 3 a list of numbers, in a text."""
    text = _part(parameters, "base_score", str)
    numbers = [parse_decimal(part) for part in text.removeprefix("[").removesuffix("]").split(",")]
    if len(numbers) not in (1, outputs):
        raise MalformedError(f"an XGBoost model of {outputs} outputs has {len(numbers)} base scores")
    return numbers if len(numbers) == outputs else numbers * outputs


def _loads(data: bytes) -> Any:
    """JSON or UBJSON: both begin with a brace, and JSON goes on with a quotation mark."""
    if not data.lstrip()[1:].lstrip().startswith(b'"'):
        return ubjson.loads(data)
    try:
        return json.loads(data, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise MalformedError("an XGBoost model is no JSON, or not all of it") from error


def _refuse(text: str) -> NoReturn:
    raise MalformedError(f"an XGBoost model has {text} for a number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise MalformedError("an XGBoost model has a key twice")
    return dict(pairs)


def _part(whole: object, key: str, kind: type) -> Any:
    part = whole.get(key) if isinstance(whole, dict) else None
    if not isinstance(part, kind):
        raise MalformedError(f"an XGBoost model lacks {key}, or it is no {kind.__name__}")
    return part


def _count(parameters: Mapping[str, Any], key: str, default: str | None) -> int:
    text = parameters.get(key, default)
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 9:
        raise MalformedError(f"an XGBoost model has no whole number for {key}")
    return int(text)


def _texts(whole: Mapping[str, Any], key: str) -> list[str]:
    texts: list[str] = _part(whole, key, list) if key in whole else []
    if not all(isinstance(text, str) for text in texts):
        raise MalformedError(f"an XGBoost model has something else than texts in {key}")
    return texts


def _integers(whole: Mapping[str, Any], key: str) -> NDArray[np.int64]:
    numbers = _part(whole, key, list)
    if not all(isinstance(number, int) and abs(number) < 1 << 62 for number in numbers):
        raise MalformedError(f"an XGBoost model has something else than whole numbers in {key}")
    return np.array(numbers, np.int64)


def _reals(whole: Mapping[str, Any], key: str) -> NDArray[np.float64]:
    """Numbers as float32, which they are, widened."""
    numbers = _part(whole, key, list)
    if not all(type(number) in (int, float) and abs(number) <= _LARGEST for number in numbers):
        raise MalformedError(f"an XGBoost model has something else than numbers in {key}")
    return np.array(numbers, np.float32).astype(np.float64)
