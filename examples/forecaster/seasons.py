"""The periods of a series, and what they say about its future: no weights.

Periods are the peaks of the periodogram that white noise would not show (as in TinyCast, whose code the wheel carries).
The discrete Fourier transform is its definition, a product with cosines and sines.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CONTEXT, FUTURE = 2048, 48  # steps that are looked at, steps that are foretold
PERIODS = 4
FREQUENCIES = CONTEXT // 2
# Bonferroni: the height that no frequency of white noise reaches in 95 of 100 series.
SIGNIFICANT = math.log(FREQUENCIES / 0.05) / FREQUENCIES
PHASES = 16
RECENCIES = 5


class Periodogram(nn.Module):
    """Series to their most significant periods."""

    cosines: Tensor
    sines: Tensor
    periods: Tensor

    def __init__(self) -> None:
        super().__init__()
        turns = torch.arange(CONTEXT, dtype=torch.float64) * (2 * math.pi / CONTEXT)
        self.register_buffer("cosines", turns.cos().float(), persistent=False)
        self.register_buffer("sines", turns.sin().float(), persistent=False)
        rounded = [round(CONTEXT / frequency) for frequency in range(1, FREQUENCIES + 1)]
        self.register_buffer("periods", torch.tensor(rounded), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [batch, CONTEXT] to int64 [batch, PERIODS], the strongest first; 0 for none."""
        power = self._power(x - x.mean(1, keepdim=True))
        share = power / power.sum(1, keepdim=True).clamp(min=1e-12)
        # The longest and the shortest have a neighbour only on one side.
        left, middle, right = share[:, :-2], share[:, 1:-1], share[:, 2:]
        peak = (middle > left) & (middle > right) & (middle >= SIGNIFICANT)
        height, index = torch.where(peak, middle, 0.0).topk(PERIODS, 1)
        return torch.where(height > 0, self.periods[index + 1], 0)

    def _power(self, x: Tensor) -> Tensor:
        """float32 [batch, CONTEXT] to [batch, FREQUENCIES], from one wave in all on."""
        frequency = torch.arange(1, FREQUENCIES + 1).unsqueeze(1)
        turn = frequency * torch.arange(CONTEXT) % CONTEXT
        real, imaginary = x @ self.cosines[turn].T, x @ self.sines[turn].T
        return real * real + imaginary * imaginary


def phases(periods: Tensor) -> Tensor:
    """int64 [batch, PERIODS] to float32 [batch, CONTEXT, 2 * PERIODS]: sine and cosine of each, 0 for none."""
    valid = (periods > 0).unsqueeze(1).unsqueeze(-1).float()
    period = periods.clamp(min=1).unsqueeze(1).float()
    angle = 2 * math.pi * torch.arange(CONTEXT).unsqueeze(1).float() / period
    return (torch.stack([angle.sin(), angle.cos()], -1) * valid).flatten(2)


def recency(first: int, last: int) -> Tensor:
    """Where steps lie from now, from `first` to before `last`, in five ways: float32 [steps, RECENCIES]."""
    delta = (torch.arange(first, last, dtype=torch.float64) - (CONTEXT - 1)) / CONTEXT
    decays = [(-rate * delta.abs()).exp() for rate in (0.5, 2.0, 8.0)]
    return torch.stack([delta, delta.sign() * delta.abs().log1p() / math.log(2), *decays], -1).float()


def repeated(x: Tensor, observed: Tensor, mean: Tensor, periods: Tensor) -> Tensor:
    """What each future step was on average when it had the same phase of the first period: float32 [batch, FUTURE].

    x: float32 [batch, CONTEXT], 0 where not `observed` (boolean). mean: [batch, 1], for a phase never observed.
    """
    period = periods[:, :1].clamp(min=1)
    of_phase = _phase(torch.arange(CONTEXT), period).unsqueeze(-1) == torch.arange(PHASES)
    of_phase = (of_phase & observed.unsqueeze(-1)).float()
    counts = of_phase.sum(1)
    totals = (of_phase.transpose(1, 2) @ x.unsqueeze(-1)).squeeze(-1)
    means = torch.where(counts > 0, totals / counts.clamp(min=1), mean)
    return means.gather(1, _phase(torch.arange(CONTEXT, CONTEXT + FUTURE), period))


def _phase(steps: Tensor, period: Tensor) -> Tensor:
    """int64 [steps] and [batch, 1] to [batch, steps] from 0 to PHASES - 1."""
    return ((steps % period).float() / period.float() * PHASES).long().clamp(max=PHASES - 1)
