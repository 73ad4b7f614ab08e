"""portable-1 on CPUs as fused loops, compiled by numba for the processor at hand."""

from ..reference.attention import log_softmax, scaled_dot_product_attention, softmax
from ..reference.functions import (
    cos,
    erf,
    exp,
    gelu,
    log,
    reciprocal,
    rsqrt,
    sigmoid,
    silu,
    sin,
    softplus,
    sqrt,
    tanh,
)
from ..reference.normalisation import group_norm, layer_norm
from ..reference.sums import mean, sum  # noqa: A004
from .dot import linear, matmul, prepare

NAME = "cpu"

__all__ = [
    "NAME",
    "cos",
    "erf",
    "exp",
    "gelu",
    "group_norm",
    "layer_norm",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "mean",
    "prepare",
    "reciprocal",
    "rsqrt",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "sum",
    "tanh",
]
