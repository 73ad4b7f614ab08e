"""Functions of one variable, correctly rounded for every float32 (§1)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import RefusedArithmeticError
from .activations import gelu64, gelu_tanh64, sigmoid64, silu64, softplus64, tanh64
from .exponential import EXP_HIGHEST, EXP_LOWEST, exp64, log64
from .normal import erf64
from .roots import rsqrt64, sqrt64
from .rounding import Evaluation, correctly_rounded
from .trigonometric import cos64, sin64

LARGEST_ANGLE = 2.0**24


def _exp64(x: Tensor) -> Tensor:
    return exp64(x.clamp(EXP_LOWEST, EXP_HIGHEST))


# The float64 evaluations, by function: what the exhaustive search examines.
EVALUATIONS: dict[str, Evaluation] = {
    "exp": _exp64,
    "log": log64,
    "sin": sin64,
    "cos": cos64,
    "tanh": tanh64,
    "erf": erf64,
    "sigmoid": sigmoid64,
    "silu": silu64,
    "gelu": gelu64,
    "gelu_tanh": gelu_tanh64,
    "softplus": softplus64,
}


def exp(x: Tensor) -> Tensor:
    """e^x (§1)."""
    return _rounded("exp", x)


def log(x: Tensor) -> Tensor:
    """Ln x (§1): -inf at ±0, NaN below."""
    ordinary = (x > 0) & (x != torch.inf)
    logarithm = _rounded("log", torch.where(ordinary, x, 1.0))
    return torch.where(ordinary, logarithm, _at_the_ends(x, zero=-torch.inf, infinity=torch.inf))


def sqrt(x: Tensor) -> Tensor:
    """√x (§1): -0 at -0, NaN below."""
    ordinary = (x > 0) & (x != torch.inf)
    root = sqrt64(torch.where(ordinary, x, 1.0).to(torch.float64)).to(torch.float32)
    return torch.where(ordinary, root, torch.where(x == 0, x, _at_the_ends(x, zero=0.0, infinity=torch.inf)))


def rsqrt(x: Tensor) -> Tensor:
    """1/√x (§1): ±inf at ±0, NaN below."""
    ordinary = (x > 0) & (x != torch.inf)
    root = rsqrt64(torch.where(ordinary, x, 1.0).to(torch.float64)).to(torch.float32)
    ends = torch.where(x == 0, reciprocal(x), _at_the_ends(x, zero=0.0, infinity=0.0))
    return torch.where(ordinary, root, ends)


def reciprocal(x: Tensor) -> Tensor:
    """1/x (§1): float32 division is correctly rounded when both sides are tensors."""
    return torch.ones((), dtype=x.dtype, device=x.device) / x


def sin(x: Tensor) -> Tensor:
    """Sin x for abs(x) ≤ 2^24; beyond it RefusedArithmeticError (§1)."""
    return _rounded("sin", _angle("sin", x))


def cos(x: Tensor) -> Tensor:
    """Cos x for abs(x) ≤ 2^24; beyond it RefusedArithmeticError (§1)."""
    return _rounded("cos", _angle("cos", x))


def tanh(x: Tensor) -> Tensor:
    """Tanh x (§1)."""
    return _rounded("tanh", x)


def erf(x: Tensor) -> Tensor:
    """Erf x (§1)."""
    return _rounded("erf", x)


def sigmoid(x: Tensor) -> Tensor:
    """1/(1 + e^-x) (§1)."""
    return _rounded("sigmoid", x)


def silu(x: Tensor) -> Tensor:
    """x/(1 + e^-x) (§1)."""
    return _rounded("silu", x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x·Φ(x), or with approximate="tanh" the function that §1 names gelu_tanh."""
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    if approximate not in names:
        raise RefusedArithmeticError(f"gelu with approximate={approximate!r} is not defined")
    return _rounded(names[approximate], x)


def softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x) (§1)."""
    return _rounded("softplus", x)


def _rounded(name: str, x: Tensor) -> Tensor:
    return correctly_rounded(name, EVALUATIONS[name], x)


def _at_the_ends(x: Tensor, zero: float, infinity: float) -> Tensor:
    """The value at ±0 and +inf; NaN elsewhere."""
    limit = torch.where(x == torch.inf, infinity, torch.nan)
    return torch.where(x == 0, zero, limit).to(torch.float32)


def _angle(name: str, x: Tensor) -> Tensor:
    if bool((x.abs() > LARGEST_ANGLE).any()):
        raise RefusedArithmeticError(f"{name} is not defined beyond 2^24")
    return x
