"""Runs a graph: each node's operation is looked up in the table of the execution class, and nowhere else.

A value is dropped after its last use. A floating output with a NaN stops the run (docs/arithmetic.md §0).
What an operation raises comes out as a RunError that names the operation, the node and its position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Protocol

import torch

from ..evidence.errors import ReperformError
from ..evidence.values import DType
from .graph import MAX_ITEMS, Argument, Graph, GraphInput, Node, Ref
from .tensors import DTYPE, TORCH_DTYPE, widened

Operation = Callable[..., Any]


class Preparation(Protocol):
    """How one argument of an operation, if it is a weight, is made ready once for all runs."""

    @property
    def argument(self) -> int:
        """Its position."""

    @property
    def prepare(self) -> Callable[[torch.Tensor], Any]:
        """Makes it ready."""

    @property
    def function(self) -> Operation:
        """Takes it then."""


# How many elements an operation will make, told from its arguments (arithmetic/extents.py).
Extent = Callable[..., int]

Observer = Callable[[str, object], None]

# A graph may ask for any size; past this a value is an attack or a mistake (8 GiB of F32).
MAX_ELEMENTS: Final = 1 << 31


# What operations make of arguments that do not fit them; graphs may be hostile.
_FAULTS: Final = (
    ReperformError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


class RunError(ReperformError):
    """A run that had to stop."""


class Program:
    """A graph with its weights and operations bound, ready to run any number of times."""

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, torch.Tensor],
        table: Mapping[str, Operation],
        prepared: Mapping[str, Preparation] = MappingProxyType({}),
        *,
        nan_free: Collection[str] = frozenset(),
        extents: Mapping[str, Extent] = MappingProxyType({}),
    ) -> None:
        """Bind `graph`; `weights` are by the manifest's tensor names, half precision in place of F32. Raises RunError.

        nan_free: the operations that give no NaN where they are given none. extents: what is asked before an operation
        takes memory, for those that can make more than they are given.
        """
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
        self._nan_free = nan_free
        self._extents = extents
        bound: dict[str, Any] = {weight.name: weights[weight.tensor] for weight in graph.weights}
        for weight in graph.weights:
            if _holds_nan(bound[weight.name]):
                raise RunError(f"the tensor {weight.tensor!r:.80} has a NaN")
        self._steps: list[tuple[Node, Operation]] = []
        for position, node in enumerate(graph.nodes):
            try:
                self._steps.append(_bind(node, table, prepared, bound))
            except _FAULTS as error:
                raise self._stopped(position, node, error) from error
        # A weight that is only read prepared need not be kept as it was.
        read = {*graph.outputs, *(name for node, _ in self._steps for name in node.references())}
        self._weights = {n: widened(v) if isinstance(v, torch.Tensor) else v for n, v in bound.items() if n in read}
        self._done_after = _last_uses(graph)

    @property
    def graph(self) -> Graph:
        """What is run."""
        return self._graph

    @property
    def nbytes(self) -> int:
        """Memory that the weights hold, in bytes."""
        return sum(value.nbytes for value in self._weights.values())

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
            args = [resolve(a, values) for a in node.args]
            kwargs = {key: resolve(a, values) for key, a in node.kwargs.items()}
            if extent := self._extents.get(node.op):
                _check_extent(extent(*args, **kwargs))
            value = operation(*args, **kwargs)
            _check_size(value)
            if node.op not in self._nan_free:
                _check_nan(value, {a.untyped_storage().data_ptr() for a in args if isinstance(a, torch.Tensor)})
        except _FAULTS as error:
            raise self._stopped(position, node, error) from error
        return value

    def _stopped(self, position: int, node: Node, error: Exception) -> RunError:
        """The error of a node, by name and in one line."""
        lines = str(error).splitlines() or [type(error).__name__]
        where = f"{node.op} at node {node.name} ({position + 1} of {len(self._graph.nodes)})"
        return RunError(f"{where}: {lines[0]:.200}")


def _bind(
    node: Node, table: Mapping[str, Operation], prepared: Mapping[str, Preparation], bound: dict[str, Any]
) -> tuple[Node, Operation]:
    """The node and its operation; where a weight can be made ready, both as they are with it, which joins `bound`."""
    as_it_is = node, table[node.op]
    how = prepared.get(node.op)
    if how is None or node.kwargs or len(node.args) <= how.argument:
        return as_it_is
    argument = node.args[how.argument]
    if not isinstance(argument, Ref):
        return as_it_is
    weight = bound.get(argument.name)
    if not isinstance(weight, torch.Tensor) or weight.dim() != 2:
        return as_it_is
    name = f"{argument.name} for {node.op}"  # no graph has a name with a space
    if name not in bound:
        bound[name] = how.prepare(widened(weight))
    args = (*node.args[: how.argument], Ref(name), *node.args[how.argument + 1 :])
    return replace(node, args=args), how.function


def resolve(argument: Argument, values: Mapping[str, Any]) -> Any:
    """An argument as operations take it, with `values` by name where it refers to them."""
    if isinstance(argument, Ref):
        return values[argument.name]
    if isinstance(argument, tuple):
        return [resolve(a, values) for a in argument]
    if isinstance(argument, DType):
        return TORCH_DTYPE[argument]
    return argument


def _check_extent(elements: int) -> None:
    if elements > MAX_ELEMENTS:
        raise RunError(f"it would make {elements} elements; the limit is {MAX_ELEMENTS}")


def _check_size(value: object) -> None:
    parts = value if isinstance(value, tuple | list) else (value,)
    if len(parts) > MAX_ITEMS:
        raise RunError(f"its result has {len(parts)} parts; the limit is {MAX_ITEMS}")
    for part in parts:
        if isinstance(part, int) and part.bit_length() > 63:
            raise RunError(f"its result has an integer of {part.bit_length()} bits; the limit is 63")
        if isinstance(part, torch.Tensor) and part.numel() > MAX_ELEMENTS:
            raise RunError(f"its result has {part.numel()} elements; the limit is {MAX_ELEMENTS}")


def _check_nan(value: object, known: Collection[int]) -> None:
    """That there is none, leaving out views of the memory of the arguments, where there is none already."""
    for part in value if isinstance(value, tuple | list) else (value,):
        if isinstance(part, torch.Tensor) and part.untyped_storage().data_ptr() not in known and _holds_nan(part):
            raise RunError("its result has a NaN, whose bits are not portable")


def _holds_nan(tensor: torch.Tensor) -> bool:
    # A maximum is NaN if any element is, in one pass.
    return tensor.is_floating_point() and bool(tensor.numel()) and math.isnan(tensor.amax().item())


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
        if _holds_nan(tensor):
            raise RunError(f"input {spec.name} has a NaN")
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
