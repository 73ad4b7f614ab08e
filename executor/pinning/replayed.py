"""A graph as a torch module: what was captured elsewhere can be pinned here, from data alone."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from types import MethodType
from typing import Any, Final

import torch

from ..arithmetic.operations import TABLE
from ..graph import Graph
from ..interpreter import Operation, resolve
from .errors import PinError

_NAMESPACES: Final = {"operator": operator, "torch": torch, "aten": torch.ops.aten}


class GraphModule(torch.nn.Module):
    """Runs a graph with torch's own operations: its inputs to a tuple of its outputs.

    `weights` are by the graph's names of tensors.

    Raises PinError for an operation that portable-1 does not define, or weights that are not the graph's.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        if weights.keys() != {weight.tensor for weight in graph.weights}:
            raise PinError("a graph and its weights differ on the names of tensors")
        self._graph = graph
        self._operations = [_operation(node.op) for node in graph.nodes]
        for name, tensor in weights.items():
            self._keep(name, tensor)
        self.forward = MethodType(_taking([i.name for i in graph.inputs]), self)

    def _run(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        held = dict(self.named_buffers(remove_duplicate=False))
        values: dict[str, Any] = {weight.name: held[weight.tensor] for weight in self._graph.weights}
        values.update(zip((i.name for i in self._graph.inputs), inputs, strict=True))
        for node, operation in zip(self._graph.nodes, self._operations, strict=True):
            args = [resolve(argument, values) for argument in node.args]
            kwargs = {key: resolve(argument, values) for key, argument in node.kwargs.items()}
            values[node.name] = operation(*args, **kwargs)
        return tuple(values[name] for name in self._graph.outputs)

    def _keep(self, name: str, tensor: torch.Tensor) -> None:
        """Under its name, whose dots are modules in modules."""
        *path, last = name.split(".")
        place: torch.nn.Module = self
        try:
            for part in path:
                if part not in place._modules:
                    place.add_module(part, torch.nn.Module())
                place = place.get_submodule(part)
            place.register_buffer(last, tensor)
        except KeyError as error:
            raise PinError(f"a tensor cannot be called {name!r:.80} in a module") from error


def _taking(names: Sequence[str]) -> Callable[..., tuple[torch.Tensor, ...]]:
    """A method with one parameter for each name, which is what torch.export asks for."""

    def forward(self: GraphModule, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._run(*inputs)

    try:
        parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("self", *names)]
        forward.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    except ValueError as error:
        raise PinError(f"an input of a graph has no name for a parameter: {error!s:.80}") from error
    return forward


def _operation(name: str) -> Operation:
    if name not in TABLE:
        raise PinError(f"operation {name:.80} is not among the {len(TABLE)} that portable-1 has")
    namespace, *path = name.split(".")
    found: Any = _NAMESPACES[namespace]
    for part in path:
        found = getattr(found, part)
    operation: Operation = found
    return operation
