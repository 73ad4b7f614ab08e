"""The graph of a pinned model, as data: a plain list of ATen operations (graph_json.py has its text).

A graph has inputs, weights, nodes and outputs, all called by name. A node names one operation of the
execution class's table and its arguments, which are values computed before it or constants. Nothing here
runs anything: interpreter.py looks the operations up, and knows no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..evidence.encoding import MalformedError
from ..evidence.values import DType

# A 70-layer transformer has some 5,000 nodes.
MAX_ITEMS: Final = 100_000


class GraphError(MalformedError):
    """A graph that is not well formed."""


@dataclass(frozen=True, slots=True)
class Ref:
    """The value of an input, a weight or an earlier node."""

    name: str


# A float is a binary64 constant; DType is a str too and is looked at first.
Argument = None | bool | int | float | str | DType | Ref | tuple["Argument", ...]


@dataclass(frozen=True, slots=True)
class GraphInput:
    """A tensor given at run time. A size is a number, or a symbol that stands for one size per run."""

    name: str
    dtype: DType
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Weight:
    """The name under which nodes refer to a tensor of the manifest."""

    name: str
    tensor: str


@dataclass(frozen=True, slots=True)
class Node:
    """One operation."""

    name: str
    op: str
    args: tuple[Argument, ...]
    kwargs: Mapping[str, Argument]

    def references(self) -> Iterator[str]:
        """The names this node reads, with repetitions."""
        yield from _references((*self.args, *self.kwargs.values()))


@dataclass(frozen=True, slots=True)
class Graph:
    """Every name is unique and defined before it is used."""

    inputs: tuple[GraphInput, ...]
    weights: tuple[Weight, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        for part in (self.inputs, self.weights, self.nodes, self.outputs):
            if len(part) > MAX_ITEMS:
                raise GraphError(f"a part of the graph has {len(part)} items; the limit is {MAX_ITEMS}")
        known: set[str] = set()
        items: tuple[GraphInput | Weight | Node, ...] = (*self.inputs, *self.weights, *self.nodes)
        for item in items:
            if isinstance(item, Node):
                for name in item.references():
                    if name not in known:
                        raise GraphError(f"node {item.name!r} refers to {name!r:.60}, which nothing before it defines")
            if item.name in known:
                raise GraphError(f"the graph defines {item.name!r} twice")
            known.add(item.name)
        for name in self.outputs:
            if name not in known:
                raise GraphError(f"the graph gives out {name!r:.60}, which it does not define")


def _references(arguments: tuple[Argument, ...]) -> Iterator[str]:
    for argument in arguments:
        if isinstance(argument, Ref):
            yield argument.name
        elif isinstance(argument, tuple):
            yield from _references(argument)
