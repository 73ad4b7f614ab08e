"""Ensembles of trees: where rows go, what is added up, and what is no tree (docs/arithmetic.md §7)."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.inputs import Missing, NumberColumn, RecordInput
from reperform.evidence.values import Record
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.errors import PinError
from reperform.executor.pinning.pin import pin
from reperform.executor.pinning.tabular.ensemble import Ensemble, Link
from reperform.executor.pinning.tabular.trees import (
    LEAF,
    MAX_DEPTH,
    Comparison,
    Membership,
    Number,
    Tree,
    float32_thresholds,
)
from reperform.executor.tensors import from_little_endian
from reperform.tests.arithmetic import oracle

STUMP = Tree(
    feature=np.array([0, 0, 0]),
    threshold=np.array([0.5, 0.0, 0.0]),
    left=np.array([1, LEAF, LEAF]),
    right=np.array([2, LEAF, LEAF]),
    missing_left=np.array([True, False, False]),
    value=np.array([[math.nan], [1.0], [2.0]]),
)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def stump(**parts: Any) -> Tree:
    return replace(STUMP, **{name: np.array(part) for name, part in parts.items()})


def ensemble(*trees: Tree, **said: Any) -> Ensemble:
    return Ensemble(trees, said.pop("features", [Number(0)]), **{"comparison": Comparison.AT_MOST, **said})


@given(FLOATS, st.floats(allow_nan=False) | FLOATS, st.integers(-2, 2))
def test_thresholds_of_float32_divide_as_those_of_float64_do(x: float, t: float, steps: int) -> None:
    for _ in range(abs(steps)):
        t = math.nextafter(t, math.copysign(math.inf, steps))
    for candidate in (x, t if abs(t) < 3e38 else x):
        single = np.float32(candidate)
        (at_most,) = float32_thresholds(np.array([t]), Comparison.AT_MOST)
        (below,) = float32_thresholds(np.array([t]), Comparison.BELOW)
        assert (single <= at_most) == (float(single) <= t)
        assert (single <= below) == (float(single) < t)
        assert at_most < math.inf


@pytest.mark.parametrize("comparison", Comparison)
@pytest.mark.parametrize("threshold", [-math.inf, -1e300, 0.0, 1e300, math.inf])
def test_a_missing_value_goes_where_the_node_says(comparison: Comparison, threshold: float) -> None:
    rows = torch.tensor([[-1e38, 1.0], [1e38, 1.0], [0.0, 1.0]])
    for left in (True, False):
        tree = stump(threshold=[threshold, 0, 0], missing_left=[left, False, False])
        module = ensemble(tree, features=[Number(0, mark=1)], comparison=comparison)
        assert module(rows).tolist() == [1.0 if left else 2.0] * 3


def test_what_is_nearly_zero_can_be_missing() -> None:
    tree = stump(threshold=[-5.0, 0, 0])
    module = ensemble(tree, features=[Number(0, zero=1e-35)])
    assert module(torch.tensor([[0.0], [-1e-35], [1e-35], [1.1e-35], [-6.0]])).tolist() == [1.0, 1.0, 1.0, 2.0, 1.0]


def test_a_set_of_categories_is_one_feature() -> None:
    module = ensemble(stump(), features=[Membership((1, 3))])
    assert module(torch.eye(4)).tolist() == [1.0, 2.0, 1.0, 2.0]
    assert module(torch.zeros(1, 4)).tolist() == [1.0]


def test_trees_of_groups_add_to_their_own_output() -> None:
    trees = [stump(value=[[0.0], [v], [-v]]) for v in (1.0, 2.0, 3.0, 4.0)]
    given = ensemble(*trees, groups=2, base=[0.5, 0.25])(torch.tensor([[0.0], [1.0]]))
    assert given.tolist() == [[4.5, 6.25], [-3.5, -5.75]]
    assert ensemble(*trees, mean=True)(torch.tensor([[0.0]])).tolist() == [2.5]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_random_trees_are_walked_as_by_hand(data: st.DataObject) -> None:
    trees = [_grown(data) for _ in range(data.draw(st.integers(1, 4)))]
    features = [Number(0, mark=1), Number(2), Number(2, mark=3, zero=0.5), Membership((4, 6))]
    row = [data.draw(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])) for _ in range(4)]
    row[1], row[3] = (float(data.draw(st.booleans())) for _ in range(2))
    one_hot = [*torch.eye(3).tolist(), [0.0] * 3][data.draw(st.integers(0, 3))]
    given = ensemble(*trees, features=features)(torch.tensor([row + one_hot]))
    assert given.tolist() == [sum(_leaf(tree, row, one_hot) for tree in trees)]


def test_a_pinned_ensemble_gives_the_exact_sum(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(50, 2)) * 10.0 ** generator.integers(-9, 9, (50, 1))
    trees = [stump(value=[[0.0], [a], [b]], threshold=[0.1, 0, 0]) for a, b in values.tolist()]
    columns = (NumberColumn("x", "", missing=Missing.MARKED, stand_in="0.0"),)
    examples = [Record.of({"x": text}) for text in ("0.1", "0.2", None)]
    module = ensemble(*trees, features=[Number(0, mark=1)], base=[1 / 3])
    pin(Candidate("sums", module, examples, RecordInput(columns), ["value"]), tmp_path / "sums")
    model = PinnedModel.load(tmp_path / "sums")
    given = [from_little_endian(output.tensors[0]).item() for output in model.run(examples)]
    # 0.1 as a float32 is above 0.1; a missing value goes left.
    expected = [oracle.rn32(Fraction(oracle.sum64(values[:, side].tolist()) + 1 / 3)) for side in (1, 1, 0)]
    assert given == expected


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"left": [0, LEAF, LEAF]}, "two parents"),
        ({"left": [2, LEAF, LEAF]}, "two parents"),
        ({"left": [1, 0, LEAF], "right": [2, 2, LEAF]}, "two parents"),
        ({"left": [3, LEAF, LEAF]}, "child outside"),
        ({"left": [-2, LEAF, LEAF]}, "child outside"),
        ({"right": [LEAF, LEAF, LEAF]}, "child outside"),
        ({"left": [LEAF, LEAF, LEAF]}, "child outside"),
        ({"feature": [1, 0, 0]}, "not among the 1"),
        ({"feature": [-1, 0, 0]}, "not among the 1"),
        ({"threshold": [math.nan, 0, 0]}, "not a number"),
        ({"value": [[0.0], [math.inf], [0.0]]}, "not a number"),
        ({"value": [[0.0], [0.0]]}, "one element for each node"),
        ({"left": [1, LEAF]}, "one element for each node"),
        ({name: [] for name in ("feature", "threshold", "left", "right", "missing_left")}, "one element for each node"),
    ],
)
def test_what_is_no_tree_is_refused(parts: dict[str, list[Any]], words: str) -> None:
    with pytest.raises(PinError, match=words):
        ensemble(stump(**parts))


def test_a_tree_that_is_too_deep_is_refused() -> None:
    nodes = 2 * MAX_DEPTH + 3
    inner = np.arange(nodes) < nodes // 2
    chain = Tree(
        feature=np.zeros(nodes, np.int64),
        threshold=np.zeros(nodes),
        left=np.where(inner, np.arange(nodes) + nodes // 2 + 1, LEAF),
        right=np.where(inner, np.arange(nodes) + 1, LEAF),
        missing_left=np.zeros(nodes, bool),
        value=np.zeros((nodes, 1)),
    )
    with pytest.raises(PinError, match="deeper than"):
        ensemble(chain)


@pytest.mark.parametrize("said", [{"groups": 2, "base": [0.0, 0.0]}, {"base": [0.0, 0.0]}])
def test_outputs_that_trees_do_not_give_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(PinError, match="do not give 2 outputs"):
        ensemble(STUMP, **said)
    with pytest.raises(PinError, match="0 trees"):
        ensemble()


@pytest.mark.parametrize("link", Link)
def test_a_link_is_of_the_raw_outputs(link: Link) -> None:
    trees = [stump(value=[[0.0], [v], [-v]]) for v in (1.0, 2.0)]
    raw = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    expected = {
        Link.IDENTITY: raw,
        Link.SIGMOID: raw.sigmoid(),
        Link.SOFTMAX: raw.softmax(1),
        Link.EXP: raw.exp(),
    }[link]
    given = ensemble(*trees, groups=2, base=[0.0, 0.0], link=link)(torch.tensor([[0.0]]))
    assert torch.allclose(given.double(), expected, atol=1e-6)


def _grown(data: st.DataObject) -> Tree:
    """A tree whose leaves are small integers, so that sums are exact in any order."""
    inner = data.draw(st.integers(0, 6))
    nodes = 2 * inner + 1
    left, right = np.full(nodes, LEAF), np.full(nodes, LEAF)
    open_, free = [0], iter(range(1, nodes))
    for _ in range(inner):
        parent = open_.pop(data.draw(st.integers(0, len(open_) - 1)))
        left[parent], right[parent] = next(free), next(free)
        open_ += [left[parent], right[parent]]
    numbers = st.lists(st.sampled_from([-0.75, -0.5, 0.0, 0.5, 0.75]), min_size=nodes, max_size=nodes)
    feature = np.array(data.draw(st.lists(st.integers(0, 3), min_size=nodes, max_size=nodes)))
    threshold = np.where(feature == 3, 0.5, data.draw(numbers))
    sides = np.array(data.draw(st.lists(st.booleans(), min_size=nodes, max_size=nodes)))
    return Tree(feature, threshold, left, right, sides, np.arange(nodes, dtype=np.float64)[:, None] + 1)


def _leaf(tree: Tree, row: list[float], one_hot: list[float]) -> float:
    node = 0
    while tree.left[node] != LEAF:
        match tree.feature[node]:
            case 0:
                x, missing = row[0], row[1] == 1
            case 1:
                x, missing = row[2], False
            case 2:
                x, missing = row[2], row[3] == 1 or abs(row[2]) <= 0.5
            case _:
                x, missing = one_hot[0] + one_hot[2], False
        left = tree.missing_left[node] if missing else x <= tree.threshold[node]
        node = (tree.left if left else tree.right)[node]
    return float(tree.value[node, 0])
