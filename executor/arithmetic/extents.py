"""How many elements an operation will make, told from its arguments before it takes any memory.

A graph may be hostile: sizes that would exhaust memory are refused before anything is made. An operation that is not
listed makes no more elements than its largest argument has. What an operation makes on its way counts too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from torch import Tensor

from . import aten_pointwise
from .kernels import Operand
from .operands import Number
from .sizes import Size, sizes

# Takes the operation's own arguments.
Extent = Callable[..., int]

# One place in a list takes as much memory as so many elements; one of several results is worth so many.
_LISTED: Final = 1 << 6
_PART: Final = 1 << 14


def _size(size: Sequence[int], *_: Any, **__: Any) -> int:
    return math.prod(size)


def _new_size(x: Tensor, size: Sequence[int], *_: Any, **__: Any) -> int:  # noqa: ARG001
    return math.prod(size)


def _count(end: Number, **_: Any) -> int:
    return _count_step(0, end)


def _count_step(start: Number, end: Number, step: Number = 1, **_: Any) -> int:
    return math.ceil(abs((int(end) - int(start)) / int(step)))


def _repeat(x: Tensor, repeats: Sequence[int]) -> int:
    return math.prod((x.numel(), *repeats))


def _repeat_interleave(x: Tensor, repeats: int, *_: Any, **__: Any) -> int:
    return x.numel() * repeats


def _padded(x: Tensor, padding: Sequence[int], *_: Any) -> int:
    """`padding`: before and after, for the last dimension first."""
    sizes_ = list(x.shape)
    for i, size in enumerate(padding):
        sizes_[-1 - i // 2] += size
    return math.prod(sizes_)


def _patches(x: Tensor, kernel: Size, dilation: Size, padding: Size, stride: Size) -> int:
    """im2col: every element of every patch."""
    lengths = x.shape[-2:]
    around = zip(lengths, _two(kernel), _two(dilation), _two(padding), _two(stride), strict=True)
    places = [(length + 2 * pad - gap * (k - 1) - 1) // step + 1 for length, k, gap, pad, step in around]
    return x.shape[:-2].numel() * math.prod((*_two(kernel), *places))


def _two(size: Size) -> list[int]:
    return sizes("im2col", "a size", size, 2, least=0)


def _together(tensors: Sequence[Tensor], *_: Any) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _rows(weight: Tensor, indices: Tensor, *_: Any) -> int:
    return indices.numel() * weight.shape[1:].numel()


def _picked(x: Tensor, dim: int, indices: Tensor) -> int:
    return indices.numel() * (x.numel() // max(1, x.shape[dim])) if x.dim() else indices.numel()


def _indexed(x: Tensor, indices: Sequence[Tensor | None], *_: Any) -> int:
    # A mask stands for as many indices as it has elements, at most, and for all of its dimensions.
    places = [None if i is None else (i.numel(),) if not i.dtype.is_signed else tuple(i.shape) for i in indices]
    used = [1 if i is None or i.dtype.is_signed else i.dim() for i in indices]
    ends = [sum(used[: n + 1]) for n in range(len(used))]
    taken = {d for n, p in enumerate(places) if p is not None for d in range(ends[n] - used[n], ends[n])}
    kept = math.prod(size for d, size in enumerate(x.shape) if d not in taken)
    return max(kept * _broadcast([p for p in places if p is not None]), _masks(indices))


def _masks(indices: Sequence[Tensor | None]) -> int:
    """The places of masks, one number for each dimension."""
    return sum(i.numel() * i.dim() for i in indices if i is not None and not i.dtype.is_signed)


def _put(x: Tensor, indices: Sequence[Tensor | None], *_: Any) -> int:
    return max(x.numel(), _indexed(x, indices))


def _elementwise(*operands: Any, **keywords: Any) -> int:
    return _broadcast([o.shape for o in (*operands, *keywords.values()) if isinstance(o, Tensor)])


def _broadcast(shapes: Sequence[Sequence[int]]) -> int:
    """Elements of what these shapes broadcast to; if they do not, of something at least as large."""
    rank = max(map(len, shapes), default=0)
    return math.prod(_wider(s[i - rank] for s in shapes if len(s) >= rank - i) for i in range(rank))


def _wider(lengths: Any) -> int:
    found = list(lengths)
    return 0 if 0 in found else max(found)


def _linear(x: Tensor, weight: Tensor | Operand, bias: Tensor | None = None) -> int:  # noqa: ARG001
    return x.shape[:-1].numel() * weight.shape[:-1].numel()


def _matmul(a: Tensor, b: Tensor | Operand) -> int:
    # A weight that was made ready has its columns as rows.
    if not isinstance(b, Tensor):
        return _linear(a, b)
    m, k = (1, *a.shape)[-2:]
    n = b.shape[-1] if b.dim() > 1 else 1
    batches = _broadcast([a.shape[:-2], b.shape[:-2]])
    # Where one side repeats for the batches of the other it is written out.
    elements: int = batches * (max(m * n, m * k, k * n) if batches > 1 else m * n)
    return elements


def _addmm(bias: Tensor, a: Tensor, b: Tensor | Operand, **_: Any) -> int:
    return max(bias.numel(), _matmul(a, b))


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    batches = _broadcast([t.shape[:-3] for t in (query, key, value)])
    heads = max(t.shape[-3:-2].numel() for t in (query, key, value))
    each = (
        query.shape[-2:].numel(),
        key.shape[-2:].numel(),
        value.shape[-2:].numel(),
        query.shape[-2] * value.shape[-1],
    )
    return batches * heads * max(each)


def _per_channel(x: Tensor, *arguments: Any) -> int:
    """Normalisation: what is given for each channel meets dimension 1 of x."""
    given = [a.numel() for a in arguments if isinstance(a, Tensor)]
    return x.numel() * max((n for n in given if n != x.shape[1]), default=1)


def _group_norm(x: Tensor, num_groups: int, *arguments: Any) -> int:  # noqa: ARG001
    return _per_channel(x, *arguments)


def _recurrent(x: Tensor, states: Any, weights: Sequence[Tensor], *_: Any) -> int:  # noqa: ARG001
    return 2 * x.shape[:-1].numel() * max((w.shape[0] for w in weights), default=1)


def _convolution(  # noqa: PLR0917
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,  # noqa: ARG001
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    *_: Any,
) -> int:
    dims = weight.dim() - 2
    lengths, kernel = x.shape[-dims:], weight.shape[2:]
    gaps = sizes("convolution", "dilation", dilation, dims, least=1)
    steps = sizes("convolution", "stride", stride, dims, least=1)
    if isinstance(padding, str):
        around = [gap * (k - 1) for gap, k in zip(gaps, kernel, strict=True)]
    else:
        around = [2 * size for size in sizes("convolution", "padding", padding, dims, least=0)]
    full = [length + pad for length, pad in zip(lengths, around, strict=True)]
    spans = [gap * (k - 1) + 1 for gap, k in zip(gaps, kernel, strict=True)]
    places = [max(0, (length - span) // step + 1) for length, span, step in zip(full, spans, steps, strict=True)]
    batches = x.shape[: x.dim() - dims - 1].numel()
    # At least one line of patches is written out.
    line = math.prod((x.shape[-dims - 1], *kernel, *places[1:]))
    return max(x.shape[:-dims].numel() * math.prod(full), batches * weight.shape[0] * math.prod(places), line)


def _pooling(dims: int) -> Extent:
    def extent(x: Tensor, kernel: Size, stride: Size = (), padding: Size = 0, *_: Any) -> int:
        wide, around = (sizes("pooling", "a size", size, dims, least=0) for size in (kernel, padding))
        full = [length + 2 * pad for length, pad in zip(x.shape[-dims:], around, strict=True)]
        steps = sizes("pooling", "stride", stride, dims, least=1) if stride else wide
        places = [k * (length // step + 1) for k, length, step in zip(wide, full, steps, strict=True)]
        return max(x.shape[:-dims].numel() * math.prod(full), math.prod(places), _LISTED * max(places))

    return extent


def _adaptive(dims: int) -> Extent:
    def extent(x: Tensor, output_size: Size) -> int:
        counts = sizes("pooling", "output_size", output_size, dims, least=1)
        places = [length + 2 * n for length, n in zip(x.shape[-dims:], counts, strict=True)]
        return max(x.shape[:-dims].numel() * math.prod(counts), math.prod(places), _LISTED * max(places))

    return extent


def _bags(weight: Tensor, indices: Tensor, offsets: Tensor, *_: Any) -> int:
    return max(indices.numel(), offsets.numel()) * weight.shape[1]


def _split(x: Tensor, size: int, dim: int = 0) -> int:
    return _PART * (x.shape[dim] // max(1, size))


def _split_with_sizes(x: Tensor, sizes_: Sequence[int], dim: int = 0) -> int:  # noqa: ARG001
    return _PART * len(sizes_)


def _unbind(x: Tensor, dim: int = 0) -> int:
    return _PART * x.shape[dim]


def _chunk(x: Tensor, chunks: int, dim: int = 0) -> int:
    return _PART * min(chunks, x.shape[dim])


_NORMALISATIONS: Final = ("batch_norm", "_native_batch_norm_legit_no_training", "instance_norm")

EXTENTS: Final[Mapping[str, Extent]] = {
    **dict.fromkeys(aten_pointwise.OPERATIONS, _elementwise),
    **{f"aten.where.{overload}": _elementwise for overload in ("self", "ScalarOther", "ScalarSelf")},
    **{f"aten.masked_fill.{overload}": _elementwise for overload in ("Scalar", "Tensor")},
    **{f"aten.{name}.default": _size for name in ("full", "zeros", "ones")},
    **{f"aten.{name}.default": _new_size for name in ("new_full", "new_zeros", "new_ones")},
    "aten.arange.default": _count,
    "aten.arange.start": _count_step,
    "aten.arange.start_step": _count_step,
    "aten.repeat.default": _repeat,
    "aten.repeat_interleave.self_int": _repeat_interleave,
    **{
        f"aten.{name}.default": _padded
        for name in (
            "constant_pad_nd",
            "_pad_circular",
            *(f"{kind}_pad{dims}d" for kind in ("reflection", "replication") for dims in (1, 2)),
        )
    },
    "aten.im2col.default": _patches,
    "aten.cat.default": _together,
    "aten.stack.default": _together,
    "aten.embedding.default": _rows,
    "aten.embedding_bag.padding_idx": _bags,
    "aten.index_select.default": _picked,
    "aten.index.Tensor": _indexed,
    "aten._unsafe_index.Tensor": _indexed,
    "aten.index_put.default": _put,
    "aten.linear.default": _linear,
    **{f"aten.{name}.default": _matmul for name in ("matmul", "mm", "bmm", "mv", "dot")},
    "aten.addmm.default": _addmm,
    "aten.baddbmm.default": _addmm,
    "aten.scaled_dot_product_attention.default": _attention,
    **{f"aten.{name}.default": _per_channel for name in _NORMALISATIONS},
    "aten.group_norm.default": _group_norm,
    **{f"aten.{name}.input": _recurrent for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    **{f"aten.conv{dims}d.{overload}": _convolution for dims in (1, 2) for overload in ("default", "padding")},
    "aten.convolution.default": _convolution,
    **{
        f"aten.{name}.default": _pooling(dims)
        for dims in (1, 2)
        for name in (f"avg_pool{dims}d", f"max_pool{dims}d", f"max_pool{dims}d_with_indices")
    },
    **{
        f"aten.{prefix}adaptive_{kind}_pool{dims}d.default": _adaptive(dims)
        for dims in (1, 2)
        for prefix, kind in (("", "avg"), ("", "max"), ("_", "avg"))
        if (prefix, dims) != ("_", 1)
    },
    "aten.split.Tensor": _split,
    "aten.unsafe_split.Tensor": _split,
    "aten.split_with_sizes.default": _split_with_sizes,
    "aten.unbind.int": _unbind,
    "aten.chunk.default": _chunk,
}
