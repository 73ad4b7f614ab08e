"""portable-1: arithmetic that gives the same bits on every machine (docs/arithmetic.md)."""

from .errors import NonFiniteError, RefusedArithmeticError
from .reference.attention import log_softmax, scaled_dot_product_attention, softmax
from .reference.dot import addmm, baddbmm, bmm, linear, matmul
from .reference.extremes import amax, amin, argmax, argmin, clamp, maximum, minimum, relu
from .reference.functions import (
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
from .reference.normalisation import batch_norm, group_norm, instance_norm, layer_norm
from .reference.sums import mean, sum  # noqa: A004

__all__ = [
    "NonFiniteError",
    "RefusedArithmeticError",
    "addmm",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "baddbmm",
    "batch_norm",
    "bmm",
    "clamp",
    "cos",
    "erf",
    "exp",
    "gelu",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "maximum",
    "mean",
    "minimum",
    "reciprocal",
    "relu",
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
