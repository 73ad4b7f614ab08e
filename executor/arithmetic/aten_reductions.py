"""Sums, means, extremes and truth over dimensions of a graph's tensors (§3, §0)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from . import extremes, functional
from .operands import check_dtype, check_float32, check_floating, convert, dimensions, expect, is_integer, refuse
from .symbols import Entry

Dimensions = int | Sequence[int] | None


def sum_dim(x: Tensor, dim: Dimensions = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The sum of float32 or float64 (§3), or of integers, which is exact."""
    expect("aten.sum", "dtype", dtype, None, torch.float32, torch.int64)
    x = x if dtype is None else convert("aten.sum", x, dtype)
    if is_integer(x.dtype):
        return torch.sum(x, dimensions(dim), keepdim)
    check_floating("aten.sum", x)
    return functional.sum(x, dimensions(dim), keepdim)


def sum_all(x: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """The sum of all elements."""
    return sum_dim(x, None, dtype=dtype)


def mean_dim(x: Tensor, dim: Dimensions = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The mean of float32 or float64."""
    expect("aten.mean", "dtype", dtype, None, torch.float32)
    x = x if dtype is None else convert("aten.mean", x, dtype)
    check_floating("aten.mean", x)
    return functional.mean(x, dimensions(dim), keepdim)


def mean_all(x: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """The mean of all elements."""
    return mean_dim(x, None, dtype=dtype)


def cumsum(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """Running sums of integers; of float32 they are not defined."""
    if not is_integer(x.dtype):
        raise refuse("aten.cumsum", f"an operand of {x.dtype}")
    expect("aten.cumsum", "dtype", dtype, None, torch.int64)
    return torch.cumsum(x, dim, dtype=dtype)


def prod(x: Tensor, dim: int, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """Products of integers; of float32 they are not defined."""
    if not is_integer(x.dtype):
        raise refuse("aten.prod", f"an operand of {x.dtype}")
    expect("aten.prod", "dtype", dtype, None, torch.int64)
    return torch.prod(x, dim, keepdim, dtype=dtype)


def prod_all(x: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """The product of all elements."""
    return prod(x.reshape(-1), 0, dtype=dtype)


def embedding_bag(  # noqa: PLR0917
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,  # noqa: ARG001  # in training only
    mode: int = 0,
    sparse: bool = False,  # noqa: ARG001  # in training only
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sum, mean or maximum of the rows of weight in each bag, zeros for an empty one.

    The three results that training would save are empty.
    """
    name = "aten.embedding_bag"
    if per_sample_weights is not None:
        raise refuse(name, "per_sample_weights")
    expect(name, "include_last_offset", include_last_offset, False)
    expect(name, "padding_idx", padding_idx, None, -1)
    expect(name, "mode", mode, 0, 1, 2)
    check_float32(name, weight)
    ends = torch.cat([offsets[1:], offsets.new_tensor([indices.numel()])])
    lengths = ends - offsets
    if bool((lengths < 0).any()):
        raise refuse(name, "a bag that ends before it begins")
    reduce = (functional.sum, functional.mean, extremes.amax)[mode]
    result = weight.new_zeros(offsets.numel(), weight.shape[1])
    if bool((offsets < 0).any()):
        raise refuse(name, "a bag that begins before the first index")
    for length in sorted(set(lengths.tolist())):
        bags = (lengths == length).nonzero().squeeze(1)
        members = offsets[bags, None] + torch.arange(length, device=offsets.device)
        if length:
            result[bags] = reduce(torch.embedding(weight, indices[members]), 1)
    return result, offsets.new_empty(0), offsets.new_empty(0), offsets.new_empty(0)


def amax(x: Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """The largest."""
    check_dtype("aten.amax", x)
    return extremes.amax(x, list(dim), keepdim)


def amin(x: Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """The smallest."""
    check_dtype("aten.amin", x)
    return extremes.amin(x, list(dim), keepdim)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The lowest index of the largest."""
    check_dtype("aten.argmax", x)
    return extremes.argmax(x, dim, keepdim)


def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The lowest index of the smallest."""
    check_dtype("aten.argmin", x)
    return extremes.argmin(x, dim, keepdim)


def max_dim(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The largest and its lowest index."""
    return amax(x, [dim], keepdim), argmax(x, dim, keepdim)


def min_dim(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest and its lowest index."""
    return amin(x, [dim], keepdim), argmin(x, dim, keepdim)


def _truth(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def apply(x: Tensor, dim: Dimensions = None, keepdim: bool = False) -> Tensor:
        check_dtype(f"aten.{function.__name__}", x)
        wanted = dimensions(dim)
        return function(x) if wanted is None else function(x, tuple(wanted), keepdim)

    return apply


OPERATIONS: Mapping[str, Entry] = {
    "aten.sum.default": ("§3", True, sum_all),
    "aten.sum.dim_IntList": ("§3", True, sum_dim),
    "aten.mean.default": ("§3", True, mean_all),
    "aten.mean.dim": ("§3", True, mean_dim),
    "aten.embedding_bag.padding_idx": ("§3", True, embedding_bag),
    "aten.cumsum.default": ("§7", False, cumsum),
    "aten.prod.default": ("§7", False, prod_all),
    "aten.prod.dim_int": ("§7", False, prod),
    "aten.amax.default": ("§7", False, amax),
    "aten.amin.default": ("§7", False, amin),
    "aten.max.default": ("§7", False, amax),
    "aten.min.default": ("§7", False, amin),
    "aten.max.dim": ("§0", False, max_dim),
    "aten.min.dim": ("§0", False, min_dim),
    "aten.argmax.default": ("§0", False, argmax),
    "aten.argmin.default": ("§0", False, argmin),
    **{
        f"aten.{function.__name__}.{overload}": ("§7", False, _truth(function))
        for function in (torch.any, torch.all)
        for overload in ("default", "dim", "dims")
    },
}
