"""Softmax and attention (§5)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import NonFiniteError
from ..zeros import positive_zero
from .dot import PRECISION, dot_operand, dot_products, exact_products
from .functions import exp, log, rsqrt
from .scaling import exact_sum, scaled_integers

# The weights e^t, which are at most 1, are counted in units of 2^-40.
_UNIT_BITS = 40
_UNIT = 2.0**-_UNIT_BITS


def softmax(x: Tensor, dim: int) -> Tensor:
    """Softmax of float32 x along dim; -inf gives +0, a row of nothing else NonFiniteError (§5)."""
    weights = exp(_below_maximum(x, dim, "softmax")).to(torch.float64)
    return weights.div_(_total(weights, dim)).to(torch.float32)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Log-softmax of float32 x along dim; -inf stays, a row of nothing else NonFiniteError (§5)."""
    below = _below_maximum(x, dim, "log_softmax")
    total = _total(exp(below).to(torch.float64), dim)
    return positive_zero(below - log(total.to(torch.float32)))


def scaled_dot_product_attention(  # noqa: PLR0917
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    scale: float | None,
) -> Tensor:
    """Attention in the five steps of §5."""
    key, value = _for_query_heads(query, key), _for_query_heads(query, value)
    scores = _scores(query, key, attn_mask, is_causal, scale)
    weights = exp(_below_maximum(scores, -1, "attention", allow_empty=True)).to(torch.float64)
    total = _total(weights, -1)

    values = scaled_integers(value, -1, PRECISION, "attention")
    weighted = scaled_integers(weights * values.scale.transpose(-1, -2), -1, PRECISION, "attention")
    sums = exact_products(weighted.integers, values.integers.transpose(-1, -2))
    sums = sums.mul_(weighted.scale * 2.0 ** (-2 * PRECISION))
    # A query with no key left has sums of 0, and 0/1 for 0/0.
    return positive_zero(sums.div_(torch.where(total == 0, 1.0, total)).to(torch.float32))


def _for_query_heads(query: Tensor, heads: Tensor) -> Tensor:
    """Each query head's own copy of the key or value head that it reads."""
    if query.dim() < 3 or query.shape[-3] == heads.shape[-3]:
        return heads
    wanted = torch.arange(query.shape[-3], device=heads.device) * heads.shape[-3] // query.shape[-3]
    return heads.index_select(-3, wanted)


def _scores(query: Tensor, key: Tensor, mask: Tensor | None, is_causal: bool, scale: float | None) -> Tensor:
    """Scaled and masked scores, float32 [..., L, T]; excluded ones are -inf (§5, steps 1 and 2)."""
    products = dot_products(dot_operand(query, "attention"), dot_operand(key, "attention"))
    factor = torch.full((), query.shape[-1] if scale is None else scale, dtype=torch.float64, device=query.device)
    rounded = factor.to(torch.float32)
    scores = products.mul_(rsqrt(rounded) if scale is None else rounded)
    if mask is not None and mask.dtype == torch.bool:
        scores = torch.where(mask, scores, -torch.inf)
    elif mask is not None:
        scores = scores + mask
    if is_causal:
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = torch.where(allowed, scores, -torch.inf)
    return scores


def _below_maximum(x: Tensor, dim: int, operation: str, *, allow_empty: bool = False) -> Tensor:
    """RN32(x - max x) along dim; -inf throughout a row of -inf, where that is allowed."""
    maximum = x.amax(dim, keepdim=True)
    if bool((maximum.isnan() | (maximum == torch.inf)).any()):
        raise NonFiniteError(f"an operand of {operation} holds a NaN or +infinity")
    empty = maximum == -torch.inf
    if not allow_empty and bool(empty.any()):
        raise NonFiniteError(f"a row of {operation} is -infinity throughout")
    return x - torch.where(empty, 0.0, maximum)


def _total(weights: Tensor, dim: int) -> Tensor:
    """RN64(Z)·2^-40 of §5 along dim, kept."""
    return exact_sum((weights * 2.0**_UNIT_BITS).round_(), dim, _UNIT_BITS).mul_(_UNIT)
