"""One operation of a graph, run by itself on what it reads, under the reference arithmetic.

What it reads are tensors: of the graph's inputs, of nodes before it, of the weights. Numbers (sizes) have no digest;
they are computed again, from the tensors that they were read off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import torch

from ...evidence.digest import Digest
from ...evidence.localisation.operands import part_name
from ...executor.arithmetic.kernels import reference_alone
from ...executor.graph import Argument, Graph, GraphInput, Node, Ref, Weight
from ...executor.interpreter import Program
from ...executor.model import portable_program
from ...executor.tensors import DTYPE, digest_of
from ...executor.trace import parts_of

_GETITEM: Final = "operator.getitem"


@dataclass(frozen=True, slots=True)
class Step:
    """A node with the numbers that it needs, and what these read.

    nodes: in order, the disputed one last. inputs: positions of graph inputs. results: positions of earlier nodes that
    gave tensors.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    results: tuple[int, ...]
    weights: tuple[Weight, ...]

    @property
    def node(self) -> Node:
        """The disputed one."""
        return self.nodes[-1]


def step_of(graph: Graph, position: int, parts: Sequence[int]) -> Step:
    """What running node `position` takes. `parts`: how many tensors each node before it gave."""
    places = {node.name: number for number, node in enumerate(graph.nodes[: position + 1])}
    taken, read, todo = {position}, set[str](), [graph.nodes[position]]
    while todo:
        for name in todo.pop().references():
            place = places.get(name)
            if place is None or parts[place]:
                read.add(name)
            elif place not in taken:
                taken.add(place)
                todo.append(graph.nodes[place])
    return Step(
        nodes=tuple(graph.nodes[number] for number in sorted(taken)),
        inputs=tuple(number for number, declared in enumerate(graph.inputs) if declared.name in read),
        results=tuple(sorted(places[name] for name in read if name in places)),
        weights=tuple(weight for weight in graph.weights if weight.name in read),
    )


def operand_names(graph: Graph, step: Step, parts: Sequence[int]) -> Iterator[str]:
    """How the tensors besides the weights are called: the graph's inputs, then what nodes gave."""
    yield from (graph.inputs[number].name for number in step.inputs)
    for number in step.results:
        yield from names_of(graph, number, parts)


def names_of(graph: Graph, number: int, parts: Sequence[int]) -> Sequence[str]:
    """How the tensors that a node gave are called."""
    name = graph.nodes[number].name
    return [part_name(name, part) for part in range(parts[number])] if _several(graph, number, parts) else [name]


def run_step(
    graph: Graph,
    step: Step,
    parts: Sequence[int],
    operands: Mapping[str, torch.Tensor],
    weights: Mapping[str, torch.Tensor],
) -> list[Digest]:
    """The digests of the tensors that the operation gives, by the reference. Raises RunError where it cannot be run.

    operands: by operand_names. weights: by the manifest's names.
    """
    grouped = {graph.nodes[n].name: names_of(graph, n, parts) for n in step.results if _several(graph, n, parts)}
    alone = Graph(
        inputs=tuple(GraphInput(name, DTYPE[t.dtype], tuple(t.shape)) for name, t in operands.items()),
        weights=step.weights,
        nodes=tuple(_regrouped(node, grouped) for node in step.nodes),
        outputs=(),
    )
    given: list[object] = []
    with reference_alone():
        program = portable_program(alone, weights, {})
        program(*operands.values(), observe=lambda name, value: given.append(value) if name == step.node.name else None)
    return [digest_of(part) for part in parts_of(given[0]) if isinstance(part, torch.Tensor)]


def computed(
    program: Program, inputs: Sequence[torch.Tensor], wanted: Collection[int], take: Callable[[int, object], None]
) -> None:
    """Run a graph as far as the last of the nodes `wanted`, and hand over what these gave."""
    if not wanted:
        return
    position = -1

    def observe(_: str, value: object) -> None:
        nonlocal position
        position += 1
        if position in wanted:
            take(position, value)
        if position == max(wanted):
            raise _FarEnough

    with suppress(_FarEnough):
        program(*inputs, observe=observe)


class _FarEnough(Exception):  # noqa: N818  it is no error
    """The rest of the run is not needed."""


def _several(graph: Graph, number: int, parts: Sequence[int]) -> bool:
    """Whether a node gave a tuple. One of a single tensor shows only in how it is read."""
    name = graph.nodes[number].name
    return parts[number] != 1 or any(n.op == _GETITEM and n.args[:1] == (Ref(name),) for n in graph.nodes)


def _regrouped(node: Node, grouped: Mapping[str, Sequence[str]]) -> Node:
    """The node, with every tuple that it reads written out."""

    def of(argument: Argument) -> Argument:
        if isinstance(argument, Ref) and argument.name in grouped:
            return tuple(Ref(name) for name in grouped[argument.name])
        return tuple(of(each) for each in argument) if isinstance(argument, tuple) else argument

    return replace(node, args=tuple(of(a) for a in node.args), kwargs={key: of(a) for key, a in node.kwargs.items()})
