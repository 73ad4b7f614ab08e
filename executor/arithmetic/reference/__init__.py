"""portable-1 in plain torch, on any device: what docs/arithmetic.md says, in as few words as torch allows."""

from .attention import log_softmax, scaled_dot_product_attention, softmax
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
from .normalisation import normalised
from .sums import mean64, sum64

NAME = "reference"

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


def product() -> str:
    """The exact product that serves (§2): torch's own, of integers in float64."""
    return "float64"
