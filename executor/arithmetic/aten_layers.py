"""Matrix products, normalisation and attention of a graph (§2, §4, §5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from . import functional
from .operands import Number, check_float32, expect, refuse
from .symbols import Entry


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows of x with rows of weight, plus bias."""
    check_float32("aten.linear", x, weight, bias)
    return functional.linear(x, weight, bias)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Rows of a with columns of b."""
    check_float32("aten.matmul", a, b)
    return functional.matmul(a, b)


def addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """The product of a and b, plus bias."""
    expect("aten.addmm", "beta", beta, 1, 1.0)
    expect("aten.addmm", "alpha", alpha, 1, 1.0)
    check_float32("aten.addmm", bias, a, b)
    return functional.addmm(bias, a, b)


def layer_norm(  # noqa: PLR0917
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,  # noqa: ARG001
) -> Tensor:
    """Over the last dimensions."""
    check_float32("aten.layer_norm", x, weight, bias)
    return functional.layer_norm(x, normalized_shape, weight, bias, eps)


def group_norm(  # noqa: PLR0917
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,  # noqa: ARG001
) -> Tensor:
    """Over groups of channels."""
    check_float32("aten.group_norm", x, weight, bias)
    return functional.group_norm(x, num_groups, weight, bias, eps)


def instance_norm(  # noqa: PLR0917
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,  # noqa: ARG001
    eps: float,
    cudnn_enabled: bool,  # noqa: ARG001
) -> Tensor:
    """Over each channel of each example, by its own statistics."""
    expect("aten.instance_norm", "use_input_stats", use_input_stats, True)
    if running_mean is not None or running_var is not None:
        raise refuse("aten.instance_norm", "an update of running statistics")
    check_float32("aten.instance_norm", x, weight, bias)
    return functional.instance_norm(x, weight, bias, eps)


def batch_norm(  # noqa: PLR0917
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,  # noqa: ARG001
    eps: float,
    cudnn_enabled: bool,  # noqa: ARG001
) -> Tensor:
    """By recorded statistics."""
    expect("aten.batch_norm", "training", training, False)
    if running_mean is None or running_var is None:
        raise refuse("aten.batch_norm", "inference without recorded statistics")
    check_float32("aten.batch_norm", x, weight, bias, running_mean, running_var)
    return functional.batch_norm(x, running_mean, running_var, weight, bias, eps)


def native_batch_norm(  # noqa: PLR0917
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """By recorded statistics; the two results that training would save are empty, as in torch."""
    result = batch_norm(x, weight, bias, running_mean, running_var, False, momentum, eps, False)
    return result, x.new_empty(0), x.new_empty(0)


def scaled_dot_product_attention(  # noqa: PLR0917
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention."""
    name = "aten.scaled_dot_product_attention"
    expect(name, "dropout_p", dropout_p, 0.0, 0)
    expect(name, "is_causal", is_causal, False, True)
    check_float32(name, query, key, value)
    if attn_mask is not None and attn_mask.dtype != torch.bool:
        check_float32(name, attn_mask)
    if attn_mask is not None and is_causal:
        raise refuse(name, "a mask together with is_causal")
    if not enable_gqa and query.dim() >= 3 and query.shape[-3] != key.shape[-3]:
        raise refuse(name, "fewer key heads than query heads without enable_gqa")
    return functional.scaled_dot_product_attention(query, key, value, attn_mask, is_causal, scale)


def softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Softmax along dim."""
    expect("aten.softmax", "dtype", dtype, None, torch.float32)
    check_float32("aten.softmax", x)
    return functional.softmax(x, dim)


def softmax_core(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """Softmax along dim."""
    expect("aten._softmax", "half_to_float", half_to_float, False)
    return softmax(x, dim)


def log_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    """Log-softmax along dim."""
    expect("aten.log_softmax", "dtype", dtype, None, torch.float32)
    check_float32("aten.log_softmax", x)
    return functional.log_softmax(x, dim)


def log_softmax_core(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    """Log-softmax along dim."""
    expect("aten._log_softmax", "half_to_float", half_to_float, False)
    return log_softmax(x, dim)


OPERATIONS: Mapping[str, Entry] = {
    "aten.linear.default": ("§2", True, linear),
    "aten.matmul.default": ("§2", True, matmul),
    "aten.mm.default": ("§2", True, matmul),
    "aten.bmm.default": ("§2", True, matmul),
    "aten.mv.default": ("§2", True, matmul),
    "aten.dot.default": ("§2", True, matmul),
    "aten.addmm.default": ("§2", True, addmm),
    "aten.baddbmm.default": ("§2", True, addmm),
    "aten.layer_norm.default": ("§4", True, layer_norm),
    "aten.group_norm.default": ("§4", True, group_norm),
    "aten.instance_norm.default": ("§4", True, instance_norm),
    "aten.batch_norm.default": ("§4", True, batch_norm),
    "aten._native_batch_norm_legit_no_training.default": ("§4", True, native_batch_norm),
    "aten.scaled_dot_product_attention.default": ("§5", True, scaled_dot_product_attention),
    "aten.softmax.int": ("§5", True, softmax),
    "aten._softmax.default": ("§5", True, softmax_core),
    "aten.log_softmax.int": ("§5", True, log_softmax),
    "aten._log_softmax.default": ("§5", True, log_softmax_core),
}
