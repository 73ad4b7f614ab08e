"""One graph, one text."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.errors import ReperformError
from reperform.evidence.values import DType
from reperform.executor.graph import Graph, GraphError, GraphInput, Node, Ref, Weight
from reperform.executor.graph_json import from_json, graph_digest, to_json

EVERYTHING = Graph(
    inputs=(GraphInput("x", DType.F32, ("batch", 3)), GraphInput("ids", DType.I64, ("batch", "tokens"))),
    weights=(Weight("w", "layer.0.weight"), Weight("tied", "layer.0.weight")),
    nodes=(
        Node("a", "aten.linear.default", (Ref("x"), Ref("w")), {}),
        Node("b", "aten.clamp.default", (Ref("a"), -math.inf, 1e-12), {}),
        Node("c", "aten.sum.dim_IntList", (Ref("b"), (-1, 0), True), {"dtype": DType.F32}),
        Node("d", "aten.gelu.default", (Ref("c"),), {"approximate": "tanh"}),
        Node("e", "aten.index.Tensor", (Ref("d"), (None, Ref("ids"))), {}),
    ),
    outputs=("e", "d"),
)

finite = st.floats(allow_nan=False)
arguments = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | st.sampled_from(DType) | st.just(Ref("x")),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
).filter(lambda argument: _depth(argument) <= 4)


def _depth(argument: object) -> int:
    return 1 + max(map(_depth, argument), default=0) if isinstance(argument, tuple) else 0


def test_a_graph_comes_back_equal_and_to_the_same_bytes() -> None:
    text = to_json(EVERYTHING)
    assert from_json(text) == EVERYTHING
    assert to_json(from_json(text)) == text


@given(st.lists(arguments, max_size=4), st.dictionaries(st.sampled_from(["dim", "keepdim"]), arguments))
@settings(deadline=None)
def test_every_argument_comes_back(args: list[object], kwargs: dict[str, object]) -> None:
    node = Node("y", "aten.relu.default", tuple(args), kwargs)  # type: ignore[arg-type]
    graph = Graph((GraphInput("x", DType.F32, ()),), (), (node,), ("y",))
    read = from_json(to_json(graph)).nodes[0]
    # By repr: 0.0 and -0.0, 1 and 1.0 and True are different constants.
    assert repr(read) == repr(Node("y", node.op, node.args, dict(sorted(kwargs.items()))))  # type: ignore[arg-type]


def test_another_graph_has_another_digest() -> None:
    other = Graph(EVERYTHING.inputs, EVERYTHING.weights, EVERYTHING.nodes, ("e",))
    assert graph_digest(other) != graph_digest(EVERYTHING)


def test_a_graph_of_too_many_nodes_is_refused() -> None:
    nodes = tuple(Node(f"n{i}", "aten.relu.default", (), {}) for i in range(100_001))
    with pytest.raises(GraphError, match="limit"):
        Graph((), (), nodes, ())


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_random_bytes_raise_nothing_but_our_errors(data: bytes) -> None:
    with pytest.raises(ReperformError):
        from_json(data)


@given(st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 2))
@settings(deadline=None)
def test_mutated_bytes_are_refused_or_mean_the_same_bytes(at: int, byte: int, kind: int) -> None:
    text = to_json(EVERYTHING)
    at %= len(text)
    changed = text[:at] + (bytes([byte]), b"", bytes([byte]) + text[at : at + 1])[kind] + text[at + 1 :]
    with contextlib.suppress(ReperformError):
        assert to_json(from_json(changed)) == changed


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "ref", "f64", "op"]), inner),
    max_leaves=8,
)


@given(st.sampled_from(["version", "inputs", "weights", "nodes", "outputs"]), json_values)
@settings(deadline=None)
def test_a_part_of_any_other_type_raises_nothing_but_our_errors(part: str, value: object) -> None:
    body = {**json.loads(to_json(EVERYTHING)), part: value}
    with contextlib.suppress(ReperformError):
        from_json(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def test_the_pinned_graphs_are_small(encoder: Path) -> None:
    assert len((encoder / "graph.json").read_bytes()) < 64 * 1024
