"""Activation functions in float64 (§1)."""

from __future__ import annotations

import torch
from torch import Tensor

from .exponential import EXP_HIGHEST, EXP_LOWEST, exp64, expm1_64, log1p64
from .normal import FARTHEST, distribution64

# 2·√(2/π), and 0.044715 times it with a first part of 29 bits.
_LINEAR = (float.fromhex("0x1.9884533d43650p+0"), float.fromhex("0x1.1a1f9678a0175p-53"))
_CUBIC = (float.fromhex("0x1.2444f2a000000p-4"), float.fromhex("0x1.362d2bd26f78cp-34"))

# gelu_tanh rounds to -0 in float32 from here down and to x long before here up.
_GELU_TANH_FARTHEST = 11.0


def tanh64(x: Tensor) -> Tensor:
    """(e^2x - 1)/(e^2x + 1), odd."""
    growth = expm1_64(x.abs().mul_(2.0).clamp_(max=EXP_HIGHEST))
    value = growth / (growth + 2.0)
    return torch.where(x < 0, -value, torch.where(x == 0, x, value))


def sigmoid64(x: Tensor) -> Tensor:
    """1/(1 + e^-x)."""
    growth = exp64(x.neg().clamp_(EXP_LOWEST, EXP_HIGHEST)).add_(1.0)
    return torch.ones((), dtype=x.dtype, device=x.device) / growth


def silu64(x: Tensor) -> Tensor:
    """x/(1 + e^-x)."""
    return _gated(x.clamp(min=EXP_LOWEST), sigmoid64(x))


def gelu64(x: Tensor) -> Tensor:
    """x·Φ(x)."""
    return _gated(x.clamp(min=-FARTHEST), distribution64(x))


def gelu_tanh64(x: Tensor) -> Tensor:
    """x/(1 + e^-w) with w = x·(a + b·x²), which is (x/2)·(1 + tanh(w/2)).

    w reaches 100 and its absolute error is the relative error of e^-w, so w is held in two parts.
    """
    z = x.clamp(-_GELU_TANH_FARTHEST, _GELU_TANH_FARTHEST)
    square = z * z  # exact: z has 24 bits
    square_high = square.to(torch.float32).to(torch.float64)
    square_low = square - square_high
    cubic = square_high * _CUBIC[0]  # exact
    cubic_low = (square_low * _CUBIC[0]).add_(square * _CUBIC[1])
    slope = cubic + _LINEAR[0]
    virtual = slope - cubic
    lost = (cubic - (slope - virtual)) + (_LINEAR[0] - virtual)  # Knuth's two-sum
    slope_low = lost + (cubic_low + _LINEAR[1])
    slope_high = slope.to(torch.float32).to(torch.float64)
    slope_low = slope_low + (slope - slope_high)
    growth = exp64(-(z * slope_high), -(z * slope_low)).add_(1.0)
    return _gated(x.clamp(min=-_GELU_TANH_FARTHEST), torch.ones_like(growth) / growth)


def softplus64(x: Tensor) -> Tensor:
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^-abs(x))."""
    decay = exp64(x.abs().neg_().clamp_(min=EXP_LOWEST))
    return log1p64(decay).add_(torch.where(x > 0, x, 0.0))


def _gated(x: Tensor, gate: Tensor) -> Tensor:
    """x·gate, where gate is 1/2 + (something of the sign of x) near 0.

    Where x/2 may be a tie among subnormal float32 values, float64 cannot see the something; a
    larger one of the same sign breaks the tie as the exact value would, and changes nothing else.
    """
    tie_breaker = x.sign().mul_(2.0**-40).add_(0.5)
    return x * torch.where(x.abs() < 2.0**-100, tie_breaker, gate)
