"""The functions of portable-1, with the signatures of torch.nn.functional (docs/arithmetic.md).

Tensors are float32 unless said otherwise; `sum` and `mean` of float64 are float64. Which loops compute them is chosen
in kernels.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import NonFiniteError, RefusedArithmeticError
from .kernels import Operand, serving
from .reduction import Dimensions, flattened, restored
from .zeros import positive_zero

# Lengths to which the exact sums of the page stay within their integers (§2, §3).
LONGEST_DOT = 1 << 20
LONGEST_SUM = 1 << 22

# Sizes of float64 whose integers and their scales are within float64 (§3).
_LEAST64, _MOST64 = 2.0**-900, 2.0**900

_SMALLEST_NORMAL = 2.0**-126


def prepare(rows: Tensor) -> Operand:
    """Rows [N, K] that many calls will use, such as the weight of `linear`, made integers once (§2 step 1)."""
    _check_length("a weight", rows.shape[-1], LONGEST_DOT)
    return serving(rows).prepare(rows)


def linear(x: Tensor, weight: Tensor | Operand, bias: Tensor | None = None) -> Tensor:
    """x [..., K] with weight [N, K] gives [..., N] (§2); bias [N] is one float32 addition."""
    _check_length("linear", x.shape[-1], LONGEST_DOT)
    if weight.shape[-1] != x.shape[-1]:
        raise RefusedArithmeticError(f"linear of {list(x.shape)} with a weight {list(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:-1]:  # compiled loops do not look for its end
        raise RefusedArithmeticError(f"linear with a weight {list(weight.shape)} and a bias {list(bias.shape)}")
    result = serving(x).linear(x, weight, bias)
    # Only an infinite bias can make a NaN here, from a product that overflowed the other way.
    if bias is not None and not _surely_finite(bias) and bool(result.isnan().any()):
        raise NonFiniteError("linear: a product and a bias are infinities of opposite signs")
    return result


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Rows of a [..., M, K] with columns of b [..., K, N]; vectors and broadcasting as in torch.matmul (§2)."""
    left = a.unsqueeze(0) if a.dim() == 1 else a
    right = b.unsqueeze(-1) if b.dim() == 1 else b
    _check_length("matmul", left.shape[-1], LONGEST_DOT)
    if left.shape[-1] != right.shape[-2]:
        raise RefusedArithmeticError(f"matmul of {list(a.shape)} with {list(b.shape)}")
    result = serving(a).matmul(left, right)
    if b.dim() == 1:
        result = result.squeeze(-1)
    if a.dim() == 1:
        result = result.squeeze(-1 if b.dim() == 1 else -2)
    return result


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """a [B, M, K] with b [B, K, N] gives [B, M, N] (§2)."""
    return matmul(a, b)


def addmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """matmul(a, b), then bias, which broadcasts to [M, N], as one float32 addition (§2)."""
    return matmul(a, b) + bias


def baddbmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """bmm(a, b), then bias, which broadcasts to [B, M, N], as one float32 addition (§2)."""
    return matmul(a, b) + bias


