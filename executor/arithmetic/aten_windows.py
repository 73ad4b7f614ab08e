"""Convolutions and pooling of a graph (§2, §3, §7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from . import convolution as conv
from . import pooling
from .operands import check_float32, expect, refuse
from .sizes import Size
from .symbols import Entry


def convolution(  # noqa: PLR0917
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size,
    dilation: Size,
    transposed: bool,
    output_padding: Sequence[int],  # noqa: ARG001  # of transposed convolutions
    groups: int,
) -> Tensor:
    """A convolution over one or two dimensions."""
    expect("aten.convolution", "transposed", transposed, False)
    check_float32("aten.convolution", x, weight, bias)
    if weight.dim() not in {3, 4}:
        raise refuse("aten.convolution", f"a filter of {weight.dim()} dimensions")
    function = conv.conv1d if weight.dim() == 3 else conv.conv2d
    return function(x, weight, bias, stride, padding, dilation, groups)


def avg_pool2d(  # noqa: PLR0917
    x: Tensor,
    kernel_size: Size,
    stride: Size = (),
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; with another divisor it is not defined."""
    expect("aten.avg_pool2d", "divisor_override", divisor_override, None)
    check_float32("aten.avg_pool2d", x)
    return pooling.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def _conv(function: Callable[..., Tensor]) -> Entry:
    def apply(x: Tensor, weight: Tensor, bias: Tensor | None = None, *arguments: Any, **keywords: Any) -> Tensor:
        check_float32(f"aten.{function.__name__}", x, weight, bias)
        return function(x, weight, bias, *arguments, **keywords)

    return "§2", True, apply


def _pool(section: str, rounds: bool, function: Callable[..., Any]) -> Entry:
    def apply(x: Tensor, *arguments: Any) -> Any:
        check_float32("aten pooling", x)
        return function(x, *arguments)

    return section, rounds, apply


OPERATIONS: Mapping[str, Entry] = {
    "aten.conv1d.default": _conv(conv.conv1d),
    "aten.conv1d.padding": _conv(conv.conv1d),
    "aten.conv2d.default": _conv(conv.conv2d),
    "aten.conv2d.padding": _conv(conv.conv2d),
    "aten.convolution.default": ("§2", True, convolution),
    "aten.avg_pool1d.default": _pool("§3", True, pooling.avg_pool1d),
    "aten.avg_pool2d.default": ("§3", True, avg_pool2d),
    "aten.adaptive_avg_pool1d.default": _pool("§3", True, pooling.adaptive_avg_pool1d),
    "aten.adaptive_avg_pool2d.default": _pool("§3", True, pooling.adaptive_avg_pool2d),
    "aten._adaptive_avg_pool2d.default": _pool("§3", True, pooling.adaptive_avg_pool2d),
    "aten.max_pool1d.default": _pool("§7", False, pooling.max_pool1d),
    "aten.max_pool2d.default": _pool("§7", False, pooling.max_pool2d),
    "aten.max_pool1d_with_indices.default": _pool("§0", False, pooling.max_pool1d_with_indices),
    "aten.max_pool2d_with_indices.default": _pool("§0", False, pooling.max_pool2d_with_indices),
    "aten.adaptive_max_pool1d.default": _pool("§0", False, pooling.adaptive_max_pool1d),
    "aten.adaptive_max_pool2d.default": _pool("§0", False, pooling.adaptive_max_pool2d),
}
