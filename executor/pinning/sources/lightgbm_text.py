"""LightGBM's model text (`Booster.save_model`, versions v3 and v4), read strictly and without LightGBM.

Written after LightGBM's src/boosting/gbdt_model_text.cpp and src/io/tree.cpp. Counts in the text are compared with
what is there, and nothing is allocated by them.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ....evidence.encoding import MalformedError
from ....evidence.values import parse_decimal

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_ENDS: Final = {"inf": math.inf, "-inf": -math.inf}  # thresholds that only tell what is missing from what is not
_PANDAS: Final = "pandas_categorical:"

_NODES: Final = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
# Statistics of training, which no prediction reads.
_UNREAD: Final = {"split_gain", "leaf_weight", "leaf_count", "internal_value", "internal_weight", "internal_count"}
_TREE: Final = {
    "num_leaves",
    "num_cat",
    *_NODES,
    "leaf_value",
    "cat_boundaries",
    "cat_threshold",
    "is_linear",
} | _UNREAD
_HEADER: Final = {
    *(
        "version",
        "num_class",
        "num_tree_per_iteration",
        "label_index",
        "max_feature_idx",
        "objective",
        "average_output",
    ),
    *("feature_names", "monotone_constraints", "feature_infos", "tree_sizes"),
}


@dataclass(frozen=True, slots=True)
class TextTree:
    """A tree as it stands in the text: nodes 0 to n-1, of which a child c below 0 is the leaf -c-1.

    features, decisions, left, right: int64 [n]. thresholds: float64 [n], of a categorical split the number of its
    set. leaves: float64 [n + 1], the shrinkage already in them. sets: the categories of each set.
    """

    features: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    decisions: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    leaves: NDArray[np.float64]
    sets: Sequence[frozenset[int]]


@dataclass(frozen=True, slots=True)
class Text:
    """A model. trees: by iteration, `per_iteration` in each. infos: what LightGBM says about each feature's values.

    categories: those of the pandas columns of type category, in their order; None if it was trained without.
    """

    objective: str
    average: bool
    per_iteration: int
    names: Sequence[str]
    infos: Sequence[str]
    trees: Sequence[TextTree]
    categories: Sequence[Sequence[str]] | None


def parse(data: bytes) -> Text:
    """The model in a file's bytes. Raises MalformedError for what LightGBM would not have written."""
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MalformedError("a LightGBM model is not UTF-8") from error
    body, end, rest = text.partition("\nend of trees\n")
    first, *parts = body.split("\nTree=")
    if not first.startswith("tree\n") or not end:
        raise MalformedError("this is no LightGBM model, or not all of one")
    header = _keys(first.removeprefix("tree\n"), _HEADER)
    if header.get("version") not in ("v3", "v4"):
        raise MalformedError(f"a LightGBM model has version {header.get('version', 'none')!r:.20}, not v3 or v4")
    count = _integer(_of(header, "max_feature_idx")) + 1
    names, infos = (_of(header, key).split(" ") for key in ("feature_names", "feature_infos"))
    if len(names) != count or len(infos) != count:
        raise MalformedError(f"a LightGBM model of {count} features names {len(names)}, and describes {len(infos)}")
    trees = [_tree(position, part, count) for position, part in enumerate(parts)]
    per_iteration = _integer(_of(header, "num_tree_per_iteration"))
    sized = len(_of(header, "tree_sizes").split())
    if not trees or per_iteration < 1 or len(trees) % per_iteration or sized != len(trees):
        raise MalformedError(
            f"a LightGBM model announces {sized} trees, {per_iteration} at a time, and has {len(trees)}"
        )
    average = "average_output" in header
    return Text(header.get("objective", ""), average, per_iteration, names, infos, trees, _categories(rest))