def scaled_dot_product_attention(  # noqa: PLR0917
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Attention of query [..., H, L, D] to key [..., Hk, T, D] and value [..., Hk, T, Dv] (§5).

    attn_mask broadcasts to [..., H, L, T]: boolean (False excludes) or float32 (added). Query head
    h reads key head floor(h·Hk/H). A query with no key left gives zeros. Raises NonFiniteError for
    an infinity or NaN in query, key or value, excluded or not, and for a score of NaN or +inf.
    """
    _check_attention(query, key, value, attn_mask)
    _check_length("attention to as many keys", key.shape[-2], LONGEST_DOT)
    _check_length("attention", key.shape[-1], LONGEST_DOT)
    return serving(query).scaled_dot_product_attention(query, key, value, attn_mask, is_causal, scale)


def softmax(x: Tensor, dim: int) -> Tensor:
    """Softmax along dim; -inf gives +0, a row of nothing else NonFiniteError (§5)."""
    _check_length("softmax", x.shape[dim], LONGEST_SUM)
    return serving(x).softmax(x, dim)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Log-softmax along dim; -inf stays, a row of nothing else NonFiniteError (§5)."""
    _check_length("log_softmax", x.shape[dim], LONGEST_SUM)
    return serving(x).log_softmax(x, dim)


def sum(x: Tensor, dim: Dimensions = None, keepdim: bool = False) -> Tensor:  # noqa: A001
    """Sum over the dimensions `dim`, all of them if None or empty (§3); of float64 it is Sum64 itself."""
    vectors = flattened(x, dim)
    _check_length("sum", vectors.shape[-1], LONGEST_SUM)
    _check_range("sum", vectors)
    return restored(serving(x).sum64(vectors, "sum"), x, dim, keepdim)


def mean(x: Tensor, dim: Dimensions = None, keepdim: bool = False) -> Tensor:
    """Mean over the dimensions `dim`, all of them if None or empty (§3); of float64 it is not rounded to float32."""
    vectors = flattened(x, dim)
    _check_length("mean", vectors.shape[-1], LONGEST_SUM)
    _check_range("mean", vectors)
    return restored(serving(x).mean64(vectors, "mean"), x, dim, keepdim)


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """X normalised over its last dimensions, which are normalized_shape (§4)."""
    if tuple(x.shape[x.dim() - len(normalized_shape) :]) != tuple(normalized_shape):
        raise RefusedArithmeticError(f"layer_norm over {list(normalized_shape)} of a tensor {list(x.shape)}")
    w, b = (None if p is None else p.expand(normalized_shape).reshape(-1) for p in (weight, bias))
    result = _normalised(x, math.prod(normalized_shape), w, b, eps, "layer_norm")
    # Only these make a NaN of finite values: an infinite factor or bias, or an eps that leaves a variance of zero.
    ordinary = eps >= _SMALLEST_NORMAL and _surely_finite(*(p for p in (w, b) if p is not None))
    if not ordinary and bool(result.isnan().any()):
        raise NonFiniteError("layer_norm: its result has a NaN")
    return result


def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """x [N, C, ...] normalised over each of num_groups groups of channels (§4)."""
    if x.shape[1] % num_groups:
        raise RefusedArithmeticError(f"group_norm of {x.shape[1]} channels in {num_groups} groups")
    y = _normalised(x, math.prod(x.shape[1:]) // num_groups, None, None, eps, "group_norm")
    if weight is not None:
        y = y * _per_channel(weight, x)
    if bias is not None:
        y = y + _per_channel(bias, x)
    return positive_zero(y)


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """x [N, C, ...] normalised over each channel of each example (§4)."""
    return group_norm(x, x.shape[1], weight, bias, eps)


def batch_norm(  # noqa: PLR0917
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """x [N, C, ...] with the recorded statistics [C], as in inference (§4)."""
    slope = rsqrt((running_var.to(torch.float64) + eps).to(torch.float32))
    if weight is not None:
        slope = slope * weight
    result = (x - _per_channel(running_mean, x)) * _per_channel(slope, x)
    return positive_zero(result if bias is None else result + _per_channel(bias, x))


def exp(x: Tensor) -> Tensor:
    """e^x (§1)."""
    return serving(x).exp(x)


def log(x: Tensor) -> Tensor:
    """Ln x (§1): -inf at ±0, NaN below."""
    return serving(x).log(x)


def sqrt(x: Tensor) -> Tensor:
    """√x (§1): -0 at -0, NaN below."""
    return serving(x).sqrt(x)


def rsqrt(x: Tensor) -> Tensor:
    """1/√x (§1): ±inf at ±0, NaN below."""
    return serving(x).rsqrt(x)


def reciprocal(x: Tensor) -> Tensor:
    """1/x (§1): ±inf at ±0."""
    return serving(x).reciprocal(x)


def sin(x: Tensor) -> Tensor:
    """Sin x for abs(x) ≤ 2^24; beyond it RefusedArithmeticError (§1)."""
    return serving(x).sin(x)


def cos(x: Tensor) -> Tensor:
    """Cos x for abs(x) ≤ 2^24; beyond it RefusedArithmeticError (§1)."""
    return serving(x).cos(x)


def tanh(x: Tensor) -> Tensor:
    """Tanh x (§1)."""
    return serving(x).tanh(x)


def erf(x: Tensor) -> Tensor:
    """Erf x (§1)."""
    return serving(x).erf(x)


def sigmoid(x: Tensor) -> Tensor:
    """1/(1 + e^-x) (§1)."""
    return serving(x).sigmoid(x)


def silu(x: Tensor) -> Tensor:
    """x/(1 + e^-x) (§1)."""
    return serving(x).silu(x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x·Φ(x), or with approximate="tanh" the function that §1 names gelu_tanh."""
    return serving(x).gelu(x, approximate)


def softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x) (§1)."""
    return serving(x).softplus(x)


def _normalised(  # noqa: PLR0917
    x: Tensor, length: int, weight: Tensor | None, bias: Tensor | None, eps: float, operation: str
) -> Tensor:
    """X as rows of `length` values, each normalised by itself."""
    _check_length(operation, length, LONGEST_SUM)
    rows = x.reshape(x.numel() // max(1, length), length)
    return serving(x).normalised(rows, weight, bias, eps, operation).reshape(x.shape)


def _surely_finite(*tensors: Tensor) -> bool:
    """False if any has an infinity or a NaN, or adds up to one: one operation each, which is all that it may cost."""
    return all(math.isfinite(t.sum().item()) for t in tensors)


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    """Values [C] as they meet x [N, C, ...]."""
    return values.reshape(-1, *[1] * (x.dim() - 2))


def _check_range(operation: str, vectors: Tensor) -> None:
    """Refuse float64 vectors whose largest is not within what §3 takes; what is not finite, the kernels find."""
    if vectors.dtype == torch.float64 and vectors.numel():
        peak = vectors.abs().amax(-1)
        if bool(((peak > 0) & (peak < _LEAST64) | (peak >= _MOST64) & peak.isfinite()).any()):
            raise RefusedArithmeticError(f"{operation} of float64 beyond 2^-900 to 2^900 is not defined")


def _check_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> None:
    """Compiled loops go by the sizes of the query and the key alone."""
    fits = query.dim() == key.dim() == value.dim() and query.dim() >= 2 and query.shape[-1] == key.shape[-1]
    if not fits or key.shape[-3:-1] != value.shape[-3:-1]:
        shapes = f"{list(query.shape)}, {list(key.shape)} and {list(value.shape)}"
        raise RefusedArithmeticError(f"attention of query, key and value {shapes}")
    if attn_mask is not None:
        batch = torch.broadcast_shapes(*(t.shape[:-3] for t in (query, key, value)))  # type: ignore[no-untyped-call]
        attn_mask.expand(*batch, *query.shape[-3:-1], key.shape[-2])


def _check_length(operation: str, length: int, longest: int) -> None:
    if length > longest:
        raise RefusedArithmeticError(f"{operation} over {length} values passes 2^{longest.bit_length() - 1}")
