"""Runs a graph: each node's operation is looked up in the table of the execution class, and nowhere else.

A value is dropped after its last use. A floating output with a NaN stops the run (docs/arithmetic.md §0).
What an operation raises comes out as a RunError that names the operation, the node and its position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch

from ..evidence.errors import ReperformError
from ..evidence.values import DType
from .graph import MAX_ITEMS, Argument, Graph, GraphInput, Node, Ref
from .tensors import DTYPE, TORCH_DTYPE

Operation = Callable[..., Any]
Observer = Callable[[str, object], None]

# A graph may ask for any size; past this a value is an attack or a mistake (8 GiB of F32).
MAX_ELEMENTS: Final = 1 << 31


class RunError(ReperformError):
    """A run that had to stop."""


class Program:
    """A graph with its weights and operations bound, ready to run any number of times."""

    def __init__(self, graph: Graph, weights: Mapping[str, torch.Tensor], table: Mapping[str, Operation]) -> None:
        """Bind `graph`; `weights` are by the manifest's tensor names. Raises RunError for what is not there."""
        for node in graph.nodes:
            if node.op not in table:
                raise RunError(
                    f"operation {node.op:.80} at node {node.name:.80} is not among the {len(table)} that are defined",
                    advice="docs/arithmetic.md lists them",
                )
        for weight in graph.weights:
            if weight.tensor not in weights:
                raise RunError(f"the graph names a tensor {weight.tensor!r:.80} that the weights lack")
        self._graph = graph
        self._weights = {weight.name: weights[weight.tensor] for weight in graph.weights}
        self._steps = [(node, table[node.op]) for node in graph.nodes]
        self._done_after = _last_uses(graph)

    def __call__(self, *inputs: torch.Tensor, observe: Observer | None = None) -> list[torch.Tensor]:
        """The graph's outputs for `inputs`, which have the dtypes and shapes that the graph declares.

        `observe` is called with each node's name and value, in order. Raises RunError.
        """
        _check_inputs(self._graph.inputs, inputs)
        values: dict[str, Any] = dict(self._weights)
        values.update(zip((i.name for i in self._graph.inputs), inputs, strict=True))
        with torch.inference_mode():
            for position, (node, operation) in enumerate(self._steps):
                value = values[node.name] = self._step(position, node, operation, values)
                if observe is not None:
                    observe(node.name, value)
                for name in self._done_after[position]:
                    del values[name]
        outputs = [values[name] for name in self._graph.outputs]
        for name, output in zip(self._graph.outputs, outputs, strict=True):
            if not isinstance(output, torch.Tensor):
                raise RunError(f"the graph gives out {name}, which is not a tensor")
        return outputs

    def _step(self, position: int, node: Node, operation: Operation, values: Mapping[str, Any]) -> Any:
        try:
            args = [_resolve(a, values) for a in node.args]
            value = operation(*args, **{key: _resolve(a, values) for key, a in node.kwargs.items()})
            _check_value(value)
        # Whatever an operation makes of arguments that do not fit it; the graph may be hostile.
        except (ReperformError, ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError,
                TypeError, ValueError) as error:  # fmt: skip
            lines = str(error).splitlines() or [type(error).__name__]
            where = f"{node.op} at node {node.name} ({position + 1} of {len(self._steps)})"
            raise RunError(f"{where}: {lines[0]:.200}") from error
        return value


def _resolve(argument: Argument, values: Mapping[str, Any]) -> Any:
    if isinstance(argument, Ref):
        return values[argument.name]
    if isinstance(argument, tuple):
        return [_resolve(a, values) for a in argument]
    if isinstance(argument, DType):
        return TORCH_DTYPE[argument]
    return argument


def _check_value(value: object) -> None:
    parts = value if isinstance(value, tuple | list) else (value,)
    if len(parts) > MAX_ITEMS:
        raise RunError(f"its result has {len(parts)} parts; the limit is {MAX_ITEMS}")
    for part in parts:
        if isinstance(part, int) and part.bit_length() > 63:
            raise RunError(f"its result has an integer of {part.bit_length()} bits; the limit is 63")
        if isinstance(part, torch.Tensor):
            if part.numel() > MAX_ELEMENTS:
                raise RunError(f"its result has {part.numel()} elements; the limit is {MAX_ELEMENTS}")
            # A maximum is NaN if any element is, in one pass.
            if part.is_floating_point() and part.numel() and math.isnan(part.amax().item()):
                raise RunError("its result has a NaN, whose bits are not portable")


def _check_inputs(declared: Sequence[GraphInput], inputs: Sequence[torch.Tensor]) -> None:
    if len(inputs) != len(declared):
        raise RunError(f"the graph takes {len(declared)} tensors and was given {len(inputs)}")
    sizes: dict[str, int] = {}
    for spec, tensor in zip(declared, inputs, strict=True):
        pairs = list(zip(spec.shape, tensor.shape, strict=False))
        agree = (n == (sizes.get(s, n) if isinstance(s, str) else s) for s, n in pairs)
        fits = tensor.dim() == len(spec.shape) and all(agree)
        if not fits or DTYPE.get(tensor.dtype) is not spec.dtype:
            given = f"{DTYPE.get(tensor.dtype, tensor.dtype)} {list(tensor.shape)}"
            raise RunError(f"input {spec.name} is {given}, the graph declares {spec.dtype} {list(spec.shape)}")
        sizes.update((s, n) for s, n in pairs if isinstance(s, str))


def _last_uses(graph: Graph) -> list[list[str]]:
    """For each node, the names that nothing after it reads. Weights stay."""
    last = {i.name: 0 for i in graph.inputs}
    for position, node in enumerate(graph.nodes):
        last[node.name] = position
        last.update((name, position) for name in node.references())
    for name in (*graph.outputs, *(w.name for w in graph.weights)):
        last.pop(name, None)
    done: list[list[str]] = [[] for _ in graph.nodes]
    for name, position in last.items():
        if done:
            done[position].append(name)
    return done
