"""From a torch module to a graph and its weights, once, with `torch.export`.

What portable-1 does not define is refused here, by name and with the place in the module where it stands,
so that nobody pins a model that cannot be replayed.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import torch
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind

from ...evidence.digest import Digest
from ...evidence.inputs import BATCH
from ...evidence.manifest import TensorEntry
from ...evidence.values import DType
from ..arithmetic.float64 import FLOAT64
from ..graph import Argument, Graph, GraphInput, Node, Ref, Weight
from ..tensors import DTYPE, HALF
from ..weights import entries
from .errors import PinError
from .parts import decompositions
from .sequences import of_any_length

# Checks that torch.export writes into a graph; they give no value.
_CHECKS: Final = ("aten._assert", "aten.sym_constrain_range")
# Where a tensor lives and how its memory is ordered are not part of its value.
_PLACEMENT: Final = {"device", "layout", "memory_format", "non_blocking", "pin_memory"}
_COMPUTED: Final = (DType.F32, DType.I64, DType.I32, DType.BOOL)  # and F64, in the operations of FLOAT64
_ALLOWED: Final = f"portable-1 computes in {', '.join(_COMPUTED)}"

Shape = tuple[int | str, ...]

_WEIGHT_KINDS: Final = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def capture(
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    shapes: Sequence[Shape],
    sizes: Mapping[str, tuple[int, int]],
    operations: Collection[str],
) -> tuple[Graph, dict[str, torch.Tensor], tuple[TensorEntry, ...]]:
    """The graph of `module` in inference, the tensors it reads, once each, and what a manifest says about them.

    The tensors are the module's own, in place.

    `example` is what it is called with, of these `shapes`, in which a size that has a name is free; `sizes` gives
    the least and the most that each can be, but for BATCH. Operations must be among `operations`. Raises PinError,
    naming what is not supported and its place.
    """
    stored = dict([*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)])
    program = _export(_for_export(module, stored.values()), example, shapes, sizes)
    _check_operations(program, operations)
    readers = _readers(program)
    held = {**program.constants, **program.state_dict}
    tensors = {name: stored.get(name, held[name]) for name in readers}
    _check_tensors(tensors, readers)
    described = entries(tensors)
    names = _first_names(described)
    kept = tuple(entry for entry in described if names[entry.name] == entry.name)
    return _graph(program, names, shapes), {entry.name: tensors[entry.name].detach() for entry in kept}, kept


def _for_export(module: torch.nn.Module, stored: Iterable[torch.Tensor]) -> torch.nn.Module:
    """The module in inference with F32 for half precision; its weights are not copied, and export reads none.

    Memory that was never written to, as that of the F32 stand-ins, is only promised by the system, not taken.
    """
    memo: dict[int, object] = {}
    for tensor in stored:
        stand_in = torch.empty_like(tensor, dtype=torch.float32) if tensor.dtype in HALF else tensor
        memo[id(tensor)] = _parameter(stand_in) if isinstance(tensor, torch.nn.Parameter) else stand_in
    return copy.deepcopy(module, memo).eval()


def _parameter(tensor: torch.Tensor) -> torch.nn.Parameter:
    return tensor if isinstance(tensor, torch.nn.Parameter) else torch.nn.Parameter(tensor, requires_grad=False)


def _export(
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    shapes: Sequence[Shape],
    sizes: Mapping[str, tuple[int, int]],
) -> ExportedProgram:
    free = {BATCH: Dim(BATCH, min=1), **{name: Dim(name, min=least, max=most) for name, (least, most) in sizes.items()}}
    dynamic = tuple({i: free[size] for i, size in enumerate(shape) if isinstance(size, str)} for shape in shapes)
    try:
        with warnings.catch_warnings(), torch.no_grad(), of_any_length():
            warnings.simplefilter("ignore", FutureWarning)  # torch's own, about itself
            warnings.filterwarnings("ignore", "The tensor attributes .*_flat_weights")  # recurrent layers' own
            program: ExportedProgram = torch.export.export(module, example, dynamic_shapes=dynamic, strict=False)
            # Functional ATen, with linear, layer_norm and attention left whole.
            program = program.run_decompositions(decompositions())
    except (RuntimeError, ValueError, TypeError, torch._dynamo.exc.TorchDynamoException) as error:
        lines = str(error).split("\n")
        raise PinError(f"torch.export cannot capture the module: {' '.join(lines[:2]):.400}") from error
    for node in list(program.graph.nodes):
        if str(node.target).startswith(_CHECKS):
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    return program


def _check_operations(program: ExportedProgram, operations: Collection[str]) -> None:
    """Refuse what is not among `operations`: the first with its place, the others by name."""
    unknown = [node for node in _calls(program) if _operation_name(node.target) not in operations]
    if not unknown:
        return
    name = _operation_name(unknown[0].target)
    others = sorted({_operation_name(node.target) for node in unknown} - {name})
    also = f" (nor {', '.join(others):.200})" if others else ""
    raise PinError(
        f"operation {name} at {_where(unknown[0])} is not defined{also}; portable-1 has {len(operations)} operations",
        advice="docs/arithmetic.md lists them: write the module with those",
    )


def _readers(program: ExportedProgram) -> dict[str, torch.fx.Node]:
    """Parameters, buffers and constants with a use, under their names in the module, and the first that uses each."""
    nodes = {node.name: node for node in program.graph.nodes}
    specs = [spec for spec in program.graph_signature.input_specs if spec.kind in _WEIGHT_KINDS]
    users = {str(spec.target): list(nodes[spec.arg.name].users) for spec in specs}
    return {name: found[0] for name, found in users.items() if found}


def _check_tensors(tensors: Mapping[str, torch.Tensor], readers: Mapping[str, torch.fx.Node]) -> None:
    for name, tensor in sorted(tensors.items()):
        taken = DTYPE.get(tensor.dtype) in (*_COMPUTED, DType.F16, DType.BF16)
        if not taken and not _takes_float64(readers[name]):
            use = f"{_operation_name(readers[name].target)} at {_where(readers[name])}"
            raise PinError(f"tensor {name}, read by {use}, is {tensor.dtype}; {_ALLOWED}")


def _first_names(described: Sequence[TensorEntry]) -> dict[str, str]:
    """For each name, the first name in order under which the same content stands."""
    first: dict[Digest, str] = {}
    return {entry.name: first.setdefault(entry.digest, entry.name) for entry in described}


def _graph(program: ExportedProgram, names: Mapping[str, str], shapes: Sequence[Shape]) -> Graph:
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    inputs: list[GraphInput] = []
    weights: list[Weight] = []
    for spec in program.graph_signature.input_specs:
        name = str(getattr(spec.arg, "name", spec.arg))
        if spec.kind in _WEIGHT_KINDS:
            if spec.target in names:
                weights.append(Weight(name, names[spec.target]))
        elif spec.kind is InputKind.USER_INPUT and name in placeholders:
            inputs.append(GraphInput(name, DTYPE[placeholders[name].meta["val"].dtype], shapes[len(inputs)]))
        else:
            raise PinError(f"the module has an input {name!r} of kind {spec.kind.name}, which a graph cannot hold")
    outputs = []
    for out in program.graph_signature.output_specs:
        if out.kind is not OutputKind.USER_OUTPUT or not hasattr(out.arg, "name"):
            raise PinError(
                f"the module gives out {out.arg} as {out.kind.name}; only tensors can be given out",
                advice="pin a module that changes no buffer and returns tensors",
            )
        outputs.append(out.arg.name)
    return Graph(tuple(inputs), tuple(weights), tuple(map(_node, _calls(program))), tuple(outputs))


def _calls(program: ExportedProgram) -> list[torch.fx.Node]:
    return [node for node in program.graph.nodes if node.op not in ("placeholder", "output")]


def _node(node: torch.fx.Node) -> Node:
    op = _operation_name(node.target)
    for value in _tensors(node):
        if DTYPE.get(value.dtype) not in _COMPUTED and not _takes_float64(node):
            raise PinError(f"{op} at {_where(node)} gives {value.dtype}; {_ALLOWED}")
    args = tuple(_argument(node, f"argument {i}", value) for i, value in enumerate(node.args))
    kwargs = {k: _argument(node, k, value) for k, value in node.kwargs.items() if k not in _PLACEMENT}
    return Node(node.name, op, args, kwargs)


def _argument(node: torch.fx.Node, label: str, value: object) -> Argument:
    match value:
        case torch.fx.Node():
            return Ref(value.name)
        case None | bool() | int() | float() | str():
            return value
        case torch.dtype() if value in DTYPE:
            return DTYPE[value]
        case list() | tuple():
            return tuple(_argument(node, label, v) for v in value)
    raise PinError(
        f"{_operation_name(node.target)} at {_where(node)}: its {label} is {value!s:.80}, which a graph cannot hold"
    )


def _takes_float64(node: torch.fx.Node) -> bool:
    """Whether float64 is in its place at a node: it comes in, and the operation is defined for it."""
    given = [value for argument in node.all_input_nodes for value in _tensors(argument)]
    float64 = any(value.dtype == torch.float64 for value in given)
    return float64 and _operation_name(node.target) in FLOAT64


def _operation_name(target: str | Callable[..., Any]) -> str:
    """As in the operation table: "aten.linear.default", "operator.mul" (on sizes), "torch.sym_max"."""
    if isinstance(target, str | torch._ops.OpOverload):
        return str(target)
    return f"{target.__module__.lstrip('_')}.{target.__name__}"


def _where(node: torch.fx.Node) -> str:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = stack[-1][0] if stack else ""
    return f"node {node.name} (module {path or 'itself'})"


def _tensors(node: torch.fx.Node) -> list[torch.Tensor]:
    value = node.meta.get("val")
    return [part for part in (value if isinstance(value, tuple | list) else (value,)) if isinstance(part, torch.Tensor)]
