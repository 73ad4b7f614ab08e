"""Decision trees as arrays, whatever library grew them; and what their nodes compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import PinError

Array = NDArray[Any]

LEAF: Final = -1  # in place of a child

# A level is seven operations of the graph. What libraries grow by default stays below 100.
MAX_DEPTH: Final = 1_000

_LARGEST32: Final = np.finfo(np.float32).max
_DOWN: Final = np.float32(-np.inf)


class Comparison(StrEnum):
    """What must hold between a feature and the threshold for a row to go left."""

    BELOW = "<"
    AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Number:
    """A feature that is one element of the row. It is missing where the element `mark` is 1, or abs(x) ≤ `zero`.

    A missing one goes to the side that the node says, whatever its value.
    """

    element: int
    mark: int | None = None
    zero: float | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A feature that is 1 if one of these one-hot elements of the row is, else 0; compared with a threshold of 0.5."""

    elements: tuple[int, ...]


Feature = Number | Membership


@dataclass(frozen=True, slots=True)
class Tree:
    """Arrays over the nodes of one tree, the root first. A leaf has LEAF in place of both children.

    feature: int64 [nodes], which of the ensemble's features is compared. threshold: float64 [nodes].
    left, right: int64 [nodes], the children. missing_left: bool [nodes], whether a missing value goes left.
    value: float64 [nodes, outputs]; only those of leaves count.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    value: Array

    @property
    def inner(self) -> Array:
        """bool [nodes]: which are no leaves."""
        return np.not_equal(self.left, LEAF)


def check(tree: Tree, features: int) -> int:
    """The depth of a tree, 0 if it is one leaf. Raises PinError for arrays that are no finite tree."""
    nodes = len(tree.feature)
    shapes = {part.shape for part in (tree.feature, tree.threshold, tree.left, tree.right, tree.missing_left)}
    if not nodes or shapes != {(nodes,)} or tree.value.ndim != 2 or len(tree.value) != nodes:
        raise PinError("a tree's arrays do not have one element for each node")
    inner = tree.inner
    children = np.concatenate([tree.left[inner], tree.right[inner]])
    if np.any((children < 0) | (children >= nodes)) or np.any(tree.right[~inner] != LEAF):
        raise PinError(f"a tree of {nodes} nodes has a child outside of it")
    if np.any((tree.feature[inner] < 0) | (tree.feature[inner] >= features)):
        raise PinError(f"a tree compares a feature that is not among the {features}")
    if np.isnan(tree.threshold[inner]).any() or not np.isfinite(tree.value[~inner]).all():
        raise PinError("a tree has a threshold or a leaf value that is not a number")
    return _depth(tree)


def _depth(tree: Tree) -> int:
    level, seen = np.zeros(1, np.int64), np.zeros(len(tree.feature), np.int64)
    for depth in range(MAX_DEPTH + 1):
        np.add.at(seen, level, 1)
        if seen.max() > 1:
            raise PinError("a tree has a node with two parents: it is no tree")
        level = level[tree.inner[level]]
        if not level.size:
            return depth
        level = np.concatenate([tree.left[level], tree.right[level]])
    raise PinError(f"a tree is deeper than {MAX_DEPTH} levels", advice="train it with a limit on the depth")


def float32_thresholds(thresholds: Array, comparison: Comparison) -> Array:
    """The float32 t' for which x <= t' holds for just the finite float32 x that the comparison with t holds for."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    widened = nearest.astype(np.float64)
    above = widened > thresholds if comparison is Comparison.AT_MOST else widened >= thresholds
    # Not +inf, which is where a missing value stands that goes right.
    return np.minimum(np.where(above, np.nextafter(nearest, _DOWN), nearest), _LARGEST32)


def columns(trees: Sequence[Tree], features: Sequence[Feature]) -> tuple[Array, list[tuple[Number, bool]], Array]:
    """What nodes compare, each once: for all nodes of all trees the column; numbers with the side; sets' features.

    The columns are first the numbers, each with whether it goes left where it is missing, then the sets.
    """
    # And one for leaves, which compare nothing.
    may_miss = np.array([*(isinstance(f, Number) and (f.mark, f.zero) != (None, None) for f in features), False])
    is_set = np.array([*(isinstance(f, Membership) for f in features), False])
    inner = np.concatenate([tree.inner for tree in trees])
    feature = np.where(inner, np.concatenate([tree.feature for tree in trees]), len(features))
    left = np.concatenate([tree.missing_left for tree in trees]) & may_miss[feature]
    keys = (is_set[feature] * len(may_miss) + feature) * 2 + left
    used, place = np.unique(keys[inner], return_inverse=True)
    column = np.zeros(len(inner), np.int64)
    column[inner] = place
    which, sides = used // 2 % len(may_miss), used % 2 == 1
    numbers = [(f, bool(s)) for f, s in zip((features[i] for i in which), sides, strict=True) if isinstance(f, Number)]
    return column, numbers, which[is_set[which]]
