"""portable-1 on CPUs as fused loops, compiled by numba for the processor at hand."""

from .attention import scaled_dot_product_attention
from .dot import linear, matmul, prepare
from .functions import (
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
from .memory import keep_freed_memory
from .normalisation import normalised
from .products import serving
from .sums import mean64, sum64
from .weights import log_softmax, softmax

NAME = "cpu"

__all__ = [
    "NAME",
    "cos",
    "erf",
    "exp",
    "gelu",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "mean64",
    "normalised",
    "prepare",
    "product",
    "reciprocal",
    "rsqrt",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "sum64",
    "tanh",
]


keep_freed_memory()


def product() -> str:
    """The exact product that serves on this processor (§2)."""
    return serving().name.lower()
