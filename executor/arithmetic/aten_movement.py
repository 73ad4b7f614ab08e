"""Operations of a graph that move elements and compute nothing (§7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .operands import Number, convert, expect, pair, refuse
from .symbols import Entry


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """View and reshape alike: results here are not laid out in memory as the traced ones were."""
    return x.reshape(list(shape))


def view_dtype(x: Tensor, dtype: torch.dtype) -> Tensor:
    """A view in the same dtype; reading bits as another type is not defined."""
    expect("aten.view.dtype", "dtype", dtype, x.dtype)
    return x


def expand(x: Tensor, size: Sequence[int], *, implicit: bool = False) -> Tensor:  # noqa: ARG001
    """Repeat dimensions of size 1 without copying."""
    return x.expand(list(size))


def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,  # noqa: ARG001
    scale_grad_by_freq: bool = False,  # noqa: ARG001
    sparse: bool = False,  # noqa: ARG001
) -> Tensor:
    """Rows of weight; the other arguments concern training."""
    return torch.embedding(weight, indices)


def index(x: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """Advanced indexing."""
    return torch.ops.aten.index.Tensor(x, list(indices))  # type: ignore[no-any-return]


def index_put(x: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """X with values at the indices; a place may be given twice only if it gets the same value."""
    expect("aten.index_put", "accumulate", accumulate, False)
    _of_one_dtype("aten.index_put", [x, values])
    if values.numel() > 1:
        _distinct("aten.index_put", index(_places(x), indices))
    return torch.ops.aten.index_put.default(x, list(indices), values)  # type: ignore[no-any-return]


def scatter(x: Tensor, dim: int, indices: Tensor, values: Tensor) -> Tensor:
    """X with values at the indices along dim, no place given twice."""
    _of_one_dtype("aten.scatter", [x, values])
    if indices.numel() > 1:
        _distinct("aten.scatter", _places(x).gather(dim, indices))
    return torch.scatter(x, dim, indices, values)


def scatter_value(x: Tensor, dim: int, indices: Tensor, value: Number) -> Tensor:
    """X with one number at the indices along dim."""
    mask = torch.zeros_like(x, dtype=torch.bool).scatter(dim, indices, True)
    return masked_fill(x, mask, value)


def copy(x: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:  # noqa: ARG001
    """Source in the dtype and shape of x."""
    return convert("aten.copy", source, x.dtype).expand(x.shape).clone()


def slice_scatter(  # noqa: PLR0917
    x: Tensor, source: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """X with source in place of a slice."""
    _of_one_dtype("aten.slice_scatter", [x, source])
    return torch.slice_scatter(x, source, dim, start, end, step)


def select_scatter(x: Tensor, source: Tensor, dim: int, index: int) -> Tensor:
    """X with source at one index of dim."""
    _of_one_dtype("aten.select_scatter", [x, source])
    return torch.select_scatter(x, source, dim, index)


def gather(x: Tensor, dim: int, indices: Tensor, *, sparse_grad: bool = False) -> Tensor:  # noqa: ARG001
    """Elements by index along dim."""
    return torch.gather(x, dim, indices)


def where(condition: Tensor, a: Tensor | Number, b: Tensor | Number) -> Tensor:
    """Either, by condition."""
    expect("aten.where", "the condition's dtype", condition.dtype, torch.bool)
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.dtype == b.dtype:
        return torch.where(condition, a, b)
    left, right = pair("aten.where", a, b)
    return torch.where(condition, left, right)


def masked_fill(x: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """X, and value where mask is true."""
    expect("aten.masked_fill", "the mask's dtype", mask.dtype, torch.bool)
    same, filler = pair("aten.masked_fill", x, value)
    if same.dtype != x.dtype:
        raise refuse("aten.masked_fill", f"a float in {x.dtype}")
    return torch.where(mask, filler.to(x.dtype), x)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one dtype after each other along dim."""
    return torch.cat(_of_one_dtype("aten.cat", tensors), dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one dtype along a new dim."""
    return torch.stack(_of_one_dtype("aten.stack", tensors), dim)


def pad(x: Tensor, padding: Sequence[int], value: Number = 0) -> Tensor:
    """X with constants around it."""
    filler = pair("aten.constant_pad_nd", x, value)[1].item()
    return torch.constant_pad_nd(x, list(padding), filler)


def dropout(x: Tensor, p: float, train: bool) -> Tensor:  # noqa: ARG001
    """The identity, in inference."""
    expect("aten.dropout", "train", train, False)
    return x


def clone(x: Tensor, *, memory_format: torch.memory_format | None = None) -> Tensor:  # noqa: ARG001
    """A copy."""
    return x.clone()


def identity(x: Tensor) -> Tensor:
    """X itself."""
    return x


def to_dtype(
    x: Tensor,
    dtype: torch.dtype,
    non_blocking: bool = False,  # noqa: ARG001
    copy: bool = False,
    memory_format: torch.memory_format | None = None,  # noqa: ARG001
) -> Tensor:
    """X in another dtype, where the page defines the conversion; float64 is rounded to float32."""
    narrowed = x.dtype == torch.float64 and dtype == torch.float32
    converted = x.to(dtype) if narrowed else convert("aten.to", x, dtype)
    return converted.clone() if copy and converted is x else converted


def to_device(  # noqa: PLR0917
    x: Tensor,
    device: torch.device,  # noqa: ARG001
    dtype: torch.dtype,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: torch.memory_format | None = None,
) -> Tensor:
    """X in another dtype; where a run takes place is not the graph's to say."""
    return to_dtype(x, dtype, non_blocking, copy, memory_format)


def to_copy(
    x: Tensor,
    *,
    dtype: torch.dtype | None = None,
    layout: torch.layout | None = None,
    device: torch.device | None = None,  # noqa: ARG001
    pin_memory: bool | None = None,  # noqa: ARG001
    non_blocking: bool = False,
    copy: bool = True,
    memory_format: torch.memory_format | None = None,
) -> Tensor:
    """A copy of x in another dtype."""
    expect("aten._to_copy", "layout", layout, None, torch.strided)
    return to_dtype(x, x.dtype if dtype is None else dtype, non_blocking, copy, memory_format)


def to_dtype_layout(x: Tensor, *, copy: bool = False, **keywords: Any) -> Tensor:
    """X in another dtype."""
    return to_copy(x, copy=copy, **keywords)


def contiguous(x: Tensor, *, memory_format: torch.memory_format | None = None) -> Tensor:  # noqa: ARG001
    """X laid out in order."""
    return x.contiguous()


def ignore(*_arguments: Any, **_keywords: Any) -> None:
    """A check that torch.export leaves behind; dtypes are checked by every operation here."""


def _places(x: Tensor) -> Tensor:
    return torch.arange(x.numel(), device=x.device).reshape(x.shape)


def _distinct(operation: str, places: Tensor) -> None:
    # Which of two values would stay depends on the machine.
    ordered = places.reshape(-1).sort().values
    if bool((ordered[1:] == ordered[:-1]).any()):
        raise refuse(operation, "a place that is given twice")


def _of_one_dtype(operation: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    if len({tensor.dtype for tensor in tensors}) > 1:
        raise refuse(operation, "a mixture of dtypes")
    return list(tensors)


def _moves(function: Callable[..., Any]) -> Entry:
    return "§7", False, function


OPERATIONS: Mapping[str, Entry] = {
    "aten.view.default": _moves(reshape),
    "aten._unsafe_view.default": _moves(reshape),
    "aten.reshape.default": _moves(reshape),
    "aten.view.dtype": _moves(view_dtype),
    "aten.view_as.default": _moves(lambda x, other: x.reshape(other.shape)),
    "aten.flatten.using_ints": _moves(lambda x, start_dim=0, end_dim=-1: x.flatten(start_dim, end_dim)),
    "aten.unflatten.int": _moves(lambda x, dim, sizes: x.unflatten(dim, sizes)),
    "aten.expand.default": _moves(expand),
    "aten.expand_as.default": _moves(lambda x, other: x.expand_as(other)),
    "aten.broadcast_to.default": _moves(expand),
    "aten.repeat.default": _moves(torch.ops.aten.repeat.default),
    "aten.repeat_interleave.self_int": _moves(
        lambda x, repeats, dim=None, *, output_size=None: torch.repeat_interleave(x, repeats, dim)  # noqa: ARG005
    ),
    "aten.permute.default": _moves(torch.ops.aten.permute.default),
    "aten.transpose.int": _moves(torch.ops.aten.transpose.int),
    "aten.t.default": _moves(torch.ops.aten.t.default),
    "aten.numpy_T.default": _moves(lambda x: x.permute(*reversed(range(x.dim())))),
    "aten.squeeze.default": _moves(torch.ops.aten.squeeze.default),
    "aten.squeeze.dim": _moves(torch.ops.aten.squeeze.dim),
    "aten.squeeze.dims": _moves(torch.ops.aten.squeeze.dims),
    "aten.unsqueeze.default": _moves(torch.ops.aten.unsqueeze.default),
    "aten.select.int": _moves(torch.ops.aten.select.int),
    "aten.slice.Tensor": _moves(torch.ops.aten.slice.Tensor),
    "aten.narrow.default": _moves(torch.ops.aten.narrow.default),
    "aten.split.Tensor": _moves(torch.ops.aten.split.Tensor),
    "aten.split_with_sizes.default": _moves(torch.ops.aten.split_with_sizes.default),
    "aten.unsafe_split.Tensor": _moves(torch.ops.aten.unsafe_split.Tensor),
    "aten.unfold.default": _moves(torch.ops.aten.unfold.default),
    "aten.diagonal.default": _moves(torch.ops.aten.diagonal.default),
    "aten.chunk.default": _moves(torch.ops.aten.chunk.default),
    "aten.unbind.int": _moves(torch.ops.aten.unbind.int),
    "aten.cat.default": _moves(cat),
    "aten.stack.default": _moves(stack),
    "aten.flip.default": _moves(torch.ops.aten.flip.default),
    "aten.roll.default": _moves(torch.ops.aten.roll.default),
    "aten.tril.default": _moves(torch.ops.aten.tril.default),
    "aten.triu.default": _moves(torch.ops.aten.triu.default),
    "aten.embedding.default": _moves(embedding),
    "aten.gather.default": _moves(gather),
    "aten.index.Tensor": _moves(index),
    "aten._unsafe_index.Tensor": _moves(index),
    "aten.index_put.default": _moves(index_put),
    "aten.scatter.src": _moves(scatter),
    "aten.scatter.value": _moves(scatter_value),
    "aten.copy.default": _moves(copy),
    "aten.slice_scatter.default": _moves(slice_scatter),
    "aten.select_scatter.default": _moves(select_scatter),
    "aten.index_select.default": _moves(torch.ops.aten.index_select.default),
    "aten.where.self": _moves(where),
    "aten.where.ScalarOther": _moves(where),
    "aten.where.ScalarSelf": _moves(where),
    "aten.masked_fill.Scalar": _moves(masked_fill),
    "aten.masked_fill.Tensor": _moves(masked_fill),
    "aten.constant_pad_nd.default": _moves(pad),
    **{
        f"aten.{name}.default": _moves(getattr(torch.ops.aten, name).default)
        for name in (
            "_pad_circular",
            "im2col",
            "reflection_pad1d",
            "reflection_pad2d",
            "replication_pad1d",
            "replication_pad2d",
        )
    },
    "aten.dropout.default": _moves(dropout),
    "aten.clone.default": _moves(clone),
    "aten.contiguous.default": _moves(contiguous),
    "aten.alias.default": _moves(identity),
    "aten.detach.default": _moves(identity),
    "aten.detach_.default": _moves(identity),
    "aten.lift_fresh_copy.default": _moves(clone),
    "aten.to.dtype": _moves(to_dtype),
    "aten.to.device": _moves(to_device),
    "aten.to.dtype_layout": _moves(to_dtype_layout),
    "aten._to_copy.default": _moves(to_copy),
    "aten.type_as.default": _moves(lambda x, other: convert("aten.type_as", x, other.dtype)),
    "aten._assert_tensor_metadata.default": _moves(ignore),
    "aten.sym_size.int": _moves(lambda x, dim: x.shape[dim]),
    "aten.sym_numel.default": _moves(lambda x: x.numel()),
}