def _tree(position: int, part: str, features: int) -> TextTree:
    number, _, lines = part.partition("\n")
    if number != str(position):
        raise MalformedError(f"tree {position} of a LightGBM model is called {number!r:.20}")
    keys = _keys(lines, _TREE | {"shrinkage"})
    if keys.get("is_linear", "0") != "0":
        raise MalformedError(
            "a LightGBM model has linear trees, which portable-1 does not have: train without linear_tree"
        )
    leaves = _reals(keys, "leaf_value")
    features_, decisions, left, right = (_integers(keys, key) for key in _NODES if key != "threshold")
    tree = TextTree(features_, _reals(keys, "threshold"), decisions, left, right, leaves, _sets(keys))
    nodes = len(leaves) - 1
    if len(leaves) != _integer(_of(keys, "num_leaves")) or {len(array) for array in _arrays(tree)} != {nodes}:
        raise MalformedError(f"tree {position} of a LightGBM model does not have what its number of leaves says")
    children = np.concatenate([left, right])
    if np.any((children >= nodes) | (children < -len(leaves))) or np.any((features_ < 0) | (features_ >= features)):
        raise MalformedError(f"tree {position} of a LightGBM model refers to a node or a feature that is not there")
    if np.any((decisions < 0) | (decisions >= 12)):  # two flags, and a kind of missing value from 0 to 2
        raise MalformedError(f"tree {position} of a LightGBM model has a decision of no known type")
    numbers = tree.thresholds[decisions % 2 == 1]
    if np.any((numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= len(tree.sets))):
        raise MalformedError(
            f"tree {position} of a LightGBM model has a split by a set of categories that is not there"
        )
    return tree


def _arrays(tree: TextTree) -> list[NDArray[np.generic]]:
    return [tree.features, tree.thresholds, tree.decisions, tree.left, tree.right]


def _sets(keys: dict[str, str]) -> list[frozenset[int]]:
    """The categories of each set, from bits in words of 32."""
    count = _integer(_of(keys, "num_cat"))
    if count == 0:
        return []
    bounds, words = _integers(keys, "cat_boundaries").tolist(), _integers(keys, "cat_threshold").tolist()
    if len(bounds) != count + 1 or bounds != sorted(bounds) or (bounds[0], bounds[-1]) != (0, len(words)):
        raise MalformedError("a LightGBM model has sets of categories without their bounds")
    if any(not 0 <= word < 1 << 32 for word in words):
        raise MalformedError("a LightGBM model has a set of categories that is no set of bits")
    parts = [words[start:end] for start, end in itertools.pairwise(bounds)]
    return [frozenset(32 * i + b for i, word in enumerate(part) for b in range(32) if word >> b & 1) for part in parts]


def _categories(rest: str) -> list[list[str]] | None:
    """The last line, which LightGBM's Python package writes: categories as text."""
    lines = [line for line in rest.split("\n") if line.startswith(_PANDAS)]
    if not lines:
        return None
    try:
        columns = json.loads(lines[-1].removeprefix(_PANDAS))
    except (ValueError, RecursionError) as error:
        raise MalformedError("the categories of a LightGBM model are no JSON") from error
    if columns is None:
        return None
    if not isinstance(columns, list) or not all(isinstance(column, list) for column in columns):
        raise MalformedError("the categories of a LightGBM model are no lists")
    if not all(isinstance(category, str | int | float) for column in columns for category in column):
        raise MalformedError("a category of a LightGBM model is neither a text nor a number")
    return [[str(category) for category in column] for column in columns] or None


def _keys(lines: str, known: set[str]) -> dict[str, str]:
    """`key=value` by line, each key once; empty lines at the end."""
    keys: dict[str, str] = {}
    for line in lines.rstrip("\n").split("\n"):
        key, _, value = line.partition("=")
        if key not in known or key in keys:
            raise MalformedError(f"a LightGBM model has a line {key!r:.40} that is not known, or that it has already")
        keys[key] = value
    return keys


def _of(keys: dict[str, str], key: str) -> str:
    if key not in keys:
        raise MalformedError(f"a LightGBM model lacks {key}")
    return keys[key]


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise MalformedError("a LightGBM model has something else where a whole number should be")
    return int(text)


def _integers(keys: dict[str, str], key: str) -> NDArray[np.int64]:
    numbers = [_integer(text) for text in _of(keys, key).split()]
    if any(abs(number) >= 1 << 62 for number in numbers):
        raise MalformedError(f"a LightGBM model has a number in {key} that is too large")
    return np.array(numbers, np.int64)


def _reals(keys: dict[str, str], key: str) -> NDArray[np.float64]:
    return np.array([_ENDS.get(text) or parse_decimal(text) for text in _of(keys, key).split()], np.float64)
